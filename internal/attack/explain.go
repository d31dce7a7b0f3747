package attack

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// Step says what an edge is, for people.
type Step struct {
	Edge
	Does       string // what the attacker does, one clause with the attacker as its subject
	Holds      string // what the attacker has then, a noun phrase
	Needs      string // the precondition; "" when the evidence says it all
	Closes     string // what would close the edge, in general
	Techniques []string
	Evidence   []Evidence
}

// Evidence is something that makes a step possible.
type Evidence struct {
	Text   string
	Object *model.Object // nil for what is no object of the snapshot
	Node   *tree.Node    // within the object; nil for the object itself
}

// Place is where the evidence stands; ok is false when it stands nowhere.
func (e Evidence) Place() (place model.Place, ok bool) {
	switch {
	case e.Object == nil || e.Object.Source == nil:
		return model.Place{}, false
	case e.Node == nil || e.Node.Has(tree.Implied):
		return e.Object.Place(), true
	}
	return e.Object.Source.Place(e.Node), true
}

// Explain says why an edge is there.
func (g *Graph) Explain(e Edge) Step {
	return g.explain(e, g.Vertex(e.From), g.Vertex(e.To))
}

// explain words an edge. Its ends may be told as something that one of them holds
// without a step.
func (g *Graph) explain(e Edge, from, to Vertex) Step {
	info := &edgeTable[e.Kind]
	s := Step{Edge: e, Holds: to.Held(), Needs: info.needs, Closes: info.closes}
	does := info.does
	if g.vertices[e.From].kind == PodData {
		does = strings.Replace(does, "the container", "the pod's files on the node", 1)
	}
	s.Does = strings.NewReplacer("FROM", from.String(), "TO", to.String()).Replace(does)
	if info.attack != "" {
		s.Techniques = strings.Split(info.attack, ",")
	}
	switch e.Kind {
	case Member, UseAdmin, MountAny, ProxyService, NodePlacement:
	case AnonymousAPI:
		s.Evidence = g.whyAsks(g.vertices[e.From])
	case ExploitService:
		if guest, ok := g.guestOf(e.From); ok {
			s.Evidence = g.whyPasses(guest, g.vertices[e.To].part)
		} else {
			s.Evidence = g.whyConnected(g.vertices[e.From].at, g.vertices[e.To].part)
		}
	case NodeMetadata:
		s.Evidence = g.whyMetadata(e)
	case ConnectOpen:
		s.Evidence = g.whyOpenPort(e)
	case RunEscape, DebugEscape:
		v := &g.guardVerdicts[e.note]
		if v.by != nil {
			s.Evidence = g.Explain(g.public(v.by)).Evidence
		}
		s.Evidence = append(s.Evidence, g.whyOpen(v)...)
	default:
		switch {
		case e.right&byName != 0:
			s.Evidence = g.whyNamed(&g.restricted[e.note])
		case e.Kind >= firstProven, e.right&byProof != 0:
			s.Evidence = g.whyProven(g.proven[e.note])
		case e.Kind >= Everything:
			s.Evidence = g.whyAllowed(e)
		case e.note != none:
			s.Evidence = []Evidence{written(g.evidence[e.note])}
			first := &s.Evidence[0]
			switch pod := first.Node.Get("containers") != nil; {
			case e.Kind == TokenMount && pod:
				first.Text = first.Object.Key.String() + " does not set automountServiceAccountToken, so the token is mounted"
			case e.Kind == ActAsKubelet && pod:
				first.Text = first.Object.Key.String() + " runs as it"
			case e.Kind == DrivenBy:
				first.Text += " lets it read custom objects"
			}
		}
	}
	for _, id := range []ID{e.From, e.To} {
		if w := g.sleeper(id); w != nil && w.asleep != nil {
			s.Evidence = append(s.Evidence, Evidence{w.Object.Key.String() + " has no pods for now: " + w.asleep.Key() + ": " + w.asleep.Text(), w.Object, w.asleep})
			break
		} else if w != nil {
			s.Evidence = append(s.Evidence, Evidence{w.refused.text + ", save those that were made before", w.refused.object, w.refused.node})
			break
		}
	}
	s.Evidence = append(s.Evidence, g.whyUnsure(e)...)
	s.Evidence = append(s.Evidence, g.whyQuota(e)...)
	if e.Certainty == Unknown && e.Kind >= ExposeService && e.Kind <= ExposeHost {
		s.Evidence = append(s.Evidence, g.mayBeClosed(e)...)
	}
	if g.unread != nil && (e.Kind == ExploitService || e.Kind >= ExposeService && e.Kind <= ExposeHost) {
		s.Evidence = append(s.Evidence, Evidence{Text: g.unread.Reason + ", so what closes the connection may not have been read"})
	}
	return s
}

