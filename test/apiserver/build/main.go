// Build makes the binaries that package apiserver runs, if they are not in its
// directory yet. It is run from the top of the repository and takes about ten
// minutes of CPU the first time. Several may run at the same time.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ullage.dev/ullage/test/apiserver"
)

// module pins the versions of what is built.
const module = "test/kubernetes"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := apiserver.Dir()
	if err != nil {
		return err
	}
	missing := apiserver.Missing(dir)
	if len(missing) == 0 {
		return nil
	}
	for path, want := range apiserver.Modules {
		pinned, err := golang(ctx, "list", "-m", "-f", "{{.Version}}", path)
		if err != nil {
			return err
		}
		if pinned != want {
			return fmt.Errorf("%s pins %s %s, package apiserver wants %s", module, path, pinned, want)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range missing {
		fmt.Printf("building %s for Kubernetes %s into %s\n", name, apiserver.Version, dir)
		if err := build(ctx, dir, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// build compiles a binary. The file appears when it is whole.
func build(ctx context.Context, dir, name string) error {
	major, minor, _ := strings.Cut(strings.TrimPrefix(apiserver.Version, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	flags := "-s -w"
	for _, at := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", at, apiserver.Version, major, minor)
	}
	own, err := os.MkdirTemp(dir, ".build-*") // beside the file, for the rename
	if err != nil {
		return err
	}
	defer os.RemoveAll(own)
	part := filepath.Join(own, name)
	if _, err := golang(ctx, "build", "-trimpath", "-ldflags", flags, "-o", part, apiserver.Binaries[name]); err != nil {
		return err
	}
	return os.Rename(part, filepath.Join(dir, name))
}

// golang runs the go command in the module and returns what it prints.
func golang(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stderr = module, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it removes its temporary files
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	case err != nil:
		err = fmt.Errorf("go %s in %s failed, see above (modules are fetched as GOPROXY says): %w", args[0], module, err)
	}
	return strings.TrimSpace(string(out)), err
}
