package policies_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// corpus makes objects out of what the examples of all rules hold: values that
// rules pass and values that they fail.
type corpus struct {
	*rand.Rand
	examples []any            // the objects as they are written, mutations included
	pool     map[string][]any // the values that stand under a key anywhere
	kinds    []schema.GroupVersionKind
}

func newCorpus(t testing.TB, seed uint64) *corpus {
	t.Helper()
	files, err := policy.Files(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	c := &corpus{Rand: rand.New(rand.NewPCG(seed, 1)), pool: map[string][]any{}}
	for _, f := range files {
		for doc := range tree.Parse(f) {
			if doc.Err != nil {
				t.Fatal(doc.Err)
			}
			if doc.Root.Get("kind").Str() == "Example" {
				c.add(t, doc.Root)
			}
		}
	}
	for _, o := range c.examples {
		c.learn("", o)
		m := o.(map[string]any)
		gvk := schema.FromAPIVersionAndKind(m["apiVersion"].(string), m["kind"].(string))
		if scheme.Scheme.Recognizes(gvk) && !slices.Contains(c.kinds, gvk) {
			c.kinds = append(c.kinds, gvk)
		}
	}
	return c
}

// add takes the objects of an example, and its first one after each mutation.
func (c *corpus) add(t testing.TB, example *tree.Node) {
	t.Helper()
	if example.Get("objects") == nil { // its mutations are of the image
		return
	}
	for i := range example.Get("objects").Children() {
		if o := example.Get("objects").At(i); !model.IsDeclaration(o) {
			c.examples = append(c.examples, o.Native())
		}
	}
	for i := range example.Get("mutations").Children() {
		m := example.Get("mutations").At(i)
		path, err := tree.ParsePath(m.Get("set").Str() + m.Get("remove").Str() + m.Get("append").Str())
		if err != nil {
			t.Fatal(err)
		}
		if path[0].Key == "image" {
			continue
		}
		root, err := tree.Apply(tree.Clone(example.Get("objects").At(0)), path, m.Get("value"), m.Get("append") != nil)
		if err != nil {
			t.Fatal(err)
		}
		c.examples = append(c.examples, root.Native())
	}
}

func (c *corpus) learn(key string, value any) {
	c.pool[key] = append(c.pool[key], value)
	switch v := value.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			c.learn(k, v[k])
		}
	case []any:
		for _, item := range v {
			c.learn(key+"[]", item)
		}
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func some[T any](c *corpus, from []T) T { return from[c.IntN(len(from))] }

// vary returns an example that was changed.
func (c *corpus) vary() any { return c.change(some(c, c.examples)) }

// change returns an object in which a few places have what stands under the
// same key elsewhere, or nothing.
func (c *corpus) change(o any) any {
	o = clone(o)
	for range 1 + c.IntN(4) {
		var places []func()
		c.places("", o, func(change func()) { places = append(places, change) })
		if len(places) > 0 {
			some(c, places)()
		}
	}
	return o
}

// places lists ways to change a value at a place below it.
func (c *corpus) places(key string, value any, yield func(change func())) {
	switch v := value.(type) {
	case map[string]any:
		if others := c.pool[key]; len(others) > 0 && key != "" {
			yield(func() { // what another map of the kind has
				if other, ok := some(c, others).(map[string]any); ok && len(other) > 0 {
					k := some(c, sortedKeys(other))
					v[k] = clone(other[k])
				}
			})
		}
		for _, k := range sortedKeys(v) {
			if k == "apiVersion" || k == "kind" || k == "metadata" && key == "" {
				continue
			}
			yield(func() { v[k] = clone(some(c, c.pool[k])) })
			yield(func() { delete(v, k) })
			yield(func() { v[k] = nil })
			c.places(k, v[k], yield)
		}
	case []any:
		for i := range v {
			yield(func() { v[i] = clone(some(c, c.pool[key+"[]"])) })
			c.places(key+"[]", v[i], yield)
		}
	}
}

func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, item := range v {
			m[k] = clone(item)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, item := range v {
			l[i] = clone(item)
		}
		return l
	}
	return value
}

// typed returns an object of a built-in kind with any of its fields set.
func (c *corpus) typed() any {
	gvk := some(c, c.kinds)
	o, err := scheme.Scheme.New(gvk)
	if err != nil {
		return nil
	}
	m := c.structure(reflect.TypeOf(o).Elem(), 0)
	m["apiVersion"], m["kind"] = gvk.GroupVersion().String(), gvk.Kind
	metadata, _ := clone(some(c, c.pool["metadata"])).(map[string]any)
	if metadata == nil || metadata["name"] == nil {
		metadata = map[string]any{"name": "web"}
	}
	m["metadata"] = metadata
	return m
}

func (c *corpus) structure(t reflect.Type, depth int) map[string]any {
	out := map[string]any{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" && (f.Anonymous || strings.Contains(options, "inline")) {
			for k, v := range c.structure(f.Type, depth) {
				out[k] = v
			}
			continue
		}
		needed := slices.Contains([]string{"spec", "template", "jobTemplate", "containers", "rules", "webhooks"}, name)
		if name == "status" || name == "metadata" && depth == 0 || !needed && c.IntN(10) < 5+depth/3 || depth > 12 {
			continue
		}
		out[name] = c.value(f.Type, name, depth+1)
	}
	return out
}

func (c *corpus) value(t reflect.Type, name string, depth int) any {
	if known := c.pool[name]; len(known) > 0 && c.IntN(3) == 0 {
		return clone(some(c, known)) // of any type; what does not fit is refused later
	}
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return some(c, []any{"100m", "1Gi", 2, "64Mi"})
	case reflect.TypeFor[intstr.IntOrString]():
		return some(c, []any{0, 8080, "25%", "http"})
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime](), reflect.TypeFor[metav1.FieldsV1](), reflect.TypeFor[runtime.RawExtension]():
		return nil
	case reflect.TypeFor[metav1.Duration]():
		return "10s"
	case reflect.TypeFor[[]byte]():
		return "c2VjcmV0"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return c.value(t.Elem(), name, depth)
	case reflect.Struct:
		return c.structure(t, depth)
	case reflect.Map:
		m := map[string]any{}
		for range c.IntN(3) {
			m[some(c, []string{"cpu", "memory", "app", "example.com/key"})] = c.value(t.Elem(), name+"[]", depth)
		}
		return m
	case reflect.Slice:
		l := []any{}
		for range c.IntN(3) {
			l = append(l, c.value(t.Elem(), name+"[]", depth))
		}
		return l
	case reflect.String:
		return some(c, []any{"", "web", "Always", "TCP", "ALL", "*"})
	case reflect.Bool:
		return c.IntN(2) == 0
	case reflect.Float32, reflect.Float64:
		return 0.5
	case reflect.Uint8:
		return 1
	}
	return some(c, []any{0, 1, 80, 8080, 1000, -3})
}

// read makes an object as ullage check does; nil when it is refused.
func read(t testing.TB, value any) *model.Object {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	f := &tree.File{Name: "object.json", Text: string(text)}
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			t.Fatal(fmt.Errorf("%w: %s", doc.Err, text))
		}
		o, err := model.NewObject(doc.Root, &model.Source{File: f}, "", "default")
		if err != nil {
			return nil
		}
		return o
	}
	return nil
}
