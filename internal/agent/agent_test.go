package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/enforce"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/sensor"
	"ullage.dev/ullage/internal/store"
	"ullage.dev/ullage/internal/tree"
)

// node is a machine of a test: its kernel, its clock and its API server.
type node struct {
	t      *testing.T
	a      *agent
	clock  time.Time
	total  sensor.Losses
	lost   map[*sensor.Container]uint64
	pods   []string // objects in JSON
	failed error
	logged bytes.Buffer

	glass    sensor.Glass
	assigned int
}

func (n *node) Run(context.Context, func(sensor.Event)) error { return nil }
func (n *node) Tiers() []sensor.TierState {
	return []sensor.TierState{{Tier: behavior.TierTracing, Active: true, Reason: "all programs are loaded"}}
}
func (n *node) Coverage() (sensor.Coverage, error) {
	return sensor.Coverage{Session: "S", Tier: behavior.TierTracing, Kinds: behavior.KindsOf(behavior.Execute, behavior.Syscall), Lost: n.total}, nil
}
func (n *node) Glass() (sensor.Glass, error) { return n.glass, nil }
func (n *node) Assign() error {
	n.assigned++
	return nil
}
func (n *node) LostOf(c *sensor.Container) (sensor.Losses, error) {
	return sensor.Losses{Executions: n.lost[c]}, nil
}

