package cli

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// patRules binds the user pat to a Role with rules in namespace shop.
func patRules(rules string) string {
	return `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, namespace: shop}
rules: [` + rules + `]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects: [{kind: User, name: pat, apiGroup: rbac.authorization.k8s.io}]
`
}

// TestAccessScopes asks about resources in no namespace, which a RoleBinding does
// not give.
func TestAccessScopes(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": patRules(`{apiGroups: [""], resources: [nodes, namespaces, pods], verbs: [get, list, watch, deletecollection]}`)})
	for _, c := range []struct {
		question string
		code     int
		says     string
		not      string
	}{
		{"can user:pat list nodes", exitFindings, "no  user:pat list nodes in the whole cluster", "single namespaces"},
		{"can user:pat get nodes/one", exitFindings, "no ", "single namespaces"},
		{"can user:pat list namespaces", exitFindings, "no ", "single namespaces"},
		{"can user:pat list pods", exitFindings, "yes in single namespaces (ask with -n): shop", "nodes"},
		{"can user:pat list pods -n shop", exitClean, "yes ", "single"},
		{"can user:pat get ns/shop", exitClean, "yes  user:pat get namespaces \"shop\" in namespace shop", ""},
		{"can user:pat get ns/other", exitFindings, "no ", ""},
		{"can user:pat list ns/shop", exitFindings, "no ", "single namespaces"},
		{"can user:pat deletecollection ns/shop", exitFindings, "no ", "single namespaces"},
		{"can user:pat list deployments.v1.apps", exitFindings, "list deployments.apps in", "v1"},
		{"list user:pat", exitClean, "gives nothing on nodes: in no namespace", "nothing on pods"},
		{"list user:system:anonymous", exitClean, "everybody, without a login too", "with a login;"},
		{"list user:pat", exitClean, "everybody with a login;", "namespaces: in no namespace"},
	} {
		o := ullage(t, append(append([]string{"access"}, strings.Fields(c.question)...), "-f", dir, "--closed-world")...)
		if o.code != c.code || !strings.Contains(o.stdout, c.says) || c.not != "" && strings.Contains(o.stdout, c.not) {
			t.Errorf("%s: code %d\n%s%s", c.question, o.code, o.stdout, o.stderr)
		}
	}
	for _, question := range []string{"can user:pat list pods -n *", "can user:pat create,get pods", "can sa:Shop/web get pods", "can sa:shop/Web get pods", "who-can get pods -n Shop", "dangers -n *"} {
		if o := ullage(t, append(append([]string{"access"}, strings.Fields(question)...), "-f", dir, "--closed-world")...); o.code != exitUsage || !strings.Contains(o.stderr, "\"") {
			t.Errorf("%s: code %d, %s%s", question, o.code, o.stdout, o.stderr)
		}
	}
}

// TestNamespaceRequests holds what a request for a namespace is authorized in
// against the API server's own reading of it.
func TestNamespaceRequests(t *testing.T) {
	factory := &request.RequestInfoFactory{APIPrefixes: sets.NewString("apis", "api"), GrouplessAPIPrefixes: sets.NewString("api")}
	for _, c := range []struct{ method, path, verb, resource string }{
		{"GET", "/api/v1/namespaces/shop", "get", "namespaces/shop"},
		{"PUT", "/api/v1/namespaces/shop", "update", "namespaces/shop"},
		{"PATCH", "/api/v1/namespaces/shop", "patch", "namespaces/shop"},
		{"DELETE", "/api/v1/namespaces/shop", "delete", "namespaces/shop"},
		{"GET", "/api/v1/namespaces?fieldSelector=metadata.name%3Dshop", "list", "namespaces/shop"},
		{"DELETE", "/api/v1/namespaces?fieldSelector=metadata.name%3Dshop", "deletecollection", "namespaces/shop"},
		{"GET", "/api/v1/watch/namespaces/shop", "watch", "namespaces/shop"},
		{"GET", "/api/v1/namespaces/shop/status", "get", "namespaces/status/shop"},
		{"PUT", "/api/v1/namespaces/shop/finalize", "update", "namespaces/finalize/shop"},
		{"GET", "/api/v1/namespaces", "list", "namespaces"},
		{"POST", "/api/v1/namespaces", "create", "namespaces"},
	} {
		info, err := factory.NewRequestInfo(httptest.NewRequest(c.method, c.path, nil))
		if err != nil || info.Verb != c.verb {
			t.Fatal(c, info, err)
		}
		dir := write(t, map[string]string{"a.yaml": patRules(`{apiGroups: [""], resources: [namespaces, namespaces/status, namespaces/finalize], verbs: ["*"]}`)})
		o := ullage(t, "access", "can", "user:pat", c.verb, c.resource, "-f", dir, "--closed-world")
		if (o.code == exitClean) != (info.Namespace == "shop") {
			t.Errorf("%s %s is in namespace %q for the API server; here:\n%s%s", c.method, c.path, info.Namespace, o.stdout, o.stderr)
		}
	}
}

