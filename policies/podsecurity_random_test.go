package policies_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand"
	"testing"
)

// TestPodSecurityRandomPods holds the rules against the library on pods that
// nobody thought of.
func TestPodSecurityRandomPods(t *testing.T) {
	s := newStandard(t)
	g := podGenerator{rand.New(rand.NewSource(1))}
	const pods = 4000
	for i := range pods {
		text, err := json.Marshal(g.pod(i))
		if err != nil {
			t.Fatal(err)
		}
		o, pod, err := object(string(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for _, minor := range []int{newestMinor, g.Intn(newestMinor), g.Intn(newestMinor)} {
			if _, err := s.compare(o, pod, minor); err != nil {
				t.Fatalf("pod %d: %v\n%s", i, err, text)
			}
		}
	}
	s.requireVerdicts(t, 100)
}

// TestPodSecurityInheritance goes through all that a pod and its container may
// say about one setting, in and out of user namespaces, in all versions.
func TestPodSecurityInheritance(t *testing.T) {
	s := newStandard(t)
	nothing := map[string]any{}
	profile := func(key, kind string) map[string]any {
		return map[string]any{key: map[string]any{"type": kind}}
	}
	for _, values := range [][]map[string]any{
		{nothing, {"runAsNonRoot": true}, {"runAsNonRoot": false}},
		{nothing, {"runAsUser": 1000}, {"runAsUser": 0}},
		{nothing, profile("seccompProfile", "RuntimeDefault"), profile("seccompProfile", "Unconfined"), {"seccompProfile": nothing}},
		{nothing, profile("appArmorProfile", "Localhost"), profile("appArmorProfile", "Unconfined"), {"appArmorProfile": nothing}},
		{nothing, profile("seLinuxOptions", "container_engine_t"), profile("seLinuxOptions", "spc_t"), {"seLinuxOptions": nothing}},
		{nothing, {"windowsOptions": map[string]any{"hostProcess": false}}, {"windowsOptions": map[string]any{"hostProcess": true}}},
	} {
		for _, ofPod := range values {
			for _, ofContainer := range values {
				for _, around := range []map[string]any{{}, {"hostUsers": false}, {"hostUsers": true}, {"os": map[string]any{"name": "windows"}}} {
					spec := maps.Clone(around)
					spec["securityContext"] = ofPod
					spec["containers"] = []any{map[string]any{"name": "web", "image": "registry.example/web:1.4.2", "securityContext": ofContainer}}
					s.compareAll(t, map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "web"}, "spec": spec})
				}
			}
		}
	}
	if s.compared < 100_000 {
		t.Errorf("%d verdicts were compared, want at least 100000", s.compared)
	}
	t.Logf("%d verdicts compared, %d of them failures", s.compared, sum(s.failed))
}

