package behavior

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// KindPod is the kind of what a node recorded of a pod without knowing what made it.
const KindPod = "Pod"

// Pods knows whose the pods and addresses of a cluster are, as far as a snapshot
// says it. A node records pods; [Pods.Join] makes of that what workloads do, so
// that it joins with what was recorded of the pods before and after.
type Pods struct {
	snapshot  *model.Snapshot
	cluster   string
	byName    bool
	pods      map[[2]string]*model.Object // namespace and name
	addresses map[netip.Addr]holder
}

// holder is who has an address of the cluster.
type holder struct {
	peer  Peer // Workload or Name
	since Moment
}

// NewPods reads what a snapshot says of pods and Services. With byName, a pod that it
// does not hold is taken for one of the workload that would have given it its name:
// that is a guess, which [Joined] tells.
func NewPods(s *model.Snapshot, byName bool) *Pods {
	p := &Pods{snapshot: s, byName: byName, pods: map[[2]string]*model.Object{}, addresses: map[netip.Addr]holder{}}
	for _, o := range s.All() {
		p.cluster = o.Key.Cluster // of all
		break
	}
	for service := range s.Kind(model.ServiceKind) {
		for _, a := range model.ServiceAddresses(service) {
			p.addresses[normalAddress(a)] = holder{Peer{Name: service.Key.Name + "." + service.Key.Namespace + ".svc"}, created(service)}
		}
	}
	for pod := range s.Kind(model.PodKind) {
		p.pods[[2]string{pod.Key.Namespace, pod.Key.Name}] = pod
		switch pod.Root.Dig("status", "phase").Str() {
		case "Succeeded", "Failed": // another one may have its address
			continue
		}
		owner := s.Controller(pod).Key
		for _, a := range model.PodAddresses(pod) {
			subject := Subject{Namespace: owner.Namespace, Kind: owner.Kind, Name: owner.Name}
			p.addresses[normalAddress(a)] = holder{Peer{Workload: subject.Workload()}, created(pod)}
		}
	}
	return p
}

// created is when an object was made; 0 when it does not say it.
func created(o *model.Object) Moment {
	at, err := time.Parse(time.RFC3339, o.Root.Dig("metadata", "creationTimestamp").Str())
	if err != nil {
		return 0
	}
	return At(at)
}

// Joined is what became of a recording.
type Joined struct {
	*Behavior
	// Unjoined says why it is still of a pod; "" when it is not, or never was.
	Unjoined string
	// ByName says that its workload was concluded from the pod's name.
	ByName bool
}

// Join makes of what was recorded of a pod what its workload does. It leaves the
// recording as it is.
//
//   - The subject is the workload at the top of the chain of controllers, with the
//     digest that the container's status has, when it was of this pod all the time: a
//     pod of a StatefulSet has the name of the one before it.
//   - Of a Job, the run is the Job that a CronJob made, or the pod.
//   - What came by an exec and is the command of a probe or hook of the container, and
//     what came of that alone, has the origin [Probe]; all of a debug container has [Debug].
//   - Addresses of pods and Services become workloads and names, where who has them now
//     had them when they were first seen.
//
// What is of no pod only gets its peers named, and its cluster where that is missing.
// To join what was joined changes nothing.
func (p *Pods) Join(b *Behavior) Joined { return p.JoinPart(b, b) }

// JoinPart is Join of what was recorded since the last time. whole has at least all
// executions by an exec into the container that were recorded so far, by which those of
// people are known.
func (p *Pods) JoinPart(b, whole *Behavior) Joined {
	subject, run, pod := b.Subject, "", (*model.Object)(nil)
	j := Joined{}
	if b.Subject.Kind == KindPod {
		subject, run, pod, j.Unjoined, j.ByName = p.place(b)
	} else {
		subject = p.Named(subject)
	}
	origin := func(Fact) (Origin, bool) { return "", false }
	if pod != nil {
		origin = originsOf(whole, pod)
	}
	j.Behavior = b.of(subject, run, func(f Fact, s *Seen) Fact {
		if o, known := origin(f); known {
			f.Origin = o
		}
		if h, ok := p.addresses[f.Peer.Address]; ok && f.Peer.Address.IsValid() && h.since <= s.First {
			f.Peer.Address, f.Peer.Workload, f.Peer.Name = netip.Addr{}, h.peer.Workload, h.peer.Name
		}
		return f
	})
	return j
}

