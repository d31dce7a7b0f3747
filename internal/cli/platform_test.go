package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func liveNode(name, kubelet, kernel, system string) string {
	return `{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "` + name + `"}, "status": {"nodeInfo": {"kubeletVersion": "` + kubelet +
		`", "containerRuntimeVersion": "containerd://1.7.0", "kernelVersion": "` + kernel + `", "osImage": "` + system + `", "operatingSystem": "linux"}}}`
}

// TestPlatform holds a saved cluster against real records of Go and made ones of
// Kubernetes.
func TestPlatform(t *testing.T) {
	saved := savedCluster(t, "v1.27.1", nil,
		liveNode("a", "v1.27.1", "6.1.82", "Flatcar Container Linux"), liveNode("b", "v1.27.1-eks-1a2b3c", "5.15.0-105-generic", "Ubuntu 22.04.4 LTS"),
		`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dns", "namespace": "kube-system"}, "spec": {"containers": [{"name": "dns", "image": "registry.k8s.io/coredns/coredns:v1.10.0"}]}}`)
	db := t.TempDir()
	if o := ullage(t, "platform", "--from", saved, "--db", db); o.code != exitIncomplete || !strings.Contains(o.stderr, "there is no database of advisories") {
		t.Errorf("without a database: exit code %d: %s", o.code, o.stderr)
	}
	m := realRecords(t)
	if o := ullage(t, "db", "update", "--db", db, "--mirror", m.URL, "--feed", "osv/Go", "--feed", "kubernetes"); o.code != exitIncomplete { // one item is no CVE
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	o := ullage(t, "platform", "--from", saved, "--db", db, "--component", "runc=1.1.11", "-o", "json")
	if o.code != exitClean {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	var doc platformJSON
	if err := json.Unmarshal([]byte(o.stdout), &doc); err != nil {
		t.Fatal(err)
	}
	has := func(name, version, id, fixed string) {
		t.Helper()
		for _, c := range doc.Components {
			if c.Name == name && c.Version == version && slices.ContainsFunc(c.Found, func(f componentVulnJSON) bool { return f.ID == id && f.Fixed == fixed }) {
				return
			}
		}
		t.Errorf("%s %s has no %s fixed in %s:\n%s", name, version, id, fixed, o.stdout)
	}
	has("kubelet", "v1.27.1", "CVE-2026-4001", "1.32.11")
	has("kubelet", "v1.27.1-eks-1a2b3c", "CVE-2026-4001", "1.32.11")
	has("containerd", "1.7.0", "GHSA-7ww5-4wqc-m92c", "1.7.11")
	has("runc", "1.1.11", "CVE-2024-21626", "1.1.12")
	for _, c := range doc.Components {
		switch {
		case c.Name == "kernel" && c.Version == "6.1.82" && (c.Found != nil || c.Unknown == ""):
			t.Errorf("the kernel of a system without a feed is known: %+v", c)
		case c.Name == "kernel" && c.System == "Ubuntu 22.04.4 LTS" && (c.Found != nil || !slices.Equal(c.NoData, []string{"Ubuntu:22.04:LTS"})):
			t.Errorf("without data on Ubuntu its kernel is known: %+v", c)
		case slices.ContainsFunc(c.Found, func(f componentVulnJSON) bool { return f.ID == "CVE-2023-2431" }):
			t.Errorf("%s has what only the whole of Kubernetes is said to have", c.Name)
		case c.Name == "kubelet" && !slices.ContainsFunc(c.Undecided, func(u componentOpenJSON) bool { return u.ID == "CVE-2023-2431" }):
			t.Errorf("it is not undecided: %+v", c)
		case c.Name == "kube-apiserver" && slices.ContainsFunc(c.Found, func(f componentVulnJSON) bool { return f.ID == "CVE-2026-4001" }):
			t.Errorf("a flaw of kubelet is the API server's: %+v", c)
		}
	}
	text := ullage(t, "platform", "--from", saved, "--db", db)
	for _, want := range []string{
		"kubelet v1.27.1\n  node a\n", "a vendor's build (-eks-1a2b3c)", "Not known", "no data on Ubuntu:22.04:LTS",
		"runc: no cluster says which version its nodes have", "undecided: 14 (CVE-2023-2431", "fixed in 1.32.11", "--verbose lists them",
	} {
		if !strings.Contains(text.stdout, want) {
			t.Errorf("no %q in\n%s", want, text.stdout)
		}
	}
	for _, args := range [][]string{
		{}, {"path"}, {"--component", "kubelet"}, {"--component", "x=1"}, {"--component", "kubelet=latest"}, {"--from", saved, "--cluster"}, {"--from", saved, "-o", "xml"}, {"--save", "x", "--component", "runc=1.0.0"},
	} {
		if o := ullage(t, append([]string{"platform", "--db", db}, args...)...); o.code != exitUsage || o.stdout != "" {
			t.Errorf("%q: exit code %d: %s", args, o.code, o.stderr)
		}
	}
}

// TestPlatformWithoutItsFeed has records on Kubernetes as a whole only: which
// component has them is not known.
func TestPlatformWithoutItsFeed(t *testing.T) {
	m, db := realRecords(t), t.TempDir()
	if o := ullage(t, "db", "update", "--db", db, "--mirror", m.URL, "--feed", "osv/Go"); o.code != exitClean {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	o := ullage(t, "platform", "--db", db, "--component", "kubelet=v1.27.1", "--component", "kube-apiserver=v1.27.1", "--component", "runc=1.1.11")
	for _, want := range []string{"missing           the kubernetes feed", "in 1 of 3 components", "undecided: 1"} {
		if o.code != exitClean || !strings.Contains(o.stdout, want) {
			t.Errorf("exit code %d, no %q in\n%s", o.code, want, o.stdout)
		}
	}
	if o := ullage(t, "platform", "--db", db, "--component", "kernel=6.1.0-21-amd64"); o.code != exitUsage || !strings.Contains(o.stderr, "--cluster or --from is needed") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}
