package advisory

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"ullage.dev/ullage/internal/csaf"
	"ullage.dev/ullage/internal/vuln"
)

// redHatFiles are the documents of testdata by their path on a mirror.
func redHatFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS("testdata/redhat/vex"), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".json") {
			files[path] = read(t, filepath.Join("testdata/redhat/vex", path))
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	return files
}

// tarZst packs files.
func tarZst(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for path, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		w.Write(text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ubuntuOSV are records as OSV has them of the vulnerabilities in testdata/ubuntu:
// ranges with the fixes, and one range without an end for all that is not mended.
func ubuntuOSV(t *testing.T) []byte {
	t.Helper()
	affected := func(ecosystem, fixed string) string {
		events := `{"introduced":"0"}`
		if fixed != "" {
			events += `,{"fixed":"` + fixed + `"}`
		}
		return `{"package":{"ecosystem":"` + ecosystem + `","name":"curl"},"ranges":[{"type":"ECOSYSTEM","events":[` + events + `]}]}`
	}
	record := func(cve string, affected ...string) [2]string {
		return [2]string{"UBUNTU-" + cve + ".json", `{"id":"UBUNTU-` + cve + `","modified":"2026-06-01T00:00:00Z","upstream":["` + cve + `"],"severity":[{"type":"Ubuntu","score":"low"}],"affected":[` + strings.Join(affected, ",") + `]}`}
	}
	return archive(t,
		record("CVE-2026-2001", affected("Ubuntu:22.04:LTS", "7.81.0-1ubuntu1.20"), affected("Ubuntu:24.04:LTS", ""), affected("Ubuntu:18.04:LTS", ""), affected("Ubuntu:Pro:18.04:LTS", "7.58.0-2ubuntu3.24+esm3")),
		record("CVE-2026-2002", affected("Ubuntu:22.04:LTS", ""), affected("Ubuntu:24.04:LTS", ""), affected("Ubuntu:14.04:LTS", ""), affected("Ubuntu:18.04:LTS", ""), affected("Ubuntu:Pro:18.04:LTS", "")),
		record("CVE-2026-2003", affected("Ubuntu:22.04:LTS", ""), affected("Ubuntu:24.04:LTS", ""), affected("Ubuntu:Pro:18.04:LTS", "7.58.0-2ubuntu3.24+esm4")))
}

// vendors is a mirror with the feeds of distributions and of Kubernetes.
func vendors(t *testing.T) *mirror {
	t.Helper()
	m := newMirror(t)
	m.Put("ubuntu/vex-all.tar.xz", read(t, "testdata/ubuntu/vex-all.tar.xz"))
	m.Put("osv/Ubuntu/all.zip", ubuntuOSV(t))
	m.Put("redhat/vex/archive_latest.txt", read(t, "testdata/redhat/vex/archive_latest.txt"))
	m.Put("redhat/vex/csaf_vex_2026-05-04.tar.zst", tarZst(t, redHatFiles(t)))
	m.Put("kubernetes/official-cve-feed.json", read(t, "testdata/kubernetes/official-cve-feed.json"))
	return m
}

func TestUbuntu(t *testing.T) {
	m, s := vendors(t), &Store{Dir: t.TempDir()}
	at := func(version string) vuln.Release { return vuln.Release{ID: "ubuntu", Version: version} }
	curl := func(version string) vuln.Package {
		return vuln.Package{Ecosystem: "Ubuntu", Name: "libcurl4", Version: version, Source: "curl"}
	}
	m.update(t, s, noon, "ubuntu")
	if got := found(t, s, curl("7.81.0-1ubuntu1.19"), at("22.04")); got != "no data Ubuntu:22.04:LTS" {
		t.Errorf("without the records of OSV, which have the fixes: %q", got)
	}
	m.update(t, s, noon, "ubuntu", "osv/Ubuntu")
	for _, c := range []struct{ version, release, want string }{
		{"7.81.0-1ubuntu1.19", "22.04", "CVE-2026-2001 fixed 7.81.0-1ubuntu1.20, CVE-2026-2003 not fixed, CVE-2026-2002 deferred"},
		// The version in the VEX data is the newest one, not the one with the fix.
		{"7.81.0-1ubuntu1.20", "22.04", "CVE-2026-2003 not fixed, CVE-2026-2002 deferred"},
		{"8.5.0-2ubuntu10.6", "24.04", "CVE-2026-2002 investigating, CVE-2026-2003 will not fix"}, // 2001 is not there at all
		{"7.58.0-2ubuntu3.24", "18.04", "CVE-2026-2001 fixed 7.58.0-2ubuntu3.24+esm3, CVE-2026-2003 fixed 7.58.0-2ubuntu3.24+esm4, CVE-2026-2002 end of life"},
		{"7.58.0-2ubuntu3.24+esm3", "18.04", "CVE-2026-2003 fixed 7.58.0-2ubuntu3.24+esm4, CVE-2026-2002 end of life"},
		{"7.35.0-1ubuntu2.20", "14.04", ""}, // subscribers get the same code, in which it is not
		{"8.0.0", "23.10", "no data Ubuntu:23.10"},
	} {
		if got := sorted(found(t, s, curl(c.version), at(c.release))); got != sorted(c.want) {
			t.Errorf("%s in %s: %q, not %q", c.version, c.release, got, c.want)
		}
	}
	p := curl("7.58.0-2ubuntu3.24")
	p.Owner = -1
	r, err := vuln.Run([]vuln.Package{p}, at("18.04"), opened(t, s))
	if err != nil || !slices.ContainsFunc(r.Matches, func(m vuln.Match) bool {
		return m.ID == "CVE-2026-2001" && slices.Contains(m.Reasons(), "the fix is for subscribers of Ubuntu Pro") && m.Severity.Level == vuln.Low
	}) {
		t.Errorf("it is not said that the fix is for subscribers: %+v, %v", r, err)
	}
}

func sorted(list string) string {
	parts := strings.Split(list, ", ")
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func TestRedHat(t *testing.T) {
	m, s := vendors(t), &Store{Dir: t.TempDir()}
	if r := m.update(t, s, noon, "redhat"); r.Outcomes[0].Err != nil || r.Outcomes[0].Read != 3 {
		t.Fatalf("%+v", r.Outcomes)
	}
	rpm := func(name, version, source, sourceVersion, module string) vuln.Package {
		return vuln.Package{Ecosystem: "Red Hat", Name: name, Version: version, Source: source, SourceVersion: sourceVersion, Module: module}
	}
	for _, c := range []struct {
		p       vuln.Package
		release string
		want    string
	}{
		{rpm("samba-client", "4.19.4-104.el9_4", "samba", "", ""), "9.4", "CVE-2026-3001 fixed 4.19.4-105.el9_4"},
		{rpm("samba-client", "4.19.4-105.el9_4", "samba", "", ""), "9.4", ""},
		{rpm("samba-client", "4.15.5-111.el9_0", "samba", "", ""), "9.0", "CVE-2026-3001 fixed 4.19.4-105.el9_4"}, // what subscribers to 9.0 get is not known to be that
		{rpm("samba-libs", "4.9", "samba", "", ""), "8.10", "CVE-2026-3001 not fixed"},
		{rpm("samba-libs", "4.9", "samba", "", ""), "7.9", "CVE-2026-3001 end of life"},
		{rpm("samba4", "4.9", "", "", ""), "8.10", ""},
		// A fix in one stream of a module is none of another one.
		{rpm("nodejs", "1:18.20.6-1.module+el8.10.0+9", "", "", "nodejs:18"), "8.10", "CVE-2026-3002 fixed 1:18.20.8-1.module+el8.10.0+1"},
		{rpm("nodejs", "1:18.20.8-1.module+el8.10.0+1", "", "", "nodejs:18"), "8.10", ""},
		{rpm("nodejs", "1:20.18.0-1.module+el8.10.0+9", "", "", "nodejs:20"), "8.10", "CVE-2026-3002 fixed 1:20.19.1-1.module+el8.10.0+2"},
		{rpm("nodejs", "1:16.20.2-1.module+el8.10.0+9", "", "", "nodejs:16"), "8.10", "CVE-2026-3002 will not fix"},
		// npm is built of nodejs, and has a version of its own.
		{rpm("npm", "1:10.8.1-1.18.20.6.1.module+el8.10.0+9", "nodejs", "1:18.20.6-1.module+el8.10.0+9", "nodejs:18"), "8.10", "CVE-2026-3002 fixed 1:18.20.8-1.module+el8.10.0+1"},
		{rpm("nodejs-libs", "1:16.20.2-1.el9", "nodejs", "1:16.20.2-1.el9", ""), "9.4", "CVE-2026-3002 deferred"},
		{rpm("zlib", "1.2.11-40.el9", "", "", ""), "9.4", "CVE-2026-3003 fixed 1.2.11-41.el9"},
		{rpm("zlib", "1.2.11-40.el10", "", "", ""), "10.0", ""},
		{rpm("zlib-ng", "2.1", "", "", ""), "10.0", "CVE-2026-3003 investigating"},
		{rpm("firefox", "1", "firefox-flatpak", "1", ""), "9.4", ""},
		{rpm("bash", "1", "", "", ""), "6.1", "no data Red Hat:6"},
	} {
		if got := found(t, s, c.p, vuln.Release{ID: "rhel", Version: c.release}); got != c.want {
			t.Errorf("%s %s %s in %s: %q, not %q", c.p.Name, c.p.Version, c.p.Module, c.release, got, c.want)
		}
	}
}

// TestRedHatTwice holds that the first of the minor releases that mend something
// counts: who has that fix is served.
func TestRedHatTwice(t *testing.T) {
	b := redHatBuilder{advisory: &vuln.Advisory{}, said: map[redHatKey]*redHatSaid{}}
	release := &csaf.Product{ID: "BaseOS-9", CPE: "cpe:/o:redhat:enterprise_linux:9::baseos"}
	for _, version := range []string{"1.0-3.el9_5", "1.0-1.el9_3", "1.0-2.el9_4"} {
		rpm := &csaf.Product{ID: "zlib-" + version, PURL: "pkg:rpm/redhat/zlib@" + version + "?arch=src"}
		b.add(&csaf.Statement{Product: &csaf.Product{ID: "BaseOS-9:" + rpm.ID, Part: rpm, Whole: release}, Status: csaf.Fixed})
	}
	list := b.statements()
	if len(list) != 1 || len(list[0].Intervals) != 1 || list[0].Intervals[0].To != "1.0-1.el9_3" || list[0].name != "src:zlib" {
		t.Errorf("%+v", list)
	}
}

// TestRedHatChanges holds that changes and deletions come in one by one.
func TestRedHatChanges(t *testing.T) {
	m, s := vendors(t), &Store{Dir: t.TempDir()}
	m.update(t, s, noon, "redhat")
	m.Asked()
	files := redHatFiles(t)
	const path = "2026/cve-2026-3001.json"
	text := bytes.ReplaceAll(files[path], []byte("4.19.4-105.el9_4"), []byte("4.19.4-106.el9_4"))
	text = bytes.Replace(text, []byte("2026-05-01T00:00:00+00:00"), []byte("2026-06-01T00:00:00+00:00"), 1)
	m.Put("redhat/vex/"+path, text)
	m.Put("redhat/vex/changes.csv", []byte(`"`+path+`","2026-06-01T00:00:00+00:00"`+"\n"+`"2026/cve-2026-3003.json","2026-05-03T00:00:00+00:00"`+"\n"))
	m.Put("redhat/vex/deletions.csv", []byte(`"2026/cve-2026-3002.json","2026-06-02T00:00:00+00:00"`+"\n"+`"2020/cve-2020-1.json","2026-06-01T00:00:00+00:00"`+"\n"))
	at := noon.Add(time.Hour)
	if r := m.update(t, s, at, "redhat"); !r.Outcomes[0].Changes || r.Outcomes[0].Read != 1 {
		t.Errorf("%+v", r.Outcomes)
	}
	if asked := m.Asked(); strings.Contains(asked, "tar.zst") {
		t.Errorf("the archive was fetched for one change:\n%s", asked)
	}
	rhel := vuln.Release{ID: "rhel", Version: "9.4"}
	for name, want := range map[string]string{"samba": "CVE-2026-3001 fixed 4.19.4-106.el9_4", "nodejs": "", "zlib": "CVE-2026-3003 fixed 1.2.11-41.el9"} {
		if got := found(t, s, vuln.Package{Ecosystem: "Red Hat", Name: name, Version: "1"}, rhel); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
	if r := m.update(t, s, at, "redhat"); r.Built || r.Outcomes[0].State != Unchanged {
		t.Errorf("nothing changed, and yet: %+v", r)
	}
	for _, name := range []string{"../../etc/passwd", "<html>", "", "a/b.tar.zst"} {
		m.Put("redhat/vex/archive_latest.txt", []byte(name))
		if r := m.update(t, &Store{Dir: t.TempDir()}, at, "redhat"); r.Outcomes[0].State != Failed {
			t.Errorf("an archive called %q is fetched: %+v", name, r.Outcomes)
		}
	}
}

func TestKubernetes(t *testing.T) {
	m, s := vendors(t), &Store{Dir: t.TempDir()}
	r := m.update(t, s, noon, "kubernetes")
	if o := r.Outcomes[0]; o.Read != 4 || o.Unread != 1 {
		t.Errorf("%+v", o)
	}
	for _, c := range []struct{ name, version, want string }{
		{"kubelet", "v1.34.1", "CVE-2026-4001 fixed 1.34.3"},
		{"kubelet", "v1.33.7", ""},
		{"kubelet", "v1.33.6", "CVE-2026-4001 fixed 1.33.7"},
		{"kubelet", "v1.29.0", "CVE-2026-4001 fixed 1.32.11"},
		{"kubelet", "v1.34.3", ""},
		{"kube-apiserver", "v1.34.1", "CVE-2026-4002 fixed 1.34.2"},
		{"kube-apiserver", "v1.32.0", "CVE-2026-4002 fixed 1.33.5"},
		{"kube-apiserver", "v1.33.6", ""},
		{"kube-proxy", "v1.34.0", ""},
	} {
		p := vuln.Package{Ecosystem: "Kubernetes", Name: c.name, Version: c.version}
		if got := found(t, s, p, vuln.Release{}); got != c.want {
			t.Errorf("%s %s: %q, not %q", c.name, c.version, got, c.want)
		}
	}
	result, err := vuln.Run([]vuln.Package{{Ecosystem: "Kubernetes", Name: "kube-scheduler", Version: "v1.34.0", Owner: -1}, {Ecosystem: "Kubernetes", Name: "kubelet", Version: "v1.34.3", Owner: -1}}, vuln.Release{}, opened(t, s))
	if err != nil {
		t.Fatal(err)
	}
	var undecided []string
	for _, u := range result.Undecided {
		undecided = append(undecided, []string{"kube-scheduler", "kubelet"}[u.Package]+" "+u.ID+": "+u.Why)
	}
	const why = ": kubernetes says in prose which versions are affected, and it was not understood"
	if want := []string{"kube-scheduler CVE-2026-4003" + why, "kube-scheduler CVE-2026-4004" + why, "kubelet CVE-2026-4004" + why}; !slices.Equal(undecided, want) {
		t.Errorf("undecided are %q, not %q", undecided, want)
	}
}

// TestAffectedLines holds which lines of prose are understood, and how.
func TestAffectedLines(t *testing.T) {
	for line, want := range map[string]vuln.Interval{
		"- kubelet v1.26.0 - v1.26.4":          {From: "1.26.0", To: "1.26.4", Last: true},
		"* kubelet: v1.26.0 to v1.26.4":        {From: "1.26.0", To: "1.26.4", Last: true},
		"- `kubelet` 1.26.0–1.26.4":            {From: "1.26.0", To: "1.26.4", Last: true},
		"- kubelet v1.26.0 - <= v1.26.4":       {From: "1.26.0", To: "1.26.4", Last: true},
		"- kubelet <= v1.21.14":                {To: "1.21.14", Last: true},
		"- kubelet: ≤ v1.21.14":                {To: "1.21.14", Last: true},
		"- kubelet < v1.15.10":                 {To: "1.15.10"},
		"- kubelet prior to v1.15.10":          {To: "1.15.10"},
		"- kubelet >= v1.8.0":                  {From: "1.8.0"},
		"- kubelet v1.8.0 and later":           {From: "1.8.0"},
		"- kubelet v1.8 and earlier":           {To: "1.9.0-0"},
		"- kubelet v1.8 - v1.12":               {From: "1.8.0", To: "1.13.0-0"},
		"- kubelet v1.31.0-rc.1":               {From: "1.31.0-rc.1", To: "1.31.0-rc.1", Last: true},
		"- kubelet: all versions":              {},
		"- Kubernetes kubelet versions v1.2.3": {From: "1.2.3", To: "1.2.3", Last: true},
	} {
		names, got, ok := affectedLine(line)
		if !ok || got != want || len(names) != 1 || names[0] != "kubelet" {
			t.Errorf("%s: %v %+v %v, not %+v", line, names, got, ok, want)
		}
	}
	for _, line := range []string{
		"- kubelet v1.26.0 - v1.26.4 if the feature gate is on", "- kubelet", "- all kubelets in v1.2", "- kubelet >= v1.8.0 and earlier", "- kubelet v1.26.0, v1.26.1", "- kubelet v1.26.x", "See below.", "- kubelet 1",
	} {
		if names, got, ok := affectedLine(line); ok {
			t.Errorf("%s is understood as %v %+v", line, names, got)
		}
	}
	contradiction := &kubernetesItem{ID: "CVE-2026-1", Summary: "kubelet", Text: "#### Affected Versions\n- kubelet v1.8.0 - v1.12.9\n#### Fixed Versions\n- v1.12.5\n"}
	if list := contradiction.statements(); len(list) != 1 || list[0].Verdict != vuln.Undecided {
		t.Errorf("a fixed version in an affected range gives %+v", list)
	}
}

// TestWithdrawn holds that a record stands until the day on which it is withdrawn.
func TestWithdrawn(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]bool{"": false, "2026-01-01T00:00:00Z": true, "2026-01-03T00:00:00Z": false, "yes": true} {
		if got := (&osvRecord{Withdrawn: text}).isWithdrawn(now); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// A record may have the epoch of a package in its URL alone.
func TestEpochInURL(t *testing.T) {
	for purl, want := range map[string]string{
		"pkg:rpm/rocky-linux/openssl@3.0.7-27.el9?distro=rocky-linux-9&epoch=1": "1:3.0.7-27.el9",
		"pkg:rpm/rocky-linux/openssl?epoch=0":                                   "3.0.7-27.el9", "": "3.0.7-27.el9",
	} {
		f := osvAffected{}
		f.Package.Ecosystem, f.Package.Name, f.Package.PURL = "Rocky Linux:9", "openssl", purl
		f.Ranges = append(f.Ranges, struct {
			Type   string              `json:"type"`
			Events []map[string]string `json:"events"`
		}{"ECOSYSTEM", []map[string]string{{"introduced": "0"}, {"fixed": "3.0.7-27.el9"}}})
		s, err := f.statement(&vuln.Advisory{})
		if err != nil || len(s.Intervals) != 1 || s.Intervals[0].To != want || s.Intervals[0].From != "" && s.Intervals[0].From != "0" {
			t.Errorf("%s: %v %+v", purl, err, s)
		}
	}
}
