package access

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apilabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// The oracle is the RBAC authorizer as the Kubernetes documentation describes
// it, over the API's own types: every binding is tried for every request.

type cluster struct {
	clusterRoles []rbacv1.ClusterRole
	roles        []rbacv1.Role
	clusterBinds []rbacv1.ClusterRoleBinding
	binds        []rbacv1.RoleBinding
}

func (c *cluster) allows(subject Subject, q Request) bool {
	for _, b := range c.clusterBinds {
		if b.RoleRef.Kind == "ClusterRole" && anySubject(b.Subjects, "", subject) && anyRule(c.clusterRules(b.RoleRef.Name, nil), q) {
			return true
		}
	}
	if q.Namespace == "" || q.URL != "" {
		return false
	}
	for _, b := range c.binds {
		if b.Namespace != q.Namespace || !anySubject(b.Subjects, b.Namespace, subject) {
			continue
		}
		var rules []rbacv1.PolicyRule
		if b.RoleRef.Kind == "ClusterRole" {
			rules = c.clusterRules(b.RoleRef.Name, nil)
		} else {
			for _, r := range c.roles {
				if r.Namespace == b.Namespace && r.Name == b.RoleRef.Name {
					rules = r.Rules
				}
			}
		}
		if anyRule(rules, q) {
			return true
		}
	}
	return false
}

// clusterRules follows aggregation.
func (c *cluster) clusterRules(name string, path []string) []rbacv1.PolicyRule {
	if slices.Contains(path, name) {
		return nil
	}
	path = append(path, name)
	for _, r := range c.clusterRoles {
		if r.Name != name {
			continue
		}
		rules := slices.Clone(r.Rules)
		if r.AggregationRule == nil {
			return rules
		}
		if r.UID == "" { // of a file: the controller replaces them
			rules = nil
		}
		for _, selector := range r.AggregationRule.ClusterRoleSelectors {
			s, err := metav1.LabelSelectorAsSelector(&selector)
			if err != nil {
				continue
			}
			for _, other := range c.clusterRoles {
				if s.Matches(apilabels.Set(other.Labels)) {
					rules = append(rules, c.clusterRules(other.Name, path)...)
				}
			}
		}
		return rules
	}
	return nil
}

func anySubject(subjects []rbacv1.Subject, namespace string, who Subject) bool {
	user, groups := who.Name, []string{"system:authenticated"}
	if who.Kind == "Group" { // any member
		groups = append(groups, who.Name)
	}
	if parts := strings.Split(who.Name, ":"); len(parts) == 4 && who.Kind == "User" { // it comes with the groups of the account
		who = Subject{"ServiceAccount", parts[2], parts[3]}
	}
	if who.Kind == "ServiceAccount" {
		user = "system:serviceaccount:" + who.Namespace + ":" + who.Name
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:"+who.Namespace)
	}
	for _, s := range subjects {
		switch s.Kind {
		case "User":
			if who.Kind != "Group" && s.Name == user {
				return true
			}
		case "Group":
			if slices.Contains(groups, s.Name) {
				return true
			}
		case "ServiceAccount":
			ns := s.Namespace
			if ns == "" {
				ns = namespace
			}
			if who.Kind != "Group" && ns != "" && user == "system:serviceaccount:"+ns+":"+s.Name {
				return true
			}
		}
	}
	return false
}

func anyRule(rules []rbacv1.PolicyRule, q Request) bool {
	for _, r := range rules {
		if !contains(r.Verbs, "*", q.Verb) {
			continue
		}
		if q.URL != "" {
			for _, url := range r.NonResourceURLs {
				if prefix, wild := strings.CutSuffix(url, "*"); url == q.URL || wild && strings.HasPrefix(q.URL, prefix) {
					return true
				}
			}
			continue
		}
		names := []string{"*", q.Resource}
		if q.Subresource != "" {
			names = []string{"*", q.Resource + "/" + q.Subresource, "*/" + q.Subresource}
		}
		if contains(r.APIGroups, "*", q.Group) && contains(r.Resources, names...) && (len(r.ResourceNames) == 0 || contains(r.ResourceNames, q.Name)) {
			return true
		}
	}
	return false
}

func contains(list []string, any ...string) bool {
	return slices.ContainsFunc(any, func(s string) bool { return slices.Contains(list, s) })
}

// Requests that no rule can name: only wildcards allow them.
const (
	freshVerb, freshGroup, freshResource, freshName = "juggle", "fresh.example", "freshes", "nobody-knows"
)

