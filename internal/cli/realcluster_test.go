//go:build integration

package cli

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/test/apiserver"
)

// realCluster is an API server to which a test writes.
type realCluster struct {
	t      *testing.T
	server *apiserver.Server
}

// send makes a request of JSON and returns the answer's code and text.
func (c *realCluster) send(method, path, body string) (int, string) {
	c.t.Helper()
	code, text, err := c.server.Send(c.t.Context(), method, path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	return code, string(text)
}

// create makes an object and returns its uid.
func (c *realCluster) create(object string) (uid string) {
	c.t.Helper()
	code, text := c.send(http.MethodPost, c.collection(object), object)
	if code >= 300 {
		c.t.Fatalf("%s\n%d %s", object, code, text)
	}
	var made struct{ Metadata struct{ UID string } }
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		c.t.Fatal(err)
	}
	return made.Metadata.UID
}

// collection is where an object is created.
func (c *realCluster) collection(object string) string {
	c.t.Helper()
	var o struct {
		APIVersion, Kind string
		Metadata         struct{ Namespace string }
	}
	if err := json.Unmarshal([]byte(object), &o); err != nil {
		c.t.Fatalf("%v: %s", err, object)
	}
	group, _, grouped := strings.Cut(o.APIVersion, "/")
	path := "/apis/" + o.APIVersion
	if !grouped {
		group, path = "", "/api/"+o.APIVersion
	}
	gk := model.GroupKind{Group: group, Kind: o.Kind}
	if !gk.ClusterScoped() {
		path += "/namespaces/" + o.Metadata.Namespace
	}
	return path + "/" + gk.Plural()
}

// seed writes the sample shop.
func (c *realCluster) seed() {
	c.t.Helper()
	in, err := manifest.Load(c.t.Context(), []string{"../../examples/chandlery"}, manifest.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	namespaces := map[string]bool{"kube-system": true, "default": true}
	made := map[string]int{}
	slices.SortStableFunc(in.Objects, func(a, b *model.Object) int { // namespaces first
		return strings.Compare(fmt.Sprint(a.Key.Kind != "Namespace"), fmt.Sprint(b.Key.Kind != "Namespace"))
	})
	for _, o := range in.Objects {
		if ns := o.Key.Namespace; ns != "" && !namespaces[ns] {
			c.send(http.MethodPost, "/api/v1/namespaces", `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "`+ns+`"}}`)
			namespaces[ns] = true
		}
		text := string(o.Root.AppendJSON(nil))
		if o.Key.Kind == "Secret" { // its values are gone
			text = strings.Replace(text, `"data":`, `"stringData":`, 1)
		}
		if ns := o.Root.Dig("metadata", "namespace"); ns == nil && o.Key.Namespace != "" {
			text = strings.Replace(text, `"metadata":{`, `"metadata":{"namespace":"`+o.Key.Namespace+`",`, 1)
		}
		code, answer := c.send(http.MethodPost, c.collection(text), text)
		switch {
		case code < 300:
			made[o.Key.Kind]++
		case code != http.StatusNotFound && code != http.StatusConflict:
			c.t.Errorf("%s: %d %s", o.Key, code, answer)
		}
	}
	if made["Deployment"] < 3 || made["NetworkPolicy"] < 3 || made["RoleBinding"] == 0 {
		c.t.Fatalf("the sample made only %v", made)
	}
}

const canary = "c4n4ry-0f-a-t3st"

// odd writes what is unusual: secrets in all places, characters, owners, a custom
// workload.
func (c *realCluster) odd() {
	c.create(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "odd"}}`)
	c.create(`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "odd", "annotations":
		{"kubectl.kubernetes.io/last-applied-configuration": "{\"stringData\":{\"password\":\"` + canary + `\"}}"}}, "stringData": {"password": "` + canary + `"}}`)
	c.create(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "odd"}, "data": {"db.password": "` + canary + `",
		"text": "\u2028\u0085\ufeff \u007f 😀 <&> \\", "large": "` + strings.Repeat("x", 900_000) + `"}}`)
	pod := `{"serviceAccountName": "default", "nodeName": "n", "containers": [{"name": "web", "image": "registry.example/web:1", "securityContext": {"privileged": true},
		"env": [{"name": "DB_PASSWORD", "value": "` + canary + `"}, {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "nosuch"}}}]}]}`
	template := `"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": ` + strings.Replace(pod, `"nodeName": "n", `, "", 1) + `}`
	owner := func(kind, name, uid string) string {
		return `"labels": {"app": "web"}, "ownerReferences": [{"apiVersion": "apps/v1", "kind": "` + kind + `", "name": "` + name + `", "uid": "` + uid + `", "controller": true}]`
	}
	deployment := c.create(`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "odd"}, "spec": {` + template + `}}`)
	set := c.create(`{"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1", "namespace": "odd", ` + owner("Deployment", "web", deployment) + `}, "spec": {` + template + `}}`)
	for i := range 3 {
		c.create(fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1-%d", "namespace": "odd", %s}, "spec": %s}`, i, owner("ReplicaSet", "web-1", set), pod))
	}
	c.create(`{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "rollouts.argoproj.io"}, "spec": {"group": "argoproj.io", "scope": "Namespaced",
		"names": {"plural": "rollouts", "kind": "Rollout"}, "versions": [{"name": "v1alpha1", "served": true, "storage": true,
		"schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}`)
	rollout := `{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "r", "namespace": "odd"}, "spec": {` + template + `}}`
	c.eventually("the custom resource can be created", func() bool {
		code, _ := c.send(http.MethodPost, c.collection(rollout), rollout)
		return code < 300
	})
}

