package check

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

func library(t testing.TB) []*policy.Rule {
	t.Helper()
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	if rules, err = policy.Profile(rules, "all", 37); err != nil {
		t.Fatal(err)
	}
	return rules
}

func parse(t testing.TB, text string) []*model.Object {
	t.Helper()
	f := &tree.File{Name: "a.yaml", Text: text}
	var objects []*model.Object
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			t.Fatal(doc.Err)
		}
		o, err := model.NewObject(doc.Root, &model.Source{File: f}, "", "default")
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects
}

func judgeAll(t testing.TB, objects []*model.Object, o Options) *model.Report {
	t.Helper()
	o.KubernetesMinor = 37
	r, err := Run(context.Background(), objects, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lines writes what a report says, one line a finding, symptoms indented.
func lines(r *model.Report) []string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, fmt.Sprintf("%s %s %s %s %s", f.Rule.ID, f.Object.Key, f.Subject, f.Place(), f.Message))
		for _, s := range f.Symptoms {
			all = append(all, fmt.Sprintf("  %s %s %s", s.Rule.ID, s.Subject, s.Place()))
		}
	}
	return all
}

// shop is n Deployments with mistakes that differ.
func shop(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-%d, namespace: ns-%d}
spec:
  replicas: %d
  selector: {matchLabels: {app: web-%d}}
  template:
    metadata: {labels: {app: web-%d}}
    spec:
      hostPID: %t
      containers:
      - name: web
        image: registry.example/web:%d
        securityContext: {privileged: %t, runAsUser: %d}
      - name: side
        image: registry.example/side:latest
`, i, i%7, r.IntN(4), i, i, r.IntN(3) == 0, i, r.IntN(2) == 0, r.IntN(3)*1000)
	}
	return b.String()
}

func TestRunIsDeterministic(t *testing.T) {
	rules, objects := library(t), parse(t, shop(300))
	want := lines(judgeAll(t, objects, Options{Rules: rules}))
	if len(want) < 300 {
		t.Fatalf("only %d lines", len(want))
	}
	before := runtime.GOMAXPROCS(1)
	got := lines(judgeAll(t, objects, Options{Rules: rules}))
	runtime.GOMAXPROCS(before)
	if !slices.Equal(want, got) {
		t.Error("one processor gives another report than all of them")
	}
}

// The verdict cache is shared by all objects of a worker: judged alone, each
// object must say the same.
func TestObjectsDoNotChangeEachOther(t *testing.T) {
	rules, objects := library(t), parse(t, shop(40))
	together := map[string]bool{}
	for _, l := range lines(judgeAll(t, objects, Options{Rules: rules})) {
		together[l] = true
	}
	for _, o := range objects {
		for _, l := range lines(judgeAll(t, []*model.Object{o}, Options{Rules: rules})) {
			// Findings that depend on the neighbors are not comparable.
			if !together[l] && !strings.Contains(l, "shared") {
				t.Errorf("only when judged alone: %s", l)
			}
		}
	}
}

func TestCountsAddUp(t *testing.T) {
	r := judgeAll(t, parse(t, shop(50)), Options{Rules: library(t)})
	failed := 0
	for _, f := range r.Findings {
		failed += 1 + len(f.Symptoms)
	}
	if c := r.Counts; c.Evaluated != c.Passed+c.Unknown+failed || len(r.Unknowns) != c.Unknown || failed == 0 || c.Unknown == 0 {
		t.Errorf("%d evaluated, %d passed, %d unknown (%d listed), %d failed", c.Evaluated, c.Passed, c.Unknown, len(r.Unknowns), failed)
	}
}

func TestCountsTellReadFromJudged(t *testing.T) {
	objects := parse(t, shop(5)+`---
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: w, namespace: jobs}
spec: {templates: [{container: {image: alpine}}]}
`)
	in := func(namespace string) func(*model.Object) bool {
		return func(o *model.Object) bool { return o.Key.Namespace == namespace }
	}
	all, jobs, none := judgeAll(t, objects, Options{}), judgeAll(t, objects, Options{Selected: in("jobs")}), judgeAll(t, objects, Options{Selected: in("x")})
	for _, c := range []struct {
		r                           *model.Report
		read, judged, notUnderstood int
	}{{all, 6, 6, 1}, {jobs, 6, 1, 1}, {none, 6, 0, 0}} {
		if got := c.r.Counts; got.Read != c.read || got.Objects != c.judged || got.NotUnderstood != c.notUnderstood || len(c.r.NotUnderstood) != c.notUnderstood {
			t.Errorf("%d read, %d judged, %d not understood (%v)", got.Read, got.Objects, got.NotUnderstood, c.r.NotUnderstood)
		}
	}
}

func TestClosedWorldKnows(t *testing.T) {
	objects := parse(t, shop(5))
	open, closed := judgeAll(t, objects, Options{Rules: library(t)}), judgeAll(t, objects, Options{Rules: library(t), Closed: true})
	isPolicy := func(f *model.Finding) bool { return f.Rule.ID == "network-policy-missing-ingress" }
	if slices.ContainsFunc(open.Findings, isPolicy) {
		t.Error("in an open world, a missing network policy is not a fact")
	}
	if !slices.ContainsFunc(open.Unknowns, func(u model.Unknown) bool { return u.Rule.ID == "network-policy-missing-ingress" }) {
		t.Error("in an open world, a missing network policy is not even unknown")
	}
	if !slices.ContainsFunc(closed.Findings, isPolicy) {
		t.Error("in a closed world, nobody misses the network policy")
	}
}

const owned = `
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web-1, namespace: a, uid: u}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:1", securityContext: {privileged: true}}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-1-x
  namespace: a
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: u, controller: true}]
spec: {containers: [{name: web, image: "registry.example/web:1", securityContext: {privileged: true}}]}
`

func TestOwnedObjectsAreJudgedOnce(t *testing.T) {
	r := judgeAll(t, parse(t, owned), Options{Rules: library(t)})
	privileged := 0
	for _, f := range r.Findings {
		if f.Rule.ID == "privileged-container" {
			privileged++
		}
	}
	if r.Counts.Objects != 1 || privileged != 1 {
		t.Errorf("%d objects judged, %d privileged", r.Counts.Objects, privileged)
	}
	alone := judgeAll(t, parse(t, owned)[1:], Options{Rules: library(t)})
	if alone.Counts.Objects != 1 {
		t.Error("a pod whose owner was not read is not judged")
	}
}

const bare = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: a}
spec: {containers: [{name: web, image: "registry.example/web:1.0"}]}
`

