//go:build integration

package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDebianAgreesWithDpkg builds a Debian root file system from the archive, and
// compares what is read from it with what dpkg-query says and with what the
// packages' own archives hold.
func TestDebianAgreesWithDpkg(t *testing.T) {
	for release, suite := range map[string]string{"12": "bookworm", "13": "trixie"} {
		t.Run(suite, func(t *testing.T) { agreeWithDpkg(t, suite, release) })
	}
}

func agreeWithDpkg(t *testing.T, suite, release string) {
	root := debianRoot(t, suite)
	const diverted = "/usr/bin/cmp"
	output(t, "dpkg-divert", "--root", root, "--local", "--rename", "--divert", diverted+".other", "--add", diverted)
	output(t, "dpkg", "--root="+root, "--remove", "--force-depends", "ruby-rack") // leaves its configuration
	tree := treeOf(t, root)
	packages, problems := readPackages(tree, Distro{ID: "debian", Version: release})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	packages = slices.DeleteFunc(packages, func(p Package) bool { return p.OfLanguage() })

	var got []string
	for _, p := range packages {
		source, version := p.Source, p.SourceVersion
		if source == "" {
			source = p.Name
		}
		if version == "" {
			version = p.Version
		}
		got = append(got, fmt.Sprintln(p.Name, p.Version, p.Arch, source, version, "installed"))
	}
	slices.Sort(got)
	query := output(t, "dpkg-query", "--admindir="+root+"/var/lib/dpkg", "-W", "-f",
		"${Package} ${Version} ${Architecture} ${source:Package} ${source:Version} ${db:Status-Status}\n")
	want := slices.DeleteFunc(slices.Sorted(strings.Lines(query)), func(line string) bool {
		return !strings.HasSuffix(line, " installed\n")
	})
	if len(want) < 100 {
		t.Fatalf("dpkg-query knows %d packages", len(want))
	}
	if diff := missing(want, got) + missing(got, want); diff != "" {
		t.Errorf("packages differ:\n%s", diff)
	}
	files := 0
	for _, p := range packages {
		want := debFiles(t, root, p, diverted)
		files += len(want)
		if diff := missing(want, p.Files) + missing(p.Files, want); diff != "" {
			t.Errorf("files of %s differ:\n%s", p.Name, diff)
		}
	}
	t.Logf("%d packages and %d files agree", len(packages), files)
	debianOwners(t, root, packages)
}

// debianOwners compares the owners of programs with dpkg -S.
func debianOwners(t *testing.T, root string, packages []Package) {
	programs := []Program{{Path: "/usr/bin/dash"}, {Path: "/usr/bin/perl"}, {Path: "/usr/bin/bash"}, {Path: "/usr/sbin/nginx"}, {Path: "/usr/bin/sh"}}
	ownPrograms(programs, packages)
	for _, p := range programs {
		out, err := exec.Command("dpkg-query", "--admindir="+root+"/var/lib/dpkg", "-S", p.Path).Output()
		if err != nil { // the list has the path of before the merge
			out = []byte(output(t, "dpkg-query", "--admindir="+root+"/var/lib/dpkg", "-S", strings.TrimPrefix(p.Path, "/usr")))
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if want, _, _ := strings.Cut(lines[len(lines)-1], ":"); p.Package != want {
			t.Errorf("%s is owned by %q, by dpkg %q", p.Path, p.Package, want)
		}
	}
}

// debFiles reads what a package's archive holds besides directories, and says
// where that is now.
func debFiles(t *testing.T, root string, p Package, diverted string) []string {
	t.Helper()
	version := strings.ReplaceAll(p.Version, ":", "%3a")
	deb := fmt.Sprintf("%s/var/cache/apt/archives/%s_%s_%s.deb", root, p.Name, version, p.Arch)
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	files := []string{}
	for r := tar.NewReader(out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(deb, err)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		name := path.Join("/", h.Name)
		if name == diverted {
			name += ".other"
		}
		dir, err := filepath.EvalSymlinks(root + path.Dir(name))
		if err != nil {
			continue
		}
		file := dir + "/" + path.Base(name)
		if _, err := os.Lstat(file); err == nil {
			files = append(files, strings.TrimPrefix(file, root))
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(deb, err)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// missing lists those of a that are not in b.
func missing(a, b []string) string {
	var out strings.Builder
	for _, s := range a {
		if !slices.Contains(b, s) {
			fmt.Fprintf(&out, "  %s\n", strings.TrimSuffix(s, "\n"))
		}
	}
	return out.String()
}

// debianRoot makes a root file system with debootstrap. ULLAGE_TEST_DEBIAN may
// name the URL of an archive, or be "required".
func debianRoot(t *testing.T, suite string) string {
	t.Helper()
	setting := os.Getenv("ULLAGE_TEST_DEBIAN")
	skip := t.Skipf
	if setting != "" {
		skip = t.Fatalf
	}
	var mirror []string // none for that of debootstrap
	if strings.Contains(setting, "://") {
		mirror = []string{setting}
	}
	if os.Getuid() != 0 {
		skip("debootstrap needs root")
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		skip("no debootstrap: install it, it is a package of Debian and Ubuntu")
	}
	root := t.TempDir()
	args := append([]string{"--variant=minbase", "--include=python3-yaml,nginx-light,libtomcat9-java,ruby-rack,diffutils", suite, root}, mirror...)
	out, err := exec.Command("debootstrap", args...).CombinedOutput()
	if err != nil {
		skip("debootstrap %s: %v\n%s", strings.Join(args, " "), err, out[max(0, len(out)-500):])
	}
	return root
}
