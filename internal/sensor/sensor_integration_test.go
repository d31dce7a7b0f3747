//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
)

// endsAtOnce is a program that does nothing, as small as one can be.
func endsAtOnce() []byte { return programOf(ends) }

// programOf is a program of some instructions.
func programOf(code []byte) []byte {
	const base, size = 0x400000, 64 + 56
	var b bytes.Buffer
	h := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC), Machine: machine, Version: 1,
		Entry: base + size, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	p := elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base, Filesz: size + 32, Memsz: size + 32, Align: 4096}
	_ = binary.Write(&b, binary.LittleEndian, h) // a buffer does not fail
	_ = binary.Write(&b, binary.LittleEndian, p)
	return append(append(b.Bytes(), code...), make([]byte, 32-len(code))...)
}

// listen collects what the sensor tells until done is called.
func listen(t *testing.T, s *Sensor) (done func() []Event) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var events []Event
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx, func(e Event) { events = append(events, e) }) }()
	return func() []Event {
		stop()
		if err := <-result; err != nil {
			t.Error(err)
		}
		return events
	}
}

func ofContainer(events []Event, id string, kind EventKind) (list []Event) {
	for _, e := range events {
		if e.Kind == kind && e.Container.ID == id {
			list = append(list, e)
		}
	}
	return list
}

func TestOriginsAreToldApart(t *testing.T) { inEachWay(t, originsAreToldApart) }

func originsAreToldApart(t *testing.T, w way) {
	s := startOne(t, Options{}, w)
	b := newBundle(t)
	done := listen(t, s)
	b.run(t, "run /bin/image", "copy /bin/image /tmp/dropped", "run /tmp/dropped", "append /bin/tool", "run /bin/tool",
		"memory /bin/image", "copy /bin/image /volume/mounted", "run /volume/mounted")
	events := done()
	got := map[string]behavior.Layer{}
	for _, e := range ofContainer(events, b.id, Did) {
		if e.Fact.Kind == behavior.Execute {
			got[e.Fact.Program.Path] = e.Fact.Program.Layer
			if e.Fact.Origin != behavior.Entrypoint {
				t.Errorf("%s has the origin %s", e.Fact.Program.Path, e.Fact.Origin)
			}
		}
	}
	want := map[string]behavior.Layer{
		"/bin/act": behavior.InImage, "/bin/image": behavior.InImage, "/tmp/dropped": behavior.Added,
		"/bin/tool": behavior.Modified, "memfd:hidden": behavior.Fileless, "/volume/mounted": behavior.OtherMount,
	}
	for path, layer := range want {
		if got[path] != layer {
			t.Errorf("%s is told as %q, want %q", path, got[path], layer)
		}
	}
	if len(got) != len(want) {
		t.Errorf("told: %v", got)
	}
	var alerts []string
	for _, e := range ofContainer(events, b.id, Alerted) {
		alerts = append(alerts, e.Fact.Program.Path)
		if len(e.Ancestors) == 0 || e.Ancestors[0].Program != "/bin/act" {
			t.Errorf("%s: ancestors %v", e.Fact.Program.Path, e.Ancestors)
		}
	}
	slices.Sort(alerts)
	if !slices.Equal(alerts, []string{"/bin/tool", "/tmp/dropped", "memfd:hidden"}) {
		t.Errorf("alerts: %v", alerts)
	}
	if n := len(ofContainer(events, b.id, Ended)); n != 1 {
		t.Errorf("ended %d times", n)
	}
}

