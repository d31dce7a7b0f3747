package model

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"ullage.dev/ullage/internal/tree"
)

// generator makes random objects of the built-in types as JSON values, with
// what people write: fields left out, null, empty and zero values among them.
type generator struct{ *rand.Rand }

// choices are the values of strings that decide what is defaulted, by the name
// of their type or "Type.field".
var choices = map[string][]string{
	"Protocol": {"", "TCP", "UDP"}, "PullPolicy": {"", "Always", "Never"}, "RestartPolicy": {"", "Always", "OnFailure", "Never"},
	"DNSPolicy": {"", "Default", "None"}, "URIScheme": {"", "HTTP", "HTTPS"}, "ServiceType": {"", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"},
	"ServiceAffinity": {"", "None", "ClientIP"}, "DeploymentStrategyType": {"", "Recreate", "RollingUpdate"},
	"DaemonSetUpdateStrategyType": {"", "OnDelete", "RollingUpdate"}, "StatefulSetUpdateStrategyType": {"", "OnDelete", "RollingUpdate"},
	"PodManagementPolicyType": {"", "Parallel"}, "ConcurrencyPolicy": {"", "Forbid"}, "PolicyType": {"Ingress", "Egress"},
	"LimitType": {"Container", "Pod"}, "SecretType": {"", "Opaque", "kubernetes.io/tls"}, "FailurePolicyType": {"Fail", "Ignore"},
	"Container.image":             images,
	"EphemeralContainer.image":    images,
	"ImageVolumeSource.reference": images,
	"Subject.kind":                {"User", "Group", "ServiceAccount"},
	"Subject.apiGroup":            {"", "rbac.authorization.k8s.io"},
	"RoleRef.apiGroup":            {"", "rbac.authorization.k8s.io"},
	"PodSpec.serviceAccountName":  {"", "web"},
	"PodSpec.serviceAccount":      {"", "old"},
}

var images = []string{
	"", "nginx", "nginx:latest", "nginx:1.27", "registry.example/team/app", "registry.example:5000/app:latest", "registry.example:5000/app",
	"localhost/app", "localhost:80/app:v1", "Upper/app", "UPPER", "a/B:latest", "nginx@sha256:" + strings.Repeat("a", 64),
	"nginx:latest@sha256:" + strings.Repeat("a", 64), "nginx:latest@sha256:" + strings.Repeat("A", 64), "nginx:latest@sha256:short",
	"nginx:1.27@sha256:" + strings.Repeat("0", 64), strings.Repeat("0", 64), "a__b/c--d/e.f", "a___b", "a..b", "-a", "a-", "a/", "/a", "a//b",
	"a_b.c/img", "-host.example/img", "[::1]:5000/img", "[::1]/img", "host:port/img", "host.example:/img", "docker.io/nginx", "index.docker.io/nginx",
	"nginx:", "nginx:tag:latest", "ngi nx", "${IMAGE}", strings.Repeat("a", 250), strings.Repeat("a", 247), strings.Repeat("a", 248) + "/b",
	"host.example/" + strings.Repeat("a", 255), "host.example/" + strings.Repeat("a", 256), "xn--abc.example/app", "img:latest@", "@", ":", "img@latest",
}

// object returns a random object of a kind.
func (g generator) object(apiVersion, kind string, t reflect.Type) map[string]any {
	o := g.structure(t, 0)
	o["apiVersion"], o["kind"] = apiVersion, kind
	return o
}

func (g generator) structure(t reflect.Type, depth int) map[string]any {
	out := map[string]any{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Type == reflect.TypeFor[metav1.ObjectMeta]() {
			out[name] = g.metadata()
			continue
		}
		if name == "" && (f.Anonymous || strings.Contains(options, "inline")) {
			for k, v := range g.structure(f.Type, depth) {
				out[k] = v
			}
			continue
		}
		if needed := slices.Contains([]string{"spec", "template", "jobTemplate", "roleRef", "port"}, name); !needed {
			if name == "status" || g.IntN(10) < 4+depth/2 {
				continue
			}
			if g.IntN(12) == 0 {
				out[name] = nil
				continue
			}
		}
		if values := choices[t.Name()+"."+name]; values != nil {
			out[name] = values[g.IntN(len(values))]
			continue
		}
		out[name] = g.value(f.Type, depth+1)
	}
	return out
}

func (g generator) metadata() map[string]any {
	m := map[string]any{"name": "sample"}
	switch g.IntN(4) {
	case 0:
		m["labels"] = map[string]any{"app": "sample", "tier": "web"}
	case 1:
		m["labels"] = nil
	case 2:
		m["labels"] = map[string]any{}
	}
	return m
}

func pick[T any](g generator, values ...T) T { return values[g.IntN(len(values))] }

func (g generator) value(t reflect.Type, depth int) any {
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return pick[any](g, "100m", "1Gi", 2, "0.5", "64Mi", 1.5)
	case reflect.TypeFor[intstr.IntOrString]():
		return pick[any](g, 0, 1, 8080, "25%", "http", "")
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return nil
	case reflect.TypeFor[metav1.Duration]():
		return "10s"
	case reflect.TypeFor[metav1.FieldsV1](), reflect.TypeFor[runtime.RawExtension]():
		return map[string]any{"any": "thing"}
	case reflect.TypeFor[[]byte]():
		return "c2VjcmV0"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.value(t.Elem(), depth)
	case reflect.Struct:
		return g.structure(t, depth)
	case reflect.Map:
		m := map[string]any{}
		for range g.IntN(3) {
			m[pick(g, "cpu", "memory", "app", "example.com/key")] = g.value(t.Elem(), depth)
		}
		return m
	case reflect.Slice:
		l := []any{}
		for range g.IntN(3) {
			l = append(l, g.value(t.Elem(), depth))
		}
		return l
	case reflect.String:
		if values := choices[t.Name()]; values != nil {
			return pick(g, values...)
		}
		return pick(g, "", "web", "a-b", "Other")
	case reflect.Bool:
		return g.IntN(2) == 0
	case reflect.Float32, reflect.Float64:
		return 0.5
	case reflect.Uint8:
		return 1
	}
	return pick(g, 0, 1, 5, 8080, -3)
}

// kindsOfTest lists the types of the built-in versions.
func kindsOfTest(t testing.TB, apiVersion string) map[string]reflect.Type {
	t.Helper()
	builtin.mu.Lock()
	defer builtin.mu.Unlock()
	kinds := map[string]reflect.Type{}
	for kind, goType := range builtin.kinds(apiVersion, builtinVersions[apiVersion]) {
		if f, ok := goType.FieldByName("ObjectMeta"); ok && f.Anonymous {
			kinds[kind] = goType
		}
	}
	if len(kinds) == 0 {
		t.Fatalf("no kinds in %s", apiVersion)
	}
	return kinds
}

// parseJSON makes a tree of a JSON value.
func parseJSON(t testing.TB, value any) (*tree.Node, *Source) {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

// parse makes a tree of a text that holds one document.
func parse(t testing.TB, text string) (*tree.Node, *Source) {
	t.Helper()
	f := &tree.File{Name: "test.yaml", Text: text}
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			t.Fatal(doc.Err)
		}
		return doc.Root, &Source{File: f}
	}
	t.Fatal("no document")
	return nil, nil
}

// object makes an object of a text.
func object(t testing.TB, text string) *Object {
	t.Helper()
	root, source := parse(t, text)
	o, err := NewObject(root, source, "", "default")
	if err != nil || o == nil {
		t.Fatalf("NewObject: %v, %v\n%s", o, err, text)
	}
	return o
}
