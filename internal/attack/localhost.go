package attack

import (
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// The containers of a pod share its network, in which no policy holds, and the
// emptyDirs that they mount. What programs serve there is told by their images,
// commands and environments.

// serving says what a container serves the others of its pod without a login.
type serving uint8

const (
	dockerSocket    serving = 1 << iota // a Docker daemon, at a socket that a shared directory may hold
	dockerPort                          // one at a port without TLS, as its arguments say
	dockerPortMaybe                     // one that listens there by the ways of its image
	dockerCerts                         // one at a port with TLS, which makes the certificates of clients
	kubectlProxy                        // the API server, as the pod's service account
)

const plainDocker = "2375" // the port without TLS

// servingOf says what a container serves.
func servingOf(k *container) (s serving) {
	words := programWords(k.node)
	image := k.node.Get("image").Str()
	name, _, _ := strings.Cut(path.Base(image), "@")
	daemon := strings.Contains(name, "dind")
	for i, word := range words {
		daemon = daemon || path.Base(word) == "dockerd"
		if path.Base(word) == "kubectl" && slices.Contains(words[i+1:], "proxy") {
			s |= kubectlProxy
		}
	}
	if strings.HasPrefix(name, "kubectl") && len(words) > 0 && words[0] == "proxy" {
		s |= kubectlProxy
	}
	if slices.ContainsFunc(words, func(word string) bool {
		return strings.HasPrefix(word, "--unix-socket") || strings.HasPrefix(word, "-u=")
	}) {
		s &^= kubectlProxy
	}
	if daemon {
		s |= dockerSocket | dockerListens(k, words)
	}
	return s
}

// dockerListens says at which port a Docker daemon listens.
func dockerListens(k *container, words []string) serving {
	for i, word := range words {
		host := strings.Contains(word, "tcp://") && strings.HasSuffix(word, ":"+plainDocker)
		if host && !slices.Contains(words, "--tlsverify") && (strings.HasPrefix(word, "-") || i > 0 && strings.HasPrefix(words[i-1], "-")) {
			return dockerPort
		}
	}
	if dir := environment(k.env, "DOCKER_TLS_CERTDIR"); dir != nil && dir.Get("value").Str() == "" && dir.Get("valueFrom") == nil {
		return dockerPortMaybe
	}
	for i := range k.ports.Children() {
		if k.ports.At(i).Get("containerPort").Text() == plainDocker {
			return dockerPortMaybe
		}
	}
	return dockerCerts
}

// programWords returns the command of a container with its arguments. What a shell is
// given is cut into words.
func programWords(n *tree.Node) []string {
	var all []string
	for _, key := range []string{"command", "args"} {
		for i := range n.Get(key).Children() {
			all = append(all, strings.Fields(n.Get(key).At(i).Str())...)
		}
	}
	return all
}

// environment returns the entry of a variable, or nil.
func environment(env *tree.Node, name string) *tree.Node {
	for i := range env.Children() {
		if n := env.At(i); n.Get("name").Str() == name {
			return n
		}
	}
	return nil
}

// siblings leads between the containers of a pod, over what they share besides
// processes. What all of them have leads over one vertex, as there may be many.
func (b *builder) siblings(w *workload) {
	if w.last-w.first < 2 {
		return
	}
	b.localServices(w)
	b.localFiles(w)
	for to := w.first; to < w.last; to++ {
		for from := w.first; from < w.last && b.Graph.containers[to].serves != 0; from++ {
			if from != to {
				b.local(w, from, to)
			}
		}
	}
}

// localServices leads to the containers of a pod that listen.
func (b *builder) localServices(w *workload) {
	inside := ID(none)
	for to := w.first; to < w.last; to++ {
		k := &b.Graph.containers[to]
		if k.declared.first == k.declared.last && w.targets.first == w.targets.last {
			continue
		}
		if inside == none {
			inside = b.vertex(Inside, k.workload, 0)
		}
		n := k.ports
		if n == nil {
			n = k.node
		}
		b.because(inside, b.containerVertex(to), LocalService, NeedsExploit, w.Object, n)
	}
	for from := w.first; from < w.last && inside != none; from++ {
		b.edge(b.containerVertex(from), inside, Member, Given, none)
	}
}

// localFiles leads from who writes an emptyDir to the containers that mount it, too.
func (b *builder) localFiles(w *workload) {
	type mount struct {
		container int32
		*use
	}
	mounts, names := map[string][]mount{}, []string{}
	for c := w.first; c < w.last; c++ {
		k := &b.Graph.containers[c]
		for i := k.uses.first; i < k.uses.last; i++ {
			u := &b.uses[i]
			if u.kind != useScratch {
				continue
			}
			if mounts[u.name] == nil {
				names = append(names, u.name)
			}
			mounts[u.name] = append(mounts[u.name], mount{c, u})
		}
	}
	for _, name := range names {
		all := mounts[name]
		writes := slices.ContainsFunc(all, func(m mount) bool { return !m.readOnly })
		if !writes || all[0].container == all[len(all)-1].container {
			continue
		}
		files := b.vertex(Scratch, b.Graph.containers[w.first].workload, 0)
		seen := int32(none)
		for _, m := range all {
			if !m.readOnly {
				b.because(b.containerVertex(m.container), files, LocalFiles, NeedsExploit, w.Object, m.node)
			}
			if m.container != seen {
				b.edge(files, b.containerVertex(m.container), Member, Given, none)
			}
			seen = m.container
		}
	}
}

// local adds what a container has of another one of its pod that serves it without a
// login.
func (b *builder) local(w *workload, from, to int32) {
	k := &b.Graph.containers[to]
	add := func(at ID, kind EdgeKind, c Certainty, n *tree.Node) {
		b.because(b.containerVertex(from), at, kind, c, w.Object, n)
	}
	if k.serves&dockerSocket != 0 {
		if c, n := b.docker(from, to); c != Given {
			add(b.containerVertex(to), UseDocker, c, n)
		}
	}
	if k.serves&kubectlProxy != 0 && (w.mounts && !k.hidesToken || b.hasToken(to)) {
		add(b.accountAt(w.account), UseProxy, Likely, k.node)
	}
}

// hasToken reports whether a container mounts the token of its service account by
// a volume of its own.
func (b *builder) hasToken(c int32) bool {
	k := &b.Graph.containers[c]
	return slices.ContainsFunc(b.uses[k.uses.first:k.uses.last], func(u use) bool { return u.kind == useToken })
}

// shared returns the mounts of an emptyDir that two containers have both, or nil.
func (b *builder) shared(from, to int32, fits func(mine, its *use) bool) (mine, its *use) {
	x, y := &b.Graph.containers[from], &b.Graph.containers[to]
	for i := x.uses.first; i < x.uses.last; i++ {
		for j := y.uses.first; b.uses[i].kind == useScratch && j < y.uses.last; j++ {
			if mine, its = &b.uses[i], &b.uses[j]; its.kind == useScratch && mine.name == its.name && fits(mine, its) {
				return mine, its
			}
		}
	}
	return nil, nil
}

// docker says how certain it is that a container has a Docker daemon in another one
// of its pod start what it likes, and by what; it is Given where nothing tells.
func (b *builder) docker(from, to int32) (Certainty, *tree.Node) {
	mine, its := &b.Graph.containers[from], &b.Graph.containers[to]
	host := environment(mine.env, "DOCKER_HOST").Get("value").Str()
	switch {
	case its.serves&dockerPort != 0:
		return Certain, its.node
	case its.serves&dockerPortMaybe != 0, strings.HasPrefix(host, "tcp://") && strings.HasSuffix(host, ":"+plainDocker):
		return Likely, its.node
	}
	at := socketOf(its.node)
	if _, mount := b.shared(from, to, func(_, its *use) bool { return below(its.node.Get("mountPath").Str(), at) }); mount != nil {
		switch {
		case mine.root == yes:
			return Certain, mount.node
		case mine.root == perhaps || strings.HasPrefix(host, "unix://"):
			return Likely, mount.node
		}
		return Unknown, mount.node // the socket's group may be one of the user
	}
	if its.serves&dockerCerts != 0 {
		if _, mount := b.shared(from, to, func(_, its *use) bool { return below(its.node.Get("mountPath").Str(), "/certs/client") }); mount != nil {
			return Likely, mount.node
		}
	}
	return Given, nil
}

// socketOf returns the path of the socket of a Docker daemon.
func socketOf(n *tree.Node) string {
	for _, word := range programWords(n) {
		if _, at, ok := strings.Cut(word, "unix://"); ok {
			return at
		}
	}
	return "/var/run/docker.sock"
}

// below reports whether a directory holds a path. /var/run is a link to /run.
func below(dir, at string) bool {
	plain := func(p string) string {
		p = path.Clean("/" + p)
		if rest, ok := strings.CutPrefix(p+"/", "/var/run/"); ok {
			p = path.Clean("/run/" + rest)
		}
		return p + "/"
	}
	return dir != "" && strings.HasPrefix(plain(at), plain(dir))
}
