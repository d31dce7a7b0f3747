package check

import (
	"fmt"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// TestManyAggregated aggregates more roles than a fact lists: what is not listed
// is unknown, so that no rule takes the list for all there is.
func TestManyAggregated(t *testing.T) {
	for _, n := range []int{access.MaxAggregated / 2, 3 * access.MaxAggregated} {
		var text strings.Builder
		text.WriteString("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: all}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {part: a}}]}\nrules: []\n" +
			"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: low, labels: {over: a, part: a}}\nrules: [{apiGroups: [g], resources: [low], verbs: ['*']}]\n")
		for i := range n {
			fmt.Fprintf(&text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: part%d, labels: {part: a}}\nrules: [{apiGroups: [g], resources: [thing%d], verbs: ['*']}]\n", i, i)
			fmt.Fprintf(&text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: over%d}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {over: a}}]}\nrules: []\n", i)
			fmt.Fprintf(&text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b%d}\nroleRef: {kind: ClusterRole, name: over%d}\nsubjects: [{kind: User, name: u%d}, {kind: User, name: v%d}]\n", i, i, i, i)
		}
		all, s := world(t, text.String(), true)
		facts := NewFacts(s, nil)
		many := n > access.MaxAggregated

		grants, _ := facts.Fact(all, nil, "grants")
		things := grants.At(0).Get("resources")
		if want := map[bool]int{false: n + 1, true: access.MaxAggregated + 1}[many]; things.Len() != want || things.At(want-1).Is(tree.Unknown) != many {
			t.Errorf("%d roles: %d resources, the last is %s", n, things.Len(), things.At(things.Len()-1).Kind())
		}
		for o := range s.Kind(model.ClusterRoleKind) {
			if o.Key.Name != "low" {
				continue
			}
			holders, _ := facts.Fact(o, nil, "holders")
			last := holders.At(holders.Len() - 1)
			if want := map[bool]int{false: 2 * n, true: access.MaxAggregated + 1}[many]; holders.Len() != want || last.Is(tree.Unknown) != many {
				t.Errorf("%d roles: %d holders, the last is %s", n, holders.Len(), last.Kind())
			}
		}
	}
}
