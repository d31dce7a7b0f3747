//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// privileged are acts that take a capability, or are of note without one. They do
// not say whether they succeed.
var privileged = map[string]func() error{
	"traceme": func() error {
		c := exec.Command("/proc/self/exe")
		c.Env = []string{actVariable + "=do tracemenow"}
		if err := c.Start(); err != nil {
			return err
		}
		return endTraced(c.Process.Pid)
	},
	"tracemenow": func() error { // and end, without a signal that would stop it
		all := ^uint64(0)
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK, uintptr(unsafe.Pointer(&all)), 0, unsafe.Sizeof(all), 0, 0)
		_, _, _ = unix.RawSyscall(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0)
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		return nil
	},
	"seize": func() error {
		c := exec.Command("/proc/self/exe")
		c.Env = []string{actVariable + "=do sleep"}
		if err := c.Start(); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond) // it must have begun
		_, _, _ = unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(c.Process.Pid), 0, 0, 0, 0)
		var b [8]byte
		local, remote := []unix.Iovec{{Base: &b[0], Len: 8}}, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}
		_, _ = unix.ProcessVMReadv(c.Process.Pid, local, remote, 0)
		return firstError(c.Process.Kill(), ended(c.Wait()))
	},
	"mount": func() error {
		_ = unix.Mount("tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID, "")
		_ = unix.Mount("/tmp", "/volume", "", unix.MS_BIND, "")
		_ = unix.Mount("", "/volume", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
		_ = unix.Unmount("/volume", 0)
		_ = unix.Unmount("/tmp", 0)
		return nil
	},
	"namespaces": func() error {
		_ = unix.Unshare(unix.CLONE_NEWUTS | unix.CLONE_NEWIPC)
		fd, err := unix.Open("/proc/self/ns/ipc", unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		_ = unix.Setns(fd, unix.CLONE_NEWIPC)
		return unix.Close(fd)
	},
	"load": func() error {
		_, _, _ = unix.Syscall(unix.SYS_FINIT_MODULE, ^uintptr(0), 0, 0)
		instructions := [2]uint64{0xb7, 0x95} // r0 = 0; exit
		license := [4]byte{'G', 'P', 'L'}
		attributes := struct {
			kind, count    uint32
			program, of    *byte
			level, size    uint32
			log            uint64
			version, flags uint32
		}{kind: 1, count: 2, program: (*byte)(unsafe.Pointer(&instructions)), of: &license[0]}
		fd, _, errno := unix.Syscall(unix.SYS_BPF, 5, uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes))
		if errno == 0 {
			return unix.Close(int(fd))
		}
		return nil
	},
	"users": func() error {
		_, _, _ = unix.RawSyscall(unix.SYS_SETUID, 0, 0, 0) // which it is
		_, _, _ = unix.RawSyscall(unix.SYS_SETRESGID, 1000, 1000, 1000)
		_, _, _ = unix.RawSyscall(unix.SYS_SETRESUID, 1000, 1000, 1000)
		return nil
	},
	"raise": func() error {
		// The system call of the whole process: a new one is another user.
		return firstError(syscall.Setresuid(1000, 1000, 1000), exec.Command("/bin/raises").Run())
	},
	"keys": func() error {
		_, _ = unix.KeyctlGetKeyringID(unix.KEY_SPEC_THREAD_KEYRING, true)
		return nil
	},
	"sleep": func() error {
		time.Sleep(time.Minute)
		return nil
	},
}

// endTraced waits for the end of a child that is traced by this process, thread by
// thread: as long as one that ended, or was stopped by a signal, was not waited for,
// the child does not end.
func endTraced(child int) error {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case status.Stopped():
			if err := unix.Kill(child, unix.SIGKILL); err != nil {
				return err
			}
		case pid == child:
			return nil
		}
	}
}

// ended forgives a process that it was killed.
func ended(err error) error {
	if _, ok := err.(*exec.ExitError); ok {
		return nil
	}
	return err
}

// performPrivileged does some acts, each on a thread of its own that ends with it.
func performPrivileged(names []string) error {
	for _, name := range names {
		do := privileged[name]
		if do == nil {
			return fmt.Errorf("no such act: %s", name)
		}
		result := make(chan error)
		go func() {
			runtime.LockOSThread()
			result <- do()
		}()
		if err := <-result; err != nil {
			fmt.Fprintln(os.Stderr, slices.Clone(names), err)
			return err
		}
	}
	return nil
}

// overwritten makes processes by clone3 until the number of one, which the kernel writes over
// the flags that were asked for, looks like a namespace. They are in a namespace of their own
// users where that is asked for.
func overwritten(ownUsers bool) error {
	const parentSetTID = 0x100000
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 1024 {
		var arguments [11]uint64 // flags, pidfd, child_tid, parent_tid, exit_signal
		arguments[0], arguments[4] = parentSetTID, uint64(unix.SIGCHLD)
		if ownUsers {
			arguments[0] |= unix.CLONE_NEWUSER
		}
		arguments[3] = uint64(uintptr(unsafe.Pointer(&arguments[0])))
		pid, _, e := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&arguments)), 64, 0)
		if pid == 0 && e == 0 {
			for {
				_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
			}
		}
		if e != 0 {
			return e
		}
		if _, err := unix.Wait4(int(pid), nil, 0, nil); err != nil {
			return err
		}
		if arguments[0]&unix.CLONE_NEWTIME != 0 {
			return nil
		}
	}
	return errors.New("no number looks like a namespace")
}
