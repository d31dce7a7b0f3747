// Package sensor sees what the processes of this machine do, and tells it as
// facts of package behavior.
//
// The kernel's half (bpf/sensor.c) keeps each fact once, in maps of a stated
// capacity with a quota for each control group, so that a fact outlasts a reader
// that is slow or stopped. A ring only says that there is a new one: when it is
// full, the next walk over the maps finds what it did not say. An observation
// for which there is no room is counted, and [Coverage] says so. Only what was
// seen is told; what a tier cannot see is in [Tier.Unseen].
//
// A sensor needs Linux 5.10 or newer with BTF, the unified control group tree,
// and the capabilities CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_PTRACE:
// root has them. It denies nothing but what [Options].Policies do not allow.
package sensor

import (
	"errors"
	"fmt"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/enforce"
)

// ErrUnavailable is wrapped by errors that say why there can be no sensor here.
var ErrUnavailable = errors.New("the sensor cannot run here")

// Options are capacities. Zero values stand for the defaults.
type Options struct {
	Executions int // facts about executions that are kept: 8,192
	Flows      int // facts about connections and listening sockets: 16,384
	Calls      int // facts about system calls and capabilities: 32,768
	Acts       int // facts about what is of note by itself, such as mounts: 8,192
	Files      int // facts about files: 8,192
	Questions  int // facts about names that are asked for: 8,192
	// PerGroup is how many facts of one control group are kept: that many about
	// executions, that many about what it connects to and listens at, that many about
	// who connects to it, that many about system calls and capabilities, that many about
	// files, that many names that are asked for, and that many other acts. 1,024.
	PerGroup  int
	RingBytes int           // of each ring, a power of two and at least a page: 256 KiB
	Interval  time.Duration // between walks over the maps: 2 s
	// RuntimeRoots are directories in which an OCI runtime keeps its state, beside
	// those that are usual.
	RuntimeRoots []string
	// Policies say what containers may do, and what becomes of the rest; nil for none. The
	// first one who must ask what they are is the kernel: [enforce.Policies.Check].
	Policies *enforce.Policies
	// Whose tells the namespace of a pod, by its UID, and what it belongs to as KIND/NAME;
	// "" where that is not known. nil, where it never is. [Sensor.Assign] asks again.
	Whose func(podUID string) (namespace, workload string)
	// Pins is a directory in a BPF file system. What the kernel keeps and does outlasts the
	// sensor there, and the next one of the same build takes it over. "" for none.
	Pins string
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		value    *int
		standard int
	}{{&o.Executions, 8192}, {&o.Flows, 16384}, {&o.Calls, 32768}, {&o.Acts, 8192}, {&o.Files, 8192}, {&o.Questions, 8192}, {&o.PerGroup, 1024}, {&o.RingBytes, 256 << 10}} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if o.Interval == 0 {
		o.Interval = 2 * time.Second
	}
}

// OfHost are the kinds of facts that are told of what runs outside of containers;
// others are told of containers only.
var OfHost = behavior.KindsOf(behavior.Execute, behavior.Connect, behavior.Accept, behavior.Listen, behavior.Resolve)

// TierState is what became of one tier.
type TierState struct {
	Tier   behavior.Tier
	Active bool
	Reason string // why it is active or not, for people
}

// Losses are observations that found no room and programs that did not run. The
// facts that they would have been are unknown; they are at most as many.
type Losses struct {
	Executions uint64 `json:"executions"`
	Outgoing   uint64 `json:"outgoing"` // connections out
	Incoming   uint64 `json:"incoming"` // connections accepted
	Listening  uint64 `json:"listening"`
	// SystemCalls and Capabilities are uses of those.
	SystemCalls  uint64 `json:"systemCalls"`
	Capabilities uint64 `json:"capabilities"`
	Acts         uint64 `json:"acts"`      // mounts, traced processes, namespaces and the like
	Files        uint64 `json:"files"`     // written, mapped or watched
	Questions    uint64 `json:"questions"` // names asked for
	// Elsewhere are observations that are in no container's figures: of control
	// groups for which there was no room, and runs of a program that the kernel
	// left out because it was running on that processor already.
	Elsewhere uint64 `json:"elsewhere"`
	Alerts    uint64 `json:"alerts"` // their facts are kept
}

// Total is how many observations were lost. An alert is none.
func (l *Losses) Total() uint64 {
	return l.Executions + l.Outgoing + l.Incoming + l.Listening + l.SystemCalls + l.Capabilities + l.Acts + l.Files + l.Questions + l.Elsewhere
}

func (l *Losses) add(o *Losses) {
	l.Executions += o.Executions
	l.Outgoing += o.Outgoing
	l.Incoming += o.Incoming
	l.Listening += o.Listening
	l.SystemCalls += o.SystemCalls
	l.Capabilities += o.Capabilities
	l.Acts += o.Acts
	l.Files += o.Files
	l.Questions += o.Questions
	l.Elsewhere += o.Elsewhere
	l.Alerts += o.Alerts
}

// Coverage is how a sensor looked at the whole machine since it began.
type Coverage struct {
	Session  string
	From, To time.Time
	Tier     behavior.Tier
	Kinds    behavior.KindSet // that it looks for; see [OfHost]
	Lost     Losses
	// LateHints is how often the ring had no room for a hint. Nothing is lost by it.
	LateHints uint64
	// Unnamed is how many processes found no room in the table that knows the program
	// of a process: what they connect to has no program.
	Unnamed uint64
	// Unenforced is how many processes were to be killed and could not be.
	Unenforced uint64
}

// EventKind says what an [Event] tells.
type EventKind string

// The kinds of events.
const (
	Began   EventKind = "container" // a container that was not known
	Did     EventKind = "fact"
	Alerted EventKind = "alert" // a program ran that the image does not have, or with the root of the host; or a policy does not allow what was done
	Ended   EventKind = "ended" // a container's control group is gone, and all of its facts were told
)

// Event is something new. Each fact of a container is told once for each day; a
// sensor that begins anew tells it anew.
type Event struct {
	Kind EventKind
	At   time.Time
	// Container is the same for all of its events, and not to be changed. It is
	// removed by the time of Ended.
	Container *Container

	// Of Did and Alerted.
	Fact behavior.Fact
	// Of Did: when it was first and last seen. Again says that it was told before, and
	// now of another day.
	First, Last time.Time
	Again       bool

	// Of Alerted. Policy is the one that does not allow it, "" where none is against it. It
	// was denied, or its process killed, when the outcome of the fact says so.
	Policy    string
	PID       uint32
	Escaped   bool // it has the root of the host, and its process was in the container before
	Ancestors []Ancestor

	// Of Began: why the container could not be given its policy.
	Err error

	// Of Ended, and of the container's coverage.
	Lost Losses
}

// Alerts reports whether the sensor makes an [Alerted] of a fact, beside telling it.
// It does of those with the root of the host, too.
func Alerts(f *behavior.Fact) bool {
	return f.Kind == behavior.Execute && (f.Program.Layer == behavior.Added || f.Program.Layer == behavior.Modified || f.Program.Layer == behavior.Fileless)
}

// Ancestor is a process above one that an alert is about, the nearest first.
type Ancestor struct {
	PID     uint32 `json:"pid"`
	Command string `json:"command"`           // as the kernel names it, up to 15 bytes
	Program string `json:"program,omitempty"` // path, "" when it is not known
}

// Glass is the switch by which a person lets all pass that policies deny, on one machine.
type Glass struct {
	Broken  time.Time // since when; zero while it is whole
	Changed time.Time // last, zero for never
	User    uint32    // who changed it
	Changes uint32    // how often it was
	Reason  string
}

func unavailable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, fmt.Errorf(format, args...))
}
