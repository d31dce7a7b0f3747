package attack

import (
	"slices"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// A pod of the attacker's making gives the node when it is dangerous in one of
// the ways below and nothing refuses it. What else policies ask for, such as
// labels and an image of their registry, an attacker adds: each danger is tried with
// several bases, and one that passes shows a way in. A policy counts as refusing the
// danger where it refuses it with every base, and with some base lets a harmless pod
// pass. What is neither is unknown.

// candidate is a dangerous pod.
type candidate struct {
	name     string
	debug    bool // a debug container can be like this, too
	spec     func() tree.Node
	presents EdgeKind
}

// where the dangerous container of a candidate stands. The node is taken from
// any list, and policies may look at one only.
var (
	asMain  = slot{"containers", ""}
	asInit  = slot{"initContainers", " in an init container"}
	asDebug = slot{"ephemeralContainers", ""}
)

type slot struct{ list, words string }

// spec puts the containers of a pod into the list, beside a harmless one.
func (p slot) spec(pod tree.Node) tree.Node {
	if p == asMain {
		return pod
	}
	quiet := harmless()
	entries := []tree.Node{tree.Entry("containers", *quiet.Get("containers"))}
	for _, kid := range pod.Children() {
		if kid.Key() == "containers" {
			dangerous := *kid.At(0)
			fields := []tree.Node{tree.Entry("name", "d")}
			for _, field := range dangerous.Children() {
				if field.Key() != "name" {
					fields = append(fields, field)
				}
			}
			kid = tree.Entry(p.list, []tree.Node{tree.MapOf(fields...)})
		}
		entries = append(entries, kid)
	}
	return tree.MapOf(entries...)
}

var candidates = []candidate{
	{"a privileged container", true, func() tree.Node { return podSpec(securityContext(tree.Entry("privileged", true))) }, EscapeMount},
	{"the node's root directory as a volume", false, func() tree.Node { return hostPathSpec("/") }, EscapeHostWrite},
	{"the runtime's socket as a volume", false, func() tree.Node { return hostPathSpec("/run/containerd/containerd.sock") }, EscapeSocket},
	{"the capability SYS_MODULE", true, func() tree.Node { return podSpec(capability("SYS_MODULE")) }, EscapeModule},
	{"the capability SYS_ADMIN", true, func() tree.Node { return podSpec(capability("SYS_ADMIN")) }, EscapeCgroup},
	{"the capability SYS_PTRACE with hostPID", false, func() tree.Node {
		return podSpec(securityContext(tree.Entry("capabilities", tree.MapOf(tree.Entry("add", []string{"SYS_PTRACE"}))),
			tree.Entry("appArmorProfile", tree.MapOf(tree.Entry("type", "Unconfined")))), tree.Entry("hostPID", true))
	}, EscapePtrace},
}

func securityContext(entries ...tree.Node) tree.Node {
	entries = append(entries, tree.Entry("runAsUser", 0))
	return tree.Entry("securityContext", tree.MapOf(entries...))
}

func capability(names ...string) tree.Node {
	return securityContext(tree.Entry("capabilities", tree.MapOf(tree.Entry("add", names))))
}

func podSpec(context tree.Node, more ...tree.Node) tree.Node {
	c := tree.MapOf(tree.Entry("name", "c"), tree.Entry("image", "registry.example/tool:1"), context)
	return tree.MapOf(append([]tree.Node{tree.Entry("containers", []tree.Node{c})}, more...)...)
}

func hostPathSpec(at string) tree.Node {
	return volumeSpec(tree.Entry("hostPath", tree.MapOf(tree.Entry("path", at))))
}

func claimSpec(claim string) tree.Node {
	return volumeSpec(tree.Entry("persistentVolumeClaim", tree.MapOf(tree.Entry("claimName", claim))))
}

func volumeSpec(source tree.Node) tree.Node {
	c := tree.MapOf(tree.Entry("name", "c"), tree.Entry("image", "registry.example/tool:1"), securityContext(),
		tree.Entry("volumeMounts", []tree.Node{tree.MapOf(tree.Entry("name", "host"), tree.Entry("mountPath", "/host"))}))
	volume := tree.MapOf(tree.Entry("name", "host"), source)
	return tree.MapOf(tree.Entry("containers", []tree.Node{c}), tree.Entry("volumes", []tree.Node{volume}))
}

// harmless is the same pod without the danger: it meets the level restricted.
func harmless() tree.Node {
	return podSpec(tree.Entry("securityContext", tree.MapOf(
		tree.Entry("allowPrivilegeEscalation", false), tree.Entry("runAsNonRoot", true), tree.Entry("runAsUser", 10001), tree.Entry("privileged", false),
		tree.Entry("readOnlyRootFilesystem", true),
		tree.Entry("capabilities", tree.MapOf(tree.Entry("drop", []string{"ALL"}))),
		tree.Entry("seccompProfile", tree.MapOf(tree.Entry("type", "RuntimeDefault"))),
	)), tree.Entry("automountServiceAccountToken", false))
}

// guardVerdict says which dangerous pod a namespace lets in.
type guardVerdict struct {
	certainty Certainty
	danger    string
	level     evidence // the label, or the namespace without one
	refusal   refusal  // what may refuse it, where that is not known
	asks      bool     // it may hang on who sends the request
	// Of a step of somebody whom policies know: who sends the request, and the step that
	// makes the pod in the namespace.
	sender    access.Subject
	by        *edge
	namespace int32
}

// guards judges dangerous pods.
type guards struct {
	*builder
	rules    []*policy.Rule
	worker   *policy.Worker // nil without rules
	debugger *policy.Worker // of the rules about debug containers
	relabels bool           // the namespace's labels are the attacker's to choose
	pods     map[string]*model.Object
	words    wordsOf // of the policies
	tries    tries
	without  []string                       // policies that are taken for gone
	own      map[guardQuestion]guardVerdict // what they say then
	requests bool                           // policies look at the request
	senders  bool                           // policies look at who sends it
	from     access.Subject                 // who sends it now

	askedSenders int
}

// newGuards returns the guards without some policies.
func (b *builder) newGuards(without ...string) *guards {
	g := &guards{builder: b, pods: map[string]*model.Object{}, without: without, own: map[guardQuestion]guardVerdict{}}
	for _, kind := range []model.GroupKind{model.PolicyKind, model.PolicyBindingKind} {
		for o := range b.snapshot.Kind(kind) {
			g.words.read(o.Root, false)
		}
	}
	g.rules = slices.DeleteFunc(b.denying(), func(r *policy.Rule) bool { return slices.Contains(without, r.Checks[0]) })
	if slices.ContainsFunc(g.rules, func(r *policy.Rule) bool { return r.ParamRef != nil }) {
		g.bindParams() // these may be any objects, so nothing is remembered
	} else if !reads(g.rules, "authorizer") { // roles and bindings would decide, too
		g.remember()
	}
	g.requests, g.senders = reads(g.rules, "request", "oldObject", "authorizer"), reads(g.rules, "userInfo", "authorizer")
	work := func(rules []*policy.Rule) *policy.Worker {
		if len(rules) == 0 {
			return nil
		}
		return policy.NewEngine(rules, policy.Options{KubernetesMinor: b.options.KubernetesMinor}).NewWorker(g)
	}
	g.worker, g.debugger = work(g.rules), work(aboutDebug(g.rules))
	return g
}

// aboutDebug returns the rules that see debug containers come: an update of the
// subresource pods/ephemeralcontainers. They are made to match pods.
func aboutDebug(rules []*policy.Rule) []*policy.Rule {
	var all []*policy.Rule
	for _, r := range rules {
		match, ok := debugMatch(r.Match)
		bound, bounds := debugMatch(*r.Match.Bound)
		if !ok || !bounds {
			continue
		}
		match.Bound = &bound
		made := *r
		made.Match = match
		all = append(all, &made)
	}
	return all
}

func debugMatch(m policy.Match) (policy.Match, bool) {
	narrow := func(rules []policy.ResourceRule) []policy.ResourceRule {
		var all []policy.ResourceRule
		for _, r := range rules {
			seen := slices.ContainsFunc(r.Resources, func(resource string) bool {
				return slices.Contains([]string{"pods/ephemeralcontainers", "pods/*", "*/*", "*/ephemeralcontainers"}, resource)
			})
			if seen && (slices.Contains(r.Operations, "UPDATE") || slices.Contains(r.Operations, "*")) {
				r.Resources, r.Operations = []string{"pods"}, []string{"*"}
				all = append(all, r)
			}
		}
		return all
	}
	any := len(m.Include) == 0
	m.Include, m.Exclude = narrow(m.Include), narrow(m.Exclude)
	return m, any || len(m.Include) > 0
}

// denying returns the rules of admission policies with a binding that denies.
// Policies that cannot be read are left out: they refuse nothing for certain.
func (b *builder) denying() []*policy.Rule {
	var rules []*policy.Rule
	bindings := slices.Collect(b.snapshot.Kind(model.PolicyBindingKind))
	for o := range b.snapshot.Kind(model.PolicyKind) {
		made, err := policy.Native(append([]*model.Object{o}, bindings...))
		if err != nil {
			continue
		}
		for _, r := range made {
			if r.Match.Bound != nil && !r.Advisory {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// bindParams looks for the parameters of the rules.
func (g *guards) bindParams() {
	var all []*model.Object
	for _, o := range g.snapshot.All() {
		all = append(all, o)
	}
	g.rules = policy.Bind(g.rules, all, g.snapshot.Complete)
	for _, r := range g.rules {
		if r.Params != nil {
			g.words.readParams(r.Params)
		}
	}
}

// Fact, References and Namespace are what policies ask about other objects.
func (g *guards) Fact(*model.Object, *model.PodTemplate, string) (tree.Node, bool) {
	return tree.Node{}, false
}

// References returns nothing: a candidate names no objects.
func (g *guards) References(*model.Object) []policy.Reference { return nil }

// Image returns nothing: admission policies do not see images.
func (g *guards) Image(*tree.Node) *tree.Node { return nil }

// Namespace returns the namespace of a candidate.
func (g *guards) Namespace(o *model.Object) *tree.Node {
	if ns := g.namespaceObject(o.Key.Namespace); ns != nil && !g.relabels {
		return ns.Root
	}
	if g.relabels {
		n := tree.MapOf(tree.Entry("metadata", tree.MapOf(tree.Entry("name", o.Key.Namespace), tree.Entry("labels", tree.MapOf(tree.Entry("kubernetes.io/metadata.name", o.Key.Namespace))))))
		return n.Seal()
	}
	n := tree.UnknownBecause("the namespace was not read")
	return n.Seal()
}

func (b *builder) namespaceObject(name string) *model.Object {
	return b.snapshot.Get(model.Key{Cluster: b.cluster(), GroupKind: model.NamespaceKind, Name: name})
}

// judge returns the most certain danger that a namespace lets in, of a sender or of
// whomever; its certainty is Given where it lets none in.
func (g *guards) judge(ns int32, debug bool, from access.Subject) guardVerdict {
	key := g.question(g.namespaces[ns])
	key.debug = debug
	if g.senders {
		key.sender, key.account = from, g.accountObject(from)
	}
	return g.remembering(key, func() guardVerdict {
		g.admit(g.namespaces[ns], debug, key.sender)
		v := g.try(g.namespaces[ns], debug)
		v.asks = g.senders && v.certainty == Unknown && v.refusal.answer == perhaps
		return v
	})
}

func (g *guards) try(name string, debug bool) guardVerdict {
	best := guardVerdict{}
	open, restricts, minor, level := g.level(name)
	best.level = level
	slots := []slot{asMain, asInit}
	if debug {
		slots = []slot{asDebug}
	} else if g.worker == nil {
		slots = slots[:1] // Pod Security looks at all lists alike
	}
	for _, at := range slots {
		for i := range candidates {
			c := &candidates[i]
			if debug && !c.debug {
				continue
			}
			if pod := g.pod(at, c.name, g.seen(name, at), c.spec); restricts && !baseline(pod.Root.Get("metadata"), pod.Root.Get("spec"), minor) {
				continue
			}
			refused := g.refused(at, c.name, name, c.spec)
			if refused.answer == yes {
				continue
			}
			certainty := refused.certainty(open)
			if best.certainty == Given || certainty < best.certainty {
				best.certainty, best.danger, best.refusal = certainty, c.name+at.words, refused
			}
			if certainty == open {
				return best
			}
		}
	}
	return best
}

// level returns the Pod Security level of a namespace, whether it restricts pods
// and as of which version, and how certain what it lets in is.
func (g *guards) level(name string) (open Certainty, restricts bool, minor int, level evidence) {
	open, minor = Certain, g.options.KubernetesMinor
	if object := g.namespaceObject(name); object == nil {
		open = Unknown
	} else {
		var label *tree.Node
		restricts, minor, label = enforced(object.Root, minor)
		level = evidence{object, label}
		if label == nil {
			open = Likely // the API server's own default may be stricter
		}
	}
	if g.relabels {
		restricts, open = false, Certain
	}
	if g.snapshot.Gap("", model.PolicyKind, model.PolicyBindingKind) != nil {
		open = Unknown // what was not read may refuse the pod
	}
	return open, restricts, minor, level
}

// seen returns the namespace of candidates where something looks at it, so that
// one of each kind does elsewhere.
func (g *guards) seen(namespace string, at slot) string {
	if g.judging(at) == nil {
		return ""
	}
	return namespace
}

// judging returns what judges the candidates of a slot, or nil.
func (g *guards) judging(at slot) *policy.Worker {
	if at == asDebug {
		return g.debugger
	}
	return g.worker
}

// guarded leads from pods and debug containers of the attacker's making to the
// node, where nothing refuses a dangerous one.
func (b *builder) guarded() {
	var g *guards
	of := func(relabels bool) *guards {
		if g == nil || g.relabels != relabels {
			g = b.newGuards()
			g.relabels = relabels
		}
		return g
	}
	b.persistentVolumes(func() *guards { return of(false) })
	b.dropping(func() *guards { return of(false) })
	var asked []open
	for ns := range b.namespaces {
		if b.hasWide(RunPods, int32(ns)) {
			if v := of(false).judge(int32(ns), false, access.Subject{}); v.asks {
				asked = append(asked, open{int32(ns), false})
			} else if v.certainty != Given {
				b.opening(b.at(RunPods, int32(ns)), b.anyNode(), RunEscape, v)
			}
			if b.nodeVolumes.bindings != nil {
				b.claimEscapes(int32(ns), of(false))
			}
		}
		if !b.hasWide(Debug, int32(ns)) {
			continue
		}
		if v := of(false).judge(int32(ns), true, access.Subject{}); v.asks {
			asked = append(asked, open{int32(ns), true})
		} else if v.certainty != Given {
			for w := b.inNamespace[ns].first; w < b.inNamespace[ns].last; w++ {
				root, _ := b.nodesOf(w)
				b.opening(b.at(Debug, int32(ns)), root, DebugEscape, v)
			}
		}
	}
	b.bySenders(g, asked)
	for _, r := range b.relabel {
		ns := r.namespace
		if ns == none {
			ns = b.namespace("kube-system") // any will do
		}
		if v := of(true).judgeAs(ns, b.accounts[b.vertices[r.subject].at]); v.certainty != Given {
			if r.proofs != nil {
				b.Graph.proven = append(b.Graph.proven, r.proofs)
				b.made = append(b.made, edge{r.subject, b.anyNode(), int32(len(b.Graph.proven) - 1), RelabelNamespace, v.certainty, byProof})
				continue
			}
			b.made = append(b.made, edge{r.subject, b.anyNode(), r.namespace, RelabelNamespace, v.certainty, 0})
		}
	}
}

// opening adds an edge that a namespace does not guard against.
func (b *builder) opening(from, to ID, kind EdgeKind, v guardVerdict) {
	b.guardVerdicts = append(b.guardVerdicts, v)
	b.edge(from, to, kind, v.certainty, int32(len(b.guardVerdicts)-1))
}
