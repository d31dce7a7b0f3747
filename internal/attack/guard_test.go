package attack

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

const (
	mainOnly     = "!object.spec.containers.exists(c, has(c.securityContext) && has(c.securityContext.privileged) && c.securityContext.privileged)"
	noHostPath   = "!has(object.spec.volumes) || !object.spec.volumes.exists(v, has(v.hostPath))"
	mainNoAdded  = "!object.spec.containers.exists(c, has(c.securityContext) && has(c.securityContext.capabilities) && has(c.securityContext.capabilities.add))"
	initNoAdded  = "!has(object.spec.initContainers) || !object.spec.initContainers.exists(c, has(c.securityContext) && has(c.securityContext.capabilities) && has(c.securityContext.capabilities.add))"
	initNoPriv   = "!has(object.spec.initContainers) || !object.spec.initContainers.exists(c, has(c.securityContext) && has(c.securityContext.privileged) && c.securityContext.privileged)"
	noPrivileged = "(" + mainOnly + ") && (" + initNoPriv + ")"
	noAdded      = "(" + mainNoAdded + ") && (" + initNoAdded + ")"
	labelled     = "has(object.metadata.labels) && 'team' in object.metadata.labels"
)

// admission writes a policy about pods, and its binding.
func admission(binding string, expressions ...string) string {
	var b strings.Builder
	b.WriteString(`
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: pods}
spec:
  failurePolicy: Fail
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  validations:
`)
	for _, e := range expressions {
		fmt.Fprintf(&b, "    - expression: %q\n", e)
	}
	if binding != "" {
		fmt.Fprintf(&b, "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: pods}\nspec: {policyName: pods, %s}\n", binding)
	}
	return b.String()
}

const deny = "validationActions: [Deny]"

