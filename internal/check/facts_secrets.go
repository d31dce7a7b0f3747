package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/secrets"
	"ullage.dev/ullage/internal/tree"
)

// secretReaders lists who may read a Secret by RBAC, the parts of Kubernetes
// itself left out. consumes says that a workload which consumes it runs as the
// reader. One that is not known stands for those that are not listed.
func (f *Facts) secretReaders(o *model.Object) tree.Node {
	answer := f.readers().of(secrets.Name{Namespace: o.Key.Namespace, Name: o.Key.Name})
	var items []tree.Node
	for i := range answer.readers {
		r := &answer.readers[i]
		if r.System {
			continue
		}
		items = append(items, entries("subject", r.Subject, "bindingKind", r.Binding.Kind, "binding", r.Binding.Name, "byName", r.ByName,
			"serviceAccount", r.ServiceAccount, "consumes", f.consumedBy(o, r.Subject)))
	}
	if answer.beyond != "" {
		items = append(items, tree.UnknownBecause(answer.beyond))
	}
	reason := "nobody here may read this Secret, and who may is written elsewhere"
	if len(answer.doubts) > 0 {
		reason = answer.doubts[0]
	}
	return f.listOr(items, reason, "", slices.Concat(roleKinds, bindingKinds)...)
}

// secretUsed tells whether anything consumes a Secret. It is unknown where nothing is
// known to, and something may do so by its name, by a convention or by the API.
func (f *Facts) secretUsed(o *model.Object) tree.Node {
	consumers := f.objectConsumers(o)
	switch {
	case consumers.Is(tree.Unknown):
		return consumers
	case consumers.Len() > 0:
		return sealed(tree.Of(true))
	}
	if why := f.mentions().InUse(o); why != "" {
		return unknown(why)
	}
	if why := f.readByAPI(o); why != "" {
		return unknown(why)
	}
	if gap := f.snapshot.Gap(o.Key.Namespace, slices.Concat(roleKinds, bindingKinds)...); gap != nil {
		return unknown(gap.Reason)
	}
	return sealed(tree.Of(false))
}

// readByAPI says who may well read a Secret by the API: subjects that are allowed this
// one by its name, and workloads of its namespace whose account may.
func (f *Facts) readByAPI(o *model.Object) string {
	answer := f.readers().of(secrets.Name{Namespace: o.Key.Namespace, Name: o.Key.Name})
	for i := range answer.readers {
		r := &answer.readers[i]
		if r.System {
			continue
		}
		if r.ByName {
			return r.Subject + " may read it by its name, and may well use it by the API"
		}
		account, ok := strings.CutPrefix(r.Subject, "sa:"+o.Key.Namespace+"/")
		if !ok {
			continue
		}
		for _, c := range f.consumers()[used{model.ServiceAccountKind, o.Key.Namespace, account}] {
			return fmt.Sprintf("%s may read it by the API, as service account %s", c.object.Key, account)
		}
	}
	return answer.beyond
}

// consumedBy reports whether a workload that consumes a Secret runs as a subject.
func (f *Facts) consumedBy(o *model.Object, subject string) bool {
	return slices.ContainsFunc(f.consumers()[used{model.SecretKind, o.Key.Namespace, o.Key.Name}], func(c consumer) bool {
		return c.account != "" && access.ServiceAccount(c.object.Key.Namespace, c.account).String() == subject
	})
}

// SecretReaders asks RBAC who may read a Secret. What it returns is safe for
// concurrent use, and its answers share memory: they must not be changed. Of very
// many readers of one Secret it lists some, and a doubt says that there are more.
func SecretReaders(a *access.Analysis) secrets.Readers {
	r := newSecretReaders(a)
	return func(name secrets.Name) ([]secrets.Reader, []string) {
		answer := r.of(name)
		if answer.beyond == "" {
			return answer.readers, answer.doubts
		}
		return answer.readers, append(slices.Clip(answer.doubts), answer.beyond)
	}
}

const (
	// listedReaders is how many readers of a Secret are listed.
	listedReaders = 100
	// namedWork bounds the bindings and names that are looked at for Secrets that
	// rules name: each such Secret takes all that hold in its namespace.
	namedWork = 8_000_000
)

// What is said of readers that are not listed.
const (
	readersBeyond = "more subjects may read Secrets than are listed for each"
	namesBeyond   = "rules allow so many subjects to read Secrets by name that not all of these are looked for"
)

