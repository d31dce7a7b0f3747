package report

// The rules of the terminal view.
//
//   - The worst comes first, the summary last, where the eye is when the command
//     ends. When nothing is wrong there are two or three lines.
//   - A finding says what is wrong, where, and what to do. Why it matters, and
//     advice in general words, are said once for each rule.
//   - A symptom is one quiet line under its cause.
//   - It never floods: of more than fifty findings, the critical and high ones
//     come first, then at most five of each rule, until fifty are shown; the rest
//     is counted by rule, with places. Nothing is left out silently, and --verbose
//     shows all.
//   - A place is alone at the start of a line and never broken, so that it can be
//     clicked, copied and searched for.
//   - What was not looked at, and what is not known, is said, once and quietly.
//   - Color only repeats what the words say. Without it the text is complete, and
//     apart from names in the input it is ASCII.

import (
	"bufio"
	"fmt"
	"strings"
	"unicode/utf8"

	"ullage.dev/ullage/internal/model"
)

// How much is shown one by one.
const (
	textFindings = 50 // in all
	textPerRule  = 5  // of one rule below high, when there are more in all
	textList     = 10 // entries of the other lists
)

const defaultWidth = 100

// style is a terminal attribute.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	alarm  style = "1;31"
	yellow style = "33"
	cyan   style = "36"
	green  style = "32"
)

var severityStyle = [...]style{model.Info: dim, model.Low: cyan, model.Medium: yellow, model.High: red, model.Critical: alarm}

// printer writes the terminal view.
type printer struct {
	w     *bufio.Writer
	o     Options
	width int
	told  map[string]bool // reasons and advice that were given already
}

func writeText(w *bufio.Writer, r *model.Report, o Options) error {
	p := &printer{w: w, o: o, width: o.Width, told: map[string]bool{}}
	if p.width <= 0 {
		p.width = defaultWidth
	}
	p.width = max(p.width, 40)
	var own, system []*model.Finding
	for _, f := range active(r.Findings) {
		if f.Object.System {
			system = append(system, f)
		} else {
			own = append(own, f)
		}
	}
	p.rest(p.objects(byObject(own)))
	p.system(byObject(system))
	if o.ShowExcepted {
		p.excepted(r.Findings)
	}
	p.problems(r.Problems)
	p.exceptions(r)
	if o.Verbose {
		p.unknowns(r.Unknowns)
	}
	p.summary(r, totalsOf(r))
	return nil
}

