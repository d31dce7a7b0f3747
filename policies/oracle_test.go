//go:build integration

package policies_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	admission "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/policies"
)

// exported are the rules that export, and what they export to.
type exported struct {
	engine   *policy.Engine
	rules    []*policy.Rule
	policies []*admission.ValidatingAdmissionPolicy
}

// exportAll exports the library. A rule that is refused must be one that needs
// more than the object.
func exportAll(t *testing.T, minor int) exported {
	t.Helper()
	all, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	x := exported{engine: policy.NewEngine(all, policy.Options{KubernetesMinor: minor, FactNames: check.FactNames()})}
	refused := map[string]int{}
	for _, r := range all {
		vap, _, err := x.engine.Export(r, []admission.ValidationAction{admission.Deny})
		if err == nil {
			x.rules, x.policies = append(x.rules, r), append(x.policies, vap)
			continue
		}
		footprint, _ := x.engine.Footprint(r)
		switch {
		case r.Subject.Found != "":
			refused[r.Subject.Found]++
		case footprint.Reads("related"):
			refused["related"]++
		default:
			t.Errorf("%s does not export: %v", r.ID, err)
		}
	}
	t.Logf("%d of %d rules export; refused, by what they need: %v", len(x.rules), len(all), refused)
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
	x := exportAll(t, newestMinor)
	c := newCorpus(t, 37)
	inputs := append([]any{}, c.examples...)
	for range 3000 {
		inputs = append(inputs, c.vary())
	}
	for range 3000 {
		inputs = append(inputs, c.typed())
	}
	var objects []*model.Object
	var written []any
	for _, input := range inputs {
		// The server refuses unknown fields, or drops them when told to.
		if o := read(t, withNamespace(input)); o != nil && len(o.UnknownFields) == 0 {
			objects, written = append(objects, o), append(written, input)
		}
	}
	t.Logf("%d objects, %d more were refused", len(objects), len(inputs)-len(objects))
	var stdin bytes.Buffer
	line(t, &stdin, x.policies)
	served := serve(t, written)
	for i, o := range objects {
		line(t, &stdin, o.Root.Native())
		if served[i] != "" {
			stdin.WriteString(served[i] + "\n")
		}
	}
	worker := policy.NewEngine(x.rules, policy.Options{KubernetesMinor: newestMinor}).NewWorker(check.NewFacts(model.NewSnapshot(nil, true), nil))
	verdicts := comparison{exported: x, failed: map[string]int{}, passed: map[string]int{}}
	next := ask(t, "admission", stdin.Bytes())
	read := func() (a answer) {
		if !next.Scan() || json.Unmarshal(next.Bytes(), &a) != nil {
			t.Fatal("the oracle said too little")
		}
		return a
	}
	invalid := 0
	for i, o := range objects {
		a, b := read(), answer{}
		if served[i] != "" {
			b = read()
		}
		if a.Typed == "" && scheme.Scheme.Recognizes(schema.FromAPIVersionAndKind(o.APIVersion, o.Key.Kind)) {
			invalid++
			continue
		}
		got := map[*policy.Rule]byte{}
		for _, out := range worker.Evaluate(o, &policy.Tally{}) {
			letter := byte('e')
			if out.Verdict == policy.Fail {
				letter = 'f'
			}
			got[out.Rule] = max(letter, got[out.Rule]) // a list is failed by one item, whatever the others say
		}
		verdicts.compare(t, o, got, "raw", a.Raw)
		verdicts.compare(t, o, got, "typed", a.Typed)
		verdicts.compare(t, o, got, "served", b.Typed)
	}
	t.Logf("%d objects are not valid", invalid)
	verdicts.report(t)
}

// comparison counts verdicts by rule.
type comparison struct {
	exported
	compared       int
	differences    int
	failed, passed map[string]int
}

func (c *comparison) compare(t *testing.T, o *model.Object, got map[*policy.Rule]byte, how, letters string) {
	t.Helper()
	if letters == "" {
		return
	}
	for i, r := range c.rules {
		want, have := letters[i], got[r]
		switch {
		case want == '-' && (have == 0 || !o.Key.Builtin()):
			continue
		case have == 0:
			have = 'p'
		}
		c.compared++
		if want == 'f' {
			c.failed[r.ID]++
		} else if want == 'p' {
			c.passed[r.ID]++
		}
		if want != have {
			if c.differences++; c.differences < 20 {
				text, _ := json.Marshal(o.Root.Native())
				t.Errorf("%s: the server says %c of the %s object, ullage %c\n%s", r.ID, want, how, have, text)
			}
		}
	}
}

func (c *comparison) report(t *testing.T) {
	t.Helper()
	both := 0
	for _, r := range c.rules {
		if c.failed[r.ID] > 0 && c.passed[r.ID] > 0 {
			both++
		} else {
			t.Logf("%s: %d fails, %d passes", r.ID, c.failed[r.ID], c.passed[r.ID])
		}
	}
	fails := 0
	for _, n := range c.failed {
		fails += n
	}
	t.Logf("%d verdicts compared, %d of them fails, %d differences; %d of %d rules were seen failing and passing", c.compared, fails, c.differences, both, len(c.rules))
	if both < len(c.rules)*9/10 {
		t.Errorf("only %d of %d rules were seen failing and passing", both, len(c.rules))
	}
}
