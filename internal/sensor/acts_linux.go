//go:build amd64 || arm64

package sensor

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
)

// Actions of facts.h.
const (
	_ uint8 = iota
	actionPlain
	actionPtrace
	actionMount
	actionMoveMount
	actionPath
	actionSecond
	actionUnshare
	actionClone
	actionClone3
	actionBPF
	actionIDs
	actionOpen
	actionMap
	actionName0
	actionName01
	actionName1
	actionName12
	actionName23
	actionRename
	actionRenameAt
	actionChmod
	actionChmodAt
	actionFchmod
)

const syscalls = 512

// Of facts.h, and no calls: a program's file gave it other users or groups, and a new
// task is in namespaces of its own.
const (
	setuidFile = syscalls + iota
	forkedApart
)

// act is what is made of a system call of note.
type act struct {
	action uint8
	kind   behavior.Kind
	name   string // "" for the call's own
}

// actsOf are the system calls of note, by name.
var actsOf = map[string]act{
	"ptrace": {actionPtrace, behavior.Ptrace, ""}, "process_vm_readv": {actionPlain, behavior.Ptrace, behavior.ReadMemory},
	"process_vm_writev": {actionPlain, behavior.Ptrace, behavior.WriteMemory},
	"mount":             {actionMount, behavior.Mount, ""}, "move_mount": {actionMoveMount, behavior.Mount, "move"}, "umount2": {actionPath, behavior.Mount, "unmount"},
	"umount": {actionPath, behavior.Mount, "unmount"}, "pivot_root": {actionPath, behavior.Mount, "root"},
	"unshare": {actionUnshare, behavior.Namespace, ""}, "setns": {actionSecond, behavior.Namespace, "enter"}, "clone": {actionClone, behavior.Namespace, ""},
	"clone3": {actionClone3, behavior.Namespace, ""}, "init_module": {actionPlain, behavior.Load, "module"}, "finit_module": {actionPlain, behavior.Load, "module"},
	"kexec_load": {actionPlain, behavior.Load, "kernel"}, "kexec_file_load": {actionPlain, behavior.Load, "kernel"}, "bpf": {actionBPF, behavior.Load, "bpf"},
	"open": {action: actionOpen}, "openat": {action: actionOpen}, "openat2": {action: actionOpen}, "creat": {action: actionOpen},
	"unlink": {action: actionName0}, "rmdir": {action: actionName0}, "mkdir": {action: actionName0}, "mknod": {action: actionName0}, "truncate": {action: actionName0},
	"truncate64": {action: actionName0}, "unlinkat": {action: actionName01}, "mkdirat": {action: actionName01}, "mknodat": {action: actionName01},
	"link": {action: actionName1}, "symlink": {action: actionName1}, "symlinkat": {action: actionName12}, "linkat": {action: actionName23},
	"rename": {action: actionRename}, "renameat": {action: actionRenameAt}, "renameat2": {action: actionRenameAt},
	"chmod": {action: actionChmod}, "fchmodat": {action: actionChmodAt}, "fchmodat2": {action: actionChmodAt}, "fchmod": {action: actionFchmod},
	"mmap": {action: actionMap}, "mmap2": {action: actionMap},
	"capset": {actionPlain, behavior.Privilege, ""},
}

// changing are the calls by which a process becomes other users and groups; those of
// 32 bits have a second form.
var changing = []string{"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid"}

// sensitive are calls that few programs make, and that are of note by themselves.
var sensitive = []string{
	"keyctl", "add_key", "request_key", "perf_event_open", "memfd_create", "memfd_secret", "userfaultfd", "pidfd_getfd", "kcmp", "open_by_handle_at",
	"fanotify_init", "quotactl", "acct", "swapon", "swapoff", "reboot", "settimeofday", "clock_settime", "sethostname", "setdomainname", "iopl", "ioperm",
	"delete_module", "syslog",
}

