package attack

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// proposer makes changes that take the evidence of an edge away. What a program
// plainly is there for is not proposed: to take its Ingress or its secrets away.
type proposer struct {
	*Graph
	touches int
	add     func(proposal)
}

func (p *proposer) propose(e Edge) {
	switch e.Kind {
	case Member, UseAdmin, RunAs, MountAny, ActAsKubelet, DrivenBy, BootstrapToken:
	case ConnectOpen:
		if p.vertices[e.From].kind == Position {
			p.isolate(e)
		}
	case ExploitService:
		p.isolate(e)
		to := &p.workloads[p.vertices[e.To].at]
		p.edit(e.Kind, evidence{to.Object, to.hostNetwork})
	case RunEscape, DebugEscape:
		v := &p.guardVerdicts[e.note]
		p.enforce(v.level.object)
		if v.by != nil {
			p.propose(p.public(v.by))
		}
	case SecretToken:
		o := p.evidence[e.note].object
		p.put("delete "+o.Key.String()+", a service account token that does not expire", o, nil, model.Change{Key: o.Key})
	case NodeMetadata:
		p.closeMetadata(e)
	default:
		switch {
		case e.right&byName != 0:
			p.unbind(p.accounts[p.vertices[e.From].at], p.restricted[e.note].Binding)
		case e.Kind >= firstProven, e.right&byProof != 0:
			p.revoke(p.proven[e.note])
		case e.Kind >= Everything:
			p.revoke(p.proofs(p.accounts[p.vertices[e.From].at], e.right, e.note))
		case e.note != none:
			p.edit(e.Kind, p.evidence[e.note])
		}
	}
}

func (p *proposer) put(title string, o *model.Object, n *tree.Node, changes ...model.Change) {
	p.add(proposal{title, o, n, changes, p.touches})
}

// edit changes the field of a pod, or of a Service.
func (p *proposer) edit(kind EdgeKind, why evidence) {
	o, n := why.object, why.node
	if o == nil || n == nil {
		return
	}
	name := o.Key.String()
	set := func(title string, at tree.Path, value any) {
		var to *tree.Node
		if value != nil {
			of := tree.Of(value)
			to = &of
		}
		if changed := changed(o, func(root *tree.Node) (*tree.Node, error) { return tree.Apply(root, at, to, false) }); changed != nil {
			p.put(title, o, n, model.Change{Key: o.Key, Object: changed})
		}
	}
	at := pathTo(o.Root, n)
	switch kind {
	case TokenMount:
		for _, pod := range o.Pods() {
			if n == pod.Spec || n.Key() == "automountServiceAccountToken" {
				set("set automountServiceAccountToken: false in "+name, pod.SpecPath.Join(tree.Step{Key: "automountServiceAccountToken"}), false)
			}
		}
	case EscapeMount, EscapeNsenter:
		set("set privileged: false in a container of "+name+" ("+at.String()+")", at, false)
	case EscapeModule, EscapeCgroup, EscapeFileHandle, EscapePtrace:
		set("drop the capability "+n.Str()+" in "+name, at, nil)
	case EscapeCorePattern, EscapeLogSymlink, EscapeSocket, EscapeHostWrite, EscapeHostRead, ControlPlanePath:
		p.unmount(o, n, at)
	case HostProcess:
		set("set hostProcess: false in "+name, at, false)
	case SharedProcesses:
		set("set shareProcessNamespace: false in "+name, at, false)
	case VolumeMount, VolumeTaint:
		if n.Get("devicePath") == nil && !n.Get("readOnly").True() { // a raw device has no such field
			set("mount "+n.Get("name").Str()+" read-only in "+name, at.Join(tree.Step{Key: "readOnly"}), true)
		}
	case ExposeService:
		if n.Str() == "NodePort" {
			set("make "+name+" a ClusterIP instead of a NodePort", at, "ClusterIP")
		}
	case ExposeHost, ExploitService:
		switch n.Key() {
		case "hostPort":
			set("remove hostPort "+n.Text()+" from "+name, at, nil)
		case "hostNetwork":
			set("set hostNetwork: false in "+name, at, false)
		}
	}
}

// unmount removes a host path volume and its mounts.
func (p *proposer) unmount(o *model.Object, host *tree.Node, at tree.Path) {
	made := changed(o, func(root *tree.Node) (*tree.Node, error) { return withoutVolume(root, at) })
	if made != nil {
		p.put("remove the host path "+host.Str()+" from "+o.Key.String(), o, host, model.Change{Key: o.Key, Object: made})
	}
}

var errNoVolume = errors.New("no path of a host path volume")

