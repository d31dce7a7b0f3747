package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// group is an object with its findings, in the order of the report.
type group struct {
	object   *model.Object
	findings []*model.Finding
}

// byObject groups the findings of a report by object.
func byObject(findings []*model.Finding) []group {
	var groups []group
	begin := 0
	for i, f := range findings {
		if i+1 == len(findings) || findings[i+1].Object != f.Object {
			groups = append(groups, group{f.Object, findings[begin : i+1 : i+1]})
			begin = i + 1
		}
	}
	return groups
}

// active returns the findings that count.
func active(findings []*model.Finding) []*model.Finding {
	var out []*model.Finding
	for _, f := range findings {
		if f.Active() {
			out = append(out, f)
		}
	}
	return out
}

// tally counts findings by severity.
type tally [model.Critical + 1]int

func tallyOf(findings []*model.Finding) tally {
	var t tally
	for _, f := range findings {
		t[f.Rule.Severity]++
	}
	return t
}

// String writes the counts that are not 0, the worst first: 1 critical, 2 high.
func (t tally) String() string {
	var parts []string
	for s := model.Critical; ; s-- {
		if t[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", t[s], s))
		}
		if s == model.Info {
			return strings.Join(parts, ", ")
		}
	}
}

func (t tally) total() int {
	n := 0
	for _, c := range t {
		n += c
	}
	return n
}

// totals are the counts that a report's summary needs.
type totals struct {
	active    tally
	objects   int // with active findings
	excepted  int
	baselined int
	fixes     map[model.FixClass]int // active findings by the class of their best fix
}

func totalsOf(r *model.Report) totals {
	t := totals{fixes: map[model.FixClass]int{}}
	var last *model.Object
	for _, f := range r.Findings {
		switch {
		case f.Exception != nil:
			t.excepted++
		case f.Baselined:
			t.baselined++
		default:
			t.active[f.Rule.Severity]++
			if f.Object != last {
				t.objects, last = t.objects+1, f.Object
			}
			if len(f.Fixes) > 0 && editable(f.Object) {
				t.fixes[f.Fixes[0].Class]++
			}
		}
	}
	return t
}

// editable reports whether the object's text is what a person edits, and not
// rendered or read from a cluster.
func editable(o *model.Object) bool {
	return o.Source != nil && o.Source.Origin == nil && o.Source.Live == ""
}