// secretReaders answers who may read a Secret. Most answers hold for all Secrets
// of a namespace; only names that a rule restricts itself to are asked for one by
// one.
type secretReaders struct {
	access  *access.Analysis
	named   map[string]bool
	lock    sync.Mutex
	answers map[secrets.Name]*readersAnswer
	left    int                        // of namedWork
	takes   func(namespace string) int // what one name takes of it
}

type readersAnswer struct {
	readers []secrets.Reader
	doubts  []string // why there may be more
	beyond  string   // why there may be more than is listed, "" when all are
}

func newSecretReaders(a *access.Analysis) *secretReaders {
	r := &secretReaders{access: a, answers: map[secrets.Name]*readersAnswer{}, left: namedWork}
	r.named, r.takes = a.NamesRead()
	return r
}

func (r *secretReaders) of(name secrets.Name) readersAnswer {
	r.lock.Lock()
	defer r.lock.Unlock()
	named := r.named[name.Name]
	if !named {
		name.Name = "" // as any other of its namespace
	}
	if known := r.answers[name]; known != nil {
		return *known
	}
	beyond := ""
	if named {
		if r.left -= r.takes(name.Namespace); r.left < 0 {
			name.Name, beyond = "", namesBeyond
		}
	}
	known := r.answers[name]
	if known == nil {
		known = readersOf(r.access, name)
		r.answers[name] = known
	}
	answer := *known
	if beyond != "" {
		answer.beyond = beyond
	}
	return answer
}

func readersOf(a *access.Analysis, name secrets.Name) *readersAnswer {
	var answer readersAnswer
	at := map[access.Subject]int{}
	for _, verb := range access.SecretVerbs() {
		proofs, reasons := a.WhoCan(&access.Request{Verb: verb, Resource: "secrets", Namespace: name.Namespace, Name: name.Name})
		answer.doubts = append(answer.doubts, reasons...)
		for _, proof := range proofs {
			byName := len(proof.Rule.Names()) > 0
			i, ok := at[proof.Subject]
			if !ok {
				i = len(answer.readers)
				at[proof.Subject] = i
				answer.readers = append(answer.readers, readerBy(proof))
				answer.readers[i].ByName = byName
			}
			r := &answer.readers[i]
			if !slices.Contains(r.Verbs, verb) {
				r.Verbs = append(r.Verbs, verb)
			}
			r.ByName = r.ByName && byName
		}
	}
	seen := map[string]bool{}
	answer.doubts = slices.DeleteFunc(answer.doubts, func(doubt string) bool {
		again := seen[doubt]
		seen[doubt] = true
		return again
	})
	answer.bound()
	slices.SortStableFunc(answer.readers, func(a, b secrets.Reader) int { return strings.Compare(a.Subject, b.Subject) })
	return &answer
}

// bound leaves out readers that come after listedReaders: groups of everybody come
// first, and parts of Kubernetes itself last.
func (a *readersAnswer) bound() {
	if len(a.readers) <= listedReaders {
		return
	}
	rank := func(r *secrets.Reader) int {
		switch {
		case r.Everybody != "" || r.Anonymous:
			return 0
		case r.System:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(a.readers, func(x, y secrets.Reader) int {
		return cmp.Or(cmp.Compare(rank(&x), rank(&y)), strings.Compare(x.Subject, y.Subject))
	})
	a.readers, a.beyond = slices.Clone(a.readers[:listedReaders]), readersBeyond
}

func readerBy(proof access.Proof) secrets.Reader {
	s := proof.Subject
	_, accounts := access.AccountsOf(s)
	return secrets.Reader{
		Subject: s.String(), Binding: bindingKey(proof.Binding), ServiceAccount: s.Kind == "ServiceAccount" || accounts,
		Everybody: s.Everybody(), System: s.System(), Anonymous: s.Anonymous(),
	}
}

// bindingKey names a binding, also one that every cluster has.
func bindingKey(b access.Binding) model.Key {
	if o := b.Object(); o != nil {
		return o.Key
	}
	return model.Key{Namespace: b.Namespace(), GroupKind: model.GroupKind{Group: model.ClusterRoleBindingKind.Group, Kind: b.Kind()}, Name: b.Name()}
}
