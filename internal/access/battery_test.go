package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// battery holds, for each right, rules that give it and rules that do not, in words:
// "VERB RESOURCE[.GROUP][=NAME]", several of one subject with semicolons.
// Rules with a "!" in front give the right bound in the whole cluster, and nothing
// by a RoleBinding.
var battery = map[Right]struct{ yes, no []string }{
	WildcardAll:            {[]string{"* *.*"}, []string{"get *.*", "* *", "* secrets", "* *.*=one"}},
	WildcardResources:      {[]string{"get *", "list *.apps"}, []string{"get pods", "get */exec", "get *=one"}},
	WildcardVerbs:          {[]string{"* configmaps", "* widgets.example.org"}, []string{"get configmaps", "* pods/*", "* configmaps=one"}},
	ReadAll:                {[]string{"get *.*", "list *.*", "watch *.*", "list *.*=", "*  *.*="}, []string{"get *", "create *.*", "get *.*=", "list *.*=one"}},
	ReadSecrets:            {[]string{"get secrets", "list secrets", "watch secrets", "* secrets", "get *"}, []string{"create secrets", "get secrets.apps", "get secrets=one", "get configmaps"}},
	ListSecrets:            {[]string{"list secrets", "watch secrets", "list secrets="}, []string{"get secrets", "list secrets=one", "list configmaps"}},
	WriteSecrets:           {[]string{"create secrets", "update secrets", "patch secrets"}, []string{"get secrets", "delete secrets", "update secrets=one"}},
	ExecPods:               {[]string{"create pods/exec", "get pods/exec", "create pods/attach", "get pods/attach", "create */exec"}, []string{"delete pods/exec", "create pods", "create pods/*", "create exec"}},
	CreatePods:             {[]string{"create pods", "create pods="}, []string{"patch pods", "create pods.apps", "create pods=one", "create pods/exec"}},
	CreateWorkloads:        {eachOf("create", workloads), append(eachOf("patch", workloads), "create deployments", "create jobs.apps", "create pods")},
	ModifyWorkloads:        {append(eachOf("update,patch", templates), "update pods", "patch pods"), append(eachOf("create,delete", workloads), "update deployments/scale.apps", "update jobs.batch")},
	EphemeralContainers:    {[]string{"update pods/ephemeralcontainers", "patch pods/ephemeralcontainers"}, []string{"get pods/ephemeralcontainers", "patch pods"}},
	PortForward:            {[]string{"create pods/portforward", "get pods/portforward"}, []string{"create pods", "patch pods/portforward"}},
	Impersonate:            {[]string{"impersonate serviceaccounts", "!impersonate users", "!impersonate groups", "!impersonate users=system:admin", "!impersonate groups=system:masters", "!impersonate uids.authentication.k8s.io"}, []string{"impersonate users=jo", "impersonate groups=ops", "get users", "impersonate users.apps"}},
	BindRoles:              {[]string{"bind roles" + ofRBAC, "bind clusterroles" + ofRBAC, "bind clusterroles" + ofRBAC + "=cluster-admin"}, []string{"bind clusterroles", "bind clusterroles" + ofRBAC + "=view", "create clusterroles" + ofRBAC}},
	EscalateRoles:          {[]string{"escalate roles" + ofRBAC, "!escalate clusterroles" + ofRBAC}, []string{"escalate clusterroles" + ofRBAC + "=view", "update clusterroles" + ofRBAC}},
	WriteRoles:             {writes("", "roles", "!", "clusterroles"), []string{"delete roles" + ofRBAC, "create roles", "create rolebindings" + ofRBAC}},
	WriteBindings:          {writes("", "rolebindings", "!", "clusterrolebindings"), []string{"delete rolebindings" + ofRBAC, "create rolebindings", "create roles" + ofRBAC}},
	MintTokens:             {[]string{"create serviceaccounts/token", "create */token"}, []string{"get serviceaccounts/token", "create serviceaccounts", "create serviceaccounts/token=one"}},
	CreateCSR:              {[]string{"!create " + csr}, []string{"get " + csr, "create certificatesigningrequests", "update " + csr + "/approval"}},
	ApproveCSR:             {[]string{"!update " + csrApproval, "!patch " + csrApproval, "!approve " + signers, "!approve " + signers + "=kubernetes.io/kube-apiserver-client"}, []string{"get " + csrApproval, "update " + csr, "approve " + signers + "=example.org/tls", "sign " + signers}},
	SignCSR:                {[]string{"!update " + csrStatus, "!patch " + csrStatus, "!sign " + signers, "!sign " + signers + "=kubernetes.io/kube-apiserver-client-kubelet"}, []string{"get " + csrStatus, "sign " + signers + "=example.org/tls", "approve " + signers}},
	NodeProxy:              {[]string{"!get nodes/proxy", "!create nodes/proxy", "!update nodes/proxy", "!patch nodes/proxy", "!delete nodes/proxy", "!get */proxy"}, []string{"get nodes", "get nodes/stats", "watch nodes/proxy", "get pods/proxy"}},
	WriteNodes:             {[]string{"!create nodes", "!update nodes", "!patch nodes", "!delete nodes", "!deletecollection nodes", "!update nodes/status", "!patch nodes/status"}, []string{"get nodes", "get nodes/status", "update nodes.metrics.k8s.io"}},
	WritePersistentVolumes: {[]string{"!create persistentvolumes"}, []string{"update persistentvolumes", "patch persistentvolumes", "delete persistentvolumes", "create persistentvolumeclaims"}},
	WriteNamespaces:        {[]string{"!create namespaces", "update namespaces", "patch namespaces", "update namespaces/finalize", "patch namespaces/status"}, []string{"get namespaces", "delete namespaces", "patch namespaces/finalize"}},
	WriteNetworkPolicies: {[]string{"create networkpolicies.networking.k8s.io", "delete networkpolicies.networking.k8s.io", "patch ciliumnetworkpolicies.cilium.io", "update networkpolicies.projectcalico.org", "update networkpolicies.crd.projectcalico.org",
		"!delete ciliumclusterwidenetworkpolicies.cilium.io", "!create globalnetworkpolicies.projectcalico.org", "!create globalnetworkpolicies.crd.projectcalico.org", "!deletecollection adminnetworkpolicies.policy.networking.k8s.io",
		"!patch baselineadminnetworkpolicies.policy.networking.k8s.io", "!patch clusternetworkpolicies.policy.networking.k8s.io"}, []string{"get networkpolicies.networking.k8s.io", "create networkpolicies", "create ingresses.networking.k8s.io"}},
	WriteWebhooks:          {controls("validatingwebhookconfigurations mutatingwebhookconfigurations", "admissionregistration.k8s.io"), []string{"get validatingwebhookconfigurations.admissionregistration.k8s.io", "create mutatingwebhookconfigurations"}},
	WriteAdmissionPolicies: {controls("validatingadmissionpolicies validatingadmissionpolicybindings mutatingadmissionpolicies mutatingadmissionpolicybindings", "admissionregistration.k8s.io"), []string{"get validatingadmissionpolicies.admissionregistration.k8s.io", "update validatingadmissionpolicies/status.admissionregistration.k8s.io"}},
	WriteCRDs:              {controls("customresourcedefinitions", "apiextensions.k8s.io"), []string{"list customresourcedefinitions.apiextensions.k8s.io", "create customresourcedefinitions"}},
	WriteAPIServices:       {controls("apiservices", "apiregistration.k8s.io"), []string{"list apiservices.apiregistration.k8s.io", "create apiservices"}},
	DeleteEvents:           {[]string{"delete events", "deletecollection events", "delete events.events.k8s.io"}, []string{"create events", "get events.events.k8s.io"}},

	ImpersonateUsers:    {[]string{"!impersonate users"}, []string{"impersonate groups", "impersonate users=jo", "impersonate users=system:admin"}},
	ImpersonateGroups:   {[]string{"!impersonate groups", "!impersonate groups=system:masters"}, []string{"impersonate users", "impersonate groups=ops"}},
	ImpersonateAccounts: {[]string{"impersonate serviceaccounts"}, []string{"impersonate serviceaccounts=web", "create serviceaccounts"}},
	ImpersonateExtras: {[]string{"!impersonate uids.authentication.k8s.io", "!impersonate userextras/scopes.authentication.k8s.io", "!impersonate *.authentication.k8s.io"},
		[]string{"impersonate uids", "impersonate users", "impersonate userextras.authentication.k8s.io", "impersonate userextras/scopes", "impersonate userextras/*.authentication.k8s.io", "get userextras/scopes.authentication.k8s.io", "impersonate userextras/scopes.authentication.k8s.io=view"}},
	WriteRoutes: {[]string{"create ingresses.networking.k8s.io", "update httproutes.gateway.networking.k8s.io", "patch gateways.gateway.networking.k8s.io", "create virtualservices.networking.istio.io", "create routes.route.openshift.io",
		"create ingressroutes.traefik.io", "create httpproxies.projectcontour.io"}, []string{"delete ingresses.networking.k8s.io", "create ingresses", "update ingresses/status.networking.k8s.io", "create ingressclasses.networking.k8s.io"}},
	CustomWorkloads: {[]string{"create workflows.argoproj.io", "patch rollouts.argoproj.io", "create taskruns.tekton.dev", "create services.serving.knative.dev", "create virtualmachines.kubevirt.io", "create jobs.batch.volcano.sh"},
		[]string{"get workflows.argoproj.io", "create workflows", "create workflowtemplates.argoproj.io", "create services", "create applications.argoproj.io", "create workflows.argoproj.io=one"}},
	WriteReleases: {[]string{"create applications.argoproj.io", "update kustomizations.kustomize.toolkit.fluxcd.io", "patch helmreleases.helm.toolkit.fluxcd.io", "create helmcharts.helm.cattle.io"},
		[]string{"get applications.argoproj.io", "create applications", "delete helmreleases.helm.toolkit.fluxcd.io", "create appprojects.argoproj.io"}},
	ImpersonateConstrained: {[]string{"!impersonate:user-info users.authentication.k8s.io", "impersonate:serviceaccount serviceaccounts.authentication.k8s.io", "!impersonate:arbitrary-node nodes.authentication.k8s.io",
		"!impersonate:associated-node nodes.authentication.k8s.io"}, []string{"impersonate users.authentication.k8s.io", "impersonate:user-info users", "impersonate:user-info groups.authentication.k8s.io", "impersonate:serviceaccount serviceaccounts",
		"impersonate:arbitrary-node nodes", "impersonate:user-info users.authentication.k8s.io=jo", "impersonate-on:user-info:get users.authentication.k8s.io"}},
	CreateSecrets:        {[]string{"create secrets", "create secrets="}, []string{"update secrets", "create secrets=one"}},
	ModifyPods:           {[]string{"update pods", "patch pods"}, []string{"create pods", "patch pods/status"}},
	ModifyControllers:    {eachOf("update,patch", templates), append(eachOf("create", workloads), "patch pods", "patch jobs.batch")},
	UpdateApproval:       {[]string{"!update " + csrApproval, "!patch " + csrApproval}, []string{"approve " + signers, "update " + csr}},
	ApproveSigners:       {[]string{"!approve " + signers, "!approve " + signers + "=kubernetes.io/*"}, []string{"update " + csrApproval, "approve " + signers + "=example.org/tls"}},
	PatchNamespaces:      {[]string{"update namespaces", "patch namespaces", "update namespaces/status", "update namespaces/finalize"}, []string{"create namespaces", "patch namespaces=shop"}},
	WriteAWSAuth:         {[]string{"!update configmaps=aws-auth", "!patch configmaps=aws-auth"}, []string{"update configmaps", "get configmaps=aws-auth", "create configmaps=aws-auth", "update configmaps=other"}},
	WriteServiceAccounts: {[]string{"create serviceaccounts", "update serviceaccounts", "patch serviceaccounts", "create azurepodidentityexceptions.aadpodidentity.k8s.io"}, []string{"get serviceaccounts", "create azurepodidentityexceptions", "create serviceaccounts/token"}},
	ProxyPods:            {[]string{"get pods/proxy", "create pods/proxy", "get services/proxy", "delete services/proxy"}, []string{"get pods", "get nodes/proxy"}},
	ReadNodeLogs:         {[]string{"!get nodes/log"}, []string{"get nodes", "get pods/log"}},
	PodStatus:            {[]string{"update pods/status", "patch pods/status"}, []string{"get pods/status", "update pods"}},
	BindPods:             {[]string{"create pods/binding", "create bindings"}, []string{"update pods/binding", "create bindings=one"}},
	ServiceStatus:        {[]string{"update services/status", "patch services/status"}, []string{"get services/status", "update services"}},
	WriteServices:        {[]string{"create services", "update services", "patch services"}, []string{"delete services", "update services/status"}},
	WriteEndpoints:       {[]string{"create endpoints", "update endpoints", "patch endpointslices.discovery.k8s.io"}, []string{"get endpoints", "patch endpointslices"}},
	DeletePods:           {[]string{"delete pods", "deletecollection pods", "create pods/eviction"}, []string{"delete deployments.apps", "get pods/eviction"}},
	DeleteWorkloads:      {append(eachOf("delete,deletecollection", workloads), "delete persistentvolumeclaims", "!delete namespaces"), []string{"delete pods", "update deployments.apps", "delete jobs"}},
	ReviewTokens:         {[]string{"!create tokenreviews.authentication.k8s.io", "!create subjectaccessreviews.authorization.k8s.io"}, []string{"get tokenreviews.authentication.k8s.io", "create selfsubjectaccessreviews.authorization.k8s.io"}},
	ReadLogs:             {[]string{"get pods/log"}, []string{"get pods", "create pods/log"}},

	GrantAnyRole: {[]string{"!bind clusterroles" + ofRBAC + "; create clusterrolebindings" + ofRBAC, "!bind clusterroles" + ofRBAC + "=cluster-admin; create clusterrolebindings" + ofRBAC},
		[]string{"bind clusterroles" + ofRBAC, "create clusterrolebindings" + ofRBAC, "bind clusterroles" + ofRBAC + "=view; create clusterrolebindings" + ofRBAC}},
	RewriteRoles: {[]string{"!escalate clusterroles" + ofRBAC + "; update clusterroles" + ofRBAC, "!escalate clusterroles" + ofRBAC + "; patch clusterroles" + ofRBAC + "=r"},
		[]string{"escalate clusterroles" + ofRBAC, "update clusterroles" + ofRBAC, "escalate clusterroles" + ofRBAC + "; update roles" + ofRBAC}},
	ForgeCertificate: {[]string{"!create " + csr + "; update " + csrApproval + "; approve " + signers}, []string{"create " + csr + "; update " + csrApproval, "create " + csr + "; approve " + signers, "update " + csrApproval + "; approve " + signers}},
	ForgeToken:       {[]string{"create secrets; get secrets", "create secrets; list secrets", "create secrets; create pods", "create secrets; create jobs.batch"}, []string{"create secrets", "update secrets; get secrets", "create secrets; patch pods"}},
	BypassPodSecurity: {[]string{"patch namespaces; create pods", "update namespaces; create jobs.batch", "patch namespaces; patch deployments.apps"},
		[]string{"patch namespaces", "create namespaces; create pods", "patch namespaces; patch pods"}},
}