// TestAccessInNamespaces asks for what a RoleBinding gives of objects in no
// namespace: to bind ClusterRoles, and its own namespace.
func TestAccessInNamespaces(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": patRules(`{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [admin], verbs: [bind]}, ` +
		`{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate, get]}, ` +
		`{apiGroups: [""], resources: [namespaces], verbs: [patch]}, {apiGroups: [apps], resources: [deployments], verbs: [create]}`)})
	for _, c := range []struct {
		question string
		code     int
		says     string
	}{
		{"can user:pat bind clusterroles/admin -n shop", exitClean, "yes  user:pat bind clusterroles.rbac.authorization.k8s.io \"admin\" in namespace shop"},
		{"can user:pat bind clusterroles/edit -n shop", exitFindings, "no "},
		{"can user:pat bind clusterroles/admin -n default", exitFindings, "no "},
		{"can user:pat bind clusterroles/admin", exitFindings, "yes in single namespaces (ask with -n): shop"},
		{"can user:pat escalate clusterroles/admin", exitFindings, "no "},
		{"can user:pat escalate clusterroles/admin -n shop", exitUsage, "is in no namespace"},
		{"who-can bind clusterroles/admin", exitClean, "1 subject can bind clusterroles.rbac.authorization.k8s.io \"admin\" somewhere"},
		{"who-can bind clusterroles -n shop", exitFindings, "1 subject more can for objects of some names only: user:pat."},
		{"who-can patch namespaces/shop -n shop", exitClean, "1 subject can patch namespaces"},
		{"can user:pat patch namespaces/shop -n shop", exitClean, "yes  user:pat patch namespaces \"shop\" in namespace shop"},
		{"can user:pat patch namespaces/other -n shop", exitUsage, "made in namespace other"},
		{"can user:pat list namespaces -n shop", exitUsage, "leave -n out"},
		{"can user:pat get nodes -n shop", exitUsage, "leave -n out"},
		{"dangers", exitFindings, "bypass-pod-security"},
	} {
		o := ullage(t, append(append([]string{"access"}, strings.Fields(c.question)...), "-f", dir, "--closed-world")...)
		if o.code != c.code || !strings.Contains(o.stdout+o.stderr, c.says) {
			t.Errorf("%s: code %d\n%s%s", c.question, o.code, o.stdout, o.stderr)
		}
	}
	o := ullage(t, "access", "list", "user:pat", "-f", dir)
	if strings.Count(o.stdout, "gives nothing on clusterroles: in no namespace") != 1 {
		t.Errorf("only escalate and get are in vain:\n%s", o.stdout)
	}
	dir = write(t, map[string]string{"a.yaml": patRules(`{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: ["*"]}`)})
	if o := ullage(t, "access", "list", "user:pat", "-f", dir); !strings.Contains(o.stdout, "gives nothing on clusterroles but to bind them: in no namespace") {
		t.Errorf("to bind is not in vain:\n%s", o.stdout)
	}
}

// TestAccessReplacedRules asks for what is written beside an aggregationRule: in a
// file it gives nothing, and of a cluster it is what the controller wrote.
func TestAccessReplacedRules(t *testing.T) {
	const role = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: agg}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {agg: "yes"}}]}
