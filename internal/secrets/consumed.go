package secrets

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Consumed returns the places of an object that name Secrets in order to consume
// them, in the order of fields. An object that another one made names what that
// one names.
func Consumed(o *model.Object) []Use {
	var found []Use
	pods := o.Pods()
	for i := range pods {
		found = append(found, podUses(o, &pods[i])...)
	}
	switch o.Key.GroupKind {
	case serviceAccountKind:
		found = append(found, accountUses(o)...)
	case ingressKind, oldIngressKind, gatewayKind:
		found = append(found, Certificates(o)...)
	case volumeKind:
		found = append(found, volumeUses(o)...)
	case classKind, snapshotClassKind:
		found = append(found, classUses(o)...)
	default:
		if !o.Key.Builtin() {
			found = append(found, customUses(o)...)
		}
	}
	return found
}

// podUses returns what a pod template names.
func podUses(o *model.Object, pod *model.PodTemplate) []Use {
	var found []Use
	account := pod.Spec.Get("serviceAccountName").Str()
	if account == "" {
		account = pod.Spec.Get("serviceAccount").Str()
	}
	if account == "" {
		account = "default"
	}
	for _, u := range pod.Uses() {
		if u.Kind != secretKind {
			continue
		}
		use := Use{Name: Name{o.Key.Namespace, u.Name}, How: How(u.How), Optional: u.Optional, Account: account, Path: u.Path}
		for _, k := range u.Keys {
			use.Keys = append(use.Keys, k.Name)
		}
		use.Containers = containersOf(o, pod, u.Path)
		found = append(found, use)
	}
	annotations := pod.Metadata.Get("annotations")
	for _, key := range []string{"vault.hashicorp.com/tls-secret", "vault.hashicorp.com/agent-extra-secret"} {
		if name := annotations.Get(key).Str(); name != "" && annotations.Get(injectAnnotation).Text() == "true" {
			path := pod.SpecPath[:len(pod.SpecPath)-1].Join(tree.Keys("metadata", "annotations", key)...)
			found = append(found, Use{Name: Name{o.Key.Namespace, name}, How: Mount, Account: account, Path: path})
		}
	}
	return found
}

// containersOf returns the containers that see what a path below a pod spec
// names: the one that it leads through, or those that mount its volume.
func containersOf(o *model.Object, pod *model.PodTemplate, path tree.Path) []string {
	below := path[len(pod.SpecPath):]
	if len(below) < 2 {
		return nil
	}
	element := o.Root.Follow(path[:len(pod.SpecPath)+2])
	if slices.Contains(model.ContainerLists, below[0].Key) {
		return []string{element.Get("name").Str()}
	}
	if below[0].Key != "volumes" {
		return nil
	}
	var found []string
	for _, list := range model.ContainerLists {
		containers := pod.Spec.Get(list)
		for i := range containers.Children() {
			mounts := containers.At(i).Get("volumeMounts")
			for j := range mounts.Children() {
				if mounts.At(j).Get("name").Str() == element.Get("name").Str() {
					found = append(found, containers.At(i).Get("name").Str())
					break
				}
			}
		}
	}
	return found
}

func accountUses(o *model.Object) []Use {
	var found []Use
	for _, list := range []struct {
		key string
		how How
	}{{"secrets", Account}, {"imagePullSecrets", ImagePull}} {
		each(o.Root, tree.Keys(list.key), func(path tree.Path, n *tree.Node) {
			if name := n.Get("name").Str(); name != "" {
				found = append(found, Use{Name: Name{o.Key.Namespace, name}, How: list.how, Account: o.Key.Name, Path: path.Join(tree.Step{Key: "name"})})
			}
		})
	}
	return found
}

// each calls do for the items of a list.
func each(root *tree.Node, at tree.Path, do func(tree.Path, *tree.Node)) {
	list := root.Follow(at)
	if !list.Is(tree.List) {
		return
	}
	for i := range list.Children() {
		do(at.Join(tree.Step{Index: i}), list.At(i))
	}
}

// Certificates returns the Secrets that an Ingress or a Gateway serves TLS with.
func Certificates(o *model.Object) []Use {
	var found []Use
	switch o.Key.GroupKind {
	case ingressKind, oldIngressKind:
		each(o.Root, tree.Keys("spec", "tls"), func(path tree.Path, n *tree.Node) {
			if name := n.Get("secretName").Str(); name != "" {
				found = append(found, Use{Name: Name{o.Key.Namespace, name}, How: TLS, Path: path.Join(tree.Step{Key: "secretName"})})
			}
		})
	case gatewayKind:
		each(o.Root, tree.Keys("spec", "listeners"), func(listener tree.Path, _ *tree.Node) {
			each(o.Root, listener.Join(tree.Keys("tls", "certificateRefs")...), func(path tree.Path, n *tree.Node) {
				kind := n.Get("kind").Str()
				if name := n.Get("name").Str(); name != "" && (kind == "" || kind == "Secret") && n.Get("group").Str() == "" {
					found = append(found, Use{Name: Name{namespaceOr(n, o), name}, How: TLS, Path: path.Join(tree.Step{Key: "name"})})
				}
			})
		})
	}
	return found
}

