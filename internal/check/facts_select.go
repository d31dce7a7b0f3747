package check

import (
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// selectorIndex finds the objects that select given labels. Each object is
// filed under one of the labels that its selector demands, if it demands any.
type selectorIndex map[filedUnder][]selecting

// filedUnder is a namespace and a label; the label is empty for selectors
// without matchLabels.
type filedUnder struct{ namespace, key, value string }

type selecting struct {
	object   *model.Object
	selector model.Selector
}

// add files an object. matchLabels are those of the selector.
func (x selectorIndex) add(o *model.Object, selector model.Selector, matchLabels *tree.Node) {
	under := filedUnder{namespace: o.Key.Namespace}
	if matchLabels.Len() > 0 {
		first := &matchLabels.Children()[0]
		under.key, under.value = first.Key(), first.Str()
	}
	x[under] = append(x[under], selecting{o, selector})
}

// find returns the objects of a namespace that select the labels, in key order.
func (x selectorIndex) find(namespace string, labels *tree.Node) []*model.Object {
	var found []*model.Object
	look := func(under filedUnder) {
		for _, s := range x[under] {
			if s.selector.Matches(labels) {
				found = append(found, s.object)
			}
		}
	}
	look(filedUnder{namespace: namespace})
	for i := range labels.Children() {
		l := &labels.Children()[i]
		look(filedUnder{namespace, l.Key(), l.Str()})
	}
	slices.SortFunc(found, func(a, b *model.Object) int { return a.Key.Compare(b.Key) })
	return found
}

// budgetSelector returns the selector of a PodDisruptionBudget, and false when
// it selects nothing: an absent one never does, an empty one did not before
// policy/v1.
func budgetSelector(o *model.Object) (*tree.Node, bool) {
	selector := o.Root.Dig("spec", "selector")
	if !selector.Is(tree.Map) {
		return nil, false
	}
	return selector, o.APIVersion != "policy/v1beta1" || !model.NewSelector(selector).Empty()
}

func (f *Facts) indexBudgets() selectorIndex {
	index := selectorIndex{}
	for o := range f.snapshot.Kind(model.BudgetKind) {
		if selector, ok := budgetSelector(o); ok {
			index.add(o, model.NewSelector(selector), selector.Get("matchLabels"))
		}
	}
	return index
}

func (f *Facts) podBudgets(o *model.Object, pod *model.PodTemplate) tree.Node {
	return f.listOr(names(f.budgets().find(o.Key.Namespace, pod.Labels())),
		"no PodDisruptionBudget here selects these pods, and others may live elsewhere", o.Key.Namespace, model.BudgetKind)
}

func (f *Facts) serviceSelected(o *model.Object) tree.Node {
	selector, ok := reach.ServiceSelector(o)
	if !ok {
		return list(nil)
	}
	return f.selected(o, model.MatchLabels(selector))
}

func (f *Facts) policySelected(o *model.Object) tree.Node {
	return f.selected(o, model.NewSelector(o.Root.Dig("spec", "podSelector")))
}

func (f *Facts) budgetSelected(o *model.Object) tree.Node {
	selector, ok := budgetSelector(o)
	if !ok {
		return list(nil)
	}
	return f.selected(o, model.NewSelector(selector))
}

func (f *Facts) selected(o *model.Object, selector model.Selector) tree.Node {
	var items []tree.Node
	for _, w := range f.snapshot.Workloads(o.Key.Namespace).Select(selector) {
		items = append(items, entries("kind", w.Object.Key.Kind, "name", w.Object.Key.Name))
	}
	return f.listOr(items, "no workload here has the pods that it selects, and others may live elsewhere", o.Key.Namespace, workloadKinds...)
}

// targetName names what an autoscaler scales.
type targetName struct{ namespace, kind, name string }

type autoscaler struct {
	object *model.Object
	group  string // of the target; "" when the reference names no API version
	core   bool   // the API version is that of the core group
}

func (a autoscaler) scales(o *model.Object) bool {
	return a.group == o.Key.Group || a.group == "" && !a.core
}

// scaleTarget reads a scaleTargetRef. KEDA's may leave out the kind.
func scaleTarget(o *model.Object) (targetName, autoscaler) {
	ref := o.Root.Dig("spec", "scaleTargetRef")
	target := targetName{o.Key.Namespace, ref.Get("kind").Str(), ref.Get("name").Str()}
	if target.kind == "" && o.Key.GroupKind == scaledObjectKind {
		target.kind = "Deployment"
	}
	version := ref.Get("apiVersion").Str()
	return target, autoscaler{object: o, group: model.GroupOf(version), core: version != "" && model.GroupOf(version) == ""}
}

func (f *Facts) indexAutoscalers() map[targetName][]autoscaler {
	index := map[targetName][]autoscaler{}
	for _, gk := range []model.GroupKind{model.AutoscalerKind, scaledObjectKind} {
		for o := range f.snapshot.Kind(gk) {
			target, a := scaleTarget(o)
			index[target] = append(index[target], a)
		}
	}
	return index
}

func (f *Facts) podAutoscalers(o *model.Object, _ *model.PodTemplate) tree.Node {
	top := f.snapshot.Controller(o)
	var found []*model.Object
	for _, a := range f.autoscalers()[targetName{top.Key.Namespace, top.Key.Kind, top.Key.Name}] {
		if a.scales(top) {
			found = append(found, a.object)
		}
	}
	return f.listOr(names(found), "no autoscaler here names this workload, and others may live elsewhere", o.Key.Namespace, model.AutoscalerKind, scaledObjectKind)
}

func (f *Facts) autoscalerSelected(o *model.Object) tree.Node {
	target, a := scaleTarget(o)
	var items []tree.Node
	if index := f.snapshot.Workloads(o.Key.Namespace); index != nil {
		for _, w := range index.Workloads {
			if w.Object.Key.Kind == target.kind && w.Object.Key.Name == target.name && a.scales(w.Object) {
				items = append(items, entries("kind", target.kind, "name", target.name))
				break
			}
		}
	}
	return f.listOr(items, "the workload that it scales was not read, and may live elsewhere", o.Key.Namespace, workloadKinds...)
}