// withoutVolume returns a root without the volume of a host path, and without its
// mounts.
func withoutVolume(root *tree.Node, at tree.Path) (*tree.Node, error) {
	if len(at) < 4 || at[len(at)-2].Key != "hostPath" {
		return nil, errNoVolume
	}
	volume := at[:len(at)-2]
	spec := volume[:len(volume)-2]
	name := root.Follow(volume).Get("name").Str()
	next, err := tree.Apply(root, volume, nil, false)
	for _, list := range model.ContainerLists {
		containers := root.Follow(spec).Get(list)
		for i := range containers.Children() {
			mounts := containers.At(i).Get("volumeMounts")
			for j := mounts.Len() - 1; j >= 0 && err == nil; j-- {
				if mounts.At(j).Get("name").Str() == name {
					next, err = tree.Apply(next, spec.Join(tree.Step{Key: list}, tree.Step{Index: i}, tree.Step{Key: "volumeMounts"}, tree.Step{Index: j}), nil, false)
				}
			}
		}
	}
	return next, err
}

// confine takes all ways out of a container away, where there are several: to
// close one alone makes no path longer.
func (p *proposer) confine(container ID) {
	type way struct {
		at    tree.Path
		title string
	}
	var ways []way
	var o *model.Object
	for i := range p.out(container) {
		e := &p.out(container)[i]
		if e.kind < EscapeMount || e.kind > ControlPlanePath {
			continue
		}
		why := p.evidence[e.note]
		if why.object != p.workloads[p.vertices[container].at].Object {
			return // a volume that the pod does not say is a way as well
		}
		at := pathTo(why.object.Root, why.node)
		if at == nil || slices.ContainsFunc(ways, func(w way) bool { return slices.Equal(w.at, at) }) {
			continue
		}
		w := way{at, "remove the host path " + why.node.Str()}
		switch {
		case why.node.Key() == "privileged":
			w.title = "set privileged: false"
		case why.node.Key() != "path":
			w.title = "drop " + why.node.Str()
		}
		ways, o = append(ways, w), why.object
	}
	if len(ways) < 2 {
		return
	}
	// The last first, so that the places of the others stay.
	slices.SortFunc(ways, func(a, b way) int { return -treeOrder(a.at, b.at) })
	made := changed(o, func(root *tree.Node) (*tree.Node, error) {
		var err error
		no := tree.Of(false)
		for _, w := range ways {
			switch w.at[len(w.at)-1].Key {
			case "path":
				root, err = withoutVolume(root, w.at)
			case "privileged":
				root, err = tree.Apply(root, w.at, &no, false)
			default:
				root, err = tree.Apply(root, w.at, nil, false)
			}
			if err != nil {
				return nil, err
			}
		}
		return root, nil
	})
	if made == nil {
		return
	}
	var titles []string
	for _, w := range slices.Backward(ways) {
		titles = append(titles, w.title)
	}
	v := p.Vertex(container)
	p.put("close every way out of container "+v.Container+" of "+o.Key.String()+": "+strings.Join(titles, ", "), o, o.Root.Follow(ways[len(ways)-1].at), model.Change{Key: o.Key, Object: made})
}

// treeOrder orders paths as their nodes stand in lists.
func treeOrder(a, b tree.Path) int {
	return slices.CompareFunc(a, b, func(x, y tree.Step) int { return cmp.Or(cmp.Compare(x.Key, y.Key), cmp.Compare(x.Index, y.Index)) })
}

// revoke takes away what gives rights: the subject in the binding, and the rule.
func (p *proposer) revoke(proofs []access.Proof) {
	for _, proof := range proofs {
		p.unbind(proof.Subject, proof.Binding)
		o := proof.Source.Object
		if o == nil || proof.Rule.Node == nil {
			continue
		}
		at := pathTo(o.Root, proof.Rule.Node)
		if at == nil {
			continue
		}
		made := changed(o, func(root *tree.Node) (*tree.Node, error) { return tree.Apply(root, at, nil, false) })
		if made != nil {
			title := fmt.Sprintf("take %s on %s out of %s", strings.Join(proof.Rule.Verbs(), ", "), strings.Join(proof.Rule.Resources(), ", "), o.Key)
			p.put(title, o, proof.Rule.Node, model.Change{Key: o.Key, Object: made})
		}
	}
}

// unbind takes a subject out of a binding, or the binding away when it has no
// other.
func (p *proposer) unbind(s access.Subject, b access.Binding) {
	o := b.Object()
	if o == nil {
		return
	}
	subjects := b.Subjects()
	role := o.Root.Dig("roleRef", "name").Str()
	if len(subjects) <= 1 {
		p.put("remove "+o.Key.String()+", which binds "+subjectText(s)+" to "+role, o, nil, model.Change{Key: o.Key})
		return
	}
	list := o.Root.Get("subjects")
	for i := range list.Children() {
		n := list.At(i)
		namespace := cmp.Or(n.Get("namespace").Str(), b.Namespace()) // as the API server takes it
		if n.Get("kind").Str() != s.Kind || n.Get("name").Str() != s.Name || s.Kind == "ServiceAccount" && namespace != s.Namespace {
			continue
		}
		made := changed(o, func(root *tree.Node) (*tree.Node, error) {
			return tree.Apply(root, tree.Path{{Key: "subjects"}, {Index: i}}, nil, false)
		})
		if made != nil {
			p.put("take "+subjectText(s)+" out of "+o.Key.String()+", which binds it to "+role, o, n, model.Change{Key: o.Key, Object: made})
		}
		return
	}
}