const (
	templates   = "deployments.apps statefulsets.apps daemonsets.apps replicasets.apps cronjobs.batch replicationcontrollers" // that can change
	workloads   = templates + " jobs.batch"
	ofRBAC      = ".rbac.authorization.k8s.io"
	csr         = "certificatesigningrequests.certificates.k8s.io"
	csrApproval = "certificatesigningrequests/approval.certificates.k8s.io"
	csrStatus   = "certificatesigningrequests/status.certificates.k8s.io"
	signers     = "signers.certificates.k8s.io"
)

// eachOf returns rules of each verb and each resource.
func eachOf(verbs, resources string) (all []string) {
	for verb := range strings.SplitSeq(verbs, ",") {
		for resource := range strings.FieldsSeq(resources) {
			all = append(all, verb+" "+resource)
		}
	}
	return all
}

// controls returns the rules that control cluster-scoped resources of a group.
func controls(resources, group string) []string {
	all := eachOf("!create,!update,!patch,!delete,!deletecollection", resources)
	for i := range all {
		all[i] += "." + group
	}
	return all
}

// writes returns the rules that write resources of RBAC, given as pairs of a mark and
// a resource.
func writes(pairs ...string) (all []string) {
	for pair := range slices.Chunk(pairs, 2) {
		for _, verb := range []string{"create", "update", "patch"} {
			all = append(all, pair[0]+verb+" "+pair[1]+ofRBAC)
		}
	}
	return all
}

