package cli

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const sample = "../../examples/chandlery"

// TestSample holds what the sample's README says: which rules its planted
// mistakes break, and which workloads are without mistakes.
func TestSample(t *testing.T) {
	readme := readText(t, sample+"/README.md")
	_, table, _ := strings.Cut(readme, "## Planted mistakes")
	table, rest, ok := strings.Cut(table, "## Without mistakes")
	if !ok {
		t.Fatal("the README has no section on mistakes, or none on what is without them")
	}
	all := ullage(t, "check", "-o", "json", "--profile", "all", "--closed-world", sample)
	broken := map[string]bool{}
	for _, rule := range sampleRules(t, all) {
		broken[rule] = true
	}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 {
			continue
		}
		for _, rule := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(cells[4], -1) {
			if !broken[rule[1]] {
				t.Errorf("the README says that %s is broken, and the check does not", rule[1])
			}
		}
	}
	clean := regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(rest[:strings.Index(rest, "pass all")], -1)
	if len(clean) != 3 {
		t.Fatalf("the README names %d workloads without mistakes, not 3", len(clean))
	}
	for _, world := range []string{"--closed-world=false", "--closed-world"} {
		o := ullage(t, "check", "-o", "json", world, sample)
		if o.code != 1 {
			t.Errorf("%s: exit code %d, want 1: %s", world, o.code, o.stderr)
		}
		for _, finding := range active(t, o) {
			for _, name := range clean {
				if strings.HasSuffix(finding, " Deployment/"+name[1]) {
					t.Errorf("%s: %s, and the README says that it is without mistakes", world, finding)
				}
			}
		}
	}
}

// TestReadme holds that the findings which the README quotes are real.
func TestReadme(t *testing.T) {
	o := ullage(t, "check", "--verbose", sample)
	output := strings.ReplaceAll(o.stdout, sample, "examples/chandlery")
	quoted := regexp.MustCompile(`(?m)^ +examples/chandlery/\S+:\d+.*$`).FindAllString(readText(t, "../../README.md"), -1)
	if len(quoted) < 3 {
		t.Fatalf("the README quotes %d findings", len(quoted))
	}
	for _, line := range quoted {
		if !strings.Contains(line, "redis.yaml") && !strings.Contains(output, line+"\n") { // redis is changed for the tour
			t.Errorf("the README quotes a finding that is not made: %s", strings.TrimSpace(line))
		}
	}
}

// sampleRules returns the rules that findings and their symptoms break.
func sampleRules(t *testing.T, o outcome) []string {
	t.Helper()
	var r struct {
		Problems []any
		Findings []struct {
			Rule     string
			Symptoms []struct{ Rule string }
		}
	}
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatalf("exit code %d: %v\n%s", o.code, err, o.stderr)
	}
	if len(r.Problems) > 0 {
		t.Errorf("the sample has problems: %v", r.Problems)
	}
	var rules []string
	for _, f := range r.Findings {
		rules = append(rules, f.Rule)
		for _, s := range f.Symptoms {
			rules = append(rules, s.Rule)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}
