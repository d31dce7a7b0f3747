package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// listedCategories are those of the rules whose findings are listed with volumes
// and Secrets.
var listedCategories = []string{"access", "correctness", "host", "secrets", "storage"}

// judgements are what ullage check says of the objects of an inventory. Nothing is
// found here that the check does not find.
type judgements map[*model.Object]*sayings

// judge runs the rules that the check of the same profile runs, with the exceptions,
// the baseline and the parameters of the configuration.
func (f *inventory) judge(ctx context.Context, p *Program) (judgements, error) {
	now := time.Now()
	c := checkFlags{configPath: f.configPath, output: "text", color: "auto"}
	c.baseline, c.profile = f.baseline, f.profile
	if err := c.merge(p.Getenv("HOME")); err != nil {
		return nil, err
	}
	if c.profile.from == "" && c.baseline.text == "" && len(c.rules)+len(c.frameworks) == 0 {
		c.profile.text = "all" // else as the check that made the baseline
	}
	c.severity, c.failOn, c.world = word{text: model.Info.String()}, word{text: "never"}, word{text: "open"}
	if f.world.Closed {
		c.world.text = "closed"
	}
	if f.live() {
		c.kubeVersion = word{text: assumed(f.minor)}
	}
	plan, err := c.plan(ctx, now)
	if err != nil {
		return nil, err
	}
	plan.rules = slices.DeleteFunc(slices.Clone(plan.rules), func(r *policy.Rule) bool {
		return !r.Builtin || !slices.Contains(listedCategories, r.Category)
	})
	f.rules = plan.profile
	plan.readOwn(f.loaded)
	report, err := check.Run(ctx, f.loaded.Objects, check.Options{
		Rules: plan.rules, Settings: plan.settings, KubernetesMinor: plan.minor, Closed: f.world.Closed, Gaps: f.gaps,
		Declarations: f.loaded.Declarations, Exceptions: plan.exceptions,
	})
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	letPass(report.Findings, plan.baseline)
	problems := slices.Concat(plan.problems, report.Problems)
	tellProblems(p, problems)
	f.problems = append(f.problems, problems...)
	j := judgements{}
	about := func(o *model.Object) *sayings {
		if j[o] == nil {
			j[o] = &sayings{}
		}
		return j[o]
	}
	for _, found := range report.Findings {
		about(found.Object).finding(found)
	}
	for _, u := range report.Unknowns {
		about(u.Object).add(saying{u.Element, nil, u.Reason, -1})
	}
	return j, nil
}

// letPass marks what a baseline holds, and what has its cause in that: the check that
// made the baseline may have judged by fewer rules, and a person accepted the cause.
func letPass(findings []*model.Finding, baseline *policy.Baseline) {
	for _, f := range findings {
		f.Baselined = f.Exception == nil && baseline.Take(f.Fingerprint)
		for _, symptom := range f.Symptoms {
			symptom.Baselined = baseline.Take(symptom.Fingerprint) || f.Baselined
		}
	}
}

// spot is a part of an object that an entry of an inventory is about: what is below
// a path, or the object as a whole.
type spot struct {
	object *model.Object
	path   tree.Path
}

// holds reports whether what is said of an element is said of the spot: of what is
// at or below it, or of the item of a list that it is in, such as a variable. What is
// said of a container or a volume as a whole is not said of the Secrets in it.
func (s spot) holds(e *model.Element) bool {
	if e.Object != s.object {
		return false
	}
	if len(s.path) == 0 || below(e.Path, s.path) {
		return true
	}
	n := len(e.Path)
	isItem := n > 1 && e.Path[n-1].Key == ""
	return isItem && below(s.path, e.Path) && e.Path[n-2].Key != "volumes" && !slices.Contains(model.ContainerLists, e.Path[n-2].Key)
}

func below(path, outer tree.Path) bool {
	return len(path) >= len(outer) && slices.Equal(path[:len(outer)], outer)
}

// verdict is what the rules say of one entry.
type verdict struct {
	findings []*model.Finding // that count, worst first
	passed   []*model.Finding // by an exception or the baseline
	unknowns []string         // why a rule has no answer, each reason once
}