// universe holds what the generated rules and the requests are made of: all
// that the catalogue speaks of, and something that it does not.
type universe struct{ verbs, groups, resources, names, urls []string }

func newUniverse() universe {
	u := universe{
		verbs: []string{"get", "deletecollection"}, groups: []string{"", "example.org"}, resources: []string{"widgets", "widgets/status"},
		names: []string{"one", "two", ""}, urls: []string{"/metrics", "/healthz", "/healthz/etcd"},
	}
	for r := range catalogue {
		for _, n := range catalogue[r].needs {
			u.verbs = append(u.verbs, n.Verbs...)
			u.groups = append(u.groups, n.Group)
			u.resources = append(u.resources, n.Resources...)
			u.names = append(u.names, n.Names...)
		}
	}
	for _, l := range []*[]string{&u.verbs, &u.groups, &u.resources, &u.names} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	return u
}

func (u *universe) some(r *rand.Rand, list []string, most int, others ...string) []string {
	var l []string
	for range r.IntN(most + 1) {
		if len(others) > 0 && r.IntN(3) == 0 {
			l = append(l, others[r.IntN(len(others))])
		} else {
			l = append(l, list[r.IntN(len(list))])
		}
	}
	return l
}

func (u *universe) rule(r *rand.Rand) rbacv1.PolicyRule {
	if r.IntN(8) == 0 {
		return rbacv1.PolicyRule{Verbs: u.some(r, u.verbs, 2, "*"), NonResourceURLs: u.some(r, u.urls, 2, "*", "/healthz/*", "/heal*")}
	}
	rule := rbacv1.PolicyRule{
		Verbs:     u.some(r, u.verbs, 3, "*"),
		APIGroups: u.some(r, u.groups, 3, "*", ""),
		Resources: u.some(r, u.resources, 4, "*", "*/status", "*/exec", "pods/*"),
	}
	if r.IntN(4) == 0 {
		rule.ResourceNames = u.some(r, u.names, 2)
	}
	return rule
}

func (u *universe) rules(r *rand.Rand) []rbacv1.PolicyRule {
	rules := make([]rbacv1.PolicyRule, r.IntN(3))
	for i := range rules {
		rules[i] = u.rule(r)
	}
	return rules
}

var testNamespaces = []string{"a", "b"}

func (u *universe) cluster(r *rand.Rand) *cluster {
	c := &cluster{}
	// With cluster-admin there, nothing is assumed to be.
	admin := rbacv1.ClusterRole{}
	admin.APIVersion, admin.Kind, admin.Name = rbacv1.SchemeGroupVersion.String(), "ClusterRole", "cluster-admin"
	c.clusterRoles = append(c.clusterRoles, admin)
	colours := []string{"red", "blue"}
	for i := range 5 {
		role := rbacv1.ClusterRole{Rules: u.rules(r)}
		role.APIVersion, role.Kind, role.Name = rbacv1.SchemeGroupVersion.String(), "ClusterRole", fmt.Sprint("c", i)
		role.Labels = map[string]string{"colour": colours[r.IntN(2)]}
		if r.IntN(3) == 0 {
			role.UID = types.UID([]string{"", "5f1e"}[r.IntN(2)])
			role.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"colour": colours[r.IntN(2)]}}}}
		}
		c.clusterRoles = append(c.clusterRoles, role)
	}
	for i := range 4 {
		role := rbacv1.Role{Rules: u.rules(r)}
		role.APIVersion, role.Kind, role.Name, role.Namespace = rbacv1.SchemeGroupVersion.String(), "Role", fmt.Sprint("r", i/2), testNamespaces[i%2]
		c.roles = append(c.roles, role)
	}
	for i := range 3 {
		b := rbacv1.ClusterRoleBinding{Subjects: subjects(r), RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: fmt.Sprint("c", r.IntN(6))}}
		b.APIVersion, b.Kind, b.Name = rbacv1.SchemeGroupVersion.String(), "ClusterRoleBinding", fmt.Sprint("b", i)
		c.clusterBinds = append(c.clusterBinds, b)
	}
	for i := range 4 {
		b := rbacv1.RoleBinding{Subjects: subjects(r), RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: fmt.Sprint("c", r.IntN(6))}}
		if r.IntN(2) == 0 {
			b.RoleRef = rbacv1.RoleRef{Kind: "Role", Name: fmt.Sprint("r", r.IntN(3))}
		}
		b.APIVersion, b.Kind, b.Name, b.Namespace = rbacv1.SchemeGroupVersion.String(), "RoleBinding", fmt.Sprint("b", i), testNamespaces[r.IntN(2)]
		c.binds = append(c.binds, b)
	}
	return c
}

