package apiserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to be ready, on a busy machine.
const patience = 2 * time.Minute

// process is a server that runs until the test ends.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// run starts a program in a process group of its own, with its output in a file
// of the directory.
func run(t testing.TB, dir, program string, args ...string) *process {
	t.Helper()
	p := &process{name: filepath.Base(program), done: make(chan struct{})}
	p.log = filepath.Join(dir, p.name+".log")
	log, err := os.Create(p.log)
	must(t, err)
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = log, log, ownGroup()
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		log.Close()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", p.name, p.tail())
		}
	})
	return p
}

// stop ends the process: it is asked to, and killed when it does not.
func (p *process) stop(t testing.TB) {
	for _, s := range []struct {
		signal os.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, 30 * time.Second}, {syscall.SIGKILL, 10 * time.Second}} {
		select {
		case <-p.done:
			return
		default:
		}
		_ = p.cmd.Process.Signal(s.signal)
		select {
		case <-p.done:
			return
		case <-time.After(s.wait):
		}
	}
	t.Errorf("%s does not end", p.name)
}

// ready polls until a check passes.
func (p *process) ready(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-p.done:
			t.Fatalf("%s ended: %v; the end of its log:\n%s", p.name, p.cmd.ProcessState, p.tail())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready after %s: %v; the end of its log:\n%s", p.name, patience, err, p.tail())
		}
	}
}

func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// ports returns free ports of 127.0.0.1.
func ports(t testing.TB, n int) []string {
	t.Helper()
	var free []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer l.Close() // all are held until the last is found
		free = append(free, fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
	}
	return free
}
