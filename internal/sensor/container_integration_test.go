//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"context"
	"crypto/rand"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// bundle is a container of runc: its image is an overlay with the test binary as
// /bin/act, and two programs that only end, /bin/image and /bin/tool.
type bundle struct {
	id, dir string
}

// requireMachine skips where there can be no sensor or no container.
func requireMachine(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{"runc", "unshare", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
}

// start starts a sensor, which is closed at the end of the test.
func start(t *testing.T, o Options) *Sensor {
	t.Helper()
	return startOne(t, o, ways...)
}

func startOne(t *testing.T, o Options, among ...way) *Sensor {
	t.Helper()
	s, err := startIn(o, among)
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newBundle(t *testing.T) *bundle {
	return bundleOf(t, "ullage-test-"+strings.ToLower(rand.Text()[:8]), "", nil)
}

// bundleOf is a bundle with an id, in a control group below a path.
func bundleOf(t *testing.T, id, group string, annotations map[string]string) *bundle {
	t.Helper()
	b := &bundle{id: id, dir: t.TempDir()}
	self, err := staticSelf()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"lower/bin", "lower/proc", "lower/dev", "lower/tmp", "lower/volume", "lower/shared", "lower/host", "shared", "upper", "work", "root", "state"} {
		if err := os.MkdirAll(filepath.Join(b.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(b.dir, "lower/bin")
	for _, err := range []error{
		copyFile(self, filepath.Join(bin, "act")),
		os.WriteFile(filepath.Join(bin, "image"), endsAtOnce(), 0o755),
		os.WriteFile(filepath.Join(bin, "tool"), endsAtOnce(), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	capabilities := []string{"CAP_NET_ADMIN", "CAP_SYS_CHROOT", "CAP_DAC_OVERRIDE"}
	config, err := json.Marshal(map[string]any{
		"ociVersion":  "1.0.2",
		"root":        map[string]any{"path": "root"},
		"annotations": annotations,
		"mounts": []map[string]any{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
			{"destination": "/volume", "type": "tmpfs", "source": "tmpfs"},
			{"destination": "/shared", "type": "bind", "source": filepath.Join(b.dir, "shared"), "options": []string{"bind"}},
			{"destination": "/host", "type": "bind", "source": "/", "options": []string{"rbind"}},
		},
		"process": map[string]any{
			"args": []string{"/bin/act"}, "cwd": "/", "user": map[string]int{"uid": 0, "gid": 0},
			"env":          []string{actVariable + "=ACTS"},
			"capabilities": map[string]any{"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
		},
		"linux": map[string]any{
			"cgroupsPath": group + "/" + b.id,
			"namespaces":  []map[string]string{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "network"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "config.template"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// command is runc in a mount namespace of its own, so that nothing stays mounted.
func (b *bundle) command(ctx context.Context, t *testing.T, acts ...string) *exec.Cmd {
	t.Helper()
	template, err := os.ReadFile(filepath.Join(b.dir, "config.template"))
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(string(template), "=ACTS", "="+strings.Join(acts, ";"), 1)
	if err := os.WriteFile(filepath.Join(b.dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root && exec runc --root "$PWD/state" run "$1"`
	c := exec.CommandContext(ctx, "unshare", "-m", "sh", "-c", script, "sh", b.id)
	c.Dir = b.dir
	c.WaitDelay = 10 * time.Second
	return c
}

// staticSelf is the test binary, which must run where there are no libraries.
func staticSelf() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := elf.Open(self)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if f.Section(".interp") != nil {
		return "", errors.New("the test needs CGO_ENABLED=0, as make sets it: its binary runs in containers without libraries")
	}
	return self, nil
}

// onHostNetwork takes the network namespace out of the bundle.
func (b *bundle) onHostNetwork(t *testing.T) {
	t.Helper()
	b.configure(t, func(config map[string]any) {
		linux := config["linux"].(map[string]any)
		linux["namespaces"] = slices.DeleteFunc(linux["namespaces"].([]any), func(n any) bool { return n.(map[string]any)["type"] == "network" })
	})
}

// grant gives the container some capabilities, and no others.
func (b *bundle) grant(t *testing.T, names ...string) {
	t.Helper()
	list := []string{}
	for _, name := range names {
		list = append(list, "CAP_"+name)
	}
	b.configure(t, func(config map[string]any) {
		config["process"].(map[string]any)["capabilities"] = map[string]any{"bounding": list, "effective": list, "permitted": list}
	})
}

// allow lets the container make some system calls; others fail.
func (b *bundle) allow(t *testing.T, calls []string) {
	t.Helper()
	b.configure(t, func(config map[string]any) {
		config["process"].(map[string]any)["noNewPrivileges"] = true
		config["linux"].(map[string]any)["seccomp"] = map[string]any{
			"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []map[string]any{{"names": calls, "action": "SCMP_ACT_ALLOW"}},
		}
	})
}

// configure changes the bundle.
func (b *bundle) configure(t *testing.T, change func(map[string]any)) {
	t.Helper()
	path := filepath.Join(b.dir, "config.template")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	change(config)
	if text, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs the container to its end.
func (b *bundle) run(t *testing.T, acts ...string) {
	t.Helper()
	if err := b.try(t, acts...); err != nil {
		t.Fatal(err)
	}
}

// try is run that may fail.
func (b *bundle) try(t *testing.T, acts ...string) error {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if out, err := b.command(ctx, t, acts...).CombinedOutput(); err != nil {
		return fmt.Errorf("runc: %w\n%s", err, out)
	}
	return nil
}
