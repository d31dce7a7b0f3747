package report

import (
	"bufio"
	_ "embed"
	"html/template"

	"ullage.dev/ullage/internal/model"
)

//go:embed page.html
var pageText string

// htmlFindings is the number of findings shown one by one: more are of no use
// to a reader, and slow in a browser.
const htmlFindings = 2000

// pageFuncs are what the page computes from findings while it is written.
var pageFuncs = template.FuncMap{
	"headline": headline,
	"where":    where,
	"name":     keyName,
	"owner":    ownerOf,
	"excuse":   excuse,
	"clean":    clean,
	"count":    count,
	"tally":    func(g group) string { return tallyOf(g.findings).String() },
	"findings": func(g group) []*model.Finding { return g.findings },
	"object":   func(g group) *model.Object { return g.object },
	"worst":    func(g group) string { return worstOf(g.findings).String() },
	"remedy":   func(f *model.Finding) string { text, _ := remedy(f); return text },
	"class":    func(f *model.Finding) string { _, class := remedy(f); return string(class) },
	"terms":    exceptionTerms,
	"named":    exceptionName,
	"nothing":  nothing,
	"also":     also,
	"scope":    scope,
}

// page is parsed once; it is never changed after.
var page = template.Must(template.New("page").Funcs(pageFuncs).Parse(pageText))

// pageData is what the page shows.
type pageData struct {
	Report     *model.Report
	Findings   int
	Objects    int // with findings
	Severities []pageSeverity
	Own        []group
	System     []group
	LetPass    []*model.Finding
	LeftOut    int
	Rules      []pageRule
	Unknowns   []model.Unknown
	Unknown    int
	Provenance []fact
	Asides     string
	// NotUnderstood is a sentence, or "".
	NotUnderstood string
	ImagesLeft    string // a sentence, or ""
}

type pageSeverity struct {
	Name  string
	Count int
}

// pageRule is a row of the table of rules.
type pageRule struct {
	*model.RuleInfo
	Count        int
	Requirements []string
}

// writeHTML writes one page that needs nothing else: no script, no font, no
// image and no request.
func writeHTML(w *bufio.Writer, r *model.Report, o Options) error {
	t := totalsOf(r)
	d := pageData{Report: r, Objects: t.objects, Unknown: max(len(r.Unknowns), r.Counts.Unknown), Provenance: provenance(r.Provenance)}
	d.Unknowns = r.Unknowns[:min(len(r.Unknowns), htmlFindings)]
	d.Findings, d.Asides, d.NotUnderstood, d.ImagesLeft = t.active.total(), asides(r, t), notUnderstood(r), imagesLeft(r)
	for s := model.Critical; ; s-- {
		d.Severities = append(d.Severities, pageSeverity{s.String(), t.active[s]})
		if s == model.Info {
			break
		}
	}
	findings := active(r.Findings)
	d.Rules = pageRules(findings, o)
	d.LeftOut = max(0, len(findings)-htmlFindings)
	var own, system []*model.Finding
	for _, f := range findings[:len(findings)-d.LeftOut] {
		if f.Object.System {
			system = append(system, f)
		} else {
			own = append(own, f)
		}
	}
	d.Own, d.System = byObject(own), byObject(system)
	if o.ShowExcepted {
		for _, f := range r.Findings {
			if !f.Active() && len(d.LetPass) < htmlFindings {
				d.LetPass = append(d.LetPass, f)
			}
		}
	}
	return page.Execute(w, d)
}

func worstOf(findings []*model.Finding) model.Severity {
	worst := model.Info
	for _, f := range findings {
		worst = max(worst, f.Rule.Severity)
	}
	return worst
}

// pageRules counts findings by rule, the worst rule first.
func pageRules(findings []*model.Finding, o Options) []pageRule {
	times := map[string]int{}
	var bySeverity [model.Critical + 1][]*model.RuleInfo
	for _, f := range findings {
		if times[f.Rule.ID] == 0 {
			bySeverity[f.Rule.Severity] = append(bySeverity[f.Rule.Severity], f.Rule)
		}
		times[f.Rule.ID]++
	}
	var rows []pageRule
	for s := model.Critical; ; s-- {
		for _, rule := range bySeverity[s] {
			rows = append(rows, pageRule{rule, times[rule.ID], o.requirements(rule)})
		}
		if s == model.Info {
			return rows
		}
	}
}
