package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// fake is an API server of a few kinds, whose faults a test chooses.
type fake struct {
	t        *testing.T
	groups   map[string][]metav1.APIResource // by group/version
	items    map[string][]string             // by path
	pageSize int
	// fault, when set, may answer a request itself and then returns true.
	fault func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []*http.Request
}

func newFake(t *testing.T) *fake {
	namespaced := func(name, kind string) metav1.APIResource {
		return metav1.APIResource{Name: name, Kind: kind, Namespaced: true, Verbs: []string{"get", "list", "watch"}}
	}
	f := &fake{t: t, pageSize: 3, items: map[string][]string{}, groups: map[string][]metav1.APIResource{
		"v1": {
			namespaced("pods", "Pod"), namespaced("secrets", "Secret"), namespaced("configmaps", "ConfigMap"), namespaced("events", "Event"),
			{Name: "pods/log", Kind: "Pod", Namespaced: true, Verbs: []string{"get"}}, {Name: "namespaces", Kind: "Namespace", Verbs: []string{"list"}},
			{Name: "bindings", Kind: "Binding", Namespaced: true, Verbs: []string{"create"}},
		},
		"apps/v1":        {namespaced("deployments", "Deployment")},
		"example.org/v1": {namespaced("widgets", "Widget")},
	}}
	for i := range 8 {
		f.items["/api/v1/pods"] = append(f.items["/api/v1/pods"], fmt.Sprintf(`{"metadata": {"name": "web-%d", "namespace": "shop", "uid": "u%d", "resourceVersion": "%d",
			"managedFields": [{"manager": "kubelet"}]}, "spec": {"containers": [{"name": "web", "image": "example/web:1"}]}, "status": {"phase": "Running", "conditions": [{}]}}`, i, i, i))
	}
	f.items["/api/v1/namespaces"] = []string{`{"metadata": {"name": "shop", "uid": "n", "resourceVersion": "1"}}`}
	f.items["/api/v1/secrets"] = []string{`{"metadata": {"name": "db", "namespace": "shop", "uid": "s", "resourceVersion": "1"}}`}
	f.items["/api/v1/configmaps"] = []string{`{"metadata": {"name": "c", "namespace": "shop", "uid": "c", "resourceVersion": "1"}, "data": {"password": "canary-1"}}`}
	f.items["/apis/apps/v1/deployments"] = []string{}
	f.items["/apis/example.org/v1/widgets"] = []string{`{"metadata": {"name": "w", "namespace": "shop", "uid": "w", "resourceVersion": "1"}, "spec": {}}`}
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	f.mu.Unlock()
	if f.fault != nil && f.fault(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method != http.MethodGet:
		f.t.Errorf("%s %s: not a read", r.Method, r.URL)
	case r.URL.Path == "/version":
		fmt.Fprint(w, `{"major": "1", "minor": "36", "gitVersion": "v1.36.4+cloud.1"}`)
	case r.URL.Path == "/api":
		f.write(w, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"}})
	case r.URL.Path == "/apis":
		f.write(w, f.apiGroups())
	default:
		f.list(w, r)
	}
}

func (f *fake) write(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		f.t.Error(err)
	}
}

func (f *fake) apiGroups() metav1.APIGroupList {
	l := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for gv := range f.groups {
		if group, version, ok := strings.Cut(gv, "/"); ok {
			v := metav1.GroupVersionForDiscovery{GroupVersion: gv, Version: version}
			l.Groups = append(l.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
		}
	}
	return l
}

func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	gv := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/apis/"), "/api/")
	if resources, ok := f.groups[gv]; ok {
		f.write(w, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv, APIResources: resources})
		return
	}
	items, ok := f.items[r.URL.Path]
	if !ok {
		status(w, http.StatusNotFound, "NotFound")
		return
	}
	kind := "SomeList"
	if strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList") {
		kind = "PartialObjectMetadataList"
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	to, next := len(items), ""
	if r.URL.Query().Get("limit") != "" && from+f.pageSize < len(items) {
		to = from + f.pageSize
		next = strconv.Itoa(to)
	}
	fmt.Fprintf(w, `{"kind": %q, "apiVersion": "v1", "metadata": {"resourceVersion": "9", "continue": %q}, "items": [%s]}`, kind, next, strings.Join(items[from:to], ","))
}

func status(w http.ResponseWriter, code int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": %q, "message": "canary-message", "code": %d}`, reason, code)
}

// asked returns the queries of the requests for a path.
func (f *fake) asked(path string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, r := range f.requests {
		if r.URL.Path == path {
			all = append(all, r.URL.RawQuery)
		}
	}
	return all
}

// read reads the fake, and fails the test where that fails.
func (f *fake) read(o Options) *Input {
	f.t.Helper()
	in, err := f.try(o)
	if err != nil {
		f.t.Fatal(err)
	}
	return in
}

func (f *fake) try(o Options) (*Input, error) {
	f.t.Helper()
	c, err := f.connect()
	if err != nil {
		return nil, err
	}
	return c.Read(f.t.Context(), o)
}

func (f *fake) connect() (*Client, error) {
	server := httptest.NewServer(f)
	f.t.Cleanup(server.Close)
	c, err := connect(f.t.Context(), &rest.Config{Host: server.URL, QPS: -1}, "test")
	if err == nil {
		c.pause = time.Millisecond
	}
	return c, err
}

// names lists the objects of a kind.
func names(in *Input, kind string) []string {
	var all []string
	for _, o := range in.Objects {
		if o.Key.Kind == kind {
			all = append(all, o.Key.Name)
		}
	}
	return all
}

var allPods = []string{"web-0", "web-1", "web-2", "web-3", "web-4", "web-5", "web-6", "web-7"}

func wantPods(t *testing.T, in *Input, want []string) {
	t.Helper()
	if got := names(in, "Pod"); !slices.Equal(got, want) {
		t.Errorf("pods %v, want %v", got, want)
	}
}

// wantGap demands that a kind is the only one that could not be read, and why.
func wantGap(t *testing.T, in *Input, gk model.GroupKind, why string) {
	t.Helper()
	s := model.NewSnapshot(in.Objects, true, in.Gaps...)
	for _, other := range []model.GroupKind{{Kind: "Pod"}, {Kind: "Secret"}, {Kind: "ConfigMap"}, {Kind: "Namespace"}, {Group: "apps", Kind: "Deployment"}} {
		if complete := s.Complete("", other); complete != (other != gk) {
			t.Errorf("%s complete: %t", other, complete)
		}
	}
	gap := s.Gap("", gk)
	if gap == nil || !strings.Contains(gap.Reason, why) {
		t.Fatalf("gap %+v, want %q", gap, why)
	}
	found := 0
	for _, p := range in.Problems {
		if strings.Contains(p.Reason, why) {
			found++
		}
		if strings.Contains(p.String()+gap.Reason, "canary") {
			t.Errorf("what the server says is quoted: %s", p)
		}
	}
	if found != 1 || len(in.Problems) != 1 {
		t.Errorf("problems %v, want one that says %q", in.Problems, why)
	}
}

func text(n *tree.Node) string { return string(n.AppendJSON(nil)) }