// whyUnsure says what the way out of a container hangs on that its pod does not say.
func (g *Graph) whyUnsure(e Edge) []Evidence {
	from := &g.vertices[e.From]
	if from.kind != Container || e.Certainty != Unknown || e.Kind < EscapeMount || e.Kind > EscapeHostRead {
		return nil
	}
	var all []Evidence
	w, k := &g.workloads[from.at], &g.containers[from.part]
	if w.sandbox != "" && (e.Kind <= EscapeCorePattern || e.Kind == EscapeSocket) {
		all = append(all, Evidence{"runtimeClassName: " + w.class.Str() + ": " + w.sandbox + " runs it in a sandbox, and what that keeps from the node is not in the input", w.Object, w.class})
	}
	if k.root == no && k.privileged != nil {
		all = append(all, Evidence{"it runs as another user than root, so it takes a program in its image that gives root, such as su", w.Object, k.user})
	}
	return all
}

// written words evidence by its field.
func written(e evidence) Evidence {
	out := Evidence{Object: e.object, Node: e.node}
	if e.object == nil {
		return Evidence{Text: "by what a node is"}
	}
	out.Text = e.object.Key.String()
	switch {
	case e.node == nil:
	case e.node.Key() != "" && e.node.Text() != "":
		out.Text += ": " + e.node.Key() + ": " + e.node.Text()
	case e.node.Text() != "":
		out.Text += ": " + e.node.Text()
	case e.node.Get("mountPath") != nil:
		out.Text += ": mounted at " + e.node.Get("mountPath").Text()
	case e.node.Get("devicePath") != nil:
		out.Text += ": raw device at " + e.node.Get("devicePath").Text()
	case e.node.Key() == "spec" || e.node.Key() == "":
	default:
		out.Text += ": " + e.node.Key()
	}
	return out
}

func (g *Graph) whyConnected(w, c int32) []Evidence {
	to := &g.workloads[g.containers[c].workload]
	from := &g.workloads[w]
	const unset = reach.Protocol(255)
	first := reach.Port{Protocol: unset}
	var ports []string
	for _, p := range g.ports(c) {
		for _, a := range g.endpointsOf(w) {
			if g.network.Ports(a, to.endpoint).On(p) != reach.No {
				ports = append(ports, p.String())
				if first.Protocol == unset {
					first = p
				}
				break
			}
		}
	}
	node := g.containers[c].ports
	if node == nil {
		node = g.containers[c].node
	}
	listens := " listens on "
	if s := g.containers[c].declared; first.Protocol != unset && !slices.Contains(g.listens[s.first:s.last], first) {
		listens = " may listen where a Service leads to: "
	}
	all := []Evidence{{"container " + g.containers[c].name + listens + strings.Join(ports, ", "), to.Object, node}}
	if first.Protocol == unset {
		return all
	}
	return append(all, g.whyPair(from, to, from.endpoint, to.endpoint, first)...)
}

