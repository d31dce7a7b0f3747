package behavior

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// String says a fact in one line: who did what.
func (f Fact) String() string {
	text := f.who() + " " + f.what()
	if f.Outcome == Denied {
		text += ", and was denied"
	}
	return text
}

func (f *Fact) who() string {
	switch {
	case f.Kind == Syscall:
		return "a program"
	case f.Program.Path == Many:
		return "any program"
	}
	return f.Program.Path
}

// what says what was done, without who did it.
func (f *Fact) what() string {
	switch f.Kind {
	case Execute:
		text := "runs"
		if f.Program.Arguments == Many {
			text += " with many different arguments"
		} else if f.Program.Arguments == noScript {
			text += " without a script"
		} else if f.Program.Arguments != "" {
			text += " " + f.Program.Arguments
		}
		if f.Program.Parent == Many {
			text += ", begun by many programs"
		} else if f.Program.Parent != "" {
			text += ", begun by " + f.Program.Parent
		}
		return text
	case Write:
		return "writes " + f.File.Path
	case Open:
		return "reads " + f.File.Path
	case Map:
		return "loads " + f.File.Path
	case Connect:
		return "connects to " + f.Peer.String()
	case Accept:
		return "accepts " + f.Peer.who() + " at " + f.Peer.port()
	case Listen:
		return "listens at " + f.Peer.port()
	case Resolve:
		return "asks for the name " + f.Name
	case Capability:
		return "uses the capability " + f.Name
	case Syscall:
		if f.Name == Many {
			return "calls many different functions of the kernel"
		}
		return "calls " + f.Name
	case Privilege:
		if f.Name == SetuidBit {
			return "sets the setuid or setgid bit of " + f.File.Path
		}
		return "changes its privilege by " + f.Name
	case Ptrace:
		return f.tracing()
	case Mount:
		return f.mounting()
	case Load:
		return "loads into the kernel: " + f.Name
	case Namespace:
		if kind, entered := strings.CutPrefix(f.Name, "enter"); entered {
			return "enters a namespace" + kind
		}
		return "makes a namespace: " + f.Name
	case Sensitive:
		return "makes the sensitive call " + f.Name
	}
	return string(f.Kind)
}

func (f *Fact) tracing() string {
	switch f.Name {
	case ReadMemory:
		return "reads the memory of " + f.File.Path
	case WriteMemory:
		return "writes into the memory of " + f.File.Path
	case TraceMe:
		return "lets itself be traced"
	}
	return "traces " + f.File.Path
}

func (f *Fact) mounting() string {
	switch f.Name {
	case "unmount":
		return "unmounts " + f.File.Path
	case "root":
		return "makes " + f.File.Path + " its root"
	case "remount", "move", "propagation":
		return "changes the mount at " + f.File.Path + " (" + f.Name + ")"
	}
	return "mounts " + strings.TrimSpace(f.Name+" at "+f.File.Path)
}

// String writes a peer for people.
func (p Peer) String() string {
	who, port := p.who(), strconv.Itoa(int(p.Port))
	switch {
	case p.Name == Many && p.Port == 0, p.Port == 0 && p.Protocol == "unix":
		return who
	case p.Port == 0:
		return who + " at any port, " + p.Protocol
	case p.Address.IsValid():
		return netip.AddrPortFrom(p.Address, p.Port).String() + "/" + p.Protocol
	}
	return who + ":" + port + "/" + p.Protocol
}

func (p *Peer) who() string {
	switch {
	case p.Workload != "":
		return p.Workload
	case p.Name == Many:
		return "many peers"
	case p.Name != "":
		return p.Name
	case p.Address.IsValid():
		return p.Address.String()
	}
	return "a peer that is not known"
}

func (p *Peer) port() string {
	switch {
	case p.Protocol == Many:
		return "many ports"
	case p.Port == 0:
		return p.Protocol + " ports of no fixed number"
	}
	return fmt.Sprintf("port %d/%s", p.Port, p.Protocol)
}

// Story says what is known of the program of a deed, "" when nothing is worth it.
func (f Fact) Story() string {
	var parts []string
	switch f.Program.Layer {
	case Added:
		parts = append(parts, "the program is not in the image: it was written into the container")
	case Modified:
		parts = append(parts, "the program is not as the image has it")
	case Fileless:
		parts = append(parts, "the program has no file")
	case OtherMount:
		parts = append(parts, "the program is on a mount, and not in the image")
	}
	if f.Program.User == Root {
		parts = append(parts, "as root")
	}
	return strings.Join(parts, ", ")
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
