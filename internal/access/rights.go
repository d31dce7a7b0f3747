package access

import (
	"math/bits"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// Right is something that is dangerous to be allowed.
type Right uint8

// Rights is a set of rights.
type Rights uint64

// Has reports whether the set holds a right.
func (s Rights) Has(r Right) bool { return s>>r&1 != 0 }

// All returns the rights of the set in the order of the catalogue.
func (s Rights) All() []Right {
	l := make([]Right, 0, bits.OnesCount64(uint64(s)))
	for ; s != 0; s &= s - 1 {
		l = append(l, Right(bits.TrailingZeros64(uint64(s))))
	}
	return l
}

func (r Right) String() string { return catalogue[r].name }

// RightInfo is what people are told about a right.
type RightInfo struct {
	Name     string         // permanent, such as read-secrets
	Group    string         // one of Groups
	Severity model.Severity // when it is held in the whole cluster
	Gain     string         // what an attacker does with it, one sentence
	Named    string         // the same of who holds it for some names only, where Gain says too much, or ""
	Attack   []string       // MITRE ATT&CK Enterprise technique ids
	// Part names the wider right that this one is a part of, or is "".
	Part string
	// One says that it leads as far over one object as over all, so that the
	// severity is the same for who holds it for some names only.
	One bool
}

// Info describes a right.
func (r Right) Info() RightInfo {
	d := &catalogue[r]
	return RightInfo{d.name, d.group, d.severity, d.gain, d.named, words(d.attack), d.part, d.one}
}

// Groups are the groups of rights, in the order of reports.
var Groups = []string{
	"everything", "become someone", "read secrets", "run code", "reach nodes", "change the rules", "reach the network", "disturb", "learn",
}

// Needs returns the definition of a right: holding any of them gives it. It is
// nil for the rights about wildcards, which are about how a rule is written, and
// for those that others make together.
func (r Right) Needs() []Need { return catalogue[r].needs }

// Together returns, for a right that others make together, sets of which one
// right each must be held; nil for others.
func (r Right) Together() []Rights { return catalogue[r].all }

// Need is a set of requests any of which gives a right, for every name. A rule
// that is restricted to names gives it only when it allows one of Names.
type Need struct {
	Verbs     []string
	Group     string
	Resources []string // with subresource, such as pods/exec
	Cluster   bool     // means nothing in a grant for one namespace
	Names     []string // names that alone give the right
}

// definition is an entry of the catalogue.
type definition struct {
	name     string
	group    string
	severity model.Severity
	attack   string
	gain     string
	named    string
	needs    []Need
	all      []Rights // one right of each set makes this one
	part     string
	one      bool
}

func words(s string) []string { return strings.Split(s, ",") }

func inNamespaces(verbs, group, resources string) Need {
	return Need{Verbs: words(verbs), Group: group, Resources: words(resources)}
}

func clusterWide(verbs, group, resources string) Need {
	return Need{Verbs: words(verbs), Group: group, Resources: words(resources), Cluster: true}
}

func (n Need) named(names ...string) Need {
	n.Names = names
	return n
}

const (
	write   = "create,update,patch"
	change  = "update,patch"
	control = "create,update,patch,delete,deletecollection" // where taking away does harm too
	erase   = "delete,deletecollection"
	read    = "get,list,watch"
	run     = "create,get" // over WebSocket the API server asks for get

	rbacGroup      = "rbac.authorization.k8s.io"
	admissionGroup = "admissionregistration.k8s.io"
	csrGroup       = "certificates.k8s.io"
	authnGroup     = "authentication.k8s.io"
)

// Facts are the rights that `related.rights` and `related.grants` of the rule
// language list, with Combined. The others are parts of these, or too common to
// judge a workload by.
const Facts Rights = 1<<(DeleteEvents+1) - 1

// Combined are the rights that others make together.
const Combined = everything &^ (1<<firstTogether - 1)

// Reported are the rights that say all without saying it twice: wide ones are
// left out where their parts cover them, and parts where they do not.
const Reported = everything &^ (1<<Impersonate | 1<<ModifyWorkloads | 1<<ApproveCSR | 1<<ListSecrets | 1<<CreateSecrets | 1<<PatchNamespaces)

// partOfCombined reports whether the set holds a right that makes others together
// with more.
func (s Rights) partOfCombined() bool {
	for r := firstTogether; r < rightCount; r++ {
		for _, any := range catalogue[r].all {
			if s&any != 0 {
				return true
			}
		}
	}
	return false
}

// Complete adds the rights that those of the set make together.
func (s Rights) Complete() Rights {
	for r := firstTogether; r < rightCount; r++ {
		whole := true
		for _, any := range catalogue[r].all {
			whole = whole && s&any != 0
		}
		if whole {
			s |= 1 << r
		}
	}
	return s
}
