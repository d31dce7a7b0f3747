package access

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// answers writes down all that is known of the subjects of the tests.
func (a *Analysis) answers(requests []Request) []string {
	var all []string
	for _, s := range who {
		all = append(all, fmt.Sprint(s, a.Rights(s)))
		for i := range requests {
			answer := a.Can(s, &requests[i])
			text := fmt.Sprint(s, requests[i], answer.Verdict, answer.Elsewhere)
			if answer.Proof != nil {
				text += fmt.Sprint(answer.Proof.Binding.Kind(), answer.Proof.Binding.Namespace(), answer.Proof.Binding.Name(), answer.Proof.Source.RoleName)
			}
			all = append(all, text)
		}
	}
	for _, n := range a.Notes() {
		all = append(all, n.ID, n.Subject.String())
	}
	return all
}

// TestChangesAreRead changes snapshots that were analysed before, and compares
// with an analysis of the same objects that nobody has read.
func TestChangesAreRead(t *testing.T) {
	u := newUniverse()
	r := rand.New(rand.NewPCG(21, 22))
	different := 0
	for range 60 {
		s := u.cluster(r).snapshot(t)
		var requests []Request
		for range 20 {
			requests = append(requests, u.request(r))
		}
		before := New(s).answers(requests)
		var changes []model.Change
		for _, o := range u.cluster(r).snapshot(t).All() {
			switch r.IntN(6) {
			case 0:
				changes = append(changes, model.Change{Key: o.Key})
			case 1:
				changes = append(changes, model.Change{Key: o.Key, Object: o})
			}
		}
		changed := s.With(changes...)
		var objects []*model.Object
		for _, o := range changed.All() {
			objects = append(objects, o)
		}
		got, want := New(changed).answers(requests), New(model.NewSnapshot(objects, true)).answers(requests)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("after a change:\n got %v\nwant %v", got, want)
		}
		if again := New(s).answers(requests); !reflect.DeepEqual(again, before) {
			t.Fatalf("the snapshot before the change:\n got %v\nwant %v", again, before)
		}
		if !slices.Equal(got, before) {
			different++
		}
	}
	if different < 30 {
		t.Errorf("only %d changes made a difference: the test shows little", different)
	}
}

// TestSubjectsOfOtherNamespaces names one service account from several
// namespaces and in each way; it must come out as one, at home in its own.
func TestSubjectsOfOtherNamespaces(t *testing.T) {
	const names = `{kind: ServiceAccount, name: x, namespace: home}`
	text := ""
	for i, s := range []string{names, `{kind: User, name: 'system:serviceaccount:home:x'}`, names, `{kind: ServiceAccount, name: x}`, `{kind: User, name: 'system:serviceaccount::x'}`} {
		namespace := []string{"away", "far", "home", "home", "away"}[i]
		text += fmt.Sprintf("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b%d, namespace: %s}\nroleRef: {kind: ClusterRole, name: view}\nsubjects: [%s]\n", i, namespace, s)
	}
	found := map[string]int{}
	for s, held := range New(snapshot(t, text)).Subjects() {
		if s.Kind == kindAccount && s.Name == "x" {
			found[s.Namespace] = len(held.Namespaces)
		}
	}
	if want := map[string]int{"home": 3, "": 1}; !maps.Equal(found, want) {
		t.Errorf("namespaces of the accounts, with in how many they have rights: %v, want %v", found, want)
	}
}

