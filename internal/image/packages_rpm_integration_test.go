//go:build integration

package image

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRPMAgreesWithRPM builds packages with rpmbuild, installs them into databases
// of each kind, and compares with what rpm says of them.
func TestRPMAgreesWithRPM(t *testing.T) {
	for _, tool := range []string{"rpm", "rpmbuild"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool + ": the packages that have it are named rpm or rpm-build")
		}
	}
	rpms := buildRPMs(t)
	root := t.TempDir()
	base := []string{"--root", root, "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"}
	output(t, "rpm", slices.Concat(base, []string{"-i", "--nodeps", "--noscripts"}, rpms)...)
	t.Run("sqlite", func(t *testing.T) { agreeWithRPM(t, root, base) })
	t.Run("bdb", func(t *testing.T) {
		agreeWithRPM(t, convert(t, root, rpmBDB, berkeleyDB), base)
	})
	// Debian's rpm does not write ndb: the container is by our own hand, after the
	// format, what is in it is not.
	t.Run("ndb", func(t *testing.T) {
		agreeWithRPM(t, convert(t, root, rpmNDB, func(t *testing.T, file string, blobs [][]byte) {
			if err := os.WriteFile(file, ndbFile(blobs), 0o644); err != nil {
				t.Fatal(err)
			}
		}), base)
	})
}

const rpmSpec = `
Name: ullage-sample
Version: 1.2
Release: 3%%{?dist}
Epoch: 4
Summary: sample
License: MIT and GPLv2+
BuildArch: noarch
%%description
sample
%%package -n other-name
Summary: other
Version: 9.9
%%description -n other-name
other
%%package many
Summary: many files
%%description many
many files
%%install
mkdir -p %%{buildroot}/etc %%{buildroot}/opt/many/empty %%{buildroot}/usr/share/doc/sample
echo a > %%{buildroot}/etc/sample.conf
echo b > %%{buildroot}/usr/share/doc/sample/README
ln -s sample.conf %%{buildroot}/etc/sample.link
touch %%{buildroot}/etc/other
for i in $(seq %d); do echo $i > %%{buildroot}/opt/many/a-file-with-a-long-name-$i; done
%%files
%%config /etc/sample.conf
/etc/sample.link
%%doc /usr/share/doc/sample/README
%%ghost /etc/sample.state
%%dir /usr/share/doc/sample
%%files -n other-name
/etc/other
%%files many
/opt/many
`

func buildRPMs(t *testing.T) []string {
	t.Helper()
	top := t.TempDir()
	spec := top + "/sample.spec"
	if err := os.WriteFile(spec, fmt.Appendf(nil, strings.TrimPrefix(rpmSpec, "\n"), 700), 0o644); err != nil {
		t.Fatal(err)
	}
	output(t, "rpmbuild", "-bb", "--nodeps", "--quiet", "--define", "_topdir "+top, spec)
	rpms, err := filepath.Glob(top + "/RPMS/*/*.rpm")
	if err != nil || len(rpms) != 3 {
		t.Fatal(rpms, err)
	}
	return rpms
}

func agreeWithRPM(t *testing.T, root string, base []string) {
	t.Helper()
	packages, problems := readPackages(treeOf(t, root), Distro{ID: "rhel", Version: "9.4"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if len(packages) != 3 {
		t.Fatalf("found %d packages, not 3", len(packages))
	}
	list := output(t, "rpm", slices.Concat(base, []string{"-qa", "--qf",
		"%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM} %{LICENSE}\n"})...)
	want := slices.Sorted(strings.Lines(list))
	var got []string
	for _, p := range packages {
		source := cmp.Or(p.Source, p.Name)
		_, version, ok := strings.Cut(cmp.Or(p.SourceVersion, p.Version), ":")
		if !ok {
			t.Errorf("%s lost its epoch: %s, %s", p.Name, p.Version, p.SourceVersion)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s-%s.src.rpm %s\n", p.Name, p.Version, p.Arch, source, version, p.Licenses[0]))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nrpm says\n%s", got, want)
	}
	for _, p := range packages {
		var want []string
		query := output(t, "rpm", slices.Concat(base, []string{"-ql", p.Name})...)
		for file := range strings.FieldsSeq(query) {
			if info, err := os.Lstat(root + file); err == nil && !info.IsDir() {
				want = append(want, file)
			}
		}
		slices.Sort(want)
		if len(want) == 0 || !slices.Equal(p.Files, want) {
			t.Errorf("files of %s: %d %.200q\nrpm says %d %.200q", p.Name, len(p.Files), p.Files, len(want), want)
		}
	}
}

// convert copies a root file system and puts what its SQLite database holds into
// a database of another kind.
func convert(t *testing.T, root, name string, write func(t *testing.T, file string, blobs [][]byte)) string {
	t.Helper()
	sqlite, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("no sqlite3")
	}
	var blobs [][]byte
	rows := output(t, sqlite, "-readonly", root+"/var/lib/rpm/"+rpmSQLite, "select hex(blob) from Packages")
	for line := range strings.Lines(rows) {
		blob, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, blob)
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(root)); err != nil {
		t.Fatal(err)
	}
	dir := copied + "/var/lib/rpm/"
	if err := os.Remove(dir + rpmSQLite); err != nil {
		t.Fatal(err)
	}
	write(t, dir+name, blobs)
	return copied
}

// berkeleyDB writes a database as rpm did until version 4.15, by Berkeley DB's own
// tool.
func berkeleyDB(t *testing.T, file string, blobs [][]byte) {
	load, err := exec.LookPath("db5.3_load")
	if err != nil {
		t.Skip("no db5.3_load: package db5.3-util")
	}
	dump := "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n 00000000\n 0a000000\n"
	for i, blob := range blobs {
		dump += fmt.Sprintf(" %02x000000\n %s\n", i+1, hex.EncodeToString(blob))
	}
	cmd := exec.Command(load, file)
	cmd.Stdin = strings.NewReader(dump + "DATA=END\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, stderr.String())
	}
	return string(out)
}

// TestSQLiteAgreesWithSQLite has SQLite write values of all lengths around those at
// which they go on in pages of their own.
func TestSQLiteAgreesWithSQLite(t *testing.T) {
	sqlite, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("no sqlite3")
	}
	for _, pageSize := range []int{512, 1024, 4096, 65536} {
		file := t.TempDir() + "/db"
		output(t, sqlite, file, fmt.Sprintf(`pragma page_size=%d; create table Packages(hnum integer primary key, blob blob not null);
			with recursive n(i) as (select 0 union all select i+1 from n where i < 3000)
			insert into Packages select i+1, randomblob(case i %% 3 when 0 then i when 1 then %d-60+i/30 else 3*%d+i/20 end) from n;
			delete from Packages where hnum %% 7 = 3;`, pageSize, pageSize, pageSize))
		db, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blobs, err := rpmBlobs(db, nil)
		if err != nil {
			t.Errorf("pages of %d bytes: %v", pageSize, err)
		}
		rows := strings.Split(strings.TrimSuffix(output(t, sqlite, file, "select lower(hex(blob)) from Packages order by hnum"), "\n"), "\n")
		if len(rows) < 2000 || len(rows) != len(blobs) {
			t.Fatalf("pages of %d bytes: %d rows, by sqlite3 %d", pageSize, len(blobs), len(rows))
		}
		for i, row := range rows {
			if hex.EncodeToString(blobs[i]) != row {
				t.Fatalf("pages of %d bytes: row %d of %d bytes differs", pageSize, i, len(row)/2)
			}
		}
	}
}
