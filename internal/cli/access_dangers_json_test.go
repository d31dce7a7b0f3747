package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const dangersOfAll = `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: all}, aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: all}}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: one, labels: {to: all}}, rules: [{apiGroups: [''], resources: [secrets, "<&>"], verbs: ["*"]}, {apiGroups: [''], resources: [pods/exec], verbs: [get], resourceNames: [a, b]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b, namespace: shop}, roleRef: {kind: ClusterRole, name: all}, subjects: [{kind: User, name: "jo <&>"}, {kind: Group, name: 'system:authenticated'}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: gone, namespace: shop}, roleRef: {kind: ClusterRole, name: gone}, subjects: [{kind: User, name: jo}]}
`

// Written piece by piece, the dangers are the JSON that they would be written as in
// one, with nothing left out.
func TestDangersJSON(t *testing.T) {
	objects, err := manifest.Objects(t.Context(), &tree.File{Name: "rbac.yaml", Text: dangersOfAll}, manifest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := access.New(model.NewSnapshot(objects, false))
	for _, c := range []struct {
		dangers []access.Danger
		notes   []access.Note
		unread  string
	}{{a.Dangers(), a.Notes(), a.Unread()}, {}, {nil, a.Notes(), ""}, {a.Dangers()[:1], nil, "not all was read"}} {
		for i := range c.dangers {
			c.dangers[i].More = i%2 == 0
		}
		var got bytes.Buffer
		if err := writeDangersJSON(&got, c.dangers, c.notes, c.unread); err != nil {
			t.Fatal(err)
		}
		var whole struct {
			Dangers []struct {
				dangerJSON
				Holders []holderJSON `json:"holders"`
				More    bool         `json:"more,omitempty"`
			} `json:"dangers"`
			Notes   []noteJSON `json:"notes"`
			Reasons []string   `json:"moreBecause,omitempty"`
		}
		if err := json.Unmarshal(got.Bytes(), &whole); err != nil {
			t.Fatalf("%v\n%s", err, &got)
		}
		var want bytes.Buffer
		if err := writeJSON(&want, whole); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("got\n%s\nwant\n%s", &got, &want)
		}
		if len(whole.Dangers) != len(c.dangers) || len(whole.Notes) != len(c.notes) || (len(whole.Reasons) > 0) != (c.unread != "") {
			t.Errorf("%d dangers, %d notes, reasons %q", len(whole.Dangers), len(whole.Notes), whole.Reasons)
		}
		for i, d := range c.dangers {
			if len(whole.Dangers[i].Holders) != len(d.Holders) || whole.Dangers[i].Holders[0].Subject != d.Holders[0].Subject.String() || whole.Dangers[i].Right != d.Right.String() {
				t.Errorf("%s: %+v", d.Right, whole.Dangers[i])
			}
		}
	}
	if err := writeDangersJSON(failingWriter{}, a.Dangers(), nil, ""); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
}

var errFull = errors.New("no space left")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }
