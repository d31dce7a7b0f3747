package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// APIVersion is the version of Ullage's own documents.
const APIVersion = "ullage.dev/v1alpha1"

// Categories are the categories of rules.
var Categories = []string{
	"privilege", "isolation", "host", "network", "access", "secrets", "supply-chain", "storage", "reliability", "resources", "namespaces",
	"control-plane", "runtime", "images", "correctness", "behavior",
}

// Load reads the rules of a file: documents of kind Rule. Examples are passed
// over; see [LoadExamples]. Native policies are read by [Native].
func Load(f *tree.File) ([]*Rule, error) {
	var rules []*Rule
	var errs []error
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			errs = append(errs, doc.Err)
			continue
		}
		if doc.Root.Get("apiVersion").Str() != APIVersion || doc.Root.Get("kind").Str() != "Rule" {
			continue
		}
		r, err := newRule(doc.Root.Seal(), f)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.Source = f.Text[doc.Start:doc.End]
		rules = append(rules, r)
	}
	return rules, errors.Join(errs...)
}

// decoder reads rules, examples and exceptions.
type decoder struct{ tree.Decoder }

func newDecoder(f *tree.File) *decoder { return &decoder{tree.Decoder{File: f}} }

func newRule(root *tree.Node, f *tree.File) (*Rule, error) {
	d := newDecoder(f)
	r := &Rule{}
	line, column := f.Position(root.Start())
	r.Place = model.Place{File: f.Name, Line: line, Column: column}
	var severity, subject string
	spec := root.Get("spec")
	d.Fields(root, map[string]func(*tree.Node){
		"apiVersion": d.Ignore, "kind": d.Ignore,
		"metadata": func(n *tree.Node) { d.Fields(n, map[string]func(*tree.Node){"name": d.Text(&r.ID)}) },
		"spec": func(n *tree.Node) {
			d.Fields(n, map[string]func(*tree.Node){
				"title": d.Text(&r.Title), "severity": d.Text(&severity), "category": d.Text(&r.Category),
				"rationale": d.Text(&r.Rationale), "remediation": d.Text(&r.Remediation),
				"profiles": d.Texts(&r.Profiles), "attack": d.Texts(&r.Attack), "checks": d.Texts(&r.Checks), "aliases": d.Texts(&r.Aliases),
				"coveredBy": d.Texts(&r.CoveredBy), "field": d.Text(&r.Field),
				"params":      func(n *tree.Node) { r.Defaults = n },
				"required":    d.Texts(&r.Required),
				"podSecurity": func(n *tree.Node) { r.PodSecurity = d.podSecurity(n) },
				"subject":     func(n *tree.Node) { r.Subject, subject = d.subject(n) },
				"kinds":       func(n *tree.Node) { d.kinds(n, &r.Match) },
				"matchConditions": func(n *tree.Node) {
					d.Each(n, func(n *tree.Node) { r.Conditions = append(r.Conditions, d.expression(n)) })
				},
				"variables": func(n *tree.Node) {
					d.Each(n, func(n *tree.Node) { r.Variables = append(r.Variables, d.expression(n)) })
				},
				"validations": func(n *tree.Node) {
					d.Each(n, func(n *tree.Node) { r.Validations = append(r.Validations, d.validation(n)) })
				},
				"fixes": func(n *tree.Node) { d.Each(n, func(n *tree.Node) { r.Fixes = append(r.Fixes, d.fix(n)) }) },
			})
		},
	})
	if err := r.Severity.UnmarshalText([]byte(severity)); err != nil {
		d.Fail(spec.Get("severity"), "%s", err)
	}
	d.complete(r, spec, subject)
	if err := d.Err(); err != nil {
		return nil, fmt.Errorf("rule %q: %w", r.ID, err)
	}
	return r, nil
}

// complete checks what a rule must have and fills in what follows from it.
func (d *decoder) complete(r *Rule, spec *tree.Node, subject string) {
	for _, name := range r.Required {
		if r.Defaults.Get(name) == nil {
			d.Fail(spec.Get("required"), "there is no parameter %q", name)
		}
	}
	for _, must := range []struct{ name, text string }{
		{"metadata.name", r.ID}, {"title", r.Title}, {"category", r.Category}, {"rationale", r.Rationale}, {"remediation", r.Remediation}, {"field", r.Field},
	} {
		if must.text == "" {
			d.Fail(spec, "%s is missing", must.name)
		}
	}
	if r.Category != "" && !slices.Contains(Categories, r.Category) {
		d.Fail(spec.Get("category"), "category %q is none of %s", r.Category, strings.Join(Categories, ", "))
	}
	if len(r.Validations) == 0 {
		d.Fail(spec, "validations are missing")
	}
	if r.Subject.Name == "" {
		d.Fail(spec, "subject is missing")
	}
	if len(r.Checks) == 0 {
		r.Checks = []string{r.ID}
	}
	if len(r.Match.Kinds) == 0 {
		for _, kind := range subjects[subject].kinds {
			gk, _ := model.ParseKind(kind)
			r.Match.Kinds = append(r.Match.Kinds, gk)
		}
		if r.Subject.Name == "custom" {
			d.Fail(spec, "a subject of its own needs kinds")
		}
	}
	if p := r.PodSecurity; p != nil {
		if p.Level == "baseline" && !slices.Contains(r.Profiles, "baseline") {
			r.Profiles = append(r.Profiles, "baseline")
		}
		if !slices.Contains(r.Profiles, "restricted") {
			r.Profiles = append(r.Profiles, "restricted")
		}
	}
	if _, err := tree.ParsePath(r.Field); err != nil {
		d.Fail(spec.Get("field"), "%s", err)
	}
}

