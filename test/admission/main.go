// Command admission judges Kubernetes objects by ValidatingAdmissionPolicies
// with the API server's own packages: the oracle of package policy.
//
// The first line of its input is a JSON list of policies, each further line an
// object. The answer is the error that a policy does not compile with, or one
// line for each object: {"raw": "...", "typed": "..."}, each with one letter for
// each policy, in order:
//
//	p  admitted
//	f  denied
//	e  could not be evaluated
//	-  the policy is not about the object
//
// raw is the object as it was read, typed the object after it went through the
// Go type of its kind, as the server sees it; typed is empty for kinds without
// one.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "admission:", err)
		os.Exit(1)
	}
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	lines.Scan()
	var sources []admissionv1.ValidatingAdmissionPolicy
	if err := json.Unmarshal(lines.Bytes(), &sources); err != nil {
		return fmt.Errorf("read policies: %w", err)
	}
	policies := make([]*policy, len(sources))
	for i := range sources {
		var err error
		if policies[i], err = compile(&sources[i]); err != nil {
			return fmt.Errorf("policy %s: %w", sources[i].Name, err)
		}
	}
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
