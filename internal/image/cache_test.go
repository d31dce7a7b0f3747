package image

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	serve "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"sigs.k8s.io/randfill"
)

// memoryCache is a cache that counts.
type memoryCache struct {
	mu   sync.Mutex
	has  map[string][]byte
	hits map[string]int // by what was asked for
}

func newMemoryCache() *memoryCache {
	return &memoryCache{has: map[string][]byte{}, hits: map[string]int{}}
}

func (c *memoryCache) Get(_ context.Context, key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.has[key]
	if ok {
		c.hits[key[:5]]++
	}
	return value, ok
}

func (c *memoryCache) Put(_ context.Context, key string, value []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.has[key] = value
}

// drop forgets what was stored of whole images or of layers.
func (c *memoryCache) drop(what string) {
	c.hits = map[string]int{}
	maps.DeleteFunc(c.has, func(key string, _ []byte) bool { return strings.HasPrefix(key, what) })
}

// packageLayers are two layers with packages of several kinds, of which the second
// changes the first.
func packageLayers(t testing.TB) [][]byte {
	stanza := func(name, version string) string {
		return "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nDescription: with\n " + contentCanary + "\nVersion: " + version + "\n\n"
	}
	return [][]byte{
		tarOf(t, file{"etc/os-release", 0o644, "ID=debian\nVERSION_ID=12\nSECRET=" + contentCanary + "\n"}, file{"bin/sh", 0o755, elfText},
			file{"var/lib/dpkg/status", 0o644, stanza("zlib1g", "1.2") + stanza("dash", "0.5")},
			file{"var/lib/dpkg/info/dash.list", 0o644, "/.\n/bin\n/bin/sh\n" + contentCanary + "\n"},
			file{"var/lib/dpkg/info/zlib1g.md5sums", 0o644, strings.Repeat("0", 32) + "  lib/libz.so\n" + contentCanary + "\n"}, file{"lib/libz.so", 0o644, "x"},
			file{"usr/share/doc/dash/copyright", 0o644, "Format: x\nLicense: BSD-3-Clause\n" + contentCanary + "\n"},
			file{"lib/apk/db/installed", 0o644, "P:musl\nV:1.2\nT:" + contentCanary + "\nF:lib\nR:libz.so\n\n"},
			file{"etc/passwd", 0o644, "root:" + contentCanary + ":0:0:" + contentCanary + ":/root:/bin/sh\nweb:x:1000:1000::/:\n"},
			file{"var/lib/dpkg/diversions", 0o644, "/bin/sh\n/bin/sh.distrib\ndash\n"}),
		tarOf(t, file{"app/node_modules/left-pad/package.json", 0o644, `{"name": "left-pad", "version": "1.3.0", "license": "WTFPL", "_token": "` + contentCanary + `"}`},
			file{"app/node_modules/left-pad/index.js", 0o644, "secret = " + contentCanary},
			file{"site-packages/Flask-2.2.0.dist-info/METADATA", 0o644, "Metadata-Version: 2.1\nName: Flask\nVersion: 2.2.0\n\n" + contentCanary},
			file{"site-packages/Flask-2.2.0.dist-info/RECORD", 0o644, "flask/app.py,sha256=abc,10\n\"flask/a,b.py\",,\npassword=" + contentCanary + "\nx,y=" + contentCanary + ",z\n"},
			file{"site-packages/flask/app.py", 0o644, "1"}, file{"site-packages/flask/a,b.py", 0o644, "1"},
			file{"RECORD", 0o644, contentCanary + ",,"}, file{"notes/installed-files.txt", 0o644, contentCanary},
			file{"var/lib/dpkg/status", 0o644, stanza("zlib1g", "1.2")}),
	}
}

const contentCanary = "c0ntentC4nary9Zt7Lw2"

