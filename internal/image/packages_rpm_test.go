package image

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/adler32"
	"io"
	"os"
	"strings"
	"testing"
)

// ndbFile writes blobs in rpm's ndb format.
func ndbFile(blobs [][]byte) []byte {
	le := binary.LittleEndian
	slots := make([]byte, ndbPage)
	le.PutUint32(slots, ndbMagic)
	le.PutUint32(slots[12:], 1) // pages of slots
	le.PutUint32(slots[16:], uint32(len(blobs)+1))
	for at := 32; at < ndbPage; at += 16 {
		le.PutUint32(slots[at:], ndbSlot)
	}
	file := slots
	for i, blob := range blobs {
		slot := slots[32+16*(2*i+1):] // every other one is free
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(len(file)/ndbBlock))
		block := le.AppendUint32(nil, ndbBlobStart)
		block = le.AppendUint32(block, uint32(i+1))
		block = le.AppendUint32(block, 7)
		block = le.AppendUint32(block, uint32(len(blob)))
		block = append(block, blob...)
		for (len(block)+12)%ndbBlock != 0 {
			block = append(block, 0)
		}
		block = le.AppendUint32(block, adler32.Checksum(block))
		block = le.AppendUint32(block, uint32(len(blob)))
		block = le.AppendUint32(block, ndbBlobEnd)
		le.PutUint32(slot[12:], uint32(len(block)/ndbBlock))
		file = append(file, block...)
	}
	copy(file, slots)
	return file
}

// fixture reads a database that rpm 4.18 wrote, with the packages of the spec file
// in the integration test; the one of Berkeley DB was loaded by db5.3_load.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func rpmDatabases(t testing.TB) map[string][]byte {
	t.Helper()
	sqlite := fixture(t, rpmSQLite)
	blobs, err := rpmBlobs(sqlite, nil)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{rpmSQLite: sqlite, rpmBDB: fixture(t, rpmBDB), rpmNDB: ndbFile(blobs)}
}

func TestRPM(t *testing.T) {
	for name, db := range rpmDatabases(t) {
		t.Run(name, func(t *testing.T) {
			tree := memory{
				"/var/lib/rpm":                        "-> ../../usr/lib/sysimage/rpm",
				"/usr/lib/sysimage/rpm/" + name:       string(db),
				"/etc/sample.conf":                    "a",
				"/etc/sample.link":                    "-> sample.conf",
				"/opt/many/empty":                     "-> /etc", // to the package a directory
				"/opt/many/a-file-with-a-long-name-7": "7",
			}.tree(t)
			packages := read(t, tree, Distro{ID: "rocky", Version: "9.4"})
			if got := nameVersions(packages); got != "other-name 4:9.9-3, ullage-sample 4:1.2-3, ullage-sample-many 4:1.2-3" {
				t.Fatal(got)
			}
			other, sample, many := packages[0], packages[1], packages[2]
			same(t, "sample", sample.Files, []string{"/etc/sample.conf", "/etc/sample.link"})
			same(t, "many", many.Files, []string{"/opt/many/a-file-with-a-long-name-7"})
			same(t, "other", other.Files, []string{})
			same(t, "licence", other.Licenses, []string{"MIT and GPLv2+"})
			if other.Source != "ullage-sample" || other.SourceVersion != "4:1.2-3" || sample.Source != "" || sample.SourceVersion != "" ||
				other.Ecosystem != "Rocky Linux" || other.Arch != "noarch" ||
				other.PURL != "pkg:rpm/rocky/other-name@9.9-3?arch=noarch&distro=rocky-9.4&epoch=4&upstream=ullage-sample-1.2-3.src.rpm" {
				t.Errorf("%+v", other)
			}
		})
	}
}

