package attack

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// TestRebuild holds graphs that are made of others against those made anew.
func TestRebuild(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for range 60 {
		objects := parse(t, clusterYAML(r)+liveYAML)
		s := model.NewSnapshot(objects, r.IntN(2) == 0)
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37})
		for range 3 {
			other := parse(t, clusterYAML(r)+liveYAML)
			for range 1 + r.IntN(4) {
				o := objects[r.IntN(len(objects))]
				change := model.Change{Key: o.Key}
				if r.IntN(2) == 0 {
					o = other[r.IntN(len(other))]
					change = model.Change{Key: o.Key, Object: o}
				}
				s = s.With(change)
			}
			network, rights := reach.New(s), access.New(s)
			g = g.Rebuild(s, network, rights)
			want := New(s, network, rights, Options{KubernetesMinor: 37})
			if got, want := g.told(), want.told(); !slices.Equal(got, want) {
				t.Fatalf("rebuilt:\n%s\nanew:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if again := g.Rebuild(s, network, rights).told(); !slices.Equal(again, want.told()) {
				t.Fatalf("rebuilt of itself:\n%s\nanew:\n%s", strings.Join(again, "\n"), strings.Join(want.told(), "\n"))
			}
		}
	}
}

// TestRebuildGuards changes all that verdicts of policies hang on.
func TestRebuildGuards(t *testing.T) {
	image := admission(deny, "object.spec.containers.all(c, c.image.matches('^registry[.]corp/.*'))")
	bound := strings.NewReplacer("failurePolicy: Fail", "failurePolicy: Fail\n  paramKind: {apiVersion: v1, kind: ConfigMap}",
		deny, deny+", paramRef: {name: p, namespace: shop, parameterNotFoundAction: Deny}", "'^registry[.]corp/.*'", "params.data.images").Replace(image)
	const params = "\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: p, namespace: shop}, data: {images: 'registry[.]corp/.*'}}"
	open, app, ours := namespaceOf("shop", enforce+"privileged"), deploy("web", "", ""), strings.Replace(deploy("web", "", ""), "registry.example/app:1", "registry.corp/app:1", 1)
	pods := role(false, rule("create", "", "pods"))
	asks := admission(deny, noHostPath, noAdded, "request.userInfo.uid == 'u' || ("+noPrivileged+")")
	account := func(uid string) string {
		return "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop, uid: " + uid + "}}"
	}
	states := [][]string{
		{open, app, pods, asks, account("u")}, {open, app, pods, asks, account("v")},
		{open, app, pods}, {open, app, pods, image}, {open, ours, pods, image}, {namespaceOf("shop", enforce+"baseline"), ours, pods, image}, {ours, pods, image},
		{open, app, pods, bound}, {open, app, pods, bound, params}, {open, ours, pods, bound, params}, {open, ours, pods, strings.Replace(image, deny, "validationActions: [Audit]", 1)},
	}
	read := map[string][]*model.Object{} // each once, so that what does not change is the same
	of := func(parts []string) *model.Snapshot {
		var all []*model.Object
		for _, part := range parts {
			if read[part] == nil {
				read[part] = parse(t, part)
			}
			all = append(all, read[part]...)
		}
		return model.NewSnapshot(all, true)
	}
	seen := map[string]bool{}
	for _, before := range states {
		g := graphFrom(of(before))
		for _, after := range states {
			s := of(after)
			got, want := g.Rebuild(s, reach.New(s), access.New(s)).told(), graphFrom(s).told()
			if !slices.Equal(got, want) {
				t.Fatalf("of%s\nrebuilt as%s:\n%s\nanew:\n%s", before, after, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			seen[strings.Join(want, "\n")] = true
		}
	}
	if len(seen) < 4 {
		t.Errorf("%d different graphs", len(seen))
	}
}

// TestRebuildPlaces holds that pods find what makes them again after each change of
// what does.
func TestRebuildPlaces(t *testing.T) {
	anew := func(text string) (*model.Snapshot, *Graph) {
		s := model.NewSnapshot(parse(t, text), true)
		return s, New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37})
	}
	_, g := anew(liveYAML)
	for _, change := range [][2]string{
		{"namespace: a, uid: d1}", "namespace: a, uid: d2}"}, {"name: live, uid: d1, controller", "name: live, uid: d2, controller"}, {"uid: r1, ownerReferences", "uid: r2, ownerReferences"},
		{"nodeName: node2", "nodeName: node1"}, {"name: live-1, uid: r1, controller: true}]}\nspec: {nodeName: node2", "name: live-1, uid: r9, controller: true}]}\nspec: {nodeName: node2"},
		{"{name: alone, namespace: a}", "{name: alone2, namespace: a}"}, {"kind: Service", "kind: ConfigMap"},
	} {
		text := strings.Replace(liveYAML, change[0], change[1], 1)
		if text == liveYAML {
			t.Fatalf("%q is not there", change[0])
		}
		before := map[string]*model.Object{}
		for _, o := range g.snapshot.All() {
			before[o.Key.String()] = o
		}
		s, want := anew(text)
		var changes []model.Change
		for _, o := range s.All() {
			if old := before[o.Key.String()]; old == nil || old.Root.Hash() != o.Root.Hash() {
				changes = append(changes, model.Change{Key: o.Key, Object: o})
			}
			delete(before, o.Key.String())
		}
		for _, o := range before {
			changes = append(changes, model.Change{Key: o.Key})
		}
		with := g.snapshot.With(changes...)
		got := g.Rebuild(with, reach.New(with), access.New(with))
		if !slices.Equal(got.told(), want.told()) {
			t.Errorf("%q: rebuilt:\n%s\nanew:\n%s", change[1], strings.Join(got.told(), "\n"), strings.Join(want.told(), "\n"))
		}
		same := got.Rebuild(with, got.network, got.access)
		if !slices.Equal(same.told(), want.told()) {
			t.Errorf("%q: rebuilt of itself:\n%s\nanew:\n%s", change[1], strings.Join(same.told(), "\n"), strings.Join(want.told(), "\n"))
		}
		// What was made of it changes nothing in the graph before.
		if again := g.Rebuild(g.snapshot, g.network, g.access); !slices.Equal(again.told(), g.told()) {
			t.Errorf("%q: the graph before, rebuilt:\n%s\nat first:\n%s", change[1], strings.Join(again.told(), "\n"), strings.Join(g.told(), "\n"))
		}
	}
}

