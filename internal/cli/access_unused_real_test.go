//go:build integration

package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/audit"
	"ullage.dev/ullage/test/apiserver"
)

const auditPolicyOfTest = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: ["system:apiserver"]}
- {level: None, users: ["system:serviceaccount:shop:quiet"]}
- {level: Request, resources: [{group: authorization.k8s.io, resources: [subjectaccessreviews]}]}
- {level: Metadata}
`

const rolesOfTest = `
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: quiet, namespace: shop}}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: deployer, labels: {team: shop}}
  rules:
  - {apiGroups: ["", apps], resources: [pods, configmaps, deployments, deployments/scale], verbs: [get, list, watch, create, patch, delete]}
  - {apiGroups: [""], resources: [secrets], verbs: ["*"]}
  - {apiGroups: [""], resources: ["*/log"], verbs: [get]}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: Role
  metadata: {name: certificates, namespace: shop}
  rules:
  - {apiGroups: [""], resources: [secrets], resourceNames: [tls, ca], verbs: [get, update]}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: deployer}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: deployer}
  subjects: [{kind: ServiceAccount, name: web, namespace: shop}]
- apiVersion: rbac.authorization.k8s.io/v1
  kind: RoleBinding
  metadata: {name: certificates, namespace: shop}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: certificates}
  subjects: [{kind: User, name: jo}, {kind: ServiceAccount, name: quiet, namespace: shop}]
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: ops}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
  subjects: [{kind: Group, name: ops}]
- apiVersion: rbac.authorization.k8s.io/v1
  kind: RoleBinding
  metadata: {name: editors, namespace: shop}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
  subjects: [{kind: User, name: jo}]
`

// asking is a request that somebody makes of a real API server.
type asking struct {
	who, group         string
	method, path, body string
	refused            bool
	typ                string
}

var askings = []asking{
	{who: "system:serviceaccount:shop:web", method: "GET", path: "/api/v1/pods"},
	{who: "system:serviceaccount:shop:web", method: "GET", path: "/api/v1/namespaces/shop/pods?watch=1&timeoutSeconds=1"},
	{who: "system:serviceaccount:shop:web", method: "GET", path: "/api/v1/namespaces/shop/pods/web-0/log"},
	{who: "system:serviceaccount:shop:web", method: "GET", path: "/api/v1/namespaces/shop/secrets/tls"},
	{who: "system:serviceaccount:shop:web", method: "PATCH", path: "/api/v1/namespaces/shop/configmaps/made?fieldManager=t", typ: "application/apply-patch+yaml",
		body: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"made"},"data":{"a":"b"}}`},
	{who: "system:serviceaccount:shop:web", method: "GET", path: "/apis/apps/v1/namespaces/shop/deployments/web/scale"},
	{who: "system:serviceaccount:shop:web", method: "DELETE", path: "/api/v1/nodes/n1", refused: true},
	{who: "system:serviceaccount:shop:quiet", method: "GET", path: "/api/v1/namespaces/shop/secrets/ca"},
	{who: "jo", method: "GET", path: "/api/v1/namespaces/shop/secrets/tls"},
	{who: "jo", method: "POST", path: "/api/v1/namespaces/shop/services", body: `{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"port":80}]}}`},
	{who: "jo", method: "GET", path: "/api/v1/nodes", refused: true},
	{who: "kim", group: "ops", method: "GET", path: "/api/v1/nodes"},
	{who: "kim", group: "ops", method: "GET", path: "/healthz"},
	{who: "kim", group: "ops", method: "POST", path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
		body: `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"kim","groups":["ops"],"nonResourceAttributes":{"path":"/metrics","verb":"get"}}}`},
}

// ask makes the requests and fails where one is answered otherwise than it should be.
func (c *realCluster) ask(all []asking) {
	c.t.Helper()
	for _, a := range all {
		if code := c.askAs(a); (code == http.StatusForbidden) != a.refused {
			c.t.Errorf("%s %s %s: %d", a.who, a.method, a.path, code)
		}
	}
}