func subjectText(s access.Subject) string {
	if s.Namespace != "" {
		return s.Kind + " " + s.Namespace + "/" + s.Name
	}
	return s.Kind + " " + s.Name
}

// enforce labels a namespace with the Pod Security level baseline, when all that
// runs there meets it.
func (p *proposer) enforce(namespace *model.Object) {
	if namespace == nil {
		return
	}
	for i := range p.workloads {
		w := &p.workloads[i]
		if w.Object.Key.Namespace == namespace.Key.Name && !baseline(w.Pod.Metadata, w.Pod.Spec, p.options.KubernetesMinor) {
			return
		}
	}
	level := tree.Of("baseline")
	made := changed(namespace, func(root *tree.Node) (*tree.Node, error) {
		return tree.Apply(root, tree.Keys("metadata", "labels", "pod-security.kubernetes.io/enforce"), &level, false)
	})
	if made != nil {
		p.put("enforce the Pod Security level baseline in namespace "+namespace.Key.Name+", which all its workloads meet", namespace, nil, model.Change{Key: namespace.Key, Object: made})
	}
}

// isolate admits only pods of its own namespace to a workload.
func (p *proposer) isolate(e Edge) {
	to := &p.workloads[p.vertices[e.To].at]
	from := p.Vertex(e.From).Namespace
	if from == to.Object.Key.Namespace || to.Pod.Labels().Len() == 0 {
		return
	}
	own := tree.MapOf(tree.Entry("from", []tree.Node{tree.MapOf(tree.Entry("podSelector", tree.MapOf()))}))
	p.policy(to, "own-namespace-only", "add a NetworkPolicy that admits only pods of namespace "+to.Object.Key.Namespace+" to "+to.Object.Key.String(),
		tree.Entry("policyTypes", []string{"Ingress"}), tree.Entry("ingress", []tree.Node{own}))
}

// policy adds a NetworkPolicy for the pods of a workload.
func (p *proposer) policy(w *workload, suffix, title string, spec ...tree.Node) {
	key := model.Key{
		Cluster: w.Object.Key.Cluster, Namespace: w.Object.Key.Namespace,
		GroupKind: model.NetworkPolicyKind, Name: w.Object.Key.Name + "-" + suffix,
	}
	if p.snapshot.Get(key) != nil {
		return
	}
	labels := tree.Clone(w.Pod.Labels())
	selector := tree.MapOf(tree.Entry("matchLabels", *labels))
	root := tree.MapOf(tree.Entry("apiVersion", "networking.k8s.io/v1"), tree.Entry("kind", "NetworkPolicy"),
		tree.Entry("metadata", tree.MapOf(tree.Entry("name", key.Name), tree.Entry("namespace", key.Namespace))),
		tree.Entry("spec", tree.MapOf(append([]tree.Node{tree.Entry("podSelector", selector)}, spec...)...)))
	o, err := model.NewObject(&root, &model.Source{File: &tree.File{}, Live: key.String()}, key.Cluster, key.Namespace)
	if err != nil || o == nil {
		return
	}
	p.put(title, nil, nil, model.Change{Key: key, Object: o})
}

// changed returns an object with another tree; nil when it cannot be made.
func changed(o *model.Object, make func(*tree.Node) (*tree.Node, error)) *model.Object {
	root, err := make(o.Root)
	if err != nil {
		return nil
	}
	made, err := model.NewObject(root, o.Source, o.Key.Cluster, o.Key.Namespace)
	if err != nil {
		return nil
	}
	return made
}

// pathTo returns the path from a root to a node below it; nil when it is not
// there.
func pathTo(root, want *tree.Node) tree.Path {
	var path tree.Path
	var walk func(n *tree.Node) bool
	walk = func(n *tree.Node) bool {
		kids := n.Children()
		for i := range kids {
			step := tree.Step{Key: kids[i].Key()}
			if n.Is(tree.List) {
				step = tree.Step{Index: i}
			}
			path = append(path, step)
			if &kids[i] == want || walk(&kids[i]) {
				return true
			}
			path = path[:len(path)-1]
		}
		return false
	}
	if !walk(root) {
		return nil
	}
	return slices.Clone(path)
}
