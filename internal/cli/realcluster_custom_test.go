//go:build integration

package cli

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"ullage.dev/ullage/test/apiserver"
)

// define makes a CustomResourceDefinition that takes any object, with the versions
// given; the first is stored.
func (c *realCluster) define(group, kind, plural, conversion string, versions ...string) {
	c.t.Helper()
	var all []string
	for i, version := range versions {
		all = append(all, fmt.Sprintf(`{"name": %q, "served": true, "storage": %t, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}`, version, i == 0))
	}
	c.create(fmt.Sprintf(`{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "%[2]s.%[1]s"}, "spec": {"group": %[1]q, "scope": "Namespaced",
		"names": {"plural": %[2]q, "kind": %[3]q}, "versions": [%[4]s]%[5]s}}`, group, plural, kind, strings.Join(all, ", "), conversion))
}

// TestRealClusterCustom reads custom resources of a real API server: network policies
// of Cilium, as files say them, also while their definition is being deleted; and
// objects that the server cannot convert.
func TestRealClusterCustom(t *testing.T) {
	c := &realCluster{t, apiserver.Start(t)}
	config := c.server.Kubeconfig(t, "dev", "none", c.gate().URL) // which refuses nothing
	c.define("cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies", "", "v2")
	objects := []string{`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}`, `{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}}`}
	for _, name := range []string{"web", "other", "db"} {
		objects = append(objects, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": %[1]q, "namespace": "shop", "labels": {"app": %[1]q}},
			"spec": {"containers": [{"name": "c", "image": "registry.example/%[1]s:1", "ports": [{"containerPort": 5432}]}]}}`, name))
	}
	policy := `{"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "db", "namespace": "shop", "finalizers": ["example.com/keep"]}, "spec": {"endpointSelector": {"matchLabels": {"app": "db"}},
		"ingress": [{"fromEndpoints": [{"matchLabels": {"app": "web"}}], "toPorts": [{"ports": [{"port": "5432", "protocol": "TCP"}]}]}]}}`
	files := map[string]string{"policy.yaml": policy}
	for i, object := range objects {
		files[fmt.Sprintf("%d.yaml", i)] = object
		c.eventually("the objects are made", func() bool {
			code, _ := c.send(http.MethodPost, c.collection(object), object)
			return code < 300 || code == http.StatusConflict
		})
	}
	c.eventually("the policy can be made", func() bool {
		code, _ := c.send(http.MethodPost, c.collection(policy), policy)
		return code < 300
	})
	dir := write(t, files)
	asks := map[string]int{"shop/web shop/db:5432": exitClean, "shop/other shop/db:5432": exitFindings, "shop/web shop/db:80": exitFindings, "shop/db shop/web:5432": exitClean}
	agree := func(when string) {
		for ask, want := range asks {
			live := ullage(t, append(strings.Fields("net can "+ask), "--cluster", "--kubeconfig", config)...)
			said := ullage(t, append(strings.Fields("net can "+ask), "--closed-world", "-f", dir)...)
			if live.code != want || said.code != want {
				t.Errorf("%s: %s: %d in the cluster, %d of files, want %d\n%s%s", when, ask, live.code, said.code, want, live.stdout, live.stderr)
			}
		}
	}
	agree("at first")

	const definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ciliumnetworkpolicies.cilium.io"
	c.send(http.MethodDelete, definition, "")
	c.eventually("the definition is being deleted", func() bool {
		_, text := c.send(http.MethodGet, definition, "")
		return strings.Contains(text, `"type":"Terminating","status":"True"`) || strings.Contains(text, `"InstanceDeletionInProgress"`)
	})
	agree("while the definition is being deleted")

	c.unconverted(config)
}

// unconverted reads a cluster with a definition whose conversion webhook is down: what
// it cannot convert is told, and the rest is judged.
func (c *realCluster) unconverted(config string) {
	t := c.t
	c.define("argoproj.io", "Rollout", "rollouts", `, "conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/convert"}}}`, "v1alpha1", "v1")
	rollout := `{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "r", "namespace": "shop"}, "spec": {}}`
	c.eventually("the custom resource can be created", func() bool {
		code, _ := c.send(http.MethodPost, c.collection(rollout), rollout)
		return code < 300
	})
	file := filepath.Join(t.TempDir(), "saved.gz")
	o := ullage(t, "check", "--cluster", "--kubeconfig", config, "--profile", "all", "-o", "json", "--save", file)
	r := readReport(t, o)
	if o.code != exitIncomplete || len(r.Problems) != 1 || !strings.HasPrefix(r.Problems[0].Reason, "rollouts.argoproj.io") {
		t.Errorf("exit code %d, problems %s\n%s", o.code, r.problems(), o.stderr)
	}
	if len(r.Findings) == 0 {
		t.Error("the rest is not judged")
	}
	if again := ullage(t, "check", "--from", file, "--profile", "all", "-o", "json"); again.code != exitIncomplete {
		t.Errorf("of what was saved: exit code %d\n%s", again.code, again.stderr)
	}
}