func (c *realCluster) askAs(a asking) int {
	c.t.Helper()
	config := rest.CopyConfig(c.server.Admin)
	config.Impersonate = rest.ImpersonationConfig{UserName: a.who}
	if a.group != "" {
		config.Impersonate.Groups = []string{a.group}
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		c.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), a.method, config.Host+a.path, strings.NewReader(a.body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if a.typ != "" {
		request.Header.Set("Content-Type", a.typ)
	}
	response, err := client.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// TestUnusedRealCluster makes requests of a real API server, takes away what its log
// does not show to be used, and makes them again.
func TestUnusedRealCluster(t *testing.T) {
	log, policy := filepath.Join(t.TempDir(), "audit.log"), filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicyOfTest), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &realCluster{t: t, server: apiserver.Start(t, "--audit-log-path", log, "--audit-policy-file", policy)}
	for _, object := range objectsOf(t, rolesOfTest) {
		c.create(object)
	}
	c.settle(askings...)
	unwanted := []asking{
		{who: "system:serviceaccount:shop:web", method: "DELETE", path: "/api/v1/namespaces/shop/secrets/none"},
		{who: "system:serviceaccount:shop:web", method: "DELETE", path: "/api/v1/namespaces/shop/configmaps/none"},
		{who: "jo", method: "GET", path: "/api/v1/namespaces/shop/configmaps"},
		{who: "kim", group: "ops", method: "DELETE", path: "/api/v1/nodes/none"},
	}
	kubeconfig := c.server.Kubeconfig(t, "real", c.server.Admin.BearerToken, "")
	command := []string{"access", "unused", "--cluster", "--kubeconfig", kubeconfig, "--audit", log, "--audit-policy", policy, "--days", "1"}
	o := ullage(t, append(command, "-o", "json")...)
	if o.code != exitFindings {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	var report usageJSON
	if err := json.Unmarshal([]byte(o.stdout), &report); err != nil {
		t.Fatal(err)
	}
	c.explained(log, &report)
	if n := len(report.Refused); n != 2 || report.Log.Reviews != 1 || report.Log.Hidden != 0 {
		t.Errorf("%d refused, %+v", n, report.Log)
	}
	o = ullage(t, append(command, "-o", "yaml")...)
	c.replace(o.stdout)
	for i := range unwanted {
		unwanted[i].refused = true
	}
	c.settle(append(unwanted, askings...)...)
}

// settle makes the requests until they are answered as they should be: the authorizer
// knows late of what was written.
func (c *realCluster) settle(all ...asking) {
	c.t.Helper()
	for range 30 {
		if !slices.ContainsFunc(all, func(a asking) bool { return (c.askAs(a) == http.StatusForbidden) != a.refused }) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.ask(all)
}

var reasonText = regexp.MustCompile(`^RBAC: allowed by (\w+) "([^"/]+)(?:/([^"]+))?" of \w+ "[^"]+" to (\w+) "([^"]+)"`)

// explained holds the report against the API server's own words: by which binding,
// and to whom, each request was allowed.
func (c *realCluster) explained(log string, report *usageJSON) {
	c.t.Helper()
	file, err := os.Open(log)
	if err != nil {
		c.t.Fatal(err)
	}
	defer file.Close()
	compared := 0
	var coverage audit.Coverage
	err = coverage.Read(c.t.Context(), log, file, func(e *audit.Entry) {
		m := reasonText.FindStringSubmatch(e.Reason)
		if m == nil || strings.HasPrefix(m[2], "system:") {
			return
		}
		compared++
		for i := range report.Grants {
			g := &report.Grants[i]
			if g.Binding.Kind != m[1] || g.Binding.Name != m[2] || g.Binding.Scope != m[3] || !strings.HasSuffix(g.Subject, ":"+reverseName(m[4], m[5])) {
				continue
			}
			for j := range g.Rights {
				for _, used := range g.Rights[j].Used {
					if used.Verb == e.Request.Verb && used.Resource == e.Request.Resource && used.Subresource == e.Request.Subresource && used.URL == e.Request.URL {
						return
					}
				}
			}
		}
		c.t.Errorf("%s %+v: not seen to be used by %s", e.By, e.Request, m[0])
	})
	if err != nil || compared < 8 {
		c.t.Errorf("%d compared: %v", compared, err)
	}
}

// reverseName turns the API server's web/shop into shop/web.
func reverseName(kind, name string) string {
	if account, namespace, ok := strings.Cut(name, "/"); ok && kind == "ServiceAccount" {
		return namespace + "/" + account
	}
	return name
}

// replace puts roles in the place of those that are there. A binding is made anew.
func (c *realCluster) replace(manifests string) {
	c.t.Helper()
	n := 0
	for text := range strings.SplitSeq(manifests, "\n---\n") {
		value, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			c.t.Fatal(err)
		}
		var o struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := json.Unmarshal(value, &o); err != nil || o.Kind == "" {
			continue // the comment in front
		}
		n++
		path := c.collection(string(value)) + "/" + o.Metadata.Name
		if strings.HasSuffix(o.Kind, "Binding") {
			c.send(http.MethodDelete, path, "")
		} else if code, _ := c.send(http.MethodPut, path, string(value)); code < 300 {
			continue
		}
		c.create(string(value))
	}
	if n != 5 {
		c.t.Errorf("%d objects written, want a role, and two bindings with roles of their own:\n%s", n, manifests)
	}
}

// objectsOf are the items of a YAML list, as JSON.
func objectsOf(t *testing.T, text string) []string {
	t.Helper()
	var list []json.RawMessage
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, item := range list {
		all = append(all, string(item))
	}
	return all
}
