package check

import (
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
// reader.
func (f *Facts) secretReaders(o *model.Object) tree.Node {
	readers, doubts := f.readers()(secrets.Name{Namespace: o.Key.Namespace, Name: o.Key.Name})
	var items []tree.Node
	for i := range readers {
		r := &readers[i]
		if r.System {
			continue
		}
		items = append(items, entries("subject", r.Subject, "bindingKind", r.Binding.Kind, "binding", r.Binding.Name, "byName", r.ByName,
			"serviceAccount", r.ServiceAccount, "consumes", f.consumedBy(o, r.Subject)))
	}
	reason := "nobody here may read this Secret, and who may is written elsewhere"
	if len(doubts) > 0 {
		reason = doubts[0]
	}
	return f.listOr(items, reason, "", slices.Concat(roleKinds, bindingKinds)...)
}

// consumedBy reports whether a workload that consumes a Secret runs as a subject.
func (f *Facts) consumedBy(o *model.Object, subject string) bool {
	return slices.ContainsFunc(f.consumers()[used{secretKind, o.Key.Namespace, o.Key.Name}], func(c consumer) bool {
		return c.account != "" && access.ServiceAccount(c.object.Key.Namespace, c.account).String() == subject
	})
}

// SecretReaders asks RBAC who may read a Secret. Most answers hold for all
// Secrets of a namespace; only names that a rule restricts itself to are asked
// for one by one. What it returns is safe for concurrent use.
func SecretReaders(a *access.Analysis) secrets.Readers {
	named := map[string]bool{}
	for b := range a.All() {
		if role := b.Role(); role != nil {
			for _, rule := range role.Rules() {
				for _, name := range rule.Names() {
					named[name] = true
				}
			}
		}
	}
	type answer struct {
		readers []secrets.Reader
		doubts  []string
	}
	answers := map[secrets.Name]answer{}
	var lock sync.Mutex
	return func(name secrets.Name) ([]secrets.Reader, []string) {
		lock.Lock()
		defer lock.Unlock()
		if !named[name.Name] {
			name.Name = "" // as any other of its namespace
		}
		known, ok := answers[name]
		if !ok {
			known.readers, known.doubts = readersOf(a, name)
			answers[name] = known
		}
		return slices.Clone(known.readers), slices.Clone(known.doubts)
	}
}

func readersOf(a *access.Analysis, name secrets.Name) ([]secrets.Reader, []string) {
	var readers []secrets.Reader
	var doubts []string
	at := map[access.Subject]int{}
	for _, verb := range []string{"get", "list", "watch"} {
		proofs, reasons := a.WhoCan(&access.Request{Verb: verb, Resource: "secrets", Namespace: name.Namespace, Name: name.Name})
		for _, reason := range reasons {
			if !slices.Contains(doubts, reason) {
				doubts = append(doubts, reason)
			}
		}
		for _, proof := range proofs {
			byName := len(proof.Rule.Names()) > 0
			i, ok := at[proof.Subject]
			if !ok {
				i = len(readers)
				at[proof.Subject] = i
				readers = append(readers, readerBy(proof))
				readers[i].ByName = byName
			}
			r := &readers[i]
			if !slices.Contains(r.Verbs, verb) {
				r.Verbs = append(r.Verbs, verb)
			}
			r.ByName = r.ByName && byName
		}
	}
	slices.SortStableFunc(readers, func(a, b secrets.Reader) int { return strings.Compare(a.Subject, b.Subject) })
	return readers, doubts
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
	return model.Key{Namespace: b.Namespace(), GroupKind: model.GroupKind{Group: clusterRoleBindingKind.Group, Kind: b.Kind()}, Name: b.Name()}
}
