package detect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Context is what is known of whoever did what is judged.
type Context struct {
	Namespace string // "" outside of Kubernetes
	Name      string // of the pod or workload, or of the container where there is none
	Container string // "" where Name is the container's
	Image     string
	Host      bool // what runs outside of containers
	// Escaped says that the process was in the container and has the root of the
	// host now. Recorded says that the facts come of a recording, which does not tell.
	Escaped, Recorded bool
}

// apiVersion is that of the objects that stand for behaviors.
const apiVersion = "ullage.dev/v1alpha1"

// Object is what rules of behavior see: an object of [model.BehaviorKind] with the
// list `facts`. A fact has the fields of [behavior.Fact], all of them always there,
// and what follows from those:
//
//	program.name, file.name  the name of the file; of a program that is many, such as
//	                         busybox, the name that it was run by; where a fact does
//	                         not tell that, the program's own
//	program.shell            it is a shell
//	program.parentName       the name of the parent's file
//	program.commands         well-known commands in the text that a shell was given
//	peer.scope               workload, name, loopback, link-local, private, public or
//	                         many, "" where there is no peer
func Object(c Context, facts ...behavior.Fact) *model.Object {
	nodes := make([]tree.Node, 0, len(facts))
	for i := range facts {
		nodes = append(nodes, factNode(&facts[i]))
	}
	root := tree.MapOf(
		tree.Entry("apiVersion", apiVersion), tree.Entry("kind", model.BehaviorKind.Kind),
		tree.Entry("metadata", tree.MapOf(tree.Entry("name", c.Name), tree.Entry("namespace", c.Namespace))),
		tree.Entry("container", c.Container), tree.Entry("image", c.Image), tree.Entry("host", c.Host), tree.Entry("escaped", c.escaped()),
		tree.Entry("facts", nodes),
	)
	return &model.Object{
		APIVersion: apiVersion, Key: model.Key{GroupKind: model.BehaviorKind, Namespace: c.Namespace, Name: c.Name},
		Root: root.Seal(), Source: &model.Source{Live: c.Name},
	}
}

func (c *Context) escaped() any {
	if c.Recorded {
		return tree.UnknownBecause("a recording does not tell whether a process left its container")
	}
	return c.Escaped
}

func factNode(f *behavior.Fact) tree.Node {
	name, commands := commandsOf(&f.Program)
	return tree.MapOf(
		tree.Entry("kind", string(f.Kind)), tree.Entry("phase", string(f.Phase)), tree.Entry("origin", string(f.Origin)), tree.Entry("outcome", string(f.Outcome)),
		tree.Entry("program", tree.MapOf(
			tree.Entry("path", f.Program.Path), tree.Entry("layer", string(f.Program.Layer)), tree.Entry("user", string(f.Program.User)),
			tree.Entry("parent", f.Program.Parent), tree.Entry("arguments", f.Program.Arguments),
			tree.Entry("name", name), tree.Entry("shell", shells[name]), tree.Entry("parentName", baseName(f.Program.Parent)), tree.Entry("commands", commands),
		)),
		tree.Entry("file", tree.MapOf(tree.Entry("path", f.File.Path), tree.Entry("layer", string(f.File.Layer)), tree.Entry("name", baseName(f.File.Path)))),
		tree.Entry("peer", tree.MapOf(
			tree.Entry("workload", f.Peer.Workload), tree.Entry("name", f.Peer.Name), tree.Entry("address", addressText(f.Peer.Address)),
			tree.Entry("protocol", f.Peer.Protocol), tree.Entry("port", int(f.Peer.Port)), tree.Entry("scope", scopeOf(&f.Peer)),
		)),
		tree.Entry("name", f.Name),
	)
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// scopeOf says how far away a peer is. Private are the addresses that no network
// routes to from outside: RFC 1918, 4193 and 6598.
func scopeOf(p *behavior.Peer) string {
	a := p.Address
	switch {
	case p.Workload != "":
		return "workload"
	case p.Name == behavior.Many:
		return "many"
	case p.Name != "":
		return "name"
	case !a.IsValid():
		return ""
	case a.IsLoopback():
		return "loopback"
	case a.IsLinkLocalUnicast(), a.IsLinkLocalMulticast():
		return "link-local"
	case a.IsPrivate(), carrier.Contains(a):
		return "private"
	}
	return "public"
}

var carrier = netip.MustParsePrefix("100.64.0.0/10")

var shells = words("sh bash dash ash zsh ksh mksh fish tcsh csh rbash")

// many are programs that are many, by the name that they are run by.
var many = words("busybox toybox coreutils uutils")

func words(text string) map[string]bool {
	all := map[string]bool{}
	for w := range strings.FieldsSeq(text) {
		all[w] = true
	}
	return all
}

func baseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// commandsOf returns a program's name and the commands in the text that it was
// given, out of the class of its arguments.
func commandsOf(p *behavior.Program) (name string, commands []string) {
	name = baseName(p.Path)
	rest := p.Arguments
	if many[name] && rest != "" {
		name, rest, _ = strings.Cut(rest, " ")
	}
	text, code := strings.CutPrefix(rest, "-c ")
	if !code {
		return name, []string{}
	}
	if i := strings.LastIndexByte(text, '#'); i >= 0 {
		text = text[:i]
	}
	commands = []string{}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		commands = append(commands, word)
	}
	return name, commands
}

// Read makes of an object that somebody wrote the one that rules see, whose facts
// have all their fields. Facts are as [behavior.Fact] is in JSON; phase steady, origin
// entrypoint, outcome allowed and the image's layer need not be written.
func Read(o *model.Object) (*model.Object, error) {
	c := Context{Namespace: o.Key.Namespace, Name: o.Key.Name}
	c.Container, c.Image = o.Root.Get("container").Str(), o.Root.Get("image").Str()
	c.Host, c.Escaped = o.Root.Get("host").True(), o.Root.Get("escaped").True()
	var facts []behavior.Fact
	list := o.Root.Get("facts")
	for i := range list.Children() {
		text, err := json.Marshal(list.At(i).Native())
		if err != nil {
			return nil, fmt.Errorf("facts[%d]: %w", i, err)
		}
		f := behavior.Fact{Phase: behavior.Steady, Origin: behavior.Entrypoint, Outcome: behavior.Allowed}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			return nil, fmt.Errorf("facts[%d]: %w", i, err)
		}
		if f.Program.Layer == "" && f.Kind != behavior.Syscall {
			f.Program.Layer = behavior.InImage
		}
		if err := f.Check(); err != nil {
			return nil, fmt.Errorf("facts[%d]: %w", i, err)
		}
		facts = append(facts, f)
	}
	read := Object(c, facts...)
	read.Source = o.Source
	return read, nil
}
