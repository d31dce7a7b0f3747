//go:build integration

package model

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"

	"ullage.dev/ullage/internal/tree"
)

// notDefaulted are the versions and kinds that the oracle defaults and
// applyDefaults does not, or not in the same way, with the reason.
var notDefaulted = map[string]string{
	"certificates.k8s.io/":               "no policy reads certificate requests",
	"flowcontrol.apiserver.k8s.io/":      "no policy reads API priority",
	"rbac.authorization.k8s.io/v1alpha1": "its subjects have an apiVersion for a group; gone since Kubernetes 1.22",
	"extensions/v1beta1/NetworkPolicy":   "the server leaves protocol out, but means TCP; gone since Kubernetes 1.16",
}

// TestDefaultsAgreeWithServer compares applyDefaults with the defaulting
// functions of the API server, which test/defaulting runs.
func TestDefaultsAgreeWithServer(t *testing.T) {
	var inputs []map[string]any
	inputs = append(inputs, podSecurityFixtures(t)...)
	fixtures := len(inputs)
	g := generator{rand.New(rand.NewPCG(37, 2))}
	for apiVersion := range builtinVersions {
		for kind, goType := range kindsOfTest(t, apiVersion) {
			for range 300 {
				inputs = append(inputs, g.object(apiVersion, kind, goType))
			}
		}
	}
	compared, differences := 0, map[string]int{}
	for i, want := range serverDefaults(t, inputs) {
		if want == nil {
			continue // the oracle does not know the version
		}
		apiVersion, kind := inputs[i]["apiVersion"].(string), inputs[i]["kind"].(string)
		if excluded(apiVersion + "/" + kind) {
			continue
		}
		root, source := parseJSON(t, inputs[i])
		o := &Object{APIVersion: apiVersion, Root: root, Source: source}
		o.Key.GroupKind = GroupKind{GroupOf(apiVersion), kind}
		applyDefaults(o)
		compared++
		if diff := differs(t, apiVersion, kind, root, want); diff != "" {
			if differences[apiVersion+kind]++; differences[apiVersion+kind] == 1 {
				input, _ := json.Marshal(inputs[i])
				t.Errorf("%s %s: %s\ninput: %s", apiVersion, kind, diff, input)
			}
		}
	}
	t.Logf("%d fixtures of pod security and %d objects in all compared, differences by kind: %v", fixtures, compared, differences)
	if fixtures < 100 || compared < 10_000 {
		t.Errorf("only %d fixtures and %d objects were compared", fixtures, compared)
	}
}

func excluded(name string) bool {
	for prefix := range notDefaulted {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// differs decodes both into the Go type, so that empty values and the writing
// of quantities do not count, and compares all but the status.
func differs(t *testing.T, apiVersion, kind string, root *tree.Node, want json.RawMessage) string {
	t.Helper()
	goType := kindsOfTest(t, apiVersion)[kind]
	got, err := json.Marshal(root.Native())
	if err != nil {
		t.Fatal(err)
	}
	a, b := reflect.New(goType), reflect.New(goType)
	for value, text := range map[reflect.Value][]byte{a: got, b: want} {
		if err := json.Unmarshal(withoutStatus(t, text), value.Interface()); err != nil {
			return err.Error()
		}
	}
	if equality.Semantic.DeepEqual(a.Interface(), b.Interface()) {
		return ""
	}
	ours, _ := json.MarshalIndent(a.Interface(), "", " ")
	theirs, _ := json.MarshalIndent(b.Interface(), "", " ")
	return firstDifference(strings.Split(string(ours), "\n"), strings.Split(string(theirs), "\n"))
}

// withoutStatus takes out the status of an object and of the objects in it.
func withoutStatus(t *testing.T, text []byte) []byte {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			if _, ok := v["status"].(map[string]any); ok {
				delete(v, "status")
			}
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(value)
	stripped, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return stripped
}

func firstDifference(ours, theirs []string) string {
	for i := range min(len(ours), len(theirs)) {
		if ours[i] != theirs[i] {
			return "ours:\n" + strings.Join(ours[max(0, i-6):min(len(ours), i+4)], "\n") +
				"\nthe server's:\n" + strings.Join(theirs[max(0, i-6):min(len(theirs), i+4)], "\n")
		}
	}
	return "the same as JSON, but not equal"
}

// serverDefaults builds the oracle and runs it; answers are in the order of
// the inputs, nil for what it does not know.
func serverDefaults(t *testing.T, inputs []map[string]any) []json.RawMessage {
	t.Helper()
	program := filepath.Join(t.TempDir(), "defaulting")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "..", "test", "defaulting")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the oracle: %v\n%s", err, out)
	}
	var stdin bytes.Buffer
	encoder := json.NewEncoder(&stdin)
	for _, input := range inputs {
		if err := encoder.Encode(input); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), program)
	run.Stdin, run.Stderr = &stdin, os.Stderr
	stdout, err := run.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answers []json.RawMessage
	lines := bufio.NewScanner(bytes.NewReader(stdout))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var failure struct{ Error string }
		if json.Unmarshal(lines.Bytes(), &failure) == nil && failure.Error != "" {
			if !strings.Contains(failure.Error, "no kind") {
				t.Errorf("the oracle cannot decode an input: %s", failure.Error)
			}
			answers = append(answers, nil)
			continue
		}
		answers = append(answers, slices.Clone(lines.Bytes()))
	}
	if len(answers) != len(inputs) {
		t.Fatalf("%d answers to %d inputs", len(answers), len(inputs))
	}
	return answers
}

// podSecurityFixtures reads the pods that k8s.io/pod-security-admission tests
// its own checks with.
func podSecurityFixtures(t *testing.T) []map[string]any {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "k8s.io/pod-security-admission@v0.37.2").Output()
	if err != nil {
		t.Skipf("k8s.io/pod-security-admission cannot be had: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	var found []map[string]any
	err = filepath.WalkDir(filepath.Join(module.Dir, "test", "testdata"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		root, _ := parse(t, string(text))
		found = append(found, root.Native().(map[string]any))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