// actOf finds what is made of a call, by its name.
func actOf(name string) (act, bool) {
	a, ok := actsOf[name]
	switch plain := strings.TrimSuffix(name, "32"); {
	case ok:
	case slices.Contains(changing, plain):
		a, ok = act{actionIDs, behavior.Privilege, plain}, true
	case plain == "setgroups":
		a, ok = act{actionPlain, behavior.Privilege, plain}, true
	case slices.Contains(sensitive, name):
		a, ok = act{actionPlain, behavior.Sensitive, ""}, true
	}
	return a, ok
}

// actions is what the kernel's half is to do when a call returns, by its number.
func actions() (table [2][syscalls]uint8) {
	for n, names := range [2][]string{nativeCalls[:], narrowCalls[:]} {
		for number, name := range names[:min(len(names), syscalls)] {
			// The old mmap of 32 bits on amd64 has its arguments elsewhere.
			if a, ok := actOf(name); ok && (n == 0 || name != "mmap") {
				table[n][number] = a.action
			}
		}
	}
	return table
}

// namespaces by their flags.
var namespaces = []struct {
	flag uint64
	name string
}{
	{unix.CLONE_NEWUSER, "user"}, {unix.CLONE_NEWNS, "mount"}, {unix.CLONE_NEWNET, "net"}, {unix.CLONE_NEWPID, "pid"}, {unix.CLONE_NEWIPC, "ipc"},
	{unix.CLONE_NEWUTS, "uts"}, {unix.CLONE_NEWCGROUP, "cgroup"}, {unix.CLONE_NEWTIME, "time"},
}

// act tells something of note that is new.
func (r *reader) act(key kernelKey, k *kernelAct) {
	r.told[key] = r.day(k.Last)
	r.resolve(k.Program)
	o := behavior.Observation{Program: r.names.program(key.Cgroup, k.Program), Outcome: behavior.Allowed}
	if k.Denied != 0 {
		o.Outcome = behavior.Denied
	}
	call := callName(k.Number, k.Narrow != 0)
	a, ok := actOf(strings.TrimPrefix(call, narrow))
	switch k.Number {
	case setuidFile:
		a, ok = act{kind: behavior.Privilege, name: behavior.BySetuidFile}, true
	case forkedApart:
		a, ok = act{kind: behavior.Namespace}, true
	}
	if !ok || a.kind == "" {
		return // of another table of calls than this one: not by this kernel's half
	}
	o.Kind, o.Name = a.kind, a.name
	if o.Name == "" {
		o.Name = call
	}
	owner := r.owner(key.Cgroup, true, false)
	tell := func() { r.did(owner, &o, k.First, k.Last, uint32(k.Session)) }
	switch a.kind {
	case behavior.Namespace:
		for _, name := range namespacesOf(k.Argument, a.name) {
			o.Name = name
			tell()
		}
		return
	case behavior.Ptrace:
		r.resolve(k.Target)
		o.File = r.names.program(key.Cgroup, k.Target)
		if a.name == "" {
			o.Name = traceName(k.Argument)
		}
	case behavior.Mount:
		o.File.Path = text(k.Path[:])
		if a.name == "" {
			o.Name = mountName(k.Argument, text(k.Name[:]))
		}
	}
	tell()
}

// namespacesOf names the namespaces that were made, or entered.
func namespacesOf(flags uint64, what string) (names []string) {
	for _, n := range namespaces {
		if flags&n.flag != 0 {
			names = append(names, strings.TrimSpace(what+" "+n.name))
		}
	}
	if names == nil && what != "" { // of any type
		names = []string{what}
	}
	return names
}

func traceName(request uint64) string {
	if request == unix.PTRACE_TRACEME {
		return behavior.TraceMe
	}
	return behavior.Attach
}

func mountName(flags uint64, kind string) string {
	switch {
	case flags&unix.MS_REMOUNT != 0:
		return "remount"
	case flags&unix.MS_BIND != 0:
		return "bind"
	case flags&unix.MS_MOVE != 0:
		return "move"
	case flags != 0:
		return "propagation"
	}
	return kind
}
