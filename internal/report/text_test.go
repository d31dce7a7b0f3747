package report

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"ullage.dev/ullage/internal/model"
)

var update = flag.Bool("update", false, "write the golden files")

func render(t testing.TB, format string, r *model.Report, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run with -update and look at the change); got\n%s", file, got)
	}
}

func onlyProblems(t testing.TB) *model.Report {
	r := emptyReport()
	r.Problems = smallReport(t).Problems
	return r
}

func TestTextGolden(t *testing.T) {
	clean := emptyReport()
	clean.Unknowns = smallReport(t).Unknowns
	quiet := emptyReport()
	quiet.Counts.Unknown, quiet.Counts.PassedOver = 0, 0
	nothing := emptyReport()
	nothing.Counts = model.Counts{Files: 3, Documents: 5, PassedOver: 5, Rules: 57}
	for _, test := range []struct {
		name string
		r    *model.Report
		o    Options
	}{
		{"clean.txt", clean, Options{}},
		{"quiet.txt", quiet, Options{}},
		{"nothing.txt", nothing, Options{}},
		{"problems.txt", onlyProblems(t), Options{}},
		{"small.txt", smallReport(t), Options{Requirements: requirements}},
		{"small-narrow.txt", smallReport(t), Options{Width: 60}},
		{"small-verbose.txt", smallReport(t), Options{Verbose: true, ShowExcepted: true, Requirements: requirements}},
		{"small-color.txt", smallReport(t), Options{Color: true, ShowExcepted: true}},
		{"medium.txt", largeReport(t, 12), Options{}},
		{"large.txt", largeReport(t, 1250), Options{}},
		{"alike.txt", alikeReport(t), Options{}},
	} {
		t.Run(test.name, func(t *testing.T) { golden(t, test.name, render(t, "text", test.r, test.o)) })
	}
}

// alikeReport has one object with the same finding in many places.
func alikeReport(t testing.TB) *model.Report {
	var rules strings.Builder
	rules.WriteString("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: operator}\nrules:\n")
	for range 60 {
		rules.WriteString("- {apiGroups: ['*'], resources: ['*'], verbs: ['*']}\n")
	}
	o := objects(t, "operator.yaml", rules.String())[0]
	wildcard := &model.RuleInfo{ID: "wildcard-role", Title: "Role grants every verb", Severity: model.High, Rationale: "It grants what nobody has thought of yet."}
	r := emptyReport()
	for i := range 60 {
		r.Findings = append(r.Findings, finding(t, wildcard, o, fmt.Sprintf("rule %d", i), fmt.Sprintf("rules[%d].verbs", i), "every verb on every resource"))
	}
	return r
}

var ansi = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Color may add nothing but escape sequences.
func TestColorOnlyPaints(t *testing.T) {
	for _, r := range []*model.Report{smallReport(t), largeReport(t, 100), emptyReport(), onlyProblems(t)} {
		plain := render(t, "text", r, Options{ShowExcepted: true})
		color := render(t, "text", r, Options{ShowExcepted: true, Color: true})
		if ansi.ReplaceAllString(color, "") != plain {
			t.Error("the colored text says something else than the plain one")
		}
		if strings.Contains(plain, "\x1b") {
			t.Error("an escape sequence without color")
		}
		for i := range len(plain) {
			if plain[i] >= utf8.RuneSelf {
				t.Fatalf("plain text holds %q at %d", plain[i], i)
			}
		}
	}
}

// Lines keep to the width, except that a place, a name or a rule is never broken.
func TestTextWidth(t *testing.T) {
	for _, width := range []int{60, 80, 100, 140} {
		for line := range strings.Lines(render(t, "text", smallReport(t), Options{Width: width, Verbose: true})) {
			line = strings.TrimRight(line, "\n")
			if n := utf8.RuneCountInString(line); n > width && len(strings.Fields(line)) > 2 && !strings.Contains(line, ".yaml:") {
				t.Errorf("width %d: %d characters: %s", width, n, line)
			}
			if line != strings.TrimRight(line, " ") {
				t.Errorf("white space at the end of %q", line)
			}
		}
	}
}

