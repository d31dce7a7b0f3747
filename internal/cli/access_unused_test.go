package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const usageExample = "../../examples/usage/"

// unusedOf asks about the example.
func unusedOf(t *testing.T, args ...string) outcome {
	t.Helper()
	return ullage(t, append([]string{"access", "unused", "-f", usageExample + "rbac.yaml", "--audit", usageExample + "audit.log"}, args...)...)
}

func TestUnusedVerdicts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	log, err := os.ReadFile(usageExample + "audit.log")
	if err != nil {
		t.Fatal(err)
	}
	all := write("all.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
	quiet := write("quiet.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, users: [\"system:serviceaccount:ops:dashboard\"]}, {level: Metadata}]\n")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"something is unused", nil, exitFindings, "nothing of it was used: remove the binding"},
		{"one subject", []string{"sa:ops/backup"}, exitFindings, "-o yaml writes 1 narrower role,"},
		{"too few days", []string{"--days", "30"}, exitIncomplete, "the log holds 10 days, and 30 are needed"},
		{"a policy that logs all", []string{"--audit-policy", all}, exitFindings, "nothing of it was used: remove the binding"},
		{"a policy that leaves the subject out", []string{"sa:ops/dashboard", "--audit-policy", quiet}, exitIncomplete, "the audit policy leaves it out of the log"},
		{"a log with a hole", []string{"--audit", write("hole.log", string(log)+"nonsense\n")}, exitIncomplete, "not all of the log could be read"},
		{"another namespace", []string{"-n", "ops"}, exitFindings, "sa:ops/dashboard"},
		{"no log", []string{"--audit", write("none.log", "")}, exitUsage, "no event of an audit log in it"},
		{"not there", []string{"--audit", dir + "/missing"}, exitUsage, "no such file"},
		{"no policy", []string{"--audit-policy", usageExample + "rbac.yaml"}, exitUsage, "documents, not one audit policy"},
		{"another format", []string{"-o", "sarif"}, exitUsage, "none of text, json, yaml"},
		{"no days", []string{"--days", "0"}, exitUsage, "--days 0 is not positive"},
		{"nobody", []string{"sa:ops/nobody"}, exitIncomplete, "No binding that was read gives"},
	} {
		o := unusedOf(t, c.args...)
		if o.code != c.code || !strings.Contains(unwrapped(o.stdout+o.stderr), c.want) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s%s", c.name, o.code, c.code, c.want, o.stdout, o.stderr)
		}
	}
	if o := ullage(t, "access", "unused", "-f", usageExample+"rbac.yaml"); o.code != exitUsage || !strings.Contains(o.stderr, "--audit FILE") {
		t.Errorf("without a log: exit code %d: %s", o.code, o.stderr)
	}
}

// States in JSON, and manifests that are the same input with less in it.
func TestUnusedInJSONAndYAML(t *testing.T) {
	o := unusedOf(t, "-o", "json")
	var report usageJSON
	if err := json.Unmarshal([]byte(o.stdout), &report); err != nil {
		t.Fatal(err)
	}
	states := map[string]usedState{}
	for _, g := range report.Grants {
		for _, r := range g.Rights {
			states[g.Subject+" "+r.Verb+" "+r.Resource+r.URL] = r.State
		}
	}
	for right, want := range map[string]usedState{
		"sa:ops/release patch deployments":       stateUsed,
		"sa:ops/release delete deployments":      stateUnused,
		"sa:ops/release patch deployments/scale": stateUnused,
		"sa:ops/release * secrets":               stateInPart,
		"sa:ops/release get nodes/proxy":         stateUnknown,
		"sa:ops/backup * *":                      stateUnknown, // of URLs, which stand behind the resources
		"sa:ops/dashboard list pods":             stateUnused,
	} {
		if states[right] != want {
			t.Errorf("%s is %q, want %q", right, states[right], want)
		}
	}
	if len(report.Narrowed) != 3 || report.Trial.Before <= report.Trial.After || report.Trial.Requests != 5 || len(report.Refused) != 1 {
		t.Errorf("%+v %+v", report.Narrowed, report.Trial)
	}
	path := filepath.Join(t.TempDir(), "roles.yaml")
	if o = unusedOf(t, "-o", "yaml"); !strings.Contains(o.stdout, "# Nothing of it was used: kubectl delete rolebinding old-dashboard -n ops\n") {
		t.Errorf("%s", o.stdout)
	}
	if err := os.WriteFile(path, []byte(o.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]int{"list persistentvolumeclaims": exitClean, "delete deployments.apps": exitFindings, "get nodes": exitFindings} {
		verb, resource, _ := strings.Cut(request, " ")
		if o := ullage(t, "access", "who-can", verb, resource, "-f", path, "--closed-world"); o.code != want {
			t.Errorf("who can %s with the roles that were written: exit code %d, want %d: %s%s", request, o.code, want, o.stdout, o.stderr)
		}
	}
}
