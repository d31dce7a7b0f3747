package storage

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// Exposure is a sensitive place of a node, and what having it is worth.
type Exposure struct {
	Path string // of the node, with /run for /var/run
	// Read says what reading gives and Write what writing gives, as a clause; ""
	// when it gives nothing worth naming.
	Read, Write string
	// ReadTakes and WriteTakes say that it gives the node: to be root on it, or the
	// credentials of its kubelet, its runtime or the control plane.
	ReadTakes, WriteTakes bool
	// Needs says what has to happen on the node before it is had that way, as a
	// clause; "" when nothing has to.
	Needs string
	// Socket is a place of which a read-only mount can be written to all the same:
	// to connect is not to change the file system.
	Socket bool
	// Device is a place of devices. A mount does not let a container open them: its
	// device cgroup does, for privileged ones and for raw block volumes, save for
	// terminals and a few that hold nothing.
	Device bool
}

// place is an entry of the catalogue. What it says holds for what is below it
// too, unless alone is set, or below says what does.
type place struct {
	Exposure
	alone bool
	below *Exposure
}

const (
	tokens    = "the service account tokens and mounted Secrets of every pod of the node"
	processes = "root's programs, which it replaces"
	schedule  = "a job that root runs"
	login     = "root has to log in"
	layers    = "the files of every container of the node, which it changes"
)

