package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
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
		if answer := b.access.Can(s, &q); answer.Verdict == access.Yes {
			if answer.Proof == nil {
				return nil, true
			}
			return []access.Proof{*answer.Proof}, true
		}
	}
	return nil, false
}

// proven adds an edge that requests prove.
func (b *builder) proven(from, to ID, kind EdgeKind, c Certainty, proofs []access.Proof) {
	b.Graph.proven = append(b.Graph.proven, proofs)
	b.edge(from, to, kind, c, int32(len(b.Graph.proven)-1))
}

// hijacks adds what a subject wins by having the API server ask a server of the
// attacker's.
func (b *builder) hijacks(v ID, rights access.Rights) {
	s := b.accounts[b.vertices[v].at]
	if rights.Has(access.WriteWebhooks) {
		if p, ok := b.asked(s, access.Request{Group: admissionGroup, Resource: "mutatingwebhookconfigurations"}, change...); ok {
			b.proven(v, b.admin, ChangeWebhooks, Likely, p)
		}
		if p, ok := b.asked(s, access.Request{Group: admissionGroup, Resource: "validatingwebhookconfigurations"}, change...); ok {
			b.proven(v, b.at(AnySecret, none), ReadByWebhook, Likely, p)
		}
	}
	if rights.Has(access.WriteAdmissionPolicies) {
		policy, ok := b.asked(s, access.Request{Group: admissionGroup, Resource: "mutatingadmissionpolicies"}, change...)
		binding, also := b.asked(s, access.Request{Group: admissionGroup, Resource: "mutatingadmissionpolicybindings"}, change...)
		if ok && also {
			b.proven(v, b.admin, ChangePolicies, Likely, append(policy, binding...))
		}
	}
	if rights.Has(access.WriteAPIServices) {
		if p, ok := b.asked(s, access.Request{Group: "apiregistration.k8s.io", Resource: "apiservices"}, change...); ok {
			b.proven(v, b.admin, HijackAPI, Likely, p)
		}
	}
	if rights.Has(access.WriteCRDs) {
		if p, ok := b.asked(s, access.Request{Group: model.CustomKind.Group, Resource: "customresourcedefinitions"}, change[1:]...); ok {
			b.proven(v, b.customObjects(), HijackConversion, Likely, p)
		}
	}
}

// customObjects returns the vertex of the custom objects, and makes it with the
// controllers that it leads to: service accounts that a rule lets read a group of
// a CustomResourceDefinition by name. Who reads every group reads these as well,
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
		b.give(v, b.target(AnyUser, none), ForgeCertificate, Certain, access.ForgeCertificate, none)
		b.give(v, b.kubelet(), ForgeCertificate, Certain, access.ForgeCertificate, none)
		return
	}
	if p, ok := approves(kubeletSigner); ok {
		b.proven(v, b.kubelet(), KubeletCertificate, Certain, p)
	}
}
