//go:build integration

package cli

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/test/apiserver"
)

// TestRealClusterServesWhatIsKnown holds the table of kinds against what a server
// says of each version that it can serve.
func TestRealClusterServesWhatIsKnown(t *testing.T) {
	c := &realCluster{t, apiserver.Start(t, "--runtime-config=api/all=true")}
	ask := func(path string, into any) {
		code, text := c.send(http.MethodGet, path, "")
		if err := json.Unmarshal([]byte(text), into); err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d %v", path, code, err)
		}
	}
	var list struct {
		Groups []struct {
			Versions []struct{ GroupVersion string }
		}
	}
	ask("/apis", &list)
	paths := map[string]string{"v1": "/api/v1"}
	for _, g := range list.Groups {
		for _, v := range g.Versions {
			paths[v.GroupVersion] = "/apis/" + v.GroupVersion
		}
	}
	known := map[model.GroupKind]*model.Resource{}
	for r := range model.Resources() {
		known[r.GroupKind] = r
	}
	seen := map[model.GroupKind]bool{}
	for apiVersion, path := range paths {
		var served struct {
			Resources []struct {
				Name, SingularName, Kind string
				Namespaced               bool
				ShortNames               []string
			}
		}
		ask(path, &served)
		for _, r := range served.Resources {
			if strings.Contains(r.Name, "/") {
				continue
			}
			gk := model.GroupKind{Group: model.GroupOf(apiVersion), Kind: r.Kind}
			seen[gk] = true
			switch k := known[gk]; {
			case k == nil:
				t.Errorf("%s of %s is not known", r.Kind, apiVersion)
			case k.Plural != r.Name || k.ClusterScoped == r.Namespaced || !slices.Equal(k.Short, r.ShortNames) || !k.Called(r.SingularName):
				t.Errorf("%+v, and the server says %+v", k, r)
			}
		}
	}
	for gk := range known {
		if gk.Builtin() && !seen[gk] && gk.Kind != "PodSecurityPolicy" {
			t.Errorf("the server has no %s", gk)
		}
	}
}
