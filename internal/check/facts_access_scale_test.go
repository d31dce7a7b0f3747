package check

import (
	"fmt"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

// Of rights in very many namespaces some are listed, and that there are more is
// told with the right; accounts that hold the same by their groups share the list.
func TestRightsByGroupsAreListedOnce(t *testing.T) {
	var text strings.Builder
	const namespaces = 60
	for i := range namespaces {
		fmt.Fprintf(&text, `---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: all, namespace: n%d}
roleRef: {kind: ClusterRole, name: edit}
subjects: [{kind: Group, name: "system:serviceaccounts"}]
---
{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: n%d}, spec: {containers: [{name: c, image: x}]}}
`, i, i)
	}
	_, s := world(t, strings.TrimPrefix(text.String(), "---\n"), true)
	whole := NewFacts(s, nil)
	if whole.mostScopes() < namespaces {
		t.Fatalf("%d scopes are listed in a small cluster", whole.mostScopes())
	}
	all := whole.rights("n0", "default")
	if other := whole.rights("n1", "default"); &other.Children()[0] != &all.Children()[0] {
		t.Error("accounts with equal rights have lists of their own")
	}
	count := func(list tree.Node, right string) (known, unknown int) {
		for i := range list.Children() {
			item := list.At(i)
			if item.Get("right").Str() != right {
				continue
			}
			if item.Get("scope").Is(tree.Unknown) {
				unknown++
			} else {
				known++
			}
		}
		return known, unknown
	}
	for _, right := range []string{"read-secrets", "forge-token"} {
		if known, unknown := count(all, right); known != namespaces || unknown != 0 {
			t.Errorf("%s: %d, and %d not known", right, known, unknown)
		}
		some := NewFacts(s, nil)
		some.mostScopes = func() int { return listedScopes }
		if known, unknown := count(some.rights("n0", "default"), right); known != listedScopes || unknown != 1 {
			t.Errorf("%s of many: %d, and %d not known", right, known, unknown)
		}
	}
}