rules: [{apiGroups: [""], resources: [nodes], verbs: [delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: part, labels: {agg: "yes"}}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: b}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: agg}
subjects: [{kind: User, name: pat}]
`
	file := write(t, map[string]string{"a.yaml": role})
	dump := write(t, map[string]string{"a.yaml": strings.Replace(role, "{name: agg}", "{name: agg, uid: 5f1e}", 1)})
	const not = "not   delete on nodes: the controller replaces the rules of ClusterRole agg"
	for _, c := range []struct {
		question, dir string
		code          int
		says          string
	}{
		{"can user:pat delete nodes", file, exitFindings, not},
		{"can user:pat delete nodes -o json", file, exitFindings, "\"replacedRules\""},
		{"can user:pat list nodes", file, exitFindings, "no "},
		{"can user:pat get pods", file, exitClean, "by aggregation of part"},
		{"who-can delete nodes", file, exitFindings, "0 subjects"},
		{"list user:pat", file, exitClean, not},
		{"list user:pat -o json", file, exitClean, "\"replacedRules\""},
		{"dangers", file, exitFindings, "replaced-rules"},
		{"can user:pat delete nodes", dump, exitClean, "rule  delete on nodes"},
		{"can user:pat get pods", dump, exitClean, "by aggregation of part"},
	} {
		o := ullage(t, append(append([]string{"access"}, strings.Fields(c.question)...), "-f", c.dir, "--closed-world")...)
		if text := strings.Join(strings.Fields(o.stdout), " "); o.code != c.code || !strings.Contains(text, strings.Join(strings.Fields(c.says), " ")) ||
			strings.Contains(c.question, "list nodes") && strings.Contains(text, "replaces") {
			t.Errorf("%s: code %d\n%s%s", c.question, o.code, o.stdout, o.stderr)
		}
	}
	if o := ullage(t, "access", "dangers", "-f", dump); strings.Contains(o.stdout, "replaced-rules") {
		t.Errorf("of a cluster:\n%s", o.stdout)
	}
}

// TestAccessMistypedWords asks with words that name nothing there is: the answer
// would be no, as if it were known that nobody may.
func TestAccessMistypedWords(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": patRules(`{apiGroups: [""], resources: [secrets], verbs: [get, juggle]}`) + `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: shop}
spec: {template: {spec: {serviceAccountName: runner, containers: [{name: c, image: i}]}}}
`})
	for _, c := range []struct {
		question     string
		closed, open int
		says         string // in a closed world
	}{
		{"who-can gte secrets", exitUsage, exitUsage, `verb "gte" is none that is asked for, and no rule names it; did you mean get?`},
		{"can user:pat gett pods", exitUsage, exitUsage, "did you mean get?"},
		{"can user:pat delte namespaces/shop", exitUsage, exitUsage, "did you mean delete?"},
		{"can user:pat xyzzyx pods", exitUsage, exitUsage, "there are get, list, watch, create"},
		{"who-can juggle secrets", exitClean, exitClean, "1 subject"},
		{"who-can approve signers", exitFindings, exitIncomplete, "0 subjects"},
		{"who-can post /metrics", exitFindings, exitIncomplete, "0 subjects"},
		{"who-can * secrets", exitFindings, exitIncomplete, "0 subjects"},
		{"who-can get secrets -n shpo", exitUsage, exitIncomplete, `-n "shpo" is no namespace that was read; did you mean shop?`},
		{"can user:pat get secrets -n zz", exitUsage, exitIncomplete, `"zz" is no namespace that was read; there are default, kube-node-lease, kube-public, kube-system, shop`},
		{"list user:pat -n shpo", exitUsage, exitClean, "did you mean shop?"},
		{"dangers -n zz", exitUsage, exitIncomplete, "is no namespace that was read"},
		{"who-can get secrets -n kube-system", exitFindings, exitIncomplete, "0 subjects"},
		{"can sa:shop/wbe get secrets/db", exitUsage, exitIncomplete, "there is no service account shop/wbe, and no binding or workload names it; did you mean shop/web?"},
		{"list sa:shop/wbe", exitUsage, exitClean, "did you mean shop/web?"},
		{"can user:system:serviceaccount:shop:wbe get secrets", exitUsage, exitIncomplete, "did you mean shop/web?"},
		{"can sa:shop/web get secrets", exitFindings, exitIncomplete, "no "},
		{"can sa:shop/default get secrets", exitFindings, exitIncomplete, "no "},
		{"can sa:shop/runner get secrets", exitFindings, exitIncomplete, "no "},
	} {
		args := append(append([]string{"access"}, strings.Fields(c.question)...), "-f", dir)
		if o := ullage(t, args...); o.code != c.open {
			t.Errorf("%s: code %d\n%s%s", c.question, o.code, o.stdout, o.stderr)
		}
		if o := ullage(t, append(args, "--closed-world")...); o.code != c.closed || !strings.Contains(o.stdout+o.stderr, c.says) {
			t.Errorf("%s in a closed world: code %d\n%s%s", c.question, o.code, o.stdout, o.stderr)
		}
	}
}

// TestDangersOfOne holds the severity of rights over one object that leads as far
// as all of them.
func TestDangersOfOne(t *testing.T) {
	for resource, want := range map[string]string{
		"{apiGroups: [apiregistration.k8s.io], resources: [apiservices], verbs: [patch], resourceNames: [v1.apps]}": "CRITICAL",
		"{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [one]}":                               "INFO",
	} {
		dir := write(t, map[string]string{"a.yaml": fmt.Sprintf(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: [%s]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: r}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r},
  subjects: [{kind: ServiceAccount, name: web, namespace: shop}]}
`, resource)})
		if out := ullage(t, "access", "dangers", "--closed-world", "-f", dir).stdout; !strings.HasPrefix(out, want) {
			t.Errorf("not %s by %s:\n%s", want, resource, out)
		}
	}
}

