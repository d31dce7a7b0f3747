package attack

import (
	"net/url"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// The API server shows webhooks the objects that are written, with what is in them,
// and does as mutating ones answer; and others answer for custom objects and whole API
// groups. So code in such a server has a hand in all of them, without any right.

// webhookServers leads from the containers that serve webhooks and aggregated APIs to
// what these see and change.
func (b *builder) webhookServers() {
	for i := range hijacks {
		h := &hijacks[i]
		for o := range b.snapshot.Kind(h.objects()) {
			spec := o.Root.Get("spec")
			switch h.edge {
			case ChangeWebhooks, ReadByWebhook:
				hooks := o.Root.Get("webhooks")
				for j := range hooks.Children() {
					b.webhook(o, hooks.At(j), h.edge == ChangeWebhooks)
				}
			case HijackConversion:
				if spec.Dig("conversion", "strategy").Str() == "Webhook" {
					b.answers(o, spec.Dig("conversion", "webhook", "clientConfig"), ServeConversion, b.customObjects)
				}
			case HijackAPI:
				if spec.Get("service").Is(tree.Map) {
					b.answers(o, spec, ServeAPI, func() ID { return b.api(o.Key.Name) })
				}
			}
		}
	}
}

// answers leads from the servers of a conversion webhook, or of an API group, to what
// who answers for them has.
func (b *builder) answers(o *model.Object, config *tree.Node, kind EdgeKind, to func() ID) {
	servers, c := b.behind(o, config)
	for _, from := range servers {
		b.because(from, to(), kind, c, o, config)
	}
}

func (b *builder) webhook(o *model.Object, hook *tree.Node, mutates bool) {
	pods, secrets := mutates && seesPods(hook), sees(hook, "", "secrets")
	if !pods && !secrets {
		return
	}
	servers, c := b.behind(o, hook.Get("clientConfig"))
	if len(servers) == 0 {
		return
	}
	if pods {
		b.serves(o, hook, servers, c, AnyPod, ServeWebhook)
	}
	if secrets {
		b.serves(o, hook, servers, c, AnySecret, SeeByWebhook)
	}
}

// behind returns the containers of a server that the API server asks, and how certain
// it is that it asks them. It notes a server that is not in the input.
func (b *builder) behind(o *model.Object, config *tree.Node) (servers []ID, c Certainty) {
	c = Likely
	service := config.Get("service")
	namespace, name := service.Get("namespace").Str(), service.Get("name").Str()
	if at := config.Get("url"); at.Str() != "" { // whether the API server asks the DNS of the cluster is not known
		service, c = at, Unknown
		namespace, name = serviceIn(at.Str())
	}
	if servers = b.serversOf(namespace, name); len(servers) == 0 && service != nil {
		b.unplaced = append(b.unplaced, evidence{o, service})
	}
	return servers, c
}

// serviceIn returns the Service that the host of a URL names, or nothing.
func serviceIn(text string) (namespace, name string) {
	at, err := url.Parse(text)
	if err != nil {
		return "", ""
	}
	parts := strings.SplitN(strings.TrimSuffix(at.Hostname(), "."), ".", 4)
	if len(parts) < 3 || parts[2] != "svc" {
		return "", ""
	}
	return parts[1], parts[0]
}

// Unplaced returns the servers of webhooks and aggregated APIs that are not in the
// input: who holds one has what the step by it gives.
func (g *Graph) Unplaced() []Evidence {
	var all []Evidence
	for _, e := range g.unplaced {
		at := "at " + e.node.Str()
		if e.node.Is(tree.Map) {
			at = "behind Service " + e.node.Get("namespace").Str() + "/" + e.node.Get("name").Str()
		}
		if found := (Evidence{e.object.Key.String() + " has the API server ask one " + at, e.object, e.node}); !slices.ContainsFunc(all, func(other Evidence) bool { return other.Text == found.Text }) {
			all = append(all, found)
		}
	}
	return all
}

// serves adds steps to what a webhook sees, in the namespaces that it selects.
func (b *builder) serves(o *model.Object, hook *tree.Node, servers []ID, c Certainty, to VertexKind, kind EdgeKind) {
	step := func(ns int32, c Certainty) {
		for _, from := range servers {
			b.because(from, b.at(to, ns), kind, c, o, hook)
		}
	}
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

// serversOf returns the containers that a Service leads to: those that declare its
// port, or all where none does.
func (b *builder) serversOf(namespace, name string) []ID {
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
