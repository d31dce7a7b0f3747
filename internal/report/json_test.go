package report

import (
	"encoding/json"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

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
			if name != "-" && schema.Defs[def].Properties[name] == nil {
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
		{Target: model.Target{Up: model.Root, Path: tree.Keys("a")}, Value: node(map[string]any{"drop": []string{"ALL"}})},
		{Target: model.Target{Up: model.Root, Path: tree.Keys("b")}},
		{Target: model.Target{Up: model.Root, Path: tree.Keys("c")}, Value: node("x"), Append: true},
		{Target: model.Target{Up: model.Root, Path: tree.Keys("d")}, Value: &inf},
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
