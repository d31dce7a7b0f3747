//go:build amd64 || arm64

package sensor

import (
	"net/netip"
	"strings"
	"time"

	"ullage.dev/ullage/internal/behavior"
)

// Numbers of facts.h.
const (
	kindExec uint32 = iota
	kindConnect
	kindAccept
	kindListen
	kindSyscall
	kindCapability
	kindAct
	kindFile
	kindResolve
	kindGroup // of hints
)

// detailShift is where a key's detail has what stands above the session.
const detailShift = 8

const (
	flagPathCut = 1 << iota
	_           // the arguments are cut
	flagNoArguments
	_ // a script's interpreter
	flagContained
	flagEscaped
	flagOwnUsers
	flagSaidCut
	flagDenied
)

const (
	sessionNone uint32 = iota
	sessionEntry
	sessionJoined
)

// layers are what origins of facts.h are in a fact.
var layers = []behavior.Layer{"", behavior.InImage, behavior.Added, behavior.Modified, behavior.Fileless, behavior.OtherMount}

var kinds = map[uint32]behavior.Kind{kindConnect: behavior.Connect, kindAccept: behavior.Accept, kindListen: behavior.Listen}

var protocols = map[uint8]string{6: "tcp", 17: "udp"}

// settling is how long after a container began it counts as starting.
const settling = time.Minute

// exec tells an execution that is new.
func (r *reader) exec(key kernelKey, e *kernelExec) {
	r.told[key] = r.day(e.Last)
	r.name(&key, e)
	r.resolve(e.Parent)
	// What a runtime does in a container's group before it enters the container is
	// the host's doing.
	owner := r.owner(key.Cgroup, e.Flags&flagContained != 0, e.Flags&(flagContained|flagEscaped) == 0)
	o := r.execution(e)
	r.did(owner, &o, e.First, e.Last, e.Session)
}

func (r *reader) execution(e *kernelExec) behavior.Observation {
	o := behavior.Observation{Kind: behavior.Execute, Program: behavior.File{Path: programPath(e), Layer: layerOf(e.Origin)}, Parent: r.names.path(e.Parent)}
	o.Outcome = outcomeOf(e.Flags&flagDenied != 0)
	if e.Flags&flagOwnUsers == 0 {
		o.User = behavior.UserOf(e.Uid)
	}
	if e.Flags&flagNoArguments == 0 && e.ArgvBytes > 0 {
		arguments := make([]byte, min(int(e.ArgvBytes), len(e.Argv)))
		for i := range arguments {
			arguments[i] = byte(e.Argv[i])
		}
		o.Arguments = strings.Split(strings.TrimSuffix(string(arguments), "\x00"), "\x00")
	}
	return o
}

// flow tells a connection or a listening socket that is new.
func (r *reader) flow(key kernelKey, f *kernelFlow) {
	r.told[key] = r.day(f.Last)
	r.resolve(f.Program)
	program := r.names.program(key.Cgroup, f.Program)
	inside := uint32(f.Session) != sessionNone
	o := connection(key.Kind, f, program)
	r.did(r.owner(key.Cgroup, inside, false), &o, f.First, f.Last, uint32(f.Session))
}

func connection(kind uint32, f *kernelFlow, program behavior.File) behavior.Observation {
	return behavior.Observation{
		Kind: kinds[kind], Program: program, PortChosen: kind == kindListen && f.Port == 0, Outcome: outcomeOf(f.Denied != 0),
		Peer: behavior.Peer{Address: netip.AddrFrom16(f.Address).Unmap(), Protocol: protocols[f.Protocol], Port: f.Port},
	}
}

func outcomeOf(denied bool) behavior.Outcome {
	if denied {
		return behavior.Denied
	}
	return behavior.Allowed
}

// call tells a system call or a capability that is new.
func (r *reader) call(key kernelKey, c *kernelCall) {
	r.told[key] = r.day(c.Last)
	var o behavior.Observation
	if key.Kind == kindSyscall {
		o = behavior.Observation{Kind: behavior.Syscall, Name: callName(uint32(key.Hash[0]), key.Hash[1] != 0)}
	} else {
		r.resolve(key.Hash)
		o = behavior.Observation{Kind: behavior.Capability, Program: r.names.program(key.Cgroup, key.Hash), Name: capabilityName(key.Detail >> detailShift)}
	}
	session := key.Detail & (1<<detailShift - 1)
	r.did(r.owner(key.Cgroup, true, false), &o, c.First, c.Last, session)
}

