package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/advisory/advisorytest"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/vuln"
)

// file writes a file for a test.
func scratch(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const zlibVEX = `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "shop", "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [
	{"vulnerability": {"name": "CVE-2023-45853"}, "status": "not_affected", "justification": "vulnerable_code_not_present", "products": [{"@id": "pkg:deb/debian/zlib1g?distro=debian-12"}]},
	{"vulnerability": {"name": "CVE-2000-1"}, "status": "fixed", "products": [{"@id": "pkg:deb/debian/zlib1g"}]}]}`

const zlibException = `apiVersion: ullage.dev/v1alpha1
kind: Exceptions
exceptions:
  - {id: no-archives, rules: [CVE-2023-45853], match: {packages: [zlib]}, reason: no archive is opened, owner: shop, expires: 2099-01-01}
`

// TestImageDecisions: what fails, what statements rule out and what exceptions
// accept, and that nothing of it disappears.
func TestImageDecisions(t *testing.T) {
	path, db := smallImage(t), zlibDatabase(t)
	vexFile, exceptions := scratch(t, "vex.json", zlibVEX), scratch(t, "exceptions.yaml", zlibException)
	expired := scratch(t, "expired.yaml", strings.Replace(zlibException, "2099", "2020", 1))
	for _, c := range []struct {
		args []string
		code int
		want string // in the text, lines joined
	}{
		{nil, exitClean, "1: 1 critical; 1 with a fix"},
		{[]string{"--fail-on", "critical"}, exitFindings, "zlib 1:1.2.13.dfsg-1 to 1:1.2.13.dfsg-2 mends 1 (1 critical), layer 1 layer 1: mends 1"},
		{[]string{"--fail-on", "high+fixable"}, exitFindings, "fails: 1 vulnerability is what --fail-on high+fixable asks for"},
		{[]string{"--fail-on", "kev,unknown"}, exitIncomplete, "known to be exploited is not known: the database lacks the feed kev"},
		{[]string{"--fail-on", "kev+critical"}, exitIncomplete, "the database lacks the feed kev"},
		{[]string{"--fail-on", "kev,critical"}, exitFindings, "fails: 1 vulnerability"},
		{[]string{"--fail-on", "kev+low+fixable", "--vex", vexFile}, exitClean, "passes"},
		{[]string{"--fail-on", "kev,unknown", "--db", zlibDatabase(t, "--feed", "kev")}, exitClean, "passes: nothing is what --fail-on kev,unknown asks for"},
		{[]string{"--fail-on", "any", "--vex", vexFile}, exitClean, "1: 1 by VEX statements"},
		{[]string{"--verbose", "--vex", vexFile}, exitClean, "not affected by the word of shop (" + vexFile + "): vulnerable code not present"},
		{[]string{"--vex", vexFile}, exitClean, "CVE-2000-1: CVE-2000-1 was not found in this image"},
		{[]string{"--vex", scratch(t, "bill.json", `{"bomFormat": "CycloneDX", "specVersion": "1.6"}`)}, exitClean, "it states nothing of any vulnerability"},
		{[]string{"--fail-on", "any", "--vex", scratch(t, "early.json", strings.Replace(zlibVEX, "2026", "2199", 1))}, exitFindings, "CVE-2023-45853: it is dated 2199-01-01T00:00:00Z, which is still to come"},
		{[]string{"--fail-on", "any", "--vex", scratch(t, "lower.json", strings.Replace(zlibVEX, "CVE-2023", "cve-2023", 1))}, exitClean, "1: 1 by VEX statements"},
		{[]string{"--fail-on", "any", "--exceptions", exceptions}, exitClean, "accepted by shop until 2099-01-01: no archive is opened (no-archives)"},
		{[]string{"--fail-on", "any", "--exceptions", expired}, exitFindings, "no-archives (2020-01-01)"},
	} {
		text, stderr, code := runImage(t, append([]string{"--db", db, path}, c.args...)...)
		if flat := strings.Join(strings.Fields(text), " "); code != c.code || !strings.Contains(flat, c.want) {
			t.Errorf("%v: exit %d, want %d and %q: %s\n%s", c.args, code, c.code, c.want, stderr, text)
		}
	}
	// Nothing is passed that was not judged.
	if _, stderr, code := runImage(t, "--db", t.TempDir(), "--fail-on", "high", path); code != exitIncomplete || !strings.Contains(stderr, "not judged") {
		t.Errorf("without a database: exit %d: %s", code, stderr)
	}
	empty := scratch(t, "empty.json", `{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": []}`)
	if text, stderr, code := runImage(t, "--db", db, "--fail-on", "any", empty); code != exitIncomplete || !strings.Contains(stderr, "no package was identified") || strings.Contains(text, "passes") || !strings.Contains(text, "no package was identified") {
		t.Errorf("without packages: exit %d: %s\n%s", code, stderr, text)
	}
	bad := scratch(t, "bad.yaml", strings.Replace(zlibException, "packages: [zlib]", "namespaces: [a]", 1))
	if _, stderr, code := runImage(t, "--db", db, "--exceptions", bad, path); code != exitIncomplete || !strings.Contains(stderr, "images and packages only") {
		t.Errorf("an exception that cannot work: exit %d: %s", code, stderr)
	}
	for _, args := range [][]string{{"--fail-on", "severe"}, {"--vex", "nowhere.json"}, {"--vex", exceptions}, {"--exceptions", "nowhere"}, {"-o", "spdx", "--only-fixable"}, {"-o", "openvex", "--db", t.TempDir()}} {
		if _, stderr, code := runImage(t, append([]string{path}, args...)...); code != exitUsage || stderr == "" {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
}

// TestImageDecisionsJSON: the same in JSON, CycloneDX and OpenVEX.
func TestImageDecisionsJSON(t *testing.T) {
	path, db := smallImage(t), zlibDatabase(t)
	vexFile, exceptions := scratch(t, "vex.json", zlibVEX), scratch(t, "exceptions.yaml", zlibException)
	object, _, _ := runImage(t, "-o", "json", "--db", db, "--vex", vexFile, path)
	var j imageJSON
	if err := json.Unmarshal([]byte(object), &j); err != nil {
		t.Fatal(err)
	}
	v := j.Vulnerabilities
	if len(v.Found) != 0 || len(v.RuledOut) != 1 || v.RuledOut[0].Said.By != "shop" || v.RuledOut[0].Severity != "critical" || len(v.VEXWithoutEffect) != 1 {
		t.Errorf("%+v", v)
	}
	object, _, _ = runImage(t, "-o", "json", "--db", db, "--exceptions", exceptions, path)
	if err := json.Unmarshal([]byte(object), &j); err != nil || len(j.Vulnerabilities.Found) != 1 || j.Vulnerabilities.Found[0].Exception == nil || len(j.Vulnerabilities.Upgrades) != 1 {
		t.Errorf("%v: %+v", err, j.Vulnerabilities)
	}
	bill, _, _ := runImage(t, "-o", "cyclonedx", "--db", db, "--vex", vexFile, path)
	if !strings.Contains(bill, `"state": "not_affected"`) || !strings.Contains(bill, `"justification": "code_not_present"`) {
		t.Errorf("CycloneDX: %s", bill)
	}
	sarif, _, code := runImage(t, "-o", "sarif", "--db", db, path)
	if code != exitClean || !strings.Contains(sarif, `"ruleId":"CVE-2023-45853"`) || !strings.Contains(sarif, `"security-severity":"9.8"`) || strings.Contains(sarif, imageCanary) {
		t.Errorf("SARIF: exit %d: %s", code, sarif)
	}
	// What is stated of one image holds for the next run.
	statements, _, code := runImage(t, "-o", "openvex", "--author", "team shop", "--db", db, "--vex", vexFile, path)
	if code != exitClean || !strings.Contains(statements, `"author": "team shop"`) || strings.Contains(statements, imageCanary) {
		t.Fatalf("exit %d: %s", code, statements)
	}
	if text, _, code := runImage(t, "--db", db, "--fail-on", "any", "--vex", scratch(t, "own.json", statements), path); code != exitClean || !strings.Contains(text, "by VEX statements") {
		t.Errorf("exit %d:\n%s", code, text)
	}
}

// TestImageDiff compares an image with the bill of one that had an older package.
func TestImageDiff(t *testing.T) {
	path, db := smallImage(t), zlibDatabase(t)
	if text, stderr, code := runImage(t, "diff", "--db", db, path, path); code != exitClean || !strings.Contains(text, "nothing that is compared has changed") {
		t.Errorf("exit %d: %s\n%s", code, stderr, text)
	}
	bill, _, _ := runImage(t, "-o", "cyclonedx", path)
	older := scratch(t, "older.json", strings.ReplaceAll(bill, "1:1.2.13.dfsg-1", "1:1.2.13.dfsg-2"))
	text, stderr, code := runImage(t, "diff", "--db", db, older, path)
	flat := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{"1 downgraded", "downgraded zlib1g 1:1.2.13.dfsg-2 to 1:1.2.13.dfsg-1 (Debian)", "1 came, 0 went", "came CRITICAL CVE-2023-45853 in zlib1g 1:1.2.13.dfsg-1, fixed in 1:1.2.13.dfsg-2", "not compared: a bill of materials", "something is worse"} {
		if code != exitFindings || !strings.Contains(flat, want) {
			t.Errorf("exit %d, want %q: %s\n%s", code, want, stderr, text)
		}
	}
	if text, _, code := runImage(t, "diff", "--db", db, path, older); code != exitClean || !strings.Contains(text, "nothing is worse") {
		t.Errorf("exit %d:\n%s", code, text)
	}
	if _, _, code := runImage(t, "diff", "--db", db, "--exceptions", scratch(t, "e.yaml", zlibException), older, path); code != exitClean {
		t.Errorf("what is accepted is worse: exit %d", code)
	}
	object, _, code := runImage(t, "diff", "-o", "json", "--db", db, older, path)
	var j imageDiffJSON
	if err := json.Unmarshal([]byte(object), &j); err != nil || code != exitFindings || (j.Worse == nil || !*j.Worse) || j.Compared || len(j.Vulnerabilities.Came) != 1 || len(j.Packages) != 1 || strings.Contains(object, imageCanary) {
		t.Errorf("exit %d, %v: %s", code, err, object)
	}
	if object, _, _ := runImage(t, "diff", "-o", "json", "--db", t.TempDir(), older, path); !strings.Contains(object, `"vulnerabilities": null`) {
		t.Errorf("without a database: %s", object)
	}
	for _, args := range [][]string{{"diff", path}, {"diff", path, "nowhere.tar"}, {"diff", "-o", "spdx", path, path}} {
		if _, stderr, code := runImage(t, args...); code != exitUsage || stderr == "" {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
}

// TestWhereToMend tells the base image from own layers where that is known.
func TestWhereToMend(t *testing.T) {
	all := []vuln.Upgrade{{Layer: 0, Mends: []string{"a", "b"}}, {Layer: 2, Mends: []string{"a"}}, {Layer: 1, Mends: []string{"c"}}, {Layer: -1, Mends: []string{"d"}}}
	if got := whereToMend(&image.Base{Layers: 2}, all); got != "in the base image: mends 3; in own layers: mends 1" {
		t.Error(got)
	}
	if got := whereToMend(&image.Base{}, all); got != "layer 1: mends 2; layer 2: mends 1; layer 3: mends 1" {
		t.Error(got)
	}
}

// TestUnusedException tells of those that are about the image.
func TestUnusedException(t *testing.T) {
	path, db := smallImage(t), zlibDatabase(t)
	entry := func(id, vulnerability, images string) string {
		return "- {id: " + id + ", rules: [" + vulnerability + "], match: {images: ['" + images + "']}, reason: not reached, owner: team shop, expires: 2100-01-01}\n"
	}
	file := scratch(t, "e.yaml", "apiVersion: ullage.dev/v1alpha1\nkind: Exceptions\nexceptions:\n"+entry("used", "CVE-2023-45853", "*")+entry("idle", "CVE-2020-1", "*")+entry("elsewhere", "CVE-2020-1", "other.example/*"))
	text, stderr, code := runImage(t, "--db", db, "--exceptions", file, path)
	if code != exitClean || !strings.Contains(text, "unused exception  idle\n") {
		t.Errorf("exit %d: %s\n%s", code, stderr, text)
	}
}

// TestNoDataFirst says what was not judged before what was found, and takes nothing
// for the same of which nothing is known.
func TestNoDataFirst(t *testing.T) {
	m, db := realRecords(t), t.TempDir()
	if o := ullage(t, "db", "update", "--db", db, "--mirror", m.URL, "--feed", "osv/Go"); o.code != exitClean {
		t.Fatal(o.stderr)
	}
	path := smallImage(t)
	text, _, _ := runImage(t, "--db", db, path)
	if at := strings.Index(text, "no data on"); at < 0 || at > strings.Index(text, "  found  ") || !strings.Contains(text, "0, in packages that there is data on") {
		t.Errorf("%s", text)
	}
	text, _, _ = runImage(t, "diff", "--db", db, path, path)
	if at := strings.Index(text, "Vulnerabilities"); at < 0 || !strings.Contains(text[at:], "none came or went in packages that there is data on") || strings.Contains(text[at:], "the same\n") {
		t.Errorf("%s", text)
	}
}

// TestUnstated holds that a document without statements is not taken for a clean image
// where nothing is known of its packages.
func TestUnstated(t *testing.T) {
	for want, r := range map[string]*scan.Result{
		"":                          {Image: &image.Image{Packages: make([]image.Package, 1)}, Vulnerabilities: &vuln.Result{}},
		"no package was identified": {Image: &image.Image{}, Vulnerabilities: &vuln.Result{}},
		"there are no advisories on x (no feed has any)\n": {Image: &image.Image{Packages: make([]image.Package, 1)}, Vulnerabilities: &vuln.Result{NoData: []string{"x"}}},
	} {
		var stderr bytes.Buffer
		err := unstated(&Program{Stderr: &stderr}, r)
		if (err != nil) != (want != "") || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: %v, %q", want, err, stderr.String())
		}
	}
}

// TestLeftAfterUpdate holds what is said of feeds that could not be fetched.
func TestLeftAfterUpdate(t *testing.T) {
	m := advisorytest.NewMirror(t)
	db := t.TempDir()
	o := ullage(t, "db", "update", "--db", db, "--mirror", m.URL, "--feed", "kev")
	if o.code != exitUsage || !strings.Contains(o.stderr, "and there is no database") {
		t.Errorf("%d, %s", o.code, o.stderr)
	}
	m.Put("kev/known_exploited_vulnerabilities.json", []byte(`{"vulnerabilities":[{"cveID":"CVE-2024-1234","dateAdded":"2024-01-01"}]}`))
	o = ullage(t, "db", "update", "--db", db, "--mirror", m.URL, "--feed", "kev", "--feed", "epss")
	if o.code != exitIncomplete || !strings.Contains(o.stderr, "1 feed could not be fetched and is not in the database") || !strings.Contains(o.stdout, "\nthe database has 1 record of 1 feed") {
		t.Errorf("%d, %s%s", o.code, o.stdout, o.stderr)
	}
	o = ullage(t, "db", "update", "--db", db, "--mirror", m.URL)
	if o.code != exitClean || !strings.Contains(o.stdout, "nothing changed: the database has 1 record") {
		t.Errorf("%d, %s%s", o.code, o.stdout, o.stderr)
	}
	m.Remove("kev/known_exploited_vulnerabilities.json")
	o = ullage(t, "db", "update", "--db", db, "--mirror", m.URL, "--feed", "kev")
	if o.code != exitUsage || !strings.Contains(o.stderr, "the database stays as it was") {
		t.Errorf("%d, %s%s", o.code, o.stdout, o.stderr)
	}
}

// TestImageIncompleteDoesNotPass: what is installed by a distribution whose database is
// gone is not known, and so nothing passes or is complete.
func TestImageIncompleteDoesNotPass(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/os-release":                     "ID=debian\nVERSION_ID=12\n",
		"app/node_modules/left/package.json": `{"name":"left","version":"1.0.0"}`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, _, code := runImage(t, "dir:"+root, "--fail-on", "high")
	if code != exitIncomplete || strings.Contains(text, "passes") || strings.Count(text, "what the distribution") != 1 {
		t.Errorf("exit %d: %s", code, text)
	}
	if text, _, _ := runImage(t, "dir:"+root, "-o", "cyclonedx"); strings.Contains(text, `"aggregate": "complete"`) {
		t.Errorf("%s", text)
	}
}

// TestArchiveByItsName: an archive that says which image it holds is that image to VEX
// statements on its repository and in bills of materials.
func TestArchiveByItsName(t *testing.T) {
	path, db := smallImage(t), zlibDatabase(t)
	img, _, _ := runImage(t, "-o", "cyclonedx", "--db", db, path)
	var bill struct {
		Metadata struct{ Component struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(img), &bill); err != nil {
		t.Fatal(err)
	}
	name := bill.Metadata.Component.Name
	repository, tag, ok := strings.Cut(name, ":")
	if !ok || strings.Contains(name, ".tar") || tag == "" {
		t.Fatalf("the bill is of %q", name)
	}
	statement := func(url string) string {
		return scratch(t, "vex.json", `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "shop", "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [
			{"vulnerability": {"name": "CVE-2023-45853"}, "status": "not_affected", "justification": "vulnerable_code_not_present", "products": [{"@id": "pkg:oci/x?repository_url=`+url+`", "subcomponents": [{"@id": "pkg:deb/debian/zlib1g"}]}]}]}`)
	}
	if text, _, code := runImage(t, "--db", db, "--fail-on", "any", "--vex", statement(repository), path); code != exitClean {
		t.Errorf("exit %d: %s", code, text)
	}
	if text, _, code := runImage(t, "--db", db, "--fail-on", "any", "--vex", statement(repository+"2"), path); code != exitFindings {
		t.Errorf("of another repository: exit %d: %s", code, text)
	}
}
