package attack

import (
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/credential"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// Some programs ask nobody who connects for a login, as their arguments or environments
// say. Such a port gives what the program has, without a flaw in it.

// openPort is a port of a container at which a program asks for no login.
type openPort struct {
	gives EdgeKind
	port  reach.Port
	// certainty is that of what it gives: Likely where the program has settings that the
	// input does not hold.
	certainty Certainty
	node      *tree.Node // what says so
}

// program is what a container runs, as far as it says it.
type program struct {
	*container
	image string
	words []string // of the command and the arguments
}

// openPorts returns where a container asks for no login, of addresses other than those
// of its own network alone.
func openPorts(k *container) []openPort {
	words := programWords(k.node)
	if len(words) == 0 && k.env == nil {
		return nil
	}
	p := program{k, imageName(k.node.Get("image").Str()), words}
	return slices.Concat(p.docker(), p.proxy(), p.etcd(), p.server(), p.console(), p.notebook())
}

// runs reports whether the container runs one of some programs, with a subcommand unless
// that is "". The names of images stand for the program that they are for.
func (p *program) runs(subcommand string, names ...string) bool {
	for i, word := range p.words {
		if slices.Contains(names, path.Base(word)) && (subcommand == "" || slices.Contains(p.words[i+1:], subcommand)) {
			return true
		}
	}
	first := len(p.words) > 0 && p.words[0] == subcommand
	return slices.Contains(names, p.image) && (first || subcommand == "" && p.node.Get("command") == nil)
}

// flag returns the last value of a flag, and where it stands.
func (p *program) flag(names ...string) (value string, given bool) {
	for i, word := range p.words {
		name, rest, has := strings.Cut(word, "=")
		switch {
		case !slices.Contains(names, name):
		case has:
			value, given = strings.Trim(rest, `'"`), true
		case i+1 < len(p.words) && !strings.HasPrefix(p.words[i+1], "-"):
			value, given = p.words[i+1], true
		default:
			value, given = "", true
		}
	}
	return value, given
}

// on reports whether a flag that is true or false is given as true.
func (p *program) on(name string) bool {
	return slices.ContainsFunc(p.words, func(word string) bool {
		_, value, has := strings.Cut(word, "=")
		return word == name || has && strings.HasPrefix(word, name+"=") && isTrue(strings.Trim(value, `'"`))
	})
}

func isTrue(text string) bool {
	on, err := strconv.ParseBool(text)
	return err == nil && on
}

// setting returns the value of a flag, or of the variable of the environment that stands
// for it.
func (p *program) setting(flag, variable string) (value string, given bool) {
	if value, given = p.flag("--"+flag, "-"+flag); given {
		return value, true
	}
	n := environment(p.env, variable)
	return n.Get("value").Str(), n.Get("value") != nil
}

// argument returns the node of the argument that says a word, or the container.
func (p *program) argument(word string) *tree.Node {
	for _, key := range []string{"command", "args"} {
		list := p.node.Get(key)
		for i := range list.Children() {
			if n := list.At(i); strings.Contains(n.Str(), word) {
				return n
			}
		}
	}
	return p.node
}

var substituted = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)

// resolve puts the values of variables into a text, as the kubelet does. An address that
// the pod is told is one of the pod's; ok is false where a value is not known.
func (p *program) resolve(text string) (resolved string, ok bool) {
	ok = true
	resolved = substituted.ReplaceAllStringFunc(text, func(found string) string {
		n := environment(p.env, found[2:len(found)-1])
		field := n.Dig("valueFrom", "fieldRef", "fieldPath").Str()
		switch {
		case n.Get("value") != nil:
			return n.Get("value").Str()
		case field == "status.podIP" || field == "status.hostIP":
			return anyAddress
		}
		ok = false
		return anyAddress
	})
	return resolved, ok && !strings.Contains(resolved, "$")
}

const anyAddress = "0.0.0.0"

