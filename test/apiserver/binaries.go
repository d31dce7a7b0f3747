// Package apiserver runs a real etcd and kube-apiserver for a test.
//
// The binaries are built from Go modules by `make kubernetes` and kept in the
// user's cache. A test that needs them is skipped where they are missing, unless
// the environment variable ULLAGE_TEST_KUBERNETES is "required": then it fails.
package apiserver

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The versions of what runs; test/kubernetes pins what it is built from.
const (
	Version     = "v1.37.2" // of Kubernetes
	EtcdVersion = "v3.7.0"
)

// Modules are those that test/kubernetes pins, with their versions.
var Modules = map[string]string{"k8s.io/kubernetes": Version, "go.etcd.io/etcd/server/v3": EtcdVersion}

// Binaries are what [Dir] holds, and the packages that they are built from.
var Binaries = map[string]string{
	"etcd":           "go.etcd.io/etcd/server/v3",
	"kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}

// Dir returns the directory of the binaries: ULLAGE_TEST_KUBERNETES_DIR, or one
// for these versions in the user's cache.
func Dir() (string, error) {
	if dir := os.Getenv("ULLAGE_TEST_KUBERNETES_DIR"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "ullage", "kubernetes", Version+"-etcd-"+EtcdVersion), nil
}

// Missing returns the binaries that are not in a directory, in order.
func Missing(dir string) []string {
	var missing []string
	for name := range Binaries {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// binaries returns the directory of the binaries, or ends the test.
func binaries(t testing.TB) string {
	t.Helper()
	dir, err := Dir()
	if err != nil {
		t.Fatal(err)
	}
	if missing := Missing(dir); len(missing) > 0 {
		why := fmt.Sprintf("needs %v of Kubernetes %s: run make kubernetes", missing, Version)
		if os.Getenv("ULLAGE_TEST_KUBERNETES") == "required" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return dir
}
