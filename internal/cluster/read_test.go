package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

func TestRead(t *testing.T) {
	f := newFake(t)
	total := 0
	in := f.read(Options{Now: time.Unix(1e9, 0), Progress: func(n int) { total = n }})
	wantPods(t, in, allPods)
	if len(in.Problems) > 0 {
		t.Errorf("problems %v", in.Problems)
	}
	if in.Name != "test" || in.Server != "v1.36.4+cloud.1" || in.Minor() != 36 || total != len(in.Objects) || total != 11 {
		t.Errorf("%s %s %d, %d of %d objects", in.Name, in.Server, in.Minor(), total, len(in.Objects))
	}
	pod := in.Objects[slices.IndexFunc(in.Objects, func(o *model.Object) bool { return o.Key.Kind == "Pod" })]
	if pod.Key.Cluster != "test" || pod.APIVersion != "v1" || len(pod.Pods()) != 1 {
		t.Errorf("%+v", pod)
	}
	if got := text(pod.Root); strings.Contains(got, "managedFields") || strings.Contains(got, "conditions") || !strings.Contains(got, "Running") {
		t.Errorf("read as %s", got)
	}
	if got := pod.Place().String(); got != "Pod/shop/web-0 (cluster test)" {
		t.Errorf("place %s", got)
	}
	if got, want := f.asked("/api/v1/pods"), []string{"limit=500", "continue=3&limit=500", "continue=6&limit=500"}; !slices.Equal(got, want) {
		t.Errorf("asked %v", got)
	}
	// What nothing asks for is not read, and not known.
	s := model.NewSnapshot(in.Objects, true, in.Gaps...)
	for gk, want := range map[model.GroupKind]bool{{Kind: "Event"}: false, {Group: "example.org", Kind: "Widget"}: false, {Group: "none.example", Kind: "None"}: true, {Kind: "Binding"}: true} {
		if s.Complete("", gk) != want {
			t.Errorf("%s complete: %t", gk, !want)
		}
	}
	if names(in, "Widget") != nil || names(f.read(Options{More: func(gk model.GroupKind, plural string) bool { return gk.Kind == "Widget" && plural == "widgets" }}), "Widget") == nil {
		t.Error("Widgets are to be read when they are asked for")
	}
}

// TestSecretsByMetadata shows that values are neither asked for nor believed.
func TestSecretsByMetadata(t *testing.T) {
	f := newFake(t)
	f.items["/api/v1/secrets"] = []string{`{"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": {"password": "Y2FuYXJ5"}, "stringData": {"a": "canary"},
		"metadata": {"name": "db", "namespace": "shop", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"password\":\"Y2FuYXJ5\"}}", "a": "b"}}}`}
	in := f.read(Options{})
	secret := in.Objects[slices.IndexFunc(in.Objects, func(o *model.Object) bool { return o.Key.Kind == "Secret" })]
	for _, field := range []string{"type", "data"} {
		if n := secret.Root.Get(field); !n.Is(tree.Unknown) {
			t.Errorf("%s is %s, want unknown", field, n.Kind())
		}
	}
	if got, want := text(secret.Root), `{"metadata":{"name":"db","namespace":"shop","annotations":{"a":"b"}},"apiVersion":"v1","kind":"Secret"}`; got != want {
		t.Errorf("read as %s, want %s", got, want)
	}
	for _, r := range f.requests {
		if strings.HasSuffix(r.URL.Path, "/secrets") && r.Header.Get("Accept") != asMetadata {
			t.Errorf("secrets are asked for as %s", r.Header.Get("Accept"))
		}
	}

	f = newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/secrets") { // a server that does not know metadata
			fmt.Fprint(w, `{"kind": "SecretList", "items": [{"metadata": {"name": "db"}, "data": {"a": "canary"}}]}`)
			return true
		}
		return false
	}
	in = f.read(Options{})
	wantGap(t, in, model.GroupKind{Kind: "Secret"}, "the whole object came")
	if got := len(f.asked("/api/v1/secrets")); got != 1 {
		t.Errorf("asked %d times", got)
	}
}

func TestForbidden(t *testing.T) {
	for path, gk := range map[string]model.GroupKind{"/api/v1/secrets": {Kind: "Secret"}, "/api/v1/namespaces": {Kind: "Namespace"}, "/apis/apps/v1/deployments": {Group: "apps", Kind: "Deployment"}} {
		f := newFake(t)
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == path {
				status(w, http.StatusForbidden, "Forbidden")
			}
			return r.URL.Path == path
		}
		in := f.read(Options{})
		wantGap(t, in, gk, "may not be listed")
		wantPods(t, in, allPods)
		if !strings.Contains(in.Problems[0].Hint, "ullage cluster rbac") {
			t.Errorf("hint %q", in.Problems[0].Hint)
		}
	}
}

