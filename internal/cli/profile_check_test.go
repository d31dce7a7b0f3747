package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/detect"
)

// TestProfileCheck holds what is told of a recording against what a detector says of each
// of its facts, as a watch asks it.
func TestProfileCheck(t *testing.T) {
	all, err := readBehaviors(t.Context(), recorded)
	if err != nil {
		t.Fatal(err)
	}
	var rules behaviorRules
	pl, err := rules.plan(t.Context(), &Program{Getenv: func(string) string { return "" }}, checkFlags{output: "text", color: "auto"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d := detect.New(pl.rules, nil, nil)
	var want []string
	for _, b := range all {
		for fact := range b.Facts() {
			found, _ := d.Judge(detect.Context{Namespace: b.Subject.Namespace, Name: b.Subject.Name, Container: b.Subject.Container}, fact)
			for _, f := range found {
				want = append(want, strings.Join([]string{b.Subject.Namespace, b.Subject.Name, b.Subject.Container, f.Rule.ID, f.Message}, " "))
			}
		}
	}
	o := ullage(t, "profile", "check", "--from", recorded, "-o", "json")
	var told struct {
		Findings []struct {
			Rule, Message string
			Object        struct{ Namespace, Name, Container string }
		}
		Unknowns []struct{ Rule, Reason string }
	}
	if err := json.Unmarshal([]byte(o.stdout), &told); err != nil || o.code != exitFindings {
		t.Fatalf("%v, exit code %d: %s%s", err, o.code, o.stdout, o.stderr)
	}
	var got []string
	for _, f := range told.Findings {
		got = append(got, strings.Join([]string{f.Object.Namespace, f.Object.Name, f.Object.Container, f.Rule, f.Message}, " "))
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 4 || !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, u := range told.Unknowns {
		if u.Rule != "root-of-host" || !strings.Contains(u.Reason, "recording") {
			t.Errorf("%s is open: %s", u.Rule, u.Reason)
		}
	}
	if len(told.Unknowns) == 0 {
		t.Error("nothing is said of the root of the host, which no recording tells")
	}
}

func TestProfileCheckChooses(t *testing.T) {
	in := func(args ...string) outcome {
		return ullage(t, append([]string{"profile", "check", "--from", recorded}, args...)...)
	}
	says(t, in("nightly-report"), exitFindings, "container report of ops/nightly-report", "runs /bin/sh with curl, sh", "checked 1 object,")
	says(t, in("-n", "ops", "--fail-on", "never"), exitClean, "program-not-in-image")
	says(t, in("-n", "ops", "--rule", "connect-miner-port"), exitClean, "clean: 1 object,")
	says(t, in("--rule", "host-pid"), exitUsage, "none of these rules judges what containers do")
	says(t, in("-n", "nowhere"), exitIncomplete, "nothing is known of such containers")
	says(t, in("--fail-on", "sometimes"), exitUsage, "--fail-on")

	except := filepath.Join(t.TempDir(), "exceptions.yaml")
	text := "apiVersion: ullage.dev/v1alpha1\nkind: Exceptions\nexceptions:\n- id: mining\n  rules: [connect-miner-port]\n  match: {namespaces: [checkout], containers: [checkout]}\n  reason: our own pool\n  owner: payments\n  expires: 2099-01-01\n"
	if err := os.WriteFile(except, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := in("checkout", "--exceptions", except)
	if strings.Contains(o.stdout, "connects to 203.0.113.9") || o.code != exitClean {
		t.Errorf("exit code %d with an exception: %s%s", o.code, o.stdout, o.stderr)
	}
}

// TestProfileCheckGaps judges a recording of which a part was lost, and a part not looked
// for.
func TestProfileCheckGaps(t *testing.T) {
	b := behavior.New(behavior.Subject{Kind: behavior.KindContainer, Name: "web", Container: "web"})
	b.Observe(behavior.Fact{
		Kind: behavior.Execute, Phase: behavior.Steady, Origin: behavior.Entrypoint, Outcome: behavior.Allowed,
		Program: behavior.Program{File: behavior.File{Path: "/usr/bin/web", Layer: behavior.InImage}, User: behavior.Root},
	}, behavior.SeenAt(1500, "web", ""))
	b.Coverage.Watch(behavior.Interval{Replica: "web", Session: "1", From: 1000, To: 2000, Kinds: behavior.KindsOf(behavior.Execute), Lost: 3})
	file := filepath.Join(t.TempDir(), "web.json")
	if err := writeBehaviors(file, []*behavior.Behavior{b}); err != nil {
		t.Fatal(err)
	}
	says(t, ullage(t, "profile", "check", "--from", file), exitIncomplete, "3 facts of what it did", "nothing is known of")
}
