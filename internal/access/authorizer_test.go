//go:build integration

package access

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// questions are a cluster and requests about it, as test/authorizer reads it.
type questions struct {
	Roles               []rbacv1.Role
	RoleBindings        []rbacv1.RoleBinding
	ClusterRoles        []rbacv1.ClusterRole
	ClusterRoleBindings []rbacv1.ClusterRoleBinding
	Requests            []askedRequest
}

type askedRequest struct {
	User   string
	Groups []string
	Request
}

type decision struct{ Decision, Reason string }

// authorizer builds test/authorizer and returns its path.
func authorizer(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "authorizer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "..", "test", "authorizer")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the oracle: %v\n%s", err, out)
	}
	return program
}

func output(t *testing.T, stdin []byte, program string, args ...string) *bufio.Scanner {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), os.Stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(stdout))
	lines.Buffer(nil, 256<<20)
	return lines
}

// as returns what the API server knows of a subject that makes a request.
func as(s Subject, extra []string) (user string, groups []string) {
	s = s.canonical()
	switch s.Kind {
	case kindAccount:
		user = accountPrefix + s.Namespace + ":" + s.Name
	case kindUser:
		user = s.Name
	case kindGroup:
		groups = []string{s.Name}
	}
	return user, slices.Concat(groups, groupsOf(s), extra)
}

// TestAccessAgreesWithServer compares answers with those of the RBAC authorizer,
// over random clusters with and without what every cluster has. Aggregated roles
// are given to the authorizer as the controller completes them.
func TestAccessAgreesWithServer(t *testing.T) {
	program := authorizer(t)
	const clusters, requests = 1200, 250
	u := newUniverse()
	r := rand.New(rand.NewPCG(11, 12))
	builtinRoles, builtinBinds := serverBuiltins(t, program)
	var input bytes.Buffer
	encoder := json.NewEncoder(&input)
	var ours []Answer
	var questions []askedRequest
	everybody := append(who, User("system:anonymous"), Group(unauthenticated), User("system:node:one"), Group("other"), Group(serviceAccounts+":b"),
		User("system:kube-scheduler"), User(accountPrefix+"b:c:d"), User(accountPrefix+"b"), ServiceAccount("kube-system", "kube-dns"))
	for i := range clusters {
		c := u.cluster(r)
		q, a := withServer(t, r, c, i%2 == 0, builtinRoles, builtinBinds)
		for range requests {
			subject := everybody[r.IntN(len(everybody))]
			var extra []string
			if r.IntN(5) == 0 {
				extra = []string{"other"}
			}
			request := askedRequest{Request: u.requestNear(r, c)}
			request.User, request.Groups = as(subject, extra)
			q.Requests = append(q.Requests, request)
			questions = append(questions, request)
			ours = append(ours, a.Can(subject, &request.Request, extra...))
		}
		if err := encoder.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	at, allowed, differences := 0, 0, 0
	for lines := output(t, input.Bytes(), program); lines.Scan(); {
		var decisions []decision
		if err := json.Unmarshal(lines.Bytes(), &decisions); err != nil {
			t.Fatal(err)
		}
		for _, want := range decisions {
			got, q := ours[at], questions[at]
			at++
			yes := want.Decision == "allow"
			if yes {
				allowed++
			}
			node := slices.Contains(q.Groups, nodes) && !yes // another authorizer may allow it
			if (got.Verdict == Yes) != yes || got.Verdict == Unknown && !node ||
				yes && !strings.Contains(want.Reason, fmt.Sprintf("%s %q", got.Proof.Binding.Kind(), serverName(got.Proof.Binding))) {
				if differences++; differences <= 5 {
					t.Errorf("%+v\nours: %s %+v\nthe server's: %+v", q, got.Verdict, got.Proof, want)
				}
			}
		}
	}
	t.Logf("%d requests over %d clusters, %d allowed, %d differences", at, clusters, allowed, differences)
	if at != clusters*requests || allowed < at/20 {
		t.Errorf("%d answers of %d, %d allowed", at, clusters*requests, allowed)
	}
}

// withServer returns what the authorizer is given of a cluster and our analysis
// of it. usual adds what every cluster has, and bindings to some of it.
func withServer(t *testing.T, r *rand.Rand, c *cluster, usual bool, roles []rbacv1.ClusterRole, binds []rbacv1.ClusterRoleBinding) (questions, *Analysis) {
	if usual {
		c.clusterRoles = slices.DeleteFunc(c.clusterRoles, func(r rbacv1.ClusterRole) bool { return r.Name == "cluster-admin" })
		for range 2 {
			b := rbacv1.RoleBinding{Subjects: subjects(r), RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: []string{"view", "edit", "admin"}[r.IntN(3)]}}
			b.APIVersion, b.Kind, b.Name, b.Namespace = rbacv1.SchemeGroupVersion.String(), "RoleBinding", fmt.Sprint("x", r.IntN(9)), "a"
			c.binds = slices.DeleteFunc(c.binds, func(o rbacv1.RoleBinding) bool { return o.Name == b.Name && o.Namespace == b.Namespace })
			c.binds = append(c.binds, b)
		}
	}
	a := New(c.snapshot(t))
	q := questions{Roles: c.roles, RoleBindings: sorted(c.binds, func(b rbacv1.RoleBinding) string { return b.Name }),
		ClusterRoleBindings: sorted(c.clusterBinds, func(b rbacv1.ClusterRoleBinding) string { return b.Name })}
	if usual {
		c.clusterRoles = append(slices.Clone(roles), c.clusterRoles...)
		q.ClusterRoleBindings = append(slices.Clone(binds), q.ClusterRoleBindings...)
	}
	q.ClusterRoles = slices.Clone(c.clusterRoles)
	for i := range q.ClusterRoles {
		q.ClusterRoles[i].Rules = c.clusterRules(q.ClusterRoles[i].Name, nil)
	}
	return q, a
}

