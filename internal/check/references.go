package check

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/secrets"
	"ullage.dev/ullage/internal/storage"
	"ullage.dev/ullage/internal/tree"
)

const gatewayGroup = "gateway.networking.k8s.io"

// References returns the names by which an object refers to others, as maps of
// kind, name, namespace, path, optional and found. What an object refers to
// through a selector is not among them, nor is what it does not name itself.
//
// Beside objects there are references to parts of them, once the object itself
// was read: SecretKey and ConfigMapKey (name "object/key"), ServicePort (name
// "service:port") and ContainerPort (the name of a port that a Service targets).
func (f *Facts) References(o *model.Object) []policy.Reference {
	r := referrer{f: f, o: o}
	pods := o.Pods()
	for i := range pods {
		r.pod(&pods[i])
	}
	switch o.Key.GroupKind {
	case model.StatefulSetKind:
		r.name(model.ServiceKind, o.Key.Namespace, tree.Keys("spec", "serviceName"))
		for path := range items(o.Root, tree.Keys("spec", "volumeClaimTemplates")) {
			r.class(path.Join(tree.Keys("spec", "storageClassName")...))
		}
	case model.ServiceKind:
		r.targetPorts()
	case model.SecretKind:
		if o.Root.Get("type").Str() == "kubernetes.io/service-account-token" {
			r.name(model.ServiceAccountKind, o.Key.Namespace, tree.Keys("metadata", "annotations", "kubernetes.io/service-account.name"))
		}
	case model.PersistentVolumeClaimKind:
		r.name(model.PersistentVolumeKind, "", tree.Keys("spec", "volumeName"))
		r.class(tree.Keys("spec", "storageClassName"))
	case model.PersistentVolumeKind:
		r.name(model.PersistentVolumeClaimKind, o.Root.Dig("spec", "claimRef", "namespace").Str(), tree.Keys("spec", "claimRef", "name"))
	case model.RoleBindingKind, model.ClusterRoleBindingKind:
		r.binding()
	case model.AutoscalerKind, scaledObjectKind:
		r.scaleTarget()
	default:
		r.cluster()
	}
	if slices.Contains(routingKinds, o.Key.GroupKind) {
		r.route()
	}
	if len(pods) == 0 {
		r.secrets()
	}
	return r.found
}

// referrer gathers the references of one object.
type referrer struct {
	f     *Facts
	o     *model.Object
	found []policy.Reference
}

// secrets adds the Secrets that an object without pods names. What only looks like
// the name of one is left out.
func (r *referrer) secrets() {
	for _, u := range r.f.uses.Of(r.o) {
		if u.How != secrets.Custom {
			r.add(model.SecretKind, u.Namespace, u.Name.Name, u.Path, u.Optional)
		}
	}
}

// name adds the reference written at a path, if there is one.
func (r *referrer) name(gk model.GroupKind, namespace string, at tree.Path) {
	n := r.o.Root.Follow(at)
	if n.Str() != "" && !n.Has(tree.Implied) {
		r.add(gk, namespace, n.Str(), at, false)
	}
}

// class adds the reference of a claim, or of a claim template, to its class. Volumes
// that are made by hand are matched by the name of a class that need not be there.
func (r *referrer) class(at tree.Path) {
	n := r.o.Root.Follow(at)
	if n.Str() == "" || n.Has(tree.Implied) {
		return
	}
	found := r.f.found(r.o, model.StorageClassKind, "", n.Str())
	if found.Is(tree.Bool) && !found.True() {
		switch {
		case r.f.boundByHand(r.o, n.Str()):
			found = tree.Of(true)
		case !r.f.snapshot.Complete("", model.PersistentVolumeKind):
			found = tree.UnknownBecause(r.f.whyOpen("a PersistentVolume of the class may live elsewhere", "", model.PersistentVolumeKind))
		}
	}
	r.put(model.StorageClassKind.Kind, "", n.Str(), at, false, found)
}

// boundByHand reports whether a claim has, or may get, a volume without its class; of
// a claim template, whether there is one that no driver has made.
func (f *Facts) boundByHand(o *model.Object, class string) bool {
	bindings := f.bindings()
	if o.Key.GroupKind == model.PersistentVolumeClaimKind {
		return bindings.Of(o.Key.Namespace, o.Key.Name, o) != nil || len(bindings.Fitting(o.Key.Namespace, o.Key.Name)) > 0
	}
	return slices.ContainsFunc(bindings.All(), func(p *storage.Persistent) bool {
		return p.Class() == class && p.Object.Annotation("pv.kubernetes.io/provisioned-by") == ""
	})
}