// TestGuards decides whether pods of an attacker's making give the node.
func TestGuards(t *testing.T) {
	pods := role(false, rule("create", "", "pods"))
	privileged, open, restricted := namespaceOf("shop", enforce+"privileged"), namespaceOf("shop", ""), namespaceOf("shop", enforce+"restricted")
	relabel := role(false, rule("create", "", "pods"), rule("patch", "", "namespaces"))
	all := []string{noPrivileged, noHostPath, noAdded}
	const runs, relabels = "run-escape: own pods in namespace shop -> any node, ", "relabel-namespace: service account shop/default -> any node, "
	for _, c := range []struct {
		name, yaml, edge string
		certainty        string // "" for no edge
		danger           string
	}{
		{"no guard", privileged + pods, runs, "certain", "a privileged container"},
		{"no label", open + pods, runs, "likely", "a privileged container"},
		{"namespace not read", pods, runs, "unknown", "a privileged container"},
		{"baseline", namespaceOf("shop", enforce+"baseline") + pods, runs, "", ""},
		{"restricted", restricted + pods, runs, "", ""},
		{"an old version of baseline", namespaceOf("shop", enforce+"baseline, pod-security.kubernetes.io/enforce-version: v1.0") + pods, runs, "", ""},
		{"only warned", namespaceOf("shop", ", pod-security.kubernetes.io/warn: restricted") + pods, runs, "likely", ""},
		{"policy against privileged", privileged + pods + admission(deny, noPrivileged), runs, "certain", "the node's root directory as a volume"},
		{"policies against all", privileged + pods + admission(deny, all...), runs, "", ""},
		{"policy against two ways", privileged + pods + admission(deny, noPrivileged, noHostPath), runs, "certain", "the capability SYS_MODULE"},
		{"policies against all in containers", privileged + pods + admission(deny, mainOnly, noHostPath, mainNoAdded), runs, "certain", "a privileged container in an init container"},
		{"policies that forget added capabilities", privileged + pods + admission(deny, noPrivileged, noHostPath, mainNoAdded), runs, "certain", "the capability SYS_MODULE in an init container"},
		{"policy that audits", privileged + pods + admission("validationActions: [Audit]", all...), runs, "certain", "a privileged container"},
		{"policy without a binding", privileged + pods + admission("", all...), runs, "certain", "a privileged container"},
		{"policy for another namespace", privileged + pods + admission(deny+", matchResources: {namespaceSelector: {matchLabels: {team: db}}}", all...), runs, "certain", "a privileged container"},
		{"policy for this namespace", privileged + pods + admission(deny+", matchResources: {namespaceSelector: {matchLabels: {team: web}}}", all...), runs, "", ""},
		{"policy for a namespace that was not read", pods + admission(deny+", matchResources: {namespaceSelector: {matchLabels: {team: web}}}", all...), runs, "unknown", ""},
		{"policy that refuses harmless pods too", privileged + pods + admission(deny, labelled), runs, "certain", "a privileged container"},
		{"policy about services", privileged + pods + strings.Replace(admission(deny, all...), "resources: [pods]", "resources: [services]", 1), runs, "certain", "a privileged container"},
		{"policy that cannot be read", privileged + pods + strings.Replace(admission(deny, all...), "validations", "other", 1), runs, "certain", "a privileged container"},
		{"policy that does not compile", privileged + pods + admission(deny, "object.spec.("), runs, "certain", "a privileged container"},
		{"policy with parameters that are elsewhere", privileged + pods + strings.Replace(admission(deny+", paramRef: {name: p, namespace: shop, parameterNotFoundAction: Deny}",
			"params.data.allowed == 'true' || ("+noPrivileged+")", noHostPath, noAdded), "failurePolicy: Fail", "failurePolicy: Fail\n  paramKind: {apiVersion: v1, kind: ConfigMap}", 1), runs, "unknown", "a privileged container"},
		{"policy that wants a label of a value", privileged + pods + admission(deny, "object.metadata.?labels.tier.orValue('') in ['gold', 'silver']"), runs, "certain", "a privileged container"},
		{"policy that wants a label and refuses the danger, in one", privileged + pods + admission(deny, labelled+" && ("+noPrivileged+") && ("+noHostPath+") && ("+noAdded+")"), runs, "", ""},
		{"policy that lets a label off", privileged + pods + admission(deny, "(has(object.metadata.labels) && 'exempt' in object.metadata.labels) || (("+noPrivileged+") && ("+noHostPath+") && ("+noAdded+"))"), runs, "certain", "a privileged container"},
		{"policy whose binding leaves out a label", privileged + pods + admission(deny+", matchResources: {objectSelector: {matchExpressions: [{key: exempt, operator: DoesNotExist}]}}", all...), runs, "certain", "a privileged container"},
		{"policy that wants images of a registry", privileged + pods + admission(deny, "object.spec.containers.all(c, c.image.startsWith('registry.corp/base/'))"), runs, "likely", "a privileged container"},
		{"policy that wants images of a pattern", privileged + pods + admission(deny, "object.spec.containers.all(c, c.image.matches('^registry[.]corp/.*'))"), runs, "unknown", "a privileged container"},
		{"policy that wants images of a pattern, of which there is one", privileged + pods + strings.Replace(deploy("web", "", ""), "registry.example/app:1", "registry.corp/app:1", 1) +
			admission(deny, "object.spec.containers.all(c, c.image.matches('^registry[.]corp/.*'))"), runs, "likely", "a privileged container"},
		{"policy that lets images of a registry be privileged", privileged + pods + admission(deny, "object.spec.containers.all(c, c.image.startsWith('registry.corp/')) || ("+noPrivileged+")", noHostPath, noAdded), runs, "likely", "a privileged container"},
		{"policy that wants limits", privileged + pods + admission(deny, "object.spec.containers.all(c, has(c.resources.limits.memory))"), runs, "certain", "a privileged container"},
		{"policy that wants other users than root in the pod", privileged + pods + admission(deny, "object.spec.securityContext.runAsNonRoot"), runs, "certain", "a privileged container"},
		{"policy that wants other users than root in containers", privileged + pods + admission(deny, "object.spec.containers.all(c, has(c.securityContext.runAsNonRoot) && c.securityContext.runAsNonRoot)"), runs, "certain", "a privileged container in an init container"},
		{"policy that wants other users than root everywhere", privileged + pods + admission(deny, "object.spec.containers.all(c, c.securityContext.?runAsNonRoot.orValue(false)) && object.spec.?initContainers.orValue([]).all(c, c.securityContext.?runAsNonRoot.orValue(false))"), runs, "", ""},
		{"policy that asks who it is, and refuses the danger", privileged + pods + admission(deny, "request.userInfo.username == 'root' && ("+noPrivileged+")", noHostPath, noAdded), runs, "", ""},
		{"policy that asks for the operation", privileged + pods + admission(deny, "request.operation != 'CREATE'"), runs, "", ""},
		{"policy that asks for another operation", privileged + pods + admission(deny, "request.operation == 'CREATE' && oldObject == null && request.resource.resource == 'pods' && request.namespace == 'shop' || ("+noPrivileged+")", noHostPath, noAdded), runs, "certain", ""},
		{"policy that lets nothing pass", privileged + pods + admission(deny, "false"), runs, "", ""},
		{"policy with a condition that holds", privileged + pods + strings.Replace(admission(deny, all...), "validations:", "matchConditions: [{name: c, expression: \"object.spec.?hostNetwork.orValue(false) == false\"}]\n  validations:", 1), runs, "", ""},
		{"policy with a condition that a label lets off", privileged + pods + strings.Replace(admission(deny, all...), "validations:", "matchConditions: [{name: c, expression: \"object.metadata.?labels.debug.orValue('') != 'yes'\"}]\n  validations:", 1), runs, "certain", "a privileged container"},
		{"policy with parameters that were read", privileged + pods + "\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: p, namespace: shop}, data: {registry: registry.corp/base}}" +
			strings.Replace(admission(deny+", paramRef: {name: p, namespace: shop, parameterNotFoundAction: Deny}", "object.spec.containers.all(c, c.image.startsWith(params.data.registry))"), "failurePolicy: Fail", "failurePolicy: Fail\n  paramKind: {apiVersion: v1, kind: ConfigMap}", 1), runs, "likely", "a privileged container"},
		{"policy that fails to be evaluated", privileged + pods + admission(deny, "!object.spec.containers.exists(c, c.securityContext.privileged)", initNoPriv, noHostPath, noAdded), runs, "", ""},
		{"policy that fails to be evaluated, and is ignored then", privileged + pods + strings.Replace(admission(deny, "object.spec.containers.all(c, c.securityContext.seLinuxOptions.level == 's0')"), "failurePolicy: Fail", "failurePolicy: Ignore", 1), runs, "certain", "a privileged container"},
		{"policy that fails to be evaluated, and refuses then", privileged + pods + admission(deny, "object.spec.containers.all(c, c.securityContext.seLinuxOptions.level == 's0')"), runs, "unknown", "a privileged container"},
		{"label taken off", restricted + relabel, relabels, "certain", ""},
		{"label taken off, policies against all", restricted + relabel + admission(deny, all...), relabels, "", ""},
		{"label taken off, and that of the policy", restricted + relabel + admission(deny+", matchResources: {namespaceSelector: {matchLabels: {team: web}}}", all...), relabels, "certain", ""},
		{"label not to be changed", restricted + pods, relabels, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := graphOf(t, false, parse(t, c.yaml)...)
			got := ""
			for _, told := range g.told() {
				if rest, ok := strings.CutPrefix(told, c.edge); ok {
					got = rest
				}
			}
			if got != c.certainty {
				t.Errorf("got %q, want %q", got, c.certainty)
			}
			if c.danger != "" && !slices.ContainsFunc(g.guardVerdicts, func(v guardVerdict) bool { return v.danger == c.danger }) {
				t.Errorf("dangers %+v, want %s", g.guardVerdicts, c.danger)
			}
		})
	}
}

