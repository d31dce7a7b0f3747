package model

import (
	"slices"
	"strings"
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

func TestDriverSecrets(t *testing.T) {
	for _, test := range []struct{ spec, want string }{
		{"csi: {driver: d, nodeStageSecretRef: {name: a, namespace: ns}, nodePublishSecretRef: {name: b}}", "ns/a csi.nodeStageSecretRef.name; /b csi.nodePublishSecretRef.name"},
		{"csi: {controllerExpandSecretRef: {name: a}, controllerPublishSecretRef: {name: b}, nodeExpandSecretRef: {name: c}}",
			"/a csi.controllerExpandSecretRef.name; /b csi.controllerPublishSecretRef.name; /c csi.nodeExpandSecretRef.name"},
		{"azureFile: {secretName: a, secretNamespace: ns, shareName: s}", "ns/a azureFile.secretName"},
		{"iscsi: {secretRef: {name: a}}", "/a iscsi.secretRef.name"},
		{"rbd: {secretRef: {}}", ""}, {"nfs: {server: s, path: /}", ""}, {"secret: {secretName: a}", ""},
	} {
		o := object(t, "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\nspec: {"+test.spec+"}\n")
		var got []string
		for _, s := range DriverSecrets(o.Root.Get("spec")) {
			got = append(got, s.Namespace+"/"+s.Name.Str()+" "+s.Path.String())
			if o.Root.Get("spec").Follow(s.Path) != s.Name {
				t.Errorf("%s leads elsewhere", s.Path)
			}
		}
		slices.Sort(got)
		want := strings.Split(test.want, "; ")
		slices.Sort(want)
		if strings.Join(got, "; ") != strings.Join(want, "; ") {
			t.Errorf("%s: %q", test.spec, got)
		}
	}
}

func TestServiceAccount(t *testing.T) {
	for spec, want := range map[string]string{"{}": "default", "{serviceAccountName: a}": "a", "{serviceAccount: a}": "a", "{serviceAccountName: a, serviceAccount: b}": "a"} {
		o := object(t, "apiVersion: x.example/v1\nkind: Config\nmetadata: {name: p}\nspec: "+spec+"\n")
		if got := (PodTemplate{Spec: o.Root.Get("spec")}).ServiceAccount(); got != want {
			t.Errorf("%s: %q", spec, got)
		}
	}
}
