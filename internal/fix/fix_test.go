package fix_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/fix"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// rule is a check of containers, or of the object when containers is false.
type rule struct {
	info    model.RuleInfo
	covers  string // a rule whose finding on the same element is the cause
	fails   func(n *tree.Node) bool
	fixes   []model.Fix
	applies func(n *tree.Node) []model.Fix // instead of fixes
	field   string                         // at fault, below the container
}

func set(path string, v any) model.Edit {
	p, err := tree.ParsePath(path)
	if err != nil {
		panic(err)
	}
	n := tree.Of(v)
	return model.Edit{Target: model.Target{Path: p}, Value: &n}
}

func add(path string, v any) model.Edit {
	e := set(path, v)
	e.Append = true
	return e
}

func remove(path string) model.Edit {
	e := set(path, nil)
	e.Value = nil
	return e
}

func one(class model.FixClass, edits ...model.Edit) []model.Fix {
	return []model.Fix{{Class: class, Edits: edits}}
}

func security(n *tree.Node, key string) *tree.Node { return n.Dig("securityContext", key) }

func rules() []*rule {
	return []*rule{{
		info:  model.RuleInfo{ID: "privileged", Title: "Container runs privileged", Severity: model.Critical},
		fails: func(n *tree.Node) bool { return security(n, "privileged").True() },
		fixes: one(model.Tightening, set("securityContext.privileged", false)),
	}, {
		info:   model.RuleInfo{ID: "escalation", Title: "Privilege escalation is allowed", Severity: model.High},
		covers: "privileged",
		fails:  func(n *tree.Node) bool { return !security(n, "allowPrivilegeEscalation").False() },
		fixes:  one(model.Tightening, set("securityContext.allowPrivilegeEscalation", false)),
	}, {
		info:  model.RuleInfo{ID: "proc-mount", Title: "procMount is not stated", Severity: model.Low},
		fails: func(n *tree.Node) bool { p := security(n, "procMount"); return p == nil || p.Has(tree.Implied) },
		fixes: one(model.Inert, set("securityContext.procMount", "Default")),
	}, {
		info:  model.RuleInfo{ID: "policy", Title: "Pull policy is not stated", Severity: model.Low},
		fails: func(n *tree.Node) bool { return n.Get("imagePullPolicy").Has(tree.Implied) },
		fixes: one(model.Inert, set("imagePullPolicy", "IfNotPresent")),
	}, {
		info: model.RuleInfo{ID: "caps", Title: "NET_RAW is kept", Severity: model.Medium},
		fails: func(n *tree.Node) bool {
			for i := range security(n, "capabilities").Get("drop").Children() {
				if s := security(n, "capabilities").Get("drop").At(i).Str(); s == "ALL" || s == "NET_RAW" {
					return false
				}
			}
			return true
		},
		fixes: one(model.Tightening, add("securityContext.capabilities.drop", "NET_RAW")),
	}, {
		info:  model.RuleInfo{ID: "limits", Title: "No memory limit", Severity: model.Medium},
		fails: func(n *tree.Node) bool { return n.Dig("resources", "limits", "memory") == nil },
		fixes: []model.Fix{{Class: model.Decision, Question: "How much memory does it need?"}},
	}}
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return name
}

