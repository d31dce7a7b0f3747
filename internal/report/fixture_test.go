package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// The rules of the fixtures. Their texts are as long as those of real rules.
var (
	privileged = &model.RuleInfo{ID: "privileged-container", Title: "Container runs privileged", Severity: model.Critical, Category: "pod-security",
		Rationale:   "A privileged container has every capability and sees all devices of its node. Whoever breaks into it owns the node, and every other workload on it.",
		Remediation: "Remove privileged, and add the single capabilities that the program needs.",
		Attack:      []string{"T1611"}, Checks: []string{"pod-privileged"}, Builtin: true}
	runAsRoot = &model.RuleInfo{ID: "run-as-root", Title: "Container may run as root", Severity: model.High, Category: "pod-security",
		Rationale:   "A process that runs as root keeps that identity when it leaves the container through a kernel or runtime flaw.",
		Remediation: "Set runAsNonRoot, and a numeric user in the image.", Checks: []string{"pod-run-as-root"}, Builtin: true}
	clusterAdmin = &model.RuleInfo{ID: "cluster-admin-binding", Title: "Workload is bound to cluster-admin", Severity: model.Critical, Category: "access",
		Rationale:   "The token of any pod of this service account can do everything in the cluster: one broken pod is the whole cluster.",
		Remediation: "Bind a role that holds only the verbs and resources that the program uses.", Attack: []string{"T1078.004"}, Builtin: true}
	imageTag = &model.RuleInfo{ID: "mutable-image-tag", Title: "Image is not pinned by digest", Severity: model.Medium, Category: "supply-chain",
		Rationale: "What runs can change without a change to this file.", Remediation: "Name the image by digest.", Builtin: true}
	memoryLimit = &model.RuleInfo{ID: "memory-limit", Title: "Container has no memory limit", Severity: model.Medium, Category: "reliability",
		Rationale: "One leaking container takes the memory of the node, and the kernel then ends processes of others.", Remediation: "Set resources.limits.memory to what the program needs at its peak.", Builtin: true}
	readOnlyRoot = &model.RuleInfo{ID: "writable-root", Title: "Root file system is writable", Severity: model.Low, Category: "pod-security",
		Rationale: "An attacker can drop tools and change the program.", Remediation: "Set readOnlyRootFilesystem.", Builtin: true}
	escalation = &model.RuleInfo{ID: "privilege-escalation", Title: "Processes may gain privileges", Severity: model.High, Category: "pod-security", Builtin: true,
		Rationale: "Set-uid programs work."}
	networkPolicy = &model.RuleInfo{ID: "no-network-policy", Title: "No NetworkPolicy selects the workload", Severity: model.Medium, Category: "network",
		Rationale: "Everything in the cluster can reach it.", Remediation: "Add a NetworkPolicy.", Builtin: true}
)

func requirements(slug string) []string {
	return map[string][]string{"pod-privileged": {"cis-kubernetes 5.2.2", "pss baseline"}, "pod-run-as-root": {"cis-kubernetes 5.2.7"}}[slug]
}

var when = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// objects parses the objects of a manifest.
func objects(t testing.TB, name, text string) []*model.Object {
	t.Helper()
	file := &tree.File{Name: name, Text: text}
	var all []*model.Object
	i := 0
	for doc := range tree.Parse(file) {
		if doc.Err != nil {
			t.Fatal(doc.Err)
		}
		if doc.Root == nil {
			continue
		}
		o, err := model.NewObject(doc.Root, &model.Source{File: file, Document: i}, "", "default")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
		i++
	}
	return all
}

