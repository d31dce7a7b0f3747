package access

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// component is a set of ClusterRoles that give the same, because each aggregates
// all others: mostly a single one. Components form a graph without cycles.
// Equal selectors are one node of it, such that many roles which select many
// others need few edges. What a component has through others is put together
// from what these have, each worked out once.
type component struct {
	roles  []*Role
	next   []*component // what it selects
	before []*component // what selects it
	gives  bothScopes   // by its roles and all that they aggregate

	reached  lazy[[]*Role]
	grants   [2]lazy[[]Grant] // in one namespace, in the whole cluster
	sources  lazy[listed]
	names    lazy[namedRights]
	powers   lazy[*rolePowers]
	bindings lazy[[]int32]
}

// lazy is a value that is worked out when first asked for.
type lazy[T any] struct {
	once  sync.Once
	value T
}

func (l *lazy[T]) get(make func() T) T {
	l.once.Do(func() { l.value = make() })
	return l.value
}

// aggregate makes the graph of components: each aggregating ClusterRole gives
// the rules of those that its selectors choose, through any number of steps.
// Rules that a cluster returned with an aggregating role count too: they are what
// the authorizer asks, and those selected are what it will ask in a moment.
func (a *Analysis) aggregate(clusterRoles []Role) {
	g := graph{roles: clusterRoles, next: make([][]int32, len(clusterRoles))}
	g.link()
	if len(g.next) == len(clusterRoles) {
		return // nothing aggregates
	}
	g.order = make([]int32, len(g.next))
	g.low = make([]int32, len(g.next))
	g.of = make([]*component, len(g.next))
	for node := range clusterRoles {
		if g.order[node] == 0 && len(g.next[node]) > 0 {
			g.visit(int32(node))
		}
	}
}

// graph finds components by Tarjan's algorithm. Its nodes are the ClusterRoles,
// by position, and behind them the lists of selectors.
type graph struct {
	roles []Role
	next  [][]int32
	order []int32 // in which nodes were visited, from 1
	low   []int32
	stack []int32
	of    []*component
	count int32
}

// link adds the edges from roles to their selectors and from these to the roles
// that they choose.
func (g *graph) link() {
	if !slices.ContainsFunc(g.roles, func(r Role) bool { return len(r.selectors) > 0 }) {
		return
	}
	labelled := newLabelSets(g.roles)
	node := map[uint64]int32{}
	for i := range g.roles {
		r := &g.roles[i]
		if len(r.selectors) == 0 {
			continue
		}
		at, known := node[r.selected]
		if !known || r.selected == 0 {
			at = int32(len(g.next))
			node[r.selected] = at
			g.next = append(g.next, g.choose(r.selectors, labelled))
		}
		g.next[i] = append(g.next[i], at)
	}
}

// labelSets are the roles with labels, those with equal ones together.
type labelSets struct {
	ids     table        // by hash
	labels  []*tree.Node // of each set
	roles   [][]int32    // of each set
	byLabel map[[2]string][]int32
}

func newLabelSets(roles []Role) *labelSets {
	l := &labelSets{byLabel: map[[2]string][]int32{}}
	for i := range roles {
		r := &roles[i]
		if r.labelled == 0 {
			continue
		}
		id, added := l.ids.add(r.labelled)
		if added {
			l.labels, l.roles = append(l.labels, r.labels), append(l.roles, nil)
			for j := range r.labels.Children() {
				label := &r.labels.Children()[j]
				pair := [2]string{label.Key(), label.Str()}
				l.byLabel[pair] = append(l.byLabel[pair], id)
			}
		}
		l.roles[id] = append(l.roles[id], int32(i))
	}
	return l
}

// choose returns the roles that any of the selectors matches.
func (g *graph) choose(selectors []model.Selector, labelled *labelSets) []int32 {
	var chosen []int32
	add := func(s model.Selector, set int32) {
		if s.Matches(labelled.labels[set]) {
			chosen = append(chosen, labelled.roles[set]...)
		}
	}
	for _, s := range selectors {
		key, values := s.Demands()
		for _, value := range values {
			for _, set := range labelled.byLabel[[2]string{key, value}] {
				add(s, set)
			}
		}
		if values != nil {
			continue
		}
		for set := range labelled.labels {
			add(s, int32(set))
		}
		if s.Matches(nil) {
			for i := range g.roles {
				if g.roles[i].labelled == 0 {
					chosen = append(chosen, int32(i))
				}
			}
		}
	}
	slices.Sort(chosen)
	return slices.Compact(chosen)
}

func (g *graph) visit(node int32) {
	g.count++
	g.order[node], g.low[node] = g.count, g.count
	g.stack = append(g.stack, node)
	for _, to := range g.next[node] {
		switch {
		case g.order[to] == 0:
			g.visit(to)
			g.low[node] = min(g.low[node], g.low[to])
		case g.of[to] == nil: // on the stack
			g.low[node] = min(g.low[node], g.order[to])
		}
	}
	if g.low[node] == g.order[node] {
		at := len(g.stack) - 1
		for g.stack[at] != node {
			at--
		}
		g.close(g.stack[at:])
		g.stack = g.stack[:at]
	}
}

