package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/vuln"
)

type sarifLog struct {
	Version string
	Runs    []struct {
		Tool struct {
			Driver struct{ Rules []map[string]any }
		}
		Invocations []struct {
			ExecutionSuccessful        bool
			ToolExecutionNotifications []map[string]any
		}
		Results    []map[string]any
		Properties map[string]any
	}
}

func imageLog(t *testing.T, img *image.Image, found *vuln.Result) sarifLog {
	t.Helper()
	var b bytes.Buffer
	if err := ImageSARIF(&b, "ullage", "1", img, found); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(b.Bytes(), &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return log
}

func imageWithFlaws() (*image.Image, *vuln.Result) {
	img := &image.Image{
		Reference: "registry.example/web:1", Identity: image.Identity{Repository: "registry.example/web"}, Layers: []image.Layer{{DiffID: "sha256:aa"}}, Search: image.SecretSearch{Done: true},
		Packages: []image.Package{
			{Ecosystem: "npm", Name: "a", Version: "1", Where: []string{"/x/package.json"}}, {Ecosystem: "npm", Name: "a", Version: "2", Where: []string{"/y/package.json"}},
			{Ecosystem: "Maven", Name: "b", Version: "1", Where: []string{"/app.jar!/lib/b.jar"}},
		},
	}
	high := vuln.Severity{Level: vuln.High, Score: 7.5, Vector: "v"}
	return img, &vuln.Result{Matches: []vuln.Match{
		{Package: 0, ID: "CVE-1", Severity: vuln.Severity{Level: vuln.Low, ByWord: true}, State: vuln.NotFixed, Summary: "A flaw\nin a."}, {Package: 1, ID: "CVE-1", Severity: high, State: vuln.FixAvailable, Fixed: "3"},
		{Package: 2, ID: "CVE-1", Severity: high, State: vuln.FixAvailable, Fixed: "3"}, {Package: 2, ID: "CVE-2", Aliases: []string{"GHSA-2"}},
		{Package: 2, ID: "CVE-3", Exception: &model.Exception{}},
	}, RuledOut: []vuln.Ruled{{ID: "CVE-4"}}, NoData: []string{"conan"}}
}

// TestImageSARIF checks what code scanning services ask for, of an image.
func TestImageSARIF(t *testing.T) {
	img, found := imageWithFlaws()
	run := imageLog(t, img, found).Runs[0]
	rules := run.Tool.Driver.Rules
	for _, rule := range rules {
		checkSARIFRule(t, rule)
	}
	if len(rules) != 2 || rules[0]["properties"].(map[string]any)["security-severity"] != "7.5" || rules[1]["properties"].(map[string]any)["security-severity"] != "5.5" {
		t.Errorf("rules %v", rules)
	}
	if len(run.Results) != 3 {
		t.Fatalf("%d results, want one for each vulnerability of each package", len(run.Results))
	}
	prints := map[string]bool{}
	for _, r := range run.Results {
		prints[fingerprint(r)] = true
		if rules[int(r["ruleIndex"].(float64))]["id"] != r["ruleId"] {
			t.Errorf("%v points at another rule", r)
		}
	}
	first, _ := json.Marshal(run.Results[0])
	for _, want := range []string{`"uri":"x/package.json"`, `"uri":"y/package.json"`, "sha256:aa a", `A flaw`} {
		if !strings.Contains(string(first), want) {
			t.Errorf("%s is missing: %s", want, first)
		}
	}
	if text, _ := json.Marshal(run.Results[1]); len(prints) != 3 || !strings.Contains(string(text), `"uri":"app.jar"`) || !strings.Contains(string(text), "upgrade b to 3") {
		t.Errorf("%d fingerprints, %s", len(prints), text)
	}
	if v := run.Properties["vulnerabilities"].(map[string]any); v["accepted"] != 1.0 || v["ruledOut"] != 1.0 {
		t.Errorf("what does not count is not counted: %v", run.Properties)
	}
	if i := run.Invocations[0]; !i.ExecutionSuccessful || len(i.ToolExecutionNotifications) != 1 {
		t.Errorf("invocation %+v", i)
	}
	// Another tag, other versions and layers: the same fingerprints.
	img.Reference, img.Packages[0].Version, img.Packages[0].Layer = "registry.example/web:2", "9", 0
	for _, r := range imageLog(t, img, found).Runs[0].Results {
		if !prints[fingerprint(r)] {
			t.Errorf("%v has another fingerprint", r["ruleId"])
		}
	}
	if i := imageLog(t, img, nil).Runs[0].Invocations[0]; i.ExecutionSuccessful || len(i.ToolExecutionNotifications) != 1 {
		t.Errorf("without advisories: %+v", i)
	}
}
