package attack

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// reachesFrom reports whether a path leads from one place to another.
func reachesFrom(t *testing.T, g *Graph, start, to string) bool {
	t.Helper()
	from, err := g.Source(start)
	if err != nil {
		t.Fatal(err)
	}
	target, err := g.Target(to)
	if err != nil {
		t.Fatal(err)
	}
	return len(g.Distances(target...).Paths(from, 1)) > 0
}

// TestTakeovers holds that rights that lead to cluster administrator in a request
// or two do so where the cluster's own part is not in the input.
func TestTakeovers(t *testing.T) {
	const binding = "{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], resourceNames: [kubernetes.io/kube-apiserver-client]}"
	pod := deploy("web", "", "")
	for _, c := range []struct {
		name, yaml string
		want       bool
	}{
		{"impersonate users", role(true, rule("impersonate", "", "users")), true},
		{"impersonate service accounts", role(true, rule("impersonate", "", "serviceaccounts")), true},
		{"mint tokens", role(true, rule("create", "", "serviceaccounts/token")), true},
		{"mint tokens of one namespace", role(false, rule("create", "", "serviceaccounts/token")), false},
		{"forge tokens", role(true, rule("create, get", "", "secrets")), true},
		{"certificates", role(true, rule("create", "certificates.k8s.io", "certificatesigningrequests"), rule("update", "certificates.k8s.io", "certificatesigningrequests/approval"), binding), true},
		{"certificates that nobody approves", role(true, rule("create", "certificates.k8s.io", "certificatesigningrequests"), binding), false},
		{"the kubelets' API", role(true, rule("get", "", "nodes/proxy")), true},
		{"the kubelets' metrics", role(true, rule("get", "", "nodes/metrics")), false},
		{"exec", role(true, rule("create", "", "pods/exec")), true},
		{"exec of one namespace", role(false, rule("create", "", "pods/exec")), false},
		{"debug containers", role(true, rule("patch", "", "pods/ephemeralcontainers")), true},
		{"pods", role(true, rule("create", "", "pods")), true},
		{"workloads", role(true, rule("patch", "apps", "daemonsets")), true},
		{"workloads that no cluster has of itself", role(true, rule("patch", "apps", "statefulsets")), false},
		{"pods and namespaces", role(true, rule("create, patch", "", "pods, namespaces")), true},
		{"reading pods", role(true, rule("get", "", "pods")), false},
	} {
		for _, closed := range []bool{false, true} {
			g := graphOf(t, closed, parse(t, pod+c.yaml)...)
			if got := reachesFrom(t, g, "pod/shop/web", "cluster-admin"); got != c.want {
				t.Errorf("%s, closed %t: path to cluster-admin: %t", c.name, closed, got)
			}
		}
	}
}

// TestReadNode holds that who reads the files of a node has the node.
func TestReadNode(t *testing.T) {
	const read = "securityContext: {runAsUser: 0}\n          volumeMounts: [{name: host, mountPath: /host, readOnly: true}]"
	for path, want := range map[string]bool{"/var/lib/kubelet": true, "/etc/kubernetes": true, "/": true, "/opt/data": false, "/var/log": false} {
		g := graphOf(t, false, parse(t, deploy("web", at(path), read)+"---\n{apiVersion: v1, kind: Node, metadata: {name: one}}\n")...)
		if got := reachesFrom(t, g, "pod/shop/web", "node"); got != want {
			t.Errorf("%s read-only: path to node: %t", path, got)
		}
		placed := fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {nodeName: one, %s, containers: [{name: app, image: x, %s}]}}", at(path),
			"securityContext: {runAsUser: 0}, volumeMounts: [{name: host, mountPath: /host, readOnly: true}]")
		g = graphOf(t, true, parse(t, placed+"\n---\n{apiVersion: v1, kind: Node, metadata: {name: one}}\n---\n{apiVersion: v1, kind: Node, metadata: {name: two}}")...)
		if got := reachesFrom(t, g, "pod/shop/web", "node/one"); got != want {
			t.Errorf("%s read-only: path to node one: %t", path, got)
		}
		if reachesFrom(t, g, "pod/shop/web", "node/two") {
			t.Errorf("%s read-only: path to node two", path)
		}
	}
	if _, err := graphOf(t, true, parse(t, deploy("web", "", ""))...).Target("node/none"); err == nil {
		t.Error("a node that is not there is a target")
	}
	if all, err := graphOf(t, true).Target("node"); err != nil || slices.Contains(all, none) {
		t.Errorf("%v, %v", all, err)
	}
}

