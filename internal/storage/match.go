package storage

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Fitting returns the persistent volumes that no claim is said to be bound to and
// that fit a claim which names no volume, where it is not known which of them it
// gets, if any. The one that it gets for certain is what [Bindings.Of] returns.
func (b *Bindings) Fitting(namespace, name string) []*Persistent {
	id := ID{Kind: KindClaim, Namespace: namespace, Name: name}
	if b.sure[id] {
		return nil
	}
	return b.fitting[id]
}

// match finds what the controller of persistent volumes may bind to claims: it
// looks for a volume of the class, the modes and the labels that a claim asks for,
// and of at least its size. Where one volume fits one claim only, and everything
// was read, it is bound.
func (b *Bindings) match(s *model.Snapshot) {
	free := slices.DeleteFunc(slices.Clone(b.all), func(p *Persistent) bool { return p.ClaimName != "" || p.Phase == "Released" || p.Phase == "Failed" })
	if len(free) == 0 {
		return
	}
	b.fitting, b.sure = map[ID][]*Persistent{}, map[ID]bool{}
	class, classKnown := defaultClass(s)
	claims := map[*Persistent]int{}
	guessed := map[ID]bool{}
	for o := range s.Kind(model.PersistentVolumeClaimKind) {
		id := ID{Kind: KindClaim, Namespace: o.Key.Namespace, Name: o.Key.Name}
		if name := o.Root.Dig("spec", "volumeName").Str(); name != "" {
			b.taken[b.byName[name]] = Surely
			continue
		}
		if b.byClaim[id] != nil {
			continue
		}
		of := className(o.Root)
		if of == "" && !o.Root.Dig("spec", "storageClassName").Is(tree.String) {
			of, guessed[id] = class, !classKnown
		}
		for _, p := range free {
			if p.fits(o.Root, of) {
				b.fitting[id] = append(b.fitting[id], p)
				claims[p]++
				b.taken[p] = max(b.taken[p], Perhaps)
			}
		}
	}
	if !s.Complete("", model.PersistentVolumeKind, model.PersistentVolumeClaimKind) {
		return
	}
	templates := claimTemplates(s)
	for id, fitting := range b.fitting {
		b.sure[id] = len(fitting) == 1 && claims[fitting[0]] == 1 && !guessed[id] && !templates
		if b.sure[id] {
			b.taken[fitting[0]] = Surely
		}
	}
}

// claimTemplates reports whether a StatefulSet of a snapshot makes claims of its own,
// which may take a volume first.
func claimTemplates(s *model.Snapshot) bool {
	for o := range s.Kind(model.StatefulSetKind) {
		if o.Root.Dig("spec", "volumeClaimTemplates").Len() > 0 {
			return true
		}
	}
	return false
}

// defaultClass returns the class of claims that name none, and whether that is
// known.
func defaultClass(s *model.Snapshot) (name string, known bool) {
	count := 0
	for o := range s.Kind(model.StorageClassKind) {
		if isDefault(o) {
			name = o.Key.Name
			count++
		}
	}
	return name, count == 1 || count == 0 && s.Complete("", model.StorageClassKind)
}

// fits reports whether a volume is one that a claim of a class may be bound to.
func (p *Persistent) fits(claim *tree.Node, class string) bool {
	want, spec := claim.Get("spec"), p.Object.Root.Get("spec")
	if className(p.Object.Root) != class || volumeMode(spec) != volumeMode(want) {
		return false
	}
	modes := texts(spec.Get("accessModes"))
	for _, mode := range texts(want.Get("accessModes")) {
		if !slices.Contains(modes, mode) {
			return false
		}
	}
	if selector := want.Get("selector"); selector.Is(tree.Map) && !model.NewSelector(selector).Matches(p.Object.Labels()) {
		return false
	}
	asked, err := resource.ParseQuantity(strings.TrimSpace(want.Dig("resources", "requests", "storage").Text()))
	if err != nil {
		return true // what is no size keeps nothing apart
	}
	size, err := resource.ParseQuantity(strings.TrimSpace(spec.Dig("capacity", "storage").Text()))
	return err != nil || size.Cmp(asked) >= 0
}

func volumeMode(spec *tree.Node) string {
	if mode := spec.Get("volumeMode").Str(); mode != "" {
		return mode
	}
	return "Filesystem"
}
