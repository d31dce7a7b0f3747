package sensor

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/behavior"
)

// Recorder makes behaviors of what a sensor tells, for profiles. The subject of a pod
// is the pod: a node does not know what workload it belongs to.
type Recorder struct {
	Node string // the name of the host's own behavior

	byContainer map[*Container]*recorded
	order       []*Container
}

type recorded struct {
	behavior *behavior.Behavior
	folded   uint64
	last     behavior.Moment // of its facts
	ended    *Losses
}

// Add takes an event. Alerts are facts, too, and were told as such.
func (r *Recorder) Add(e *Event) {
	if r.byContainer == nil {
		r.byContainer = map[*Container]*recorded{}
	}
	known := r.byContainer[e.Container]
	if known == nil {
		known = &recorded{behavior: behavior.New(r.subject(e.Container))}
		r.byContainer[e.Container] = known
		r.order = append(r.order, e.Container)
	}
	switch e.Kind {
	case Did:
		first, last := behavior.At(e.First), behavior.At(e.Last)
		if e.Again {
			first = last
		}
		seen := behavior.SeenAt(first, replicaOf(e.Container, r.Node), "")
		known.folded += uint64(known.behavior.Observe(e.Fact, seen))
		if last != first {
			known.folded += uint64(known.behavior.Observe(e.Fact, behavior.SeenAt(last, replicaOf(e.Container, r.Node), "")))
		}
		known.last = max(known.last, last)
	case Ended:
		lost := e.Lost
		known.ended = &lost
	}
}

// Behaviors are what was recorded until now, each with its coverage. lost says what
// was lost of a container that has not ended. What nobody knows the container of
// counts for each of them: it may have been any one's.
func (r *Recorder) Behaviors(c *Coverage, lost func(*Container) (Losses, error)) ([]*behavior.Behavior, error) {
	var all []*behavior.Behavior
	for _, container := range r.order {
		known := r.byContainer[container]
		i := behavior.Interval{
			Replica: replicaOf(container, r.Node), Session: c.Session, Tier: c.Tier, Kinds: c.Kinds, Folded: known.folded,
			From: behavior.At(c.From), To: behavior.At(c.To), Whole: !container.Created.IsZero(), Ended: known.ended != nil,
		}
		if container.Host {
			i.Kinds &= OfHost
		}
		if i.Whole {
			i.From = behavior.At(container.Created)
		}
		if i.Ended {
			i.To = max(i.From, behavior.At(container.Removed), known.last)
			i.Lost = known.ended.Total()
		} else {
			l, err := lost(container)
			if err != nil {
				return nil, err
			}
			i.Lost = l.Total()
		}
		i.Lost += c.Lost.Elsewhere
		b := known.behavior.Clone()
		b.Coverage.Watch(i)
		all = append(all, b)
	}
	return merged(all)
}

// merged puts behaviors of one subject together.
func merged(all []*behavior.Behavior) ([]*behavior.Behavior, error) {
	bySubject := map[behavior.Subject]*behavior.Behavior{}
	var list []*behavior.Behavior
	for _, b := range all {
		if known := bySubject[b.Subject]; known != nil {
			if err := known.Merge(b); err != nil {
				return nil, err
			}
			continue
		}
		bySubject[b.Subject] = b
		list = append(list, b)
	}
	return slices.Clip(list), nil
}

func (r *Recorder) subject(c *Container) behavior.Subject {
	switch {
	case c.Host:
		return behavior.Subject{Kind: behavior.KindHost, Name: subjectName(r.Node)}
	case c.Pod != "":
		return behavior.Subject{Namespace: subjectName(c.Namespace), Kind: "Pod", Name: subjectName(c.Pod), Container: subjectName(c.Name)}
	case c.Name != "":
		return behavior.Subject{Kind: behavior.KindContainer, Name: subjectName(c.Name)}
	}
	return behavior.Subject{Kind: behavior.KindContainer, Name: subjectName(c.ID)}
}

func replicaOf(c *Container, node string) string {
	switch {
	case c.Host:
		return subjectName(node)
	case c.Pod != "":
		return subjectName(c.Namespace + "/" + c.Pod)
	}
	return subjectName(c.ID)
}

// subjectName makes a name one that a subject may have: runtimes take any.
func subjectName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '_'
		}
		return r
	}, name)
	if name == "" {
		return "unknown"
	}
	return name[:min(len(name), 253)]
}
