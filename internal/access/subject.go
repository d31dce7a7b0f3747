package access

import (
	"slices"
	"strings"
)

// held returns the positions of the bindings that hold for a subject, in order.
func (a *Analysis) held(subject Subject) []int32 {
	var all []int32
	add := func(s Subject) {
		for at := a.last[s]; at != 0; at = a.links[at-1].previous {
			all = append(all, a.links[at-1].binding)
		}
	}
	add(subject)
	for _, other := range implied(subject) {
		add(other)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Named reports whether a binding names a service account itself, and not only a
// group that it is in.
func (a *Analysis) Named(namespace, account string) bool {
	user := Subject{Kind: "User", Name: accountPrefix + namespace + ":" + account}
	return a.last[ServiceAccount(namespace, account)] != 0 || a.last[user] != 0
}

const (
	authenticated   = "system:authenticated"
	serviceAccounts = "system:serviceaccounts"
	accountPrefix   = "system:serviceaccount:"
)

// implied returns the other names by which a binding reaches a subject.
func implied(s Subject) []Subject {
	group := func(name string) Subject { return Subject{Kind: "Group", Name: name} }
	switch s.Kind {
	case "ServiceAccount":
		user := Subject{Kind: "User", Name: accountPrefix + s.Namespace + ":" + s.Name}
		return []Subject{user, group(authenticated), group(serviceAccounts), group(serviceAccounts + ":" + s.Namespace)}
	case "User":
		if account, ok := AccountOf(s); ok {
			return append(implied(account), account)
		}
		if s.Name == "system:anonymous" {
			return []Subject{group("system:unauthenticated")}
		}
		return []Subject{group(authenticated)}
	}
	return nil
}

// AccountOf returns the service account that a User is, if it is one.
func AccountOf(s Subject) (Subject, bool) {
	rest, ok := strings.CutPrefix(s.Name, accountPrefix)
	namespace, name, two := strings.Cut(rest, ":")
	if s.Kind != "User" || !ok || !two {
		return Subject{}, false
	}
	return ServiceAccount(namespace, name), true
}

// AccountsOf says which service accounts a Group holds: those of one
// namespace, or of all where namespace is "". ok is false for other groups.
func AccountsOf(s Subject) (namespace string, ok bool) {
	if s.Kind != "Group" {
		return "", false
	}
	if s.Name == authenticated || s.Name == serviceAccounts {
		return "", true
	}
	return strings.CutPrefix(s.Name, serviceAccounts+":")
}
