package policy

import (
	"testing"
	"testing/fstest"
)

// oneRule is a rule library of one rule with its checked expressions.
func oneRule(rule, checked string) fstest.MapFS {
	return fstest.MapFS{"host/rule.yaml": {Data: []byte(rule)}, "checked.txt": {Data: []byte(checked)}}
}

// verdictOn loads a library of one rule and judges a Pod.
func verdictOn(t *testing.T, files fstest.MapFS) Verdict {
	t.Helper()
	rules, err := LoadLibrary(files, "library")
	if err != nil {
		t.Fatal(err)
	}
	var tally Tally
	for _, out := range NewEngine(rules, Options{}).NewWorker(world{}).Evaluate(object(t, pod), &tally) {
		return out.Verdict
	}
	if tally.Passed != 1 {
		t.Fatalf("the rule did not judge: %+v", tally)
	}
	return Pass
}

// TestCheckedForm holds when a checked form stands in for the text: only when it
// was made from that text, and never in silence when it cannot be read.
func TestCheckedForm(t *testing.T) {
	passes := ruleText("object", `validations: [{expression: 'object.kind == "Pod"', message: m}]`)
	fails := ruleText("object", `validations: [{expression: 'object.kind != "Pod"', message: m}]`)
	formOf := func(text string) (key, form string) {
		rules, err := LoadLibrary(oneRule(text, ""), "library")
		if err != nil {
			t.Fatal(err)
		}
		checked, err := CheckExpressions(rules)
		if err != nil {
			t.Fatal(err)
		}
		for key, form := range parseChecked(string(checked)) {
			return key, form
		}
		t.Fatal("no expression was checked")
		return "", ""
	}
	passKey, passForm := formOf(passes)
	failKey, failForm := formOf(fails)
	if passKey == failKey || passForm == failForm {
		t.Fatal("two expressions have one form")
	}
	for _, test := range []struct {
		name, rule, checked string
		want                Verdict
	}{
		{"its own", passes, passKey + " " + passForm + "\n", Pass},
		{"it is used", passes, passKey + " " + failForm + "\n", Fail},
		{"that of another text", fails, passKey + " " + passForm + "\n", Fail},
		{"not base64", passes, passKey + " ?\n", Error},
		{"not an expression", passes, passKey + " AAAA\n", Error},
	} {
		if got := verdictOn(t, oneRule(test.rule, test.checked)); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