// What is refused altogether is told in one problem, by API group.
func TestAllForbidden(t *testing.T) {
	f := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		listed := r.URL.Query().Has("limit")
		if listed {
			status(w, http.StatusForbidden, "Forbidden")
		}
		return listed
	}
	in := f.read(Options{})
	if len(in.Problems) != 1 || len(in.Gaps) < 6 || !strings.Contains(in.Problems[0].Hint, "ullage cluster rbac") {
		t.Fatalf("problems %+v, gaps %v", in.Problems, in.Gaps)
	}
	reason := in.Problems[0].Reason
	if !strings.Contains(reason, " kinds may not be listed: ") || !strings.Contains(reason, "core (") || strings.Count(reason, "apps") != 1 {
		t.Error(reason)
	}
	for _, gap := range in.Gaps {
		if gap.Told && !strings.Contains(reason, gap.Resource) {
			t.Errorf("%s is not named in %s", gap.Resource, reason)
		}
	}
}

func TestForbiddenOutsideOfANamespace(t *testing.T) {
	f := newFake(t)
	f.items["/api/v1/namespaces/shop/pods"] = f.items["/api/v1/pods"][:2]
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		refuse := r.URL.Path == "/api/v1/pods" || r.URL.Path == "/api/v1/namespaces/other/pods"
		if refuse {
			status(w, http.StatusForbidden, "Forbidden")
		}
		return refuse
	}
	in := f.read(Options{Namespaces: []string{"shop", "other"}})
	wantPods(t, in, []string{"web-0", "web-1"})
	wantGap(t, in, model.GroupKind{Kind: "Pod"}, "may not be listed outside of namespace shop")
	s := model.NewSnapshot(in.Objects, true, in.Gaps...)
	if !s.Complete("shop", model.GroupKind{Kind: "Pod"}) || s.Complete("other", model.GroupKind{Kind: "Pod"}) {
		t.Error("the pods of shop were read, and those of other were not")
	}
}

func TestUnauthorized(t *testing.T) {
	f := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Count(r.URL.Path, "/") > 1 && len(f.groups[strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/apis/"), "/api/")]) == 0 {
			status(w, http.StatusUnauthorized, "Unauthorized")
			return true
		}
		return false
	}
	_, err := f.try(Options{})
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), "401") {
		t.Errorf("error %v", err)
	}
}

// TestExpiredContinue lets the server forget the list after the first page.
func TestExpiredContinue(t *testing.T) {
	f := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("continue") != "" {
			f.mu.Lock()
			f.items["/api/v1/pods"] = f.items["/api/v1/pods"][1:] // time has passed
			f.mu.Unlock()
			status(w, http.StatusGone, "Expired")
			return true
		}
		return false
	}
	in := f.read(Options{})
	wantPods(t, in, allPods[1:])
	if len(in.Problems) > 0 {
		t.Errorf("problems %v", in.Problems)
	}
	if got, want := f.asked("/api/v1/pods"), []string{"limit=500", "continue=3&limit=500", ""}; !slices.Equal(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
}

func TestExpiredForever(t *testing.T) {
	f := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1/pods" {
			status(w, http.StatusGone, "Expired")
		}
		return r.URL.Path == "/api/v1/pods"
	}
	in := f.read(Options{})
	wantGap(t, in, model.GroupKind{Kind: "Pod"}, "410")
	if got := len(f.asked("/api/v1/pods")); got != 2 {
		t.Errorf("asked %d times", got)
	}
}

// cut sends half of a list and closes the connection.
func cut(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "10000")
	fmt.Fprint(w, `{"kind": "PodList", "metadata": {"continue": ""}, "items": [{"metadata": {"name": "half", "namespace": "shop"}}, {"metadata": {"na`)
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
	panic(http.ErrAbortHandler)
}

