package model

import (
	"testing"

	"ullage.dev/ullage/internal/tree"
)

func TestImpliedNamesAreNoUses(t *testing.T) {
	for _, test := range []struct {
		name tree.Node
		want int
	}{{tree.Of("s"), 1}, {tree.Defaulted(tree.Of("s")), 0}} {
		spec := tree.MapOf(tree.Entry("imagePullSecrets", []tree.Node{tree.MapOf(tree.Entry("name", test.name))}))
		pod := PodTemplate{Spec: spec.Seal(), SpecPath: tree.Keys("spec")}
		if uses := pod.Uses(); len(uses) != test.want {
			t.Errorf("%d uses, want %d: %+v", len(uses), test.want, uses)
		}
	}
}

func TestUsesLeadToTheirNames(t *testing.T) {
	o := object(t, deploymentText)
	want := []struct {
		kind, name string
		how        UseKind
		keys       int
	}{{"ConfigMap", "checkout", UseMount, 0}, {"Secret", "checkout-db", UseEnv, 1}, {"ServiceAccount", "checkout", UseServiceAccount, 0}}
	uses := o.Pods()[0].Uses()
	if len(uses) != len(want) {
		t.Fatalf("uses %+v", uses)
	}
	for i, u := range uses {
		w := want[i]
		if u.Kind.Kind != w.kind || u.Name != w.name || u.How != w.how || len(u.Keys) != w.keys {
			t.Errorf("use %+v, want %+v", u, w)
		}
		if got := o.Root.Follow(u.Path).Str(); got != u.Name {
			t.Errorf("path %s leads to %q, not to %q", u.Path, got, u.Name)
		}
		for _, k := range u.Keys {
			if got := o.Root.Follow(k.Path).Str(); got != k.Name || k.Name != "password" {
				t.Errorf("path %s leads to %q, not to %q", k.Path, got, k.Name)
			}
		}
	}
}
