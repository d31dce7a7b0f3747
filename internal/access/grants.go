package access

import (
	"slices"
	"strings"
)

// Grant is a right that rules give, with the resources, as the rules name
// them, that give it.
type Grant struct {
	Right     Right
	Resources []string // sorted
}

// GrantsOf returns the rights that rules give in the order of the catalogue.
// clusterWide says whether they hold in the whole cluster; in one namespace,
// rules about cluster-scoped resources give nothing.
func GrantsOf(rules []Rule, clusterWide bool) []Grant {
	var resources [len(catalogue)][]string
	for i := range rules {
		rules[i].rights(func(r Right, resource string, clusterOnly bool) {
			if clusterWide || !clusterOnly {
				resources[r] = append(resources[r], resource)
			}
		})
	}
	var grants []Grant
	for r, l := range resources {
		if len(l) > 0 {
			slices.Sort(l)
			grants = append(grants, Grant{Right(r), slices.Compact(l)})
		}
	}
	return grants
}

// RightsOf returns the rights that rules give in the whole cluster, and those
// that they give in one namespace.
func RightsOf(rules []Rule) (cluster, namespaced Rights) {
	for i := range rules {
		rules[i].rights(func(r Right, _ string, clusterOnly bool) {
			cluster |= 1 << r
			if !clusterOnly {
				namespaced |= 1 << r
			}
		})
	}
	return cluster, namespaced
}

// verbSet is a set of verbs that some right needs, or all of them.
type verbSet uint32

const allVerbs = ^verbSet(0)

// compiledNeed is a Need for one resource.
type compiledNeed struct {
	*Need
	right Right
	verbs verbSet
}

// compiled is the catalogue, made for looking up what a rule gives.
type compiledCatalogue struct {
	verbs map[string]verbSet
	// byResource holds, for each way to name a resource in a rule, the needs
	// that it may meet.
	byResource map[string][]compiledNeed
}

var compiled = compile()

func compile() compiledCatalogue {
	c := compiledCatalogue{verbs: map[string]verbSet{"*": allVerbs}, byResource: map[string][]compiledNeed{}}
	for r := range catalogue {
		for i := range catalogue[r].needs {
			need := &catalogue[r].needs[i]
			n := compiledNeed{Need: need, right: Right(r)}
			for _, verb := range need.Verbs {
				if c.verbs[verb] == 0 {
					c.verbs[verb] = 1 << (len(c.verbs) - 1)
				}
				n.verbs |= c.verbs[verb]
			}
			for _, resource := range need.Resources {
				c.byResource[resource] = append(c.byResource[resource], n)
				if _, sub, ok := strings.Cut(resource, "/"); ok {
					c.byResource["*/"+sub] = append(c.byResource["*/"+sub], n)
				}
			}
			c.byResource["*"] = append(c.byResource["*"], n)
		}
	}
	return c
}

// rights calls give for each right of the rule and each resource by which the
// rule gives it. clusterOnly says that it does so in the whole cluster only.
func (r *Rule) rights(give func(right Right, resource string, clusterOnly bool)) {
	var verbs verbSet
	for _, verb := range r.Verbs {
		verbs |= compiled.verbs[verb]
	}
	if len(r.Names) == 0 && len(r.Verbs) > 0 && len(r.Groups) > 0 {
		r.wildcards(verbs, give)
	}
	if verbs == 0 {
		return
	}
	anyGroup := slices.Contains(r.Groups, "*")
	for _, resource := range r.Resources {
		needs := compiled.byResource[resource]
		for i := range needs {
			n := &needs[i]
			if n.verbs&verbs != 0 && (anyGroup || slices.Contains(r.Groups, n.Group)) && r.named(n.Names) {
				give(n.right, resource, n.Cluster)
			}
		}
	}
}

// named reports whether the rule holds for all names, or for one of names.
func (r *Rule) named(names []string) bool {
	return len(r.Names) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(r.Names, name) })
}

// wildcards gives the rights that lie in the wildcards themselves.
func (r *Rule) wildcards(verbs verbSet, give func(Right, string, bool)) {
	everything := slices.Contains(r.Resources, "*")
	if everything {
		give(wildcardResources, "*", false)
	}
	if everything && slices.Contains(r.Groups, "*") {
		if verbs == allVerbs {
			give(wildcardAll, "*", false)
		}
		if verbs&(compiled.verbs["get"]|compiled.verbs["list"]|compiled.verbs["watch"]) != 0 {
			give(readAll, "*", false)
		}
	}
	if verbs == allVerbs {
		for _, resource := range r.Resources {
			give(wildcardVerbs, resource, false)
		}
	}
}