// serverName is how the authorizer writes the name of a binding.
func serverName(b Binding) string {
	if b.Namespace() != "" {
		return b.Name() + "/" + b.Namespace()
	}
	return b.Name()
}

func sorted[T any](list []T, name func(T) string) []T {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	return list
}

// serverBuiltins returns the roles and bindings that the API server makes, but
// for those of controllers.
func serverBuiltins(t *testing.T, program string) (roles []rbacv1.ClusterRole, binds []rbacv1.ClusterRoleBinding) {
	t.Helper()
	for lines := output(t, nil, program, "builtin"); lines.Scan(); {
		var kind struct{ Kind string }
		var role rbacv1.ClusterRole
		var bind rbacv1.ClusterRoleBinding
		err := json.Unmarshal(lines.Bytes(), &kind)
		if kind.Kind == "ClusterRole" && err == nil {
			if err = json.Unmarshal(lines.Bytes(), &role); !strings.HasPrefix(role.Name, "system:controller:") {
				roles = append(roles, role)
			}
		} else if err == nil {
			if err = json.Unmarshal(lines.Bytes(), &bind); !strings.HasPrefix(bind.Name, "system:controller:") {
				binds = append(binds, bind)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return roles, binds
}

// TestBuiltinsAgreeWithServer holds the roles and bindings that are assumed
// against those that the API server makes.
func TestBuiltinsAgreeWithServer(t *testing.T) {
	roles, binds := serverBuiltins(t, authorizer(t))
	atoms := func(rules []rbacv1.PolicyRule) []string {
		var all []string
		for _, r := range rules {
			for _, verb := range r.Verbs {
				for _, url := range r.NonResourceURLs {
					all = append(all, verb+" "+url)
				}
				for _, group := range r.APIGroups {
					for _, resource := range r.Resources {
						all = append(all, fmt.Sprint(verb, " ", resource, ".", group, " ", r.ResourceNames))
					}
				}
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	ours := map[string]*Role{}
	for _, r := range builtinRoles() {
		ours[r.Name] = &r
	}
	for _, want := range roles {
		role := ours[want.Name]
		if role == nil {
			t.Errorf("%s is missing", want.Name)
			continue
		}
		delete(ours, want.Name)
		var got []rbacv1.PolicyRule
		for _, r := range role.Rules() {
			got = append(got, rbacv1.PolicyRule{Verbs: r.Verbs(), APIGroups: r.Groups(), Resources: r.Resources(), ResourceNames: r.Names(), NonResourceURLs: r.URLs()})
		}
		if a, b := atoms(got), atoms(want.Rules); !slices.Equal(a, b) {
			t.Errorf("%s:\nours:   %v\nserver: %v", want.Name, without(a, b), without(b, a))
		}
		if aggregates := want.AggregationRule != nil; aggregates != role.Aggregated {
			t.Errorf("%s aggregates: %t", want.Name, aggregates)
		}
	}
	for name := range ours {
		t.Errorf("%s is not made by the server", name)
	}
	var got, want []string
	for _, b := range builtinBindings {
		got = append(got, fmt.Sprint(b.name, " ", b.name, " ", b.subjects))
	}
	for _, b := range binds {
		all := make([]Subject, 0, len(b.Subjects))
		for _, s := range b.Subjects {
			all = append(all, Subject{s.Kind, s.Namespace, s.Name})
		}
		want = append(want, fmt.Sprint(b.Name, " ", b.RoleRef.Name, " ", all))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("bindings:\nours:   %v\nserver: %v", without(got, want), without(want, got))
	}
}

func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}
