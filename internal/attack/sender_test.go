package attack

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestSenders asks policies about who sends the request that makes a pod.
func TestSenders(t *testing.T) {
	base := namespaceOf("shop", enforce+"privileged")
	deployments, jobs := rule("create", "apps", "deployments"), rule("create", "batch", "jobs")
	pods, debug := rule("create", "", "pods"), rule("patch", "", "pods/ephemeralcontainers")
	var all []string
	all = append(all, noHostPath, noAdded)
	guarded := func(who string) string { return admission(deny, append(all, "("+who+") || ("+noPrivileged+")")...) }
	by := func(kind, name string) string {
		return strings.Replace(role(false, pods), "kind: ServiceAccount, name: default, namespace: shop", "kind: "+kind+", name: '"+name+"'", 1)
	}
	const (
		account = "run-escape: service account shop/default -> any node, "
		anybody = "run-escape: own pods in namespace shop -> any node, "
	)
	const workflows = "\n---\n{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: workflows.argoproj.io}, spec: {group: argoproj.io, scope: Namespaced, names: {plural: workflows, kind: Workflow}, versions: []}}"
	two := role(false, pods) + "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: ann, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}, subjects: [{kind: User, name: ann}]}"
	other := admission(deny, append(all, "request.userInfo.username == 'system:serviceaccount:shop:default' ? ("+noPrivileged+") : object.metadata.name == 'none'")...)
	condition := func(text string) string {
		return strings.Replace(admission(deny, append(all, noPrivileged)...), "validations:", "matchConditions: [{name: c, expression: \""+text+"\"}]\n  validations:", 1)
	}
	for _, c := range []struct{ name, yaml, edge, certainty string }{
		{"its name", role(false, pods) + guarded("request.userInfo.username == 'system:serviceaccount:shop:default'"), account, "certain"},
		{"another's name", role(false, pods) + guarded("request.userInfo.username == 'system:serviceaccount:shop:other'"), account, ""},
		{"its group", role(false, pods) + guarded("'system:serviceaccounts:shop' in request.userInfo.groups"), account, "certain"},
		{"some group of its", role(false, pods) + guarded("request.userInfo.groups.exists(g, g.startsWith('system:serviceaccounts:sh'))"), account, "certain"},
		{"the group of others", role(false, pods) + guarded("'system:serviceaccounts:ops' in request.userInfo.groups || 'system:masters' in request.userInfo.groups"), account, ""},
		{"a uid that was not read", role(false, pods) + guarded("request.userInfo.uid == 'u'"), account, "unknown"},
		{"its uid", role(false, pods) + "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop, uid: u}}" + guarded("request.userInfo.uid == 'u'"), account, "certain"},
		{"another's uid", role(false, pods) + "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop, uid: v}}" + guarded("request.userInfo.uid == 'u'"), account, ""},
		{"what is added to it", role(false, pods) + guarded("'authentication.kubernetes.io/pod-name' in request.userInfo.extra"), account, "unknown"},
		{"a condition that leaves it out", role(false, pods) + condition("request.userInfo.username != 'system:serviceaccount:shop:default'"), account, "certain"},
		{"a condition that leaves another out", role(false, pods) + condition("request.userInfo.username != 'system:serviceaccount:shop:other'"), account, ""},
		{"a condition on its groups", role(false, pods) + condition("!('system:nodes' in request.userInfo.groups)"), account, ""},
		{"what it may do", role(false, pods, rule("use", "example.com", "exceptions")) + guarded("authorizer.group('example.com').resource('exceptions').namespace('shop').check('use').allowed()"), account, "certain"},
		{"what it may not do", role(false, pods, rule("get", "example.com", "exceptions")) + guarded("authorizer.group('example.com').resource('exceptions').namespace('shop').check('use').allowed()"), account, ""},
		{"what it may do with what it makes", role(false, pods, rule("privilege", "", "pods")) + guarded("authorizer.requestResource.check('privilege').allowed()"), account, "certain"},
		{"what it may not do with what it makes", role(false, pods, rule("privilege", "", "services")) + guarded("authorizer.requestResource.check('privilege').allowed()"), account, ""},
		{"what another account may do", role(false, pods, rule("privilege", "", "pods")) + guarded("authorizer.serviceAccount('shop', 'other').group('').resource('pods').namespace('shop').check('privilege').allowed()"), account, ""},
		{"what a user may not do, in groups that are not known", by("User", "ann") + guarded("authorizer.requestResource.check('privilege').allowed()"), "run-escape: user ann -> any node, ", "unknown"},
		{"what members of a group may do", by("Group", "ops") + guarded("authorizer.requestResource.check('create').allowed()"), "run-escape: group ops -> any node, ", "unknown"},
		{"nothing for anybody else", role(false, pods) + guarded("request.userInfo.username == 'system:serviceaccount:shop:default'"), anybody, ""},
		{"nobody who is asked for", role(false, pods) + guarded("object.metadata.name != ''"), anybody, "certain"},
		{"only whom it names may make pods", role(false, pods) + admission(deny, "request.userInfo.username == 'system:serviceaccount:ci:deployer'"), account, ""},

		{"in the cluster", role(true, pods) + guarded("request.userInfo.username == 'system:serviceaccount:shop:default'"), account, "certain"},
		{"in the cluster, another", role(true, pods) + guarded("request.userInfo.username == 'system:serviceaccount:shop:other'"), account, ""},
		{"a user", by("User", "ann") + guarded("request.userInfo.username == 'ann'"), "run-escape: user ann -> any node, ", "certain"},
		{"another user", by("User", "ann") + guarded("request.userInfo.username == 'bob'"), "run-escape: user ann -> any node, ", ""},
		{"a group that a user may be in", by("User", "ann") + guarded("'ops' in request.userInfo.groups"), "run-escape: user ann -> any node, ", "unknown"},
		{"a group", by("Group", "ops") + guarded("'ops' in request.userInfo.groups"), "run-escape: group ops -> any node, ", "certain"},
		{"a member of a group", by("Group", "ops") + guarded("request.userInfo.username == 'ann'"), "run-escape: group ops -> any node, ", "unknown"},
		{"two, of whom one makes no pods at all", two + other, account, ""},
		{"two, and the one of whom this is not known", two + other, "run-escape: user ann -> any node, ", "unknown"},
		{"who has no login", by("User", "system:anonymous") + guarded("request.userInfo.groups == ['system:unauthenticated']"), "run-escape: user system:anonymous -> any node, ", "certain"},

		{"by a Deployment, whose pods a controller makes", role(false, deployments) + guarded("request.userInfo.username == 'system:serviceaccount:shop:default'"), account, ""},
		{"by a Deployment, and the controller may", role(false, deployments) + guarded("request.userInfo.username == 'system:serviceaccount:kube-system:replicaset-controller'"), account, "likely"},
		{"by a Job, and another controller may", role(false, jobs) + guarded("request.userInfo.username == 'system:serviceaccount:kube-system:replicaset-controller'"), account, ""},
		{"by a Job, and all of kube-system may", role(false, jobs) + guarded("'system:serviceaccounts:kube-system' in request.userInfo.groups"), account, "likely"},
		{"by changing a Deployment", deploy("web", "", "") + role(false, rule("patch", "apps", "deployments")) + guarded("request.userInfo.username.startsWith('system:serviceaccount:kube-system:')"), account, "likely"},
		{"by an operator", role(false, rule("create", "argoproj.io", "workflows")) + workflows + guarded("request.userInfo.username == 'system:serviceaccount:argo:argo'"), account, "unknown"},

		{"a debug container", deploy("web", "", "") + role(false, debug) + strings.NewReplacer("operations: [CREATE], resources: [pods]", "operations: ['*'], resources: ['pods/*']", "initContainers", "ephemeralContainers").
			Replace(guarded("request.userInfo.username == 'system:serviceaccount:shop:default'")), "debug-escape: service account shop/default -> a node of Deployment shop/web, ", "certain"},
		{"another's debug container", deploy("web", "", "") + role(false, debug) + strings.NewReplacer("operations: [CREATE], resources: [pods]", "operations: ['*'], resources: ['pods/*']", "initContainers", "ephemeralContainers").
			Replace(guarded("request.userInfo.username == 'system:serviceaccount:shop:other'")), "debug-escape: service account shop/default -> a node of Deployment shop/web, ", ""},

		{"after the label is off", strings.Replace(base, "privileged", "restricted", 1) + role(true, pods, rule("patch", "", "namespaces")) + guarded("request.userInfo.username == 'system:serviceaccount:shop:default'"), "relabel-namespace: service account shop/default -> any node, ", "certain"},
		{"after the label is off, another", strings.Replace(base, "privileged", "restricted", 1) + role(true, pods, rule("patch", "", "namespaces")) + guarded("request.userInfo.username == 'system:serviceaccount:shop:other'"), "relabel-namespace: service account shop/default -> any node, ", ""},
		{"once the policy is gone", role(true, pods, rule("delete", "admissionregistration.k8s.io", "validatingadmissionpolicies")) + guarded("request.userInfo.username == 'system:serviceaccount:shop:other'"),
			"drop-policies: service account shop/default -> any node, ", "certain"},
		{"no need for the policy to go", role(true, pods, rule("delete", "admissionregistration.k8s.io", "validatingadmissionpolicies")) + guarded("request.userInfo.username == 'system:serviceaccount:shop:default'"),
			"drop-policies: service account shop/default -> any node, ", ""},
		{"a quota that lets no pods in", "---\n{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: shop}, spec: {hard: {pods: 0}}}\n" + role(false, pods) + guarded("request.userInfo.username == 'system:serviceaccount:shop:default'"), account, "unknown"},
	} {
		yaml := c.yaml
		if !strings.Contains(yaml, "kind: Namespace\n") {
			yaml = base + yaml
		}
		told := graphOf(t, true, parse(t, yaml)...).told()
		got := ""
		for _, edge := range told {
			if rest, ok := strings.CutPrefix(edge, c.edge); ok {
				got = rest
			}
		}
		if got != c.certainty {
			t.Errorf("%s: got %q, want %q, of\n%s", c.name, got, c.certainty, strings.Join(told, "\n"))
		}
	}
}

