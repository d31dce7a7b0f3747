//go:build linux && (amd64 || arm64)

package sensor

import (
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCallNames(t *testing.T) {
	for number, want := range map[uint32]string{
		unix.SYS_OPENAT: "openat", unix.SYS_NEWFSTATAT: "newfstatat", unix.SYS_EXECVE: "execve", unix.SYS_IO_URING_SETUP: "io_uring_setup", unix.SYS_CLONE3: "clone3",
		1000: "1000", noNumber: "no such call",
	} {
		if got := callName(number, false); got != want {
			t.Errorf("%d is %q, want %q", number, got, want)
		}
	}
	for number, want := range map[uint32]string{1: narrow + "exit", 11: narrow + "execve", 900: narrow + "900"} {
		if got := callName(number, true); got != want {
			t.Errorf("%d of 32 bits is %q, want %q", number, got, want)
		}
	}
	if runtime.GOARCH == "amd64" && callName(x32|1, false) != "x32:write" {
		t.Error(callName(x32|1, false))
	}
	if capabilityName(unix.CAP_NET_BIND_SERVICE) != "NET_BIND_SERVICE" || capabilityName(unix.CAP_CHECKPOINT_RESTORE) != "CHECKPOINT_RESTORE" ||
		len(capabilities) != unix.CAP_LAST_CAP+1 || capabilityName(60) != "60" {
		t.Error("capabilities are misnamed")
	}
}

func TestFunctionsOfTheKernel(t *testing.T) {
	quiet, loud := readFunctions(strings.NewReader(`ffffffff81366240 T ns_capable_noaudit
ffffffff81366230 T __pfx_ns_capable_noaudit
not a line
ffffffff813662a0 t next
ffffffff81479ca0 t do_seccomp
ffffffff81479ca0 D data
ffffffff81479d00 t last
ffffffff8120790e t ns_capable_noaudit.cold
0000000000000000 T cap_vm_enough_memory
ffffffff8120791c t other.cold
`))
	if quiet != [8][2]uint64{{0xffffffff81366240, 0xffffffff813662a0}, {0xffffffff8120790e, 0xffffffff8120791c}} || loud != [2]uint64{0xffffffff81479ca0, 0xffffffff81479d00} {
		t.Errorf("%x %x", quiet, loud)
	}
	if quiet, loud = readFunctions(strings.NewReader("0000000000000000 T ns_capable_noaudit\n")); quiet[0][0] != 0 || loud[0] != 0 {
		t.Errorf("%x %x", quiet, loud)
	}
}

// Every call of note is one of this machine's, or of its 32 bits.
func TestActsAreCalls(t *testing.T) {
	known := map[string]bool{}
	for _, name := range append(nativeCalls[:], narrowCalls[:]...) {
		known[name] = true
	}
	names := append(append([]string{}, changing...), sensitive...)
	for name := range actsOf {
		names = append(names, name)
	}
	for _, name := range names {
		if _, ok := actOf(name); !ok || !known[name] && runtime.GOARCH == "amd64" { // which has them all
			t.Errorf("%s is no call, or nothing is made of it", name)
		}
	}
	table := actions()
	if table[0][unix.SYS_MOUNT] != actionMount || table[0][unix.SYS_SETRESUID] != actionIDs || table[0][unix.SYS_READ] != 0 {
		t.Error("the table is wrong")
	}
	for flags, want := range map[uint64]string{unix.MS_BIND: "bind", unix.MS_BIND | unix.MS_REMOUNT: "remount", 0: "tmpfs", unix.MS_REC | unix.MS_PRIVATE: "propagation"} {
		if got := mountName(flags, "tmpfs"); got != want {
			t.Errorf("%x is %s, want %s", flags, got, want)
		}
	}
}
