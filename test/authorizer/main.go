// Command authorizer answers access requests with the RBAC authorizer of the
// API server itself: the oracle of package internal/access.
//
// Its input is one JSON document a line, each a cluster: roles, bindings and
// requests. It answers each with one line: a JSON list with the decision on each
// request, "allow" or "no opinion", and the reason that the authorizer gives.
//
// With the argument builtin it prints instead the ClusterRoles and
// ClusterRoleBindings that every cluster has, one JSON object a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/kubernetes/pkg/registry/rbac/validation"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

func main() {
	run := decide
	if len(os.Args) == 2 && os.Args[1] == "builtin" {
		run = builtin
	}
	out := bufio.NewWriter(os.Stdout)
	err := run(json.NewEncoder(out))
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "authorizer:", err)
		os.Exit(1)
	}
}

// cluster is one line of input.
type cluster struct {
	Roles               []*rbacv1.Role
	RoleBindings        []*rbacv1.RoleBinding
	ClusterRoles        []*rbacv1.ClusterRole
	ClusterRoleBindings []*rbacv1.ClusterRoleBinding
	Requests            []request
}

type request struct {
	User                                                     string
	Groups                                                   []string
	Verb, Group, Resource, Subresource, Namespace, Name, URL string
}

type answer struct {
	Decision string `json:"decision"`
	Reason   string `json:"reason,omitempty"`
}

func decide(encoder *json.Encoder) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var c cluster
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("read cluster: %w", err)
		}
		_, static := validation.NewTestRuleResolver(c.Roles, c.RoleBindings, c.ClusterRoles, c.ClusterRoleBindings)
		judge := rbac.New(static, static, static, static)
		answers := make([]answer, len(c.Requests))
		for i, q := range c.Requests {
			decision, reason, err := judge.Authorize(context.Background(), attributes(q))
			if err != nil {
				return err
			}
			answers[i] = answer{"no opinion", reason}
			if decision == authorizer.DecisionAllow {
				answers[i].Decision = "allow"
			}
		}
		if err := encoder.Encode(answers); err != nil {
			return err
		}
	}
	return lines.Err()
}

func attributes(q request) authorizer.Attributes {
	return authorizer.AttributesRecord{
		User: &user.DefaultInfo{Name: q.User, Groups: q.Groups}, Verb: q.Verb, Namespace: q.Namespace, APIGroup: q.Group,
		Resource: q.Resource, Subresource: q.Subresource, Name: q.Name, ResourceRequest: q.URL == "", Path: q.URL,
	}
}

func builtin(encoder *json.Encoder) error {
	for _, r := range append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...) {
		r.APIVersion, r.Kind = rbacv1.SchemeGroupVersion.String(), "ClusterRole"
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}
	for _, b := range append(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()...) {
		b.APIVersion, b.Kind = rbacv1.SchemeGroupVersion.String(), "ClusterRoleBinding"
		if err := encoder.Encode(b); err != nil {
			return err
		}
	}
	return nil
}
