//go:build amd64 || arm64

package sensor

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
)

// needed are the programs without which nothing is known of processes and containers.
var needed = []string{kernelProgOnExec, kernelProgOnFork, kernelProgOnExit, kernelProgOnCgroupMkdir, kernelProgOnCgroupRmdir}

// unseen says what is not seen without a program.
var unseen = map[string]string{
	kernelProgOnTcpState: "TCP connections and listening sockets",
	kernelProgOnConnect4: "connected UDP over IPv4", kernelProgOnConnect6: "connected UDP over IPv6",
	kernelProgOnSendmsg4: "UDP over IPv4", kernelProgOnSendmsg6: "UDP over IPv6",
	kernelProgOnCall: "system calls", kernelProgOnCapability: "capabilities",
	kernelProgOnPacket: "DNS names",
	kernelProgOnReturn: "files, mounts, namespaces, traced processes, changes of users, what is loaded into the kernel, and other sensitive calls",
}

// kindsBy are the kinds of facts that are not known without a program.
var kindsBy = map[string]behavior.KindSet{
	kernelProgOnTcpState: behavior.KindsOf(behavior.Connect, behavior.Accept, behavior.Listen),
	kernelProgOnConnect4: behavior.KindsOf(behavior.Connect), kernelProgOnConnect6: behavior.KindsOf(behavior.Connect),
	kernelProgOnSendmsg4: behavior.KindsOf(behavior.Connect), kernelProgOnSendmsg6: behavior.KindsOf(behavior.Connect),
	kernelProgOnPacket: behavior.KindsOf(behavior.Resolve),
	kernelProgOnCall:   behavior.KindsOf(behavior.Syscall), kernelProgOnCapability: behavior.KindsOf(behavior.Capability),
	kernelProgOnReturn: behavior.KindsOf(behavior.Privilege, behavior.Ptrace, behavior.Mount, behavior.Load, behavior.Namespace, behavior.Sensitive,
		behavior.Write, behavior.Open, behavior.Map),
}

// kindsOf are the kinds that are looked for where some programs are refused.
func kindsOf(refused map[string]error) behavior.KindSet {
	kinds := behavior.KindsOf(behavior.Execute)
	for _, of := range kindsBy {
		kinds |= of
	}
	for name := range refused {
		kinds &^= kindsBy[name]
	}
	return kinds
}

// attachments of programs that belong to control groups.
var attachments = map[string]ebpf.AttachType{
	kernelProgOnConnect4: ebpf.AttachCGroupInet4Connect, kernelProgOnConnect6: ebpf.AttachCGroupInet6Connect,
	kernelProgOnSendmsg4: ebpf.AttachCGroupUDP4Sendmsg, kernelProgOnSendmsg6: ebpf.AttachCGroupUDP6Sendmsg,
	kernelProgOnPacket: ebpf.AttachCGroupInetEgress,
}

// instead are programs that do what others do, on kernels that have no hook for those.
var instead = map[string]string{kernelProgOnCapability: kernelProgOnCapable}

// way is how the programs are loaded; the kernel says which one it takes.
type way struct {
	tier behavior.Tier
	// plain: what hooks hand over is read by a helper, and what is known of threads is in a
	// table. Linux before 5.12 has no storage of tasks, and raw tracepoints hand over numbers.
	plain bool
}

// ways from the best one.
var ways = []way{{behavior.TierTracing, false}, {behavior.TierTracing, true}, {behavior.TierTracepoint, true}}

// threadsOf is how many threads are known where the kernel has no storage of tasks.
const threadsOf = 16384

// shape makes programs and maps for one way.
func (w way) shape(of *ebpf.CollectionSpec) (*ebpf.CollectionSpec, error) {
	spec := of.Copy()
	if !w.plain {
		return spec, nil
	}
	threads := spec.Maps[kernelMapThreads]
	threads.Type, threads.MaxEntries, threads.Flags = ebpf.LRUHash, threadsOf, 0
	if w.tier == behavior.TierTracepoint {
		kernel, err := btf.LoadKernelSpec()
		if err != nil {
			return nil, err
		}
		for _, p := range spec.Programs {
			var hook *btf.Typedef
			// One that is not there would only be missed when the program is attached.
			if p.AttachType == ebpf.AttachTraceRawTp && kernel.TypeByName("btf_trace_"+p.AttachTo, &hook) == nil {
				p.Type, p.AttachType = ebpf.RawTracepoint, ebpf.AttachNone
			}
		}
	}
	return spec, spec.Variables[kernelVarPlain].Set(uint32(1))
}

