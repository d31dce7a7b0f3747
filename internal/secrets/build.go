package secrets

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const (
	tokenType         = "kubernetes.io/service-account-token"
	accountAnnotation = "kubernetes.io/service-account.name"
)

type builder struct {
	s       *model.Snapshot
	readers Readers
	secrets map[Name]*Secret
	order   []*Secret
	doubts  model.Names // why there may be more readers
}

// New holds the consumers of the Secrets of a snapshot, which holds the objects of
// one cluster, against their readers. Without readers none are looked for.
func New(s *model.Snapshot, readers Readers) *View {
	b := &builder{s: s, readers: readers, secrets: map[Name]*Secret{}}
	for o := range s.Kind(model.SecretKind) {
		b.secret(Name{o.Key.Namespace, o.Key.Name}).read(o)
	}
	for name, by := range MadeIn(s) {
		b.secret(name).MadeBy = by
	}
	uses := UsesIn(s)
	for _, o := range s.All() {
		if s.Made(o) {
			b.debuggers(o)
			continue
		}
		for _, use := range uses.Of(o) {
			b.use(o, use)
		}
	}
	for _, secret := range b.order {
		b.describe(secret)
	}
	slices.SortFunc(b.order, func(a, b *Secret) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name.Name, b.Name.Name))
	})
	return &View{Secrets: b.order, Managers: managersIn(s), Unknowns: b.notRead()}
}

// debuggers adds what ephemeral containers of a pod consume: they are not in the
// template that the pod was made of.
func (b *builder) debuggers(o *model.Object) {
	for _, use := range Consumed(o) {
		if slices.ContainsFunc(use.Path, func(step tree.Step) bool { return step.Key == "ephemeralContainers" }) {
			b.use(o, use)
		}
	}
}

func (b *builder) use(o *model.Object, use Use) {
	if use.Namespace == "" { // which one is meant is not known
		return
	}
	secret := b.secret(use.Name)
	secret.Consumers = append(secret.Consumers, Consumer{o, use})
}

func (b *builder) secret(name Name) *Secret {
	s := b.secrets[name]
	if s == nil {
		s = &Secret{Name: name}
		b.secrets[name] = s
		b.order = append(b.order, s)
	}
	return s
}

func (s *Secret) read(o *model.Object) {
	s.Object, s.Immutable = o, o.Root.Get("immutable").True()
	live := o.Source.Live != "" // its metadata is all that was read
	if t := o.Root.Get("type"); !live || !t.Has(tree.Implied) {
		s.Type = t.Str()
	}
	switch {
	case s.Type == "" && o.Annotation(accountAnnotation) != "":
		s.Type = tokenType
	case s.Type == "" && !live:
		s.Type = "Opaque"
	}
	if live {
		return
	}
	s.KeysKnown = true
	for _, field := range []string{"data", "stringData"} {
		for i := range o.Root.Get(field).Children() {
			s.Keys = append(s.Keys, o.Root.Get(field).Children()[i].Key())
		}
	}
	slices.Sort(s.Keys)
	s.Keys = slices.Compact(s.Keys)
}

func (b *builder) describe(s *Secret) {
	switch {
	case s.Object != nil:
		s.State = Present
	case len(s.MadeBy) > 0:
		s.State = Made
	case b.s.Complete(s.Namespace, model.SecretKind):
		s.State = Absent
	default:
		s.State = Unread
	}
	slices.SortStableFunc(s.Consumers, func(a, b Consumer) int { return a.Object.Key.Compare(b.Object.Key) })
	if b.readers != nil && s.State != Absent {
		var doubts []string
		s.Readers, doubts = b.readers(s.Name)
		for _, doubt := range doubts {
			b.doubts.Add(doubt)
		}
	}
}

// notRead says what may live elsewhere.
func (b *builder) notRead() []string {
	if len(b.order) == 0 {
		return nil
	}
	slices.Sort(b.doubts.List)
	if !b.s.Closed {
		more := slices.DeleteFunc(b.doubts.List, func(d string) bool { return strings.Contains(d, "live elsewhere") })
		return append([]string{"other objects may live elsewhere: more workloads may consume these Secrets, more subjects may read them, and Secrets that are not here may exist"}, more...)
	}
	var custom []string
	for gap := range b.s.Gaps() {
		here, anywhere := consumes(gap.Kind)
		switch {
		case gap.Kind.Kind != "" && !gap.Kind.Builtin() && sources[gap.Kind].uses == nil:
			custom = append(custom, gap.Kind.String())
		case here || anywhere || gap.Kind == model.SecretKind:
			b.doubts.Add(gap.Reason)
		}
	}
	if len(custom) > 0 {
		b.doubts.Add(fmt.Sprintf("custom resources that may name Secrets were not read: %s", model.Listed(custom, len(custom))))
	}
	return b.doubts.List
}
