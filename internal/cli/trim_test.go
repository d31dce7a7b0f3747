package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/trim"
)

const trimExample = "../../examples/trim/"

func TestTrimVerdicts(t *testing.T) {
	manifest := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(manifest, []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: web}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"something is taken", []string{"worker", "--bundle", trimExample, "--days", "1"}, exitFindings, "4 → 1. Kept: CHOWN; gone: KILL, NET_RAW, SETUID"},
		{"too few days", []string{"worker", "--bundle", trimExample}, exitIncomplete, "nothing is taken: too little seen: 1 day, and 7 are needed"},
		{"nothing is written where too little was seen", []string{"worker", "--bundle", trimExample, "-o", "config"}, exitIncomplete, "nothing is taken from Container/worker"},
		{"nobody knows it", []string{"other", "--bundle", trimExample}, exitIncomplete, `nothing is known of "other"`},
		{"no grant", []string{"worker"}, exitUsage, "say what is granted"},
		{"two grants", []string{"worker", "--bundle", trimExample, "-f", manifest}, exitUsage, "and not both"},
		{"a patch of a bundle", []string{"worker", "--bundle", trimExample, "-o", "patch"}, exitUsage, "-o patch does not go with"},
		{"not in the manifests", []string{"worker", "-f", manifest}, exitIncomplete, "Container/worker is not in"},
		{"no bundle", []string{"worker", "--bundle", manifest}, exitUsage, "not JSON"},
		{"not a bundle", []string{"worker", "--bundle", trimExample + "record.json"}, exitUsage, "it has no ociVersion"},
		{"another format", []string{"worker", "--bundle", trimExample, "-o", "sarif"}, exitUsage, "sarif"},
	} {
		o := ullage(t, append([]string{"trim", "--from", trimExample + "record.json"}, c.args...)...)
		if o.code != c.code || !strings.Contains(unwrapped(o.stdout+o.stderr), c.want) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s%s", c.name, o.code, c.code, c.want, o.stdout, o.stderr)
		}
	}
}

// What is written for a bundle leaves nothing to take.
func TestTrimmedBundle(t *testing.T) {
	base := []string{"trim", "worker", "--from", trimExample + "record.json", "--days", "1"}
	o := ullage(t, append(base, "--bundle", trimExample, "-o", "config")...)
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(o.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := ullage(t, append(base, "--bundle", path)...); again.code != exitClean || !strings.Contains(again.stdout, "Nothing is left to take.") {
		t.Errorf("exit code %d: %s%s", again.code, again.stdout, again.stderr)
	}
	var s trim.Seccomp
	if err := json.Unmarshal([]byte(ullage(t, append(base, "--bundle", trimExample, "-o", "seccomp")...).stdout), &s); err != nil || s.DefaultAction != "SCMP_ACT_ERRNO" || !slices.Contains(s.Syscalls[0].Names, "chown") {
		t.Errorf("%v %+v", err, s)
	}
	var j trimJSON
	if err := json.Unmarshal([]byte(ullage(t, append(base, "--bundle", trimExample, "-o", "json")...).stdout), &j); err != nil || len(j.Cuts) != 3 || j.Seccomp == nil || len(j.Acts.Remain) != 1 {
		t.Errorf("%v %+v", err, j)
	}
}

// The patch of a workload names its container and what changes, and nothing else.
func TestTrimPatch(t *testing.T) {
	dir := t.TempDir()
	record, err := os.ReadFile(trimExample + "record.json")
	if err != nil {
		t.Fatal(err)
	}
	subject := strings.Replace(string(record), `"kind": "Container",`, `"namespace": "shop", "kind": "CronJob", "container": "work",`, 1)
	files := map[string]string{"record.json": subject, "job.yaml": "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: worker, namespace: shop}\nspec: {schedule: '@daily', jobTemplate: {spec: {template: {spec: {containers: [{name: other}, {name: work, image: w}]}}}}}\n"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	base := []string{"trim", "worker", "--from", dir + "/record.json", "-f", dir + "/job.yaml"}
	if o := ullage(t, base...); o.code != exitIncomplete || !strings.Contains(o.stdout, "too little seen: 0 runs, and 3 are needed") {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	subject = strings.Replace(subject, `"CronJob"`, `"Deployment"`, 1)
	deployment := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: worker, namespace: shop}\nspec: {template: {spec: {containers: [{name: other}, {name: work, image: w}]}}}\n"
	for name, text := range map[string]string{"record.json": subject, "job.yaml": deployment} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := ullage(t, append(base, "--days", "1", "-o", "patch")...)
	var got, want any
	if err := yaml.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatalf("%v: %s%s", err, o.stdout, o.stderr)
	}
	if err := yaml.Unmarshal([]byte(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: worker, namespace: shop}, spec: {template: {spec: {containers: [{name: work,
		securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [CHOWN]}, seccompProfile: {type: Localhost, localhostProfile: ullage/worker-work.json}}}]}}}}`), &want); err != nil {
		t.Fatal(err)
	}
	if a, b := asJSON(t, got), asJSON(t, want); a != b {
		t.Errorf("%s\nwant\n%s", a, b)
	}
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
