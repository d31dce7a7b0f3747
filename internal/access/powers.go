package access

import (
	"slices"
)

// power is a request about roles or bindings that somebody may make. Without a
// name it is about any, without a namespace in the whole cluster.
type power struct{ verb, resource, namespace, name string }

var (
	powerVerbs     = []string{"escalate", "bind", "create", "update", "patch"}
	powerResources = []string{roleWord, clRoleWord, bindingWord, clBindingWord}
)

const powerRights = reshaping | 1<<WriteRoles | 1<<WriteBindings

// allowance is a power that a role gives where it is bound.
type allowance struct {
	power
	from *Role
	rule Rule
}

// powers are what the bindings of one subject, without those of its groups, allow
// it to do with roles and bindings.
type powers struct {
	by     map[power]Proof // the first that allows it
	scopes []string        // namespaces in which there are some, in order
	bound  []power         // bind on roles of a name
	parts  []string        // names of ClusterRoles that may be written by the right to escalate
	held   []int32         // its bindings
}

// any reports whether there are some.
func (p *powers) any() bool { return len(p.by) > 0 }

// powerReader reads the powers of each subject once.
type powerReader struct {
	a        *Analysis
	subjects map[int32]*powers
}

// of returns the powers of a subject by its number.
func (r *powerReader) of(id int32) *powers {
	if p, ok := r.subjects[id]; ok {
		return p
	}
	p := &powers{held: r.a.held[r.a.heldStart[id]:r.a.heldStart[id+1]]}
	r.subjects[id] = p
	for _, at := range p.held {
		b := Binding{r.a, at}
		role := b.Role()
		if role == nil {
			continue
		}
		for _, w := range role.allowed() {
			p.add(w, b.Namespace(), Proof{r.a.subject(id), b, w.from, w.rule})
		}
	}
	return p
}

func (p *powers) add(w allowance, namespace string, by Proof) {
	key := w.power
	key.namespace = namespace
	if _, known := p.by[key]; known {
		return
	}
	if p.by == nil {
		p.by = map[power]Proof{}
	}
	p.by[key] = by
	if n := len(p.scopes); n == 0 || p.scopes[n-1] != key.namespace { // bindings come by namespace
		p.scopes = append(p.scopes, key.namespace)
	}
	switch {
	case key.verb == "bind" && key.name != "" && (key.resource == roleWord || key.resource == clRoleWord):
		p.bound = append(p.bound, key)
	case key.verb == "escalate" && key.resource == clRoleWord && key.name != "":
		p.parts = append(p.parts, key.name)
	}
}

// allowed returns the powers that a role gives: its own, then those that come by
// aggregation, of which there are at most MaxNamed by name of each kind.
func (r *Role) allowed() []allowance {
	if r.component == nil {
		return r.ownAllowed()
	}
	return slices.Concat(r.ownAllowed(), r.component.allowed())
}

func (r *Role) ownAllowed() []allowance {
	if r.own.cluster&powerRights == 0 && !slices.ContainsFunc(r.own.named, func(n Named) bool { return powerRights>>n.Right&1 != 0 }) {
		return nil
	}
	var all []allowance
	for rule := range r.written() {
		all = appendAllowances(all, r, rule)
	}
	return all
}

func appendAllowances(all []allowance, role *Role, rule Rule) []allowance {
	if !holds(rule.Node.Get("apiGroups"), rbacGroup) {
		return all
	}
	names := rule.Names()
	for _, resource := range powerResources {
		if !rule.hasResource(&Request{Resource: resource}) {
			continue
		}
		for _, verb := range powerVerbs {
			switch {
			case !holds(rule.Node.Get("verbs"), verb):
			case len(names) == 0:
				all = append(all, allowance{power{verb: verb, resource: resource}, role, rule})
			case verb != "create": // what is created has no name yet
				for _, name := range names {
					all = append(all, allowance{power{verb: verb, resource: resource, name: name}, role, rule})
				}
			}
		}
	}
	return all
}

func (c *component) allowed() []allowance {
	return c.powers.get(func() []allowance {
		var all []allowance
		for _, role := range c.roles {
			all = append(all, role.ownAllowed()...)
		}
		for _, other := range c.next {
			all = append(all, other.allowed()...)
		}
		slices.SortStableFunc(all, func(x, y allowance) int { return compareRoles(x.from, y.from) })
		seen, count := map[power]bool{}, map[power]int{}
		return slices.Clip(slices.DeleteFunc(all, func(w allowance) bool {
			kind := power{verb: w.verb, resource: w.resource}
			if seen[w.power] || w.name != "" && count[kind] == MaxNamed {
				return true
			}
			seen[w.power] = true
			if w.name != "" {
				count[kind]++
			}
			return false
		}))
	})
}
