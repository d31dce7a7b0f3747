package platform

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/vuln"
)

// images are the names of the images of components, by which pods of the system are
// known.
var images = map[string][]string{
	"kube-apiserver":          {"kube-apiserver"},
	"kube-controller-manager": {"kube-controller-manager"},
	"kube-scheduler":          {"kube-scheduler"},
	"kube-proxy":              {"kube-proxy"},
	"etcd":                    {"etcd"},
	"coredns":                 {"coredns"},
	"calico":                  {"calico/node", "calico/cni", "calico/kube-controllers", "calico/typha"},
	"cilium":                  {"cilium/cilium", "cilium/operator", "cilium/operator-generic"},
	"flannel":                 {"flannel/flannel", "flannelcni/flannel", "coreos/flannel"},
	"kube-router":             {"cloudnativelabs/kube-router"},
	"antrea":                  {"antrea/antrea-agent-ubuntu", "antrea/antrea-controller-ubuntu", "antrea/antrea-ubuntu"},
}

// modules are the names under which sources know components: Go modules. Where one
// has its major version in its name from 2 on, each name stands for its own versions.
var modules = map[string][]string{
	"containerd":  {"github.com/containerd/containerd", "github.com/containerd/containerd/v2"},
	"cri-o":       {"github.com/cri-o/cri-o"},
	"docker":      {"github.com/docker/docker", "github.com/moby/moby"},
	"runc":        {"github.com/opencontainers/runc"},
	"etcd":        {"go.etcd.io/etcd", "go.etcd.io/etcd/v3", "go.etcd.io/etcd/server/v3"},
	"coredns":     {"github.com/coredns/coredns"},
	"calico":      {"github.com/projectcalico/calico", "github.com/projectcalico/calico/v3"},
	"cilium":      {"github.com/cilium/cilium"},
	"flannel":     {"github.com/flannel-io/flannel"},
	"kube-router": {"github.com/cloudnativelabs/kube-router", "github.com/cloudnativelabs/kube-router/v2"},
	"antrea":      {"antrea.io/antrea"},
	"cni-plugins": {"github.com/containernetworking/plugins"},
}

var kubernetes = []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"}

// Names are the components that can be held against advisories by name and version,
// sorted.
func Names() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(modules)), kubernetes...)))
}

