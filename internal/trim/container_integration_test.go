//go:build integration && linux && (amd64 || arm64)

package trim

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/sensor"
)

// requireContainers skips where there can be none.
func requireContainers(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{"runc", "ldd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
}

// container is a bundle of runc with programs of this machine and their libraries.
type container struct {
	id, dir string
	args    []string
	env     []string
	config  []byte
}

// newContainer makes a bundle that runs a program; /bin/test is the test itself.
func newContainer(t *testing.T, args ...string) *container {
	t.Helper()
	c := &container{id: "ullage-trim-" + strings.ToLower(rand.Text()[:8]), dir: t.TempDir(), args: args}
	for _, dir := range []string{"root/bin", "root/proc", "root/dev", "root/tmp", "root/shared", "state", "shared"} {
		if err := os.MkdirAll(filepath.Join(c.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.copy(t, self, "/bin/test")
	c.configure(t, &Grant{Capabilities: usualCapabilities, NewPrivileges: true})
	return c
}

func (c *container) copy(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	to = filepath.Join(c.dir, "root", to)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		t.Fatal(err)
	}
}

// install copies a program of this machine as another one, and its libraries to where
// they are here.
func (c *container) install(t *testing.T, program, as string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s", program)
	}
	c.copy(t, path, as)
	libraries, err := exec.Command("ldd", path).Output()
	if err != nil {
		return // static
	}
	for word := range strings.FieldsSeq(string(libraries)) {
		if strings.HasPrefix(word, "/") {
			c.copy(t, word, word)
		}
	}
}

// configure writes the configuration anew.
func (c *container) configure(t *testing.T, g *Grant) {
	t.Helper()
	capabilities := []string{}
	for _, name := range g.Capabilities {
		capabilities = append(capabilities, "CAP_"+name)
	}
	config := map[string]any{
		"ociVersion": "1.0.2", "root": map[string]any{"path": "root"}, "hostname": "trim",
		"mounts": []map[string]any{
			{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
			{"destination": "/shared", "type": "bind", "source": filepath.Join(c.dir, "shared"), "options": []string{"bind"}},
		},
		"process": map[string]any{
			"args": c.args, "cwd": "/", "user": map[string]int{"uid": 0, "gid": 0}, "env": append([]string{"PATH=/bin:/usr/bin"}, c.env...),
			"noNewPrivileges": !g.NewPrivileges, "capabilities": map[string]any{"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
		},
		"linux": map[string]any{
			"cgroupsPath": "/" + c.id,
			"namespaces":  []map[string]string{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}},
		},
	}
	if g.Calls != nil {
		config["linux"].(map[string]any)["seccomp"] = g.Calls.Seccomp()
	}
	var err error
	if c.config, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
}

func (c *container) apply(t *testing.T, g *Grant) { c.configure(t, g) }

// run runs the container to its end, and returns what it printed.
func (c *container) run(t *testing.T) (string, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := os.WriteFile(filepath.Join(c.dir, "config.json"), c.config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "runc", "--root", filepath.Join(c.dir, "state"), "run", c.id)
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// while runs the container while a function uses it, and then ends it.
func (c *container) while(t *testing.T, use func() error) error {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, "config.json"), c.config, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, "runc", "--root", filepath.Join(c.dir, "state"), "run", c.id)
	cmd.Dir = c.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err := use()
	_ = exec.Command("runc", "--root", filepath.Join(c.dir, "state"), "kill", c.id, "KILL").Run()
	_ = cmd.Wait()
	if err != nil {
		err = errors.Join(err, errors.New(out.String()))
	}
	return err
}

// watched is the profile of the container over what a function makes it do, after a
// first start and after a second one: what it left behind it reads then.
func (c *container) watched(t *testing.T, use func() error) *behavior.Profile {
	t.Helper()
	s, err := sensor.Start(sensor.Options{Interval: 100 * time.Millisecond})
	if errors.Is(err, sensor.ErrUnavailable) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	recorder, done := &sensor.Recorder{Node: "node"}, make(chan error, 1)
	go func() { done <- s.Run(ctx, func(e sensor.Event) { recorder.Add(&e) }) }()
	failed := errors.Join(c.while(t, use), c.while(t, use))
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	coverage, err := s.Coverage()
	if err != nil {
		t.Fatal(err)
	}
	all, err := recorder.Behaviors(&coverage, s.LostOf)
	if err := errors.Join(err, failed, s.Close()); err != nil {
		t.Fatal(err)
	}
	if !coverage.Kinds.Has(behavior.Syscall) {
		t.Skip("system calls are not seen here")
	}
	for _, b := range all {
		if strings.Contains(b.Subject.Name, c.id) {
			p, err := behavior.NewProfile([]*behavior.Behavior{b}, behavior.Options{Enough: behavior.Enough{Days: 1, Runs: 1}})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatalf("%d behaviors, none of %s", len(all), c.id)
	return nil
}

// eventually tries until something succeeds.
func eventually(try func() error) error {
	var err error
	for range 100 {
		if err = try(); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// exchange sends to a socket of the container and wants an answer.
func (c *container) exchange(send, want string) error {
	return eventually(func() error {
		conn, err := net.Dial("unix", filepath.Join(c.dir, "shared/socket"))
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		if _, err := io.WriteString(conn, send); err != nil {
			return err
		}
		answer := make([]byte, len(want))
		if _, err := io.ReadFull(conn, answer); err != nil {
			return err
		}
		if string(answer) != want {
			return errors.New("the answer is " + string(answer))
		}
		return nil
	})
}

// holds waits for a file of the container to hold a text.
func (c *container) holds(name, want string) error {
	return eventually(func() error {
		text, err := os.ReadFile(filepath.Join(c.dir, "shared", name))
		if err == nil && !strings.Contains(string(text), want) {
			err = errors.New(name + " holds " + string(text))
		}
		return err
	})
}
