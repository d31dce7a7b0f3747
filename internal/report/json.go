package report

import (
	"bufio"
	"encoding/json"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Schema is the version of the JSON report. It changes when a field changes its
// meaning or goes away; new fields may appear under the same version.
const Schema = "ullage.dev/report/v1"

type (
	jsonSummary struct {
		Active        jsonTally `json:"active"`
		Objects       int       `json:"objects"` // with active findings
		Excepted      int       `json:"excepted"`
		Baselined     int       `json:"baselined"`
		BaselineFixed int       `json:"baselineFixed"`
	}
	jsonTally struct {
		Critical int `json:"critical"`
		High     int `json:"high"`
		Medium   int `json:"medium"`
		Low      int `json:"low"`
		Info     int `json:"info"`
	}
	jsonRule struct {
		ID           string         `json:"id"`
		Title        string         `json:"title"`
		Severity     model.Severity `json:"severity"`
		Category     string         `json:"category,omitempty"`
		Rationale    string         `json:"rationale,omitempty"`
		Remediation  string         `json:"remediation,omitempty"`
		Attack       []string       `json:"attack,omitempty"`
		Requirements []string       `json:"requirements,omitempty"`
		Checks       []string       `json:"checks,omitempty"`
		Aliases      []string       `json:"aliases,omitempty"`
		Builtin      bool           `json:"builtin"`
		Advisory     bool           `json:"advisory"`
	}
	jsonObject struct {
		Cluster    string `json:"cluster,omitempty"`
		Namespace  string `json:"namespace,omitempty"`
		APIVersion string `json:"apiVersion"`
		Group      string `json:"group"`
		Kind       string `json:"kind"`
		Name       string `json:"name"`
		Container  string `json:"container,omitempty"` // of a behavior
	}
	jsonFinding struct {
		Rule         string            `json:"rule"`
		Title        string            `json:"title"`
		Severity     model.Severity    `json:"severity"`
		Category     string            `json:"category,omitempty"`
		Message      string            `json:"message"`
		Object       *jsonObject       `json:"object"`
		Subject      string            `json:"subject,omitempty"`
		Path         string            `json:"path,omitempty"`
		Place        *model.Place      `json:"place,omitempty"`
		Owner        string            `json:"owner,omitempty"`
		Remediation  string            `json:"remediation,omitempty"`
		Fixes        []jsonFix         `json:"fixes,omitempty"`
		Attack       []string          `json:"attack,omitempty"`
		Requirements []string          `json:"requirements,omitempty"`
		Fingerprint  model.Fingerprint `json:"fingerprint"`
		Active       bool              `json:"active"`
		Baselined    bool              `json:"baselined"`
		System       bool              `json:"system"`
		Exception    *jsonException    `json:"exception,omitempty"`
		Symptoms     []*jsonFinding    `json:"symptoms,omitempty"`
	}
	jsonFix struct {
		Class    model.FixClass `json:"class"`
		Question string         `json:"question,omitempty"`
		Edits    []jsonEdit     `json:"edits,omitempty"`
	}
	jsonEdit struct {
		Op    string          `json:"op"`
		Path  string          `json:"path"`
		Value json.RawMessage `json:"value,omitempty"`
	}
	jsonException struct {
		ID      string       `json:"id,omitempty"`
		Rules   []string     `json:"rules,omitempty"`
		Reason  string       `json:"reason,omitempty"`
		Owner   string       `json:"owner,omitempty"`
		Expires string       `json:"expires,omitempty"`
		Place   *model.Place `json:"place,omitempty"`
		Matched int          `json:"matched"`
	}
	jsonUnknown struct {
		Rule    string       `json:"rule,omitempty"`
		Object  *jsonObject  `json:"object,omitempty"`
		Subject string       `json:"subject,omitempty"`
		Place   *model.Place `json:"place,omitempty"`
		Reason  string       `json:"reason"`
	}
	jsonKind struct {
		Group string `json:"group"`
		Kind  string `json:"kind"`
	}
	jsonProblem struct {
		Place  *model.Place `json:"place,omitempty"`
		Reason string       `json:"reason"`
		Hint   string       `json:"hint,omitempty"`
	}
)

func writeJSON(w *bufio.Writer, r *model.Report, o Options) error {
	t := totalsOf(r)
	s := newJSONStream(w)
	s.open("")
	s.member("schema", Schema)
	s.member("provenance", r.Provenance)
	s.member("counts", r.Counts)
	s.member("summary", jsonSummary{
		Active:  jsonTally{t.active[model.Critical], t.active[model.High], t.active[model.Medium], t.active[model.Low], t.active[model.Info]},
		Objects: t.objects, Excepted: t.excepted, Baselined: t.baselined, BaselineFixed: r.Fixed,
	})
	rules := rulesOf(r)
	requirements := requirementsOf(rules, o)
	s.list("rules", each(rules, func(rule *model.RuleInfo) any { return toJSONRule(rule, requirements) }))
	s.list("findings", each(r.Findings, func(f *model.Finding) any { return toJSONFinding(f, requirements) }))
	s.list("unknowns", each(r.Unknowns, toJSONUnknown))
	s.list("notUnderstood", each(r.NotUnderstood, func(gk model.GroupKind) any { return jsonKind{gk.Group, gk.Kind} }))
	s.list("problems", each(r.Problems, func(p model.Problem) any {
		return jsonProblem{Place: toJSONPlace(p.Place), Reason: clean(p.Reason), Hint: clean(p.Hint)}
	}))
	s.open("exceptions")
	exception := func(e *model.Exception) any { return toJSONException(e) }
	s.list("expired", each(r.Expired, exception))
	s.list("unused", each(r.Unused, exception))
	s.close()
	s.close()
	w.WriteByte('\n')
	return s.err
}

// requirementsOf asks for each rule's requirements once.
func requirementsOf(rules []*model.RuleInfo, o Options) map[string][]string {
	all := map[string][]string{}
	for _, rule := range rules {
		if reqs := o.requirements(rule); len(reqs) > 0 {
			all[rule.ID] = reqs
		}
	}
	return all
}

func toJSONRule(rule *model.RuleInfo, requirements map[string][]string) any {
	return jsonRule{
		ID: rule.ID, Title: clean(rule.Title), Severity: rule.Severity, Category: rule.Category,
		Rationale: clean(rule.Rationale), Remediation: clean(rule.Remediation), Attack: rule.Attack,
		Requirements: requirements[rule.ID], Checks: rule.Checks, Aliases: rule.Aliases, Builtin: rule.Builtin, Advisory: rule.Advisory,
	}
}

// toJSONFinding cleans sentences, and keeps names, paths and places as they
// are: programs look objects and files up by them, and JSON escapes them.
func toJSONFinding(f *model.Finding, requirements map[string][]string) *jsonFinding {
	j := &jsonFinding{
		Rule: f.Rule.ID, Title: clean(f.Rule.Title), Severity: f.Rule.Severity, Category: f.Rule.Category, Message: clean(f.Message),
		Object: toJSONObject(f.Object), Subject: clean(f.Subject), Path: f.Path().String(), Place: toJSONPlace(f.Place()),
		Owner: ownerOf(f.Object), Remediation: clean(f.Rule.Remediation), Attack: f.Rule.Attack, Requirements: requirements[f.Rule.ID],
		Fingerprint: f.Fingerprint, Active: f.Active(), Baselined: f.Baselined, System: f.Object.System,
	}
	for i := range f.Fixes {
		j.Fixes = append(j.Fixes, toJSONFix(f, &f.Fixes[i]))
	}
	if f.Exception != nil {
		j.Exception = toJSONException(f.Exception)
	}
	for _, s := range f.Symptoms {
		j.Symptoms = append(j.Symptoms, toJSONFinding(s, requirements))
	}
	return j
}

func toJSONFix(f *model.Finding, fix *model.Fix) jsonFix {
	j := jsonFix{Class: fix.Class, Question: clean(fix.Question)}
	for _, e := range fix.Edits {
		edit := jsonEdit{Op: "set", Path: f.At(e.Target).String()}
		switch {
		case e.Value == nil:
			edit.Op = "remove"
		case e.Append:
			edit.Op = "append"
		}
		if e.Value != nil {
			edit.Value = toJSONValue(e.Value)
		}
		j.Edits = append(j.Edits, edit)
	}
	return j
}

// toJSONValue encodes a value; what JSON cannot say, such as an infinite
// number, becomes the string that YAML has for it.
func toJSONValue(n *tree.Node) json.RawMessage {
	data, err := json.Marshal(n.Native())
	if err != nil {
		data, _ = json.Marshal(flow(n)) // cannot fail for a string
	}
	return data
}

func toJSONObject(o *model.Object) *jsonObject {
	if o == nil {
		return nil
	}
	return &jsonObject{Cluster: o.Key.Cluster, Namespace: o.Key.Namespace, APIVersion: o.APIVersion, Group: o.Key.Group, Kind: o.Key.Kind, Name: o.Key.Name, Container: containerOf(o)}
}

func toJSONPlace(p model.Place) *model.Place {
	if p.File == "" {
		return nil
	}
	return &p
}

func toJSONException(e *model.Exception) *jsonException {
	j := &jsonException{ID: clean(e.ID), Rules: e.Rules, Reason: clean(e.Reason), Owner: clean(e.Owner), Place: toJSONPlace(e.Place), Matched: e.Matched}
	if !e.Expires.IsZero() {
		j.Expires = e.Expires.UTC().Format(time.RFC3339)
	}
	return j
}

func toJSONUnknown(u model.Unknown) any {
	j := jsonUnknown{Object: toJSONObject(u.Object), Subject: clean(u.Subject), Place: toJSONPlace(u.Place()), Reason: clean(u.Reason)}
	if u.Rule != nil {
		j.Rule = u.Rule.ID
	}
	return j
}
