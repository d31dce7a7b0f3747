//go:build integration

package image

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNPMAgreesWithNPM installs packages from the registry and compares with npm ls.
func TestNPMAgreesWithNPM(t *testing.T) {
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("no npm")
	}
	root := t.TempDir()
	writeFile(t, root+"/app/package.json",
		`{"name":"app","version":"1.0.0","dependencies":{"express":"4.21.2","webpack":"5.97.1","tape":"5.9.0","old":"npm:chalk@2.4.2"}}`)
	install := exec.Command("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = root + "/app"
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("%s: %v\n%s", install, err, out)
	}
	packages := read(t, treeOf(t, root), Distro{})
	var got []string
	for _, p := range packages {
		got = append(got, filepath.Dir(p.Where[0])+" "+p.Name+"@"+p.Version)
	}
	slices.Sort(got)

	ls := exec.Command("npm", "ls", "--all", "--long", "--json")
	ls.Dir = root + "/app"
	out, err := ls.Output()
	if err != nil {
		t.Fatal(err)
	}
	type node struct {
		Name, Version, Path string
		Dependencies        map[string]node
	}
	var top node
	if err := json.Unmarshal(out, &top); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var walk func(n node)
	walk = func(n node) {
		if n.Path != "" && n.Version != "" {
			seen[strings.TrimPrefix(n.Path, root)+" "+n.Name+"@"+n.Version] = true
		}
		for _, d := range n.Dependencies {
			walk(d)
		}
	}
	walk(top)
	var want []string
	for s := range seen {
		want = append(want, s)
	}
	slices.Sort(want)
	if len(want) < 100 {
		t.Fatalf("npm ls knows %d packages", len(want))
	}
	if diff := missing(want, got) + "--\n" + missing(got, want); diff != "--\n" {
		t.Errorf("%d and %d packages differ:\n%s", len(want), len(got), diff)
	}
	npmFiles(t, root, packages)
	t.Logf("%d packages agree", len(want))
}

// npmFiles checks that each file below node_modules has exactly one owner, but for
// the links in .bin and npm's own notes.
func npmFiles(t *testing.T, root string, packages []Package) {
	owners := map[string]int{}
	for _, p := range packages {
		for _, file := range p.Files {
			owners[file]++
		}
	}
	err := filepath.WalkDir(root+"/app/node_modules", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want := 1
		if strings.Contains(path, "/node_modules/.") {
			want = 0
		}
		// Test data of packages can have node_modules of their own, which nobody installed.
		if got := owners[strings.TrimPrefix(path, root)]; got != want && strings.Count(path, "/test/") == 0 {
			t.Errorf("%s has %d owners, not %d", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPythonAgreesWithPython compares with importlib.metadata, packages and files,
// for all that this machine's Python has installed.
func TestPythonAgreesWithPython(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3")
	}
	const script = `
import importlib.metadata as m, json, os, sys
out = []
for d in m.distributions():
    files = [os.path.normpath(str(d.locate_file(f))) for f in d.files] if d.files is not None else None
    out.append([d.metadata["Name"], d.version, str(d._path), files])
json.dump([[p for p in sys.path if p.endswith("-packages") and os.path.isdir(p)], out], sys.stdout)
`
	var dirs []string
	var distributions [][]any
	if err := json.Unmarshal([]byte(output(t, "python3", "-c", script)), &[]any{&dirs, &distributions}); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, dir := range dirs {
		tree := treeOf(t, dir)
		packages := read(t, tree, Distro{})
		for _, d := range distributions {
			where := strings.TrimPrefix(d[2].(string), dir)
			if where == d[2].(string) {
				continue
			}
			i := slices.IndexFunc(packages, func(p Package) bool {
				return p.Where[0] == where || filepath.Dir(p.Where[0]) == where
			})
			if i < 0 || packages[i].Name != d[0] || packages[i].Version != d[1] {
				t.Errorf("%v %v of %s is not found", d[0], d[1], where)
				continue
			}
			compared++
			if files, ok := d[3].([]any); ok && packages[i].Files != nil {
				pythonAgree(t, dir, packages[i], files)
			}
		}
	}
	if compared == 0 {
		t.Skip("this Python has no packages")
	}
	t.Logf("%d distributions agree", compared)
}

func pythonAgree(t *testing.T, dir string, p Package, files []any) {
	t.Helper()
	var want []string
	for _, f := range files {
		file, ok := strings.CutPrefix(f.(string), dir)
		if !ok {
			continue // a program outside of what was read
		}
		if info, err := os.Lstat(dir + file); err == nil && !info.IsDir() {
			want = append(want, file)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if !slices.Equal(p.Files, want) {
		t.Errorf("%s: %d files, by Python %d:\n%s--\n%s", p.Name, len(p.Files), len(want), missing(want, p.Files), missing(p.Files, want))
	}
}

// TestSupportAgreesWithDistroInfo compares with the data of the package
// distro-info-data of Debian and Ubuntu, whose makers' dates these are.
func TestSupportAgreesWithDistroInfo(t *testing.T) {
	for id, column := range map[string]string{"debian": "eol-lts", "ubuntu": "eol"} {
		data, err := os.ReadFile("/usr/share/distro-info/" + id + ".csv")
		if err != nil {
			t.Skip("no distro-info-data")
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		head := strings.Split(lines[0], ",")
		compared := 0
		for _, line := range lines[1:] {
			fields := strings.Split(line, ",")
			i := slices.Index(head, column)
			version, _, _ := strings.Cut(fields[0], " ")
			want, ok := endOfSupport[id][version]
			if ok && i < len(fields) && fields[i] != "" {
				compared++
				if fields[i] != want {
					t.Errorf("%s %s ends %s, by distro-info %s", id, version, want, fields[i])
				}
			}
		}
		if compared < 5 {
			t.Errorf("%s: compared %d releases", id, compared)
		}
	}
}
