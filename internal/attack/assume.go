package attack

import (
	"errors"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// assume adds what Options.Target names and the snapshot does not hold: a secret,
// a claim or a service account of a namespace that there is. Files hold few
// secrets, and a cluster may not show them. What was read as a whole lacks only
// what does not exist.
func (b *builder) assume() {
	word, rest := model.CutPlace(b.options.Target)
	namespace, name, _ := strings.Cut(rest, "/")
	if word != "secret" && word != "volume" && word != "sa" || namespace == "" || name == "" {
		return
	}
	if _, err := b.Target(b.options.Target); !errors.Is(err, ErrUnknownPlace) {
		return
	}
	account := access.ServiceAccount(namespace, name)
	there := word == "sa" && b.exists(account)
	// A change may take the last object of the namespace away, and not the question.
	if !there && b.before == nil && (b.snapshot.Complete(namespace, endKinds[word]...) || !b.inhabited(namespace)) {
		return
	}
	ns, hash := b.namespace(namespace), nameHash(name)
	var v ID
	switch word {
	case "secret":
		v = b.secretVertex[b.secret(ns, hash, name, nil)]
	case "volume":
		v = b.volumeVertex[b.volume(ns, hash, name, nil)]
	case "sa":
		v = b.accountAt(b.account(ns, hash, name))
	}
	if !there {
		b.assumed = v
	}
}

// exists reports whether a service account is in the snapshot, by itself or as the
// subject of a binding, or is one that every namespace has.
func (b *builder) exists(s access.Subject) bool {
	return slices.Contains(b.accounts, s) || s.Name == "default" && b.inhabited(s.Namespace) || b.isSubject(s)
}

// Assumed returns the vertex that Options.Target names and that is in no object of
// the snapshot; ok is false where there is none, or it is in one. Steps to it are
// those that hold for every object of its kind there, or for its name.
func (g *Graph) Assumed() (v Vertex, ok bool) {
	if g.assumed == none {
		return Vertex{}, false
	}
	return g.Vertex(g.assumed), true
}

// inhabited reports whether something in the snapshot is in a namespace, or names
// it, or it is one that every cluster has.
func (g *Graph) inhabited(namespace string) bool {
	if namespace == "default" || namespace == systemNamespace || slices.Contains(g.namespaces, namespace) {
		return true
	}
	for s := range g.access.Subjects() {
		if s.Namespace == namespace {
			return true
		}
	}
	for _, o := range g.snapshot.All() {
		if o.Key.Namespace == namespace {
			return true
		}
	}
	return false
}