// TestDangersForNames says of a right over some names what it gives, and not what
// it would give over all. A pattern that RBAC does not have is none.
func TestDangersForNames(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": patRules(`{apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [deployer], verbs: [create]}, ` +
		`{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [view], verbs: [bind]}, ` +
		`{apiGroups: [rbac.authorization.k8s.io], resources: [roles], resourceNames: [own], verbs: [escalate]}, ` +
		`{apiGroups: [""], resources: ["pods/*"], verbs: ["*"]}`)})
	dangers := strings.Join(strings.Fields(ullage(t, "access", "dangers", "-f", dir).stdout), " ")
	for _, says := range []string{
		"For deployer only. Has a token made for such a service account",
		"For view only. May name such a role in bindings",
		"For own only. May write rules into such a role",
	} {
		if !strings.Contains(dangers, says) {
			t.Errorf("not said: %s", says)
		}
	}
	for _, not := range []string{"any service account", "is any right", "wildcard-verbs"} {
		if strings.Contains(dangers, not) {
			t.Errorf("said: %s", not)
		}
	}
	if n := strings.Count(dangers, "by RoleBinding b, Role r"); n != 1 {
		t.Errorf("one binding is named %d times", n)
	}
	if o := ullage(t, "access", "list", "user:pat", "-f", dir); !strings.Contains(o.stdout, "gives nothing on pods/*: RBAC has no pattern") {
		t.Errorf("pods/*:\n%s", o.stdout)
	}
	if o := ullage(t, "access", "list", "user:pat", "-f", dir, "-o", "json"); !strings.Contains(o.stdout, `"givesNothingOn"`) {
		t.Errorf("pods/*:\n%s", o.stdout)
	}
}

// Where rights of two bindings alternate by severity, each binding is named once,
// and a right of several proofs keeps them together.
func TestDangersNameBindingsOnce(t *testing.T) {
	const text = `
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: one, namespace: shop}, rules: [
  {apiGroups: [""], resources: [serviceaccounts/token], verbs: [create]}, {apiGroups: [""], resources: [pods/log], verbs: [get]}, {apiGroups: [""], resources: [services], verbs: [update]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: two, namespace: shop}, rules: [
  {apiGroups: [""], resources: [secrets], verbs: [get]}, {apiGroups: [""], resources: [events], verbs: [delete]}, {apiGroups: [""], resources: [endpoints], verbs: [update]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b1, namespace: shop}, roleRef: {kind: Role, name: one}, subjects: [{kind: User, name: pat}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b2, namespace: shop}, roleRef: {kind: Role, name: two}, subjects: [{kind: User, name: pat}]}
`
	dangers := ullage(t, "access", "dangers", "-f", write(t, map[string]string{"a.yaml": text})).stdout
	for _, b := range []string{"by RoleBinding b1,", "by RoleBinding b2,"} {
		if n := strings.Count(dangers, b); n != 1 {
			t.Errorf("%q stands %d times:\n%s", b, n, dangers)
		}
	}
	for _, says := range []string{"mint-tokens", "read-logs", "write-services", "read-secrets", "delete-events", "write-endpoints"} {
		if !strings.Contains(dangers, says) {
			t.Errorf("%s is not said", says)
		}
	}
	if strings.Index(dangers, "mint-tokens") > strings.Index(dangers, "read-secrets") {
		t.Error("the worst is not first")
	}
}

// BenchmarkDangersText prints what one user holds by ten thousand rules.
func BenchmarkDangersText(b *testing.B) {
	var text strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&text, "---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r%d, namespace: shop}, rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]}\n"+
			"---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b%d, namespace: shop}, roleRef: {kind: Role, name: r%d}, subjects: [{kind: User, name: pat}]}\n", i, i, i)
	}
	path := filepath.Join(b.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		Run(b.Context(), &Program{Args: []string{"access", "dangers", "-f", path}, Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }})
	}
}

// A RoleBinding lets use policies for pods, which are in no namespace.
func TestUseInNamespaces(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": patRules(`{apiGroups: [policy], resources: [podsecuritypolicies], verbs: [use]}`)})
	for question, code := range map[string]int{
		"can user:pat use podsecuritypolicies.policy -n shop":             0,
		"can user:pat use podsecuritypolicies.policy -n default":          exitFindings,
		"can user:pat use podsecuritypolicies.policy":                     exitFindings,
		"who-can use podsecuritypolicies.policy":                          0,
		"can user:pat update podsecuritypolicies.policy -n shop":          exitUsage,
		"who-can update podsecuritypolicies.policy/privileged -n default": exitUsage,
	} {
		if o := ullage(t, append(strings.Fields("access "+question+" --closed-world -f"), dir)...); o.code != code {
			t.Errorf("%s: code %d\n%s%s", question, o.code, o.stdout, o.stderr)
		}
	}
	if o := ullage(t, "access", "list", "user:pat", "-f", dir); strings.Contains(o.stdout, "gives nothing") {
		t.Errorf("to use gives nothing:\n%s", o.stdout)
	}
}
