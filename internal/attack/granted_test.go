package attack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
)

// TestGrantedLeadsOnAsHeld holds that a role which a subject may bind itself to leads
// where it leads who is bound to it: for each right of the catalogue, for all names and
// for one, in the whole cluster and in a namespace.
func TestGrantedLeadsOnAsHeld(t *testing.T) {
	world := deploy("web", "", web) + deploy("other", "serviceAccountName: web", "") + denied + cloudAccount + secret + pvc + webhook + boundPolicy + crd + onNodeOne + bootstrapSecret + bootstrapRole +
		"\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: aws-auth, namespace: kube-system}}" + namespaceOf("shop", enforce+"baseline")
	own := []string{rule("create", csrGroup, csrResource), rule("create", "", "secrets"), rule("create", "", "persistentvolumes"), rule("impersonate", "", "users")}
	compared := 0
	for r := access.Right(0); r.String() != "bypass-pod-security"; r++ {
		for _, need := range r.Needs() {
			for _, scope := range []struct{ bindings, binding string }{
				{"clusterrolebindings", "kind: ClusterRoleBinding, metadata: {name: made}"},
				{"rolebindings", "kind: RoleBinding, metadata: {name: made, namespace: shop}"},
			} {
				for _, name := range []string{"", "web", "key", "one", "mw"} {
					may := rule(strings.Join(quotedWords(need.Verbs), ", "), need.Group, strings.Join(quotedWords(need.Resources), ", "))
					if name != "" {
						may = strings.TrimSuffix(may, "}") + ", resourceNames: [" + name + "]}"
					}
					spare := "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: spare}, rules: [" + may + "]}"
					binds := role(true, append(slices.Clone(own), only("bind", rbac, "clusterroles", "spare"))...) +
						"\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: binder, namespace: shop}, roleRef: {kind: ClusterRole, name: binder}, subjects: [{kind: ServiceAccount, name: default, namespace: shop}]}" +
						"\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: binder}, roleRef: {kind: ClusterRole, name: binder}, subjects: [{kind: ServiceAccount, name: default, namespace: shop}]}"
					if scope.bindings == "rolebindings" { // in this namespace alone
						binds = binds[:strings.LastIndex(binds, "\n---\n")]
					}
					binder := "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: binder}, rules: [" + rule("create", rbac, scope.bindings) + "]}"
					bound := "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, " + scope.binding + ", roleRef: {kind: ClusterRole, name: spare}, subjects: [{kind: ServiceAccount, name: default, namespace: shop}]}"
					granted, held := reaches(t, world+spare+binds+binder), reaches(t, world+spare+binds+binder+bound)
					if !maps.Equal(granted, held) {
						t.Fatalf("%s by %s: it leads to\n%v\nand with the binding to\n%v", may, scope.bindings, lacking(granted, held), lacking(held, granted))
					}
					compared++
				}
			}
		}
	}
	if compared < 500 {
		t.Errorf("%d compared", compared)
	}
}

func quotedWords(words []string) []string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = fmt.Sprintf("'%s'", word)
	}
	return all
}

// reaches returns what the default service account of namespace shop comes to.
func reaches(t *testing.T, yaml string) map[string]bool {
	t.Helper()
	g := graphOf(t, true, parse(t, yaml)...)
	from, err := g.Source("sa/shop/default")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for v, reached := range g.reachedFrom(from) {
		if x := g.Vertex(ID(v)); reached && x.Kind != Granted {
			all[x.String()] = true
		}
	}
	return all
}

func lacking(all, in map[string]bool) []string {
	return slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, bool) bool) {
		for name := range all {
			if !in[name] && !yield(name, true) {
				return
			}
		}
	})))
}
