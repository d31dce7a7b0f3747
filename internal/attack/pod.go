package attack

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// workload is what the graph knows of a pod template.
type workload struct {
	model.Workload
	namespace   int32
	account     int32
	accountHash uint64 // of its name
	uid         uint64 // hash of the object's
	targets     span   // in Graph.targets: ports that Services lead to and no container declares
	first, last int32  // its containers
	token       *tree.Node
	mounts      bool     // the token of its account
	placed      span     // in placements
	base        ID       // its vertices: see workloadVertex
	root, files ID       // NodesOf and FilesOf, or none
	endpoint    reach.ID // of the network, or none
	sharedPIDs  *tree.Node
	hostPID     *tree.Node
	userns      answer // hostUsers is false
	hostNetwork *tree.Node
	everyNode   bool       // a DaemonSet that no selector keeps from nodes
	onControl   answer     // its pods run on nodes of the control plane
	pinned      *tree.Node // nodeName of its pods
	tolerates   *tree.Node
	volumes     *tree.Node
	templates   *tree.Node // volumeClaimTemplates
	pull        *tree.Node
	windows     *tree.Node // windowsOptions
	groups      bool       // users are in groups of its choice: that of a socket may be one
	asleep      *tree.Node // what keeps it from having pods, or nil
	refused     *refusedPods
	class       *tree.Node // runtimeClassName
	sandbox     string     // the handler of its class, where that runs pods in a sandbox
}

// asleepBy returns the field by which a workload has no pods until somebody or
// something changes it, or nil.
func asleepBy(o *model.Object) *tree.Node {
	spec := o.Root.Get("spec")
	switch o.Key.Kind {
	case "CronJob", "Job":
		if n := spec.Get("suspend"); n.True() {
			return n
		}
	case "Deployment", "StatefulSet", "ReplicaSet", "ReplicationController":
		n := spec.Get("replicas")
		if count, ok := n.Int(); ok && count == 0 {
			return n
		}
	}
	return nil
}

// sleeps reports whether a workload has no pods for now.
func (w *workload) sleeps() bool {
	return (w.asleep != nil || w.refused != nil) && w.placed.first == w.placed.last
}

// doubtSleepers makes what hangs on pods that do not run unknown: whether they
// ever do is not in the input.
func (b *builder) doubtSleepers() {
	if !b.sleepers {
		return
	}
	for i := range b.made {
		if e := &b.made[i]; e.certainty != Given && (b.sleeper(e.from) != nil || b.sleeper(e.to) != nil) {
			e.certainty = Unknown
		}
	}
}

// sleeper returns the workload of a vertex of pods that do not run, or nil.
func (g *Graph) sleeper(id ID) *workload {
	switch v := g.vertices[id]; v.kind {
	case Container, PodData, OpenPort:
		if w := &g.workloads[v.at]; w.sleeps() {
			return w
		}
	}
	return nil
}

// The vertices of a workload follow each other.
const (
	anyContainerAt = iota
	podDataAt
	positionAt
	workloadVertices
)

// container is a container that runs: an init container only as a sidecar.
type container struct {
	name         string
	node         *tree.Node
	workload     int32
	privileged   *tree.Node
	capabilities *tree.Node // those added
	windows      *tree.Node // windowsOptions
	groups       bool       // its user is in a group of its choice
	root         answer     // its user is root
	user         *tree.Node // runAsUser; of the pod where the container says nothing
	mounts       *tree.Node
	hidesToken   bool       // it mounts something at the path of the token
	devices      *tree.Node // raw block volumes
	env, envFrom *tree.Node
	ports        *tree.Node
	declared     span // its ports, in Graph.listens
	listens      span // all on which it may listen, in Graph.listens
	uses         span // in Graph.uses
	serves       serving
	open         []openPort
}

// answer is yes, no, or that it depends on what is not in the snapshot.
type answer uint8

const (
	no answer = iota
	perhaps
	yes
)

// podReader reads pod specs. Each child of a map is looked at once.
type podReader struct {
	*builder
	account    *tree.Node
	automount  *tree.Node
	user       *tree.Node
	nonRoot    *tree.Node
	lists      [3]*tree.Node
	selector   bool
	hides      bool // a mount hides the token
	tolerates  *tree.Node
	nodeLabels *tree.Node
}

func (r *podReader) read(w *workload, spec *tree.Node) {
	*r = podReader{builder: r.builder}
	kids := spec.Children()
	for i := range kids {
		kid := &kids[i]
		switch kid.Key() {
		case "containers":
			r.lists[0] = kid
		case "initContainers":
			r.lists[1] = kid
		case "ephemeralContainers":
			r.lists[2] = kid
		case "serviceAccountName":
			if kid.Str() != "" {
				r.account = kid
			}
		case "serviceAccount":
			if r.account == nil && kid.Str() != "" {
				r.account = kid
			}
		case "automountServiceAccountToken":
			r.automount = kid
		case "securityContext":
			r.podSecurity(w, kid)
		case "hostPID":
			w.hostPID = whenTrue(kid)
		case "hostNetwork":
			w.hostNetwork = whenTrue(kid)
		case "hostUsers":
			w.userns = r.userNamespace(kid)
		case "shareProcessNamespace":
			w.sharedPIDs = whenTrue(kid)
		case "volumes":
			w.volumes = kid
		case "imagePullSecrets":
			w.pull = kid
		case "nodeSelector":
			r.nodeLabels = kid
			r.selector = r.selector || kid.Len() > 0
		case "affinity":
			r.selector = r.selector || kid.Get("nodeAffinity") != nil
		case "tolerations":
			r.tolerates, w.tolerates = kid, kid
		case "nodeName":
			w.pinned = kid
		case "runtimeClassName":
			w.class = kid
		}
	}
	r.containers(w)
	for c := w.first; c < w.last; c++ {
		r.collect(w, &r.Graph.containers[c])
		k := &r.Graph.containers[c]
		if w.last-w.first > 1 {
			k.serves = servingOf(k)
		}
		k.open = openPorts(k)
	}
	r.placement(w)
}

