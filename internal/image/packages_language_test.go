package image

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// A program of this module's own dependencies; go version -m says which.
func TestGoAgreesWithGoVersion(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, dir+"/"+name, string(content))
	}
	writeFile(t, dir+"/main.go", "package main\n\nimport (\n\t_ \"github.com/spf13/cobra\"\n\t_ \"go.yaml.in/yaml/v3\"\n)\n\nfunc main() {}\n")
	goBuild(t, dir, dir+"/modules")
	agreeWithGoVersion(t, dir+"/modules", 5)
}

func writeFile(t testing.TB, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func goBuild(t *testing.T, dir, exe string, flags ...string) {
	t.Helper()
	cmd := exec.Command("go", append(append([]string{"build", "-o", exe}, flags...), ".")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// A module that is replaced by another, by a directory, and a program without
// symbol table and build paths.
func TestGoReplacedAndStripped(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":     "module example.org/app\n\ngo 1.26\n\nrequire example.org/lib v1.2.3\n\nreplace example.org/lib => ./lib\n",
		"main.go":    "package main\n\nimport \"example.org/lib\"\n\nfunc main() { lib.F() }\n",
		"lib/go.mod": "module example.org/lib\n",
		"lib/lib.go": "package lib\n\nfunc F() {}\n",
	} {
		writeFile(t, dir+"/"+name, content)
	}
	for i, flags := range [][]string{{}, {"-trimpath", "-ldflags=-s -w"}, {"-buildmode=pie", "-buildvcs=false"}} {
		exe := fmt.Sprint(dir, "/app", i)
		goBuild(t, dir, exe, flags...)
		agreeWithGoVersion(t, exe, 3)
	}
}

func agreeWithGoVersion(t *testing.T, exe string, atLeast int) {
	t.Helper()
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	packages := read(t, memory{"/usr/bin/app": string(data)}.tree(t), Distro{})
	programs := []Program{{Path: "/usr/bin/app"}}
	ownPrograms(programs, packages)
	var got []string
	for _, p := range packages {
		got = append(got, strings.TrimSpace(p.Name+" "+p.Version))
		same(t, p.Name, p.Files, []string{"/usr/bin/app"})
		if p.Ecosystem != "Go" || !strings.HasPrefix(p.PURL, "pkg:golang/"+p.Name) {
			t.Errorf("%+v", p)
		}
	}
	out, err := exec.Command("go", "version", "-m", exe).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case i == 0:
			want = append(want, "stdlib "+strings.TrimPrefix(fields[1], "go"))
		case fields[0] == "mod" && programs[0].Package != fields[1]:
			t.Errorf("the program is owned by %q, not %q", programs[0].Package, fields[1])
		case fields[0] == "mod" || fields[0] == "dep":
			want = append(want, strings.TrimSuffix(strings.Join(fields[1:min(3, len(fields))], " "), " (devel)"))
		case fields[0] == "=>" && fields[2] == "(devel)":
			name, _, _ := strings.Cut(want[len(want)-1], " ")
			want[len(want)-1] = name
		case fields[0] == "=>":
			want[len(want)-1] = fields[1] + " " + fields[2]
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < atLeast || !slices.Equal(got, want) {
		t.Errorf("got %q\ngo version -m says %q", got, want)
	}
}

func TestReplaced(t *testing.T) {
	for _, test := range []struct {
		m    debug.Module
		want string
	}{
		{debug.Module{Path: "a", Version: "v1"}, "a v1"},
		{debug.Module{Path: "a", Version: "v1", Replace: &debug.Module{Path: "b", Version: "v2"}}, "b v2"},
		{debug.Module{Path: "a", Version: "v1", Replace: &debug.Module{Path: "./b"}}, "a "},
		{debug.Module{Path: "a", Version: "v1", Replace: &debug.Module{Path: "../b", Version: "(devel)"}}, "a "},
	} {
		if name, version := replaced(&test.m); name+" "+version != test.want {
			t.Errorf("%+v: %q %q", test.m, name, version)
		}
	}
	for s, want := range map[string]string{
		"go1.26.1": "1.26.1", "go1.22.3 X:boringcrypto": "1.22.3", "go1.24.4-vendor": "1.24.4", "devel go1.27-abc": "devel go1.27-abc", "": "",
	} {
		if got, _ := toolchain(s); got != want {
			t.Errorf("%s: %q", s, got)
		}
	}
}

const rustList = `{"packages":[
{"name":"app","version":"0.1.0","source":"local","dependencies":[1],"root":true},
{"name":"serde","version":"1.0.219","source":"crates.io"},
{"name":"cc","version":"1.2.0","source":"crates.io","kind":"build"}]}`

func deflate(t testing.TB, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRustList(t *testing.T) {
	packages, err := parseRustList(deflate(t, rustList), "/app")
	if err != nil || nameVersions(packages) != "app 0.1.0, serde 1.0.219" {
		t.Fatal(packages, err)
	}
	if !packages[0].Main || packages[1].Main {
		t.Errorf("the root is not main: %+v", packages)
	}
	if p := packages[1]; p.PURL != "pkg:cargo/serde@1.0.219" || p.Ecosystem != "crates.io" {
		t.Errorf("%+v", p)
	}
	for what, data := range map[string][]byte{
		"no zlib":   []byte("garbage"),
		"no list":   deflate(t, `["a"]`),
		"cut short": deflate(t, rustList)[:20],
		"bomb":      deflate(t, strings.Repeat(" ", maxRustList+1)),
	} {
		if packages, err := parseRustList(data, "/app"); err == nil || !strings.Contains(err.Error(), rustSection) {
			t.Errorf("%s: %v, %v", what, packages, err)
		}
	}
}

// A program that rustc links with the section that cargo auditable would add.
func TestRustProgram(t *testing.T) {
	if _, err := exec.LookPath("rustc"); err != nil {
		t.Skip("no rustc")
	}
	dir := t.TempDir()
	list := deflate(t, rustList)
	source := fmt.Sprintf("#[used]\n#[link_section = %q]\nstatic LIST: [u8; %d] = %s;\nfn main() {}\n",
		rustSection, len(list), strings.ReplaceAll(fmt.Sprint(list), " ", ","))
	if err := os.WriteFile(dir+"/main.rs", []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("rustc", "-C", "strip=symbols", "-o", dir+"/main", dir+"/main.rs")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("%s: %v\n%s", cmd, err, out)
	}
	data, err := os.ReadFile(dir + "/main")
	if err != nil {
		t.Fatal(err)
	}
	packages := read(t, memory{"/usr/bin/main": string(data)}.tree(t), Distro{})
	if nameVersions(packages) != "app 0.1.0, serde 1.0.219" {
		t.Error(nameVersions(packages))
	}
}

func TestNPM(t *testing.T) {
	tree := memory{
		"/app/package.json":                                       `{"name":"app","version":"1.0.0"}`,
		"/app/node_modules/a/package.json":                        `{"name":"a","version":"1.0.0","license":"MIT"}`,
		"/app/node_modules/a/index.js":                            "",
		"/app/node_modules/a/link":                                "-> index.js",
		"/app/node_modules/a/node_modules/b/package.json":         "\ufeff" + `{"name":"b","version":"2.0.0","license":{"type":"ISC"}}`,
		"/app/node_modules/@s/c/package.json":                     `{"name":"@s/c","version":"3.0.0","licenses":[{"type":"MIT"},{"type":"GPL"}]}`,
		"/app/node_modules/@s/c/node_modules/d/package.json":      `{"name":"real-name","version":"4.0.0","license":7}`,
		"/app/node_modules/a/dist/package.json":                   `{"type":"module"}`,
		"/app/node_modules/a/test/node_modules/x/package.json":    `{"name":"x","version":"9"}`,
		"/app/node_modules/a/package/package.json":                `{"name":"y","version":"9"}`,
		"/app/node_modules/.cache/z/package.json":                 `{"name":"z","version":"9"}`,
		"/app/node_modules/e/package.json":                        `{"type":"module"}`,
		"/app/node_modules/.pnpm/p@1/node_modules/p/package.json": `{"name":"p","version":"1.0.0"}`,
		"/app/node_modules/p":                                     "-> .pnpm/p@1/node_modules/p",
		"/opt/yarn-v1.22.22/package.json":                         `{"name":"yarn","version":"1.22.22"}`,
		"/opt/yarn-v1.22.22/node_modules.txt":                     "",
		"/srv/package.json":                                       `{"name":"project","version":"1.0.0"}`,
		"/srv/none/package.json":                                  `{"name":"broken`,
		"/own/package.json":                                       `{"name":"own","version":"1.0.0","private":true}`,
		"/own/node_modules/q/package.json":                        `{"name":"q","version":"1.0.0"}`,
		"/app/package-lock.json":                                  `{"packages":{"node_modules/ghost":{"version":"1.0.0"}}}`,
	}.tree(t)
	packages := read(t, tree, Distro{})
	if got := nameVersions(packages); got != "@s/c 3.0.0, a 1.0.0, app 1.0.0, b 2.0.0, own 1.0.0, p 1.0.0, q 1.0.0, real-name 4.0.0, yarn 1.22.22" {
		t.Fatal(got)
	}
	for name, main := range map[string]bool{"app": true, "own": true, "yarn": false, "a": false} {
		p := find(t, packages, name)
		if p.Main != main || (p.Files == nil) != main || (p.PURL == "") != (name == "own") || p.Identified() != (name != "own") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	a, c := find(t, packages, "a"), find(t, packages, "@s/c")
	same(t, "a", a.Files, []string{"/app/node_modules/a/dist/package.json", "/app/node_modules/a/index.js", "/app/node_modules/a/link",
		"/app/node_modules/a/package.json", "/app/node_modules/a/package/package.json"})
	same(t, "a", a.Licenses, []string{"MIT"})
	same(t, "b", find(t, packages, "b").Licenses, []string{"ISC"})
	same(t, "c", c.Licenses, []string{"MIT", "GPL"})
	if c.PURL != "pkg:npm/%40s/c@3.0.0" {
		t.Errorf("%+v", c)
	}
	same(t, "p", find(t, packages, "p").Where, []string{"/app/node_modules/.pnpm/p@1/node_modules/p/package.json"})
	if _, err := parseNPM([]byte("{"), "/x"); err == nil {
		t.Error("half an object is no error")
	}
}

// TestPythonDamaged: that something is installed is told where its name cannot be read.
func TestPythonDamaged(t *testing.T) {
	for name, text := range map[string]string{"METADATA": "Version: 1\n", "PKG-INFO": "\x00garbage"} {
		path := "/usr/lib/python3/site-packages/broken-1." + map[string]string{"METADATA": "dist-info", "PKG-INFO": "egg-info"}[name] + "/" + name
		found := memory{path: text}.tree(t).Found()
		if len(found) != 1 || found[0].Problem == "" {
			t.Errorf("%s: %+v", path, found)
		}
	}
}

func TestPython(t *testing.T) {
	const site = "/usr/lib/python3/site-packages"
	tree := memory{
		site + "/Foo_Bar-1.0.dist-info/METADATA": "Metadata-Version: 2.4\r\nName: Foo_Bar\r\nVersion: 1.0\r\nLicense: " + strings.Repeat("long ", 50) +
			"\r\n\tName: not\r\nClassifier: License :: OSI Approved :: MIT License\r\n\r\nName: body\r\n",
		site + "/Foo_Bar-1.0.dist-info/RECORD": "Foo_Bar/__init__.py,sha256=x,1\r\n\"Foo_Bar/a,b.py\",,\r\n../../../bin/foo,,\r\nFoo_Bar-1.0.dist-info/RECORD,,\r\n" +
			"Foo_Bar/__pycache__/gone.pyc,,\r\n/etc/foo.conf,,\r\n",
		site + "/Foo_Bar/__init__.py":                "",
		site + "/Foo_Bar/a,b.py":                     "",
		"/usr/bin/foo":                               "#!/usr/bin/python3",
		"/etc/foo.conf":                              "a",
		site + "/egg-2.egg-info/PKG-INFO":            "Name: egg\nVersion: 2\nLicense: UNKNOWN\n",
		site + "/egg-2.egg-info/installed-files.txt": "../egg/__init__.py\nPKG-INFO\n",
		site + "/egg/__init__.py":                    "",
		site + "/single-3.egg-info":                  "Name: single\nVersion: 3\nLicense-Expression: MIT OR Apache-2.0\nLicense: other\n",
		site + "/zipped-4-py3.egg/EGG-INFO/PKG-INFO": "Name: zipped\nVersion: 4\n",
		site + "/zipped-4-py3.egg/zipped.py":         "",
		"/src/PKG-INFO":                              "Name: source\nVersion: 9\n",
		"/src/METADATA":                              "Name: source\nVersion: 9\n",
		"/src/requirements.txt":                      "ghost==1\n",
		dpkgStatus:                                   "Package: python3-egg\nVersion: 2-1\nStatus: install ok installed\n",
		dpkgInfo + "/python3-egg.list":               site + "\n" + site + "/egg-2.egg-info\n" + site + "/egg-2.egg-info/PKG-INFO\n",
	}.tree(t)
	packages := read(t, tree, bookworm)
	if got := nameVersions(packages); got != "python3-egg 2-1, Foo_Bar 1.0, egg 2, single 3, zipped 4" {
		t.Fatal(got)
	}
	foo := find(t, packages, "Foo_Bar")
	same(t, "foo", foo.Files, []string{"/etc/foo.conf", "/usr/bin/foo", site + "/Foo_Bar-1.0.dist-info/RECORD", site + "/Foo_Bar/__init__.py", site + "/Foo_Bar/a,b.py"})
	same(t, "foo", foo.Licenses, []string{"MIT License"})
	if foo.PURL != "pkg:pypi/foo-bar@1.0" || foo.OwnedBy != "" {
		t.Errorf("%+v", foo)
	}
	egg := find(t, packages, "egg")
	same(t, "egg", egg.Files, []string{site + "/egg-2.egg-info/PKG-INFO", site + "/egg/__init__.py"})
	same(t, "egg", egg.Licenses, nil)
	if egg.OwnedBy != "python3-egg" {
		t.Errorf("%+v", egg)
	}
	same(t, "single", find(t, packages, "single").Files, nil)
	same(t, "single", find(t, packages, "single").Licenses, []string{"MIT OR Apache-2.0"})
	same(t, "zipped", find(t, packages, "zipped").Files, []string{site + "/zipped-4-py3.egg/EGG-INFO/PKG-INFO", site + "/zipped-4-py3.egg/zipped.py"})

	// The distribution's package comes before the language's as a program's owner.
	programs := []Program{{Path: "/usr/bin/foo"}, {Path: site + "/egg-2.egg-info/PKG-INFO"}}
	ownPrograms(programs, packages)
	if programs[0].Package != "Foo_Bar" || programs[1].Package != "python3-egg" {
		t.Errorf("%+v", programs)
	}
}

func TestGems(t *testing.T) {
	const gems = "/usr/lib/ruby/gems/3.3.0"
	tree := memory{
		gems + "/specifications/rack-2.2.6.gemspec": "# -*- encoding: utf-8 -*-\n# stub: rack 2.2.6 ruby lib\n\nGem::Specification.new do |s|\n" +
			"  s.name = \"other\".freeze\n  s.version = \"1\"\n  s.licenses = [\"MIT\".freeze, \"Ruby\".freeze]\nend\n",
		gems + "/gems/rack-2.2.6/lib/rack.rb":                       "",
		gems + "/specifications/nokogiri-1.16-x86_64-linux.gemspec": "# stub: nokogiri 1.16 x86_64-linux lib\n",
		gems + "/specifications/default/json-2.gemspec":             "Gem::Specification.new do |s|\n  s.name = \"json\"\n  s.version = Gem::Version.new(\"2\")\nend\n",
		"/src/thing/thing.gemspec":                                  "Gem::Specification.new do |s|\n  s.name = \"thing\"\n  s.version = \"1\"\nend\n",
	}.tree(t)
	packages := read(t, tree, Distro{})
	if got := nameVersions(packages); got != "json 2, nokogiri 1.16, rack 2.2.6" {
		t.Fatal(got)
	}
	rack := find(t, packages, "rack")
	same(t, "rack", rack.Files, []string{gems + "/gems/rack-2.2.6/lib/rack.rb", gems + "/specifications/rack-2.2.6.gemspec"})
	same(t, "rack", rack.Licenses, []string{"MIT", "Ruby"})
	if p := find(t, packages, "nokogiri"); p.PURL != "pkg:gem/nokogiri@1.16?platform=x86_64-linux" {
		t.Errorf("%+v", p)
	}
	if _, err := parseGem([]byte("puts 1"), "/x"); err == nil {
		t.Error("no error of what is no specification")
	}
}

func TestComposer(t *testing.T) {
	for name, content := range map[string]string{
		"version 2": `{"packages":[{"name":"monolog/monolog","version":"3.5.0","license":["MIT"],"install-path":"../monolog/monolog"},{"name":"a/meta","version":"1","install-path":null}],"dev":true}`,
		"version 1": `[{"name":"monolog/monolog","version":"3.5.0","license":["MIT"]},{"name":"a/meta","version":"1"}]`,
	} {
		tree := memory{
			"/app/vendor/composer/installed.json":   content,
			"/app/vendor/monolog/monolog/src/L.php": "",
			"/app/composer.lock":                    `{"packages":[{"name":"ghost/ghost","version":"1"}]}`,
			"/app/other/installed.json":             `[{"name":"not/this","version":"1"}]`,
		}.tree(t)
		packages := read(t, tree, Distro{})
		if got := nameVersions(packages); got != "a/meta 1, monolog/monolog 3.5.0" {
			t.Fatalf("%s: %s", name, got)
		}
		p := packages[1]
		same(t, name, p.Files, []string{"/app/vendor/monolog/monolog/src/L.php"})
		same(t, name, p.Licenses, []string{"MIT"})
		if p.PURL != "pkg:composer/monolog/monolog@3.5.0" || p.Ecosystem != "Packagist" {
			t.Errorf("%+v", p)
		}
	}
}

func TestDotNet(t *testing.T) {
	tree := memory{
		"/app/app.deps.json": "\ufeff" + `{"targets":{".NETCoreApp,Version=v8.0":{
"app/1.0.0":{"runtime":{"app.dll":{}}},
"Newtonsoft.Json/13.0.3":{"runtime":{"lib/net6.0/Newtonsoft.Json.dll":{}}},
"runtime.native/1.0":{"runtimeTargets":{"runtimes/linux-x64/native/lib.so":{}}},
"Build.Only/1.0.0":{}}},
"libraries":{"app/1.0.0":{"type":"project"},"Newtonsoft.Json/13.0.3":{"type":"package"},"runtime.native/1.0":{"type":"package"},"Build.Only/1.0.0":{"type":"package"}}}`,
		"/app/Newtonsoft.Json.dll":              "",
		"/app/runtimes/linux-x64/native/lib.so": "",
	}.tree(t)
	packages := read(t, tree, Distro{})
	if got := nameVersions(packages); got != "Newtonsoft.Json 13.0.3, runtime.native 1.0" {
		t.Fatal(got)
	}
	same(t, "json", packages[0].Files, []string{"/app/Newtonsoft.Json.dll"})
	same(t, "native", packages[1].Files, []string{"/app/runtimes/linux-x64/native/lib.so"})
	if packages[0].PURL != "pkg:nuget/Newtonsoft.Json@13.0.3" || packages[0].Ecosystem != "NuGet" {
		t.Errorf("%+v", packages[0])
	}
}

// Many packages that claim one large directory cost no more than the bound, and
// their files are then not known, which is not none.
func TestClaimedDirectories(t *testing.T) {
	m := memory{}
	for i := range 100 {
		m[fmt.Sprintf("/d/%d", i)] = ""
	}
	o := newOwned(m.tree(t))
	o.left = 250
	same(t, "first", o.under("/d", "")[:1], []string{"/d/0"})
	if len(o.under("/d", "")) != 100 || o.under("/d", "") != nil || o.under("/d", "") != nil {
		t.Error("no bound")
	}
}

func TestPURL(t *testing.T) {
	for want, got := range map[string]string{
		"pkg:npm/%40a/b@1.0.0":                   purlText("npm", "@a", "b", "1.0.0"),
		"pkg:golang/github.com/A/b@v1.0.0%2Bx":   purlText("golang", "github.com/A", "b", "v1.0.0+x"),
		"pkg:deb/debian/a@1:2~3?arch=x&distro=d": purlText("deb", "debian", "a", "1:2~3", "distro", "d", "arch", "x", "epoch", ""),
		"pkg:gem/%C3%A9%20%2F":                   purlText("gem", "", "é /", ""),
	} {
		if got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

func TestUpgradeTo(t *testing.T) {
	for want, p := range map[string]Package{
		"openssl to 2":  {Ecosystem: "Debian", Name: "libssl3", Source: "openssl"},
		"requests to 2": {Ecosystem: "PyPI", Name: "requests"},
		"python3-requests to a build of the distribution that has the fix of requests 2": {Ecosystem: "PyPI", Name: "requests", OwnedBy: "python3-requests"},
	} {
		if got := p.UpgradeTo("2"); got != want {
			t.Errorf("upgrade %s, not %s", got, want)
		}
	}
}
