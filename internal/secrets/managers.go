package secrets

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// ManagerInUse is an external secret manager of which there are signs in the
// snapshot.
type ManagerInUse struct {
	Name    string
	Effect  string // what reaches the cluster, one clause
	Objects []*model.Object
	// Backends are where the values come from, as the objects name it, such as
	// vault or aws.
	Backends []string
}

// manager is a secret manager that is known.
type manager struct{ name, effect string }

var (
	externalSecrets = manager{"External Secrets Operator", "it copies values into Kubernetes Secrets, where RBAC decides who reads them"}
	sealedSecrets   = manager{"Sealed Secrets", "its controller decrypts into Kubernetes Secrets of the same name"}
	vaultOperator   = manager{"Vault Secrets Operator", "it copies values of Vault into Kubernetes Secrets"}
	vaultAgent      = manager{"Vault Agent injector", "a sidecar writes values into the pod's memory; no Kubernetes Secret is made"}
	storeDriver     = manager{"Secrets Store CSI driver", "values are mounted as files; where secretObjects are set it makes Kubernetes Secrets, too"}
	certManager     = manager{"cert-manager", "it keeps the keys of certificates in Kubernetes Secrets"}
	onePassword     = manager{"1Password operator", "it copies items into Kubernetes Secrets"}
	sops            = manager{"SOPS", "files are encrypted, and who applies them makes plain Kubernetes Secrets of them"}
)

var managersByGroup = map[string]manager{
	"external-secrets.io": externalSecrets, "bitnami.com": sealedSecrets, "secrets.hashicorp.com": vaultOperator,
	"secrets-store.csi.x-k8s.io": storeDriver, "cert-manager.io": certManager, "onepassword.com": onePassword,
}

const (
	injectAnnotation = "vault.hashicorp.com/agent-inject"
	storeCSIDriver   = "secrets-store.csi.k8s.io"
)

// managesSecrets reports whether an object belongs to a secret manager.
func managesSecrets(o *model.Object) bool {
	_, ok := managersByGroup[o.Key.Group]
	return ok
}

// managersOf returns the secret managers that an object is a sign of.
func managersOf(o *model.Object) []manager {
	var found []manager
	if m, ok := managersByGroup[o.Key.Group]; ok {
		found = append(found, m)
	}
	if o.Root.Dig("sops", "mac") != nil {
		found = append(found, sops)
	}
	for i := range o.Pods() {
		pod := &o.Pods()[i]
		if pod.Metadata.Dig("annotations", injectAnnotation).Text() == "true" {
			found = append(found, vaultAgent)
		}
		volumes := pod.Spec.Get("volumes")
		for j := range volumes.Children() {
			if volumes.At(j).Dig("csi", "driver").Str() == storeCSIDriver {
				found = append(found, storeDriver)
				break
			}
		}
	}
	return found
}

// backends returns where an object of a manager has its values from.
func backends(o *model.Object) []string {
	switch o.Key.Kind {
	case "SecretStore", "ClusterSecretStore":
		provider := o.Root.Dig("spec", "provider")
		var found []string
		for i := range provider.Children() {
			found = append(found, provider.Children()[i].Key())
		}
		return found
	case "SecretProviderClass":
		return []string{o.Root.Dig("spec", "provider").Str()}
	}
	return nil
}

