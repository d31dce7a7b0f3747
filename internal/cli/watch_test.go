package cli

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/sensor"
)

// happened is one run of a watcher over made-up events.
func happened(t *testing.T, f *machineFlags, width int, lost sensor.Losses) (string, error) {
	t.Helper()
	var out strings.Builder
	p := &Program{Stdout: &out, Terminal: Terminal{Width: width}, Getenv: func(string) string { return "" }}
	w := &machineWatcher{flags: f, text: watchPrinter{accessPrinter: newPrinter(p, "never")}, json: json.NewEncoder(&out), sums: map[*sensor.Container]*watched{}}
	alarm, err := f.rules.alarm(t.Context(), p, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	w.alarm = alarm
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.Local)
	web := &sensor.Container{ID: strings.Repeat("0123456789abcdef", 4), Runtime: "containerd", Name: "web", Pod: "web-0", Namespace: "shop", Image: "registry.example/web:1", Created: at}
	host := &sensor.Container{Host: true}
	fact := func(k behavior.Kind, path string, layer behavior.Layer, peer behavior.Peer, args ...string) behavior.Fact {
		o := behavior.Observation{Kind: k, Origin: behavior.Entrypoint, Program: behavior.File{Path: path, Layer: layer}, Peer: peer, Arguments: args}
		return o.Fact()
	}
	named := func(k behavior.Kind, name string) behavior.Fact {
		o := behavior.Observation{Kind: k, Origin: behavior.Entrypoint, Program: behavior.File{Path: "/usr/sbin/nginx", Layer: behavior.InImage}, Name: name}
		return o.Fact()
	}
	log := behavior.Observation{Kind: behavior.Write, Program: behavior.File{Path: "/usr/sbin/nginx", Layer: behavior.InImage}, File: behavior.File{Path: "/var/log/nginx/access.log", Layer: behavior.Added}}
	written := log.Fact()
	database := behavior.Peer{Address: netip.MustParseAddr("2001:db8::5"), Protocol: "tcp", Port: 5432}
	dropped := fact(behavior.Execute, "/tmp/a very long name that has spaces, and a \x1b[31mcommand for the terminal/dropped", behavior.Added, behavior.Peer{})
	for _, e := range []sensor.Event{
		{Kind: sensor.Began, At: at, Container: web},
		{Kind: sensor.Did, Container: web, Fact: fact(behavior.Execute, "/usr/bin/dash", behavior.InImage, behavior.Peer{}, "sh", "-c", "PASSWORD=not-a-secret-1 nginx")},
		{Kind: sensor.Did, Container: web, Fact: fact(behavior.Listen, "/usr/sbin/nginx", behavior.InImage, behavior.Peer{Protocol: "tcp", Port: 80})},
		{Kind: sensor.Did, Container: host, Fact: fact(behavior.Execute, "/usr/bin/apt", "", behavior.Peer{})},
		{Kind: sensor.Did, Container: web, Fact: fact(behavior.Connect, "/usr/sbin/nginx", behavior.InImage, database)},
		{Kind: sensor.Did, Container: web, Fact: named(behavior.Syscall, "openat")},
		{Kind: sensor.Did, Container: web, Fact: named(behavior.Capability, "NET_BIND_SERVICE")},
		{Kind: sensor.Did, Container: web, Fact: named(behavior.Namespace, "user")},
		{Kind: sensor.Did, Container: web, Fact: written},
		{Kind: sensor.Did, Container: web, Fact: dropped},
		{Kind: sensor.Alerted, Container: web, Fact: dropped, PID: 40, Ancestors: []sensor.Ancestor{{PID: 39, Command: "sh", Program: "/usr/bin/dash"}, {PID: 30, Command: "nginx"}}},
		{Kind: sensor.Alerted, Container: web, Fact: fact(behavior.Execute, "/usr/bin/id", "", behavior.Peer{}), PID: 41, Escaped: true},
		{Kind: sensor.Ended, Container: web, Lost: lost},
	} {
		e.At = at
		if e.Kind == sensor.Ended {
			web.Removed = at.Add(90 * time.Second)
		}
		w.event(e)
	}
	err = w.end(&sensor.Coverage{From: at, To: at.Add(2 * time.Minute), Tier: behavior.TierTracing, Lost: lost})
	return out.String(), err
}

