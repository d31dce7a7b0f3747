package cli

import (
	"slices"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// The JSON forms of the answers of ullage access.

type requestJSON struct {
	Verb        string `json:"verb"`
	Group       string `json:"group"`
	Resource    string `json:"resource,omitempty"`
	Subresource string `json:"subresource,omitempty"`
	Name        string `json:"name,omitempty"`
	Namespace   string `json:"namespace"` // "" is the whole cluster, "*" any namespace
	URL         string `json:"url,omitempty"`
}

type bindingJSON struct {
	Kind  string       `json:"kind"`
	Name  string       `json:"name"`
	Scope string       `json:"scope"` // a namespace; "" is the whole cluster
	Place *model.Place `json:"place,omitempty"`
}

type roleJSON struct {
	Kind      string       `json:"kind"`
	Namespace string       `json:"namespace,omitempty"`
	Name      string       `json:"name"`
	Place     *model.Place `json:"place,omitempty"` // absent for roles that every cluster has
	Read      bool         `json:"read"`
}

type ruleOfJSON struct {
	Verbs     []string     `json:"verbs"`
	Groups    []string     `json:"apiGroups,omitempty"`
	Resources []string     `json:"resources,omitempty"`
	Names     []string     `json:"resourceNames,omitempty"`
	URLs      []string     `json:"nonResourceURLs,omitempty"`
	Role      roleJSON     `json:"writtenIn"`
	Place     *model.Place `json:"place,omitempty"`
}

type proofJSON struct {
	Subject string      `json:"subject"`
	System  bool        `json:"system"`
	Binding bindingJSON `json:"binding"`
	Role    roleJSON    `json:"role"`
	Rule    ruleOfJSON  `json:"rule"`
}

func asRequest(q *access.Request) requestJSON {
	return requestJSON{q.Verb, q.Group, q.Resource, q.Subresource, q.Name, q.Namespace, q.URL}
}

func placeOf(o *model.Object) *model.Place {
	if o == nil {
		return nil
	}
	place := o.Place()
	return &place
}

func asBinding(b access.Binding) bindingJSON {
	return bindingJSON{b.Kind(), b.Name(), b.Namespace(), placeOf(b.Object())}
}

func asRole(b access.Binding) roleJSON {
	kind, name := b.RoleRef()
	role := roleJSON{Kind: kind, Namespace: name.Namespace, Name: name.Name}
	if r := b.Role(); r != nil {
		role.Read, role.Place = true, placeOf(r.Object)
	}
	return role
}

func asRule(from *access.Role, r access.Rule) ruleOfJSON {
	return ruleOfJSON{r.Verbs(), r.Groups(), r.Resources(), r.Names(), r.URLs(),
		roleJSON{from.Kind(), from.Namespace, from.Name, placeOf(from.Object), true}, rulePlace(from, r)}
}

// rulePlace returns where a rule is written; nil for those that every cluster
// has.
func rulePlace(from *access.Role, r access.Rule) *model.Place {
	if from.Object == nil {
		return nil
	}
	place := from.Object.Source.Place(r.Node)
	return &place
}

func asProof(p access.Proof) proofJSON {
	return proofJSON{p.Subject.String(), p.Subject.System(), asBinding(p.Binding), asRole(p.Binding), asRule(p.Source, p.Rule)}
}

func asProofs(proofs []access.Proof) []proofJSON {
	all := make([]proofJSON, len(proofs))
	for i, p := range proofs {
		all[i] = asProof(p)
	}
	return all
}

func canJSON(subject access.Subject, groups []string, q *access.Request, answer access.Answer) any {
	type can struct {
		Subject   string         `json:"subject"`
		Groups    []string       `json:"groups,omitempty"`
		Request   requestJSON    `json:"request"`
		Verdict   access.Verdict `json:"verdict"`
		Proof     *proofJSON     `json:"proof,omitempty"`
		Elsewhere []string       `json:"allowedInNamespaces,omitempty"`
		Reasons   []string       `json:"unknownBecause,omitempty"`
		Replaced  []ruleOfJSON   `json:"replacedRules,omitempty"` // would allow it, but the controller replaces them
	}
	c := can{subject.String(), groups, asRequest(q), answer.Verdict, nil, answer.Elsewhere, answer.Reasons, nil}
	for _, r := range answer.Replaced {
		c.Replaced = append(c.Replaced, asRule(r.Source, r.Rule))
	}
	if answer.Proof != nil {
		proof := asProof(*answer.Proof)
		c.Proof = &proof
	}
	return c
}

func whoCanJSON(q *access.Request, proofs []access.Proof, byName []access.Subject, reasons []string) any {
	var names []string
	for _, s := range byName {
		names = append(names, s.String())
	}
	return struct {
		Request requestJSON `json:"request"`
		Who     []proofJSON `json:"who"`
		ByName  []string    `json:"forSomeNames,omitempty"` // who can for objects of some names only
		Reasons []string    `json:"moreBecause,omitempty"`
	}{asRequest(q), asProofs(proofs), names, reasons}
}

// grantJSON is a binding that holds for a subject, and what it gives.
type grantJSON struct {
	As      string      `json:"as"`           // what the binding names: the subject, or a group that it is in
	Every   bool        `json:"everyCluster"` // every cluster has the binding
	Binding bindingJSON `json:"binding"`
	Role    roleJSON    `json:"role"`
	Rights  []string    `json:"dangerousRights"` // that the role gives there, for every name
	Rules   []idleJSON  `json:"rules"`
	// Replaced are rules that the controller replaces, as the role has an
	// aggregationRule.
	Replaced []ruleOfJSON `json:"replacedRules,omitempty"`
}

// idleJSON is a rule, and what it names in vain.
type idleJSON struct {
	ruleOfJSON
	Idle []string `json:"givesNothingOn,omitempty"` // such as what is in no namespace, of a RoleBinding
}

func listJSON(subject access.Subject, groups []string, bindings []access.Binding, unread string, clusterScoped map[model.GroupKind]bool) any {
	grants := []grantJSON{}
	for _, b := range bindings {
		g := grantJSON{b.As(subject, groups).String(), b.Assumed(), asBinding(b), asRole(b), []string{}, []idleJSON{}, nil}
		if r := b.Role(); r != nil {
			for _, right := range r.Rights(b.Namespace() == "").All() {
				g.Rights = append(g.Rights, right.String())
			}
			for rule := range r.Replaced() {
				g.Replaced = append(g.Replaced, asRule(r, rule))
			}
			for from, rule := range r.Rules() {
				idle := idleJSON{ruleOfJSON: asRule(from, rule)}
				if b.Namespace() != "" {
					idle.Idle = inVain(rule, clusterScoped)
				}
				idle.Idle = append(idle.Idle, slices.DeleteFunc(rule.Resources(), func(r string) bool { return !access.IsNothing(r) })...)
				g.Rules = append(g.Rules, idle)
			}
		}
		grants = append(grants, g)
	}
	return struct {
		Subject string      `json:"subject"`
		Groups  []string    `json:"groups,omitempty"`
		Grants  []grantJSON `json:"grants"`
		Reasons []string    `json:"moreBecause,omitempty"`
	}{subject.String(), groups, grants, reasonsOf(unread)}
}

// reasonsOf makes a list of why there may be more; it is empty for "".
func reasonsOf(unread string) []string {
	if unread == "" {
		return nil
	}
	return []string{unread}
}
