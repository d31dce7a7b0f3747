package reach

import (
	"cmp"
	"slices"

	"ullage.dev/ullage/internal/model"
)

// coverage says what declarations are about. There may be as many as workloads.
type coverage struct {
	declarations []*model.Declaration
	of           [][]model.Workload // what each is about, by namespace
	about        map[*model.Object][]*model.Declaration
	all          []model.Workload   // of all namespaces
	named        map[kindName][]int // of all
}

type kindName struct{ kind, name string }

func (b *isolator) cover(declarations []*model.Declaration) {
	c := &b.covered
	c.declarations, c.about, c.named = declarations, map[*model.Object][]*model.Declaration{}, map[kindName][]int{}
	if len(declarations) == 0 {
		return
	}
	for _, ns := range b.snapshot.Namespaces() {
		for _, w := range b.workloads(ns) {
			key := kindName{w.Object.Key.Kind, w.Object.Key.Name}
			c.named[key] = append(c.named[key], len(c.all))
			c.all = append(c.all, w)
		}
	}
	for _, d := range declarations {
		var covered []int
		for _, ref := range d.Workloads {
			covered = append(covered, c.find(ref)...)
		}
		slices.Sort(covered)
		var list []model.Workload
		for _, i := range slices.Compact(covered) {
			w := c.all[i]
			list = append(list, w)
			c.about[w.Object] = append(c.about[w.Object], d)
		}
		c.of = append(c.of, list)
	}
}

// find returns the workloads that a declaration names.
func (c *coverage) find(ref model.WorkloadRef) []int {
	var found []int
	for _, i := range c.named[kindName{ref.Kind, ref.Name}] {
		if ref.Namespace == "" || ref.Namespace == c.all[i].Object.Key.Namespace {
			found = append(found, i)
		}
	}
	return found
}

// any reports whether something is so of a declaration about an object.
func (c *coverage) any(o *model.Object, is func(*model.Declaration) bool) bool {
	return slices.ContainsFunc(c.about[o], is)
}

// declared allows what declarations say, of workloads of the namespace and of
// others about it.
func (b *isolator) declared() {
	for i, d := range b.covered.declarations {
		because := "declared"
		if d.Source != nil {
			because = "declared in " + d.Source.Place(d.Node().Get("peers")).String()
		}
		b.noteMissing(d)
		for _, w := range b.covered.of[i] {
			self := b.sideOf(w)
			for _, p := range d.Peers.In {
				if from, ok := b.side(p, w); ok {
					b.flow(from, self, b.podPorts(w, p.Ports), because)
				} else {
					b.lose(p, w, Ingress, because)
				}
			}
			for _, p := range d.Peers.Out {
				if to, ok := b.side(p, w); ok {
					b.flow(self, to, b.peerPorts(to, p), because)
				} else {
					b.lose(p, w, Egress, because)
				}
			}
		}
	}
}

// noteMissing notes the workloads of the namespace that a declaration names and that
// were not read.
func (b *isolator) noteMissing(d *model.Declaration) {
	for _, ref := range d.Workloads {
		if ref.Namespace != "" && ref.Namespace != b.Namespace || len(b.covered.find(ref)) > 0 {
			continue
		}
		where := "a declaration"
		if d.Source != nil {
			where = d.Source.Place(d.Node().Get("workloads")).String()
		}
		b.note("%s declares peers of %s/%s, which was not read: nothing is allowed by that", where, cmp.Or(ref.Kind, "workload"), ref.Name)
	}
}
