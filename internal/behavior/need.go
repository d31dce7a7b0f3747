package behavior

import (
	"net/netip"
	"slices"

	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Answer is whether something is so.
type Answer string

// The answers. Not known is one of them.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

// Need is what the author of a workload says that a container needs, and what the
// platform lets it do, as far as its manifest and declarations say it. Peers by
// network policies are not in it.
type Need struct {
	namespace    string
	container    *tree.Node
	declarations []*model.Declaration
}

// NeedOf finds a container of a workload; nil when it has none of that name.
func NeedOf(o *model.Object, container string, declarations []*model.Declaration) *Need {
	n := &Need{namespace: o.Key.Namespace}
	for _, pod := range o.Pods() {
		for _, list := range model.ContainerLists {
			containers := pod.Spec.Get(list)
			for i := range containers.Children() {
				if c := containers.At(i); c.Get("name").Str() == container {
					n.container = c
				}
			}
		}
	}
	if n.container == nil {
		return nil
	}
	for _, d := range declarations {
		if d.Covers(o) {
			n.declarations = append(n.declarations, d)
		}
	}
	return n
}

// Declared says whether a deed is among what the container's author says that it
// needs, and where that is said.
func (n *Need) Declared(f Fact) (Answer, string) {
	if f.Folded() {
		return Unknown, "it stands for several"
	}
	switch f.Kind {
	case Listen:
		return n.port(&f.Peer)
	case Execute:
		return n.program(&f.Program)
	case Write:
		return n.declared("files", func(d *model.Declaration) (bool, bool) {
			return d.Files != nil, slices.ContainsFunc(d.Files, func(dir string) bool { return under(f.File.Path, dir) })
		})
	case Capability:
		return n.declared("capabilities", func(d *model.Declaration) (bool, bool) {
			return d.Capabilities != nil, slices.Contains(d.Capabilities, f.Name)
		})
	case Connect:
		return n.peers("peers.out", &f.Peer, func(d *model.Declaration) []model.Peer { return d.Peers.Out })
	case Accept:
		return n.peers("peers.in", &f.Peer, func(d *model.Declaration) []model.Peer { return d.Peers.In })
	}
	return Unknown, ""
}

// declared asks the declarations that say anything. One that names it is enough.
func (n *Need) declared(field string, ask func(*model.Declaration) (says, names bool)) (Answer, string) {
	answer := Unknown
	for _, d := range n.declarations {
		switch says, names := ask(d); {
		case names:
			return Yes, field + " of the declaration"
		case says:
			answer = No
		}
	}
	if answer == No {
		return No, field + " of the declaration"
	}
	return Unknown, ""
}

func under(path, dir string) bool {
	dir = strings.TrimSuffix(dir, "/")
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// port asks the ports of the manifest, which need not name all: a list that there is
// is taken at its word.
func (n *Need) port(p *Peer) (Answer, string) {
	ports := n.container.Get("ports")
	if ports.Len() == 0 || p.Port == 0 {
		return Unknown, ""
	}
	for i := range ports.Children() {
		port := ports.At(i)
		protocol := port.Get("protocol").Str()
		if protocol == "" {
			protocol = "TCP"
		}
		if number, _ := port.Get("containerPort").Int(); number == int64(p.Port) && strings.EqualFold(protocol, p.Protocol) {
			return Yes, "ports of the container"
		}
	}
	return No, "ports of the container"
}

// program asks the commands of the manifest. What they begin may be anything.
func (n *Need) program(p *Program) (Answer, string) {
	for _, path := range []string{"command", "livenessProbe.exec.command", "readinessProbe.exec.command", "startupProbe.exec.command",
		"lifecycle.postStart.exec.command", "lifecycle.preStop.exec.command"} {
		node := n.container
		for key := range strings.SplitSeq(path, ".") {
			node = node.Get(key)
		}
		if node.Len() > 0 && node.At(0).Str() == p.Path {
			return Yes, path + " of the container"
		}
	}
	return Unknown, ""
}

func (n *Need) peers(field string, p *Peer, of func(*model.Declaration) []model.Peer) (Answer, string) {
	unsure := false
	answer, where := n.declared(field, func(d *model.Declaration) (says, names bool) {
		for _, peer := range of(d) {
			switch n.isPeer(&peer, p) {
			case Yes:
				names = true
			case Unknown:
				unsure = true
			}
		}
		return of(d) != nil, names
	})
	if answer == No && unsure {
		return Unknown, ""
	}
	return answer, where
}

// isPeer says whether a declared peer is the one that was seen. What is named in
// another way than it was seen may be the same.
func (n *Need) isPeer(declared *model.Peer, p *Peer) Answer {
	if declared.Ports != nil && !slices.ContainsFunc(declared.Ports, func(port intstr.IntOrString) bool {
		number, protocol, ok := model.SplitPort(port)
		return ok && number == int(p.Port) && strings.EqualFold(protocol, p.Protocol)
	}) {
		return No
	}
	is := func(yes bool) Answer {
		if yes {
			return Yes
		}
		return No
	}
	namespace := declared.Namespace
	if namespace == "" {
		namespace = n.namespace
	}
	_, seen, _ := strings.Cut(p.Workload, "/") // without its kind
	switch {
	case declared.CIDR != "" && p.Address.IsValid():
		prefix, err := netip.ParsePrefix(declared.CIDR)
		return is(err == nil && prefix.Contains(p.Address))
	case declared.DNS != "" && p.Name != "":
		domain, wild := strings.CutPrefix(declared.DNS, "*")
		return is(p.Name == declared.DNS || wild && strings.HasSuffix(p.Name, domain))
	case declared.Workload != "" && p.Workload != "":
		return is(seen == namespace+"/"+declared.Workload)
	case declared.Service != "" && p.Name != "":
		service := declared.Service + "." + namespace
		return is(p.Name == service || strings.HasPrefix(p.Name, service+".svc") || namespace == n.namespace && p.Name == declared.Service)
	case declared.Workload == "" && declared.Service == "" && declared.CIDR == "" && declared.DNS == "" && p.Workload != "":
		return is(strings.HasPrefix(seen, namespace+"/"))
	}
	return Unknown
}

// Granted says whether the manifest lets the container do something, and where.
func (n *Need) Granted(f Fact) (Answer, string) {
	context := n.container.Get("securityContext")
	switch f.Kind {
	case Capability:
		if f.Folded() {
			return Unknown, ""
		}
		has := func(list string, name string) bool {
			names := context.Get("capabilities").Get(list)
			for i := range names.Children() {
				if model.Capability(names.At(i).Str()) == name {
					return true
				}
			}
			return false
		}
		switch {
		case context.Get("privileged").Text() == "true", has("add", f.Name), has("add", "ALL"):
			return Yes, "securityContext of the container"
		case has("drop", f.Name), has("drop", "ALL"):
			return No, "securityContext.capabilities.drop of the container"
		}
	case Write:
		if f.Folded() || !strings.HasPrefix(f.File.Path, "/") {
			return Unknown, ""
		}
		return n.writable(f.File.Path, context.Get("readOnlyRootFilesystem").Text() == "true")
	}
	return Unknown, ""
}

// writable asks the innermost mount that a path lies in.
func (n *Need) writable(path string, readOnlyRoot bool) (Answer, string) {
	mounts := n.container.Get("volumeMounts")
	innermost, readOnly := "", readOnlyRoot
	for i := range mounts.Children() {
		mount := mounts.At(i)
		if at := strings.TrimSuffix(mount.Get("mountPath").Str(), "/"); under(path, at) && len(at) > len(innermost) {
			innermost, readOnly = at, mount.Get("readOnly").Text() == "true"
		}
	}
	where := "volumeMounts of the container"
	if innermost == "" {
		where = "readOnlyRootFilesystem of the container"
		if under(path, "/proc") || under(path, "/sys") || under(path, "/dev") {
			return Unknown, "" // which the runtime mounts
		}
	}
	if readOnly {
		return No, where
	}
	return Yes, where
}
