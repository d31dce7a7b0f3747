package attack

import (
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// baseline reports whether a pod meets the level baseline of the Pod Security
// Standards in the version of a Kubernetes minor. What baseline refuses,
// restricted refuses too.
func baseline(metadata, spec *tree.Node, minor int) bool {
	p := standard{spec: spec, annotations: metadata.Get("annotations"), minor: minor}
	return p.pod() && p.eachContainer(p.container)
}

// standard evaluates one pod.
type standard struct {
	spec, annotations *tree.Node
	minor             int
}

func (p standard) eachContainer(holds func(*tree.Node) bool) bool {
	for _, key := range model.ContainerLists {
		list := p.spec.Get(key)
		for i := range list.Children() {
			if !holds(list.At(i)) {
				return false
			}
		}
	}
	return true
}

func (p standard) pod() bool {
	for _, key := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		if p.spec.Get(key).True() {
			return false
		}
	}
	volumes := p.spec.Get("volumes")
	for i := range volumes.Children() {
		if volumes.At(i).Get("hostPath").Is(tree.Map) {
			return false
		}
	}
	context := p.spec.Get("securityContext")
	sysctls := context.Get("sysctls")
	for i := range sysctls.Children() {
		since, known := safeSysctls[sysctls.At(i).Get("name").Str()]
		if !known || p.minor < since {
			return false
		}
	}
	return p.shared(context) && p.podAnnotations()
}

// safeSysctls are the sysctls that baseline allows, and since which version.
var safeSysctls = map[string]int{
	"kernel.shm_rmid_forced": 0, "net.ipv4.ip_local_port_range": 0, "net.ipv4.tcp_syncookies": 0, "net.ipv4.ping_group_range": 0,
	"net.ipv4.ip_unprivileged_port_start": 0, "net.ipv4.ip_local_reserved_ports": 27, "net.ipv4.tcp_keepalive_time": 29,
	"net.ipv4.tcp_fin_timeout": 29, "net.ipv4.tcp_keepalive_intvl": 29, "net.ipv4.tcp_keepalive_probes": 29, "net.ipv4.tcp_rmem": 32,
	"net.ipv4.tcp_wmem": 32, "net.ipv4.tcp_slow_start_after_idle": 37, "net.ipv4.tcp_notsent_lowat": 37,
}

// shared holds what the security contexts of pods and containers have in common.
func (p standard) shared(context *tree.Node) bool {
	if context.Get("windowsOptions").Get("hostProcess").True() {
		return false
	}
	if n := context.Get("appArmorProfile"); n.Is(tree.Map) && !profile(n) {
		return false
	}
	if n := context.Get("seccompProfile"); p.minor >= 19 && n.Is(tree.Map) && !profile(n) {
		return false
	}
	options := context.Get("seLinuxOptions")
	types := []string{"", "container_t", "container_init_t", "container_kvm_t"}
	if p.minor >= 31 {
		types = append(types, "container_engine_t")
	}
	return slices.Contains(types, options.Get("type").Str()) && options.Get("user").Str() == "" && options.Get("role").Str() == ""
}

func profile(n *tree.Node) bool {
	t := n.Get("type").Str()
	return t == "RuntimeDefault" || t == "Localhost"
}

// podAnnotations holds the profiles that were annotations once.
func (p standard) podAnnotations() bool {
	for i := range p.annotations.Children() {
		n := &p.annotations.Children()[i]
		value := n.Str()
		switch {
		case strings.HasPrefix(n.Key(), "container.apparmor.security.beta.kubernetes.io/"):
			if value != "" && value != "runtime/default" && !strings.HasPrefix(value, "localhost/") {
				return false
			}
		case p.minor < 19 && n.Key() == "seccomp.security.alpha.kubernetes.io/pod":
			if !oldSeccomp(value) {
				return false
			}
		}
	}
	return true
}

func oldSeccomp(value string) bool {
	return value == "runtime/default" || value == "docker/default" || strings.HasPrefix(value, "localhost/")
}

var baselineCapabilities = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

func (p standard) container(c *tree.Node) bool {
	context := c.Get("securityContext")
	if context.Get("privileged").True() || !p.shared(context) {
		return false
	}
	add := context.Get("capabilities").Get("add")
	for i := range add.Children() {
		if !slices.Contains(baselineCapabilities, add.At(i).Str()) {
			return false
		}
	}
	ports := c.Get("ports")
	for i := range ports.Children() {
		// What completes a pod on the host network repeats the container's port here,
		// and such a pod is refused in any case.
		if port, _ := ports.At(i).Get("hostPort").Int(); port != 0 {
			return false
		}
	}
	if mount := context.Get("procMount").Str(); mount != "" && mount != "Default" && (p.minor < 35 || !p.spec.Get("hostUsers").False()) {
		return false
	}
	if p.minor < 19 {
		if n := p.annotations.Get("container.seccomp.security.alpha.kubernetes.io/" + c.Get("name").Str()); n != nil && !oldSeccomp(n.Str()) {
			return false
		}
	}
	return p.minor < 34 || hostless(c)
}

// hostless reports whether no probe or handler names a host.
func hostless(c *tree.Node) bool {
	lifecycle := c.Get("lifecycle")
	for _, n := range []*tree.Node{c.Get("livenessProbe"), c.Get("readinessProbe"), c.Get("startupProbe"), lifecycle.Get("postStart"), lifecycle.Get("preStop")} {
		if n.Get("httpGet").Get("host").Str() != "" || n.Get("tcpSocket").Get("host").Str() != "" {
			return false
		}
	}
	return true
}

// enforced returns the Pod Security level that the labels of a namespace enforce,
// with its version, and the label; no label is the level privileged.
func enforced(namespace *tree.Node, latest int) (restricts bool, minor int, label *tree.Node) {
	labels := namespace.Dig("metadata", "labels")
	label = labels.Get("pod-security.kubernetes.io/enforce")
	minor = latest
	if v, ok := strings.CutPrefix(labels.Get("pod-security.kubernetes.io/enforce-version").Str(), "v1."); ok {
		if n, err := strconv.Atoi(v); err == nil && n >= 0 && strconv.Itoa(n) == v { // else the latest one, as the API server has it
			minor = min(n, latest)
		}
	}
	return label != nil && label.Str() != "privileged", minor, label // the API server takes a level that it does not know for restricted
}
