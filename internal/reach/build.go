package reach

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// class holds pods that differ in nothing that a policy looks at.
type class struct {
	namespace  int32
	members    []ID
	host       bool // on the host network
	translated bool // connections from outside may come with a node's address
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
	labelKeys map[string]bool
	portNames map[string]bool // in lower case
	names     map[string]bool // outside the cluster, and whether * stands for dots as well to some policy
	addresses *addresses

	byPod       *labelled
	byNamespace *labelled
	spread      map[uint64]*labelMatch // pods by terms of their namespaces
	selected    map[selectorKey]*labelMatch
}

// builder makes a Graph.
type builder struct {
	*Graph
	snapshot   *model.Snapshot
	translated map[*tree.Node]bool // pod specs
	// Services for which sources may be translated, by a label that they select by.
	translating map[serviceLabel][]model.Selector
	portSets    map[string]int32
	buffer      []byte
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
			Closed: s.Complete("", append(PolicyKinds(), model.WorkloadKinds()...)...), classOf: map[*tree.Node]int32{}, standIn: map[model.Key]ID{}, several: map[ID]bool{},
			shared: &shared{sets: newInterner(), named: map[namedRule]setID{}},
			basis: &basis{
				labelKeys: map[string]bool{}, portNames: map[string]bool{}, names: map[string]bool{}, addresses: newAddresses(),
				spread: map[uint64]*labelMatch{}, selected: map[selectorKey]*labelMatch{},
			},
		},
		snapshot: s, translated: map[*tree.Node]bool{}, translating: map[serviceLabel][]model.Selector{}, portSets: map[string]int32{},
	}
	b.context = contextOf(s)
	b.policies, b.others = readAll(s)
	for _, p := range b.policies {
		b.enter(p)
		b.survey(p, b.basis.note)
	}
	b.addresses.divide()
	b.classify()
	b.number()
	b.index()
	for _, p := range b.policies {
		b.resolve(p)
	}
	b.apply()
	b.sign(nil)
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
	deep              bool // of name
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
		b.labelKeys[l.label] = true
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
	return (l.label == "" || b.labelKeys[l.label]) && (l.port == "" || b.portNames[l.port]) && (l.name == "" || named && (deep || !l.deep))
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
		do(looked{label: r.key})
	}
}

