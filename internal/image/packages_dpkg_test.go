package image

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var bookworm = Distro{ID: "debian", Version: "12", Name: "Debian GNU/Linux 12 (bookworm)"}

// read extracts packages and fails on a problem.
func read(t testing.TB, tree *Tree, d Distro) []Package {
	t.Helper()
	packages, problems := readPackages(tree, d)
	for _, p := range problems {
		t.Errorf("problem: %s", p)
	}
	for _, f := range tree.Found() {
		if f.Problem != "" {
			t.Errorf("problem: %s: %s", f.Read, f.Problem)
		}
	}
	return packages
}

func nameVersions(packages []Package) string {
	var all []string
	for _, p := range packages {
		all = append(all, p.Name+" "+p.Version)
	}
	return strings.Join(all, ", ")
}

func find(t testing.TB, packages []Package, name string) Package {
	t.Helper()
	i := slices.IndexFunc(packages, func(p Package) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("no package %s in %s", name, nameVersions(packages))
	}
	return packages[i]
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) || (got == nil) != (want == nil) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestDpkgStates(t *testing.T) {
	var status strings.Builder
	for want, states := range map[bool][]string{
		true:  {"installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"},
		false: {"not-installed", "config-files", "half-installed"},
	} {
		for _, state := range states {
			fmt.Fprintf(&status, "Package: %v-%s\nStatus: hold ok %s\nVersion: 1\nDescription: a\n Package: false-continued\n .\n\n", want, state, state)
		}
	}
	packages, _ := parseDpkg([]byte(status.String()), dpkgStatus, bookworm)
	if len(packages) != 5 {
		t.Errorf("got %s", nameVersions(packages))
	}
	for _, p := range packages {
		if !strings.HasPrefix(p.Name, "true-") {
			t.Errorf("%s is not in place", p.Name)
		}
	}
}

func TestDpkgPackage(t *testing.T) {
	tree := memory{
		"/bin": "-> usr/bin",
		"/lib": "-> usr/lib",
		dpkgStatus: "Package: dash\nStatus: install ok installed\nArchitecture: amd64\nSource: dash (0.5.12-2)\nVersion: 0.5.12-2+b1\n\n" +
			"Package: libx1\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nSource: x\nVersion: 1:2-3\n\n" +
			"Package: libx1\nStatus: install ok installed\nArchitecture: i386\nMulti-Arch: same\nSource: x\nVersion: 1:2-3\n\n" +
			"Package: nolist\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n" +
			"Package: sums\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n" +
			"Package: diverter\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n",
		dpkgInfo + "/dash.list":        "/.\n/bin\n/bin/dash\n/bin/sh\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/dash\n/usr/share/doc/dash/gone\n/var/run\n",
		dpkgInfo + "/libx1:amd64.list": "/.\n/lib\n/lib/x86_64\n/lib/x86_64/libx.so.1\n/usr/share/doc/libx1\n",
		dpkgInfo + "/libx1:i386.list":  "/.\n/lib\n/lib/i386\n/lib/i386/libx.so.1\n/usr/share/doc/libx1\n",
		dpkgInfo + "/diverter.list":    "/.\n/bin\n/bin/sh\n",
		dpkgInfo + "/sums.md5sums":     "d41d8cd98f00b204e9800998ecf8427e  usr/bin/sums\nd41d8cd98f00b204e9800998ecf8427e  usr/bin/absent\n",
		dpkgDiversions:                 "/bin/sh\n/bin/sh.distrib\ndiverter\n",
		"/var/run":                     "-> /run",
		"/run/":                        "",
		"/usr/bin/dash":                "dash",
		"/usr/bin/sh":                  "-> dash",
		"/usr/bin/sh.distrib":          "-> dash",
		"/usr/bin/sums":                "sums",
		"/usr/lib/x86_64/libx.so.1":    "x",
		"/usr/lib/i386/libx.so.1":      "x",
		"/usr/share/doc/dash/copyright": "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: BSD-3-clause\n text\n\n" +
			"License: GPL-2+\n see\n",
		"/usr/share/doc/libx1":            "-> dash",
		"/usr/share/doc/nolist/":          "",
		"/usr/share/doc/nolist/copyright": "On Debian systems see `/usr/share/common-licenses/LGPL-2.1'.\n",
	}.tree(t)
	packages := read(t, tree, bookworm)
	dash := find(t, packages, "dash")
	if dash.Source != "" || dash.SourceVersion != "0.5.12-2" || dash.Ecosystem != "Debian" ||
		dash.PURL != "pkg:deb/debian/dash@0.5.12-2%2Bb1?arch=amd64&distro=debian-12&upstream=dash%400.5.12-2" {
		t.Errorf("%+v", dash)
	}
	same(t, "dash", dash.Files, []string{"/usr/bin/dash", "/usr/bin/sh.distrib"})
	same(t, "diverter", find(t, packages, "diverter").Files, []string{"/usr/bin/sh"})
	same(t, "dash", dash.Licenses, []string{"BSD-3-clause", "GPL-2+"})
	same(t, "nolist", find(t, packages, "nolist").Files, nil)
	same(t, "nolist", find(t, packages, "nolist").Licenses, []string{"LGPL-2.1"})
	same(t, "sums", find(t, packages, "sums").Files, []string{"/usr/bin/sums"})
	libx := find(t, packages, "libx1")
	same(t, "libx1", libx.Licenses, dash.Licenses)
	same(t, "libx1", libx.Files, []string{"/usr/lib/x86_64/libx.so.1", "/usr/share/doc/libx1"})
	if libx.Source != "x" || libx.Version != "1:2-3" || libx.PURL != "pkg:deb/debian/libx1@1:2-3?arch=amd64&distro=debian-12&upstream=x" {
		t.Errorf("%+v", libx)
	}

	programs := []Program{{Path: "/usr/bin/sh"}, {Path: "/usr/bin/dash"}, {Path: "/opt/none"}}
	ownPrograms(programs, packages)
	for i, want := range []string{"diverter", "dash", ""} {
		if programs[i].Package != want {
			t.Errorf("%s is owned by %q, not %q", programs[i].Path, programs[i].Package, want)
		}
	}
}