// rulesIn writes rules of the battery as the rules of a role.
func rulesIn(text string) string {
	var all []string
	for one := range strings.SplitSeq(text, ";") {
		verb, resource, _ := strings.Cut(strings.TrimSpace(one), " ")
		resource, name, named := strings.Cut(strings.TrimSpace(resource), "=")
		resource, group, _ := strings.Cut(resource, ".")
		rule := fmt.Sprintf("{apiGroups: ['%s'], resources: ['%s'], verbs: ['%s']", group, resource, verb)
		if named {
			rule += fmt.Sprintf(", resourceNames: ['%s']", name)
		}
		all = append(all, rule+"}")
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// listedFor returns the rights that dangers lists for jo, over all names, who is bound
// to a ClusterRole with the rules in the whole cluster or in a namespace.
func listedFor(t *testing.T, rules, binding string) (held Rights) {
	a := New(snapshot(t, fmt.Sprintf(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: %s}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: %s, roleRef: {kind: ClusterRole, name: r}, subjects: [{kind: User, name: jo}]}
`, rulesIn(rules), binding)))
	for _, d := range a.Dangers() {
		for _, h := range d.Holders {
			if h.Subject == User("jo") && h.Names == nil {
				held |= 1 << d.Right
			}
		}
	}
	return held
}

// TestBattery holds what each right of the catalogue is given by, and what is like it
// and does not give it. Rights that it has no cases for fail it.
func TestBattery(t *testing.T) {
	const everywhere, inShop = "ClusterRoleBinding, metadata: {name: b}", "RoleBinding, metadata: {name: b, namespace: shop}"
	for r := range rightCount {
		cases := battery[r]
		if len(cases.yes) == 0 || len(cases.no) < 2 {
			t.Errorf("%s has %d cases that give it and %d that do not", r, len(cases.yes), len(cases.no))
		}
		for _, rules := range cases.yes {
			rules, wide := strings.CutPrefix(rules, "!")
			if !listedFor(t, rules, everywhere).Has(r) {
				t.Errorf("%s gives no %s", rules, r)
			}
			if listedFor(t, rules, inShop).Has(r) == wide {
				t.Errorf("%s gives %s in a namespace: %t", rules, r, !wide)
			}
		}
		for _, rules := range cases.no {
			if listedFor(t, rules, everywhere).Has(r) || listedFor(t, rules, inShop).Has(r) {
				t.Errorf("%s gives %s", rules, r)
			}
		}
	}
}

// What has no name yet when it is created, apply makes with its name: by create and
// patch for it, in one rule of a role or in two.
func TestAppliedNames(t *testing.T) {
	for rules, want := range map[string]string{
		"create pods=one; patch pods=one":             "[one]",
		"patch pods=one; create pods=one":             "[one]",
		"create pods=one','two; patch pods=two":       "[two]",
		"create pods=one','two; patch pods":           "[one two]",
		"create pods=one; patch *.*=one":              "[one]",
		"create pods=one; patch pods=two":             "[]",
		"create pods=one; patch pods.apps=one":        "[]",
		"create pods=one; update pods=one":            "[]",
		"create pods/binding=one; patch pods=one":     "[one]",
		"create bindings=one; patch bindings=one":     "[]",
		"create pods=one; patch pods/status=one":      "[]",
		"create pods=one; patch pods=two','one":       "[one]",
		"create *.*=one','two; patch pods=three":      "[]",
		"create jobs.batch=one; patch pods=one":       "[]",
		"create pods=one; patch deployments.apps=one": "[]",
	} {
		right := CreatePods
		if strings.Contains(rules, "binding") {
			right = BindPods
		}
		apart := []string{rules}
		for range 2 {
			listed, restricted := namesOf(New(snapshot(t, bound(apart...))), right)
			if fmt.Sprint(listed) != want || fmt.Sprint(restricted) != want {
				t.Errorf("%q: dangers list %s of %v, and it is restricted to %v; want %s", apart, right, listed, restricted, want)
			}
			apart = strings.Split(rules, "; ") // by two roles
		}
	}
}

// bound binds user jo to a ClusterRole of each list of rules.
func bound(roles ...string) (yaml string) {
	for i, rules := range roles {
		yaml += fmt.Sprintf("---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r%d}, rules: %s}\n---\n"+
			"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b%[1]d}, roleRef: {kind: ClusterRole, name: r%[1]d}, subjects: [{kind: User, name: jo}]}\n", i, rulesIn(rules))
	}
	return yaml
}

// namesOf returns the names over which user jo has a right, as dangers list them and
// as it is restricted to.
func namesOf(a *Analysis, right Right) (listed, restricted []string) {
	for _, d := range a.Dangers() {
		for _, h := range d.Holders {
			if h.Subject == User("jo") && d.Right == right {
				listed = append(listed, h.Names...)
			}
		}
	}
	for n := range a.Restricted(User("jo")) {
		if n.Right == right {
			restricted = append(restricted, n.Names...)
		}
	}
	for s, n := range a.Applied() {
		if s == User("jo") && n.Right == right {
			restricted = append(restricted, n.Names...)
		}
	}
	return listed, restricted
}

// TestAppliedScopes makes what one role allows to create and another to patch where
// both hold.
func TestAppliedScopes(t *testing.T) {
	role := func(name, namespace, verb string) string {
		return fmt.Sprintf("---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: %s}, rules: [{apiGroups: [''], resources: [pods], verbs: [%s], resourceNames: [one]}]}\n---\n"+
			"{apiVersion: rbac.authorization.k8s.io/v1, kind: %[3]s, metadata: {name: %[1]s%[4]s}, roleRef: {kind: ClusterRole, name: %[1]s}, subjects: [{kind: User, name: jo}]}\n",
			name, verb, map[bool]string{true: "ClusterRoleBinding", false: "RoleBinding"}[namespace == ""], map[bool]string{false: ", namespace: " + namespace}[namespace == ""])
	}
	for _, c := range []struct {
		create, patch string
		want          []string
	}{{"", "", []string{""}}, {"a", "", []string{"a"}}, {"", "a", []string{"a"}}, {"a", "a", []string{"a"}}, {"a", "b", nil}} {
		var got []string
		for s, n := range New(snapshot(t, role("create", c.create, "create")+role("patch", c.patch, "patch"))).Applied() {
			if s == User("jo") && n.Right == CreatePods {
				got = append(got, n.Namespace)
				if len(n.Proofs) != 2 || n.Proofs[0] == n.Proofs[1] {
					t.Errorf("%+v: %v", c, n.Proofs)
				}
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// TestEachNote holds what each note is about, and what is like it and in order.
func TestEachNote(t *testing.T) {
	binding := func(kind, role, subject string) string {
		return fmt.Sprintf("{apiVersion: rbac.authorization.k8s.io/v1, kind: %s, metadata: {name: b%s}, roleRef: {kind: ClusterRole, name: %s}, subjects: [%s]}", kind, map[bool]string{true: ", namespace: shop"}[kind == "RoleBinding"], role, subject)
	}
	to := func(subject string) string { return binding("RoleBinding", "view", subject) }
	role := func(rest string) string {
		return "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, " + rest + "}"
	}
	const selector = "aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: r}}]}"
	cases := map[string]struct{ yes, no []string }{
		"anonymous-bound":          {[]string{to("{kind: Group, name: 'system:unauthenticated'}"), to("{kind: User, name: 'system:anonymous'}")}, []string{to("{kind: User, name: 'system:unauthenticated'}"), to("{kind: Group, name: ops}")}},
		"authenticated-bound":      {[]string{to("{kind: Group, name: 'system:authenticated'}")}, []string{to("{kind: User, name: 'system:authenticated'}")}},
		"all-accounts-bound":       {[]string{to("{kind: Group, name: 'system:serviceaccounts'}")}, []string{to("{kind: Group, name: 'system:serviceaccounts:shop'}")}},
		"namespace-accounts-bound": {[]string{to("{kind: Group, name: 'system:serviceaccounts:shop'}")}, []string{to("{kind: Group, name: 'system:serviceaccounts:kube-system'}"), to("{kind: Group, name: 'system:serviceaccounts'}")}},
		"masters-bound":            {[]string{to("{kind: Group, name: 'system:masters'}")}, []string{to("{kind: User, name: 'system:masters'}")}},
		"default-account-bound":    {[]string{to("{kind: ServiceAccount, name: default, namespace: shop}")}, []string{to("{kind: User, name: default}"), to("{kind: ServiceAccount, name: web, namespace: shop}")}},
		"dangling-binding":         {[]string{binding("RoleBinding", "gone", "{kind: User, name: jo}")}, []string{to("{kind: User, name: jo}")}},
		"unknown-subject":          {[]string{to("{kind: user, name: jo}"), binding("ClusterRoleBinding", "view", "{kind: ServiceAccount, name: web}")}, []string{to("{kind: ServiceAccount, name: web}")}},
		"missing-account":          {[]string{to("{kind: ServiceAccount, name: web, namespace: shop}")}, []string{to("{kind: ServiceAccount, name: web, namespace: shop}") + "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop}}"}},
		"replaced-rules":           {[]string{role(selector + ", rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]")}, []string{role(selector + ", rules: []"), role("rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]")}},
		"aggregated-role":          {[]string{role(selector)}, []string{role("rules: []")}},
	}
	told := func(text, id string) bool {
		var objects []*model.Object
		for _, o := range snapshot(t, text).All() {
			objects = append(objects, o)
		}
		return slices.ContainsFunc(New(model.NewSnapshot(objects, true)).Notes(), func(n Note) bool { return n.ID == id })
	}
	for _, note := range notes {
		c := cases[note.id]
		if len(c.yes) == 0 || len(c.no) == 0 {
			t.Errorf("%s has no cases", note.id)
		}
		for i, text := range append(slices.Clone(c.yes), c.no...) {
			if got := told(text, note.id); got != (i < len(c.yes)) {
				t.Errorf("%s: %t of %s", note.id, got, text)
			}
		}
	}
}