// loopback reports whether only the own network of a pod reaches an address.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// at returns a port that is open to others than the pod itself.
func (p *program) at(gives EdgeKind, c Certainty, address, port, word string) []openPort {
	address, known := p.resolve(address)
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || loopback(address) {
		return nil
	}
	if !known {
		c = Unknown
	}
	return []openPort{{gives, reach.Port{Number: uint16(number)}, c, p.argument(word)}}
}

// atURL is at for an address that is written as a URL.
func (p *program) atURL(gives EdgeKind, c Certainty, text, port string) []openPort {
	resolved, known := p.resolve(text)
	u, err := url.Parse(resolved)
	if err != nil {
		return nil
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if !known {
		c = Unknown
	}
	return p.at(gives, c, u.Hostname(), port, text)
}

// docker finds Docker daemons without TLS, or without certificates of clients.
func (p *program) docker() []openPort {
	daemon := p.runs("", "dockerd") || strings.Contains(path.Base(p.node.Get("image").Str()), "dind")
	if !daemon || p.on("--tlsverify") {
		return nil
	}
	var all []openPort
	hosts := 0
	for i, word := range p.words {
		name, value, has := strings.Cut(word, "=")
		if name != "-H" && name != "--host" {
			continue
		}
		if !has && i+1 < len(p.words) {
			value = p.words[i+1]
		}
		hosts++
		if value = strings.Trim(value, `'"`); strings.HasPrefix(value, "tcp://") {
			all = append(all, p.atURL(DockerPort, Certain, value, plainDocker)...)
		}
	}
	entrypoint := p.node.Get("command") == nil && (len(p.words) == 0 || strings.HasPrefix(p.words[0], "-"))
	if dir := environment(p.env, "DOCKER_TLS_CERTDIR"); hosts == 0 && entrypoint && dir != nil && dir.Get("value").Str() == "" && dir.Get("valueFrom") == nil {
		all = append(all, openPort{DockerPort, reach.Port{Number: 2375}, Likely, dir})
	}
	return all
}

// proxy finds kubectl proxy at an address of the pod. What it accepts as a host is a
// header of the request, which who connects writes.
func (p *program) proxy() []openPort {
	if !p.runs("proxy", "kubectl") {
		return nil
	}
	if _, socket := p.flag("--unix-socket", "-u"); socket {
		return nil
	}
	address, given := p.flag("--address")
	if !given {
		return nil // 127.0.0.1
	}
	port, given := p.flag("--port", "-p")
	if !given {
		port = "8001"
	}
	return p.at(ProxyPort, Likely, address, port, "--address")
}

// etcd finds etcd without certificates of clients. Users of its own, which it may have,
// the input does not show.
func (p *program) etcd() []openPort {
	if !p.runs("", "etcd") {
		return nil
	}
	if _, file := p.setting("config-file", "ETCD_CONFIG_FILE"); file {
		return nil // all else is left aside
	}
	urls, _ := p.setting("listen-client-urls", "ETCD_LISTEN_CLIENT_URLS")
	auth, given := p.setting("client-cert-auth", "ETCD_CLIENT_CERT_AUTH")
	trusted, _ := p.setting("trusted-ca-file", "ETCD_TRUSTED_CA_FILE")
	verifies := given && (auth == "" || isTrue(auth)) || trusted != ""
	var all []openPort
	for text := range strings.SplitSeq(urls, ",") {
		if text = strings.TrimSpace(text); strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") && !verifies {
			all = append(all, p.atURL(EtcdPort, Likely, text, "2379")...)
		}
	}
	for i := range all {
		if n := environment(p.env, "ETCD_LISTEN_CLIENT_URLS"); n != nil && all[i].node == p.node {
			all[i].node = n
		}
	}
	return all
}

// insecureServed is the first minor version of which an API server has no port without
// authentication.
const insecureServed = 20

var kubernetesTag = regexp.MustCompile(`:v1\.([0-9]+)(\.|$|-)`)

