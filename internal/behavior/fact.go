package behavior

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Kind is a kind of deed.
type Kind string

// The kinds, and which fields of a [Fact] say what was acted on.
const (
	Execute    Kind = "execute"    // a program began; Program is that program, and nothing else is set
	Write      Kind = "write"      // File was opened for writing, made, renamed or removed
	Open       Kind = "open"       // File was opened for reading; of those that are watched
	Map        Kind = "map"        // File was mapped to be executed: a library
	Connect    Kind = "connect"    // to Peer; a datagram counts when it is the first to this peer
	Accept     Kind = "accept"     // from Peer, whose Port is the own one
	Listen     Kind = "listen"     // at Peer's Protocol and Port
	Resolve    Kind = "resolve"    // Name is the DNS name asked for
	Capability Kind = "capability" // Name is the one that was used, without CAP_
	Syscall    Kind = "syscall"    // Name, with x86:, x32: or arm: before it when the call is not one of the kernel's own word size; Program is [Many]
	Privilege  Kind = "privilege"  // Name is what raised or changed it: setuid, setgid, capset; File of SetuidBit
	Ptrace     Kind = "ptrace"     // File is the program that was traced, Name how: Attach, TraceMe, ReadMemory, WriteMemory
	Mount      Kind = "mount"      // Name is the file system's type, or bind, remount, move, propagation, unmount or root; File where, as the program said it
	Load       Kind = "load"       // Name is what the kernel was given: module, bpf
	Namespace  Kind = "namespace"  // Name is its type, such as user or net; "enter" before it says that it was entered, and not made
	Sensitive  Kind = "sensitive"  // Name is a system call of note that is of no other kind, such as keyctl
)

// How a process traces another, or reaches into it.
const (
	Attach      = "attach"
	TraceMe     = "traceme" // it asks for it
	ReadMemory  = "read"
	WriteMemory = "write"
)

// Names of changes of privilege that no system call has.
const (
	BySetuidFile = "setuid file" // the file of the program made it
	SetuidBit    = "setuid bit"  // File was made one that makes it
)

// Kinds are all kinds, in the order in which they are told.
var Kinds = []Kind{Execute, Connect, Accept, Listen, Resolve, Write, Open, Map, Capability, Privilege, Ptrace, Mount, Load, Namespace, Sensitive, Syscall}

// Phase says when in a container's life.
type Phase string

// The phases.
const (
	Start  Phase = "start"  // until the workload is ready, or for a stated time
	Steady Phase = "steady" // from then on
)

// Origin says what made a process begin.
type Origin string

// The origins. What a person does, by Exec and Debug, never becomes expected.
const (
	Entrypoint    Origin = "entrypoint" // the container's own process, and what came of it
	Exec          Origin = "exec"       // somebody ran it in the container: kubectl exec, docker exec
	Probe         Origin = "probe"      // a probe or hook of the pod
	Debug         Origin = "debug"      // a debug container
	OriginUnknown Origin = "unknown"
)

// ByPerson reports whether a person did it.
func (o Origin) ByPerson() bool { return o == Exec || o == Debug }

// Outcome says what became of it.
type Outcome string

// The outcomes.
const (
	Allowed Outcome = "allowed"
	Denied  Outcome = "denied"
)

// Layer says what a file belongs to.
type Layer string

// The layers. The zero value says that it is not known.
const (
	InImage    Layer = "image"    // as the image has it
	Added      Layer = "added"    // in the writable layer, and not in the image
	Modified   Layer = "modified" // in the image, with a copy in the writable layer; chmod and chown make one, too
	Fileless   Layer = "fileless" // memory, or a file without a name
	OtherMount Layer = "mount"    // a volume or another file system
)

// User is a class of users, as the user namespace of the process sees them.
type User string

// The classes. The zero value says that it is not known.
const (
	Root  User = "root"
	Other User = "other"
)

// UserOf is the class of a user ID.
func UserOf(uid uint32) User {
	if uid == 0 {
		return Root
	}
	return Other
}

// Many stands in a fact for different values of one field, or of several, that are
// not kept apart: a path ends with it or is it, and so do names.
const Many = "*"

// Fact is one thing that was done, without what changes from time to time. Facts are
// comparable; equal facts are the same deed. What fields of a kind do not say is
// zero. Facts are made by [Observation.Fact], which takes care of secrets and of
// names that change.
type Fact struct {
	Kind    Kind    `json:"kind"`
	Phase   Phase   `json:"phase,omitempty"`
	Origin  Origin  `json:"origin,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`

	Program Program `json:"program,omitzero"` // who did it
	File    File    `json:"file,omitzero"`
	Peer    Peer    `json:"peer,omitzero"`
	Name    string  `json:"name,omitempty"`
}

// Program is a program that acts.
type Program struct {
	File
	User User `json:"user,omitempty"`
	// Parent is the path of the program that began it, Arguments the class of its
	// arguments; of [Execute] only.
	Parent    string `json:"parent,omitempty"`
	Arguments string `json:"arguments,omitempty"`
}

// File is a file in a container.
type File struct {
	Path  string `json:"path,omitempty"` // absolute in the container; what changes stands in braces
	Layer Layer  `json:"layer,omitempty"`
}

