package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// git runs git in a directory, with no configuration but that of the tree.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=test", "-c", "user.email=test@ullage.example"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestCommit compares with git itself.
func TestCommit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := write(t, map[string]string{"deploy/clean.yaml": fixture(t, "clean.yaml")})
	git(t, dir, "init", "-q", "-b", "feature/one")
	same := func(name, path string) {
		t.Helper()
		tree := path
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			tree = filepath.Dir(path)
		}
		if got, want := commitOf(path), git(t, tree, "rev-parse", "HEAD"); got != want {
			t.Errorf("%s: commit %q, git says %q", name, got, want)
		}
	}
	if got := commitOf(dir); got != "" {
		t.Errorf("a tree without a commit has commit %q", got)
	}
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "one")
	same("branch", dir)
	same("file below", filepath.Join(dir, "deploy/clean.yaml"))
	git(t, dir, "pack-refs", "--all")
	same("packed", dir)
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "two")
	same("newer than packed", dir)
	linked := filepath.Join(t.TempDir(), "linked")
	git(t, dir, "worktree", "add", "-q", "-b", "other", linked)
	git(t, linked, "commit", "-q", "--allow-empty", "-m", "three")
	same("linked work tree", filepath.Join(linked, "deploy"))
	git(t, dir, "checkout", "-q", "--detach", "HEAD~1")
	same("detached", dir)
	if got := commitOf("-"); got != "" {
		t.Errorf("standard input has commit %q", got)
	}
}

// TestHostileGitTree checks in trees that are made to run a program, to stall
// or to show other files.
func TestHostileGitTree(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := write(t, map[string]string{"clean.yaml": fixture(t, "clean.yaml"), ".gitattributes": "* filter=evil\n"})
	mark := filepath.Join(t.TempDir(), "ran")
	git(t, dir, "init", "-q")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "one")
	for _, key := range []string{"core.fsmonitor", "filter.evil.clean", "core.pager", "core.sshCommand"} {
		git(t, dir, "config", key, "touch "+mark)
	}
	if err := os.WriteFile(filepath.Join(dir, "clean.yaml"), []byte(fixture(t, "clean.yaml")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if o := ullage(t, "check", dir); o.code != 0 {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("checking ran a program that the tree names")
	}
	for name, files := range map[string]map[string]string{
		"other files":  {".git/HEAD": "ref: ../../secret\n", "secret": "0123456789abcdef0123456789abcdef01234567\n"},
		"no commit id": {".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": "top secret\n"},
		"to nowhere":   {".git": "gitdir: /nonexistent\n"},
		"to itself":    {".git": "gitdir: .git\n"},
	} {
		if got := commitOf(write(t, files)); got != "" {
			t.Errorf("%s: commit %q", name, got)
		}
	}
}