// server finds an API server with a port without authentication.
func (p *program) server() []openPort {
	if !p.runs("", apiServerProgram) {
		return nil
	}
	tag := kubernetesTag.FindStringSubmatch(p.node.Get("image").Str())
	if tag == nil {
		return nil
	}
	if minor, err := strconv.Atoi(tag[1]); err != nil || minor >= insecureServed {
		return nil
	}
	port, given := p.flag("--insecure-port")
	if !given {
		port = "8080"
	}
	address, given := p.flag("--insecure-bind-address", "--address")
	if !given {
		return nil // 127.0.0.1
	}
	return p.at(InsecurePort, Certain, address, port, "address")
}

const apiServerProgram = "kube-apiserver"

// console finds programs that do for anybody what their service account may do.
func (p *program) console() []openPort {
	switch {
	case p.on("--enable-skip-login") && (p.runs("", "dashboard") || strings.Contains(p.image, "dashboard")):
		port, given := p.flag("--port")
		if p.on("--enable-insecure-login") || !p.on("--auto-generate-certificates") && !given {
			if port, given = p.flag("--insecure-port"); !given {
				port = "9090"
			}
		} else if !given {
			port = "8443"
		}
		return p.at(ConsolePort, Likely, anyAddress, port, "--enable-skip-login")
	case p.runs("server", "argo", "argocli"):
		if modes, _ := p.flag("--auth-mode"); modes == "server" {
			port, given := p.flag("--port", "-p")
			if !given {
				port = "2746"
			}
			return p.at(ConsolePort, Likely, anyAddress, port, "--auth-mode")
		}
	}
	return nil
}

// notebook finds Jupyter without a token and a password.
func (p *program) notebook() []openPort {
	if !p.runs("", "jupyter", "jupyter-lab", "jupyter-notebook", "jupyter-server", "start-notebook.sh", "start-notebook.py", "start.sh") || strings.Contains(strings.Join(p.words, " "), credential.Mask) { // one of them is given
		return nil
	}
	for _, of := range []string{"--NotebookApp", "--ServerApp", "--LabApp", "--IdentityProvider"} {
		token, given := p.flag(of + ".token")
		password, has := p.flag(of + ".password")
		if !given || token != "" || has && password != "" {
			continue
		}
		port, given := p.flag("--port", "--NotebookApp.port", "--ServerApp.port")
		if !given {
			port = "8888"
		}
		address, given := p.flag("--ip", "--NotebookApp.ip", "--ServerApp.ip")
		switch {
		case !given && p.runs("", "jupyter", "jupyter-lab", "jupyter-notebook", "jupyter-server"):
			return nil // localhost; images for notebooks say another one
		case address == "" || address == "*":
			address = anyAddress
		}
		return p.at(NotebookPort, Certain, address, port, of+".token")
	}
	return nil
}

// openServer is an open port of a workload.
type openServer struct {
	openPort
	container int32
}

// mostOpenSteps bounds how many connections to open ports are stored.
const mostOpenSteps = 1 << 18

// openServers adds the ports at which nobody is asked for a login: what they give, and
// who comes by a connection to them.
func (b *builder) openServers() {
	for c := range b.Graph.containers {
		for _, open := range b.Graph.containers[c].open {
			at := b.Graph.containers[c].workload
			w := &b.Graph.workloads[at]
			to, ok := b.behindPort(w, int32(c), open.gives)
			if !ok {
				continue
			}
			server := b.vertex(OpenPort, at, int32(len(b.Graph.openServers)))
			b.Graph.openServers = append(b.Graph.openServers, openServer{open, int32(c)})
			b.because(server, to, open.gives, open.certainty, w.Object, open.node)
			b.connections(w, server, open.port)
		}
	}
}

// behindPort returns what an open port gives; ok is false where it gives nothing.
func (b *builder) behindPort(w *workload, c int32, gives EdgeKind) (to ID, ok bool) {
	switch gives {
	case ProxyPort, ConsolePort:
		return b.accountAt(w.account), w.mounts && !b.Graph.containers[c].hidesToken || b.hasToken(c)
	case EtcdPort: // that of the cluster, and not one of some program
		return b.admin, w.Object.Key.Namespace == systemNamespace && w.hostNetwork != nil
	case InsecurePort:
		return b.admin, true
	}
	return b.containerVertex(c), true
}