// Named adds the name of the cluster to a workload that was told without it.
func (p *Pods) Named(s Subject) Subject {
	if s.Cluster != "" || s.Namespace == "" {
		return s
	}
	for _, gk := range model.WorkloadKinds() {
		if gk.Kind != s.Kind {
			continue
		}
		if p.snapshot.Get(model.Key{Cluster: p.cluster, Namespace: s.Namespace, GroupKind: gk, Name: s.Name}) != nil {
			s.Cluster = p.cluster
		}
	}
	return s
}

// of makes the behavior of another subject and, when that is not "", of a run; rename
// gives each fact as that one has it.
func (b *Behavior) of(s Subject, run string, rename func(Fact, *Seen) Fact) *Behavior {
	other := New(s)
	runs := IDsOf(run)
	for f, seen := range b.Facts() {
		own := seen.clone()
		own.Runs.Merge(runs)
		other.Observe(rename(f, &own), own)
	}
	other.Coverage.Merge(&b.Coverage)
	if run != "" {
		for i := range other.Coverage.intervals {
			other.Coverage.intervals[i].Run = run
		}
		if e := other.Coverage.earlier; e != nil {
			e.Runs.Merge(runs)
		}
	}
	return other
}

// place finds the workload of a pod.
func (p *Pods) place(b *Behavior) (s Subject, run string, pod *model.Object, unjoined string, byName bool) {
	s = b.Subject
	pod = p.pods[[2]string{s.Namespace, s.Name}]
	if pod == nil {
		maker := p.maker(s.Namespace, s.Name)
		if maker == nil {
			return s, "", nil, p.gone(s.Namespace), false
		}
		chain := append([]*model.Object{maker}, p.snapshot.Controllers(maker)...)
		run = runOf(chain, s.Name)
		s.Image = p.digestOfSiblings(maker, s.Container)
		return ofWorkload(s, chain[len(chain)-1]), run, nil, "", true
	}
	chain := p.snapshot.Controllers(pod)
	if unjoined = p.Unjoined(s.Namespace, s.Name); unjoined != "" {
		return s, "", pod, unjoined, false
	}
	if wasThere(pod, &b.Coverage) {
		s.Image = digestOf(pod, s.Container)
	}
	top := pod
	if len(chain) > 0 {
		top = chain[len(chain)-1]
	}
	return ofWorkload(s, top), runOf(chain, s.Name), pod, "", false
}

func ofWorkload(s Subject, o *model.Object) Subject {
	s.Cluster, s.Namespace, s.Kind, s.Name = o.Key.Cluster, o.Key.Namespace, o.Key.Kind, o.Key.Name
	return s
}

// runOf is the run that a pod is of, when its controllers are jobs.
func runOf(chain []*model.Object, pod string) string {
	switch {
	case len(chain) == 0 || chain[0].Key.GroupKind != model.JobKind:
		return ""
	case len(chain) == 1:
		return pod
	}
	return chain[0].Key.Name
}

// Unjoined says why the workload of a pod is not known; "" when it is.
func (p *Pods) Unjoined(namespace, name string) string {
	pod := p.pods[[2]string{namespace, name}]
	if pod == nil {
		return p.gone(namespace)
	}
	top := p.snapshot.Controller(pod)
	gk, ref := controllerOf(top)
	// A controller of another's making is not read: the ReplicaSet of one is the workload
	// then.
	if ref == "" || top != pod && gk.PodSpecPath() == nil {
		return ""
	}
	return "its " + gk.Kind + " " + ref + " is not in the snapshot"
}

// gone says why a pod is not there.
func (p *Pods) gone(namespace string) string {
	if gap := p.snapshot.Gap(namespace, model.PodKind); gap != nil {
		return "pods of its namespace were not read: " + gap.Reason
	}
	return "the snapshot does not hold it"
}