// rulesOf returns every rule that the report speaks of, by id.
func rulesOf(r *model.Report) []*model.RuleInfo {
	seen := map[*model.RuleInfo]bool{}
	var add func(findings []*model.Finding)
	add = func(findings []*model.Finding) {
		for _, f := range findings {
			seen[f.Rule] = true
			add(f.Symptoms)
		}
	}
	add(r.Findings)
	for i := range r.Unknowns {
		if r.Unknowns[i].Rule != nil {
			seen[r.Unknowns[i].Rule] = true
		}
	}
	rules := make([]*model.RuleInfo, 0, len(seen))
	for rule := range seen {
		rules = append(rules, rule)
	}
	slices.SortFunc(rules, func(a, b *model.RuleInfo) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(rules, func(a, b *model.RuleInfo) bool { return a.ID == b.ID })
}

// headline says what is wrong with which element: "the container runs
// privileged" becomes `container "web" runs privileged`, and a message that does
// not speak of its element gets it in front.
func headline(f *model.Finding) string {
	message, subject := clean(f.Message), clean(f.Subject)
	if message == "" {
		message = clean(f.Rule.Title)
	}
	kind, _, _ := strings.Cut(subject, " ")
	if isBehavior(f.Object) { // facts have no names: the message says which it is
		return message
	}
	if subject == "" || strings.Contains(message, subject) || strings.Contains(subject, `" of `) { // messages name parts of objects in other words
		return message
	}
	if i := indexNoun(message, "the "+kind); i >= 0 {
		return message[:i] + subject + message[i+len("the "+kind):]
	}
	// "port 5432: ..." of port "postgres" names the element in another way.
	if rest, ok := strings.CutPrefix(message, kind+" "); ok {
		if other, rest, ok := strings.Cut(rest, ": "); ok && !strings.Contains(other, " ") {
			return subject + " (" + other + "): " + rest
		}
	}
	return subject + ": " + message
}

// indexNoun returns where a noun stands in a text as words of their own, or -1.
func indexNoun(text, noun string) int {
	if strings.HasPrefix(text+" ", noun+" ") {
		return 0
	}
	if i := strings.Index(text+" ", " "+noun+" "); i >= 0 {
		return i + 1
	}
	return -1
}

// symptoms returns what the symptoms of a finding say, each sentence once and
// not that of the finding itself.
func symptoms(f *model.Finding) []string {
	said := map[string]bool{headline(f): true}
	var all []string
	for _, s := range f.Symptoms {
		if text := headline(s); !said[text] {
			said[text] = true
			all = append(all, text)
		}
	}
	return all
}

// also tells the symptoms of a finding in one line. The element is named only
// where it is another one.
func also(f *model.Finding) string {
	parts := symptoms(f)
	for i, part := range parts {
		if short, ok := strings.CutPrefix(part, clean(f.Subject)); ok && (strings.HasPrefix(short, " ") || strings.HasPrefix(short, ": ")) {
			parts[i] = strings.TrimLeft(short, ": ")
		}
	}
	return strings.Join(parts, "; ")
}

// scope says how much was checked against what.
func scope(r *model.Report) string {
	c := r.Counts
	s := count(c.Objects, "object") + ", " + count(c.Workloads, "workload")
	if c.OnlyImages() {
		s = count(c.Images, "image")
	}
	s += ", " + count(c.Rules, "rule")
	var of []string
	if r.Provenance.Profile != "" {
		of = append(of, clean(r.Provenance.Profile))
	}
	if r.Provenance.Kubernetes != "" && !c.OnlyImages() {
		of = append(of, "Kubernetes "+clean(r.Provenance.Kubernetes))
	}
	if len(of) > 0 {
		s += " (" + strings.Join(of, ", ") + ")"
	}
	return fmt.Sprintf("%s; %d of %d checks passed", s, c.Passed, c.Evaluated)
}

// where writes a place for people.
func where(p model.Place) string {
	s := clean(p.String())
	if p.Rendered != "" {
		s += " (" + clean(p.Rendered) + ")"
	}
	return s
}

// keyName writes the key of an object for people.
func keyName(o *model.Object) string {
	if o == nil {
		return ""
	}
	if container := containerOf(o); container != "" {
		return clean("container " + container + " of " + strings.TrimPrefix(o.Key.Namespace+"/"+o.Key.Name, "/"))
	}
	if o.Key.Cluster != "" {
		return clean(o.Key.String() + " in cluster " + o.Key.Cluster)
	}
	return clean(o.Key.String())
}

func isBehavior(o *model.Object) bool { return o != nil && o.Key.GroupKind == model.BehaviorKind }

// containerOf is the container that a behavior is of; "" where the object is none, or is
// a container by itself.
func containerOf(o *model.Object) string {
	if !isBehavior(o) {
		return ""
	}
	return o.Root.Get("container").Str()
}

func ownerOf(o *model.Object) string {
	if o == nil {
		return ""
	}
	return clean(o.Owner())
}

// remedy says in one line what to do about a finding: the concrete edit or
// question where there is one, else the rule's general advice, whose class is "".
func remedy(f *model.Finding) (string, model.FixClass) {
	if len(f.Fixes) == 0 {
		return clean(f.Rule.Remediation), ""
	}
	fix := &f.Fixes[0]
	if fix.Question != "" {
		return clean(fix.Question), fix.Class
	}
	return edits(f, fix), fix.Class
}

// edits describes the edits of a fix in words.
func edits(f *model.Finding, fix *model.Fix) string {
	const most = 3
	var parts []string
	for i, e := range fix.Edits {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(fix.Edits)-most))
			break
		}
		path := relative(f, e.Target)
		switch {
		case e.Value == nil:
			parts = append(parts, "remove "+path)
		case e.Append:
			parts = append(parts, "add "+cutFlow(flow(e.Value))+" to "+path)
		default:
			parts = append(parts, "set "+path+": "+cutFlow(flow(e.Value)))
		}
	}
	return strings.Join(parts, "; ")
}

