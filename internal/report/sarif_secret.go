package report

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
)

// secrets adds what was found of credentials in files and configuration: a rule for
// each kind, a result for each place. What is in doubt is a note. It says what was
// not searched.
func (s *imageSARIF) secrets() []sarifNotification {
	same := map[string]int{}
	for i := range s.img.Secrets {
		s.secret(&s.img.Secrets[i], same)
	}
	if !s.img.Search.Done {
		return []sarifNotification{{"warning", sarifText{Text: "Files were not searched for secrets."}, nil}}
	}
	return nil
}

func (s *imageSARIF) secret(x *image.Secret, same map[string]int) {
	id := "secret-" + strings.Join(strings.Fields(strings.ToLower(x.Kind)), "-")
	place := cmp.Or(x.Path, x.Where)
	// Of several in one file each needs a name of its own, which lines are not: they move.
	key := id + "\x00" + place
	same[key]++
	text := x.Kind + " in " + place
	if x.Shown != "" {
		text += " (" + x.Shown + ")"
	}
	text += "."
	props := map[string]any{"severity": x.Severity.String()}
	if layer := s.layer(x.Layer); layer != "" {
		props["layer"] = layer
	}
	if x.Gone >= 0 {
		text += fmt.Sprintf(" A later layer takes the file away, which does not take it out of the image (layer %d).", x.Layer+1)
		props["removedBy"] = s.layer(x.Gone)
	}
	level := sarifLevels[x.Severity]
	if x.Doubt != "" {
		text += " In doubt: " + x.Doubt + "."
		level, props["doubt"] = "note", x.Doubt
	}
	text += "\nFix: replace it, as it is out, and hand it over at run time or as a build secret."
	s.resultList = append(s.resultList, sarifResult{
		RuleID: id, RuleIndex: s.secretRule(id, x), Level: level, Message: sarifText{Text: clean(text)}, Locations: []sarifLocation{s.secretLocation(x)},
		Fingerprints: map[string]string{"ullage/v1": model.NewFingerprint("image", s.img.Repository, id, place, strconv.Itoa(same[key])).String()},
		Props:        props,
	})
}

// secretRule returns the index of the rule for a kind. Its severity is that of its
// worst place.
func (s *imageSARIF) secretRule(id string, x *image.Secret) int {
	at, known := s.rules[id]
	if !known {
		at = len(s.ruleList)
		s.rules[id] = at
		short := sarifText{Text: clean(x.Kind + " in an image")}
		help := "Everybody who may pull the image reads it, also from a layer whose files a later one deletes."
		s.ruleList = append(s.ruleList, sarifRule{
			ID: id, Short: short, Full: sarifText{Text: help}, Help: sarifText{Text: help, Markdown: help},
			Props: sarifRuleBags{Tags: []string{"security", "secret"}},
		})
	}
	r := &s.ruleList[at]
	if !known || worse(x.Severity, r.Props.Severity) {
		r.Default, r.Props.Severity, r.Props.SecuritySeverity = sarifLevel{sarifLevels[x.Severity]}, x.Severity.String(), securitySeverities[x.Severity]
	}
	return at
}

// secretLocation is the line of a file in its layer, or the image where the
// configuration has it.
func (s *imageSARIF) secretLocation(x *image.Secret) sarifLocation {
	name := s.img.Reference
	if layer := s.layer(x.Layer); layer != "" {
		name += " " + layer
	}
	l := sarifLocation{Logical: []sarifLogical{{clean(name + " " + cmp.Or(x.Path, x.Where)), "resource"}}}
	if x.Path != "" {
		l.Physical = &sarifPhysical{Artifact: sarifArtifact{sarifURI(strings.TrimPrefix(path.Clean(x.Path), "/"))}, Region: &sarifRegion{StartLine: max(x.Line, 1)}}
	}
	return l
}
