package platform

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/internal/vuln"
)

func cluster(t *testing.T, objects ...string) *model.Snapshot {
	t.Helper()
	var list []*model.Object
	for _, text := range objects {
		root, err := tree.FromJSON([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		o, err := model.NewLiveObject(root, model.Live{Cluster: "dev", Interner: tree.NewInterner()})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, o)
	}
	return model.NewSnapshot(list, true)
}

func node(name, kubelet, runtime, kernel, system string) string {
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": %q}, "status": {"nodeInfo":
		{"kubeletVersion": %q, "containerRuntimeVersion": %q, "kernelVersion": %q, "osImage": %q, "operatingSystem": "linux", "kubeProxyVersion": "v9.9.9"}}}`, name, kubelet, runtime, kernel, system)
}

func pod(namespace, name string, images ...string) string {
	var containers []string
	for i, image := range images {
		containers = append(containers, fmt.Sprintf(`{"name": "c%d", "image": %q}`, i, image))
	}
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": %q, "namespace": %q}, "spec": {"containers": [%s]}}`, name, namespace, strings.Join(containers, ","))
}

// told is a component in a line: what a test compares.
func told(c *Component) string {
	line := c.Name + " " + c.Version
	for i, p := range c.low {
		line += fmt.Sprintf(" %s/%s@%s", p.Ecosystem, p.Name, p.Version)
		if high := c.high[i]; high != p {
			line += ".." + high.Version
		}
	}
	if c.release.ID != "" {
		line += " of " + c.release.ID + " " + c.release.Version
	}
	if c.Vendor != "" {
		line += " vendor " + c.Vendor
	}
	if c.Unknown != "" {
		line += " unknown: " + c.Unknown
	}
	if len(c.Where) > 0 {
		line += " (" + strings.Join(c.Where, ", ") + ")"
	}
	return line
}

