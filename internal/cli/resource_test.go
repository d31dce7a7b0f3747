package cli

import (
	"testing"

	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// TestResourceWords reads RESOURCE as people write it: built-in kinds come first,
// then those that definitions define, then custom ones that are widely known.
func TestResourceWords(t *testing.T) {
	crd := `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: certificates.networking.internal.knative.dev}
spec: {group: networking.internal.knative.dev, scope: Namespaced, names: {kind: Certificate, plural: certificates, shortNames: [kcert]}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: services.example.org}
spec: {group: example.org, scope: Cluster, names: {kind: Service, plural: services, shortNames: [svc]}}
`
	objects, err := manifest.Objects(t.Context(), &tree.File{Name: "crd.yaml", Text: crd}, manifest.Options{})
	if err != nil || len(objects) != 2 {
		t.Fatal(objects, err)
	}
	with, without := model.NewSnapshot(objects, false), model.NewSnapshot(nil, false)
	for _, test := range []struct {
		s            *model.Snapshot
		text         string
		group, name  string
		scoped, fail bool
	}{
		{without, "po", "", "pods", true, false},
		{without, "Pod", "", "", false, true},
		{without, "netpol", "networking.k8s.io", "networkpolicies", true, false},
		{without, "ns/shop", "", "namespaces", false, false},
		{with, "svc", "", "services", true, false},
		{with, "svc.example.org", "example.org", "services", false, false},
		{with, "certificates", "networking.internal.knative.dev", "certificates", true, false},
		{with, "kcert", "networking.internal.knative.dev", "certificates", true, false},
		{with, "cert.cert-manager.io", "cert-manager.io", "certificates", true, false},
		{without, "certificates", "cert-manager.io", "certificates", true, false},
		{without, "kcert", "", "", false, true},
		{without, "css", "external-secrets.io", "clustersecretstores", false, false},
		{without, "users", "", "users", false, false},
		{without, "signers.certificates.k8s.io", "certificates.k8s.io", "signers", false, false},
		{without, "scc", "security.openshift.io", "securitycontextconstraints", false, false},
		{without, "oxen.example.org", "example.org", "oxen", true, false},
		{without, "*.apps", "apps", "*", true, false},
		{without, ".apps", "", "", false, true},
		{without, ".authentication.k8s.io", "", "", false, true},
	} {
		q, scoped, err := parseRequest(test.s, "get", test.text)
		if err != nil || test.fail {
			if (err != nil) != test.fail {
				t.Errorf("%s: %v", test.text, err)
			}
			continue
		}
		if q.Group != test.group || q.Resource != test.name || scoped != test.scoped {
			t.Errorf("%s is %s of %q, in namespaces: %v", test.text, q.Resource, q.Group, scoped)
		}
	}
}
