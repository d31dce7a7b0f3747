package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Some rights of the catalogue are wider than what a step needs: they hold for who
// may only delete, or approves for one signer only. The steps here ask for the
// requests that the attacker sends.

const (
	admissionGroup = "admissionregistration.k8s.io"
	csrGroup       = "certificates.k8s.io"
	csrResource    = "certificatesigningrequests"
	kubeletSigner  = "kubernetes.io/kube-apiserver-client-kubelet"
	clientSigner   = "kubernetes.io/kube-apiserver-client"
)

// change are the verbs that put something of the attacker's into an object.
var change = []string{"create", "update", "patch"}

// asked returns what proves that a subject may send one of some requests that
// differ in their verb.
func (b *builder) asked(s access.Subject, q access.Request, verbs ...string) ([]access.Proof, bool) {
	for _, verb := range verbs {
		q.Verb = verb
		if proof, ok := b.access.Allows(s, &q); proof != nil {
			return []access.Proof{*proof}, true
		} else if ok {
			return nil, true
		}
	}
	return nil, false
}

// proven adds an edge that requests prove.
func (b *builder) proven(from, to ID, kind EdgeKind, c Certainty, proofs []access.Proof) {
	b.Graph.proven = append(b.Graph.proven, proofs)
	b.edge(from, to, kind, c, int32(len(b.Graph.proven)-1))
}

// hijack is a kind of objects in which the attacker has the API server ask, or do,
// something of its own.
type hijack struct {
	right    access.Right
	group    string
	resource string
	kind     string // of the objects
	edge     EdgeKind
	to       func(*builder) ID
	// made is how certain the step is by a new object; Given where that is no step.
	made Certainty
	// builtIn says which objects every cluster has, read or not; nil where none.
	builtIn func(name string) bool
}

func toAdmin(b *builder) ID { return b.admin }

var apiServiceKind = model.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"}

