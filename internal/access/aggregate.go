package access

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// aggregate adds to each aggregating ClusterRole the rules of those that its
// selectors choose, through any number of steps. Rules that are written in an
// aggregating role count too: in a live cluster they are the aggregate itself.
func (a *Analysis) aggregate() {
	var clusterRoles []*Role
	for name, r := range a.roles {
		if name.Namespace == "" {
			clusterRoles = append(clusterRoles, r)
		}
	}
	slices.SortFunc(clusterRoles, func(a, b *Role) int { return strings.Compare(a.Name, b.Name) })
	own := map[*Role][]Rule{}
	chosen := map[*Role][]*Role{}
	for _, r := range clusterRoles {
		own[r] = r.Rules
		if len(r.selectors) == 0 {
			continue
		}
		for _, other := range clusterRoles {
			if other != r && slices.ContainsFunc(r.selectors, func(s model.Selector) bool { return s.Matches(other.labels) }) {
				chosen[r] = append(chosen[r], other)
			}
		}
	}
	for r := range chosen {
		r.Aggregates = closure(r, chosen)
		r.Rules = slices.Clip(r.Rules)
		for _, other := range r.Aggregates {
			r.Rules = append(r.Rules, own[other]...)
			a.aggregators[other] = append(a.aggregators[other], r)
		}
	}
	for _, by := range a.aggregators {
		slices.SortFunc(by, func(a, b *Role) int { return strings.Compare(a.Name, b.Name) })
	}
}

// closure returns what can be reached from a role, without the role itself.
func closure(from *Role, next map[*Role][]*Role) []*Role {
	seen := map[*Role]bool{from: true}
	var found []*Role
	for queue := next[from]; len(queue) > 0; {
		r := queue[0]
		queue = queue[1:len(queue):len(queue)]
		if !seen[r] {
			seen[r] = true
			found = append(found, r)
			queue = append(queue, next[r]...)
		}
	}
	return found
}

const aggregateTo = "rbac.authorization.k8s.io/aggregate-to-"

// builtinRoles returns ClusterRoles that every cluster has and that people
// bind, as Kubernetes 1.37 makes them. A snapshot that holds an object of the
// same name replaces them.
func builtinRoles() []*Role {
	var roles []*Role
	for _, b := range builtins {
		r := &Role{RoleName: RoleName{Name: b.name}, Rules: b.rules}
		if b.aggregates != "" {
			r.selectors = []model.Selector{model.MatchLabels(labels(aggregateTo + b.aggregates))}
			r.Aggregated = true
		}
		if b.joins != "" {
			r.labels = labels(aggregateTo + b.joins)
		}
		roles = append(roles, r)
	}
	return roles
}

func labels(key string) *tree.Node {
	n := tree.MapOf(tree.Entry(key, "true"))
	return n.Seal()
}

type builtin struct {
	name       string
	aggregates string // roles labelled to be part of this one
	joins      string // the role that this one is labelled to be part of
	rules      []Rule
}

func allow(verbs, groups, resources string) Rule {
	return Rule{Verbs: words(verbs), Groups: words(groups), Resources: words(resources)}
}

func allowURLs(urls string) Rule { return Rule{Verbs: []string{"get"}, URLs: words(urls)} }

const (
	edits = "create,delete,deletecollection,patch,update"
	owns  = edits + "," + read
)

func (r Rule) only(names string) Rule {
	r.Names = words(names)
	return r
}
