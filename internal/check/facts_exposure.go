package check

import (
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// objectName names an object of a kind that is clear from the context.
type objectName struct{ namespace, name string }

func (f *Facts) serviceRoutes(o *model.Object) tree.Node {
	var items []tree.Node
	for _, r := range f.exposure().Routes(o.Key) {
		items = append(items, entries("kind", r.Key.Kind, "name", r.Key.Name))
	}
	return f.listOr(items, "no Ingress or route here leads to this Service, and others may live elsewhere", "", routingKinds...)
}

func (f *Facts) podServices(o *model.Object, pod *model.PodTemplate) tree.Node {
	var items []tree.Node
	for _, s := range f.exposure().Services(model.Workload{Object: o, Pod: *pod}) {
		items = append(items, entries("name", s.Key.Name, "type", serviceType(s)))
	}
	return f.listOr(items, "no Service here selects these pods, and others may live elsewhere", o.Key.Namespace, model.ServiceKind)
}

// podExposure lists the ways in. One that may be open is unknown, and stands
// behind those that are; where there are no others, so is the list.
func (f *Facts) podExposure(o *model.Object, pod *model.PodTemplate) tree.Node {
	var ways, doubtful []tree.Node
	for _, w := range f.exposure().Ways(model.Workload{Object: o, Pod: *pod}) {
		name := w.Object.Key.Name
		if w.Answer != reach.Yes {
			doubtful = append(doubtful, tree.UnknownBecause(name+" may lead to these pods from outside: "+strings.Join(w.Why, "; ")))
			continue
		}
		switch w.Via {
		case reach.ViaHostNetwork:
			name = ""
		case reach.ViaHostPort:
			name = w.Node.Text()
		}
		ways = append(ways, entries("via", string(w.Via), "name", name))
	}
	if len(ways) == 0 && len(doubtful) > 0 {
		return sealed(doubtful[0])
	}
	if why, unread := f.unreadEndpoints(); len(ways) == 0 && unread {
		return why
	}
	return f.listOr(append(ways, doubtful...), "nothing here leads to these pods from outside the cluster, and what does may live elsewhere", "", wayInKinds...)
}

// unreadEndpoints reports whether only endpoints that were not read could lead to
// some pods: those of a Service that selects none.
func (f *Facts) unreadEndpoints() (why tree.Node, unread bool) {
	if f.snapshot.Complete("", wayInKinds...) {
		for _, h := range f.exposure().Handmade() {
			if !h.Known {
				return unknown(h.Service.Key.String() + " selects no pods, and where it leads to was not read"), true
			}
		}
	}
	return tree.Node{}, false
}

func serviceType(o *model.Object) string {
	if t := o.Root.Dig("spec", "type").Str(); t != "" {
		return t
	}
	return "ClusterIP"
}

// containers returns the containers of all kinds of a pod.
func containers(pod *model.PodTemplate) []*tree.Node {
	var found []*tree.Node
	for _, key := range model.ContainerLists {
		l := pod.Spec.Get(key)
		for i := range l.Children() {
			found = append(found, l.At(i))
		}
	}
	return found
}
