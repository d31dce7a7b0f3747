//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/behavior"
)

// filesOf are the facts of a container about files, in words.
func filesOf(t *testing.T, events []Event, id string) []string {
	t.Helper()
	kinds := behavior.KindsOf(behavior.Write, behavior.Open, behavior.Map, behavior.Privilege)
	var list []string
	for _, e := range ofContainer(events, id, Did) {
		if !kinds.Has(e.Fact.Kind) {
			continue
		}
		list = append(list, e.Fact.String()+" ("+string(e.Fact.File.Layer)+")")
		if err := e.Fact.Check(); err != nil || e.Fact.Origin != behavior.Entrypoint {
			t.Errorf("%+v: %v", e.Fact, err)
		}
	}
	slices.Sort(list)
	return list
}

// Paths are what the kernel resolved: through links, from a directory, of a mount.
func TestFiles(t *testing.T) {
	s := looking(t, behavior.Write)
	done := listen(t, s)
	b := newBundle(t)
	etc := filepath.Join(b.dir, "lower/etc")
	if err := errors.Join(os.MkdirAll(filepath.Join(etc, "app"), 0o755), os.WriteFile(filepath.Join(etc, "shadow"), nil, 0o600), os.WriteFile(filepath.Join(etc, "passwd"), nil, 0o644),
		os.WriteFile(filepath.Join(etc, "app/shadow"), nil, 0o644), os.WriteFile(filepath.Join(b.dir, "shared/in"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	b.run(t, "copy /bin/image /tmp/copy", "append /bin/tool", "copy /bin/image /shared/out", "read /etc/passwd /bin/image /etc/app/shadow /missing",
		"link /etc/../etc/shadow /tmp/link", "read /tmp/link /proc/self/environ /proc/self/status /shared/in", "map /bin/image", "read /dev/null", "run /tmp/copy", "files /volume 40")
	got := filesOf(t, done(), b.id)
	want := []string{
		"/bin/act loads /bin/image (image)",
		"/bin/act reads /etc/shadow (image)",
		"/bin/act reads /proc/{pid}/environ (mount)",
		"/bin/act reads /shared (mount)",
		"/bin/act writes /bin/tool (modified)",
		"/bin/act writes /shared/out (mount)",
		"/bin/act writes /tmp/copy (added)",
		"/bin/act writes /tmp/link ()",
		"/bin/act writes /volume/* ()",
	}
	for i := range 16 {
		want = append(want, "/bin/act writes /volume/file-a"+string(rune('a'+i))+" (mount)")
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("told:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Where a name is changed, it is told as the process said it, from its directory.
func TestChangedNames(t *testing.T) {
	s := looking(t, behavior.Write)
	done := listen(t, s)
	b, readOnly := newBundle(t), newBundle(t)
	readOnly.configure(t, func(config map[string]any) { config["root"].(map[string]any)["readonly"] = true })
	b.run(t, "change /tmp", "files /volume 20")
	if err := readOnly.try(t, "change /tmp"); err == nil {
		t.Error("a read-only root is written")
	}
	events := done()
	got := filesOf(t, events, b.id)
	want := []string{
		"/bin/act sets the setuid or setgid bit of /tmp (modified)",
		"/bin/act sets the setuid or setgid bit of /tmp/renamed ()",
		"/bin/act writes /tmp/fifo ()", "/bin/act writes /tmp/hard ()", "/bin/act writes /tmp/made ()", "/bin/act writes /tmp/renamed ()", "/bin/act writes /tmp/sym ()",
		"/bin/act writes /volume/* ()",
	}
	for i := range 16 {
		want = append(want, "/bin/act writes /volume/file-a"+string(rune('a'+i))+" (mount)")
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("told:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	denied := filesOf(t, events, readOnly.id)
	for _, name := range []string{"made", "sym", "fifo"} {
		if !slices.Contains(denied, "/bin/act writes /tmp/"+name+", and was denied ()") {
			t.Errorf("that %s was denied is not told: %v", name, denied)
		}
	}
}

func TestFilesUpToCapacity(t *testing.T) {
	requireMachine(t)
	const n = 400 + 16 + 1 // files, and their directories, of which 16 are told one by one
	for name, c := range map[string]struct {
		options Options
		kept    int
	}{"all": {Options{RingBytes: os.Getpagesize()}, n}, "of a quota": {Options{RingBytes: os.Getpagesize(), PerGroup: 100}, 100}} {
		t.Run(name, func(t *testing.T) {
			s := start(t, c.options)
			if !s.kinds.Has(behavior.Write) {
				t.Skipf("%+v", s.Tiers())
			}
			b := newBundle(t)
			b.run(t, "trees /volume 400")
			lost := lossesOfContainer(t, s, b.id).Files
			got := map[string]bool{}
			for _, e := range ofContainer(listen(t, s)(), b.id, Did) {
				if e.Fact.Kind == behavior.Write {
					got[e.Fact.File.Path] = true
				}
			}
			if len(got) != c.kept || lost != uint64(n-c.kept) {
				t.Errorf("told are %d of %d files, and %d are said to be lost", len(got), n, lost)
			}
		})
	}
}
