package access

import (
	"strings"
	"sync"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Every cluster has ClusterRoles and bindings that the API server makes. A
// snapshot of files rarely holds them, so they are assumed; an object of the same
// name replaces them, and a snapshot that holds cluster-admin is taken for one
// that has them all.

type builtin struct {
	name       string
	aggregates string // roles labelled to be part of this one
	joins      string // the role that this one is labelled to be part of
	rules      []builtinRule
}

// builtinRule is a rule; each field is a list with commas.
type builtinRule struct{ verbs, groups, resources, names, urls string }

func allow(verbs, groups, resources string) builtinRule {
	return builtinRule{verbs: verbs, groups: groups, resources: resources}
}

func allowURLs(urls string) builtinRule { return builtinRule{verbs: "get", urls: urls} }

func (r builtinRule) only(names string) builtinRule {
	r.names = names
	return r
}

const (
	edits = "create,delete,deletecollection,patch,update"
	owns  = edits + "," + read

	aggregateTo = "rbac.authorization.k8s.io/aggregate-to-"
)

func (r builtinRule) node() tree.Node {
	entries := []tree.Node{tree.Entry("verbs", words(r.verbs))}
	if r.urls != "" {
		entries = append(entries, tree.Entry("nonResourceURLs", words(r.urls)))
	} else {
		entries = append(entries, tree.Entry("apiGroups", words(r.groups)), tree.Entry("resources", words(r.resources)))
	}
	if r.names != "" {
		entries = append(entries, tree.Entry("resourceNames", words(r.names)))
	}
	return tree.MapOf(entries...)
}

// builtinRoles returns the roles, sealed and compiled. Callers copy them.
var builtinRoles = sync.OnceValue(func() []Role {
	roles := make([]Role, len(builtins))
	for i, b := range builtins {
		r := &roles[i]
		r.Name = b.name
		if b.aggregates != "" {
			r.selectors = []model.Selector{model.MatchLabels(labels(aggregateTo + b.aggregates))}
			r.Aggregated = true
		}
		if b.joins != "" {
			r.labels = labels(aggregateTo + b.joins)
			r.labelled = r.labels.Hash()
		}
		rules := make([]tree.Node, len(b.rules))
		for j := range b.rules {
			rules[j] = b.rules[j].node()
		}
		list := tree.Of(rules)
		r.rules = list.Seal()
		r.own = compileRules(r.rules)
		r.gives = r.own.bothScopes
	}
	return roles
})

func labels(key string) *tree.Node {
	n := tree.MapOf(tree.Entry(key, "true"))
	return n.Seal()
}

type builtinBinding struct {
	name     string
	subjects []Subject
}

// builtinBindings are the ClusterRoleBindings that every cluster has. Each gives
// the role of its name.
var builtinBindings = []builtinBinding{
	{"cluster-admin", []Subject{Group(masters)}},
	{"system:basic-user", []Subject{Group(authenticated)}},
	{"system:cluster-trust-bundle-discovery", []Subject{Group(serviceAccounts)}},
	{"system:discovery", []Subject{Group(authenticated)}},
	{"system:kube-controller-manager", []Subject{User("system:kube-controller-manager")}},
	{"system:kube-dns", []Subject{ServiceAccount("kube-system", "kube-dns")}},
	{"system:kube-scheduler", []Subject{User("system:kube-scheduler")}},
	{"system:monitoring", []Subject{Group("system:monitoring")}},
	{"system:node", nil},
	{"system:node-proxier", []Subject{User("system:kube-proxy")}},
	{"system:public-info-viewer", []Subject{Group(authenticated), Group(unauthenticated)}},
	{"system:service-account-issuer-discovery", []Subject{Group(serviceAccounts)}},
	{"system:volume-scheduler", []Subject{User("system:kube-scheduler")}},
}

// assumeBindings adds the bindings that every cluster has and that the snapshot
// does not hold.
func (a *Analysis) assumeBindings() {
	if a.complete() {
		return
	}
	for _, b := range builtinBindings {
		if a.snapshot.Get(model.Key{Cluster: a.clusterName, GroupKind: model.ClusterRoleBindingKind, Name: b.name}) != nil {
			continue
		}
		made := binding{role: a.roleIDs.get(identity(clusterRoleHash, emptyHash, hashOf(b.name))), first: int32(len(a.holders))}
		for _, s := range b.subjects {
			w := writtenOf(s)
			a.holders = append(a.holders, a.holder(&w, 0))
		}
		made.last = int32(len(a.holders))
		a.bindings = append(a.bindings, made)
		a.assumed = append(a.assumed, b.name)
	}
}

// AssumedRole reports whether the ClusterRole is one that every cluster has, by
// its name.
func AssumedRole(name string) bool {
	return strings.HasPrefix(name, "system:") || name == "cluster-admin" || name == "admin" || name == "edit" || name == "view"
}
