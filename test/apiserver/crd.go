package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// PolicyAPI has the versions of sigs.k8s.io/network-policy-api, of which v0.1.7 was
// the last with AdminNetworkPolicy and BaselineAdminNetworkPolicy.
var PolicyAPI = [...]string{"v0.1.7", "v0.2.0"}

// DefinePolicyAPI makes the server serve the cluster-scoped network policies, by the
// experimental schemas of all versions of [PolicyAPI]. They are fetched as Go modules.
func (s *Server) DefinePolicyAPI(t testing.TB) {
	t.Helper()
	for _, version := range PolicyAPI {
		dir := module(t, "sigs.k8s.io/network-policy-api@"+version)
		files, err := filepath.Glob(filepath.Join(dir, "config/crd/experimental/policy.networking.k8s.io_*.yaml"))
		must(t, err)
		if len(files) == 0 {
			t.Fatalf("%s has no definitions", dir)
		}
		for _, file := range files {
			s.define(t, file)
		}
	}
}

// module returns the directory of a module, which need not be required by anything.
func module(t testing.TB, path string) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", path)
	cmd.Dir = t.TempDir() // outside of any module
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if wrong := json.Unmarshal(out, &answer); wrong != nil || err != nil || answer.Dir == "" {
		t.Fatalf("%v (modules are fetched as GOPROXY says): %v %s", cmd, err, answer.Error)
	}
	return answer.Dir
}

// define creates a custom resource definition and waits until it is served.
func (s *Server) define(t testing.TB, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	body, err := yaml.YAMLToJSON(text)
	must(t, err)
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Plural string }
			Versions []struct{ Name string }
		}
	}
	must(t, json.Unmarshal(body, &crd))
	code, answer, err := s.Send(t.Context(), http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", string(body))
	if err != nil || code != http.StatusCreated {
		t.Fatalf("%s: %d %s %v", file, code, answer, err)
	}
	path := fmt.Sprintf("/apis/%s/%s/%s", crd.Spec.Group, crd.Spec.Versions[0].Name, crd.Spec.Names.Plural)
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		code, answer, err = s.Send(t.Context(), http.MethodGet, path, "")
		must(t, err)
		if code == http.StatusOK {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %d %s", path, code, answer)
		}
	}
}