// TestGuardEvidence names the policy that an answer hangs on, and says why.
func TestGuardEvidence(t *testing.T) {
	base := namespaceOf("shop", enforce+"privileged") + role(false, rule("create", "", "pods"))
	for _, c := range []struct{ policy, want string }{
		{"'a' in request.userInfo.extra", "ValidatingAdmissionPolicy/pods may refuse it: what an authenticator adds to who sends the request is not known"},
		{"request.userInfo.username.endsWith(':default')", "Namespace/shop enforces the level privileged; nothing refuses a pod with a privileged container that system:serviceaccount:shop:default makes"},
		{"object.spec.containers.all(c, c.image.matches('^registry[.]corp/.*'))", "ValidatingAdmissionPolicy/pods may refuse it: what else it asks for was not found out"},
		{labelled, "Namespace/shop enforces the level privileged; nothing refuses a pod with a privileged container and what policies ask for besides"},
	} {
		g := graphOf(t, true, parse(t, base+admission(deny, c.policy))...)
		var told []string
		for i := range g.edges {
			if e := &g.edges[i]; e.kind == RunEscape {
				for _, evidence := range g.Explain(g.public(e)).Evidence {
					told = append(told, evidence.Text)
				}
			}
		}
		if !slices.Contains(told, c.want) {
			t.Errorf("%s: told %q, want %q", c.policy, told, c.want)
		}
	}
}

