//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
)

// looking starts a sensor that looks for a kind, or skips.
func looking(t *testing.T, kind behavior.Kind) *Sensor {
	t.Helper()
	requireMachine(t)
	return lookingIn(t, kind, ways...)
}

func lookingIn(t *testing.T, kind behavior.Kind, among ...way) *Sensor {
	t.Helper()
	s := startOne(t, Options{}, among...)
	if !s.kinds.Has(kind) {
		t.Skipf("%+v", s.Tiers())
	}
	return s
}

// namesOf are the names in facts of a kind.
func namesOf(events []Event, id string, kind behavior.Kind) []string {
	var names []string
	for _, e := range ofContainer(events, id, Did) {
		if e.Fact.Kind == kind {
			names = append(names, e.Fact.Name)
		}
	}
	slices.Sort(names)
	return names
}

// runtimeCalls are those that runc makes between the filter and the program, and that
// Go's runtime makes at times.
var runtimeCalls = []string{"rt_sigreturn", "tgkill", "sched_yield", "madvise", "munmap", "nanosleep", "clock_nanosleep", "sigaltstack", "sched_getaffinity", "wait4", "waitid", "getdents64", "fstat", "lseek", "close", "fcntl", "epoll_ctl", "epoll_pwait", "newfstatat", "openat", "write", "read", "futex", "fstatfs", "statfs", "getpid", "getppid", "capget", "prctl"}

// The system calls that were seen are what a container needs: with a filter that
// allows those and no others it runs, and with one less it fails.
func TestSeenCallsAreEnough(t *testing.T) {
	s := looking(t, behavior.Syscall)
	done := listen(t, s)
	acts := []string{fmt.Sprintf("calls %d %d %d", unix.SYS_GETPRIORITY, unix.SYS_TIMES, unix.SYS_SYSINFO), "run /bin/image", "copy /bin/image /tmp/copy", "loopback", "serve tcp4 127.0.0.1:7001 127.0.0.1:7001", "pause"}
	seen := newBundle(t)
	seen.run(t, acts...)
	names := namesOf(done(), seen.id, behavior.Syscall)
	for _, name := range []string{"execve", "getpriority", "times", "sysinfo", "exit_group", "exit", "rt_sigtimedwait"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not told", name)
		}
	}
	for _, name := range []string{"pivot_root", "setns", "unshare", "mount"} { // which the runtime made
		if slices.Contains(names, name) {
			t.Errorf("%s is told", name)
		}
	}
	allowed := append(slices.Clone(names), runtimeCalls...)
	filtered := newBundle(t)
	filtered.allow(t, allowed)
	filtered.run(t, acts...)
	lacking := newBundle(t)
	lacking.allow(t, slices.DeleteFunc(allowed, func(name string) bool { return name == "times" }))
	if err := lacking.try(t, acts...); err == nil {
		t.Error("a call that is not allowed does not fail: the filter is none")
	}
}

func TestOddCalls(t *testing.T) {
	s := looking(t, behavior.Syscall)
	done := listen(t, s)
	b := newBundle(t)
	acts := []string{"calls 500 700 1023 1024 99999999"}
	want := []string{"1023", "500", "700", "no such call"}
	if runtime.GOARCH == "amd64" {
		if err := os.WriteFile(filepath.Join(b.dir, "lower/bin/narrow"), programOf(narrowEnds), 0o755); err != nil {
			t.Fatal(err)
		}
		acts = append(acts, "run /bin/narrow")
		want = append(want, "x86:exit", "x86:getpriority")
	}
	b.run(t, acts...)
	names := namesOf(done(), b.id, behavior.Syscall)
	for _, name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not told in %v", name, names)
		}
	}
	if slices.Contains(names, "1024") {
		t.Error("numbers without end are told")
	}
}

// narrowEnds calls getpriority and exit(0) of 32 bits.
var narrowEnds = []byte{
	0xb8, 96, 0, 0, 0, 0x31, 0xdb, 0x31, 0xc9, 0xcd, 0x80, // mov eax, 96; xor ebx, ebx; xor ecx, ecx; int 0x80
	0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80, // mov eax, 1; xor ebx, ebx; int 0x80
}

