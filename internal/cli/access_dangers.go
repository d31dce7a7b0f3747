package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// How much is shown without --verbose.
const (
	shownHolders = 25 // subjects with their scopes
	shownParts   = 10 // of a subject in a scope: what it holds by the same rules
	shownRights  = 5  // of one rule, with what they mean
	shownNotes   = 10 // of one kind
)

// holding is all that a subject holds in one scope.
type holding struct {
	subject   access.Subject
	namespace string
	worst     model.Severity
	parts     []holdingPart
	byProof   map[partKey][]int // positions in parts
}

// partKey is what parts are looked up by: those with one key may differ in their
// further proofs and in their names.
type partKey struct {
	binding access.Binding
	rule    access.Rule
}

// holdingPart is what a subject holds by the same rules.
type holdingPart struct {
	proofs []access.Proof
	names  []string
	rights []access.Right // the worst first
}

// holdings turns the list of rights with holders into one of holders with
// rights, the worst first.
func holdings(dangers []access.Danger) []holding {
	type scope struct {
		subject   access.Subject
		namespace string
	}
	at := map[scope]int{}
	var all []holding
	for _, d := range dangers {
		if !access.Reported.Has(d.Right) {
			continue
		}
		info := d.Right.Info()
		for _, h := range d.Holders {
			i, ok := at[scope{h.Subject, h.Namespace}]
			if !ok {
				i = len(all)
				at[scope{h.Subject, h.Namespace}] = i
				all = append(all, holding{subject: h.Subject, namespace: h.Namespace, byProof: map[partKey][]int{}})
			}
			if len(h.Names) == 0 || info.One {
				all[i].worst = max(all[i].worst, info.Severity)
			}
			all[i].add(d.Right, h)
		}
	}
	for i := range all {
		all[i].sort()
	}
	slices.SortStableFunc(all, func(a, b holding) int {
		return cmp.Or(cmp.Compare(b.worst, a.worst), cmp.Compare(a.parts[0].rights[0], b.parts[0].rights[0]), strings.Compare(a.namespace, b.namespace), strings.Compare(a.subject.String(), b.subject.String()))
	})
	return all
}

// sort puts the worst first, and what holds for some names only behind the rest.
func (h *holding) sort() {
	for i := range h.parts {
		slices.SortStableFunc(h.parts[i].rights, func(a, b access.Right) int { return cmp.Compare(b.Info().Severity, a.Info().Severity) })
	}
	slices.SortStableFunc(h.parts, func(a, b holdingPart) int {
		return cmp.Or(cmp.Compare(min(len(a.names), 1), min(len(b.names), 1)), cmp.Compare(b.rights[0].Info().Severity, a.rights[0].Info().Severity))
	})
}

func (h *holding) add(r access.Right, holder access.Holder) {
	proofs := slices.CompactFunc(slices.Clone(holder.Proofs), sameRule)
	key := partKey{proofs[0].Binding, proofs[0].Rule}
	for _, i := range h.byProof[key] {
		if p := &h.parts[i]; slices.EqualFunc(p.proofs, proofs, sameRule) && slices.Equal(p.names, holder.Names) {
			if !slices.Contains(p.rights, r) {
				p.rights = append(p.rights, r)
			}
			return
		}
	}
	h.byProof[key] = append(h.byProof[key], len(h.parts))
	h.parts = append(h.parts, holdingPart{proofs, holder.Names, []access.Right{r}})
}

func sameRule(a, b access.Proof) bool { return a.Binding == b.Binding && a.Rule == b.Rule }

func (p *accessPrinter) dangers(dangers []access.Danger, notes []access.Note, unread string, system, verbose bool) error {
	all := holdings(dangers)
	hidden := map[access.Subject]bool{}
	if !system {
		all = slices.DeleteFunc(all, func(h holding) bool {
			if h.subject.System() {
				hidden[h.subject] = true
			}
			return h.subject.System()
		})
	}
	if len(all) == 0 {
		p.line(0, bold, "Nothing that was read gives a dangerous right.")
		fmt.Fprintln(p.w)
	}
	for i, h := range all {
		if i == shownHolders && !verbose {
			p.line(0, dim, fmt.Sprintf("and %d more subjects and scopes; -v lists them", len(all)-i))
			fmt.Fprintln(p.w)
			break
		}
		p.holding(h, verbose)
	}
	p.notes(notes, verbose)
	if slices.ContainsFunc(dangers, func(d access.Danger) bool { return d.More }) {
		p.line(0, yellow, "Roles that aggregate others give rights over more names than are listed.")
	}
	p.unread(unread)
	if len(hidden) > 0 {
		p.line(0, dim, fmt.Sprintf("Not listed: %s of Kubernetes itself; --system lists them.", counted(len(hidden), "part")))
	}
	return p.w.Flush()
}

var severityStyles = map[model.Severity]string{model.Critical: "1;31", model.High: red, model.Medium: yellow, model.Low: dim, model.Info: dim}