// controllerOf is what an object says made it, "" when it says nothing. The node that
// a static pod is of did not make it.
func controllerOf(o *model.Object) (gk model.GroupKind, name string) {
	refs := o.Root.Dig("metadata", "ownerReferences")
	for i := range refs.Children() {
		if ref := refs.At(i); ref.Get("controller").True() && ref.Get("kind").Str() != "Node" {
			return model.GroupKind{Group: model.GroupOf(ref.Get("apiVersion").Str()), Kind: ref.Get("kind").Str()}, ref.Get("name").Str()
		}
	}
	return gk, ""
}

// skew is by how much the clocks of a node and of the API server may differ.
const skew = 60

// wasThere reports whether all that was watched was of this pod, and not of one that
// had its name before.
func wasThere(pod *model.Object, c *Coverage) bool {
	since := created(pod)
	if since == 0 || c.earlier != nil {
		return false
	}
	for _, i := range c.intervals {
		if i.To < since-skew || i.Whole && i.From < since-skew {
			return false
		}
	}
	return true
}

// digestOf is the digest that a container's status has.
func digestOf(pod *model.Object, container string) string {
	for _, list := range []string{"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"} {
		if said := model.Named(pod.Root.Dig("status", list), container); said != nil {
			return model.DigestOfImageID(said.Get("imageID").Str())
		}
	}
	return ""
}

// digestOfSiblings is the digest that a container has in all pods of a controller; ""
// when they differ or there is none.
func (p *Pods) digestOfSiblings(maker *model.Object, container string) (digest string) {
	if maker.Key.GroupKind != model.ReplicaSetKind && maker.Key.GroupKind != model.JobKind {
		return "" // whose pods may have other templates
	}
	for pod := range p.snapshot.InNamespace(maker.Key.Cluster, maker.Key.Namespace, model.PodKind) {
		chain := p.snapshot.Controllers(pod)
		if len(chain) == 0 || chain[0] != maker {
			continue
		}
		has := digestOf(pod, container)
		if has == "" || digest != "" && has != digest {
			return ""
		}
		digest = has
	}
	return digest
}

// given are the letters of which controllers make names.
const given = "bcdfghjklmnpqrstvwxz2456789"

// maker is the workload that would have given a pod its name: NAME-xxxxx, of a
// Deployment whose ReplicaSet is gone NAME-xxxxxxxxxx-xxxxx, of a StatefulSet NAME-0.
func (p *Pods) maker(namespace, name string) (found *model.Object) {
	if !p.byName {
		return nil
	}
	longest := 0
	for _, w := range p.workloads(namespace) {
		rest, ok := strings.CutPrefix(name, w.Key.Name+"-")
		if !ok || len(w.Key.Name) <= longest {
			continue
		}
		first, second, two := strings.Cut(rest, "-")
		switch w.Key.Kind {
		case "StatefulSet":
			ok = allDigits(rest)
		case "Deployment":
			ok = two && isGiven(first, 1, 10) && isGiven(second, 5, 5)
		case "Job": // an indexed one has a number before
			ok = isGiven(rest, 5, 5) || two && allDigits(first) && isGiven(second, 5, 5)
		case "ReplicaSet", "DaemonSet", "ReplicationController":
			ok = isGiven(rest, 5, 5)
		default:
			ok = false
		}
		if ok {
			found, longest = w, len(w.Key.Name)
		}
	}
	return found
}

func isGiven(s string, least, most int) bool {
	return len(s) >= least && len(s) <= most && strings.Trim(s, given) == ""
}

// workloads are all of a namespace, those of controllers, too.
func (p *Pods) workloads(namespace string) (all []*model.Object) {
	for _, kind := range model.WorkloadKinds() {
		all = slices.AppendSeq(all, p.snapshot.InNamespace(p.cluster, namespace, kind))
	}
	return all
}

// containerOf finds a container of a pod, and in which list it is.
func containerOf(pod *model.Object, name string) (*tree.Node, string) {
	for _, list := range model.ContainerLists {
		if c := model.Named(pod.Root.Dig("spec", list), name); c != nil {
			return c, list
		}
	}
	return nil, ""
}
