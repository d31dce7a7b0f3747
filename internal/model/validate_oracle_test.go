//go:build integration

package model

import (
	"net/http"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/test/apiserver"
)

// TestRefusalsAgreeWithServer holds the rows about NetworkPolicies against what a
// server answers.
func TestRefusalsAgreeWithServer(t *testing.T) {
	server := apiserver.Start(t)
	create := func(text string) (int, string) {
		t.Helper()
		body, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		code, answer, err := server.Send(t.Context(), http.MethodPost, "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies?dryRun=All&fieldValidation=Strict", string(body))
		if err != nil {
			t.Fatal(err)
		}
		return code, string(answer)
	}
	rows := 0
	for _, row := range refusalRows {
		if row.kind != "np" {
			continue
		}
		rows++
		if code, answer := create(row.manifest(row.refused)); code != http.StatusUnprocessableEntity || !strings.Contains(answer, "Invalid") {
			t.Errorf("%s\n%d %s", row.refused, code, answer)
		}
		if code, answer := create(row.manifest(row.taken)); code != http.StatusCreated {
			t.Errorf("%s\n%d %s", row.taken, code, answer)
		}
	}
	if rows == 0 {
		t.Error("no rows")
	}
}
