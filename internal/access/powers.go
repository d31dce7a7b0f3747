package access

import (
	"math/bits"
	"slices"
)

// power is a verb on a resource of the RBAC API: what decides who may change
// roles and bindings.
type power uint8

// powerSet is a set of powers.
type powerSet uint32

type powerVerb uint8

const (
	verbEscalate powerVerb = iota
	verbBind
	verbCreate
	verbUpdate
	verbPatch
	powerVerbs
)

type powerResource uint8

const (
	onRoles powerResource = iota
	onClusterRoles
	onRoleBindings
	onClusterRoleBindings
	powerResources
)

const powerCount = int(powerVerbs) * int(powerResources)

const (
	roleWord      = "roles"
	clRoleWord    = "clusterroles"
	bindingWord   = "rolebindings"
	clBindingWord = "clusterrolebindings"
)

var (
	powerVerbWords     = [...]string{verbEscalate: "escalate", verbBind: "bind", verbCreate: "create", verbUpdate: "update", verbPatch: "patch"}
	powerResourceWords = [...]string{onRoles: roleWord, onClusterRoles: clRoleWord, onRoleBindings: bindingWord, onClusterRoleBindings: clBindingWord}
)

func (v powerVerb) on(r powerResource) power { return power(uint8(v)*uint8(powerResources) + uint8(r)) }

func (s powerSet) has(p power) bool { return s>>p&1 != 0 }

// ask is a request by a power. Without a name it is about any, without a namespace
// in the whole cluster.
type ask struct {
	power
	namespace, name string
}

func (q ask) request() Request {
	verb, resource := uint8(q.power)/uint8(powerResources), uint8(q.power)%uint8(powerResources)
	return Request{Verb: powerVerbWords[verb], Group: rbacGroup, Resource: powerResourceWords[resource], Namespace: q.namespace, Name: q.name}
}

// namedPower is a power over the object of a name.
type namedPower struct {
	power
	name string
}

// powerIndex knows which roles give powers. The names that rules are restricted to
// are kept once, with the roles that they are written in, and not with each role
// that aggregates those or with each subject.
type powerIndex struct {
	a           *Analysis
	wide, named []powerSet             // of the rules written in each role: for every name, for some
	names       map[int32][]namedPower // that are written in a role
	writtenIn   map[namedPower][]int32 // the other way round
	rolesIn     map[string][]int32     // the Roles of a namespace
	rolesNamed  map[string][]int32     // the Roles of a name
	everyRole   []int32                // that is no ClusterRole
	parts       []int32                // roles with names that others may aggregate
	partNumber  map[int32]int          // positions in parts
}

func newPowerIndex(a *Analysis) *powerIndex {
	x := &powerIndex{a: a, wide: make([]powerSet, len(a.roles)), named: make([]powerSet, len(a.roles)),
		names: map[int32][]namedPower{}, writtenIn: map[namedPower][]int32{},
		rolesIn: map[string][]int32{}, rolesNamed: map[string][]int32{}, partNumber: map[int32]int{}}
	for i := range a.roles {
		role := &a.roles[i]
		if role.Namespace != "" {
			x.rolesIn[role.Namespace] = append(x.rolesIn[role.Namespace], role.id)
			x.rolesNamed[role.Name] = append(x.rolesNamed[role.Name], role.id)
			x.everyRole = append(x.everyRole, role.id)
		}
		for rule := range role.written() {
			x.add(role.id, rule)
		}
		if x.named[i] != 0 && role.component != nil {
			x.partNumber[role.id] = len(x.parts)
			x.parts = append(x.parts, role.id)
		}
	}
	return x
}

// add reads a rule of a role.
func (x *powerIndex) add(role int32, rule Rule) {
	set := powersOf(rule)
	if set == 0 {
		return
	}
	names := rule.Names()
	if len(names) == 0 {
		x.wide[role] |= set
		return
	}
	x.named[role] |= set
	for ; set != 0; set &= set - 1 {
		for _, name := range names {
			p := namedPower{power(bits.TrailingZeros32(uint32(set))), name}
			if in := x.writtenIn[p]; len(in) > 0 && in[len(in)-1] == role {
				continue
			}
			x.names[role] = append(x.names[role], p)
			x.writtenIn[p] = append(x.writtenIn[p], role)
		}
	}
}

// powersOf returns the powers that a rule gives, for some names or for all.
func powersOf(rule Rule) powerSet {
	if !holds(rule.Node.Get("apiGroups"), rbacGroup) {
		return 0
	}
	var set powerSet
	verbs := rule.Node.Get("verbs")
	for resource := range powerResources {
		if !rule.hasResource(&Request{Resource: powerResourceWords[resource]}) {
			continue
		}
		for verb := range powerVerbs {
			if holds(verbs, powerVerbWords[verb]) {
				set |= 1 << verb.on(resource)
			}
		}
	}
	return set
}

// rolePowers are the powers of a role with all that it aggregates: for every name,
// and for some. below are the parts that name them, as bits.
type rolePowers struct {
	wide, named powerSet
	below       []uint64
}

