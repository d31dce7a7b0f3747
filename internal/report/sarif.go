package report

import (
	"bufio"
	"iter"
	"net/url"
	"path"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// The part of SARIF 2.1.0 that is written. Code scanning services read rule
// help, security-severity, locations and fingerprints; other properties are for
// other viewers.
type (
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifRule struct {
		ID      string        `json:"id"`
		Short   sarifText     `json:"shortDescription"`
		Full    sarifText     `json:"fullDescription"`
		Help    sarifText     `json:"help"`
		Default sarifLevel    `json:"defaultConfiguration"`
		Props   sarifRuleBags `json:"properties"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifRuleBags struct {
		Tags             []string `json:"tags"`
		SecuritySeverity string   `json:"security-severity,omitempty"`
		Severity         string   `json:"severity"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndLine     int `json:"endLine,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion `json:"deletedRegion"`
		Inserted sarifText   `json:"insertedContent"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifFix struct {
		Description sarifText     `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations,omitempty"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Fixes        []sarifFix         `json:"fixes,omitempty"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Props        map[string]any     `json:"properties"`
	}
	sarifNotification struct {
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
)

// sarifRun is one run of the program, whatever it looked at.
type sarifRun struct {
	tool, version string
	rules         iter.Seq[any]
	complete      bool // nothing failed that should have been looked at
	notes         iter.Seq[any]
	source        []map[string]string // repositoryUri and revisionId
	results       iter.Seq[any]
	properties    map[string]any
}

func (r *sarifRun) write(w *bufio.Writer) error {
	s := newJSONStream(w)
	s.open("")
	s.member("$schema", sarifSchema)
	s.member("version", "2.1.0")
	s.key("runs")
	w.WriteByte('[')
	s.open("")
	s.open("tool")
	s.open("driver")
	s.member("name", clean(r.tool))
	s.member("version", clean(r.version))
	s.list("rules", r.rules)
	s.close()
	s.close()
	s.key("invocations")
	w.WriteByte('[')
	s.open("")
	s.member("executionSuccessful", r.complete)
	s.list("toolExecutionNotifications", r.notes)
	s.close()
	w.WriteByte(']')
	if len(r.source) > 0 {
		s.member("versionControlProvenance", r.source)
	}
	s.member("columnKind", "unicodeCodePoints")
	s.list("results", r.results)
	s.member("properties", r.properties)
	s.close()
	w.WriteByte(']')
	s.close()
	w.WriteByte('\n')
	return s.err
}

func writeSARIF(w *bufio.Writer, r *model.Report, o Options) error {
	rules := rulesOf(r)
	index := make(map[string]int, len(rules))
	for i, rule := range rules {
		index[rule.ID] = i
	}
	run := sarifRun{
		tool: r.Provenance.Tool, version: r.Provenance.Version, complete: len(r.Problems) == 0,
		rules: each(rules, func(rule *model.RuleInfo) any { return toSARIFRule(rule, o) }),
		notes: each(r.Problems, func(p model.Problem) any {
			return sarifNotification{"error", sarifText{Text: problemText(p)}, sarifLocations(p.Place, nil)}
		}),
		results: func(yield func(any) bool) {
			for _, f := range r.Findings {
				if (f.Active() || o.ShowExcepted) && !yield(toSARIFResult(f, index[f.Rule.ID])) {
					return
				}
			}
		},
		properties: map[string]any{"provenance": r.Provenance, "counts": r.Counts},
	}
	if commit, _, _ := strings.Cut(r.Provenance.Commit, "+"); commit != "" && o.Repository != "" {
		run.source = []map[string]string{{"repositoryUri": o.Repository, "revisionId": commit}}
	}
	return run.write(w)
}

// sarifLevels and securitySeverities follow the bands in which services show
// scores: above 9 critical, from 7 high, from 4 medium, above 0 low. A rule about
// reliability or correctness has no score, so that it is no security alert.
var (
	sarifLevels        = [...]string{model.Info: "note", model.Low: "note", model.Medium: "warning", model.High: "error", model.Critical: "error"}
	securitySeverities = [...]string{model.Info: "", model.Low: "3.0", model.Medium: "5.5", model.High: "8.0", model.Critical: "9.5"}
)

const (
	sarifDescription = 1000 // characters; longer ones are refused
	sarifTags        = 20   // more are refused
)

func toSARIFRule(rule *model.RuleInfo, o Options) any {
	title, rationale, remediation := clean(rule.Title), clean(rule.Rationale), clean(rule.Remediation)
	if rationale == "" {
		rationale = title
	}
	var tags []string
	score := ""
	if rule.Category != "reliability" && rule.Category != "correctness" {
		if score = securitySeverities[rule.Severity]; score != "" {
			tags = append(tags, "security")
		}
	}
	if rule.Category != "" {
		tags = append(tags, clean(rule.Category))
	}
	tags = append(append(tags, rule.Attack...), o.requirements(rule)...)
	return sarifRule{
		ID: rule.ID, Short: sarifText{Text: cut(title, sarifDescription)}, Full: sarifText{Text: cut(rationale, sarifDescription)},
		Help: sarifText{
			Text:     strings.TrimSpace(rationale + "\n\n" + remediation),
			Markdown: strings.TrimSpace("**Why:** " + markdownText(rationale) + "\n\n**Fix:** " + markdownText(remediation)),
		},
		Default: sarifLevel{sarifLevels[rule.Severity]},
		Props: sarifRuleBags{Tags: tags[:min(len(tags), sarifTags)], SecuritySeverity: score,
			Severity: rule.Severity.String()},
	}
}

func toSARIFResult(f *model.Finding, ruleIndex int) any {
	text := keyName(f.Object) + ": " + headline(f) + "."
	advice, class := remedy(f)
	if advice != "" {
		text += "\nFix: " + advice
		if class != "" {
			text += " (" + string(class) + ")"
		}
	}
	for _, also := range symptoms(f) {
		text += "\nAlso: " + also + "."
	}
	props := map[string]any{"severity": f.Rule.Severity, "object": toJSONObject(f.Object), "system": f.Object.System}
	for name, value := range map[string]string{"subject": clean(f.Subject), "path": f.Path().String(), "owner": ownerOf(f.Object), "rendered": f.Place().Rendered} {
		if value != "" {
			props[name] = value
		}
	}
	result := sarifResult{
		RuleID: f.Rule.ID, RuleIndex: ruleIndex, Level: sarifLevels[f.Rule.Severity], Message: sarifText{Text: text},
		Locations: sarifLocations(f.Place(), f.Object),
		// Not primaryLocationLineHash: GitHub's upload computes that itself and
		// warns about every result that brings another value.
		Fingerprints: map[string]string{"ullage/v1": f.Fingerprint.String()},
		Props:        props,
	}
	if fix, ok := toSARIFFix(f); ok {
		result.Fixes = []sarifFix{fix}
	}
	if !f.Active() {
		result.Suppressions = []sarifSuppression{{"external", "accepted", excuse(f)}}
	}
	return result
}

// sarifURI writes a file name as a URI, relative unless the name is absolute.
func sarifURI(file string) string {
	file = path.Clean(strings.ReplaceAll(file, `\`, "/"))
	u := url.URL{Path: file}
	if path.IsAbs(file) {
		u.Scheme = "file"
	}
	return u.String()
}

func sarifLocations(p model.Place, o *model.Object) []sarifLocation {
	var l sarifLocation
	if p.File != "" {
		l.Physical = &sarifPhysical{Artifact: sarifArtifact{sarifURI(p.File)}}
		if p.Line > 0 {
			l.Physical.Region = &sarifRegion{StartLine: p.Line, StartColumn: p.Column}
		}
	}
	if o != nil {
		l.Logical = []sarifLogical{{keyName(o), "object"}}
	}
	if l.Physical == nil && l.Logical == nil {
		return nil
	}
	return []sarifLocation{l}
}

// toSARIFFix gives the best fix as byte replacements where each edit exchanges
// one scalar that is written out for another. SARIF has no other kind of fix;
// everything else stays advice in the message.
func toSARIFFix(f *model.Finding) (sarifFix, bool) {
	if len(f.Fixes) == 0 || f.Fixes[0].Class == model.Decision || len(f.Fixes[0].Edits) == 0 || !editable(f.Object) {
		return sarifFix{}, false
	}
	source := f.Object.Source
	change := sarifChange{Artifact: sarifArtifact{sarifURI(source.File.Name)}}
	for _, e := range f.Fixes[0].Edits {
		old := f.Object.Root.Follow(f.At(e.Target))
		if e.Append || !isScalar(e.Value) || !isScalar(old) || old.Has(tree.Shared|tree.Implied|tree.Redacted|tree.Literal) {
			return sarifFix{}, false
		}
		if start := old.Start(); old.End() <= start || strings.ContainsRune("&*!", rune(source.File.Text[start])) {
			return sarifFix{}, false
		}
		var region sarifRegion
		region.StartLine, region.StartColumn = source.File.Position(old.Start())
		region.EndLine, region.EndColumn = source.File.Position(old.End())
		change.Replacements = append(change.Replacements, sarifReplacement{region, sarifText{Text: flow(e.Value)}})
	}
	return sarifFix{sarifText{Text: edits(f, &f.Fixes[0]) + " (" + string(f.Fixes[0].Class) + ")"}, []sarifChange{change}}, true
}

func isScalar(n *tree.Node) bool {
	switch n.Kind() {
	case tree.Bool, tree.Int, tree.Float, tree.String:
		return true
	}
	return false
}
