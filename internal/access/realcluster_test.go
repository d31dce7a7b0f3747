//go:build integration

package access

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"

	live "ullage.dev/ullage/internal/cluster"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/test/apiserver"
)

const (
	rbacPath    = "/apis/rbac.authorization.k8s.io/v1/"
	reviewsPath = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
)

// judge is an API server that says who may do what.
type judge struct {
	t      *testing.T
	server *apiserver.Server
}

// send makes a request that must succeed, and reads the answer.
func (j *judge) send(method, path string, body, answer any) {
	text, err := json.Marshal(body)
	if err != nil {
		j.t.Error(err)
		return
	}
	code, got, err := j.server.Send(j.t.Context(), method, path, string(text))
	if err == nil && code >= 300 {
		err = fmt.Errorf("%d %s", code, got)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(got, answer)
	}
	if err != nil {
		j.t.Errorf("%s %s %s: %v", method, path, text, err)
	}
}

// atOnce calls do for numbers below n, some at a time.
func atOnce(n int, do func(i int)) {
	const workers = 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				do(i)
			}
		})
	}
	wg.Wait()
}

// write makes the objects of a cluster. All bear the label colour.
func (j *judge) write(c *cluster) {
	colour := map[string]string{"colour": "none"}
	type object struct {
		path string
		body any
	}
	var all []object
	for _, o := range c.clusterRoles {
		all = append(all, object{"clusterroles", o})
	}
	for _, o := range c.roles {
		o.Labels = colour
		all = append(all, object{"namespaces/" + o.Namespace + "/roles", o})
	}
	for _, o := range c.clusterBinds {
		o.Labels = colour
		all = append(all, object{"clusterrolebindings", o})
	}
	for _, o := range c.binds {
		o.Labels = colour
		all = append(all, object{"namespaces/" + o.Namespace + "/rolebindings", o})
	}
	atOnce(len(all), func(i int) { j.send(http.MethodPost, rbacPath+all[i].path, all[i].body, nil) })
}

// erase removes what write made.
func (j *judge) erase() {
	paths := []string{"clusterroles", "clusterrolebindings"}
	for _, ns := range testNamespaces {
		paths = append(paths, "namespaces/"+ns+"/roles", "namespaces/"+ns+"/rolebindings")
	}
	atOnce(len(paths), func(i int) { j.send(http.MethodDelete, rbacPath+paths[i]+"?labelSelector=colour", nil, nil) })
}

// aggregate does what the controller does of which there is none, for the
// ClusterRoles that a query lists, and returns them as they were.
func (j *judge) aggregate(query string) []rbacv1.ClusterRole {
	var list rbacv1.ClusterRoleList
	j.send(http.MethodGet, rbacPath+"clusterroles"+query, nil, &list)
	c := &cluster{clusterRoles: list.Items}
	for _, role := range list.Items {
		if role.AggregationRule != nil {
			j.send(http.MethodPatch, rbacPath+"clusterroles/"+role.Name, map[string]any{"rules": c.clusterRules(role.Name, nil)}, nil)
		}
	}
	return list.Items
}

// settle waits until the authorizer knows all that was written: it learns of the
// objects of one kind in their order, so the last of each kind are enough.
func (j *judge) settle(round int) {
	j.t.Helper()
	const user = "sentinel"
	name := fmt.Sprint("last-", round)
	last := &cluster{clusterRoles: make([]rbacv1.ClusterRole, 1), roles: make([]rbacv1.Role, 1), clusterBinds: make([]rbacv1.ClusterRoleBinding, 1), binds: make([]rbacv1.RoleBinding, 1)}
	subject := []rbacv1.Subject{{Kind: kindUser, Name: user}}
	role, clusterRole, bind, clusterBind := &last.roles[0], &last.clusterRoles[0], &last.binds[0], &last.clusterBinds[0]
	clusterRole.Name, clusterRole.Labels = name, map[string]string{"colour": "none"}
	clusterRole.Rules = []rbacv1.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/" + name}}}
	role.Name, role.Namespace = name, testNamespaces[0]
	role.Rules = []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{name}}}
	clusterBind.Name, clusterBind.Subjects, clusterBind.RoleRef = name, subject, rbacv1.RoleRef{Kind: "ClusterRole", Name: name}
	bind.Name, bind.Namespace, bind.Subjects, bind.RoleRef = name, testNamespaces[0], subject, rbacv1.RoleRef{Kind: "Role", Name: name}
	j.write(last)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		wide := j.review(askedRequest{User: user, Request: Request{Verb: "get", URL: "/" + name}})
		near := j.review(askedRequest{User: user, Request: Request{Verb: "get", Resource: name, Namespace: testNamespaces[0]}})
		if wide.Allowed && near.Allowed {
			return
		}
		if j.t.Failed() || time.Now().After(deadline) {
			j.t.Fatal("the authorizer does not learn of what was written")
		}
	}
}