// close makes a component of nodes. Those that it leads to are made.
func (g *graph) close(nodes []int32) {
	c := &component{}
	for _, node := range nodes {
		g.of[node] = c
		if int(node) < len(g.roles) {
			r := &g.roles[node]
			c.roles = append(c.roles, r)
			c.gives.add(r.own.bothScopes)
			r.component = c
		}
	}
	seen := map[*component]bool{c: true}
	for _, node := range nodes {
		for _, to := range g.next[node] {
			if other := g.of[to]; !seen[other] {
				seen[other] = true
				c.next = append(c.next, other)
				other.before = append(other.before, c)
				c.gives.add(other.gives)
			}
		}
	}
	for _, r := range c.roles {
		r.gives = c.gives
	}
}

func (s *bothScopes) add(other bothScopes) {
	s.cluster |= other.cluster
	s.namespaced |= other.namespaced
}

// all returns the roles whose rules hold for the component, by name.
func (c *component) all() []*Role {
	return c.reached.get(func() []*Role {
		var roles []*Role
		seen := map[*component]bool{c: true}
		for queue := []*component{c}; len(queue) > 0; queue = queue[1:] {
			roles = append(roles, queue[0].roles...)
			for _, other := range queue[0].next {
				if !seen[other] {
					seen[other] = true
					queue = append(queue, other)
				}
			}
		}
		slices.SortFunc(roles, compareRoles)
		return roles
	})
}

func compareRoles(a, b *Role) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.id, b.id))
}

// Rules yields the rules that hold for the role, each with the role that it is
// written in: the role itself, or one that it aggregates.
func (r *Role) Rules() iter.Seq2[*Role, Rule] {
	return func(yield func(*Role, Rule) bool) {
		for rule := range r.written() {
			if !yield(r, rule) {
				return
			}
		}
		if r.component == nil {
			return
		}
		for _, from := range r.component.all() {
			if from == r {
				continue
			}
			for rule := range from.written() {
				if !yield(from, rule) {
					return
				}
			}
		}
	}
}

// written yields the rules that are written in the role itself.
func (r *Role) written() iter.Seq[Rule] { return rulesOf(r.rules) }

func rulesOf(list *tree.Node) iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		for i := range list.Children() {
			if !yield(Rule{list.At(i)}) {
				return
			}
		}
	}
}

// MaxAggregated is how many resources of a [Grant], and how many bindings, are
// listed of those that come by aggregation.
const MaxAggregated = 100

// given returns the grants of a component, at most MaxAggregated resources each.
func (c *component) given(clusterWide bool) []Grant {
	scope := 0
	if clusterWide {
		scope = 1
	}
	return c.grants[scope].get(func() []Grant {
		var resources [rightCount][]string
		var more Rights
		add := func(grants []Grant) {
			for _, g := range grants {
				resources[g.Right] = append(resources[g.Right], g.Resources...)
				if g.More {
					more |= 1 << g.Right
				}
			}
		}
		for _, r := range c.roles {
			add(r.direct(clusterWide))
		}
		for _, other := range c.next {
			add(other.given(clusterWide))
		}
		grants := asGrants(&resources)
		for i := range grants {
			g := &grants[i]
			g.More = more.Has(g.Right) || len(g.Resources) > MaxAggregated
			g.Resources = slices.Clip(g.Resources[:min(len(g.Resources), MaxAggregated)])
		}
		return grants
	})
}

// first returns the sources of a component's rights, in the order of roles by
// name.
func (c *component) first() listed {
	return c.sources.get(func() listed {
		var all listed
		for _, r := range c.roles {
			all.sources = append(all.sources, r.ownSources()...)
		}
		for _, other := range c.next {
			of := other.first()
			all.sources = append(all.sources, of.sources...)
			all.more |= of.more
		}
		slices.SortStableFunc(all.sources, func(x, y source) int { return compareRoles(x.role, y.role) })
		all.sources = firstOf(all.sources)
		return all.bounded()
	})
}

// MaxNamed is how many rules that give a right for some names are listed of those
// that come by aggregation. Each is listed for every subject that has the role.
const MaxNamed = 20

// bounded leaves out of the sources for some names those of a right that come
// after MaxNamed.
func (l listed) bounded() listed {
	var count [rightCount]int
	l.sources = slices.Clip(slices.DeleteFunc(l.sources, func(s source) bool {
		if s.names == nil {
			return false
		}
		count[s.right]++
		if count[s.right] > MaxNamed {
			l.more |= 1 << s.right
		}
		return count[s.right] > MaxNamed
	}))
	return l
}

// bound returns bindings that give a role of the component, in order, one more
// than MaxAggregated at most.
func (c *component) bound(byRole [][]int32) []int32 {
	return c.bindings.get(func() []int32 {
		var all []int32
		for _, r := range c.roles {
			all = append(all, byRole[r.id]...)
		}
		for _, other := range c.before {
			all = append(all, other.bound(byRole)...)
		}
		slices.Sort(all)
		all = slices.Compact(all)
		return slices.Clip(all[:min(len(all), MaxAggregated+1)])
	})
}
