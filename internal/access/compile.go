package access

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// Texts are compared by the hashes that sealing gave their nodes: compiling a
// rule reads no text.

// hashOf returns the hash of a sealed String node with this text.
func hashOf(text string) uint64 {
	n := tree.Of(text)
	return n.Seal().Hash()
}

var star = hashOf("*")

// verbSet is a set of verbs that some right needs, or all of them.
type verbSet uint32

const allVerbs = ^verbSet(0)

// need is a Need for one resource.
type need struct {
	names    []uint64 // that alone give the right
	group    uint64
	verbs    verbSet
	byName   verbSet // those of verbs that a rule restricted to names can allow
	unnamed  verbSet // those of verbs that requests without a name have
	applied  bool    // what is created may be created by apply, with its name
	right    Right
	cluster  bool
	resource string
	inGroup  string // group
}

// compiledCatalogue is the catalogue, made for looking up what a rule gives.
type compiledCatalogue struct {
	verbs         map[uint64]verbSet
	read          verbSet
	readAll       verbSet // those of read that requests without a name have
	patch, create verbSet
	impersonate   verbSet
	// byResource holds, for each way to name a resource in a rule, the needs
	// that it may meet.
	byResource map[uint64][]need
}

// Extra fields of users are subresources, one for each key. Rules name any; the
// catalogue says KEY for it.
const extras = "userextras"

var (
	compiled = compile()
	anyExtra = hashOf(extras + "/KEY")
)

func compile() compiledCatalogue {
	c := compiledCatalogue{verbs: map[uint64]verbSet{star: allVerbs}, byResource: map[uint64][]need{}}
	for r := range catalogue {
		for i := range catalogue[r].needs {
			for _, resource := range catalogue[r].needs[i].Resources {
				c.add(Right(r), &catalogue[r].needs[i], resource)
			}
		}
	}
	c.patch, c.create, c.impersonate = c.verbs[hashOf("patch")], c.verbs[hashOf("create")], c.verbs[hashOf("impersonate")]
	c.readAll = c.verbs[hashOf("list")] | c.verbs[hashOf("watch")]
	c.read = c.verbs[hashOf("get")] | c.readAll
	return c
}

// unnamedVerbs are those of requests without a name: for collections, and to post
// an object.
var unnamedVerbs = []string{"create", "list", "watch", "deletecollection"}

// neverStored are resources of which objects are posted and not kept.
var neverStored = []string{"tokenreviews", "subjectaccessreviews", "bindings"}

func (c *compiledCatalogue) add(r Right, from *Need, resource string) {
	n := need{right: r, group: hashOf(from.Group), cluster: from.Cluster, resource: resource, inGroup: from.Group, applied: !slices.Contains(neverStored, resource)}
	for _, name := range from.Names {
		n.names = append(n.names, hashOf(name))
	}
	_, sub, isSub := strings.Cut(resource, "/")
	for _, verb := range from.Verbs {
		h := hashOf(verb)
		if c.verbs[h] == 0 {
			c.verbs[h] = 1 << (len(c.verbs) - 1)
		}
		n.verbs |= c.verbs[h]
		if verb != "create" || isSub { // what is posted has no name yet when it is authorized
			n.byName |= c.verbs[h]
		}
		if !isSub && slices.Contains(unnamedVerbs, verb) {
			n.unnamed |= c.verbs[h]
		}
	}
	ways := []string{resource, "*"}
	if isSub {
		ways = append(ways, "*/"+sub)
	}
	for _, way := range ways {
		c.byResource[hashOf(way)] = append(c.byResource[hashOf(way)], n)
	}
}

// ruleSet is what a list of rules gives.
type ruleSet struct {
	bothScopes
	named   []Named
	waiting []waiting
}

// waiting is a right over names that a rule allows to create and no rule of its role
// to patch: with another role it may be one.
type waiting struct {
	Named
	group string
	rule  Rule
}

// bothScopes are the rights that rules give for every name, bound in the whole
// cluster and in one namespace.
type bothScopes struct{ cluster, namespaced Rights }

func compileRules(rules *tree.Node) *ruleSet {
	set := &ruleSet{}
	var seen map[namedKey]bool
	eachRight(rules, func(rule Rule, g given) {
		if !g.named {
			set.cluster |= 1 << g.right
			if !g.cluster {
				set.namespaced |= 1 << g.right
			}
			return
		}
		key := namedKey{g.right, g.need.resource, g.hashOf(rule)}
		if seen == nil {
			seen = map[namedKey]bool{}
		}
		if !seen[key] {
			seen[key] = true
			set.named = append(set.named, Named{key.right, key.resource, g.names(rule), g.cluster, key.names})
		}
	}, func(rule Rule, g given) {
		set.waiting = append(set.waiting, waiting{Named{g.right, g.need.resource, g.some, g.cluster, g.hashOf(rule)}, g.need.inGroup, rule})
	})
	return set
}

// given is a right that a rule gives by one of its resources.
type given struct {
	right    Right
	resource *tree.Node
	need     *need // nil for the rights that lie in wildcards
	cluster  bool  // in cluster-wide grants only
	named    bool  // for the rule's names only
	// unapplied says that the rule allows to create these names, and so nothing
	// unless another one allows to patch them: see eachRight.
	unapplied bool
	some      []string // of the rule's names, where it is unapplied
}

