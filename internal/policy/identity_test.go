package policy

import (
	"bytes"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// fingerprints returns those of a failing rule for a subject, with the elements
// that they are of.
func fingerprints(t *testing.T, o *model.Object, subject string, facts Facts) map[model.Fingerprint]string {
	t.Helper()
	all := map[model.Fingerprint]string{}
	for _, out := range judge(o, facts, ruleOf(t, subject, "validations: [{expression: 'false', message: m}]")) {
		f := out.Finding
		if f == nil {
			t.Fatalf("%s: %s", subject, out.Reason)
		}
		if other, taken := all[f.Fingerprint]; taken {
			t.Errorf("%s and %s have the same fingerprint", f.Subject, other)
		}
		all[f.Fingerprint] = f.Subject
	}
	return all
}

const workload = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:
      - name: a
        image: i
        env: [{name: A, value: "1"}, {name: B, value: "2"}, {name: TOKEN, value: ghp_0123456789abcdefghijABCDEFGHIJ456789}]
        envFrom: [{configMapRef: {name: x}}, {secretRef: {name: x}}]
        ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}, {name: x, containerPort: 81}]
        volumeMounts: [{name: data, mountPath: /a}, {name: data, mountPath: /b}]
      - {name: b, image: i, env: [{name: A, value: "1"}]}
      initContainers:
      - {name: a2, image: i}
      volumes: [{name: data, emptyDir: {}}, {name: more, emptyDir: {}}]
`

// reordered is the same with every list turned round, comments and defaults.
const reordered = `
# moved down
kind: Deployment
apiVersion: apps/v1
metadata:
  namespace: shop
  name: web
spec:
  replicas: 1
  template:
    spec:
      volumes: [{name: more, emptyDir: {}}, {name: data, emptyDir: {}}]
      initContainers:
      - {name: a2, image: other}
      containers:
      - {name: b, image: i, env: [{name: A, value: changed}]}
      - name: a
        image: i
        volumeMounts: [{name: data, mountPath: /b}, {name: data, mountPath: /a}]
        ports: [{name: x, containerPort: 81, protocol: TCP}, {containerPort: 80, protocol: UDP}, {containerPort: 80}]
        envFrom: [{secretRef: {name: x}}, {configMapRef: {name: x}}]
        env: [{name: TOKEN, value: ghp_0123456789abcdefghijABCDEFGHIJ456789}, {name: B, value: "2"}, {name: A, value: "1"}]
`

func TestFingerprints(t *testing.T) {
	before := objects(t, "before.yaml", workload)[0]
	after := objects(t, "dir/after.yaml", reordered)[0]
	other := objects(t, "before.yaml", strings.Replace(workload, "name: web", "name: api", 1))[0]
	for subject, count := range map[string]int{
		"object": 1, "pod": 1, "container": 3, "env": 4, "envFrom": 2, "containerPort": 3, "volumeMount": 2, "volume": 2, "credential": 1,
	} {
		a, b, c := fingerprints(t, before, subject, world{}), fingerprints(t, after, subject, world{}), fingerprints(t, other, subject, world{})
		if len(a) != count || len(b) != count || len(c) != count {
			t.Errorf("%s: %d, %d and %d findings, want %d", subject, len(a), len(b), len(c), count)
		}
		for f, element := range a {
			if _, same := b[f]; !same {
				t.Errorf("%s: %s has another fingerprint after it was moved", subject, element)
			}
			if _, same := c[f]; same {
				t.Errorf("%s: %s has the fingerprint of another object", subject, element)
			}
		}
	}
}

func TestFingerprintsOfReferences(t *testing.T) {
	refer := func(index int) world {
		var all []Reference
		for _, name := range []string{"x", "y"} {
			path := tree.Keys("spec", "template", "spec", "containers").Join(tree.Step{Index: index}, tree.Step{Key: "envFrom"}, tree.Step{Index: 0})
			n := tree.MapOf(tree.Entry("kind", "Secret"), tree.Entry("name", name), tree.Entry("path", path.String()))
			all = append(all, Reference{*n.Seal(), path})
		}
		return world{references: all}
	}
	a, b := fingerprints(t, object(t, workload), "reference", refer(0)), fingerprints(t, object(t, reordered), "reference", refer(1))
	if len(a) != 2 || len(b) != 2 {
		t.Fatalf("%v and %v", a, b)
	}
}

func TestBaseline(t *testing.T) {
	o := object(t, workload)
	r := ruleOf(t, "container", "validations: [{expression: 'false', message: m}]")
	var found []*model.Finding
	for _, out := range judge(o, world{}, r) {
		found = append(found, out.Finding)
	}
	twice, excepted := *found[0], *found[2]
	excepted.Exception = &model.Exception{}
	found[1].Symptoms = []*model.Finding{&twice}
	var text bytes.Buffer
	if err := WriteBaseline(&text, []*model.Finding{found[0], found[1], &excepted}); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := WriteBaseline(&again, []*model.Finding{&excepted, found[1], found[0]}); err != nil || again.String() != text.String() {
		t.Errorf("another order gives another file: %v", err)
	}
	b, err := ReadBaseline(&text)
	if err != nil {
		t.Fatal(err)
	}
	if b.Left() != 3 {
		t.Errorf("%d findings in the baseline, want 3", b.Left())
	}
	for i, want := range []bool{true, true, false} { // it was there twice
		if got := b.Take(found[0].Fingerprint); got != want {
			t.Errorf("take %d: %t", i, got)
		}
	}
	if b.Take(excepted.Fingerprint) || b.Left() != 1 || !b.Take(found[1].Fingerprint) || b.Left() != 0 {
		t.Error("the rest of the baseline is wrong")
	}
	for _, wrong := range []string{"", "[]", `{"schema": "other"}`, `{"schema": "ullage.dev/baseline/v1", "findings": [{"fingerprint": "xy"}]}`} {
		if _, err := ReadBaseline(strings.NewReader(wrong)); err == nil {
			t.Errorf("%q is read as a baseline", wrong)
		}
	}
	var none *Baseline
	if none.Take(found[0].Fingerprint) || none.Left() != 0 {
		t.Error("no baseline holds a finding")
	}
}

// What has no name is known by its content, however its lists are ordered.
func TestFingerprintsOfContent(t *testing.T) {
	role := func(rule string) map[model.Fingerprint]string {
		text := "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: shop}\nrules:\n- " + rule + "\n"
		return fingerprints(t, object(t, text), "roleRule", world{})
	}
	of := func(rule string) (f model.Fingerprint) {
		for f = range role(rule) {
		}
		return f
	}
	a := of(`{apiGroups: [""], resources: [secrets, pods], verbs: [get, list, watch]}`)
	if b := of(`{verbs: [watch, get, list], resources: [pods, secrets], apiGroups: [""]}`); a != b {
		t.Error("another order is another finding")
	}
	for _, other := range []string{
		`{apiGroups: [""], resources: [secrets, pods], verbs: [get, list]}`, `{apiGroups: [""], resources: [get, list, watch], verbs: [secrets, pods]}`,
		`{apiGroups: [""], resources: [secrets, pods], verbs: [get, list, watch, watch]}`,
	} {
		if of(other) == a {
			t.Errorf("%s is the same finding", other)
		}
	}
}