// Peer is the other end of a connection, by the best that was known when it was
// seen: one of Workload, Name and Address is set.
type Peer struct {
	Workload string     `json:"workload,omitempty"` // as Kind/namespace/name
	Name     string     `json:"name,omitempty"`     // a DNS name, or Many
	Address  netip.Addr `json:"address,omitzero"`
	Protocol string     `json:"protocol,omitempty"` // tcp, udp, sctp, icmp or unix, or Many
	Port     uint16     `json:"port,omitempty"`     // of the end that listens; 0 for any
}

// Compare orders facts by kind, program and what they act on.
func (f Fact) Compare(o Fact) int {
	return cmp.Or(
		cmp.Compare(slices.Index(Kinds, f.Kind), slices.Index(Kinds, o.Kind)),
		f.Program.compare(&o.Program),
		f.File.compare(&o.File),
		f.Peer.compare(&o.Peer),
		cmp.Compare(f.Name, o.Name),
		cmp.Compare(f.Outcome, o.Outcome), cmp.Compare(f.Phase, o.Phase), cmp.Compare(f.Origin, o.Origin), cmp.Compare(f.Kind, o.Kind),
	)
}

func (p *Program) compare(o *Program) int {
	return cmp.Or(p.File.compare(&o.File), cmp.Compare(p.Arguments, o.Arguments), cmp.Compare(p.Parent, o.Parent), cmp.Compare(p.User, o.User))
}

func (f *File) compare(o *File) int {
	return cmp.Or(cmp.Compare(f.Path, o.Path), cmp.Compare(f.Layer, o.Layer))
}

func (p *Peer) compare(o *Peer) int {
	return cmp.Or(cmp.Compare(p.Workload, o.Workload), cmp.Compare(p.Name, o.Name), p.Address.Compare(o.Address),
		cmp.Compare(p.Protocol, o.Protocol), cmp.Compare(p.Port, o.Port))
}

// Deed is the fact without phase and origin: what was done, and not when in the
// container's life or on whose behalf.
func (f Fact) Deed() Fact {
	f.Phase, f.Origin = "", ""
	return f
}

// Check says what is wrong with a fact that was read.
func (f *Fact) Check() error {
	if !slices.Contains(Kinds, f.Kind) {
		return fmt.Errorf("kind %q is not known", f.Kind)
	}
	for _, field := range []struct {
		name, value string
		known       []string
	}{
		{"phase", string(f.Phase), []string{string(Start), string(Steady)}},
		{"origin", string(f.Origin), []string{string(Entrypoint), string(Exec), string(Probe), string(Debug), string(OriginUnknown)}},
		{"outcome", string(f.Outcome), []string{string(Allowed), string(Denied)}},
		{"layer", string(f.File.Layer), layers}, {"program's layer", string(f.Program.Layer), layers},
		{"program's user", string(f.Program.User), []string{"", string(Root), string(Other)}},
		{"peer's protocol", f.Peer.Protocol, []string{"", "tcp", "udp", "sctp", "icmp", "unix", Many}},
	} {
		if !slices.Contains(field.known, field.value) {
			return fmt.Errorf("%s %q is not known", field.name, field.value)
		}
	}
	return f.checkFields()
}

var layers = []string{"", string(InImage), string(Added), string(Modified), string(Fileless), string(OtherMount)}

// checkFields refuses fields that facts of the kind do not have.
func (f *Fact) checkFields() error {
	has := fieldsOf[f.Kind]
	bare := *f
	bare.Program.Parent, bare.Program.Arguments = "", ""
	switch {
	case f.Program.Path == "":
		return fmt.Errorf("a fact of kind %s needs a program", f.Kind)
	case f.Kind == Syscall && f.Program != anyone:
		return fmt.Errorf("a fact of kind %s is of all programs: its program is %q", Syscall, Many)
	case f.Kind != Execute && bare.Program != f.Program:
		return fmt.Errorf("parent and arguments are of kind %s only, not of %s", Execute, f.Kind)
	case (f.File != File{}) && !has.file, f.File.Path == "" && has.file && f.File.Layer != "":
		return fmt.Errorf("a file does not belong to kind %s", f.Kind)
	case (f.Peer != Peer{}) != has.peer:
		return fmt.Errorf("kind %s and the peer do not fit", f.Kind)
	case f.Name != "" && !has.name:
		return fmt.Errorf("a name does not belong to kind %s", f.Kind)
	}
	for _, text := range []string{f.Program.Path, f.Program.Parent, f.Program.Arguments, f.File.Path, f.Name, f.Peer.Name, f.Peer.Workload} {
		if len(text) > longest || !isPlain(text) {
			return fmt.Errorf("%.40q is longer than %d bytes, or has characters that are not printable", text, longest)
		}
	}
	return nil
}

// anyone stands for all programs.
var anyone = Program{File: File{Path: Many}}

// fieldsOf says what facts of a kind may have, beside the program.
var fieldsOf = map[Kind]struct{ file, peer, name bool }{
	Execute: {}, Write: {file: true}, Open: {file: true}, Map: {file: true},
	Connect: {peer: true}, Accept: {peer: true}, Listen: {peer: true},
	Resolve: {name: true}, Capability: {name: true}, Syscall: {name: true}, Privilege: {file: true, name: true},
	Sensitive: {name: true}, Ptrace: {file: true, name: true}, Mount: {file: true, name: true}, Load: {name: true}, Namespace: {name: true},
}
