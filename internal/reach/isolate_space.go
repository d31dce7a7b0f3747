package reach

import (
	"iter"

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
