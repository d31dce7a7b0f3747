package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/model"
)

// runningPod is a pod that says which image its container has.
func runningPod(name, image, digest string) string {
	return `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "` + name + `", "namespace": "shop"}, "spec": {"nodeName": "a", "containers": [{"name": "web", "image": "` + image + `"}]},
		"status": {"phase": "Running", "containerStatuses": [{"name": "web", "imageID": "` + digest + `", "state": {"running": {}}}]}}`
}

const amd64Node = `{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"}}}`

// unwrapped is text without its lines and columns.
func unwrapped(text string) string { return strings.Join(strings.Fields(text), " ") }

// manifestOf is the digest of the manifest that a reference leads to, by the store.
func (b *lifeBench) manifestOf(ref string) string {
	b.t.Helper()
	var doc struct{ Images []storedJSON }
	if err := json.Unmarshal([]byte(b.run(exitClean, "image", "list", "-o", "json")), &doc); err != nil {
		b.t.Fatal(err)
	}
	for _, x := range doc.Images {
		if x.Reference == ref {
			return x.Manifest
		}
	}
	b.t.Fatalf("%s is not stored", ref)
	return ""
}

// TestGoneFromRunning follows a vulnerability from the image that has it, over the
// tag that mends it, to the cluster that rolls it out, and back.
func TestGoneFromRunning(t *testing.T) {
	b := newLifeBench(t)
	ref, at := b.registry+"/web:1", time.Now().UTC().Truncate(time.Second).Add(-6*24*time.Hour)
	look := func(code int, gaps []model.Gap, pods ...string) string {
		t.Helper()
		at = at.AddDate(0, 0, 1)
		return unwrapped(b.run(code, "image", "running", "--from", savedClusterAt(t, at, "v1.34.1", gaps, append(pods, amd64Node)...)))
	}
	b.run(exitIncomplete, "image", "running")
	b.advise("CVE-2026-0001", "1:1.2.13.dfsg-2", "")
	b.advise("CVE-2026-0002", "", "")
	b.update()
	b.push("web:1", "")
	contains(t, look(exitClean, nil, runningPod("web-1", ref, strings.Repeat("0", 64))), "none is known; 1 not judged")
	contains(t, b.run(exitIncomplete, "image", "list"), "no image is stored")
	b.run(exitClean, "image", "running", "--forget", "dev")
	b.run(exitClean, "image", ref)
	contains(t, b.run(exitClean, "image", "history", ref), "which workloads run them is not known")
	old := b.registry + "/web@" + b.manifestOf(ref)
	text := look(exitClean, nil, runningPod("web-1", ref, old), runningPod("other", b.registry+"/other:1", b.registry+"/other@sha256:"+strings.Repeat("0", 64)))
	contains(t, text, "running images with vulnerabilities: 1 of 1; 2 critical; 1 not judged", "in Pod shop/web-1 (web)", "2 critical; 1 with a fix", "Not known", b.registry+"/other@sha256:"+strings.Repeat("0", 64))
	contains(t, b.run(exitClean, "image", "list"), "runs in 1 workload")

	b.push("web:1", "1:1.2.13.dfsg-3")
	b.run(exitClean, "image", ref)
	text = look(exitClean, nil, runningPod("web-1", ref, old))
	contains(t, text, "mended and not rolled out: "+ref+" is sha256:", "without CVE-2026-0001")
	text = b.run(exitClean, "image", "history", ref)
	contains(t, text, "fixed in", "runs in Pod shop/web-1 (web)", "was not seen to run")
	if strings.Contains(text, "gone from running") {
		t.Errorf("gone while it runs:\n%s", text)
	}

	fixed := b.registry + "/web@" + b.manifestOf(ref)
	text = look(exitIncomplete, []model.Gap{{Kind: model.GroupKind{Kind: "Pod"}, Reason: "pods may not be listed"}}, runningPod("web-1", ref, fixed))
	contains(t, text, "there may be more: pods may not be listed")
	if strings.Contains(text, "Gone from") {
		t.Errorf("gone from pods that were not read:\n%s", text)
	}
	text = look(exitClean, nil, runningPod("web-1", ref, fixed))
	contains(t, text, "Gone from running workloads", at.Format(time.DateOnly)+" Pod shop/web-1 (web): CVE-2026-0001", "running images with vulnerabilities: 1 of 1; 1 critical")
	contains(t, unwrapped(b.run(exitClean, "image", "history", ref)), "gone from running workloads since "+at.Format(time.DateOnly), "does not run any more since "+at.Format(time.DateOnly))
	var doc runningJSON
	if err := json.Unmarshal([]byte(b.run(exitClean, "image", "running", "-o", "json")), &doc); err != nil || len(doc.Images) != 1 || len(doc.Gone) != 1 || doc.Gone[0].ID != "CVE-2026-0001" || len(doc.Images[0].Found) != 1 || len(doc.Open) != 0 {
		t.Errorf("%v: %+v", err, doc)
	}
	early := savedClusterAt(t, at.AddDate(0, 0, -1), "v1.34.1", nil, runningPod("web-1", ref, old))
	contains(t, b.run(exitUsage, "image", "running", "--from", early), "knows what ran later")
	contains(t, b.run(exitClean, "image", "running", "--forget", "dev"), "forgot")
	b.run(exitUsage, "image", "running", "--forget", "dev")
	b.run(exitUsage, "image", "running", "--from", early, "--forget", "dev")
	b.run(exitUsage, "image", "running", "--from", early, "--cluster")
	b.run(exitIncomplete, "image", "running")
}