// TestSendersBeyond leaves open what is more than is asked.
func TestSendersBeyond(t *testing.T) {
	var b strings.Builder
	b.WriteString(namespaceOf("shop", enforce+"privileged") + role(false, rule("create", "", "pods")))
	b.WriteString(admission(deny, noHostPath, noAdded, "request.userInfo.username == 'system:serviceaccount:shop:none' || ("+noPrivileged+")"))
	const more = 7
	for i := range mostSenders + more {
		fmt.Fprintf(&b, "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b%d, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}, subjects: [{kind: User, name: u%d}]}", i, i)
	}
	g := graphOf(t, true, parse(t, b.String())...)
	open := 0
	for i := range g.edges {
		if e := &g.edges[i]; e.kind == RunEscape {
			if open++; e.certainty != Unknown {
				t.Errorf("%s: %s", g.Vertex(e.from), e.certainty)
			}
		}
	}
	if open != more+1 { // the service account of the role, too
		t.Errorf("%d steps are open, want %d", open, more+1)
	}
}

// TestSenderChanges proposes to take the right away by which somebody has what policies
// let only it make.
func TestSenderChanges(t *testing.T) {
	yaml := namespaceOf("shop", enforce+"privileged") + role(false, rule("create", "", "pods")) + deploy("web", "", "") +
		admission(deny, noHostPath, noAdded, "request.userInfo.username == 'system:serviceaccount:shop:default' || ("+noPrivileged+")")
	g := graphOf(t, true, parse(t, yaml)...)
	var told []string
	for i := range g.edges {
		if e := &g.edges[i]; e.kind == RunEscape {
			p := proposer{Graph: g, add: func(made proposal) { told = append(told, made.title) }}
			p.propose(g.public(e))
		}
	}
	for _, want := range []string{"remove RoleBinding/shop/b, which binds ServiceAccount shop/default to r", "enforce the Pod Security level baseline in namespace shop, which all its workloads meet"} {
		if !slices.Contains(told, want) {
			t.Errorf("proposed %q, want %q", told, want)
		}
	}
}
