//go:build amd64 || arm64

package sensor

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
)

// narrow is what names of system calls of 32 bits begin with.
var narrow = map[string]string{"amd64": "x86:", "arm64": "arm:"}[runtime.GOARCH]

// noNumber of facts.h stands for all that no call has.
const noNumber = 0xffffffff

// x32 is in the numbers of a third kind of programs on amd64.
const x32 = 0x40000000

// callName is the name of a system call, and the number of one that has none.
func callName(number uint32, is32 bool) string {
	prefix, names := "", nativeCalls[:]
	switch {
	case number == noNumber:
		return "no such call"
	case is32:
		prefix, names = narrow, narrowCalls[:]
	case number&x32 != 0 && runtime.GOARCH == "amd64":
		prefix, number = "x32:", number&^x32
	}
	if int(number) < len(names) && names[number] != "" {
		return prefix + names[number]
	}
	return prefix + strconv.FormatUint(uint64(number), 10)
}

// capabilities by their numbers.
var capabilities = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE",
	"NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN",
	"SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE",
	"MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

func capabilityName(number uint32) string {
	if int(number) < len(capabilities) {
		return capabilities[number]
	}
	return strconv.FormatUint(uint64(number), 10)
}

// quietNames are the kernel's functions that ask for a capability and write nothing
// of it into the audit log: for the last reserve of memory, for which process to kill
// when there is none, for what a list shows. Setting a filter of system calls asks by
// one of them, too, and fails without it.
var quietNames = []string{"security_vm_enough_memory_mm", "cap_vm_enough_memory", "ns_capable_noaudit", "has_capability_noaudit", "has_ns_capability_noaudit"}

const loudName = "do_seccomp"

// quietFunctions finds where these functions begin and end; nothing, where the kernel
// does not say.
func quietFunctions() (quiet [8][2]uint64, loud [2]uint64) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return quiet, loud
	}
	defer f.Close()
	return readFunctions(f)
}

func readFunctions(symbols io.Reader) (quiet [8][2]uint64, loud [2]uint64) {
	var all []uint64
	found, foundLoud := quiet[:0], loud[:0]
	for lines := bufio.NewScanner(symbols); lines.Scan(); {
		line := lines.Bytes()
		if len(line) < len("ffffffff81000000 T x") || line[17]|0x20 != 't' { // no function
			continue
		}
		at, err := strconv.ParseUint(string(line[:16]), 16, 64)
		if err != nil || at == 0 { // hidden from who may not know
			continue
		}
		all = append(all, at)
		name, _, _ := bytes.Cut(line[19:], []byte{'\t'}) // a module
		whole := string(bytes.TrimSuffix(name, []byte(".cold")))
		switch {
		case slices.Contains(quietNames, whole) && len(found) < len(quiet):
			found = append(found, [2]uint64{at})
		case string(name) == loudName && len(foundLoud) == 0:
			foundLoud = append(foundLoud, at)
		}
	}
	slices.Sort(all)
	end := func(at uint64) uint64 {
		next, _ := slices.BinarySearch(all, at+1)
		if next == len(all) {
			return at
		}
		return all[next]
	}
	for i := range found {
		found[i][1] = end(found[i][0])
	}
	if len(foundLoud) > 0 {
		loud[1] = end(loud[0])
	}
	return quiet, loud
}
