package check

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/test/cputime"
)

// manyWorkloads has 100 namespaces, with policies, Services, accounts and
// roles for some of the workloads.
func manyWorkloads(workloads int) string {
	var b strings.Builder
	in := func(namespace int, text string) {
		b.WriteString(strings.Replace(text, "metadata: {name:", fmt.Sprintf("metadata: {namespace: ns-%d, name:", namespace), 1))
	}
	for i := range 100 {
		b.WriteString(object("v1", "Namespace", fmt.Sprint("ns-", i), ""))
		if i%3 == 0 {
			in(i, object("networking.k8s.io/v1", "NetworkPolicy", "deny", denyAll))
		}
		in(i, object(rbac, "Role", "reader", secretRules))
		in(i, binding("RoleBinding", "b", "Role", "reader", fmt.Sprintf("{kind: ServiceAccount, name: default, namespace: ns-%d}", i)))
	}
	for i := range workloads {
		name := fmt.Sprint("w-", i)
		in(i%100, workload("Deployment", name, "volumes: [{name: v, secret: {secretName: shared}}, {name: c, persistentVolumeClaim: {claimName: c-"+fmt.Sprint(i/500)+"}}]"))
		switch i % 4 {
		case 0:
			in(i%100, object("v1", "Service", name, fmt.Sprintf("spec: {selector: {app: %s}, ports: [{port: 80}]}", name)))
		case 1:
			in(i%100, object("policy/v1", "PodDisruptionBudget", name, fmt.Sprintf("spec: {selector: {matchLabels: {app: %s}}}", name)))
		case 2:
			in(i%100, object("networking.k8s.io/v1", "NetworkPolicy", name, fmt.Sprintf("spec: {podSelector: {matchLabels: {app: %s}}}", name)))
		}
	}
	return b.String()
}

func askAll(f *Facts, s *model.Snapshot) (facts int) {
	names := FactNames()
	for _, o := range s.All() {
		for _, name := range names {
			if _, ok := f.Fact(o, nil, name); ok {
				facts++
			}
		}
		facts += len(f.References(o))
	}
	return facts
}

// BenchmarkFacts asks for every fact of every object.
func BenchmarkFacts(b *testing.B) {
	_, s := world(b, manyWorkloads(10000), true)
	b.ReportAllocs()
	defer cputime.Report(b)()
	facts := 0
	for b.Loop() {
		facts = askAll(NewFacts(s, nil), s)
	}
	b.ReportMetric(float64(facts), "facts")
}

// Facts are the same whoever asks first.
func TestFactsAreSafeForConcurrentUse(t *testing.T) {
	_, s := world(t, manyWorkloads(40), true)
	f := NewFacts(s, nil)
	want := askAll(NewFacts(s, nil), s)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got := askAll(f, s); got != want {
				t.Errorf("%d facts, want %d", got, want)
			}
		})
	}
	wg.Wait()
}
