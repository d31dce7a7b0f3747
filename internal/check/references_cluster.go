package check

import (
	"cmp"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// cluster adds the references of kinds that configure the cluster, and of
// custom resources whose references are well known.
func (r *referrer) cluster() {
	switch r.o.Key.GroupKind.String() {
	case "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
		for path := range items(r.o.Root, tree.Keys("webhooks")) {
			r.service(path.Join(tree.Keys("clientConfig", "service")...))
		}
		r.injected()
	case "APIService":
		r.service(tree.Keys("spec", "service"))
		r.injected()
	case "CustomResourceDefinition":
		r.service(tree.Keys("spec", "conversion", "webhook", "clientConfig", "service"))
		r.injected()
	case "ValidatingAdmissionPolicyBinding":
		r.policyBinding("ValidatingAdmissionPolicy")
	case "MutatingAdmissionPolicyBinding":
		r.policyBinding("MutatingAdmissionPolicy")
	case "Gateway.gateway.networking.k8s.io":
		r.gateway()
	case "BackendTLSPolicy.gateway.networking.k8s.io":
		for path := range items(r.o.Root, tree.Keys("spec", "targetRefs")) {
			r.local(model.ServiceKind, path)
		}
		for path := range items(r.o.Root, tree.Keys("spec", "validation", "caCertificateRefs")) {
			r.local(model.ConfigMapKind, path)
		}
	case "ExternalSecret.external-secrets.io":
		r.externalSecret(tree.Keys("spec"), tree.Keys("metadata", "name"))
	case "ClusterExternalSecret.external-secrets.io":
		own := tree.Keys("spec", "externalSecretName")
		if r.o.Root.Follow(own).Str() == "" {
			own = tree.Keys("metadata", "name")
		}
		r.externalSecret(tree.Keys("spec", "externalSecretSpec"), own)
	case "VaultStaticSecret.secrets.hashicorp.com", "VaultDynamicSecret.secrets.hashicorp.com", "VaultPKISecret.secrets.hashicorp.com":
		if !r.o.Root.Dig("spec", "destination", "create").True() { // it writes into a Secret that is there
			r.name(model.SecretKind, r.o.Key.Namespace, tree.Keys("spec", "destination", "name"))
		}
	case "SecretStore.external-secrets.io", "ClusterSecretStore.external-secrets.io":
		r.logins(r.o.Root.Dig("spec", "provider"), tree.Keys("spec", "provider"))
	case "Issuer.cert-manager.io", "ClusterIssuer.cert-manager.io":
		r.logins(r.o.Root.Get("spec"), tree.Keys("spec"))
	case "Certificate.cert-manager.io":
		issuer := r.o.Root.Dig("spec", "issuerRef")
		kind := cmp.Or(issuer.Get("kind").Str(), "Issuer")
		if group := issuer.Get("group").Str(); group == "" || group == "cert-manager.io" {
			r.name(model.GroupKind{Group: "cert-manager.io", Kind: kind}, r.o.Key.Namespace, tree.Keys("spec", "issuerRef", "name"))
		}
	}
}

// externalSecret adds what the spec of an ExternalSecret takes values and templates
// from, and the Secret that it writes into without making it. own is where the name
// of the ExternalSecret stands. The Secrets of templates are among those that [secrets.Consumed] has.
func (r *referrer) externalSecret(at tree.Path, own tree.Path) {
	spec := r.o.Root.Follow(at)
	r.store(at.Join(tree.Keys("secretStoreRef")...))
	for _, list := range []string{"data", "dataFrom"} {
		for path := range items(r.o.Root, at.Join(tree.Keys(list)...)) {
			r.store(path.Join(tree.Keys("sourceRef", "storeRef")...))
		}
	}
	for path := range items(r.o.Root, at.Join(tree.Keys("target", "template", "templateFrom")...)) {
		r.name(model.ConfigMapKind, r.o.Key.Namespace, path.Join(tree.Keys("configMap", "name")...))
	}
	target := spec.Get("target")
	if target.Get("creationPolicy").Str() != "Merge" || target.Get("manifest") != nil { // which is of another kind
		return
	}
	if target.Get("name").Str() != "" {
		own = at.Join(tree.Keys("target", "name")...)
	}
	r.name(model.SecretKind, r.o.Key.Namespace, own)
}

// store adds the secret store that a reference names. The one of a namespace that is
// not written is left out.
func (r *referrer) store(at tree.Path) {
	gk := model.GroupKind{Group: "external-secrets.io", Kind: cmp.Or(r.o.Root.Follow(at).Get("kind").Str(), "SecretStore")}
	if r.o.Key.Namespace != "" || gk.ClusterScoped() {
		r.name(gk, r.o.Key.Namespace, at.Join(tree.Step{Key: "name"}))
	}
}

// policyBinding adds the policy of a binding, and its parameters where it names
// them: a ConfigMap, or whatever kind the policy says.
func (r *referrer) policyBinding(kind string) {
	gk := model.GroupKind{Group: "admissionregistration.k8s.io", Kind: kind}
	r.name(gk, "", tree.Keys("spec", "policyName"))
	bound := r.f.get(r.o, gk, "", r.o.Root.Dig("spec", "policyName").Str())
	if bound == nil {
		return
	}
	of := bound.Root.Dig("spec", "paramKind")
	params := model.GroupKind{Group: model.GroupOf(of.Get("apiVersion").Str()), Kind: of.Get("kind").Str()}
	namespace := r.o.Root.Dig("spec", "paramRef", "namespace").Str()
	if params.Kind != "" && (namespace != "" || params.ClusterScoped()) { // else they are of the namespace of what is judged
		at := tree.Keys("spec", "paramRef", "name")
		if n := r.o.Root.Follow(at); n.Str() != "" {
			r.add(params, namespace, n.Str(), at, r.o.Root.Dig("spec", "paramRef", "parameterNotFoundAction").Str() == "Allow")
		}
	}
}

// gateway adds the class of a Gateway, its parameters, and the certificate
// authorities that it holds its clients against.
func (r *referrer) gateway() {
	r.name(model.GroupKind{Group: gatewayGroup, Kind: "GatewayClass"}, "", tree.Keys("spec", "gatewayClassName"))
	r.local(model.GroupKind{}, tree.Keys("spec", "infrastructure", "parametersRef"))
	authorities := func(of tree.Path) {
		for path := range items(r.o.Root, of.Join(tree.Keys("caCertificateRefs")...)) {
			r.local(model.ConfigMapKind, path)
		}
	}
	for path := range items(r.o.Root, tree.Keys("spec", "listeners")) {
		authorities(path.Join(tree.Keys("tls", "frontendValidation")...))
	}
	authorities(tree.Keys("spec", "tls", "frontend", "default", "validation"))
	for path := range items(r.o.Root, tree.Keys("spec", "tls", "frontend", "perPort")) {
		authorities(path.Join(tree.Keys("tls", "validation")...))
	}
}

// service adds the reference to the Service of a webhook or of an API.
func (r *referrer) service(at tree.Path) {
	n := r.o.Root.Follow(at)
	name := objectName{n.Get("namespace").Str(), n.Get("name").Str()}
	path := at.Join(tree.Step{Key: "name"})
	r.name(model.ServiceKind, name.namespace, path)
	port := n.Get("port")
	if port == nil && name.name != "" {
		https := tree.Of(443) // what the API server uses
		port = &https
	}
	r.servicePort(name, port, path)
}

// local adds what a reference of group, kind, name and namespace names, as far as it
// is a ConfigMap, a Secret or a Service. kind is that of a reference that says none.
func (r *referrer) local(kind model.GroupKind, at tree.Path) {
	ref := r.o.Root.Follow(at)
	if k := ref.Get("kind").Str(); k != "" {
		kind = model.GroupKind{Group: ref.Get("group").Str(), Kind: k}
	}
	switch kind {
	case model.ConfigMapKind, model.SecretKind, model.ServiceKind:
		r.name(kind, cmp.Or(ref.Get("namespace").Str(), r.o.Key.Namespace), at.Join(tree.Step{Key: "name"}))
	}
}

// injected adds where cert-manager takes the certificate authority from that it
// writes into the object.
func (r *referrer) injected() {
	for _, from := range []struct {
		annotation string
		kind       model.GroupKind
	}{
		{"cert-manager.io/inject-ca-from", model.GroupKind{Group: "cert-manager.io", Kind: "Certificate"}},
		{"cert-manager.io/inject-ca-from-secret", model.SecretKind},
	} {
		if namespace, name, ok := strings.Cut(r.o.Annotation(from.annotation), "/"); ok && namespace != "" && name != "" {
			r.add(from.kind, namespace, name, tree.Keys("metadata", "annotations", from.annotation), false)
		}
	}
}

// logins adds what secret stores and issuers log in with, Secrets aside: service
// accounts whose tokens they ask for, and ConfigMaps with certificate authorities.
func (r *referrer) logins(n *tree.Node, at tree.Path) {
	kids := n.Children()
	for i := range kids {
		kid := &kids[i]
		if !kid.Is(tree.Map) && !kid.Is(tree.List) {
			continue
		}
		step := tree.Step{Key: kid.Key()}
		if n.Is(tree.List) {
			step = tree.Step{Index: i}
		}
		path := at.Join(step)
		namespace := cmp.Or(kid.Get("namespace").Str(), r.o.Key.Namespace)
		switch {
		case kid.Key() == "serviceAccountRef":
			r.name(model.ServiceAccountKind, namespace, path.Join(tree.Step{Key: "name"}))
		case kid.Key() == "caProvider" && kid.Get("type").Str() == "ConfigMap":
			r.name(model.ConfigMapKind, namespace, path.Join(tree.Step{Key: "name"}))
		default:
			r.logins(kid, path)
		}
	}
}
