package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// load reads exceptions for a finding at a time.
func load(t *testing.T, now, honor, text string) (*Exceptions, error) {
	t.Helper()
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	x := NewExceptions(at, honor, nil)
	f := &tree.File{Name: "exceptions.yaml", Text: text}
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			t.Fatal(doc.Err)
		}
		return x, x.Load(doc.Root, f)
	}
	return x, nil
}

// findingIn returns the finding about a container of an object.
func findingIn(t *testing.T, o *model.Object) *model.Finding {
	t.Helper()
	r := ruleOf(t, "container", "aliases: ['kube-linter:the-check', 'polaris:theCheck', 'kube-score:the-test']\nvalidations: [{expression: 'false', message: m}]")
	out := judge(o, world{}, r)
	if len(out) == 0 || out[0].Verdict != Fail {
		t.Fatalf("outcomes %v", out)
	}
	return out[0].Finding
}

const someDay = "2026-06-01T12:00:00Z"

func TestExceptionCovers(t *testing.T) {
	o := object(t, pod)
	o.Key.Cluster = "arn:aws:eks:eu-west-1:1:cluster/prod"
	f := findingIn(t, o)
	for _, test := range []struct {
		entry string
		want  bool
	}{
		{"rules: [test]", true}, {"rules: ['*']", true}, {"rules: ['kube-linter:the-check']", true}, {"rules: [other, test]", true}, {"rules: [other]", false}, {"rules: [tes]", false},
		{"rules: [test], match: {namespaces: [shop]}", true}, {"rules: [test], match: {namespaces: ['sh*']}", true}, {"rules: [test], match: {namespaces: ['sho?']}", true},
		{"rules: [test], match: {namespaces: [a, b]}", false}, {"rules: [test], match: {names: ['web']}", true}, {"rules: [test], match: {names: ['w']}", false},
		{"rules: [test], match: {kinds: [Pod]}", true}, {"rules: [test], match: {kinds: [Deployment]}", false},
		{"rules: [test], match: {clusters: ['*prod']}", true}, {"rules: [test], match: {clusters: ['*cluster/prod']}", true}, {"rules: [test], match: {clusters: ['*test']}", false},
		{"rules: [test], match: {containers: [web]}", true}, {"rules: [test], match: {containers: ['side*']}", false},
		{"rules: [test], match: {labels: {app: web}}", true}, {"rules: [test], match: {labels: {app: db}}", false},
		{"rules: [test], match: {namespaces: [shop], names: [db]}", false},
	} {
		x, err := load(t, someDay, "all", "exceptions:\n- {reason: r, owner: payments, expires: '2026-12-31', "+test.entry+"}\n")
		if err != nil {
			t.Errorf("%s: %v", test.entry, err)
			continue
		}
		got := x.Apply(f)
		if (got != nil) != test.want || got != nil && (got.Matched != 1 || got.Owner != "payments" || got.Place.Line != 2) {
			t.Errorf("%s: %+v, want %t", test.entry, got, test.want)
		}
		if expired, unused := x.Leftover(); len(expired) != 0 || (len(unused) == 1) == test.want {
			t.Errorf("%s: expired %v, unused %v", test.entry, expired, unused)
		}
	}
}

// TestExceptionExpires holds that an exception works to the end of its day in
// UTC, wherever the clock stands.
func TestExceptionExpires(t *testing.T) {
	f := findingIn(t, object(t, pod))
	for now, want := range map[string]bool{
		"2026-12-30T00:00:00Z": true, "2026-12-31T00:00:00Z": true, "2026-12-31T23:59:59.999999999Z": true, "2027-01-01T00:00:00Z": false, "2027-01-01T00:00:01Z": false,
		"2027-01-01T08:59:59+09:00": true, "2027-01-01T09:00:00+09:00": false, "2026-12-31T18:59:59-05:00": true, "2026-12-31T19:00:00-05:00": false,
	} {
		x, err := load(t, now, "all", "exceptions:\n- {rules: [test], reason: r, owner: payments, expires: '2026-12-31'}\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := x.Apply(f) != nil; got != want {
			t.Errorf("at %s it holds: %t", now, got)
		}
		if expired, unused := x.Leftover(); (len(expired) == 1) == want || len(unused) > 0 {
			t.Errorf("at %s: expired %v, unused %v", now, expired, unused)
		}
	}
}