func TestDistroless(t *testing.T) {
	tree := memory{
		dpkgStatusDir + "/base":          "Package: base-files\nVersion: 12.4\nArchitecture: amd64\n",
		dpkgStatusDir + "/libc6":         "Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\nSource: glibc\nDescription: C\n lib\n",
		dpkgStatusDir + "/libc6.md5sums": "d41d8cd98f00b204e9800998ecf8427e  lib/libc.so.6\n",
		"/lib/libc.so.6":                 "c",
	}.tree(t)
	packages := read(t, tree, bookworm)
	if got := nameVersions(packages); got != "base-files 12.4, libc6 2.36-9" {
		t.Error(got)
	}
	libc := find(t, packages, "libc6")
	same(t, "files", libc.Files, []string{"/lib/libc.so.6"})
	same(t, "where", libc.Where, []string{dpkgStatusDir + "/libc6"})
	if libc.Source != "glibc" {
		t.Errorf("%+v", libc)
	}
	same(t, "base files", find(t, packages, "base-files").Files, nil)
}

// The layer of a package is that of its file list, not that of the status file,
// which every layer that installs something writes anew.
func TestDpkgLayer(t *testing.T) {
	b := newTreeBuilder()
	b.file(dpkgInfo+"/old.list", 0o644, []byte("/old\n"))
	b.layer = 3
	b.file(dpkgInfo+"/new.list", 0o644, []byte("/new\n"))
	b.file(dpkgStatus, 0o644, []byte("Package: old\nVersion: 1\nStatus: install ok installed\n\nPackage: new\nVersion: 1\nStatus: install ok installed\n"))
	packages := read(t, b.tree, bookworm)
	if find(t, packages, "old").Layer != 0 || find(t, packages, "new").Layer != 3 {
		t.Errorf("%+v", packages)
	}
}

const apkDB = `C:Q1abc=
P:musl
V:1.2.5-r9
A:x86_64
T:the musl c library
L:MIT
o:musl
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1x=
R:libc.musl-x86_64.so.1
F:var/empty

C:Q1def=
P:ssl_client
V:1.37.0-r13
A:x86_64
L:GPL-2.0-only AND MIT
o:busybox
F:usr
F:usr/bin
R:ssl_client
R:removed
`

func TestApk(t *testing.T) {
	b := newTreeBuilder()
	b.file("/lib/ld-musl-x86_64.so.1", 0o755, nil)
	b.link("/lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1")
	b.layer = 2
	b.file("/usr/bin/ssl_client", 0o755, nil)
	b.layer = 5
	b.file(apkInstalled, 0o644, []byte(apkDB))
	packages := read(t, b.tree, Distro{ID: "alpine", Version: "3.22.1"})
	if got := nameVersions(packages); got != "musl 1.2.5-r9, ssl_client 1.37.0-r13" {
		t.Fatal(got)
	}
	musl, client := packages[0], packages[1]
	same(t, "musl", musl.Files, []string{"/lib/ld-musl-x86_64.so.1", "/lib/libc.musl-x86_64.so.1"})
	same(t, "client", client.Files, []string{"/usr/bin/ssl_client"})
	same(t, "client", client.Licenses, []string{"GPL-2.0-only AND MIT"})
	if musl.Source != "" || client.Source != "busybox" || musl.Layer != 0 || client.Layer != 2 || musl.Ecosystem != "Alpine" ||
		client.PURL != "pkg:apk/alpine/ssl_client@1.37.0-r13?arch=x86_64&distro=alpine-3.22.1&upstream=busybox" {
		t.Errorf("%+v", packages)
	}
}

