package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reorder exchanges the two containers of clean.yaml.
func reorder(t *testing.T, text string) string {
	t.Helper()
	lines := strings.SplitAfter(text, "\n")
	first, second := slices.Index(lines, "        - name: web\n"), slices.Index(lines, "        - name: sidecar\n")
	if first < 0 || second < first {
		t.Fatal("the fixture does not have the containers web and sidecar")
	}
	return strings.Join(slices.Concat(lines[:first], lines[second:], lines[first:second]), "")
}

// TestBaselineStability holds the promise of docs/exceptions.md: what does not
// change the objects makes no new finding, and one mistake makes one.
func TestBaselineStability(t *testing.T) {
	// With all rules there are findings on most elements of the fixtures.
	clean, bad := fixture(t, "clean.yaml"), fixture(t, "bad.yaml")
	dir := write(t, map[string]string{"web.yaml": clean, "agent.yaml": bad})
	known := filepath.Join(t.TempDir(), "known.json")
	all := []string{"check", "--profile", "all", "--fail-on", "info"}
	if o := ullage(t, append(all, "--write-baseline", known, dir)...); o.code != 0 {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	if n := strings.Count(readText(t, known), `"fingerprint"`); n < 20 {
		t.Fatalf("only %d findings in the baseline: the test shows nothing", n)
	}
	comments := strings.Repeat("# a comment\n", 50)
	lines := strings.SplitAfter(clean, "\n")
	middle := len(lines) / 2
	privileged := strings.Replace(clean, "sidecar:2.0.1\n          securityContext:\n", "sidecar:2.0.1\n          securityContext:\n            privileged: true\n", 1)
	for _, test := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"unchanged", map[string]string{"web.yaml": clean, "agent.yaml": bad}, nil},
		{"50 comment lines first", map[string]string{"web.yaml": comments + clean, "agent.yaml": comments + bad}, nil},
		{"50 comment lines in the middle", map[string]string{
			"web.yaml": strings.Join(lines[:middle], "") + comments + strings.Join(lines[middle:], ""), "agent.yaml": bad}, nil},
		{"files renamed and moved", map[string]string{"a/b/front.yml": clean, "z.yaml": bad}, nil},
		{"one file", map[string]string{"all.yaml": bad + "---\n" + clean}, nil},
		{"containers reordered", map[string]string{"web.yaml": reorder(t, clean), "agent.yaml": bad}, nil},
		{"all at once", map[string]string{"x/all.yaml": comments + reorder(t, clean) + "---\n" + comments + bad}, nil},
		{"one mistake more", map[string]string{"web.yaml": privileged, "agent.yaml": bad}, []string{"privileged-container Deployment/web"}},
		{"one mistake more, and all else moved", map[string]string{"x/all.yaml": comments + reorder(t, privileged) + "---\n" + bad},
			[]string{"privileged-container Deployment/web"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := ullage(t, append(all, "-o", "json", "--baseline", known, write(t, test.files))...)
			if got := active(t, o); !slices.Equal(got, test.want) {
				t.Errorf("new findings %q, want %q", got, test.want)
			}
			if want := min(len(test.want), 1); o.code != want {
				t.Errorf("exit code %d, want %d: %s", o.code, want, o.stderr)
			}
		})
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestOneBrokenFile puts one broken file among many: the others have the
// findings that they had without it, and the exit code says what is missing.
func TestOneBrokenFile(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		text := fixture(t, "clean.yaml")
		if i%3 == 0 {
			text = fixture(t, "bad.yaml")
		}
		text = strings.NewReplacer("name: web\n", fmt.Sprintf("name: web-%d\n", i), "name: agent\n", fmt.Sprintf("name: agent-%d\n", i)).Replace(text)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.yaml", i)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := ullage(t, "check", "-o", "json", dir)
	if before.code != 1 {
		t.Fatalf("exit code %d: %s", before.code, before.stderr)
	}
	want := active(t, before)
	for name, text := range map[string]string{
		"unclosed":       "apiVersion: v1\nkind: Pod\nmetadata: {name: broken\nspec: {}\n",
		"binary":         "\x00\x01\x02\xff\xfe",
		"half a file":    fixture(t, "bad.yaml")[:100] + "\t: [",
		"alias bomb":     "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\n",
		"duplicate keys": "apiVersion: v1\nkind: Pod\nkind: Service\nmetadata: {name: twice}\n",
		"deep":           "apiVersion: v1\nkind: Pod\nmetadata: {name: deep}\nspec: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "150-broken.yaml")
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path)
			o := ullage(t, "check", "-o", "json", dir)
			if o.code != 3 {
				t.Errorf("exit code %d, want 3", o.code)
			}
			if !strings.Contains(o.stdout, "150-broken.yaml") {
				t.Error("the report does not name the broken file")
			}
			if got := active(t, o); !slices.Equal(got, want) {
				t.Errorf("%d findings in the other files, %d without the broken one", len(got), len(want))
			}
		})
	}
}