func (d *decoder) subject(n *tree.Node) (Subject, string) {
	if n.Is(tree.String) {
		s, known := subjects[n.Str()]
		if !known {
			d.Fail(n, "subject %q is not known", n.Str())
		}
		s.Name = n.Str()
		return s.Subject, n.Str()
	}
	var as, each string
	d.Fields(n, map[string]func(*tree.Node){"as": d.Text(&as), "each": d.Text(&each)})
	path, err := tree.ParsePath(each)
	if err != nil || len(path) < 2 || path[0].Key != "object" || as == "" {
		d.Fail(n, "a subject of its own takes as: NAME and each: object.PATH")
		return Subject{}, ""
	}
	if slices.Contains(builtinNames, as) || slices.Contains(rootNames, as) {
		d.Fail(n, "a subject of its own cannot be called %s: rules have another variable of that name", as)
		return Subject{}, ""
	}
	return Subject{Name: "custom", Levels: []Level{{as, []tree.Path{path[1:]}}}}, ""
}

func (d *decoder) kinds(n *tree.Node, m *Match) {
	d.Each(n, func(item *tree.Node) {
		gk, known := model.ParseKind(item.Str())
		if !known {
			d.Fail(item, "kind %q is not known; write Kind.group for custom kinds", item.Str())
		}
		m.Kinds = append(m.Kinds, gk)
	})
}

func (d *decoder) podSecurity(n *tree.Node) *PodSecurity {
	p := &PodSecurity{}
	var since, until string
	d.Fields(n, map[string]func(*tree.Node){
		"level": d.Text(&p.Level), "control": d.Text(&p.Control), "since": d.Text(&since), "until": d.Text(&until),
	})
	if p.Level != "baseline" && p.Level != "restricted" {
		d.Fail(n, "podSecurity.level %q is neither baseline nor restricted", p.Level)
	}
	var err error
	if p.Since, err = ParseMinor(since); err != nil {
		d.Fail(n, "podSecurity.since: %s", err)
	}
	if until != "" {
		if p.Until, err = ParseMinor(until); err != nil {
			d.Fail(n, "podSecurity.until: %s", err)
		}
	}
	return p
}

// ParseMinor reads a Kubernetes version such as 1.31 or v1.31.4 and returns its
// minor number.
func ParseMinor(s string) (int, error) {
	major, rest, _ := strings.Cut(strings.TrimPrefix(s, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	m, err := strconv.Atoi(minor)
	if major != "1" || err != nil || m < 0 || m > 999 {
		return 0, fmt.Errorf("%q is not a version of Kubernetes: there are 1.N, such as 1.31", s)
	}
	return m, nil
}

func (d *decoder) expression(n *tree.Node) Expression {
	var e Expression
	d.Fields(n, map[string]func(*tree.Node){"name": d.Text(&e.Name), "expression": d.Text(&e.Expression)})
	if e.Name == "" || e.Expression == "" {
		d.Fail(n, "name or expression is missing")
	}
	return e
}

func (d *decoder) validation(n *tree.Node) Validation {
	var v Validation
	d.Fields(n, map[string]func(*tree.Node){
		"expression": d.Text(&v.Expression), "message": d.Text(&v.Message), "messageExpression": d.Text(&v.MessageExpression), "field": d.Text(&v.Field),
	})
	if v.Expression == "" || v.Message == "" {
		d.Fail(n, "a validation needs an expression and a message")
	}
	return v
}

func (d *decoder) fix(n *tree.Node) FixTemplate {
	var f FixTemplate
	var class string
	d.Fields(n, map[string]func(*tree.Node){
		"class": d.Text(&class), "when": d.Text(&f.When), "question": d.Text(&f.Question),
		"edits": func(n *tree.Node) { d.Each(n, func(n *tree.Node) { f.Edits = append(f.Edits, d.edit(n)) }) },
	})
	f.Class = model.FixClass(class)
	switch f.Class {
	case model.Inert, model.Tightening:
		if len(f.Edits) == 0 {
			d.Fail(n, "a fix of class %s needs edits", class)
		}
	case model.Decision:
		if f.Question == "" {
			d.Fail(n, "a decision needs a question")
		}
	default:
		d.Fail(n, "class %q is none of inert, tightening, decision", class)
	}
	return f
}

// edit reads set, remove or append; rules, fixes and mutations share the form.
func (d *decoder) edit(n *tree.Node) EditTemplate {
	var e EditTemplate
	var set, remove, appendTo string
	d.Fields(n, map[string]func(*tree.Node){
		"set": d.Text(&set), "remove": d.Text(&remove), "append": d.Text(&appendTo), "value": func(n *tree.Node) { e.Value = n },
	})
	e.Path, e.Append = set+remove+appendTo, appendTo != ""
	if _, err := tree.ParsePath(e.Path); err != nil || e.Path == "" {
		d.Fail(n, "an edit names one of set, remove, append with a path")
	}
	if (e.Value == nil) != (remove != "") {
		d.Fail(n, "set and append take a value, remove takes none")
	}
	return e
}
