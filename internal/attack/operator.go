package attack

import (
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// Operators do with their own rights what custom objects say. Who may write these has
// pods started, or has everything that a controller may do which deploys.

// operators adds what a subject has by custom objects, and by routes, that it may write
// in a namespace and not in all, or in all.
func (b *builder) operators(v ID, held, cluster access.Rights, ns int32) {
	own := held &^ cluster
	if own.Has(access.CustomWorkloads) && held&(1<<access.CreatePods|1<<access.CreateWorkloads) == 0 {
		b.customWorkloads(v, ns)
	}
	if held.Has(access.WriteServiceAccounts) && held&runs != 0 && (own.Has(access.WriteServiceAccounts) || own&runs != 0) {
		b.exceptions(v, ns)
	}
	if own.Has(access.WriteReleases) {
		b.releases(v, ns)
	}
	if own.Has(access.WriteRoutes) && held&(1<<access.PortForward|1<<access.ProxyPods) == 0 {
		b.routes(v, held, ns)
	}
}

const virtualMachines = "kubevirt.io"

// customWorkloads leads from who may write objects by which operators start pods to
// these pods. A virtual machine is a pod of the operator's: what the attacker has in it
// are the service accounts and Secrets that it names.
func (b *builder) customWorkloads(v ID, ns int32) {
	type way struct {
		certainty Certainty
		proofs    []access.Proof
	}
	var pods, machines way
	for _, need := range access.CustomWorkloads.Needs() {
		best := &pods
		if need.Group == virtualMachines {
			best = &machines
		}
		for _, resource := range need.Resources {
			if best.certainty == Likely {
				break
			}
			c, proofs := b.writesCustom(v, need.Group, resource, ns)
			if c != Given && (best.certainty == Given || c < best.certainty) {
				*best = way{c, proofs}
			}
		}
	}
	if pods.certainty != Given {
		b.proven(v, b.at(RunPods, ns), StartByOperator, pods.certainty, pods.proofs)
	}
	if machines.certainty != Given {
		b.proven(v, b.at(AnyAccount, ns), StartMachine, machines.certainty, machines.proofs)
		b.proven(v, b.at(AnySecret, ns), StartMachine, machines.certainty, machines.proofs)
	}
}

// operatesNamed adds what a subject has by changing the custom object of a name, which
// may be there.
func (b *builder) operatesNamed(s access.Subject, r access.NamedRight, name string) {
	ns := int32(none)
	if r.Namespace != "" {
		ns = b.namespace(r.Namespace)
	}
	b.lookups++
	for _, need := range r.Right.Needs() {
		if !slices.Contains(need.Resources, r.Resource) || b.served(need.Group, r.Resource) == Given {
			continue
		}
		proofs, ok := b.asked(s, access.Request{Group: need.Group, Resource: r.Resource, Namespace: r.Namespace, Name: name}, change[1:]...)
		if !ok {
			continue
		}
		v := b.subject(s)
		switch {
		case r.Right == access.WriteReleases:
			b.deploysNamed(v, need.Group, r.Resource, ns, proofs)
		case need.Group == virtualMachines:
			b.proven(v, b.at(AnyAccount, ns), StartMachine, Unknown, proofs)
			b.proven(v, b.at(AnySecret, ns), StartMachine, Unknown, proofs)
		default:
			b.proven(v, b.at(RunPods, ns), StartByOperator, Unknown, proofs)
		}
	}
}

// deploysNamed adds what a subject has by changing a release of some name.
func (b *builder) deploysNamed(v ID, group, resource string, ns int32, proofs []access.Proof) {
	if group == helmCharts {
		b.proven(v, b.admin, DriveDeployer, Unknown, proofs)
	}
	for i := range deployers {
		d := &deployers[i]
		if d.group != group || d.resource != resource {
			continue
		}
		for _, at := range b.runners(d) {
			to := at.account
			if at.limited {
				to = b.at(AnyAccount, ns)
			}
			b.proven(v, to, DriveDeployer, Unknown, proofs)
		}
	}
}

// writesCustom says how certain it is that a subject has an operator do something by
// objects of a resource, in a namespace or in all, and what proves it. To change one
// takes that there is one.
func (b *builder) writesCustom(v ID, group, resource string, ns int32) (Certainty, []access.Proof) {
	namespace := b.namespaceName(ns)
	if ns == none {
		namespace = b.scope(v)
	}
	s, q := b.accounts[b.vertices[v].at], access.Request{Group: group, Resource: resource, Namespace: namespace}
	for i, verbs := range [][]string{change[:1], change[1:]} {
		proofs, ok := b.asked(s, q, verbs...)
		if !ok {
			continue
		}
		c := b.served(group, resource)
		if c != Given && i > 0 {
			c = Unknown
		}
		return c, proofs
	}
	return Given, nil
}

// served says how certain it is that an operator serves a resource: Given where a
// cluster was read that does not know it.
func (b *builder) served(group, resource string) Certainty {
	if b.knownResources == nil {
		b.knownResources = map[string]bool{}
		for o := range b.snapshot.Kind(model.CustomKind) {
			b.knownResources[o.Root.Dig("spec", "group").Str()+"/"+o.Root.Dig("spec", "names", "plural").Str()] = true
		}
		for o := range b.snapshot.Kind(apiServiceKind) {
			if group := o.Root.Dig("spec", "group"); o.Root.Dig("spec", "service") != nil {
				b.knownResources[group.Str()+"/"] = true
			}
		}
	}
	if b.knownResources[group+"/"+resource] || b.knownResources[group+"/"] || !b.snapshot.Complete("", model.CustomKind) {
		return Likely
	}
	return Given
}

// exceptions leads to the cloud identity of nodes who may except pods of its own from
// AAD Pod Identity, whose agent else answers in place of the metadata service.
func (b *builder) exceptions(v ID, ns int32) {
	if b.nodeIdentity == none || b.inCloud.provider != "" && b.inCloud.provider != "azure" {
		return
	}
	c, proofs := b.writesCustom(v, "aadpodidentity.k8s.io", "azurepodidentityexceptions", ns)
	if c == Given {
		return
	}
	if b.inCloud.in != yes {
		c = Unknown
	}
	b.proven(v, b.nodeIdentity, ExceptPods, c, proofs)
}

// deployer is a controller that makes the objects of a release with its own rights.
type deployer struct {
	group, resource string
	program         string // also the name of its service account, and of its image
	own             bool   // unless it is told otherwise it looks into its own namespace alone
	account         string // argument that gives releases another account, unless they name one of their namespace
}

var deployers = []deployer{
	{"argoproj.io", "applications", "argocd-application-controller", true, ""},
	{"argoproj.io", "applicationsets", "argocd-application-controller", true, ""}, // of which applications are made
	{"kustomize.toolkit.fluxcd.io", "kustomizations", "kustomize-controller", false, "--default-service-account"},
	{"helm.toolkit.fluxcd.io", "helmreleases", "helm-controller", false, "--default-service-account"},
}

// helmCharts are applied by Jobs that are bound to cluster-admin.
const helmCharts = "helm.cattle.io"

// releases leads from who may write releases to the service accounts of the
// controllers that deploy them, as far as they are in the input.
func (b *builder) releases(v ID, ns int32) {
	for i := range deployers {
		d := &deployers[i]
		c, proofs := b.writesCustom(v, d.group, d.resource, ns)
		if c == Given {
			continue
		}
		for _, at := range b.runners(d) {
			certainty, to := c, at.account
			if own := b.accounts[b.vertices[at.account].at].Namespace; d.own && ns != none && b.namespaces[ns] != own {
				certainty = Unknown // it may be told to look there
			}
			if at.limited {
				to = b.at(AnyAccount, ns)
			}
			b.proven(v, to, DriveDeployer, certainty, proofs)
		}
	}
	for _, resource := range []string{"helmcharts", "helmchartconfigs"} {
		if c, proofs := b.writesCustom(v, helmCharts, resource, ns); c != Given {
			b.proven(v, b.admin, DriveDeployer, c, proofs)
			return
		}
	}
}

// runner is a service account that a deployer runs as.
type runner struct {
	account ID
	limited bool // releases get an account of their namespace
}

// runners returns the service accounts that a deployer runs as: those of pods that run
// its program, and bound ones of its name.
func (b *builder) runners(d *deployer) []runner {
	all, known := b.deployedBy[d.program]
	if known {
		return all
	}
	add := func(account ID, limited bool) {
		if !slices.ContainsFunc(all, func(r runner) bool { return r.account == account }) {
			all = append(all, runner{account, limited})
		}
	}
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		for c := w.first; c < w.last; c++ {
			n := b.Graph.containers[c].node
			words := programWords(n)
			if imageName(n.Get("image").Str()) != d.program && !slices.ContainsFunc(words, func(word string) bool { return path.Base(word) == d.program }) {
				continue
			}
			add(b.accountAt(w.account), d.account != "" && slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, d.account+"=") }))
		}
	}
	for s := range b.access.Subjects() {
		if s.Kind == "ServiceAccount" && s.Name == d.program {
			add(b.subject(s), false)
		}
	}
	if b.deployedBy == nil {
		b.deployedBy = map[string][]runner{}
	}
	b.deployedBy[d.program] = all
	return all
}

