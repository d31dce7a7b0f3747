package model

import (
	"iter"
	"slices"
	"strings"
)

// The kinds that several packages ask for.
var (
	ConfigMapKind             = GroupKind{"", "ConfigMap"}
	NamespaceKind             = GroupKind{"", "Namespace"}
	NodeKind                  = GroupKind{"", "Node"}
	PersistentVolumeKind      = GroupKind{"", "PersistentVolume"}
	PersistentVolumeClaimKind = GroupKind{"", "PersistentVolumeClaim"}
	PodKind                   = GroupKind{"", "Pod"}
	SecretKind                = GroupKind{"", "Secret"}
	ServiceKind               = GroupKind{"", "Service"}
	ServiceAccountKind        = GroupKind{"", "ServiceAccount"}

	ImageKind    = GroupKind{"ullage.dev", "Image"}    // no object of a cluster: see NewImageObject
	BehaviorKind = GroupKind{"ullage.dev", "Behavior"} // none either: what a container was seen to do

	PolicyKind        = GroupKind{"admissionregistration.k8s.io", "ValidatingAdmissionPolicy"}
	PolicyBindingKind = GroupKind{"admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"}
	CustomKind        = GroupKind{"apiextensions.k8s.io", "CustomResourceDefinition"}

	DeploymentKind  = GroupKind{"apps", "Deployment"}
	ReplicaSetKind  = GroupKind{"apps", "ReplicaSet"}
	StatefulSetKind = GroupKind{"apps", "StatefulSet"}
	AutoscalerKind  = GroupKind{"autoscaling", "HorizontalPodAutoscaler"}
	JobKind         = GroupKind{"batch", "Job"}
	BudgetKind      = GroupKind{"policy", "PodDisruptionBudget"}

	IngressKind        = GroupKind{"networking.k8s.io", "Ingress"}
	OldIngressKind     = GroupKind{"extensions", "Ingress"} // before Kubernetes 1.22
	IngressClassKind   = GroupKind{"networking.k8s.io", "IngressClass"}
	NetworkPolicyKind  = GroupKind{"networking.k8s.io", "NetworkPolicy"}
	GatewayKind        = GroupKind{"gateway.networking.k8s.io", "Gateway"}
	ReferenceGrantKind = GroupKind{"gateway.networking.k8s.io", "ReferenceGrant"}

	RoleKind               = GroupKind{"rbac.authorization.k8s.io", "Role"}
	RoleBindingKind        = GroupKind{"rbac.authorization.k8s.io", "RoleBinding"}
	ClusterRoleKind        = GroupKind{"rbac.authorization.k8s.io", "ClusterRole"}
	ClusterRoleBindingKind = GroupKind{"rbac.authorization.k8s.io", "ClusterRoleBinding"}

	StorageClassKind          = GroupKind{"storage.k8s.io", "StorageClass"}
	VolumeAttributesClassKind = GroupKind{"storage.k8s.io", "VolumeAttributesClass"}
	VolumeSnapshotKind        = GroupKind{"snapshot.storage.k8s.io", "VolumeSnapshot"}
	VolumeSnapshotClassKind   = GroupKind{"snapshot.storage.k8s.io", "VolumeSnapshotClass"}
	VolumeSnapshotContentKind = GroupKind{"snapshot.storage.k8s.io", "VolumeSnapshotContent"}
	SecretProviderClassKind   = GroupKind{"secrets-store.csi.x-k8s.io", "SecretProviderClass"}
)

// Resource is a type of objects as an API server serves it.
type Resource struct {
	GroupKind
	Plural        string   // as in the URL, such as networkpolicies
	Short         []string // such as netpol
	ClusterScoped bool     // its objects live in no namespace
}

// Called reports whether a name is that of the resource: its plural, its singular
// or a short one.
func (r *Resource) Called(name string) bool {
	return name == r.Plural || name == strings.ToLower(r.Kind) || slices.Contains(r.Short, name)
}