// TestEverybody starts with those whom every cluster has, read or not.
func TestEverybody(t *testing.T) {
	to := func(group string) string {
		return strings.Replace(role(true, rule("'*'", "*", "'*'")), "{kind: ServiceAccount, name: default, namespace: shop}", "{kind: Group, name: '"+group+"', apiGroup: rbac.authorization.k8s.io}", 1)
	}
	const some = "\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: idle}}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: idle}}" +
		"\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: devs}, roleRef: {kind: ClusterRole, name: view}, subjects: [{kind: User, name: dev}, {kind: Group, name: devs}]}"
	for _, c := range []struct {
		start, group string
		want         bool
	}{
		{"group/system:authenticated", "other", false},
		{"group/system:unauthenticated", "other", false},
		{"group/system:unauthenticated", "system:unauthenticated", true},
		{"user/system:anonymous", "other", false},
		{"user/system:anonymous", "system:unauthenticated", true},
		{"user/system:anonymous", "system:authenticated", false},
		{"sa/idle/default", "other", false},
		{"sa/idle/default", "system:serviceaccounts:idle", true},
		{"sa/idle/default", "system:serviceaccounts", true},
		{"sa/idle/default", "system:authenticated", true},
		{"sa/idle/default", "system:serviceaccounts:shop", false},
		{"user/dev", "system:authenticated", true},
		{"group/devs", "system:authenticated", true},
		{"user/dev", "system:unauthenticated", true}, // without its login
		{"group/devs", "other", false},
		{"sa/idle/default", "system:unauthenticated", true},
	} {
		if got := reachesFrom(t, graphOf(t, true, parse(t, to(c.group)+some)...), c.start, "cluster-admin"); got != c.want {
			t.Errorf("%s, with a binding for %s: path %t", c.start, c.group, got)
		}
	}
	for _, start := range []string{"sa/none/default", "sa/idle/other", "user/jo", "group/ops"} {
		if _, err := graphOf(t, true, parse(t, to("other")+some)...).Source(start); !errors.Is(err, ErrUnknownPlace) {
			t.Errorf("%s: %v", start, err)
		}
	}
}

// TestBoundStart takes users and groups that a binding names as starting points,
// though what they may do leads nowhere.
func TestBoundStart(t *testing.T) {
	const bound = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, namespace: shop}
