package image

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
)

func readLayerWith(t testing.TB, pass *layerPass, layer []byte) *layerRead {
	t.Helper()
	return must(pass.read(context.Background(), 0, bytes.NewReader(layer), digests{blob: true}))(t)
}

func TestLimits(t *testing.T) {
	deep := strings.Repeat("d/", 1500)
	tests := map[string]struct {
		limit func(*Limits)
		layer []byte
		want  string // of the problem
		there string // a path that is there in spite of it
	}{
		"entries": {func(l *Limits) { l.Entries = 10 }, tarOf(t, file{"a", 0o644, ""}, file{"1/2/3/4/5/6/7/8/9/10", 0o644, ""}, file{"b", 0o644, ""}), "more than 10 paths", "/a"},
		"bytes":   {func(l *Limits) { l.LayerBytes = 200_000 }, gzipped(tarOf(t, file{"a", 0o644, ""}, file{"b", 0o644, strings.Repeat("x", 900_000)})), "200000 bytes", "/a"},
		"path":    {func(l *Limits) { l.Path = 100 }, tarOf(t, file{strings.Repeat("p", 200), 0o644, ""}, file{"l", 0o777, "->" + strings.Repeat("p", 200)}, file{"a", 0o644, ""}), "a path of 200 bytes", "/a"},
		"kept":    {func(l *Limits) { l.Kept = 10 }, tarOf(t, file{"k/1", 0o644, "12345"}, file{"k/2", 0o644, "1234567"}, file{"k/3", 0o644, "12345"}), "/k/2: a file of 7 bytes", "/k/2"},
		"file":    {func(l *Limits) { l.File = 4 }, tarOf(t, file{"x.now", 0o644, "12345"}), "/x.now: a file of 5 bytes", "/x.now"},
		"depth":   {nil, tarOf(t, file{deep, 0o755, ""}, file{"s", 0o777, "->" + deep}, file{"s/" + deep + "x", 0o644, ""}, file{"a", 0o644, ""}), "no directory", "/a"},
		"loop":    {nil, tarOf(t, file{"a", 0o777, "->b"}, file{"b", 0o777, "->a"}, file{"a/x", 0o644, ""}), "no directory", "/a"},
		"escape":  {nil, tarOf(t, file{"../../etc/shadow", 0o644, ""}), "lead out of the image", "/etc/shadow"},
		"type":    {nil, unknownType(tarOf(t, file{"odd", 0o644, ""}, file{"a", 0o644, ""})), "/odd: entry of unknown type 'Z'", "/a"},
		"nothing": {nil, tarOf(t, file{"a", 0o644, ""}), "", "/a"},
	}
	table := []Interest{{Directory: "k"}, {Suffix: ".now", Extract: func(*FileContent) ([]Package, error) { return nil, nil }}}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pass := testPass(table)
			if test.limit != nil {
				test.limit(&pass.limits)
			}
			read := readLayerWith(t, pass, test.layer)
			text := strings.Join(read.problems.texts, "\n")
			if (text != "") != (test.want != "") || !strings.Contains(text, test.want) {
				t.Errorf("problems: %s, want %s", text, test.want)
			}
			if _, ok := read.tree.Lookup(test.there); !ok {
				t.Errorf("%s is not there", test.there)
			}
		})
	}
}

// unknownType gives the first entry of an archive a type that no format has.
func unknownType(archive []byte) []byte {
	archive[156] = 'Z'
	return append(fixSums(archive[:tarBlock]), archive[tarBlock:]...)
}

// Beyond a gigabyte a layer may not be compressed beyond all measure.
func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a gigabyte")
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Size: 8 << 30, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	megabyte := make([]byte, 1<<20)
	member := gzipped(megabyte)
	bomb := io.MultiReader(bytes.NewReader(gzipped(layer.Bytes())), &repeated{text: member, left: 8 << 10})
	read := must(testPass(nil).read(context.Background(), 0, bomb, digests{}))(t)
	if text := fmt.Sprint(read.problems.texts); !strings.Contains(text, "compressed more than 300 times") || read.size > 8<<20 {
		t.Errorf("%s after %d bytes", text, read.size)
	}
}

// repeated yields a text again and again.
type repeated struct {
	text []byte
	left int
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	if r.at += n; r.at == len(r.text) {
		r.at, r.left = 0, r.left-1
	}
	return n, nil
}