// review asks the server.
func (j *judge) review(q askedRequest) authorizationv1.SubjectAccessReviewStatus {
	var review authorizationv1.SubjectAccessReview
	review.Spec.User, review.Spec.Groups = q.User, q.Groups
	if q.URL != "" {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: q.URL, Verb: q.Verb}
	} else {
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Namespace: q.Namespace, Verb: q.Verb, Group: q.Group, Resource: q.Resource, Subresource: q.Subresource, Name: q.Name,
		}
	}
	j.send(http.MethodPost, reviewsPath, &review, &review)
	return review.Status
}

// acceptable returns a random cluster that the API server takes, with bindings to
// roles that the server made.
func (u *universe) acceptable(r *rand.Rand, usual []rbacv1.ClusterRole) *cluster {
	c := u.cluster(r)
	c.clusterRoles = slices.DeleteFunc(c.clusterRoles, func(r rbacv1.ClusterRole) bool { return r.Name == "cluster-admin" })
	more := func(rules []rbacv1.PolicyRule, namespaced bool) []rbacv1.PolicyRule {
		return slices.DeleteFunc(slices.Concat(rules, u.rules(r), u.rules(r)), func(rule rbacv1.PolicyRule) bool {
			resources := len(rule.APIGroups) > 0 && len(rule.Resources) > 0
			return len(rule.Verbs) == 0 || !resources && (namespaced || len(rule.NonResourceURLs) == 0)
		})
	}
	for i := range c.clusterRoles {
		c.clusterRoles[i].Rules = more(c.clusterRoles[i].Rules, false)
	}
	for i := range c.roles {
		c.roles[i].Rules = more(c.roles[i].Rules, true)
	}
	nowhere := func(s rbacv1.Subject) bool { return s.Kind == kindAccount && s.Namespace == "" }
	for i := range c.clusterBinds {
		c.clusterBinds[i].Subjects = slices.DeleteFunc(c.clusterBinds[i].Subjects, nowhere)
	}
	for i, name := range []string{"view", "edit", "admin", usual[r.IntN(len(usual))].Name} {
		b := rbacv1.RoleBinding{Subjects: subjects(r), RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: name}}
		b.Name, b.Namespace = fmt.Sprint("usual", i), testNamespaces[i%2]
		c.binds = append(c.binds, b)
	}
	for i := range c.binds {
		c.binds[i].Subjects = slices.DeleteFunc(c.binds[i].Subjects, nowhere)
	}
	return c
}

// asking is a question and our answer.
type asking struct {
	q      askedRequest
	ours   Answer
	proofs []Proof // all, of whoever may
}

// questions makes requests and answers them.
func (u *universe) questions(r *rand.Rand, a *Analysis, near ...*cluster) []asking {
	everybody := append(who, User("system:anonymous"), Group(unauthenticated), Group(serviceAccounts+":b"), Group("other"), User("system:node:one"),
		User("system:kube-scheduler"), User("system:kube-controller-manager"), ServiceAccount("kube-system", "bootstrap-signer"),
		ServiceAccount("kube-system", "token-cleaner"), ServiceAccount("kube-system", "deployment-controller"), Group(masters))
	all := make([]asking, 400)
	for i := range all {
		subject := everybody[r.IntN(len(everybody))]
		var extra []string
		if r.IntN(5) == 0 {
			extra = []string{"other"}
		}
		n := &all[i]
		n.q.Request = u.requestNear(r, near[r.IntN(len(near))])
		if n.q.Namespace == "c" && r.IntN(2) == 0 {
			n.q.Namespace = "kube-system"
		}
		n.q.User, n.q.Groups = as(subject, extra)
		n.ours = a.Can(subject, &n.q.Request, extra...)
		n.proofs, _ = a.WhoCan(&n.q.Request)
	}
	return all
}