// classify puts the pods that no policy can tell apart together. Pods that a
// workload made are part of it; those whose labels differ from its template
// where a policy looks stand for themselves.
func (b *builder) classify() {
	b.findTranslated()
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

// addDeviants adds the pods of a namespace that differ from the template of the
// workload that made them.
func (b *builder) addDeviants(known map[string]int32, ns int32, index *model.LabelIndex) {
	if index == nil {
		return
	}
	name, cluster := b.namespaces[ns].name, index.Workloads[0].Object.Key.Cluster
	makers := map[uint64]*model.Object{} // by the references of what they made
	first := map[deviant]ID{}
	for o := range b.snapshot.InNamespace(cluster, name, model.PodKind) {
		if len(o.Pods()) == 0 || ended(o) {
			continue
		}
		if _, isWorkload := b.classOf[o.Pods()[0].Spec]; isWorkload {
			continue
		}
		w := model.Workload{Object: o, Pod: o.Pods()[0]}
		if len(b.translating) > 0 && b.isTranslated(name, w.Pod.Labels()) {
			b.translated[w.Pod.Spec] = true
		}
		class, ok := known[string(b.project(ns, w))]
		alike := false
		references := o.Root.Dig("metadata", "ownerReferences").Hash()
		if makers[references] == nil {
			makers[references] = b.snapshot.Controller(o)
		}
		for _, p := range makers[references].Pods() {
			alike = alike || ok && b.classOf[p.Spec] == class
		}
		if alike {
			b.classOf[w.Pod.Spec] = class
			continue
		}
		b.addDeviant(known, ns, w, makers[references], first)
	}
}

// deviant is what pods of one workload have in common that differ alike from its
// template.
type deviant struct {
	maker *model.Object
	class int32
}

// addDeviant adds a pod, or lets the first that differs alike stand for it.
func (b *builder) addDeviant(known map[string]int32, ns int32, w model.Workload, maker *model.Object, first map[deviant]ID) {
	if class, ok := known[string(b.project(ns, w))]; ok {
		if id, ok := first[deviant{maker, class}]; ok {
			b.classOf[w.Pod.Spec] = class
			b.standIn[w.Object.Key], b.several[id] = id, true
			return
		}
	}
	b.addPod(known, ns, w)
	first[deviant{maker, b.classOf[w.Pod.Spec]}] = ID(len(b.workloads) - 1)
}

func ended(o *model.Object) bool {
	phase := o.Root.Get("status").Get("phase").Str()
	return phase == "Succeeded" || phase == "Failed"
}

func (b *builder) addPod(known map[string]int32, ns int32, w model.Workload) {
	key := b.project(ns, w)
	id, ok := known[string(key)]
	if !ok {
		id = int32(len(b.classes))
		known[string(key)] = id
		b.classes = append(b.classes, b.describe(ns, w))
	}
	b.classes[id].members = append(b.classes[id].members, ID(len(b.workloads)))
	b.workloads = append(b.workloads, w)
	b.workloadClass = append(b.workloadClass, id)
	b.classOf[w.Pod.Spec] = id
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
	c := class{namespace: ns, host: w.Pod.Spec.Get("hostNetwork").True(), translated: b.translated[w.Pod.Spec], ports: b.portsOf(w.Pod)}
	labels := w.Pod.Labels()
	for i := range labels.Children() {
		if l := &labels.Children()[i]; b.labelKeys[l.Key()] {
			c.labels = append(c.labels, labelValue{l.Key(), l.Str()})
		}
	}
	if b.labelKeys[accountLabel] {
		c.labels = append(c.labels, labelValue{accountLabel, w.Pod.ServiceAccount()})
	}
	for _, key := range automaticLabels[w.Object.Key.Kind] {
		if b.labelKeys[key] && labels.Get(key) == nil {
			c.automatic = append(c.automatic, key)
		}
	}
	slices.SortFunc(c.labels, func(x, y labelValue) int { return strings.Compare(x.key, y.key) })
	return c
}

// project writes down all of a pod that a policy can look at. The result is
// valid until the next call.
func (b *builder) project(ns int32, w model.Workload) []byte {
	c := b.describe(ns, w)
	key := binary.BigEndian.AppendUint32(b.buffer[:0], uint32(c.ports))
	key = append(key, byte(boolToInt(c.host)), byte(boolToInt(c.translated)))
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
	var key []byte
	for _, p := range ports {
		key = append(binary.BigEndian.AppendUint32(key, p.port.point()), p.name...)
		key = append(key, 0)
	}
	id, ok := b.portSets[string(key)]
	if !ok {
		id = int32(len(b.portMaps))
		b.portSets[string(key)] = id
		b.portMaps = append(b.portMaps, ports)
	}
	return id
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

// findTranslated notes the pods that connections from outside may reach with a
// translated source.
func (b *builder) findTranslated() {
	hand := sync.OnceValue(func() *handIndex { return readHandmade(b.snapshot) })
	for o := range b.snapshot.Kind(model.ServiceKind) {
		spec := o.Root.Get("spec")
		kind := spec.Get("type").Str()
		if kind != "LoadBalancer" && kind != "NodePort" || spec.Get("externalTrafficPolicy").Str() == "Local" {
			continue
		}
		selector, ok := ServiceSelector(o)
		if !ok {
			for _, e := range hand().services[objectName{o.Key.Namespace, o.Key.Name}] {
				b.translateByHand(e.pods)
			}
			continue
		}
		first, matches := &selector.Children()[0], model.MatchLabels(selector)
		at := serviceLabel{o.Key.Namespace, first.Key(), first.Str()}
		b.translating[at] = append(b.translating[at], matches)
		for _, w := range b.snapshot.Workloads(o.Key.Namespace).Select(matches) {
			b.translated[w.Pod.Spec] = true
		}
	}
}

// translateByHand notes pods, and the templates that they were made of.
func (b *builder) translateByHand(pods []*model.Object) {
	for _, o := range pods {
		for _, of := range []*model.Object{o, b.snapshot.Controller(o)} {
			for _, p := range of.Pods() {
				b.translated[p.Spec] = true
			}
		}
	}
}

// isTranslated reports whether a Service of those selects a pod that a workload
// made.
func (b *builder) isTranslated(namespace string, labels *tree.Node) bool {
	for i := range labels.Children() {
		l := &labels.Children()[i]
		for _, s := range b.translating[serviceLabel{namespace, l.Key(), l.Str()}] {
			if s.Matches(labels) {
				return true
			}
		}
	}
	return false
}
