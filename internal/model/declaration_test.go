package model

import (
	"os"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/tree"
)

// example returns the last YAML block of the documentation.
func example(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/declaration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, last, ok := strings.Cut(string(text), "## Example")
	if !ok {
		t.Fatal("the documentation has no example")
	}
	_, block, _ := strings.Cut(last, "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	return block
}

func declarations(text string) (all []*Declaration, err error) {
	file := &tree.File{Name: "ullage.yaml", Text: text}
	index := 0
	for doc := range tree.Parse(file) {
		if doc.Err != nil {
			return nil, doc.Err
		}
		if doc.Root == nil {
			continue
		}
		d, err := ParseDeclaration(doc.Root, &Source{File: file, Document: index})
		if err != nil {
			return nil, err
		}
		all, index = append(all, d), index+1
	}
	return all, nil
}

func TestDocumentedDeclaration(t *testing.T) {
	all, err := declarations(example(t))
	if err != nil || len(all) != 2 {
		t.Fatalf("%d declarations, %v", len(all), err)
	}
	checkout, export := all[0], all[1]
	if checkout.Owner != "payments" || len(checkout.Peers.Out) != 3 || checkout.Peers.In[0].Workload != "storefront" {
		t.Errorf("%+v", checkout)
	}
	if checkout.Capabilities == nil || len(checkout.Capabilities) != 0 || export.Capabilities != nil {
		t.Error("an empty list is not told from an absent one")
	}
	if number, protocol, ok := SplitPort(checkout.Peers.Out[2].Ports[0]); number != 53 || protocol != "UDP" || !ok {
		t.Errorf("port %d/%s", number, protocol)
	}
	if export.Period() != 31*24*time.Hour || checkout.Period() != 0 {
		t.Errorf("periods %v, %v", export.Period(), checkout.Period())
	}
	o := object(t, deploymentText)
	if !checkout.Covers(o) || export.Covers(o) {
		t.Error("the wrong declaration covers the Deployment")
	}
	o.Key.Namespace = "other"
	if checkout.Covers(o) {
		t.Error("a declaration for one namespace covers another")
	}
	if checkout.Node().Get("files").At(0).Str() != "/tmp" || checkout.Node().Hash() == 0 {
		t.Error("the node cannot be read")
	}
}

func TestDeclarationErrors(t *testing.T) {
	const head = "apiVersion: ullage.dev/v1alpha1\nkind: Declaration\n"
	const web = head + "workloads: [{kind: Deployment, name: web}]\n"
	for _, test := range []struct{ text, want string }{
		{"apiVersion: ullage.dev/v9\nkind: Declaration\n", "ullage.yaml:1:1: declaration: apiVersion is not ullage.dev/v1alpha1"},
		{head, "ullage.yaml:1:1: declaration: workloads names no workload"},
		{web + "ownr: x\n", "ullage.yaml:4:1: declaration: ownr is not a field of a declaration"},
		{web + "peers:\n  out:\n    - {port: 1}\n", "ullage.yaml:6:8: declaration: peers.out[0].port is not a field"},
		{web + "owner: [x]\n", "ullage.yaml:4:1: declaration: owner is a list, not a string"},
		{head + "workloads: [{kind: Deployment}]\n", "workloads[0] has no kind or no name"},
		{web + "peers: {out: [{dns: a.example, cidr: 10.0.0.0/8}]}\n", "peers.out[0] needs one of"},
		{web + "peers: {out: [{}]}\n", "peers.out[0] needs one of"},
		{web + "peers: {in: [{dns: a.example, namespace: x}]}\n", "peers.in[0] has a namespace"},
		{web + "peers: {out: [{cidr: 10.0.0.0}]}\n", "peers.out[0].cidr is not a network"},
		{web + "peers: {out: [{dns: 'a b'}]}\n", "peers.out[0].dns is not a DNS name"},
		{web + "peers: {out: [{service: db, ports: [0]}]}\n", "peers.out[0].ports[0] is not a port"},
		{web + "peers: {out: [{service: db, ports: [80/HTTP]}]}\n", "peers.out[0].ports[0] is not a port"},
		{web + "files: [tmp]\n", "files[0] is not an absolute path"},
		{web + "capabilities: [CAP_SYS_ADMIN]\n", "capabilities[0] is not a capability"},
		{web + "api: [{resources: [pods]}]\n", "api[0] has no resources or no verbs"},
		{web + "secrets: ['']\n", "secrets[0] is empty"},
		{web + "runs: fortnightly\n", "runs is none of"},
	} {
		if _, err := declarations(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngives %v\nwant  %s", test.text, err, test.want)
		}
	}
}

func FuzzParseDeclaration(f *testing.F) {
	f.Add(example(f))
	f.Fuzz(func(_ *testing.T, text string) { _, _ = declarations(text) })
}