func TestExceptionsRefused(t *testing.T) {
	for entry, want := range map[string]string{
		"{rules: [test], reason: r, owner: o}":                                                 "needs rules, reason, owner and expires",
		"{rules: [test], reason: '', owner: o, expires: '2026-12-31'}":                         "needs rules, reason, owner and expires",
		"{rules: [test], reason: r, owner: o, expires: '31.12.2026'}":                          "2027-01-31",
		"{rules: [test], reason: r, owner: o, expires: '2026-12-31', match: {names: ['[']}}":   "not a valid pattern",
		"{rules: [test], reason: r, owner: o, expires: '2026-12-31', until: x}":                "unknown field",
		"{rules: test, reason: r, owner: o, expires: '2026-12-31'}":                            "not a list",
		"{rules: [test], reason: r, owner: o, expires: '2026-12-31', match: {namespaces: []}}": "namespaces is empty (leave it out to fit all)",
		"{rules: [test], reason: r, owner: o, expires: '2026-12-31', match: {kinds: []}}":      "kinds is empty",
		"{rules: [test], reason: r, owner: o, expires: '2026-12-31', match: {labels: {}}}":     "labels is not a map of at least one label",
		"{rules: [test], reason: r, owner: o, expires: '2026-12-31', match: {labels: app}}":    "labels is not a map of at least one label",
		"{id: one, rules: [test], reason: r, owner: o, expires: '2026-12-31'}":                 `the exception at exceptions.yaml:2:3 has the id "one", too`,
		"text": "this is a string, not a map",
		"5":    "this is an integer, not a map",
	} {
		x, err := load(t, someDay, "all", "exceptions:\n- {id: one, rules: [test], reason: r, owner: payments, expires: '2026-12-31'}\n- "+entry+"\n")
		if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) != 1 {
			t.Errorf("%s: %v, want one error", entry, err)
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "exceptions.yaml:3") {
			t.Errorf("%s: %v, want %q", entry, err, want)
		}
		if len(x.scoped) != 1 {
			t.Errorf("%s: %d exceptions work, want the other one", entry, len(x.scoped))
		}
	}
	rule := check(t, "true")
	x := NewExceptions(time.Now(), "all", []*Rule{rule})
	f := &tree.File{Name: "exceptions.yaml", Text: "exceptions: [{rules: [tset], reason: r, owner: o, expires: '2026-12-31'}]"}
	if err := x.Load(parse(t, f.Text)[0], f); err == nil || !strings.Contains(err.Error(), `"tset"`) {
		t.Errorf("a rule that does not exist: %v", err)
	}
}

func TestExceptionAnnotations(t *testing.T) {
	for _, test := range []struct {
		annotation string
		honor      string
		want       bool
		err        string
	}{
		{`except.ullage.dev/test: "because; owner=payments; expires=2026-12-31"`, "own", true, ""},
		{`except.ullage.dev/test: "because; owner=payments; expires=2026-12-31"`, "none", false, ""},
		{`except.ullage.dev/other: "because; owner=payments; expires=2026-12-31"`, "own", false, ""},
		{`except.ullage.dev/test: "because; owner=payments; expires=2026-05-31"`, "own", false, ""},
		{`except.ullage.dev/test: "because; owner=payments"`, "own", false, "needs"},
		{`except.ullage.dev/test: "; owner=payments; expires=2026-12-31"`, "own", false, "needs"},
		{`except.ullage.dev/test: "because; owner=payments; expires=soon"`, "own", false, "2027-01-31"},
		{`ignore-check.kube-linter.io/the-check: "legacy"`, "all", true, ""},
		{`ignore-check.kube-linter.io/the-check: "legacy"`, "own", false, ""},
		{`ignore-check.kube-linter.io/another: "legacy"`, "all", false, ""},
		{`kube-linter.io/ignore-all: ""`, "all", true, ""},
		{`polaris.fairwinds.com/exempt: "true"`, "all", true, ""},
		{`polaris.fairwinds.com/exempt: "false"`, "all", false, ""},
		{`polaris.fairwinds.com/theCheck-exempt: "true"`, "all", true, ""},
		{`kube-score/ignore: "a, the-test"`, "all", true, ""},
		{`kube-score/ignore: "a"`, "all", false, ""},
	} {
		for _, where := range []string{"object", "pod"} {
			text := "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  annotations: {O}\nspec:\n  template:\n    metadata: {annotations: {P}}\n    spec: {containers: [{name: a, image: i}, {name: b, image: i}]}\n"
			text = strings.NewReplacer("O", map[bool]string{true: test.annotation}[where == "object"], "P", map[bool]string{true: test.annotation}[where == "pod"]).Replace(text)
			o := object(t, text)
			x, _ := load(t, someDay, test.honor, "exceptions: []")
			err := x.Note(o)
			if (err != nil) != (test.err != "") || err != nil && (!strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), "object.yaml")) {
				t.Errorf("%s on the %s: %v, want %q", test.annotation, where, err, test.err)
			}
			got := x.Apply(findingIn(t, o))
			if (got != nil) != test.want || got != nil && (got.Reason == "" || got.Matched != 1) {
				t.Errorf("%s on the %s, honor %s: %+v, want %t", test.annotation, where, test.honor, got, test.want)
			}
			if got := x.Apply(findingIn(t, object(t, pod))); got != nil {
				t.Errorf("%s covers another object", test.annotation)
			}
		}
	}
}

