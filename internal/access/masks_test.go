package access

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/tree"
)

// requests yields the requests that a right is defined by, for a name that
// nothing mentions and for those that are enough alone.
func (r Right) requests(namespace string, ask func(Request)) {
	for _, n := range r.Needs() {
		if n.Cluster && namespace != "" {
			continue
		}
		for _, verb := range n.Verbs {
			for _, resource := range n.Resources {
				for _, name := range namesAsked(verb, resource, n) {
					q := Request{Verb: verb, Group: n.Group, Namespace: namespace, Name: name}
					q.Resource, q.Subresource, _ = strings.Cut(resource, "/")
					ask(q)
				}
			}
		}
	}
}

// namesAsked are the names of requests each of which gives a right for every name:
// one that nothing mentions, those that are enough alone, and none, for collections
// and to post an object.
func namesAsked(verb, resource string, n Need) []string {
	names := append([]string{freshName}, n.Names...)
	if !strings.Contains(resource, "/") && slices.Contains([]string{"create", "list", "watch", "deletecollection"}, verb) {
		names = append(names, "")
	}
	return names
}

// TestMasksAsRequests asks the oracle, for each subject and scope, for every
// request that a right is defined by.
func TestMasksAsRequests(t *testing.T) {
	u := newUniverse()
	r := rand.New(rand.NewPCG(5, 6))
	held := 0
	for range 25 {
		c := u.cluster(r)
		a := New(c.snapshot(t))
		for _, subject := range who {
			h := a.Rights(subject)
			for _, namespace := range append(testNamespaces, "") {
				got := h.In(namespace)
				if namespace == "" {
					got = h.Cluster
				}
				for right := ReadSecrets; right < firstTogether; right++ {
					want := false
					right.requests(namespace, func(q Request) { want = want || c.allows(subject, q) })
					if namespace != "" && !want { // what holds in the whole cluster holds here
						want = h.Cluster.Has(right)
					}
					if got.Has(right) != want {
						t.Fatalf("%v in %q: %s %t, want %t", subject, namespace, right, got.Has(right), want)
					}
					if want {
						held++
						if p, ok := a.Prove(subject, right, namespace); !ok {
							t.Fatalf("%v in %q: no proof of %s", subject, namespace, right)
						} else if compileRules(listOf(p.Rule)).cluster&(1<<right) == 0 {
							t.Fatalf("%v in %q: the proof of %s does not give it", subject, namespace, right)
						}
					}
				}
			}
		}
	}
	if held < 500 {
		t.Errorf("only %d rights were held: the test shows little", held)
	}
}

func listOf(r Rule) *tree.Node {
	n := tree.Of([]tree.Node{*r.Node})
	return n.Seal()
}

// allowedFor reports whether rules allow one of the requests for a resource by
// which the right is defined, for one name.
func (r Right) allowedFor(rules []rbacv1.PolicyRule, resource, name string) bool {
	for _, n := range r.Needs() {
		if !slices.Contains(n.Resources, resource) {
			continue
		}
		for _, verb := range n.Verbs {
			q := Request{Verb: verb, Group: n.Group, Namespace: "a", Name: name}
			q.Resource, q.Subresource, _ = strings.Cut(resource, "/")
			if verb != "create" || q.Subresource != "" {
				if anyRule(rules, q) {
					return true
				}
				continue
			}
			byPost, byApply := q, q
			byPost.Name, byApply.Verb = "", "patch"
			// By apply an object is created with its name, if need be by two rules.
			kept := resource != "bindings" && resource != "tokenreviews" && resource != "subjectaccessreviews"
			if anyRule(rules, byPost) || kept && anyRule(rules, q) && anyRule(rules, byApply) {
				return true
			}
		}
	}
	return false
}

// TestRestrictedAsRequests holds the names of rights against requests for them.
func TestRestrictedAsRequests(t *testing.T) {
	u := newUniverse()
	r := rand.New(rand.NewPCG(7, 8))
	found := 0
	for range 1500 {
		rules := u.rules(r)
		text, err := yaml.Marshal(map[string]any{"rules": rules})
		if err != nil {
			t.Fatal(err)
		}
		for doc := range tree.Parse(&tree.File{Name: "rules.yaml", Text: string(text)}) {
			set := compileRules(doc.Root.Seal().Get("rules"))
			for right := ReadSecrets; right < firstTogether; right++ {
				for _, n := range right.Needs() {
					for _, resource := range n.Resources {
						for _, name := range u.names {
							want := right.allowedFor(rules, resource, name)
							got := set.cluster.Has(right) || slices.ContainsFunc(set.named, func(n Named) bool {
								return n.Right == right && n.Resource == resource && slices.Contains(n.Names, name)
							})
							if want && !got || got && !want && !set.cluster.Has(right) {
								t.Fatalf("%s of %s %q: %t, want %t\n%s", right, resource, name, got, want, text)
							}
							if got && !set.cluster.Has(right) {
								found++
							}
						}
					}
				}
			}
		}
	}
	if found < 500 {
		t.Errorf("only %d names gave a right: the test shows little", found)
	}
}
