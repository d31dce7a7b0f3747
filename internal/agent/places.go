package agent

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/cluster"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/sensor"
)

// podSource says which pods the node has, and what made them.
type podSource interface {
	read(context.Context) ([]*model.Object, error)
}

// apiServer asks the cluster of a kubeconfig, for the pods of one node and for what made
// them: by name, one after the other. It lists and changes nothing else.
type apiServer struct {
	kubeconfig, node string

	client *cluster.Client
	makers map[model.Key]*model.Object // nil: it cannot be read
}

func (s *apiServer) read(ctx context.Context) (objects []*model.Object, err error) {
	if s.client == nil {
		if s.client, err = cluster.Connect(ctx, s.kubeconfig, "", "ullage-agent"); err != nil {
			return nil, err
		}
	}
	pods, err := s.client.NodePods(ctx, s.node)
	if err != nil {
		return nil, err
	}
	still := map[model.Key]*model.Object{} // what is asked for no more is forgotten
	objects = pods
	var unread error
	for _, pod := range pods {
		for o := pod; o != nil; {
			maker, err := s.maker(ctx, o)
			if err != nil {
				unread = err
			}
			if maker == nil || still[maker.Key] != nil {
				break
			}
			still[maker.Key] = maker
			objects = append(objects, maker)
			o = maker
		}
	}
	s.makers = still
	return objects, unread
}

// maker reads what made an object, once.
func (s *apiServer) maker(ctx context.Context, o *model.Object) (*model.Object, error) {
	refs := o.Root.Dig("metadata", "ownerReferences")
	for i := range refs.Children() {
		ref := refs.At(i)
		gk := model.GroupKind{Group: model.GroupOf(ref.Get("apiVersion").Str()), Kind: ref.Get("kind").Str()}
		known := s.makers[model.Key{Cluster: s.client.Name, Namespace: o.Key.Namespace, GroupKind: gk, Name: ref.Get("name").Str()}]
		if ref.Get("controller").True() && known != nil && known.Root.Dig("metadata", "uid").Str() == ref.Get("uid").Str() {
			return known, nil
		}
	}
	return s.client.Maker(ctx, o)
}

// places says whose containers are.
type places struct {
	pods  *behavior.Pods
	byUID map[string]*model.Object
}

func newPlaces(objects []*model.Object) *places {
	p := &places{behavior.NewPods(model.NewSnapshot(objects, false), false), map[string]*model.Object{}}
	for _, o := range objects {
		if o.Key.GroupKind != model.PodKind {
			continue
		}
		metadata := o.Root.Get("metadata")
		for _, uid := range []string{metadata.Get("uid").Str(), metadata.Dig("annotations", "kubernetes.io/config.mirror").Str()} { // the second is how a node knows a static pod
			if uid != "" {
				p.byUID[uid] = o
			}
		}
	}
	return p
}

// knows says whether it is known, or not to be expected, whose a container is and which
// image it has.
func (p *places) knows(c *sensor.Container) bool {
	if c.PodUID == "" {
		return true
	}
	pod := p.byUID[c.PodUID]
	if pod == nil || p.pods.Unjoined(pod.Key.Namespace, pod.Key.Name) != "" {
		return false
	}
	for _, list := range []string{"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"} {
		if said := model.Named(pod.Root.Dig("status", list), nameIn(pod, c)); said != nil {
			return said.Get("imageID").Str() != ""
		}
	}
	return c.Name != "" // what Kubernetes does not call a container has no status
}

// nameIn is the name of a container in its pod; where the runtime's files were gone when
// they were looked at, it is known if there is only one.
func nameIn(pod *model.Object, c *sensor.Container) string {
	if containers := pod.Root.Dig("spec", "containers"); c.Name == "" && containers.Len() == 1 {
		return containers.At(0).Get("name").Str()
	}
	return c.Name
}

// join gives what was recorded of a container the names that it has in the cluster.
func (p *places) join(b *behavior.Behavior, w *watched, cluster string) *behavior.Behavior {
	c := w.container
	if pod := p.byUID[c.PodUID]; pod != nil && c.PodUID != "" {
		named := b.Clone()
		named.Subject = behavior.Subject{Namespace: pod.Key.Namespace, Kind: behavior.KindPod, Name: pod.Key.Name, Container: cmp.Or(nameIn(pod, c), c.ID)}
		b = p.pods.JoinPart(named, w.execs).Behavior
	}
	if b.Subject.Namespace != "" {
		b.Subject.Cluster = cluster
	}
	return b
}

// askAgain asks whose containers are while there are some of which it is not known.
func (a *agent) askAgain(ctx context.Context) {
	const soonest, latest = 2 * time.Second, time.Minute
	wait := time.Duration(0)
	for {
		timer := time.NewTimer(max(wait, soonest/4))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		switch {
		case !a.waiting():
			wait = 0
		case a.ask(ctx):
			wait = soonest
		default:
			wait = min(latest, max(2*wait, soonest))
		}
	}
}

// waiting says whether facts wait for a name.
func (a *agent) waiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c, w := range a.known {
		if a.now().Sub(w.since) < a.options.Patience && !a.places.knows(c) {
			return true
		}
	}
	return false
}

func (a *agent) ask(ctx context.Context) bool {
	ctx, done := context.WithTimeout(ctx, 30*time.Second)
	defer done()
	objects, err := a.pods.read(ctx)
	defer a.assign() // when the lock is free, which asking whose pods are takes
	a.mu.Lock()
	defer a.mu.Unlock()
	if objects != nil {
		a.places = newPlaces(objects)
	}
	a.asked = asked{at: a.now(), pods: len(a.places.byUID)}
	if err == nil {
		return true
	}
	a.figures.PodErrors++
	if text := fmt.Sprint(err); a.asked.err != text {
		a.asked.err = text
		a.log.Warn("whose pods are cannot be read", "error", err)
	}
	return false
}

// assign gives containers the policies that they have by what came to light of them.
func (a *agent) assign() {
	if a.policies == nil {
		return
	}
	if err := a.kernel.Assign(); err != nil {
		a.failed("containers cannot be given their policies", err)
	}
}

// asked is what came of the last question.
type asked struct {
	at   time.Time
	pods int
	err  string
}