// Paths that replace one another again and again take no longer than their number.
func TestManyReplacements(t *testing.T) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	put := func(name string, kind byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: kind, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20_000 {
		put(fmt.Sprintf("d/%d", i), tar.TypeReg)
	}
	for range 20_000 {
		put("d", tar.TypeReg)
		put("d/", tar.TypeDir)
	}
	w.Close()
	read := readLayerWith(t, testPass(nil), buf.Bytes())
	if got := read.tree.List("/d"); len(got) != 0 || read.entries != 60_000 {
		t.Errorf("%d entries, %d files", read.entries, len(got))
	}
}

func TestSparseBomb(t *testing.T) {
	// A file of an exabyte, by a pax header, that an interest wants.
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	records := "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n" + "43 GNU.sparse.realsize=1152921504606846976\n"
	records = strings.ReplaceAll(records, "43 GNU", fmt.Sprintf("%d GNU", len("43 GNU.sparse.realsize=1152921504606846976\n")))
	if err := w.WriteHeader(&tar.Header{Name: "p", Size: int64(len(records)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, records)
	w.Flush()
	archive := buf.Bytes()
	archive[156] = typePax
	fixed := fixSums(archive[:512])
	body := tarOf(t, file{"big", 0o644, "0\n" + strings.Repeat("\x00", 510)}, file{"after", 0o644, "x"})
	layer := append(append(fixed, archive[512:]...), body...)
	read := readLayerWith(t, testPass([]Interest{{}}), layer)
	if e, _ := read.tree.Lookup("/big"); e.Size != 1<<60 {
		t.Errorf("%+v, %v", e, read.problems.texts)
	}
	if _, ok := read.tree.Lookup("/after"); !ok || len(read.problems.texts) != 1 {
		t.Errorf("%v", read.problems.texts)
	}
}

// What was built into a large program is found in the parts of it that are kept.
func TestLargeProgram(t *testing.T) {
	path := must(os.Executable())(t)
	want, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Skip(err)
	}
	text := must(os.ReadFile(path))(t)
	var sizes []bool
	late, ok := sectionsAtEnd(text)
	if !ok {
		t.Skip("not an ELF file with its sections at the beginning")
	}
	debug, _ := sectionsAtEnd(text)
	compressSection(debug)
	for _, text := range [][]byte{text, append(text, make([]byte, 40<<20)...), late, debug} {
		var got *buildinfo.BuildInfo
		table := []Interest{{ELF: []string{".dep-v0"}}, {ELF: []string{".go.buildinfo"}, Extract: func(f *FileContent) ([]Package, error) {
			_, whole := f.Bytes()
			sizes = append(sizes, whole)
			var err error
			got, err = buildinfo.Read(f)
			return []Package{{Name: "x"}}, err
		}}}
		read := readLayerWith(t, testPass(table), tarOf(t, file{"bin/prog", 0o755, string(text)}, file{"after", 0o644, "x"}))
		if !reflect.DeepEqual(got, want) || len(read.problems.texts) > 0 {
			t.Errorf("got %v (%v)", got, read.problems.texts)
		}
		if _, ok := read.tree.Lookup("/after"); !ok {
			t.Error("what comes after is lost")
		}
		if found := read.tree.Found(); len(found) != 1 || found[0].Problem != "" || found[0].Read != "/bin/prog" {
			t.Errorf("%+v", found)
		}
		if charged := read.charged; charged > 2*nodesAChunk*nodeCost {
			t.Errorf("%d bytes are still charged", charged)
		}
	}
	if len(sizes) != 4 || sizes[3] || sizes[1] || sizes[2] {
		t.Errorf("whole in memory: %v", sizes)
	}
}

// sectionsAtEnd moves the section table of a program and their names to the end
// of a larger file, where most linkers put them.
func sectionsAtEnd(text []byte) ([]byte, bool) {
	l, err := readELF(bytes.NewReader(text))
	if err != nil || !l.wide || l.sections > elfHead {
		return nil, false
	}
	table := bytes.Clone(text[l.sections : l.sections+int64(l.sectionsN*l.sectionSize)])
	names := text[l.namesAt : l.namesAt+l.namesLength]
	late := append(bytes.Clone(text), make([]byte, 20<<20+(-len(text)&7))...)
	l.order.PutUint64(table[l.nameSection*l.sectionSize+24:], uint64(len(late)))
	late = append(late, names...)
	late = append(late, make([]byte, -len(late)&7)...)
	l.order.PutUint64(late[40:], uint64(len(late)))
	return append(late, table...), true
}

// compressSection lets the last section but one of a program, of which the table is
// at the end, be one for debugging that is compressed, in a part that is not kept.
func compressSection(text []byte) {
	const entry, flags, offset = 64, 8, 24
	order := binary.LittleEndian
	table := text[order.Uint64(text[40:]):]
	names := int(order.Uint16(text[62:]))
	last := len(table)/entry - 1
	if last == names {
		last--
	}
	order.PutUint64(table[last*entry+flags:], 0x800)
	order.PutUint64(table[last*entry+offset:], uint64(len(text)-10<<20))
}

func TestExtractorsProblem(t *testing.T) {
	table := []Interest{{Suffix: ".JAR", Extract: func(f *FileContent) ([]Package, error) {
		text, _ := f.Bytes()
		if string(text) == "bad" {
			return []Package{{Name: "half"}}, errors.New("damaged")
		}
		return []Package{{Name: string(text)}}, nil
	}}, {Name: "kept"}}
	tree, problems := squashed(t, [][]byte{
		tarOf(t, file{"a.jar", 0o644, "one"}, file{"b.Jar", 0o644, "bad"}, file{"d/c.jar", 0o644, "gone"}, file{"kept", 0o644, ""}),
		tarOf(t, file{"d/.wh.c.jar", 0o644, ""}, file{"a.jar", 0o644, "two"}),
	}, table...)
	want := []Found{
		{Read: "/a.jar", Paths: []string{"/a.jar"}, Layer: 1, Packages: []Package{{Name: "two", Layer: 1}}},
		{Read: "/b.Jar", Paths: []string{"/b.Jar"}, Packages: []Package{{Name: "half"}}, Problem: "damaged"},
	}
	if got := tree.Found(); !reflect.DeepEqual(got, want) || len(problems) > 0 {
		t.Errorf("got %+v %v", got, problems)
	}
	if text, ok := tree.Content("/kept"); !ok || len(text) != 0 {
		t.Errorf("an empty file: %q, %v", text, ok)
	}
}

func TestInterests(t *testing.T) {
	in := newInterests([]Interest{
		{Directory: "var/lib/dpkg", Name: "status"},
		{Directory: "var/lib/dpkg/info", Suffix: ".list"},
		{Suffix: ".tar.GZ"},
		{Name: "package.json"},
		{Directory: "keep"},
		{ELF: []string{"x"}},
	})
	for path, want := range map[string]int{
		"var/lib/dpkg/status": 0, "status": -1, "x/var/lib/dpkg/status": -1, "var/lib/dpkg/x/status": 0, "var/lib/dpkgs/status": -1,
		"var/lib/dpkg/info/a.list": 1, "a.list": -1, "x.tar.gz": 2, "x.gz": -1, "a/b/package.json": 3, "package.json": 3,
		"keep/package.json": 3, "keep/x": 4, "keep": -1, "keep/": 4, "": -1, "a.": -1, "a.a-very-long-ending": -1,
	} {
		if got := in.find([]byte(path)); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

func FuzzLayer(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(randomLayer(rand.New(rand.NewPCG(seed, 1))))
	}
	f.Add(gzipped(sampleLayers(f)[0]))
	f.Add(zstded(sampleLayers(f)[0]))
	f.Fuzz(func(t *testing.T, layer []byte) {
		pass := testPass([]Interest{{Directory: "a"}, {ELF: []string{".go.buildinfo"}, Extract: func(f *FileContent) ([]Package, error) {
			_, err := buildinfo.Read(f)
			return nil, err
		}}})
		pass.limits.LayerBytes, pass.limits.Kept = 1<<22, 1<<22
		s := squash{limits: pass.limits}
		for i, text := range [][]byte{layer, fixSums(layer), layer} {
			read, err := pass.read(context.Background(), 0, bytes.NewReader(text), digests{})
			if err != nil {
				t.Fatal(err)
			}
			s.add(read.tree, i, true)
		}
		for e := range s.tree.All() {
			if got, ok := s.tree.Lookup(e.Path); !ok || got != e {
				t.Fatalf("%+v, %+v", e, got)
			}
			s.tree.Resolve(e.Path)
		}
		findPrograms(s.tree)
		s.tree.Found()
	})
}

func FuzzArchive(f *testing.F) {
	f.Add(tarOf(f, file{"index.json", 0o644, `{"manifests":[]}`}, file{"blobs/sha256/x", 0o777, "->../x"}))
	f.Add(tarOf(f, file{"manifest.json", 0o644, `[{"Config":"c.json","Layers":["l"]}]`}, file{"c.json", 0o644, "{}"}, file{"l", 0o644, string(tarOf(f))}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		for _, text := range [][]byte{archive, fixSums(archive), gzipped(fixSums(archive))} {
			ref := write(t, t.TempDir()+"/x.tar", text)
			s, err := Open(t.Context(), ref, Options{})
			if err != nil {
				continue
			}
			_, _, _ = Read(t.Context(), s, Options{})
			_ = s.Close()
		}
	})
}