// Whatever the number of findings, the view stays readable and counts them all.
func TestTextScales(t *testing.T) {
	for _, n := range []int{1, 12, 100, 1250} {
		r := largeReport(t, n)
		text := render(t, "text", r, Options{})
		if lines := strings.Count(text, "\n"); lines > 340 {
			t.Errorf("%d findings: %d lines", len(r.Findings), lines)
		}
		shown := len(regexp.MustCompile(`(?m)^  (CRITICAL|HIGH|MEDIUM|LOW) .*$`).FindAllString(text, -1))
		more := 0
		if m := regexp.MustCompile(`(?m)^(\d+) more findings, by rule`).FindStringSubmatch(text); m != nil {
			fmt.Sscan(m[1], &more)
			_, by, _ := strings.Cut(text, " more findings, by rule")
			shown -= len(regexp.MustCompile(`(?m)^  (CRITICAL|HIGH|MEDIUM|LOW) .*$`).FindAllString(by, -1))
		}
		if shown+more != len(r.Findings) {
			t.Errorf("%d shown and %d counted of %d findings", shown, more, len(r.Findings))
		}
		verbose := render(t, "text", r, Options{Verbose: true})
		if got := len(regexp.MustCompile(`(?m)^  (CRITICAL|HIGH|MEDIUM|LOW) `).FindAllString(verbose, -1)); got != len(r.Findings) {
			t.Errorf("verbose shows %d of %d", got, len(r.Findings))
		}
	}
}