// imageName returns the last part of the name of an image, without tag and digest.
func imageName(image string) string {
	name, _, _ := strings.Cut(path.Base(image), "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}

// routes leads from who may write routes to the ports behind the Services that these
// make known outside, or behind any where it may make Services too. A controller has to
// serve them, and policies have to let it in.
func (b *builder) routes(v ID, held access.Rights, ns int32) {
	namespace := b.namespaceName(ns)
	c, to := Likely, Routed
	if held.Has(access.WriteServices) {
		to = Connect
	}
	if b.mayCloseRoutes(namespace) {
		c = Unknown
	}
	b.give(v, b.at(to, ns), WriteRoute, c, access.WriteRoutes, ns)
}

// mayCloseRoutes reports whether policies may keep a controller from the pods of a
// namespace, or of some where that is "".
func (b *builder) mayCloseRoutes(namespace string) bool {
	if b.snapshot.Gap(namespace, reach.PolicyKinds()...) != nil {
		return true
	}
	for _, gk := range reach.PolicyKinds() {
		for _, in := range []string{namespace, ""} {
			for range b.snapshot.InNamespace(b.cluster(), in, gk) {
				return true
			}
		}
		if namespace == "" {
			for range b.snapshot.Kind(gk) {
				return true
			}
		}
	}
	return false
}

// routed leads from what a route may lead to to the containers behind the Services of a
// namespace.
func (b *builder) routed(ns int32) {
	if !b.hasWide(Routed, ns) {
		return
	}
	for _, c := range b.routedTo(ns) {
		if len(b.ports(b.vertices[c].part)) > 0 {
			b.edge(b.at(Routed, ns), c, ProxyService, NeedsExploit, none)
		}
	}
}

// routedTo returns the containers behind the Services of a namespace.
func (b *builder) routedTo(ns int32) []ID {
	var all []ID
	for o := range b.snapshot.InNamespace(b.cluster(), b.namespaces[ns], model.ServiceKind) {
		all = append(all, b.serversOf(o.Key.Namespace, o.Key.Name)...)
	}
	return all
}
