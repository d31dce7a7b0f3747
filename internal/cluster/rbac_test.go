package cluster

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// TestRoleIsWhatIsAskedFor serves every resource that may be read, and others,
// and lets through what the role of WriteRole allows: nothing else is asked for,
// and the role allows nothing that is not asked for.
func TestRoleIsWhatIsAskedFor(t *testing.T) {
	var text strings.Builder
	if err := WriteRole(&text, "reader"); err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict([]byte(text.String()), &role); err != nil {
		t.Fatal(err)
	}
	if role.Name != "reader" || role.Kind != "ClusterRole" || role.APIVersion != rbacv1.SchemeGroupVersion.String() {
		t.Errorf("not a ClusterRole: %+v", role.ObjectMeta)
	}
	f := newFake(t)
	allowed := map[string]bool{} // paths
	for _, rule := range role.Rules {
		if !slices.Equal(rule.Verbs, []string{"list"}) || len(rule.ResourceNames)+len(rule.NonResourceURLs) > 0 || len(rule.APIGroups) != 1 {
			t.Errorf("more than to list: %+v", rule)
		}
		gv := strings.TrimPrefix(rule.APIGroups[0]+"/v1", "/")
		for _, name := range rule.Resources {
			res := resource{group: rule.APIGroups[0], version: "v1", name: name}
			allowed[res.path("")] = true
			f.items[res.path("")] = nil
			if !slices.ContainsFunc(f.groups[gv], func(r metav1.APIResource) bool { return r.Name == name }) {
				f.groups[gv] = append(f.groups[gv], metav1.APIResource{Name: name, Kind: "Kind" + name, Verbs: []string{"list"}})
			}
		}
	}
	asked := map[string]bool{}
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.RawQuery, "limit") {
			return false // discovery
		}
		f.mu.Lock()
		asked[r.URL.Path] = true
		f.mu.Unlock()
		if !allowed[r.URL.Path] {
			t.Errorf("asks for %s, which the role does not allow", r.URL.Path)
		}
		return false
	}
	if in := f.read(Options{}); len(in.Problems) > 0 {
		t.Errorf("problems %v", in.Problems)
	}
	for path := range allowed {
		if !asked[path] {
			t.Errorf("the role allows %s, and nobody asks for it", path)
		}
	}
	if len(allowed) < 50 {
		t.Errorf("the role allows only %d resources", len(allowed))
	}
}