// A database that is cut short gives what is before the cut, and a problem.
func TestRPMCutShort(t *testing.T) {
	for name, db := range rpmDatabases(t) {
		for _, part := range []int{4, 3, 2} {
			cut := db[:len(db)/4*(part-1)]
			tree := memory{"/var/lib/rpm/" + name: string(cut)}.tree(t)
			packages, problems := readPackages(tree, Distro{})
			if len(packages) < 3 && len(problems) == 0 {
				t.Errorf("%s cut to %d of %d bytes: %d packages and no problem", name, len(cut), len(db), len(packages))
			}
		}
	}
	tree := memory{"/var/lib/rpm/Packages": "garbage", "/lib/apk/db/installed": apkDB}.tree(t)
	packages, problems := readPackages(tree, Distro{})
	if len(packages) != 2 || len(problems) != 1 || !strings.Contains(problems[0].String(), "/var/lib/rpm/Packages: package database: not an rpm database") {
		t.Errorf("%s, problems %v", nameVersions(packages), problems)
	}
}

// A cell that lies outside of its page is a problem, and the others count.
func TestSQLiteBadCell(t *testing.T) {
	db := fixture(t, "small.sqlite")
	const pageSize = 512
	for at := pageSize; at < len(db); at += pageSize {
		if page := db[at:]; page[0] == 13 && binary.BigEndian.Uint16(page[3:]) == 2 {
			binary.BigEndian.PutUint16(page[8:], 0xfff0)
		}
	}
	if blobs, err := rpmBlobs(db, nil); len(blobs) != 1 || err == nil || !strings.Contains(err.Error(), "a cell lies outside") {
		t.Errorf("%d blobs, %v", len(blobs), err)
	}
}

// What was written last may only be in the write-ahead log. The log is written
// here, after the format: one frame for each page of the sound database.
func TestSQLiteLog(t *testing.T) {
	sound := fixture(t, rpmSQLite)
	want, err := rpmBlobs(sound, nil)
	if err != nil {
		t.Fatal(err)
	}
	const pageSize = 4096
	if got := binary.BigEndian.Uint16(sound[16:]); got != pageSize {
		t.Fatalf("page size is %d", got)
	}
	be := binary.BigEndian
	wal := be.AppendUint32(nil, 0x377f0682)
	for _, n := range []uint32{3007000, pageSize, 0, 11, 22} {
		wal = be.AppendUint32(wal, n)
	}
	s0, s1 := walChecksum(binary.LittleEndian, wal, 0, 0)
	wal = be.AppendUint32(be.AppendUint32(wal, s0), s1)
	frame := func(number int, page []byte, commit uint32) {
		head := be.AppendUint32(be.AppendUint32(nil, uint32(number)), commit)
		s0, s1 = walChecksum(binary.LittleEndian, head, s0, s1)
		s0, s1 = walChecksum(binary.LittleEndian, page, s0, s1)
		head = be.AppendUint32(be.AppendUint32(head, 11), 22)
		wal = append(append(wal, be.AppendUint32(be.AppendUint32(head, s0), s1)...), page...)
	}
	pages := len(sound) / pageSize
	for i := range pages {
		commit := uint32(0)
		if i == pages-1 {
			commit = uint32(pages)
		}
		frame(i+1, sound[i*pageSize:][:pageSize], commit)
	}
	committed := len(wal)
	frame(1, make([]byte, pageSize), 0) // never committed
	stale := append([]byte(nil), sound[:pageSize]...)
	for len(stale) < len(sound) {
		stale = append(stale, 0)
	}
	for name, log := range map[string][]byte{"uncommitted end": wal, "committed": wal[:committed], "torn end": append(wal[:committed:committed], wal[32:500]...)} {
		got, err := rpmBlobs(stale, log)
		if err != nil || len(got) != len(want) || !bytes.Equal(got[0], want[0]) {
			t.Errorf("%s: %d blobs, %v", name, len(got), err)
		}
	}
	wal[committed-100]++
	if got, err := rpmBlobs(stale, wal); len(got) != 0 || err == nil {
		t.Errorf("a log with a bad checksum counts: %d blobs, %v", len(got), err)
	}
}

func TestSourceRPM(t *testing.T) {
	for file, want := range map[string][2]string{
		"bash-5.1.8-6.el9.src.rpm":           {"bash", "5.1.8-6.el9"},
		"java-17-openjdk-17.0.9-1.nosrc.rpm": {"java-17-openjdk", "17.0.9-1"},
		"(none)":                             {"", ""},
		"a.src.rpm":                          {"", ""},
		"-1-2.src.rpm":                       {"", ""},
	} {
		if name, version := splitSourceRPM(file); name != want[0] || version != want[1] {
			t.Errorf("%s: %q %q", file, name, version)
		}
	}
}

