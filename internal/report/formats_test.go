package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// reports are the reports that every format is tried on.
func reports(t testing.TB) map[string]*model.Report {
	nothing := &model.Report{}
	return map[string]*model.Report{
		"zero": nothing, "clean": emptyReport(), "problems": onlyProblems(t), "small": smallReport(t),
		"large": largeReport(t, 1250), "alike": alikeReport(t), "hostile": hostileReport(t),
	}
}

func TestDeterministic(t *testing.T) {
	for name, r := range reports(t) {
		for _, format := range Formats() {
			o := Options{ShowExcepted: true, Requirements: requirements}
			if render(t, format, r, o) != render(t, format, r, o) {
				t.Errorf("%s of %s differs between two runs", format, name)
			}
		}
	}
}

// Every format says what made it from what.
func TestProvenance(t *testing.T) {
	for name, r := range map[string]*model.Report{"clean": emptyReport(), "small": smallReport(t), "large": largeReport(t, 1250)} {
		for _, format := range Formats() {
			text := render(t, format, r, Options{})
			for _, want := range []string{"ullage", "0.1.0", "3f2a91c4d5e6", "77ab01c2d3e4", "4be1c9d2a770"} {
				if !strings.Contains(text, want) {
					t.Errorf("%s of %s does not hold %q", format, name, want)
				}
			}
		}
	}
}

func jsonSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open("../../docs/schema/report-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	doc, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("report.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJSONSchema(t *testing.T) {
	schema := jsonSchema(t)
	for name, r := range reports(t) {
		if name == "zero" {
			continue // has no provenance, which the schema asks for
		}
		text := render(t, "json", r, Options{Requirements: requirements})
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{
		`{}`,
		strings.Replace(render(t, "json", smallReport(t), Options{}), "report/v1", "report/v2", 1),
		strings.Replace(render(t, "json", smallReport(t), Options{}), `"severity":"critical"`, `"severity":"grave"`, 1),
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(doc) == nil {
			t.Errorf("the schema accepts %.200s", bad)
		}
	}
}

// The schema documents every field that is written.
func TestJSONSchemaIsComplete(t *testing.T) {
	data, err := os.ReadFile("../../docs/schema/report-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	for def, v := range map[string]any{
		"finding": jsonFinding{}, "rule": jsonRule{}, "object": jsonObject{}, "fix": jsonFix{}, "exception": jsonException{}, "unknown": jsonUnknown{},
		"problem": jsonProblem{}, "summary": jsonSummary{}, "counts": model.Counts{}, "provenance": model.Provenance{}, "place": model.Place{},
	} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if schema.Defs[def].Properties[name] == nil {
				t.Errorf("the schema lacks %s.%s", def, name)
			}
		}
	}
}

// jsonReport reads back what a consumer would.
type jsonReport struct {
	Schema   string
	Counts   model.Counts
	Summary  jsonSummary
	Rules    []jsonRule
	Findings []jsonFinding
	Unknowns []jsonUnknown
	Problems []jsonProblem
}

