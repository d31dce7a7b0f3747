//go:build integration

package policies_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admission "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// exported are the rules that export, and what they export to.
type exported struct {
	options  policy.Options
	rules    []*policy.Rule
	policies []*admission.ValidatingAdmissionPolicy
}

// ownRules read parameters in the ways that the library does not.
const ownRules = `
apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: own-limits}
spec:
  title: t
  severity: low
  category: resources
  rationale: r
  remediation: m
  subject: container
  field: container.name
  params: {containers: 2, share: 0.5, strict: true, names: [web, app], byKind: {Pod: [1], Job: ["1"]}, mixed: [1, a, null]}
  matchConditions: [{name: strict, expression: params.strict}]
  variables:
  - {name: limit, expression: params.containers * 2}
  - {name: known, expression: 'container.?name.orValue("") in params.names'}
  validations:
  - {expression: 'variables.known || size(variables.containers) <= variables.limit', message: too many containers}
  - {expression: 'double(size(container.?env.orValue([]))) * params.share <= 1.0', message: too many variables}
---
apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: own-kinds}
spec:
  title: t
  severity: low
  category: resources
  rationale: r
  remediation: m
  subject: object
  field: object.kind
  params: {byKind: {Pod: [1], Job: ["1"]}, mixed: [1, a, null, {b: c}]}
  validations:
  - {expression: '!(object.kind in params.byKind) || params.byKind[object.kind][0] == 1', message: a Job}
  - {expression: 'params.?none.orValue(params.mixed[1]) == "a" && size(params.mixed) == 4', message: never}
`

// exportAll exports the library and ownRules. A rule that is refused must be one that needs
// more than the object.
func exportAll(t *testing.T, options policy.Options) exported {
	t.Helper()
	all, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	own, err := policy.Load(&tree.File{Name: "own.yaml", Text: ownRules})
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, own...)
	options.FactNames = check.FactNames()
	engine := policy.NewEngine(all, options)
	x := exported{options: options}
	refused := map[string]int{}
	for _, r := range all {
		vap, _, err := engine.Export(r, []admission.ValidationAction{admission.Deny})
		if err == nil {
			x.rules, x.policies = append(x.rules, r), append(x.policies, vap)
			continue
		}
		footprint, _ := engine.Footprint(r)
		switch {
		case r.Subject.Found != "":
			refused[r.Subject.Found]++
		case r.Subject.Image:
			refused["image"]++
		case footprint.Reads("related"):
			refused["related"]++
		default:
			t.Errorf("%s does not export: %v", r.ID, err)
		}
	}
	t.Logf("%d of %d rules export; refused, by what they need: %v", len(x.rules), len(all), refused)
	if len(x.rules) < 190 {
		t.Errorf("only %d rules export", len(x.rules))
	}
	return x
}

// answer is what the oracle says about one object: a letter for each policy.
type answer struct{ Raw, Typed string }

// ask builds a program under test/ and pipes lines through it.
func ask(t *testing.T, name string, input []byte) *bufio.Scanner {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "test", name)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the oracle: %v\n%s", err, out)
	}
	run := exec.CommandContext(t.Context(), program)
	run.Stdin, run.Stderr = bytes.NewReader(input), os.Stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("the oracle %s: %v", name, err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	return lines
}

func line(t *testing.T, to *bytes.Buffer, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	to.Write(append(text, '\n'))
}

// withoutNulls takes out entries that are null, which the server never keeps.
func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k, item := range v {
			if item == nil {
				delete(v, k)
			} else {
				withoutNulls(item)
			}
		}
	case []any:
		for _, item := range v {
			withoutNulls(item)
		}
	}
	return value
}

// withNamespace puts a namespaced object into a namespace, as a request does.
func withNamespace(input any) any {
	o := input.(map[string]any)
	metadata, _ := o["metadata"].(map[string]any)
	key := model.Key{GroupKind: model.GroupKind{Kind: o["kind"].(string)}}
	key.Group, _, _ = strings.Cut(o["apiVersion"].(string), "/")
	if metadata != nil && metadata["namespace"] == nil && !key.ClusterScoped() {
		metadata["namespace"] = "default"
	}
	return withoutNulls(input)
}

// serve completes objects as the API server does. What it does not serve comes
// back empty.
func serve(t *testing.T, inputs []any) []string {
	t.Helper()
	var stdin bytes.Buffer
	for _, input := range inputs {
		line(t, &stdin, input)
	}
	var served []string
	for lines := ask(t, "defaulting", stdin.Bytes()); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), `{"error"`) {
			served = append(served, "")
		} else {
			served = append(served, lines.Text())
		}
	}
	if len(served) != len(inputs) {
		t.Fatalf("%d answers to %d objects", len(served), len(inputs))
	}
	return served
}

