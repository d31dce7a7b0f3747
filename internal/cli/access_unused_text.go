package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// How much is shown without --verbose.
const (
	shownUnused   = 25 // subjects
	shownOfState  = 12 // lines of one state of one binding
	shownRefusals = 5
)

func (f *unusedFlags) write(p *Program, r *usageReport) error {
	switch f.output {
	case "json":
		return writeJSON(p.Stdout, newUsageJSON(r))
	case "yaml":
		return f.writeRoles(p, r)
	}
	out := f.printer(p)
	out.usage(r, f.verbose)
	return out.w.Flush()
}

// usage writes the bindings by subjects, those with the most that is unused first.
func (p *accessPrinter) usage(r *usageReport, verbose bool) {
	bySubject := map[access.Subject][]*grantReport{}
	unused := map[access.Subject]int{}
	var order []access.Subject
	for i := range r.grants {
		g := &r.grants[i]
		if len(bySubject[g.Subject]) == 0 {
			order = append(order, g.Subject)
		}
		bySubject[g.Subject] = append(bySubject[g.Subject], g)
		for _, s := range g.States {
			if s.State == stateUnused || s.State == stateInPart {
				unused[g.Subject]++
			}
		}
	}
	slices.SortStableFunc(order, func(a, b access.Subject) int {
		return cmp.Or(cmp.Compare(unused[b], unused[a]), strings.Compare(a.String(), b.String()))
	})
	for i, s := range order {
		if i == shownUnused && !verbose {
			p.line(0, dim, fmt.Sprintf("and %s; -v lists them", counted(len(order)-i, "more subject")))
			fmt.Fprintln(p.w)
			break
		}
		p.line(0, bold, s.String())
		for _, g := range bySubject[s] {
			p.grantUse(g, verbose)
		}
		fmt.Fprintln(p.w)
	}
	if len(order) == 0 {
		p.line(0, bold, "No binding that was read gives what was asked about.")
		fmt.Fprintln(p.w)
	}
	p.notAllowed(r, verbose)
	p.watched(r)
}

var stateStyles = map[usedState]string{stateUsed: green, stateInPart: yellow, stateUnused: red, stateUnknown: dim}

func (p *accessPrinter) grantUse(g *grantReport, verbose bool) {
	idle := !slices.ContainsFunc(g.States, func(s rightState) bool { return s.State != stateUnused })
	kind, name := g.Binding.RoleRef()
	p.labelled(2, "", fmt.Sprintf("%s %s gives %s %s %s", g.Binding.Kind(), g.Binding.Name(), kind, name.Name, scopeText(g.Binding.Namespace())), placeOf(g.Binding.Object()))
	if len(g.Rights) == 0 {
		p.line(4, dim, "gives nothing there")
		return
	}
	if idle {
		p.line(4, red, "nothing of it was used: remove the binding")
		return
	}
	if why := g.States[0].Why; !slices.ContainsFunc(g.States, func(s rightState) bool { return s != rightState{stateUnknown, why} }) {
		p.state(stateUnknown, []useLine{{"all of it", why}}, verbose)
		return
	}
	for _, state := range []usedState{stateUsed, stateInPart, stateUnused, stateUnknown} {
		p.state(state, linesOf(g, state), verbose)
	}
}

func (p *accessPrinter) state(state usedState, lines []useLine, verbose bool) {
	label := string(state)
	for i, l := range lines {
		if i == shownOfState && !verbose {
			p.line(15, dim, fmt.Sprintf("and %d more; -v lists them", len(lines)-i))
			break
		}
		fmt.Fprint(p.w, "    ", p.paint(stateStyles[state], fmt.Sprintf("%-9s", label)))
		fmt.Fprintln(p.w, hang(printable(l.text), 13, p.width))
		if label = ""; l.why != "" && (i == len(lines)-1 || lines[i+1].why != l.why) {
			p.wrapped(15, dim, l.why)
		}
	}
}

// useLine is what is told of rights for one resource.
type useLine struct{ text, why string }