// forms writes an image in several forms and gives the references.
func forms(t testing.TB, img v1.Image) []string {
	dir := t.TempDir()
	saved, oci := filepath.Join(dir, "saved.tar"), filepath.Join(dir, "layout")
	if err := tarball.WriteToFile(saved, must(name.NewTag("example.com/shop:1"))(t), img); err != nil {
		t.Fatal(err)
	}
	if err := must(layout.Write(oci, empty.Index))(t).AppendImage(img); err != nil {
		t.Fatal(err)
	}
	packed := write(t, filepath.Join(dir, "saved.tgz"), gzipped(must(os.ReadFile(saved))(t)))
	settle(t, saved, oci)
	return []string{saved, oci, packed}
}

// sameAsUncached fails unless an image read with the cache is the one read without.
func sameAsUncached(t testing.TB, when, ref string, o Options, c *memoryCache) *Tree {
	t.Helper()
	want, wantTree := readImage(t, ref, o)
	o.Cache = c
	got, tree := readImage(t, ref, o)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s, %s: got\n%+v\nwant\n%+v", when, ref, got, want)
	}
	if tree != nil && treeLines(tree) != treeLines(wantTree) {
		t.Fatalf("%s, %s: other files:\n%s\nwant\n%s", when, ref, treeLines(tree), treeLines(wantTree))
	}
	return tree
}

// TestCachedIsUncached holds what comes out of the cache against what is read
// without it, of real forms and of random layers: cold, warm, and when only the
// layers are known.
func TestCachedIsUncached(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 7))
		layers := packageLayers(t)
		if seed == 1 {
			layers = sampleLayers(t)
		}
		for range r.IntN(4) {
			layers = append(layers, randomLayer(r))
		}
		r.Shuffle(len(layers), func(i, j int) { layers[i], layers[j] = layers[j], layers[i] })
		for i, ref := range forms(t, sampleImage(t, "linux/amd64", layers...)) {
			c := newMemoryCache()
			if tree := sameAsUncached(t, "cold", ref, Options{}, c); tree == nil {
				t.Fatal("an image that was never read came from the cache")
			}
			if tree := sameAsUncached(t, "warm", ref, Options{}, c); (tree == nil) != (i < 2) {
				t.Errorf("seed %d, %s: warm, from the cache: %v, %d stored", seed, ref, tree == nil, len(c.has))
			}
			c.drop("image")
			sameAsUncached(t, "known by its layers", ref, Options{}, c)
			if i < 2 && c.hits["layer"] == 0 {
				t.Errorf("seed %d, %s: no layer came from the cache", seed, ref)
			}
			c.drop("layer")
			sameAsUncached(t, "known as a whole", ref, Options{}, c)
			if tree := sameAsUncached(t, "to be checked", ref, Options{DiffIDs: true}, c); tree == nil {
				t.Errorf("%s: layers that are to be checked were not read", ref)
			}
		}
	}
}