// whyPair says why a connection from one endpoint of a workload to one of another passes.
func (g *Graph) whyPair(from, to *workload, a, b reach.ID, port reach.Port) []Evidence {
	why := g.network.Why(a, b, port)
	all := doubted(why.Egress, why.Ingress)
	for _, d := range []struct {
		name string
		reach.Decision
		w *workload
	}{{"egress", why.Egress, from}, {"ingress", why.Ingress, to}} {
		switch {
		case d.Cause == reach.ByRule && d.Rule.Policy != nil:
			all = append(all, Evidence{d.Rule.Policy.Object.Key.String() + " lets the connection pass", d.Rule.Policy.Object, d.Rule.Rule})
		case d.Cause == reach.ByDefault && len(d.Doubts) == 0:
			all = append(all, Evidence{"no network policy limits " + d.name + " of " + d.w.Object.Key.String(), nil, nil})
		}
	}
	for _, text := range why.Why.Texts() {
		all = append(all, Evidence{Text: text})
	}
	return all
}

// doubted names the policies that may close a connection, which is not known.
func doubted(decisions ...reach.Decision) []Evidence {
	var all []Evidence
	for _, d := range decisions {
		for _, s := range d.Doubts {
			if s.Policy == nil || s.Policy.Object == nil {
				continue
			}
			e := Evidence{s.Policy.Object.Key.String() + " makes it unknown whether the connection passes", s.Policy.Object, s.Rule}
			if !slices.Contains(all, e) {
				all = append(all, e)
			}
		}
	}
	return all
}

// mayBeClosed names the policies that may close a way in from outside.
func (g *Graph) mayBeClosed(e Edge) []Evidence {
	outside := g.network.Address(netip.AddrFrom4([4]byte{203, 0, 113, 1})) // any of the internet's
	to := &g.vertices[e.To]
	var all []Evidence
	for _, endpoint := range g.endpointsOf(to.at) {
		for _, p := range g.ports(to.part) {
			for _, found := range doubted(g.network.Why(outside, endpoint, p).Ingress) {
				if !slices.Contains(all, found) {
					all = append(all, found)
				}
			}
		}
	}
	return all
}

func (g *Graph) whyOpen(v *guardVerdict) []Evidence {
	text := "the namespace was not read, so what it enforces is unknown"
	if o := v.level.object; o != nil {
		text = o.Key.String() + " enforces no Pod Security level"
		if v.level.node != nil {
			text = o.Key.String() + " enforces the level " + v.level.node.Text()
		}
	}
	r := &v.refusal
	text += "; nothing refuses "
	if r.answer != no {
		text += "for certain "
	}
	text += "a pod with " + v.danger
	if name, ok := v.sender.Username(); ok {
		text += " that " + name + " makes"
	} else if v.sender.Kind != "" {
		text += " that a member of group " + v.sender.Name + " makes"
	}
	if r.answer == no {
		return []Evidence{{text + r.given, v.level.object, v.level.node}}
	}
	o := g.snapshot.Get(model.Key{Cluster: g.cluster(), GroupKind: model.PolicyKind, Name: r.policy})
	return []Evidence{{text, v.level.object, v.level.node}, {"ValidatingAdmissionPolicy/" + r.policy + " may refuse it: " + r.why, o, nil}}
}

func (g *Graph) whyNamed(r *access.NamedRight) []Evidence {
	kind, name := r.Binding.RoleRef()
	if r.Binding.Made() {
		role := g.access.Role(name)
		return []Evidence{{fmt.Sprintf("%s %s gives %s for %s", kind, name.Name, r.Right, strings.Join(r.Names, ", ")), role.Object, nil}}
	}
	return []Evidence{{
		fmt.Sprintf("%s %s gives %s %s: %s for %s", r.Binding.Kind(), bindingName(r.Binding), kind, name.Name, r.Right, strings.Join(r.Names, ", ")), r.Binding.Object(), nil,
	}}
}

func bindingName(b access.Binding) string {
	if b.Namespace() == "" {
		return b.Name()
	}
	return b.Namespace() + "/" + b.Name()
}

