package trim

import (
	"maps"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/behavior"
)

// Grant is what a container may do with the kernel.
type Grant struct {
	Privileged    bool
	Capabilities  []string // that its processes may have, without CAP_, sorted
	Calls         *Filter  // nil: every system call
	NewPrivileges bool     // by setuid programs and file capabilities
}

func (g *Grant) clone() Grant {
	c := *g
	c.Capabilities = slices.Clone(g.Capabilities)
	return c
}

// Has reports whether the container may have a capability.
func (g *Grant) Has(capability string) bool {
	return g.Privileged || slices.Contains(g.Capabilities, capability)
}

// May reports whether the container may make a system call of the machine's own word
// size. Whether the kernel does what it asks for is another question.
func (g *Grant) May(call string) bool {
	return g.Privileged || g.Calls == nil || g.Calls.allows(call)
}

// Allows answers whether the grant lets a container do what a fact says. It knows of
// system calls and capabilities; of other facts the answer is unknown.
func (g *Grant) Allows(f behavior.Fact) behavior.Answer {
	is := map[bool]behavior.Answer{true: behavior.Yes, false: behavior.No}
	switch f.Kind {
	case behavior.Capability:
		if f.Name != behavior.Many {
			return is[g.Has(f.Name)]
		}
	case behavior.Syscall:
		abi, name := abiOf(f.Name)
		if g.Privileged || g.Calls == nil {
			return behavior.Yes
		}
		if f.Name != behavior.Many {
			return is[g.Calls.allows(name) && (abi == "" || g.Calls.Denied != nil || slices.Contains(g.Calls.ABIs, abi))]
		}
	}
	return behavior.Unknown
}

// Filter is a seccomp filter: it allows what it names and denies the rest, or the
// other way about.
type Filter struct {
	Allowed map[string]bool
	Denied  map[string]bool // of a filter that allows the rest; Allowed is nil then
	// ABIs are further ones that calls may be made by: x86, x32 or arm. Calls by them are
	// allowed by the same names.
	ABIs []string
}

func (f *Filter) allows(call string) bool {
	if f.Denied != nil {
		return !f.Denied[call]
	}
	return f.Allowed[call]
}

// names are the allowed calls in order.
func (f *Filter) names() []string { return slices.Sorted(maps.Keys(f.Allowed)) }

// Beyond are the calls that this filter allows and another one does not. It names
// those that this filter names.
func (f *Filter) Beyond(o *Filter) []string {
	return slices.DeleteFunc(f.names(), o.allows)
}

// abiOf splits the name of a call as facts have it: x86:socketcall is by x86.
func abiOf(name string) (abi, bare string) {
	if abi, bare, ok := strings.Cut(name, ":"); ok {
		return abi, bare
	}
	return "", name
}

// startCalls are made between the setting of a filter and the first instruction of the
// program: by runc, which sets it last where no new privileges can be gained, and by the
// runtime of Go that runc is written in. Held by a test with real containers.
var startCalls = strings.Fields(`brk clone close close_range epoll_ctl epoll_pwait execve exit exit_group fcntl fstat fstatfs
	futex getdents64 getpid getppid gettid madvise mmap munmap nanosleep newfstatat openat prctl read rt_sigaction rt_sigprocmask
	rt_sigreturn sched_yield sigaltstack tgkill tkill write`)

// earlyCalls are made besides where new privileges can be gained: then the filter must
// be set while the runtime still has its own.
var earlyCalls = strings.Fields(`capget capset chdir dup3 fchdir fchown getcwd geteuid getgid getpgrp getuid ioctl keyctl lseek mkdirat
	readlinkat setgid setgroups setresgid setresuid setsid setuid sethostname statfs umask unlinkat`)

// filterOf is the filter that allows some calls, named as facts name them, and what
// takes a program to begin.
func filterOf(calls map[string]bool, noNewPrivileges bool) *Filter {
	f := &Filter{Allowed: map[string]bool{}}
	for name := range calls {
		abi, bare := abiOf(name)
		f.Allowed[bare] = true
		if abi != "" && !slices.Contains(f.ABIs, abi) {
			f.ABIs = append(f.ABIs, abi)
		}
	}
	slices.Sort(f.ABIs)
	for _, name := range startCalls {
		f.Allowed[name] = true
	}
	if !noNewPrivileges {
		for _, name := range earlyCalls {
			f.Allowed[name] = true
		}
	}
	return f
}