// owner finds who did something, and tells of a container that comes to light.
func (r *reader) owner(cgroup uint64, contained, runtime bool) *group {
	if runtime {
		return r.host
	}
	g, began := r.groups.of(cgroup, contained)
	if began {
		r.began(g.container)
	}
	return g
}

func (r *reader) began(c *Container) {
	at := c.Created
	if at.IsZero() {
		at = time.Now()
	}
	r.handle(Event{Kind: Began, At: at, Container: c, Err: r.sensor.assign(c.Cgroup, c.Path, c)})
}

// did tells an observation, when it makes a fact that is new to its container, or
// was not seen on this day.
func (r *reader) did(g *group, o *behavior.Observation, first, last uint64, session uint32) {
	e := Event{Kind: Did, Container: g.container, First: r.sensor.wall(first), Last: r.sensor.wall(last)}
	e.At = e.First
	if e.Container == nil {
		e.Container = r.groups.host
	}
	o.Phase = behavior.Steady
	if c := e.Container; !c.Created.IsZero() && e.First.Sub(c.Created) < settling {
		o.Phase = behavior.Start
	}
	o.Origin = originOf(e.Container, session)
	e.Fact = o.Fact()
	day, known := g.facts[e.Fact]
	if today := r.day(last); !known || day < today {
		g.facts[e.Fact] = today
		e.Again = known
		r.handle(e)
	}
}

func originOf(c *Container, session uint32) behavior.Origin {
	switch {
	case c.Host:
	case session == sessionEntry:
		return behavior.Entrypoint
	case session == sessionJoined:
		return behavior.Exec
	}
	return behavior.OriginUnknown
}

// alert tells what was told at once: that what the image does not have was run, or that
// a policy does not allow something.
func (r *reader) alert(a *kernelAlert) {
	_ = r.hinted(a.Fact) // an error comes again with the next walk
	var o behavior.Observation
	var session uint32
	event := Event{Kind: Alerted, At: r.sensor.wall(a.Time), PID: a.Pid, Escaped: a.Flags&flagEscaped != 0, Policy: r.sensor.policyName(a.Policy)}
	if a.Fact.Kind == kindExec {
		var e kernelExec
		if r.sensor.maps.Execs.Lookup(&a.Fact, &e) != nil { // it found no room
			e = kernelExec{Uid: a.Uid, Flags: a.Flags | flagNoArguments, Origin: a.Origin, Path: a.Path}
			e.Parent = a.Ancestors[0].Program
		}
		o, session = r.execution(&e), e.Session
	} else {
		r.resolve(a.Flow.Program)
		o, session = connection(a.Fact.Kind, &a.Flow, r.names.program(a.Fact.Cgroup, a.Flow.Program)), uint32(a.Flow.Session)
	}
	g := r.owner(a.Fact.Cgroup, a.Fact.Kind == kindExec || session != sessionNone, false)
	if event.Container = g.container; event.Container == nil {
		event.Container = r.groups.host
	}
	o.Origin = originOf(event.Container, session)
	event.Fact = o.Fact()
	for i := range a.Ancestors {
		n := &a.Ancestors[i]
		if n.Pid == 0 {
			break
		}
		r.resolve(n.Program)
		event.Ancestors = append(event.Ancestors, Ancestor{PID: n.Pid, Command: text(n.Comm[:]), Program: r.names.path(n.Program)})
	}
	r.handle(event)
}

func layerOf(origin uint32) behavior.Layer {
	if int(origin) < len(layers) {
		return layers[origin]
	}
	return ""
}

// programPath is the path of an execution.
func programPath(e *kernelExec) string { return endOf(e.Path[:], e.Flags) }

// endOf is a path that the kernel's half wrote to the end of a buffer. Of one that is
// too long, the end.
func endOf(buffer []int8, flags uint32) string {
	begin := 0
	for begin < len(buffer) && buffer[begin] == 0 {
		begin++
	}
	path := strings.TrimPrefix(text(buffer[begin:]), ":")
	if flags&flagPathCut != 0 {
		path = "..." + path
	}
	return path
}
