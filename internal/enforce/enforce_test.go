package enforce

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/behavior"
)

// files are what Read may open.
type files map[string]string

func (f files) open(name string) (io.ReadCloser, error) {
	text, ok := f[name]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", name, os.ErrNotExist)
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

const head = "apiVersion: ullage.dev/v1alpha1\nkind: Enforcement\npolicies:\n"

const profile = `apiVersion: ullage.dev/v1alpha1
kind: Profile
normalizer: 1
workload: {namespace: shop, kind: Deployment, name: web, container: web}
seen: "14 of 14 days"
images: []
deeds:
  - {kind: execute, program: "/app/we\\x2a\\x5cb", layer: image, user: root}
  - {kind: execute, program: /app/web, layer: image, user: root}
  - {kind: execute, program: /app/web, layer: image, user: other}
  - {kind: connect, program: /app/web, layer: image, user: root, address: 10.0.0.9, protocol: tcp, port: 5432}
  - {kind: connect, program: /app/web, layer: image, user: root, workload: StatefulSet/shop/db, protocol: tcp, port: 5433}
`

func TestRead(t *testing.T) {
	text := head + `- name: web
  namespaces: [shop]
  workloads: ["Deployment/web*"]
  mode: enforce
  unknown: enforce
  profiles: [profiles/web.yaml]
  addresses: {StatefulSet/shop/db: [10.1.0.0/24, "2001:db8::/64"], vault: [192.0.2.7]}
  executions: {mode: kill, only: approved, allow: [/sbin/docker-init]}
  egress:
    peers:
      - {cidr: "::ffff:10.2.0.0/112", ports: [443, 53/UDP]}
      - {name: vault}
- name: rest
  containers: ["*"]
  egress: {peers: []}
`
	got, err := Read("/etc/ullage/enforce.yaml", files{"/etc/ullage/enforce.yaml": text, "/etc/ullage/profiles/web.yaml": profile}.open)
	if err != nil {
		t.Fatal(err)
	}
	p := got.All[0]
	if p.Executions.Mode != Kill || p.Egress.Mode != Enforce || !p.Strict || p.Executions.Only != Approved || got.All[1].Egress.Mode != Alert || got.All[1].Executions.Mode != Observe {
		t.Errorf("%+v", got.All)
	}
	if want := []Executable{{"/sbin/docker-init", ""}, {`/app/we*\b`, behavior.InImage}, {"/app/web", behavior.InImage}}; !slices.Equal(p.Executions.Allowed, want) {
		t.Errorf("may run: %q", p.Executions.Allowed)
	}
	var peers []string
	for _, x := range p.Egress.Allowed {
		peers = append(peers, fmt.Sprint(x.Network, " ", x.Protocol, " ", x.Port))
	}
	if want := []string{"10.2.0.0/16 tcp 443", "10.2.0.0/16 udp 53", "192.0.2.7/32  0", "10.0.0.9/32 tcp 5432", "10.1.0.0/24 tcp 5433", "2001:db8::/64 tcp 5433"}; !slices.Equal(peers, want) {
		t.Errorf("may be connected to: %q", peers)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":              {"", "it holds no policies"},
		"another kind":         {"apiVersion: ullage.dev/v1alpha1\nkind: Profile\n", "does not begin with"},
		"unknown field":        {head + "- {name: a, namespaces: [x], egress: {peers: []}, moed: kill}", `f.yaml:4:51: unknown field "moed"`},
		"unknown mode":         {head + "- {name: a, namespaces: [x], mode: deny, egress: {peers: []}}", `mode "deny" is none of observe, alert, enforce, kill`},
		"a name twice":         {head + "- {name: a, namespaces: [x], egress: {peers: []}}\n- {name: a, namespaces: [x], egress: {peers: []}}", "there are two policies a"},
		"a name too long":      {head + "- {name: " + strings.Repeat("a", 56) + ", namespaces: [x], egress: {peers: []}}", "is not one of up to 55"},
		"of nobody":            {head + "- {name: a, egress: {peers: []}}", "says of no container"},
		"an empty list":        {head + "- {name: a, namespaces: [], egress: {peers: []}}", "no container is meant"},
		"a bad pattern":        {head + "- {name: a, namespaces: ['['], egress: {peers: []}}", "is not a name or pattern"},
		"all control groups":   {head + "- {name: a, controlGroups: [/], egress: {peers: []}}", "below the root"},
		"nothing decided":      {head + "- {name: a, namespaces: [x]}", "neither executions nor egress"},
		"egress of nothing":    {head + "- {name: a, namespaces: [x], egress: {}}", "egress needs peers"},
		"bits behind":          {head + "- {name: a, namespaces: [x], egress: {peers: [{cidr: 10.0.0.1/8}]}}", "10.0.0.0/8 is the network"},
		"both families":        {head + "- {name: a, namespaces: [x], egress: {peers: [{cidr: '::ffff:0:0/90'}]}}", "both families"},
		"a name without one":   {head + "- {name: a, namespaces: [x], egress: {peers: [{name: vault}]}}", "say where vault is"},
		"port 0":               {head + "- {name: a, namespaces: [x], egress: {peers: [{cidr: 10.0.0.0/8, ports: [0]}]}}", "is not a port"},
		"sctp":                 {head + "- {name: a, namespaces: [x], egress: {peers: [{cidr: 10.0.0.0/8, ports: [9/SCTP]}]}}", "is not a port"},
		"a relative program":   {head + "- {name: a, namespaces: [x], executions: {allow: [init]}}", "absolute path of a program"},
		"approved by nothing":  {head + "- {name: a, namespaces: [x], executions: {only: approved}}", "needs profiles"},
		"a profile not there":  {head + "- {name: a, namespaces: [x], profiles: [q.yaml], egress: {}}", "open q.yaml"},
		"a peer of a profile":  {head + "- {name: a, namespaces: [x], mode: enforce, profiles: [p.yaml], egress: {}}", "connects to StatefulSet/shop/db, and the kernel decides by addresses"},
		"a program of several": {head + "- {name: a, namespaces: [x], profiles: [many.yaml], executions: {only: approved}}", "/app/*, which stands for several paths"},
	} {
		many := strings.Replace(profile, "/app/web, layer", `"/app/*", layer`, 1)
		if _, err := Read("f.yaml", files{"f.yaml": c.text, "p.yaml": profile, "many.yaml": many}.open); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	// Where nothing is denied by it, what is not decided is said.
	got, err := Read("f.yaml", files{"f.yaml": head + "- {name: a, namespaces: [x], profiles: [p.yaml], egress: {}}", "p.yaml": profile}.open)
	if err != nil || len(got.Said) != 1 || !strings.Contains(got.Said[0], "StatefulSet/shop/db are not decided") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFor(t *testing.T) {
	lax, strict := &Policy{Name: "lax", Namespaces: []string{"shop"}, Workloads: []string{"Deployment/web"}}, &Policy{Name: "strict", Namespaces: []string{"bank"}, Workloads: []string{"Deployment/web"}, Strict: true}
	namespace, group := &Policy{Name: "namespace", Namespaces: []string{"sh*", "bank"}}, &Policy{Name: "group", ControlGroups: []string{"/a/b"}, Containers: []string{"c*"}}
	all := Policies{All: []*Policy{lax, strict, namespace, group}}
	for _, c := range []struct {
		target Target
		want   *Policy
		known  bool
	}{
		{Target{Namespace: "shop", Workload: "Deployment/web"}, lax, true},
		{Target{Namespace: "shop", Workload: "Deployment/db"}, namespace, true},
		{Target{Namespace: "shop"}, namespace, false}, // open: what the namespace has counts meanwhile
		{Target{Namespace: "bank"}, strict, false},    // closed
		{Target{Namespace: "bank", Workload: "Job/web"}, namespace, true},
		{Target{Container: "cache", ControlGroup: "/a/b/c"}, group, true},
		{Target{Container: "cache", ControlGroup: "/a/b"}, group, true},
		{Target{Container: "cache", ControlGroup: "/a/bc"}, nil, true},
		{Target{Container: "web", ControlGroup: "/a/b"}, nil, true},
		{Target{ControlGroup: "/a/b"}, nil, true},
		{Target{}, nil, true},
	} {
		if got, known := all.For(c.target); got != c.want || known != c.known {
			t.Errorf("%+v: %+v, %v", c.target, got, known)
		}
	}
}

func TestCheckRefusesWhatCannotBeDenied(t *testing.T) {
	tracing := Means{Tier: behavior.TierTracing, KillExecution: true, DenyConnection: true}
	security := Means{Tier: behavior.TierLSM, DenyExecution: true, KillExecution: true, DenyConnection: true}
	for _, c := range []struct {
		executions, egress Mode
		means              Means
		want               string
	}{
		{Enforce, Observe, tracing, "policy a: executions cannot be denied here"},
		{Enforce, Enforce, security, ""},
		{Kill, Enforce, tracing, ""},
		{Kill, Observe, Means{}, "lets no program of the sensor kill"},
		{Observe, Kill, security, "there is no mode kill"},
		{Observe, Enforce, Means{}, "connections cannot be denied here"},
		{Alert, Alert, Means{}, ""},
	} {
		p := Policies{All: []*Policy{{Name: "a", Executions: Executions{Mode: c.executions}, Egress: Egress{Mode: c.egress}}}}
		if err := p.Check(c.means); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v", c.executions, c.egress, err)
		}
	}
}

// A policy that says something else has another number, so that the kernel never mixes
// the two.
func TestNumber(t *testing.T) {
	base := func() *Policy {
		return &Policy{Name: "a", Egress: Egress{Mode: Enforce, Allowed: []Peer{{Network: netip.MustParsePrefix("10.0.0.0/8")}}}, Executions: Executions{Allowed: []Executable{{Path: "/a"}}}}
	}
	numbers := map[uint32]string{base().Number(): "base"}
	for name, change := range map[string]func(*Policy){
		"name": func(p *Policy) { p.Name = "b" }, "mode": func(p *Policy) { p.Egress.Mode = Alert }, "network": func(p *Policy) { p.Egress.Allowed[0].Network = netip.MustParsePrefix("10.0.0.0/9") },
		"port": func(p *Policy) { p.Egress.Allowed[0].Port = 1 }, "program": func(p *Policy) { p.Executions.Allowed[0].Path = "/b" }, "strict": func(p *Policy) { p.Strict = true },
	} {
		p := base()
		change(p)
		if other, ok := numbers[p.Number()]; ok {
			t.Errorf("%s has the number of %s", name, other)
		}
		numbers[p.Number()] = name
	}
	if first, second := base(), base(); first.Number() != second.Number() {
		t.Error("a policy has two numbers")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(head + "- {name: a, namespaces: [x], mode: kill, executions: {allow: [/a]}, egress: {peers: [{cidr: 10.0.0.0/8, ports: [1, 2/UDP]}]}}")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Read("f.yaml", files{"f.yaml": text}.open)
		if (p == nil) == (err == nil) {
			t.Errorf("%v, %v", p, err)
		}
	})
}
