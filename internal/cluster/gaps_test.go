package cluster

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ullage.dev/ullage/internal/model"
)

// TestNamespaceWithFaults reads namespaces one by one. Only one of which every
// object was understood is known whole, and what failed in another is told.
func TestNamespaceWithFaults(t *testing.T) {
	f := newFake(t)
	pods := f.items["/api/v1/pods"]
	f.items["/api/v1/namespaces/whole/pods"] = pods[:1]
	f.items["/api/v1/namespaces/partly/pods"] = []string{pods[1], `{"metadata": {"name": "x", "namespace": "partly"}, "spec": [[]]}`}
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		code := map[string]int{"/api/v1/pods": http.StatusForbidden, "/api/v1/namespaces/refused/pods": http.StatusForbidden, "/api/v1/namespaces/broken/pods": http.StatusInternalServerError}[r.URL.Path]
		if code != 0 {
			status(w, code, "Reason")
		}
		return code != 0
	}
	in := f.read(Options{Namespaces: []string{"whole", "partly", "refused", "broken"}})
	s := model.NewSnapshot(in.Objects, true, in.Gaps...)
	pod := model.GroupKind{Kind: "Pod"}
	for namespace, want := range map[string]bool{"whole": true, "partly": false, "refused": false, "broken": false} {
		if s.Complete(namespace, pod) != want {
			t.Errorf("pods of %s complete: %t", namespace, !want)
		}
	}
	for _, why := range []string{"outside of namespace whole", "some of namespace partly", "those of namespace broken could not be read: the server answers 500"} {
		if gap := s.Gap("", pod); gap == nil || !strings.Contains(gap.Reason, why) || !gap.Told {
			t.Errorf("gap %+v, want %q", gap, why)
		}
	}
	if !slices.ContainsFunc(in.Problems, func(p model.Problem) bool {
		return strings.Contains(p.Reason, "pods") && strings.Contains(p.Reason, "namespace broken") && strings.Contains(p.Reason, "500")
	}) {
		t.Errorf("problems %v", in.Problems)
	}
}

// TestRightTakenAway refuses the second page: what is then read by namespace is
// not counted twice.
func TestRightTakenAway(t *testing.T) {
	f := newFake(t)
	f.items["/api/v1/namespaces/shop/pods"] = f.items["/api/v1/pods"]
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		refuse := r.URL.Path == "/api/v1/pods" && r.URL.Query().Has("continue")
		if refuse {
			status(w, http.StatusForbidden, "Forbidden")
		}
		return refuse
	}
	total := 0
	in := f.read(Options{Namespaces: []string{"shop"}, Progress: func(n int) { total = n }})
	wantPods(t, in, allPods)
	if total != len(in.Objects) {
		t.Errorf("progress says %d of %d objects", total, len(in.Objects))
	}
}

// TestNotFound answers 404 for a list: only a custom resource may just have been
// removed, and then nothing of it was given before.
func TestNotFound(t *testing.T) {
	f := newFake(t)
	for i := range 5 {
		f.items["/apis/example.org/v1/widgets"] = append(f.items["/apis/example.org/v1/widgets"], fmt.Sprintf(`{"metadata": {"name": "w%d", "namespace": "shop"}}`, i))
	}
	for _, c := range []struct {
		path     string
		later    bool // on the second page
		complete bool
	}{{"/apis/example.org/v1/widgets", false, true}, {"/apis/example.org/v1/widgets", true, false}, {"/api/v1/pods", false, false}, {"/api/v1/pods", true, false}} {
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			missing := r.URL.Path == c.path && r.URL.Query().Has("continue") == c.later
			if missing {
				status(w, http.StatusNotFound, "NotFound")
			}
			return missing
		}
		total := 0
		in := f.read(Options{Progress: func(n int) { total = n }, More: func(_ model.GroupKind, plural string) bool { return plural == "widgets" }})
		gk := model.GroupKind{Kind: "Pod"}
		if strings.Contains(c.path, "widgets") {
			gk = model.GroupKind{Group: "example.org", Kind: "Widget"}
		}
		if complete := model.NewSnapshot(in.Objects, true, in.Gaps...).Complete("", gk); complete != c.complete || (len(in.Problems) == 0) != c.complete {
			t.Errorf("%s, later %t: complete %t, problems %v", c.path, c.later, complete, in.Problems)
		}
		if total != len(in.Objects) {
			t.Errorf("%s, later %t: progress says %d of %d objects", c.path, c.later, total, len(in.Objects))
		}
	}
}