// who are the subjects of which the tests ask.
var who = []Subject{
	{"ServiceAccount", "a", "x"}, {"ServiceAccount", "b", "x"}, {"ServiceAccount", "b", "y"}, {"User", "", "jo"},
	{"User", "", "system:serviceaccount:a:x"}, {"Group", "", "system:serviceaccounts"},
}

func subjects(r *rand.Rand) []rbacv1.Subject {
	all := []rbacv1.Subject{
		{Kind: "ServiceAccount", Namespace: "a", Name: "x"}, {Kind: "ServiceAccount", Name: "x"}, {Kind: "ServiceAccount", Namespace: "b", Name: "y"},
		{Kind: "User", Name: "jo"}, {Kind: "User", Name: "system:serviceaccount:b:x"}, {Kind: "Group", Name: "system:serviceaccounts"},
		{Kind: "Group", Name: "system:serviceaccounts:b"}, {Kind: "Group", Name: "system:authenticated"}, {Kind: "Group", Name: "other"},
	}
	var l []rbacv1.Subject
	for range r.IntN(3) {
		l = append(l, all[r.IntN(len(all))])
	}
	return l
}

// snapshot writes the cluster as YAML and reads it as the product does.
func (c *cluster) snapshot(t testing.TB) *model.Snapshot {
	var objects []*model.Object
	add := func(v any) {
		text, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		file := &tree.File{Name: "test.yaml", Text: string(text)}
		for doc := range tree.Parse(file) {
			o, err := model.NewObject(doc.Root, &model.Source{File: file}, "", "default")
			if doc.Err != nil || err != nil {
				t.Fatal(doc.Err, err)
			}
			objects = append(objects, o)
		}
	}
	for _, o := range c.clusterRoles {
		add(o)
	}
	for _, o := range c.roles {
		add(o)
	}
	for _, o := range c.clusterBinds {
		add(o)
	}
	for _, o := range c.binds {
		add(o)
	}
	return model.NewSnapshot(objects, true)
}

func (u *universe) request(r *rand.Rand) Request {
	if r.IntN(10) == 0 {
		return Request{Verb: u.verbs[r.IntN(len(u.verbs))], URL: append(u.urls, "/", "/other")[r.IntN(len(u.urls)+2)]}
	}
	q := Request{
		Verb: append(u.verbs, freshVerb)[r.IntN(len(u.verbs)+1)], Group: append(u.groups, freshGroup)[r.IntN(len(u.groups)+1)],
		Resource:  append(u.resources, freshResource, "widgets/exec")[r.IntN(len(u.resources)+2)],
		Namespace: []string{"", "a", "b", "c"}[r.IntN(4)], Name: append(u.names, "", freshName)[r.IntN(len(u.names)+2)],
	}
	q.Resource, q.Subresource, _ = strings.Cut(q.Resource, "/")
	return q
}

// requestNear returns a request that a rule of the cluster speaks of, or nearly.
func (u *universe) requestNear(r *rand.Rand, c *cluster) Request {
	q := u.request(r)
	var rules []rbacv1.PolicyRule
	if i := r.IntN(len(c.clusterRoles) + len(c.roles)); i < len(c.clusterRoles) {
		rules = c.clusterRoles[i].Rules
	} else {
		rules = c.roles[i-len(c.clusterRoles)].Rules
	}
	if len(rules) == 0 {
		return q
	}
	rule := rules[r.IntN(len(rules))]
	pick := func(list []string, value *string) {
		if len(list) > 0 && r.IntN(8) > 0 {
			if s := list[r.IntN(len(list))]; s != "*" {
				*value = s
			}
		}
	}
	pick(rule.Verbs, &q.Verb)
	if len(rule.NonResourceURLs) > 0 {
		q = Request{Verb: q.Verb, URL: "/"}
		pick(rule.NonResourceURLs, &q.URL)
		return q
	}
	q.URL = ""
	pick(rule.APIGroups, &q.Group)
	resource := q.Resource
	pick(rule.Resources, &resource)
	if q.Resource, q.Subresource, _ = strings.Cut(resource, "/"); q.Resource == "*" || q.Resource == "" {
		q.Resource = "pods"
	}
	pick(rule.ResourceNames, &q.Name)
	return q
}