// prepare makes the kernel's half of the options and the machine.
func prepare(o *Options, h *host) (*ebpf.CollectionSpec, error) {
	if o.Executions < 1 || o.Flows < 1 || o.Calls < 1 || o.Acts < 1 || o.Files < 1 || o.Questions < 1 || o.PerGroup < 1 || o.RingBytes < os.Getpagesize() || o.RingBytes&(o.RingBytes-1) != 0 {
		return nil, errors.New("a capacity of the sensor is below 1, or its rings are not a power of two of at least a page")
	}
	spec, err := loadKernel()
	if err != nil {
		return nil, err
	}
	if o.Policies == nil {
		for _, name := range []string{kernelMapMembers, kernelMapPolicies, kernelMapExecutables, kernelMapPeers} {
			spec.Maps[name].MaxEntries = 1
		}
	} else if err := spec.Variables[kernelVarEnforcing].Set(uint32(1)); err != nil {
		return nil, err
	}
	for name, entries := range map[string]int{kernelMapExecs: o.Executions, kernelMapFlows: o.Flows, kernelMapCalls: o.Calls, kernelMapActs: o.Acts, kernelMapFiles: o.Files, kernelMapQuestions: o.Questions, kernelMapHints: o.RingBytes, kernelMapAlerts: o.RingBytes} {
		spec.Maps[name].MaxEntries = uint32(entries)
	}
	var seed [16]byte
	_, _ = rand.Read(seed[:]) // never fails
	quota := uint32(o.PerGroup)
	quiet, loud := quietFunctions()
	return spec, errors.Join(
		spec.Variables[kernelVarExecveNumber].Set(uint32(unix.SYS_EXECVE)),
		spec.Variables[kernelVarActions].Set(actions()),
		spec.Variables[kernelVarWatched].Set(watchedNames()),
		spec.Variables[kernelVarQuiet].Set(quiet),
		spec.Variables[kernelVarLoud].Set(loud),
		spec.Variables[kernelVarSeed].Set([2]uint64{binary.NativeEndian.Uint64(seed[:]), binary.NativeEndian.Uint64(seed[8:])}),
		spec.Variables[kernelVarQuota].Set([7]uint32{quota, quota, quota, quota, quota, quota, quota}),
		spec.Variables[kernelVarHostMounts].Set(h.mounts),
		spec.Variables[kernelVarHostRootInode].Set(h.rootInode),
		spec.Variables[kernelVarHostRootDevice].Set(h.rootDevice),
	)
}

// accepted is what the kernel took.
type accepted struct {
	*ebpf.Collection
	way     way
	refused map[string]error // programs, and why
	better  error            // why it took no better way
	origins bool             // whether it is known where the bytes of programs are from
}

// load gives the kernel its half in the first way that it takes. When it takes none,
// the first one says why.
func load(spec *ebpf.CollectionSpec, ways []way) (*accepted, error) {
	var options ebpf.CollectionOptions
	if isBefore(release(), 5, 11) { // maps count as locked memory; where it stays too little they are refused, and say so
		_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	}
	overlay, described := overlayTypes()
	switch {
	case overlay != nil:
		options.Programs.ExtraRelocationTargets = []*btf.Spec{overlay}
	case !described && isBefore(release(), 6, 5):
		if err := spec.Variables[kernelVarUndescribedOverlay].Set(uint32(1)); err != nil {
			return nil, err
		}
		described = true
	}
	var first error
	for _, w := range ways {
		shaped, err := w.shape(spec)
		if err != nil {
			return nil, err
		}
		c, refused, err := loadShaped(shaped, options)
		if err == nil {
			return &accepted{c, w, refused, first, described}, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// loadShaped loads what it can. When a needed program is refused that is an error.
func loadShaped(spec *ebpf.CollectionSpec, options ebpf.CollectionOptions) (*ebpf.Collection, map[string]error, error) {
	whole := spec.Copy()
	for _, other := range instead {
		delete(whole.Programs, other)
	}
	loaded, err := ebpf.NewCollectionWithOptions(whole, options)
	if err == nil {
		return loaded, nil, nil
	}
	if errors.Is(err, os.ErrPermission) && os.Geteuid() != 0 {
		return nil, nil, because(err)
	}
	refused := map[string]error{}
	for name := range spec.Programs {
		alone := spec.Copy()
		maps.DeleteFunc(alone.Programs, func(other string, _ *ebpf.ProgramSpec) bool { return other != name })
		for _, m := range alone.Maps {
			m.MaxEntries = min(m.MaxEntries, uint32(os.Getpagesize())) // the least of a ring
		}
		c, err := ebpf.NewCollectionWithOptions(alone, options)
		if err != nil {
			refused[name] = err
			continue
		}
		c.Close()
	}
	for _, name := range needed {
		if refused[name] != nil {
			return nil, refused, because(refused[name])
		}
	}
	rest := spec.Copy()
	maps.DeleteFunc(rest.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return refused[name] != nil })
	for of, other := range instead {
		if refused[of] == nil {
			delete(rest.Programs, other)
		}
	}
	lackingNothing(refused)
	if len(rest.Programs) == len(whole.Programs) && len(refused) == 0 && rest.Programs[kernelProgOnCapability] != nil { // each alone, but not all
		return nil, nil, because(err)
	}
	if loaded, err = ebpf.NewCollectionWithOptions(rest, options); err != nil {
		return nil, refused, because(err)
	}
	return loaded, refused, nil
}

// wayOf is how programs that are in the kernel were loaded.
func wayOf(c *ebpf.Collection) way {
	w := way{tier: behavior.TierTracing, plain: c.Maps[kernelMapThreads].Type() == ebpf.LRUHash}
	for _, p := range c.Programs {
		if p.Type() == ebpf.RawTracepoint {
			w.tier = behavior.TierTracepoint
		}
	}
	return w
}

// lackingNothing takes out programs that are refused where others do what they do.
func lackingNothing(refused map[string]error) {
	for of, other := range instead {
		if refused[other] == nil {
			delete(refused, of)
		}
		delete(refused, other)
	}
}

// because says what is missing where BPF does not work.
func because(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case errors.As(err, &verifier):
		return unavailable("this kernel refuses a program of the sensor, which is a mistake of it: %w", err)
	case errors.Is(err, os.ErrPermission) && os.Geteuid() != 0:
		return unavailable("the kernel takes BPF programs from root only: run it as root")
	case errors.Is(err, os.ErrPermission):
		return unavailable("the kernel refuses BPF programs even from this root (a container without CAP_BPF and CAP_PERFMON, or a lockdown): %w", err)
	case errors.Is(err, ebpf.ErrNotSupported):
		return unavailable("Linux 5.10 or newer with BTF is needed, and /sys/kernel/btf/vmlinux readable: %w", err)
	}
	return unavailable("%w", err)
}

// attach lets programs run until they are closed.
func (s *Sensor) attach(hooks map[string]*ebpf.ProgramSpec, names []string) error {
	for _, name := range names {
		program := s.programs[name]
		if program == nil {
			continue
		}
		var l link.Link
		var err error
		if at, ok := attachments[name]; ok {
			l, err = link.AttachCgroup(link.CgroupOptions{Path: s.host.cgroups, Attach: at, Program: program})
		} else if program.Type() == ebpf.RawTracepoint {
			l, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: hooks[name].AttachTo, Program: program})
		} else {
			l, err = link.AttachTracing(link.TracingOptions{Program: program})
		}
		if err != nil {
			return because(fmt.Errorf("attach %s: %w", name, err))
		}
		s.links[name] = l
	}
	return nil
}