func (p *printer) paint(s style, text string) string {
	if !p.o.Color || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

func (p *printer) line(text string) {
	p.w.WriteString(text)
	p.w.WriteByte('\n')
}

// hang writes text wrapped behind a label; further lines are indented to where
// the text began. The label is labelWidth characters on the screen.
func (p *printer) hang(label string, labelWidth int, text string, s style) {
	for i, part := range wrap(text, p.width-labelWidth) {
		if i > 0 {
			label = strings.Repeat(" ", labelWidth)
		}
		p.line(label + p.paint(s, part))
	}
}

const (
	findingIndent = "            " // as wide as "  CRITICAL  "
	detailWidth   = 6              // of "why   "
)

// detail writes a labelled line of a finding.
func (p *printer) detail(label string, labelStyle style, text string, s style) {
	if text == "" {
		return
	}
	label += strings.Repeat(" ", detailWidth-len(label))
	p.hang(findingIndent+p.paint(labelStyle, label), len(findingIndent)+detailWidth, text, s)
}

func (p *printer) severity(s model.Severity) string {
	return p.paint(severityStyle[s], fmt.Sprintf("%-8s", strings.ToUpper(s.String())))
}

// objects shows objects with their findings, and returns the findings that are
// too many to be shown.
func (p *printer) objects(groups []group) (rest []*model.Finding) {
	chosen := p.choose(groups)
	for _, g := range groups {
		var show []*model.Finding
		for _, f := range g.findings {
			if chosen(f) {
				show = append(show, f)
			} else {
				rest = append(rest, f)
			}
		}
		if len(show) > 0 {
			p.object(g.object, show, len(g.findings)-len(show))
		}
	}
	return rest
}

// choose decides which findings are shown one by one: all while they are few,
// else the critical ones, then the high ones, then a few of each other rule.
func (p *printer) choose(groups []group) func(*model.Finding) bool {
	total := 0
	for _, g := range groups {
		total += len(g.findings)
	}
	if p.o.Verbose || total <= textFindings {
		return func(*model.Finding) bool { return true }
	}
	chosen := map[*model.Finding]bool{}
	perRule := map[string]int{}
	pick := func(from, to model.Severity, most int) {
		for _, g := range groups {
			for _, f := range g.findings {
				s := f.Rule.Severity
				if s >= from && s <= to && len(chosen) < textFindings && perRule[f.Rule.ID] < most {
					chosen[f] = true
					perRule[f.Rule.ID]++
				}
			}
		}
	}
	pick(model.Critical, model.Critical, textFindings)
	pick(model.High, model.High, textFindings)
	pick(model.Info, model.Medium, textPerRule)
	return func(f *model.Finding) bool { return chosen[f] }
}

// object shows one object. more is the number of its findings that are counted
// by rule instead.
func (p *printer) object(o *model.Object, findings []*model.Finding, more int) {
	head := p.paint(bold, keyName(o))
	if owner := ownerOf(o); owner != "" {
		head += p.paint(dim, "  owner ") + owner
	}
	p.line(head)
	for _, f := range findings {
		p.finding(f)
	}
	if more > 0 {
		p.line(findingIndent + p.paint(dim, fmt.Sprintf("and %s counted by rule below", count(more, "finding"))))
	}
	p.line("")
}

func (p *printer) finding(f *model.Finding) {
	p.hang("  "+p.severity(f.Rule.Severity)+"  ", len(findingIndent), headline(f), bold)
	p.place(f.Place(), clean(f.Rule.ID))
	if f.Rule.Advisory {
		p.detail("note", dim, "advisory: the policy warns or audits, and does not deny", dim)
	}
	p.once(f.Rule, "why", dim, clean(f.Rule.Rationale), plain)
	p.fix(f)
	p.detail("also", dim, also(f), dim)
	if p.o.Verbose {
		p.once(f.Rule, "for", dim, clean(strings.Join(append(p.o.requirements(f.Rule), f.Rule.Attack...), ", ")), dim)
	}
}

// place writes where something is, with a note behind it. That it is in a
// cluster was said with the object's name.
func (p *printer) place(at model.Place, note string) {
	place := ""
	if at.File != "" {
		place = where(at)
	}
	if width := utf8.RuneCountInString(findingIndent + place + "  " + note); place != "" && note != "" && width > p.width {
		p.line(findingIndent + place)
		place = ""
	}
	if place != "" && note != "" {
		place += "  "
	}
	p.line(findingIndent + place + p.paint(dim, note))
}

// once writes a detail unless the same was said for the rule before.
func (p *printer) once(rule *model.RuleInfo, label string, labelStyle style, text string, s style) {
	key := rule.ID + "\x00" + label + text
	if !p.told[key] {
		p.told[key] = true
		p.detail(label, labelStyle, text, s)
	}
}

func (p *printer) fix(f *model.Finding) {
	text, class := remedy(f)
	switch class {
	case "":
		p.once(f.Rule, "fix", green, text, plain)
	case model.Decision:
		p.once(f.Rule, "fix", green, clean(f.Rule.Remediation), plain)
		p.once(f.Rule, "ask", green, text, plain)
	default:
		p.detail("fix", green, text+" ("+string(class)+")", plain)
	}
}

// rest counts the findings that were not shown one by one, by rule.
func (p *printer) rest(findings []*model.Finding) {
	if len(findings) == 0 {
		return
	}
	type ruleGroup struct {
		rule     *model.RuleInfo
		findings []*model.Finding
		objects  int
	}
	var rules [model.Critical + 1][]*ruleGroup
	index := map[*model.RuleInfo]*ruleGroup{}
	for _, f := range findings {
		g := index[f.Rule]
		if g == nil {
			g = &ruleGroup{rule: f.Rule}
			index[f.Rule] = g
			rules[f.Rule.Severity] = append(rules[f.Rule.Severity], g)
		}
		if n := len(g.findings); n == 0 || g.findings[n-1].Object != f.Object {
			g.objects++
		}
		g.findings = append(g.findings, f)
	}
	p.line(p.paint(bold, count(len(findings), "more finding")+", by rule") + p.paint(dim, "  (--verbose shows each, -o json holds all)"))
	for s := model.Critical; ; s-- {
		for _, g := range rules[s] {
			n := count(len(g.findings), "time")
			if g.objects != len(g.findings) {
				n += " in " + count(g.objects, "object")
			}
			p.hang("  "+p.severity(s)+"  ", len(findingIndent), clean(g.rule.Title)+", "+n, plain)
			p.line(findingIndent + p.paint(dim, clean(g.rule.ID)))
			p.once(g.rule, "why", dim, clean(g.rule.Rationale), plain)
			p.places(g.findings, s)
		}
		if s == model.Info {
			break
		}
	}
	p.line("")
}

// places lists where the first findings are, more of them when they are worse.
func (p *printer) places(findings []*model.Finding, s model.Severity) {
	most := [...]int{model.Info: 1, model.Low: 1, model.Medium: 1, model.High: 3, model.Critical: 10}[s]
	for _, f := range findings[:min(most, len(findings))] {
		name := keyName(f.Object)
		if place := where(f.Place()); f.Place().File != "" && utf8.RuneCountInString(findingIndent+place+"  "+name) > p.width {
			name = ""
		}
		p.place(f.Place(), name)
	}
}

// system shows the platform's own objects apart: what is critical or high one by
// one, and the rest as a line for each object.
func (p *printer) system(groups []group) {
	if len(groups) == 0 {
		return
	}
	p.line(p.paint(bold, "Platform objects") + p.paint(dim, "  (they need more rights than applications)"))
	if p.o.Verbose {
		p.line("")
		p.objects(groups)
		return
	}
	var severe, lesser []group
	for _, g := range groups {
		s, l := group{object: g.object}, group{object: g.object}
		for _, f := range g.findings {
			if f.Rule.Severity >= model.High {
				s.findings = append(s.findings, f)
			} else {
				l.findings = append(l.findings, f)
			}
		}
		if len(s.findings) > 0 {
			severe = append(severe, s)
		}
		if len(l.findings) > 0 {
			lesser = append(lesser, l)
		}
	}
	if len(severe) > 0 {
		p.line("")
		p.rest(p.objects(severe))
	}
	p.lesser(lesser)
}

// lesser counts the other findings of platform objects.
func (p *printer) lesser(groups []group) {
	if len(groups) == 0 {
		return
	}
	for i, g := range groups {
		if i == textList {
			p.line("  " + p.paint(dim, "and "+count(len(groups)-i, "more object")))
			break
		}
		p.line("  " + keyName(g.object) + p.paint(dim, "  "+tallyOf(g.findings).String()))
	}
	p.line("  " + p.paint(dim, "--verbose shows these findings"))
	p.line("")
}

// excepted lists the findings that do not count, and why.
func (p *printer) excepted(findings []*model.Finding) {
	head := false
	for _, f := range findings {
		if f.Active() {
			continue
		}
		if !head {
			p.line(p.paint(bold, "Let pass"))
			head = true
		}
		p.hang("  "+p.paint(dim, fmt.Sprintf("%-8s", f.Rule.Severity))+"  ", len(findingIndent), keyName(f.Object)+": "+headline(f), plain)
		p.place(f.Place(), clean(f.Rule.ID))
		p.hang(findingIndent, len(findingIndent), excuse(f), dim)
	}
	if head {
		p.line("")
	}
}
