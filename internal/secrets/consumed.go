package secrets

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// source is a kind of objects, workloads aside, that name Secrets.
type source struct {
	uses     func(*model.Object) []Use
	anywhere bool // the Secrets may be in other namespaces
}

var sources = map[model.GroupKind]source{
	model.ServiceAccountKind:      {accountUses, false},
	model.IngressKind:             {ingressUses, true},
	model.OldIngressKind:          {ingressUses, true},
	model.GatewayKind:             {gatewayUses, true},
	model.PersistentVolumeKind:    {volumeUses, true},
	model.StorageClassKind:        {classUses, true},
	model.VolumeSnapshotClassKind: {classUses, true},
	istioGatewayKind:              {istioUses, true},
	destinationRuleKind:           {istioUses, true},
}

var (
	istioGatewayKind    = model.GroupKind{Group: "networking.istio.io", Kind: "Gateway"}
	destinationRuleKind = model.GroupKind{Group: "networking.istio.io", Kind: "DestinationRule"}
)

// Consumed returns the places of an object that name Secrets in order to consume
// them, in the order of fields. An object that another one made names what that
// one names. The namespace is empty where the object does not say it.
func Consumed(o *model.Object) []Use {
	var found []Use
	pods := o.Pods()
	for i := range pods {
		found = append(found, podUses(o, &pods[i])...)
	}
	if of, ok := sources[o.Key.GroupKind]; ok {
		return append(found, of.uses(o)...)
	}
	if !o.Key.Builtin() {
		found = append(found, customUses(o)...)
	}
	return found
}

// consumes reports whether [Consumed] knows uses of Secrets of a namespace in
// objects of a kind in that namespace, and in those of others. A kind without a
// name is all kinds of its group.
func consumes(gk model.GroupKind) (here, anywhere bool) {
	if gk.Kind == "" {
		for of := range sources {
			here, anywhere = here || of.Group == gk.Group, anywhere || of.Group == gk.Group && sources[of].anywhere
		}
		here = here || slices.ContainsFunc(model.WorkloadKinds(), func(of model.GroupKind) bool { return of.Group == gk.Group })
	} else if of, ok := sources[gk]; ok {
		return true, of.anywhere
	}
	custom := !gk.Builtin()
	return here || custom || gk.PodSpecPath() != nil, anywhere || custom
}

// Gap returns the first gap of a snapshot in what may consume Secrets of a
// namespace, or nil.
func Gap(s *model.Snapshot, namespace string) *model.Gap {
	for gap := range s.Gaps() {
		if here, anywhere := consumes(gap.Kind); anywhere || here && gap.In(namespace) {
			return gap
		}
	}
	return nil
}

// podUses returns what a pod template names.
func podUses(o *model.Object, pod *model.PodTemplate) []Use {
	var found []Use
	account := pod.ServiceAccount()
	mounts := sync.OnceValue(func() map[string][]string { return mountedBy(pod) })
	for _, u := range pod.Uses() {
		if u.Kind != model.SecretKind {
			continue
		}
		use := Use{Name: Name{o.Key.Namespace, u.Name}, How: How(u.How), Optional: u.Optional, Account: account, Path: u.Path}
		for _, k := range u.Keys {
			use.Keys = append(use.Keys, k.Name)
		}
		below := u.Path[len(pod.SpecPath):]
		if len(below) < 2 {
			found = append(found, use)
			continue
		}
		name := o.Root.Follow(u.Path[:len(pod.SpecPath)+2]).Get("name").Str()
		if below[0].Key == "volumes" {
			use.Containers = mounts()[name]
		} else if slices.Contains(model.ContainerLists, below[0].Key) {
			use.Containers = []string{name}
		}
		found = append(found, use)
	}
	return append(found, Injected(o, pod)...)
}

// Injected returns the Secrets that annotations of a pod have Vault's injector mount
// into its containers: the pod does not start without them.
func Injected(o *model.Object, pod *model.PodTemplate) []Use {
	var found []Use
	annotations := pod.Metadata.Get("annotations")
	for _, key := range []string{"vault.hashicorp.com/tls-secret", "vault.hashicorp.com/agent-extra-secret"} {
		if name := annotations.Get(key).Str(); name != "" && annotations.Get(injectAnnotation).Text() == "true" {
			path := pod.SpecPath[:len(pod.SpecPath)-1].Join(tree.Keys("metadata", "annotations", key)...)
			found = append(found, Use{Name: Name{o.Key.Namespace, name}, How: Mount, Account: pod.ServiceAccount(), Path: path})
		}
	}
	return found
}

