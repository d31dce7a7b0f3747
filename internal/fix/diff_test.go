package fix_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/fix"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const canary = "Canary7Xq2Zp9Lk"

// printed returns all that a plan shows.
func printed(t *testing.T, p *fix.Plan) string {
	t.Helper()
	var b bytes.Buffer
	for _, color := range []bool{false, true} {
		if err := p.WriteDiff(&b, color); err != nil {
			t.Fatal(err)
		}
		if err := fix.WriteSummary(&b, p, color, 0); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func patched(t *testing.T, name, diff string) string {
	t.Helper()
	if _, err := exec.LookPath("patch"); err != nil {
		t.Skip("no patch program")
	}
	cmd := exec.CommandContext(t.Context(), "patch", "--binary", name)
	cmd.Stdin = strings.NewReader(diff)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, diff)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const podHead = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: c\n    image: x:1\n"

// Secrets near a change shorten the context; the diff still applies.
func TestSecretsNearby(t *testing.T) {
	for _, near := range []string{
		"    env:\n    - name: DB_PASSWORD\n      value: " + canary + "\n",
		"    env:\n    - name: DB_PASSWORD\n      value: |-\n        " + canary + "\n        second " + canary + "\n",
		"    env:\n    - name: DB_PASSWORD\n      value: >-\n        " + canary + "\n",
		"    env: [{name: DB_PASSWORD, value: \"" + canary + "\"}]\n",
		"    args:\n    - --password=" + canary + "\n",
		"    stdin: false # password: " + canary + "\n",
		"    stdin: false\n    # the token is " + canary + "\n",
		"    stdin: false\n---\nkind: Secret\napiVersion: v1\nmetadata: {name: b}\nstringData:\n  key: " + canary + "\n",
		"    stdin: false\n---\nnot: kubernetes\npassword: " + canary + "\n",
		"    stdin: false\n---\nbroken: [\n" + canary + "\n",
		"    env:\n    - name: TOKEN\n      valueFrom: {secretKeyRef: {name: x, key: z}}\n---\npassword: " + canary + "\n",
		"  - name: d\n    image: x:1\n  - args: [--password=" + canary + "]\n    name: e\n    image: x:1\n",
	} {
		name := write(t, "a.yaml", podHead+near)
		w := newWorld(t, name)
		w.rules = w.rules[3:4]
		p := w.plan(false)
		if len(p.Files) != 1 {
			t.Fatalf("%+v\n%s", p, near)
		}
		if text := printed(t, p); strings.Contains(text, canary) {
			t.Errorf("the secret is shown\n%s", text)
		}
		d := diff(t, p)
		if d == "" {
			t.Errorf("no changed line holds a secret\n%s", near)
		}
		if got := patched(t, name, d); got != p.Files[0].New || !strings.Contains(got, canary) {
			t.Errorf("patch made\n%s", got)
		}
	}
}

// A file of which a changed line holds a secret is left out of the diff, which
// applies for the others, and the summary says so.
func TestSecretsInChangedLines(t *testing.T) {
	for _, text := range []string{
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: c, image: x:1, env: [{name: DB_PASSWORD, value: " + canary + "}, {name: A_TOKEN, value: 'x" + canary + "'}]}\n",
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"x:1","env":[{"name":"DB_PASSWORD","value":"` + canary + `"}]}]}}`,
	} {
		name, other := write(t, "a.yaml", text), write(t, "b.yaml", podHead)
		w := newWorld(t, name, other)
		w.rules = w.rules[3:4]
		p := w.plan(false)
		if shown := printed(t, p); strings.Contains(shown, canary) || strings.Contains(shown, "[redacted]") {
			t.Errorf("the secret is shown, or a mask that does not apply\n%s", shown)
		}
		d := diff(t, p)
		if strings.Contains(d, "a.yaml") {
			t.Errorf("the file is in the diff\n%s", d)
		}
		if patched(t, other, d) != p.Files[1].New {
			t.Errorf("the diff of the other file is\n%s", d)
		}
		var b bytes.Buffer
		if err := fix.WriteSummary(&b, p, false, 0); err != nil || strings.Count(b.String(), "\n  left out of the diff because it would show a secret; --fix writes it\n") != 1 {
			t.Errorf("%v: nothing is said\n%s", err, b.String())
		}
		if err := os.WriteFile(other, []byte(podHead), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := p.Write(); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(name); !strings.Contains(string(got), canary) || !strings.Contains(string(got), "IfNotPresent") {
			t.Errorf("wrote %q", got)
		}
	}
}

// The text of an alias stands elsewhere in the object.
func TestSecretAlias(t *testing.T) {
	text := podHead + "    env:\n    - name: PLAIN\n      value: &v " + canary + "\n" +
		"  - name: d\n    image: x:1\n    imagePullPolicy: Always\n    env:\n    - name: DB_PASSWORD\n      value: *v\n"
	w := newWorld(t, write(t, "a.yaml", text))
	w.rules = w.rules[3:4]
	p := w.plan(false)
	if len(p.Files) != 1 || strings.Contains(printed(t, p), canary) {
		t.Errorf("%s", printed(t, p))
	}
}

func TestDiffText(t *testing.T) {
	name := write(t, "a.yaml", podHead+"    tty: true")
	w := newWorld(t, name)
	w.rules = w.rules[3:4]
	slash := strings.TrimPrefix(filepath.ToSlash(name), "/")
	want := "--- a/" + slash + "\n+++ b/" + slash + `
