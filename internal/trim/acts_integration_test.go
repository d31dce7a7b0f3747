//go:build integration && linux && (amd64 || arm64)

package trim

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// performVariable makes the test binary perform acts in place of testing: it prints
// those that the kernel let through.
const performVariable = "ULLAGE_TRIM_PERFORM"

func TestMain(m *testing.M) {
	if os.Getenv(performVariable) != "" {
		for _, a := range performed {
			done := make(chan error)
			go func() { // on a thread of its own, which ends with what it changed
				runtime.LockOSThread()
				done <- a.do()
			}()
			if err := <-done; through(err) {
				fmt.Println(a.name)
			}
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// through reports whether the kernel got past its permissions and the filter: with
// arguments that make no sense it then says so.
func through(err error) bool {
	return err != unix.EPERM && err != unix.EACCES && err != unix.ENOSYS
}

func call(number uintptr, args ...uintptr) error {
	for len(args) < 6 {
		args = append(args, 0)
	}
	if _, _, errno := unix.RawSyscall6(number, args[0], args[1], args[2], args[3], args[4], args[5]); errno != 0 {
		return errno
	}
	return nil
}

func text(s string) uintptr {
	b, _ := unix.BytePtrFromString(s)
	return uintptr(unsafe.Pointer(b))
}

func socket(family, kind, protocol int) error {
	fd, err := unix.Socket(family, kind, protocol)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

// performed are acts of the catalogue that can be tried without harm: the arguments
// are such that the kernel asks for permission, and does nothing. elsewhere says that
// a kernel may deny it for other reasons than the container's grant.
var performed = []struct {
	name      string
	elsewhere bool
	do        func() error
}{
	{"mount a file system", false, func() error { return unix.Mount("x", "/", "nosuchfs", 0, "") }},
	{"mount by file descriptors", false, func() error { return call(unix.SYS_FSOPEN, text("nosuchfs")) }},
	{"unmount what hides files", false, func() error { return unix.Unmount("/bin", 0) }},
	{"change the root directory", false, func() error { return unix.Chroot("/") }},
	{"pivot the root directory", false, func() error { return unix.PivotRoot("/nowhere", "/nowhere") }},
	{"make a user namespace", true, func() error { return call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER) }},
	{"make other namespaces", false, func() error { return call(unix.SYS_UNSHARE, unix.CLONE_NEWUTS) }},
	{"trace another process", false, func() error { return call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1<<22) }},
	{"read another process's memory", false, func() error { return call(unix.SYS_PROCESS_VM_READV, 1<<22) }},
	{"write another process's memory", false, func() error { return call(unix.SYS_PROCESS_VM_WRITEV, 1<<22) }},
	{"take another process's files", false, func() error {
		fd, err := unix.PidfdOpen(os.Getpid(), 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		got, err := unix.PidfdGetfd(fd, 1, 0)
		if err == nil {
			unix.Close(got)
		}
		return err
	}},
	{"load a BPF program", true, func() error { return call(unix.SYS_BPF, 5) }},
	{"use kernel keyrings", true, func() error { return call(unix.SYS_ADD_KEY, text("user"), text("ullage"), text("x"), 1, ^uintptr(1)) }},
	{"handle page faults", true, func() error { return call(unix.SYS_USERFAULTFD, 1<<30) }},
	{"use io_uring", true, func() error { return call(unix.SYS_IO_URING_SETUP, 0, 0) }},
	{"run a program from memory", false, func() error {
		fd, err := unix.MemfdCreate("x", 0)
		if err != nil {
			return err
		}
		return call(unix.SYS_EXECVEAT, uintptr(fd), text(""), 0, 0, unix.AT_EMPTY_PATH)
	}},
	{"open raw sockets", false, func() error { return socket(unix.AF_PACKET, unix.SOCK_RAW, 0) }},
	{"configure the network", false, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4096)
	}},
	{"listen at a low port", false, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Bind(fd, &unix.SockaddrInet4{Port: 81})
	}},
	{"give files away", false, func() error { return unix.Fchownat(unix.AT_FDCWD, "/scratch", 12345, 12345, 0) }},
	{"read and write any file", false, func() error {
		fd, err := unix.Open("/closed", unix.O_RDONLY, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}},
	{"make a device", false, func() error { return unix.Mknod("/tmp/device", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) }},
	{"become another user", false, func() error { return call(unix.SYS_SETRESUID, 12345, 12345, 12345) }},
	{"become another group", false, func() error { return call(unix.SYS_SETGID, 12345) }},
	{"act on others' files", false, func() error { return unix.Fchmodat(unix.AT_FDCWD, "/closed", 0, 0) }},
	{"give programs capabilities", false, func() error {
		return unix.Setxattr("/scratch", "security.capability", []byte("\x00\x00\x00\x02"+strings.Repeat("\x00", 16)), 0)
	}},
	{"read the kernel's log", false, func() error { return call(unix.SYS_SYSLOG, 10) }},
	{"set the clock", false, func() error { return call(unix.SYS_SETTIMEOFDAY) }}, // to no time
	{"restart the node", false, func() error { return call(unix.SYS_REBOOT) }},
	{"account processes", false, func() error { return call(unix.SYS_ACCT, text("/nowhere")) }},
	{"name the host", false, func() error { return call(unix.SYS_SETHOSTNAME, 0, 1<<20) }},
	{"watch all files", false, func() error { return call(unix.SYS_FANOTIFY_INIT, unix.FAN_UNLIMITED_MARKS|unix.FAN_CLASS_PRE_CONTENT) }},
	{"turn off the randomization of addresses", false, func() error { return call(unix.SYS_PERSONALITY, 0xffffffff) }},
	{"place memory on nodes of a machine", true, func() error { return call(unix.SYS_MOVE_PAGES, 0, 0) }},
}

// What the catalogue says of a grant is what the kernel does in a container with it:
// each act that is said to be impossible is denied, and each that is said to be possible
// gets through, but for those that a kernel may deny to all.
func TestCatalogueInContainers(t *testing.T) {
	requireContainers(t)
	wide := append(slices.Clone(usualCapabilities), "NET_ADMIN", "SYS_ADMIN", "SYSLOG", "SYS_PACCT", "SYS_TIME", "SYS_BOOT")
	start := map[string]bool{}
	for _, name := range append(strings.Fields("arch_prctl clone3 faccessat2 getrandom gettimeofday prlimit64 readlink readlinkat set_robust_list set_tid_address uname"), startCalls...) {
		start[name] = true
	}
	for name, g := range map[string]Grant{
		"usual":      {Capabilities: usualCapabilities, NewPrivileges: true},
		"wide":       {Capabilities: wide, NewPrivileges: true},
		"none":       {},
		"filtered":   {Capabilities: wide, Calls: filterOf(start, true)},
		"filtered 2": {Capabilities: wide, Calls: filterOf(start, false), NewPrivileges: true},
	} {
		b := newContainer(t, "/bin/test")
		if err := os.WriteFile(filepath.Join(b.dir, "root/scratch"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		closed := filepath.Join(b.dir, "root/closed")
		if err := os.WriteFile(closed, nil, 0); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(closed, 4242, 4242); err != nil {
			t.Fatal(err)
		}
		b.env = []string{performVariable + "=1"}
		b.apply(t, &g)
		out, err := b.run(t)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		did := strings.Split(strings.TrimSpace(out), "\n")
		for _, p := range performed {
			i := slices.IndexFunc(Acts, func(a Act) bool { return a.Name == p.name })
			if i < 0 {
				t.Fatalf("%q is not in the catalogue", p.name)
			}
			possible, got := Acts[i].Possible(&g), slices.Contains(did, p.name)
			if got && !possible || possible && !got && !p.elsewhere {
				t.Errorf("%s: %q is said to be possible: %v, and the kernel let it through: %v", name, p.name, possible, got)
			}
		}
	}
}
