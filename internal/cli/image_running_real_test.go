//go:build integration

package cli

import (
	"net/http"
	"testing"

	"ullage.dev/ullage/test/apiserver"
)

// TestRunningInRealCluster asks a real API server what runs, with the rights of the
// printed role.
func TestRunningInRealCluster(t *testing.T) {
	c := &realCluster{t, apiserver.Start(t)}
	b := newLifeBench(t)
	ref := b.registry + "/web:1"
	b.advise("CVE-2026-0001", "1:1.2.13.dfsg-2", "")
	b.update()
	b.push("web:1", "")
	b.run(exitClean, "image", ref)
	old := b.registry + "/web@" + b.manifestOf(ref)
	c.create(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}`)
	c.create(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}`)
	patch := func(path, body string) {
		t.Helper()
		if code, text := c.send(http.MethodPut, path+"/status", body); code >= 300 {
			t.Fatalf("%d %s", code, text)
		}
	}
	patch("/api/v1/nodes/a", amd64Node)
	c.create(runningPod("web", ref, old))
	says := func(imageID string) {
		t.Helper()
		patch("/api/v1/namespaces/shop/pods/web", runningPod("web", ref, imageID))
	}
	says(old)
	config := c.server.Kubeconfig(t, "dev", c.account("reader", ullage(t, "cluster", "rbac", "--name", "reader").stdout), "")
	look := func() string {
		t.Helper()
		return unwrapped(b.run(exitClean, "image", "running", "--cluster", "--kubeconfig", config))
	}
	contains(t, look(), "running images with vulnerabilities: 1 of 1; 1 critical", "in Pod shop/web (web)")
	b.push("web:1", "1:1.2.13.dfsg-3")
	b.run(exitClean, "image", ref)
	contains(t, look(), "mended and not rolled out", "without CVE-2026-0001")
	says(b.registry + "/web@" + b.manifestOf(ref))
	contains(t, look(), "Gone from running workloads", "none found")
}
