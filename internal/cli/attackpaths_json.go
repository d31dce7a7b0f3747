package cli

import (
	"ullage.dev/ullage/internal/attack"
	"ullage.dev/ullage/internal/model"
)

// The JSON form of ullage attack-paths.

type attackVertexJSON struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Container string `json:"container,omitempty"`
	Object    string `json:"object,omitempty"`
	Text      string `json:"text"`
}

type attackEvidenceJSON struct {
	Text  string       `json:"text"`
	Place *model.Place `json:"place,omitempty"`
}

type attackStepJSON struct {
	Kind       string               `json:"kind"`
	Does       string               `json:"does"`
	Holds      string               `json:"holds"`
	Needs      string               `json:"needs,omitempty"`
	Closes     string               `json:"closes,omitempty"`
	Certainty  attack.Certainty     `json:"certainty"`
	Weight     int                  `json:"weight"`
	Techniques []string             `json:"techniques"`
	Evidence   []attackEvidenceJSON `json:"evidence"`
	To         attackVertexJSON     `json:"to"`
}

type attackPathJSON struct {
	Weight int              `json:"weight"`
	From   attackVertexJSON `json:"from"`
	Steps  []attackStepJSON `json:"steps"`
}

type attackChokeJSON struct {
	At      attackVertexJSON `json:"at"`
	Passing int              `json:"passing"`
	Cut     int              `json:"cut"`
}

type attackRemedyJSON struct {
	Title   string       `json:"title"`
	Closed  int          `json:"closed"`
	Longer  int          `json:"longer"`
	Sources int          `json:"sources"`
	Place   *model.Place `json:"place,omitempty"`
	Objects []string     `json:"objects"`
}

type attackPlanStepJSON struct {
	attackRemedyJSON
	Left int `json:"left"`
}

type attackPlanJSON struct {
	Closed  int                  `json:"closed"`
	Sources int                  `json:"sources"`
	Cut     bool                 `json:"searchEnded,omitempty"` // more changes may close more
	Steps   []attackPlanStepJSON `json:"steps"`
}

type attackReportJSON struct {
	From     string             `json:"from"`
	To       string             `json:"to"`
	Within   []string           `json:"namespaces,omitempty"` // in which paths start
	World    string             `json:"world"`
	Version  string             `json:"kubernetes"` // that is judged by
	Entries  int                `json:"entries"`
	Reaching int                `json:"reaching"`
	Known    int                `json:"known"` // of those, by steps that hang on nothing unknown
	Paths    []attackPathJSON   `json:"paths"`
	Chokes   []attackChokeJSON  `json:"chokePoints"`
	Changes  []attackRemedyJSON `json:"changes"`
	Plan     attackPlanJSON     `json:"plan"`
	Unread   string             `json:"unread,omitempty"`
	// Doubt says why the target may not exist.
	Doubt string `json:"doubt,omitempty"`
	// Incomplete says why there may be more paths.
	Incomplete string `json:"incomplete,omitempty"`
	// Unfollowed are dangerous rights that no step follows from, where no path was found.
	Unfollowed []attackRightJSON `json:"unfollowedRights,omitempty"`
	// Unheard are containers from which there would be a path, and of which no port is
	// known, where no path was found.
	Unheard []attackVertexJSON `json:"undeclaredListeners,omitempty"`
	// Unplaced are servers that the API server asks and that are not in the input, where
	// no path was found.
	Unplaced []attackEvidenceJSON `json:"serversElsewhere,omitempty"`
	// Refused are bindings of whom RBAC does not know, where no path was found.
	Refused  []attackEvidenceJSON `json:"refusedBindings,omitempty"`
	Problems []string             `json:"problems"`
}

type attackRightJSON struct {
	Right     string         `json:"right"`
	Severity  model.Severity `json:"severity"`
	Holder    string         `json:"holder"`
	Namespace string         `json:"namespace,omitempty"` // none for the whole cluster
	Gain      string         `json:"gain"`
}

