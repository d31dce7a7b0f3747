package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/vuln"
)

// ImageSARIF writes the vulnerabilities and secrets of an image as SARIF 2.1.0: a rule
// for each vulnerability and kind of secret, a result for each package that has the
// one, wherever it lies, and for each place of the other, masked. What is
// ruled out or accepted is counted in the properties of the run and is no result, as
// code scanning services open an alert for each. found is nil when nothing was
// matched; the run then says so. Fingerprints do not depend on versions, layers or
// the tag of the image.
func ImageSARIF(w io.Writer, tool, version string, img *image.Image, found *vuln.Result) error {
	s := imageSARIF{img: img, rules: map[string]int{}, results: map[string]int{}}
	run := sarifRun{tool: tool, version: version, complete: len(img.Problems) == 0 && found != nil, properties: map[string]any{
		"image": map[string]string{"reference": img.Reference, "index": img.Index, "manifest": img.Manifest, "config": img.Identity.Config, "platform": img.Platform},
	}}
	notes := s.problems()
	if found == nil {
		notes = append(notes, sarifNotification{"error", sarifText{Text: "Vulnerabilities are not known: there is no database of advisories."}, nil})
	} else {
		accepted := 0
		for i := range found.Matches {
			if found.Matches[i].Exception != nil {
				accepted++
				continue
			}
			s.match(&found.Matches[i])
		}
		for _, scope := range found.NoData {
			notes = append(notes, sarifNotification{"warning", sarifText{Text: clean("There are no advisories on " + scope + ": its packages were not judged.")}, nil})
		}
		run.properties["vulnerabilities"] = map[string]int{"found": len(found.Matches), "accepted": accepted, "ruledOut": len(found.RuledOut), "undecided": len(found.Undecided)}
	}
	notes = append(notes, s.secrets()...)
	run.rules, run.results, run.notes = each(s.ruleList, anything[sarifRule]), each(s.resultList, anything[sarifResult]), each(notes, anything[sarifNotification])
	b := bufio.NewWriterSize(w, 64<<10)
	if err := run.write(b); err != nil {
		return fmt.Errorf("write sarif report: %w", err)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write sarif report: %w", err)
	}
	return nil
}

func anything[T any](v T) any { return v }

// imageSARIF gathers rules and results: what several packages of a name have is one
// result with several places.
type imageSARIF struct {
	img        *image.Image
	rules      map[string]int
	results    map[string]int
	ruleList   []sarifRule
	resultList []sarifResult
}

func (s *imageSARIF) problems() []sarifNotification {
	var notes []sarifNotification
	for _, p := range s.img.Problems {
		notes = append(notes, sarifNotification{"error", sarifText{Text: problemText(p)}, nil})
	}
	return notes
}

// severityOfLevel is the severity that a level of a vulnerability is shown with. One
// that nobody has said is shown as medium, as no alert would hide it.
var severityOfLevel = map[vuln.Level]model.Severity{
	vuln.Critical: model.Critical, vuln.High: model.High, vuln.Medium: model.Medium, vuln.UnknownLevel: model.Medium, vuln.Low: model.Low, vuln.Negligible: model.Info,
}

func (s *imageSARIF) match(m *vuln.Match) {
	p := &s.img.Packages[m.Package]
	rule := s.rule(m)
	key := m.ID + "\x00" + p.Ecosystem + "\x00" + p.Name
	if at, known := s.results[key]; known {
		s.resultList[at].Locations = append(s.resultList[at].Locations, s.locations(p)...)
		return
	}
	s.results[key] = len(s.resultList)
	severity := severityOfLevel[m.Severity.Level]
	text := fmt.Sprintf("%s %s has %s.", p.Name, p.Version, m.ID)
	if m.Summary != "" {
		text = fmt.Sprintf("%s %s has %s: %s.", p.Name, p.Version, m.ID, strings.TrimSuffix(m.Summary, "."))
	}
	if m.Fixed != "" {
		text += "\nFix: upgrade " + p.UpgradeTo(m.Fixed) + "."
	} else {
		text += "\nNo version without it is known (" + string(m.State) + ")."
	}
	props := map[string]any{"severity": m.Severity.Level.String(), "priority": m.Priority, "reasons": m.Reasons(), "package": p.Name, "version": p.Version}
	for name, value := range map[string]string{"purl": p.PURL, "fixed": m.Fixed, "layer": s.layer(p.Layer)} {
		if value != "" {
			props[name] = value
		}
	}
	s.resultList = append(s.resultList, sarifResult{
		RuleID: m.ID, RuleIndex: rule, Level: sarifLevels[severity], Message: sarifText{Text: clean(text)}, Locations: s.locations(p),
		Fingerprints: map[string]string{"ullage/v1": model.NewFingerprint("image", s.img.Repository, m.ID, p.Ecosystem, p.Name).String()},
		Props:        props,
	})
}

func (s *imageSARIF) layer(index int) string {
	if index < 0 || index >= len(s.img.Layers) {
		return ""
	}
	return s.img.Layers[index].DiffID
}

// rule returns the index of the rule for a vulnerability. Its severity is that of
// its worst match.
func (s *imageSARIF) rule(m *vuln.Match) int {
	severity := severityOfLevel[m.Severity.Level]
	score := securitySeverities[severity]
	if m.Severity.Score > 0 && !m.Severity.ByWord {
		score = fmt.Sprintf("%.1f", m.Severity.Score)
	}
	at, known := s.rules[m.ID]
	if !known {
		at = len(s.ruleList)
		s.rules[m.ID] = at
		title := m.ID
		if m.Summary != "" {
			title += ": " + m.Summary
		}
		help := "Known under " + strings.Join(slices.Concat([]string{m.ID}, m.Aliases), ", ") + "."
		if m.Exploited != nil {
			help += " Known to be exploited since " + m.Exploited.Added + "."
		}
		help = clean(help)
		s.ruleList = append(s.ruleList, sarifRule{
			ID: m.ID, Short: sarifText{Text: cut(clean(title), sarifDescription)}, Full: sarifText{Text: cut(clean(cmp.Or(m.Summary, m.ID)), sarifDescription)},
			Help: sarifText{Text: help, Markdown: markdownText(help)}, Props: sarifRuleBags{Tags: []string{"security", "vulnerability"}},
		})
	}
	r := &s.ruleList[at]
	if !known || worse(severity, r.Props.Severity) {
		r.Default, r.Props.Severity, r.Props.SecuritySeverity = sarifLevel{sarifLevels[severity]}, severity.String(), score
	}
	return at
}

func worse(a model.Severity, than string) bool {
	var b model.Severity
	return b.UnmarshalText([]byte(than)) != nil || a > b
}

// locations are the files that a package is known by, as paths from the root of the
// image, and the package in its layer.
func (s *imageSARIF) locations(p *image.Package) []sarifLocation {
	name := s.img.Reference
	if layer := s.layer(p.Layer); layer != "" {
		name += " " + layer
	}
	logical := []sarifLogical{{clean(name + " " + p.Name), "package"}}
	var all []sarifLocation
	for _, where := range p.Where {
		file, _, _ := strings.Cut(where, "!/")
		all = append(all, sarifLocation{Physical: &sarifPhysical{Artifact: sarifArtifact{sarifURI(strings.TrimPrefix(path.Clean(file), "/"))}}, Logical: logical})
	}
	if len(all) == 0 {
		all = append(all, sarifLocation{Logical: logical})
	}
	return all
}
