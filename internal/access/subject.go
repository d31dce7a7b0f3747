package access

import (
	"fmt"
	"iter"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"ullage.dev/ullage/internal/model"
)

// Subject is a ServiceAccount, a User or a Group; only the first has a
// namespace.
type Subject struct{ Kind, Namespace, Name string }

const (
	kindAccount = "ServiceAccount"
	kindUser    = "User"
	kindGroup   = "Group"
)

const (
	anonymous       = "system:anonymous"
	unauthenticated = "system:unauthenticated"
	authenticated   = "system:authenticated"
	masters         = "system:masters"
	serviceAccounts = "system:serviceaccounts"
	accountPrefix   = "system:serviceaccount:"
	nodePrefix      = "system:node:"
	nodes           = "system:nodes"
)

// ServiceAccount returns the subject of a service account.
func ServiceAccount(namespace, name string) Subject { return Subject{kindAccount, namespace, name} }

// User returns the subject of a user; it is a service account where the name is
// that of one.
func User(name string) Subject {
	rest, ok := strings.CutPrefix(name, accountPrefix)
	if namespace, account, two := strings.Cut(rest, ":"); ok && two {
		return ServiceAccount(namespace, account)
	}
	return Subject{Kind: kindUser, Name: name}
}

// Group returns the subject of a group: what every member of it may.
func Group(name string) Subject { return Subject{Kind: kindGroup, Name: name} }

// ParseSubject reads a subject as [Subject.String] writes it, and the user name
// of a service account.
func ParseSubject(text string) (Subject, error) {
	kind, name := model.CutPlace(text)
	switch {
	case strings.HasPrefix(text, accountPrefix):
		if s := User(text); s.Kind == kindAccount && s.Namespace != "" && s.Name != "" {
			return s, nil
		}
		return Subject{}, fmt.Errorf("subject %q is not %sNAMESPACE:NAME", text, accountPrefix)
	case kind == "sa":
		namespace, account, ok := strings.Cut(name, "/")
		if !ok || namespace == "" || account == "" || strings.ContainsAny(name, ": ") || strings.Contains(account, "/") {
			return Subject{}, fmt.Errorf("subject %q is not sa:NAMESPACE/NAME", text)
		}
		if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(account)) > 0 {
			return Subject{}, fmt.Errorf("subject %q cannot be: names of service accounts and namespaces are lower-case letters, digits and -", text)
		}
		return ServiceAccount(namespace, account), nil
	case kind == "user" && name != "":
		return User(name), nil
	case kind == "group" && name != "":
		return Group(name), nil
	}
	return Subject{}, fmt.Errorf("subject %q is none of sa:NAMESPACE/NAME, user:NAME, group:NAME", text)
}

// canonical returns the service account that a user is, and s itself for others.
func (s Subject) canonical() Subject {
	if s.Kind == kindUser {
		return User(s.Name)
	}
	return s
}

// Username returns the name by which the API server knows a user or a service account;
// ok is false for groups, which are known by that of each member.
func (s Subject) Username() (name string, ok bool) {
	if s.Kind == kindAccount {
		return accountPrefix + s.Namespace + ":" + s.Name, true
	}
	return s.Name, s.Kind == kindUser
}

func (s Subject) String() string {
	switch s.Kind {
	case kindAccount:
		return "sa:" + s.Namespace + "/" + s.Name
	case kindGroup:
		return "group:" + s.Name
	case kindGranted:
		return s.Name
	}
	return "user:" + s.Name
}

// System reports whether the subject is a part of Kubernetes itself: a user or
// group whose name begins with system:, or the service accounts of the
// namespaces that Kubernetes makes. Those that stand for everybody are not.
func (s Subject) System() bool {
	switch s.Kind {
	case kindAccount:
		return systemNamespace(s.Namespace)
	case kindGroup:
		if namespace, ok := strings.CutPrefix(s.Name, serviceAccounts+":"); ok {
			return systemNamespace(namespace)
		}
		if s.Name == authenticated || s.Name == unauthenticated || s.Name == serviceAccounts {
			return false
		}
	}
	return strings.HasPrefix(s.Name, "system:") && s.Name != anonymous
}

func systemNamespace(name string) bool {
	return name == "kube-system" || name == "kube-public" || name == "kube-node-lease"
}

// Anonymous reports whether the subject stands for those without a login.
func (s Subject) Anonymous() bool {
	return s.Kind == kindUser && s.Name == anonymous || s.Kind == kindGroup && s.Name == unauthenticated
}

// Everybody says whom a group stands for that nobody is put into by hand, in
// words; "" for other subjects.
func (s Subject) Everybody() string {
	namespace, accounts := strings.CutPrefix(s.Name, serviceAccounts+":")
	switch {
	case s.Anonymous():
		return "everybody who reaches the API server, without a login"
	case s.Kind != kindGroup:
		return ""
	case s.Name == authenticated:
		return "everybody with a login, every pod's service account included"
	case s.Name == serviceAccounts:
		return "every service account of the cluster"
	case accounts:
		return "every service account of namespace " + namespace
	}
	return ""
}

// groupsOf returns the groups that the API server puts a subject into by its
// name. What else a user is in, only the authenticator knows.
func groupsOf(s Subject) []string {
	switch s.Kind {
	case kindGranted: // its base is in them
		return nil
	case kindAccount:
		return []string{authenticated, serviceAccounts, serviceAccounts + ":" + s.Namespace}
	case kindUser:
		switch {
		case s.Name == anonymous:
			return []string{unauthenticated}
		case strings.HasPrefix(s.Name, nodePrefix):
			return []string{authenticated, nodes}
		}
		return []string{authenticated}
	}
	switch {
	case s.Name == unauthenticated || s.Name == authenticated:
		return nil
	case strings.HasPrefix(s.Name, serviceAccounts+":"):
		return []string{authenticated, serviceAccounts}
	}
	return []string{authenticated}
}

// AccountsOf says which service accounts a Group holds: those of one
// namespace, or of all where namespace is "". ok is false for other groups.
func AccountsOf(s Subject) (namespace string, ok bool) {
	if s.Kind != kindGroup {
		return "", false
	}
	if s.Name == authenticated || s.Name == serviceAccounts {
		return "", true
	}
	return strings.CutPrefix(s.Name, serviceAccounts+":")
}

// Groups yields the groups that Kubernetes puts a subject into by its name.
func (s Subject) Groups() iter.Seq[Subject] {
	return func(yield func(Subject) bool) {
		for _, name := range groupsOf(s.canonical()) {
			if !yield(Group(name)) {
				return
			}
		}
	}
}