// versionPattern is a version of a project, and what a vendor made of it: in
// v1.29.3-eks-adc7111 and v1.30.4+k3s1 the projects are at v1.29.3 and v1.30.4.
var versionPattern = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)(-(?:alpha|beta|rc)\.?\d+)?(.*)$`)

// rebuild is the number of an image that was built again, as etcd's 3.5.12-0.
var rebuild = regexp.MustCompile(`^-\d$`)

// known makes a component that sources know by name and version.
func known(name, version string) *Component {
	c := &Component{Name: name, Version: version}
	parts := versionPattern.FindStringSubmatch(version)
	if parts == nil {
		c.Unknown = fmt.Sprintf("%q is no version of it", version)
		return c
	}
	if c.Vendor = parts[3]; rebuild.MatchString(c.Vendor) {
		c.Vendor = ""
	}
	upstream := "v" + parts[1] + parts[2]
	switch {
	case slices.Contains(kubernetes, name):
		c.low = []vuln.Package{{Ecosystem: "Kubernetes", Name: name, Version: upstream, Owner: -1}}
	case modules[name] != nil:
		for _, module := range modules[name] {
			if !ofMajor(module, parts[1]) {
				if isLater(module, parts[1]) {
					c.later = append(c.later, module)
				}
				continue
			}
			c.low = append(c.low, vuln.Package{Ecosystem: "Go", Name: module, Version: upstream, Owner: -1})
		}
	default:
		c.Unknown = "no feed has advisories on it"
	}
	c.high = c.low
	return c
}

// ofMajor says whether a module may be one for a version: one without a major version in
// its name is for any, but see [oldName].
func ofMajor(module, version string) bool {
	major, _, _ := strings.Cut(version, ".")
	if base, n, ok := strings.Cut(module, "/v"); ok && strings.Trim(n, "0123456789") == "" {
		return base != "" && n == major
	}
	return true
}

// isLater says whether a module is one of a later major version, by its name.
func isLater(module, version string) bool {
	major, _, _ := strings.Cut(version, ".")
	_, n, named := strings.Cut(module, "/v")
	return named && vuln.SemVer.Compare(n, major) > 0
}

// separate are the modules whose name without a major version is that of the versions
// before these have names of their own: what sources say of all versions of it does not
// hold for newer ones.
var separate = map[string]bool{"github.com/containerd/containerd": true, "github.com/cloudnativelabs/kube-router": true}

// kernelOf makes the component of a kernel, which is of the distribution of the
// node: only that knows what is mended in it.
func kernelOf(kernel, system, os string) *Component {
	c := &Component{Name: "kernel", Version: kernel, System: system}
	var ecosystem, name, low, high string
	ok := false
	if os == "" || os == "linux" {
		for _, d := range distributions {
			if m := d.system.FindStringSubmatch(system); m != nil {
				c.release = vuln.Release{ID: d.id, Version: m[1]}
				if n := rpmRelease.FindStringSubmatch(kernel); n != nil && strings.Contains(system, "CoreOS") {
					c.release.Version = n[1] // CoreOS has numbers of its own
				}
				ecosystem = d.ecosystem
				name, low, high, ok = d.kernel(kernel, m[1])
				break
			}
		}
	}
	switch {
	case ecosystem == "":
		c.Unknown = fmt.Sprintf("no feed has advisories on the kernels of %q", system)
	case !ok:
		c.Unknown = fmt.Sprintf("%q is no kernel of %s", kernel, ecosystem)
	default:
		of := func(version string) []vuln.Package {
			return []vuln.Package{{Ecosystem: ecosystem, Name: name, Version: version, Owner: -1}}
		}
		c.low, c.high = of(low), of(high)
	}
	return c
}

// distribution is one whose kernels are known by what nodes say.
type distribution struct {
	id, ecosystem string
	system        *regexp.Regexp // of osImage, with the release
	// kernel returns the package of a kernel and the lowest and the highest version
	// that its name can stand for.
	kernel func(kernel, release string) (name, low, high string, ok bool)
}

var distributions = []distribution{
	{"ubuntu", "Ubuntu", regexp.MustCompile(`^Ubuntu (?:Core )?(\d\d\.\d\d)`), ubuntuKernel},
	{"debian", "Debian", regexp.MustCompile(`^Debian GNU/Linux (\d+)`), debianKernel},
	{"rhel", "Red Hat", regexp.MustCompile(`^Red Hat Enterprise Linux (?:CoreOS )?(\d+\.\d+)`), rpmKernel},
	{"rocky", "Rocky Linux", regexp.MustCompile(`^Rocky Linux (\d+\.\d+)`), rpmKernel},
	{"almalinux", "AlmaLinux", regexp.MustCompile(`^AlmaLinux (\d+\.\d+)`), rpmKernel},
	{"alpine", "Alpine", regexp.MustCompile(`^Alpine Linux v?(\d+\.\d+)`), alpineKernel},
}

// ubuntuSeries are the kernels with which releases came. Others in a release are
// built from source packages named after their series, as linux-hwe-6.5.
var ubuntuSeries = map[string]string{"14.04": "3.13", "16.04": "4.4", "18.04": "4.15", "20.04": "5.4", "22.04": "5.15", "24.04": "6.8"}

var ubuntuName = regexp.MustCompile(`^((\d+\.\d+)\.\d+-\d+)-([a-z]+)`)

// ubuntuFlavors are the source packages of flavours that are not generic, after
// linux-.
var ubuntuFlavors = map[string]string{"generic": "", "lowlatency": "lowlatency", "aws": "aws", "azure": "azure", "gcp": "gcp", "gke": "gke", "gkeop": "gkeop", "ibm": "ibm", "kvm": "kvm", "oracle": "oracle", "raspi": "raspi"}

// ubuntuKernel reads 5.15.0-105-generic. How often that build was uploaded, the last
// number of the version 5.15.0-105.115, it does not tell.
func ubuntuKernel(kernel, release string) (name, low, high string, ok bool) {
	m := ubuntuName.FindStringSubmatch(kernel)
	if m == nil {
		return "", "", "", false
	}
	flavor, known := ubuntuFlavors[m[3]]
	base := ubuntuSeries[release]
	if !known || base == "" {
		return "", "", "", false
	}
	name = "linux"
	switch newer := m[2] != base; {
	case newer && flavor == "":
		name = "linux-hwe-" + m[2]
	case newer:
		name = "linux-" + flavor + "-" + m[2]
	case flavor != "":
		name = "linux-" + flavor
	}
	return name, m[1] + ".0", m[1] + ".99999", true
}

var (
	debianNew = regexp.MustCompile(`^(\d+\.\d+\.\d+)\+deb\d+`)
	debianOld = regexp.MustCompile(`^(\d+\.\d+)\.0-\d+-`)
)

// debianKernel reads 6.12.38+deb13-amd64, or 6.1.0-21-amd64 of releases before 13,
// where the name tells no more than the series.
func debianKernel(kernel, _ string) (name, low, high string, ok bool) {
	if m := debianNew.FindStringSubmatch(kernel); m != nil {
		return "linux", m[1] + "-0", m[1] + "-99999", true
	}
	if m := debianOld.FindStringSubmatch(kernel); m != nil {
		return "linux", m[1] + ".0-0", m[1] + ".99999-0", true
	}
	return "", "", "", false
}

var rpmRelease = regexp.MustCompile(`\.el(\d+)`)

var rpmName = regexp.MustCompile(`^(\d+\.\d+\.\d+-.+\.el\d+[^.]*)\.[a-z0-9_]+$`)

// rpmKernel reads 5.14.0-427.13.1.el9_4.x86_64.
func rpmKernel(kernel, _ string) (name, low, high string, ok bool) {
	m := rpmName.FindStringSubmatch(kernel)
	if m == nil {
		return "", "", "", false
	}
	return "kernel", m[1], m[1], true
}

var alpineName = regexp.MustCompile(`^(\d+\.\d+\.\d+)-(\d+)-([a-z]+)$`)

// alpineKernel reads 6.6.30-0-lts.
func alpineKernel(kernel, _ string) (name, low, high string, ok bool) {
	m := alpineName.FindStringSubmatch(kernel)
	if m == nil {
		return "", "", "", false
	}
	version := m[1] + "-r" + m[2]
	return "linux-" + m[3], version, version, true
}