func readJSON(t testing.TB, r *model.Report, o Options) jsonReport {
	t.Helper()
	var got jsonReport
	if err := json.Unmarshal([]byte(render(t, "json", r, o)), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestJSONContent(t *testing.T) {
	r := smallReport(t)
	got := readJSON(t, r, Options{Requirements: requirements})
	if len(got.Findings) != len(r.Findings) || len(got.Unknowns) != 3 || len(got.Problems) != 2 || got.Counts != r.Counts {
		t.Fatalf("lists or counts differ: %+v", got.Counts)
	}
	if want := (jsonTally{Critical: 3, High: 2, Medium: 3, Low: 1}); got.Summary.Active != want {
		t.Errorf("active findings are %+v, want %+v", got.Summary.Active, want)
	}
	f := got.Findings[0]
	if f.Object.Namespace != "shop" || f.Object.Name != "checkout" || f.Object.APIVersion != "apps/v1" || f.Object.Group != "apps" || f.Owner != "payments" {
		t.Errorf("object is %+v of %q", f.Object, f.Owner)
	}
	if f.Place.String() != "deploy/shop/checkout.yaml:19:11" || f.Path != webAt+".securityContext.privileged" {
		t.Errorf("place is %s, path %s", f.Place, f.Path)
	}
	if !slices.Equal(f.Requirements, []string{"cis-kubernetes 5.2.2", "pss baseline"}) || len(f.Symptoms) != 2 {
		t.Errorf("requirements %q, %d symptoms", f.Requirements, len(f.Symptoms))
	}
	if e := f.Fixes[0].Edits[0]; f.Fixes[0].Class != model.Tightening || e.Op != "set" || string(e.Value) != "false" {
		t.Errorf("fix is %+v", f.Fixes[0])
	}
	for i, f := range got.Findings {
		want := r.Findings[i]
		if f.Active != want.Active() || f.Baselined != want.Baselined || (f.Exception != nil) != (want.Exception != nil) || f.Fingerprint != want.Fingerprint {
			t.Errorf("finding %d is %+v", i, f)
		}
	}
}

func TestJSONEdits(t *testing.T) {
	r := smallReport(t)
	inf := tree.UnknownBecause("not measured")
	r.Findings = r.Findings[:1]
	r.Findings[0].Fixes = []model.Fix{{Class: model.Inert, Edits: []model.Edit{
		{Path: tree.Keys("a"), Value: node(map[string]any{"drop": []string{"ALL"}})},
		{Path: tree.Keys("b")},
		{Path: tree.Keys("c"), Value: node("x"), Append: true},
		{Path: tree.Keys("d"), Value: &inf},
	}}}
	var got []string
	for _, e := range readJSON(t, r, Options{}).Findings[0].Fixes[0].Edits {
		got = append(got, e.Op+" "+e.Path+" "+string(e.Value))
	}
	if want := []string{`set a {"drop":["ALL"]}`, "remove b ", `append c "x"`, "set d null"}; !slices.Equal(got, want) {
		t.Errorf("edits are %q, want %q", got, want)
	}
}

// Memory does not grow with the number of findings.
func TestJSONStreams(t *testing.T) {
	r := largeReport(t, 200)
	one := r.Findings
	for range 100 { // 80,800 findings
		r.Findings = append(r.Findings, one...)
	}
	for _, format := range []string{"json", "sarif"} {
		peak := &peakWriter{}
		runtime.GC()
		runtime.ReadMemStats(&peak.stats)
		before := peak.stats.HeapAlloc
		if err := Write(peak, format, r, Options{}); err != nil {
			t.Fatal(err)
		}
		if peak.written < 30<<20 {
			t.Fatalf("%s: only %d bytes written", format, peak.written)
		}
		if grown := int64(peak.live) - int64(before); grown > int64(peak.written)/8 {
			t.Errorf("%s: %d bytes live while writing %d", format, grown, peak.written)
		}
	}
}

// peakWriter looks at the live heap about every eight megabytes.
type peakWriter struct {
	stats         runtime.MemStats
	written, next int
	live          uint64
}

func (p *peakWriter) Write(b []byte) (int, error) {
	p.written += len(b)
	if p.written > p.next {
		p.next += 8 << 20
		runtime.GC()
		runtime.ReadMemStats(&p.stats)
		p.live = max(p.live, p.stats.HeapAlloc)
	}
	return len(b), nil
}

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

// suites mirrors what CI servers read of JUnit XML.
type suites struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
	Suites   []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Cases    []struct {
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestJUnit(t *testing.T) {
	for name, r := range reports(t) {
		text := render(t, "junit", r, Options{})
		var got suites
		d := xml.NewDecoder(strings.NewReader(text))
		if err := d.Decode(&got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var sum suites
		for _, s := range got.Suites {
			var cases suites
			for _, c := range s.Cases {
				cases.Tests++
				for n, present := range map[*int]bool{&cases.Failures: c.Failure != nil, &cases.Errors: c.Error != nil, &cases.Skipped: c.Skipped != nil} {
					if present {
						*n++
					}
				}
			}
			if s.Tests != cases.Tests || s.Failures != cases.Failures || s.Errors != cases.Errors || s.Skipped != cases.Skipped {
				t.Errorf("%s: suite %s says %d/%d/%d/%d and holds %+v", name, s.Name, s.Tests, s.Failures, s.Errors, s.Skipped, cases)
			}
			sum.Tests += s.Tests
			sum.Failures += s.Failures
			sum.Errors += s.Errors
			sum.Skipped += s.Skipped
		}
		if got.Suites = nil; !reflect.DeepEqual(got, sum) {
			t.Errorf("%s: says %+v and holds %+v", name, got, sum)
		}
		if got.Failures != len(active(r.Findings)) || got.Errors != len(r.Problems) || got.Tests != 1+len(r.Problems)+len(r.Findings) {
			t.Errorf("%s: %+v for %d findings", name, got, len(r.Findings))
		}
	}
}

func TestOpenReports(t *testing.T) {
	for name, r := range reports(t) {
		t.Run(name, func(t *testing.T) {
			results := map[string]int{}
			names := map[string]bool{}
			d := yaml.NewDecoder(strings.NewReader(render(t, "openreports", r, Options{Requirements: requirements})))
			for {
				var doc any
				if err := d.Decode(&doc); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				// Through JSON, as kubectl does.
				data, err := json.Marshal(doc)
				if err != nil {
					t.Fatal(err)
				}
				var report openReport
				strict(t, string(data), &report)
				checkOpenReport(t, report, names, results)
			}
			want := map[string]int{}
			for _, f := range r.Findings {
				if f.Active() {
					want["fail"]++
				} else {
					want["skip"]++
				}
			}
			want["skip"] += len(r.Unknowns)
			want["error"] += len(r.Problems)
			for _, result := range []string{"fail", "skip", "error", "warn", "pass"} {
				if results[result] != want[result] {
					t.Errorf("%d times %s, want %d", results[result], result, want[result])
				}
			}
		})
	}
}

func checkOpenReport(t *testing.T, report openReport, names map[string]bool, results map[string]int) {
	if report.APIVersion != "openreports.io/v1alpha1" || (report.Kind == "ClusterReport") != (report.Metadata.Namespace == "") {
		t.Fatalf("%s %s in namespace %q", report.APIVersion, report.Kind, report.Metadata.Namespace)
	}
	key := report.Metadata.Namespace + "/" + report.Metadata.Name
	if names[key] {
		t.Errorf("two reports are called %s", key)
	}
	names[key] = true
	if len(report.Results) > openReportsChunk {
		t.Errorf("%d results in one report", len(report.Results))
	}
	summary := map[string]int{"fail": 0, "warn": 0, "error": 0, "skip": 0}
	for _, result := range report.Results {
		summary[result.Result]++
		results[result.Result]++
		if result.Policy == "" || !slices.Contains([]string{"", "critical", "high", "medium", "low", "info"}, result.Severity) {
			t.Errorf("result %+v", result)
		}
		for _, o := range result.Resources {
			if o.Namespace != report.Metadata.Namespace {
				t.Errorf("an object of namespace %q in the report of %q", o.Namespace, report.Metadata.Namespace)
			}
		}
		if result.Result == "skip" && result.Properties["reason"] == "" {
			t.Errorf("skipped without a reason: %+v", result)
		}
	}
	if !reflect.DeepEqual(summary, report.Summary) {
		t.Errorf("summary is %v, want %v", report.Summary, summary)
	}
}

var cell = regexp.MustCompile(`(?:[^|\\]|\\.)*`)

// cells splits a table row as GitHub does: at each | that has no backslash.
func cells(row string) []string {
	var all []string
	for rest := row; rest != ""; {
		c := cell.FindString(rest)
		all = append(all, c)
		if rest = rest[len(c):]; rest != "" {
			rest = rest[1:]
		}
	}
	return all
}

func TestMarkdown(t *testing.T) {
	for name, r := range reports(t) {
		text := render(t, "markdown", r, Options{ShowExcepted: true})
		if n := len([]rune(text)); n > 65_536 {
			t.Errorf("%s: %d characters are more than a comment may have", name, n)
		}
		if open, closed := strings.Count(text, "<details>"), strings.Count(text, "</details>"); open != closed {
			t.Errorf("%s: %d sections are opened and %d closed", name, open, closed)
		}
		rows, said := 0, 0
		for line := range strings.Lines(text) {
			if m := regexp.MustCompile(`^(\d+) more finding`).FindStringSubmatch(line); m != nil {
				fmt.Sscan(m[1], &said)
			}
			if severity, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " "); !slices.Contains([]string{"critical", "high", "medium", "low", "info"}, severity) || strings.HasPrefix(line, "| critical | high |") {
				continue
			}
			rows++
			if n := len(cells(strings.TrimSpace(line))); n != 5 {
				t.Errorf("%s: %d cells in %s", name, n, line)
			}
		}
		if rows+said != len(r.Findings) {
			t.Errorf("%s: %d rows and %d counted for %d findings", name, rows, said, len(r.Findings))
		}
	}
	golden(t, "small.md", render(t, "markdown", smallReport(t), Options{}))
}

func TestHTML(t *testing.T) {
	for name, r := range reports(t) {
		text := render(t, "html", r, Options{ShowExcepted: true, Requirements: requirements})
		if strings.Contains(text, "ZgotmplZ") {
			t.Errorf("%s: a value was refused by the template", name)
		}
		if n := strings.Count(text, `<article class="finding"`); n != min(len(active(r.Findings)), htmlFindings) {
			t.Errorf("%s: %d findings shown", name, n)
		}
		for _, bad := range []string{"<script", "<img", "http://", "https://", "url(", "@import", "onerror=\""} {
			if strings.Contains(strings.ToLower(text), bad) && name != "hostile" {
				t.Errorf("%s: the page holds %s", name, bad)
			}
		}
		balanced(t, name, text)
	}
}

var tag = regexp.MustCompile(`<(/?)([a-z][a-z0-9]*)[^>]*>`)

// balanced checks that the tags nest, and that there are no others than ours.
func balanced(t *testing.T, name, text string) {
	t.Helper()
	const known = " html head title style body header main footer section article details summary fieldset legend label ul li p b h1 h2 h3 code span div dl dt dd table thead tbody tr th td meta link input br "
	const void = " meta link input br "
	var open []string
	for _, m := range tag.FindAllStringSubmatch(text, -1) {
		switch element := " " + m[2] + " "; {
		case !strings.Contains(known, element):
			t.Errorf("%s: element %s", name, m[0])
		case strings.Contains(void, element):
		case m[1] == "":
			open = append(open, m[2])
		case len(open) == 0 || open[len(open)-1] != m[2]:
			t.Fatalf("%s: </%s> closes %v", name, m[2], open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%s: %v stay open", name, open)
	}
}

func BenchmarkFormats(b *testing.B) {
	r := largeReport(b, 1250)
	for _, format := range Formats() {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var w bytes.Buffer
				if err := Write(&w, format, r, Options{}); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(w.Len()))
			}
		})
	}
}
