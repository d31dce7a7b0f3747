package check

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// indexCreated lists the Secrets that controllers will make for objects of the
// snapshot.
func (f *Facts) indexCreated() map[used]bool {
	made := map[used]bool{}
	for _, o := range f.snapshot.All() {
		for _, name := range createdSecrets(o) {
			if name != "" {
				made[used{secretKind, o.Key.Namespace, name}] = true
			}
		}
	}
	return made
}

// createdSecrets returns the names of the Secrets that a controller makes, in
// the object's namespace, because of the object.
func createdSecrets(o *model.Object) []string {
	spec := o.Root.Get("spec")
	switch o.Key.GroupKind.String() {
	case "ExternalSecret.external-secrets.io":
		switch spec.Dig("target", "creationPolicy").Str() {
		case "None", "Merge": // it writes no Secret, or into one that others made
			return nil
		}
		if name := spec.Dig("target", "name").Str(); name != "" {
			return []string{name}
		}
		return []string{o.Key.Name}
	case "SealedSecret.bitnami.com", "OnePasswordItem.onepassword.com":
		return []string{o.Key.Name}
	case "Certificate.cert-manager.io":
		return []string{spec.Get("secretName").Str()}
	case "SecretProviderClass.secrets-store.csi.x-k8s.io":
		return namesIn(o.Root, tree.Keys("spec", "secretObjects"), "secretName")
	case "VaultStaticSecret.secrets.hashicorp.com", "VaultDynamicSecret.secrets.hashicorp.com", "VaultPKISecret.secrets.hashicorp.com":
		if spec.Dig("destination", "create").True() {
			return []string{spec.Dig("destination", "name").Str()}
		}
	case "Ingress", "Gateway.gateway.networking.k8s.io":
		if issuesCertificates(o) {
			var made []string
			for _, c := range certificates(o) {
				if c.secret.namespace == o.Key.Namespace {
					made = append(made, c.secret.name)
				}
			}
			return made
		}
	}
	return nil
}

// issuesCertificates reports whether cert-manager makes the certificates that
// the object names.
func issuesCertificates(o *model.Object) bool {
	return o.Annotation("cert-manager.io/issuer") != "" || o.Annotation("cert-manager.io/cluster-issuer") != "" ||
		o.Annotation("kubernetes.io/tls-acme") == "true"
}

func namesIn(root *tree.Node, at tree.Path, key string) []string {
	var names []string
	for _, n := range items(root, at) {
		names = append(names, n.Get(key).Str())
	}
	return names
}
