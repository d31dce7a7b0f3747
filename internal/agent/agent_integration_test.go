//go:build integration && linux && (amd64 || arm64)

package agent

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/store"
)

// runVariable says to the test binary which programs to run instead of testing: in a
// container it is what the image has.
const runVariable = "ULLAGE_AGENT_RUNS"

func TestMain(m *testing.M) {
	programs, contained := os.LookupEnv(runVariable)
	if !contained {
		os.Exit(m.Run())
	}
	for path := range strings.FieldsSeq(programs) {
		c := exec.Command(path)
		c.Env = []string{runVariable + "="}
		if err := c.Run(); err != nil {
			fmt.Fprintln(os.Stderr, path, err)
			os.Exit(1)
		}
	}
	os.Exit(0)
}

// apiOf is an API server that knows the pods of a node, and tells nobody else.
func apiOf(t *testing.T, dir string) (kubeconfig string, set func(objects ...string)) {
	t.Helper()
	var mu sync.Mutex
	byPath := map[string]string{"/version": `{"gitVersion": "v1.34.1"}`}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		answer, ok := byPath[r.URL.Path]
		switch {
		case r.Header.Get("Authorization") != "Bearer node-token" || r.Method != http.MethodGet:
			http.Error(w, "{}", http.StatusForbidden)
		case r.URL.Path == "/api/v1/pods" && r.URL.Query().Get("fieldSelector") != "spec.nodeName=test-node":
			http.Error(w, "{}", http.StatusForbidden)
		case !ok:
			http.Error(w, "{}", http.StatusNotFound)
		default:
			_, _ = io.WriteString(w, answer)
		}
	}))
	t.Cleanup(server.Close)
	ca := filepath.Join(dir, "ca.pem")
	kubeconfig = filepath.Join(dir, "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: dev, cluster: {server: %q, certificate-authority: %q}}]\n"+
		"users: [{name: node, user: {token: node-token}}]\ncontexts: [{name: c, context: {cluster: dev, user: node}}]\n", server.URL, ca)
	for path, text := range map[string][]byte{ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), kubeconfig: []byte(text)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return kubeconfig, func(objects ...string) {
		mu.Lock()
		defer mu.Unlock()
		var pods []string
		for _, text := range objects {
			var o struct {
				Kind     string
				Metadata struct{ Name, Namespace string }
			}
			if err := json.Unmarshal([]byte(text), &o); err != nil {
				t.Fatal(err)
			}
			if o.Kind == "Pod" {
				pods = append(pods, text)
			} else {
				byPath["/apis/apps/v1/namespaces/"+o.Metadata.Namespace+"/"+strings.ToLower(o.Kind)+"s/"+o.Metadata.Name] = text
			}
		}
		byPath["/api/v1/pods"] = `{"kind": "PodList", "metadata": {}, "items": [` + strings.Join(pods, ",") + `]}`
	}
}

// ownGroup is above the control groups of the test's pods.
const ownGroup = "/ullage-test-agent"

// removeGroups removes them, in each tree.
func removeGroups() {
	for _, tree := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		for _, below := range []string{"/kubepods/burstable/pod*", "/kubepods/burstable", "/kubepods", ""} {
			groups, _ := filepath.Glob(tree + ownGroup + below)
			for _, group := range groups {
				_ = syscall.Rmdir(group)
			}
		}
	}
}

// runPod runs a container of runc as a node of Kubernetes would, to its end.
func runPod(t *testing.T, bundles, id, pod, uid, programs string) {
	t.Helper()
	dir := filepath.Join(bundles, id)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"lower/app", "lower/proc", "upper", "work", "root", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"web", "one", "convert"} {
		if err := os.WriteFile(filepath.Join(dir, "lower/app", name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config, err := json.Marshal(map[string]any{
		"ociVersion": "1.0.2", "root": map[string]any{"path": "root"},
		"annotations": map[string]string{"io.kubernetes.cri.sandbox-name": pod, "io.kubernetes.cri.sandbox-namespace": "shop", "io.kubernetes.cri.container-name": "web"},
		"mounts":      []map[string]any{{"destination": "/proc", "type": "proc", "source": "proc"}},
		"process":     map[string]any{"args": []string{"/app/web"}, "cwd": "/", "user": map[string]int{"uid": 0, "gid": 0}, "env": []string{runVariable + "=" + programs}},
		"linux": map[string]any{"cgroupsPath": ownGroup + "/kubepods/burstable/pod" + uid + "/" + id,
			"namespaces": []map[string]string{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "network"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, "unshare", "-m", "sh", "-c", `mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root && exec runc --root "$PWD/state" run "$1"`, "sh", id)
	c.Dir, c.WaitDelay = dir, 10*time.Second
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("runc: %v\n%s", err, out)
	}
}

// attached are the numbers of all programs in the kernel.
func attached(t *testing.T) (ids []ebpf.ProgramID) {
	t.Helper()
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			return ids
		}
		ids, id = append(ids, next), next
	}
}

// soon waits until something is so.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for last := time.Now().Add(time.Minute); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(last) {
			t.Fatalf("after a minute it is not so that %s", what)
		}
	}
}

