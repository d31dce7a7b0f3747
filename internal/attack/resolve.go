package attack

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// Sources are the words that [Graph.Source] takes, for messages.
const Sources = "internet, any, pod/NS/NAME, sa/NS/NAME, user/NAME, group/NAME, node[/NAME]"

// Targets are the words that [Graph.Target] takes, for messages.
const Targets = "cluster-admin, node[/NAME], secret/NS/NAME, volume/NS/NAME, cloud-identity[/ID], pod/NS/NAME, sa/NS/NAME"

// ErrUnknownPlace is what a well-formed source or target that is not in the graph
// gives.
var ErrUnknownPlace = errors.New("is not in the input")

// Source returns the vertices that a text stands for as a source; any is code in
// any container. pod/ takes the name of a pod or of the workload that makes it, and
// so does a name alone; the kinds of workloads take their own, see
// [model.WorkloadCalled].
func (g *Graph) Source(text string) ([]ID, error) {
	if all, ok, err := g.workload(text); ok {
		return all, err
	}
	kind, rest := model.CutPlace(text)
	switch kind {
	case "internet":
		if rest == "" {
			return []ID{g.internet}, nil
		}
	case "any":
		if rest == "" {
			all := make([]ID, len(g.containers))
			for i := range all {
				all[i] = g.containerVertex(int32(i))
			}
			return all, nil
		}
	case "sa":
		return g.ready(text, rest, true, Account)
	case "user":
		if s := access.User(rest); s.Kind == "ServiceAccount" {
			return g.ready(text, s.Namespace+"/"+s.Name, true, Account)
		}
		return g.ready(text, rest, false, User)
	case "node":
		if rest == "" && len(text) == len(kind) {
			return g.compromised(), nil
		}
		return g.find(text, "node "+rest, false, NodeRoot)
	case "group":
		return g.ready(text, rest, false, Group)
	}
	return nil, fmt.Errorf("%q is none of %s", text, Sources)
}

// compromised returns the nodes of which one may be the attacker's: those that were
// read, and the one that stands for others where pods may run on such.
func (g *Graph) compromised() []ID {
	var all []ID
	for i := range g.nodes {
		if i != controlNode && (i != someNode || g.unnamedNodes()) {
			all = append(all, g.nodes[i].root)
		}
	}
	return all
}

// words are those that stand for other places than workloads.
var words = strings.Fields("internet any sa user group cluster-admin node secret volume cloud-identity")

// workload returns the containers that KIND/NAMESPACE/NAME or NAMESPACE/NAME stands
// for; ok is false for other texts.
func (g *Graph) workload(text string) (all []ID, ok bool, err error) {
	word, rest := model.CutPlace(text)
	gk, isKind := model.WorkloadCalled(word)
	switch {
	case !isKind && word != "" && rest != "" && !slices.Contains(words, word) && !strings.Contains(rest, "/"):
		all, err = g.find(text, text, true, Container)
		return all, true, err
	case !isKind:
		return nil, false, nil
	}
	all, err = g.find(text, rest, true, Container)
	if gk == model.PodKind || err != nil {
		return all, true, err
	}
	all = slices.DeleteFunc(all, func(id ID) bool { return g.Vertex(id).Object.Key.Kind != gk.Kind })
	if len(all) == 0 {
		return nil, true, fmt.Errorf("%s %w", text, ErrUnknownPlace)
	}
	return all, true, nil
}

// ready finds a subject as a source. Those that every cluster has may be in no
// object: they hold what the groups do that Kubernetes puts them into, which may
// be nothing.
func (g *Graph) ready(text, name string, namespaced bool, kind VertexKind) ([]ID, error) {
	all, err := g.find(text, name, namespaced, kind)
	if !errors.Is(err, ErrUnknownPlace) {
		return all, err
	}
	namespace, account, _ := strings.Cut(name, "/")
	s := access.ServiceAccount(namespace, account)
	switch kind {
	case User:
		s = access.User(name)
	case Group:
		s = access.Group(name)
	}
	switch {
	case kind == Account && account == "default" && slices.Contains(g.namespaces, namespace):
	case kind == User && name == anonymousUser:
	case kind == Group && (name == authenticatedGroup || name == unauthenticatedGroup || name == accountsGroup):
	case kind != Account && g.isSubject(s): // and what it is bound to leads nowhere
	default:
		return nil, err
	}
	for group := range s.Groups() {
		in, _ := g.find("group/"+group.Name, group.Name, false, Group)
		all = append(all, in...)
	}
	return all, nil
}

// isSubject reports whether a binding names a subject.
func (g *Graph) isSubject(s access.Subject) bool {
	for other := range g.access.Subjects() {
		if other == s {
			return true
		}
	}
	return false
}