// A reason is given once for each rule.
func TestRationaleOnce(t *testing.T) {
	text := strings.Join(strings.Fields(render(t, "text", largeReport(t, 100), Options{Verbose: true})), " ")
	for _, rule := range []*model.RuleInfo{privileged, runAsRoot, imageTag, memoryLimit} {
		if n := strings.Count(text, rule.Rationale); n != 1 {
			t.Errorf("%s: the reason is given %d times", rule.ID, n)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	if err := Write(&bytes.Buffer{}, "xml", emptyReport(), Options{}); err == nil || !strings.Contains(err.Error(), "openreports") {
		t.Errorf("unknown format: %v", err)
	}
	r := largeReport(t, 200) // more than the buffer holds
	for _, format := range Formats() {
		if err := Write(failingWriter{}, format, r, Options{}); err == nil {
			t.Errorf("%s: a failing writer gives no error", format)
		}
		if err := Write(failingWriter{}, format, emptyReport(), Options{}); err == nil {
			t.Errorf("%s: a failing writer gives no error for a short report", format)
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, fmt.Errorf("disk is full") }

func TestHeadline(t *testing.T) {
	for _, test := range []struct{ subject, message, want string }{
		{"", "the pod uses the network of the node", "the pod uses the network of the node"},
		{`container "web"`, "the container runs privileged", `container "web" runs privileged`},
		{`container "web"`, "no memory limit", `container "web": no memory limit`},
		{`container "web"`, `container "web" runs as root`, `container "web" runs as root`},
		{`container "web"`, "the containers share a volume", `container "web": the containers share a volume`},
		{"rule 1", "the rule allows every verb", "rule 1 allows every verb"},
		{`container "w"`, "the environment of the container holds a password", `the environment of container "w" holds a password`},
		{`port "postgres"`, "port 5432: the name is of another protocol", `port "postgres" (5432): the name is of another protocol`},
		{"rule 1", "", "rule 1: Role grants every verb"},
	} {
		f := &model.Finding{Element: &model.Element{Subject: test.subject}, Statement: &model.Statement{Rule: &model.RuleInfo{Title: "Role grants every verb"}, Message: test.message}}
		if got := headline(f); got != test.want {
			t.Errorf("%q of %q is %q, want %q", test.message, test.subject, got, test.want)
		}
	}
}

// Findings are few: each is shown, however many one rule has.
func TestFewFindingsAreAllShown(t *testing.T) {
	r := largeReport(t, 12) // 12 of each of four rules, and one more
	if text := render(t, "text", r, Options{}); len(r.Findings) > textFindings || strings.Contains(text, "more finding") {
		t.Errorf("not all of %d findings are shown:\n%s", len(r.Findings), text)
	}
}

// Findings are many: none that is critical or high waits behind a lesser one.
func TestSevereFindingsComeFirst(t *testing.T) {
	r := largeReport(t, 40)
	text := render(t, "text", r, Options{})
	shown, _, _ := strings.Cut(text, " more findings, by rule")
	if critical, high := strings.Count(shown, "  CRITICAL  "), strings.Count(shown, "  HIGH  "); critical != 2 || high != 40 {
		t.Errorf("%d critical and %d high findings are shown, want 2 and 40", critical, high)
	}
	if n := strings.Count(shown, "  LOW  ") + strings.Count(shown, "  MEDIUM  "); n != textFindings-42 {
		t.Errorf("%d lesser findings are shown, want %d", n, textFindings-42)
	}
}

func TestSeverePlatformFindingsAreShown(t *testing.T) {
	text := render(t, "text", smallReport(t), Options{})
	_, platform, _ := strings.Cut(text, "Platform objects")
	if !strings.Contains(platform, `CRITICAL  container "agent" runs privileged`) {
		t.Errorf("the critical finding of a platform object is hidden:\n%s", platform)
	}
}

func TestDecisionKeepsRemediation(t *testing.T) {
	text := strings.Join(strings.Fields(render(t, "text", smallReport(t), Options{})), " ")
	for _, want := range []string{"fix " + memoryLimit.Remediation, "ask How much memory"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is said %d times", want, strings.Count(text, want))
		}
	}
}

func TestAlsoRepeatsNothing(t *testing.T) {
	rule := &model.RuleInfo{Title: "x"}
	symptom := func(message string) *model.Finding {
		return &model.Finding{Element: &model.Element{Subject: `container "w"`}, Statement: &model.Statement{Rule: rule, Message: message}}
	}
	f := symptom("the container runs as root")
	f.Symptoms = []*model.Finding{symptom(`container "w" runs as root`), symptom("no limit"), symptom("no limit"), symptom("the container may gain privileges")}
	if got := also(f); got != "no limit; may gain privileges" {
		t.Error(got)
	}
}

func TestExceptionPlaceOnce(t *testing.T) {
	r := emptyReport()
	at := model.Place{File: "deploy/web.yaml", Line: 7, Column: 5}
	r.Unused = []*model.Exception{{ID: at.String() + " ullage.dev/except", Rules: []string{"run-as-root"}, Place: at}}
	for _, format := range []string{"text", "html"} {
		if n := strings.Count(render(t, format, r, Options{}), at.String()); n != 1 {
			t.Errorf("%s: the place of an exception is printed %d times", format, n)
		}
	}
}

func TestSummaryLines(t *testing.T) {
	selected := emptyReport()
	selected.Counts = model.Counts{Files: 32, Documents: 75, Read: 75, Rules: 1}
	opaque := emptyReport()
	opaque.Counts.NotUnderstood = 1
	opaque.NotUnderstood = []model.GroupKind{{Group: "argoproj.io", Kind: "Workflow"}}
	one := emptyReport()
	one.Fixed, one.Counts.Rules, one.Counts.Unknown = 1, 1, 1
	for want, r := range map[string]*model.Report{
		"nothing checked: 75 objects read, none matches --namespace/--selector": selected,
		"1 object of kinds whose pods Ullage does not understand: Workflow":     opaque,
		"1 finding of the baseline is gone":                                     one,
		"12 workloads, 1 rule (":                                                one,
		"1 question open":                                                       one,
	} {
		if text := render(t, "text", r, Options{Width: 200}); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
