package trim

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// usualCapabilities are those that containerd and Docker give to a container that says
// nothing.
var usualCapabilities = strings.Fields(`AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT`)

// allCapabilities are those of Linux 6.12 (include/uapi/linux/capability.h).
var allCapabilities = strings.Fields(`AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID
	IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID
	SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM`)

// usuallyDenied are system calls that the default filters of containerd and Docker
// deny, and the capabilities by which they allow them; "" for none.
var usuallyDenied = map[string]string{
	"add_key": "", "keyctl": "", "request_key": "", "userfaultfd": "", "io_uring_setup": "", "io_uring_enter": "", "io_uring_register": "", "kexec_load": "SYS_BOOT",
	"kexec_file_load": "SYS_BOOT", "reboot": "SYS_BOOT", "swapon": "", "swapoff": "", "nfsservctl": "", "pivot_root": "", "move_pages": "", "uselib": "", "ustat": "", "sysfs": "",
	"_sysctl": "", "vm86": "", "vm86old": "", "create_module": "", "get_kernel_syms": "", "query_module": "",
	"bpf": "SYS_ADMIN BPF", "perf_event_open": "SYS_ADMIN PERFMON", "syslog": "SYS_ADMIN SYSLOG", "chroot": "SYS_CHROOT",
	"init_module": "SYS_MODULE", "finit_module": "SYS_MODULE", "delete_module": "SYS_MODULE", "acct": "SYS_PACCT",
	"kcmp": "SYS_PTRACE", "pidfd_getfd": "SYS_PTRACE", "process_madvise": "SYS_PTRACE", "open_by_handle_at": "DAC_READ_SEARCH",
	"iopl": "SYS_RAWIO", "ioperm": "SYS_RAWIO", "settimeofday": "SYS_TIME", "stime": "SYS_TIME", "clock_settime": "SYS_TIME", "clock_settime64": "SYS_TIME", "vhangup": "SYS_TTY_CONFIG",
	"get_mempolicy": "SYS_NICE", "mbind": "SYS_NICE", "set_mempolicy": "SYS_NICE", "set_mempolicy_home_node": "SYS_NICE",
	"mount": "SYS_ADMIN", "umount": "SYS_ADMIN", "umount2": "SYS_ADMIN", "mount_setattr": "SYS_ADMIN", "move_mount": "SYS_ADMIN", "open_tree": "SYS_ADMIN", "fsconfig": "SYS_ADMIN",
	"fsmount": "SYS_ADMIN", "fsopen": "SYS_ADMIN", "fspick": "SYS_ADMIN", "fanotify_init": "SYS_ADMIN", "quotactl": "SYS_ADMIN", "quotactl_fd": "SYS_ADMIN", "setdomainname": "SYS_ADMIN",
	"sethostname": "SYS_ADMIN", "setns": "SYS_ADMIN", "unshare": "SYS_ADMIN", "lookup_dcookie": "SYS_ADMIN",
}

// runtimeDefault is the filter of RuntimeDefault for a container with some
// capabilities, by names alone: what it allows for some arguments it allows here.
func runtimeDefault(g *Grant) *Filter {
	f := &Filter{Denied: map[string]bool{}}
	for call, capabilities := range usuallyDenied {
		if !slices.ContainsFunc(strings.Fields(capabilities), g.Has) {
			f.Denied[call] = true
		}
	}
	return f
}

// GrantOf is what a pod lets one of its containers do, as Kubernetes reads it. A filter
// in a file of the node is not known, and counts as none.
func GrantOf(pod model.PodTemplate, container *tree.Node) Grant {
	own, shared := container.Get("securityContext"), pod.Spec.Get("securityContext")
	g := Grant{Privileged: own.Get("privileged").Text() == "true", NewPrivileges: own.Get("allowPrivilegeEscalation").Text() != "false"}
	if g.Privileged {
		g.Capabilities = slices.Clone(allCapabilities)
		return g
	}
	g.Capabilities = slices.Clone(usualCapabilities)
	for _, name := range named(own.Dig("capabilities", "drop")) {
		if name == "ALL" {
			g.Capabilities = nil
		}
		g.Capabilities = slices.DeleteFunc(g.Capabilities, func(c string) bool { return c == name })
	}
	for _, name := range named(own.Dig("capabilities", "add")) {
		if name == "ALL" {
			g.Capabilities = slices.Clone(allCapabilities)
		} else if !slices.Contains(g.Capabilities, name) {
			g.Capabilities = append(g.Capabilities, name)
		}
	}
	slices.Sort(g.Capabilities)
	filter := own.Dig("seccompProfile", "type").Str()
	if filter == "" {
		filter = shared.Dig("seccompProfile", "type").Str()
	}
	if filter == "RuntimeDefault" {
		g.Calls = runtimeDefault(&g)
	}
	return g
}

func named(list *tree.Node) []string {
	var names []string
	for i := range list.Children() {
		names = append(names, model.Capability(list.Children()[i].Str()))
	}
	return names
}

// SecurityContext is what a container's securityContext must say for the plan, for a
// patch of the manifest. profile is the path of the seccomp profile below the kubelet's
// directory for them.
func (p *Plan) SecurityContext(profile string) map[string]any {
	context := map[string]any{}
	for _, cut := range p.Cuts {
		switch cut.What {
		case Privileges:
			context["allowPrivilegeEscalation"] = false
		case Capabilities:
			capabilities := map[string]any{"drop": []string{"ALL"}}
			if len(cut.Kept) > 0 {
				capabilities["add"] = cut.Kept
			}
			context["capabilities"] = capabilities
		case SystemCalls:
			context["seccompProfile"] = map[string]any{"type": "Localhost", "localhostProfile": profile}
		}
	}
	return context
}
