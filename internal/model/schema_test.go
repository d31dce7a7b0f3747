package model

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	kjson "sigs.k8s.io/json"
)

func TestWrongTypes(t *testing.T) {
	const head = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n"
	for _, test := range []struct{ text, want string }{
		{head + "  hostNetwork: \"yes\"\n", "test.yaml:6:3: Pod/p: spec.hostNetwork is a string, not a boolean (take the quotes off)"},
		{head + "  hostNetwork: maybe\n", "test.yaml:6:3: Pod/p: spec.hostNetwork is a string, not a boolean"},
		{head + "  containers:\n    name: c\n", "test.yaml:6:3: Pod/p: spec.containers is a map, not a list"},
		{head + "  containers:\n  - null\n", "test.yaml:7:5: Pod/p: spec.containers[0] is null, not a map"},
		{head + "  containers:\n  - env:\n    - name: A\n      value: 80\n", "test.yaml:9:7: Pod/p: spec.containers[0].env[0].value is an integer, not a string (quote it)"},
		{head + "  priority: 1.5\n", "test.yaml:6:3: Pod/p: spec.priority is a number, not an integer"},
		{head + "  priority: 2147483648\n", "test.yaml:6:3: Pod/p: spec.priority is out of the range of a 32-bit integer"},
		{head + "  containers:\n  - resources: {limits: {cpu: lots}}\n", "test.yaml:7:26: Pod/p: spec.containers[0].resources.limits.cpu is not a quantity such as 250m, 1.5 or 64Mi"},
		{head + "  containers:\n  - livenessProbe: {httpGet: {port: [80]}}\n", "is a list, not an integer or a string"},
		{"apiVersion: example.com/v1\nkind: Thing\nmetadata:\n  name: t\n  finalizers: all\n", "test.yaml:5:3: Thing.example.com/t: metadata.finalizers is a string, not a list"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: [c2VjcmV0]}\n", "data.k is a list, not a string"},
	} {
		root, source := parse(t, test.text)
		_, err := NewObject(root, source, "", "")
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngives %v\nwant  %s", test.text, err, test.want)
		}
	}
}

func TestUnknownFields(t *testing.T) {
	o := object(t, `apiVersion: v1
kind: Pod
metadata: {name: p, lables: {a: b}}
spec:
  containers:
  - name: c
    securityContext: {runAsNonroot: true, privileged: null}
  ServiceAccountName: x
`)
	var got []string
	for _, path := range o.UnknownFields {
		got = append(got, path.String())
	}
	want := []string{"metadata.lables", "spec.containers[0].securityContext.runAsNonroot", "spec.ServiceAccountName"}
	if !slices.Equal(got, want) {
		t.Errorf("unknown fields %q, want %q", got, want)
	}
	custom := object(t, "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t, nmae: u}\nspec: {anything: [1, {}]}\n")
	if len(custom.UnknownFields) != 1 {
		t.Errorf("unknown fields of a custom resource: %v", custom.UnknownFields)
	}
}

// TestTypesAgreeWithDecoder changes random objects at random places and
// compares checkTypes with the decoder of the API server.
func TestTypesAgreeWithDecoder(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 37))}
	refused, unknown := 0, 0
	for apiVersion := range builtinVersions {
		for kind, goType := range kindsOfTest(t, apiVersion) {
			for range 40 {
				value := g.object(apiVersion, kind, goType)
				for range g.IntN(3) {
					g.spoil(value)
				}
				value["apiVersion"], value["kind"] = apiVersion, kind
				r, u := compareDecoding(t, apiVersion, kind, goType, value)
				refused, unknown = refused+r, unknown+u
			}
		}
	}
	if refused < 200 || unknown < 200 {
		t.Errorf("only %d objects were refused and %d had unknown fields", refused, unknown)
	}
}

func compareDecoding(t *testing.T, apiVersion, kind string, goType reflect.Type, value map[string]any) (refused, unknown int) {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	strict, decodeErr := kjson.UnmarshalStrict(text, reflect.New(goType).Interface(), kjson.DisallowUnknownFields)
	if decodeErr != nil && slices.ContainsFunc([]string{"base64", "parsing time", "duration"}, func(s string) bool { return strings.Contains(decodeErr.Error(), s) }) {
		return 0, 0 // the form of a string, which is not checked
	}
	root, source := parse(t, string(text))
	o := &Object{APIVersion: apiVersion, Root: root, Source: source}
	o.Key.GroupKind = GroupKind{GroupOf(apiVersion), kind}
	fields, err := checkTypes(o)
	// Go would take a null item for an empty object, and a list of numbers for bytes.
	stricter := err != nil && (strings.Contains(err.Error(), "is null, not a map") || strings.Contains(err.Error(), "is a list, not a string"))
	if (err != nil) != (decodeErr != nil) && !stricter {
		t.Errorf("checkTypes says %v, the decoder %v\n%s", err, decodeErr, text)
	}
	if err != nil {
		return 1, 0
	}
	if decodeErr == nil && len(fields) != len(strict) {
		t.Errorf("unknown fields %v, the decoder finds %v\n%s", fields, strict, text)
	}
	return 0, min(1, len(fields))
}

// spoil changes one value or key somewhere below a map.
func (g generator) spoil(m map[string]any) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	key := keys[g.IntN(len(keys))]
	switch v := m[key].(type) {
	case map[string]any:
		if len(v) > 0 && g.IntN(5) > 0 {
			g.spoil(v)
			return
		}
	case []any:
		if len(v) > 0 && g.IntN(5) > 0 {
			i := g.IntN(len(v))
			if inner, ok := v[i].(map[string]any); ok && len(inner) > 0 {
				g.spoil(inner)
			} else {
				v[i] = g.anything()
			}
			return
		}
	}
	if g.IntN(4) == 0 {
		m[strings.ToUpper(key)+"x"] = m[key]
		return
	}
	m[key] = g.anything()
}

func (g generator) anything() any {
	return pick[any](g, true, 7, 1.5, 1<<40, -1, "text", "", []any{}, []any{"a"}, map[string]any{}, map[string]any{"a": "b"}, nil)
}

func TestLookupIsSafeForConcurrentUse(t *testing.T) {
	fresh := schemas{versions: map[string]map[string]reflect.Type{}, types: map[reflect.Type]*typeInfo{}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, name := range []typeName{{"v1", "Pod"}, {"apps/v1", "Deployment"}, {"batch/v1", "CronJob"}} {
				if d := fresh.lookup(name.apiVersion, name.kind); d == nil || d.fields["spec"] == nil {
					t.Errorf("%v is not described", name)
				}
			}
		})
	}
	wg.Wait()
	if fresh.lookup("v1", "Nothing") != nil || fresh.lookup("example.com/v1", "Pod") != nil {
		t.Error("a kind that does not exist is described")
	}
	if fresh.lookup("v1", "DeleteOptions") != nil {
		t.Error("the options of a request count as an object")
	}
}

func TestErrorsHoldNoValues(t *testing.T) {
	const canary = "canary-8d1f"
	for _, field := range []string{"hostNetwork", "containers", "priority", "activeDeadlineSeconds", "securityContext"} {
		root, source := parse(t, fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  %s: %s\n", field, canary))
		if _, err := NewObject(root, source, "", ""); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
