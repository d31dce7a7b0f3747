//go:build linux && (amd64 || arm64)

package sensor

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"ullage.dev/ullage/internal/enforce"
)

// TestLayoutsAgree holds the Go types against what the compiler of the kernel's half
// wrote down of its own.
func TestLayoutsAgree(t *testing.T) {
	spec, err := loadKernel()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{
		"key": kernelKey{}, "exec": kernelExec{}, "flow": kernelFlow{}, "group": kernelGroup{}, "process": kernelProcess{},
		"listener": kernelListener{}, "alert": kernelAlert{}, "call": kernelCall{}, "act": kernelAct{}, "touch": kernelTouch{}, "question": kernelQuestion{},
		"policy": kernelPolicy{}, "executable": kernelExecutable{}, "peer": kernelPeer{}, "glass": kernelGlass{}, "state": kernelState{},
	} {
		var c *btf.Struct
		if err := spec.Types.TypeByName(name, &c); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compareLayouts(t, name, c, reflect.TypeOf(value))
	}
	for name, sizes := range map[string][2]any{
		kernelMapExecs: {kernelKey{}, kernelExec{}}, kernelMapFlows: {kernelKey{}, kernelFlow{}}, kernelMapGroups: {uint64(0), kernelGroup{}},
		kernelMapProcesses: {uint32(0), kernelProcess{}}, kernelMapListeners: {kernelListener{}, kernelProcess{}}, kernelMapCalls: {kernelKey{}, kernelCall{}}, kernelMapActs: {kernelKey{}, kernelAct{}}, kernelMapFiles: {kernelKey{}, kernelTouch{}}, kernelMapQuestions: {kernelKey{}, kernelQuestion{}},
		kernelMapPolicies: {uint32(0), kernelPolicy{}}, kernelMapMembers: {uint64(0), uint32(0)}, kernelMapExecutables: {kernelExecutable{}, uint8(0)}, kernelMapPeers: {kernelPeer{}, uint8(0)}, kernelMapGlasses: {uint32(0), kernelGlass{}}, kernelMapStates: {uint32(0), kernelState{}},
	} {
		m := spec.Maps[name]
		if k, v := reflect.TypeOf(sizes[0]).Size(), reflect.TypeOf(sizes[1]).Size(); uintptr(m.KeySize) != k || uintptr(m.ValueSize) != v {
			t.Errorf("map %s has keys of %d and values of %d bytes, Go has %d and %d", name, m.KeySize, m.ValueSize, k, v)
		}
	}
}

func compareLayouts(t *testing.T, name string, c *btf.Struct, g reflect.Type) {
	t.Helper()
	if uintptr(c.Size) != g.Size() {
		t.Errorf("%s has %d bytes in C, %d in Go", name, c.Size, g.Size())
	}
	fields := map[string]reflect.StructField{}
	for i := range g.NumField() {
		fields[strings.ToLower(g.Field(i).Name)] = g.Field(i)
	}
	for _, m := range c.Members {
		f, ok := fields[strings.ReplaceAll(m.Name, "_", "")]
		if size, err := btf.Sizeof(m.Type); !ok || err != nil || uintptr(m.Offset.Bytes()) != f.Offset || uintptr(size) != f.Type.Size() {
			t.Errorf("%s.%s is at %d in C, and in Go %+v (%v)", name, m.Name, m.Offset.Bytes(), f, err)
		}
	}
	if len(c.Members) > g.NumField() {
		t.Errorf("%s has %d members in C, %d in Go", name, len(c.Members), g.NumField())
	}
}

// TestNumbersAgree holds constants of the two halves against each other.
func TestNumbersAgree(t *testing.T) {
	spec, err := loadKernel()
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]uint64{}
	for typ, err := range spec.Types.All() {
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := typ.(*btf.Enum); ok {
			for _, v := range e.Values {
				numbers[v.Name] = v.Value
			}
		}
	}
	for name, want := range map[string]uint64{
		"KIND_EXEC": uint64(kindExec), "KIND_CONNECT": uint64(kindConnect), "KIND_ACCEPT": uint64(kindAccept), "KIND_LISTEN": uint64(kindListen), "KIND_SYSCALL": uint64(kindSyscall), "KIND_CAPABILITY": uint64(kindCapability), "KIND_ACT": uint64(kindAct), "KIND_FILE": uint64(kindFile), "KIND_RESOLVE": uint64(kindResolve), "ACTION_MAP": uint64(actionMap), "EXTENT_MOUNT": uint64(extentMount), "ACCESS_SETID": uint64(len(accesses) - 1),
		"ACTION_PLAIN": uint64(actionPlain), "ACTION_PTRACE": uint64(actionPtrace), "ACTION_CLONE3": uint64(actionClone3), "ACTION_IDS": uint64(actionIDs), "KIND_GROUP": uint64(kindGroup),
		"FLAG_PATH_CUT": flagPathCut, "FLAG_ARGV_NONE": flagNoArguments, "FLAG_CONTAINED": flagContained, "FLAG_ESCAPED": flagEscaped, "FLAG_OWN_USERS": flagOwnUsers, "FLAG_SAID_CUT": flagSaidCut, "FLAG_DENIED": flagDenied, "ACTION_FCHMOD": uint64(actionFchmod), "ACTION_NAME_23": uint64(actionName23),
		"SESSION_NONE": uint64(sessionNone), "SESSION_ENTRY": uint64(sessionEntry), "SESSION_JOINED": uint64(sessionJoined),
		"COUNT_HINTS_LOST": uint64(countHintsLost), "COUNT_ALERTS_LOST": uint64(countAlertsLost), "COUNT_GROUPLESS_LOST": uint64(countGrouplessLost),
		"COUNT_PROCESSES_LOST": uint64(countProcessesLost), "ORIGIN_MOUNT": uint64(len(layers) - 1), "COUNT_UNENFORCED": uint64(countUnenforced),
		"MODE_OBSERVE": uint64(modes[enforce.Observe]), "MODE_ALERT": uint64(modes[enforce.Alert]), "MODE_ENFORCE": uint64(modes[enforce.Enforce]), "MODE_KILL": uint64(modes[enforce.Kill]),
	} {
		if got, ok := numbers[name]; !ok || got != want {
			t.Errorf("%s is %d in C (%v), %d in Go", name, got, ok, want)
		}
	}
}

func TestOldKernelsAreRefused(t *testing.T) {
	for release, refused := range map[string]bool{
		"4.19.0-26-amd64": true, "5.4.0-150-generic": true, "5.9.16": true, "5.10.0-30-amd64": false, "5.12.0": false, "5.15.0-105-generic": false, "6.1.0-21-amd64": false, "6.18.44": false, "unreadable": false,
	} {
		if err := checkRelease(release); (err != nil) != refused || refused && !strings.Contains(err.Error(), release) {
			t.Errorf("%s: %v", release, err)
		}
	}
}
