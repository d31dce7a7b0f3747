//go:build integration

package image

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGemsAgreesWithRubyGems has gem build and install two gems beside those that
// Ruby brought, and compares with gem list and with what lies in their directories.
func TestGemsAgreesWithRubyGems(t *testing.T) {
	if _, err := exec.LookPath("gem"); err != nil {
		t.Skip("no gem: package ruby")
	}
	const script = `Gem::Specification.each { |s| puts [s.name, s.version, s.platform, s.licenses.join("+")].join(" ") }`
	root := t.TempDir()
	home := root + "/var/lib/gems/all"
	sources := t.TempDir()
	for name, more := range map[string]string{
		"ullage-plain": `s.version = "1.2.3"; s.licenses = ["MIT", "Apache-2.0"]`,
		"ullage_it-s":  `s.version = "2.0.0.pre.rc1"; s.platform = Gem::Platform.local; s.license = "Ruby"`,
	} {
		writeFile(t, sources+"/"+name+"/lib/a.rb", "1\n")
		writeFile(t, sources+"/"+name+"/it.gemspec", fmt.Sprintf(
			`Gem::Specification.new { |s| s.name = %q; s.summary = "s"; s.authors = ["a"]; s.files = ["lib/a.rb"]; %s }`, name, more))
		build := exec.Command("gem", "build", "-q", "it.gemspec", "-o", "it.gem")
		build.Dir = sources + "/" + name
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", build, err, out)
		}
		output(t, "gem", "install", "-q", "--local", "--no-document", "--install-dir", home, build.Dir+"/it.gem")
	}
	t.Setenv("GEM_HOME", home)
	paths := strings.TrimSpace(output(t, "gem", "env", "gempath"))
	for dir := range strings.SplitSeq(paths, ":") {
		if _, err := os.Stat(dir + "/specifications"); err == nil && dir != home {
			if err := os.CopyFS(root+dir, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []string
	for _, p := range read(t, treeOf(t, root), Distro{}) {
		_, platform, ok := strings.Cut(p.PURL, "platform=")
		if !ok {
			platform = "ruby"
		}
		got = append(got, fmt.Sprintln(p.Name, p.Version, platform, strings.Join(p.Licenses, "+")))
		if strings.HasPrefix(p.Name, "ullage") {
			filesAgree(t, root, gemDirectory(p.Where[0]), p)
		}
	}
	slices.Sort(got) // a version that lies in two directories is one for gem
	listsAgree(t, slices.Collect(strings.Lines(output(t, "ruby", "-e", script))), slices.Compact(got), 10)
}

// TestComposerAgreesWithComposer has Composer install packages from directories,
// and compares with what it says is installed.
func TestComposerAgreesWithComposer(t *testing.T) {
	if _, err := exec.LookPath("composer"); err != nil {
		t.Skip("no composer")
	}
	root := t.TempDir()
	writeFile(t, root+"/from/a/src/a.php", "<?php\n")
	writeFile(t, root+"/from/a/composer.json", `{"name":"shop/a","version":"1.2.3","license":["MIT","GPL-2.0-only"],"require":{"shop/b":"*"}}`)
	writeFile(t, root+"/from/b/b.php", "<?php\n")
	writeFile(t, root+"/from/b/composer.json", `{"name":"shop/b","version":"v2.0.0-beta1"}`)
	writeFile(t, root+"/from/c/c.php", "<?php\n")
	writeFile(t, root+"/from/c/composer.json", `{"name":"shop/c","version":"3.0"}`)
	path := func(name string) string {
		return `{"type":"path","url":"../from/` + name + `","options":{"symlink":false}}`
	}
	writeFile(t, root+"/app/composer.json", `{"name":"shop/app","minimum-stability":"dev","require":{"shop/a":"*"},"require-dev":{"shop/c":"*"},
		"repositories":[{"packagist.org":false},`+path("a")+","+path("b")+","+path("c")+`]}`)
	composer := func(args ...string) []byte {
		cmd := exec.Command("composer", append([]string{"--no-interaction", "--quiet"}, args...)...)
		if args[0] == "show" {
			cmd = exec.Command("composer", args...)
		}
		cmd.Dir, cmd.Env = root+"/app", append(os.Environ(), "COMPOSER_ALLOW_SUPERUSER=1", "COMPOSER_HOME="+t.TempDir())
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
		return out
	}
	for _, install := range [][]string{{"install"}, {"install", "--no-dev"}} {
		composer(install...)
		var shown struct {
			Installed []struct{ Name, Version string }
		}
		if err := json.Unmarshal(composer("show", "--format=json"), &shown); err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, p := range shown.Installed {
			want = append(want, p.Name+" "+p.Version+"\n")
		}
		for _, p := range read(t, treeOf(t, root+"/app"), Distro{}) {
			got = append(got, p.Name+" "+p.Version+"\n")
			filesAgree(t, root+"/app", "/vendor/"+p.Name, p)
		}
		listsAgree(t, want, got, 2)
	}
}

// listsAgree compares two lists, of which the one that is wanted has at least so many.
func listsAgree(t *testing.T, want, got []string, least int) {
	t.Helper()
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < least {
		t.Fatalf("only %d are installed", len(want))
	}
	if !slices.Equal(want, got) {
		t.Errorf("%d are installed, %d found:\n%s--\n%s", len(want), len(got), missing(want, got), missing(got, want))
		return
	}
	t.Logf("%d packages agree", len(want))
}

// filesAgree holds what a package owns against what lies in its directory.
func filesAgree(t *testing.T, root, dir string, p Package) {
	t.Helper()
	var want []string
	err := filepath.WalkDir(root+dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			want = append(want, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil || len(want) == 0 {
		t.Fatal(p.Name, want, err)
	}
	for _, file := range want {
		if !slices.Contains(p.Files, file) {
			t.Errorf("%s does not own %s", p.Name, file)
		}
	}
	for _, file := range p.Files {
		if strings.HasPrefix(file, dir+"/") && !slices.Contains(want, file) {
			t.Errorf("%s owns %s, which is not there", p.Name, file)
		}
	}
}