func TestWatchInText(t *testing.T) {
	text, err := happened(t, &machineFlags{output: "text"}, 80, sensor.Losses{})
	if err != nil {
		t.Fatal(err)
	}
	const want = `shop/web-0/web  registry.example/web:1, containerd, 0123456789ab
  08:00:00  began
  08:00:00  runs     /usr/bin/dash -c nginx #`
	if !strings.HasPrefix(text, want) {
		t.Errorf("%s", text)
	}
	for _, line := range []string{
		"  08:00:00  listens  tcp 80 by /usr/sbin/nginx",
		"  08:00:00  connects tcp [2001:db8::5]:5432 by /usr/sbin/nginx",
		"                     process 40, by /usr/bin/dash (39), by nginx (30)",
		"  08:00:00  ALERT    /usr/bin/id ran in the container before and has the root of",
		"                     the host now (critical, root-of-host)",
		"  08:00:00  ALERT    /usr/sbin/nginx makes a user namespace (high,",
		"  08:00:00  ended    after 1m30s",
		"  08:00:00  does     /usr/sbin/nginx makes a namespace: user",
		"  08:00:00  uses     capability NET_BIND_SERVICE by /usr/sbin/nginx",
		"  08:00:00  writes   /var/log/nginx/access.log by /usr/sbin/nginx",
		"container       runs  connects  accepts  listens  writes  calls  alerts",
		"shop/web-0/web     2         1        0        1       1      1       3",
		"host               1         0        0        0       -      -       0",
		"watched for 2m0s by BTF tracepoints and cgroup programs; nothing was lost",
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, text)
		}
	}
	if strings.Contains(text, "/usr/bin/apt") || strings.Contains(text, "openat") || strings.Contains(text, "\x1b") || strings.Contains(text, "not-a-secret") {
		t.Errorf("the host, an escape or an argument is shown:\n%s", text)
	}
}

func TestWatchFitsTheTerminal(t *testing.T) {
	for _, width := range []int{40, 80, 100} {
		text, _ := happened(t, &machineFlags{output: "text", host: true}, width, sensor.Losses{Executions: 1, Elsewhere: 12})
		for line := range strings.Lines(text) {
			words := strings.Fields(line)
			if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > max(width, 76) && len(words) > 3 {
				t.Errorf("at %d columns: %s", width, line)
			}
		}
		if !strings.Contains(text, "/usr/bin/apt") {
			t.Error("--host does not tell of the host")
		}
	}
}

func TestWatchSaysWhatIsLost(t *testing.T) {
	lost := sensor.Losses{Executions: 3, Outgoing: 1}
	text, err := happened(t, &machineFlags{output: "text"}, 100, lost)
	if strings.Contains(text, "nothing was lost") || strings.Count(text, "3 executions, 1 outgoing connection found no room") != 2 {
		t.Error(text)
	}
	if coded, ok := err.(*codeError); !ok || coded.code != exitIncomplete {
		t.Errorf("%v", err)
	}
}

func TestWatchInJSON(t *testing.T) {
	text, err := happened(t, &machineFlags{output: "json"}, 0, sensor.Losses{})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range strings.Lines(text) {
		var j struct {
			Version   int
			Event     string
			Container struct{ Name, Pod string }
			Fact      *behavior.Fact
			Rules     []struct{ ID, Severity, Message string }
		}
		if err := json.Unmarshal([]byte(line), &j); err != nil || j.Version != 1 {
			t.Fatalf("%s: %v", line, err)
		}
		if j.Event != "coverage" && j.Container.Pod != "web-0" || (j.Event == "fact" || j.Event == "alert") != (j.Fact != nil) {
			t.Error(line)
		}
		if (j.Event == "alert") != (len(j.Rules) > 0) || len(j.Rules) > 0 && (j.Rules[0].ID == "" || j.Rules[0].Severity == "" || j.Rules[0].Message == "") {
			t.Error(line)
		}
		kinds = append(kinds, j.Event)
	}
	if got := strings.Join(kinds, " "); got != "container fact fact fact fact fact fact alert fact fact alert alert ended coverage" {
		t.Error(got)
	}
}

// Alerts are those of the rules that were chosen, without what is excepted.
func TestWatchByRules(t *testing.T) {
	exceptions := filepath.Join(t.TempDir(), "x.yaml")
	text := `{apiVersion: ullage.dev/v1alpha1, kind: Exceptions, exceptions: [
		{rules: [root-of-host], reason: r, owner: o, expires: 2026-12-31, match: {namespaces: [shop], names: ["web-*"], containers: [web]}}]}`
	if err := os.WriteFile(exceptions, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rules behaviorRules
		want  string
	}{
		"all that are recommended": {behaviorRules{}, "namespace-made program-not-in-image root-of-host"},
		"one rule":                 {behaviorRules{rules: []word{{text: "namespace-made"}}}, "namespace-made"},
		"exceptions":               {behaviorRules{exceptions: []string{exceptions}}, "namespace-made program-not-in-image"},
	} {
		out, err := happened(t, &machineFlags{output: "json", rules: c.rules}, 0, sensor.Losses{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out) {
			var j struct{ Rules []struct{ ID string } }
			if err := json.Unmarshal([]byte(line), &j); err != nil {
				t.Fatal(err)
			}
			for _, r := range j.Rules {
				got = append(got, r.ID)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A watch by rules that judge no behavior would never alert.
func TestWatchByNoRule(t *testing.T) {
	p := &Program{Getenv: func(string) string { return "" }}
	for name, r := range map[string]behaviorRules{"a rule on objects": {rules: []word{{text: "privileged-container"}}}, "a profile of those": {profile: "baseline"}} {
		if _, err := r.alarm(t.Context(), p, time.Now()); err == nil || !strings.Contains(err.Error(), "what containers do") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
