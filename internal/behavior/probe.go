package behavior

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// What the kubelet runs in a container for a probe or hook comes in as what
// somebody runs by kubectl exec does. They differ in what is run: the command of a
// probe stands in the pod. A person who runs just that is taken for the probe.

// commandPaths lead to the commands of probes and hooks, from a container.
var commandPaths = [][]string{
	{"livenessProbe", "exec", "command"}, {"readinessProbe", "exec", "command"}, {"startupProbe", "exec", "command"},
	{"lifecycle", "postStart", "exec", "command"}, {"lifecycle", "preStop", "exec", "command"},
}

func commandsOfProbes(container *tree.Node) (all [][]string) {
	for _, path := range commandPaths {
		var command []string
		for i := range container.Dig(path...).Children() {
			command = append(command, container.Dig(path...).At(i).Str())
		}
		if len(command) > 0 {
			all = append(all, command)
		}
	}
	return all
}

// originsOf says of facts of a pod's container which origin they have, as far as the
// pod says it.
func originsOf(b *Behavior, pod *model.Object) func(Fact) (Origin, bool) {
	container, list := containerOf(pod, b.Subject.Container)
	if list == "ephemeralContainers" {
		return func(Fact) (Origin, bool) { return Debug, true }
	}
	commands := commandsOfProbes(container)
	if len(commands) == 0 {
		return func(Fact) (Origin, bool) { return "", false }
	}
	isProbe := func(f *Fact) bool {
		return slices.ContainsFunc(commands, func(command []string) bool { return f.Program.runs(command) })
	}
	inside, people := byPeople(b, isProbe)
	return func(f Fact) (Origin, bool) {
		if f.Origin != Exec || f.Folded() {
			return "", false
		}
		if f.Kind == Execute {
			return Probe, isProbe(&f) || inside[f.Program.Parent] && !people[f.Program.Parent]
		}
		return Probe, inside[f.Program.Path] && !people[f.Program.Path]
	}
}

// byPeople finds the programs that came by an exec (inside), and those of them that
// somebody ran other than a probe, with all that these began: what one of them does
// may be a person's doing.
func byPeople(b *Behavior, isProbe func(*Fact) bool) (inside, people map[string]bool) {
	began := map[string][]string{} // by the program that began it
	inside = map[string]bool{}
	for f := range b.facts {
		if f.Kind == Execute && f.Origin == Exec {
			began[f.Program.Parent] = append(began[f.Program.Parent], f.Program.Path)
			inside[f.Program.Path] = true
		}
	}
	var next []string
	for f := range b.facts {
		// What nothing within began came from outside.
		if f.Kind == Execute && f.Origin == Exec && !inside[f.Program.Parent] && !isProbe(&f) {
			next = append(next, f.Program.Path)
		}
	}
	people = map[string]bool{Many: true, unknownPath: true}
	for len(next) > 0 {
		program := next[len(next)-1]
		next = next[:len(next)-1]
		if !people[program] {
			people[program] = true
			next = append(next, began[program]...)
		}
	}
	return inside, people
}

// readArguments is how many bytes of arguments a sensor reads.
const readArguments = 255

// runs reports whether an execution is one of a command. What the command names may
// be a link to the program, which is known of shells and of programs that are many.
func (p *Program) runs(command []string) bool {
	if p.Layer == Added || p.Layer == Modified || p.Layer == Fileless {
		return false
	}
	if p.Arguments == "script "+scriptName(command[0]) && strings.HasPrefix(command[0], "/") {
		return true // which its first line gave to an interpreter
	}
	if classify(p.Path, command) != p.Arguments && classify(p.Path, cutArguments(command)) != p.Arguments {
		return false
	}
	name, own := programName(command[0]), programName(p.Path)
	switch known, ok := interpreters[name]; {
	case multiCall[own]:
		return true // whose class begins with the name
	case ok && isShell(known) && isShell(interpreters[own]):
		return true
	case strings.Contains(command[0], "/"):
		return strings.TrimPrefix(command[0], "/usr") == strings.TrimPrefix(p.Path, "/usr")
	}
	dir, file := p.Path[:strings.LastIndexByte(p.Path, '/')+1], p.Path[strings.LastIndexByte(p.Path, '/')+1:]
	return file == command[0] && slices.Contains([]string{"/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/", "/usr/local/sbin/"}, dir)
}

func isShell(p interpreter) bool { return slices.Equal(p.code, shell.code) && p.module == nil }

// cutArguments is a command as a sensor read it.
func cutArguments(command []string) []string {
	text := strings.Join(command, "\x00") + "\x00"
	return strings.Split(strings.TrimSuffix(text[:min(len(text), readArguments)], "\x00"), "\x00")
}