// The small ones are tables of two packages, with pages of 512 bytes so that values
// go on in pages of their own.
func FuzzRPM(f *testing.F) {
	sqlite, bdb := fixture(f, "small.sqlite"), fixture(f, "small.bdb")
	blobs, err := rpmBlobs(sqlite, nil)
	if err != nil || len(blobs) != 2 {
		f.Fatal(len(blobs), err)
	}
	if again, err := rpmBlobs(bdb, nil); err != nil || len(again) != 2 {
		f.Fatal(len(again), err)
	}
	f.Add(sqlite, []byte(nil))
	f.Add(bdb, []byte(nil))
	f.Add(ndbFile(blobs), []byte(nil))
	f.Fuzz(func(t *testing.T, db, wal []byte) {
		blobs, _ := rpmBlobs(db, wal)
		total := 0
		for _, blob := range blobs {
			total += len(blob)
			_, _, _ = parseRPMHeader(blob, "x", Distro{})
		}
		if total > 2*(len(db)+len(wal))+1<<17 {
			t.Errorf("%d bytes give %d", len(db)+len(wal), total)
		}
	})
}

func FuzzRPMHeader(f *testing.F) {
	blobs, err := rpmBlobs(fixture(f, "small.sqlite"), nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, blob := range blobs {
		f.Add(blob)
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		p, ok, err := parseRPMHeader(blob, "x", Distro{})
		if ok && (err != nil || p.Name == "" || p.Version == "") {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func BenchmarkRPM(b *testing.B) {
	for name, db := range rpmDatabases(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(db)))
			b.ReportAllocs()
			for b.Loop() {
				blobs, _ := rpmBlobs(db, nil)
				for _, blob := range blobs {
					_, _, _ = parseRPMHeader(blob, "x", Distro{})
				}
			}
		})
	}
}

// rpmTexts is a package header of texts.
func rpmTexts(texts map[uint32]string) []byte {
	be := binary.BigEndian
	var index, data []byte
	for tag, text := range texts {
		for _, v := range []uint32{tag, 6, uint32(len(data)), 1} {
			index = be.AppendUint32(index, v)
		}
		data = append(append(data, text...), 0)
	}
	blob := be.AppendUint32(nil, uint32(len(texts)))
	return append(append(be.AppendUint32(blob, uint32(len(data))), index...), data...)
}

func TestRPMModule(t *testing.T) {
	for label, want := range map[string]string{
		"nodejs:18:8100020240613122040:25e700aa": "nodejs:18", "container-tools:rhel8:1:2": "container-tools:rhel8", "": "", "nodejs": "", ":18": "", "nodejs:": "",
	} {
		header := rpmTexts(map[uint32]string{rpmName: "npm", rpmVersion: "10.8.2", rpmRelease: "1.module+el8", rpmModularity: label})
		p, ok, err := parseRPMHeader(header, "Packages", Distro{ID: "rhel", Version: "8.10"})
		if !ok || err != nil || p.Module != want || p.Version != "10.8.2-1.module+el8" {
			t.Errorf("%q: %+v, %v, %v", label, p, ok, err)
		}
	}
}

func TestEpochOfSource(t *testing.T) {
	packages := []Package{
		{Name: "perl-libs", Source: "perl", Version: "4:5.32.1-481.el9"},
		{Name: "perl-IO", Source: "perl", Version: "1.43-481.el9", SourceVersion: "5.32.1-481.el9"},
		{Name: "perl-other", Source: "perl", Version: "2:1.43-480.el9", SourceVersion: "2:5.32.1-480.el9"},
	}
	sourceEpochs(packages)
	if packages[1].SourceVersion != "4:5.32.1-481.el9" || packages[2].SourceVersion != "2:5.32.1-480.el9" || packages[0].SourceVersion != "" {
		t.Errorf("%+v", packages)
	}
}