// TestNothingIsPulled asks a registry for what is known: manifests are fetched,
// and no layer; of an image that shares a layer the other one only.
func TestNothingIsPulled(t *testing.T) {
	var mu sync.Mutex
	pulled := map[string]int{}
	registry := serve.New(serve.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, digest, ok := strings.Cut(r.URL.Path, "/blobs/"); ok && r.Method == http.MethodGet {
			mu.Lock()
			pulled[digest]++
			mu.Unlock()
		}
		registry.ServeHTTP(w, r)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	layers := packageLayers(t)
	one, other := sampleImage(t, "linux/amd64", layers...), sampleImage(t, "linux/amd64", layers[0], sampleLayers(t)[1])
	for tag, img := range map[string]v1.Image{"one": one, "other": other} {
		if err := remote.Write(must(name.ParseReference(host+"/shop:"+tag))(t), img); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Registry: noLogins}
	want, _ := readImage(t, host+"/shop:other", o)
	o.Cache = newMemoryCache()
	read := func(tag string) (*Image, int) {
		clear(pulled)
		got, _ := readImage(t, host+"/shop:"+tag, o)
		count := 0
		for _, l := range got.Layers {
			count += pulled[l.Blob]
		}
		return got, count
	}
	if _, n := read("one"); n != 2 {
		t.Errorf("cold: %d layers were pulled", n)
	}
	if _, n := read("one"); n != 0 {
		t.Errorf("warm: %d layers were pulled", n)
	}
	if got, n := read("other"); n != 1 || !reflect.DeepEqual(got, want) {
		t.Errorf("with a layer that is known: %d layers were pulled", n)
	}
}

// TestCacheTellsNoLies damages all that is stored, byte by byte and by exchange:
// what is read stays the same.
func TestCacheTellsNoLies(t *testing.T) {
	ref := forms(t, sampleImage(t, "linux/amd64", packageLayers(t)...))[1]
	c := newMemoryCache()
	sameAsUncached(t, "cold", ref, Options{}, c)
	whole := maps.Clone(c.has)
	keys := slices.Sorted(maps.Keys(whole))
	if len(keys) != 5 { // the image, two layers, and that each is what it says
		t.Fatalf("stored %q", keys)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		c.has = maps.Clone(whole)
		for _, key := range keys {
			switch b := slices.Clone(whole[key]); r.IntN(4) {
			case 0:
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
				c.has[key] = b
			case 1:
				c.has[key] = b[:r.IntN(len(b))]
			case 2:
				c.has[key] = whole[keys[r.IntN(len(keys))]]
			case 3:
				c.has[key] = append(b, 0)
			}
		}
		sameAsUncached(t, "damaged", ref, Options{}, c)
	}
}

// TestLyingLayersAreNotStored reads layers that are not what they are said to be,
// and then the true ones: nothing of the lie is left.
func TestLyingLayersAreNotStored(t *testing.T) {
	dir := t.TempDir()
	layer, other := tarOf(t, file{"etc/os-release", 0o644, "ID=debian\n"}), tarOf(t, file{"etc/os-release", 0o644, "ID=evil\n"})
	config := fmt.Sprintf(`{"rootfs":{"diff_ids":["%s"]}}`, sha256Of(layer))
	archive := func(layerName string, text []byte, pack func(...[]byte) []byte) string {
		return write(t, filepath.Join(dir, "saved.tar"), pack(tarOf(t, file{"c.json", 0o644, config}, file{layerName, 0o644, string(text)},
			file{"manifest.json", 0o644, `[{"Config":"c.json","Layers":["` + layerName + `"]}]`})))
	}
	plain := func(b ...[]byte) []byte { return b[0] }
	byDigest := func(b []byte) string { return "blobs/" + strings.Replace(sha256Of(b), ":", "/", 1) }
	c := newMemoryCache()
	for _, lie := range []func() string{
		func() string { return archive("l/layer.tar", other, plain) },
		func() string { return archive("l/layer.tar", gzipped(other), plain) },
		func() string { return archive("l/layer.tar", other, gzipped) },
		func() string { return archive(byDigest(layer), other, plain) },
		func() string { return archive(byDigest(layer), other, gzipped) },
		func() string { return archive(byDigest(gzipped(other)), gzipped(other), gzipped) },
		func() string { return archive("l/layer.tar", layer[:1500], plain) },
		func() string { return lyingLayout(t, layer, other) },
	} {
		readImage(t, lie(), Options{Cache: c})
		sameAsUncached(t, "after a lie", archive("l/layer.tar", layer, plain), Options{}, c)
		c.drop("")
	}
}

// lyingLayout is an image whose configuration gives its layer the diffID of
// another, which costs a second hash to find out.
func lyingLayout(t *testing.T, says, is []byte) string {
	img := sampleImage(t, "linux/amd64", is)
	file := must(img.ConfigFile())(t).DeepCopy()
	file.RootFS.DiffIDs[0] = must(v1.NewHash(sha256Of(says)))(t)
	return forms(t, must(mutate.ConfigFile(img, file))(t))[1]
}

// TestNoContentIsStored looks for what stands in files of the image, in all that
// is stored.
func TestNoContentIsStored(t *testing.T) {
	c := newMemoryCache()
	for _, ref := range forms(t, sampleImage(t, "linux/amd64", packageLayers(t)...)) {
		readImage(t, ref, Options{Cache: c})
	}
	if len(c.has) < 4 {
		t.Fatalf("only %d entries", len(c.has))
	}
	for key, sealed := range c.has {
		form := must(unseal(key, sealed))(t)
		for _, canary := range []string{contentCanary, "c4n4ryK3yXq9Zt7Lw2"} {
			if i := strings.Index(form, canary); i >= 0 {
				t.Errorf("%s holds content: %q", key[:5], form[max(i-80, 0):i])
			}
		}
	}
	// A file that is kept whole keeps its layer out.
	c = newMemoryCache()
	layer := tarOf(t, file{"var/lib/rpm/Packages", 0o644, contentCanary})
	readImage(t, forms(t, sampleImage(t, "linux/amd64", layer))[0], Options{Cache: c})
	for key := range c.has {
		if strings.HasPrefix(key, "layer") {
			t.Error("a layer with a file that nobody knows was stored")
		}
	}
}

// TestForm fills images at random, all fields there are: what is decoded is what
// was encoded, and no part of the form is taken for the whole.
func TestForm(t *testing.T) {
	fill := randfill.NewWithSeed(1).NilChance(0.2).NumElements(0, 3)
	for range 300 {
		var img, back Image
		fill.Fill(&img)
		form := must(encodeValue(nil, &img))(t)
		if err := decodeValue(string(form), &back); err != nil {
			t.Fatal(err)
		}
		if again := must(encodeValue(nil, &back))(t); !bytes.Equal(again, form) {
			t.Fatalf("got\n%+v\nwant\n%+v", back, img)
		}
		if decodeValue(string(form[:len(form)-1]), &Image{}) == nil || decodeValue(string(form)+"x", &Image{}) == nil {
			t.Fatal("a part or more than the whole was taken")
		}
	}
	type unexported struct{ a int }
	if _, err := encodeValue(nil, &unexported{1}); err == nil {
		t.Error("a field that is not exported was left out silently")
	}
}

// TestLayerForm lays random layers over one another after they went through their
// form.
func TestLayerForm(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 3))
		var layers [][]byte
		for range 1 + r.IntN(4) {
			layers = append(layers, randomLayer(r))
		}
		want, _ := squashed(t, layers, Interest{})
		pass := testPass([]Interest{{}})
		sum := squash{limits: DefaultLimits}
		for i, layer := range layers {
			read := readLayerWith(t, pass, layer)
			back := decodeLayer(string(must(encodeLayer(read))(t)))
			if back == nil {
				t.Fatalf("seed %d: layer %d is not read again", seed, i)
			}
			sum.add(back.tree, i, seed%2 == 0)
		}
		if treeLines(sum.tree) != treeLines(want) {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, treeLines(sum.tree), treeLines(want))
		}
	}
}