// TestExportAgreesWithServer holds every verdict of every rule that exports
// against what the API server's own packages say of the exported policy: about
// the object as Ullage sees it, the same after it went through its Go type, and
// the object as written after the server itself completed it.
func TestExportAgreesWithServer(t *testing.T) {
	c := newCorpus(t, 37)
	inputs := slices.Clone(c.examples)
	for range 2500 {
		inputs = append(inputs, c.vary())
		inputs = append(inputs, c.typed())
	}
	v := verdicts{failed: map[string]int{}, passed: map[string]int{}}
	v.compareAll(t, exportAll(t, policy.Options{KubernetesMinor: newestMinor, Settings: requiredSettings(t)}), inputs)
	// Some controls are of old versions only, some rules need settings.
	old := policy.Options{KubernetesMinor: 18, Settings: exampleSettings(t)}
	v.compareAll(t, exportAll(t, old), append(inputs[:len(c.examples):len(c.examples)], inputs[len(inputs)-500:]...))
	v.report(t)
}

// verdicts counts what was compared, by rule.
type verdicts struct {
	compared       int
	differences    int
	failed, passed map[string]int
}

// compareAll compares the verdicts of the rules that export on all objects.
func (v *verdicts) compareAll(t *testing.T, x exported, inputs []any) {
	t.Helper()
	var objects []*model.Object
	var written []any
	for _, input := range inputs {
		// The server refuses unknown fields, or drops them when told to.
		if o := read(t, withNamespace(input)); o != nil && len(o.UnknownFields) == 0 {
			objects, written = append(objects, o), append(written, input)
		}
	}
	served := serve(t, written)
	var stdin bytes.Buffer
	line(t, &stdin, x.policies)
	for i, o := range objects {
		line(t, &stdin, o.Root.Native())
		if served[i] != "" {
			stdin.WriteString(served[i] + "\n")
		}
	}
	worker := policy.NewEngine(x.rules, x.options).NewWorker(check.NewFacts(model.NewSnapshot(nil, true), nil))
	next := ask(t, "admission", stdin.Bytes())
	read := func() (a answer) {
		if !next.Scan() || json.Unmarshal(next.Bytes(), &a) != nil {
			t.Fatal("the oracle said too little")
		}
		return a
	}
	valid := 0
	for i, o := range objects {
		a, b := read(), answer{}
		if served[i] != "" {
			b = read()
		}
		if a.Typed == "" && scheme.Scheme.Recognizes(schema.FromAPIVersionAndKind(o.APIVersion, o.Key.Kind)) {
			continue
		}
		valid++
		got := letters(worker.Evaluate(o, &policy.Tally{}))
		v.compare(t, x.rules, o, got, "raw", a.Raw)
		v.compare(t, x.rules, o, got, "typed", a.Typed)
		v.compare(t, x.rules, o, got, "served", b.Typed)
	}
	t.Logf("%d objects made, %d read, %d of them valid", len(inputs), len(objects), valid)
}

// letters sums up outcomes as the oracle does: one failing element fails the
// object.
func letters(outcomes []policy.Outcome) map[*policy.Rule]byte {
	got := map[*policy.Rule]byte{}
	for _, out := range outcomes {
		switch {
		case out.Verdict == policy.Fail:
			got[out.Rule] = 'f'
		case got[out.Rule] == 0:
			got[out.Rule] = 'e'
		}
	}
	return got
}

func (v *verdicts) compare(t *testing.T, rules []*policy.Rule, o *model.Object, got map[*policy.Rule]byte, how, letters string) {
	t.Helper()
	if letters == "" {
		return
	}
	for i, r := range rules {
		want, have := letters[i], got[r]
		if want == '-' && (have == 0 || !o.Key.Builtin()) {
			continue // custom resources with pods are beyond a policy
		}
		if have == 0 {
			have = 'p'
		}
		v.compared++
		switch want {
		case 'f':
			v.failed[r.ID]++
		case 'p':
			v.passed[r.ID]++
		}
		if want != have {
			if v.differences++; v.differences < 20 {
				text, _ := json.Marshal(o.Root.Native())
				t.Errorf("%s: the server says %c of the %s object, ullage %c\n%s", r.ID, want, how, have, text)
			}
		}
	}
}

func (v *verdicts) report(t *testing.T) {
	t.Helper()
	ids := map[string]bool{}
	both, fails := 0, 0
	for _, counts := range []map[string]int{v.failed, v.passed} {
		for id := range counts {
			ids[id] = true
		}
	}
	for id := range ids {
		fails += v.failed[id]
		if v.failed[id] > 0 && v.passed[id] > 0 {
			both++
		} else {
			t.Logf("%s: %d fails, %d passes", id, v.failed[id], v.passed[id])
		}
	}
	t.Logf("%d verdicts compared, %d of them fails; %d differences; %d of %d rules were seen failing and passing", v.compared, fails, v.differences, both, len(ids))
	if both < 190 {
		t.Errorf("only %d rules were seen failing and passing", both)
	}
}
