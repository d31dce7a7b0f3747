package policies_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	oracle "k8s.io/pod-security-admission/policy"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// newestMinor is the last version of the standard that the oracle's fixtures
// describe.
const newestMinor = 37

// control is one of the 19 controls of the Pod Security Standards, as the
// Kubernetes project's own library decides it.
type control struct {
	oracle.Check
}

// at returns the revision in force in a version, or nil when the control is
// younger.
func (c control) at(minor int) oracle.CheckPodFn {
	var check oracle.CheckPodFn
	for _, v := range c.Versions {
		if v.MinimumVersion.Minor() <= minor {
			check = v.CheckPod
		}
	}
	return check
}

// standard judges pods by our rules and by the library.
type standard struct {
	controls map[string]control
	workers  []*policy.Worker // by minor version

	compared int            // verdicts held against each other
	failed   map[string]int // by control: how many of them were failures
	passed   map[string]int
}

func newStandard(t *testing.T) *standard {
	t.Helper()
	s := &standard{controls: map[string]control{}, failed: map[string]int{}, passed: map[string]int{}}
	for _, c := range oracle.DefaultChecks() {
		s.controls[string(c.ID)] = control{c}
	}
	rules := podSecurityRules(t)
	for minor := range newestMinor + 1 {
		var holding []*policy.Rule
		for _, r := range rules {
			if r.PodSecurity.Holds(minor) {
				holding = append(holding, r)
			}
		}
		e := policy.NewEngine(holding, policy.Options{KubernetesMinor: minor})
		if err := e.CompileAll(); err != nil {
			t.Fatal(err)
		}
		s.workers = append(s.workers, e.NewWorker(nil))
	}
	return s
}

