package cli

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// accessPrinter writes the answers of ullage access for a terminal.
type accessPrinter struct {
	w       *bufio.Writer
	colored bool
	width   int
}

// The terminal attributes in use.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (f *accessFlags) printer(p *Program) *accessPrinter {
	printer := newPrinter(p, f.color)
	return &printer
}

// newPrinter writes to a program's standard output; color is auto, always or never.
func newPrinter(p *Program, color string) accessPrinter {
	return accessPrinter{bufio.NewWriter(p.Stdout), p.colored(color), p.width()}
}

func (p *accessPrinter) paint(style, text string) string {
	if !p.colored {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// line writes a line; what came from an object is made printable.
func (p *accessPrinter) line(indent int, style, text string) {
	fmt.Fprintln(p.w, strings.Repeat(" ", indent)+p.paint(style, printable(text)))
}

// wrapped writes text that may take several lines.
func (p *accessPrinter) wrapped(indent int, style, text string) {
	for line := range strings.SplitSeq(hang(printable(text), 0, p.width-indent), "\n") {
		p.line(indent, style, line)
	}
}

// printable replaces what a terminal could take for a command.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// printableLines is printable of each line.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// asked says a request in words.
func asked(q *access.Request) string {
	if q.URL != "" {
		return q.Verb + " " + q.URL
	}
	text := q.Verb + " " + q.Resource
	if q.Subresource != "" {
		text += "/" + q.Subresource
	}
	if q.Group != "" {
		text += "." + q.Group
	}
	if q.Name != "" {
		text += fmt.Sprintf(" %q", q.Name)
	}
	return text
}

func (p *accessPrinter) can(subject access.Subject, q *access.Request, answer access.Answer, closable bool) error {
	where := ""
	switch {
	case q.URL != "":
	case q.Namespace != "":
		where = " in namespace " + q.Namespace
	default:
		where = " in the whole cluster"
	}
	style := map[access.Verdict]string{access.Yes: green, access.No: red, access.Unknown: yellow}[answer.Verdict]
	fmt.Fprintln(p.w, p.paint(bold+";"+style, answer.Verdict.String())+"  "+printable(subject.String()+" "+asked(q)+where))
	switch {
	case answer.Proof != nil:
		p.proof(4, *answer.Proof, subject)
	case answer.Verdict == access.Yes:
		p.wrapped(4, "", "members of system:masters may do everything; no rule limits them")
	}
	if len(answer.Elsewhere) > 0 {
		p.wrapped(4, "", "yes in single namespaces (ask with -n): "+strings.Join(answer.Elsewhere, ", "))
	}
	for _, reason := range answer.Reasons {
		p.wrapped(4, "", reason)
	}
	for _, r := range answer.Replaced {
		p.replaced(4, r.Source, r.Rule)
	}
	if closable {
		p.wrapped(4, dim, "--closed-world takes what was read for all there is")
	}
	if subject.Kind == "User" && answer.Verdict != access.Yes {
		p.wrapped(4, dim, "the groups of a user are not in the cluster: give them with --group")
	}
	return p.w.Flush()
}

// proof writes binding, role and rule. for_ is the subject asked about, which
// the binding may name by a group.
func (p *accessPrinter) proof(indent int, proof access.Proof, for_ access.Subject) {
	by := ""
	if proof.Subject.String() != for_.String() {
		by = " for " + proof.Subject.String()
	}
	p.labelled(indent, "by    ", proof.Binding.Kind()+" "+proof.Binding.Name()+by, placeOf(proof.Binding.Object()))
	p.role(indent, proof.Binding)
	p.rule(indent, "rule  ", proof.Source, proof.Rule, proof.Binding.Role())
}

func (p *accessPrinter) role(indent int, b access.Binding) {
	kind, name := b.RoleRef()
	if role := b.Role(); role != nil {
		p.labelled(indent, "role  ", kind+" "+name.Name, placeOf(role.Object))
		return
	}
	p.line(indent, yellow, "role  "+kind+" "+name.Name+" was not read")
}

func whereText(place *model.Place) string {
	if place == nil {
		return "in every cluster"
	}
	return place.String()
}

// labelled writes what is written at a place behind a label, on several lines where
// one is too short.
func (p *accessPrinter) labelled(indent int, label, text string, place *model.Place) {
	text, where := printable(text), printable(whereText(place))
	margin, under := strings.Repeat(" ", indent), indent+max(len(label), 2)
	if indent+len(label)+utf8.RuneCountInString(text)+2+utf8.RuneCountInString(where) <= p.width {
		fmt.Fprintln(p.w, margin+label+text+"  "+p.paint(dim, where))
		return
	}
	fmt.Fprintln(p.w, margin+label+hang(text, under, p.width))
	fmt.Fprintln(p.w, strings.Repeat(" ", under)+p.paint(dim, where))
}

func (p *accessPrinter) rule(indent int, label string, from *access.Role, r access.Rule, of *access.Role) {
	text := ruleText(r)
	if from != of {
		text += " (by aggregation of " + from.Name + ")"
	}
	p.labelled(indent, label, text, rulePlace(from, r))
}

// replaced tells of a rule that its place, beside an aggregationRule, makes nothing.
func (p *accessPrinter) replaced(indent int, from *access.Role, r access.Rule) {
	p.labelled(indent, "not   ", ruleText(r)+": the controller replaces the rules of ClusterRole "+from.Name+", which has an aggregationRule", rulePlace(from, r))
}

// listed names words, of many the first.
func listed(words []string) string {
	const most = 12
	if len(words) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
	}
	return strings.Join(words, ", ")
}

// ruleText says a rule in words.
func ruleText(r access.Rule) string {
	verbs := listed(r.Verbs())
	if slices.Contains(r.Verbs(), "*") {
		verbs = "every verb"
	}
	if urls := r.URLs(); len(urls) > 0 {
		return verbs + " on " + strings.Join(urls, ", ")
	}
	resources := listed(r.Resources())
	if slices.Contains(r.Resources(), "*") {
		resources = "every resource"
	}
	text := verbs + " on " + resources
	switch groups := r.Groups(); {
	case slices.Contains(groups, "*"):
		text += " of every group"
	case len(groups) > 1 || len(groups) == 1 && groups[0] != "":
		for i, g := range groups {
			if g == "" {
				groups[i] = "the core group"
			}
		}
		text += " of " + strings.Join(groups, ", ")
	}
	if names := r.Names(); len(names) > 0 {
		text += " named " + strings.Join(names, ", ")
	}
	return text
}

func scopeText(namespace string) string {
	if namespace == "" {
		return "in the whole cluster"
	}
	return "in namespace " + namespace
}

func (p *accessPrinter) whoCan(q *access.Request, proofs []access.Proof, byName []access.Subject, reasons []string, system bool) error {
	where := ""
	switch {
	case q.URL != "":
	case q.Namespace == access.AnyNamespace:
		where = " somewhere"
	default:
		where = " " + scopeText(q.Namespace)
	}
	hidden := 0
	shown := proofs
	if !system {
		shown = slices.DeleteFunc(slices.Clone(proofs), func(proof access.Proof) bool { return proof.Subject.System() })
		hidden = len(proofs) - len(shown)
	}
	p.line(0, bold, fmt.Sprintf("%s can %s%s", counted(subjectsIn(shown), "subject"), asked(q), where))
	for _, proof := range shown {
		fmt.Fprintln(p.w)
		p.subject(0, proof.Subject, scopeText(proof.Binding.Namespace()))
		p.proof(4, proof, proof.Subject)
	}
	fmt.Fprintln(p.w)
	p.byName(byName, system)
	for _, reason := range reasons {
		p.unread(reason)
	}
	if hidden > 0 {
		p.line(0, dim, fmt.Sprintf("Not listed: %s to parts of Kubernetes itself; --system lists them.", counted(hidden, "grant")))
	}
	p.line(0, dim, "Members of system:masters always can.")
	return p.w.Flush()
}

// byName tells in one line who may for some names only.
func (p *accessPrinter) byName(subjects []access.Subject, system bool) {
	var names []string
	for _, s := range subjects {
		if system || !s.System() {
			names = append(names, s.String())
		}
	}
	if len(names) == 0 {
		return
	}
	more := ""
	if len(names) > shownUsers {
		more = fmt.Sprintf(" and %d more", len(names)-shownUsers)
	}
	p.wrapped(0, "", fmt.Sprintf("%s more can for objects of some names only: %s%s.", counted(len(names), "subject"), strings.Join(names[:min(len(names), shownUsers)], ", "), more))
}

// unread says why there may be more than was read.
func (p *accessPrinter) unread(why string) {
	if why != "" {
		p.wrapped(0, yellow, "There may be more: "+why+".")
	}
}

func subjectsIn(proofs []access.Proof) int {
	seen := map[access.Subject]bool{}
	for _, proof := range proofs {
		seen[proof.Subject] = true
	}
	return len(seen)
}

// subject writes a subject, whom it stands for, and where it holds something, on a
// line of which some columns are used.
func (p *accessPrinter) subject(used int, s access.Subject, where string) {
	name := printable(s.String())
	fmt.Fprintln(p.w, p.paint(bold, name)+"  "+hang(printable(where), used+len(name)+2, p.width))
	if all := s.Everybody(); all != "" {
		p.wrapped(4, red, "that is "+all)
	}
}

func (p *accessPrinter) list(subject access.Subject, groups []string, bindings []access.Binding, unread string, system bool, clusterScoped map[model.GroupKind]bool) error {
	p.line(0, bold, subject.String())
	if subject == access.Group("system:masters") {
		p.wrapped(4, "", "members of system:masters may do everything; no rule limits them")
	}
	shown := bindings
	if !system { // what every login has says nothing about this one
		shown = slices.DeleteFunc(slices.Clone(bindings), func(b access.Binding) bool { return b.Assumed() && !slices.Contains(b.Subjects(), subject) })
	}
	if len(shown) == 0 {
		p.line(4, "", "nothing that was read gives it a right")
	}
	scope := "none yet"
	for _, b := range shown {
		if b.Namespace() != scope {
			scope = b.Namespace()
			fmt.Fprintln(p.w)
			p.line(0, bold, scopeText(scope))
		}
		p.granted(b, subject, groups, clusterScoped)
	}
	hidden := len(bindings) - len(shown)
	if hidden > 0 || unread != "" {
		fmt.Fprintln(p.w)
	}
	p.unread(unread)
	if hidden > 0 {
		whom := "everybody with a login"
		if subject.Anonymous() {
			whom = "everybody, without a login too"
		}
		p.line(0, dim, fmt.Sprintf("Not listed: %s that every cluster has for %s; --system lists them.", counted(hidden, "binding"), whom))
	}
	return p.w.Flush()
}

// granted writes what a binding gives, and what it names in vain.
func (p *accessPrinter) granted(b access.Binding, subject access.Subject, groups []string, clusterScoped map[model.GroupKind]bool) {
	by := ""
	if !slices.Contains(b.Subjects(), subject) {
		by = " for " + b.As(subject, groups).String()
	}
	p.labelled(2, "by    ", b.Kind()+" "+b.Name()+by, placeOf(b.Object()))
	p.role(2, b)
	if role := b.Role(); role != nil {
		for rule := range role.Replaced() {
			p.replaced(2, role, rule)
		}
		for from, rule := range role.Rules() {
			p.rule(6, "", from, rule, role)
			if none := slices.DeleteFunc(rule.Resources(), func(r string) bool { return !access.IsNothing(r) }); len(none) > 0 {
				p.wrapped(8, yellow, "gives nothing on "+strings.Join(none, ", ")+": RBAC has no pattern for the subresources of one resource")
			}
			if b.Namespace() == "" {
				continue
			}
			if idle := inVain(rule, clusterScoped); len(idle) > 0 {
				p.wrapped(8, yellow, "gives nothing on "+strings.Join(idle, ", ")+": in no namespace, so only a ClusterRoleBinding gives it")
			}
		}
	}
}

// inVain returns what a rule names that a RoleBinding cannot give: URLs and
// resources that are in no namespace. Of namespaces it gives its own, of
// ClusterRoles to bind them there, and of PodSecurityPolicies to use them.
func inVain(rule access.Rule, clusterScoped map[model.GroupKind]bool) []string {
	idle := rule.URLs()
	for _, resource := range rule.Resources() {
		name, _, _ := strings.Cut(resource, "/")
		known := func(group string) bool {
			return clusterScoped[model.GroupKind{Group: group, Kind: name}] && !(group == "" && name == "namespaces")
		}
		if groups := rule.Groups(); len(groups) > 0 && !slices.ContainsFunc(groups, func(g string) bool { return !known(g) }) {
			verb := map[string]string{"clusterroles": "bind", "podsecuritypolicies": "use"}[resource]
			if verb != "" && (slices.Contains(rule.Verbs(), verb) || slices.Contains(rule.Verbs(), "*")) {
				if len(rule.Verbs()) == 1 && rule.Verbs()[0] == verb {
					continue
				}
				resource += " but to " + verb + " them"
			}
			idle = append(idle, resource)
		}
	}
	return idle
}
