package report

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// TestSARIF checks what the standard and code scanning services ask for.
func TestSARIF(t *testing.T) {
	for name, r := range reports(t) {
		for _, o := range []Options{{Requirements: requirements}, {ShowExcepted: true, Repository: "https://git.example.com/shop"}} {
			t.Run(name, func(t *testing.T) {
				var log struct {
					Schema  string `json:"$schema"`
					Version string
					Runs    []map[string]any
				}
				strict(t, render(t, "sarif", r, o), &log)
				if log.Version != "2.1.0" || log.Schema == "" || len(log.Runs) != 1 {
					t.Fatalf("version %q, schema %q, %d runs", log.Version, log.Schema, len(log.Runs))
				}
				checkSARIFRun(t, log.Runs[0], r, o)
			})
		}
	}
}

func strict(t *testing.T, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatal("text behind the document")
	}
}

func checkSARIFRun(t *testing.T, run map[string]any, r *model.Report, o Options) {
	driver := run["tool"].(map[string]any)["driver"].(map[string]any)
	rules := driver["rules"].([]any)
	for _, rule := range rules {
		checkSARIFRule(t, rule.(map[string]any))
	}
	invocation := run["invocations"].([]any)[0].(map[string]any)
	if invocation["executionSuccessful"] != (len(r.Problems) == 0) || len(invocation["toolExecutionNotifications"].([]any)) != len(r.Problems) {
		t.Errorf("invocation is %v", invocation)
	}
	if vcs := run["versionControlProvenance"]; (vcs != nil) != (o.Repository != "" && r.Provenance.Commit != "") {
		t.Errorf("versionControlProvenance is %v", vcs)
	}
	want := len(active(r.Findings))
	if o.ShowExcepted {
		want = len(r.Findings)
	}
	results := run["results"].([]any)
	if len(results) != want {
		t.Fatalf("%d results, want %d", len(results), want)
	}
	for _, v := range results {
		result := v.(map[string]any)
		i := int(result["ruleIndex"].(float64))
		rule := rules[i].(map[string]any)
		if rule["id"] != result["ruleId"] || rule["defaultConfiguration"].(map[string]any)["level"] != result["level"] {
			t.Fatalf("result %v points at rule %v", result["ruleId"], rule["id"])
		}
		checkSARIFResult(t, result)
	}
}

func checkSARIFRule(t *testing.T, rule map[string]any) {
	for _, key := range []string{"shortDescription", "fullDescription", "help"} {
		text, _ := rule[key].(map[string]any)["text"].(string)
		if text == "" || key != "help" && len([]rune(text)) > 1024 {
			t.Errorf("rule %v: %s is %q", rule["id"], key, text)
		}
	}
	props := rule["properties"].(map[string]any)
	if tags := props["tags"].([]any); len(tags) > 20 {
		t.Errorf("rule %v has %d tags", rule["id"], len(tags))
	}
	severity := 0.0
	if s, ok := props["security-severity"].(string); ok {
		if _, err := fmt.Sscan(s, &severity); err != nil || severity <= 0 || severity > 10 {
			t.Errorf("rule %v: security-severity %q", rule["id"], s)
		}
	}
	bands := map[string][2]float64{"critical": {9, 10}, "high": {7, 8.9}, "medium": {4, 6.9}, "low": {0.1, 3.9}, "info": {0, 0}}
	if security := slices.Contains(list(props["tags"]), any("security")); security != (severity > 0) {
		t.Errorf("rule %v: tags %v, score %v", rule["id"], props["tags"], severity)
	}
	if rule["id"] == memoryLimit.ID {
		if severity != 0 {
			t.Errorf("a rule about reliability scores %v", severity)
		}
		return
	}
	if band := bands[props["severity"].(string)]; severity < band[0] || severity > band[1] {
		t.Errorf("rule %v is %v and scores %v", rule["id"], props["severity"], severity)
	}
}

func checkSARIFResult(t *testing.T, result map[string]any) {
	if result["message"].(map[string]any)["text"] == "" {
		t.Error("a result without a message")
	}
	if fp := result["partialFingerprints"].(map[string]any)["ullage/v1"].(string); len(fp) != 32 {
		t.Errorf("fingerprint %q", fp)
	}
	location := result["locations"].([]any)[0].(map[string]any)
	if physical, ok := location["physicalLocation"].(map[string]any); ok {
		checkSARIFURI(t, physical["artifactLocation"])
		if region, ok := physical["region"].(map[string]any); ok && region["startLine"].(float64) < 1 {
			t.Errorf("region is %v", region)
		}
	}
	for _, s := range list(result["suppressions"]) {
		if s := s.(map[string]any); s["kind"] != "external" || s["status"] != "accepted" || s["justification"] == "" {
			t.Errorf("suppression is %v", s)
		}
	}
	for _, fix := range list(result["fixes"]) {
		changes := list(fix.(map[string]any)["artifactChanges"])
		if len(changes) == 0 {
			t.Error("a fix without changes")
		}
		for _, change := range changes {
			checkSARIFURI(t, change.(map[string]any)["artifactLocation"])
			if len(list(change.(map[string]any)["replacements"])) == 0 {
				t.Error("a change without replacements")
			}
		}
	}
}

func list(v any) []any { l, _ := v.([]any); return l }

func checkSARIFURI(t *testing.T, location any) {
	uri := location.(map[string]any)["uri"].(string)
	u, err := url.Parse(uri)
	if err != nil || u.IsAbs() && u.Scheme != "file" || u.Scheme == "" && strings.HasPrefix(uri, "/") {
		t.Errorf("uri %q: %v", uri, err)
	}
}

// A SARIF fix, applied as a viewer would, gives the file that the edit asks for.
func TestSARIFFix(t *testing.T) {
	r := smallReport(t)
	fix, ok := toSARIFFix(r.Findings[0])
	if !ok {
		t.Fatal("no fix for privileged: true")
	}
	rep := fix.Changes[0].Replacements[0]
	lines := strings.Split(r.Findings[0].Object.Source.File.Text, "\n")
	line := lines[rep.Deleted.StartLine-1]
	if rep.Deleted.EndLine != rep.Deleted.StartLine {
		t.Fatalf("region %+v", rep.Deleted)
	}
	if got := line[:rep.Deleted.StartColumn-1] + rep.Inserted.Text + line[rep.Deleted.EndColumn-1:]; strings.TrimSpace(got) != "privileged: false" {
		t.Errorf("the line becomes %q", got)
	}
	if fix, ok := toSARIFFix(r.Findings[1]); ok {
		t.Errorf("a field that is not written got %+v", fix)
	}
	r.Findings[0].Object.Source.Origin = &model.Origin{Renderer: "helm", Root: "chart"}
	if fix, ok := toSARIFFix(r.Findings[0]); ok {
		t.Errorf("rendered text got %+v", fix)
	}
}

func TestSARIFURI(t *testing.T) {
	for file, want := range map[string]string{
		"a/b.yaml": "a/b.yaml", "./a/b.yaml": "a/b.yaml", "/tmp/a b.yaml": "file:///tmp/a%20b.yaml", "c:d.yaml": "./c:d.yaml",
		"a\nb\x1b.yaml": "a%0Ab%1B.yaml", "100%.yaml": "100%25.yaml", "a?b#c.yaml": "a%3Fb%23c.yaml", `win\a.yaml`: "win/a.yaml",
	} {
		if got := sarifURI(file); got != want {
			t.Errorf("%q becomes %q, want %q", file, got, want)
		}
	}
}
