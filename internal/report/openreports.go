package report

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/model"
)

// openReportsChunk is the number of results in one object, far below what the
// API server's store takes.
const openReportsChunk = 500

// The part of openreports.io/v1alpha1 that is written. A summary holds only
// what is known for its results: passes are never objects, and their number is
// an annotation.
type (
	openReport struct {
		APIVersion string             `json:"apiVersion"`
		Kind       string             `json:"kind"`
		Metadata   openMetadata       `json:"metadata"`
		Source     string             `json:"source"`
		Summary    map[string]int     `json:"summary"`
		Results    []openReportResult `json:"results"`
	}
	openMetadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace,omitempty"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	}
	openReportResult struct {
		Source     string            `json:"source"`
		Policy     string            `json:"policy"`
		Rule       string            `json:"rule,omitempty"`
		Category   string            `json:"category,omitempty"`
		Severity   string            `json:"severity,omitempty"`
		Timestamp  *openTimestamp    `json:"timestamp,omitempty"`
		Result     string            `json:"result"`
		Scored     bool              `json:"scored"`
		Resources  []openResource    `json:"resources,omitempty"`
		Message    string            `json:"message"`
		Properties map[string]string `json:"properties,omitempty"`
	}
	openTimestamp struct {
		Seconds int64 `json:"seconds"`
		Nanos   int32 `json:"nanos"`
	}
	openResource struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Namespace  string `json:"namespace,omitempty"`
		Name       string `json:"name"`
	}
)

// openReporter writes reports and collects the results of one of them.
type openReporter struct {
	w         *bufio.Writer
	s         *jsonStream
	r         *model.Report
	o         Options
	timestamp *openTimestamp
	namespace string
	results   []openReportResult
	chunk     int
}

// writeOpenReports writes YAML documents, whose content is in JSON form: one
// ClusterReport for what has no namespace and one Report for each namespace, in
// chunks. kubectl apply takes them.
func writeOpenReports(w *bufio.Writer, r *model.Report, o Options) error {
	p := &openReporter{w: w, s: newJSONStream(w), r: r, o: o}
	if at, err := time.Parse(time.RFC3339, r.Provenance.Time); err == nil {
		p.timestamp = &openTimestamp{Seconds: at.Unix()}
	}
	findings := map[string][]*model.Finding{"": nil}
	for _, f := range r.Findings {
		findings[f.Object.Key.Namespace] = append(findings[f.Object.Key.Namespace], f)
	}
	unknowns := map[string][]*model.Unknown{}
	for i := range r.Unknowns {
		u := &r.Unknowns[i]
		ns := ""
		if u.Object != nil {
			ns = u.Object.Key.Namespace
		}
		unknowns[ns] = append(unknowns[ns], u)
		if _, ok := findings[ns]; !ok {
			findings[ns] = nil
		}
	}
	namespaces := make([]string, 0, len(findings))
	for ns := range findings {
		namespaces = append(namespaces, ns)
	}
	slices.Sort(namespaces)
	for _, ns := range namespaces {
		p.namespace, p.chunk = ns, 0
		if ns == "" {
			p.problems()
		}
		for _, f := range findings[ns] {
			p.finding(f)
		}
		for _, u := range unknowns[ns] {
			p.unknown(u)
		}
		if len(p.results) > 0 || ns == "" && p.chunk == 0 {
			p.flush()
		}
	}
	return p.s.err
}

func (p *openReporter) add(result openReportResult) {
	result.Source, result.Timestamp = clean(p.r.Provenance.Tool), p.timestamp
	p.results = append(p.results, result)
	if len(p.results) == openReportsChunk {
		p.flush()
	}
}

func (p *openReporter) flush() {
	tool := clean(p.r.Provenance.Tool)
	p.chunk++
	report := openReport{
		APIVersion: "openreports.io/v1alpha1", Kind: "Report", Source: tool,
		Metadata: openMetadata{
			Name: tool + "-check", Namespace: p.namespace,
			Labels:      map[string]string{"app.kubernetes.io/managed-by": tool},
			Annotations: map[string]string{},
		},
		Summary: map[string]int{"fail": 0, "warn": 0, "error": 0, "skip": 0},
		Results: p.results,
	}
	if p.namespace == "" {
		report.Kind = "ClusterReport"
	}
	if p.chunk > 1 {
		report.Metadata.Name += fmt.Sprintf("-%d", p.chunk)
	}
	for _, f := range provenance(p.r.Provenance) {
		report.Metadata.Annotations["ullage.dev/"+f.Name] = f.Value
	}
	if p.namespace == "" && p.chunk == 1 {
		report.Metadata.Annotations["ullage.dev/passed"] = fmt.Sprint(p.r.Counts.Passed)
		report.Metadata.Annotations["ullage.dev/objects"] = fmt.Sprint(p.r.Counts.Objects)
	}
	for _, result := range p.results {
		report.Summary[result.Result]++
	}
	if report.Results == nil {
		report.Results = []openReportResult{}
	}
	p.w.WriteString("---\n")
	p.s.value(report)
	p.results = p.results[:0]
}

func (p *openReporter) problems() {
	for _, problem := range p.r.Problems {
		result := openReportResult{Policy: "input", Result: "error", Message: problemText(problem), Properties: map[string]string{}}
		if problem.Place.File != "" {
			result.Properties["place"] = where(problem.Place)
		}
		p.add(result)
	}
}

func (p *openReporter) finding(f *model.Finding) {
	properties := map[string]string{"fingerprint": f.Fingerprint.String()}
	set := func(name, value string) {
		if value != "" {
			properties[name] = value
		}
	}
	set("subject", clean(f.Subject))
	set("path", clean(f.Path().String()))
	set("place", where(f.Place()))
	set("owner", ownerOf(f.Object))
	set("requirements", clean(strings.Join(p.o.requirements(f.Rule), ", ")))
	set("attack", clean(strings.Join(f.Rule.Attack, ", ")))
	advice, class := remedy(f)
	set("fix", advice)
	set("fixClass", string(class))
	set("also", also(f))
	if f.Object.System {
		set("system", "true")
	}
	result := "fail"
	switch {
	case !f.Active():
		result = "skip"
		set("reason", excuse(f))
	case f.Rule.Advisory:
		result = "warn"
	}
	p.add(openReportResult{
		Policy: clean(f.Rule.ID), Rule: clean(f.Rule.ID), Category: clean(f.Rule.Category), Severity: f.Rule.Severity.String(),
		Result: result, Scored: result == "fail", Resources: resources(f.Object), Message: headline(f), Properties: properties,
	})
}

func (p *openReporter) unknown(u *model.Unknown) {
	result := openReportResult{Policy: "unknown", Result: "skip", Resources: resources(u.Object), Message: "not known: " + clean(u.Reason), Properties: map[string]string{"reason": clean(u.Reason)}}
	if u.Rule != nil {
		result.Policy, result.Rule = clean(u.Rule.ID), clean(u.Rule.ID)
		result.Category, result.Severity = clean(u.Rule.Category), u.Rule.Severity.String()
	}
	if u.Subject != "" {
		result.Properties["subject"] = clean(u.Subject)
	}
	if place := where(u.Place()); place != "" {
		result.Properties["place"] = place
	}
	p.add(result)
}

func resources(o *model.Object) []openResource {
	if o == nil {
		return nil
	}
	return []openResource{{APIVersion: o.APIVersion, Kind: o.Key.Kind, Namespace: o.Key.Namespace, Name: o.Key.Name}}
}
