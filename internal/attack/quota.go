package attack

import (
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

var quotaKind = model.GroupKind{Kind: "ResourceQuota"}

// closing is what quotas let nobody make more of in a namespace: where they say so, or
// nil.
type closing struct{ pods, claims evidence }

// quotas finds the namespaces whose quotas let no pods in, or no claims. Quotas with
// scopes leave out pods that are not in them, and who makes a pod chooses.
func (g *Graph) quotas() map[string]closing {
	found := map[string]closing{}
	for o := range g.snapshot.Kind(quotaKind) {
		spec := o.Root.Get("spec")
		if spec.Get("scopes").Len() > 0 || spec.Get("scopeSelector").Len() > 0 {
			continue
		}
		c := found[o.Key.Namespace]
		hard := spec.Get("hard").Children()
		for i := range hard {
			n := &hard[i]
			if n.Text() != "0" {
				continue
			}
			switch strings.TrimPrefix(n.Key(), "count/") {
			case "pods":
				c.pods = evidence{o, n}
			case "persistentvolumeclaims":
				c.claims = evidence{o, n}
			}
		}
		if c.pods.object != nil || c.claims.object != nil {
			found[o.Key.Namespace] = c
		}
	}
	return found
}

// doubtQuotas makes unknown what pods of the attacker's making lead to where a quota
// lets none in: somebody would have to change it first.
func (b *builder) doubtQuotas() {
	closed := b.quotas()
	if len(closed) == 0 {
		return
	}
	for i := range b.made {
		if e := &b.made[i]; e.certainty != Given && b.quotaOf(e, closed).object != nil {
			e.certainty = Unknown
		}
	}
}

// quotaOf returns what says that a quota stands in the way of a step by pods of the
// attacker's making, or nothing.
func (g *Graph) quotaOf(e *edge, closed map[string]closing) evidence {
	from := &g.vertices[e.from]
	ns := from.at
	switch {
	case e.kind == RunEscape && g.guardVerdicts[e.note].by != nil:
		ns = g.guardVerdicts[e.note].namespace
	case from.kind != RunPods || from.at == none:
		return evidence{}
	}
	c := closed[g.namespaces[ns]]
	if c.pods.object == nil && e.kind == FreeVolume {
		return c.claims
	}
	return c.pods
}

// whyQuota says that a quota stands in the way of a step.
func (g *Graph) whyQuota(e Edge) []Evidence {
	if g.vertices[e.From].kind != RunPods && e.Kind != RunEscape || e.Certainty != Unknown {
		return nil
	}
	why := g.quotaOf(&edge{from: e.From, kind: e.Kind, note: e.note}, g.quotas())
	if why.object == nil {
		return nil
	}
	return []Evidence{{why.object.Key.String() + " would have to be changed first: " + quotaText(why.node), why.object, why.node}}
}

func quotaText(n *tree.Node) string { return n.Key() + ": " + n.Text() }