// add adds a reference to an object.
func (r *referrer) add(gk model.GroupKind, namespace, name string, at tree.Path, optional bool) {
	if gk.ClusterScoped() {
		namespace = ""
	}
	r.put(gk.Kind, namespace, name, at, optional, r.f.found(r.o, gk, namespace, name))
}

func (r *referrer) put(kind, namespace, name string, at tree.Path, optional bool, found tree.Node) {
	value := entries("kind", kind, "name", name, "namespace", namespace, "path", at.String(), "optional", optional, "found", found)
	r.found = append(r.found, policy.Reference{Value: sealed(value), Path: at})
}

func (r *referrer) pod(pod *model.PodTemplate) {
	for _, u := range pod.Uses() {
		r.add(u.Kind, r.o.Key.Namespace, u.Name, u.Path, u.Optional)
		holder := r.f.get(r.o, u.Kind, r.o.Key.Namespace, u.Name)
		if gap := r.f.snapshot.Gap(r.o.Key.Namespace, u.Kind); holder == nil && gap != nil {
			for _, key := range u.Keys {
				r.put(u.Kind.Kind+"Key", r.o.Key.Namespace, u.Name+"/"+key.Name, key.Path, u.Optional, tree.UnknownBecause(gap.Reason))
			}
		}
		if holder == nil || !hasData(holder) {
			continue
		}
		for _, key := range u.Keys {
			found := tree.Of(hasKey(holder, key.Name))
			if data := holder.Root.Get("data"); data.Is(tree.Unknown) {
				found = *data
			}
			r.put(u.Kind.Kind+"Key", r.o.Key.Namespace, u.Name+"/"+key.Name, key.Path, u.Optional, found)
		}
	}
	for _, u := range secrets.Injected(r.o, pod) {
		r.add(model.SecretKind, u.Namespace, u.Name.Name, u.Path, u.Optional)
	}
}

// dataFields are where Secrets and ConfigMaps keep their entries.
var dataFields = []string{"data", "stringData", "binaryData"}

// hasData reports whether a Secret or ConfigMap holds entries as it was read, or
// whether it does is unknown; one that does not is filled by a controller.
func hasData(o *model.Object) bool {
	for _, field := range dataFields {
		if n := o.Root.Get(field); n.Len() > 0 || n.Is(tree.Unknown) {
			return true
		}
	}
	return false
}

func hasKey(o *model.Object, key string) bool {
	for _, field := range dataFields {
		if o.Root.Dig(field, key) != nil {
			return true
		}
	}
	return false
}

func (r *referrer) binding() {
	role := r.o.Root.Get("roleRef")
	gk := model.GroupKind{Group: model.RoleKind.Group, Kind: role.Get("kind").Str()}
	r.name(gk, r.o.Key.Namespace, tree.Keys("roleRef", "name"))
	for path, subject := range items(r.o.Root, tree.Keys("subjects")) {
		if subject.Get("kind").Str() != "ServiceAccount" {
			continue
		}
		namespace := subject.Get("namespace").Str()
		if namespace == "" {
			namespace = r.o.Key.Namespace
		}
		r.name(model.ServiceAccountKind, namespace, path.Join(tree.Step{Key: "name"}))
	}
}

func (r *referrer) scaleTarget() {
	target, _ := scaleTarget(r.o)
	version := r.o.Root.Dig("spec", "scaleTargetRef", "apiVersion").Str()
	gk := model.GroupKind{Group: model.GroupOf(version), Kind: target.kind}
	if version == "" { // KEDA's, or one that the API server would refuse
		gk.Group = "apps"
	}
	r.name(gk, r.o.Key.Namespace, tree.Keys("spec", "scaleTargetRef", "name"))
}

// route adds the references of an Ingress or a Gateway route.
func (r *referrer) route() {
	for _, b := range reach.Backends(r.o) {
		r.add(model.ServiceKind, b.Namespace, b.Name, b.Path, false)
		r.servicePort(objectName{b.Namespace, b.Name}, b.Port, b.Path)
	}
	if r.o.Key.Kind == "Ingress" {
		r.name(model.IngressClassKind, "", tree.Keys("spec", "ingressClassName"))
	}
	for path, parent := range items(r.o.Root, tree.Keys("spec", "parentRefs")) {
		if kind := parent.Get("kind").Str(); r.o.Key.Group != gatewayGroup || kind != "" && kind != "Gateway" {
			continue
		}
		namespace := parent.Get("namespace").Str()
		if namespace == "" {
			namespace = r.o.Key.Namespace
		}
		r.name(model.GatewayKind, namespace, path.Join(tree.Step{Key: "name"}))
	}
}

