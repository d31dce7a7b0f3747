package reach

import (
	"fmt"
	"iter"
	"slices"

	"ullage.dev/ullage/internal/model"
)

// space is the workloads of a namespace as the network sees them.
type space struct {
	workloads []model.Workload
	labels    [][]labelValue         // stable ones, of each
	having    map[labelValue][]int32 // workloads by label
	named     map[string][]model.Workload
	all       []int32
}

func (b *isolator) space(namespace string) *space {
	if known := b.spaces[namespace]; known != nil {
		return known
	}
	s := &space{having: map[labelValue][]int32{}, named: map[string][]model.Workload{}}
	for i, id := range b.graph.InNamespace(namespace) {
		w := b.graph.workloads[id]
		labels := stableLabels(w.Pod)
		for _, l := range labels {
			s.having[l] = append(s.having[l], int32(i))
		}
		s.workloads, s.labels, s.all = append(s.workloads, w), append(s.labels, labels), append(s.all, int32(i))
		s.named[w.Object.Key.Name] = append(s.named[w.Object.Key.Name], w)
	}
	b.spaces[namespace] = s
	return s
}

// others yields the workloads beside one that a selector matches, looking at those
// that have its rarest label.
func (s *space) others(w model.Workload, by podSelector) iter.Seq[int32] {
	few := s.all
	for _, l := range by.labels {
		if have := s.having[l]; len(have) < len(few) {
			few = have
		}
	}
	return func(yield func(int32) bool) {
		for _, i := range few {
			if s.workloads[i].Pod.Spec != w.Pod.Spec && by.matches(s.labels[i]) && !yield(i) {
				return
			}
		}
	}
}

// only reports whether a selector matches no workload but one.
func (s *space) only(w model.Workload, by podSelector) bool {
	for range s.others(w, by) {
		return false
	}
	return true
}

// listKey names a list of workloads by the memory that it is in. Peers that are a
// whole namespace share one list, and each workload may have such peers.
type listKey struct {
	first *model.Workload
	n     int
}

// knownList is what was found out about the workloads of a list together.
type knownList struct {
	groups []*podGroup        // of the namespace, with those that have several workloads of the list there several times
	ports  map[string]PortSet // by what is declared
	ends   []ID               // in the proof
}

func (b *isolator) list(workloads []model.Workload) *knownList {
	if len(workloads) == 0 {
		return &knownList{ports: map[string]PortSet{}}
	}
	key := listKey{&workloads[0], len(workloads)}
	known := b.lists[key]
	if known == nil {
		known = &knownList{ports: map[string]PortSet{}}
		for _, w := range workloads {
			if gr := b.groupOf(w); gr != nil {
				known.groups = append(known.groups, gr)
			}
		}
		b.lists[key] = known
	}
	return known
}

func (b *isolator) groupsOf(workloads []model.Workload) []*podGroup { return b.list(workloads).groups }

// listPorts returns the ports that are declared of any of some workloads.
func (b *isolator) listPorts(workloads []model.Workload, ports portList) PortSet {
	known, key := b.list(workloads).ports, fmt.Sprint(ports == nil, ports)
	set, ok := known[key]
	if !ok {
		for _, w := range workloads {
			set = set.union(b.podPorts(w, ports))
		}
		known[key] = set
	}
	return set
}

// endsOf returns the endpoints of a side in the network with the policies.
func (b *isolator) endsOf(after *Graph, s side, destination bool) []ID {
	if len(s.ranges) > 0 || s.name != "" || len(s.workloads) == 0 {
		return after.ends(s, destination)
	}
	known := b.list(s.workloads)
	if known.ends == nil {
		known.ends = slices.Clip(after.ends(s, destination))
	}
	return known.ends
}
