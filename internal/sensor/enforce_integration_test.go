//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/enforce"
)

// enforced is the control group that policies of tests are about.
const enforced = "/ullage-test-enforced"

// ownImageOnly kills what the image of containers in the group does not hold, and lets
// them connect to the loopback addresses alone.
func ownImageOnly() *enforce.Policies {
	return &enforce.Policies{All: []*enforce.Policy{{
		Name: "own-image", ControlGroups: []string{enforced},
		Executions: enforce.Executions{Mode: enforce.Kill, Only: enforce.Image},
		Egress: enforce.Egress{Mode: enforce.Enforce, Allowed: []enforce.Peer{
			{Network: netip.MustParsePrefix("127.0.0.1/32"), Protocol: "tcp", Port: 9}, {Network: netip.MustParsePrefix("::1/128"), Protocol: "tcp"},
			{Network: netip.MustParsePrefix("192.0.2.0/24"), Protocol: "udp", Port: 9}, {Network: netip.MustParsePrefix("2001:db8:1::/48")},
		}},
	}}}
}

// makeGroup makes the control group, as a manager makes it before it begins a container.
func makeGroup(t *testing.T) {
	t.Helper()
	h, err := lookAtHost()
	if err != nil {
		t.Skip(err)
	}
	if err := os.MkdirAll(h.cgroups+enforced, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeGroups(t, enforced[1:]) })
}

// tries runs a container below a control group, with a limit on how many processes it
// may have, and returns what it says of each act.
func tries(t *testing.T, group string, setup []string, acts ...string) map[string]string {
	t.Helper()
	b := bundleOf(t, strings.ToLower(filepath.Base(t.TempDir()))+"-"+strings.ToLower(t.Name()), group, nil)
	b.configure(t, func(config map[string]any) {
		config["linux"].(map[string]any)["resources"] = map[string]any{"pids": map[string]int{"limit": 64}}
	})
	all := slices.Clone(setup)
	for _, act := range acts {
		all = append(all, "try "+act)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	out, err := b.command(ctx, t, all...).CombinedOutput()
	if err != nil {
		t.Fatalf("runc: %v\n%s", err, out)
	}
	said := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if act, what, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			said[act] = what
		}
	}
	if len(said) != len(acts) {
		t.Fatalf("it says:\n%s", out)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "upper/tmp/witness")); err == nil {
		said["witness"] = "there"
	}
	return said
}

var setup = []string{"route", "copy /bin/image /tmp/dropped", "append /bin/tool", "copy /bin/image /volume/mounted", "copy /bin/act /tmp/act"}

// denials are what becomes of acts, outside of the policy and inside of it.
var denials = map[string]struct{ outside, inside string }{
	"run /bin/image":                 {"ok", "ok"},
	"run /tmp/dropped":               {"ok", "signal: killed"},
	"run /bin/tool":                  {"ok", "signal: killed"},
	"run /volume/mounted":            {"ok", "signal: killed"},
	"memory /bin/image":              {"ok", "signal: killed"},
	"as /tmp/act begin /tmp/witness": {"ok", "signal: killed"},
	"reach tcp 127.0.0.1:9":          {"connection refused", "connection refused"},
	"reach tcp 127.0.0.1:10":         {"connection refused", "operation not permitted"},
	"reach tcp 127.0.0.2:9":          {"connection refused", "operation not permitted"},
	"reach tcp 192.0.2.1:9":          {"i/o timeout", "operation not permitted"},
	"reach udp 192.0.2.1:9":          {"ok", "ok"},
	"reach udp 198.51.100.1:9":       {"ok", "operation not permitted"},
	"datagram 192.0.2.1:9":           {"ok", "ok"},
	"datagram 198.51.100.1:9":        {"ok", "operation not permitted"},
	"reach tcp [::1]:9":              {"connection refused", "connection refused"},
	"reach tcp [2001:db8::1]:9":      {"network is unreachable", "operation not permitted"},
	"reach tcp [2001:db8:1::1]:9":    {"network is unreachable", "network is unreachable"},
	"datagram [2001:db8::1]:9":       {"network is unreachable", "operation not permitted"},
	"datagram [2001:db8:1::1]:9":     {"network is unreachable", "network is unreachable"},
}

func actsOfDenials() (acts []string) {
	for act := range denials {
		acts = append(acts, act)
	}
	slices.Sort(acts)
	return acts
}

// checkDenials fails where something is not denied inside, or is outside.
func checkDenials(t *testing.T, inside bool, said map[string]string) {
	t.Helper()
	for act, want := range denials {
		want := map[bool]string{false: want.outside, true: want.inside}[inside]
		if !strings.HasSuffix(said[act], want) {
			t.Errorf("inside of the policy: %v, %s: %s, want %s", inside, act, said[act], want)
		}
	}
	if witness := said["witness"] != ""; witness == inside {
		t.Errorf("inside of the policy: %v; what is killed ran: %v", inside, witness)
	}
}

func TestPoliciesHold(t *testing.T) {
	requireMachine(t)
	makeGroup(t)
	s := start(t, Options{Policies: ownImageOnly()})
	done := listen(t, s)
	acts := actsOfDenials()
	checkDenials(t, true, tries(t, enforced, setup, acts...))
	checkDenials(t, false, tries(t, "", setup, acts...))
	// What was denied is a fact that was, and one alert.
	denied, alerts := map[string]bool{}, map[string]int{}
	for _, e := range done() {
		what := e.Fact.Program.Path
		if e.Fact.Kind == behavior.Connect {
			what = e.Fact.Peer.Protocol + " " + netip.AddrPortFrom(e.Fact.Peer.Address, e.Fact.Peer.Port).String()
		}
		switch {
		case e.Kind == Did && e.Fact.Outcome == behavior.Denied && (e.Fact.Kind == behavior.Connect || e.Fact.Kind == behavior.Execute):
			denied[what] = true
		case e.Kind == Alerted && e.Policy != "":
			alerts[what]++
			if e.Policy != "own-image" || e.Fact.Outcome != behavior.Denied || e.PID == 0 || len(e.Ancestors) == 0 {
				t.Errorf("alert: %+v", e)
			}
		case e.Kind == Began && e.Err != nil:
			t.Error(e.Err)
		}
	}
	// All of 127.0.0.0/8 is told as one address.
	want := []string{"/bin/tool", "/tmp/act", "/tmp/dropped", "/volume/mounted", "memfd:hidden", "tcp 127.0.0.1:10", "tcp 127.0.0.1:9", "tcp 192.0.2.1:9",
		"tcp [2001:db8::1]:9", "udp 198.51.100.1:9", "udp [2001:db8::1]:9"}
	for _, what := range want {
		if !denied[what] || alerts[what] != 1 {
			t.Errorf("%s: told as denied: %v; %d alerts", what, denied[what], alerts[what])
		}
	}
	if len(denied) != len(want) || len(alerts) != len(want) {
		t.Errorf("denied: %v, alerts: %v", denied, alerts)
	}
}
