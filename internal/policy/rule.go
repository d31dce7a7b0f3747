// Package policy evaluates rules, written in CEL in the shape of a
// ValidatingAdmissionPolicy, over the objects of a snapshot.
//
// A [Rule] is loaded from YAML by [Load]; an [Engine] compiles rules when an
// object first needs them; a [Worker] evaluates them. What a rule reads is
// known from static analysis (its [Footprint]): verdicts are cached by the
// content at the footprint, so a rule runs once for each distinct content, not
// once for each object.
//
// Verdicts are pass, fail, unknown or error. Unknown and error are never
// turned into pass.
package policy

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Rule is one thing that must hold. It is immutable once loaded.
type Rule struct {
	model.RuleInfo

	Subject     Subject
	Field       string // rooted at a variable: container.securityContext.privileged
	Match       Match
	Conditions  []Expression // all must be true, else the rule says nothing
	Variables   []Expression // in order; later ones may use earlier ones
	Validations []Validation // all must be true
	Fixes       []FixTemplate
	CoveredBy   []string // rules whose failure on the same or an enclosing element has this one as its symptom
	Native      bool     // converted from a ValidatingAdmissionPolicy
	// IgnoreErrors says that what cannot be evaluated is let in: the failurePolicy
	// Ignore of a native policy.
	IgnoreErrors bool
	PodSecurity  *PodSecurity
	Params       *tree.Node // of a native policy, seen as `params`; nil stands for null
	ParamRef     *ParamRef  // where Params are, until [Bind] has looked
	Defaults     *tree.Node // the settings of any other rule, seen as `params` where nothing replaces them
	Required     []string   // settings that only a user knows; they are unknown until set

	exported bool               // native, but must compile on the oldest supported version
	stored   checkedExpressions // of the library that it is from

	Place  model.Place // where the rule is written
	Source string      // its text, for digests
}

// Expression is a named CEL expression.
type Expression struct {
	Name       string
	Expression string
}

// Validation is an expression that must be true, and what to say if not.
type Validation struct {
	Expression        string
	Message           string
	MessageExpression string
	Field             string // overrides the rule's Field
}

// FixTemplate is a fix, relative to the variables of the rule.
type FixTemplate struct {
	Class    model.FixClass
	When     string // CEL; "" is always
	Question string
	Edits    []EditTemplate
}

// EditTemplate is an edit whose path starts with a variable.
type EditTemplate struct {
	Path   string
	Value  *tree.Node // nil removes
	Append bool
}

// PodSecurity ties a rule to a control of the Pod Security Standards, for the
// versions Since <= v < Until. Minor versions of Kubernetes; Until is 0 for
// controls in force.
type PodSecurity struct {
	Level        string // "baseline" or "restricted"
	Control      string
	Since, Until int
}

// Holds reports whether the control is part of the standard of a version.
func (p *PodSecurity) Holds(minor int) bool {
	return minor >= p.Since && (p.Until == 0 || minor < p.Until)
}

// Subject says for which elements of an object a rule is evaluated: the object
// itself, its pods, or the items of lists below either.
type Subject struct {
	Name   string
	Pod    bool    // elements of pod templates
	Levels []Level // nested lists, from the outermost
	// Found names what is not a list in the object but was found in it:
	// "reference", "credential" or "unknownField".
	Found string
	// Image binds what is known of the container's image, too: rules with such a
	// subject need images to be read. Those of them that ask nothing of other
	// objects also judge an image by itself, a [model.NewImageObject], as a
	// container of which nothing is said but the image.
	Image bool
}

// OfBehavior reports whether the rule judges what containers were seen to do, and
// no objects.
func (r *Rule) OfBehavior() bool { return r.Subject.Name == "fact" }

// Level is a step into lists: each item is bound to the variable As.
type Level struct {
	As    string
	Lists []tree.Path // relative to the pod spec, the object or the outer level
}

func lists(paths ...string) []tree.Path {
	var l []tree.Path
	for _, p := range paths {
		path, err := tree.ParsePath(p)
		if err != nil {
			panic(err) // the table below is wrong
		}
		l = append(l, path)
	}
	return l
}

var containerLevel = Level{"container", lists(model.ContainerLists...)}

// subjects are the built-in subjects by name, with the kinds that have them
// where a rule names none.
var subjects = map[string]struct {
	Subject
	kinds []string
}{
	"object":         {},
	"pod":            {Subject: Subject{Pod: true}},
	"container":      {Subject: Subject{Pod: true, Levels: []Level{containerLevel}}},
	"image":          {Subject: Subject{Pod: true, Levels: []Level{containerLevel}, Image: true}},
	"appContainer":   {Subject: Subject{Pod: true, Levels: []Level{{"container", lists("containers")}}}},
	"env":            {Subject: Subject{Pod: true, Levels: []Level{containerLevel, {"env", lists("env")}}}},
	"envFrom":        {Subject: Subject{Pod: true, Levels: []Level{containerLevel, {"source", lists("envFrom")}}}},
	"containerPort":  {Subject: Subject{Pod: true, Levels: []Level{containerLevel, {"port", lists("ports")}}}},
	"volumeMount":    {Subject: Subject{Pod: true, Levels: []Level{containerLevel, {"mount", lists("volumeMounts")}}}},
	"volume":         {Subject: Subject{Pod: true, Levels: []Level{{"volume", lists("volumes")}}}},
	"roleRule":       {Subject{Levels: []Level{{"rule", lists("rules")}}}, []string{"Role", "ClusterRole"}},
	"bindingSubject": {Subject{Levels: []Level{{"subject", lists("subjects")}}}, []string{"RoleBinding", "ClusterRoleBinding"}},
	"servicePort":    {Subject{Levels: []Level{{"port", lists("spec.ports")}}}, []string{"Service"}},
	"webhook":        {Subject{Levels: []Level{{"webhook", lists("webhooks")}}}, []string{"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}},
	"reference":      {Subject: Subject{Found: "reference"}},
	"credential":     {Subject: Subject{Found: "credential"}},
	"unknownField":   {Subject: Subject{Found: "unknownField"}},
	"fact":           {Subject{Levels: []Level{{"fact", lists("facts")}}}, []string{"Behavior.ullage.dev"}},
}
