package reach

// Visit answers, for one destination after the other, which pods can connect to
// it that could connect to none before. A search that walks connections
// backwards needs each source once, so it costs far less than all pairs. It is
// for one goroutine.
type Visit struct {
	m       *mixer
	certain bool
	left    []unvisited
	known   map[answerID]bool // of the ports at hand
}

// unvisited are classes of pods with one signature for egress.
type unvisited struct {
	row   row
	units []int32
}

// Visit starts one. Where certain is set, connections count that are allowed in
// every case, otherwise those that are in some.
func (g *Graph) Visit(certain bool) *Visit {
	v := &Visit{m: g.newMixer(), certain: certain}
	at := map[int32]int{}
	for unit := range g.node {
		sign := g.signOf[Egress][unit]
		i, ok := at[sign]
		if !ok {
			i = len(v.left)
			at[sign] = i
			v.left = append(v.left, unvisited{row: g.row(Egress, unit)})
		}
		v.left[i].units = append(v.left[i].units, unit)
	}
	return v
}

// Take calls do for the pods that can connect to one of the ports of a
// destination, and that it was not called for before.
func (v *Visit) Take(to ID, ports []Port, do func(ID)) {
	g := v.m.Graph
	t := g.unit(to)
	in := g.row(Ingress, t)
	clear(v.known)
	for i := 0; i < len(v.left); i++ {
		group := &v.left[i]
		out := group.row.at(t)
		if out == denied {
			continue
		}
		kept := group.units[:0]
		for _, unit := range group.units {
			if !v.allows(v.m.meet(out, in.at(unit)), ports) {
				kept = append(kept, unit)
				continue
			}
			for _, id := range g.idsOf(unit) {
				do(id)
			}
		}
		if group.units = kept; len(kept) == 0 {
			last := len(v.left) - 1
			v.left[i], v.left = v.left[last], v.left[:last]
			i--
		}
	}
}

func (v *Visit) allows(a answerID, ports []Port) bool {
	if a == allowed || a == denied {
		return a == allowed && len(ports) > 0
	}
	is, ok := v.known[a]
	if ok {
		return is
	}
	verdict := v.m.verdict(a)
	set := verdict.May
	if v.certain {
		set = verdict.Must
	}
	for _, p := range ports {
		is = is || set.Contains(p)
	}
	if v.known == nil {
		v.known = map[answerID]bool{}
	}
	v.known[a] = is
	return is
}