// linesOf puts the verbs for one resource, which have one state for one reason, on one
// line, and resources with the same verbs.
func linesOf(g *grantReport, state usedState) []useLine {
	type key struct{ resource, names, why, used string }
	verbs := map[key][]string{}
	var order []key
	for i := range g.Rights {
		r := &g.Rights[i]
		if g.States[i].State != state {
			continue
		}
		k := key{resourceText(r.Group, r.Resource, r.URL), strings.Join(r.Names, ", "), g.States[i].Why, ""}
		if state == stateUsed || state == stateInPart {
			k.used = usedText(r)
		}
		if verbs[k] == nil {
			order = append(order, k)
		}
		if !slices.Contains(verbs[k], r.Verb) {
			verbs[k] = append(verbs[k], r.Verb)
		}
	}
	type rule struct{ verbs, names, why, used string }
	resources := map[rule][]string{}
	var rules []rule
	for _, k := range order {
		at := rule{strings.Join(verbs[k], ", "), k.names, k.why, k.used}
		if slices.Contains(verbs[k], "*") {
			at.verbs = "every verb"
		}
		if resources[at] == nil {
			rules = append(rules, at)
		}
		resources[at] = append(resources[at], k.resource)
	}
	lines := make([]useLine, len(rules))
	for i, at := range rules {
		lines[i] = useLine{at.verbs + " on " + listed(resources[at]), at.why}
		if at.names != "" {
			lines[i].text += " named " + at.names
		}
		lines[i].text += at.used
	}
	slices.SortStableFunc(lines, func(a, b useLine) int { return strings.Compare(a.why, b.why) })
	return lines
}

func resourceText(group, resource, url string) string {
	switch {
	case url == "*":
		return "every URL"
	case url != "":
		return url
	case resource == "*" && group == "*":
		return "every resource of every group"
	case resource == "*":
		resource = "every resource"
		if group != "" {
			return resource + " of " + group
		}
		return resource + " of the core group"
	case group == "*":
		return resource + " of every group"
	case group != "":
		return resource + "." + group
	}
	return resource
}

