package reach

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"weak"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// class holds pods that differ in nothing that a policy looks at.
type class struct {
	namespace  int32
	members    []ID
	host       bool  // on the host network
	translated setID // ports on which connections from outside may come with a node's address
	ports      int32
	labels     []labelValue
	automatic  []string // keys of labels that a controller gives to each pod
}

type labelValue struct{ key, value string }

// declared is a named port of a container.
type declared struct {
	name string
	port Port
}

// basis is what policies look at, and how it was divided by that. It serves
// every set of policies that look at nothing else.
type basis struct {
	labels    map[string]map[string]bool // values by key
	portNames map[string]bool            // in lower case
	names     map[string]bool            // outside the cluster, and whether * stands for dots as well to some policy
	addresses *addresses

	named       map[namedRule]setID // rules with port names, at the destinations that there are
	byPod       *labelled
	byNamespace *labelled
	spread      map[uint64]*labelMatch // pods by terms of their namespaces
	selected    map[selectorKey]*labelMatch

	// Of one that divides another further, see refine.go.
	of      weak.Pointer[basis]
	parents []int32 // for each number of the universe that in the other
}

// builder makes a Graph.
type builder struct {
	*Graph
	snapshot   *model.Snapshot
	translated map[*tree.Node]PortSet     // of pods, by their specs: see class
	services   map[serviceLabel][]service // those that select pods, by a label that they select by
	hand       func() *handIndex
	portSets   map[string]int32
	buffer     []byte
}

type selectorKey struct {
	within           string
	namespaces, pods uint64
}

// New makes the graph of a snapshot. It reads all policies and divides pods and
// addresses into classes; who reaches whom is computed when asked.
func New(s *model.Snapshot) *Graph {
	b := &builder{
		Graph: &Graph{
			Closed: s.Complete("", DecidingKinds()...), endOf: map[*tree.Node]ID{}, standIn: map[model.Key]ID{}, several: map[ID]bool{},
			shared: &shared{sets: newInterner()},
			basis: &basis{
				labels: map[string]map[string]bool{}, portNames: map[string]bool{}, names: map[string]bool{}, addresses: newAddresses(),
				named: map[namedRule]setID{}, spread: map[uint64]*labelMatch{}, selected: map[selectorKey]*labelMatch{},
			},
		},
		snapshot: s, translated: map[*tree.Node]PortSet{}, services: map[serviceLabel][]service{}, portSets: map[string]int32{},
		hand: sync.OnceValue(func() *handIndex { return readHandmade(s) }),
	}
	b.context = contextOf(s, b.hand())
	b.policies, b.others = readAll(s)
	for _, p := range b.policies {
		b.enter(p)
		b.survey(p, b.basis.note)
	}
	b.addresses.divide()
	b.classify()
	b.number()
	b.indexPods()
	b.indexNamespaces()
	for _, p := range b.policies {
		b.choose(p)
	}
	b.apply()
	b.sign()
	b.byKey = sync.OnceValue(b.Graph.index)
	return b.Graph
}

// enter numbers a policy and its rules.
func (b *builder) enter(p *Policy) {
	b.serial++
	p.serial = b.serial
	for _, d := range directions {
		for _, r := range p.rules[d] {
			r.id = b.rules
			b.rules++
			r.set = b.sets.set(r.ports.set)
		}
	}
}

// looked is one thing that a policy looks at; one field is set.
type looked struct {
	label, port, name string
	values            []string // of label
	deep              bool     // of name
	blocks            *blockPeer
}

// survey calls do with what a policy looks at.
func (b *builder) survey(p *Policy, do func(looked)) {
	surveyTerms(p.subject.pods, do)
	for _, d := range directions {
		for _, r := range p.rules[d] {
			for _, n := range r.ports.named {
				do(looked{port: strings.ToLower(n.name)})
			}
			for i := range r.peers {
				surveyPeer(&r.peers[i], do)
			}
		}
	}
}

func (b *basis) note(l looked) {
	switch {
	case l.label != "":
		if b.labels[l.label] == nil {
			b.labels[l.label] = map[string]bool{}
		}
		for _, v := range l.values {
			b.labels[l.label][v] = true
		}
	case l.port != "":
		b.portNames[l.port] = true
	case l.name != "":
		b.names[l.name] = b.names[l.name] || l.deep
	case l.blocks != nil:
		b.addresses.add(l.blocks)
	}
}