// places is the catalogue. The rules host-path-sensitive, runtime-socket and
// persistent-volume-host-path know the same places.
var places = []place{
	{Exposure: Exposure{Path: "/", Read: "every file of the node: the kubelet's credentials, " + tokens, Write: "every file of the node, so root on it", ReadTakes: true, WriteTakes: true}, alone: true},
	reads("/boot", "the kernel's symbols and the boot configuration").writes("the kernel that the node boots next", true),
	reads("/dev", "the node's disks, and with them every file").takes().writes("the node's disks and memory", true).inside("", "a device of the node").devices(),
	reads("/dev/pts", "what is typed on the node's terminals").writes("the node's terminals", false),
	disk("/dev/disk"), disk("/dev/mapper"), disk("/dev/mem"), disk("/dev/kmem"),
	reads("/etc", "the node's configuration and password hashes").writes("accounts, services and jobs of the node, so root on it", true).
		inside("configuration of the node", "configuration that root's programs obey"),
	reads("/etc/passwd", "").writes("accounts of the node, root's included", true), reads("/etc/sudoers", "").writes("who may become root", true),
	reads("/etc/sudoers.d", "").writes("who may become root", true), reads("/etc/profile", "").writes("what root's shells run", true).needs(login), reads("/etc/profile.d", "").writes("what root's shells run", true).needs(login),
	reads("/etc/bash.bashrc", "").writes("what root's shells run", true).needs(login),
	reads("/etc/pam.d", "").writes("modules that root's programs load for each login and each job of cron", true),
	reads("/etc/rancher", "the admin kubeconfig of k3s and RKE2 servers, and the tokens by which nodes join").takes().writes("how the node's Kubernetes is started", true),
	reads("/etc/udev", "").writes("programs that root runs at a device's event", true), reads("/etc/udev/rules.d", "").writes("programs that root runs at a device's event", true),
	{Exposure: Exposure{Path: "/etc/cni", Read: "the network plugin's configuration and often its kubeconfig", Write: "the program that root runs for each pod", WriteTakes: true}},
	{Exposure: Exposure{Path: "/etc/kubernetes", Read: "the kubelet's and the control plane's credentials", Write: "static pods and credentials of the control plane", ReadTakes: true, WriteTakes: true}},
	{Exposure: Exposure{Path: "/etc/kubernetes/manifests", Read: "how the control plane is started", Write: "a static pod, privileged, that no admission refuses", WriteTakes: true}},
	{Exposure: Exposure{Path: "/etc/kubernetes/pki", Read: "the keys of the certificate authority: any identity of the cluster", Write: "the certificate authority", ReadTakes: true, WriteTakes: true}},
	reads("/etc/shadow", "the node's password hashes").writes("a password for root", true),
	reads("/etc/ssh", "the node's host keys").writes("who may log in to the node", true),
	reads("/etc/cron.d", "").writes(schedule, true), reads("/etc/cron.daily", "").writes(schedule, true),
	reads("/etc/cron.hourly", "").writes(schedule, true), reads("/etc/cron.weekly", "").writes(schedule, true),
	reads("/etc/cron.monthly", "").writes(schedule, true), reads("/etc/crontab", "").writes(schedule, true),
	reads("/etc/systemd", "").writes("a service that root runs", true), reads("/etc/ld.so.preload", "").writes("code in every program of the node", true),
	reads("/home", "SSH keys and cloud credentials of the node's users").writes("SSH keys by which to log in to the node, and what the shells of its users run", true).
		needs("one who may become root has to log in, or to be let in by SSH"),
	reads("/root", "SSH keys and credentials of root").takes().writes("SSH keys by which to log in as root, and what root's shells run", true).
		needs("root has to keep such keys there, to log in, or to be let in by SSH"),
	reads("/lib", "").writes(processes, true), reads("/lib32", "").writes(processes, true), reads("/lib64", "").writes(processes, true),
	reads("/lib/modules", "").writes("a kernel module that the node loads", true),
	reads("/bin", "").writes(processes, true), reads("/sbin", "").writes(processes, true), reads("/usr", "").writes(processes, true).inside("", "files that the node's programs use"),
	reads("/usr/bin", "").writes(processes, true), reads("/usr/sbin", "").writes(processes, true), reads("/usr/lib", "").writes(processes, true),
	reads("/usr/lib64", "").writes(processes, true), reads("/usr/libexec", "").writes(processes, true), reads("/usr/local/bin", "").writes(processes, true),
	reads("/usr/local/sbin", "").writes(processes, true),
	reads("/opt/cni", "").writes("the network plugin's programs, which root runs", true),
	reads("/opt/cni/bin", "").writes("the program that root runs for each pod", true),
	reads("/proc", "environment, memory maps and open files of every process of the node").writes("the kernel's settings, such as the program that runs at a crash", true),
	reads("/proc/sys/kernel", "the kernel's settings").writes("core_pattern: the program that the kernel runs as root at a crash", true),
	reads("/sys", "devices and settings of the node").writes("uevent_helper: the program that the kernel runs as root at an event", true).
		inside("devices and settings of the node", "settings of the node's devices"),
	reads("/sys/kernel", "settings and traces of the kernel").writes("uevent_helper: the program that the kernel runs as root at an event", true),
	reads("/sys/fs/cgroup", "which containers run").writes("limits of every container, and with cgroup v1 the program that runs as root at release", true),
	{Exposure: Exposure{Path: "/run/systemd", Read: "state of the node's services", Write: "a service that root runs, by systemd's sockets", WriteTakes: true, Socket: true}},
	{Exposure: Exposure{Path: "/run/dbus", Read: "messages of the node's services", Write: "orders to systemd over its bus", WriteTakes: true, Socket: true}},
	{Exposure: Exposure{Path: "/run/secrets", Read: "credentials that the node keeps", Write: "credentials that the node trusts"}},
	reads("/var/lib/calico", "the network plugin's state").writes("the network plugin's state", false),
	reads("/var/lib/cilium", "the network plugin's state").writes("the network plugin's state", false),
	reads("/var/lib/cloud", "user data of the instance, often with join tokens").writes("scripts that root runs at the next boot", true),
	reads("/var/lib/cni", "addresses of pods").writes("addresses of pods", false),
	reads("/var/lib/containerd", "the files of every container of the node").writes(layers, true),
	reads("/var/lib/containers", "the files of every container of the node").writes(layers, true),
	reads("/var/lib/docker", "the files of every container of the node").writes(layers, true),
	reads("/var/lib/docker/containers", "logs and configuration of every container, environment variables included").writes("the configuration that the runtime starts containers by", true),
	{Exposure: Exposure{Path: "/var/lib/etcd", Read: "the whole state of the cluster, every Secret included", Write: "the whole state of the cluster", ReadTakes: true, WriteTakes: true}},
	{Exposure: Exposure{Path: "/var/lib/kubelet", Read: "the kubelet's credentials and " + tokens, Write: "volumes of every pod and the kubelet's credentials", ReadTakes: true, WriteTakes: true},
		below: &Exposure{Read: "the kubelet's state", Write: "the kubelet's state, and sockets by which drivers and devices are registered"}},
	{Exposure: Exposure{Path: "/var/lib/kubelet/config.yaml", Read: "the kubelet's configuration", Write: "the kubelet's configuration, such as who may ask it", WriteTakes: true}},
	{Exposure: Exposure{Path: "/var/lib/kubelet/kubeconfig", Read: "the kubelet's credentials", Write: "to which API server the kubelet listens", ReadTakes: true, WriteTakes: true}},
	{Exposure: Exposure{Path: "/var/lib/kubelet/pki", Read: "the kubelet's client certificate: to be the node", Write: "the kubelet's certificates", ReadTakes: true, WriteTakes: true}},
	{Exposure: Exposure{Path: "/var/lib/kubelet/pods", Read: tokens, Write: "volumes of every pod of the node", ReadTakes: true, WriteTakes: true}},
	{Exposure: Exposure{Path: "/var/lib/k0s", Read: "the cluster's certificate authority and credentials", Write: "the node's Kubernetes", ReadTakes: true, WriteTakes: true}},
	{Exposure: Exposure{Path: "/var/lib/minikube", Read: "the cluster's certificate authority and credentials", Write: "the node's Kubernetes", ReadTakes: true, WriteTakes: true}},
	{Exposure: Exposure{Path: "/var/lib/rancher", Read: "the cluster's certificate authority, credentials and state", Write: "the node's Kubernetes", ReadTakes: true, WriteTakes: true}},
	reads("/var/log", "logs of the node and of every pod").writes("links that the kubelet follows as root when logs are asked for: any file of the node", false),
	reads("/var/spool/cron", "").writes(schedule, true),
	socket("/run/docker.sock"), socket("/run/dockershim.sock"), socket("/run/cri-dockerd.sock"), socket("/run/containerd/containerd.sock"),
	socket("/run/crio/crio.sock"), socket("/run/podman/podman.sock"), socket("/run/k3s/containerd/containerd.sock"), socket("/run/buildkit/buildkitd.sock"),
	{Exposure: Exposure{Path: "/run/docker", Read: "state of every container", Write: "state of every container", WriteTakes: true}, alone: true},
}