// usedText says what of a right was used, where it is wider than that, and for which
// objects, where these are few.
func usedText(r *access.RightUse) string {
	var parts []string
	if r.Wide() {
		seen := map[string][]string{}
		var order []string
		for _, used := range r.Used {
			q := used.Request
			resource := q.Resource
			if q.Subresource != "" {
				resource += "/" + q.Subresource
			}
			what := resourceText(q.Group, resource, q.URL)
			if seen[what] == nil {
				order = append(order, what)
			}
			if !slices.Contains(seen[what], q.Verb) {
				seen[what] = append(seen[what], q.Verb)
			}
		}
		slices.Sort(order)
		for i, what := range order {
			if i == shownParts {
				parts = append(parts, fmt.Sprintf("and %d more", len(order)-i))
				break
			}
			slices.Sort(seen[what])
			parts = append(parts, strings.Join(seen[what], ", ")+" on "+what)
		}
		return ": " + strings.Join(parts, "; ")
	}
	if len(r.Names) > 0 || !slices.Contains([]string{"get", "update", "patch", "delete"}, r.Verb) {
		return ""
	}
	names := map[string]bool{}
	for _, used := range r.Used {
		for _, name := range used.Names {
			names[name] = true
		}
		if used.More || len(names) > 3 {
			return ""
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(slices.Sorted(maps.Keys(names)), ", ") + " only)"
}

// notAllowed tells what was asked for and refused, and what no rule explains.
func (p *accessPrinter) notAllowed(r *usageReport, verbose bool) {
	show := func(title string, all []refusal, more int) {
		if len(all) == 0 {
			return
		}
		p.wrapped(0, "", title)
		for i, no := range all {
			if i == shownRefusals && !verbose {
				more += len(all) - i
				break
			}
			p.wrapped(2, "", no.By.String()+"  "+asked(&no.Request)+" "+requestPlace(&no.Request))
		}
		if more > 0 {
			p.line(2, dim, fmt.Sprintf("and %d more; -v lists them", more))
		}
		fmt.Fprintln(p.w)
	}
	show("Asked for and refused:", r.refused, r.more)
	var strange []refusal
	for s, used := range r.usage.Unexplained() {
		if !s.System() {
			strange = append(strange, refusal{s, used.Request})
		}
	}
	show("Allowed then, and by no rule that was read: the rights have changed, or were not all read:", strange, 0)
}

func requestPlace(q *access.Request) string {
	switch {
	case q.URL != "":
		return ""
	case q.Namespace == "":
		return "in the whole cluster"
	}
	return "in namespace " + q.Namespace
}

// watched says how much was seen, and what the narrowed roles are worth.
func (p *accessPrinter) watched(r *usageReport) {
	c := &r.coverage
	p.wrapped(0, "", fmt.Sprintf("The log holds %d of %s, %s, from %s to %s.", c.Days.Len(),
		counted(int(c.To.Unix()/86400-c.From.Unix()/86400)+1, "day"), counted(c.Events, "event"), c.From.UTC().Format(timeLayout), c.To.UTC().Format(timeLayout)))
	if c.Reviews > 0 && c.Hidden > 0 {
		p.wrapped(0, dim, fmt.Sprintf("Of %s by which others asked whether somebody may, %d are without their content: log subjectaccessreviews at level Request.", counted(c.Reviews, "request"), c.Hidden))
	}
	if !r.policy {
		p.wrapped(0, yellow, "What the cluster's audit policy leaves out of its log looks unused here: name it with --audit-policy.")
	}
	t := &r.trial
	if t.narrowed+len(t.idle) == 0 {
		p.wrapped(0, "", "No role can be narrowed.")
		return
	}
	what := counted(t.narrowed, "narrower role")
	if t.own > 0 {
		what += fmt.Sprintf(", %d of them in place of one of Kubernetes' own", t.own)
	}
	if len(t.idle) > 0 {
		what += fmt.Sprintf(", and names %s to remove", counted(len(t.idle), "binding"))
	}
	p.wrapped(0, "", fmt.Sprintf("-o yaml writes %s: %d of %s go. Tried out: all %s of the log are still allowed; dangerous rights %d, before %d.",
		what, t.gone, counted(t.had, "right"), counted(t.requests, "different request"), t.after, t.before))
}

const timeLayout = "2006-01-02 15:04 UTC"

// writeRoles writes the narrowed roles as manifests.
func (f *unusedFlags) writeRoles(p *Program, r *usageReport) error {
	w := p.Stdout
	c := &r.coverage
	if _, err := fmt.Fprintf(w, "# Roles with what was used of them from %s to %s, on %s. What a log does not show stays.\n# All %s of the log are still allowed with them; dangerous rights: %d, before %d.\n",
		c.From.UTC().Format(timeLayout), c.To.UTC().Format(timeLayout), counted(c.Days.Len(), "day"), counted(r.trial.requests, "different request"), r.trial.after, r.trial.before); err != nil {
		return &codeError{exitUsage, err}
	}
	if !r.policy {
		if _, err := fmt.Fprintln(w, "# Of the audit policy nothing was known: what it leaves out of the log is taken away."); err != nil {
			return &codeError{exitUsage, err}
		}
	}
	for _, o := range r.trial.idle {
		where := ""
		if o.Key.Namespace != "" {
			where = " -n " + o.Key.Namespace
		}
		if _, err := fmt.Fprintf(w, "# Nothing of it was used: kubectl delete %s %s%s\n", strings.ToLower(o.Key.Kind), o.Key.Name, where); err != nil {
			return &codeError{exitUsage, err}
		}
	}
	for _, o := range r.trial.objects {
		text, err := yaml.Marshal(manifestOf(o))
		if err != nil {
			return &codeError{exitUsage, fmt.Errorf("%s: %w", o.Key, err)}
		}
		note := ""
		if o.Key.Kind == model.ClusterRoleBindingKind.Kind || o.Key.Kind == model.RoleBindingKind.Kind {
			note = "# roleRef cannot be changed: delete the binding first\n"
		}
		if _, err := fmt.Fprintf(w, "---\n%s%s", note, text); err != nil {
			return &codeError{exitUsage, err}
		}
	}
	return nil
}

// manifestOf is an object as a person would write it, without what a server added.
func manifestOf(o *model.Object) map[string]any {
	root, _ := o.Root.Native().(map[string]any)
	delete(root, "status")
	metadata, _ := root["metadata"].(map[string]any)
	for key := range metadata {
		if !slices.Contains([]string{"name", "namespace", "labels", "annotations"}, key) {
			delete(metadata, key)
		}
	}
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
		if len(annotations) == 0 {
			delete(metadata, "annotations")
		}
	}
	return root
}