// knows reports whether something was noted.
func (b *basis) knows(l looked) bool {
	if l.blocks != nil {
		return b.addresses.index[l.blocks.key] != nil
	}
	deep, named := b.names[l.name]
	values, key := b.labels[l.label]
	if slices.ContainsFunc(l.values, func(v string) bool { return !values[v] }) {
		return false
	}
	return (l.label == "" || key) && (l.port == "" || b.portNames[l.port]) && (l.name == "" || named && (deep || !l.deep))
}

func surveyPeer(p *peer, do func(looked)) {
	switch {
	case p.pods != nil:
		surveyTerms(p.pods.selector.pods, do)
	case p.blocks != nil:
		do(looked{blocks: p.blocks})
	case p.name != "":
		do(looked{name: p.name, deep: p.deep})
	}
}

func surveyTerms(t terms, do func(looked)) {
	for _, r := range t.list {
		do(looked{label: r.key, values: r.values})
	}
}

// classify puts the pods that no policy can tell apart together. Pods that a
// workload made are part of it; those that differ from its template where a policy
// looks, or in what leads to them, stand for themselves.
func (b *builder) classify() {
	b.findServices()
	for i, name := range b.snapshot.Namespaces() {
		b.namespaces = append(b.namespaces, namespace{name: name, first: int32(len(b.classes))})
		known := map[string]int32{}
		index := b.snapshot.Workloads(name)
		if index != nil {
			for _, w := range index.Workloads {
				b.addPod(known, int32(i), w)
			}
		}
		b.addDeviants(known, int32(i), index)
		b.namespaces[i].last = int32(len(b.classes))
	}
}

func (b *builder) addPod(known map[string]int32, ns int32, w model.Workload) {
	key := b.project(ns, w)
	id, ok := known[string(key)]
	if !ok {
		id = int32(len(b.classes))
		known[string(key)] = id
		b.classes = append(b.classes, b.describe(ns, w))
	}
	b.endOf[w.Pod.Spec] = ID(len(b.workloads))
	b.classes[id].members = append(b.classes[id].members, ID(len(b.workloads)))
	b.workloads = append(b.workloads, w)
	b.workloadClass = append(b.workloadClass, id)
}

