package attack

import (
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// The API server shows webhooks the objects that are written, with what is in them,
// and does as mutating ones answer. So code in a webhook's server has a hand in all
// of them, without any right.

// webhookServers leads from the containers that serve webhooks to what these see
// and change.
func (b *builder) webhookServers() {
	for i := range hijacks {
		h := &hijacks[i]
		if h.group != admissionGroup {
			continue
		}
		for o := range b.snapshot.Kind(h.objects()) {
			hooks := o.Root.Get("webhooks")
			for j := range hooks.Children() {
				b.webhook(o, hooks.At(j), h.edge == ChangeWebhooks)
			}
		}
	}
}

func (b *builder) webhook(o *model.Object, hook *tree.Node, mutates bool) {
	servers := b.serversOf(hook.Dig("clientConfig", "service"))
	if len(servers) == 0 {
		return
	}
	if pods := mutates && seesPods(hook); pods {
		b.serves(o, hook, servers, AnyPod, ServeWebhook)
	}
	if sees(hook, "", "secrets") {
		b.serves(o, hook, servers, AnySecret, SeeByWebhook)
	}
}

// serves adds steps to what a webhook sees, in the namespaces that it selects.
func (b *builder) serves(o *model.Object, hook *tree.Node, servers []ID, to VertexKind, kind EdgeKind) {
	step := func(ns int32, c Certainty) {
		for _, from := range servers {
			b.because(from, b.at(to, ns), kind, c, o, hook)
		}
	}
	c := Likely // some are written sooner or later
	if hook.Get("objectSelector").Len() > 0 || hook.Get("matchConditions").Len() > 0 {
		c = Unknown
	}
	in := hook.Get("namespaceSelector")
	if in.Len() == 0 {
		step(none, c)
		return
	}
	selector := model.NewSelector(in)
	for ns, name := range b.namespaces {
		if object := b.namespaceObject(name); object == nil {
			step(int32(ns), Unknown)
		} else if selector.Matches(object.Labels()) {
			step(int32(ns), c)
		}
	}
}

// serversOf returns the containers that a Service of a webhook leads to: those that
// declare its port, or all where none does.
func (b *builder) serversOf(service *tree.Node) []ID {
	namespace, name := service.Get("namespace").Str(), service.Get("name").Str()
	o := b.snapshot.Get(model.Key{Cluster: b.cluster(), Namespace: namespace, GroupKind: model.ServiceKind, Name: name})
	ns, known := b.namespaceIDs[namespace]
	if o == nil || !known || o.Root.Dig("spec", "selector").Len() == 0 {
		return nil
	}
	selector := model.MatchLabels(o.Root.Dig("spec", "selector"))
	var all []ID
	for i := b.inNamespace[ns].first; i < b.inNamespace[ns].last; i++ {
		w := &b.Graph.workloads[i]
		if !selector.Matches(w.Pod.Labels()) {
			continue
		}
		declares := func(c int32) bool { return listensFor(b.Graph.containers[c].ports, o.Root.Dig("spec", "ports")) }
		some := false
		for c := w.first; c < w.last; c++ {
			some = some || declares(c)
		}
		for c := w.first; c < w.last; c++ {
			if !some || declares(c) {
				all = append(all, b.containerVertex(c))
			}
		}
	}
	return all
}

// listensFor reports whether ports of a container are targets of those of a Service.
func listensFor(ports, service *tree.Node) bool {
	for i := range service.Children() {
		target := service.At(i).Get("targetPort")
		if target == nil {
			target = service.At(i).Get("port")
		}
		for j := range ports.Children() {
			if p := ports.At(j); target.Text() == p.Get("containerPort").Text() || target.Str() != "" && target.Str() == p.Get("name").Str() {
				return true
			}
		}
	}
	return false
}

// seesPods reports whether a webhook sees pods, or what makes them.
func seesPods(hook *tree.Node) bool {
	for _, kind := range []struct{ group, resource string }{
		{"", "pods"}, {"", "replicationcontrollers"}, {"apps", "deployments"}, {"apps", "daemonsets"}, {"apps", "statefulsets"}, {"apps", "replicasets"}, {"batch", "jobs"}, {"batch", "cronjobs"},
	} {
		if sees(hook, kind.group, kind.resource) {
			return true
		}
	}
	return false
}

// sees reports whether a webhook is asked when objects of a type are made or
// changed.
func sees(hook *tree.Node, group, resource string) bool {
	has := func(list *tree.Node, words ...string) bool {
		for i := range list.Children() {
			if slices.Contains(words, list.At(i).Str()) {
				return true
			}
		}
		return false
	}
	rules := hook.Get("rules")
	for i := range rules.Children() {
		r := rules.At(i)
		if has(r.Get("operations"), "CREATE", "UPDATE", "*") && has(r.Get("apiGroups"), group, "*") && has(r.Get("resources"), resource, "*", "*/*") && r.Get("scope").Str() != "Cluster" {
			return true
		}
	}
	return false
}