// Refused returns the bindings that name somebody whom RBAC does not know: the API
// server refuses them, and who is meant has nothing by them.
func (g *Graph) Refused() []Evidence {
	var all []Evidence
	for b := range g.access.All() {
		if b.Refused() {
			all = append(all, Evidence{b.Kind() + " " + bindingName(b) + " has a subject that is no User and no Group, and no ServiceAccount with a namespace", b.Object(), b.Object().Root.Get("subjects")})
		}
	}
	return all
}

// whyAllowed returns the bindings and rules by which a subject has a right.
func (g *Graph) whyAllowed(e Edge) []Evidence {
	subject := g.accounts[g.vertices[e.From].at]
	if subject == access.Group(mastersGroup) {
		return []Evidence{{Text: "no rule limits the group " + mastersGroup}}
	}
	return g.whyProven(g.proofs(subject, e.right, e.note))
}

func (g *Graph) whyProven(proofs []access.Proof) []Evidence {
	var all []Evidence
	for _, p := range proofs {
		for _, e := range []Evidence{bindingEvidence(p), ruleEvidence(p)} {
			if e.Text != "" && !slices.Contains(all, e) { // one binding, or one rule, may give several rights
				all = append(all, e)
			}
		}
	}
	return all
}

// proofs returns what proves a right, and each of those that make it together.
func (g *Graph) proofs(s access.Subject, r access.Right, ns int32) []access.Proof {
	namespace := ""
	if ns != none {
		namespace = g.namespaces[ns]
	}
	if p, ok := g.access.Prove(s, r, namespace); ok {
		return []access.Proof{p}
	}
	var all []access.Proof
	for _, any := range r.Together() {
		for _, part := range any.All() {
			if p, ok := g.access.Prove(s, part, namespace); ok {
				all = append(all, p)
				break
			}
		}
	}
	return all
}

// bindingEvidence says whom a binding binds; nothing of one that the attacker makes.
func bindingEvidence(p access.Proof) Evidence {
	if p.Binding.Made() {
		return Evidence{}
	}
	kind, name := p.Binding.RoleRef()
	subject := p.Subject.Kind + " " + p.Subject.Name
	if p.Subject.Namespace != "" {
		subject = p.Subject.Kind + " " + p.Subject.Namespace + "/" + p.Subject.Name
	}
	return Evidence{fmt.Sprintf("%s %s binds %s to %s %s", p.Binding.Kind(), bindingName(p.Binding), subject, kind, name.Name), p.Binding.Object(), nil}
}

func ruleEvidence(p access.Proof) Evidence {
	if p.Source.Name == "" {
		return Evidence{Text: "the role allows it, into which it writes every right"}
	}
	text := fmt.Sprintf("%s %s allows %s on %s", p.Source.Kind(), p.Source.Name, strings.Join(p.Rule.Verbs(), ", "), strings.Join(p.Rule.Resources(), ", "))
	e := Evidence{Text: text, Object: p.Source.Object}
	if e.Object != nil {
		e.Node = p.Rule.Node
	}
	return e
}

// Stage is where a path has got to, and the step that led there; the first stage
// has no step.
type Stage struct {
	At   Vertex
	Step *Step
}

// Stages returns a path as people tell it. What an attacker holds without a step,
// such as one of many service accounts, counts as what the step leads to.
func (g *Graph) Stages(p Path) []Stage {
	var all []Stage
	for i, v := range p.Vertices {
		if i == 0 {
			all = append(all, Stage{At: g.Vertex(v)})
			continue
		}
		edges := g.Between(p.Vertices[i-1], v)
		if len(edges) == 0 {
			continue
		}
		now := &all[len(all)-1]
		if e := edges[0]; e.Certainty != Given {
			all = append(all, Stage{At: g.Vertex(v), Step: &Step{Edge: e}})
		} else if k := g.vertices[v].kind; k != Position && k != Inside && k != Labelled && k != AnyContainer && k != Group && (k != NodeFiles || now.At.Kind == FilesOf) {
			now.At = g.Vertex(v)
		}
	}
	for i := 1; i < len(all); i++ {
		step := g.explain(all[i].Step.Edge, all[i-1].At, all[i].At)
		all[i].Step = &step
	}
	return all
}