rules: [{apiGroups: [''], resources: [services], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects: [{kind: User, name: jo, apiGroup: rbac.authorization.k8s.io}, {kind: Group, name: ops, apiGroup: rbac.authorization.k8s.io}]
`
	g := graphOf(t, true, parse(t, bound)...)
	for start, known := range map[string]bool{"user/jo": true, "group/ops": true, "user/ops": false, "group/jo": false} {
		if _, err := g.Source(start); errors.Is(err, ErrUnknownPlace) == known {
			t.Errorf("%s: %v", start, err)
		}
	}
}

// TestKindsOfPaths expects the types of all objects without which some edge is not
// there: where one of them was not read, a path may be missing.
func TestKindsOfPaths(t *testing.T) {
	all := Kinds()
	for _, gk := range reach.EndpointKinds() {
		if !slices.Contains(all, gk) {
			t.Errorf("%s is missing", gk)
		}
	}
	opens := map[model.GroupKind]bool{}
	for _, c := range kindCases {
		objects := parse(t, c.yaml)
		if _, ok := graphOf(t, true, objects...).shapes()[c.told()]; !ok {
			continue // in files alone
		}
		for i, o := range objects {
			others := slices.Delete(slices.Clone(objects), i, i+1)
			if _, still := graphOf(t, true, others...).shapes()[c.told()]; still || opens[o.Key.GroupKind] || slices.Contains(reach.PolicyKinds(), o.Key.GroupKind) {
				continue // without a policy that closes it, the network is open
			}
			opens[o.Key.GroupKind] = true
			if !slices.Contains(all, o.Key.GroupKind) {
				t.Errorf("%s makes %s, and is missing", o.Key, c.told())
			}
		}
	}
	if len(opens) < 20 {
		t.Errorf("only %d types open paths: the test shows little", len(opens))
	}
}

// TestUnbindHere takes a service account out of a RoleBinding that names it
// without its namespace.
func TestUnbindHere(t *testing.T) {
	yaml := strings.Replace(role(false, rule("get", "", "secrets")), "[{kind: ServiceAccount, name: default, namespace: shop}]", "[{kind: ServiceAccount, name: default}, {kind: User, name: jo}]", 1)
	g := graphOf(t, true, parse(t, yaml+"\n---\n{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}}")...)
	remedies, err := g.Remedies(Query{From: "sa/shop/default", To: "secret/shop/s"}, 5)
	if err != nil || !slices.ContainsFunc(remedies, func(m Remedy) bool { return strings.HasPrefix(m.Title, "take ServiceAccount shop/default out of") }) {
		t.Errorf("%v, %v", remedies, err)
	}
}

// TestSleepers holds that what hangs on pods that do not run is unknown, with the
// field that says so.
func TestSleepers(t *testing.T) {
	const pod = "template: {spec: {containers: [{name: app, image: 'registry.example/app:1', securityContext: {privileged: true}}]}}"
	const meta = "metadata: {name: web, namespace: shop}, spec: {"
	for _, c := range []struct {
		yaml string
		want Certainty
		why  string
	}{
		{"{apiVersion: apps/v1, kind: Deployment, " + meta + "replicas: 0, " + pod + "}}", Unknown, "replicas: 0"},
		{"{apiVersion: apps/v1, kind: Deployment, " + meta + "replicas: 1, " + pod + "}}", Certain, ""},
		{"{apiVersion: apps/v1, kind: Deployment, " + meta + pod + "}}", Certain, ""},
		{"{apiVersion: batch/v1, kind: CronJob, " + meta + "suspend: true, jobTemplate: {spec: {" + pod + "}}}}", Unknown, "suspend: true"},
		{"{apiVersion: batch/v1, kind: CronJob, " + meta + "suspend: false, jobTemplate: {spec: {" + pod + "}}}}", Certain, ""},
		{"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, uid: d}, spec: {replicas: 0, " + pod + "}}\n---\n" +
			"{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-1, namespace: shop, uid: r, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]}, spec: {replicas: 0, " + pod + "}}\n---\n" +
			"{apiVersion: v1, kind: Pod, metadata: {name: web-1-x, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: r, controller: true}]}, " +
			"spec: {nodeName: one, containers: [{name: app, image: 'registry.example/app:1', securityContext: {privileged: true}}]}}", Certain, ""},
	} {
		g := graphOf(t, true, parse(t, c.yaml)...)
		from, err := g.Source("pod/shop/web")
		if err != nil || len(from) != 1 {
			t.Fatal(c.yaml, from, err)
		}
		root, _ := g.Target("node")
		path := g.Distances(root...).Shortest(from[0])
		stages := g.Stages(path)
		if len(stages) != 2 || stages[1].Step.Certainty != c.want {
			t.Errorf("%s: %+v", c.yaml, stages)
			continue
		}
		if said := slices.ContainsFunc(stages[1].Step.Evidence, func(e Evidence) bool { return c.why != "" && strings.HasSuffix(e.Text, "has no pods for now: "+c.why) }); said != (c.why != "") {
			t.Errorf("%s: %+v", c.yaml, stages[1].Step.Evidence)
		}
		again := g.Rebuild(g.snapshot, g.network, g.access)
		if got := again.told(); !slices.Equal(got, g.told()) {
			t.Errorf("made anew:\n%s", strings.Join(got, "\n"))
		}
	}
}

// TestRefusedPods makes steps from pods unknown that the API server refuses, save where
// the pods are there.
func TestRefusedPods(t *testing.T) {
	const account = "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: boss, namespace: shop}}"
	const running = "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {nodeName: one, serviceAccountName: boss, containers: [{name: app, image: i}]}}"
	for _, c := range []struct {
		yaml string
		want Certainty
		says string
	}{
		{deploy("web", "serviceAccountName: boss", "") + account, Certain, ""},
		{deploy("web", "serviceAccountName: boss", ""), Certain, ""}, // the input holds no accounts
		{deploy("web", "serviceAccountName: boss", "") + strings.Replace(account, "boss", "other", 1), Unknown, "ServiceAccount/shop/boss does not exist, and pods that run as it are refused, save those that were made before"},
		{running, Certain, ""},
		{namespaceOf("shop", enforce+"baseline") + deploy("web", "serviceAccountName: boss\n      hostPID: true", "") + account, Unknown, "Namespace/shop enforces the level baseline, which refuses its pods, save those that were made before"},
		{namespaceOf("shop", "") + deploy("web", "serviceAccountName: boss\n      hostPID: true", "") + account, Certain, ""},
	} {
		g := graphOf(t, true, parse(t, c.yaml)...)
		from, err := g.Source("pod/shop/web")
		if err != nil {
			t.Fatal(err)
		}
		for i := range g.out(from[0]) {
			e := g.public(&g.out(from[0])[i])
			if e.Kind != TokenMount {
				continue
			}
			said := slices.ContainsFunc(g.Explain(e).Evidence, func(e Evidence) bool { return e.Text == c.says })
			if e.Certainty != c.want || said != (c.says != "") {
				t.Errorf("%s: %s, %+v", c.yaml, e.Certainty, g.Explain(e).Evidence)
			}
		}
	}
}

// TestSleepingTarget holds that a connection to pods that do not run is unknown,
// with the field that says so, on the search and where it is told.
func TestSleepingTarget(t *testing.T) {
	for replicas, want := range map[string]Certainty{"replicas: 0": Unknown, "replicas: 1": NeedsExploit} {
		db := strings.Replace(deploy("db", "", "ports: [{containerPort: 5432}]"), "spec:\n  selector", "spec:\n  "+replicas+"\n  selector", 1)
		g := graphOf(t, true, parse(t, deploy("web", "", "")+db)...)
		from, _ := g.Source("pod/shop/web")
		to, err := g.Target("pod/shop/db")
		if err != nil {
			t.Fatal(err)
		}
		d := compareDistances(t, g, to)
		stages := g.Stages(d.Shortest(from[0]))
		if len(stages) != 2 || stages[1].Step.Kind != ExploitService || stages[1].Step.Certainty != want {
			t.Fatalf("%s: %+v", replicas, stages)
		}
		if said := slices.ContainsFunc(stages[1].Step.Evidence, func(e Evidence) bool { return strings.HasSuffix(e.Text, "has no pods for now: "+replicas) }); said != (want == Unknown) {
			t.Errorf("%s: %+v", replicas, stages[1].Step.Evidence)
		}
	}
}

// TestStepsConnect expects each step to say what the attacker holds then, and what
// rights over roles in a namespace are turned into.
func TestStepsConnect(t *testing.T) {
	yaml := role(false, rule("escalate, update", "rbac.authorization.k8s.io", "roles")) + strings.NewReplacer("name: r}", "name: q}", "name: b}", "name: c}", "name: r\n", "name: q\n", "name: default", "name: root").Replace(role(true, rule("'*'", "*", "'*'"))) +
		"\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: root, namespace: shop}}"
	yaml = strings.Replace(yaml, "kind: ClusterRole, name: r}", "kind: ClusterRole, name: q}", 1)
	g := graphOf(t, true, parse(t, yaml)...)
	from, err := g.Source("sa/shop/default")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, s := range g.Stages(g.Distances(g.admin).Shortest(from[0]))[1:] {
		told = append(told, s.Step.Does+" => "+s.Step.Holds)
	}
	want := []string{
		"writes all rights into a role that it is bound to => the rights of a role with every right in namespace shop",
		"has a token made for service account shop/root => the identity of service account shop/root",
		"does everything that the API can do => every right in the cluster",
	}
	if !slices.Equal(told, want) {
		t.Errorf("%q", told)
	}
	for id := range g.Len() {
		if v := g.Vertex(ID(id)); v.Kind != Internet && v.Held() == v.String() {
			t.Errorf("%s says not how it is held", v)
		}
	}
}

// TestEveryStepIsShown expects each step by a right to show the binding and the rule
// that give it, and a change that takes the right away.
func TestEveryStepIsShown(t *testing.T) {
	for _, right := range []string{rule("create", "", "pods/portforward"), rule("get", "", "services/proxy"), rule("create", "", "pods/exec"), rule("patch", "", "pods")} {
		web := deploy("web", "", "ports: [{containerPort: 80}]")
		g := graphOf(t, true, parse(t, web+deploy("db", "", "ports: [{containerPort: 80}]")+strings.Replace(role(false, right), "name: default, namespace: shop", "name: robot, namespace: data", 1))...)
		from, err := g.Source("sa/data/robot")
		if err != nil {
			t.Fatal(err)
		}
		to, _ := g.Target("pod/shop/db")
		stages := g.Stages(g.Distances(to...).Shortest(from[0]))
		if len(stages) < 2 || len(stages[1].Step.Evidence) != 2 || !strings.HasPrefix(stages[1].Step.Evidence[1].Text, "Role r allows ") {
			t.Errorf("%s: %+v", right, stages)
		}
		remedies, err := g.Remedies(Query{From: "sa/data/robot", To: "pod/shop/db"}, 5)
		if err != nil || len(remedies) == 0 || remedies[0].Closed != 1 {
			t.Errorf("%s: %v, %v", right, remedies, err)
		}
	}
}

// TestUpgrades holds that get alone runs commands before the version that asks for
// create.
func TestUpgrades(t *testing.T) {
	s := model.NewSnapshot(parse(t, role(false, rule("get", "", "pods/exec, pods/portforward"))), true)
	for minor, want := range map[int]string{34: "certain", 35: "unknown"} {
		told := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: minor}).told()
		for _, edge := range []string{"exec-pods: service account shop/default -> all pods in namespace shop, ", "forward-ports: service account shop/default -> ports of pods in namespace shop, "} {
			if !slices.Contains(told, edge+want) {
				t.Errorf("1.%d: no %s in\n%s", minor, edge+want, strings.Join(told, "\n"))
			}
		}
	}
}

// TestStartNodes begins on a node, and with what its kubelet logs in by.
func TestStartNodes(t *testing.T) {
	const yaml = `
{apiVersion: v1, kind: Node, metadata: {name: one}}
---
{apiVersion: v1, kind: Node, metadata: {name: two}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop}, spec: {nodeName: one, serviceAccountName: db, volumes: [{name: d, persistentVolumeClaim: {claimName: data}}], containers: [{name: c, image: x, envFrom: [{secretRef: {name: key}}], volumeMounts: [{name: d, mountPath: /d}]}]}}
---
{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: shop}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: shop}}
`
	s := model.NewSnapshot(parse(t, yaml), true)
	for _, c := range []struct {
		start, to string
		want      bool
	}{
		{"node/one", "secret/shop/key", true}, {"node/one", "sa/shop/db", true}, {"node/one", "volume/shop/data", true}, {"node/two", "secret/shop/key", false}, {"node", "secret/shop/key", true},
		{"system:node:one", "secret/shop/key", true}, {"user/system:node:one", "sa/shop/db", true}, {"system:node:two", "sa/shop/db", false}, {"system:node:one", "volume/shop/data", false},
		{"system:serviceaccount:shop:db", "system:serviceaccount:shop:db", true}, {"user/system:serviceaccount:shop:db", "sa:shop/db", true}, {"sa/shop/db", "secret/shop/key", false},
	} {
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37, Source: c.start, Target: c.to})
		if got := reachesFrom(t, g, c.start, c.to); got != c.want {
			t.Errorf("from %s to %s: path %t", c.start, c.to, got)
		}
	}
	for _, start := range []string{"node/three", "system:node:three", "node/", "system:serviceaccount:shop:none", "system:serviceaccount:shop"} {
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37, Source: start})
		if all, err := g.Source(start); err == nil {
			t.Errorf("%s starts at %v", start, all)
		}
	}
}