func namespaceOr(n *tree.Node, o *model.Object) string {
	if namespace := n.Get("namespace").Str(); namespace != "" {
		return namespace
	}
	return o.Key.Namespace
}

// volumeUses returns the Secrets that the driver of a PersistentVolume reads.
func volumeUses(o *model.Object) []Use {
	var found []Use
	spec := o.Root.Get("spec")
	for i := range spec.Children() {
		source := &spec.Children()[i]
		for j := range source.Children() {
			ref := &source.Children()[j]
			if name := ref.Get("name").Str(); name != "" && hasSuffixFold(ref.Key(), "secretRef") {
				namespace := ref.Get("namespace").Str()
				if namespace == "" {
					namespace = spec.Dig("claimRef", "namespace").Str()
				}
				found = append(found, Use{Name: Name{namespace, name}, How: Driver, Path: tree.Keys("spec", source.Key(), ref.Key(), "name")})
			}
		}
	}
	return found
}

// classUses returns the Secrets that the parameters of a class name. Names that
// depend on the claim are left out.
func classUses(o *model.Object) []Use {
	var found []Use
	parameters := o.Root.Get("parameters")
	for i := range parameters.Children() {
		p := &parameters.Children()[i]
		prefix, ok := strings.CutSuffix(p.Key(), "-secret-name")
		namespace := parameters.Get(prefix + "-secret-namespace").Str()
		if ok && namespace != "" && p.Str() != "" && !strings.Contains(p.Str()+namespace, "${") {
			found = append(found, Use{Name: Name{namespace, p.Str()}, How: Driver, Path: tree.Keys("parameters", p.Key())})
		}
	}
	return found
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// customUses looks in a custom resource for what looks like a reference to a
// Secret, and takes out what the resource has made.
func customUses(o *model.Object) []Use {
	w := customWalker{o: o, how: Custom}
	if managesSecrets(o) {
		w.how = Manager
	}
	for i := range o.Pods() {
		w.pods = append(w.pods, o.Pods()[i].Spec)
	}
	w.walk(o.Root.Get("spec"), tree.Keys("spec"))
	created := Created(o)
	return slices.DeleteFunc(w.found, func(u Use) bool { return slices.Contains(created, u.Name) })
}

type customWalker struct {
	o     *model.Object
	how   How
	pods  []*tree.Node
	found []Use
}

func (w *customWalker) add(n *tree.Node, name *tree.Node, path tree.Path) {
	namespace := namespaceOr(n, w.o)
	if name.Str() == "" || namespace == "" { // of a cluster-wide resource, and in a namespace that it does not say
		return
	}
	use := Use{Name: Name{namespace, name.Str()}, How: w.how, Path: path.Join(tree.Step{Key: name.Key()})}
	if key := n.Get("key").Str(); key != "" && name.Key() == "name" {
		use.Keys = []string{key}
	}
	w.found = append(w.found, use)
}

func (w *customWalker) walk(n *tree.Node, path tree.Path) {
	if slices.Contains(w.pods, n) {
		return
	}
	if n.Is(tree.Map) && w.names(n, path) {
		w.add(n, n.Get("name"), path)
		return
	}
	for i := range n.Children() {
		kid := &n.Children()[i]
		switch {
		case kid.Is(tree.String) && (hasSuffixFold(kid.Key(), "secretName") || hasSuffixFold(kid.Key(), "secretRef")):
			w.add(n, kid, path)
		case kid.Is(tree.Map) || kid.Is(tree.List):
			step := tree.Step{Key: kid.Key()}
			if n.Is(tree.List) {
				step = tree.Step{Index: i}
			}
			w.walk(kid, path.Join(step))
		}
	}
}

// names reports whether a map with a name refers to a Secret: by its own kind, or
// by the keys on the way to it.
func (w *customWalker) names(n *tree.Node, path tree.Path) bool {
	if n.Get("name").Str() == "" {
		return false
	}
	if kind := n.Get("kind"); kind.Str() != "" {
		return kind.Str() == "Secret"
	}
	if kind := n.Get("type").Str(); kind == "Secret" || kind == "ConfigMap" { // the caProvider of a secret store
		return kind == "Secret"
	}
	for i, step := range path[max(0, len(path)-2):] { // authSecretRef: {clientId: {name, key}}
		if hasSuffixFold(step.Key, "secretRef") || hasSuffixFold(step.Key, "secretKeyRef") || i == 0 && step.Key == "imagePullSecrets" {
			return true
		}
	}
	switch { // what a secret store names with a key is a Secret
	case strings.HasSuffix(w.o.Key.Kind, "SecretStore") && w.how == Manager:
		return n.Get("key").Str() != ""
	case w.o.Key.Kind == "PushSecret" && w.how == Manager:
		return path[len(path)-1].Key == "secret"
	}
	return false
}