// of returns what the rules say of the spots.
func (j judgements) of(spots ...spot) verdict {
	var v verdict
	seen := map[string]bool{}
	var objects []*model.Object
	at := map[*model.Object][]spot{}
	for _, s := range spots {
		if s.object != nil && at[s.object] == nil {
			objects = append(objects, s.object)
		}
		at[s.object] = append(at[s.object], s)
	}
	for _, o := range objects {
		for _, what := range j[o].of(at[o]) {
			switch {
			case what.finding == nil && !seen[what.unknown]:
				seen[what.unknown] = true
				v.unknowns = append(v.unknowns, what.unknown)
			case what.finding == nil:
			case what.finding.Active():
				v.findings = append(v.findings, what.finding)
			default:
				v.passed = append(v.passed, what.finding)
			}
		}
	}
	v.unknowns = slices.DeleteFunc(slices.Clone(v.unknowns), func(reason string) bool { // said one by one
		parts := strings.Split(reason, "; ")
		return len(parts) > 1 && !slices.ContainsFunc(parts, func(part string) bool { return !slices.Contains(v.unknowns, part) })
	})
	slices.SortStableFunc(v.findings, func(a, b *model.Finding) int { return int(severityOf(b)) - int(severityOf(a)) })
	return v
}

// severityOf is the severity of a finding. What parts of the platform do, which need
// what applications do not, is for information.
func severityOf(f *model.Finding) model.Severity {
	if f.Object.System {
		return model.Info
	}
	return f.Rule.Severity
}

// bad reports whether there is a finding that is more than for information.
func (v *verdict) bad() bool { return len(v.findings) > 0 && severityOf(v.findings[0]) > model.Info }

// worst ranks verdicts: findings by severity, then what is not known, then what is
// for information.
func (v *verdict) worst() int {
	switch {
	case v.bad():
		return int(severityOf(v.findings[0])) + 2
	case len(v.unknowns) > 0:
		return 2
	}
	return min(len(v.findings), 1)
}

// word sums a verdict up, with its style.
func (v *verdict) word() (text, style string) {
	switch {
	case v.bad():
		s := severityOf(v.findings[0])
		return s.String(), severityStyles[s]
	case len(v.unknowns) > 0:
		return "unknown", dim
	case len(v.findings) > 0:
		return model.Info.String(), severityStyles[model.Info]
	}
	return "ok", green
}

// tally counts findings that entries may share, each once.
type tally struct {
	seen   map[*model.Finding]bool
	counts [model.Critical + 1]int
	passed int
	// unknown counts the entries that are neither found wrong nor known to be right.
	unknown int
}

func (t *tally) add(v *verdict) {
	if !v.bad() && len(v.unknowns) > 0 {
		t.unknown++
	}
	for _, f := range slices.Concat(v.findings, v.passed) {
		switch {
		case t.seen[f]:
		case f.Active():
			t.counts[severityOf(f)]++
		default:
			t.passed++
		}
		t.seen[f] = true
	}
}

// findingJSON is a finding in the JSON forms.
type findingJSON struct {
	ID          string            `json:"id"`
	Severity    model.Severity    `json:"severity"`
	Text        string            `json:"text"`
	Object      string            `json:"object"`
	Place       model.Place       `json:"place"`
	Fingerprint model.Fingerprint `json:"fingerprint"`
	Active      bool              `json:"active"`
	System      bool              `json:"system,omitempty"`
}

func (v *verdict) asJSON() []findingJSON {
	list := []findingJSON{}
	for _, f := range slices.Concat(v.findings, v.passed) {
		list = append(list, findingJSON{f.Rule.ID, f.Rule.Severity, f.Message, f.Object.Key.String(), f.Place(), f.Fingerprint, f.Active(), f.Object.System})
	}
	return list
}

// together joins reasons, each once.
func together(a, b []string) []string {
	all := slices.Clone(a)
	for _, reason := range b {
		if !slices.Contains(all, reason) {
			all = append(all, reason)
		}
	}
	return all
}