// tiers says which tier is active, and what of the others is known.
func tiers(c *accepted, failed error, symbols bool) []TierState {
	security := TierState{Tier: behavior.TierLSM, Reason: "this version has no program for it; the kernel would take one"}
	if err := probeSecurityHook(); err != nil {
		security.Reason = "this version has no program for it, and the kernel refuses such: " + oneLine(err)
	}
	tracing, tracepoint := TierState{Tier: behavior.TierTracing}, TierState{Tier: behavior.TierTracepoint}
	switch {
	case failed != nil:
		tracing.Reason = oneLine(failed)
		tracepoint.Reason = "refused, too"
	case c.way.tier == behavior.TierTracing:
		tracing.Active, tracing.Reason = true, c.describe(symbols)
		tracepoint.Reason = "not needed: the tier above sees all that it would"
	default:
		tracepoint.Active, tracepoint.Reason = true, c.describe(symbols)
		if c.better != nil {
			tracing.Reason = "the kernel refuses its programs: " + oneLine(c.better)
		}
	}
	return []TierState{security, tracing, tracepoint}
}

// describe says what is not seen, and why.
func (c *accepted) describe(symbols bool) string {
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(c.refused)) {
		missing = append(missing, unseen[name]+" ("+oneLine(c.refused[name])+")")
	}
	if !c.origins {
		missing = append(missing, "whether a program is of the image or was changed (the kernel does not describe overlayfs: load its module before the sensor begins)")
	}
	reason := "all programs are loaded"
	if missing != nil {
		reason = "not seen: " + strings.Join(missing, ", ")
	}
	if c.way.plain {
		reason += fmt.Sprintf("; %d threads are known at once, as this kernel keeps nothing for a thread: more of them cost more time, not facts", threadsOf)
	}
	if c.refused[kernelProgOnCapability] == nil && !symbols {
		reason += "; CAP_SYS_ADMIN counts as used where the kernel only asks for it, as /proc/kallsyms does not say who asks (kernel.kptr_restrict)"
	}
	return reason
}

// probeSecurityHook loads a program of the LSM type that allows everything, and
// drops it without attaching it.
func probeSecurityHook() error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: "file_open", License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return err
	}
	return program.Close()
}

// oneLine is what the kernel answered, or the first line of an error.
func oneLine(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	if errors.Is(err, ebpf.ErrNotSupported) && !errors.Is(err, ErrUnavailable) {
		return "this kernel has no hook for it"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// knowsOrigins reports whether the layout of overlayfs is known here.
func knowsOrigins() bool {
	_, described := overlayTypes()
	return described || isBefore(release(), 6, 5) // whose layout does not differ where nothing describes it
}

// overlayTypes are the kernel's types of overlayfs when it is a module, and whether there
// are any. To ask for the file system lets the kernel load the module.
func overlayTypes() (types *btf.Spec, described bool) {
	if fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC); err == nil {
		_ = unix.Close(fd)
	}
	if types, err := btf.LoadKernelModuleSpec("overlay"); err == nil {
		return types, true
	}
	own, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, false
	}
	var inode *btf.Struct
	return nil, own.TypeByName("ovl_inode", &inode) == nil
}
