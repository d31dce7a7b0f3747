package attack

import (
	"path"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/storage"
	"ullage.dev/ullage/internal/tree"
)

// escapes adds the ways from a container to its node.
//
// In a user namespace root is nobody on the node, so capabilities and privileged
// mode give nothing there. Files of host paths keep their owners, because volumes
// are mounted with mapped ids: what is mounted can be read and written as root.
func (b *builder) escapes(i int32, w *workload, c int32) {
	k := &b.Graph.containers[c]
	if n := hostProcess(w, k); n != nil {
		b.wayOut(i, c, w.Object)(HostProcess, asWindowsUser(w, k), n)
	}
	b.capabilityEscapes(w, k, b.wayOut(i, c, w.Object))
	if k.asOther() && !k.groups && !w.groups { // root's files and sockets stay closed
		return
	}
	for j := k.uses.first; j < k.uses.last; j++ {
		switch u := &b.uses[j]; u.kind {
		case useHost:
			b.hostPath(w, c, u, w.Object, b.wayOut(i, c, w.Object))
		case useClaim:
			volume := b.volume(w.namespace, u.hash, u.name, nil)
			mounts := func(p *storage.Persistent) {
				host := *u
				host.node = p.NodePath()
				host.name = host.node.Str()
				b.hostPath(w, c, &host, p.Object, b.wayOut(i, c, p.Object))
			}
			if p := b.nodeVolume(w, volume); p != nil {
				mounts(p)
			}
			b.fittingVolumes(volume, mounts)
		}
	}
}

// asOther reports whether a container runs as another user than root, and without
// privilege.
func (k *container) asOther() bool { return k.root == no && k.privileged == nil }

// hostProcess returns the field by which a container is processes of its Windows
// node, or nil.
func hostProcess(w *workload, k *container) *tree.Node {
	if n := k.windows.Get("hostProcess"); n != nil {
		return whenTrue(n)
	}
	return whenTrue(w.windows.Get("hostProcess"))
}

