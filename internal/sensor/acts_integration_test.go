//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/behavior"
)

// notable are the facts of a container that are of note by themselves, in words.
func notable(t *testing.T, events []Event, id string) []string {
	t.Helper()
	kinds := behavior.KindsOf(behavior.Privilege, behavior.Ptrace, behavior.Mount, behavior.Load, behavior.Namespace, behavior.Sensitive)
	var list []string
	for _, e := range ofContainer(events, id, Did) {
		if !kinds.Has(e.Fact.Kind) {
			continue
		}
		list = append(list, string(e.Fact.Kind)+": "+e.Fact.String())
		if e.Fact.Origin != behavior.Entrypoint {
			t.Errorf("%+v", e.Fact)
		}
		if err := e.Fact.Check(); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(list)
	return list
}

var privilegedActs = []string{"do traceme seize mount namespaces load keys users", "nested keys"}

func TestPrivilegedActs(t *testing.T) { inEachWay(t, testPrivilegedActs) }

func testPrivilegedActs(t *testing.T, w way) {
	s := lookingIn(t, behavior.Mount, w)
	done := listen(t, s)
	b := newBundle(t)
	b.grant(t, grantable()...)
	if err := os.WriteFile(filepath.Join(b.dir, "lower/bin/raises"), endsAtOnce(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(b.dir, "lower/bin/raises"), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	b.run(t, append(privilegedActs, "do raise")...)
	got := notable(t, done(), b.id)
	want := []string{
		"load: /bin/act loads into the kernel: bpf",
		"mount: /bin/act changes the mount at /volume (remount)",
		"mount: /bin/act mounts bind at /volume",
		"mount: /bin/act mounts tmpfs at /tmp",
		"mount: /bin/act unmounts /tmp",
		"mount: /bin/act unmounts /volume",
		"namespace: /bin/act enters a namespace ipc",
		"namespace: /bin/act makes a namespace: ipc",
		"namespace: /bin/act makes a namespace: net",
		"namespace: /bin/act makes a namespace: user",
		"namespace: /bin/act makes a namespace: uts",
		"privilege: /bin/act changes its privilege by setresgid",
		"privilege: /bin/act changes its privilege by setresuid",
		"privilege: /bin/raises changes its privilege by setuid file",
		"ptrace: /bin/act lets itself be traced",
		"ptrace: /bin/act reads the memory of {unknown}",
		"ptrace: /bin/act traces /bin/act",
		"sensitive: /bin/act makes the sensitive call keyctl",
	}
	got = slices.DeleteFunc(got, func(text string) bool { // which this kernel has, or has not
		return strings.HasPrefix(text, "load: /bin/act loads into the kernel: module")
	})
	if !slices.Equal(got, want) {
		t.Errorf("told:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What the kernel does not let a process do is told as denied.
func TestDeniedActs(t *testing.T) {
	s := looking(t, behavior.Mount)
	done := listen(t, s)
	b := newBundle(t)
	b.grant(t, "KILL")
	b.run(t, privilegedActs[0])
	var got []string
	for _, text := range notable(t, done(), b.id) {
		if text, denied := strings.CutSuffix(text, ", and was denied"); denied {
			got = append(got, text)
		}
	}
	for _, text := range []string{
		"mount: /bin/act mounts tmpfs at /tmp", "mount: /bin/act unmounts /tmp", "namespace: /bin/act makes a namespace: uts",
		"namespace: /bin/act enters a namespace ipc", "privilege: /bin/act changes its privilege by setresuid",
	} {
		if !slices.Contains(got, text) {
			t.Errorf("%s is not told as denied in:\n%s", text, strings.Join(got, "\n"))
		}
	}
}

// A namespace is told, whatever is written over what was asked for.
func TestHiddenNamespace(t *testing.T) { inEachWay(t, testHiddenNamespace) }

func testHiddenNamespace(t *testing.T, w way) {
	s := lookingIn(t, behavior.Mount, w)
	done := listen(t, s)
	b := newBundle(t)
	b.run(t, "overwritten user")
	if got, want := notable(t, done(), b.id), []string{"namespace: /bin/act makes a namespace: user"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A server that does nothing of the kind does not look as if it did.
func TestOrdinaryActs(t *testing.T) {
	s := looking(t, behavior.Mount)
	done := listen(t, s)
	b := newBundle(t)
	b.run(t, "loopback", "overwritten", "run /bin/image", "copy /bin/image /tmp/copy", "run /tmp/copy", "serve tcp4 127.0.0.1:7001 127.0.0.1:7001")
	if got := notable(t, done(), b.id); len(got) > 0 {
		t.Error(got)
	}
}
