package reach

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// deviant is what pods of one workload have in common that differ alike from its
// template.
type deviant struct {
	maker    *model.Object
	class    int32
	openings string
}

// deviants finds those of one namespace.
type deviants struct {
	*builder
	known    map[string]int32
	ns       int32
	name     string
	makers   map[uint64]*model.Object // by the references of what they made
	first    map[deviant]ID
	openings map[*tree.Node]string // of templates, by their specs
}

// addDeviants adds the pods of a namespace that differ from the template of the
// workload that made them.
func (b *builder) addDeviants(known map[string]int32, ns int32, index *model.LabelIndex) {
	if index == nil {
		return
	}
	d := deviants{b, known, ns, b.namespaces[ns].name, map[uint64]*model.Object{}, map[deviant]ID{}, map[*tree.Node]string{}}
	for o := range b.snapshot.InNamespace(index.Workloads[0].Object.Key.Cluster, d.name, model.PodKind) {
		if len(o.Pods()) == 0 || o.Ended() {
			continue
		}
		if _, isWorkload := b.endOf[o.Pods()[0].Spec]; !isWorkload {
			d.add(model.Workload{Object: o, Pod: o.Pods()[0]})
		}
	}
}

// add adds a pod to its workload when it is like a template of that, lets the
// first that differs alike stand for it, or makes it an endpoint.
func (d *deviants) add(w model.Workload) {
	references := w.Object.Root.Dig("metadata", "ownerReferences").Hash()
	maker := d.makers[references]
	if maker == nil {
		maker = d.snapshot.Controller(w.Object)
		d.makers[references] = maker
	}
	openings, translated := d.builder.openings(d.name, w.Pod)
	d.translate(w.Pod, translated)
	class, ok := d.known[string(d.project(d.ns, w))]
	if ok {
		for _, p := range maker.Pods() {
			if id, runs := d.endOf[p.Spec]; runs && d.workloadClass[id] == class && d.ofTemplate(p) == openings {
				d.count(w, id)
				return
			}
		}
		if id, ok := d.first[deviant{maker, class, openings + d.handOpenings(w)}]; ok {
			d.count(w, id)
			d.standIn[w.Object.Key], d.several[id] = id, true
			return
		}
	}
	d.addPod(d.known, d.ns, w)
	id := d.endOf[w.Pod.Spec]
	d.first[deviant{maker, d.workloadClass[id], openings + d.handOpenings(w)}] = id
}

// count has a pod count as an endpoint.
func (d *deviants) count(w model.Workload, as ID) {
	d.endOf[w.Pod.Spec] = as
	d.replicas = append(d.replicas, replicaOf{w.Object, as})
}

func (d *deviants) ofTemplate(p model.PodTemplate) string {
	text, ok := d.openings[p.Spec]
	if !ok {
		text, _ = d.builder.openings(d.name, p)
		d.openings[p.Spec] = text
	}
	return text
}

// openings writes down what may lead from outside to a pod, but for endpoints made
// by hand: the Services that select it, and its host ports. Pods that differ in it
// have different ways in. translated are the ports to which Services lead that
// translate sources.
func (b *builder) openings(namespace string, pod model.PodTemplate) (text string, translated PortSet) {
	var parts []string
	labels := pod.Labels()
	for i := range labels.Children() {
		l := &labels.Children()[i]
		for _, s := range b.services[serviceLabel{namespace, l.Key(), l.Str()}] {
			if !s.selector.Matches(labels) {
				continue
			}
			if translates(s.Object) {
				translated = translated.union(targetPorts(s.Root.Get("spec"), pod, nil))
			}
			part := s.Key.Name
			eachServicePort(s.Root.Get("spec"), nil, func(p *tree.Node, protocol Protocol) {
				if name := p.Get("targetPort").Str(); name != "" {
					part += " " + namedPorts(pod, name, protocol).String()
				}
			})
			parts = append(parts, part)
		}
	}
	for _, way := range hostWays(model.Workload{Pod: pod}) {
		parts = append(parts, fmt.Sprint(way.Via, " ", way.Ports))
	}
	slices.Sort(parts) // labels have no order
	return strings.Join(parts, "\n"), translated
}

// handOpenings writes down the endpoints made by hand that lead to a pod. A workload
// has those of all pods that it made, see [handIndex].
func (b *builder) handOpenings(w model.Workload) string {
	var text strings.Builder
	for _, l := range b.hand().pods[w.Object.Key] {
		fmt.Fprint(&text, l.service.Key, l.ports, "\n")
	}
	return text.String()
}