// rights calls give for each right of the rule and each resource by which the
// rule gives it.
func (r Rule) rights(give func(given)) {
	var verbs verbSet
	list := r.Node.Get("verbs").Children()
	for i := range list {
		verbs |= compiled.verbs[list[i].Hash()]
	}
	groups := r.Node.Get("apiGroups")
	names := r.Node.Get("resourceNames")
	resources := r.Node.Get("resources")
	switch {
	case len(list) == 0 || groups.Len() == 0:
	case names.Len() == 0:
		wildcards(verbs, groups, resources, give)
	case hasHash(names, emptyHash) && verbs&compiled.readAll != 0 && hasHash(groups, star): // whole collections have no name
		if at := slices.IndexFunc(resources.Children(), func(n tree.Node) bool { return n.Hash() == star }); at >= 0 {
			give(given{right: ReadAll, resource: resources.At(at)})
		}
	}
	if verbs == 0 {
		return
	}
	anyGroup := hasHash(groups, star)
	for i := range resources.Children() {
		resource := &resources.Children()[i]
		needs := compiled.byResource[resource.Hash()]
		if needs == nil && verbs&compiled.impersonate != 0 && strings.HasPrefix(resource.Str(), extras+"/") && !IsNothing(resource.Str()) {
			needs = compiled.byResource[anyExtra]
		}
		for j := range needs {
			n := &needs[j]
			if n.verbs&verbs == 0 || !anyGroup && !hasHash(groups, n.group) {
				continue
			}
			g := given{right: n.right, resource: resource, need: n, cluster: n.cluster}
			if names.Len() > 0 && !n.wideBy(verbs, names) {
				if g.named = true; !n.namedBy(verbs) {
					if g.unapplied = n.createdBy(verbs); !g.unapplied {
						continue
					}
				}
			}
			give(g)
		}
	}
}

// wideBy reports whether a rule that is restricted to names gives the right all the
// same: by a name that is enough, or by the name "", which is that of a request
// without one.
func (n *need) wideBy(verbs verbSet, names *tree.Node) bool {
	return n.unnamed&verbs != 0 && hasHash(names, emptyHash) || slices.ContainsFunc(n.names, func(h uint64) bool { return hasHash(names, h) })
}

// namedBy reports whether a rule that is restricted to names gives the right for
// these. To apply an object that there is not takes patch and create for its name.
func (n *need) namedBy(verbs verbSet) bool {
	return n.byName&verbs != 0 || verbs&compiled.patch != 0 && n.createdBy(verbs)
}

// createdBy reports whether a rule that is restricted to names gives the right for
// these with one that allows to patch them. Of a right that patch alone gives too,
// that one gives it.
func (n *need) createdBy(verbs verbSet) bool {
	return n.applied && n.verbs&compiled.patch == 0 && n.unnamed&compiled.create&verbs != 0
}

func hasHash(list *tree.Node, hash uint64) bool {
	kids := list.Children()
	for i := range kids {
		if kids[i].Hash() == hash {
			return true
		}
	}
	return false
}

// wildcards gives the rights that lie in the wildcards themselves.
func wildcards(verbs verbSet, groups, resources *tree.Node, give func(given)) {
	kids := resources.Children()
	for i := range kids {
		resource := &kids[i]
		if resource.Hash() == star {
			give(given{right: WildcardResources, resource: resource})
			if hasHash(groups, star) {
				if verbs == allVerbs {
					give(given{right: WildcardAll, resource: resource})
				}
				if verbs&compiled.read != 0 {
					give(given{right: ReadAll, resource: resource})
				}
			}
		}
		if verbs == allVerbs && !IsNothing(resource.Str()) {
			give(given{right: WildcardVerbs, resource: resource})
		}
	}
}

// Grant is a right that rules give, with the resources, as the rules name
// them, that give it.
type Grant struct {
	Right     Right
	Resources []string // sorted
	More      bool     // aggregated roles name more than MaxAggregated
}

// Grants returns the rights that the role's rules give for every name, in the
// order of the catalogue. clusterWide says whether they hold in the whole
// cluster; in one namespace, rules about cluster-scoped resources give nothing.
// Each lists all resources that the role itself names, and at most
// MaxAggregated that it names by aggregation.
func (r *Role) Grants(clusterWide bool) []Grant {
	own := r.direct(clusterWide)
	if r.component == nil {
		return own
	}
	grants := slices.Clone(r.component.given(clusterWide))
	for _, g := range own {
		at, _ := slices.BinarySearchFunc(grants, g.Right, func(g Grant, r Right) int { return int(g.Right) - int(r) })
		all := slices.Concat(grants[at].Resources, g.Resources)
		slices.Sort(all)
		grants[at].Resources = slices.Compact(all)
	}
	return grants
}

// direct returns the grants of the rules that are written in the role itself.
func (r *Role) direct(clusterWide bool) []Grant {
	var resources [rightCount][]string
	for rule := range r.written() {
		rule.rights(func(g given) {
			if !g.named && (clusterWide || !g.cluster) {
				resources[g.right] = append(resources[g.right], g.resource.Str())
			}
		})
	}
	return asGrants(&resources)
}

func asGrants(resources *[rightCount][]string) []Grant {
	var grants []Grant
	for right, l := range resources {
		if len(l) > 0 {
			slices.Sort(l)
			grants = append(grants, Grant{Right: Right(right), Resources: slices.Compact(l)})
		}
	}
	return grants
}