// kept counts what the kernel keeps of a container, by reading the maps themselves:
// different executions of a path, and connections to different ports.
func kept(t *testing.T, s *Sensor, id, path string) (executions, connections int) {
	t.Helper()
	groups := map[uint64]bool{}
	if err := each(s.maps.Groups, func(cgroup *uint64, g *kernelGroup) {
		if text(g.Path[:]) == "/"+id {
			groups[*cgroup] = true
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(groups) != 1 {
		t.Fatalf("%d control groups of the container", len(groups))
	}
	arguments, ports := map[[256]int8]bool{}, map[uint16]bool{}
	err := errors.Join(each(s.maps.Execs, func(key *kernelKey, e *kernelExec) {
		if groups[key.Cgroup] && programPath(e) == path {
			arguments[e.Argv] = true
		}
	}), each(s.maps.Flows, func(key *kernelKey, f *kernelFlow) {
		if groups[key.Cgroup] && key.Kind == kindConnect {
			ports[f.Port] = true
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	return len(arguments), len(ports)
}

func lossesOfContainer(t *testing.T, s *Sensor, id string) (lost Losses) {
	t.Helper()
	if err := each(s.maps.Groups, func(_ *uint64, g *kernelGroup) {
		if text(g.Path[:]) == "/"+id {
			lost = lossesOf(g)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return lost
}

// usedByContainer counts all that is kept of a container, and what it is charged for.
func usedByContainer(t *testing.T, s *Sensor, id string) (executions, flows int, used []uint64) {
	t.Helper()
	var cgroup uint64
	err := errors.Join(each(s.maps.Groups, func(number *uint64, g *kernelGroup) {
		if text(g.Path[:]) == "/"+id {
			cgroup, used = *number, g.Used[:3]
		}
	}), each(s.maps.Execs, func(key *kernelKey, _ *kernelExec) {
		if key.Cgroup == cgroup {
			executions++
		}
	}), each(s.maps.Flows, func(key *kernelKey, _ *kernelFlow) {
		if key.Cgroup == cgroup {
			flows++
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	return executions, flows, used
}

const manyExecutions, manyPorts = 700, 900

func manyActs() []string {
	return []string{"loopback", fmt.Sprintf("arguments /bin/image %d", manyExecutions), fmt.Sprintf("ports 20000 %d", manyPorts)}
}

// A ring of one page has room for less than 90 hints, and nobody reads it.
func TestNothingIsLostUpToCapacity(t *testing.T) {
	requireMachine(t)
	s := start(t, Options{RingBytes: os.Getpagesize()})
	b := newBundle(t)
	b.run(t, manyActs()...)
	executions, connections := kept(t, s, b.id, "/bin/image")
	if executions != manyExecutions || connections != manyPorts {
		t.Errorf("kept are %d of %d executions and %d of %d connections", executions, manyExecutions, connections, manyPorts)
	}
	if lost := lossesOfContainer(t, s, b.id); lost != (Losses{}) {
		t.Errorf("said to be lost: %+v", lost)
	}
	coverage, err := s.Coverage()
	if err != nil {
		t.Fatal(err)
	}
	if coverage.LateHints < manyExecutions {
		t.Errorf("only %d hints found the ring full: it is not tiny", coverage.LateHints)
	}
	// A reader that comes late is told all of it.
	ports := map[uint16]bool{}
	for _, e := range ofContainer(listen(t, s)(), b.id, Did) {
		if e.Fact.Kind == behavior.Connect {
			ports[e.Fact.Peer.Port] = true
			if e.Fact.Program.Path != "/bin/act" {
				t.Fatalf("%s connects", e.Fact.Program.Path)
			}
		}
	}
	if len(ports) != manyPorts {
		t.Errorf("told are %d of %d connections", len(ports), manyPorts)
	}
}

func TestLossBeyondCapacityIsExact(t *testing.T) {
	requireMachine(t)
	for name, o := range map[string]Options{
		"of one container": {PerGroup: 100},
		"of the machine":   {Executions: 128, Flows: 128},
	} {
		t.Run(name, func(t *testing.T) {
			o.RingBytes = os.Getpagesize()
			s := start(t, o)
			b := newBundle(t)
			b.run(t, manyActs()...)
			executions, connections := kept(t, s, b.id, "/bin/image")
			lost := lossesOfContainer(t, s, b.id)
			if executions >= manyExecutions || connections >= manyPorts {
				t.Fatalf("kept are %d executions and %d connections: the capacity is not exceeded", executions, connections)
			}
			if lost.Executions != uint64(manyExecutions-executions) || lost.Outgoing != uint64(manyPorts-connections) {
				t.Errorf("lost are %d executions and %d connections, said is %+v", manyExecutions-executions, manyPorts-connections, lost)
			}
			executions, flows, used := usedByContainer(t, s, b.id)
			if !slices.Equal(used, []uint64{uint64(executions), uint64(flows), 0}) {
				t.Errorf("%d executions and %d connections are kept, and count as %v", executions, flows, used)
			}
			// Who is gone takes his figures with him, but not out of the sum.
			var ended Losses
			for _, e := range ofContainer(listen(t, s)(), b.id, Ended) {
				ended = e.Lost
			}
			coverage, err := s.Coverage()
			if err != nil {
				t.Fatal(err)
			}
			if ended != lost || coverage.Lost.Executions < lost.Executions || coverage.Lost.Outgoing < lost.Outgoing {
				t.Errorf("lost: %+v; told at the end: %+v, of the machine: %+v", lost, ended, coverage.Lost)
			}
		})
	}
}

func TestContainersAreNotMixed(t *testing.T) {
	requireMachine(t)
	s := start(t, Options{})
	done := listen(t, s)
	a, b := newBundle(t), newBundle(t)
	var both sync.WaitGroup
	both.Go(func() { a.run(t, "loopback", "arguments /bin/image 50", "ports 20000 50") })
	both.Go(func() { b.run(t, "loopback", "arguments /bin/tool 50", "ports 30000 50") })
	both.Wait()
	events := done()
	for _, c := range []struct {
		id, program string
		first       uint16
	}{{a.id, "/bin/image", 20000}, {b.id, "/bin/tool", 30000}} {
		ports := 0
		programs := map[string]bool{}
		for _, e := range ofContainer(events, c.id, Did) {
			switch e.Fact.Kind {
			case behavior.Execute:
				programs[e.Fact.Program.Path] = true
			case behavior.Connect:
				ports++
				if p := e.Fact.Peer.Port; p < c.first || p >= c.first+50 {
					t.Errorf("%s connects to %d", c.id, p)
				}
			}
		}
		if want := map[string]bool{"/bin/act": true, c.program: true}; !maps.Equal(programs, want) || ports != 50 {
			t.Errorf("%s runs %v and connects to %d ports", c.id, programs, ports)
		}
	}
}

// No alert is left in the ring when a watch ends, and nothing waits for ever.
func TestLastAlertsAreTold(t *testing.T) {
	requireMachine(t)
	s := start(t, Options{})
	b := newBundle(t)
	const n = 100
	b.run(t, fmt.Sprintf("drop /bin/image %d", n))
	if got := len(ofContainer(listen(t, s)(), b.id, Alerted)); got != n {
		t.Errorf("told are %d of %d alerts", got, n)
	}
	coverage, err := s.Coverage()
	if err != nil || coverage.Lost.Alerts != 0 {
		t.Errorf("lost: %+v, %v", coverage.Lost, err)
	}
}

func TestNetworkOfBothFamilies(t *testing.T) { inEachWay(t, networkOfBothFamilies) }

func networkOfBothFamilies(t *testing.T, w way) {
	s := startOne(t, Options{}, w)
	done := listen(t, s)
	b := newBundle(t)
	b.run(t, "loopback", "serve tcp4 127.0.0.1:7001 127.0.0.1:7001", "serve tcp6 [::1]:7002 [::1]:7002", "serve tcp [::]:7009 127.0.0.1:7009", "mapped 7010", "connect udp4 127.0.0.1:7003", "connect udp6 [::1]:7004",
		"sendto 127.0.0.1:7005", "sendto [::1]:7006", "connect tcp4 127.0.0.1:7007", "connect tcp6 [::1]:7008")
	var got []string
	for _, e := range ofContainer(done(), b.id, Did) {
		if !slices.Contains([]behavior.Kind{behavior.Connect, behavior.Accept, behavior.Listen}, e.Fact.Kind) {
			continue
		}
		if e.Fact.Program.Path != "/bin/act" || e.Fact.Program.Layer != behavior.InImage || e.Fact.Origin != behavior.Entrypoint {
			t.Errorf("%+v", e.Fact)
		}
		p := e.Fact.Peer
		got = append(got, fmt.Sprintf("%s %s %s %d", e.Fact.Kind, p.Protocol, p.Address, p.Port))
	}
	want := []string{
		"accept tcp 127.0.0.1 7001", "accept tcp 127.0.0.1 7009", "accept tcp ::1 7002",
		"connect tcp 127.0.0.1 7001", "connect tcp 127.0.0.1 7007", "connect tcp 127.0.0.1 7009", "connect tcp 127.0.0.1 7010", "connect tcp ::1 7002", "connect tcp ::1 7008",
		"connect udp 127.0.0.1 7003", "connect udp 127.0.0.1 7005", "connect udp ::1 7004", "connect udp ::1 7006",
		"listen tcp invalid IP 7001", "listen tcp invalid IP 7002", "listen tcp invalid IP 7009",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("told:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The packet that makes a connection is handled while another process runs: here the
// test itself, which is in no container.
func TestAcceptIsTheListeners(t *testing.T) {
	requireMachine(t)
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().(*net.TCPAddr)
	free.Close()
	s := start(t, Options{})
	done := listen(t, s)
	b := newBundle(t)
	b.onHostNetwork(t)
	c := b.command(t.Context(), t, "accept tcp4 "+address.String())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for range 200 { // until it listens
		peer, err := net.Dial("tcp4", address.String())
		if err == nil {
			peer.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for _, e := range done() {
		if e.Kind == Did && e.Fact.Kind == behavior.Accept && int(e.Fact.Peer.Port) == address.Port {
			accepted++
			if e.Container.ID != b.id || e.Fact.Program.Path != "/bin/act" || e.Fact.Origin != behavior.Entrypoint {
				t.Errorf("%+v of %s", e.Fact, e.Container.Label())
			}
		}
	}
	if accepted != 1 {
		t.Errorf("%d facts about the connection", accepted)
	}
}

// A container that ended before anybody looked is known all the same.
func TestShortLivedContainerIsKnown(t *testing.T) {
	requireMachine(t)
	s := start(t, Options{})
	id := strings.Repeat(strings.ToLower(fmt.Sprintf("%08x", os.Getpid())), 8)
	b := bundleOf(t, id, "/ullage-test/kubepods/burstable/pod01234567-89ab-cdef-0123-456789abcdef", nil)
	t.Cleanup(func() { removeGroups(t, "ullage-test") })
	b.run(t, "run /bin/image")
	events := listen(t, s)()
	began, ended := ofContainer(events, id, Began), ofContainer(events, id, Ended)
	if len(began) != 1 || len(ended) != 1 {
		t.Fatalf("%d began, %d ended", len(began), len(ended))
	}
	c := ended[0].Container
	if c.PodUID != "01234567-89ab-cdef-0123-456789abcdef" || c.Created.IsZero() || !c.Removed.After(c.Created) {
		t.Errorf("%+v", c)
	}
	executions := slices.DeleteFunc(ofContainer(events, id, Did), func(e Event) bool { return e.Fact.Kind != behavior.Execute })
	if n := len(executions); n != 2 {
		t.Errorf("%d executions, not the entrypoint and what it ran", n)
	}
}

func TestIdentityAndSession(t *testing.T) {
	requireMachine(t)
	b := bundleOf(t, "ullage-test-identity", "", map[string]string{
		"io.kubernetes.cri.sandbox-name": "web-0", "io.kubernetes.cri.sandbox-namespace": "shop",
		"io.kubernetes.cri.container-name": "web", "io.kubernetes.cri.image-name": "registry.example/web:1",
	})
	for _, fifo := range []string{"first", "second"} {
		if err := unix.Mkfifo(filepath.Join(b.dir, "shared", fifo), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, Options{RuntimeRoots: []string{filepath.Join(b.dir, "state")}})
	done := listen(t, s)
	c := b.command(t.Context(), t, "wait /shared/first", "chroot /host "+filepath.Join(b.dir, "lower/bin/tool"), "wait /shared/second", "run /bin/tool")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	write := func(fifo string) {
		f, err := os.OpenFile(filepath.Join(b.dir, "shared", fifo), os.O_WRONLY, 0) // waits for the reader
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	write("first") // now it runs
	if out, err := exec.CommandContext(t.Context(), "runc", "--root", filepath.Join(b.dir, "state"), "exec", b.id, "/bin/image").CombinedOutput(); err != nil {
		t.Errorf("runc exec: %v\n%s", err, out)
	}
	// A sensor that comes later knows as much of what runs.
	late := start(t, Options{RuntimeRoots: []string{filepath.Join(b.dir, "state")}})
	lateDone := listen(t, late)
	write("second")
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	events := done()
	inherited := false
	for _, e := range ofContainer(lateDone(), b.id, Did) {
		f := e.Fact
		inherited = inherited || f.Program.Path == "/bin/tool" && f.Program.Parent == "/bin/act" && f.Origin == behavior.Entrypoint && e.Container.Name == "web"
	}
	if !inherited {
		t.Error("a sensor that came late does not know what runs")
	}
	began := ofContainer(events, b.id, Began)
	if len(began) != 1 {
		t.Fatalf("began %d times", len(began))
	}
	if k := began[0].Container; k.Label() != "shop/web-0/web" || k.Image != "registry.example/web:1" {
		t.Errorf("%+v", k)
	}
	origins := map[string]behavior.Origin{}
	for _, e := range ofContainer(events, b.id, Did) {
		origins[e.Fact.Program.Path] = e.Fact.Origin
	}
	if origins["/bin/act"] != behavior.Entrypoint || origins["/bin/image"] != behavior.Exec {
		t.Errorf("origins: %v", origins)
	}
	escaped := false
	for _, e := range ofContainer(events, b.id, Alerted) {
		escaped = escaped || e.Escaped && strings.HasSuffix(e.Fact.Program.Path, "/lower/bin/tool")
	}
	if !escaped {
		t.Errorf("what ran below the host's root raised no alert")
	}
}

func TestNothingStaysAttached(t *testing.T) {
	requireMachine(t)
	s, err := Start(Options{})
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	programs := programsOf(t, s)
	if len(programs) < len(needed) {
		t.Fatalf("%d programs", len(programs))
	}
	_ = listen(t, s)()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	waitGone(t, programs)
}

// waitGone waits until the kernel has let go of programs, which it does a moment later.
func waitGone(t *testing.T, programs []ebpf.ProgramID) {
	t.Helper()
	for range 100 {
		programs = slices.DeleteFunc(programs, func(id ebpf.ProgramID) bool {
			p, err := ebpf.NewProgramFromID(id)
			if err == nil {
				p.Close()
			}
			return errors.Is(err, os.ErrNotExist)
		})
		if len(programs) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("programs %v are still in the kernel", programs)
}

// removeGroups takes away control groups that runc leaves: those above its own.
func removeGroups(t *testing.T, name string) {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*/" + name)
	for _, root := range append(roots, "/sys/fs/cgroup/"+name) {
		var dirs []string
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	}
}
