package image

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"ullage.dev/ullage/internal/credential"
)

func newSerial() *big.Int { return big.NewInt(1) }

// The levels that the search is held to, on a set that has secrets that it does not
// find.
const leastRecall, leastPrecision = 0.95, 0.97

// TestSecretsRecallAndPrecision reads images with secrets and decoys over four
// layers, some of them deleted or replaced in a later one. A finding counts when
// nothing is said against it.
func TestSecretsRecallAndPrecision(t *testing.T) {
	found, seeded, wrong := 0, 0, 0
	for round := range uint64(5) {
		g := generator{t, mathrand.New(mathrand.NewPCG(7, round))}
		seeds := append(g.seeds(), g.decoys()...)
		img, layers := g.image(seeds)
		at := map[string]*seed{}
		for i := range seeds {
			at["/"+seeds[i].path] = &seeds[i]
			if seeds[i].kind != "" {
				seeded++
			}
		}
		hit := map[string]bool{}
		for _, s := range img.Secrets {
			if s.Doubt != "" {
				continue
			}
			from := at[s.Path]
			if from == nil || from.kind == "" {
				wrong++
				t.Logf("round %d: wrong: %s:%d: %s", round, s.Path, s.Line, s.Kind)
				continue
			}
			if from.kind == s.Kind && s.Layer == layers[s.Path] && !hit[s.Path] {
				hit[s.Path] = true
				found++
			}
		}
		for path, from := range at {
			if from.kind != "" && !hit[path] {
				t.Logf("round %d: missed: %s in %s", round, from.kind, path)
			}
		}
		noValues(t, seeds, must(json.Marshal(img))(t))
	}
	recall, precision := float64(found)/float64(seeded), float64(found)/float64(found+wrong)
	t.Logf("%d secrets, %d found: recall %.3f, precision %.3f", seeded, found, recall, precision)
	if recall < leastRecall || precision < leastPrecision {
		t.Errorf("recall %.3f, at least %.2f is promised; precision %.3f, at least %.2f", recall, leastRecall, precision, leastPrecision)
	}
}

// noValues holds a text against every secret, and against parts of them.
func noValues(t *testing.T, seeds []seed, text []byte) {
	t.Helper()
	for _, s := range seeds {
		for _, value := range s.values {
			secret := value[len(value)/2:]
			for from := 0; from+10 <= len(secret); from++ {
				if strings.Contains(string(text), secret[from:from+10]) {
					t.Errorf("%s: a part of the secret is told", s.path)
					break
				}
			}
		}
	}
}

// image spreads files over three layers and lets the fourth delete a third of
// them. It returns where each file is.
func (g generator) image(seeds []seed) (*Image, map[string]int) {
	files, layers := make([][]file, 4), map[string]int{}
	for i, s := range seeds {
		layer := g.r.IntN(3)
		layers["/"+s.path] = layer
		files[layer] = append(files[layer], file{s.path, 0o600, s.text})
		if i%3 == 0 {
			dir, base := filepath.Split(s.path)
			files[3] = append(files[3], file{dir + ".wh." + base, 0o600, ""})
		}
	}
	var tars [][]byte
	for _, layer := range files {
		tars = append(tars, tarOf(g.t, layer...))
	}
	return secretsOf(g.t, tars, Options{Secrets: true}), layers
}

// secretsOf reads an image of some layers, and leaves out the secrets of the sample
// configuration.
func secretsOf(t testing.TB, tars [][]byte, o Options) *Image {
	t.Helper()
	img, _ := readImage(t, archiveOf(t, tars...), o)
	img.Secrets = slices.DeleteFunc(img.Secrets, func(s Secret) bool { return s.Path == "" })
	return img
}

// archiveOf writes a Docker archive of layers, and returns its path.
func archiveOf(t testing.TB, layers ...[]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	tag := must(name.NewTag("registry.example/web:1"))(t)
	if err := tarball.WriteToFile(path, tag, sampleImage(t, "linux/amd64", layers...)); err != nil {
		t.Fatal(err)
	}
	return path
}