// automaticLabels are given to pods by the controllers of a kind.
var automaticLabels = map[string][]string{
	"Deployment":  {"pod-template-hash"},
	"ReplicaSet":  {"pod-template-hash"},
	"StatefulSet": {"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "controller-revision-hash"},
	"DaemonSet":   {"controller-revision-hash", "pod-template-generation"},
	"Job":         {"job-name", "controller-uid", "batch.kubernetes.io/job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-completion-index"},
	"CronJob":     {"job-name", "controller-uid", "batch.kubernetes.io/job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-completion-index"},
}

// describe returns the class of a pod.
func (b *builder) describe(ns int32, w model.Workload) class {
	c := class{namespace: ns, host: w.Pod.Spec.Get("hostNetwork").True(), translated: b.sets.set(b.translated[w.Pod.Spec]), ports: b.portsOf(w.Pod)}
	labels := w.Pod.Labels()
	for i := range labels.Children() {
		if l := &labels.Children()[i]; b.labels[l.Key()] != nil {
			c.labels = append(c.labels, b.seen(l.Key(), l.Str()))
		}
	}
	if b.labels[accountLabel] != nil {
		c.labels = append(c.labels, b.seen(accountLabel, w.Pod.ServiceAccount()))
	}
	for _, key := range automaticLabels[w.Object.Key.Kind] {
		if b.labels[key] != nil && labels.Get(key) == nil {
			c.automatic = append(c.automatic, key)
		}
	}
	slices.SortFunc(c.labels, func(x, y labelValue) int { return strings.Compare(x.key, y.key) })
	return c
}

// otherValue stands for the values of a label that no policy names. No label has it.
const otherValue = "\x00"

// seen returns a label as policies see it.
func (b *basis) seen(key, value string) labelValue {
	if !b.labels[key][value] {
		value = otherValue
	}
	return labelValue{key, value}
}

// project writes down all of a pod that a policy can look at. The result is
// valid until the next call.
func (b *builder) project(ns int32, w model.Workload) []byte {
	c := b.describe(ns, w)
	key := binary.BigEndian.AppendUint32(b.buffer[:0], uint32(c.ports))
	key = append(binary.BigEndian.AppendUint32(key, uint32(c.translated)), byte(boolToInt(c.host)))
	for _, l := range c.labels {
		key = append(append(append(append(key, l.key...), 0), l.value...), 0)
	}
	for _, l := range c.automatic {
		key = append(append(append(key, 1), l...), 0)
	}
	b.buffer = key
	return key
}

// portsOf numbers the ports of a pod that some policy names; 0 is none.
func (b *builder) portsOf(pod model.PodTemplate) int32 {
	if len(b.portMaps) == 0 {
		b.portMaps = append(b.portMaps, nil)
		b.portSets[""] = 0
	}
	if len(b.portNames) == 0 {
		return 0
	}
	var ports []declared
	for _, key := range []string{"containers", "initContainers"} {
		containers := pod.Spec.Get(key)
		for i := range containers.Children() {
			if c := containers.At(i); key == "containers" || c.Get("restartPolicy").Str() == "Always" {
				ports = b.declaredPorts(ports, c.Get("ports")) // others have ended when someone connects
			}
		}
	}
	return b.portMap(ports)
}

// portMap numbers named ports.
func (b *builder) portMap(ports []declared) int32 {
	key := portKey(ports)
	id, ok := b.portSets[key]
	if !ok {
		id = int32(len(b.portMaps))
		b.portSets[key] = id
		b.portMaps = append(b.portMaps, ports)
	}
	return id
}

func portKey(ports []declared) string {
	var key []byte
	for _, p := range ports {
		key = append(binary.BigEndian.AppendUint32(key, p.port.point()), p.name...)
		key = append(key, 0)
	}
	return string(key)
}

func (b *builder) declaredPorts(ports []declared, n *tree.Node) []declared {
	for i := range n.Children() {
		p := n.At(i)
		protocol, ok := protocolOf(p.Get("protocol"))
		number, isNumber := p.Get("containerPort").Int()
		name := p.Get("name").Str()
		if ok && isNumber && number > 0 && number <= maxPort && name != "" && b.portNames[strings.ToLower(name)] {
			ports = append(ports, declared{name, Port{protocol, uint16(number)}})
		}
	}
	return ports
}

// findServices notes the Services that select pods, and the pods that connections
// from outside may reach with a translated source.
func (b *builder) findServices() {
	for o := range b.snapshot.Kind(model.ServiceKind) {
		selector, ok := ServiceSelector(o)
		switch {
		case ok:
			first, matches := &selector.Children()[0], model.MatchLabels(selector)
			at := serviceLabel{o.Key.Namespace, first.Key(), first.Str()}
			b.services[at] = append(b.services[at], service{o, matches})
			if translates(o) {
				for _, w := range b.snapshot.Workloads(o.Key.Namespace).Select(matches) {
					b.translate(w.Pod, targetPorts(o.Root.Get("spec"), w.Pod, nil))
				}
			}
		case translates(o):
			for _, e := range b.hand().services[objectName{o.Key.Namespace, o.Key.Name}] {
				b.translateByHand(e.pods, handPorts(o.Root.Get("spec"), e.ports, nil))
			}
		}
	}
}

// translates reports whether connections from outside through a Service may come
// with the address of a node.
func translates(o *model.Object) bool {
	return outward(o) && o.Root.Dig("spec", "externalTrafficPolicy").Str() != "Local"
}

func (b *builder) translate(pod model.PodTemplate, ports PortSet) {
	if ports.Empty() {
		return
	}
	b.translated[pod.Spec] = b.translated[pod.Spec].union(ports)
}

// translateByHand notes pods, and the templates that they were made of.
func (b *builder) translateByHand(pods []*model.Object, ports PortSet) {
	for _, o := range pods {
		for _, of := range []*model.Object{o, b.snapshot.Controller(o)} {
			for _, p := range of.Pods() {
				b.translate(p, ports)
			}
		}
	}
}