// liveYAML is what a cluster makes of a Deployment, and pods that nothing made.
const liveYAML = `
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: live, namespace: a, uid: d1}
spec: {selector: {matchLabels: {app: live}}, template: {metadata: {labels: {app: live}}, spec: {containers: [{name: c, image: i, securityContext: {privileged: true}}]}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: live-1, namespace: a, uid: r1, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: live, uid: d1, controller: true}]}
spec: {selector: {matchLabels: {app: live}}, template: {metadata: {labels: {app: live}}, spec: {containers: [{name: c, image: i, securityContext: {privileged: true}}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: live-1-1, namespace: a, labels: {app: live}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: live-1, uid: r1, controller: true}]}
spec: {nodeName: node1, containers: [{name: c, image: i, securityContext: {privileged: true}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: live-1-2, namespace: a, labels: {app: live}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: live-1, uid: r1, controller: true}]}
spec: {nodeName: node2, containers: [{name: c, image: i, securityContext: {privileged: true}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: a}
spec: {nodeName: node1, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Service
metadata: {name: live, namespace: a}
spec: {selector: {app: live}, ports: [{port: 80, targetPort: 8080}]}
---
{apiVersion: v1, kind: Node, metadata: {name: node1}}
---
{apiVersion: v1, kind: Node, metadata: {name: node2, labels: {node-role.kubernetes.io/control-plane: ''}}}
`

// TestPlacement holds that a pod gives the node that it runs on, and a node the
// pods on it.
func TestPlacement(t *testing.T) {
	g := graphOf(t, true, parse(t, liveYAML)...)
	told := strings.Join(g.told(), "\n")
	for _, want := range []string{
		"member: a node of Deployment a/live -> node node1, given", "member: a node of Deployment a/live -> node node2, given",
		"node-pods: the files of node node1 -> Pod a/alone, certain", "node-pods: the files of node node2 -> Deployment a/live, certain",
		"node-control-plane: the files of node node2 -> cluster-admin, certain",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("no edge %q in\n%s", want, told)
		}
	}
	for _, other := range []string{"node node2 -> Pod a/alone", "the files of some node -> ", "node node1 -> cluster-admin", "-> a control-plane node"} {
		if strings.Contains(told, other) {
			t.Errorf("edge %q in\n%s", other, told)
		}
	}
	from, err := g.Source("pod/a/live-1-1")
	if err != nil || g.Vertex(from[0]).Name != "live" {
		t.Error("a pod is not found by its name:", from, err)
	}
}
