package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// baselineSchema is the version of the file format.
const baselineSchema = "ullage.dev/baseline/v1"

// Baseline is the set of findings that a team has accepted to have for now.
// Only findings beyond it count. It holds fingerprints, how often each occurs,
// and enough to read it in a diff; no values.
type Baseline struct {
	left     map[model.Fingerprint]int
	symptoms map[model.Fingerprint]bool // written under a cause, and not counted
}

type baselineFile struct {
	Schema   string          `json:"schema"`
	Findings []baselineEntry `json:"findings"`
}

type baselineEntry struct {
	Fingerprint model.Fingerprint `json:"fingerprint"`
	Count       int               `json:"count,omitempty"` // 1 when omitted
	Rule        string            `json:"rule"`
	Object      string            `json:"object"`
	Subject     string            `json:"subject,omitempty"`
	Symptom     bool              `json:"symptom,omitempty"` // of another finding
}

// ReadBaseline reads what WriteBaseline wrote.
func ReadBaseline(r io.Reader) (*Baseline, error) {
	var file baselineFile
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		return nil, notBaseline(err)
	}
	if file.Schema != baselineSchema {
		return nil, fmt.Errorf("it is no baseline: its schema is %q, not %q", file.Schema, baselineSchema)
	}
	b := &Baseline{left: map[model.Fingerprint]int{}, symptoms: map[model.Fingerprint]bool{}}
	for _, e := range file.Findings {
		b.left[e.Fingerprint] += max(e.Count, 1)
		b.symptoms[e.Fingerprint] = e.Symptom
	}
	return b, nil
}

// notBaseline says why a text is none, without the names of Go's types.
func notBaseline(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is no baseline: it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it is no baseline: it ends too early")
	case errors.As(err, &syntax):
		return fmt.Errorf("it is no baseline: it is not JSON at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("it is no baseline: %s at byte %d does not belong there", kind.Value, kind.Offset)
	}
	return fmt.Errorf("it cannot be read as a baseline: %w", err)
}

// Take reports whether the baseline holds a finding, and uses it up: two equal
// findings need two entries.
func (b *Baseline) Take(f model.Fingerprint) bool {
	if b == nil || b.left[f] == 0 {
		return false
	}
	b.left[f]--
	return true
}

// Left returns how many findings of the baseline were not taken: they are fixed.
// As everywhere, symptoms do not count beside their cause.
func (b *Baseline) Left() int {
	if b == nil {
		return 0
	}
	n := 0
	for f, count := range b.left {
		if !b.symptoms[f] {
			n += count
		}
	}
	return n
}

// WriteBaseline writes all findings that no exception covers, symptoms included,
// sorted so that two runs over the same input write the same bytes.
func WriteBaseline(w io.Writer, findings []*model.Finding) error {
	entries := map[model.Fingerprint]*baselineEntry{}
	var add func(f *model.Finding, symptom bool)
	add = func(f *model.Finding, symptom bool) {
		if f.Exception == nil {
			if e := entries[f.Fingerprint]; e != nil {
				e.Count = max(e.Count, 1) + 1
				e.Symptom = e.Symptom && symptom
			} else {
				entries[f.Fingerprint] = &baselineEntry{Fingerprint: f.Fingerprint, Rule: f.Rule.ID, Object: f.Object.Key.String(), Subject: f.Subject, Symptom: symptom}
			}
		}
		for _, s := range f.Symptoms {
			add(s, true)
		}
	}
	for _, f := range findings {
		add(f, false)
	}
	file := baselineFile{Schema: baselineSchema, Findings: make([]baselineEntry, 0, len(entries))}
	for _, e := range entries {
		file.Findings = append(file.Findings, *e)
	}
	slices.SortFunc(file.Findings, func(a, b baselineEntry) int {
		return strings.Compare(a.Object+"\x00"+a.Rule+"\x00"+a.Fingerprint.String(), b.Object+"\x00"+b.Rule+"\x00"+b.Fingerprint.String())
	})
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(file)
}