// What is beyond the quota is counted once for each call that is made.
func TestLostCallsAreCounted(t *testing.T) {
	requireMachine(t)
	s := start(t, Options{PerGroup: 5})
	if !s.kinds.Has(behavior.Syscall) {
		t.Skipf("%+v", s.Tiers())
	}
	b := newBundle(t)
	b.run(t, "calls 600 601 602 603 604 605 606 607 608 609")
	lost := lossesOfContainer(t, s, b.id)
	events := ofContainer(listen(t, s)(), b.id, Did)
	kept := 0
	for _, e := range events {
		if k := e.Fact.Kind; k == behavior.Syscall || k == behavior.Capability {
			kept++
		}
	}
	if kept != 5 || lost.SystemCalls < 10 {
		t.Errorf("%d are kept of a quota of 5, and lost are %+v", kept, lost)
	}
}

// grantable are the capabilities that this process can give away.
func grantable() []string {
	var names []string
	for i, name := range capabilities {
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(i), 0, 0, 0); err == nil && has == 1 {
			names = append(names, name)
		}
	}
	return names
}

// A capability is used when something would fail without it.
func TestUsedCapabilitiesAreEnough(t *testing.T) { inEachWay(t, usedCapabilities) }

func usedCapabilities(t *testing.T, w way) {
	s := lookingIn(t, behavior.Capability, w)
	done := listen(t, s)
	all := newBundle(t)
	all.grant(t, grantable()...)
	acts := []string{"loopback", "chroot /host " + filepath.Join(all.dir, "lower/bin/tool"), "copy /bin/image /tmp/copy", "run /tmp/copy"}
	all.run(t, acts...)
	// What overlayfs does for a process by the rights of who mounted it.
	user := newBundle(t)
	user.grant(t, grantable()...)
	shared := filepath.Join(user.dir, "lower/tmp")
	if err := errors.Join(os.Chmod(shared, 0o777), os.Chown(shared, 1000, 1000)); err != nil {
		t.Fatal(err)
	}
	user.run(t, "copy /bin/image /tmp/copy", "append /bin/tool")
	nested := newBundle(t)
	nested.grant(t, "SETFCAP", "SYS_TIME") // the first one lets it be root in there
	nested.run(t, "nested loopback")
	events := done()
	used := namesOf(events, all.id, behavior.Capability)
	if want := []string{"NET_ADMIN", "SYS_CHROOT"}; !slices.Equal(used, want) {
		t.Errorf("used are %v, not %v", used, want)
	}
	for _, e := range ofContainer(events, all.id, Did) {
		if e.Fact.Kind == behavior.Capability && (e.Fact.Program.Path != "/bin/act" || e.Fact.Program.Layer != behavior.InImage || e.Fact.Origin != behavior.Entrypoint) {
			t.Errorf("%+v", e.Fact)
		}
	}
	if used := namesOf(events, user.id, behavior.Capability); len(used) > 0 {
		t.Errorf("of the one who mounted an overlay: %v", used)
	}
	// What it can do in a namespace that it made itself, it needs nothing for.
	if used := namesOf(events, nested.id, behavior.Capability); !slices.Equal(used, []string{"SETFCAP"}) {
		t.Errorf("in a user namespace of its own: %v", used)
	}
	enough := newBundle(t)
	enough.grant(t, used...)
	acts[1] = "chroot /host " + filepath.Join(enough.dir, "lower/bin/tool")
	enough.run(t, acts...)
	for i := range used {
		less := newBundle(t)
		less.grant(t, slices.Delete(slices.Clone(used), i, i+1)...)
		acts[1] = "chroot /host " + filepath.Join(less.dir, "lower/bin/tool")
		if err := less.try(t, acts...); err == nil {
			t.Errorf("it runs without %s", used[i])
		}
	}
}