// eventually polls until something holds.
func (c *realCluster) eventually(what string, holds func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// account makes a service account, binds it to a role of its own and returns its
// token.
func (c *realCluster) account(name, role string) (token string) {
	c.t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(role))
	if err != nil {
		c.t.Fatal(err)
	}
	c.create(string(asJSON))
	c.create(`{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "` + name + `", "namespace": "default"}}`)
	c.create(`{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "` + name + `"}, "subjects": [{"kind": "ServiceAccount",
		"name": "` + name + `", "namespace": "default"}], "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "` + name + `"}}`)
	code, text := c.send(http.MethodPost, "/api/v1/namespaces/default/serviceaccounts/"+name+"/token", `{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}`)
	var answer struct{ Status struct{ Token string } }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || code >= 300 {
		c.t.Fatalf("%d %s", code, text)
	}
	c.eventually("the account may list", func() bool {
		r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.server.Admin.Host+"/api/v1/nodes", nil)
		if err != nil {
			c.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+answer.Status.Token)
		plain, err := rest.HTTPClientFor(&rest.Config{TLSClientConfig: c.server.Admin.TLSClientConfig})
		if err != nil {
			c.t.Fatal(err)
		}
		response, err := plain.Do(r)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return answer.Status.Token
}

// clusterReport is what the tests look at of a report.
type clusterReport struct {
	Findings []struct {
		Rule, Message string
		Object        struct{ Kind, Namespace, Name, Cluster string }
	}
	Unknowns []struct {
		Rule, Reason string
		Object       struct{ Kind, Namespace, Name string }
	}
	Problems   []struct{ Reason, Hint string }
	Counts     model.Counts
	Provenance model.Provenance
}

func readReport(t *testing.T, o outcome) *clusterReport {
	t.Helper()
	var r clusterReport
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatalf("exit code %d: %v: %s", o.code, err, o.stderr)
	}
	return &r
}

func (r *clusterReport) problems() string {
	var all []string
	for _, p := range r.Problems {
		all = append(all, p.Reason)
	}
	return strings.Join(all, "\n")
}