func TestAllowsAsTheAuthorizer(t *testing.T) {
	u := newUniverse()
	r := rand.New(rand.NewPCG(1, 2))
	allowed := 0
	for range 60 {
		c := u.cluster(r)
		a := New(c.snapshot(t))
		for range 1500 {
			subject, q := who[r.IntN(len(who))], u.requestNear(r, c)
			want := c.allows(subject, q)
			answer := a.Can(subject, &q)
			if answer.Verdict == Unknown || answer.Verdict == Yes != want {
				t.Fatalf("%v %+v: allowed %s, want %t", subject, q, answer.Verdict, want)
			}
			if want && !answer.Proof.Rule.Allows(&q) {
				t.Fatalf("%v %+v: the rule named does not allow it", subject, q)
			}
			proofs, _ := a.WhoCan(&q)
			named := slices.ContainsFunc(proofs, func(p Proof) bool {
				return p.Subject == subject.canonical() || slices.Contains(groupsOf(subject.canonical()), p.Subject.Name) && p.Subject.Kind == kindGroup
			})
			if named != want {
				t.Fatalf("%v %+v: among those who can: %t, want %t", subject, q, named, want)
			}
			if want {
				allowed++
			}
		}
	}
	if allowed < 1000 {
		t.Errorf("only %d requests were allowed: the test shows little", allowed)
	}
}

// wantRights asks the oracle for every request that a right is defined by.
func (u *universe) wantRights(rules []rbacv1.PolicyRule, clusterWide bool) Rights {
	var want Rights
	ask := func(r Right, verb, group, resource, name string) {
		q := Request{Verb: verb, Group: group, Name: name, Namespace: "a"}
		q.Resource, q.Subresource, _ = strings.Cut(resource, "/")
		if anyRule(rules, q) {
			want |= 1 << r
		}
	}
	for r := range catalogue {
		for _, n := range catalogue[r].needs {
			if n.Cluster && !clusterWide {
				continue
			}
			for _, verb := range n.Verbs {
				for _, resource := range n.Resources {
					for _, name := range namesAsked(verb, resource, n) {
						ask(Right(r), verb, n.Group, resource, name)
					}
				}
			}
		}
	}
	for _, group := range slices.Concat(u.groups, []string{freshGroup}) {
		for _, resource := range append(u.resources, freshResource, "widgets/exec") {
			ask(WildcardVerbs, freshVerb, group, resource, freshName)
		}
		for _, verb := range append(u.verbs, freshVerb) {
			ask(WildcardResources, verb, group, freshResource, freshName)
		}
	}
	for _, verb := range []string{"get", "list", "watch"} {
		ask(ReadAll, verb, freshGroup, freshResource, freshName)
		if verb != "get" {
			ask(ReadAll, verb, freshGroup, freshResource, "") // all of them at once
		}
	}
	ask(WildcardAll, freshVerb, freshGroup, freshResource, freshName)
	return want
}

func TestRightsAsRequests(t *testing.T) {
	u := newUniverse()
	r := rand.New(rand.NewPCG(3, 4))
	var seen Rights
	for range 3000 {
		rules := u.rules(r)
		text, err := yaml.Marshal(map[string]any{"rules": rules})
		if err != nil {
			t.Fatal(err)
		}
		for doc := range tree.Parse(&tree.File{Name: "rules.yaml", Text: string(text)}) {
			role := &Role{rules: doc.Root.Seal().Get("rules")}
			set := compileRules(role.rules)
			for _, scope := range []struct {
				wide bool
				got  Rights
			}{{true, set.cluster}, {false, set.namespaced}} {
				want := u.wantRights(rules, scope.wide)
				if scope.got != want {
					t.Fatalf("cluster-wide %t: rights %v, want %v\n%s", scope.wide, scope.got.All(), want.All(), text)
				}
				var listed Rights
				for _, g := range role.Grants(scope.wide) {
					listed |= 1 << g.Right
					if len(g.Resources) == 0 {
						t.Fatalf("%s is given by nothing\n%s", g.Right, text)
					}
				}
				if listed != want {
					t.Fatalf("cluster-wide %t: grants %v, want %v\n%s", scope.wide, listed.All(), want.All(), text)
				}
				seen |= want
			}
		}
	}
	if missing := int(firstTogether) - len(seen.All()); missing > 0 {
		t.Errorf("%d rights never came up: the test shows nothing about them", missing)
	}
}