// running is an agent as a process of its own.
type running struct {
	*exec.Cmd
	socket string
	log    *strings.Builder
}

func startAgent(t *testing.T, program, state, kubeconfig, bundles string) *running {
	t.Helper()
	r := &running{socket: filepath.Join(state, "a.sock"), log: &strings.Builder{}}
	r.Cmd = exec.Command(program, "run", "--state", state, "--socket", r.socket, "--node", "test-node", "--kubeconfig", kubeconfig, "--runtime-root", bundles)
	r.Stderr = r.log
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.ProcessState == nil {
			_ = r.Process.Kill()
			_ = r.Wait()
		}
	})
	soon(t, "the agent answers", func() bool {
		s, err := askStatus(t.Context(), r.socket)
		return err == nil && s.Tiers[1].Active
	})
	return r
}

func readKept(t *testing.T, state string) map[behavior.Subject]*behavior.Behavior {
	t.Helper()
	all := map[behavior.Subject]*behavior.Behavior{}
	_, dirs, err := store.DaysIn(daysDir(state))
	if err != nil {
		return all // nothing was written yet
	}
	for _, dir := range dirs {
		s, err := store.Open(t.Context(), dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		subjects, err := s.Subjects(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, subject := range subjects {
			if all[subject], err = s.Behavior(t.Context(), subject); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
	}
	return all
}

func programsOf(b *behavior.Behavior) (paths []string) {
	if b == nil {
		return nil
	}
	for f := range b.Facts() {
		if f.Kind == behavior.Execute {
			paths = append(paths, f.Program.Path)
		}
	}
	return paths
}

// TestAgentOnThisMachine runs pods of two images under a real agent, which is killed in
// between: both are kept as one workload, and nothing stays in the kernel.
func TestAgentOnThisMachine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{"runc", "unshare", "mount", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	t.Cleanup(removeGroups)
	dir := t.TempDir()
	program, state, bundles := filepath.Join(dir, "ullage-agent"), filepath.Join(dir, "state"), filepath.Join(dir, "bundles")
	build := exec.Command("go", "build", "-o", program, "../../cmd/ullage-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command(program, "tiers").CombinedOutput(); err != nil {
		t.Skipf("no sensor here:\n%s", out)
	}
	kubeconfig, set := apiOf(t, dir)
	before := attached(t)
	gone := func() {
		soon(t, "nothing is attached", func() bool {
			return !slices.ContainsFunc(attached(t), func(id ebpf.ProgramID) bool { return !slices.Contains(before, id) })
		})
	}
	set(objectsOfWeb("r.example/web@" + digest)...)
	first := behavior.Subject{Namespace: "shop", Kind: "Deployment", Name: "web", Container: "web", Image: digest}
	agent := startAgent(t, program, state, kubeconfig, bundles)
	runPod(t, bundles, strings.Repeat("a1", 32), "web-7d4b9c8f6d-aaaaa", podUID, "/app/one")
	soon(t, "the first pod is kept", func() bool { return len(programsOf(readKept(t, state)[first])) == 2 })
	if err := agent.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait() // says that it was killed
	gone()

	const otherUID = "11111111-89ab-cdef-0123-456789abcdef"
	second := first
	second.Image = "sha256:" + strings.Repeat("b", 64)
	var objects []string
	for _, o := range objectsOfWeb("r.example/web@" + second.Image) {
		objects = append(objects, strings.NewReplacer("7d4b9c8f6d", "5c6f7d8b9c", "aaaaa\"", "bbbbb\"", podUID, otherUID).Replace(o))
	}
	set(objects...)
	agent = startAgent(t, program, state, kubeconfig, bundles)
	runPod(t, bundles, strings.Repeat("b2", 32), "web-5c6f7d8b9c-bbbbb", otherUID, "/app/one /app/convert")
	if err := agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := agent.Wait(); err != nil {
		t.Errorf("%v\n%s", err, agent.log)
	}
	gone()
	if _, err := os.Stat(agent.socket); err == nil {
		t.Error("its socket is left")
	}
	kept := readKept(t, state)
	for subject, want := range map[behavior.Subject][]string{first: {"/app/one", "/app/web"}, second: {"/app/convert", "/app/one", "/app/web"}} {
		if got := programsOf(kept[subject]); !slices.Equal(got, want) {
			t.Fatalf("%s: %v\n%s", &subject, got, agent.log)
		}
		if i := kept[subject].Coverage.Intervals(); len(i) != 1 || !i[0].Whole || !i[0].Ended || i[0].Lost != 0 {
			t.Errorf("%s was watched: %+v", &subject, i)
		}
	}
	for subject, b := range kept {
		for _, i := range b.Coverage.Intervals() {
			if subject.Kind == "Deployment" && !strings.HasPrefix(i.Replica, "shop/web-") {
				t.Errorf("the bundle of %s was not read", i.Replica)
			}
		}
		if subject.Kind == behavior.KindPod {
			t.Errorf("%s was not joined", &subject)
		}
	}
}