// TestRealCluster reads a real API server in good and in bad days.
func TestRealCluster(t *testing.T) {
	// Newer servers keep the past of a list in memory; this one forgets it with etcd.
	server := apiserver.Start(t, "--feature-gates=ListFromCacheSnapshot=false")
	c := &realCluster{t, server}
	c.seed()
	c.odd()
	on := func(t *testing.T) *realCluster { return &realCluster{t, server} }
	t.Run("least role", func(t *testing.T) { on(t).leastRole() })
	t.Run("forbidden", func(t *testing.T) { on(t).forbidden() })
	t.Run("each kind", func(t *testing.T) { on(t).eachKind() })
	t.Run("one namespace", func(t *testing.T) { on(t).oneNamespace() })
	t.Run("faults", func(t *testing.T) { on(t).faults() })
	t.Run("incomplete secrets", func(t *testing.T) { on(t).incompleteSecrets() })
	t.Run("unavailable group", func(t *testing.T) { on(t).unavailable() })
}

// leastRole reads with the rights of the printed role, saves, and reads again.
func (c *realCluster) leastRole() {
	t := c.t
	role := ullage(t, "cluster", "rbac", "--name", "reader")
	config := c.server.Kubeconfig(t, "dev", c.account("reader", role.stdout), "")
	file := filepath.Join(t.TempDir(), "saved.gz")
	live := ullage(t, "check", "--cluster", "--kubeconfig", config, "--profile", "all", "-o", "json", "--save", file)
	if live.code != exitFindings {
		t.Fatalf("exit code %d: %s", live.code, live.stderr)
	}
	r := readReport(t, live)
	if len(r.Problems) > 0 {
		t.Errorf("problems: %s", r.problems())
	}
	if p := r.Provenance; p.Cluster == nil || p.Cluster.Name != "dev" || p.Cluster.Server != apiserver.Version || p.Kubernetes != "1.37" || p.World != "closed" {
		t.Errorf("provenance %+v", p)
	}
	judged := map[string]int{}
	for _, f := range r.Findings {
		if f.Object.Namespace == "odd" {
			judged[f.Object.Kind]++
		}
	}
	if judged["Deployment"] == 0 || judged["Rollout"] == 0 || judged["ReplicaSet"]+judged["Pod"] > 0 {
		t.Errorf("findings in namespace odd: %v", judged)
	}
	unknown := map[string]bool{}
	for _, u := range r.Unknowns {
		if strings.Contains(u.Reason, "only the metadata of Secrets is read") {
			unknown[u.Rule+" "+u.Object.Kind] = true
		}
	}
	if !unknown["sa-token-legacy-secret Secret"] || !slices.ContainsFunc(slices.Collect(maps.Keys(unknown)), func(s string) bool { return strings.HasSuffix(s, " Deployment") }) {
		t.Errorf("the types of Secrets and the keys in them are unknown, not %v", unknown)
	}

	outputs := []outcome{live}
	for _, format := range []string{"text", "json", "sarif", "markdown", "html", "junit", "openreports"} {
		from := ullage(t, "check", "--from", file, "--profile", "all", "-o", format)
		outputs = append(outputs, from)
		if format == "json" && from.stdout != live.stdout {
			t.Errorf("--from differs:\n%s", firstDifference(from.stdout, live.stdout))
		}
	}
	if !strings.Contains(outputs[1].stdout, "Deployment/odd/web in cluster dev") {
		t.Error("the text names no object of the cluster")
	}
	outputs = append(outputs, outcome{stdout: plainFile(t, file)})
	for i, o := range outputs {
		if strings.Contains(o.stdout+o.stderr, canary) || strings.Contains(o.stdout+o.stderr, "YzRuNHJ5") { // base64 of its start
			t.Errorf("output %d holds a secret", i)
		}
	}
	if !strings.Contains(outputs[len(outputs)-1].stdout, "[redacted]") {
		t.Error("the saved file holds nothing redacted: the test shows nothing")
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the saved file: %v %v", info, err)
	}
}

func plainFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return "-" + x[i] + "\n+" + y[i]
		}
	}
	return fmt.Sprintf("%d and %d lines", len(x), len(y))
}

// forbidden takes the right to one resource away after the other.
func (c *realCluster) forbidden() {
	full := ullage(c.t, "cluster", "rbac", "--name", "x").stdout
	for _, resource := range []string{"secrets", "pods", "namespaces", "networkpolicies", "replicasets", "rolebindings"} {
		c.t.Run(resource, func(t *testing.T) {
			c := &realCluster{t, c.server}
			name := "no-" + resource
			role := strings.NewReplacer("name: x", "name: "+name, ", "+resource+"]", "]", ", "+resource+",", ",").Replace(full)
			if strings.Contains(role, " "+resource+",") || strings.Contains(role, " "+resource+"]") {
				t.Fatalf("the role still holds %s", resource)
			}
			config := c.server.Kubeconfig(t, "dev", c.account(name, role), "")
			o := ullage(t, "check", "--cluster", "--kubeconfig", config, "--profile", "all", "-o", "json")
			r := readReport(t, o)
			if o.code != exitIncomplete || len(r.Problems) != 1 || !strings.HasPrefix(r.Problems[0].Reason, resource) || !strings.HasSuffix(r.Problems[0].Reason, "may not be listed") {
				t.Errorf("exit code %d, problems %s", o.code, r.problems())
			}
			unknown := 0
			for _, u := range r.Unknowns {
				if strings.Contains(u.Reason, resource) {
					unknown++
				}
			}
			if unknown == 0 && resource != "replicasets" && resource != "namespaces" { // whose absence only makes owners unknown
				t.Errorf("nothing is unknown for want of %s", resource)
			}
			if len(r.Findings) == 0 {
				t.Error("no findings")
			}
		})
	}
}

// oneNamespace reads with rights in one namespace alone.
func (c *realCluster) oneNamespace() {
	t := c.t
	c.create(`{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "developer", "namespace": "odd"}, "subjects": [{"kind": "ServiceAccount",
		"name": "developer", "namespace": "default"}], "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"}}`)
	token := c.account("developer", `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: developer}, rules: [{apiGroups: [""], resources: [nodes], verbs: [list]}]}`)
	config := c.server.Kubeconfig(t, "dev", token, "")
	o := ullage(t, "check", "--cluster", "--kubeconfig", config, "-o", "json", "-n", "odd")
	r := readReport(t, o)
	found := false
	for _, f := range r.Findings {
		found = found || f.Rule == "privileged-container" && f.Object.Name == "web"
	}
	if o.code != exitIncomplete || !found || !strings.Contains(r.problems(), "may not be listed outside of namespace odd") {
		t.Errorf("exit code %d, privileged container found: %t, problems %s", o.code, found, r.problems())
	}
	c.create(`{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "watcher", "namespace": "odd"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}`)
	c.create(`{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "watcher", "namespace": "odd"}, "subjects": [{"kind": "ServiceAccount",
		"name": "watcher", "namespace": "odd"}], "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "watcher"}}`)
	for _, ask := range []struct {
		command string
		code    int
		want    string
	}{
		{"access can sa:odd/watcher get secrets -n odd", exitClean, "by RoleBinding watcher"},
		{"access can sa:odd/watcher get nodes", exitIncomplete, "clusterrolebindings.rbac.authorization.k8s.io may not be listed"},
		{"access list sa:odd/watcher", exitClean, "RoleBinding watcher"},
		{"access dangers -n odd", exitFindings, "sa:odd/watcher"},
		{"secrets -n odd", exitIncomplete, "odd/s"},
		{"storage -n odd", exitIncomplete, ""},
	} {
		o := ullage(t, append(strings.Fields(ask.command), "--cluster", "--kubeconfig", config)...)
		if o.code != ask.code || !strings.Contains(strings.Join(strings.Fields(o.stdout), " "), ask.want) || !strings.Contains(strings.Join(strings.Fields(o.stderr), " "), "may not be listed outside of namespace odd") {
			t.Errorf("%s: exit code %d\n%s%s", ask.command, o.code, o.stdout, o.stderr)
		}
	}
}