// TestRunningDecided holds that what exceptions accept and statements rule out does not
// count where it runs, by any name of it, and that what is overdue is told.
func TestRunningDecided(t *testing.T) {
	b := newLifeBench(t)
	ref := b.registry + "/web:1"
	b.advise("CVE-2026-0001", "1:1.2.13.dfsg-2", "")
	b.advise("CVE-2026-0002", "1:1.2.13.dfsg-2", "")
	b.advise("CVE-2026-0003", "1:1.2.13.dfsg-2", "")
	b.update()
	b.push("web:1", "")
	b.run(exitClean, "image", ref)
	cluster := savedClusterAt(t, time.Now().UTC(), "v1.34.1", nil, runningPod("web-1", ref, b.registry+"/web@"+b.manifestOf(ref)), amd64Node)
	contains(t, unwrapped(b.run(exitClean, "image", "running", "--from", cluster)), "1 of 1; 3 critical", "3 critical; 3 with a fix")

	exceptions := scratch(t, "e.yaml", "apiVersion: ullage.dev/v1alpha1\nkind: Exceptions\nexceptions:\n- {id: a, rules: [DEBIAN-CVE-2026-0001], match: {images: ['"+b.registry+"/web:*']}, reason: not reached, owner: team shop, expires: 2100-01-01}\n")
	statements := scratch(t, "v.json", `{"@context": "https://openvex.dev/ns/v0.2.0", "statements": [{"vulnerability": {"name": "CVE-2026-0002"}, "status": "not_affected", "justification": "vulnerable_code_not_present", "products": [{"@id": "pkg:deb/debian/zlib1g?distro=debian-12"}]}]}`)
	config := scratch(t, ".ullage.yaml", "apiVersion: ullage.dev/v1alpha1\nkind: Config\nvulnerabilities:\n  due: {critical: 0d}\n  owners:\n  - {images: ['"+b.registry+"/*'], owner: payments}\n")
	args := []string{"image", "running", "--exceptions", exceptions, "--vex", statements, "--config", config}
	contains(t, unwrapped(b.run(exitClean, args...)), "1 of 1; 1 critical; 1 overdue", "owner: payments", "1 critical; 1 with a fix", "2 more accepted by exceptions or ruled out by VEX statements")
	contains(t, unwrapped(b.run(exitClean, append(args, "-v")...)), "CVE-2026-0001 zlib1g 1:1.2.13.dfsg-1, found", "accepted by team shop until 2100-01-01: not reached", "CVE-2026-0002 zlib1g 1:1.2.13.dfsg-1, found", "ruled out: ", "CVE-2026-0003 zlib1g 1:1.2.13.dfsg-1, found", "overdue")
	var doc runningJSON
	if err := json.Unmarshal([]byte(b.run(exitClean, append(args, "-o", "json")...)), &doc); err != nil || len(doc.Images) != 1 || len(doc.Images[0].Found) != 3 {
		t.Fatalf("%v: %+v", err, doc)
	}
	for _, f := range doc.Images[0].Found {
		if counts := f.ID == "CVE-2026-0003"; counts != (f.Decided == "") || counts != f.Overdue || counts != (f.Due != nil) {
			t.Errorf("%+v", f)
		}
	}
	b.env["ULLAGE_DB"] = t.TempDir()
	contains(t, b.run(exitIncomplete, args...), "there is no database of advisories")
}
