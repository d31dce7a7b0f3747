package policy

import (
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// world is a set of facts for tests.
type world struct {
	facts      map[string]tree.Node
	references []Reference
	namespace  *tree.Node
	images     map[string]*tree.Node
}

func (w world) Image(container *tree.Node) *tree.Node { return w.images[container.Get("image").Str()] }

func (w world) Fact(_ *model.Object, _ *model.PodTemplate, name string) (tree.Node, bool) {
	n, ok := w.facts[name]
	if ok {
		n.Seal()
	}
	return n, ok
}

func (w world) References(*model.Object) []Reference { return w.references }

func (w world) Namespace(*model.Object) *tree.Node {
	if w.namespace != nil {
		return w.namespace
	}
	n := tree.UnknownBecause("the Namespace was not read")
	return n.Seal()
}

// parse reads the documents of a text.
func parse(t testing.TB, text string) []*tree.Node {
	t.Helper()
	var roots []*tree.Node
	for doc := range tree.Parse(&tree.File{Name: "test.yaml", Text: text}) {
		if doc.Err != nil {
			t.Fatal(doc.Err)
		}
		roots = append(roots, doc.Root)
	}
	return roots
}

// objects makes the objects of a text that is called name.
func objects(t testing.TB, name, text string) []*model.Object {
	t.Helper()
	f := &tree.File{Name: name, Text: text}
	var all []*model.Object
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			t.Fatal(doc.Err)
		}
		o, err := model.NewObject(doc.Root, &model.Source{File: f}, "", "default")
		if err != nil || o == nil {
			t.Fatalf("not an object: %v\n%s", err, text)
		}
		all = append(all, o)
	}
	return all
}

func object(t testing.TB, text string) *model.Object {
	t.Helper()
	return objects(t, "object.yaml", text)[0]
}

// ruleOf makes a rule of a subject; more is lines of its spec.
func ruleOf(t testing.TB, subject, more string) *Rule {
	t.Helper()
	rules, err := Load(&tree.File{Name: "rule.yaml", Text: ruleText(subject, more)})
	if err != nil {
		t.Fatal(err)
	}
	return rules[0]
}

func ruleText(subject, more string) string {
	return `apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: test}
spec:
  title: t
  severity: high
  category: privilege
  rationale: r
  remediation: m
  field: object.metadata
  subject: ` + subject + "\n  " + strings.ReplaceAll(strings.TrimSpace(more), "\n", "\n  ") + "\n"
}

// check makes a rule about objects with one validation.
func check(t testing.TB, expression string) *Rule {
	t.Helper()
	r := ruleOf(t, "object", "validations: [{expression: x, message: it is wrong}]")
	r.Validations[0].Expression = expression
	return r
}

// judge returns the outcomes of rules about an object.
func judge(o *model.Object, facts Facts, rules ...*Rule) []Outcome {
	var names []string
	if w, ok := facts.(world); ok {
		for name := range w.facts {
			names = append(names, name)
		}
	}
	e := NewEngine(rules, Options{KubernetesMinor: 37, FactNames: names})
	return e.NewWorker(facts).Evaluate(o, &Tally{})
}

// verdictOf sums up the outcomes of one rule about an object with one element.
func verdictOf(t testing.TB, outcomes []Outcome) (Verdict, string) {
	t.Helper()
	switch len(outcomes) {
	case 0:
		return Pass, ""
	case 1:
		return outcomes[0].Verdict, outcomes[0].Reason
	}
	t.Fatalf("%d outcomes: %v", len(outcomes), outcomes)
	return Error, ""
}

const pod = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  containers:
  - name: web
    image: registry.example/web:1
    env: [{name: A, value: "1"}, {name: B, value: "2"}]
    ports: [{name: http, containerPort: 80}, {containerPort: 81}]
`

func mustObject(t testing.TB, root *tree.Node, f *tree.File) *model.Object {
	t.Helper()
	o, err := model.NewObject(root, &model.Source{File: f}, "", "default")
	if err != nil || o == nil {
		t.Fatal(err)
	}
	return o
}