// known are the resources that Kubernetes serves, and the custom ones that an
// analysis or a rule has something to say about: a group, then its kinds. A star
// marks those that are cluster-scoped; short names follow behind slashes, and a
// plural that is not the usual one behind an equals sign.
var known = parseResources(`
: Binding *ComponentStatus/cs ConfigMap/cm Endpoints=endpoints/ep Event/ev LimitRange/limits *Namespace/ns *Node/no
: PersistentVolumeClaim/pvc *PersistentVolume/pv Pod/po PodTemplate ReplicationController/rc ResourceQuota/quota Secret Service/svc ServiceAccount/sa
admissionregistration.k8s.io: *MutatingAdmissionPolicy *MutatingAdmissionPolicyBinding *MutatingWebhookConfiguration
admissionregistration.k8s.io: *ValidatingAdmissionPolicy *ValidatingAdmissionPolicyBinding *ValidatingWebhookConfiguration
apiextensions.k8s.io: *CustomResourceDefinition/crd/crds
apiregistration.k8s.io: *APIService
apps: ControllerRevision DaemonSet/ds Deployment/deploy ReplicaSet/rs StatefulSet/sts
authentication.k8s.io: *SelfSubjectReview *TokenReview
authorization.k8s.io: LocalSubjectAccessReview *SelfSubjectAccessReview *SelfSubjectRulesReview *SubjectAccessReview
autoscaling: HorizontalPodAutoscaler/hpa
batch: CronJob/cj Job
certificates.k8s.io: *CertificateSigningRequest/csr *ClusterTrustBundle PodCertificateRequest
coordination.k8s.io: Lease LeaseCandidate
discovery.k8s.io: EndpointSlice
events.k8s.io: Event/ev
flowcontrol.apiserver.k8s.io: *FlowSchema *PriorityLevelConfiguration
internal.apiserver.k8s.io: *StorageVersion
networking.k8s.io: Ingress/ing *IngressClass *IPAddress/ip NetworkPolicy/netpol *ServiceCIDR
node.k8s.io: *RuntimeClass
policy: PodDisruptionBudget/pdb *PodSecurityPolicy/psp
rbac.authorization.k8s.io: *ClusterRole *ClusterRoleBinding Role RoleBinding
resource.k8s.io: *DeviceClass *DeviceTaintRule ResourceClaim ResourceClaimTemplate *ResourcePoolStatusRequest *ResourceSlice
scheduling.k8s.io: *PriorityClass/pc
storage.k8s.io: *CSIDriver *CSINode CSIStorageCapacity *StorageClass/sc *VolumeAttachment *VolumeAttributesClass/vac
storagemigration.k8s.io: *StorageVersionMigration

gateway.networking.k8s.io: BackendTLSPolicy/btlspolicy Gateway/gtw *GatewayClass/gc GRPCRoute HTTPRoute ListenerSet/lset ReferenceGrant/refgrant TCPRoute TLSRoute UDPRoute
gateway.networking.x-k8s.io: XListenerSet/lset
policy.networking.k8s.io: *AdminNetworkPolicy/anp *BaselineAdminNetworkPolicy/banp *ClusterNetworkPolicy/cnp
cilium.io: *CiliumCIDRGroup/ccg *CiliumClusterwideNetworkPolicy/ccnp CiliumNetworkPolicy/cnp
crd.antrea.io: *ClusterNetworkPolicy/acnp NetworkPolicy/annp
crd.projectcalico.org: *GlobalNetworkPolicy NetworkPolicy
k8s.ovn.org: EgressFirewall
network.openshift.io: EgressNetworkPolicy
networking.k8s.aws: ApplicationNetworkPolicy *ClusterNetworkPolicy
projectcalico.org: *GlobalNetworkPolicy NetworkPolicy
consul.hashicorp.com: ServiceIntentions=serviceintentions
kuma.io: MeshTrafficPermission
policy.linkerd.io: Server
security.istio.io: AuthorizationPolicy/ap PeerAuthentication/pa
route.openshift.io: Route
apisix.apache.org: ApisixRoute
configuration.konghq.com: TCPIngress UDPIngress
getambassador.io: Mapping TCPMapping
k8s.nginx.org: TransportServer/ts VirtualServer/vs VirtualServerRoute/vsr
networking.istio.io: DestinationRule/dr Gateway/gw VirtualService
projectcontour.io: HTTPProxy
traefik.containo.us: IngressRoute IngressRouteTCP IngressRouteUDP
traefik.io: IngressRoute IngressRouteTCP IngressRouteUDP
zalando.org: RouteGroup

snapshot.storage.k8s.io: VolumeSnapshot/vs *VolumeSnapshotClass/vsclass *VolumeSnapshotContent/vsc
bitnami.com: SealedSecret
cert-manager.io: Certificate/cert *ClusterIssuer Issuer
external-secrets.io: *ClusterExternalSecret/ces *ClusterPushSecret *ClusterSecretStore/css ExternalSecret/es PushSecret/ps SecretStore/ss
onepassword.com: OnePasswordItem
secrets-store.csi.x-k8s.io: SecretProviderClass
secrets.hashicorp.com: VaultAuth VaultConnection VaultDynamicSecret VaultPKISecret VaultStaticSecret

eks.aws.m.upbound.io: PodIdentityAssociation
eks.aws.upbound.io: *PodIdentityAssociation
eks.services.k8s.aws: PodIdentityAssociation

apps.kruise.io: CloneSet/clone DaemonSet StatefulSet
apps.openshift.io: DeploymentConfig/dc
argoproj.io: Rollout/ro
karpenter.sh: *NodePool
keda.sh: ScaledJob/sj ScaledObject/so
kyverno.io: *ClusterPolicy/cpol
monitoring.coreos.com: Alertmanager
serving.knative.dev: Configuration Service
`)