func steps(t testing.TB, s string) tree.Path {
	t.Helper()
	p, err := tree.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func node(v any) *tree.Node { n := tree.Of(v); return &n }

// finding makes a finding as the check does.
func finding(t testing.TB, rule *model.RuleInfo, o *model.Object, subject, at, message string, fixes ...model.Fix) *model.Finding {
	t.Helper()
	p := steps(t, at)
	element := 0
	for i, s := range p {
		if subject != "" && s.Key == "" {
			element = i + 1
		}
	}
	return &model.Finding{
		Element:   &model.Element{Object: o, Subject: subject, Path: p[:element]},
		Statement: &model.Statement{Rule: rule, Field: &model.Target{Path: p[element:]}, Message: message, Fixes: fixes},
		Written:   o.Root.Nearest(p), Fingerprint: model.NewFingerprint(rule.ID, o.Key.String(), subject, at),
	}
}

// set makes a fix that sets one field of the finding's element.
func set(t testing.TB, class model.FixClass, at string, v any) model.Fix {
	return model.Fix{Class: class, Edits: []model.Edit{{Target: model.Target{Path: steps(t, at)}, Value: node(v)}}}
}

func emptyReport() *model.Report {
	return &model.Report{
		Counts: model.Counts{Files: 9, Documents: 40, Read: 34, Objects: 34, Workloads: 12, PassedOver: 6, Rules: 57, Evaluated: 640, Passed: 628, Unknown: 12},
		Provenance: model.Provenance{Tool: "ullage", Version: "0.1.0", RulesDigest: "sha256:3f2a91c4d5e6f708192a3b4c5d6e7f80", InputDigest: "sha256:77ab01c2d3e4f5061728394a5b6c7d8e",
			Commit: "4be1c9d2a7705f3f1f6f0d9b7a3c2e1d00112233", Profile: "recommended", Kubernetes: "1.33", World: "open", Time: "2026-03-01T10:00:00Z"},
	}
}

// workload writes a Deployment with two containers.
func workload(namespace, name, labels string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[2]s
  namespace: %[1]s
  labels: {app: %[2]s%[3]s}
spec:
  replicas: 2
  selector:
    matchLabels: {app: %[2]s}
  template:
    metadata:
      labels: {app: %[2]s}
    spec:
      containers:
      - name: web
        image: registry.example.com/%[2]s:latest
        securityContext:
          privileged: true
      - name: metrics
        image: registry.example.com/metrics:2
---
`, namespace, name, labels)
}

const (
	webAt     = "spec.template.spec.containers[0]"
	metricsAt = "spec.template.spec.containers[1]"
)

// smallReport is a shop's first check: a few findings of every kind.
func smallReport(t testing.TB) *model.Report {
	shop := objects(t, "deploy/shop/checkout.yaml", workload("shop", "checkout", ", team: payments"))[0]
	cart := objects(t, "deploy/shop/cart.yaml", workload("shop", "cart", ""))[0]
	binding := objects(t, "deploy/rbac.yaml", `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: ci-deployer
  annotations: {contact: platform}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- {kind: ServiceAccount, name: deployer, namespace: ci}
`)[0]
	cni := objects(t, "platform/cni.yaml", `apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: kube-system}
spec:
  selector: {matchLabels: {app: calico}}
  template:
    metadata: {labels: {app: calico}}
    spec:
      containers:
      - {name: agent, image: "registry.example.com/calico:3.1", securityContext: {privileged: true}}
`)[0]
	cni.System = true
	r := emptyReport()
	priv := finding(t, privileged, shop, `container "web"`, webAt+".securityContext.privileged", `container "web" runs privileged`,
		set(t, model.Tightening, "securityContext.privileged", false))
	priv.Symptoms = []*model.Finding{
		finding(t, escalation, shop, `container "web"`, webAt+".securityContext.allowPrivilegeEscalation", `container "web" may gain privileges through set-uid programs`),
		finding(t, readOnlyRoot, shop, `container "web"`, webAt+".securityContext.readOnlyRootFilesystem", `container "web" may write to its root file system`),
	}
	old := finding(t, runAsRoot, cart, `container "web"`, webAt+".securityContext.runAsNonRoot", `container "web" may run as root`)
	old.Exception = &model.Exception{ID: "EX-7", Rules: []string{"run-as-root"}, Reason: "the image is being rebuilt", Owner: "storefront", Expires: when.AddDate(0, 3, 0), Matched: 1}
	known := finding(t, memoryLimit, cart, `container "metrics"`, metricsAt+".resources.limits.memory", `container "metrics" has no memory limit`)
	known.Baselined = true
	question := model.Fix{Class: model.Decision, Question: "How much memory does the program need at its peak? The limit must be above it, or the kernel ends the program."}
	r.Findings = []*model.Finding{
		priv,
		finding(t, runAsRoot, shop, `container "web"`, webAt+".securityContext.runAsNonRoot", `container "web" may run as root`,
			set(t, model.Tightening, "securityContext.runAsNonRoot", true)),
		finding(t, runAsRoot, shop, `container "metrics"`, metricsAt+".securityContext.runAsNonRoot", `container "metrics" may run as root`,
			set(t, model.Tightening, "securityContext.runAsNonRoot", true)),
		finding(t, imageTag, shop, `container "web"`, webAt+".image", `image "registry.example.com/checkout:latest" is not pinned by digest`),
		finding(t, memoryLimit, shop, `container "web"`, webAt+".resources.limits.memory", "no memory limit", question),
		finding(t, clusterAdmin, binding, "", "roleRef.name", `service account ci/deployer may do everything in the cluster`),
		finding(t, memoryLimit, cart, `container "web"`, webAt+".resources.limits.memory", "no memory limit", question),
		old, known,
		finding(t, readOnlyRoot, cart, `container "web"`, webAt+".securityContext.readOnlyRootFilesystem", `container "web" may write to its root file system`,
			set(t, model.Inert, "securityContext.readOnlyRootFilesystem", true)),
		finding(t, privileged, cni, `container "agent"`, webAt+".securityContext.privileged", `container "agent" runs privileged`),
	}
	r.Unknowns = []model.Unknown{
		{Element: &model.Element{Object: shop}, Question: &model.Question{Rule: networkPolicy, Reason: "NetworkPolicies may live elsewhere"}, Written: shop.Name()},
		{Element: &model.Element{Object: cart}, Question: &model.Question{Rule: networkPolicy, Reason: "NetworkPolicies may live elsewhere"}, Written: cart.Name()},
		{Element: &model.Element{Object: shop}, Question: &model.Question{Rule: clusterAdmin, Reason: "RoleBindings may live elsewhere"}, Written: shop.Name()},
	}
	r.Counts.Unknown = 3
	r.Problems = []model.Problem{
		{Place: model.Place{File: "deploy/legacy/old.yaml", Line: 14, Column: 3}, Reason: "mapping key \"image\" is written twice", Hint: "keep one of them: the API server refuses the object"},
		{Place: model.Place{File: "charts/search"}, Reason: "chart could not be rendered: values.image is required"},
	}
	r.Expired = []*model.Exception{{ID: "EX-2", Rules: []string{"privileged-container"}, Reason: "until the new node image", Owner: "payments", Expires: when, Place: model.Place{File: "ullage-exceptions.yaml", Line: 4, Column: 3}}}
	r.Unused = []*model.Exception{{ID: "EX-5", Rules: []string{"host-network"}, Reason: "ingress", Owner: "platform", Expires: when.AddDate(1, 0, 0), Place: model.Place{File: "ullage-exceptions.yaml", Line: 19, Column: 3}}}
	r.Fixed = 3
	return r
}

// largeReport has n Deployments with four findings each, and every 25th a
// critical one, which come first.
func largeReport(t testing.TB, n int) *model.Report {
	r := emptyReport()
	var text strings.Builder
	for i := range n {
		text.WriteString(workload(fmt.Sprintf("team-%02d", i%8), fmt.Sprintf("service-%04d", i), ", team: team-"+fmt.Sprint(i%7)))
	}
	all := objects(t, "deploy/all.yaml", text.String())
	worst := func(o *model.Object) int { return min(1, int(o.Place().Line)/22%25) }
	slices.SortStableFunc(all, func(a, b *model.Object) int { return worst(a) - worst(b) })
	for _, o := range all {
		if worst(o) == 0 {
			r.Findings = append(r.Findings, finding(t, privileged, o, `container "web"`, webAt+".securityContext.privileged", `container "web" runs privileged`,
				set(t, model.Tightening, "securityContext.privileged", false)))
		}
		r.Findings = append(r.Findings,
			finding(t, runAsRoot, o, `container "web"`, webAt+".securityContext.runAsNonRoot", `container "web" may run as root`, set(t, model.Tightening, "securityContext.runAsNonRoot", true)),
			finding(t, imageTag, o, `container "web"`, webAt+".image", fmt.Sprintf("image %q is not pinned by digest", o.Root.Follow(steps(t, webAt+".image")).Text())),
			finding(t, memoryLimit, o, `container "web"`, webAt+".resources.limits.memory", "no memory limit"),
			finding(t, readOnlyRoot, o, `container "web"`, webAt+".securityContext.readOnlyRootFilesystem", "root file system is writable", set(t, model.Tightening, "securityContext.readOnlyRootFilesystem", true)))
	}
	r.Counts = model.Counts{Files: 1, Documents: n, Read: n, Objects: n, Workloads: n, Rules: 57, Evaluated: 40 * n, Passed: 40*n - len(r.Findings)}
	return r
}