// FuzzForm reads forms that no checksum was held against.
func FuzzForm(f *testing.F) {
	img, _ := readImage(f, forms(f, sampleImage(f, "linux/amd64", packageLayers(f)...))[0], Options{})
	f.Add(must(encodeValue(nil, img))(f))
	for _, layer := range packageLayers(f) {
		f.Add(must(encodeLayer(readLayerWith(f, testPass(wanted()), layer)))(f))
	}
	f.Fuzz(func(t *testing.T, form []byte) {
		_ = decodeValue(string(form), &Image{})
		if read := decodeLayer(string(form)); read != nil {
			for range read.tree.All() {
			}
			sum := squash{limits: DefaultLimits}
			sum.add(read.tree, 0, true)
		}
	})
}

func TestVersion(t *testing.T) {
	if version() == "" || len(version()) < 20 {
		t.Errorf("this program's version is %q", version())
	}
	id := "q2Zr-Ea5nGn4sDqWyqQ5/W9vLLNs0ycMBUoWkqVMT/1JjAWz"
	elf := fmt.Sprintf("\x7fELF....%c\x00\x00\x00\x04\x00\x00\x00Go\x00\x00%s", len(id), id)
	macho := "\xcf\xfa....\xff Go build ID: \"" + id + "\"\n \xff code"
	for _, program := range []string{elf, macho} {
		if got := programVersion(strings.NewReader(program)); got != id {
			t.Errorf("version %q", got)
		}
	}
	for _, program := range []string{"#!/bin/sh", elf[:30], macho[:30]} {
		if got := programVersion(strings.NewReader(program)); got == "" || strings.Contains(id, got) {
			t.Errorf("version of %q: %q", program, got)
		}
	}
	if got := programVersion(bytes.NewReader(nil)); got != "" {
		t.Errorf("version of nothing: %q", got)
	}
}