// asWindowsUser says how certain it is that the processes are an administrator's.
// The accounts for services come to be one by the tokens that they may take.
func asWindowsUser(w *workload, k *container) Certainty {
	user := k.windows.Get("runAsUserName")
	if user == nil {
		user = w.windows.Get("runAsUserName")
	}
	if user == nil || strings.EqualFold(path.Base(strings.ReplaceAll(user.Str(), `\`, "/")), "system") {
		return Certain
	}
	return Likely
}

// wayOut returns what adds ways from a container to its node, which fields of an
// object give.
func (b *builder) wayOut(i, c int32, o *model.Object) func(EdgeKind, Certainty, *tree.Node) {
	return func(kind EdgeKind, certainty Certainty, n *tree.Node) {
		if kind >= EscapeMount && kind <= EscapeCorePattern { // in a user namespace root is nobody here
			switch b.Graph.workloads[i].userns {
			case yes:
				return
			case perhaps:
				certainty = Unknown
			}
		}
		if b.Graph.workloads[i].sandbox != "" && (kind == EscapeSocket || kind >= EscapeMount && kind <= EscapeCorePattern) {
			certainty = Unknown
		}
		root, files := b.nodesOf(i)
		to := root
		if kind == EscapeFileHandle || kind == EscapeLogSymlink || kind == EscapeHostRead {
			to = files
		}
		b.because(b.containerVertex(c), to, kind, certainty, o, n)
	}
}

func (b *builder) capabilityEscapes(w *workload, k *container, add func(EdgeKind, Certainty, *tree.Node)) {
	if k.privileged != nil {
		add(EscapeMount, byRoot(k, Certain), k.privileged)
		if w.hostPID != nil {
			add(EscapeNsenter, byRoot(k, Certain), k.privileged)
		}
		return
	}
	if k.capabilities == nil || k.root == no { // added capabilities are not effective for other users
		return
	}
	if n := k.has("SYS_MODULE"); n != nil {
		add(EscapeModule, Likely, n)
	}
	if n := k.has("DAC_READ_SEARCH"); n != nil {
		add(EscapeFileHandle, Likely, n)
	}
	if n := k.has("SYS_ADMIN"); n != nil {
		add(EscapeCgroup, Likely, n)
	}
	if n := k.has("SYS_PTRACE"); n != nil && w.hostPID != nil {
		add(EscapePtrace, tracing(w, k), n)
	}
}

// tracing says how certain it is that a container in the node's process namespace
// with SYS_PTRACE takes over its processes. The access mode checks of ptrace(2)
// ask for nothing but that capability in the user namespace of the target, and
// /proc/1/root needs them for reading only. A security module may refuse then:
// AppArmor's default profile allows tracing within itself alone, and whether nodes
// load it, the input does not say.
func tracing(w *workload, k *container) Certainty {
	profile := k.node.Dig("securityContext", "appArmorProfile", "type")
	if profile == nil {
		profile = w.Pod.Metadata.Get("annotations").Get("container.apparmor.security.beta.kubernetes.io/" + k.name)
	}
	if profile == nil {
		profile = w.Pod.Spec.Dig("securityContext", "appArmorProfile", "type")
	}
	if strings.EqualFold(profile.Str(), "unconfined") {
		return byRoot(k, Certain)
	}
	return Unknown
}

// byRoot returns how certain a step is that only root takes. Another user in a
// privileged container needs a program that gives root.
func byRoot(k *container, c Certainty) Certainty {
	if k.root == no {
		return Unknown
	}
	if k.root == yes || k.privileged != nil && k.root == perhaps {
		return c
	}
	return max(c, Likely)
}

// controlPlaneDirs hold the keys or the state of the cluster.
var controlPlaneDirs = []string{"/var/lib/etcd", "/etc/kubernetes/pki", "/etc/kubernetes"}

// hostPath adds what a mounted path of the node leads to, which an object says.
func (b *builder) hostPath(w *workload, c int32, m *use, o *model.Object, add func(EdgeKind, Certainty, *tree.Node)) {
	k, host := &b.Graph.containers[c], m.node
	at := path.Join(m.name, m.subPath)
	var done [edgeKinds]bool
	once := func(kind EdgeKind, certainty Certainty) {
		if !done[kind] {
			done[kind] = true
			add(kind, certainty, host)
		}
	}
	sure := byRoot(k, Certain)
	if m.device {
		sure = Unknown // the disk may hold nothing of the node's
	}
	for _, e := range storage.HostPath(at) {
		if e.Device && k.privileged == nil && !m.device {
			continue
		}
		if k.asOther() { // what is left is what the group of a socket may
			if e.Socket && e.WriteTakes {
				once(EscapeSocket, Unknown)
			}
			continue
		}
		sure := sure
		if e.Needs != "" {
			sure = max(sure, Likely)
		}
		// A read-only mount does not make what is mounted below it read-only.
		writable := !m.readOnly || !m.recursive && path.Clean(at) == "/" && strings.HasPrefix(e.Path, "/proc")
		switch {
		case e.Path == "/proc/sys/kernel" || e.Path == "/proc":
			if writable && e.WriteTakes {
				once(EscapeCorePattern, max(sure, Likely))
			}
		case e.Socket && e.WriteTakes:
			once(EscapeSocket, sure)
		case e.Path == "/var/log":
			if !m.readOnly {
				if n := b.readsLogs(w); n {
					once(EscapeLogSymlink, sure)
				}
			}
		default:
			if e.WriteTakes && !m.readOnly {
				once(EscapeHostWrite, sure)
			}
			if e.ReadTakes {
				once(EscapeHostRead, sure)
			}
		}
		for _, dir := range controlPlaneDirs {
			if e.Path == dir && e.ReadTakes {
				b.controlPlanePath(w, c, o, host)
			}
		}
	}
}

// controlPlanePath leads to cluster-admin where the pod runs on a node of the
// control plane.
func (b *builder) controlPlanePath(w *workload, c int32, o *model.Object, host *tree.Node) {
	certainty := Unknown
	for _, n := range b.placements[w.placed.first:w.placed.last] {
		if b.nodes[n].control == yes {
			certainty = Certain
		}
	}
	if certainty == Unknown && (w.placed.first < w.placed.last || w.onControl == no) {
		return
	}
	if w.onControl == yes {
		certainty = Certain
	}
	b.because(b.containerVertex(c), b.admin, ControlPlanePath, certainty, o, host)
}

// readsLogs reports whether the service account of a pod, whose token it has, may
// read logs through the kubelet.
func (b *builder) readsLogs(w *workload) bool {
	if !w.mounts {
		return false
	}
	const logs = 1<<access.ReadLogs | 1<<access.ReadNodeLogs | 1<<access.NodeProxy
	held := b.access.Rights(b.accounts[w.account])
	return held.In(w.Object.Key.Namespace)&logs != 0
}