// With a merged /usr the database can be reached by two paths, and counts once.
func TestApkMergedUsr(t *testing.T) {
	tree := memory{"/lib": "-> usr/lib", apkUsrInstalled: apkDB, "/usr/lib/ld-musl-x86_64.so.1": "x"}.tree(t)
	packages := read(t, tree, Distro{ID: "wolfi"})
	if len(packages) != 2 {
		t.Fatal(nameVersions(packages))
	}
	same(t, "musl", packages[0].Files, []string{"/usr/lib/ld-musl-x86_64.so.1"})
	if packages[0].Ecosystem != "Wolfi" || packages[0].PURL != "pkg:apk/wolfi/musl@1.2.5-r9?arch=x86_64&distro=wolfi" {
		t.Errorf("%+v", packages[0])
	}
}

func TestEndOfSupport(t *testing.T) {
	for _, test := range []struct {
		d    Distro
		want string
	}{
		{bookworm, "2028-06-30"},
		{Distro{ID: "debian", Version: "11"}, "2026-08-31"},
		{Distro{ID: "debian"}, ""}, // testing and unstable have no version
		{Distro{ID: "ubuntu", Version: "22.04"}, "2027-06-01"},
		{Distro{ID: "alpine", Version: "3.20.3"}, "2026-04-01"},
		{Distro{ID: "alpine", Version: "3.23_alpha"}, ""},
		{Distro{ID: "rhel", Version: "9.4"}, "2032-05-31"},
		{Distro{ID: "centos", Version: "8", Name: "CentOS Linux 8"}, "2021-12-31"},
		{Distro{ID: "centos", Version: "8", Name: "CentOS Stream 8"}, "2024-05-31"},
		{Distro{ID: "amzn", Version: "2"}, "2026-06-30"},
		{Distro{ID: "amzn", Version: "2018.03"}, "2023-12-31"},
		{Distro{ID: "arch"}, ""},
	} {
		got := ""
		if day, ok := test.d.EndOfSupport(); ok {
			got = day.Format("2006-01-02")
		}
		if got != test.want {
			t.Errorf("%+v: %q, not %q", test.d, got, test.want)
		}
	}
	for id, releases := range endOfSupport {
		for release, day := range releases {
			if _, ok := (Distro{ID: cmp.Or(strings.TrimSuffix(id, " stream"), id), Version: release, Name: strings.ReplaceAll(id, "centos stream", "CentOS Stream")}).EndOfSupport(); !ok {
				t.Errorf("%s %s: %q is no date, or cannot be reached", id, release, day)
			}
		}
	}
}

// A long directory, or a link to one, and short names in it without end.
func TestPathsWithoutEnd(t *testing.T) {
	long := strings.Repeat("/"+strings.Repeat("d", 200), 20)
	short := strings.Repeat("a\n", 100_000)
	if packages, _ := parseApk([]byte("P:a\nV:1\nF:"+long+"\n"+strings.ReplaceAll(short, "a\n", "R:a\n")), "/x", Distro{}); len(packages) != 1 || packages[0].Files != nil {
		t.Error("apk: files are known")
	}
	if parseRecord([]byte(short), long) != nil {
		t.Error("RECORD: files are known")
	}
	if parseRecord([]byte("a\nb\n"), long) == nil {
		t.Error("RECORD: two files are too many")
	}
	tree := memory{"/l": "-> " + long, long + "/a": ""}.tree(t)
	paths := slices.Repeat([]string{"/l/a"}, 100_000)
	if newOwned(tree).files(paths) != nil {
		t.Error("a link: files are known")
	}
	same(t, "a few", newOwned(tree).files(paths[:10]), []string{long + "/a"})
}

// TestDamagedDatabases checks that what a database of packages cannot mean is told,
// read whole or reduced to what is kept of it, and that what is legal is not.
func TestDamagedDatabases(t *testing.T) {
	for name, c := range map[string]struct {
		text          string
		dpkg          bool
		packages, bad int
	}{
		"dpkg":                  {"Package: a\nStatus: install ok installed\nVersion: 1\nDescription: x\n y: z\n .\n\n", true, 1, 0},
		"dpkg, not installed":   {"Package: a\nStatus: unknown ok not-installed\nPriority: extra\n\n\n", true, 0, 0},
		"dpkg, line of junk":    {"Package: a\nStatus: install ok installed\nVersion: 1\n\x00\x01junk\n", true, 1, 1},
		"dpkg, all junk":        {"\x00\x01\x02 junk: \xff\n\xfe\n", true, 0, 2},
		"dpkg, without version": {"Package: a\nStatus: install ok installed\n\nPackage: b\nVersion: 2\n", true, 1, 1},
		"apk":                   {"C:Q1x=\nP:a\nV:1\nF:usr\nR:x\n\n\n", false, 1, 0},
		"apk, all junk":         {"\x00\x01\njunk\n", false, 0, 2},
		"apk, without version":  {"P:a\nT:text\n\nP:b\nV:2\n", false, 1, 1},
	} {
		keep, parse := keepApk, parseApk
		if c.dpkg {
			keep, parse = keepStanzas, parseDpkg
		}
		for _, data := range [][]byte{[]byte(c.text), keep("", []byte(c.text))} {
			if packages, bad := parse(data, "/x", bookworm); len(packages) != c.packages || bad != c.bad {
				t.Errorf("%s: %d packages, %d damaged, in %q", name, len(packages), bad, data)
			}
		}
	}
}
