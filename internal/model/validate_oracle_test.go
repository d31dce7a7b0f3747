//go:build integration

package model

import (
	"net/http"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/test/apiserver"
)

// TestRefusalsAgreeWithServer holds the rows against what a server answers.
func TestRefusalsAgreeWithServer(t *testing.T) {
	server := apiserver.Start(t)
	server.DefinePolicyAPI(t)
	for _, row := range refusalRows {
		collection := map[string]string{
			"np": "networking.k8s.io/v1/namespaces/default/networkpolicies", "slice": "discovery.k8s.io/v1/namespaces/default/endpointslices",
			"anp": "policy.networking.k8s.io/v1alpha1/adminnetworkpolicies", "banp": "policy.networking.k8s.io/v1alpha1/baselineadminnetworkpolicies",
			"cnp": "policy.networking.k8s.io/v1alpha2/clusternetworkpolicies",
		}[row.kind]
		create := func(text string) (int, string) {
			t.Helper()
			body, err := yaml.YAMLToJSON([]byte(row.manifest(text)))
			if err != nil {
				t.Fatal(err)
			}
			code, answer, err := server.Send(t.Context(), http.MethodPost, "/apis/"+collection+"?dryRun=All&fieldValidation=Strict", string(body))
			if err != nil {
				t.Fatal(err)
			}
			return code, string(answer)
		}
		code, answer := create(row.refused)
		if invalid := code == http.StatusUnprocessableEntity && strings.Contains(answer, "Invalid"); !invalid && !strings.Contains(answer, "unknown field") {
			t.Errorf("%s %s\n%d %s", row.kind, row.refused, code, answer)
		}
		if code, answer := create(row.taken); code != http.StatusCreated {
			t.Errorf("%s %s\n%d %s", row.kind, row.taken, code, answer)
		}
	}
}
