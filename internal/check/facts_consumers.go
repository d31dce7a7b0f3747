package check

import (
	"iter"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/secrets"
	"ullage.dev/ullage/internal/storage"
	"ullage.dev/ullage/internal/tree"
)

// used names an object that others use.
type used struct {
	model.GroupKind
	namespace, name string
}

// consumer is an object that uses another, and how.
type consumer struct {
	object *model.Object
	how    string // as a model.UseKind or a secrets.How
	// Of a Secret: the service account of the pods, and the keys that are taken.
	// None means all, or not known.
	account string
	keys    []string
}

func (f *Facts) indexConsumers() map[used][]consumer {
	index := map[used][]consumer{}
	add := func(key used, c consumer) {
		// Objects come one after the other, so only the end can hold c already.
		all := index[key]
		for i := len(all) - 1; i >= 0 && all[i].object == c.object; i-- {
			if all[i].how == c.how && all[i].account == c.account {
				all[i].take(c.keys)
				return
			}
		}
		index[key] = append(all, c)
	}
	for o, pod := range f.snapshot.PodTemplates() {
		for _, u := range pod.Uses() {
			if u.How != "" && u.Kind != model.ServiceAccountKind && u.Kind != model.SecretKind {
				add(used{u.Kind, o.Key.Namespace, u.Name}, consumer{object: o, how: string(u.How)})
			}
		}
		add(used{model.ServiceAccountKind, o.Key.Namespace, pod.ServiceAccount()}, consumer{object: o, how: "serviceAccount"})
		for name := range templatedClaims(o) { // one claim for each replica; the star stands for its number
			add(used{model.PersistentVolumeClaimKind, o.Key.Namespace, name + "-*"}, consumer{object: o, how: "mount"})
		}
	}
	for _, o := range f.snapshot.All() {
		if f.snapshot.Made(o) {
			continue
		}
		for _, u := range f.uses.Of(o) {
			add(used{model.SecretKind, u.Namespace, u.Name.Name}, consumer{o, string(u.How), u.Account, u.Keys})
		}
	}
	return index
}

// templatedClaims yields the names of the claims that a StatefulSet makes,
// without the number of the replica.
func templatedClaims(o *model.Object) iter.Seq[string] {
	return func(yield func(string) bool) {
		templates := o.Root.Dig("spec", "volumeClaimTemplates")
		for i := range templates.Children() {
			if !yield(templates.At(i).Dig("metadata", "name").Str() + "-" + o.Key.Name) {
				return
			}
		}
	}
}

func (f *Facts) indexClaimTemplates() map[objectName]bool {
	made := map[objectName]bool{}
	for o := range f.snapshot.PodTemplates() {
		for name := range templatedClaims(o) {
			made[objectName{o.Key.Namespace, name}] = true
		}
	}
	return made
}

// take adds keys that an object takes in the same way.
func (c *consumer) take(keys []string) {
	if len(keys) == 0 || len(c.keys) == 0 {
		c.keys = nil // all of them
		return
	}
	for _, key := range keys {
		if !slices.Contains(c.keys, key) {
			c.keys = append(slices.Clip(c.keys), key)
		}
	}
}

func (f *Facts) objectConsumers(o *model.Object) tree.Node {
	index := f.consumers()
	found := index[used{o.Key.GroupKind, o.Key.Namespace, o.Key.Name}]
	if o.Key.GroupKind == model.PersistentVolumeClaimKind {
		if template, ok := storage.TemplateOf(storage.ID{Kind: storage.KindClaim, Name: o.Key.Name}); ok {
			found = append(slices.Clip(found), index[used{model.PersistentVolumeClaimKind, o.Key.Namespace, template.Name}]...)
		}
	}
	var items []tree.Node
	doubt := ""
	for _, c := range found {
		if gap := f.unreadOwner(c.object); gap != nil {
			doubt = "pods may be those of a workload that is counted: " + gap.Reason
			continue
		}
		k := c.object.Key
		item := []any{"kind", k.Kind, "name", k.Name, "namespace", k.Namespace, "how", c.how}
		if o.Key.GroupKind == model.SecretKind {
			keys := make([]tree.Node, len(c.keys))
			for i := range c.keys {
				keys[i] = tree.Of(c.keys[i])
			}
			item = append(item, "account", c.account, "keys", tree.Of(keys))
		}
		items = append(items, entries(item...))
	}
	if doubt != "" {
		items = append(items, tree.UnknownBecause(doubt))
	}
	if o.Key.GroupKind == model.SecretKind && len(items) == 0 && f.snapshot.Closed {
		if loose := index[used{model.SecretKind, "", o.Key.Name}]; len(loose) > 0 {
			return unknown(loose[0].object.Key.String() + " names a Secret of this name and not its namespace")
		}
		if gap := secrets.Gap(f.snapshot, o.Key.Namespace); gap != nil {
			return unknown(gap.Reason)
		}
	}
	return f.listOr(items, "nothing here uses this "+o.Key.Kind+", and what does may live elsewhere", o.Key.Namespace, consumerKinds...)
}

// unreadOwner returns why the controller that made an object is not in the snapshot,
// though it may be one of what is: then it is not known which workload the object
// belongs to. It is nil where no controller made it, or where that was read.
func (f *Facts) unreadOwner(o *model.Object) *model.Gap {
	kind, _, ok := controllerOf(o)
	if !ok || f.snapshot.Made(o) {
		return nil
	}
	return f.snapshot.Gap(o.Key.Namespace, kind)
}

// controllerOf returns the kind and the uid of the controller that an object with
// pods names.
func controllerOf(o *model.Object) (kind model.GroupKind, uid string, ok bool) {
	refs := o.Root.Dig("metadata", "ownerReferences")
	for i := range refs.Children() {
		if ref := refs.At(i); ref.Get("controller").True() && len(o.Pods()) > 0 {
			return model.GroupKind{Group: model.GroupOf(ref.Get("apiVersion").Str()), Kind: ref.Get("kind").Str()}, ref.Get("uid").Str(), true
		}
	}
	return kind, "", false
}

// mayBeOne reports whether two workloads may be one, of whose controllers some were
// not read: what controllers make begins with their name. same says that they are.
func (f *Facts) mayBeOne(a, b *model.Object) (may, same bool) {
	if a.Key.Namespace != b.Key.Namespace {
		return false, false
	}
	_, uid, made := controllerOf(a)
	if _, other, also := controllerOf(b); made && also && uid == other {
		return true, true
	}
	for range 2 {
		if f.unreadOwner(a) != nil && strings.HasPrefix(a.Key.Name, b.Key.Name[:min(len(b.Key.Name), 50)]) { // longer ones are cut
			return true, false
		}
		a, b = b, a
	}
	return false, false
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func (f *Facts) podServiceAccount(o *model.Object, pod *model.PodTemplate) tree.Node {
	name := pod.ServiceAccount()
	if account := f.get(o, model.ServiceAccountKind, o.Key.Namespace, name); account != nil {
		return *account.Root
	}
	asMade := name == "default" && f.access().Named(o.Key.Namespace, name)
	if !asMade && !f.snapshot.Complete(o.Key.Namespace, model.ServiceAccountKind) {
		return unknown(f.whyOpen("the ServiceAccount of these pods was not read, and may live elsewhere", o.Key.Namespace, model.ServiceAccountKind))
	}
	metadata := entries("name", name, "namespace", o.Key.Namespace)
	return sealed(entries("apiVersion", "v1", "kind", "ServiceAccount", "metadata", metadata))
}