var knownByKind = func() map[GroupKind]*Resource {
	index := make(map[GroupKind]*Resource, len(known))
	for i := range known {
		index[known[i].GroupKind] = &known[i]
	}
	return index
}()

func parseResources(text string) []Resource {
	var all []Resource
	for line := range strings.Lines(text) {
		group, kinds, _ := strings.Cut(line, ":")
		for entry := range strings.FieldsSeq(kinds) {
			entry, wide := strings.CutPrefix(entry, "*")
			names := strings.Split(entry, "/")
			kind, plural, irregular := strings.Cut(names[0], "=")
			if !irregular {
				plural = usualPlural(kind)
			}
			all = append(all, Resource{GroupKind{group, kind}, plural, names[1:], wide})
		}
	}
	return all
}

// usualPlural returns the plural that nearly all kinds are served under.
func usualPlural(kind string) string {
	lower := strings.ToLower(kind)
	switch {
	case strings.HasSuffix(lower, "s"), strings.HasSuffix(lower, "x"), strings.HasSuffix(lower, "ch"), strings.HasSuffix(lower, "sh"):
		return lower + "es"
	case len(lower) > 1 && strings.HasSuffix(lower, "y") && !strings.ContainsAny(lower[len(lower)-2:len(lower)-1], "aeiou"):
		return lower[:len(lower)-1] + "ies"
	}
	return lower + "s"
}

// Resources yields the resources that are known without asking a server: those of
// Kubernetes itself, then custom ones.
func Resources() iter.Seq[*Resource] {
	return func(yield func(*Resource) bool) {
		for i := range known {
			if !yield(&known[i]) {
				return
			}
		}
	}
}

// Plural returns the name that the kind is served under; of a kind that is not
// known, the usual one.
func (gk GroupKind) Plural() string {
	if r := knownByKind[gk]; r != nil {
		return r.Plural
	}
	return usualPlural(gk.Kind)
}

// ClusterScoped reports whether objects of the kind are known to live in no
// namespace. Custom kinds that are not known count as namespaced.
func (gk GroupKind) ClusterScoped() bool {
	r := knownByKind[gk]
	return r != nil && r.ClusterScoped
}

// ParseKind reads Kind, of the types that the Kubernetes project keeps, or
// Kind.group.
func ParseKind(s string) (GroupKind, bool) {
	kind, group, grouped := strings.Cut(s, ".")
	if grouped {
		return GroupKind{group, kind}, kind != ""
	}
	for i := range known {
		if r := &known[i]; r.Kind == kind && (r.Builtin() || strings.HasSuffix(r.Group, ".k8s.io")) {
			return r.GroupKind, true
		}
	}
	return GroupKind{Kind: kind}, false
}

// Defined returns the resource that a CustomResourceDefinition defines. It has no
// kind when the definition is not complete.
func Defined(definition *Object) *Resource {
	spec := definition.Root.Get("spec")
	names := spec.Get("names")
	r := &Resource{
		GroupKind:     GroupKind{spec.Get("group").Str(), names.Get("kind").Str()},
		Plural:        names.Get("plural").Str(),
		ClusterScoped: spec.Get("scope").Str() == "Cluster",
	}
	for _, list := range []string{"singular", "shortNames"} {
		n := names.Get(list)
		if n.Str() != "" && n.Str() != strings.ToLower(r.Kind) {
			r.Short = append(r.Short, n.Str())
		}
		for i := range n.Children() {
			r.Short = append(r.Short, n.At(i).Str())
		}
	}
	return r
}