func diff(t *testing.T, p *fix.Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteDiff(&b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const deployment = `# the shop
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web # public
spec:
  template:
    spec:
      containers:
        # the server
        - name: web
          image: registry.example/web:1.2 # pinned
          securityContext:
            privileged: true   # why?
          env:
            - name: MODE
              value: fast

        - {name: side, image: "registry.example/side:2"}
`

func TestInert(t *testing.T) {
	name := write(t, "a.yaml", deployment)
	p := newWorld(t, name).plan(false)
	if len(p.Files) != 1 || len(p.Files[0].Applied) != 4 {
		t.Fatalf("%+v", p)
	}
	for _, a := range p.Files[0].Applied {
		if a.Fix.Class != model.Inert || a.Proven != (a.Finding.Rule.ID == "policy") {
			t.Errorf("%s: class %s, proven %v", a.Finding.Rule.ID, a.Fix.Class, a.Proven)
		}
	}
	want := strings.Replace(deployment, "privileged: true   # why?\n",
		"privileged: true   # why?\n            procMount: Default\n", 1)
	want = strings.Replace(want, "              value: fast\n", "              value: fast\n          imagePullPolicy: IfNotPresent\n", 1)
	want = strings.Replace(want, `side:2"}`, `side:2", securityContext: {procMount: Default}, imagePullPolicy: IfNotPresent}`, 1)
	if p.Files[0].New != want {
		t.Errorf("got\n%s", p.Files[0].New)
	}
	classes := map[model.FixClass]int{}
	for _, h := range p.Held {
		classes[h.Fix.Class]++
	}
	// The escalation of web is a symptom of privileged, which is listed.
	if classes[model.Tightening] != 4 || classes[model.Decision] != 2 || len(p.Skipped) != 0 {
		t.Errorf("held %v, skipped %v", classes, p.Skipped)
	}
}

func TestAllThenNothing(t *testing.T) {
	name := write(t, "a.yaml", strings.ReplaceAll(deployment, "\n", "\r\n"))
	p := newWorld(t, name).plan(true)
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(name)
	if string(text) != p.Files[0].New || bytes.Count(text, []byte("\n")) != bytes.Count(text, []byte("\r\n")) {
		t.Errorf("wrote %q", text)
	}
	for _, comment := range []string{"# the shop", "# public", "# the server", "# pinned", "# why?"} {
		if !strings.Contains(string(text), comment) {
			t.Errorf("lost %s", comment)
		}
	}
	if info, _ := os.Stat(name); info.Mode() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) != 1 {
		t.Errorf("files are left behind: %v", left)
	}
	w := newWorld(t, name)
	for _, f := range w.check(w.objects) {
		if f.Rule.ID != "limits" {
			t.Errorf("%s is still there", f.Rule.ID)
		}
	}
	if again := w.plan(true); len(again.Files) != 0 {
		t.Errorf("a second time changes\n%s", diff(t, again))
	}
}

// A symptom whose cause cannot be fixed must not be lost with it.
func TestSymptoms(t *testing.T) {
	name := write(t, "a.yaml", deployment)
	w := newWorld(t, name)
	w.rules[0].fixes = []model.Fix{{Class: model.Decision, Question: "Why?"}}
	p := w.plan(true)
	fixed := map[string]int{}
	for _, a := range p.Files[0].Applied {
		fixed[a.Finding.Rule.ID]++
	}
	if fixed["escalation"] != 2 || fixed["privileged"] != 0 {
		t.Errorf("fixed %v", fixed)
	}
}

// What an exception or the baseline lets pass is judged without them after the
// first fix. It stays as it is all the same, and is not listed.
func TestLetPass(t *testing.T) {
	for _, pass := range []func(*model.Finding){
		func(f *model.Finding) { f.Exception = &model.Exception{} },
		func(f *model.Finding) { f.Baselined = true },
	} {
		w := newWorld(t, write(t, "a.yaml", deployment))
		p := w.planPassing(pass, "privileged", "caps")
		if len(p.Files) != 1 || len(p.Skipped) != 0 || strings.Contains(p.Files[0].New, "NET_RAW") || !strings.Contains(p.Files[0].New, "privileged: true") {
			t.Errorf("%+v\n%s", p.Skipped, diff(t, p))
		}
		if n := strings.Count(p.Files[0].New, "allowPrivilegeEscalation: false"); n != 2 {
			t.Errorf("%d fixes of what is not let pass\n%s", n, p.Files[0].New)
		}
		for _, h := range p.Held {
			if h.Finding.Rule.ID != "limits" {
				t.Errorf("held %s", h.Finding.Rule.ID)
			}
		}
	}
}

// planPassing plans with the findings of some rules let pass.
func (w *world) planPassing(pass func(*model.Finding), ids ...string) *fix.Plan {
	w.t.Helper()
	findings := w.check(w.objects)
	for _, f := range slices.Clone(findings) {
		if slices.Contains(ids, f.Rule.ID) { // as in a report, nothing is folded under it
			pass(f)
			findings = append(findings, f.Symptoms...)
			f.Symptoms = nil
		}
	}
	p, err := fix.Make(w.t.Context(), findings, w.options(true))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// A fix that would also mend what is let pass is not made; the others are.
func TestUndoesLetPass(t *testing.T) {
	w := newWorld(t, write(t, "a.yaml", deployment))
	w.rules = append(w.rules, &rule{
		info:  model.RuleInfo{ID: "context", Severity: model.High},
		fails: func(n *tree.Node) bool { return n.Get("securityContext") == nil },
		fixes: one(model.Tightening, set("securityContext.capabilities.drop", []any{"ALL"}), set("securityContext.allowPrivilegeEscalation", false)),
	})
	p := w.planPassing(func(f *model.Finding) { f.Baselined = true }, "caps")
	if strings.Contains(p.Files[0].New, "ALL") || strings.Count(p.Files[0].New, "allowPrivilegeEscalation: false") != 2 {
		t.Errorf("got\n%s", p.Files[0].New)
	}
	w.rules = slices.DeleteFunc(w.rules, func(r *rule) bool { return r.info.ID != "context" && r.info.ID != "caps" })
	p = w.planPassing(func(f *model.Finding) { f.Baselined = true }, "caps")
	if len(p.Files) != 0 || len(p.Skipped) != 1 || p.Skipped[0].Reason != "it would undo what an exception or the baseline lets pass: caps" {
		t.Errorf("%+v\n%s", p.Skipped, diff(t, p))
	}
}

// A finding that only a fix brings up was not asked for.
func TestBroughtUp(t *testing.T) {
	w := newWorld(t, write(t, "a.yaml", deployment))
	w.rules = []*rule{w.rules[0], {
		info: model.RuleInfo{ID: "later", Severity: model.Low},
		fails: func(n *tree.Node) bool {
			return security(n, "privileged").False() && !n.Get("tty").True() && n.Get("name").Str() == "web"
		},
		fixes: one(model.Inert, set("tty", true)),
	}}
	p := w.plan(true)
	if strings.Contains(p.Files[0].New, "tty") || len(p.Skipped) != 1 || !strings.Contains(p.Skipped[0].Reason, "run again") {
		t.Errorf("%+v\n%s", p.Skipped, diff(t, p))
	}
}

func TestConflicts(t *testing.T) {
	name := write(t, "a.yaml", deployment)
	w := newWorld(t, name)
	always := &rule{
		info:  model.RuleInfo{ID: "always", Severity: model.Low},
		fails: func(n *tree.Node) bool { return n.Get("imagePullPolicy").Str() != "Always" },
		fixes: one(model.Inert, set("imagePullPolicy", "Always")),
	}
	twin := &rule{
		info:  model.RuleInfo{ID: "twin", Severity: model.Low},
		fails: w.rules[3].fails,
		fixes: w.rules[3].fixes,
	}
	w.rules = []*rule{w.rules[3], twin, always}
	p := w.plan(false)
	if len(p.Files) != 1 || len(p.Files[0].Applied) != 4 {
		t.Fatalf("%+v", p)
	}
	if len(p.Skipped) != 2 || p.Skipped[0].Finding.Rule.ID != "always" || !strings.Contains(p.Skipped[0].Reason, "conflicts with the fix of") {
		t.Errorf("skipped %+v", p.Skipped)
	}
	if strings.Count(p.Files[0].New, "imagePullPolicy: IfNotPresent") != 2 {
		t.Errorf("got\n%s", p.Files[0].New)
	}
}

// A fix that does not end its finding, and one that causes another, are left
// out; the others are made.
func TestJudged(t *testing.T) {
	name := write(t, "a.yaml", deployment)
	w := newWorld(t, name)
	futile := &rule{
		info:  model.RuleInfo{ID: "futile", Severity: model.Low},
		fails: func(n *tree.Node) bool { return n.Get("name").Str() == "web" },
		fixes: one(model.Inert, set("stdin", false)),
	}
	harmful := &rule{
		info:  model.RuleInfo{ID: "harmful", Severity: model.Low},
		fails: func(n *tree.Node) bool { return n.Get("tty").Has(tree.Implied) || n.Get("tty") == nil },
		fixes: one(model.Inert, set("tty", true)),
	}
	harmed := &rule{
		info:  model.RuleInfo{ID: "harmed", Severity: model.Low},
		fails: func(n *tree.Node) bool { return n.Get("tty").True() },
	}
	w.rules = append(w.rules, futile, harmful, harmed)
	p := w.plan(false)
	if len(p.Files) != 1 || len(p.Files[0].Applied) != 4 || strings.Contains(p.Files[0].New, "tty") || strings.Contains(p.Files[0].New, "stdin") {
		t.Errorf("%s", diff(t, p))
	}
	var reasons []string
	for _, s := range p.Skipped {
		reasons = append(reasons, s.Finding.Rule.ID+": "+s.Reason)
	}
	want := []string{"futile: the finding would stay", "harmful: it would cause another finding: harmed", "harmful: it would cause another finding: harmed"}
	if !slices.Equal(reasons, want) {
		t.Errorf("skipped %q", reasons)
	}
	// A lesser finding in exchange is worth it.
	harmed.info.Severity = model.Info
	if p := w.plan(false); !strings.Contains(p.Files[0].New, "tty: true") {
		t.Errorf("%s", diff(t, p))
	}
}

func TestListOfObjects(t *testing.T) {
	pod := func(name string) string {
		return "- apiVersion: v1\n  kind: Pod\n  metadata: {name: " + name + "}\n  spec:\n    containers:\n    - name: c\n      image: x:1\n"
	}
	name := write(t, "a.yaml", "apiVersion: v1\nkind: List\nitems:\n"+pod("a")+pod("b")+"---\n"+strings.ReplaceAll(strings.TrimPrefix(pod("c"), "- "), "\n  ", "\n"))
	w := newWorld(t, name)
	w.rules = w.rules[3:4]
	p := w.plan(false)
	want := strings.ReplaceAll(p.Files[0].Old, "\n      image: x:1\n", "\n      image: x:1\n      imagePullPolicy: IfNotPresent\n")
	want = strings.Replace(want, "\n    image: x:1\n", "\n    image: x:1\n    imagePullPolicy: IfNotPresent\n", 1)
	if p.Files[0].New != want {
		t.Errorf("got\n%s", p.Files[0].New)
	}
}

// Several items of one list go in one run, though their indices move.
func TestRemoveItems(t *testing.T) {
	name := write(t, "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    args:\n    - bad1 # 1\n    - ok\n    - bad2\n    - bad3\n")
	w := newWorld(t, name)
	w.rules = nil
	for _, bad := range []string{"bad1", "bad2", "bad3"} {
		index := func(n *tree.Node) int {
			args := n.Get("args").Children()
			return slices.IndexFunc(args, func(n tree.Node) bool { return n.Str() == bad })
		}
		w.rules = append(w.rules, &rule{
			info:  model.RuleInfo{ID: bad, Severity: model.Low},
			fails: func(n *tree.Node) bool { return index(n) >= 0 },
			applies: func(n *tree.Node) []model.Fix {
				return one(model.Tightening, remove(fmt.Sprintf("args[%d]", index(n))))
			},
		})
	}
	p := w.plan(true)
	if want := strings.NewReplacer("    - bad1 # 1\n", "", "    - bad2\n", "", "    - bad3\n", "").Replace(p.Files[0].Old); p.Files[0].New != want {
		t.Errorf("got\n%s", p.Files[0].New)
	}
	if w.checks != 1 {
		t.Errorf("%d checks", w.checks)
	}
}

// An item is set and another removed in one run.
func TestSetBesideRemoval(t *testing.T) {
	name := write(t, "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    args:\n    - bad\n    - old\n    - ok\n")
	w := newWorld(t, name)
	w.rules = []*rule{{
		info:  model.RuleInfo{ID: "bad", Severity: model.Low},
		fails: func(n *tree.Node) bool { return n.Get("args").At(0).Str() == "bad" },
		fixes: one(model.Tightening, remove("args[0]")),
	}, {
		info: model.RuleInfo{ID: "old", Severity: model.Low},
		fails: func(n *tree.Node) bool {
			return n.Get("args").At(0).Str() == "old" || n.Get("args").At(1).Str() == "old"
		},
		applies: func(n *tree.Node) []model.Fix { return one(model.Tightening, set("args[1]", "new")) },
	}}
	p := w.plan(true)
	if want := strings.NewReplacer("    - bad\n", "", "- old", "- new").Replace(p.Files[0].Old); p.Files[0].New != want || w.checks != 1 {
		t.Errorf("%d checks\n%s", w.checks, p.Files[0].New)
	}
}

// TestUndecided holds that no symptom decides for its cause: what a person must
// decide about is left, and everything beside it is fixed.
func TestUndecided(t *testing.T) {
	for _, edit := range []model.Edit{remove("securityContext.capabilities.add"), set("securityContext.capabilities.add[0]", "CHOWN"), remove("securityContext.capabilities")} {
		name := write(t, "a.yaml", `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: registry.example/web:1.2
    securityContext:
      capabilities: {add: [SYS_ADMIN, CHOWN]}
`)
		adds := func(n *tree.Node) bool { return security(n, "capabilities").Get("add").At(0).Str() == "SYS_ADMIN" }
		w := newWorld(t, name)
		w.rules = append(w.rules, &rule{
			info: model.RuleInfo{ID: "sys-admin", Title: "Too much", Severity: model.Critical}, fails: adds,
			fixes: []model.Fix{{Class: model.Decision, Question: "Which of them?"}}, field: "securityContext.capabilities.add",
		}, &rule{
			info: model.RuleInfo{ID: "added", Title: "More than usual", Severity: model.High}, covers: "sys-admin", fails: adds, fixes: one(model.Tightening, edit),
		})
		p := w.plan(true)
		if len(p.Files) != 1 || !strings.Contains(p.Files[0].New, "SYS_ADMIN, CHOWN") || !strings.Contains(p.Files[0].New, "NET_RAW") {
			t.Errorf("%v:\n%s", edit.Target, diff(t, p))
		}
		if !slices.ContainsFunc(p.Held, func(h fix.Held) bool { return h.Finding.Rule.ID == "sys-admin" && h.Fix.Class == model.Decision }) {
			t.Errorf("held %v, skipped %v", p.Held, p.Skipped)
		}
	}
}