// mountedBy returns the containers of a pod that mount each volume.
func mountedBy(pod *model.PodTemplate) map[string][]string {
	found := map[string][]string{}
	for _, list := range model.ContainerLists {
		containers := pod.Spec.Get(list)
		for i := range containers.Children() {
			name, mounts := containers.At(i).Get("name").Str(), containers.At(i).Get("volumeMounts")
			seen := map[string]bool{}
			for j := range mounts.Children() {
				if volume := mounts.At(j).Get("name").Str(); !seen[volume] {
					seen[volume] = true
					found[volume] = append(found[volume], name)
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

// certificates returns the Secrets that an Ingress or a Gateway serves TLS with.
func certificates(o *model.Object) []Use {
	var found []Use
	switch o.Key.GroupKind {
	case model.IngressKind, model.OldIngressKind:
		each(o.Root, tree.Keys("spec", "tls"), func(path tree.Path, n *tree.Node) {
			if name := n.Get("secretName").Str(); name != "" {
				found = append(found, Use{Name: Name{o.Key.Namespace, name}, How: TLS, Path: path.Join(tree.Step{Key: "secretName"})})
			}
		})
	case model.GatewayKind:
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

// ingressSecret reports whether a controller takes the Secret that an annotation of an
// Ingress names: passwords, clients' authorities, and what is shown to backends.
// That of ingress-nginx, NGINX, HAProxy and Traefik end alike.
func ingressSecret(annotation string) bool {
	_, setting, _ := strings.Cut(annotation, "/")
	return strings.HasSuffix(setting, "-secret") || annotation == "nginx.com/jwt-key"
}

func ingressUses(o *model.Object) []Use {
	found := certificates(o)
	annotations := o.Root.Dig("metadata", "annotations").Children()
	for i := range annotations {
		annotation := annotations[i].Key()
		if !ingressSecret(annotation) {
			continue
		}
		namespace, name, ok := strings.Cut(annotations[i].Str(), "/") // NAME or NAMESPACE/NAME
		if !ok {
			namespace, name = o.Key.Namespace, namespace
		}
		if name != "" {
			found = append(found, Use{Name: Name{namespace, name}, How: Ingress, Path: tree.Keys("metadata", "annotations", annotation)})
		}
	}
	return found
}

func gatewayUses(o *model.Object) []Use {
	found := certificates(o)
	at := tree.Keys("spec", "tls", "backend", "clientCertificateRef")
	if n := o.Root.Follow(at); n.Get("name").Str() != "" && cmp.Or(n.Get("kind").Str(), "Secret") == "Secret" && n.Get("group").Str() == "" {
		found = append(found, Use{Name: Name{namespaceOr(n, o), n.Get("name").Str()}, How: TLS, Path: at.Join(tree.Step{Key: "name"})})
	}
	return found
}

// istioUses returns the Secrets that proxies serve or show by the name in
// credentialName. They are in the namespace of these proxies, which the object does
// not say: [Uses.Of] does.
func istioUses(o *model.Object) []Use {
	var found []Use
	var walk func(n *tree.Node, path tree.Path)
	add := func(n *tree.Node, path tree.Path) {
		name, _ := strings.CutPrefix(n.Str(), "kubernetes://")
		if name != "" && !strings.Contains(name, "/") {
			found = append(found, Use{Name: Name{"", name}, How: TLS, Path: path})
		}
	}
	walk = func(n *tree.Node, path tree.Path) {
		for i := range n.Children() {
			kid := &n.Children()[i]
			step := tree.Step{Key: kid.Key()}
			if n.Is(tree.List) {
				step = tree.Step{Index: i}
			}
			at := path.Join(step)
			switch {
			case kid.Key() == "credentialName":
				add(kid, at)
			case kid.Key() == "credentialNames":
				each(o.Root, at, func(path tree.Path, n *tree.Node) { add(n, path) })
			default:
				walk(kid, at)
			}
		}
	}
	walk(o.Root.Get("spec"), tree.Keys("spec"))
	return found
}

func namespaceOr(n *tree.Node, o *model.Object) string {
	return cmp.Or(n.Get("namespace").Str(), o.Key.Namespace)
}

// volumeUses returns the Secrets that the driver of a PersistentVolume reads.
func volumeUses(o *model.Object) []Use {
	var found []Use
	spec := o.Root.Get("spec")
	for _, secret := range model.DriverSecrets(spec) {
		namespace := cmp.Or(secret.Namespace, spec.Dig("claimRef", "namespace").Str())
		found = append(found, Use{Name: Name{namespace, secret.Name.Str()}, How: Driver, Path: tree.Keys("spec").Join(secret.Path...)})
	}
	return found
}

// classUses returns the Secrets that the parameters of a class name. Names that
// depend on the claim are left out.
func classUses(o *model.Object) []Use {
	var found []Use
	parameters := o.Root.Get("parameters").Children()
	namespaces := map[string]string{}
	for i := range parameters {
		if prefix, ok := strings.CutSuffix(parameters[i].Key(), "-secret-namespace"); ok && !strings.Contains(parameters[i].Str(), "${") {
			namespaces[prefix] = parameters[i].Str()
		}
	}
	for i := range parameters {
		p := &parameters[i]
		if prefix, ok := strings.CutSuffix(p.Key(), "-secret-name"); ok && p.Str() != "" && !strings.Contains(p.Str(), "${") {
			found = append(found, Use{Name: Name{namespaces[prefix], p.Str()}, How: Driver, Path: tree.Keys("parameters", p.Key())})
		}
	}
	return found
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// accountKey is where an issuer says to which Secret it writes the key of its account.
var accountKey = tree.Keys("spec", "acme", "privateKeySecretRef", "name")

// customUses looks in a custom resource for what looks like a reference to a
// Secret, and takes out what the resource has made.
func customUses(o *model.Object) []Use {
	w := customWalker{o: o, how: Custom, pods: map[*tree.Node]bool{}}
	if managesSecrets(o) {
		w.how = Manager
	}
	for i := range o.Pods() {
		w.pods[o.Pods()[i].Spec] = true
	}
	w.walk(o.Root.Get("spec"), tree.Keys("spec"))
	if o.Key.GroupKind == alertmanagerKind && o.Root.Dig("spec", "configSecret").Str() == "" { // the operator's default
		w.found = append(w.found, Use{Name: Name{o.Key.Namespace, "alertmanager-" + o.Key.Name}, How: Custom, Optional: true, Path: tree.Keys("metadata", "name")})
	}
	created := map[Name]bool{}
	for _, name := range Created(o) {
		created[name] = true
	}
	return slices.DeleteFunc(w.found, func(u Use) bool {
		return created[u.Name] || o.Key.Group == "cert-manager.io" && slices.Equal(u.Path, accountKey)
	})
}

var alertmanagerKind = model.GroupKind{Group: "monitoring.coreos.com", Kind: "Alertmanager"}

// named are the groups whose fields that end with "secret" or "secrets" hold names,
// never values: those of the Prometheus operator, and of Traefik.
var named = map[string]bool{"monitoring.coreos.com": true, "traefik.io": true, "traefik.containo.us": true}

type customWalker struct {
	o     *model.Object
	how   How
	pods  map[*tree.Node]bool // are read elsewhere
	found []Use
}

func (w *customWalker) add(namespace string, name *tree.Node, path tree.Path, keys ...string) {
	if name.Str() != "" {
		w.found = append(w.found, Use{Name: Name{namespace, name.Str()}, How: w.how, Keys: keys, Path: path.Join(tree.Step{Key: name.Key()})})
	}
}

func (w *customWalker) addAll(namespace string, names *tree.Node, path tree.Path) {
	for i := range names.Children() {
		if name := names.At(i).Str(); name != "" {
			w.found = append(w.found, Use{Name: Name{namespace, name}, How: w.how, Path: path.Join(tree.Step{Index: i})})
		}
	}
}

func (w *customWalker) walk(n *tree.Node, path tree.Path) {
	if w.pods[n] {
		return
	}
	namespace := namespaceOr(n, w.o)
	if n.Is(tree.Map) && w.names(n, path) {
		var keys []string
		if key := n.Get("key").Str(); key != "" {
			keys = []string{key}
		}
		w.add(namespace, n.Get("name"), path, keys...)
		return
	}
	for i := range n.Children() {
		kid := &n.Children()[i]
		switch {
		case kid.Is(tree.String) && (hasSuffixFold(kid.Key(), "secretName") || hasSuffixFold(kid.Key(), "secretRef") || named[w.o.Key.Group] && hasSuffixFold(kid.Key(), "secret")):
			w.add(namespace, kid, path)
		case kid.Is(tree.List) && (hasSuffixFold(kid.Key(), "secretNames") || named[w.o.Key.Group] && hasSuffixFold(kid.Key(), "secrets")) && kid.At(0).Is(tree.String):
			w.addAll(namespace, kid, path.Join(tree.Step{Key: kid.Key()}))
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
		if hasSuffixFold(step.Key, "secretRef") || hasSuffixFold(step.Key, "secretKeyRef") || i == 0 && (step.Key == "imagePullSecrets" || step.Key == "secretTargetRef") {
			return true
		}
	}
	if len(path) > 0 && credential(n, path[len(path)-1].Key) {
		return true
	}
	switch { // what a secret store names with a key is a Secret
	case strings.HasSuffix(w.o.Key.Kind, "SecretStore") && w.how == Manager:
		return n.Get("key").Str() != ""
	case w.o.Key.Kind == "PushSecret" && w.how == Manager:
		return path[len(path)-1].Key == "secret"
	case strings.HasSuffix(w.o.Key.Kind, "ExternalSecret") && w.how == Manager: // templateFrom: [{secret: {name}}]
		return len(path) > 2 && path[len(path)-1].Key == "secret" && path[len(path)-3].Key == "templateFrom"
	}
	return false
}

// credential reports whether a map below a key has the form in which resources
// name a Secret without saying so: basicAuth: {username: {name, key}}, or
// superuserSecret: {name}.
func credential(n *tree.Node, key string) bool {
	if hasSuffixFold(key, "configMap") || hasSuffixFold(key, "configMapRef") || hasSuffixFold(key, "configMapKeyRef") {
		return false
	}
	keyed := n.Get("key").Str() != ""
	for i := range n.Children() {
		switch n.Children()[i].Key() {
		case "name", "key", "namespace", "optional":
		default:
			return false
		}
	}
	return keyed || hasSuffixFold(key, "secret") || hasSuffixFold(key, "credential") || hasSuffixFold(key, "credentials")
}
