package model

import (
	"slices"

	"ullage.dev/ullage/internal/tree"
)

// Workload is one pod template of one object, as the network and the scheduler
// see it.
type Workload struct {
	Object *Object
	Pod    PodTemplate
}

// LabelIndex finds the workloads of one namespace by the labels of their pods. Those
// that have ended are not in it.
type LabelIndex struct {
	Workloads []Workload // in key order
	postings  map[label][]int32
}

type label struct{ key, value string }

// byNamespace returns the indexes of all namespaces, which are made when they are
// first asked for. Those that no change has touched since are taken over.
func (s *Snapshot) byNamespace() map[string]*LabelIndex {
	s.indexed.Do(func() {
		index := s.indexLabels()
		s.labels.Store(&index)
		s.before, s.stale = nil, nil
	})
	return *s.labels.Load()
}

func (s *Snapshot) indexLabels() map[string]*LabelIndex {
	index := make(map[string]*LabelIndex, len(s.before))
	for name, ns := range s.before {
		if !s.stale[name] {
			index[name] = ns
		}
	}
	for o, p := range s.podTemplates(func(namespace string) bool { return s.before == nil || s.stale[namespace] }) {
		if o.Ended() {
			continue
		}
		ns := index[o.Key.Namespace]
		if ns == nil {
			ns = &LabelIndex{postings: map[label][]int32{}}
			index[o.Key.Namespace] = ns
		}
		id := int32(len(ns.Workloads))
		ns.Workloads = append(ns.Workloads, Workload{o, *p})
		labels := p.Labels()
		for i := range labels.Children() {
			l := label{labels.Children()[i].Key(), labels.Children()[i].Str()}
			ns.postings[l] = append(ns.postings[l], id)
		}
	}
	return index
}

// Workloads returns the label index of a namespace. It is nil, and may be used,
// when the namespace has no workloads, or none that has not ended.
func (s *Snapshot) Workloads(namespace string) *LabelIndex { return s.byNamespace()[namespace] }

// Namespaces returns the names of all namespaces that hold such workloads or are
// objects themselves, in order.
func (s *Snapshot) Namespaces() []string {
	var names []string
	for name := range s.byNamespace() {
		names = append(names, name)
	}
	for o := range s.Kind(NamespaceKind) {
		names = append(names, o.Key.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Select returns the workloads whose pods the selector matches, in key order.
func (x *LabelIndex) Select(sel Selector) []Workload {
	if x == nil {
		return nil
	}
	candidates := x.narrowest(sel)
	if candidates == nil {
		candidates = make([]int32, len(x.Workloads))
		for i := range candidates {
			candidates[i] = int32(i)
		}
	}
	var found []Workload
	for _, id := range candidates {
		if w := x.Workloads[id]; sel.Matches(w.Pod.Labels()) {
			found = append(found, w)
		}
	}
	return found
}

// narrowest returns the shortest posting list that the selector's equalities
// allow, or nil when it has none.
func (x *LabelIndex) narrowest(sel Selector) []int32 {
	var best []int32
	for _, r := range sel.requirements {
		if r.op != opIn || len(r.values) != 1 {
			continue
		}
		posting := x.postings[label{r.key, r.values[0]}]
		if posting == nil {
			return []int32{}
		}
		if best == nil || len(posting) < len(best) {
			best = posting
		}
	}
	return best
}

// Selector is a compiled label selector. The zero Selector matches everything.
type Selector struct {
	requirements []requirement
	never        bool
}

type operator uint8

const (
	opIn operator = iota
	opNotIn
	opExists
	opDoesNotExist
)

type requirement struct {
	key    string
	op     operator
	values []string
}

// NewSelector compiles a LabelSelector (matchLabels and matchExpressions). What
// the API server would refuse matches nothing.
func NewSelector(n *tree.Node) Selector {
	sel := MatchLabels(n.Get("matchLabels"))
	expressions := n.Get("matchExpressions")
	for i := range expressions.Children() {
		e := expressions.At(i)
		r := requirement{key: e.Get("key").Str()}
		for j := range e.Get("values").Children() {
			r.values = append(r.values, e.Get("values").At(j).Str())
		}
		switch e.Get("operator").Str() {
		case "In":
			r.op = opIn
		case "NotIn":
			r.op = opNotIn
		case "Exists":
			r.op = opExists
		case "DoesNotExist":
			r.op = opDoesNotExist
		default:
			sel.never = true
		}
		if (r.op == opIn || r.op == opNotIn) != (len(r.values) > 0) {
			sel.never = true
		}
		sel.requirements = append(sel.requirements, r)
	}
	return sel
}

// MatchLabels compiles a plain map of labels, as in a Service's selector.
func MatchLabels(n *tree.Node) Selector {
	var sel Selector
	for i := range n.Children() {
		kid := &n.Children()[i]
		sel.requirements = append(sel.requirements, requirement{key: kid.Key(), values: []string{kid.Str()}})
	}
	return sel
}

// Empty reports whether the selector has no requirements and so matches
// everything.
func (s Selector) Empty() bool { return len(s.requirements) == 0 && !s.never }

// Demands returns a label that everything it matches has, with one of the
// values; no values when it demands none.
func (s Selector) Demands() (key string, values []string) {
	for _, r := range s.requirements {
		if r.op == opIn {
			return r.key, r.values
		}
	}
	return "", nil
}

// Matches reports whether a label map satisfies the selector; nil is an empty
// map.
func (s Selector) Matches(labels *tree.Node) bool {
	if s.never {
		return false
	}
	for _, r := range s.requirements {
		value := labels.Get(r.key)
		switch r.op {
		case opIn:
			if value == nil || !slices.Contains(r.values, value.Str()) {
				return false
			}
		case opNotIn:
			if value != nil && slices.Contains(r.values, value.Str()) {
				return false
			}
		case opExists:
			if value == nil {
				return false
			}
		case opDoesNotExist:
			if value != nil {
				return false
			}
		}
	}
	return true
}