func reads(at, gain string) place { return place{Exposure: Exposure{Path: at, Read: gain}} }

func (p place) takes() place {
	p.ReadTakes = true
	return p
}

func (p place) writes(gain string, takes bool) place {
	p.Write, p.WriteTakes = gain, takes
	return p
}

func (p place) needs(what string) place {
	p.Needs = what
	return p
}

// inside says what holds below a place whose children are worth less.
func (p place) inside(read, write string) place {
	p.below = &Exposure{Read: read, Write: write}
	return p
}

func disk(at string) place {
	return reads(at, "the node's disks or memory, and with them every file").takes().writes("the node's disks or memory", true).devices()
}

// devices says that a place holds devices, and what is below it, too.
func (p place) devices() place {
	p.Device = true
	if p.below != nil {
		p.below.Device = true
	}
	return p
}

func socket(at string) place {
	const gain = "the container runtime: privileged containers on the node"
	return place{Exposure: Exposure{Path: at, Read: gain, Write: gain, ReadTakes: true, WriteTakes: true, Socket: true}, alone: true}
}

// runtimeSockets are names of sockets of container runtimes, wherever they are.
var runtimeSockets = map[string]bool{
	"docker.sock": true, "dockershim.sock": true, "cri-dockerd.sock": true, "containerd.sock": true, "crio.sock": true, "podman.sock": true,
	"frakti.sock": true, "rktlet.sock": true, "buildkitd.sock": true,
}

// harmless are what node agents read of sensitive places; Below also holds for
// what is in them.
var (
	harmless      = []string{"/etc/localtime", "/etc/timezone", "/etc/machine-id", "/etc/os-release", "/usr/lib/os-release", "/dev/null", "/dev/urandom", "/dev/shm"}
	harmlessBelow = []string{"/usr/share/zoneinfo", "/usr/share/ca-certificates", "/etc/ssl/certs", "/etc/pki/ca-trust",
		"/var/lib/rancher/k3s/storage"} // where k3s keeps the volumes that it makes
)

// HostPath returns what a path of the node exposes: the sensitive place that it
// is in, and all that are in it, those that give the node first. It is empty for
// paths of which nothing is known.
func HostPath(at string) []Exposure {
	at = nodePath(at)
	if slices.Contains(harmless, at) || slices.ContainsFunc(harmlessBelow, func(h string) bool { return within(at, h) }) {
		return nil
	}
	var found []Exposure
	var around *place
	for i := range places {
		switch p := &places[i]; {
		case p.Path == at, p.Path != at && within(p.Path, at):
			found = append(found, p.Exposure)
		case !p.alone && within(at, p.Path) && (around == nil || len(p.Path) > len(around.Path)):
			around = p
		}
	}
	exact := slices.ContainsFunc(found, func(e Exposure) bool { return e.Path == at })
	switch {
	case exact:
	case runtimeSockets[path.Base(at)]:
		found = append(found, socket(at).Exposure)
	case isDisk(at):
		found = append(found, disk(at).Exposure)
	case around != nil && around.below != nil:
		e := *around.below
		e.Path = at
		found = append(found, e)
	case around != nil:
		found = append(found, around.Exposure)
	}
	slices.SortFunc(found, func(a, b Exposure) int {
		return cmp.Or(-cmp.Compare(a.rank(), b.rank()), cmp.Compare(len(a.Path), len(b.Path)), strings.Compare(a.Path, b.Path))
	})
	return found
}

// isDisk reports the names that Linux gives to disks.
func isDisk(at string) bool {
	name, ok := strings.CutPrefix(at, "/dev/")
	return ok && slices.ContainsFunc([]string{"sd", "hd", "vd", "xvd", "nvme", "dm-", "md", "loop"}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

func (e Exposure) rank() int {
	rank := 0
	if e.WriteTakes {
		rank += 2
	}
	if e.ReadTakes {
		rank += 4
	}
	if e.Needs != "" {
		rank--
	}
	return rank
}

// nodePath writes a path in the catalogue's form: without repetitions, and with
// /run for /var/run, which is a link to it.
func nodePath(at string) string {
	at = path.Clean("/" + at)
	if rest, ok := strings.CutPrefix(at, "/var/run"); ok && (rest == "" || rest[0] == '/') {
		return "/run" + rest
	}
	return at
}

// exportOf writes what an nfs volume mounts, with its path without repetitions.
func exportOf(nfs *tree.Node) string {
	return nfs.Get("server").Str() + ":" + path.Clean("/"+nfs.Get("path").Str())
}

// within reports whether a path is another one or below it.
func within(at, dir string) bool {
	rest, ok := strings.CutPrefix(at, strings.TrimSuffix(dir, "/"))
	return ok && (rest == "" || rest[0] == '/')
}