// connections leads to an open port from the places in the network, from the internet and
// from who has the API server, or a route, connect to pods.
func (b *builder) connections(w *workload, server ID, port reach.Port) {
	at, ns := b.vertices[server].at, w.namespace
	certain := b.unread == nil && !w.sleeps()
	add := func(from ID, answer reach.Answer) {
		switch {
		case answer == reach.No:
		case b.openSteps >= mostOpenSteps:
			b.lacks("more may connect to ports without a login than are looked at")
		case answer == reach.Yes && certain:
			b.openSteps++
			b.edge(from, server, ConnectOpen, Certain, none)
		default:
			b.openSteps++
			b.edge(from, server, ConnectOpen, Unknown, none)
		}
	}
	for i := range b.Graph.workloads {
		answer := reach.No
		if int32(i) == at && w.last-w.first > 1 {
			answer = reach.Yes // its other containers
		}
		for _, from := range b.endpointsOf(int32(i)) {
			for _, to := range b.endpointsOf(at) {
				answer = max(answer, b.network.Ports(from, to).On(port))
			}
		}
		add(b.workloadVertex(int32(i), positionAt), answer)
	}
	for i := range b.guests {
		answer := reach.No
		for _, to := range b.endpointsOf(at) {
			answer = max(answer, b.network.Passage(b.guests[i], to, []reach.Port{port}).Answer)
		}
		add(b.guestAt[i], answer)
	}
	for i := range b.ways {
		e := &b.ways[i]
		if e.workload != at || !e.May.Contains(port) {
			continue
		}
		c := Unknown
		if certain && e.Must.Contains(port) && e.Answer == reach.Yes && e.Audience == reach.Internet {
			c = Certain
		}
		b.because(b.internet, server, ConnectOpen, c, e.Object, e.Node)
	}
	if b.hasWide(Connect, ns) {
		b.edge(b.at(Connect, ns), server, Member, Given, none)
	}
	if b.hasWide(Routed, ns) && b.isRouted(w, port) {
		b.edge(b.at(Routed, ns), server, Member, Given, none)
	}
}

// isRouted reports whether a Service leads to a port of a workload.
func (b *builder) isRouted(w *workload, port reach.Port) bool {
	if slices.Contains(b.targets[w.targets.first:w.targets.last], port) {
		return true
	}
	for _, server := range b.routedTo(w.namespace) {
		x := &b.vertices[server]
		if s := b.Graph.containers[x.part].declared; b.Graph.containers[x.part].workload == b.Graph.containers[w.first].workload && slices.Contains(b.listens[s.first:s.last], port) {
			return true
		}
	}
	return false
}

// whyOpenPort says why somebody may connect to an open port.
func (g *Graph) whyOpenPort(e Edge) []Evidence {
	to := &g.vertices[e.To]
	s, w := &g.openServers[to.part], &g.workloads[to.at]
	said := Evidence{"container " + g.containers[s.container].name + " asks for no login at " + s.port.String(), w.Object, s.node}
	if guest, ok := g.guestOf(e.From); ok {
		for _, at := range g.endpointsOf(to.at) {
			if p := g.network.Passage(guest, at, []reach.Port{s.port}); p.Answer != reach.No {
				return append([]Evidence{said}, whyLets(&p, w)...)
			}
		}
	}
	if g.vertices[e.From].kind == Position && g.vertices[e.From].at != to.at {
		from := g.vertices[e.From].at
		for _, a := range g.endpointsOf(from) {
			for _, at := range g.endpointsOf(to.at) {
				if g.network.Ports(a, at).On(s.port) != reach.No {
					return append([]Evidence{said}, g.whyPair(&g.workloads[from], w, a, at, s.port)...)
				}
			}
		}
	}
	if e.note != none {
		return []Evidence{said, written(g.evidence[e.note])}
	}
	return []Evidence{said}
}
