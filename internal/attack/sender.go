package attack

import (
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authorization/authorizer"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// Policies may ask who sends a request: request.userInfo. What they let in then hangs on
// who makes the pod, so such a step leads from the subject that does, and not from the
// pods that anybody makes in the namespace.

// sender is who may have sent the request that makes a pod.
type sender struct {
	subject   access.Subject // the zero one where it is not known
	certainty Certainty      // at least: how certain it is that it is this one
}

// mostSenders bounds how often policies are asked about a sender of its own, as each
// costs evaluations. What is beyond is unknown.
const mostSenders = 4096

// reads reports whether rules have an expression with one of some words.
func reads(rules []*policy.Rule, words ...string) bool {
	return slices.ContainsFunc(rules, func(r *policy.Rule) bool {
		return says(r, func(text string) bool {
			return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
		})
	})
}

// admit tells the policies by which request a pod or a debug container comes.
func (g *guards) admit(namespace string, debug bool, from access.Subject) {
	g.from = from
	if !g.requests {
		return
	}
	if debug {
		if g.debugger != nil {
			g.debugger.Admit(g.requestOf(namespace, "UPDATE", "ephemeralcontainers", from), g.authority(from))
		}
		return
	}
	if g.worker != nil {
		g.worker.Admit(g.requestOf(namespace, "CREATE", "", from), g.authority(from))
	}
}

// requestOf returns the admission request of a candidate.
func (g *guards) requestOf(namespace, operation, subresource string, from access.Subject) *tree.Node {
	kind := tree.MapOf(tree.Entry("group", ""), tree.Entry("version", "v1"), tree.Entry("kind", "Pod"))
	resource := tree.MapOf(tree.Entry("group", ""), tree.Entry("version", "v1"), tree.Entry("resource", "pods"))
	request := tree.MapOf(
		tree.Entry("kind", kind), tree.Entry("resource", resource), tree.Entry("subResource", subresource),
		tree.Entry("requestKind", kind), tree.Entry("requestResource", resource), tree.Entry("requestSubResource", subresource),
		tree.Entry("name", candidateName), tree.Entry("namespace", namespace), tree.Entry("operation", operation), tree.Entry("dryRun", false),
		tree.Entry("options", tree.UnknownBecause("the options of the request are not known")),
		tree.Entry("userInfo", g.userInfo(from)),
	)
	return request.Seal()
}

// userInfo is what the API server knows of a sender.
func (g *guards) userInfo(s access.Subject) tree.Node {
	if s == (access.Subject{}) {
		return tree.UnknownBecause("who sends the request is not known")
	}
	var groups []tree.Node
	if s.Kind == "Group" {
		groups = append(groups, tree.Of(s.Name))
	}
	for group := range s.Groups() {
		groups = append(groups, tree.Of(group.Name))
	}
	username, uid := tree.UnknownBecause("which member of group "+s.Name+" sends the request is not known"), tree.UnknownBecause("the uid of who sends the request is not known")
	if name, ok := s.Username(); ok {
		username = tree.Of(name)
	} else if s.Anonymous() {
		username = tree.Of(anonymousUser)
	}
	if s.Kind == "ServiceAccount" {
		if o := g.accountObject(s); o != nil && o.Root.Dig("metadata", "uid").Str() != "" {
			uid = tree.Of(o.Root.Dig("metadata", "uid").Str())
		}
	} else if !s.Anonymous() {
		groups = append(groups, tree.UnknownBecause("in which other groups "+strings.ToLower(s.Kind)+" "+s.Name+" is, only its authenticator knows"))
	}
	return tree.MapOf(tree.Entry("username", username), tree.Entry("uid", uid), tree.Entry("groups", groups),
		tree.Entry("extra", tree.UnknownBecause("what an authenticator adds to who sends the request is not known")))
}

// authority answers what a sender may do by RBAC, or service accounts of which a policy
// asks; it is nil where it is not known who sends the request. That a user may not do
// something hangs on its groups.
func (g *guards) authority(from access.Subject) policy.Authority {
	if _, ok := from.Username(); !ok {
		return nil
	}
	return func(a authorizer.Attributes) (allowed, known bool) {
		s := access.User(a.GetUser().GetName())
		q := access.Request{Verb: a.GetVerb(), Group: a.GetAPIGroup(), Resource: a.GetResource(), Subresource: a.GetSubresource(), Namespace: a.GetNamespace(), Name: a.GetName()}
		if !a.IsResourceRequest() {
			q = access.Request{Verb: a.GetVerb(), URL: a.GetPath()}
		}
		answer := g.access.Can(s, &q)
		return answer.Verdict == access.Yes, answer.Verdict == access.Yes || answer.Verdict == access.No && s.Kind == "ServiceAccount"
	}
}

// accountObject returns the object of a service account, or nil.
func (g *Graph) accountObject(s access.Subject) *model.Object {
	if s.Kind != "ServiceAccount" {
		return nil
	}
	return g.snapshot.Get(model.Key{Cluster: g.cluster(), Namespace: s.Namespace, GroupKind: model.ServiceAccountKind, Name: s.Name})
}

// podMaker is a controller of Kubernetes that makes the pods of a workload, as a service
// account of its own where the controller manager has --use-service-account-credentials,
// as most clusters have it.
type podMaker struct{ group, resource, account string }

var podMakers = []podMaker{
	{"apps", "deployments", "replicaset-controller"}, {"apps", "replicasets", "replicaset-controller"}, {"apps", "daemonsets", "daemon-set-controller"},
	{"apps", "statefulsets", "statefulset-controller"}, {"batch", "jobs", "job-controller"}, {"batch", "cronjobs", "job-controller"},
	{"", "replicationcontrollers", "replication-controller"},
}

// controllers returns the service accounts that make the pods of workloads that a
// subject may create in a namespace, or rewrite where there are such.
func (b *builder) controllers(s access.Subject, ns int32, rewrites bool) []sender {
	verbs := change[:1]
	there := map[string]bool{}
	if rewrites {
		verbs = change[1:]
		for w := b.inNamespace[ns].first; w < b.inNamespace[ns].last; w++ {
			for _, resource := range rewritten(b.Graph.workloads[w].Object.Key.GroupKind) {
				there[resource] = true
			}
		}
	}
	var all []sender
	for _, m := range podMakers {
		as := sender{access.ServiceAccount(systemNamespace, m.account), Likely}
		if rewrites && !there[m.resource] || slices.Contains(all, as) {
			continue
		}
		if _, ok := b.asked(s, access.Request{Group: m.group, Resource: m.resource, Namespace: b.namespaces[ns]}, verbs...); ok {
			all = append(all, as)
		}
	}
	return all
}

// makers returns who may send the request by which a subject gets pods in a namespace.
func (b *builder) makers(s access.Subject, ns int32) []sender {
	held := b.access.Rights(s).In(b.namespaces[ns])
	var all []sender
	if held.Has(access.CreatePods) {
		all = append(all, sender{b.access.Base(s), Certain})
	}
	if held.Has(access.CreateWorkloads) {
		all = append(all, b.controllers(s, ns, false)...)
	}
	if held.Has(access.ModifyControllers) {
		all = append(all, b.controllers(s, ns, true)...)
	}
	return all
}

// sendersOf returns who may send the request by which a step has pods, or debug
// containers, in a namespace. It is one that is not known where nothing says so.
func (b *builder) sendersOf(e *edge, ns int32) []sender {
	var all []sender
	switch b.vertices[e.from].kind {
	case Account, User, Group, Granted:
		s, right := b.accounts[b.vertices[e.from].at], e.right&^(byName|byProof)
		switch {
		case e.kind == DebugPods, e.kind == CreatePods && right == access.CreatePods:
			all = []sender{{b.access.Base(s), Certain}}
		case e.kind == CreatePods:
			all = b.controllers(s, ns, false)
		case e.kind == ChangeWorkloads:
			all = b.controllers(s, ns, true)
		}
	}
	if len(all) == 0 {
		return []sender{{}}
	}
	return all
}

// judgeBy returns the most certain danger that a namespace lets in which one of some
// senders makes; without any, what it lets in whoever does.
func (g *guards) judgeBy(ns int32, debug bool, senders []sender) guardVerdict {
	best := g.judge(ns, debug, access.Subject{})
	if !best.asks || len(senders) == 0 {
		return best
	}
	unknown := best
	best = guardVerdict{}
	for _, s := range senders {
		v := unknown
		if g.askedSenders++; g.askedSenders <= mostSenders && s.subject != (access.Subject{}) {
			v = g.judge(ns, debug, s.subject)
			v.sender = s.subject
		}
		if v.certainty == Given {
			continue
		}
		v.certainty = max(v.certainty, s.certainty)
		if best.certainty == Given || v.certainty < best.certainty {
			best = v
		}
	}
	return best
}

// judgeAs returns the most certain danger that a namespace lets in which a subject makes,
// or has made by a workload.
func (g *guards) judgeAs(ns int32, s access.Subject) guardVerdict {
	v := g.judge(ns, false, access.Subject{})
	if !v.asks {
		return v
	}
	return g.judgeBy(ns, false, g.makers(s, ns))
}

// open is a namespace in which it hangs on the sender whether a danger gets in.
type open struct {
	namespace int32
	debug     bool
}

// bySenders leads from who makes pods, or debug containers, to the nodes where policies
// let its dangerous ones in.
func (b *builder) bySenders(g *guards, namespaces []open) {
	if len(namespaces) == 0 {
		return
	}
	for i := range len(b.made) {
		e := b.made[i]
		from, to := &b.vertices[e.from], &b.vertices[e.to]
		if to.kind != RunPods && to.kind != Debug || from.kind == to.kind {
			continue
		}
		best := guardVerdict{} // of pods, as any of them gives any node
		for _, in := range namespaces {
			if in.debug != (to.kind == Debug) || to.at != none && to.at != in.namespace {
				continue
			}
			v := g.judgeBy(in.namespace, in.debug, b.sendersOf(&e, in.namespace))
			if v.certainty == Given {
				continue
			}
			v.by, v.namespace = &e, in.namespace
			switch {
			case in.debug:
				for w := b.inNamespace[in.namespace].first; w < b.inNamespace[in.namespace].last; w++ {
					root, _ := b.nodesOf(w)
					b.opening(e.from, root, DebugEscape, v)
				}
			case best.by == nil || v.certainty < best.certainty:
				best = v
			}
			if best.certainty == Certain {
				break
			}
		}
		if best.by != nil {
			b.opening(e.from, b.anyNode(), RunEscape, best)
		}
	}
}