// TestExceptionsLeftover holds the order of what is left, and that an expired
// exception does not stand in the way of a valid one.
func TestExceptionsLeftover(t *testing.T) {
	x, err := load(t, someDay, "all", `exceptions:
- {id: old, rules: [test], reason: r, owner: o, expires: "2026-01-01"}
- {id: new, rules: [test], reason: r, owner: o, expires: "2026-12-31"}
- {id: unused, rules: [other], reason: r, owner: o, expires: "2026-12-31"}
- {id: old unused, rules: [other], reason: r, owner: o, expires: "2026-01-01"}
`)
	if err != nil {
		t.Fatal(err)
	}
	if e := x.Apply(findingIn(t, object(t, pod))); e == nil || e.ID != "new" {
		t.Errorf("applied %+v", e)
	}
	ids := func(all []*model.Exception) (ids []string) {
		for _, e := range all {
			ids = append(ids, e.ID)
		}
		return ids
	}
	expired, unused := x.Leftover()
	if !slices.Equal(ids(expired), []string{"old", "old unused"}) || !slices.Equal(ids(unused), []string{"unused"}) {
		t.Errorf("expired %q, unused %q", ids(expired), ids(unused))
	}
}

func FuzzExceptions(f *testing.F) {
	f.Add("exceptions:\n- {rules: [test], reason: r, owner: payments, expires: '2026-12-31', match: {names: ['w*'], labels: {app: web}}}\n", "because; owner=payments; expires=2026-12-31")
	f.Add("exceptions: [1, {rules: ['*']}, null]", ";;=;")
	f.Add("{}", "expires=;owner=")
	f.Fuzz(func(t *testing.T, text, annotation string) {
		x := NewExceptions(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), "all", nil)
		file := &tree.File{Name: "x", Text: text}
		for doc := range tree.Parse(file) {
			if doc.Err == nil {
				_ = x.Load(doc.Root, file)
			}
		}
		root := tree.MapOf(tree.Entry("apiVersion", "v1"), tree.Entry("kind", "Pod"), tree.Entry("metadata", tree.MapOf(
			tree.Entry("name", "web"), tree.Entry("annotations", tree.MapOf(tree.Entry(AnnotationPrefix+"test", annotation), tree.Entry("kube-score/ignore", annotation))))))
		o, err := model.NewObject(&root, &model.Source{File: &tree.File{Name: "o"}}, "", "shop")
		if err != nil {
			t.Skip()
		}
		err = x.Note(o)
		rule := model.RuleInfo{ID: "test"}
		e := x.Apply(&model.Finding{Element: &model.Element{Object: o}, Statement: &model.Statement{Rule: &rule}})
		if e != nil && (e.Reason == "" || e.Owner == "" || e.Expires.IsZero()) {
			t.Errorf("an exception without reason, owner or expiry works: %+v", e)
		}
		if err != nil && e != nil && strings.HasPrefix(e.ID, "o:") {
			t.Errorf("a refused annotation works: %v", err)
		}
		x.Leftover()
	})
}

// The annotations of a bare pod are those of the object and of its pod at once.
func TestAnnotationsOfPodsAreReadOnce(t *testing.T) {
	annotated := func(value string) *model.Object {
		return object(t, strings.Replace(pod, "metadata: {", "metadata: {annotations: {except.ullage.dev/test: '"+value+"'}, ", 1))
	}
	x := NewExceptions(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), "all", nil)
	o := annotated("reason; owner=payments; expires=2026-12-31")
	if err := x.Note(o); err != nil {
		t.Fatal(err)
	}
	if x.Apply(findingIn(t, o)) == nil {
		t.Error("the exception does not cover")
	}
	if expired, unused := x.Leftover(); len(expired)+len(unused) > 0 {
		t.Errorf("expired %v, unused %v", expired, unused)
	}
	err := x.Note(annotated("reason"))
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 1 {
		t.Errorf("%v, want one error", err)
	}
}

func TestIsVulnerability(t *testing.T) {
	for name, want := range map[string]bool{
		"CVE-2024-1": true, "cve-2024-1": true, "ghsa-h5c8-rqwp-cp95": true, "GHSA-h5c8-rqwp-cp95": true, "go-2024-1": true, "debian-cve-2024-1": true, "RHSA-2024:1": true,
		"image-critical-cve": false, "go-programs": false, "cve-free": false, "ghsa": false, "privileged": false, "no-cve-2024-1x": false,
	} {
		if IsVulnerability(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
