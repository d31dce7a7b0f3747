//go:build integration && linux

package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// runtimeTool returns a program of Debian's packages of container runtimes, unpacked
// when it is not installed.
func runtimeTool(t *testing.T, program string, packages ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("runtimes unpack images as root only")
	}
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	dir := t.TempDir()
	fetch := exec.CommandContext(t.Context(), "apt-get", append([]string{"download"}, packages...)...)
	fetch.Dir = dir
	if out, err := fetch.CombinedOutput(); err != nil {
		t.Skipf("apt-get download: %v\n%s", err, out)
	}
	for _, file := range must(filepath.Glob(filepath.Join(dir, "*.deb")))(t) {
		output(t, "dpkg-deb", "-x", file, filepath.Join(dir, "root"))
	}
	for _, where := range []string{"usr/bin", "usr/sbin"} {
		if path := filepath.Join(dir, "root", where, program); exec.Command("test", "-x", path).Run() == nil {
			t.Setenv("PATH", filepath.Join(dir, "root/usr/bin")+":"+filepath.Join(dir, "root/usr/sbin")+":"+os.Getenv("PATH"))
			return path
		}
	}
	t.Skipf("no %s in %v", program, packages)
	return ""
}

// daemon runs a program until the test ends, and waits until it answers.
func daemon(t *testing.T, answers func(ctx context.Context) error, program string, args ...string) {
	t.Helper()
	log := must(os.Create(filepath.Join(t.TempDir(), "log")))(t)
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for answers(ctx) != nil {
		select {
		case err := <-ended:
			ended <- err
			text, _ := os.ReadFile(log.Name())
			t.Skipf("%s does not run here: %v\n%s", program, err, text[max(0, len(text)-2000):])
		case <-ctx.Done():
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not answer:\n%s", program, text[max(0, len(text)-2000):])
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// shortDir is a directory whose sockets have short names.
func shortDir(t *testing.T) string {
	t.Helper()
	dir := must(os.MkdirTemp("", "store"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// sameInStore holds an image in a running store against the archive that it was
// imported from.
func sameInStore(t *testing.T, ref, archive string, stores Stores) {
	t.Helper()
	want, wantTree := readImage(t, archive, Options{})
	got, tree := readImage(t, ref, Options{Stores: stores})
	if text, wanted := treeText(tree), treeText(wantTree); text != wanted {
		t.Errorf("%s: other files:\n%s\nwant\n%s", ref, text, wanted)
	}
	if fmt.Sprint(got.Programs, got.Packages, got.Distro, got.Problems) != fmt.Sprint(want.Programs, want.Packages, want.Distro, want.Problems) {
		t.Errorf("%s: %+v\nwant\n%+v", ref, got, want)
	}
}

// What containerd itself unpacked, while it runs and holds its locks.
func TestContainerdStore(t *testing.T) {
	server := runtimeTool(t, "containerd", "containerd", "runc")
	dir := shortDir(t)
	archive := filepath.Join(dir, "image.tar")
	oci := filepath.Join(dir, "layout")
	if err := must(layout.Write(oci, empty.Index))(t).AppendImage(sampleImage(t, "linux/amd64", storeLayers(t)...), layout.WithAnnotations(map[string]string{
		"io.containerd.image.name": "registry.example/shop:1", "org.opencontainers.image.ref.name": "1",
	})); err != nil {
		t.Fatal(err)
	}
	write(t, archive, tarDir(t, oci))
	root, socket := filepath.Join(dir, "root"), filepath.Join(dir, "s")
	config := write(t, filepath.Join(dir, "config.toml"), fmt.Appendf(nil, "version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n address = %q\n", root, filepath.Join(dir, "state"), socket))
	ctr := func(ctx context.Context, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, "ctr", append([]string{"-a", socket, "-n", "k8s.io"}, args...)...)
	}
	daemon(t, func(ctx context.Context) error { return ctr(ctx, "version").Run() }, server, "--config", config)
	if out, err := ctr(t.Context(), "images", "import", archive).CombinedOutput(); err != nil {
		t.Fatalf("import: %v\n%s", err, out)
	}
	stores := Stores{Containerd: root}
	sameInStore(t, "containerd:registry.example/shop:1", archive, stores)
	// That it was read where it is unpacked: without what was imported it is the same.
	if err := os.Rename(filepath.Join(root, containerdContent, "blobs", "sha256"), filepath.Join(dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	for _, blob := range must(os.ReadDir(filepath.Join(dir, "blobs")))(t) {
		if text := must(os.ReadFile(filepath.Join(dir, "blobs", blob.Name())))(t); strings.HasPrefix(string(text), "{") {
			write(t, filepath.Join(root, containerdContent, "blobs", "sha256", blob.Name()), text)
		}
	}
	sameInStore(t, "containerd:registry.example/shop:1", archive, stores)
}

// What Docker itself unpacked.
func TestDockerStore(t *testing.T) {
	server := runtimeTool(t, "dockerd", "docker.io", "containerd", "runc")
	dir := shortDir(t)
	archive := filepath.Join(dir, "image.tar")
	if err := tarball.WriteToFile(archive, must(name.NewTag("registry.example/shop:1"))(t), sampleImage(t, "linux/amd64", storeLayers(t)...)); err != nil {
		t.Fatal(err)
	}
	root, socket := filepath.Join(dir, "root"), "unix://"+filepath.Join(dir, "d")
	docker := func(ctx context.Context, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, "docker", append([]string{"-H", socket}, args...)...)
	}
	daemon(t, func(ctx context.Context) error { return docker(ctx, "version").Run() }, server, "-H", socket, "--data-root", root, "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--storage-driver", "overlay2")
	if out, err := docker(t.Context(), "load", "-i", archive).CombinedOutput(); err != nil {
		t.Fatalf("load: %v\n%s", err, out)
	}
	sameInStore(t, "docker:registry.example/shop:1", archive, Stores{Docker: root})
}
