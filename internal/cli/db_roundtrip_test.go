package cli

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/advisory/advisorytest"
)

// feedMirror is a mirror of real advisory records.
type feedMirror struct{ *advisorytest.Mirror }

func realRecords(t *testing.T) feedMirror {
	t.Helper()
	m := feedMirror{advisorytest.NewMirror(t)}
	for path, file := range map[string]string{
		"osv/Go/all.zip": "osv/Go.zip", "osv/PyPI/all.zip": "osv/PyPI.zip", "kev/known_exploited_vulnerabilities.json": "kev/known_exploited_vulnerabilities.json",
		"kubernetes/official-cve-feed.json": "kubernetes/official-cve-feed.json",
	} {
		text, err := os.ReadFile(filepath.Join("../advisory/testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		m.Put(path, text)
	}
	return m
}

// record returns one record of the archive of an ecosystem.
func (m feedMirror) record(t *testing.T, ecosystem, id string) string {
	t.Helper()
	text := m.Get("osv/" + ecosystem + "/all.zip")
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open(id + ".json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	record, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(record)
}

// process runs the program as a process of its own.
func process(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd := exec.Command("ullage", args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// pythonRoot is a root file system with Python packages, such as "requests 2.28.1".
func pythonRoot(t *testing.T, packages ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		dir := filepath.Join(root, "usr/lib/python3/dist-packages", name+"-"+version+".dist-info")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "METADATA"), []byte("Metadata-Version: 2.1\nName: "+name+"\nVersion: "+version+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// matched lists what an image has, as "ID FIXED".
func matched(t *testing.T, db, root string) []string {
	t.Helper()
	o := process(t, "image", "dir:"+root, "-o", "json", "--db", db)
	var doc struct {
		Vulnerabilities *struct {
			Found []struct{ ID, Fixed string }
		}
	}
	if err := json.Unmarshal([]byte(o.stdout), &doc); err != nil {
		t.Fatalf("exit code %d: %v: %s", o.code, err, o.stderr)
	}
	if doc.Vulnerabilities == nil {
		return []string{"not known"}
	}
	var list []string
	for _, f := range doc.Vulnerabilities.Found {
		list = append(list, f.ID+" "+f.Fixed)
	}
	slices.Sort(list)
	return list
}

// TestFeedRoundTrip is the life of a database with real records: an update that is
// killed in the middle of a download, one that goes on with it, matching, a record
// that changes and is withdrawn, and matching again.
func TestFeedRoundTrip(t *testing.T) {
	m, db := realRecords(t), t.TempDir()
	root := pythonRoot(t, "requests 2.28.1", "Django 4.2.0", "urllib3 1.26.4")
	feeds := []string{"--feed", "kev", "--feed", "osv/Go", "--feed", "osv/PyPI"}
	update := func(args ...string) outcome {
		return process(t, append(append([]string{"db", "update", "--db", db, "--mirror", m.URL}, feeds...), args...)...)
	}
	if got := matched(t, db, root); !slices.Equal(got, []string{"not known"}) {
		t.Errorf("without a database: %q", got)
	}
	m.StallAt("osv/PyPI/all.zip")
	m.Kill(t, exec.Command("ullage", append([]string{"db", "update", "--db", db, "--mirror", m.URL}, feeds...)...), filepath.Join(db, "download", "osv_PyPI"))
	if got := matched(t, db, root); !slices.Equal(got, []string{"not known"}) {
		t.Errorf("after the kill: %q", got)
	}

	m.StallAt("")
	m.Asked()
	if o := update(); o.code != exitClean {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	if asked := m.Asked(); !strings.Contains(asked, "/osv/PyPI/all.zip 206 bytes=") {
		t.Errorf("the download did not go on:\n%s", asked)
	}
	const requests = "CVE-2023-32681 2.31.0"
	before := matched(t, db, root)
	for _, want := range []string{requests, "CVE-2023-36053 4.2.3", "CVE-2023-43804 1.26.17", "CVE-2021-33503 1.26.5"} {
		if !slices.Contains(before, want) {
			t.Errorf("found %q, without %q", before, want)
		}
	}
	if o := process(t, "db", "status", "--verify", "--db", db); o.code != exitClean || !strings.Contains(o.stdout, "verified") {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}

	record := m.record(t, "PyPI", "PYSEC-2023-74")
	change := func(at, from, to string) {
		i := strings.Index(record, `"modified":`)
		j := i + strings.Index(record[i:], "Z") + 2
		record = strings.Replace(record[:i]+`"modified": "`+at+`"`+record[j:], from, to, 1)
		m.Put("osv/PyPI/PYSEC-2023-74.json", []byte(record))
		m.Put("osv/PyPI/modified_id.csv", []byte(at+",PYSEC-2023-74\n"))
		if o := update(); o.code != exitClean || !strings.Contains(o.stdout, "osv/PyPI  updated, 1 changed record\n") {
			t.Fatalf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
		}
	}
	change("2030-01-01T00:00:00Z", `"2.31.0"`, `"2.31.9"`)
	replaced := slices.Clone(before)
	replaced[slices.Index(replaced, requests)] = "CVE-2023-32681 2.31.9"
	if got := matched(t, db, root); !slices.Equal(got, replaced) {
		t.Errorf("after the change: %q, not %q", got, replaced)
	}
	change("2030-01-02T00:00:00Z", `"id":`, `"withdrawn": "2020-01-02T00:00:00Z", "id":`)
	withdrawn := slices.DeleteFunc(slices.Clone(before), func(s string) bool { return s == requests })
	if got := matched(t, db, root); !slices.Equal(got, withdrawn) || len(got) != len(before)-1 {
		t.Errorf("after the withdrawal: %q, not %q", got, withdrawn)
	}

	// What is carried elsewhere says the same there.
	bundle, other := filepath.Join(t.TempDir(), "bundle"), t.TempDir()
	for _, args := range [][]string{{"db", "export", bundle, "--unsigned", "--db", db}, {"db", "import", bundle, "--unsigned", "--db", other}} {
		if o := process(t, args...); o.code != exitClean {
			t.Fatalf("%s: exit code %d: %s", args[1], o.code, o.stderr)
		}
	}
	if got := matched(t, other, root); !slices.Equal(got, withdrawn) {
		t.Errorf("from the bundle: %q, not %q", got, withdrawn)
	}
}

// TestPartialMirror tells the feeds that a mirror lacks in one breath, a page for
// people by its name, and that a signature was not looked at.
func TestPartialMirror(t *testing.T) {
	m, db := realRecords(t), t.TempDir()
	m.Put("osv/Debian/all.zip", []byte("<html>Sign in</html>"))
	o := ullage(t, "db", "update", "--db", db, "--mirror", m.URL)
	if o.code != exitIncomplete || strings.Count(o.stdout, "404") != 1 || strings.Count(o.stdout, "\n") > 16 || !strings.Contains(unwrapped(o.stdout), " feeds failed: 404 Not Found: alpine/") ||
		!strings.Contains(o.stdout, "a page for people") || !strings.Contains(o.stderr, fmt.Sprintf("%d feeds could not be fetched and are not in the database", len(advisory.FeedNames())-4)) {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(dir, "bundle")
	if o := ullage(t, "db", "export", bundle, "--key", filepath.Join(dir, "key"), "--db", db); o.code != exitClean {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	if o := ullage(t, "db", "import", bundle, "--unsigned", "--db", t.TempDir()); o.code != exitClean || !strings.Contains(o.stderr, "its signature was not checked") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

// TestOldFormat updates a database that an older version made: the feeds are the same.
func TestOldFormat(t *testing.T) {
	m, db := realRecords(t), t.TempDir()
	if o := ullage(t, "db", "update", "--db", db, "--mirror", m.URL, "--feed", "osv/Go", "--feed", "kev"); o.code != exitClean {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	path := filepath.Join(db, "advisories.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	footer := b[len(b)-96:]
	footer[8] = 1
	binary.LittleEndian.PutUint32(footer[92:], crc32.Checksum(footer[:92], crc32.MakeTable(crc32.Castagnoli)))
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if o := ullage(t, "db", "status", "--db", db); o.code != exitUsage || !strings.Contains(o.stderr, "run ullage db update") || strings.Contains(o.stderr, "remove") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	if o := ullage(t, "db", "update", "--db", db, "--mirror", m.URL); o.code != exitClean || strings.Count(o.stdout, "updated") != 2 {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	if o := ullage(t, "db", "status", "--verify", "--db", db); o.code != exitClean || !strings.Contains(o.stdout, "2 feeds") {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
}