// podSecurityRules loads the rules of the library that name a control.
func podSecurityRules(t *testing.T) []*policy.Rule {
	t.Helper()
	files, err := filepath.Glob("*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules []*policy.Rule
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "podSecurity:") {
			continue
		}
		loaded, err := policy.Load(&tree.File{Name: name, Text: string(text)})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range loaded {
			if r.PodSecurity != nil {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// object parses a pod and completes it with defaults; the library's view is
// taken from the same tree.
func object(text string) (*model.Object, *corev1.Pod, error) {
	f := &tree.File{Name: "pod.yaml", Text: text}
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			return nil, nil, doc.Err
		}
		o, err := model.NewObject(doc.Root, &model.Source{File: f}, "", "default")
		if err != nil {
			return nil, nil, err
		}
		raw, err := json.Marshal(o.Root.Native())
		if err != nil {
			return nil, nil, err
		}
		pod := &corev1.Pod{}
		return o, pod, json.Unmarshal(raw, pod)
	}
	return nil, nil, errors.New("no document")
}

// ours returns the controls that the pod violates in a version by our rules.
func (s *standard) ours(o *model.Object, minor int) (map[string]bool, error) {
	violated := map[string]bool{}
	for _, out := range s.workers[minor].Evaluate(o, &policy.Tally{}) {
		if out.Verdict != policy.Fail {
			return nil, fmt.Errorf("rule %s: %s: %s", out.Rule.ID, out.Verdict, out.Reason)
		}
		violated[out.Rule.PodSecurity.Control] = true
	}
	return violated, nil
}

// compare holds our verdict of every control against the library's and returns
// what we say.
func (s *standard) compare(o *model.Object, pod *corev1.Pod, minor int) (map[string]bool, error) {
	violated, err := s.ours(o, minor)
	if err != nil {
		return nil, err
	}
	var errs []error
	for id, c := range s.controls {
		check := c.at(minor)
		if check == nil {
			if violated[id] {
				errs = append(errs, fmt.Errorf("v1.%d %s: violated, but the version does not have the control", minor, id))
			}
			continue
		}
		want := check(&pod.ObjectMeta, &pod.Spec)
		s.compared++
		if want.Allowed {
			s.passed[id]++
		} else {
			s.failed[id]++
		}
		if violated[id] == want.Allowed {
			errs = append(errs, fmt.Errorf("v1.%d %s: violated is %t, the library says allowed is %t %s", minor, id, violated[id], want.Allowed, want.ForbiddenDetail))
		}
	}
	return violated, errors.Join(errs...)
}

// requireVerdicts fails unless each control was seen to pass and to fail.
func (s *standard) requireVerdicts(t *testing.T, least int) {
	t.Helper()
	for id := range s.controls {
		if s.failed[id] < least || s.passed[id] < least {
			t.Errorf("%s: %d passes and %d failures were compared, want at least %d each", id, s.passed[id], s.failed[id], least)
		}
	}
	t.Logf("%d verdicts compared, %d of them failures", s.compared, sum(s.failed))
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// TestPodSecurityControls requires a rule of the right level for each control,
// from the version in which the control begins.
func TestPodSecurityControls(t *testing.T) {
	s := newStandard(t)
	if len(s.controls) != 19 {
		t.Errorf("the library has %d controls, want 19", len(s.controls))
	}
	held := map[string]map[int]bool{}
	for _, r := range podSecurityRules(t) {
		p := r.PodSecurity
		c, known := s.controls[p.Control]
		if !known {
			t.Errorf("%s: the standard has no control %q", r.ID, p.Control)
			continue
		}
		if string(c.Level) != p.Level {
			t.Errorf("%s: level %s, the standard says %s", r.ID, p.Level, c.Level)
		}
		if held[p.Control] == nil {
			held[p.Control] = map[int]bool{}
		}
		for minor := range newestMinor + 1 {
			if p.Holds(minor) {
				held[p.Control][minor] = true
			}
		}
	}
	for id, c := range s.controls {
		for minor := range newestMinor + 1 {
			if held[id][minor] != (c.at(minor) != nil) {
				t.Errorf("%s: v1.%d has a rule: %t, has the control: %t", id, minor, held[id][minor], c.at(minor) != nil)
			}
		}
	}
}

// fixture is a file of the library: a pod that passes a level in a version, or
// violates one control of it.
type fixture struct {
	name    string
	level   api.Level
	minor   int
	passes  bool
	control string // in lower case; of failing ones
	text    string
}

func fixtures(t *testing.T) []fixture {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatalf("where the fixtures are: %v", err)
	}
	dir := strings.TrimSpace(string(out))
	if dir == "" {
		t.Fatal("k8s.io/pod-security-admission is not in the module cache")
	}
	root := filepath.Join(dir, "test", "testdata")
	var all []fixture
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		part := strings.Split(filepath.ToSlash(name), "/")
		minor, err := policy.ParseMinor(part[1])
		if err != nil {
			return err
		}
		all = append(all, fixture{
			name: name, level: api.Level(part[0]), minor: minor, passes: part[2] == "pass", text: string(text),
			control: strings.TrimRight(strings.TrimSuffix(part[3], ".yaml"), "0123456789"),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPodSecurityFixtures holds every rule against the library's own files: in
// the version and for the control that a file is about, and then each distinct
// file in all versions for all controls.
func TestPodSecurityFixtures(t *testing.T) {
	s := newStandard(t)
	all := fixtures(t)
	if len(all) < 4500 {
		t.Fatalf("%d fixtures, want at least 4500", len(all))
	}
	verdicts := map[string][]map[string]bool{}
	passing, failing := 0, 0
	for _, f := range all {
		if verdicts[f.text] == nil {
			o, pod, err := object(f.text)
			if err != nil {
				t.Fatalf("%s: %v", f.name, err)
			}
			for minor := range newestMinor + 1 {
				violated, err := s.compare(o, pod, minor)
				if err != nil {
					t.Errorf("%s: %v", f.name, err)
				}
				verdicts[f.text] = append(verdicts[f.text], violated)
			}
		}
		violated := verdicts[f.text][f.minor]
		if f.passes {
			passing++
			s.requirePass(t, f, violated)
			continue
		}
		failing++
		if !slices.ContainsFunc(slices.Collect(maps.Keys(violated)), func(id string) bool { return strings.ToLower(id) == f.control }) {
			t.Errorf("%s: violates %v, want %s", f.name, violated, f.control)
		}
	}
	if passing == 0 || failing == 0 {
		t.Errorf("%d fixtures pass and %d fail, want some of both", passing, failing)
	}
	t.Logf("%d fixtures (%d pass, %d fail), %d distinct", len(all), passing, failing, len(verdicts))
	s.requireVerdicts(t, 30)
}

// requirePass requires that a passing fixture violates no control of its level.
func (s *standard) requirePass(t *testing.T, f fixture, violated map[string]bool) {
	t.Helper()
	overridden := map[string]bool{}
	for _, c := range s.controls {
		for _, v := range c.Versions {
			if f.level == api.LevelRestricted && v.MinimumVersion.Minor() <= f.minor {
				for _, id := range v.OverrideCheckIDs {
					overridden[string(id)] = true
				}
			}
		}
	}
	for id := range violated {
		if s.controls[id].Level == api.LevelRestricted && f.level == api.LevelBaseline || overridden[id] {
			continue
		}
		t.Errorf("%s: violates %s, want a pass", f.name, id)
	}
}