// A secret of one layer is told with that layer, whatever becomes of the file.
func TestSecretsOfLayers(t *testing.T) {
	g := generator{t, mathrand.New(mathrand.NewPCG(1, 2))}
	token := func() string { return "token " + g.checked("ghp_") + "\n" }
	layers := [][]file{
		{{"app/deleted", 0o600, token()}, {"app/replaced", 0o600, token()}, {"app/kept", 0o600, token()}, {"dir/opaque", 0o600, token()}, {"gone/below", 0o600, token()}, {"app/twice", 0o600, token()}, {"app/twice", 0o600, "none\n"}},
		{{"app/second", 0o600, "\n\n" + token()}, {"app/replaced", 0o600, "none\n"}, {"dir/.wh..wh..opq", 0o600, ""}, {"app/hidden", 0o600, token()}, {"app/.wh.hidden", 0o600, ""}},
		{{"app/.wh.deleted", 0o600, ""}, {".wh.gone", 0o600, ""}},
	}
	var tars [][]byte
	for _, l := range layers {
		tars = append(tars, tarOf(t, l...))
	}
	want := []string{
		"/app/deleted 0 gone in 2 false", "/app/hidden 1 gone in -1 false", "/app/kept 0 gone in -1 false", "/app/replaced 0 gone in 1 true",
		"/app/second 1 gone in -1 false", "/app/twice 0 gone in 0 true", "/dir/opaque 0 gone in 1 false", "/gone/below 0 gone in 2 false",
	}
	img := secretsOf(t, tars, Options{Secrets: true})
	var got []string
	for _, s := range img.Secrets {
		got = append(got, fmt.Sprintf("%s %d gone in %d %v", s.Path, s.Layer, s.Gone, s.Replaced))
		if wantLine := map[bool]int{true: 3, false: 1}[s.Path == "/app/second"]; s.Line != wantLine {
			t.Errorf("%s: line %d", s.Path, s.Line)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if img := secretsOf(t, tars, Options{}); len(img.Secrets) != 0 || img.Search.Done || img.Search.Files != 0 {
		t.Errorf("searched although it was not asked for: %+v %+v", img.Secrets, img.Search)
	}
}

// What a package brought and nobody changed is in doubt; what was changed is not.
func TestSecretsOfPackages(t *testing.T) {
	g := generator{t, mathrand.New(mathrand.NewPCG(3, 4))}
	const text = "usr/lib/python3/keys.txt"
	token := g.checked("ghp_") + "\n"
	sums := fmt.Sprintf("%x  %s\n", md5.Sum([]byte(token)), text)
	tars := [][]byte{
		tarOf(t, file{"var/lib/dpkg/info/keys.md5sums", 0o644, sums}, file{text, 0o644, token}),
		tarOf(t, file{text, 0o644, "# changed\n" + token}),
	}
	img := secretsOf(t, tars, Options{Secrets: true})
	if len(img.Secrets) != 2 || img.Secrets[0].Layer != 1 || img.Secrets[0].Doubt != "" || img.Secrets[1].Doubt != "as the package keys brought it" {
		t.Errorf("%+v", img.Secrets)
	}
}

// What was found is remembered with the layer, and not taken for a reading that did
// not search. No value is in the cache.
func TestSecretsAreCached(t *testing.T) {
	g := generator{t, mathrand.New(mathrand.NewPCG(12, 13))}
	token := g.checked("ghp_")
	ref := archiveOf(t, tarOf(t, file{"app/a", 0o600, token + "\n"}), tarOf(t, file{"app/b", 0o600, "x"}, file{"app/.wh.a", 0o600, ""}))
	cache := newMemoryCache()
	plain, _ := readImage(t, ref, Options{Cache: cache})
	want, _ := readImage(t, ref, Options{Secrets: true})
	for _, when := range []string{"searched", "image cached", "layers cached"} {
		if when == "layers cached" {
			cache.drop("image")
		}
		got, _ := readImage(t, ref, Options{Cache: cache, Secrets: true})
		if !reflect.DeepEqual(got.Secrets, want.Secrets) || !reflect.DeepEqual(got.Search, want.Search) {
			t.Errorf("%s: %+v %+v, want %+v %+v", when, got.Secrets, got.Search, want.Secrets, want.Search)
		}
	}
	if len(want.Secrets) != len(plain.Secrets)+1 || plain.Search.Done {
		t.Errorf("%d secrets, %d without files", len(want.Secrets), len(plain.Secrets))
	}
}

// A root file system on disk is searched as a layer is.
func TestSecretsOfDirectories(t *testing.T) {
	g := generator{t, mathrand.New(mathrand.NewPCG(5, 6))}
	root := t.TempDir()
	large := g.large()
	writeFile(t, filepath.Join(root, large.path), large.text)
	writeFile(t, filepath.Join(root, "app/.env"), "DB_PASSWORD="+g.of(base62, 14)+"\n")
	img, _ := readImage(t, "dir:"+root, Options{Secrets: true})
	if len(img.Secrets) != 2 || img.Search.Files != 2 || img.Search.Bytes < int64(len(large.text)) {
		t.Errorf("%+v %+v", img.Secrets, img.Search)
	}
	line := strings.Count(large.text[:strings.Index(large.text, "ghp_")], "\n") + 1
	if img.Secrets[0].Line != line || img.Secrets[0].Offset != int64(strings.Index(large.text, "ghp_")) {
		t.Errorf("line %d, want %d: %+v", img.Secrets[0].Line, line, img.Secrets[0])
	}
}

// However a file is cut into windows, the same is found, also where each character
// takes two bytes: then at twice the place.
func TestSecretsOfWindows(t *testing.T) {
	g := generator{t, mathrand.New(mathrand.NewPCG(8, 9))}
	var text strings.Builder
	text.WriteByte('\n') // where the mark of UTF-16 stands
	for _, s := range slices.Concat(g.seeds(), g.decoys()) {
		if len(s.text) < streamBuffer && s.text[0] < 0x80 {
			text.WriteString(s.text + "\n\n" + strings.Repeat("filler of a line\n", g.r.IntN(200)))
		}
	}
	whole := []byte(text.String())
	s := credential.NewSearch("/app/settings.conf")
	want := s.Window(whole, 0, len(whole))
	if len(want) < 40 {
		t.Fatalf("%d found", len(want))
	}
	cutSearches(t, g.r, whole, want)
	for i := range want {
		want[i].Offset *= 2
		want[i].Line-- // the mark is no line
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		cutSearches(t, g.r, []byte(inUTF16(text.String()[1:], order)+"x"), want)
	}
	for i := range want {
		want[i].Offset -= 2
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} { // without a mark
		cutSearches(t, g.r, []byte(inUTF16(text.String()[1:], order)[2:]+"x"), want)
	}
}

// cutSearches cuts a text into windows in several ways.
func cutSearches(t *testing.T, r *mathrand.Rand, whole []byte, want []credential.Hit) {
	t.Helper()
	for range 20 {
		s, got := credential.NewSearch("/app/settings.conf"), []credential.Hit(nil)
		for from := 0; from < len(whole); {
			to := min(len(whole), from+1+r.IntN(20_000))
			low, high := max(0, from-2*credential.Before), min(len(whole), to+2*credential.Ahead)
			got = append(got, s.Window(whole[low:high], from-low, to-low)...)
			from = to
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d found in windows, %d in one:\n%s", len(got), len(want), cmp.Diff(want, got))
		}
	}
}

func FuzzSecrets(f *testing.F) {
	g := generator{f, mathrand.New(mathrand.NewPCG(10, 11))}
	for _, s := range slices.Concat(g.seeds(), g.decoys()) {
		if len(s.text) < 10_000 {
			f.Add(s.path, []byte(s.text))
		}
	}
	f.Fuzz(func(t *testing.T, path string, text []byte) {
		for _, hit := range credential.NewSearch(path).Window(text, 0, len(text)) {
			if hit.Offset < 0 || hit.Offset > int64(len(text)) || hit.Line < 1 || hit.Kind == "" {
				t.Errorf("%+v", hit)
			}
		}
		_ = credential.InExample(path)
		_ = notText(text)
	})
}

// FuzzBrought looks for lists of digests on which reading them fails.
func FuzzBrought(f *testing.F) {
	f.Add([]byte("d41d8cd98f00b204e9800998ecf8427e  a/b\n"), []byte("P:x\nF:a\nR:b\nZ:Q1aaaaaaaaaaaaaaaaaaaaaaaaaaa=\n"), []byte("a/b,sha256=x,3\n"))
	f.Fuzz(func(t *testing.T, sums, apk, record []byte) {
		root := t.TempDir()
		for path, text := range map[string][]byte{dpkgInfo + "/x.md5sums": sums, apkInstalled: apk, "/site-packages/x.dist-info/RECORD": record} {
			writeFile(t, root+path, string(text))
		}
		packagesOf(treeOf(t, root), []secretFile{{Path: "/a/b", Hashed: true}, {Path: "/site-packages/a/b", Hashed: true}})
	})
}
