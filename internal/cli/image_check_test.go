package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestImageCheck judges an image by itself, with the exceptions that hold for it in
// ullage check.
func TestImageCheck(t *testing.T) {
	good, bad := testImages(t)
	host, _ := serveImages(t, map[string]v1.Image{"good:1": good, "bad:1": bad})
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("apiVersion: ullage.dev/v1alpha1\nkind: Config\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	judge := func(args ...string) (*reportOf, int) {
		t.Helper()
		stdout, stderr, code := runImage(t, append(args, "--check", "--config", config, "-o", "json")...)
		var r reportOf
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatalf("%v: %s%s", err, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, imageCanary) {
			t.Error("a secret of the image is in the report")
		}
		return &r, code
	}
	r, code := judge(host + "/good:1")
	if len(r.Findings) > 0 || code != exitIncomplete || r.Counts.Evaluated == 0 || r.Counts.Passed == 0 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Hint, "ullage db update") {
		t.Errorf("a good image, and no database: %+v, exit code %d", r, code)
	}
	for _, u := range r.Unknowns {
		if !strings.Contains(u.Reason, "no database") || u.Rule == "image-exploited-cve-exposed" { // which is of workloads
			t.Errorf("unknown: %+v", u)
		}
	}
	const withoutDatabase = "image-root-user,image-eol-os,image-attack-tools,image-config-credential"
	if r, code = judge(host+"/good:1", "--rule", withoutDatabase); len(r.Findings)+len(r.Problems)+len(r.Unknowns) > 0 || code != exitClean {
		t.Errorf("a good image: %+v, exit code %d", r, code)
	}
	r, code = judge(host+"/bad:1", "--rule", withoutDatabase)
	rules := r.rules(host + "/bad")
	for _, want := range []string{"image-root-user", "image-eol-os", "image-attack-tools", "image-config-credential"} {
		if !slices.Contains(rules, want) {
			t.Errorf("no finding of %s in %v", want, rules)
		}
	}
	if code != exitFindings {
		t.Errorf("exit code %d, %v", code, rules)
	}
	exceptions := "apiVersion: ullage.dev/v1alpha1\nkind: Exceptions\nexceptions:\n- {id: eol, rules: [image-eol-os], reason: r, owner: o, expires: 2999-01-01, match: {kinds: [Image], names: [\"*/bad\"]}}\n"
	if err := os.WriteFile(filepath.Join(filepath.Dir(config), "exceptions.yaml"), []byte(exceptions), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("apiVersion: ullage.dev/v1alpha1\nkind: Config\nexceptions: [exceptions.yaml]\nfailOn: never\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, _, code := runImage(t, host+"/bad:1", "--check", "--config", config, "--rule", withoutDatabase)
	if code != exitClean || !strings.Contains(stdout, "1 excepted") || strings.Contains(stdout, "image-eol-os") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
	for _, args := range [][]string{{"--profile", "all"}, {"--rule", "image-age"}, {"--check", "-o", "cheese"}, {"--check", "--rule", "privileged-container"}} {
		if _, stderr, code := runImage(t, append(args, host+"/good:1")...); code != exitUsage || stderr == "" {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

func TestRepositoryOf(t *testing.T) {
	for ref, want := range map[string]string{
		"web": "web", "registry.example:5000/web:1.4.2": "registry.example:5000/web", "web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef": "web",
		"registry.example/web:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef": "registry.example/web", "./Web.tar": "./Web.tar",
		"dir:root": "dir:root", "oci:layout": "oci:layout", "registry:web:1": "web", "docker:web": "docker:web",
	} {
		if got := repositoryOf(ref); got != want {
			t.Errorf("%s is of %s, want %s", ref, got, want)
		}
	}
}

// TestCheckFailsOnTheSame holds that --fail-on means of vulnerabilities what it means
// without --check, and that severities are those of findings too.
func TestCheckFailsOnTheSame(t *testing.T) {
	path, db := smallImage(t), zlibDatabase(t)
	for failOn, want := range map[string]int{
		"": exitFindings, "critical": exitFindings, "kev": exitIncomplete, "fixable": exitFindings, "never": exitClean, "unknown": exitClean, "any": exitFindings, "critical+unknown": exitClean,
	} {
		args := []string{"--db", db, "--check", "--rule", "image-critical-cve", path}
		if failOn != "" {
			args = append(args, "--fail-on", failOn)
		}
		_, stderr, code := runImage(t, args...)
		if failOn == "critical" && !strings.Contains(stderr, "1 vulnerability is what --fail-on critical asks for") || code != want {
			t.Errorf("%q: exit %d, want %d: %s", failOn, code, want, stderr)
		}
	}
	for failOn, want := range map[string]string{"never": "never", "kev,fixable": "never", "critical+kev,High, medium ": "medium", "critical+kev": "never", "any": "info", "negligible": "info", "low": "low"} {
		if got := findingsFailOn(failOn); got != want {
			t.Errorf("--fail-on %s asks for findings from %s, want %s", failOn, got, want)
		}
	}
}
