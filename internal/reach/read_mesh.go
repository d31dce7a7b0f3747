package reach

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// mesh is a kind of policies that the proxies of a service mesh hold: they refuse
// what network policies allow, and allow nothing that those refuse.
type mesh struct {
	kind model.GroupKind
	root string // policies of this namespace hold for all
	// refuses reports whether a policy may refuse something.
	refuses func(spec *tree.Node) bool
	// selector selects pods of the namespace; all where there is none.
	selector func(spec *tree.Node) *tree.Node
}

var meshes = []mesh{
	{model.GroupKind{Group: "security.istio.io", Kind: "AuthorizationPolicy"}, "istio-system", func(spec *tree.Node) bool { return spec.Get("action").Str() != "AUDIT" }, istioSelector},
	{model.GroupKind{Group: "security.istio.io", Kind: "PeerAuthentication"}, "istio-system", strict, istioSelector},
	{model.GroupKind{Group: "policy.linkerd.io", Kind: "Server"}, "", always, func(spec *tree.Node) *tree.Node { return spec.Get("podSelector") }},
	{model.GroupKind{Group: "kuma.io", Kind: "MeshTrafficPermission"}, "kuma-system", always, nowhere},
	{model.GroupKind{Group: "consul.hashicorp.com", Kind: "ServiceIntentions"}, "", always, nowhere},
}

func always(*tree.Node) bool { return true }

func nowhere(*tree.Node) *tree.Node { return nil }

func istioSelector(spec *tree.Node) *tree.Node { return spec.Get("selector") }

// strict reports whether a PeerAuthentication refuses those that have no certificate
// of the mesh.
func strict(spec *tree.Node) bool {
	of := func(n *tree.Node) bool { return n.Get("mode").Str() == "STRICT" }
	ports := spec.Get("portLevelMtls").Children()
	for i := range ports {
		if of(&ports[i]) {
			return true
		}
	}
	return of(spec.Get("mtls"))
}

// meshPolicies returns what stands for the policies of service meshes.
func meshPolicies(s *model.Snapshot) []*Policy {
	var found []*Policy
	for _, m := range meshes {
		for o := range s.Kind(m.kind) {
			spec := o.Root.Get("spec")
			if !m.refuses(spec) {
				continue
			}
			p := &Policy{Object: o, Spec: spec, Tier: TierNetwork, hosts: Maybe, mesh: true}
			if o.Key.Namespace != m.root {
				p.subject.within = o.Key.Namespace
			}
			p.subject.pods = readTerms(m.selector(spec))
			p.mayDeny[Ingress] = whyMesh
			found = append(found, p)
		}
	}
	return found
}

// decided reports whether a policy is understood.
func (p *Policy) decided() bool { return !p.mesh && p.mayAllow[Egress] == 0 }