func TestBrokenConnection(t *testing.T) {
	for broken := 1; broken <= attempts; broken++ {
		f := newFake(t)
		var count atomic.Int64
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("continue") == "3" && count.Add(1) <= int64(broken) {
				cut(w)
			}
			return false
		}
		in := f.read(Options{})
		if broken < attempts {
			wantPods(t, in, allPods)
			if len(in.Problems) > 0 {
				t.Errorf("broken %d times: problems %v", broken, in.Problems)
			}
			continue
		}
		wantPods(t, in, allPods[:3]) // the page before it
		wantGap(t, in, model.GroupKind{Kind: "Pod"}, "the connection broke off")
	}
}

func TestPassingErrors(t *testing.T) {
	for _, code := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
		f := newFake(t)
		var count atomic.Int64
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/api/v1/pods" && count.Add(1) <= 2 {
				status(w, code, "Busy")
				return true
			}
			return false
		}
		in := f.read(Options{})
		wantPods(t, in, allPods)
		if len(in.Problems) > 0 {
			t.Errorf("%d: problems %v", code, in.Problems)
		}
	}
}

func TestNonsense(t *testing.T) {
	for _, body := range []string{"", "nonsense", `{"kind": "Status"}`, `{"kind": "PodList", "items": {}}`, `[]`, `{"kind": 1}`, `{"kind": "PodList", "items": [1, {}, {"metadata": {"name": "x"}, "spec": [[]]}]}`} {
		f := newFake(t)
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/api/v1/pods" {
				fmt.Fprint(w, body)
			}
			return r.URL.Path == "/api/v1/pods"
		}
		in := f.read(Options{})
		wantPods(t, in, nil)
		if len(in.Problems) == 0 || model.NewSnapshot(nil, true, in.Gaps...).Complete("", model.GroupKind{Kind: "Pod"}) {
			t.Errorf("%s: problems %v, gaps %v", body, in.Problems, in.Gaps)
		}
	}
}

// TestUnavailableGroup breaks the discovery of groups.
func TestUnavailableGroup(t *testing.T) {
	f := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		down := r.URL.Path == "/apis/apps/v1" || r.URL.Path == "/apis/example.org/v1"
		if down {
			status(w, http.StatusServiceUnavailable, "ServiceUnavailable")
		}
		return down
	}
	in := f.read(Options{})
	wantGap(t, in, model.GroupKind{Group: "apps", Kind: "Deployment"}, "API group apps")
	if model.NewSnapshot(nil, true, in.Gaps...).Complete("", model.GroupKind{Group: "example.org", Kind: "Widget"}) {
		t.Error("what example.org holds is not known")
	}
}

// TestDown stops answering in the middle: that must not cost the patience of a
// single kind for each one.
func TestDown(t *testing.T) {
	f := newFake(t)
	kinds := 0
	for _, name := range slices.Concat(wanted["rbac.authorization.k8s.io"], wanted["admissionregistration.k8s.io"]) {
		f.groups["rbac.authorization.k8s.io/v1"] = append(f.groups["rbac.authorization.k8s.io/v1"], metav1.APIResource{Name: name, Kind: name, Verbs: []string{"list"}})
		f.groups["admissionregistration.k8s.io/v1"] = append(f.groups["admissionregistration.k8s.io/v1"], metav1.APIResource{Name: name, Kind: name, Verbs: []string{"list"}})
		kinds++
	}
	var lists atomic.Int64
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.RawQuery, "limit") && lists.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	in := f.read(Options{})
	if len(in.Problems) != 1 || len(in.Gaps) < kinds {
		t.Errorf("problems %v, gaps %v", in.Problems, in.Gaps)
	}
	if most := 1 + parallel*attempts + len(in.Resources); int(lists.Load()) > most {
		t.Errorf("%d requests for %d kinds, want at most %d", lists.Load(), len(in.Resources), most)
	}
}

func TestUnreachable(t *testing.T) {
	f := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool { fmt.Fprint(w, "<html>"); return true }
	if _, err := f.try(Options{}); err == nil || strings.Contains(err.Error(), "html") {
		t.Errorf("error %v", err)
	}
}

func TestNothingServed(t *testing.T) {
	for code, want := range map[int]string{http.StatusForbidden: "403", http.StatusServiceUnavailable: "503"} {
		f := newFake(t)
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/api") {
				status(w, code, "Reason")
				return true
			}
			return false
		}
		_, err := f.try(Options{})
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d: error %v", code, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.RawQuery, "limit") {
			cancel()
			status(w, http.StatusServiceUnavailable, "Busy")
			return true
		}
		return false
	}
	c, err := f.connect()
	if err != nil {
		t.Fatal(err)
	}
	c.pause = time.Hour
	if _, err := c.Read(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