var hijacks = []hijack{
	{access.WriteWebhooks, admissionGroup, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", ChangeWebhooks, toAdmin, Likely, nil},
	{access.WriteWebhooks, admissionGroup, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", ReadByWebhook,
		func(b *builder) ID { return b.at(AnySecret, none) }, Likely, nil},
	// Every group version that matters has an APIService, and that cannot be made anew.
	// For the one of a name see api.
	{access.WriteAPIServices, apiServiceKind.Group, "apiservices", apiServiceKind.Kind, HijackAPI, toAdmin, Unknown, builtInAPI},
	{access.WriteCRDs, model.CustomKind.Group, "customresourcedefinitions", model.CustomKind.Kind, HijackConversion, (*builder).customObjects, Given, nil},
}

// hijackKinds returns the types of objects by which the attacker has the API server
// ask, or do, something of its own.
func hijackKinds() []model.GroupKind {
	kinds := []model.GroupKind{policyKind, policyBindingKind}
	for i := range hijacks {
		kinds = append(kinds, hijacks[i].objects())
	}
	return kinds
}

func (h *hijack) objects() model.GroupKind { return model.GroupKind{Group: h.group, Kind: h.kind} }

// builtInAPI reports whether an APIService is one that API servers make by
// themselves.
func builtInAPI(name string) bool {
	_, group, ok := strings.Cut(name, ".")
	return ok && (!strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io") && slices.Contains(builtInGroups, strings.TrimSuffix(group, ".k8s.io")))
}

var builtInGroups = strings.Fields("admissionregistration apiextensions authentication authorization certificates coordination discovery events " +
	"flowcontrol.apiserver internal.apiserver networking node rbac.authorization resource scheduling storage storagemigration")

// api returns what who answers for the group of an APIService has: kubelets and
// controllers of Kubernetes do as objects of its own groups say, and of others those
// that read them.
func (b *builder) api(name string) ID {
	if builtInAPI(name) {
		return b.admin
	}
	return b.customObjects()
}

// hijacks adds what a subject wins by having the API server ask a server of the
// attacker's.
func (b *builder) hijacks(v ID, rights access.Rights) {
	s := b.accounts[b.vertices[v].at]
	for i := range hijacks {
		h := &hijacks[i]
		if !rights.Has(h.right) {
			continue
		}
		q := access.Request{Group: h.group, Resource: h.resource}
		if h.builtIn != nil || b.mayBeThere(h.objects()) {
			if p, ok := b.asked(s, q, change[1:]...); ok {
				b.proven(v, h.to(b), h.edge, Likely, p)
				continue
			}
		}
		if p, ok := b.asked(s, q, "create"); ok && h.made != Given {
			b.proven(v, h.to(b), h.edge, h.made, p)
		}
	}
	if rights.Has(access.WriteAdmissionPolicies) {
		policy, ok := b.writes(s, mutatingPolicies)
		binding, also := b.writes(s, mutatingBindings)
		if ok && also {
			b.proven(v, b.admin, ChangePolicies, Likely, append(policy, binding...))
		}
		for o := range b.snapshot.Kind(policyKind) {
			if p, ok := b.asked(s, access.Request{Group: admissionGroup, Resource: mutatingPolicies, Name: o.Key.Name}, change[1:]...); ok && b.binds(o.Key.Name) {
				b.proven(v, b.admin, ChangePolicies, Likely, p)
				break
			}
		}
	}
}

const (
	mutatingPolicies = "mutatingadmissionpolicies"
	mutatingBindings = "mutatingadmissionpolicybindings"
)

var (
	policyKind        = model.GroupKind{Group: admissionGroup, Kind: "MutatingAdmissionPolicy"}
	policyBindingKind = model.GroupKind{Group: admissionGroup, Kind: "MutatingAdmissionPolicyBinding"}
)

// writes returns what proves that a subject may make an object of mutating
// admission, or change one.
func (b *builder) writes(s access.Subject, resource string) ([]access.Proof, bool) {
	kind := policyKind
	if resource == mutatingBindings {
		kind = policyBindingKind
	}
	verbs := change
	if !b.mayBeThere(kind) {
		verbs = change[:1]
	}
	return b.asked(s, access.Request{Group: admissionGroup, Resource: resource}, verbs...)
}

// binds reports whether a binding lets the mutating admission policy of a name act.
func (b *builder) binds(policy string) bool {
	for o := range b.snapshot.Kind(policyBindingKind) {
		if o.Root.Get("spec").Get("policyName").Str() == policy {
			return true
		}
	}
	return false
}

// mayBeThere reports whether there is an object of a kind, or may be one that was
// not read.
func (b *builder) mayBeThere(gk model.GroupKind) bool {
	for range b.snapshot.Kind(gk) {
		return true
	}
	return !b.snapshot.Complete("", gk)
}

// hijacksNamed adds what a subject wins by changing an object of a name, or by
// making it, which takes patch and create for the name.
func (b *builder) hijacksNamed(s access.Subject, r access.NamedRight, name string) {
	for i := range hijacks {
		h := &hijacks[i]
		if h.right != r.Right || h.resource != r.Resource {
			continue
		}
		q := access.Request{Group: h.group, Resource: h.resource, Name: name}
		there := h.builtIn != nil && h.builtIn(name) || b.oneMayBeThere(h.objects(), name)
		p, ok := b.asked(s, q, change[1:]...)
		to := func() ID {
			if h.edge == HijackAPI {
				return b.api(name)
			}
			return h.to(b)
		}
		if ok && there {
			b.proven(b.subject(s), to(), h.edge, Likely, p)
			continue
		}
		if made, may := b.asked(s, q, "create"); ok && may && h.made != Given { // by apply
			b.proven(b.subject(s), to(), h.edge, h.made, append(p, made...))
		}
	}
	if r.Right == access.WriteAdmissionPolicies {
		b.policiesNamed(s, r.Resource, name)
	}
}

// policiesNamed adds what a subject wins by changing a mutating admission policy that
// is bound, or that it may bind, or by changing a binding to bind a policy of its own.
func (b *builder) policiesNamed(s access.Subject, resource, name string) {
	p, ok := b.asked(s, access.Request{Group: admissionGroup, Resource: resource, Name: name}, change[1:]...)
	switch {
	case !ok:
	case resource == mutatingPolicies && b.oneMayBeThere(policyKind, name):
		if binding, may := b.writes(s, mutatingBindings); may || b.binds(name) {
			b.proven(b.subject(s), b.admin, ChangePolicies, Likely, append(p, binding...))
		}
	case resource == mutatingBindings && b.oneMayBeThere(policyBindingKind, name):
		if policy, may := b.writes(s, mutatingPolicies); may {
			b.proven(b.subject(s), b.admin, ChangePolicies, Likely, append(policy, p...))
		}
	}
}

func (b *builder) oneMayBeThere(gk model.GroupKind, name string) bool {
	return b.snapshot.Get(model.Key{Cluster: b.cluster(), GroupKind: gk, Name: name}) != nil || !b.snapshot.Complete("", gk)
}

// customObjects returns the vertex of the custom objects, and makes it with the
// controllers that it leads to: service accounts that a rule lets read a group of
// a CustomResourceDefinition, or of an aggregated API, by name. Who reads every group reads these as well,
// and does hardly as they say.
func (b *builder) customObjects() ID {
	if b.custom != none {
		return b.custom
	}
	b.custom = b.vertex(CustomObjects, none, 0)
	groups := map[string]bool{}
	for o := range b.snapshot.Kind(model.CustomKind) {
		groups[o.Root.Get("spec").Get("group").Str()] = true
	}
	for o := range b.snapshot.Kind(apiServiceKind) {
		if !builtInAPI(o.Key.Name) && o.Root.Dig("spec", "service").Is(tree.Map) {
			groups[o.Root.Get("spec").Get("group").Str()] = true
		}
	}
	delete(groups, "")
	reads := access.NewFinder(func(rule access.Rule) bool { return readsAny(rule, groups) })
	seen := map[access.Subject]bool{}
	for binding := range b.access.All() {
		role := binding.Role()
		if role == nil || len(groups) == 0 {
			continue
		}
		source, rule, ok := reads.In(role)
		if !ok {
			continue
		}
		for _, s := range binding.Subjects() {
			if s.Kind == "ServiceAccount" && !seen[s] {
				seen[s] = true
				b.because(b.custom, b.subject(s), DrivenBy, NeedsExploit, source.Object, rule.Node)
			}
		}
	}
	return b.custom
}

// readsAny reports whether a rule allows to read one of some groups, which it
// names.
func readsAny(rule access.Rule, groups map[string]bool) bool {
	reads := slices.ContainsFunc(rule.Verbs(), func(verb string) bool { return verb == "*" || verb == "get" || verb == "list" || verb == "watch" })
	return reads && slices.ContainsFunc(rule.Groups(), func(group string) bool { return groups[group] })
}

// certificates adds what a subject that may ask for certificates wins by them.
func (b *builder) certificates(v ID, rights access.Rights) {
	s := b.accounts[b.vertices[v].at]
	if p, ok := b.asked(s, access.Request{Group: csrGroup, Resource: csrResource, Subresource: "nodeclient"}, "create"); ok {
		b.proven(v, b.kubelet(), KubeletCertificate, Likely, p)
	}
	if !rights.Has(access.UpdateApproval) || !rights.Has(access.ApproveSigners) {
		return
	}
	approves := func(signer string) ([]access.Proof, bool) {
		return b.asked(s, access.Request{Group: csrGroup, Resource: "signers", Name: signer}, "approve")
	}
	_, all := approves(strings.Replace(kubeletSigner, "kube-apiserver-client-kubelet", "*", 1))
	if _, ok := approves(clientSigner); ok || all { // a certificate may say that it is a node's
		b.give(v, b.one(&b.anyIdentity, AnyIdentity), ForgeCertificate, Certain, access.ForgeCertificate, none)
		b.give(v, b.kubelet(), ForgeCertificate, Certain, access.ForgeCertificate, none)
		return
	}
	if p, ok := approves(kubeletSigner); ok {
		b.proven(v, b.kubelet(), KubeletCertificate, Certain, p)
	}
}