// TestBadAnswerIsNoBreakdown gives nonsense for one kind after the other: a
// server that answers is not down, so the patience for the others stays.
func TestBadAnswerIsNoBreakdown(t *testing.T) {
	f := newFake(t)
	for _, name := range wanted["rbac.authorization.k8s.io"] {
		f.groups["rbac.authorization.k8s.io/v1"] = append(f.groups["rbac.authorization.k8s.io/v1"], metav1.APIResource{Name: name, Kind: name, Verbs: []string{"list"}})
	}
	c, err := f.connect()
	if err != nil {
		t.Fatal(err)
	}
	var busy atomic.Int64
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/roles"):
			fmt.Fprint(w, "nonsense")
		case strings.HasSuffix(r.URL.Path, "/rolebindings") && busy.Add(1) < attempts:
			status(w, http.StatusServiceUnavailable, "Busy")
		case strings.HasSuffix(r.URL.Path, "/rolebindings"):
			fmt.Fprint(w, `{"kind": "List", "items": []}`)
		default:
			return false
		}
		return true
	}
	r := &reader{c: c}
	for _, res := range []resource{{"rbac.authorization.k8s.io", "v1", "roles", "Role", true}, {"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true}} {
		if a := r.list(t.Context(), res, ""); (a.err == nil) != (res.name == "rolebindings") {
			t.Errorf("%s: %v", res, a.err)
		}
	}
}

// TestIrregularPlural reads a kind whose plural nobody could guess, by the plural
// that the server gives, and keeps it.
func TestIrregularPlural(t *testing.T) {
	f := newFake(t)
	f.groups["example.org/v1"] = append(f.groups["example.org/v1"], metav1.APIResource{Name: "oxen", Kind: "Ox", Namespaced: true, Verbs: []string{"list"}})
	f.items["/apis/example.org/v1/oxen"] = []string{`{"metadata": {"name": "o", "namespace": "shop"}}`}
	in := f.read(Options{More: func(gk model.GroupKind, plural string) bool { return gk.Group == "example.org" && plural == "oxen" }})
	if got := names(in, "Ox"); len(got) != 1 {
		t.Fatalf("read %v", got)
	}
	for _, o := range in.Objects {
		if want := map[bool]string{true: "oxen"}[o.Key.Kind == "Ox"]; o.Resource != want {
			t.Errorf("%s has the plural %q, want %q", o.Key, o.Resource, want)
		}
	}
	for _, g := range in.Gaps {
		if g.Kind.Kind == "Widget" && (g.Resource != "widgets" || g.Told) {
			t.Errorf("gap %+v", g)
		}
	}
}

// TestErrorsTellNoPassword breaks connections to a URL that holds a password.
func TestErrorsTellNoPassword(t *testing.T) {
	server := newFake(t)
	c, err := server.connect()
	if err != nil {
		t.Fatal(err)
	}
	c.base.Host = "127.0.0.1:1" // where nobody listens
	c.base.User = url.UserPassword("u", "canary")
	for _, path := range []string{"/version", "/api/v1/pods"} {
		err := c.get(t.Context(), path, map[string][]string{"q": {"canary"}}, asList, nil)
		if err == nil {
			t.Fatal("somebody listens")
		}
		text := reason(err) + (&UnreachableError{"c", err}).Error()
		if strings.Contains(text, "canary") || strings.Contains(text, "http://") || strings.Contains(text, path) {
			t.Errorf("the error tells the URL: %s", text)
		}
	}
}

// TestChangedBetweenPages gives an object twice, the second time as it is after a
// change: the later one counts, and once.
func TestChangedBetweenPages(t *testing.T) {
	f := newFake(t)
	again := strings.Replace(f.items["/api/v1/pods"][1], `"resourceVersion": "1"`, `"resourceVersion": "77"`, 1)
	f.items["/api/v1/pods"] = append(f.items["/api/v1/pods"], again)
	in := f.read(Options{})
	wantPods(t, in, allPods)
	for _, o := range in.Objects {
		if o.Key.Name == "web-1" && o.Root.Dig("metadata", "resourceVersion").Str() != "77" {
			t.Errorf("web-1 is of version %s", o.Root.Dig("metadata", "resourceVersion").Str())
		}
	}
	for _, r := range in.Resources {
		if r.Resource == "pods" && r.Objects != len(allPods) {
			t.Errorf("%d pods are counted", r.Objects)
		}
	}
}

// TestEndlessPages gives the same token with every page.
func TestEndlessPages(t *testing.T) {
	f := newFake(t)
	var pages atomic.Int64
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/v1/pods" {
			return false
		}
		if pages.Add(1) > 10 {
			status(w, http.StatusForbidden, "Forbidden") // ends the test
			return true
		}
		fmt.Fprint(w, `{"kind": "PodList", "metadata": {"continue": "on"}, "items": []}`)
		return true
	}
	wantGap(t, f.read(Options{}), model.GroupKind{Kind: "Pod"}, "the same page comes again")
}