// servicePort adds the reference to a port of a Service that was read.
func (r *referrer) servicePort(name objectName, port *tree.Node, at tree.Path) {
	service := r.f.get(r.o, model.ServiceKind, name.namespace, name.name)
	if service == nil || port == nil || serviceType(service) == "ExternalName" {
		return
	}
	found := false
	for _, p := range items(service.Root, tree.Keys("spec", "ports")) {
		for _, key := range []string{"port", "name"} {
			if n := p.Get(key); n != nil && n.Text() == port.Text() {
				found = true
			}
		}
	}
	r.put("ServicePort", name.namespace, name.name+":"+port.Text(), at, false, tree.Of(found))
}

// targetPorts adds the names of container ports to which a Service sends.
func (r *referrer) targetPorts() {
	selector, ok := reach.ServiceSelector(r.o)
	if !ok {
		return
	}
	workloads := r.f.snapshot.Workloads(r.o.Key.Namespace).Select(model.MatchLabels(selector))
	for path, port := range items(r.o.Root, tree.Keys("spec", "ports")) {
		target := port.Get("targetPort")
		if target.Str() == "" {
			continue
		}
		found := tree.Of(false)
		for i := range workloads {
			if declaresPort(&workloads[i].Pod, target.Str()) {
				found = tree.Of(true)
				break
			}
		}
		if len(workloads) == 0 && !r.f.snapshot.Complete(r.o.Key.Namespace, workloadKinds...) {
			found = tree.UnknownBecause(r.f.whyOpen("no pods that the Service selects were read", r.o.Key.Namespace, workloadKinds...))
		}
		r.put("ContainerPort", r.o.Key.Namespace, target.Str(), path.Join(tree.Step{Key: "targetPort"}), false, found)
	}
}

func declaresPort(pod *model.PodTemplate, name string) bool {
	for _, c := range containers(pod) {
		for _, port := range c.Get("ports").Children() {
			if port.Get("name").Str() == name {
				return true
			}
		}
	}
	return false
}

// found reports whether an object exists: it was read, Kubernetes makes it, or
// something that was read will make it. Of an object whose namespace is not known,
// only that none of its name exists anywhere is.
func (f *Facts) found(o *model.Object, gk model.GroupKind, namespace, name string) tree.Node {
	switch {
	case f.get(o, gk, namespace, name) != nil, exists(gk, namespace, name), gk == model.SecretKind && len(f.created()[secrets.Name{Namespace: namespace, Name: name}]) > 0:
		return tree.Of(true)
	case gk == model.PersistentVolumeClaimKind && f.claimTemplate(namespace, name):
		return tree.Of(true)
	case namespace == "" && !gk.ClusterScoped() && f.namedAnywhere()[used{gk, "", name}]:
		return tree.UnknownBecause("the namespace of the " + gk.String() + " that is meant is not written here")
	case f.snapshot.Complete(namespace, gk):
		return tree.Of(false)
	}
	return tree.UnknownBecause(f.whyOpen("the "+gk.String()+" was not read, and may live elsewhere", namespace, gk))
}

// exists reports whether Kubernetes itself makes an object.
func exists(gk model.GroupKind, namespace, name string) bool {
	switch gk {
	case model.ServiceAccountKind:
		return name == "default"
	case model.ConfigMapKind:
		return name == "kube-root-ca.crt" || namespace == "kube-system" && name == "extension-apiserver-authentication"
	case model.ServiceKind:
		return namespace == "default" && name == "kubernetes"
	case model.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:
		return name == "system-cluster-critical" || name == "system-node-critical"
	case model.ClusterRoleKind:
		return access.AssumedRole(name)
	case model.RoleKind:
		return namespace == "kube-system" && (name == "extension-apiserver-authentication-reader" || strings.HasPrefix(name, "system:"))
	}
	return false
}

// indexNames gathers what a cluster-wide object may name without its namespace, by
// kind and name.
func (f *Facts) indexNames() map[used]bool {
	index := map[used]bool{}
	for _, gk := range []model.GroupKind{model.SecretKind, model.ConfigMapKind, model.ServiceAccountKind} {
		for o := range f.snapshot.Kind(gk) {
			index[used{gk, "", o.Key.Name}] = true
		}
	}
	for name := range f.created() {
		index[used{model.SecretKind, "", name.Name}] = true
	}
	return index
}

// claimTemplate reports whether a StatefulSet makes the claim.
func (f *Facts) claimTemplate(namespace, name string) bool {
	i := strings.LastIndexByte(name, '-')
	return i >= 0 && isNumber(name[i+1:]) && f.claimTemplates()[objectName{namespace, name[:i]}]
}
