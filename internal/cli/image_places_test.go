package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/vuln"
)

// TestImagePlaces: a package that lies in two places is one line and counts once, as in
// the list of stored images.
func TestImagePlaces(t *testing.T) {
	jar := func(where, version string) image.Package {
		return image.Package{Ecosystem: "Maven", Name: "a:log", Version: version, Where: []string{where}}
	}
	match := func(of int) vuln.Match {
		return vuln.Match{Package: of, ID: "CVE-2026-1", State: vuln.FixAvailable, Fixed: "3", Severity: vuln.Severity{Level: vuln.High}}
	}
	r := &scan.Result{
		Image:           &image.Image{Packages: []image.Package{jar("/a.jar", "1"), jar("/b.war!/lib/a.jar", "1"), jar("/c.jar", "2")}},
		Vulnerabilities: &vuln.Result{Matches: []vuln.Match{match(0), match(1), match(2)}},
	}
	high, err := vuln.ParseConditions("high")
	if err != nil {
		t.Fatal(err)
	}
	answer := (&decider{conditions: high, asked: "high", exceptions: policy.NewExceptions(time.Unix(0, 0), "none", nil)}).decide(r, nil)
	if answer.failing != 2 {
		t.Errorf("%d fail", answer.failing)
	}
	var out bytes.Buffer
	p := (&imageFlags{color: "never"}).printer(&Program{Stdout: &out, Getenv: func(string) string { return "" }})
	p.vulnerabilities(answer, time.Unix(0, 0))
	_ = p.w.Flush()
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"found 2: 2 high; 2 with a fix", "CVE-2026-1 a:log 1 in 2 places (/a.jar, /b.war!/lib/a.jar), fixed in 3", "CVE-2026-1 a:log 2, fixed in 3"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, out.String())
		}
	}
}