func asAttackVertex(v attack.Vertex) attackVertexJSON {
	j := attackVertexJSON{Kind: v.Kind.String(), Namespace: v.Namespace, Name: v.Name, Container: v.Container, Text: v.String()}
	if v.Object != nil {
		j.Object = v.Object.Key.String()
	}
	return j
}

func attackJSON(r *attackReport) attackReportJSON {
	out := attackReportJSON{
		From: r.From, To: r.To, Within: r.Namespaces, World: "open", Version: r.Kubernetes, Unread: r.Unread, Doubt: r.Doubt, Incomplete: r.Incomplete, Entries: r.Entries, Reaching: r.Reaching, Known: r.Known,
		Paths: []attackPathJSON{}, Chokes: []attackChokeJSON{}, Changes: []attackRemedyJSON{}, Problems: []string{},
	}
	if r.Closed {
		out.World = "closed"
	}
	for i, stages := range r.Paths {
		path := attackPathJSON{Weight: r.Weights[i], From: asAttackVertex(stages[0].At), Steps: []attackStepJSON{}}
		for _, s := range stages[1:] {
			path.Steps = append(path.Steps, asAttackStep(s))
		}
		out.Paths = append(out.Paths, path)
	}
	for _, c := range r.Chokes {
		out.Chokes = append(out.Chokes, attackChokeJSON{asAttackVertex(c.At), c.Passing, c.Cut})
	}
	for i := range r.Remedies {
		out.Changes = append(out.Changes, asAttackRemedy(&r.Remedies[i]))
	}
	out.Plan.Steps = []attackPlanStepJSON{}
	if r.Plan != nil {
		out.Plan.Closed, out.Plan.Sources, out.Plan.Cut = r.Plan.Closed, r.Plan.Sources, r.Plan.Cut
		for i := range r.Plan.Steps {
			s := &r.Plan.Steps[i]
			out.Plan.Steps = append(out.Plan.Steps, attackPlanStepJSON{asAttackRemedy(&s.Remedy), s.Left})
		}
	}
	for _, u := range r.Unfollowed {
		out.Unfollowed = append(out.Unfollowed, attackRightJSON{u.Right.String(), u.Right.Info().Severity, u.Holder.String(), u.Namespace, u.Right.Info().Gain})
	}
	for _, v := range r.Unheard {
		out.Unheard = append(out.Unheard, asAttackVertex(v))
	}
	for _, e := range r.Unplaced {
		out.Unplaced = append(out.Unplaced, asAttackEvidence(e))
	}
	for _, e := range r.Refused {
		out.Refused = append(out.Refused, asAttackEvidence(e))
	}
	for _, problem := range r.Problems {
		out.Problems = append(out.Problems, problem.String())
	}
	return out
}

func asAttackRemedy(m *attack.Remedy) attackRemedyJSON {
	change := attackRemedyJSON{Title: m.Title, Closed: m.Closed, Longer: m.Longer, Sources: m.Sources, Objects: []string{}}
	if place, ok := m.Place(); ok {
		change.Place = &place
	}
	for _, c := range m.Changes {
		change.Objects = append(change.Objects, c.Key.String())
	}
	return change
}

func asAttackStep(s attack.Stage) attackStepJSON {
	step := s.Step
	j := attackStepJSON{
		Kind: step.Kind.String(), Does: step.Does, Holds: step.Holds, Needs: step.Needs, Closes: step.Closes, Certainty: step.Certainty, Weight: step.Weight(),
		Techniques: append([]string{}, step.Techniques...), Evidence: []attackEvidenceJSON{}, To: asAttackVertex(s.At),
	}
	for _, e := range step.Evidence {
		j.Evidence = append(j.Evidence, asAttackEvidence(e))
	}
	return j
}

func asAttackEvidence(e attack.Evidence) attackEvidenceJSON {
	j := attackEvidenceJSON{Text: e.Text}
	if place, ok := e.Place(); ok {
		j.Place = &place
	}
	return j
}