// compareAll holds our verdicts on a pod against the library's in all versions.
func (s *standard) compareAll(t *testing.T, pod map[string]any) {
	t.Helper()
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	o, typed, err := object(string(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for minor := range newestMinor + 1 {
		if _, err := s.compare(o, typed, minor); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// podGenerator makes pods whose security fields are absent, plausible or odd.
// Each pod favours one of two moods, so that controls also pass.
type podGenerator struct{ *rand.Rand }

func (g podGenerator) oneIn(n int) bool { return g.Intn(n) == 0 }

func pick[T any](g podGenerator, from ...T) T { return from[g.Intn(len(from))] }

// maybe sets a field, rarely to null.
func (g podGenerator) maybe(m map[string]any, n int, key string, value any) {
	switch {
	case g.oneIn(n):
		m[key] = value
	case g.oneIn(40):
		m[key] = nil
	}
}

func (g podGenerator) pod(serial int) map[string]any {
	rare := pick(g, 3, 12) // how seldom a field is set
	spec := map[string]any{"containers": g.containers(rare, 1+g.Intn(2), "c")}
	if g.oneIn(2) {
		spec["initContainers"] = g.containers(rare, g.Intn(3), "i")
	}
	if g.oneIn(6) {
		spec["ephemeralContainers"] = g.containers(rare, 1, "e")
	}
	for _, key := range []string{"hostPID", "hostIPC", "hostNetwork"} {
		g.maybe(spec, 2*rare, key, g.oneIn(2))
	}
	g.maybe(spec, 4, "hostUsers", g.oneIn(3))
	g.maybe(spec, 4, "os", map[string]any{"name": pick(g, "windows", "linux")})
	g.maybe(spec, 2, "securityContext", g.podContext(rare))
	if g.oneIn(2) {
		spec["volumes"] = g.volumes()
	}
	metadata := map[string]any{"name": fmt.Sprintf("pod-%d", serial)}
	g.maybe(metadata, 3, "annotations", g.annotations())
	return map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
}

func (g podGenerator) containers(rare, count int, prefix string) []any {
	list := []any{}
	for i := range count {
		c := map[string]any{"name": fmt.Sprintf("%s%d", prefix, i), "image": "registry.example/app:1.0.0"}
		if !g.oneIn(5) {
			c["securityContext"] = g.context(rare)
		} else if g.oneIn(4) {
			c["securityContext"] = nil
		}
		if prefix != "e" {
			g.maybe(c, 3, "ports", g.ports())
			for _, key := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
				g.maybe(c, rare, key, g.handler())
			}
			g.maybe(c, rare, "lifecycle", map[string]any{pick(g, "preStop", "postStart"): g.handler()})
		}
		list = append(list, c)
	}
	return list
}

func (g podGenerator) ports() []any {
	ports := []any{}
	for i := range g.Intn(3) {
		p := map[string]any{"containerPort": 8000 + i}
		g.maybe(p, 4, "hostPort", pick(g, 0, 80, 8443))
		ports = append(ports, p)
	}
	return ports
}

func (g podGenerator) handler() map[string]any {
	action := map[string]any{"port": pick[any](g, 8080, "http")}
	g.maybe(action, 2, "host", pick(g, "", "127.0.0.1", "metadata.example"))
	return map[string]any{pick(g, "httpGet", "tcpSocket"): action}
}

// shared sets what pods and containers both have.
func (g podGenerator) shared(m map[string]any, rare int) {
	g.maybe(m, 2, "runAsNonRoot", !g.oneIn(rare))
	g.maybe(m, 3, "runAsUser", pick(g, 0, 1, 1000, 65534))
	g.maybe(m, 3, "seccompProfile", g.profile(rare))
	g.maybe(m, rare, "appArmorProfile", g.profile(rare))
	g.maybe(m, rare, "windowsOptions", map[string]any{"hostProcess": pick[any](g, true, false, nil)})
	if g.oneIn(rare) {
		labels := map[string]any{"level": "s0:c1,c2"}
		g.maybe(labels, 2, "type", pick(g, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", "Container_t"))
		g.maybe(labels, rare, "user", pick(g, "", "system_u"))
		g.maybe(labels, rare, "role", pick(g, "", "system_r"))
		m["seLinuxOptions"] = labels
	}
}

func (g podGenerator) profile(rare int) map[string]any {
	p := map[string]any{}
	if !g.oneIn(8) {
		p["type"] = pick(g, "RuntimeDefault", "Localhost", "RuntimeDefault")
	}
	if g.oneIn(rare) {
		p["type"] = pick(g, "Unconfined", "", "runtimedefault")
	}
	return p
}

func (g podGenerator) context(rare int) map[string]any {
	m := map[string]any{}
	g.shared(m, rare)
	g.maybe(m, 2*rare, "privileged", g.oneIn(2))
	g.maybe(m, 2, "allowPrivilegeEscalation", g.oneIn(rare))
	g.maybe(m, rare, "procMount", pick(g, "Default", "Unmasked", "unmasked", ""))
	g.maybe(m, 2, "capabilities", g.capabilities(rare))
	return m
}

func (g podGenerator) capabilities(rare int) map[string]any {
	m := map[string]any{}
	if !g.oneIn(rare) {
		m["drop"] = pick(g, []any{"ALL"}, []any{"NET_RAW", "ALL"}, []any{"all"}, []any{"NET_RAW"}, []any{})
	}
	g.maybe(m, 3, "add", pick(g, []any{}, []any{"NET_BIND_SERVICE"}, []any{"CHOWN", "NET_BIND_SERVICE"}, []any{"NET_RAW"}, []any{"ALL"}, []any{"CAP_CHOWN"}, []any{"SYS_ADMIN", "KILL"}, []any{""}))
	return m
}

func (g podGenerator) podContext(rare int) map[string]any {
	m := map[string]any{}
	g.shared(m, rare)
	if g.oneIn(3) {
		names := []string{
			"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
			"net.ipv4.tcp_rmem", "net.ipv4.tcp_notsent_lowat", "net.ipv4.ping_group_range", "kernel.msgmax", "net.core.somaxconn", "",
		}
		sysctls := []any{}
		for range g.Intn(3) {
			sysctls = append(sysctls, map[string]any{"name": pick(g, names...), "value": "1"})
		}
		m["sysctls"] = sysctls
	}
	return m
}

func (g podGenerator) volumes() []any {
	list := []any{}
	for i := range g.Intn(4) {
		v := map[string]any{"name": fmt.Sprintf("v%d", i)}
		switch source := pick(g, "", "emptyDir", "configMap", "secret", "projected", "downwardAPI", "csi", "image", "persistentVolumeClaim", "ephemeral", "hostPath", "nfs", "gitRepo", "rbd"); source {
		case "":
		case "hostPath":
			v[source] = map[string]any{"path": "/srv"}
		case "csi":
			v[source] = map[string]any{"driver": "csi.example"}
		default:
			v[source] = map[string]any{}
		}
		list = append(list, v)
	}
	return list
}

func (g podGenerator) annotations() map[string]any {
	m := map[string]any{"example.com/note": "unconfined"}
	for _, key := range []string{
		"seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/c0", "container.seccomp.security.alpha.kubernetes.io/i1",
		"container.seccomp.security.alpha.kubernetes.io/nobody", "container.apparmor.security.beta.kubernetes.io/c0", "container.apparmor.security.beta.kubernetes.io/nobody",
	} {
		if g.oneIn(4) {
			m[key] = pick(g, "runtime/default", "docker/default", "localhost/web", "unconfined", "", "localhost")
		}
	}
	return m
}