func TestComponents(t *testing.T) {
	s := cluster(t,
		node("a", "v1.34.1", "containerd://1.7.13", "5.15.0-105-generic", "Ubuntu 22.04.4 LTS"),
		node("b", "v1.34.1", "containerd://2.1.0", "6.5.0-35-generic", "Ubuntu 22.04.4 LTS"),
		node("c", "v1.29.3-eks-adc7111", "cri-o://1.29.2", "5.10.215-203.850.amzn2.x86_64", "Amazon Linux 2"),
		pod("kube-system", "kube-apiserver-a", "registry.k8s.io/kube-apiserver:v1.34.1"),
		pod("kube-system", "etcd-a", "registry.k8s.io/etcd:3.5.12-0@sha256:0000000000000000000000000000000000000000000000000000000000000000"),
		pod("kube-system", "proxy", "gke.gcr.io/kube-proxy-amd64:v1.30.5-gke.1014001"),
		pod("kube-system", "dns", "registry.k8s.io/coredns/coredns:latest", "registry.example:5000/coredns"),
		pod("calico-system", "calico-node", "docker.io/calico/node:v3.27.0", "docker.io/other/node:v1.0.0"),
		pod("shop", "etcd", "registry.example/etcd:2.0.0"), // anybody's
	)
	list := Components(s, "v1.34.1")
	var got []string
	for i := range list {
		got = append(got, told(&list[i]))
	}
	want := []string{
		"calico v3.27.0 Go/github.com/projectcalico/calico@v3.27.0 Go/github.com/projectcalico/calico/v3@v3.27.0 (pod calico-system/calico-node)",
		"containerd 1.7.13 Go/github.com/containerd/containerd@v1.7.13 (node a)",
		"containerd 2.1.0 Go/github.com/containerd/containerd@v2.1.0 Go/github.com/containerd/containerd/v2@v2.1.0 (node b)",
		"cri-o 1.29.2 Go/github.com/cri-o/cri-o@v1.29.2 (node c)",
		"etcd 3.5.12-0 Go/go.etcd.io/etcd@v3.5.12 Go/go.etcd.io/etcd/v3@v3.5.12 Go/go.etcd.io/etcd/server/v3@v3.5.12 (pod kube-system/etcd-a)",
		`kernel 5.10.215-203.850.amzn2.x86_64 unknown: no feed has advisories on the kernels of "Amazon Linux 2" (node c)`,
		"kernel 5.15.0-105-generic Ubuntu/linux@5.15.0-105.0..5.15.0-105.99999 of ubuntu 22.04 (node a)",
		"kernel 6.5.0-35-generic Ubuntu/linux-hwe-6.5@6.5.0-35.0..6.5.0-35.99999 of ubuntu 22.04 (node b)",
		"kube-apiserver v1.34.1 Kubernetes/kube-apiserver@v1.34.1 (pod kube-system/kube-apiserver-a)",
		"kube-controller-manager  unknown: " + unseen,
		"kube-proxy v1.30.5-gke.1014001 Kubernetes/kube-proxy@v1.30.5 vendor -gke.1014001 (pod kube-system/proxy)",
		"kube-scheduler  unknown: " + unseen,
		"kubelet v1.29.3-eks-adc7111 Kubernetes/kubelet@v1.29.3 vendor -eks-adc7111 (node c)",
		"kubelet v1.34.1 Kubernetes/kubelet@v1.34.1 (node a, node b)",
		"runc  unknown: no cluster says which version its nodes have",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestKernels(t *testing.T) {
	for _, c := range []struct{ kernel, system, want string }{
		{"5.15.0-1060-aws", "Ubuntu 22.04.4 LTS", "Ubuntu/linux-aws@5.15.0-1060.0..5.15.0-1060.99999 of ubuntu 22.04"},
		{"6.8.0-1009-aws", "Ubuntu 22.04.4 LTS", "Ubuntu/linux-aws-6.8@6.8.0-1009.0..6.8.0-1009.99999 of ubuntu 22.04"},
		{"6.1.0-21-amd64", "Debian GNU/Linux 12 (bookworm)", "Debian/linux@6.1.0-0..6.1.99999-0 of debian 12"},
		{"6.12.38+deb13-amd64", "Debian GNU/Linux 13 (trixie)", "Debian/linux@6.12.38-0..6.12.38-99999 of debian 13"},
		{"5.14.0-427.13.1.el9_4.x86_64", "Red Hat Enterprise Linux 9.4 (Plow)", "Red Hat/kernel@5.14.0-427.13.1.el9_4 of rhel 9.4"},
		{"5.14.0-427.13.1.el9_4.x86_64", "Red Hat Enterprise Linux CoreOS 416.94.202405291527-0", "Red Hat/kernel@5.14.0-427.13.1.el9_4 of rhel 9"},
		{"4.18.0-513.24.1.el8_9.aarch64", "Rocky Linux 8.9 (Green Obsidian)", "Rocky Linux/kernel@4.18.0-513.24.1.el8_9 of rocky 8.9"},
		{"6.6.30-0-lts", "Alpine Linux v3.20", "Alpine/linux-lts@6.6.30-r0 of alpine 3.20"},
		{"5.15.0-105-custom", "Ubuntu 22.04.4 LTS", `of ubuntu 22.04 unknown: "5.15.0-105-custom" is no kernel of Ubuntu`},
		{"6.1.82", "Flatcar Container Linux by Kinvolk 3815.2.2", `unknown: no feed has advisories on the kernels of "Flatcar Container Linux by Kinvolk 3815.2.2"`},
		{"10.0.20348.2402", "Windows Server 2022 Datacenter", `unknown: no feed has advisories on the kernels of "Windows Server 2022 Datacenter"`},
	} {
		os := "linux"
		if strings.HasPrefix(c.system, "Windows") {
			os = "windows"
		}
		got := strings.TrimPrefix(told(kernelOf(c.kernel, c.system, os)), "kernel "+c.kernel+" ")
		if got != c.want {
			t.Errorf("%s on %s: %s, not %s", c.kernel, c.system, got, c.want)
		}
	}
}

// memory is a source that a test writes down.
type memory map[string][]vuln.Affected // by "scope name"

func (m memory) Covers(scope string) bool {
	for key := range m {
		if strings.HasPrefix(key, scope+" ") {
			return true
		}
	}
	return false
}

func (m memory) Affected(scope, name string, yield func(*vuln.Affected)) error {
	for _, a := range m[scope+" "+name] {
		yield(&a)
	}
	return nil
}

func (m memory) Record(id string) (vuln.Record, error) {
	if id == "GO-2026-1" {
		return vuln.Record{Names: []string{"CVE-2026-1"}, Aliases: []string{"CVE-2026-1"}}, nil
	}
	return vuln.Record{}, nil
}

func TestMatch(t *testing.T) {
	from := func(versions ...string) []vuln.Interval {
		var list []vuln.Interval
		for i := 0; i < len(versions); i += 2 {
			list = append(list, vuln.Interval{From: versions[i], To: versions[i+1]})
		}
		return list
	}
	source := memory{
		"Kubernetes kubelet": {
			{ID: "CVE-2026-1", Feed: "kubernetes", Intervals: from("1.34.0", "1.34.9")}, // Go has better ranges
			{ID: "CVE-2026-2", Feed: "kubernetes", Intervals: from("1.34.0", "1.34.2")},
			{ID: "CVE-2026-3", Feed: "kubernetes", Verdict: vuln.Undecided},
			{ID: "CVE-2026-4", Feed: "kubernetes", Verdict: vuln.NotAffected},
			{ID: "CVE-2026-5", Feed: "kubernetes", Verdict: vuln.Undecided},
		},
		"Go k8s.io/kubernetes": {
			{ID: "GO-2026-1", Feed: "osv/Go", Intervals: from("0", "1.33.5", "1.34.0", "1.34.3")},
			{ID: "CVE-2026-4", Feed: "osv/Go", Intervals: from("0", "1.34.9")}, // of another component
			{ID: "CVE-2026-5", Feed: "osv/Go", Intervals: from("0", "1.33.0")},
		},
		"Ubuntu:22.04:LTS linux": {
			{ID: "CVE-2026-11", Feed: "osv/Ubuntu", Intervals: from("0", "5.15.0-106.116")},
			{ID: "CVE-2026-12", Feed: "osv/Ubuntu", Intervals: from("0", "5.15.0-105.115")},
			{ID: "CVE-2026-13", Feed: "osv/Ubuntu", Intervals: from("0", "5.15.0-104.114")},
			{ID: "CVE-2026-14", Feed: "osv/Ubuntu", Intervals: []vuln.Interval{{}}},
			{ID: "CVE-2026-15", Feed: "osv/Ubuntu", Intervals: from("5.15.0-105.100", "")},
		},
		"Go github.com/containerd/containerd": {
			{ID: "CVE-2026-31", Feed: "osv/Go", Intervals: from("0", "1.6.38", "1.7.0", "1.7.27")},
			{ID: "CVE-2026-32", Feed: "osv/Go", Intervals: from("0", "")},
			{ID: "CVE-2026-33", Feed: "osv/Go", Intervals: from("0", "")},
			{ID: "CVE-2026-34", Feed: "osv/Go", Intervals: from("0", "1.8.1")},
			{ID: "CVE-2026-35", Feed: "osv/Go", Intervals: []vuln.Interval{{From: "0", To: "1.7.99", Last: true}, {From: "2.0.0", To: "2.0.3"}}},
		},
		"Go github.com/containerd/containerd/v2": {
			{ID: "CVE-2026-31", Feed: "osv/Go", Intervals: from("2.0.0", "2.0.4")},
			{ID: "CVE-2026-32", Feed: "osv/Go", Intervals: from("2.2.0", "2.2.5", "2.1.0", "2.1.9")}, // the nearest one
			{ID: "CVE-2026-33", Feed: "osv/Go", Intervals: from("2.0.0", "")},
		},
		"Go go.etcd.io/etcd/v3":        {{ID: "CVE-2026-21", Feed: "osv/Go", Intervals: from("0", "3.5.13")}},
		"Go go.etcd.io/etcd/server/v3": {{ID: "CVE-2026-21", Feed: "osv/Go", Intervals: from("0", "3.5.14")}},
	}
	s := cluster(t, node("a", "v1.34.1", "containerd://1.7.13", "5.15.0-105-generic", "Ubuntu 22.04.4 LTS"),
		pod("kube-system", "etcd-a", "registry.k8s.io/etcd:3.5.12-0"))
	judged, err := Match(Components(s, ""), source)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range judged {
		for _, m := range j.Matches {
			line := strings.TrimSpace(j.Name + " " + m.ID + " " + string(m.State) + " " + m.Fixed)
			if slices.Contains(m.Reasons(), m.Fixed+" is of a later branch; none is known of its own") {
				line += " later"
			}
			got = append(got, line)
		}
		for _, u := range j.Undecided {
			got = append(got, j.Name+" undecided "+u.ID+": "+u.Why)
		}
		for _, scope := range j.NoData {
			got = append(got, j.Name+" no data on "+scope)
		}
	}
	want := []string{
		"containerd CVE-2026-31 fixed 1.7.27", "containerd CVE-2026-32 fixed 2.1.9 later", "containerd CVE-2026-34 fixed 1.8.1 later", "containerd CVE-2026-35 fixed 2.0.3 later",
		"containerd CVE-2026-33 not fixed",
		"etcd CVE-2026-21 fixed 3.5.14",
		"kernel CVE-2026-11 fixed 5.15.0-106.116", "kernel CVE-2026-14 not fixed",
		`kernel undecided CVE-2026-12: "5.15.0-105-generic" can be a build before and after the fix in 5.15.0-105.115`,
		`kernel undecided CVE-2026-15: "5.15.0-105-generic" can be a build before it came in`,
		"kubelet CVE-2026-1 fixed 1.34.3", "kubelet CVE-2026-2 fixed 1.34.2",
		"kubelet undecided CVE-2026-3: kubernetes says in prose which versions are affected, and it was not understood",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// Advisories name versions of containerd from 2 on under its new name, its old one, or both.
func TestOldNameOfModule(t *testing.T) {
	source := memory{
		"Go github.com/containerd/containerd": {
			{ID: "CVE-2026-1", Feed: "osv/Go", Intervals: []vuln.Interval{{From: "0", To: "1.7.27"}, {From: "2.0.0-beta.0", To: "2.0.4"}}},
			{ID: "CVE-2026-2", Feed: "osv/Go", Intervals: []vuln.Interval{{From: "0", To: "2.0.5"}}},
			{ID: "CVE-2026-3", Feed: "osv/Go", Intervals: []vuln.Interval{{}}}, // of all that had the name
			{ID: "CVE-2026-4", Feed: "osv/Go", Versions: []string{"1.7.1", "2.0.1"}},
		},
		"Go github.com/containerd/containerd/v2": {{ID: "CVE-2026-5", Feed: "osv/Go", Intervals: []vuln.Interval{{}}}},
	}
	for version, want := range map[string]string{
		"2.0.1":      "CVE-2026-1 2.0.4, CVE-2026-2 2.0.5, CVE-2026-4 , CVE-2026-5 ",
		"2.0.0-rc.1": "CVE-2026-1 2.0.4, CVE-2026-2 2.0.5, CVE-2026-5 ",
		"2.1.0":      "CVE-2026-5 ",
		"1.7.1":      "CVE-2026-1 1.7.27, CVE-2026-2 2.0.5, CVE-2026-3 , CVE-2026-4 ",
	} {
		c, _ := ByHand("containerd", version)
		judged, err := Match([]Component{c}, source)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range judged[0].Matches {
			got = append(got, m.ID+" "+m.Fixed)
		}
		if slices.Sort(got); strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, not %q", version, got, want)
		}
	}
}

func TestByHand(t *testing.T) {
	for _, name := range Names() {
		if c, ok := ByHand(name, "v1.2.3"); !ok || c.Unknown != "" || len(c.low) == 0 && name != "etcd" {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if _, ok := ByHand("kernel", "6.1"); ok {
		t.Error("a kernel without a distribution can be matched")
	}
}
