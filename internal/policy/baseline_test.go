package policy

import (
	"bytes"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// What is gone is counted as what is known: symptoms not beside their cause.
func TestBaselineCountsNoSymptoms(t *testing.T) {
	rule, object := &model.RuleInfo{ID: "r"}, &model.Object{}
	finding := func(name string) *model.Finding {
		return &model.Finding{Element: &model.Element{Object: object, Subject: name}, Statement: &model.Statement{Rule: rule}, Fingerprint: model.NewFingerprint(name)}
	}
	cause, other := finding("cause"), finding("other")
	cause.Symptoms = []*model.Finding{finding("symptom"), finding("second symptom")}
	var file bytes.Buffer
	if err := WriteBaseline(&file, []*model.Finding{cause, other}); err != nil {
		t.Fatal(err)
	}
	b, err := ReadBaseline(&file)
	if err != nil {
		t.Fatal(err)
	}
	if b.Left() != 2 {
		t.Errorf("%d findings are left, want the cause and the other", b.Left())
	}
	if !b.Take(cause.Symptoms[0].Fingerprint) || b.Left() != 2 {
		t.Errorf("a symptom of the baseline is not known, or counts: %d left", b.Left())
	}
	if !b.Take(cause.Fingerprint) || b.Left() != 1 {
		t.Errorf("%d findings are left, want the other", b.Left())
	}
}
