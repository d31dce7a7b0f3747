package image

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sizedJar is an archive with the lengths of files before them, as Java writes those
// that are only stored.
func sizedJar(t testing.TB, entries ...zipEntry) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte(e.content)), UncompressedSize64: uint64(len(e.content))}
		data := []byte(e.content)
		if !e.stored {
			packed := deflate(t, e.content)
			h.Method, data = zip.Deflate, packed[2:len(packed)-4] // without the frame of zlib
		}
		h.CompressedSize64 = uint64(len(data))
		f, err := w.CreateRaw(h)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A jar that passes by says what it says when it is read by its table of contents.
func TestStreamedJars(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(1, 2))
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return string(b)
	}
	var build func(depth int) string
	build = func(depth int) string {
		var entries []zipEntry
		for i := range 1 + r.IntN(5) {
			name := fmt.Sprint(depth, "-", i, "-", r.IntN(1000))
			switch r.IntN(6) {
			case 0:
				entries = append(entries, pom("org.acme", "a"+name, "1."+name))
			case 1:
				entries = append(entries, zipEntry{name: jarManifest, content: "Implementation-Version: 3\n"})
			case 2:
				entries = append(entries, zipEntry{name: "big/" + name + ".class", content: noise(r.IntN(200_000)), stored: r.IntN(2) == 0})
			case 3:
				entries = append(entries, zipEntry{name: "empty/" + name, stored: true})
			case 4:
				entries = append(entries, zipEntry{name: "text", content: strings.Repeat(name, r.IntN(50_000))})
			default:
				if depth < 4 {
					entries = append(entries, zipEntry{name: "lib/inner-" + name + ".jar", content: build(depth + 1), stored: r.IntN(2) == 0})
				}
			}
		}
		if r.IntN(2) == 0 {
			return sizedJar(t, entries...)
		}
		for i := range entries {
			entries[i].stored = entries[i].stored && entries[i].content == ""
		}
		return jar(t, entries...) // the lengths stand behind
	}
	found := 0
	for range 60 {
		content := build(0)
		if r.IntN(3) == 0 {
			content = "#!/bin/sh\nexec java -jar $0\n" + strings.Repeat("# P\n", r.IntN(40_000)) + content
		}
		want, err := readJar("/srv/app-1.jar", content)
		if err != nil {
			t.Fatal(err)
		}
		got, err := streamJar("/srv/app-1.jar", io.MultiReader(strings.NewReader(content)))
		if err != nil {
			t.Fatal(err)
		}
		found += len(got)
		// Of artifacts that are there twice the first one counts, and manifests are asked last.
		byPlace := func(a, b Package) int { return strings.Compare(a.Name+a.Version, b.Name+b.Version) }
		slices.SortFunc(want, byPlace)
		slices.SortFunc(got, byPlace)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-read whole +passing by):\n%s", diff)
		}
	}
	if found < 100 {
		t.Fatalf("%d packages", found)
	}
}

// What a jar that passes by does not tell is told as missing, with what stands before.
func TestStreamedJarDamage(t *testing.T) {
	good := sizedJar(t, pom("a.b", "first", "1"), zipEntry{name: "x.class", content: strings.Repeat("x", 1000)}, pom("a.b", "last", "1"))
	for name, test := range map[string]struct {
		content, want string
		fails         bool
	}{
		"cut":                 {good[:len(good)/2], "a.b:first 1", true},
		"no archive":          {strings.Repeat("no archive", 1000), "", true},
		"stored, length last": {jar(t, pom("a.b", "first", "1"), zipEntry{name: "x", content: "x", stored: true}), "a.b:first 1", true},
		"a bomb": {jar(t, pom("a.b", "first", "1"), zipEntry{name: "x.jar", content: jar(t, zipEntry{name: "META-INF/maven/a/b/pom.properties", content: strings.Repeat(" ", 2*maxJarText)})}),
			"a.b:first 1, x ", true},
		"whole": {good, "a.b:first 1, a.b:last 1", false},
	} {
		packages, err := streamJar("/a.war", strings.NewReader(test.content))
		if nameVersions(packages) != test.want || (err != nil) != test.fails {
			t.Errorf("%s: %s, %v", name, nameVersions(packages), err)
		}
	}
}

// A large jar in a layer and in a directory is read as it passes by.
func TestLargeJar(t *testing.T) {
	content := sizedJar(t, zipEntry{name: "big", content: strings.Repeat("\x00", jarWhole), stored: true}, zipEntry{name: "lib/in-2.jar", content: jar(t, pom("a.b", "in", "2")), stored: true})
	root := t.TempDir()
	writeFile(t, root+"/app.jar", content)
	img, _ := readImage(t, "dir:"+root, Options{Secrets: true})
	if got := nameVersions(img.Packages); got != "a.b:in 2, app " || img.Search.NotSearched["compressed"] != 1 || len(img.Problems) > 0 {
		t.Errorf("%s %+v %v", got, img.Search, img.Problems)
	}
	read := readLayerWith(t, testPass(wanted()), tarOf(t, file{"app.jar", 0o644, content}, file{"after-1.jar", 0o644, jar(t)}))
	if found := read.tree.Found(); len(found) != 2 || nameVersions(found[1].Packages) != "a.b:in 2, app " || len(read.problems.texts) > 0 {
		t.Errorf("%+v %v", found, read.problems)
	}
}

func FuzzStreamedJar(f *testing.F) {
	f.Add([]byte(sizedJar(f, pom("a.b", "c", "1"), zipEntry{name: "x.jar", content: jar(f, pom("a.b", "d", "1")), stored: true})))
	f.Add([]byte(jar(f, pom("a.b", "c", "1"), zipEntry{name: "x.jar", content: sizedJar(f, pom("a.b", "d", "1"))})))
	f.Fuzz(func(t *testing.T, content []byte) {
		if packages, _ := streamJar("/x.jar", bytes.NewReader(content)); len(packages) > maxJarPackages {
			t.Error(len(packages))
		}
	})
}
