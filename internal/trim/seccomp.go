package trim

import "slices"

// Seccomp is a seccomp profile in the form of the OCI runtime specification, which is
// that of files for localhostProfile in Kubernetes.
type Seccomp struct {
	DefaultAction string        `json:"defaultAction"`
	DefaultErrno  int           `json:"defaultErrnoRet"`
	Architectures []string      `json:"architectures,omitempty"`
	Syscalls      []SeccompRule `json:"syscalls"`
}

// SeccompRule is what holds for some system calls.
type SeccompRule struct {
	Names  []string `json:"names"`
	Action string   `json:"action"`
}

// noSuchCall is ENOSYS. Programs and libraries that try a newer call first go on with
// an older one when they get it, as on a kernel that has not got the call.
const noSuchCall = 38

// architectures of further ABIs, as libseccomp names them. That of the machine is
// always in a filter.
var architectures = map[string]string{"x86": "SCMP_ARCH_X86", "x32": "SCMP_ARCH_X32", "arm": "SCMP_ARCH_ARM"}

// Seccomp is the filter as a profile.
func (f *Filter) Seccomp() *Seccomp {
	s := &Seccomp{DefaultAction: "SCMP_ACT_ERRNO", DefaultErrno: noSuchCall, Syscalls: []SeccompRule{{f.names(), "SCMP_ACT_ALLOW"}}}
	for _, abi := range f.ABIs {
		s.Architectures = append(s.Architectures, architectures[abi])
	}
	return s
}

// Filter is what a profile allows, whatever the arguments; nil where it allows what it
// does not name.
func (s *Seccomp) Filter() *Filter {
	denies := []string{"SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP"}
	if !slices.Contains(denies, s.DefaultAction) {
		return nil
	}
	f := &Filter{Allowed: map[string]bool{}}
	for _, rule := range s.Syscalls {
		if !slices.Contains(denies, rule.Action) {
			for _, name := range rule.Names {
				f.Allowed[name] = true
			}
		}
	}
	for abi, arch := range architectures {
		if slices.Contains(s.Architectures, arch) {
			f.ABIs = append(f.ABIs, abi)
		}
	}
	slices.Sort(f.ABIs)
	return f
}