func (p *accessPrinter) holding(h holding, verbose bool) {
	fmt.Fprint(p.w, p.paint(severityStyles[h.worst], strings.ToUpper(h.worst.String()))+"  ")
	p.subject(len(h.worst.String())+2, h.subject, scopeText(h.namespace))
	most := len(h.parts)
	if !verbose {
		most = min(most, shownParts)
	}
	var last access.Proof
	for _, part := range byBinding(h.parts[:most]) {
		for _, proof := range part.proofs {
			p.short(4, proof, h.subject, proof.Binding == last.Binding)
			last = proof
		}
		shown := part.rights
		if len(shown) > shownRights && !verbose {
			shown = shown[:shownRights]
		}
		for _, r := range shown {
			p.right(r.Info(), part.names)
		}
		if rest := part.rights[len(shown):]; len(rest) > 0 {
			names := make([]string, len(rest))
			for i, r := range rest {
				names[i] = r.String()
			}
			p.wrapped(8, dim, fmt.Sprintf("and %d more: %s", len(rest), strings.Join(names, ", ")))
		}
	}
	if rest := len(h.parts) - most; rest > 0 {
		p.line(4, dim, "and by "+counted(rest, "more rule")+"; -v lists them")
	}
	fmt.Fprintln(p.w)
}

// byBinding returns the parts with those of one binding together, where the first
// of them stands. One with several proofs is of the last binding.
func byBinding(parts []holdingPart) []holdingPart {
	binding := func(p holdingPart) access.Binding { return p.proofs[len(p.proofs)-1].Binding }
	first := map[access.Binding]int{}
	for i, part := range parts {
		if _, seen := first[binding(part)]; !seen {
			first[binding(part)] = i
		}
	}
	grouped := slices.Clone(parts)
	slices.SortStableFunc(grouped, func(a, b holdingPart) int { return first[binding(a)] - first[binding(b)] })
	return grouped
}

// right writes what a right means, behind its name, or below it where there is
// little room. It is held for objects of some names only, if there are names.
func (p *accessPrinter) right(info access.RightInfo, names []string) {
	const indent, column, least = 8, 36, 40
	text := info.Gain
	if len(names) > 0 {
		text = "For " + listed(names) + " only. " + cmp.Or(info.Named, text)
	}
	text += " (" + strings.Join(info.Attack, ", ") + ")"
	if p.width < column+least {
		fmt.Fprintln(p.w, strings.Repeat(" ", indent)+p.paint(severityStyles[info.Severity], info.Name))
		p.wrapped(indent+2, "", text)
		return
	}
	name := fmt.Sprintf("%-*s", column-indent-1, info.Name)
	fmt.Fprintln(p.w, strings.Repeat(" ", indent)+p.paint(severityStyles[info.Severity], name)+" "+hang(text, column, p.width))
}

// short writes a proof in two lines: the binding, unless it is the one above, and
// the rule.
func (p *accessPrinter) short(indent int, proof access.Proof, subject access.Subject, same bool) {
	if !same {
		kind, name := proof.Binding.RoleRef()
		text := fmt.Sprintf("by %s %s, %s %s", proof.Binding.Kind(), proof.Binding.Name(), kind, name.Name)
		if proof.Subject != subject {
			text += ", as " + proof.Subject.String()
		}
		p.labelled(indent, "", text, placeOf(proof.Binding.Object()))
	}
	p.rule(indent+2, "", proof.Source, proof.Rule, proof.Binding.Role())
}

func (p *accessPrinter) notes(notes []access.Note, verbose bool) {
	for len(notes) > 0 {
		end := slices.IndexFunc(notes, func(n access.Note) bool { return n.ID != notes[0].ID })
		if end < 0 {
			end = len(notes)
		}
		fmt.Fprintln(p.w, p.paint(yellow, "NOTE")+"  "+p.paint(bold, notes[0].ID))
		p.wrapped(4, "", notes[0].Text)
		for i, n := range notes[:end] {
			if i == shownNotes && !verbose {
				p.line(4, dim, fmt.Sprintf("and %d more; -v lists them", end-i))
				break
			}
			p.note(n)
		}
		fmt.Fprintln(p.w)
		notes = notes[end:]
	}
}

func (p *accessPrinter) note(n access.Note) {
	if n.Binding == (access.Binding{}) {
		p.labelled(4, "", n.Role.Kind()+" "+n.Role.Name, placeOf(n.Role.Object))
		return
	}
	kind, name := n.Binding.RoleRef()
	text := fmt.Sprintf("%s %s, %s %s", n.Binding.Kind(), n.Binding.Name(), kind, name.Name)
	if n.Subject != (access.Subject{}) {
		text = n.Subject.String() + " by " + text
	}
	p.labelled(4, "", text+", "+scopeText(n.Binding.Namespace()), placeOf(n.Binding.Object()))
}
