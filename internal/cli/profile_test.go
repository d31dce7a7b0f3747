package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

const recorded = "../../examples/behavior/chandlery.json"

func says(t *testing.T, o outcome, code int, parts ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, not %d", o.code, code)
	}
	for _, part := range parts {
		if !strings.Contains(o.stdout+o.stderr, part) {
			t.Errorf("it does not say %q", part)
		}
	}
	if t.Failed() {
		t.Fatalf("%s%s", o.stdout, o.stderr)
	}
}

// TestProfileLife imports a recording twice, tells what is new, approves all of it, and
// holds the recording against what was approved.
func TestProfileLife(t *testing.T) {
	dir := t.TempDir()
	in := func(args ...string) outcome {
		return ullage(t, append([]string{"profile"}, append(args, "--store", dir)...)...)
	}
	says(t, in("list"), exitIncomplete, "no behavior is stored in", "ullage profile import FILE")
	says(t, in("import", recorded, recorded), exitClean, "of 3 behaviors")
	says(t, in("list"), exitClean, "11 deeds expected, 4 new", "too little seen: 2 runs")
	says(t, in("diff", "Deployment/checkout/checkout"), exitFindings, "/tmp/.cache-update connects to 203.0.113.9:4444/tcp", "Done by people")
	says(t, in("diff", "checkout", "--days", "14"), exitClean, "none that was seen")
	says(t, in("diff", "nightly-report"), exitIncomplete, "not known, as nothing is expected yet")
	says(t, in("diff", "nightly-report", "--runs", "2"), exitClean, "until 2026-11-14")
	says(t, in("approve", "nightly-report"), exitIncomplete, "too little seen: 2 runs, and 3 are needed")

	approved := filepath.Join(dir, "checkout.yaml")
	says(t, in("approve", "checkout", "--write", approved), exitClean, "11 deeds", "left out what is new: 4 deeds")
	says(t, in("diff", "checkout", "--approved", approved), exitFindings, "4 deeds", "what "+filepath.ToSlash(approved)[:8])
	says(t, in("approve", "checkout", "--write", approved, "--new"), exitClean, "15 deeds")
	says(t, in("diff", "checkout", "--approved", approved), exitClean, "none that was seen")
	says(t, in("diff", "nightly-report", "--approved", approved), exitIncomplete, "holds no profile of container \"report\"")
	text, err := os.ReadFile(approved)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(text), "kind: connect", "kind: conect", 1)
	if err := os.WriteFile(approved, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, in("diff", "checkout", "--approved", approved), exitUsage, `kind "conect" is not known`)
	says(t, in("approve", "checkout", "--write", approved), exitUsage, "is not overwritten")

	exported := in("export")
	says(t, exported, exitClean)
	if want, err := os.ReadFile(recorded); err != nil || exported.stdout != string(want) {
		t.Errorf("what was exported is not what was imported: %v", err)
	}
}

func TestProfileUsage(t *testing.T) {
	empty, broken := filepath.Join(t.TempDir(), "empty.json"), filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(empty, []byte(`{"schema":"ullage.dev/behavior/v1","normalizer":1,"behaviors":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, []byte("apiVersion: v1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"list --from " + empty, exitIncomplete, "no behavior is in it"},
		{"list --from " + broken, exitUsage, "it is not JSON at byte 1"},
		{"list --from nowhere.json", exitUsage, "nowhere.json: no such file"},
		{"list --from " + recorded + " -n nowhere", exitIncomplete, "nothing is known of these namespaces"},
		{"list --from " + recorded + " -o xml", exitUsage, `"xml" is none of text, json`},
		{"list --from " + recorded + " --store x", exitUsage, "exclude each other"},
		{"show --from " + recorded, exitUsage, "name WORKLOAD"},
		{"show other --from " + recorded, exitIncomplete, `nothing is known of "other"`},
		{"show checkout --container x --from " + recorded, exitIncomplete, `a container "x" of Deployment/checkout/checkout`},
		{"diff checkout --days 0 --from " + recorded, exitUsage, "begin at 1"},
		{"import", exitUsage, "name files or directories to import, or --cluster"},
	} {
		o := ullage(t, append([]string{"profile"}, strings.Fields(c.args)...)...)
		if o.code != c.code || !strings.Contains(o.stderr, c.want) {
			t.Errorf("profile %s: exit code %d, not %d: %s", c.args, o.code, c.code, o.stderr)
		}
	}
}

func TestProfileJSON(t *testing.T) {
	o := ullage(t, "profile", "diff", "checkout", "--from", recorded, "-f", "../../examples/chandlery/checkout", "-o", "json")
	says(t, o, exitFindings)
	var all profilesJSON
	if err := json.Unmarshal([]byte(o.stdout), &all); err != nil {
		t.Fatal(err)
	}
	p := all.Profiles[0]
	if *p.New != 4 || *p.Expected != 11 || *p.Unclear != 0 || *p.Coverage.Wanted != 4 || len(p.People) != 1 {
		t.Errorf("%+v", p)
	}
	seen := map[string]string{}
	for _, d := range p.Deeds {
		seen[d.Text] = string(d.State) + " " + string(d.Declared) + " " + string(d.Granted)
	}
	for text, want := range map[string]string{
		"/tmp/.cache-update connects to 203.0.113.9:4444/tcp":               "new no unknown",
		"/opt/java/bin/java listens at port 8080/tcp":                       "expected yes unknown",
		"/opt/java/bin/java writes /tmp/hsperfdata_app/1":                   "expected yes yes",
		"/opt/java/bin/java connects to StatefulSet/data/postgres:5432/tcp": "expected unknown unknown",
	} {
		if seen[text] != want {
			t.Errorf("%s is %q, not %q", text, seen[text], want)
		}
	}
	o = ullage(t, "profile", "list", "--from", recorded, "-n", "ops", "-o", "json")
	if err := json.Unmarshal([]byte(o.stdout), &all); err != nil || all.Profiles[0].New != nil || all.Profiles[0].Lacking == "" {
		t.Errorf("too little seen is told as a figure: %v %s", err, o.stdout)
	}
}

// TestProfileFits holds lines to the width of the terminal, and names to what a
// terminal does not obey.
func TestProfileFits(t *testing.T) {
	for _, width := range []int{80, 100} {
		for _, args := range []string{"list", "show checkout -v", "diff checkout -f ../../examples/chandlery/checkout"} {
			var stdout, stderr strings.Builder
			p := &Program{Args: append([]string{"profile"}, append(strings.Fields(args), "--from", recorded)...), Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" }, Terminal: Terminal{Width: width}}
			Run(t.Context(), p)
			if stdout.Len() < 100 {
				t.Errorf("%s: %s", args, stderr.String())
			}
			for line := range strings.Lines(stdout.String()) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
					t.Errorf("%s: %d columns of %d: %s", args, n, width, line)
				}
			}
		}
	}
}
