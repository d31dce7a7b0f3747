package enforce

import (
	"fmt"
	"io"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/tree"
)

// Bounds of a file, so that what it says has room in a kernel.
const (
	MostPolicies    = 256
	MostExecutables = 4096 // of one policy
	MostPeers       = 1024 // of one policy
)

// policyName keeps names short enough for the kernel, and printable.
var policyName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,53}[a-z0-9])?$`)

// longestFile bounds a file of policies, and one of profiles.
const longestFile = 8 << 20

// Read reads policies, strictly: a field that is not known and a value that cannot be
// are errors with their place. open opens a file; those of the approved profiles that
// policies name are relative to the first one.
func Read(name string, open func(string) (io.ReadCloser, error)) (*Policies, error) {
	text, err := read(name, open)
	if err != nil {
		return nil, err
	}
	file := &tree.File{Name: name, Text: text}
	r := reader{tree.Decoder{File: file}, open, &Policies{}}
	found := false
	for doc := range tree.Parse(file) {
		if doc.Err != nil {
			return nil, doc.Err
		}
		if doc.Root == nil {
			continue
		}
		found = true
		r.document(doc.Root)
	}
	if !found {
		return nil, fmt.Errorf("%s: it holds no policies", file.Name)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return r.policies, nil
}

func read(name string, open func(string) (io.ReadCloser, error)) (string, error) {
	f, err := open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longestFile+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > longestFile {
		return "", fmt.Errorf("%s is longer than %d MiB", name, longestFile>>20)
	}
	return string(text), nil
}

type reader struct {
	tree.Decoder
	open     func(string) (io.ReadCloser, error)
	policies *Policies
}

func (r *reader) document(root *tree.Node) {
	if root.Get("apiVersion").Str() != Version || root.Get("kind").Str() != "Enforcement" {
		r.Fail(root, "the document does not begin with apiVersion: %s and kind: Enforcement", Version)
		return
	}
	if root.Get("policies") == nil {
		r.Fail(root, "policies are missing")
	}
	r.Fields(root, map[string]func(*tree.Node){
		"apiVersion": r.Ignore, "kind": r.Ignore,
		"policies": func(n *tree.Node) { r.Each(n, r.policy) },
	})
}

// draft is a policy while it is read.
type draft struct {
	Policy
	mode      Mode
	profiles  []*behavior.Approved
	addresses map[string][]netip.Prefix // of names
}

func (r *reader) policy(n *tree.Node) {
	d := draft{mode: Alert, addresses: map[string][]netip.Prefix{}}
	var unknown string
	before := r.Failures()
	r.Fields(n, map[string]func(*tree.Node){
		"name": r.Text(&d.Name), "namespaces": r.patterns(&d.Namespaces), "workloads": r.patterns(&d.Workloads), "containers": r.patterns(&d.Containers),
		"controlGroups": r.groups(&d.ControlGroups), "mode": r.mode(&d.mode), "unknown": r.Text(&unknown),
		"profiles":   func(n *tree.Node) { r.Each(n, func(n *tree.Node) { r.profile(n, &d) }) },
		"addresses":  func(n *tree.Node) { r.addresses(n, d.addresses) },
		"executions": r.Ignore, "egress": r.Ignore, // which need the others
	})
	switch {
	case !policyName.MatchString(d.Name):
		r.Fail(n, "name %q is not one of up to 55 small letters, digits, '-' and '.'", d.Name)
	case slices.ContainsFunc(r.policies.All, func(p *Policy) bool { return p.Name == d.Name }):
		r.Fail(n, "there are two policies %s", d.Name)
	case len(d.Namespaces)+len(d.Workloads)+len(d.Containers)+len(d.ControlGroups) == 0:
		r.Fail(n, `policy %s says of no container that it is meant: give it namespaces (["*"] for all), workloads, containers or controlGroups`, d.Name)
	case unknown != "" && unknown != "allow" && unknown != "enforce":
		r.Fail(n.Get("unknown"), "unknown %q is none of allow, enforce", unknown)
	case n.Get("executions") == nil && n.Get("egress") == nil:
		r.Fail(n, "policy %s has neither executions nor egress", d.Name)
	case len(r.policies.All) == MostPolicies:
		r.Fail(n, "there are more than %d policies", MostPolicies)
	}
	d.Strict = unknown == "enforce"
	d.Executions.Mode, d.Egress.Mode = Observe, Observe
	if r.Failures() > before {
		return
	}
	if e := n.Get("executions"); e != nil {
		r.executions(e, &d)
	}
	if e := n.Get("egress"); e != nil {
		r.egress(e, &d)
	}
	if r.Failures() == before {
		policy := d.Policy
		r.policies.All = append(r.policies.All, &policy)
	}
}

func (r *reader) mode(into *Mode) func(*tree.Node) {
	return func(n *tree.Node) {
		var text string
		r.Text(&text)(n)
		if *into = Mode(text); !slices.Contains(Modes, *into) {
			r.Fail(n, "mode %q is none of observe, alert, enforce, kill", text)
		}
	}
}

func (r *reader) patterns(into *[]string) func(*tree.Node) {
	return func(n *tree.Node) {
		r.Each(n, func(n *tree.Node) {
			var text string
			r.Text(&text)(n)
			if _, err := path.Match(text, ""); err != nil || text == "" {
				r.Fail(n, "%q is not a name or pattern", text)
			}
			*into = append(*into, text)
		})
		if len(*into) == 0 {
			r.Fail(n, "%s is empty, so that no container is meant", n.Key())
		}
	}
}

func (r *reader) groups(into *[]string) func(*tree.Node) {
	return func(n *tree.Node) {
		r.Each(n, func(n *tree.Node) {
			var text string
			r.Text(&text)(n)
			if !path.IsAbs(text) || path.Clean(text) != text || text == "/" {
				r.Fail(n, "%q is not the absolute path of a control group below the root of the tree, such as /kubepods.slice", text)
			}
			*into = append(*into, text)
		})
		if len(*into) == 0 {
			r.Fail(n, "controlGroups is empty, so that no container is meant")
		}
	}
}

func (r *reader) profile(n *tree.Node, d *draft) {
	var name string
	if r.Text(&name)(n); name == "" {
		r.Fail(n, "an approved profile needs the name of its file")
		return
	}
	if !path.IsAbs(name) {
		name = path.Join(path.Dir(r.File.Name), name)
	}
	text, err := read(name, r.open)
	if err != nil {
		r.Fail(n, "%s", err)
		return
	}
	all, err := behavior.ParseApproved(&tree.File{Name: name, Text: text})
	if err != nil {
		r.Fail(n, "%s", err)
	}
	d.profiles = append(d.profiles, all...)
}

// addresses reads where names are: of workloads, Services and DNS names of profiles.
func (r *reader) addresses(n *tree.Node, into map[string][]netip.Prefix) {
	if !n.Is(tree.Map) {
		r.Fail(n, "addresses is %s, not a map of names and lists of networks", n.Kind().Noun())
		return
	}
	for i := range n.Children() {
		kid := &n.Children()[i]
		r.Each(kid, func(n *tree.Node) {
			if network, ok := r.network(n); ok {
				into[kid.Key()] = append(into[kid.Key()], network)
			}
		})
	}
}

// network reads a network, or one address.
func (r *reader) network(n *tree.Node) (netip.Prefix, bool) {
	var text string
	r.Text(&text)(n)
	network, err := netip.ParsePrefix(text)
	if address, failed := netip.ParseAddr(text); failed == nil && address.Zone() == "" {
		address = address.Unmap()
		network, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	if err != nil {
		r.Fail(n, "%q is neither a network such as 10.0.0.0/8 nor an address", text)
		return network, false
	}
	if network.Addr().Is4In6() {
		if network.Bits() < 96 {
			r.Fail(n, "%s holds addresses of both families: write ::/0 and 0.0.0.0/0", text)
			return network, false
		}
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	if network != network.Masked() {
		r.Fail(n, "%s has bits behind its length: %s is the network", text, network.Masked())
		return network, false
	}
	return network, true
}

func (r *reader) executions(n *tree.Node, d *draft) {
	e := &d.Executions
	e.Mode, e.Only = d.mode, Image
	var only string
	r.Fields(n, map[string]func(*tree.Node){
		"mode": r.mode(&e.Mode),
		"only": r.Text(&only),
		"allow": func(n *tree.Node) {
			r.Each(n, func(n *tree.Node) {
				var p string
				r.Text(&p)(n)
				if !path.IsAbs(p) || path.Clean(p) != p || len(p) > 511 {
					r.Fail(n, "%q is not the absolute path of a program", p)
				}
				e.Allowed = append(e.Allowed, Executable{Path: p})
			})
		},
	})
	switch Only(only) {
	case "", Image:
	case Approved:
		e.Only = Approved
		r.approvedExecutables(n, d)
	default:
		r.Fail(n.Get("only"), "only %q is none of image, approved", only)
	}
	if len(e.Allowed) > MostExecutables {
		r.Fail(n, "more than %d programs", MostExecutables)
	}
}

// approvedExecutables takes the programs of profiles. The kernel compares whole paths.
func (r *reader) approvedExecutables(n *tree.Node, d *draft) {
	e := &d.Executions
	if len(d.profiles) == 0 {
		r.Fail(n, "only: approved needs profiles: write one with ullage profile approve, and name its file")
	}
	for _, a := range d.profiles {
		for i := range a.Deeds {
			f := &a.Deeds[i]
			if f.Kind != behavior.Execute {
				continue
			}
			p, whole := literal(f.Program.Path)
			if !whole {
				r.Fail(n, "the profile of %s approves %s, which stands for several paths, and the kernel compares whole ones: take it out of the profile, and list paths in allow",
					&a.Subject, f.Program.Path)
				continue
			}
			if x := (Executable{p, f.Program.Layer}); !slices.Contains(e.Allowed, x) {
				e.Allowed = append(e.Allowed, x)
			}
		}
	}
}

// literal is the path of a file as the kernel has it, of one in a fact. whole is false
// where that stands for several.
func literal(p string) (_ string, whole bool) {
	if strings.ContainsAny(p, "*{") || !strings.HasPrefix(p, "/") {
		return p, false
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '\\' && i+3 < len(p) && p[i+1] == 'x' {
			if c, err := strconv.ParseUint(p[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(p[i])
	}
	return b.String(), true
}

func (r *reader) egress(n *tree.Node, d *draft) {
	e := &d.Egress
	e.Mode = d.mode
	r.Fields(n, map[string]func(*tree.Node){
		"mode":  r.mode(&e.Mode),
		"peers": func(n *tree.Node) { r.Each(n, func(n *tree.Node) { r.peer(n, d) }) },
	})
	if n.Get("peers") == nil && len(d.profiles) == 0 {
		r.Fail(n, "egress needs peers, or profiles of the policy (peers: [] says that nobody may be connected to)")
	}
	for _, a := range d.profiles {
		for i := range a.Deeds {
			if f := &a.Deeds[i]; f.Kind == behavior.Connect {
				r.approvedPeer(n, d, a, &f.Peer)
			}
		}
	}
	if len(e.Allowed) > MostPeers {
		r.Fail(n, "more than %d peers and ports", MostPeers)
	}
}

// approvedPeer takes a peer of a profile. The kernel knows addresses only.
func (r *reader) approvedPeer(n *tree.Node, d *draft, a *behavior.Approved, p *behavior.Peer) {
	var networks []netip.Prefix
	name := p.Workload
	if name == "" {
		name = p.Name
	}
	if p.Address.IsValid() {
		address := p.Address.Unmap()
		networks = append(networks, netip.PrefixFrom(address, address.BitLen()))
	} else {
		networks = d.addresses[name]
	}
	protocol := p.Protocol
	if protocol == behavior.Many {
		protocol = ""
	}
	switch {
	case protocol != "" && protocol != "tcp" && protocol != "udp":
		return // no hook decides about others
	case len(networks) == 0 && (d.Egress.Mode == Enforce || d.Egress.Mode == Kill):
		r.Fail(n, "the profile of %s connects to %s, and the kernel decides by addresses: say where that is, by addresses: {%q: [10.0.0.0/24]} in the policy, or take it out of the profile", &a.Subject, name, name)
		return
	case len(networks) == 0:
		r.say("policy %s: connections to %s are not decided, as its addresses are not said", d.Name, name)
		return
	}
	for _, network := range networks {
		d.allow(Peer{network, protocol, p.Port})
	}
}

func (r *reader) say(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.policies.Said, text) {
		r.policies.Said = append(r.policies.Said, text)
	}
}

func (d *draft) allow(p Peer) {
	if !slices.Contains(d.Egress.Allowed, p) {
		d.Egress.Allowed = append(d.Egress.Allowed, p)
	}
}

// peer reads a network, or a name that the policy has addresses of, and its ports.
func (r *reader) peer(n *tree.Node, d *draft) {
	var networks []netip.Prefix
	ports := []Peer{{}}
	before := r.Failures()
	r.Fields(n, map[string]func(*tree.Node){
		"cidr": func(n *tree.Node) {
			if network, ok := r.network(n); ok {
				networks = append(networks, network)
			}
		},
		"name": func(n *tree.Node) {
			var name string
			if r.Text(&name)(n); len(d.addresses[name]) == 0 {
				r.Fail(n, "the kernel decides by addresses: say where %s is, by addresses: {%q: [10.0.0.0/24]} in the policy", name, name)
			}
			networks = append(networks, d.addresses[name]...)
		},
		"ports": func(n *tree.Node) {
			ports = nil
			r.Each(n, func(n *tree.Node) {
				if p, ok := r.port(n); ok {
					ports = append(ports, p)
				}
			})
		},
	})
	if len(networks) == 0 && r.Failures() == before {
		r.Fail(n, "a peer needs cidr or name")
	}
	for _, network := range networks {
		for _, p := range ports {
			d.allow(Peer{network, p.Protocol, p.Port})
		}
	}
}

func (r *reader) port(n *tree.Node) (Peer, bool) {
	digits, protocol, named := strings.Cut(n.Text(), "/")
	if !named {
		protocol = "tcp"
	}
	number, err := strconv.ParseUint(digits, 10, 16)
	protocol = strings.ToLower(protocol)
	if err != nil || number == 0 || protocol != "tcp" && protocol != "udp" {
		r.Fail(n, "%q is not a port such as 8080 or 53/UDP", n.Text())
		return Peer{}, false
	}
	return Peer{Protocol: protocol, Port: uint16(number)}, true
}
