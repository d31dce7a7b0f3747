package attack

import (
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// The annotations that map a service account to a cloud identity, with how
// people call it.
var cloudAnnotations = []struct{ key, prefix string }{
	{"eks.amazonaws.com/role-arn", ""},
	{"iam.gke.io/gcp-service-account", ""},
	{"azure.workload.identity/client-id", "azure:"},
}

// associations are the objects that stand for an EKS Pod Identity association,
// with the fields that hold it: those of the AWS controllers for Kubernetes and
// of Crossplane's provider.
var associations = []struct {
	kind model.GroupKind
	spec []string
	// roles are where the role stands of which pods get the credentials: the target
	// role, which the other one assumes for them, comes first. What names an object
	// that stands for the role comes last.
	roles [][]string
}{
	{model.GroupKind{Group: "eks.services.k8s.aws", Kind: "PodIdentityAssociation"}, []string{"spec"}, [][]string{{"targetRoleARN"}, {"roleARN"}, {"roleRef", "from", "name"}}},
	{model.GroupKind{Group: "eks.aws.upbound.io", Kind: "PodIdentityAssociation"}, []string{"spec", "forProvider"}, crossplaneRoles},
	{model.GroupKind{Group: "eks.aws.m.upbound.io", Kind: "PodIdentityAssociation"}, []string{"spec", "forProvider"}, crossplaneRoles},
}

// associationKinds returns the types of associations.
func associationKinds() []model.GroupKind {
	kinds := make([]model.GroupKind, len(associations))
	for i, a := range associations {
		kinds[i] = a.kind
	}
	return kinds
}

var crossplaneRoles = [][]string{{"targetRoleArn"}, {"roleArn"}, {"roleArnRef", "name"}}

// mapping is a cloud identity of a service account, and where it is written.
type mapping struct {
	identity ID
	why      evidence
}

// readAssociations reads the Pod Identity associations.
func (b *builder) readAssociations() {
	b.associated = map[int32][]evidence{}
	for _, a := range associations {
		for o := range b.snapshot.Kind(a.kind) {
			spec := o.Root.Dig(a.spec...)
			role, name, namespace := firstOf(spec, a.roles), spec.Get("serviceAccount"), spec.Get("namespace").Str()
			if role == nil || name.Str() == "" || namespace == "" {
				continue
			}
			id := b.account(b.namespace(namespace), name.Hash(), name.Str())
			b.associated[id] = append(b.associated[id], evidence{o, role})
		}
	}
}

// firstOf returns the first of some fields that says something, or nil.
func firstOf(spec *tree.Node, fields [][]string) *tree.Node {
	for _, field := range fields {
		if n := spec.Dig(field...); n.Str() != "" {
			return n
		}
	}
	return nil
}

// cloud returns the cloud identities of an account.
func (b *builder) cloud(account int32) []mapping {
	var all []mapping
	add := func(prefix string, why evidence) {
		name := prefix + why.node.Str()
		if why.node.Key() == "name" { // of an object
			name = "role " + name
		}
		id, ok := b.cloudIDs[name]
		if !ok {
			b.clouds = append(b.clouds, name)
			id = b.vertex(CloudIdentity, int32(len(b.clouds)-1), 0)
			b.cloudIDs[name] = id
		}
		all = append(all, mapping{id, why})
	}
	if o := b.annotated[account]; o != nil {
		annotations := o.Root.Dig("metadata", "annotations")
		for _, a := range cloudAnnotations {
			if n := annotations.Get(a.key); n.Str() != "" {
				add(a.prefix, evidence{o, n})
			}
		}
	}
	for _, why := range b.associated[account] {
		add("", why)
	}
	return all
}

// azure reports whether a cloud identity is one of Azure, which only pods with a
// label get.
func azure(identity string) bool { return strings.HasPrefix(identity, "azure:") }

// podCloud leads from a pod to the cloud identities of its service account. That
// the cloud trusts the mapping is its own setting.
func (b *builder) podCloud(w *workload, data ID) {
	for _, m := range b.cloud(w.account) {
		if azure(b.clouds[b.vertices[m.identity].at]) && w.Pod.Labels().Get("azure.workload.identity/use").Str() != "true" {
			continue
		}
		b.because(data, m.identity, CloudRole, Likely, m.why.object, m.why.node)
		for c := w.first; c < w.last; c++ {
			b.because(b.containerVertex(c), m.identity, CloudRole, Likely, m.why.object, m.why.node)
		}
	}
}

// mintedForCloud leads from who may have tokens made to the cloud identities: a
// token request names the audience, so the cloud takes the token. A token that
// only the API server takes does not give the identity, nor does impersonation.
func (b *builder) mintedForCloud() {
	if len(b.minters) == 0 {
		return
	}
	for _, id := range b.cloudAccounts() {
		ns := b.namespaceIDs[b.accounts[id].Namespace]
		for _, m := range b.cloud(id) {
			for _, minter := range b.minters {
				if minter.holdsIn(ns) {
					b.give(minter.subject, m.identity, MintToken, Likely, access.MintTokens, minter.namespace)
				}
			}
		}
	}
}

// cloudAccounts returns the accounts with a cloud identity, in order.
func (b *builder) cloudAccounts() []int32 {
	var all []int32
	for id := range b.accounts {
		if b.annotated[int32(id)] != nil || b.associated[int32(id)] != nil {
			all = append(all, int32(id))
		}
	}
	return all
}
