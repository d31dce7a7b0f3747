package fix_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ullage.dev/ullage/internal/fix"
	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
)

func TestLeftAlone(t *testing.T) {
	reasonOf := func(w *world) string {
		t.Helper()
		p := w.plan(true)
		if len(p.Files) != 0 || len(p.Skipped) == 0 {
			t.Fatalf("%+v", p)
		}
		var b bytes.Buffer
		if err := fix.WriteSummary(&b, p, false, 0); err != nil || !strings.Contains(b.String(), p.Skipped[0].Reason) {
			t.Errorf("the summary does not say why: %v\n%s", err, b.String())
		}
		return p.Skipped[0].Reason
	}
	expect := func(w *world, want string) {
		t.Helper()
		if got := reasonOf(w); !strings.Contains(got, want) {
			t.Errorf("reason %q, want %q", got, want)
		}
	}
	name := write(t, "a.yaml", deployment)
	link := filepath.Join(filepath.Dir(name), "link.yaml")
	if err := os.Symlink("a.yaml", link); err != nil {
		t.Fatal(err)
	}
	expect(newWorld(t, link), "symbolic link")

	w := newWorld(t, name)
	if err := os.WriteFile(name, []byte(deployment+"# more\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	expect(w, "changed since")

	w = newWorld(t, name)
	if err := os.Chmod(name, 0o440); err != nil {
		t.Fatal(err)
	}
	expect(w, "read-only")
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}

	w = newWorld(t, name)
	for _, o := range w.objects {
		o.Source.Origin = &model.Origin{Renderer: "helm", Root: "charts/web", Lines: slices.Repeat([]model.OriginLine{{File: "charts/web/templates/web.yaml", Line: 3}}, 30)}
	}
	expect(w, "rendered by helm: edit it by hand")
	var b bytes.Buffer
	if err := fix.WriteSummary(&b, w.plan(true), false, 0); err != nil || strings.Count(b.String(), "charts/web/templates/web.yaml") != 2 || !strings.Contains(b.String(), "\n      3 Deployment/default/web: privileged") {
		t.Errorf("%v: not one line in each list\n%s", err, b.String())
	}

	w = newWorld(t, name)
	for _, o := range w.objects {
		o.Source.File.Name = "stdin"
	}
	expect(w, "standard input")

	if err := os.Link(name, name+".other"); err != nil {
		t.Fatal(err)
	}
	expect(newWorld(t, name), "hard links")

	shared := strings.Replace(deployment, "securityContext:\n", "securityContext: &sc\n", 1) + "          securityContext: *sc\n"
	shared = strings.Replace(shared, `- {name: side, image: "registry.example/side:2"}`, "- name: side", 1)
	w = newWorld(t, write(t, "b.yaml", shared))
	w.rules = w.rules[:1]
	expect(w, "anchor")
}

func TestChangedBeforeWriting(t *testing.T) {
	name := write(t, "a.yaml", deployment)
	p := newWorld(t, name).plan(true)
	if err := os.WriteFile(name, []byte("a: 1\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(); err == nil || !strings.Contains(err.Error(), "changed since") {
		t.Errorf("%v", err)
	}
	if text, _ := os.ReadFile(name); string(text) != "a: 1\n" {
		t.Errorf("wrote %q", text)
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) != 1 {
		t.Errorf("files are left behind: %v", left)
	}
}

// TestReplacesFiles expects that a file is never written to: who reads it sees the
// old text or the new one, wherever a write is interrupted. So who had it open
// before still reads all of the old one.
func TestReplacesFiles(t *testing.T) {
	name := write(t, "a.yaml", deployment)
	before, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	p := newWorld(t, name).plan(true)
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	if old, err := io.ReadAll(before); err != nil || string(old) != deployment {
		t.Errorf("%v: the file that was there reads %q", err, old)
	}
	if now, err := os.ReadFile(name); err != nil || string(now) != p.Files[0].New {
		t.Errorf("%v: wrote %q", err, now)
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) != 1 {
		t.Errorf("files are left behind: %v", left)
	}
}

// TestHalfWritten expects that what an interrupted write leaves behind is neither
// read nor in the way of the next one.
func TestHalfWritten(t *testing.T) {
	name := write(t, "a.yaml", deployment)
	beside := filepath.Join(filepath.Dir(name), ".ullage-fix-123456")
	if err := os.WriteFile(beside, []byte(deployment[:len(deployment)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := manifest.Load(t.Context(), []string{filepath.Dir(name)}, manifest.Options{})
	if err != nil || len(in.Problems) > 0 || len(in.Objects) != 1 {
		t.Fatalf("%v: %d objects, %v", err, len(in.Objects), in.Problems)
	}
	if err := newWorld(t, name).plan(true).Write(); err != nil {
		t.Error(err)
	}
}

func TestKeepsOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may give files away")
	}
	name := write(t, "a.yaml", deployment)
	if err := os.Chown(name, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	if err := newWorld(t, name).plan(true).Write(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 1234 || s.Gid != 2345 || info.Mode() != 0o640 {
		t.Errorf("owner %d:%d mode %v", s.Uid, s.Gid, info.Mode())
	}
}
