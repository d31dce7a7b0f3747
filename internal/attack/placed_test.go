package attack

import (
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

const pinned = `
---
apiVersion: v1
kind: Pod
metadata: {name: pinned, namespace: shop}
spec: {nodeName: one, containers: [{name: c, image: "registry.example/pinned:1", securityContext: {runAsUser: 0, privileged: true}}]}
`

// TestMeetings holds who may share a node that one of them is bound to by name.
func TestMeetings(t *testing.T) {
	free := deploy("web", "", "")
	privileged := deploy("web", "", "securityContext: {runAsUser: 0, privileged: true}")
	node := "\n---\n{apiVersion: v1, kind: Node, metadata: {name: one}, spec: {taints: [{key: team, value: web, effect: NoSchedule}]}}"
	tolerant := strings.Replace(daemon, "containers:", "tolerations: [{key: team, value: web, effect: NoSchedule}], containers:", 1)
	driver := strings.Replace(daemon, `agent:1"`, `agent:1", securityContext: {runAsUser: 0, privileged: true}`, 1)
	for _, c := range []struct{ name, yaml, edge, want string }{
		{"a workload that may run there", pinned + free, "node-placement: the files of node one -> the files of some node", "unknown"},
		{"one without pods", pinned + strings.Replace(free, "  selector:", "  replicas: 0\n  selector:", 1), "node-placement: the files of node one -> the files of some node", ""},
		{"a taint", pinned + free + node, "node-placement: the files of node one -> the files of some node", ""},
		{"a DaemonSet", pinned + daemon, "node-pods: the files of node one -> DaemonSet shop/agent", "certain"},
		{"a DaemonSet that a taint keeps off", pinned + daemon + node, "node-pods: the files of node one -> DaemonSet shop/agent", ""},
		{"a DaemonSet that bears the taint", pinned + tolerant + node, "node-pods: the files of node one -> DaemonSet shop/agent", "certain"},
		{"a DaemonSet on some nodes", pinned + strings.Replace(daemon, "containers:", "nodeSelector: {disk: fast}, containers:", 1), "node-placement: the files of node one -> the files of some node", "unknown"},
		{"out of a DaemonSet", pinned + driver, "member: a node of DaemonSet shop/agent -> node one", "given"},
		{"out of a DaemonSet that a taint keeps off", pinned + driver + node, "member: a node of DaemonSet shop/agent -> node one", ""},
		{"out of a workload that may run there", pinned + privileged, "node-placement: a node of Deployment shop/web -> node one", "unknown"},
		{"a pinned template", deploy("web", "nodeName: one", ""), "node-pods: the files of node one -> Deployment shop/web", "certain"},
		{"a pinned template without pods", strings.Replace(deploy("web", "nodeName: one", ""), "  selector:", "  replicas: 0\n  selector:", 1), "node-pods: the files of node one -> Deployment shop/web", ""},
	} {
		told := graphOf(t, true, parse(t, c.yaml)...).told()
		at := slices.IndexFunc(told, func(s string) bool { return strings.HasPrefix(s, c.edge+", ") })
		switch {
		case at < 0 && c.want != "", at >= 0 && told[at] != c.edge+", "+c.want:
			t.Errorf("%s: want %q of %s in\n%s", c.name, c.want, c.edge, strings.Join(told, "\n"))
		}
	}
}

// TestPlacedAnew holds that pods are looked for again when what made them changes,
// where the uid alone says whose they are.
func TestPlacedAnew(t *testing.T) {
	yaml := strings.Replace(liveYAML, "{apiVersion: apps/v1, kind: Deployment, name: live, uid: d1, controller: true}", "{apiVersion: apps/v1, kind: Deployment, name: other, uid: d1, controller: true}", 1)
	for _, change := range [][2]string{
		{"namespace: a, uid: d1}", "namespace: a, uid: d2}"},
		{"name: other, uid: d1", "name: other, uid: d2"},
		{"uid: r1, ownerReferences", "uid: r2, ownerReferences"},
	} {
		g := graphOf(t, true, parse(t, yaml)...)
		text := strings.Replace(yaml, change[0], change[1], 1)
		want := graphOf(t, true, parse(t, text)...)
		before := g.told()
		var changes []model.Change
		for _, o := range want.snapshot.All() {
			if old := g.snapshot.Get(o.Key); old == nil || old.Root.Hash() != o.Root.Hash() {
				changes = append(changes, model.Change{Key: o.Key, Object: o})
			}
		}
		s := g.snapshot.With(changes...)
		got := g.Rebuild(s, reach.New(s), access.New(s)).told()
		if len(changes) != 1 || slices.Equal(before, want.told()) || !slices.Equal(got, want.told()) {
			t.Errorf("%s, %d changes: %q, want %q", change[1], len(changes), got, want.told())
		}
	}
}
