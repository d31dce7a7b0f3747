package policy_test

import (
	"testing"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: {runAsNonRoot: true}
      containers:
      - name: web
        image: registry.example/web:1.4.2
        ports: [{containerPort: 8080}]
        env: [{name: LOG_LEVEL, value: info}, {name: PORT, value: "8080"}]
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 128Mi}}
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      - name: proxy
        image: registry.example/proxy:2.0.1
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumes: [{name: tmp, emptyDir: {}}]
`

func library(b *testing.B) []*policy.Rule {
	b.Helper()
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		b.Fatal(err)
	}
	return rules
}

func newEngine(rules []*policy.Rule) *policy.Engine {
	return policy.NewEngine(rules, policy.Options{KubernetesMinor: 37, FactNames: check.FactNames()})
}

func BenchmarkLoadLibrary(b *testing.B) {
	for b.Loop() {
		library(b)
	}
}

// BenchmarkCompileAll type-checks and analyzes the rules of the library.
func BenchmarkCompileAll(b *testing.B) {
	rules := library(b)
	for b.Loop() {
		if err := newEngine(rules).CompileAll(); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkEvaluate judges one Deployment by the whole library. A worker that
// is new each time has seen nothing.
func benchmarkEvaluate(b *testing.B, remember bool) {
	f := &tree.File{Name: "web.yaml", Text: deployment}
	var o *model.Object
	for doc := range tree.Parse(f) {
		var err error
		if o, err = model.NewObject(doc.Root, &model.Source{File: f}, "", "default"); err != nil {
			b.Fatal(err)
		}
	}
	engine := newEngine(library(b))
	facts := check.NewFacts(model.NewSnapshot([]*model.Object{o}, false), nil)
	worker := engine.NewWorker(facts)
	var tally policy.Tally
	worker.Evaluate(o, &tally) // compiles
	b.ReportAllocs()
	for b.Loop() {
		if !remember {
			worker = engine.NewWorker(facts)
		}
		worker.Evaluate(o, &tally)
	}
}

func BenchmarkEvaluateCached(b *testing.B)   { benchmarkEvaluate(b, true) }
func BenchmarkEvaluateUncached(b *testing.B) { benchmarkEvaluate(b, false) }
