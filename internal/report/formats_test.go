package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ullage.dev/ullage/internal/model"
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
			first := render(t, format, r, o)
			if second := render(t, format, r, o); first != second {
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

// TestMarkdownLargeObjects holds that an object with more findings than fit leaves
// room for the others, wherever it stands.
func TestMarkdownLargeObjects(t *testing.T) {
	section := byObject(active(smallReport(t).Findings))[0]
	severity := section.findings[0].Rule.Severity
	for _, sizes := range [][]int{{1000}, {1000, 1}, {1, 1000}, {1000, 1000, 1000, 2}, {30, 1000, 30}, slices.Repeat([]int{1}, 2000)} {
		var groups []group
		total := 0
		for _, n := range sizes {
			groups = append(groups, group{object: section.object, findings: slices.Repeat(section.findings[:1], n)})
			total += n
		}
		var b strings.Builder
		told := markdownObjects(&b, groups)
		text := b.String()
		rows, said := strings.Count(text, fmt.Sprintf("\n| %s |", severity)), 0
		for _, m := range regexp.MustCompile(`(\d+) more finding`).FindAllStringSubmatch(text, -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			said += n
		}
		if rows+said != total || len(told) != 1 {
			t.Errorf("%d: %d rows and %d counted for %d findings, %d rules", sizes, rows, said, total, len(told))
		}
		if limit := markdownBudget - markdownRules; len(text) > limit || said > 0 && len(text) < limit*9/10 {
			t.Errorf("%d: %d bytes are not about %d", sizes, len(text), limit)
		}
		if shown := strings.Count(text, "<details>"); len(sizes) < 10 && shown != len(sizes) {
			t.Errorf("%d: %d objects are shown", sizes, shown)
		}
	}
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
			if m := regexp.MustCompile(`^(?:\| \| )?(\d+) more finding`).FindStringSubmatch(line); m != nil {
				n, err := strconv.Atoi(m[1])
				if err != nil {
					t.Fatal(err)
				}
				said += n
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
