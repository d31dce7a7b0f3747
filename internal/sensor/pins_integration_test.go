//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
)

// pinsDir is in a BPF file system of the test.
func pinsDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Skip("no BPF file system can be mounted: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "ullage")
}

// pinned starts a sensor in a process of its own, and returns what it says when it is
// there. kill ends it as nobody can prepare for.
func pinned(t *testing.T, dir string) (said string, kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), actVariable+"=pinned "+dir)
	var problems strings.Builder
	c.Stderr = &problems
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = c.Wait()
		if strings.Contains(problems.String(), ErrUnavailable.Error()) {
			t.Skip(problems.String())
		}
		t.Fatal(err, problems.String())
	}
	return strings.TrimSpace(line), func() {
		t.Helper()
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait() // that it was killed
	}
}

// programsOf are the numbers of the programs that the kernel has for a sensor.
func programsOf(t *testing.T, s *Sensor) (ids []ebpf.ProgramID) {
	t.Helper()
	for _, p := range s.programs {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		ids = append(ids, id)
	}
	return ids
}

func TestPoliciesAndFactsOutlastTheAgent(t *testing.T) {
	requireMachine(t)
	makeGroup(t)
	dir := pinsDir(t)
	said, kill := pinned(t, dir)
	if said != "there false false" {
		t.Fatal(said)
	}
	acts := actsOfDenials()
	checkDenials(t, true, tries(t, enforced, setup, acts...))
	kill()
	checkDenials(t, true, tries(t, enforced, setup, acts...))
	checkDenials(t, false, tries(t, "", setup, acts...))
	b := newBundle(t) // nobody reads what it does
	b.run(t, manyActs()...)

	if said, kill = pinned(t, dir); said != "there true false" {
		t.Fatal(said)
	}
	kill()
	s, err := Start(Options{Policies: ownImageOnly(), Pins: dir})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Resumed() || s.Replaced() {
		t.Fatalf("taken over: %v, replaced: %v", s.Resumed(), s.Replaced())
	}
	checkDenials(t, true, tries(t, enforced, setup, acts...))
	executions, connections := kept(t, s, b.id, "/bin/image")
	ports, denied := map[uint16]bool{}, 0
	for _, e := range listen(t, s)() {
		switch {
		case e.Kind != Did || e.Container.Host:
		case e.Fact.Outcome == behavior.Denied:
			denied++
		case e.Container.ID == b.id && e.Fact.Kind == behavior.Connect:
			ports[e.Fact.Peer.Port] = true
		}
	}
	if len(ports) != manyPorts || connections != manyPorts || executions != manyExecutions {
		t.Errorf("of what was done while there was no agent, %d of %d connections are told and %d are kept, and %d of %d executions", len(ports), manyPorts, connections, executions, manyExecutions)
	}
	if denied == 0 {
		t.Error("nothing that was denied meanwhile is told")
	}
	coverage, err := s.Coverage()
	if err != nil || coverage.Lost.Total() != 0 {
		t.Errorf("lost: %+v, %v", coverage.Lost, err)
	}

	programs := programsOf(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	waitGone(t, programs)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("pins are left: %v", err)
	}
	checkDenials(t, false, tries(t, enforced, setup, acts...))
}

// A sensor of another build replaces what is pinned, without a moment in which the policy
// does not hold, and keeps what hooks and people said.
func TestAnotherBuildReplacesWhatIsPinned(t *testing.T) {
	requireMachine(t)
	makeGroup(t)
	dir := pinsDir(t)
	_, kill := pinned(t, dir)
	kill()
	if err := BreakGlass(dir, true, "the shop is down"); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{Policies: ownImageOnly(), Pins: dir, PerGroup: 100})
	if s.Resumed() || !s.Replaced() {
		t.Errorf("taken over: %v, replaced: %v", s.Resumed(), s.Replaced())
	}
	if glass, err := ReadGlass(dir); err != nil || glass.Broken.IsZero() || glass.Reason != "the shop is down" {
		t.Errorf("%+v, %v", glass, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("pinned are %v, %v", entries, err)
	}
	if _, err := Start(Options{Pins: dir}); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("a second agent: %v", err)
	}
	if _, err := Detach(dir); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("detached while an agent runs: %v", err)
	}
}

func TestBreakGlass(t *testing.T) {
	requireMachine(t)
	makeGroup(t)
	dir := pinsDir(t)
	if err := BreakGlass(dir, true, "early"); err == nil || !strings.Contains(err.Error(), "no agent") {
		t.Errorf("with nothing pinned: %v", err)
	}
	s := start(t, Options{Policies: ownImageOnly(), Pins: dir})
	done := listen(t, s)
	acts := []string{"run /tmp/dropped", "reach udp 198.51.100.1:9"}
	for _, broken := range []bool{true, false} {
		if err := BreakGlass(dir, broken, "the shop is down"); err != nil {
			t.Fatal(err)
		}
		glass, err := s.Glass()
		if err != nil || glass.Broken.IsZero() == broken || glass.User != uint32(os.Getuid()) {
			t.Errorf("%+v, %v", glass, err)
		}
		for act, said := range tries(t, enforced, setup, acts...) {
			if (said == "ok") != broken {
				t.Errorf("the glass is broken: %v; %s: %s", broken, act, said)
			}
		}
	}
	outcomes := map[behavior.Outcome]int{}
	for _, e := range done() {
		if e.Kind == Alerted && e.Policy != "" {
			outcomes[e.Fact.Outcome]++
		}
	}
	// What is allowed by the glass is an alert all the same.
	if outcomes[behavior.Allowed] != len(acts) || outcomes[behavior.Denied] != len(acts) {
		t.Errorf("alerts: %v", outcomes)
	}
}

func TestDetach(t *testing.T) {
	requireMachine(t)
	dir := pinsDir(t)
	s, err := Start(Options{Pins: dir})
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	programs := programsOf(t, s)
	if err := s.Leave(); err != nil {
		t.Fatal(err)
	}
	for _, id := range programs {
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			t.Fatal("it does not outlast its process: ", err)
		}
		p.Close()
	}
	if n, err := Detach(dir); n != 1 || err != nil {
		t.Errorf("%d detached, %v", n, err)
	}
	waitGone(t, programs)
	if n, err := Detach(dir); n != 0 || err != nil {
		t.Errorf("%d detached, %v", n, err)
	}
}