// podSecurity reads the security context of a pod.
func (r *podReader) podSecurity(w *workload, context *tree.Node) {
	for i := range context.Children() {
		switch f := &context.Children()[i]; f.Key() {
		case "runAsUser":
			r.user = f
		case "runAsNonRoot":
			r.nonRoot = f
		case "windowsOptions":
			w.windows = f
		case "fsGroup", "runAsGroup":
			w.groups = true
		case "supplementalGroups":
			w.groups = w.groups || f.Len() > 0
		}
	}
}

// userNamespaces is the minor version since which hostUsers needs no feature gate.
const userNamespaces = 33

// userNamespace says whether the field hostUsers gives pods a user namespace of
// their own.
func (b *builder) userNamespace(hostUsers *tree.Node) answer {
	switch {
	case !hostUsers.False():
		return no
	case b.options.KubernetesMinor < userNamespaces:
		return perhaps
	}
	return yes
}

func whenTrue(n *tree.Node) *tree.Node {
	if n.True() {
		return n
	}
	return nil
}

func (r *podReader) containers(w *workload) {
	w.first = int32(len(r.Graph.containers))
	for k, list := range r.lists {
		for i := range list.Children() {
			n := list.At(i)
			if k == 1 && n.Get("restartPolicy").Str() != "Always" {
				continue
			}
			r.Graph.containers = append(r.Graph.containers, container{node: n, workload: int32(len(r.Graph.workloads))})
			r.container(&r.Graph.containers[len(r.Graph.containers)-1])
		}
	}
	w.last = int32(len(r.Graph.containers))
}

func (r *podReader) container(c *container) {
	user, nonRoot := r.user, r.nonRoot
	kids := c.node.Children()
	for i := range kids {
		kid := &kids[i]
		switch kid.Key() {
		case "name":
			c.name = kid.Str()
		case "volumeMounts":
			c.mounts = kid
		case "volumeDevices":
			c.devices = kid
		case "env":
			c.env = kid
		case "envFrom":
			c.envFrom = kid
		case "ports":
			c.ports = kid
			r.listen(c)
		case "securityContext":
			for j := range kid.Children() {
				switch f := &kid.Children()[j]; f.Key() {
				case "privileged":
					c.privileged = whenTrue(f)
				case "capabilities":
					c.capabilities = f.Get("add")
				case "runAsUser":
					user = f
				case "runAsNonRoot":
					nonRoot = f
				case "runAsGroup":
					c.groups = true
				case "windowsOptions":
					c.windows = f
				}
			}
		}
	}
	c.user = user
	uid, known := user.Int()
	switch {
	case known && uid == 0:
		c.root = yes
	case known, nonRoot.True():
		c.root = no
	default:
		c.root = perhaps // the image says
	}
}

// listen reads the ports that a container declares.
func (r *podReader) listen(c *container) {
	c.declared.first = int32(len(r.listens))
	for i := range c.ports.Children() {
		port := reach.Port{}
		kids := c.ports.At(i).Children()
		for j := range kids {
			switch kid := &kids[j]; kid.Key() {
			case "containerPort":
				if n, ok := kid.Int(); ok && n > 0 && n <= 65535 {
					port.Number = uint16(n)
				}
			case "protocol":
				port.Protocol, _ = reach.ParseProtocol(kid.Str())
			}
		}
		if port.Number > 0 {
			r.Graph.listens = append(r.Graph.listens, port)
		}
	}
	c.declared.last = int32(len(r.listens))
	c.listens = c.declared
}

// has returns the entry that adds a capability, or nil.
func (c *container) has(capability string) *tree.Node {
	for i := range c.capabilities.Children() {
		n := c.capabilities.At(i)
		if name := model.Capability(n.Str()); name == capability || name == "ALL" {
			return n
		}
	}
	return nil
}

const (
	controlPlaneLabel = "node-role.kubernetes.io/control-plane"
	masterLabel       = "node-role.kubernetes.io/master"
)

// placement decides on which nodes the pods may run.
func (r *podReader) placement(w *workload) {
	w.everyNode = w.Object.Key.Kind == "DaemonSet" && !r.selector
	if r.nodeLabels.Get(controlPlaneLabel) != nil || r.nodeLabels.Get(masterLabel) != nil {
		w.onControl = yes
		return
	}
	if r.selector {
		return
	}
	for i := range r.tolerates.Children() {
		t := r.tolerates.At(i)
		key, effect := t.Get("key").Str(), t.Get("effect").Str()
		if (key == controlPlaneLabel || key == masterLabel || key == "" && t.Get("operator").Str() == "Exists") && (effect == "" || effect == "NoSchedule") {
			w.onControl = perhaps
		}
	}
}