func (n *node) read(context.Context) (objects []*model.Object, err error) {
	for _, text := range n.pods {
		root, err := tree.FromJSON([]byte(text), nil)
		if err != nil {
			n.t.Fatalf("%s: %v", text, err)
		}
		o, err := model.NewLiveObject(root, model.Live{Cluster: "dev", Interner: tree.NewInterner()})
		if err != nil {
			n.t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects, n.failed
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newNode(t *testing.T, o Options) *node {
	t.Helper()
	n := &node{t: t, clock: noon, lost: map[*sensor.Container]uint64{}}
	o.Node, o.State, o.Days = "node-1", t.TempDir(), 7
	o.setDefaults()
	days, err := store.OpenDays(daysDir(o.State), store.DaysOptions{Days: o.Days, Bytes: o.Bytes, Now: n.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { days.Close() })
	n.a = newAgent(o, slog.New(slog.NewTextHandler(&n.logged, nil)), days)
	n.a.now, n.a.began, n.a.kernel, n.a.covered = n.now, noon, n, noon
	return n
}

func (n *node) now() time.Time { return n.clock }

func (n *node) pass(d time.Duration) { n.clock = n.clock.Add(d) }

func (n *node) does(c *sensor.Container, origin behavior.Origin, path, parent string, args ...string) {
	o := behavior.Observation{Kind: behavior.Execute, Origin: origin, Program: behavior.File{Path: path, Layer: behavior.InImage}, Parent: parent, Arguments: args}
	n.a.event(sensor.Event{Kind: sensor.Did, Container: c, Fact: o.Fact(), At: n.clock, First: n.clock, Last: n.clock})
}

func (n *node) listens(c *sensor.Container, origin behavior.Origin, path string) {
	o := behavior.Observation{Kind: behavior.Listen, Origin: origin, Program: behavior.File{Path: path, Layer: behavior.InImage}, Peer: behavior.Peer{Protocol: "tcp", Port: 8080}}
	n.a.event(sensor.Event{Kind: sensor.Did, Container: c, Fact: o.Fact(), At: n.clock, First: n.clock, Last: n.clock})
}

func (n *node) ends(c *sensor.Container, lost uint64) {
	c.Removed = n.clock
	n.a.event(sensor.Event{Kind: sensor.Ended, Container: c, At: n.clock, Lost: sensor.Losses{Executions: lost}})
}

// kept is what the stores of all days say, by subject.
func (n *node) kept() map[string]*behavior.Behavior {
	n.t.Helper()
	all := map[string]*behavior.Behavior{}
	_, dirs, err := store.DaysIn(daysDir(n.a.options.State))
	if err != nil {
		n.t.Fatal(err)
	}
	for _, dir := range dirs {
		s, err := store.Open(n.t.Context(), dir, store.Options{})
		if err != nil {
			n.t.Fatal(err)
		}
		subjects, err := s.Subjects(n.t.Context())
		for _, subject := range subjects {
			b, failed := s.Behavior(n.t.Context(), subject)
			err = errors.Join(err, failed)
			if known := all[subject.String()]; known == nil {
				all[subject.String()] = b
			} else {
				err = errors.Join(err, known.Merge(b))
			}
		}
		if err = errors.Join(err, s.Close()); err != nil {
			n.t.Fatal(err)
		}
	}
	return all
}

// says holds what is kept against lines: subjects with their facts and intervals.
func (n *node) says(want ...string) {
	n.t.Helper()
	var got []string
	for name, b := range n.kept() {
		line := name + ":"
		for f := range b.Facts() {
			line += fmt.Sprintf(" %s(%s)", f.Program.Path, f.Origin)
		}
		for _, i := range b.Coverage.Intervals() {
			line += fmt.Sprintf(" [%s..%s", i.From.Time().Format("02T15:04:05"), i.To.Time().Format("02T15:04:05"))
			if i.Whole {
				line += " whole"
			}
			if i.Ended {
				line += " ended"
			}
			if want := behavior.KindsOf(behavior.Execute, behavior.Syscall); i.Kinds != want && (b.Subject.Kind != behavior.KindHost || i.Kinds != want&sensor.OfHost) {
				line += fmt.Sprint(" of ", i.Kinds)
			}
			if i.Lost > 0 {
				line += fmt.Sprint(" lost ", i.Lost)
			}
			if i.Run != "" {
				line += " run " + i.Run
			}
			line += "]"
		}
		got = append(got, line)
	}
	missing := false
	for _, line := range want {
		found := false
		for _, other := range got {
			found = found || other == line
		}
		missing = missing || !found
	}
	if missing || len(got) != len(want) {
		n.t.Errorf("it keeps\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const podUID = "01234567-89ab-cdef-0123-456789abcdef"

func webOf(n *node) *sensor.Container {
	return &sensor.Container{ID: "c1", Name: "web", Pod: "web-7d4b9c8f6d-aaaaa", Namespace: "shop", PodUID: podUID, Created: n.clock}
}

// objectsOfWeb are what the API server says of that container's pod.
func objectsOfWeb(imageID string) []string {
	object := func(apiVersion, kind, name, uid, owner, rest string) string {
		if owner != "" {
			ownerKind, ownerName, _ := strings.Cut(owner, "/")
			owner = fmt.Sprintf(`, "ownerReferences": [{"apiVersion": "apps/v1", "kind": %q, "name": %q, "uid": "uid-%s", "controller": true}]`, ownerKind, ownerName, ownerName)
		}
		return fmt.Sprintf(`{"apiVersion": %q, "kind": %q, "metadata": {"name": %q, "namespace": "shop", "uid": %q, "creationTimestamp": "2026-11-20T11:59:00Z"%s}, %s}`, apiVersion, kind, name, uid, owner, rest)
	}
	const spec = `"spec": {"containers": [{"name": "web", "image": "web:1", "livenessProbe": {"exec": {"command": ["/bin/alive"]}}}]}`
	const template = `"spec": {"template": {` + spec + `}}`
	return []string{
		object("v1", "Pod", "web-7d4b9c8f6d-aaaaa", podUID, "ReplicaSet/web-7d4b9c8f6d", spec+`, "status": {"phase": "Running", "containerStatuses": [{"name": "web", "imageID": "`+imageID+`"}]}`),
		object("apps/v1", "ReplicaSet", "web-7d4b9c8f6d", "uid-web-7d4b9c8f6d", "Deployment/web", template),
		object("apps/v1", "Deployment", "web", "uid-web", "", template),
	}
}

var digest = "sha256:" + strings.Repeat("a", 64)

// TestAgentNames keeps what a pod does under its workload and image, from the first
// instruction on: what came before the API server knew it waits.
func TestAgentNames(t *testing.T) {
	n := newNode(t, Options{Bytes: 64 << 20})
	n.a.pods = n
	web := webOf(n)
	host := &sensor.Container{Host: true}
	n.does(web, behavior.Entrypoint, "/app/web", "/usr/bin/runc")
	n.does(host, behavior.OriginUnknown, "/bin/sh", "")
	n.pass(10 * time.Second)
	n.a.write(t.Context(), false)
	n.says("Host/node-1: /bin/sh(unknown) [20T12:00:00..20T12:00:10]")
	if !n.a.waiting() || !n.a.ask(t.Context()) {
		t.Fatal("nothing waits for a name, or it could not be asked")
	}
	n.a.write(t.Context(), false)
	n.pods = objectsOfWeb("") // the image is still being pulled, as far as the API server knows
	n.a.ask(t.Context())
	n.a.write(t.Context(), false)
	if kept := n.kept(); len(kept) != 1 {
		t.Errorf("%d are kept", len(kept))
	}
	n.pods = objectsOfWeb("r.example/web@" + digest)
	n.a.ask(t.Context())
	if n.a.waiting() {
		t.Error("something waits though all is known")
	}
	n.does(web, behavior.Exec, "/bin/alive", "/usr/bin/runc", "/bin/alive")
	n.does(web, behavior.Exec, "/bin/bash", "/usr/bin/runc", "bash")
	n.a.write(t.Context(), false)
	n.pass(10 * time.Second)
	n.does(web, behavior.Exec, "/bin/ls", "/bin/bash", "ls") // of the shell that was written before
	n.listens(web, behavior.Exec, "/bin/bash")
	n.listens(web, behavior.Exec, "/bin/alive") // of the probe
	n.a.write(t.Context(), false)
	n.says("Host/node-1: /bin/sh(unknown) [20T12:00:00..20T12:00:10]",
		"Deployment/shop/web container web image "+digest+": /app/web(entrypoint) /bin/alive(probe) /bin/bash(exec) /bin/ls(exec) /bin/alive(probe) /bin/bash(exec) [20T12:00:00..20T12:00:20 whole]")
	n.ends(web, 0)
	n.a.write(t.Context(), false)
	if len(n.a.known) != 1 {
		t.Errorf("%d containers are known, and one of them ended", len(n.a.known)-1)
	}
	n.does(web, behavior.Entrypoint, "/app/late", "/app/web") // a last packet
	n.a.write(t.Context(), false)
	n.a.write(t.Context(), false)
	if len(n.a.known) != 1 {
		t.Error("one that ended stays known")
	}
	if b := n.kept()["Deployment/shop/web container web image "+digest]; b.Len() != 7 || !b.Coverage.Intervals()[0].Ended {
		t.Errorf("%d facts: %+v", b.Len(), b.Coverage.Intervals())
	}
}

// TestAgentGivesUpNames keeps a pod as itself when nobody says in time whose it is.
func TestAgentGivesUpNames(t *testing.T) {
	n := newNode(t, Options{Bytes: 64 << 20})
	n.a.pods = n
	n.failed = errors.New("the server answers 403 Forbidden")
	n.does(webOf(n), behavior.Entrypoint, "/app/web", "")
	if n.a.ask(t.Context()) {
		t.Error("it was answered")
	}
	n.pass(n.a.options.Patience - time.Second)
	n.a.write(t.Context(), false)
	n.says()
	n.pass(2 * time.Second)
	n.a.write(t.Context(), false)
	n.says("Pod/shop/web-7d4b9c8f6d-aaaaa container web: /app/web(entrypoint) [20T12:00:00..20T12:02:01 whole]")
	s, err := n.a.status()
	if err != nil || s.Pods.Errors != 1 || !strings.Contains(s.Pods.Last, "403") {
		t.Errorf("%+v: %v", s.Pods, err)
	}
}

// TestAgentTrustsNoName: a pod of the same name that is another one is not taken for it.
func TestAgentTrustsNoName(t *testing.T) {
	n := newNode(t, Options{Bytes: 64 << 20})
	n.a.pods = n
	n.pods = objectsOfWeb("r.example/web@" + digest)
	n.a.ask(t.Context())
	other := webOf(n)
	other.PodUID = "ffffffff-89ab-cdef-0123-456789abcdef"
	bare := &sensor.Container{ID: "c3", PodUID: podUID, Created: n.clock} // whose bundle was gone
	n.does(other, behavior.Entrypoint, "/app/other", "")
	n.does(bare, behavior.Entrypoint, "/app/bare", "")
	n.a.write(t.Context(), true)
	n.says("Pod/shop/web-7d4b9c8f6d-aaaaa container web: /app/other(entrypoint) [20T12:00:00..20T12:00:00 whole]",
		"Deployment/shop/web container web image "+digest+": /app/bare(entrypoint) [20T12:00:00..20T12:00:00 whole]")
}

// TestAgentDays cuts what was watched at midnight, and what was lost with it.
func TestAgentDays(t *testing.T) {
	n := newNode(t, Options{Bytes: 64 << 20, Cluster: "dev"})
	c := &sensor.Container{ID: "c1", Name: "cache"}
	n.does(c, behavior.Entrypoint, "/bin/a", "")
	n.pass(11 * time.Hour)
	n.lost[c], n.total = 3, sensor.Losses{Executions: 3, Elsewhere: 2}
	n.a.write(t.Context(), false)
	n.pass(14 * time.Hour)
	n.does(c, behavior.Entrypoint, "/bin/b", "")
	n.lost[c], n.total.Executions = 4, 4
	n.a.write(t.Context(), false)
	n.says("Container/cache: /bin/a(entrypoint) /bin/b(entrypoint) [20T12:00:00..20T23:59:59 lost 6] [21T00:00:00..21T13:00:00]")
	if days := n.a.days.Days(); len(days) != 2 {
		t.Errorf("%v", days)
	}
	n.pass(time.Hour)
	n.lost[c], n.total.Executions = 9, 9
	n.a.write(t.Context(), false)
	n.says("Container/cache: /bin/a(entrypoint) /bin/b(entrypoint) [20T12:00:00..20T23:59:59 lost 6] [21T00:00:00..21T14:00:00 lost 5]")
}

// TestAgentWithoutRoom counts what the store has no room for as lost, and says so.
func TestAgentWithoutRoom(t *testing.T) {
	n := newNode(t, Options{Bytes: 1})
	c := &sensor.Container{ID: "c1", Name: "cache", Created: n.clock}
	n.does(c, behavior.Entrypoint, "/bin/a", "")
	n.a.write(t.Context(), false) // an empty directory has room for it
	n.does(c, behavior.Entrypoint, "/bin/b", "")
	n.does(c, behavior.Entrypoint, "/bin/c", "")
	n.a.write(t.Context(), false)
	s, err := n.a.status()
	if err != nil || s.Store.Unkept != 2 || s.Complete() || !strings.Contains(s.Store.Last, "no room") {
		t.Errorf("%+v: %v", s, err)
	}
	w := n.a.known[c]
	for _, b := range w.take(behavior.At(n.clock), &sensor.Coverage{Session: "S"}, "node-1") {
		if i := b.Coverage.Intervals(); i[0].Lost != 2 {
			t.Errorf("%+v", i)
		}
	}
	var text, metrics bytes.Buffer
	s.Text(&text)
	for _, want := range []string{"2 without room in the store", "tier tracing     active: all programs are loaded", "no --kubeconfig says"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, text.String())
		}
	}
	n.total = sensor.Losses{Executions: 1, Listening: 2, Elsewhere: 4, Alerts: 8}
	if s, err = n.a.status(); err != nil {
		t.Fatal(err)
	}
	s.metrics(&metrics)
	for _, want := range []string{"unkept_total 2", `lost_total{kind="executions"} 1`, `lost_total{kind="listening"} 2`, `lost_total{kind="elsewhere"} 4`} {
		if !strings.Contains(metrics.String(), "\nullage_agent_"+want+"\n") {
			t.Errorf("%s is not in\n%s", want, metrics.String())
		}
	}
}

// TestAgentRetries keeps what could not be written until it can.
func TestAgentRetries(t *testing.T) {
	n := newNode(t, Options{Bytes: 64 << 20})
	c := &sensor.Container{ID: "c1", Name: "cache", Created: n.clock}
	n.does(c, behavior.Entrypoint, "/bin/a", "")
	n.ends(c, 1)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	n.a.write(gone, false)
	if n.a.figures.StoreErrors != 1 {
		t.Fatal("it was written")
	}
	n.pass(time.Second)
	n.a.write(t.Context(), false)
	n.says("Container/cache: /bin/a(entrypoint) [20T12:00:00..20T12:00:00 whole ended lost 1]")
	if len(n.a.known) != 0 {
		t.Error("what was written is kept")
	}
}

func TestOptions(t *testing.T) {
	good := Options{State: "s", Socket: "/run/a.sock", Node: "n", Days: 1, Bytes: 1 << 20}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Options){
		"--state":                     func(o *Options) { o.State = "" },
		"not an absolute path":        func(o *Options) { o.Socket = "a.sock" },
		"begins at 1":                 func(o *Options) { o.Days = 0 },
		"--most-mib":                  func(o *Options) { o.Bytes = 5 },
		"--node":                      func(o *Options) { o.Node = "" },
		"neither HOST:PORT":           func(o *Options) { o.Metrics = "here" },
		"this machine alone":          func(o *Options) { o.Metrics = "0.0.0.0:9464" },
		"address of this machine":     func(o *Options) { o.Metrics = ":9464" },
		"no address of this machine ": func(o *Options) { o.Metrics = "localhost:9464" },
	} {
		o := good
		change(&o)
		if err := o.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told: %v", want, err)
		}
	}
}

// Whoever breaks the glass is an alert, once, and the status says so until it is mended.
func TestBrokenGlassIsTold(t *testing.T) {
	n := newNode(t, Options{})
	n.a.policies = &enforce.Policies{All: []*enforce.Policy{{Name: "p", Egress: enforce.Egress{Mode: enforce.Enforce}}}}
	look := func() *Status {
		t.Helper()
		n.a.lookAtGlass()
		s, err := n.a.status()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := look(); !s.Enforces || s.Seen.Alerts != 0 || s.Enforced.Broken != nil {
		t.Errorf("whole: %+v", s)
	}
	n.glass = sensor.Glass{Broken: noon, Changed: noon, Changes: 1, User: 7, Reason: "the shop is down"}
	var text strings.Builder
	for range 2 {
		s := look()
		if s.Enforces || s.Seen.Alerts != 1 || s.Enforced.Broken == nil {
			t.Errorf("broken: %+v", s)
		}
		s.metrics(&text)
		s.Text(&text)
	}
	if !strings.Contains(text.String(), "\nullage_agent_break_glass 1\n") || !strings.Contains(text.String(), "somebody broke the glass: the shop is down") || strings.Count(n.logged.String(), "the shop is down") != 1 {
		t.Error(text.String(), n.logged.String())
	}
	n.glass = sensor.Glass{Changed: noon, Changes: 2}
	if s := look(); !s.Enforces || s.Seen.Alerts != 2 || s.Enforced.Broken != nil {
		t.Errorf("mended: %+v", s)
	}
}

// A container that has no policy, and a process that could not be killed, are no success.
func TestWhatIsNotEnforcedIsTold(t *testing.T) {
	n := newNode(t, Options{})
	n.a.policies = &enforce.Policies{}
	n.a.event(sensor.Event{Kind: sensor.Began, Container: &sensor.Container{ID: "c"}, Err: errors.New("no room")})
	s, err := n.a.status()
	if err != nil || s.Complete() || s.Enforced.Unassigned != 1 || !strings.Contains(n.logged.String(), "no room") {
		t.Errorf("%+v, %v", s, err)
	}
}