// Target returns the vertices that a text stands for as a target: to reach one of
// them is enough. Of what is not in the snapshot see [Graph.Assumed].
func (g *Graph) Target(text string) ([]ID, error) {
	if all, ok, err := g.workload(text); ok {
		return all, err
	}
	kind, rest := model.CutPlace(text)
	more := len(text) > len(kind)
	switch kind {
	case "cluster-admin":
		if !more {
			return []ID{g.admin}, nil
		}
	case "node": // its files hold the credentials of its kubelet: who reads them is the node
		if more {
			root, err := g.find(text, "node "+rest, false, NodeRoot)
			files, _ := g.find(text, "node "+rest, false, NodeFiles)
			return append(root, files...), err
		}
		return append(g.all(NodeRoot), g.all(NodeFiles)...), nil
	case "secret":
		return g.find(text, rest, true, Secret)
	case "volume":
		return g.find(text, rest, true, Volume)
	case "cloud-identity":
		if more {
			return g.find(text, rest, false, CloudIdentity)
		}
		return append(g.all(CloudIdentity), g.all(NodeIdentity)...), nil
	case "sa":
		return g.find(text, rest, true, Account)
	}
	return nil, fmt.Errorf("%q is none of %s", text, Targets)
}

// endKinds are the types that hold the places of a query, by their words.
var endKinds = map[string][]model.GroupKind{
	"secret": {model.SecretKind}, "volume": {model.PersistentVolumeClaimKind}, "node": {model.NodeKind}, "sa": {model.ServiceAccountKind},
	"pod": model.WorkloadKinds(), "cloud-identity": append(associationKinds(), model.ServiceAccountKind),
}

// UnreadEnd says why a place of a query that was not read may be in the cluster all
// the same: objects of its type were not read. It is "" otherwise.
func (g *Graph) UnreadEnd(q Query) string {
	for _, end := range []struct {
		text string
		find func(string) ([]ID, error)
	}{{q.To, g.Target}, {q.From, g.Source}} {
		word, name := model.CutPlace(end.text)
		if _, is := model.WorkloadCalled(word); is {
			word = "pod"
		}
		namespace, _, namespaced := strings.Cut(name, "/")
		if !namespaced || word == "cloud-identity" {
			namespace = ""
		}
		if _, err := end.find(end.text); !errors.Is(err, ErrUnknownPlace) && (end.text != q.To || g.assumed == none) {
			continue
		}
		if gap := g.snapshot.Gap(namespace, endKinds[word]...); gap != nil {
			return gap.Reason
		}
	}
	return ""
}

func (g *Graph) all(kind VertexKind) []ID {
	var all []ID
	for id := range g.vertices {
		if g.vertices[id].kind == kind {
			all = append(all, ID(id))
		}
	}
	return all
}

// find returns the vertices of a kind with a name, or NAMESPACE/NAME.
func (g *Graph) find(text, name string, namespaced bool, kind VertexKind) ([]ID, error) {
	namespace := ""
	if namespaced {
		var ok bool
		if namespace, name, ok = strings.Cut(name, "/"); !ok || namespace == "" {
			word, _, _ := strings.Cut(text, "/")
			return nil, fmt.Errorf("%q names no namespace: write %s/NAMESPACE/NAME", text, word)
		}
	}
	if name == "" {
		return nil, fmt.Errorf("%q names nothing", text)
	}
	if kind == Container {
		if o := g.podNamed(namespace, name); o != "" {
			name = o
		}
	}
	var all []ID
	for id := range g.vertices {
		if g.vertices[id].kind != kind {
			continue
		}
		if v := g.Vertex(ID(id)); v.Namespace == namespace && (v.Name == name || kind == Volume && strings.HasPrefix(name, v.Name+"-")) {
			all = append(all, ID(id))
		}
	}
	switch {
	case len(all) > 0:
		return all, nil
	case namespaced && !g.inhabited(namespace):
		return nil, fmt.Errorf("%s %w: nothing is in namespace %s", text, ErrUnknownPlace, namespace)
	case kind == Container && g.ended(namespace, name):
		return nil, fmt.Errorf("%s has ended: nothing of it runs", text)
	}
	return nil, fmt.Errorf("%s %w", text, ErrUnknownPlace)
}

// ended reports whether there is a Pod or a Job of a name that has ended.
func (g *Graph) ended(namespace, name string) bool {
	key := model.Key{Cluster: g.cluster(), Namespace: namespace, Name: name}
	for _, key.GroupKind = range []model.GroupKind{model.PodKind, model.JobKind} {
		if o := g.snapshot.Get(key); o != nil && o.Ended() {
			return true
		}
	}
	return false
}

// podNamed returns the name of the workload that made a pod, or "".
func (g *Graph) podNamed(namespace, name string) string {
	for o := range g.snapshot.InNamespace(g.cluster(), namespace, model.PodKind) {
		if o.Key.Name == name {
			return g.snapshot.Controller(o).Key.Name
		}
	}
	return ""
}