// of returns what a component gives.
func (x *powerIndex) of(c *component) *rolePowers {
	return c.powers.get(func() *rolePowers {
		p := &rolePowers{}
		mark := func(word int, set uint64) {
			if p.below == nil {
				p.below = make([]uint64, (len(x.parts)+63)/64)
			}
			p.below[word] |= set
		}
		for _, r := range c.roles {
			p.wide |= x.wide[r.id]
			p.named |= x.named[r.id]
			if n, ok := x.partNumber[r.id]; ok {
				mark(n/64, 1<<(n%64))
			}
		}
		for _, other := range c.next {
			of := x.of(other)
			p.wide |= of.wide
			p.named |= of.named
			for word, set := range of.below {
				mark(word, set)
			}
		}
		return p
	})
}

// scopePowers are the powers by the bindings of one scope.
type scopePowers struct {
	namespace string
	wide      [powerCount]int32    // the first binding that gives each for every name, or none
	roles     map[int32]int32      // that name them, without those that others aggregate: the first binding
	parts     map[*component]int32 // that name them, or aggregate such: the first binding
}

// powers are what bindings of one subject, without those of its groups, allow it to
// do with roles and bindings.
type powers struct {
	held   []int32        // its bindings
	scopes []*scopePowers // those with some, in the order of the bindings
	in     map[string]*scopePowers
	set    powerSet // in some scope, for some names or for all
}

// powers returns those of a subject by its number.
func (x *powerIndex) powers(id int32) *powers {
	p := &powers{held: x.a.held[x.a.heldStart[id]:x.a.heldStart[id+1]]}
	for _, at := range p.held {
		if b := &x.a.bindings[at]; b.role != none {
			p.add(x, &x.a.roles[b.role], x.a.namespaces[b.namespace], at)
		}
	}
	return p
}

// add adds what a binding of a role gives. The bindings of a scope come in order.
func (p *powers) add(x *powerIndex, role *Role, namespace string, binding int32) {
	wide, named := x.wide[role.id], x.named[role.id]
	if role.component != nil {
		all := x.of(role.component)
		wide, named = all.wide, all.named
	}
	if wide|named == 0 {
		return
	}
	p.set |= wide | named
	s := p.in[namespace]
	if s == nil {
		s = &scopePowers{namespace: namespace, roles: map[int32]int32{}, parts: map[*component]int32{}}
		for i := range s.wide {
			s.wide[i] = none
		}
		if p.in == nil {
			p.in = map[string]*scopePowers{}
		}
		p.in[namespace] = s
		p.scopes = append(p.scopes, s)
	}
	for ; wide != 0; wide &= wide - 1 {
		if first := &s.wide[bits.TrailingZeros32(uint32(wide))]; *first == none {
			*first = binding
		}
	}
	if named == 0 {
		return
	}
	if _, known := s.parts[role.component]; role.component != nil && !known {
		s.parts[role.component] = binding
	}
	if _, known := s.roles[role.id]; role.component == nil && !known {
		s.roles[role.id] = binding
	}
}

// first returns the first binding that allows a request, or none.
func (p *powers) first(x *powerIndex, q ask) int32 {
	if !p.set.has(q.power) {
		return none
	}
	first := p.in[""].first(x, q)
	if first == none && q.namespace != "" { // those of the whole cluster come before
		first = p.in[q.namespace].first(x, q)
	}
	if first == none && q.namespace != "" {
		first = p.in[AnyNamespace].first(x, q)
	}
	return first
}

func (s *scopePowers) first(x *powerIndex, q ask) int32 {
	if s == nil {
		return none
	}
	first := s.wide[q.power]
	look := func(binding int32, ok bool) {
		if ok && (first == none || binding < first) {
			first = binding
		}
	}
	for _, role := range x.writtenIn[namedPower{q.power, q.name}] {
		number, aggregated := x.partNumber[role]
		if !aggregated {
			binding, ok := s.roles[role]
			look(binding, ok)
			continue
		}
		for c, binding := range s.parts {
			look(binding, x.of(c).below[number/64]>>(number%64)&1 != 0)
		}
	}
	return first
}

// namesOf calls each for the names in the scope over which there is one of the
// powers; several times where several rules name them.
func (s *scopePowers) namesOf(x *powerIndex, set powerSet, each func(name string)) {
	if s == nil {
		return
	}
	visit := func(role int32) {
		for _, p := range x.names[role] {
			if set.has(p.power) {
				each(p.name)
			}
		}
	}
	for role := range s.roles {
		if x.named[role]&set != 0 {
			visit(role)
		}
	}
	below := make([]uint64, (len(x.parts)+63)/64)
	for c := range s.parts {
		for word, set := range x.of(c).below {
			below[word] |= set
		}
	}
	for word, set := range below {
		for ; set != 0; set &= set - 1 {
			visit(x.parts[word*64+bits.TrailingZeros64(set)])
		}
	}
}

// namesOf returns the names over which one of several has one of the powers in a
// namespace or in the whole cluster, in order.
func (x *powerIndex) namesOf(holders []*powers, namespace string, set powerSet) []string {
	var names []string
	add := func(name string) { names = append(names, name) }
	for _, p := range holders {
		if p.set&set == 0 {
			continue
		}
		p.in[""].namesOf(x, set, add)
		if namespace != "" {
			p.in[namespace].namesOf(x, set, add)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