@@ -6,4 +6,5 @@
   containers:
   - name: c
     image: x:1
-    tty: true
\ No newline at end of file
+    tty: true
+    imagePullPolicy: IfNotPresent
\ No newline at end of file
`
	if got := diff(t, w.plan(false)); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestSummary(t *testing.T) {
	name := write(t, "a.yaml", deployment)
	w := newWorld(t, name)
	w.rules = []*rule{w.rules[0], w.rules[3], w.rules[4], w.rules[5]}
	w.rules[3].fails = func(n *tree.Node) bool { return n.Get("name").Str() == "side" }
	var b bytes.Buffer
	p := w.plan(false)
	if err := fix.WriteSummary(&b, p, false, 0); err != nil {
		t.Fatal(err)
	}
	want := `2 fixes would be made in 1 file: 2 inert, for --fix

NAME
  would fix Deployment/default/web container "web": Pull policy is not stated [policy] (inert, proven: the completed object is the same)
    would set spec.template.spec.containers[0].imagePullPolicy to "IfNotPresent"
  would fix Deployment/default/web container "side": Pull policy is not stated [policy] (inert, proven: the completed object is the same)
    would set spec.template.spec.containers[1].imagePullPolicy to "IfNotPresent"

Made by --fix=all only: each takes away what a program may have relied on
  NAME
    11:11 Deployment/default/web: privileged (container "web"); caps (container "web", container "side")

A person must decide
  NAME
    How much memory does it need?
      19:11 Deployment/default/web: limits (container "side")
`
	if got := strings.ReplaceAll(b.String(), name, "NAME"); got != want {
		t.Errorf("got\n%s", got)
	}
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	if err := fix.WriteSummary(&b, p, false, 0); err != nil {
		t.Fatal(err)
	}
	want = strings.NewReplacer("2 fixes would be made in 1 file: 2 inert, for --fix\n", "2 fixes in 1 file\n", "would fix", "fixed", "would ", "", "19:11", "20:11").Replace(want)
	if got := strings.ReplaceAll(b.String(), name, "NAME"); got != want {
		t.Errorf("after writing: got\n%s", got)
	}
}

// Before anything is written the summary speaks of the future, and tells the
// classes apart.
func TestSummaryOfDiff(t *testing.T) {
	w := newWorld(t, write(t, "a.yaml", deployment))
	w.rules = []*rule{w.rules[0], w.rules[3]}
	p := w.plan(true)
	text := printed(t, p)
	for _, want := range []string{"3 fixes would be made in 1 file: 2 inert, for --fix; 1 tightening, for --fix=all only\n", "(tightening: --fix=all)\n    would set "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing\n%s", want, text)
		}
	}
	if strings.Contains(text, "fixed") {
		t.Errorf("nothing is fixed yet\n%s", text)
	}
}

func TestDescribe(t *testing.T) {
	f := &model.Finding{Element: &model.Element{Path: tree.Keys("spec")}, Statement: &model.Statement{Field: &model.Target{}}}
	for want, e := range map[string]model.Edit{
		`set spec.a to {"b":1}`:      set("a", map[string]any{"b": 1}),
		`add "ALL" to spec.drop`:     add("drop", "ALL"),
		`remove spec.a["b.c"]`:       remove(`a["b.c"]`),
		`set spec.a to "\u001b[31m"`: set("a", "\x1b[31m"),
	} {
		if got := fix.Describe(f, e); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestDiffApplies gives the diff to patch.
func TestDiffApplies(t *testing.T) {
	for _, eol := range []string{"\n", "\r\n"} {
		for _, end := range []string{eol, ""} {
			text := strings.TrimSuffix(strings.ReplaceAll(deployment+"---\n"+deployment, "\n", eol), eol) + end
			name := write(t, "a.yaml", text)
			p := newWorld(t, name).plan(true)
			if got := patched(t, name, diff(t, p)); got != p.Files[0].New {
				t.Errorf("patch made %q", got)
			}
		}
	}
}