// TestDebugGuard holds that a debug container can be dangerous by its own fields
// alone.
func TestDebugGuard(t *testing.T) {
	privileged, added := strings.ReplaceAll(initNoPriv, "initContainers", "ephemeralContainers"), strings.ReplaceAll(initNoAdded, "initContainers", "ephemeralContainers")
	const matched = "operations: [CREATE], resources: [pods]"
	for _, c := range []struct {
		policy string
		want   bool
	}{
		{strings.Replace(admission(deny, privileged, added), matched, "operations: [UPDATE], resources: [pods/ephemeralcontainers]", 1), false},
		{strings.Replace(admission(deny, privileged, added), matched, "operations: ['*'], resources: ['pods/*']", 1), false},
		{strings.Replace(admission(deny, privileged), matched, "operations: ['*'], resources: ['pods/*']", 1), true},
		{strings.Replace(admission(deny, noPrivileged, noAdded), matched, "operations: ['*'], resources: ['pods/*']", 1), true}, // looks at other containers
		{admission(deny, privileged, added), true}, // sees pods only when they are made
		{strings.Replace(admission(deny, privileged, added), matched, "operations: [CREATE], resources: [pods/ephemeralcontainers]", 1), true},
	} {
		yaml := namespaceOf("shop", enforce+"privileged") + deploy("web", "", "") + role(false, rule("patch", "", "pods/ephemeralcontainers")) + c.policy
		got := slices.ContainsFunc(graphOf(t, false, parse(t, yaml)...).told(), func(told string) bool { return strings.HasPrefix(told, "debug-escape") })
		if got != c.want {
			t.Errorf("escapes: %t, with %s", got, c.policy)
		}
	}
}

// podYAML is a pod that is near to the standards.
func podYAML(r *rand.Rand) string {
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	rare := func(options ...string) string {
		if r.IntN(6) > 0 {
			return ""
		}
		return pick(options...)
	}
	context := func() string {
		return "{x: y" + rare(", seLinuxOptions: {type: container_t}", ", seLinuxOptions: {type: spc_t}", ", seLinuxOptions: {user: u}", ", seLinuxOptions: {type: container_engine_t}", ", seLinuxOptions: {role: r}") +
			rare(", seccompProfile: {type: RuntimeDefault}", ", seccompProfile: {type: Unconfined}", ", seccompProfile: {type: Localhost, localhostProfile: p}") +
			rare(", appArmorProfile: {type: RuntimeDefault}", ", appArmorProfile: {type: Unconfined}") + rare(", windowsOptions: {hostProcess: true}", ", windowsOptions: {hostProcess: false}")
	}
	probe := func() string {
		return pick("{httpGet: {port: 80}}", "{httpGet: {port: 80, host: h}}", "{tcpSocket: {port: 80, host: h}}", "{tcpSocket: {port: 80}}")
	}
	container := func(name string) string {
		return "{name: " + name + ", image: i, securityContext: " + context() +
			rare(", privileged: true", ", privileged: false") + rare(", capabilities: {add: [NET_BIND_SERVICE, CHOWN]}", ", capabilities: {add: [SYS_ADMIN]}", ", capabilities: {drop: [ALL]}") +
			rare(", procMount: Default", ", procMount: Unmasked") + "}" + rare(", ports: [{containerPort: 80}]", ", ports: [{containerPort: 80, hostPort: 80}]", ", ports: [{containerPort: 80, hostPort: 0}]") +
			rare(", livenessProbe: "+probe(), ", readinessProbe: "+probe(), ", startupProbe: "+probe(), ", lifecycle: {preStop: "+probe()+"}", ", lifecycle: {postStart: "+probe()+"}") + "}"
	}
	sysctl := pick("kernel.shm_rmid_forced", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_notsent_lowat", "kernel.other")
	spec := "containers: [" + container("c") + "]" + rare(", initContainers: ["+container("i")+"]", ", ephemeralContainers: ["+container("e")+"]") +
		rare(", hostPID: true", ", hostIPC: true", ", hostNetwork: true", ", hostUsers: false", ", hostPID: false") +
		rare(", volumes: [{name: v, hostPath: {path: /x}}]", ", volumes: [{name: v, emptyDir: {}}]") +
		", securityContext: " + context() + rare(", sysctls: [{name: "+sysctl+", value: '1'}]") + "}"
	annotations := rare("container.apparmor.security.beta.kubernetes.io/c: "+pick("unconfined", "runtime/default", "localhost/x", "''"), "seccomp.security.alpha.kubernetes.io/pod: "+pick("unconfined", "runtime/default"),
		"container.seccomp.security.alpha.kubernetes.io/c: "+pick("unconfined", "docker/default"))
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {" + annotations + "}}\nspec: {" + spec + "}\n"
}

