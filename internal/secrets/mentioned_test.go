package secrets

import (
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// TestMentions holds what leaves it open whether shop/s is in use, and the near misses.
func TestMentions(t *testing.T) {
	const custom = "apiVersion: db.example/v1\nkind: Database\nmetadata: {name: d, namespace: shop}\n"
	for _, c := range []struct{ what, metadata, text, want string }{
		{"nothing", "", podWith("{}", "", ""), ""},
		{"option", "", podWith("{}", ", args: [--tls-secret=s]", ""), `Pod/shop/w names it in an argument of container "main"`},
		{"option and value", "", podWith("{}", ", args: [--tls-secret, s]", ""), "an argument"},
		{"option of something else", "", podWith("{}", ", args: [--host=s, --tls-secret=other, s]", ""), ""},
		{"of a namespace", "", podWith("{}", ", command: [proxy, --default-ssl-certificate=shop/s]", ""), "an argument"},
		{"of another namespace", "", podWith("{}", ", command: [proxy, --default-ssl-certificate=other/s]", ""), ""},
		{"script", "", podWith("{}", ", command: [sh, -c, 'kubectl get secret s -o json']", ""), "an argument"},
		{"variable", "", podWith("{}", ", env: [{name: TLS_SECRET, value: s}]", ""), `variable TLS_SECRET of container "main"`},
		{"variable of something else", "", podWith("{}", ", env: [{name: HOST, value: s}]", ""), ""},
		{"annotation", "", podWith("{example.com/tls-certs: 'a,s'}", "", ""), "the annotation example.com/tls-certs"},
		{"annotation of something else", "", podWith("{meta.helm.sh/release-name: s}", "", ""), ""},
		{"field", "", custom + "spec: {auth: {existing: [s]}}\n", "Database.db.example/shop/d names it in spec.auth.existing[0]"},
		{"field of something else", "", custom + "spec: {host: s}\n", ""},
		{"field with another namespace", "", custom + "spec: {auth: {namespace: other, existing: s}}\n", ""},
		{"field of another namespace", "", strings.Replace(custom, "namespace: shop", "namespace: other", 1) + "spec: {auth: {existing: s}}\n", ""},
		{"part of a name", "", custom + "spec: {auth: {existing: s-2}}\n", ""},
		{"label", ", labels: {konghq.com/credential: key-auth}", custom, "Kong may choose it by the label konghq.com/credential"},
		{"labels of a group", ", labels: {strimzi.io/cluster: c}", custom, "Strimzi may choose it"},
		{"label of another", ", labels: {app: web}", custom, ""},
		{"owner", ", ownerReferences: [{apiVersion: db.example/v1, kind: Database, name: d}]", custom, "it belongs to Database/d"},
		{"itself", ", annotations: {cert-manager.io/certificate-name: s}", custom, ""},
	} {
		all := objects(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s"+c.metadata+"}\n---\n"+strings.TrimPrefix(c.text, "\n"))
		got := MentionsIn(model.NewSnapshot(all, true)).InUse(all[0])
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// TestSecretsOfIstioGateways holds that these are in the namespaces of the proxies.
func TestSecretsOfIstioGateways(t *testing.T) {
	const gateway = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: shop}\nspec: {selector: {istio: in}, servers: [{tls: {credentialName: s}}]}\n"
	proxy := func(namespace, label string) string {
		return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: " + namespace + ", labels: {istio: " + label + "}}\nspec: {containers: [{name: c, image: i}]}\n"
	}
	const authority = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s-cacert, namespace: mesh}\n"
	for _, c := range []struct{ what, text, want string }{
		{"no proxy", gateway + proxy("mesh", "out"), "/s"},
		{"a proxy", gateway + proxy("mesh", "in") + proxy("shop", "out"), "mesh/s"},
		{"two", gateway + proxy("mesh", "in") + proxy("edge", "in"), "edge/s mesh/s"},
		{"authority", gateway + proxy("mesh", "in") + authority, "mesh/s mesh/s-cacert"},
		{"no selector", strings.Replace(gateway, "selector: {istio: in}, ", "", 1) + proxy("mesh", "in"), "/s"},
	} {
		all := objects(t, c.text)
		var got []string
		for _, use := range UsesIn(model.NewSnapshot(all, true)).Of(all[0]) {
			got = append(got, use.Name.String())
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