func managersIn(s *model.Snapshot) []*ManagerInUse {
	byName := map[string]*ManagerInUse{}
	from := map[string]*model.Names{} // backends by manager
	var all []*ManagerInUse
	for _, o := range s.All() {
		if s.Made(o) {
			continue
		}
		for _, m := range managersOf(o) {
			in := byName[m.name]
			if in == nil {
				in = &ManagerInUse{Name: m.name, Effect: m.effect}
				byName[m.name], from[m.name] = in, &model.Names{}
				all = append(all, in)
			}
			if n := len(in.Objects); n == 0 || in.Objects[n-1] != o {
				in.Objects = append(in.Objects, o)
			}
			for _, backend := range backends(o) {
				if backend != "" {
					from[m.name].Add(backend)
				}
			}
		}
	}
	for _, m := range all {
		m.Backends = from[m.Name].List
		slices.Sort(m.Backends)
	}
	slices.SortFunc(all, func(a, b *ManagerInUse) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Created returns the Secrets that controllers make because of an object, as far
// as the object alone tells.
func Created(o *model.Object) []Name {
	spec := o.Root.Get("spec")
	here := func(names ...string) []Name {
		var found []Name
		for _, name := range names {
			if name != "" {
				found = append(found, Name{o.Key.Namespace, name})
			}
		}
		return found
	}
	switch o.Key.GroupKind.String() {
	case "ExternalSecret.external-secrets.io":
		return here(targetOf(spec, o.Key.Name))
	case "SealedSecret.bitnami.com", "OnePasswordItem.onepassword.com":
		return here(o.Key.Name)
	case "Certificate.cert-manager.io":
		return here(spec.Get("secretName").Str())
	case "Issuer.cert-manager.io":
		return here(spec.Dig("acme", "privateKeySecretRef", "name").Str())
	case "SecretProviderClass.secrets-store.csi.x-k8s.io":
		var names []string
		each(o.Root, tree.Keys("spec", "secretObjects"), func(_ tree.Path, n *tree.Node) { names = append(names, n.Get("secretName").Str()) })
		return here(names...)
	case "VaultStaticSecret.secrets.hashicorp.com", "VaultDynamicSecret.secrets.hashicorp.com", "VaultPKISecret.secrets.hashicorp.com":
		if spec.Dig("destination", "create").True() {
			return here(spec.Dig("destination", "name").Str())
		}
	case "Ingress", "Gateway.gateway.networking.k8s.io":
		return issued(o)
	}
	return nil
}

// targetOf returns the Secret that the spec of an ExternalSecret makes, or "": it
// may write none, or into one that others made.
func targetOf(spec *tree.Node, own string) string {
	switch target := spec.Get("target"); {
	case target.Get("manifest") != nil: // an object of another kind
		return ""
	case target.Get("creationPolicy").Str() == "None", target.Get("creationPolicy").Str() == "Merge":
		return ""
	}
	if name := spec.Dig("target", "name").Str(); name != "" {
		return name
	}
	return own
}

// issued returns the Secrets that cert-manager makes for the annotations of an
// Ingress or a Gateway.
func issued(o *model.Object) []Name {
	if o.Annotation("cert-manager.io/issuer") == "" && o.Annotation("cert-manager.io/cluster-issuer") == "" && o.Annotation("kubernetes.io/tls-acme") != "true" {
		return nil
	}
	var found []Name
	for _, c := range certificates(o) {
		if c.Namespace == o.Key.Namespace {
			found = append(found, c.Name)
		}
	}
	return found
}

// MadeIn returns the Secrets that controllers make because of the objects of a
// snapshot, with these objects.
func MadeIn(s *model.Snapshot) map[Name][]*model.Object {
	made := map[Name][]*model.Object{}
	for _, o := range s.All() {
		for _, name := range createdBy(s, o) {
			made[name] = append(made[name], o)
		}
	}
	return made
}

// createdBy returns the Secrets that an object has made: those of [Created], and
// those of a ClusterExternalSecret in the namespaces that the snapshot knows.
func createdBy(s *model.Snapshot, o *model.Object) []Name {
	if o.Key.GroupKind.String() != "ClusterExternalSecret.external-secrets.io" {
		return Created(o)
	}
	spec := o.Root.Get("spec")
	own := spec.Get("externalSecretName").Str()
	if own == "" {
		own = o.Key.Name
	}
	name := targetOf(spec.Get("externalSecretSpec"), own)
	if name == "" {
		return nil
	}
	var selectors []model.Selector
	selector := func(_ tree.Path, n *tree.Node) {
		if n.Is(tree.Map) {
			selectors = append(selectors, model.NewSelector(n))
		}
	}
	selector(nil, spec.Get("namespaceSelector"))
	each(o.Root, tree.Keys("spec", "namespaceSelectors"), selector)
	var namespaces model.Names
	for ns := range s.Kind(model.NamespaceKind) {
		if slices.ContainsFunc(selectors, func(s model.Selector) bool { return s.Matches(ns.Labels()) }) {
			namespaces.Add(ns.Key.Name)
		}
	}
	each(o.Root, tree.Keys("spec", "namespaces"), func(_ tree.Path, n *tree.Node) {
		if n.Str() != "" {
			namespaces.Add(n.Str())
		}
	})
	found := make([]Name, len(namespaces.List))
	for i, namespace := range namespaces.List {
		found[i] = Name{namespace, name}
	}
	return found
}