// What the API server would refuse or take for nothing gives nothing.
func TestOddBindings(t *testing.T) {
	role := func(kind, metadata string) string {
		return "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "\nmetadata: " + metadata + "\nrules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]\n"
	}
	bind := func(kind, metadata, ref, subject string) string {
		return "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "\nmetadata: " + metadata + "\nroleRef: " + ref + "\nsubjects: [" + subject + "]\n"
	}
	const jo = "{kind: User, name: jo}"
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"a cluster role":                      {role("ClusterRole", "{name: r}") + bind("ClusterRoleBinding", "{name: b}", "{kind: ClusterRole, name: r}", jo), true},
		"a role in the whole cluster":         {role("Role", "{name: r}") + bind("ClusterRoleBinding", "{name: b}", "{kind: Role, name: r}", jo), false},
		"a role of the namespace":             {role("Role", "{name: r, namespace: a}") + bind("RoleBinding", "{name: b, namespace: a}", "{kind: Role, name: r}", jo), true},
		"a role of another namespace":         {role("Role", "{name: r, namespace: a}") + bind("RoleBinding", "{name: b, namespace: b}", "{kind: Role, name: r}", jo), false},
		"a reference to no name":              {role("ClusterRole", "{generateName: r}") + bind("ClusterRoleBinding", "{name: b}", "{kind: ClusterRole}", jo), false},
		"a reference that is a text":          {role("ClusterRole", "{name: r}") + bind("ClusterRoleBinding", "{name: b}", "null", jo), false},
		"an account without a namespace":      {role("ClusterRole", "{name: r}") + bind("ClusterRoleBinding", "{name: b}", "{kind: ClusterRole, name: r}", "{kind: ServiceAccount, name: jo}"), false},
		"a subject of no kind":                {role("ClusterRole", "{name: r}") + bind("ClusterRoleBinding", "{name: b}", "{kind: ClusterRole, name: r}", "{name: jo}"), false},
		"an aggregating role":                 {aggregate("ClusterRole", "{name: all}", "Exists") + role("ClusterRole", "{name: r, labels: {x: a}}") + bind("ClusterRoleBinding", "{name: b}", "{kind: ClusterRole, name: all}", jo), true},
		"a role of a namespace aggregates":    {aggregate("Role", "{name: all, namespace: a}", "Exists") + role("ClusterRole", "{name: r, labels: {x: a}}") + bind("RoleBinding", "{name: b, namespace: a}", "{kind: Role, name: all}", jo), false},
		"roles without the label, labelled":   {aggregate("ClusterRole", "{name: all}", "DoesNotExist") + role("ClusterRole", "{name: r, labels: {x: a}}") + bind("ClusterRoleBinding", "{name: b}", "{kind: ClusterRole, name: all}", jo), false},
		"roles without the label, unlabelled": {aggregate("ClusterRole", "{name: all}", "DoesNotExist") + role("ClusterRole", "{name: r}") + bind("ClusterRoleBinding", "{name: b}", "{kind: ClusterRole, name: all}", jo), true},
		"roles without the label, other ones": {aggregate("ClusterRole", "{name: all}", "DoesNotExist") + role("ClusterRole", "{name: r, labels: {y: a}}") + bind("ClusterRoleBinding", "{name: b}", "{kind: ClusterRole, name: all}", jo), true},
	} {
		// With cluster-admin there, no other role is assumed to be. Objects without
		// a namespace stay so: nothing may take them for others.
		file := &tree.File{Name: "odd.yaml", Text: "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: cluster-admin}\nrules: []\n" + c.text}
		var objects []*model.Object
		for doc := range tree.Parse(file) {
			o, err := model.NewObject(doc.Root, &model.Source{File: file}, "", "")
			if doc.Err != nil || err != nil {
				t.Fatal(name, doc.Err, err)
			}
			objects = append(objects, o)
		}
		a := New(model.NewSnapshot(objects, true))
		got := false
		for s, held := range a.Subjects() {
			if s.Name == "jo" {
				got = got || held.Cluster.Has(ReadSecrets) || slices.ContainsFunc(held.Namespaces, func(s Scoped) bool { return s.Rights.Has(ReadSecrets) })
			}
		}
		if got != c.want {
			t.Errorf("%s gives the right: %t, want %t", name, got, c.want)
		}
	}
}

func aggregate(kind, metadata, operator string) string {
	return "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "\nmetadata: " + metadata +
		"\naggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: x, operator: " + operator + "}]}]}\nrules: []\n"
}

// A Role in a namespace aggregates nothing, whatever it says: the API server has
// no such field there.
func TestRolesAggregateNothing(t *testing.T) {
	text := "kind: Role\napiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: r, namespace: shop, labels: {l: a}}\n" +
		"aggregationRule: {clusterRoleSelectors: [{matchLabels: {l: a}}]}\nrules: []\n---\n" +
		"kind: ClusterRole\napiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: c, labels: {l: a}}\n" +
		"rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]\n---\n" +
		"kind: RoleBinding\napiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: b, namespace: shop}\nroleRef: {kind: Role, name: r}\nsubjects: [{kind: User, name: jo}]\n"
	a := New(snapshot(t, text))
	if r := a.Role(RoleName{"shop", "r"}); r.Aggregated || len(r.Grants(false)) > 0 {
		t.Errorf("aggregated: %t, gives %v", r.Aggregated, r.Grants(false))
	}
	answer := a.Can(User("jo"), &Request{Verb: "get", Resource: "secrets", Namespace: "shop"})
	for _, reason := range answer.Reasons {
		if strings.Contains(reason, "aggregates") {
			t.Errorf("reason: %s", reason)
		}
	}
}
