// Build makes the binaries that package apiserver runs, if they are not in its
// directory yet. It is run from the top of the repository and takes about ten
// minutes of CPU the first time.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ullage.dev/ullage/test/apiserver"
)

// module pins the versions of what is built.
const module = "test/kubernetes"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := apiserver.Dir()
	if err != nil {
		return err
	}
	missing := apiserver.Missing(dir)
	if len(missing) == 0 {
		return nil
	}
	pinned, err := output("go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
	if err != nil {
		return err
	}
	if pinned != apiserver.Version {
		return fmt.Errorf("%s pins %s, package apiserver wants %s", module, pinned, apiserver.Version)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range missing {
		fmt.Printf("building %s of Kubernetes %s into %s\n", name, pinned, dir)
		if err := build(apiserver.Binaries[name], filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// build compiles a package. The file appears when it is whole.
func build(pkg, file string) error {
	major, minor, _ := strings.Cut(strings.TrimPrefix(apiserver.Version, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	flags := "-s -w"
	for _, at := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", at, apiserver.Version, major, minor)
	}
	part := fmt.Sprintf("%s.%d", file, os.Getpid())
	defer os.Remove(part)
	if _, err := output("go", "build", "-trimpath", "-ldflags", flags, "-o", part, pkg); err != nil {
		return err
	}
	return os.Rename(part, file)
}

// output runs a program in the module and returns what it prints.
func output(program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stderr = module, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}