// unavailable registers APIs that nobody serves.
func (c *realCluster) unavailable() {
	t := c.t
	for _, group := range []string{"projectcalico.org", "metrics.k8s.io"} {
		c.create(`{"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v3.` + group + `"}, "spec": {"group": "` + group + `", "version": "v3",
			"groupPriorityMinimum": 100, "versionPriority": 100, "insecureSkipTLSVerify": true, "service": {"namespace": "odd", "name": "none"}}}`)
	}
	token := c.server.Admin.BearerToken
	config := c.server.Kubeconfig(t, "dev", token, "")
	c.eventually("the groups are known to be unavailable", func() bool {
		r := readReport(t, ullage(t, "check", "--cluster", "--kubeconfig", config, "-o", "json"))
		unknown := false // there may be policies of Calico's
		for _, u := range r.Unknowns {
			unknown = unknown || strings.Contains(u.Reason, "what the API group projectcalico.org holds could not be read")
		}
		return len(r.Problems) == 1 && strings.Contains(r.Problems[0].Reason, "API group projectcalico.org") && unknown
	})
}

// incompleteSecrets holds the rule secret-incomplete against what the API server takes.
func (c *realCluster) incompleteSecrets() {
	for i, with := range []struct{ kind, annotation, entries string }{
		{"kubernetes.io/tls", "", `"tls.crt": "a"`}, {"kubernetes.io/tls", "", `"tls.key": "a"`}, {"kubernetes.io/tls", "", `"tls.crt": "", "tls.key": ""`},
		{"kubernetes.io/dockerconfigjson", "", `"config.json": "{}"`}, {"kubernetes.io/dockerconfigjson", "", `".dockerconfigjson": "{}"`},
		{"kubernetes.io/dockercfg", "", ""}, {"kubernetes.io/dockercfg", "", `".dockercfg": "{}"`},
		{"kubernetes.io/ssh-auth", "", `"key": "a"`}, {"kubernetes.io/ssh-auth", "", `"ssh-privatekey": ""`}, {"kubernetes.io/ssh-auth", "", `"ssh-privatekey": "a"`},
		{"kubernetes.io/basic-auth", "", `"user": "a"`}, {"kubernetes.io/basic-auth", "", `"username": ""`}, {"kubernetes.io/basic-auth", "", `"password": ""`},
		{"kubernetes.io/service-account-token", "", `"token": "a"`}, {"kubernetes.io/service-account-token", `"kubernetes.io/service-account.name": "default"`, ""},
		{"bootstrap.kubernetes.io/token", "", ""}, {"example.com/own", "", ""}, {"", "", ""},
	} {
		secret := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "typed-%d", "namespace": "odd", "annotations": {%s}}, "type": %q, "stringData": {%s}}`, i, with.annotation, with.kind, with.entries)
		code, answer := c.send(http.MethodPost, c.collection(secret), secret)
		file := filepath.Join(c.t.TempDir(), "secret.json")
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			c.t.Fatal(err)
		}
		found := 0
		for _, f := range readReport(c.t, ullage(c.t, "check", "--rule", "secret-incomplete", "-o", "json", file)).Findings {
			if f.Rule == "secret-incomplete" {
				found++
			}
		}
		if (code == http.StatusUnprocessableEntity) != (found == 1) || found > 1 || code >= 300 && code != http.StatusUnprocessableEntity {
			c.t.Errorf("%s: %d findings, and the API server says %d %s", secret, found, code, answer)
		}
	}
}
