package model

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"ullage.dev/ullage/internal/tree"
)

func randomLabels(r *rand.Rand) map[string]string {
	set := map[string]string{}
	for range r.IntN(4) {
		set[pickString(r, "app", "tier", "example.com/team")] = pickString(r, "a", "b", "", "c")
	}
	return set
}

func pickString(r *rand.Rand, values ...string) string { return values[r.IntN(len(values))] }

func randomSelector(r *rand.Rand) *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	if r.IntN(2) == 0 {
		s.MatchLabels = randomLabels(r)
	}
	for range r.IntN(3) {
		e := metav1.LabelSelectorRequirement{
			Key:      pickString(r, "app", "tier", "example.com/team"),
			Operator: metav1.LabelSelectorOperator(pickString(r, "In", "NotIn", "Exists", "DoesNotExist", "in", "")),
		}
		for range r.IntN(3) {
			e.Values = append(e.Values, pickString(r, "a", "b", ""))
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	return s
}

func nodeOf(t testing.TB, v any) *tree.Node {
	t.Helper()
	root, _ := parseJSON(t, v)
	return root
}

// TestSelectorAgreesWithKubernetes compares with the library's selectors. What
// the library refuses matches nothing.
func TestSelectorAgreesWithKubernetes(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 4))
	refused, matched := 0, 0
	for range 20_000 {
		selector, set := randomSelector(r), randomLabels(r)
		ours := NewSelector(nodeOf(t, selector))
		theirs, err := metav1.LabelSelectorAsSelector(selector)
		want := false
		if err == nil {
			want = theirs.Matches(labels.Set(set))
		} else {
			refused++
		}
		if want {
			matched++
		}
		if got := ours.Matches(nodeOf(t, set)); got != want {
			text, _ := json.Marshal(selector)
			t.Fatalf("%s matches %v: %v, want %v (%v)", text, set, got, want, err)
		}
		if err == nil && ours.Empty() != theirs.Empty() {
			t.Fatalf("%v: empty is %v", selector, ours.Empty())
		}
	}
	if refused < 1000 || matched < 1000 {
		t.Errorf("only %d selectors were refused and %d matched", refused, matched)
	}
}

func TestMatchLabels(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 4))
	for range 5000 {
		selector, set := randomLabels(r), randomLabels(r)
		want := labels.SelectorFromSet(selector).Matches(labels.Set(set))
		if got := MatchLabels(nodeOf(t, selector)).Matches(nodeOf(t, set)); got != want {
			t.Fatalf("%v matches %v: %v, want %v", selector, set, got, want)
		}
	}
	if !MatchLabels(nil).Empty() || !MatchLabels(nil).Matches(nil) {
		t.Error("no labels do not match everything")
	}
}

// TestSelectAgreesWithMatches compares the index with a look at every workload.
func TestSelectAgreesWithMatches(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var objects []*Object
	for i := range 200 {
		set, err := json.Marshal(randomLabels(r))
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: p%d, namespace: ns%d, labels: %s}\nspec: {containers: []}\n", i, i%3, set)
		objects = append(objects, object(t, text))
	}
	s := NewSnapshot(objects, true)
	found := 0
	for range 2000 {
		selector := NewSelector(nodeOf(t, randomSelector(r)))
		for _, namespace := range []string{"ns0", "ns1", "ns2", "none"} {
			var want, got []Key
			for o := range s.InNamespace("", namespace, GroupKind{"", "Pod"}) {
				if selector.Matches(o.Pods()[0].Labels()) {
					want = append(want, o.Key)
				}
			}
			for _, w := range s.Workloads(namespace).Select(selector) {
				got = append(got, w.Object.Key)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("selected %v, want %v", got, want)
			}
			found += len(got)
		}
	}
	if found < 1000 {
		t.Errorf("only %d workloads were selected", found)
	}
}

func TestIndexHoldsControllersOnly(t *testing.T) {
	const spec = "spec: {containers: [{name: c, image: i}]}"
	set := object(t, "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web, namespace: a, uid: u}\nspec: {template: {metadata: {labels: {app: web}}, "+spec+"}}\n")
	owned := object(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: web-1, namespace: a, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: u, controller: true}]}\n"+spec+"\n")
	space := object(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: empty}\n")
	s := NewSnapshot([]*Object{set, owned, space}, true)
	if got := s.Workloads("a").Workloads; len(got) != 1 || got[0].Object != set {
		t.Errorf("workloads %v", got)
	}
	if got := s.Namespaces(); !slices.Equal(got, []string{"a", "empty"}) {
		t.Errorf("namespaces %v", got)
	}
	if s.Workloads("none").Select(Selector{}) != nil {
		t.Error("workloads in no namespace")
	}
}

// TestIndexFollowsChanges holds the index of a snapshot that was made of another
// against that of one made anew, whether the other had one or not.
func TestIndexFollowsChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 4))
	for range 60 {
		s := NewSnapshot(nil, true)
		for range 12 {
			if r.IntN(3) > 0 {
				s.Namespaces()
			}
			var changes []Change
			for range 1 + r.IntN(5) {
				key := randomKey(r)
				c := Change{Key: key}
				if r.IntN(4) > 0 {
					c.Object = bare(t, key, []string{"", "n0", "n1", "gone"}[r.IntN(4)])
					if r.IntN(4) == 0 {
						c.Object.pods = nil
					}
				}
				changes = append(changes, c)
			}
			next := s.With(changes...)
			var all []*Object
			for _, o := range next.All() {
				all = append(all, o)
			}
			fresh := NewSnapshot(all, true)
			if got, want := next.Namespaces(), fresh.Namespaces(); r.IntN(2) == 0 && !slices.Equal(got, want) {
				t.Fatalf("namespaces %v, want %v", got, want)
			}
			for _, name := range []string{"ns0", "ns1", "ns2"} {
				if r.IntN(3) == 0 {
					continue
				}
				var got, want []Key
				if x := next.Workloads(name); x != nil {
					for _, w := range x.Workloads {
						got = append(got, w.Object.Key)
					}
				}
				if x := fresh.Workloads(name); x != nil {
					for _, w := range x.Workloads {
						want = append(want, w.Object.Key)
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("workloads %v, want %v", got, want)
				}
			}
			s = next
		}
	}
}