// cutFlow cuts what is much longer than anybody reads, and closes what is open.
func cutFlow(text string) string {
	short := cut(text, 240)
	if short == text {
		return text
	}
	var open []byte
	quoted := false
	for i := range len(short) {
		switch c := short[i]; {
		case c == '"' && (i == 0 || short[i-1] != '\\'):
			quoted = !quoted
		case quoted:
		case c == '{':
			open = append(open, '}')
		case c == '[':
			open = append(open, ']')
		case (c == '}' || c == ']') && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	if quoted {
		short += `"`
	}
	slices.Reverse(open)
	return short + string(open)
}

// relative writes the path to a target, from the element that the finding names
// where the target is within it, and else from the object's root.
func relative(f *model.Finding, t model.Target) string {
	if f.Subject != "" && t.Up == 0 && len(t.Path) > 0 {
		return clean(t.Path.String())
	}
	return clean(f.At(t).String())
}

// plainScalar matches strings that YAML reads as themselves without quotes,
// reserved words aside.
var plainScalar = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./@-]*$`)

// flow writes a value as one line of YAML, which is safe to show.
func flow(n *tree.Node) string {
	switch n.Kind() {
	case tree.Map:
		parts := make([]string, n.Len())
		for i := range n.Children() {
			kid := &n.Children()[i]
			parts[i] = scalar(kid.Key()) + ": " + flow(kid)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case tree.List:
		parts := make([]string, n.Len())
		for i := range n.Children() {
			parts[i] = flow(&n.Children()[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case tree.String:
		return scalar(n.Text())
	}
	return clean(n.Text())
}

func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
		return `"` + s + `"`
	}
	if plainScalar.MatchString(s) {
		return s
	}
	quoted, _ := json.Marshal(s) // cannot fail for a string
	return clean(string(quoted))
}

// excuse says why a finding that is not active does not count.
func excuse(f *model.Finding) string {
	if f.Exception == nil {
		return "known from the baseline"
	}
	s := "excepted"
	if id := clean(f.Exception.ID); id != "" {
		s += " by " + id
	}
	if reason := clean(f.Exception.Reason); reason != "" {
		s += ": " + reason
	}
	if terms := exceptionTerms(f.Exception); terms != "" {
		s += " (" + terms + ")"
	}
	return s
}

// exceptionName returns the id of an exception, or "" when it has none of its own
// and is called by its place.
func exceptionName(e *model.Exception) string {
	return clean(strings.TrimPrefix(e.ID, e.Place.String()))
}

// exceptionTerms names the owner and the last day of an exception.
func exceptionTerms(e *model.Exception) string {
	var parts []string
	if owner := clean(e.Owner); owner != "" {
		parts = append(parts, "owner "+owner)
	}
	if !e.Expires.IsZero() {
		parts = append(parts, "until "+e.Expires.UTC().Format(time.DateOnly))
	}
	return strings.Join(parts, ", ")
}

// fact is one line of provenance.
type fact struct{ Name, Value string }

// problemText says what could not be checked, and what to do about it.
func problemText(p model.Problem) string {
	reason, hint := clean(p.Reason), clean(p.Hint)
	if hint == "" {
		return reason
	}
	return reason + "; " + hint
}

// provenance lists what made the report, for the formats that have no fields of
// their own for it.
func provenance(p model.Provenance) []fact {
	all := []fact{
		{"tool", p.Tool}, {"version", p.Version}, {"rulesDigest", p.RulesDigest}, {"inputDigest", p.InputDigest},
		{"commit", p.Commit}, {"configuration", p.Configuration}, {"profile", p.Profile}, {"kubernetes", p.Kubernetes}, {"world", p.World}, {"time", p.Time},
	}
	for i := range all {
		all[i].Value = clean(all[i].Value)
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.Value == "" })
}

// provenanceLine writes the provenance in one line for people.
func provenanceLine(p model.Provenance) string {
	parts := []string{clean(strings.TrimSpace(p.Tool + " " + p.Version))}
	for _, f := range []fact{
		{"rules ", shortDigest(p.RulesDigest)}, {"input ", shortDigest(p.InputDigest)}, {"commit ", shortCommit(p.Commit)},
	} {
		if f.Value != "" {
			parts = append(parts, f.Name+clean(f.Value))
		}
	}
	if p.World != "" {
		parts = append(parts, clean(p.World)+" world")
	}
	return strings.Join(parts, ", ")
}

func shortDigest(s string) string {
	if _, hash, ok := strings.Cut(s, ":"); ok {
		s = hash
	}
	return s[:min(len(s), 12)]
}

func shortCommit(s string) string {
	hash, dirty, changed := strings.Cut(s, "+")
	hash = hash[:min(len(hash), 12)]
	if changed {
		return hash + "+" + dirty
	}
	return hash
}