func TestFold(t *testing.T) {
	rules := library(t)
	find := func(r *model.Report, id string) (top, symptom *model.Finding) {
		for _, f := range r.Findings {
			if f.Rule.ID == id {
				top = f
			}
			for _, s := range f.Symptoms {
				if s.Rule.ID == id {
					symptom = s
				}
			}
		}
		return top, symptom
	}
	r := judgeAll(t, parse(t, bare), Options{Rules: rules})
	if top, symptom := find(r, "seccomp-profile"); top != nil || symptom == nil {
		t.Error("the missing seccomp profile is not a symptom of the missing security context")
	}
	cause, _ := find(r, "security-context-set")

	// Who excepts the cause has not said anything about its symptoms.
	exceptions := policy.NewExceptions(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "none", nil)
	f := &tree.File{Name: "x.yaml", Text: "exceptions: [{rules: [security-context-set], reason: r, owner: o, expires: 2026-02-01}]"}
	for doc := range tree.Parse(f) {
		if err := exceptions.Load(doc.Root, f); err != nil {
			t.Fatal(err)
		}
	}
	r = judgeAll(t, parse(t, bare), Options{Rules: rules, Exceptions: exceptions})
	if top, symptom := find(r, "seccomp-profile"); top == nil || symptom != nil {
		t.Error("the symptom of an excepted cause is hidden")
	}

	// A symptom that the baseline does not hold is new, although its cause is not.
	var known bytes.Buffer
	if err := policy.WriteBaseline(&known, []*model.Finding{{Element: cause.Element, Statement: cause.Statement, Fingerprint: cause.Fingerprint}}); err != nil {
		t.Fatal(err)
	}
	baseline, err := policy.ReadBaseline(&known)
	if err != nil {
		t.Fatal(err)
	}
	r = judgeAll(t, parse(t, bare), Options{Rules: rules, Baseline: baseline})
	if top, _ := find(r, "seccomp-profile"); top == nil || !top.Active() {
		t.Error("a new symptom of a known cause is hidden")
	}
	if top, _ := find(r, "security-context-set"); top == nil || top.Active() {
		t.Error("the known cause counts")
	}
}

func TestCoveringRulesThatNameEachOtherEnd(t *testing.T) {
	e := &model.Element{Object: &model.Object{}}
	a := &policy.Rule{RuleInfo: model.RuleInfo{ID: "a"}, CoveredBy: []string{"b"}}
	b := &policy.Rule{RuleInfo: model.RuleInfo{ID: "b"}, CoveredBy: []string{"a"}}
	found := []*model.Finding{{Element: e, Statement: &model.Statement{Rule: &a.RuleInfo}}, {Element: e, Statement: &model.Statement{Rule: &b.RuleInfo}}}
	top := newFolding([]*policy.Rule{a, b}).fold(found)
	shown := len(top)
	for _, f := range top {
		shown += len(f.Symptoms)
	}
	if shown != 2 {
		t.Errorf("%d of 2 findings are left", shown)
	}
}

func TestBrokenRuleIsOneProblem(t *testing.T) {
	f := &tree.File{Name: "r.yaml", Text: `
apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: broken}
spec:
  title: t
  severity: low
  category: runtime
  rationale: r
  remediation: r
  subject: container
  field: container.image
  validations: [{expression: container.nosuch == "x", message: m}]
`}
	rules, err := policy.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	r := judgeAll(t, parse(t, shop(30)), Options{Rules: rules})
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Reason, "broken") || !strings.Contains(r.Problems[0].Reason, "59 more") {
		t.Errorf("problems: %v", r.Problems)
	}
	if len(r.Findings) != 0 || r.Counts.Passed != 0 {
		t.Error("an evaluation error counts as a verdict")
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, parse(t, shop(300)), Options{Rules: library(t)}); err == nil {
		t.Error("a canceled run reports something")
	}
}

func BenchmarkRun(b *testing.B) {
	rules, objects := library(b), parse(b, shop(1000))
	for b.Loop() {
		judgeAll(b, objects, Options{Rules: rules})
	}
}
