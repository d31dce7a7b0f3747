package attack

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// podEdges adds what containers and pods lead to.
func (b *builder) podEdges() {
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		b.token(w)
		all, data, position := b.workloadVertex(int32(i), anyContainerAt), b.workloadVertex(int32(i), podDataAt), b.workloadVertex(int32(i), positionAt)
		b.edge(data, position, Member, Given, none)
		for c := w.first; c < w.last; c++ {
			from := b.containerVertex(c)
			b.edge(all, from, Member, Given, none)
			b.edge(from, position, Member, Given, none)
			b.escapes(int32(i), w, c)
			b.used(int32(i), w, c)
		}
		b.sharedProcesses(w)
		b.siblings(w)
		b.podIdentity(w, data)
	}
}

// token decides whether pods get the token of their service account by default.
func (b *builder) token(w *workload) {
	if w.token != nil {
		w.mounts = !w.token.False()
		return
	}
	if o := b.annotated[w.account]; o != nil {
		w.mounts = !o.Root.Get("automountServiceAccountToken").False()
		return
	}
	w.mounts = true
}

// tokenPath is where the token of the service account is mounted. Into a container that
// mounts something there it is not.
const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// podIdentity leads from what the node holds of a pod, and from its containers,
// to the identities and secrets of the pod.
func (b *builder) podIdentity(w *workload, data ID) {
	account := b.accountAt(w.account)
	if w.mounts {
		at := w.token
		if at == nil {
			at = w.Pod.Spec
		}
		some := false
		for c := w.first; c < w.last; c++ {
			if !b.Graph.containers[c].hidesToken {
				some = true
				b.because(b.containerVertex(c), account, TokenMount, Certain, w.Object, at)
			}
		}
		if some || w.first == w.last {
			b.because(data, account, TokenMount, Certain, w.Object, at)
		}
	}
	for i := range w.pull.Children() {
		if name := w.pull.At(i).Get("name"); name.Str() != "" {
			b.because(data, b.secretVertex[b.secret(w.namespace, name.Hash(), name.Str(), nil)], SecretMount, Certain, w.Object, name)
		}
	}
	b.podCloud(w, data)
}

// used adds edges for what a container mounts and has in its environment, and for
// its pod's data.
func (b *builder) used(i int32, w *workload, c int32) {
	from, data := b.containerVertex(c), b.workloadVertex(i, podDataAt)
	k := &b.Graph.containers[c]
	for j := k.uses.first; j < k.uses.last; j++ {
		switch u := &b.uses[j]; u.kind {
		case useSecret:
			b.consumes(w, from, data, u)
		case useToken:
			account := b.accountAt(w.account)
			b.because(from, account, TokenMount, Certain, w.Object, u.node)
			b.because(data, account, TokenMount, Certain, w.Object, u.node)
		case useClaim:
			b.mountsVolume(w, from, data, b.volume(w.namespace, u.hash, u.name, nil), u)
		}
	}
}

func (b *builder) mountsVolume(w *workload, from, data ID, volume int32, u *use) {
	b.because(from, b.volumeVertex[volume], VolumeMount, Certain, w.Object, u.node)
	b.because(data, b.volumeVertex[volume], VolumeMount, Certain, w.Object, u.node)
	b.mounters = append(b.mounters, mounter{volume, from, w.Object, u.node, !u.readOnly})
}

// mounter is a container that mounts a claim.
type mounter struct {
	volume    int32
	container ID
	object    *model.Object
	mount     *tree.Node
	writes    bool
}

// volumeEdges leads from who writes a volume to the containers of other
// workloads that read it.
func (b *builder) volumeEdges() {
	by := make([][]mounter, len(b.Graph.volumes))
	for _, m := range b.mounters {
		by[m.volume] = append(by[m.volume], m)
	}
	for volume, all := range by {
		other := false
		writes := false
		for _, m := range all {
			other = other || m.object != all[0].object
			writes = writes || m.writes
		}
		if !other || !writes {
			continue
		}
		shared := b.vertex(SharedVolume, int32(volume), 0)
		for _, m := range all {
			if m.writes {
				b.because(m.container, shared, VolumeMount, Certain, m.object, m.mount)
			}
			b.because(shared, m.container, VolumeTaint, NeedsExploit, m.object, m.mount)
		}
	}
}

// consumes adds a secret that a container has.
func (b *builder) consumes(w *workload, from, data ID, u *use) {
	secret := b.secretVertex[b.secret(w.namespace, u.hash, u.name, nil)]
	b.because(from, secret, SecretMount, Certain, w.Object, u.node)
	b.because(data, secret, SecretMount, Certain, w.Object, u.node)
}

// sharedProcesses leads between the containers of a pod that see each other's
// processes, over a vertex for all of them, which root reaches, or for those of one
// user.
func (b *builder) sharedProcesses(w *workload) {
	if w.sharedPIDs == nil || w.last-w.first < 2 {
		return
	}
	at := b.Graph.containers[w.first].workload
	all := ID(none)
	of := map[int64]ID{} // users other than root
	for c := w.first; c < w.last; c++ {
		k := &b.Graph.containers[c]
		uid, known := k.user.Int()
		switch {
		case k.root != no:
			if all == none {
				all = b.vertex(Processes, at, 0)
			}
			certainty := Certain
			if k.root == perhaps {
				certainty = Likely
			}
			b.because(b.containerVertex(c), all, SharedProcesses, certainty, w.Object, w.sharedPIDs)
		case known:
			if _, ok := of[uid]; !ok {
				of[uid] = b.vertex(Processes, at, 0)
			}
			b.because(b.containerVertex(c), of[uid], SharedProcesses, Certain, w.Object, w.sharedPIDs)
			b.edge(of[uid], b.containerVertex(c), Member, Given, none)
		}
	}
	for c := w.first; c < w.last && all != none; c++ {
		b.edge(all, b.containerVertex(c), Member, Given, none)
	}
}

// invalidToken is the label of a token that nobody used for so long that the
// control plane accepts it no more.
const invalidToken = "kubernetes.io/legacy-token-invalid-since"

// secretEdges leads from long-lived tokens to their accounts.
func (b *builder) secretEdges() {
	for _, id := range b.tokens {
		o := b.Graph.secrets[id].object
		name := o.Root.Get("metadata").Get("annotations").Get("kubernetes.io/service-account.name")
		if name.Str() == "" || o.Labels().Get(invalidToken) != nil {
			continue
		}
		c := Certain
		if o.Root.Get("type").Is(tree.Unknown) {
			c = Likely
		}
		b.because(b.secretVertex[id], b.accountAt(b.account(b.Graph.secrets[id].namespace, name.Hash(), name.Str())), SecretToken, c, o, name)
	}
}