// TestCacheKnowsAll fails when there is something that the form of layers or the
// keys do not know of, and would get wrong.
func TestCacheKnowsAll(t *testing.T) {
	for of, want := range map[reflect.Type]string{
		reflect.TypeFor[layerRead]():  "tree entries kept charged raw blob size plain complete whole problems search again", // again is empty when a layer is stored
		reflect.TypeFor[Tree]():       "origins nodes contents whiteouts opaques",
		reflect.TypeFor[content]():    "users bytes path found problem",
		reflect.TypeFor[node]():       "attributes flags parent first next name",
		reflect.TypeFor[attributes](): "size uid gid link content mode layer kind",
		reflect.TypeFor[Options]():    "Platform Registry Stores Limits DiffIDs Secrets Cache Progress Reading",
	} {
		var have []string
		for i := range of.NumField() {
			have = append(have, of.Field(i).Name)
		}
		if got := strings.Join(have, " "); got != want {
			t.Errorf("%s has the fields %q, not %q: store the new ones in encodeLayer, or put an option that changes results into the keys", of, got, want)
		}
	}
}

// The cache answers for no layer that the archive does not have, or has in another
// size.
func TestCacheAnswersForNoOtherLayer(t *testing.T) {
	cache := newMemoryCache()
	ref := savedLinked(t, tarOf(t, file{"a", 0, "text"}))
	if img, _ := readImage(t, ref, Options{Cache: cache}); len(img.Problems) > 0 {
		t.Fatal(img.Problems)
	}
	parts := map[string]string{}
	r := tar.NewReader(bytes.NewReader(must(os.ReadFile(ref))(t)))
	for h, err := r.Next(); err == nil; h, err = r.Next() {
		parts[h.Name] = string(must(io.ReadAll(r))(t))
	}
	for what, change := range map[string]func(layer string) file{
		"absent":        func(string) file { return file{"other", 0, "x"} },
		"symbolic link": func(layer string) file { return file{layer, 0, "->/etc/shadow"} },
		"another": func(layer string) file {
			return file{layer, 0, string(gzipped(tarOf(t, file{"etc/shadow", 0, "another text, of another length"})))}
		},
	} {
		for range 2 {
			var files []file
			for name, text := range parts {
				if f := (file{name, 0, text}); strings.Contains(name, ".tar") {
					files = append(files, change(name))
				} else {
					files = append(files, f)
				}
			}
			changed := write(t, filepath.Join(t.TempDir(), "changed.tar"), tarOf(t, files...))
			if img, _ := readImage(t, changed, Options{Cache: cache}); len(img.Problems) == 0 {
				t.Errorf("%s: no problem", what)
			}
			cache.drop("image")
		}
	}
}
