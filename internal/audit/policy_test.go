package audit

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	internal "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit/policy"
	users "k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"ullage.dev/ullage/internal/access"
)

var (
	testVerbs      = []string{"get", "list", "delete"}
	testGroups     = []string{"", "apps"}
	testResources  = []string{"pods", "pods/log", "secrets", "deployments", "deployments/log"}
	testNamespaces = []string{"shop", "ops", ""}
	testNames      = []string{"a", "b"}
	testURLs       = []string{"/healthz", "/healthz/etcd", "/metrics"}
	testMembers    = []string{"devs", "admins", "system:authenticated", "system:serviceaccounts", "system:serviceaccounts:shop"}
	testUsers      = []string{"jo", "system:serviceaccount:shop:web", "system:apiserver"}
)

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

func some1(r *rand.Rand, list []string, most int) []string {
	var l []string
	for range r.IntN(most + 1) {
		l = append(l, pick(r, list))
	}
	return l
}

func randomPolicy(r *rand.Rand) *internal.Policy {
	p := &internal.Policy{}
	for range 1 + r.IntN(4) {
		rule := internal.PolicyRule{Level: []internal.Level{internal.LevelNone, internal.LevelMetadata, internal.LevelRequest}[r.IntN(3)]}
		if r.IntN(3) == 0 {
			rule.Users = some1(r, testUsers, 2)
		}
		if r.IntN(3) == 0 {
			rule.UserGroups = some1(r, testMembers, 2)
		}
		if r.IntN(2) == 0 {
			rule.Verbs = some1(r, testVerbs, 2)
		}
		switch r.IntN(4) {
		case 0:
			rule.NonResourceURLs = some1(r, append(testURLs, "*", "/healthz*", "/healthz/*"), 2)
		case 1:
			rule.Namespaces = some1(r, testNamespaces, 2)
			fallthrough
		case 2:
			for range r.IntN(3) {
				rule.Resources = append(rule.Resources, internal.GroupResources{Group: pick(r, append(testGroups, "*")),
					Resources: some1(r, append(testResources, "*", "*/log", "pods/*", "*/*"), 2), ResourceNames: some1(r, testNames, r.IntN(2))})
			}
		}
		if r.IntN(6) == 0 {
			rule.OmitStages = []internal.Stage{internal.StageResponseComplete}
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

// parsed is the policy as it is read of a file.
func parsed(t *testing.T, p *internal.Policy) *Policy {
	t.Helper()
	var rules []map[string]any
	for _, rule := range p.Rules {
		var groups []map[string]any
		for _, g := range rule.Resources {
			groups = append(groups, map[string]any{"group": g.Group, "resources": g.Resources, "resourceNames": g.ResourceNames})
		}
		rules = append(rules, map[string]any{"level": rule.Level, "users": rule.Users, "userGroups": rule.UserGroups, "verbs": rule.Verbs, "resources": groups,
			"namespaces": rule.Namespaces, "nonResourceURLs": rule.NonResourceURLs, "omitStages": rule.OmitStages})
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules})
	if err != nil {
		t.Fatal(err)
	}
	own, err := ParsePolicy("policy.yaml", string(text))
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// concrete is one of a right's requests, as the API server asks for it.
func concrete(r *rand.Rand, holder access.Subject, q *access.Requests) authorizer.AttributesRecord {
	a := authorizer.AttributesRecord{Verb: q.Verb, APIGroup: q.Group, Namespace: q.Namespace}
	if q.Verb == "*" {
		a.Verb = pick(r, testVerbs)
	}
	if q.Group == "*" {
		a.APIGroup = pick(r, testGroups)
	}
	info := &users.DefaultInfo{Name: "jo"}
	if name, one := holder.Username(); one {
		info.Name = name
	} else {
		info.Name = "jo"
		if strings.HasPrefix(holder.Name, "system:serviceaccounts") {
			info.Name = testUsers[1]
		}
		info.Groups = append(info.Groups, holder.Name)
	}
	for group := range access.User(info.Name).Groups() {
		info.Groups = append(info.Groups, group.Name)
	}
	if !strings.HasPrefix(info.Name, "system:serviceaccount:") {
		info.Groups = append(info.Groups, some1(r, testMembers[:2], 2)...)
	}
	a.User = info
	if q.URL != "" {
		a.Path, a.Namespace = q.URL, ""
		if prefix, wide := strings.CutSuffix(q.URL, "*"); wide {
			a.Path = prefix + pick(r, []string{"", "healthz", "/etcd", "x"})
		}
		return a
	}
	a.ResourceRequest = true
	resource := q.Resource
	switch base, sub, isSub := strings.Cut(resource, "/"); {
	case resource == "*":
		resource = pick(r, testResources)
	case isSub && base == "*":
		resource = pick(r, []string{"pods", "deployments"}) + "/" + sub
	}
	a.Resource, a.Subresource, _ = strings.Cut(resource, "/")
	if q.Namespace == "" {
		a.Namespace = pick(r, testNamespaces)
	}
	a.Name = pick(r, append(testNames, "", "c"))
	if len(q.Names) > 0 {
		a.Name = pick(r, q.Names)
	}
	return a
}

// What the policy is said to have in the log, the API server's own evaluator has in
// it; and for one request of a service account there is no doubt either way.
func TestPolicyAgainstAPIServer(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	logged, left := 0, 0
	for range 20_000 {
		p := randomPolicy(r)
		own, oracle := parsed(t, p), policy.NewPolicyRuleEvaluator(p)
		holder := []access.Subject{access.ServiceAccount("shop", "web"), access.User("jo"), access.Group("devs"), access.Group("system:serviceaccounts:shop")}[r.IntN(4)]
		q := access.Requests{Verb: pick(r, append(testVerbs, "*")), Group: pick(r, append(testGroups, "*")), Resource: pick(r, append(testResources, "*", "*/log")), Namespace: pick(r, testNamespaces)}
		if r.IntN(3) == 0 {
			q.Names = some1(r, append(testNames, "c"), 2)
		}
		if r.IntN(4) == 0 {
			q = access.Requests{Verb: q.Verb, URL: pick(r, append(testURLs, "*", "/healthz*", "/heal*", "/x*"))}
		}
		got := own.Logs(holder, &q)
		for range 20 {
			a := concrete(r, holder, &q)
			config := oracle.EvaluatePolicyRule(a)
			is := config.Level != internal.LevelNone && !slices.Contains(config.OmitStages, internal.StageResponseComplete)
			if got && !is {
				t.Fatalf("%s %+v is said to be in the log, and %+v is not, by %+v", holder, q, a, p.Rules)
			}
			single := holder.Kind == "ServiceAccount" && !strings.Contains(q.Verb+q.Group+q.Resource+q.URL, "*") && (q.URL != "" || q.Namespace != "" && len(q.Names) == 1)
			if single && is && !got {
				t.Fatalf("%s %+v is said not to be in the log, and it is, by %+v", holder, q, p.Rules)
			}
		}
		if got {
			logged++
		} else {
			left++
		}
	}
	if logged < 2000 || left < 2000 {
		t.Errorf("%d are in the log, %d not: the test shows little", logged, left)
	}
}

func TestPoliciesThatAreNone(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "p.yaml: 0 documents"},
		{"a: 1\n---\nb: 2\n", "p.yaml: 2 documents"},
		{"a: [", "p.yaml:1"},
		{"apiVersion: v1\nkind: Policy\n", "p.yaml: not an audit policy"},
		{"- 1\n", "p.yaml: not an audit policy"},
		{"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Some}]\n", `p.yaml: rule 1: level "Some"`},
		{"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, verbs: get}]\n", "p.yaml: rules.verbs of the audit policy is of a wrong type"},
	} {
		if _, err := ParsePolicy("p.yaml", c.text); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}
