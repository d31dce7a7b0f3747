package secrets

import (
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// TestUsesOfClasses holds that a class whose Secret is in the namespace of each claim
// names those of namespaces with such a claim, and no others.
func TestUsesOfClasses(t *testing.T) {
	const class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: c}\nprovisioner: d\nparameters: {x-secret-name: s, x-secret-namespace: '${pvc.namespace}'}\n"
	const snapshots = "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {name: c}\ndriver: d\nparameters: {x-secret-name: s, x-secret-namespace: '${volumesnapshot.namespace}'}\n"
	claim := func(namespace, spec, annotations string) string {
		return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: p, namespace: " + namespace + ", annotations: {" + annotations + "}}\nspec: {" + spec + "}\n"
	}
	const set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: db}\nspec: {template: {spec: {containers: [{name: c, image: i}], volumes: [{name: v, ephemeral: {volumeClaimTemplate: {spec: {storageClassName: OF}}}}]}}, volumeClaimTemplates: [{metadata: {name: t}, spec: {storageClassName: IS}}]}\n"
	snapshot := func(class string) string {
		return "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshot\nmetadata: {name: v, namespace: shop}\nspec: {" + class + "}\n"
	}
	asDefault := strings.Replace(class, "{name: c}", "{name: c, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}", 1)
	for _, c := range []struct {
		what   string
		yaml   []string
		unread model.GroupKind
		want   string
	}{
		{"no claims", []string{class}, model.GroupKind{}, ""},
		{"a claim", []string{class, claim("shop", "storageClassName: c", ""), claim("other", "storageClassName: d", "")}, model.GroupKind{}, "shop/s"},
		{"claims", []string{class, claim("shop", "storageClassName: c", ""), claim("other", "storageClassName: c", "")}, model.GroupKind{}, "other/s shop/s"},
		{"an annotation", []string{class, claim("shop", "", "volume.beta.kubernetes.io/storage-class: c")}, model.GroupKind{}, "shop/s"},
		{"no class", []string{class, claim("shop", "", "")}, model.GroupKind{}, ""},
		{"the default", []string{asDefault, claim("shop", "", ""), claim("other", "storageClassName: ''", "")}, model.GroupKind{}, "shop/s"},
		{"a claim template", []string{class, strings.Replace(set, "IS", "c", 1)}, model.GroupKind{}, "db/s"},
		{"an ephemeral volume", []string{class, strings.Replace(set, "OF", "c", 1)}, model.GroupKind{}, "db/s"},
		{"claims unread", []string{class}, model.PersistentVolumeClaimKind, "/s"},
		{"some claims unread", []string{class, strings.Replace(set, "OF", "c", 1)}, model.PersistentVolumeClaimKind, "/s db/s"},
		{"another form", []string{strings.Replace(class, "${pvc.namespace}", "${pv.name}", 1), claim("shop", "storageClassName: c", "")}, model.GroupKind{}, "/s"},
		{"a snapshot", []string{snapshots, snapshot("volumeSnapshotClassName: c")}, model.GroupKind{}, "shop/s"},
		{"a snapshot of another class", []string{snapshots, snapshot("volumeSnapshotClassName: d"), claim("shop", "storageClassName: c", "")}, model.GroupKind{}, ""},
		{"snapshots unread", []string{snapshots}, model.VolumeSnapshotKind, "/s"},
	} {
		var all []*model.Object
		for _, text := range c.yaml {
			all = append(all, objects(t, text)...)
		}
		var gaps []model.Gap
		if c.unread.Kind != "" {
			gaps = append(gaps, model.Gap{Kind: c.unread, Reason: "not read"})
		}
		uses := UsesIn(model.NewSnapshot(all, true, gaps...))
		var got []string
		for _, u := range uses.Of(all[0]) {
			got = append(got, u.Name.String())
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
