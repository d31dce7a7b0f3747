package trim

import (
	"slices"
	"strings"
)

// Act is something that an attacker who runs code in a container does with the kernel.
type Act struct {
	Name string
	Gain string // what for, in a clause
	ways []way
}

// way is one set of what an act takes.
type way struct {
	calls        []string
	capabilities []string
	privileges   bool // takes a setuid program
}

// Possible reports whether a container with a grant may do it, as far as system calls
// and capabilities decide.
func (a *Act) Possible(g *Grant) bool {
	return slices.ContainsFunc(a.ways, func(w way) bool {
		return (g.NewPrivileges || !w.privileges) &&
			!slices.ContainsFunc(w.calls, func(call string) bool { return !g.May(call) }) &&
			!slices.ContainsFunc(w.capabilities, func(c string) bool { return !g.Has(c) })
	})
}

// takes is an act that takes all of some calls and capabilities, which are in capital
// letters. Several ways stand side by side.
func takes(name, gain string, ways ...string) Act {
	a := Act{Name: name, Gain: gain}
	for _, text := range ways {
		var w way
		for word := range strings.FieldsSeq(text) {
			switch {
			case word == "setuid-program":
				w.privileges = true
			case strings.ToUpper(word) == word:
				w.capabilities = append(w.capabilities, word)
			default:
				w.calls = append(w.calls, word)
			}
		}
		a.ways = append(a.ways, w)
	}
	return a
}

// Acts is the catalogue: what leads out of a container, or further in it, by system
// calls and capabilities. That each is possible when it is said to be is held by a test
// in real containers.
var Acts = []Act{
	takes("mount a file system", "to reach the files of the node", "mount SYS_ADMIN"),
	takes("mount by file descriptors", "to reach the files of the node", "fsopen SYS_ADMIN"),
	takes("unmount what hides files", "to take away masks over /proc", "umount2 SYS_ADMIN"),
	takes("change the root directory", "to leave the container's files", "chroot SYS_CHROOT"),
	takes("pivot the root directory", "to leave the container's files", "pivot_root SYS_ADMIN"),
	takes("make a user namespace", "to have all capabilities in it, and with them a large part of the kernel to attack", "unshare"),
	takes("make other namespaces", "to hide, or to mount in them", "unshare SYS_ADMIN"),
	takes("enter other namespaces", "to act as the node", "setns SYS_ADMIN SYS_CHROOT"),
	takes("trace another process", "to read its memory and run code in it", "ptrace"),
	takes("read another process's memory", "to take keys out of it", "process_vm_readv"),
	takes("write another process's memory", "to run code in it", "process_vm_writev"),
	takes("take another process's files", "to use its connections", "pidfd_open pidfd_getfd"),
	takes("load a kernel module", "to own the node", "init_module SYS_MODULE", "finit_module SYS_MODULE"),
	takes("load a BPF program", "to watch and change the node", "bpf BPF", "bpf SYS_ADMIN"),
	takes("open performance events", "to spy on other processes, by a part of the kernel with many flaws", "perf_event_open"),
	takes("use kernel keyrings", "to read keys of other containers, by a part of the kernel with many flaws", "add_key", "keyctl"),
	takes("handle page faults", "to win races against the kernel", "userfaultfd"),
	takes("use io_uring", "to attack the kernel past filters", "io_uring_setup"),
	takes("run a program from memory", "to leave no file", "memfd_create execveat", "memfd_create execve"),
	takes("open raw sockets", "to forge packets on the pod network", "socket NET_RAW"),
	takes("configure the network", "to take over addresses and routes", "socket NET_ADMIN"),
	takes("listen at a low port", "to stand in for a service", "bind NET_BIND_SERVICE"),
	takes("give files away", "to get past permissions", "fchownat CHOWN", "chown CHOWN"),
	takes("read and write any file", "to get past permissions", "openat DAC_OVERRIDE"),
	takes("open files by handle", "to read files outside of the container", "open_by_handle_at DAC_READ_SEARCH"),
	takes("make a device", "to read a disk of the node", "mknodat MKNOD", "mknod MKNOD"),
	takes("become another user", "to use what is another's", "setuid SETUID", "setresuid SETUID"),
	takes("become another group", "to use what is another's", "setgid SETGID", "setgroups SETGID"),
	takes("signal other users' processes", "to stop what watches", "kill KILL"),
	takes("act on others' files", "to keep setuid bits, or to change modes", "fchmodat FOWNER", "chmod FOWNER"),
	takes("give programs capabilities", "to come back with privileges", "setxattr SETFCAP"),
	takes("gain privileges by a setuid program", "to become root in the container", "execve setuid-program"),
	takes("write to the audit log", "to mislead who reads it", "socket AUDIT_WRITE"),
	takes("read the kernel's log", "to learn addresses of the kernel", "syslog SYSLOG", "syslog SYS_ADMIN"),
	takes("set the clock", "to break certificates and logs", "clock_settime SYS_TIME", "settimeofday SYS_TIME"),
	takes("restart the node", "to disturb", "reboot SYS_BOOT"),
	takes("load another kernel", "to own the node", "kexec_load SYS_BOOT", "kexec_file_load SYS_BOOT"),
	takes("swap memory", "to reach a disk of the node", "swapon SYS_ADMIN"),
	takes("account processes", "to write to files of the node", "acct SYS_PACCT"),
	takes("use ports of the processor", "to reach hardware", "iopl SYS_RAWIO", "ioperm SYS_RAWIO"),
	takes("name the host", "to mislead", "sethostname SYS_ADMIN"),
	takes("watch all files", "to spy on the node", "fanotify_init SYS_ADMIN"),
	takes("turn off the randomization of addresses", "to make exploits reliable", "personality"),
	takes("place memory on nodes of a machine", "by a part of the kernel with many flaws", "mbind", "move_pages"),
	takes("compare kernel objects", "to learn addresses of the kernel", "kcmp SYS_PTRACE"),
}