// differs says how our answer differs from the server's, "" when it does not.
func (n *asking) differs(status authorizationv1.SubjectAccessReviewStatus) string {
	yes, node := n.ours.Verdict == Yes, slices.Contains(n.q.Groups, nodes) // another authorizer may allow it
	switch {
	case status.EvaluationError != "":
		return status.EvaluationError
	case n.ours.Verdict == Unknown && node:
		return ""
	case n.ours.Verdict == Unknown || yes != status.Allowed:
		return "the verdict differs"
	case !yes || slices.Contains(n.q.Groups, masters) || node:
		return ""
	}
	// The server names one of the bindings that allow it, in no certain order.
	named := func(p Proof) bool {
		return strings.Contains(status.Reason, fmt.Sprintf("%s %q", p.Binding.Kind(), serverName(p.Binding)))
	}
	if !slices.ContainsFunc(n.proofs, named) {
		return "the binding is none of those that we know"
	}
	return ""
}

// groups returns those that the server puts a user into by its name.
func (j *judge) groups(user string) []string {
	j.t.Helper()
	config := rest.CopyConfig(j.server.Admin)
	config.Impersonate.UserName = user
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		j.t.Fatal(err)
	}
	answer, err := client.Post(config.Host+"/apis/authentication.k8s.io/v1/selfsubjectreviews", "application/json", strings.NewReader("{}"))
	if err != nil {
		j.t.Fatal(err)
	}
	defer answer.Body.Close()
	var review authenticationv1.SelfSubjectReview
	if err := json.NewDecoder(answer.Body).Decode(&review); err != nil || answer.StatusCode >= 300 {
		j.t.Fatal(answer.Status, err)
	}
	return slices.Sorted(slices.Values(review.Status.UserInfo.Groups))
}

// TestRealCluster compares answers with SubjectAccessReviews of a real API
// server, over random roles and bindings that are read from it beside those that
// it made itself.
func TestRealCluster(t *testing.T) {
	const rounds = 20
	j := &judge{t, apiserver.Start(t)}
	client, err := live.Connect(t.Context(), j.server.Kubeconfig(t, "dev", j.server.Admin.BearerToken, ""), "", "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range testNamespaces {
		j.send(http.MethodPost, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": ns}}, nil)
	}
	for _, s := range []Subject{ServiceAccount("a", "x"), User("jo"), User(accountPrefix + "b:x"), User(accountPrefix + "b")} {
		user, groups := as(s, nil)
		if got := j.groups(user); !slices.Equal(got, slices.Sorted(slices.Values(groups))) {
			t.Errorf("the server puts %s into %v, and we into %v", user, got, groups)
		}
	}
	u, r := newUniverse(), rand.New(rand.NewPCG(21, 22))
	usual := j.aggregate("")
	asked, allowed, differences := 0, 0, 0
	for round := range rounds {
		c := u.acceptable(r, usual)
		j.write(c)
		j.aggregate("?labelSelector=colour")
		j.settle(round)
		in, err := client.Read(t.Context(), live.Options{})
		if err != nil || len(in.Problems) > 0 || t.Failed() {
			t.Fatal(err, in.Problems)
		}
		all := u.questions(r, New(model.NewSnapshot(in.Objects, true, in.Gaps...)), c, c, c, &cluster{clusterRoles: usual})
		answers := make([]authorizationv1.SubjectAccessReviewStatus, len(all))
		atOnce(len(all), func(i int) { answers[i] = j.review(all[i].q) })
		for i, n := range all {
			asked++
			if answers[i].Allowed {
				allowed++
			}
			if why := n.differs(answers[i]); why != "" {
				if differences++; differences <= 5 {
					t.Errorf("%s: %+v\nours: %s %+v\nthe server's: %+v", why, n.q, n.ours.Verdict, n.ours.Proof, answers[i])
				}
			}
		}
		j.erase()
	}
	t.Logf("%d requests in %d rounds, %d allowed, %d differences", asked, rounds, allowed, differences)
	if len(usual) < 60 || allowed < asked/10 {
		t.Errorf("the server made %d roles, %d of %d requests were allowed: the test shows little", len(usual), allowed, asked)
	}
}