// TestBaseline holds the level baseline against the admission plug-in's own.
func TestBaseline(t *testing.T) {
	evaluator, err := podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(13, 14))
	meets := 0
	const rounds = 20000
	for range rounds {
		text := podYAML(r)
		o := parse(t, text)[0]
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Root.Native().(map[string]any), &pod); err != nil {
			t.Fatal(err)
		}
		minor := r.IntN(38)
		result := podsecurity.AggregateCheckResults(evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelBaseline, Version: api.MajorMinorVersion(1, minor)}, &metav1.ObjectMeta{Annotations: pod.Annotations}, &pod.Spec))
		got := baseline(o.Root.Get("metadata"), o.Root.Get("spec"), minor)
		if got != result.Allowed {
			t.Fatalf("1.%d: baseline %t, want %t (%s)\n%s", minor, got, result.Allowed, result.ForbiddenDetail(), text)
		}
		if got {
			meets++
		}
	}
	if meets < rounds/20 || meets > rounds*19/20 {
		t.Errorf("%d of %d pods meet the level", meets, rounds)
	}
}

// TestGaps leaves out kinds that close edges: what they would close is unknown.
func TestGaps(t *testing.T) {
	yaml := namespaceOf("shop", enforce+"privileged") + deploy("web", "", web) + deploy("db", "", web) + fmt.Sprintf(service, "LoadBalancer") + role(false, rule("create", "", "pods"))
	objects := parse(t, yaml)
	certainties := func(kinds ...model.GroupKind) string {
		var gaps []model.Gap
		for _, gk := range kinds {
			gaps = append(gaps, model.Gap{Kind: gk, Reason: "the test did not read " + gk.Kind})
		}
		s := model.NewSnapshot(objects, true, gaps...)
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37})
		compareDistances(t, g, g.all(NodeRoot))
		var found []string
		for _, told := range g.told() {
			for _, edge := range []string{"expose-service: ", "exploit-service: Deployment shop/web -> container app of Deployment shop/db", "run-escape: "} {
				if strings.HasPrefix(told, edge) {
					_, certainty, _ := strings.Cut(told, ", ")
					found = append(found, certainty)
				}
			}
		}
		return strings.Join(found, "; ")
	}
	const all = "needs an exploit; needs an exploit; certain"
	for _, c := range []struct {
		kinds []model.GroupKind
		want  string
	}{
		{nil, all},
		{[]model.GroupKind{{Group: "networking.k8s.io", Kind: "NetworkPolicy"}}, "unknown; unknown; certain"},
		{[]model.GroupKind{{Group: "cilium.io", Kind: "CiliumNetworkPolicy"}}, "unknown; unknown; certain"},
		{[]model.GroupKind{model.PolicyKind}, "needs an exploit; needs an exploit; unknown"},
		{[]model.GroupKind{model.PolicyBindingKind}, "needs an exploit; needs an exploit; unknown"},
		{[]model.GroupKind{{Kind: "Secret"}}, all},
	} {
		if got := certainties(c.kinds...); got != c.want {
			t.Errorf("without %v: %s, want %s", c.kinds, got, c.want)
		}
	}
}
