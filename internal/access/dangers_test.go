package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

const dangerous = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: maker, namespace: shop}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [create]}
- {apiGroups: [""], resources: [secrets], verbs: [get], resourceNames: [tls]}
- {apiGroups: [""], resources: [configmaps], verbs: [update]}
- {apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: maker, namespace: shop}
roleRef: {kind: Role, name: maker}
subjects: [{kind: ServiceAccount, name: web}, {kind: User, name: "system:serviceaccount:shop:web"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: runner}
rules:
- {apiGroups: [batch], resources: [jobs], verbs: [create]}
- {apiGroups: [""], resources: [configmaps], verbs: [patch], resourceNames: [aws-auth]}
- {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind], resourceNames: [view]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: runners, namespace: shop}
roleRef: {kind: ClusterRole, name: runner}
subjects: [{kind: Group, name: "system:serviceaccounts:shop"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: runners, namespace: kube-system}
roleRef: {kind: ClusterRole, name: runner}
subjects: [{kind: ServiceAccount, name: robot, namespace: kube-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: boss}
roleRef: {kind: ClusterRole, name: cluster-admin}
subjects: [{kind: Group, name: boss}, {kind: ServiceAccount, name: default, namespace: shop}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: lost}
roleRef: {kind: ClusterRole, name: lost}
subjects: [{kind: Group, name: "system:unauthenticated"}]
`

func TestDangers(t *testing.T) {
	a := New(snapshot(t, dangerous))
	var got []string
	for _, d := range a.Dangers() {
		for _, h := range d.Holders {
			if h.System && h.Subject.Kind != kindAccount {
				continue // of every cluster
			}
			var by []string
			for _, p := range h.Proofs {
				by = append(by, fmt.Sprint(p.Binding.Name(), ":", p.Rule.Node.Start()))
				if len(h.Proofs) == 1 && compileRules(listOf(p.Rule)).cluster&(1<<d.Right) == 0 && h.Names == nil {
					t.Errorf("%s: the rule does not give it", d.Right)
				}
			}
			got = append(got, fmt.Sprint(d.Right, " ", h.Subject, " in ", h.Namespace, " ", h.Names, " by ", len(by)))
		}
	}
	want := []string{
		"wildcard-all group:boss in  [] by 1", "wildcard-all sa:shop/default in  [] by 1",
		"read-secrets sa:shop/web in shop [tls] by 1",
		"write-secrets sa:shop/web in shop [] by 1",
		"create-workloads group:system:serviceaccounts:shop in shop [] by 1", "create-workloads sa:kube-system/robot in kube-system [] by 1",
		"bind-roles group:system:serviceaccounts:shop in shop [view] by 1", "bind-roles sa:kube-system/robot in kube-system [view] by 1",
		"write-bindings sa:shop/web in shop [] by 1",
		"create-secrets sa:shop/web in shop [] by 1",
		"write-aws-auth sa:kube-system/robot in kube-system [] by 1",
		"forge-token sa:shop/web in shop [] by 2",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var named []string
	for n := range a.Restricted(ServiceAccount("shop", "web")) {
		named = append(named, fmt.Sprint(n.Right, " ", n.Resource, " ", n.Namespace, " ", n.Names))
	}
	if want := []string{"read-secrets secrets shop [tls]", "bind-roles clusterroles shop [view]"}; !slices.Equal(named, want) {
		t.Errorf("restricted: %q, want %q", named, want)
	}
}

func TestNotes(t *testing.T) {
	ids := func(closed bool) string {
		open := snapshot(t, dangerous)
		var objects []*model.Object
		for _, o := range open.All() {
			objects = append(objects, o)
		}
		var l []string
		for _, n := range New(model.NewSnapshot(objects, closed)).Notes() {
			if n.Text == "" {
				t.Errorf("%s says nothing", n.ID)
			}
			l = append(l, n.ID+" "+n.Subject.Name)
		}
		return strings.Join(l, ", ")
	}
	want := "anonymous-bound system:unauthenticated, namespace-accounts-bound system:serviceaccounts:shop, default-account-bound default, dangling-binding "
	if got := ids(false); got != want {
		t.Errorf("open: %q", got)
	}
	if got := ids(true); got != want+", missing-account robot, missing-account web" {
		t.Errorf("closed: %q", got)
	}
}

func TestUnknown(t *testing.T) {
	s := snapshot(t, dangerous)
	a := New(s)
	q := &Request{Verb: "get", Resource: "nodes"}
	if got := a.Can(Group(unauthenticated), q); got.Verdict != Unknown || !strings.Contains(strings.Join(got.Reasons, "|"), "ClusterRole lost is bound by ClusterRoleBinding lost and was not read") {
		t.Errorf("a role that was not read: %+v", got)
	}
	if got := a.Can(ServiceAccount("shop", "web"), &Request{Verb: "create", Resource: "secrets", Namespace: "shop"}); got.Verdict != Yes {
		t.Errorf("yes in an open world: %+v", got)
	}
	var objects []*model.Object
	for _, o := range s.All() {
		objects = append(objects, o)
	}
	gap := model.Gap{Kind: model.RoleBindingKind, Except: []string{"shop"}, Reason: "rolebindings may not be listed"}
	part := New(model.NewSnapshot(objects, true, gap))
	for namespace, want := range map[string]Verdict{"": No, "shop": No, "other": Unknown, AnyNamespace: Unknown} {
		got := part.Can(ServiceAccount("shop", "web"), &Request{Verb: "get", Resource: "pods", Namespace: namespace})
		if got.Verdict != want || want == Unknown && !strings.Contains(got.Reasons[0], gap.Reason) {
			t.Errorf("with a gap, namespace %q: %+v, want %s", namespace, got, want)
		}
	}
	if got := part.Can(User("system:node:one"), q); got.Verdict != Unknown {
		t.Errorf("a node: %+v", got)
	}
}

func TestParseSubject(t *testing.T) {
	for text, want := range map[string]string{
		"sa:shop/web": "sa:shop/web", "system:serviceaccount:shop:web": "sa:shop/web", "user:system:serviceaccount:shop:web": "sa:shop/web",
		"user:jo": "user:jo", "user:https://id.example#1": "user:https://id.example#1", "group:system:masters": "group:system:masters",
		"sa:web": "", "sa:/web": "", "sa:shop/": "", "sa:a/b/c": "", "web": "", "user:": "", "group:": "", "": "", "system:serviceaccount:shop": "",
	} {
		got, err := ParseSubject(text)
		if want == "" && err == nil || want != "" && (err != nil || got.String() != want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

const together = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: bind}
rules: [{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: write}
rules:
- {apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [create]}
- {apiGroups: [""], resources: [configmaps], verbs: [update], resourceNames: [other]}
- {nonResourceURLs: [/metrics], verbs: [get]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: one, namespace: shop}, roleRef: {kind: ClusterRole, name: bind}, subjects: [{kind: ServiceAccount, name: web}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: two, namespace: shop}, roleRef: {kind: ClusterRole, name: write}, subjects: [{kind: ServiceAccount, name: web}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: one}, roleRef: {kind: ClusterRole, name: bind}, subjects: [{kind: User, name: jo}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: two}, roleRef: {kind: ClusterRole, name: write}, subjects: [{kind: User, name: jo}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: jo, namespace: shop}, roleRef: {kind: ClusterRole, name: write}, subjects: [{kind: User, name: jo}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: g1, namespace: lab}, roleRef: {kind: ClusterRole, name: bind}, subjects: [{kind: Group, name: "system:serviceaccounts:lab"}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: g2, namespace: lab}, roleRef: {kind: ClusterRole, name: write}, subjects: [{kind: Group, name: "system:serviceaccounts:lab"}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: member, namespace: other}, roleRef: {kind: ClusterRole, name: view}, subjects: [{kind: ServiceAccount, name: rat, namespace: lab}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: other, namespace: kube-system}, roleRef: {kind: ClusterRole, name: write}, subjects: [{kind: ServiceAccount, name: rat, namespace: lab}]}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: aws-auth, namespace: kube-system}}
`

// TestTogether holds who is said to hold what several bindings make together:
// each that is named by one of them, once, in the widest scope.
func TestTogether(t *testing.T) {
	a := New(snapshot(t, together))
	var got []string
	for _, d := range a.Dangers() {
		if d.Right == WriteAWSAuth {
			t.Errorf("a ConfigMap of another name: %+v", d.Holders)
		}
		if d.Right == GrantAnyRole {
			for _, h := range d.Holders {
				got = append(got, fmt.Sprint(h.Subject, " in ", h.Namespace, " by ", len(h.Proofs)))
			}
		}
	}
	if want := []string{"user:jo in  by 2", "group:system:serviceaccounts:lab in lab by 2", "sa:shop/web in shop by 2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !a.Rights(ServiceAccount("lab", "rat")).In("lab").Has(GrantAnyRole) || !a.Rights(ServiceAccount("lab", "unnamed")).In("lab").Has(GrantAnyRole) {
		t.Error("members of the group do not hold it")
	}
	if got := a.Can(ServiceAccount("shop", "web"), &Request{Verb: "get", URL: "/metrics", Namespace: AnyNamespace}); got.Verdict == Yes {
		t.Errorf("a URL: %+v", got)
	}
}

// Who may list some names only is told apart from who may list all.
func TestWhoCanByName(t *testing.T) {
	a := New(snapshot(t, dangerous))
	for _, c := range []struct {
		q    Request
		want string
	}{
		{Request{Verb: "get", Resource: "secrets", Namespace: "shop"}, "[sa:shop/web]"},
		{Request{Verb: "get", Resource: "secrets", Namespace: "shop", Name: "tls"}, "[]"},
		{Request{Verb: "get", Resource: "secrets", Namespace: "other"}, "[]"},
		{Request{Verb: "create", Resource: "secrets", Namespace: "shop"}, "[]"},
		{Request{Verb: "patch", Resource: "configmaps", Namespace: AnyNamespace}, "[sa:kube-system/robot group:system:serviceaccounts:shop]"},
	} {
		got := slices.DeleteFunc(a.WhoCanByName(&c.q), func(s Subject) bool { return s.System() && s.Kind != kindAccount })
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s %s in %s: %v, want %s", c.q.Verb, c.q.Resource, c.q.Namespace, got, c.want)
		}
	}
}

// Who may rewrite roles that it is not bound to, or make roles that nobody is
// bound to, is not said to rewrite its own; who may by the role's name is.
func TestRewriters(t *testing.T) {
	for rules, want := range map[string]string{
		"{resources: [roles], verbs: [escalate, update]}":                             "[]",
		"{resources: [clusterroles], verbs: [escalate, create]}":                      "[]",
		"{resources: [clusterroles], verbs: [escalate, update]}":                      "[user:jo in ]",
		"{resources: [clusterroles], verbs: [escalate, patch], resourceNames: [r]}":   "[user:jo in ]",
		"{resources: [clusterroles], verbs: [escalate, patch], resourceNames: [two]}": "[]",
	} {
		a := New(snapshot(t, "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\nrules: ["+strings.Replace(rules, "{", "{apiGroups: [rbac.authorization.k8s.io], ", 1)+"]\n"+
			"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\nroleRef: {kind: ClusterRole, name: r}\nsubjects: [{kind: User, name: jo}]\n"))
		got := []string{}
		for _, d := range a.Dangers() {
			for _, h := range d.Holders {
				if d.Right == RewriteRoles && !h.System {
					got = append(got, fmt.Sprint(h.Subject, " in ", h.Namespace))
				}
			}
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", rules, got, want)
		}
	}
}

// Who may do everything in a namespace is not said to take roles over there.
func TestNamespaceAdministrator(t *testing.T) {
	const all = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: all, namespace: shop}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: all, namespace: shop}
roleRef: {kind: Role, name: all}
subjects: [{kind: User, name: jo}]
`
	for _, d := range New(snapshot(t, all)).Dangers() {
		for _, h := range d.Holders {
			if h.Subject.Name == "jo" && d.Right != WildcardAll {
				t.Errorf("%s in %s", d.Right, h.Namespace)
			}
		}
	}
}

// A subject that the API server refuses is told.
func TestUnknownSubjects(t *testing.T) {
	for subject, want := range map[string]bool{
		"{kind: user, name: jo}": true, "{kind: Role, name: jo}": true, "{name: jo}": true, "{kind: ServiceAccount, name: web}": true,
		"{kind: User, name: jo}": false, "{kind: Group, name: ops}": false, "{kind: ServiceAccount, name: web, namespace: shop}": false,
		"{kind: User, name: 'system:serviceaccount:shop:web'}": false,
	} {
		got := false
		for _, n := range New(snapshot(t, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b}, roleRef: {kind: ClusterRole, name: view}, subjects: ["+subject+"]}")).Notes() {
			got = got || n.ID == "unknown-subject" && n.Binding.Name() == "b" && n.Text != ""
		}
		if got != want {
			t.Errorf("%s: told %t", subject, got)
		}
	}
}
