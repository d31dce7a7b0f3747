package cluster

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// TestNodePods reads the pods of one node, page by page, and what made one of them; and
// asks for nothing else.
func TestNodePods(t *testing.T) {
	f := newFake(t)
	f.items["/api/v1/pods"][0] = `{"metadata": {"name": "web-0", "namespace": "shop", "uid": "u", "ownerReferences": [{"apiVersion": "example.org/v1", "kind": "Widget", "name": "w", "uid": "w"},
		{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "r", "controller": true}]}, "spec": {"nodeName": "n", "containers": [{"name": "web", "image": "web:1"}]}}`
	forbidden := false
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/api/v1/pods" && r.URL.Query().Get("fieldSelector") != "spec.nodeName=n":
			t.Errorf("pods of other nodes are asked for: %s", r.URL)
		case forbidden:
			http.Error(w, `{"kind": "Status", "reason": "Forbidden"}`, http.StatusForbidden)
			return true
		case r.URL.Path == "/apis/apps/v1/namespaces/shop/replicasets/web":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {"name": "web", "namespace": "shop", "uid": "r"}, "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:1"}]}}}}`)
			return true
		}
		return false
	}
	c, err := f.connect()
	if err != nil {
		t.Fatal(err)
	}
	pods, err := c.NodePods(t.Context(), "n")
	if err != nil || len(pods) != 8 {
		t.Fatalf("%d pods: %v", len(pods), err)
	}
	maker, err := c.Maker(t.Context(), pods[0])
	if err != nil || maker == nil || maker.Key.String() != "ReplicaSet/shop/web" {
		t.Fatalf("%v: %v", maker, err)
	}
	if top := model.NewSnapshot(append(pods, maker), false).Controller(pods[0]); top != maker {
		t.Errorf("its controller is %s", top.Key)
	}
	if maker, err := c.Maker(t.Context(), maker); maker != nil || err != nil {
		t.Errorf("what nothing made was made by %v: %v", maker, err)
	}
	forbidden = true
	for _, err := range []error{lastOf(c.NodePods(t.Context(), "n")), lastOf(c.Maker(t.Context(), pods[0]))} {
		if err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("that it is forbidden is not told: %v", err)
		}
	}
}

func lastOf[T any](_ T, err error) error { return err }
