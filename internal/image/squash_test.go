package image

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
)

// testPass reads layers with a table of interests.
func testPass(table []Interest) *layerPass {
	return &layerPass{interests: newInterests(table), limits: DefaultLimits, budget: newBudget(DefaultLimits.Kept)}
}

// squashed reads layers and lays them over one another.
func squashed(t testing.TB, layers [][]byte, table ...Interest) (*Tree, []string) {
	return squashedBy(t, layers, true, table...)
}

func squashedBy(t testing.TB, layers [][]byte, away bool, table ...Interest) (*Tree, []string) {
	t.Helper()
	pass := testPass(table)
	s := squash{limits: DefaultLimits}
	var texts []string
	for i, layer := range layers {
		read, err := pass.read(context.Background(), 0, bytes.NewReader(layer), digests{})
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, read.problems.texts...)
		s.add(read.tree, i, away)
	}
	return s.tree, append(texts, s.problems.texts...)
}

// naive is a file system as a map from clean relative paths, and the oracle for
// Tree: it does word by word what the image specification says of applying layers.
type naive map[string]naiveEntry

type naiveEntry struct {
	kind     byte
	mode     int64
	uid, gid int
	size     int64
	link     string
	text     string // what a regular file holds
	layer    int
	implied  bool
	pending  string // hard link to a path of the layers below
}

func (n naive) removeBelow(dir string) {
	for p := range n {
		if dir == "" || strings.HasPrefix(p, dir+"/") {
			delete(n, p)
		}
	}
}

func (n naive) put(p string, e naiveEntry) {
	if old, ok := n[p]; ok && old.kind == tar.TypeDir && e.kind != tar.TypeDir {
		n.removeBelow(p)
	}
	n[p] = e
}

// way resolves a directory in the layer and makes what is missing.
func (n naive) way(dir string, layer int, create bool) (string, bool) {
	at, todo, links := "", strings.Split(dir, "/"), 0
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = strings.TrimPrefix(path.Dir("/"+at), "/")
			continue
		}
		next := strings.TrimPrefix(at+"/"+name, "/")
		switch e, ok := n[next]; {
		case !ok:
			if create {
				n[next] = naiveEntry{kind: tar.TypeDir, mode: 0o755, layer: layer, implied: true}
			}
		case e.kind == tar.TypeSymlink && e.pending == "":
			if links++; links > mostLinks {
				return "", false
			}
			if strings.HasPrefix(e.link, "/") {
				at = ""
			}
			todo = append(strings.Split(e.link, "/"), todo...)
			continue
		case e.kind != tar.TypeDir && create:
			return "", false
		}
		at = next
	}
	return at, true
}

// resolve finds a path whose directories may be links; the last name is not
// followed.
func (n naive) resolve(p string) (string, bool) {
	at, todo, links := "", strings.Split(p, "/"), 0
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			at = strings.TrimPrefix(path.Dir("/"+at), "/")
			continue
		}
		next := strings.TrimPrefix(at+"/"+name, "/")
		e, ok := n[next]
		if !ok {
			return "", false
		}
		more := strings.Trim(strings.Join(todo, "/"), "/") != ""
		if more && e.kind == tar.TypeSymlink {
			if links++; links > mostLinks {
				return "", false
			}
			if strings.HasPrefix(e.link, "/") {
				at = ""
			}
			todo = append(strings.Split(e.link, "/"), todo...)
			continue
		}
		if more && e.kind != tar.TypeDir {
			return "", false
		}
		at = next
	}
	return at, true
}

// apply lays one layer over the file system.
func (n naive) apply(t *testing.T, layer []byte, index int) {
	own, hidden, opaque := naive{}, map[string]bool{}, map[string]bool{}
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		own.entry(t, r, h, index, hidden, opaque)
	}
	// What hard links lead to below, before anything is changed there.
	for p, e := range own {
		if e.pending == "" {
			continue
		}
		target, ok := n.resolve(e.pending)
		if found := n[target]; ok && target != "" && found.kind != tar.TypeDir {
			found.layer = index
			own[p] = found
		} else {
			delete(own, p)
		}
	}
	for dir := range opaque {
		root := n[""]
		n.removeBelow(dir)
		if dir == "" {
			n[""] = root
		}
	}
	for p := range hidden {
		delete(n, p)
		n.removeBelow(p)
	}
	var paths []string
	for p := range own {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		e := own[p]
		if old, ok := n[p]; ok && e.kind == tar.TypeDir && old.kind == tar.TypeDir && e.implied {
			continue
		}
		n.put(p, e)
	}
}

func (n naive) entry(t *testing.T, r io.Reader, h *tar.Header, index int, hidden, opaque map[string]bool) {
	clean := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	dir, base := path.Split(clean)
	if rest, ok := strings.CutPrefix(base, ".wh."); ok {
		switch real, found := n.way(dir, index, false); {
		case !found:
		case rest == ".wh..opq":
			opaque[real] = true
		case !strings.HasPrefix(rest, ".wh."):
			hidden[strings.TrimPrefix(real+"/"+rest, "/")] = true
		}
		return
	}
	if clean == "" {
		if h.Typeflag == tar.TypeDir {
			n[""] = naiveEntry{kind: tar.TypeDir, mode: h.Mode, uid: h.Uid, gid: h.Gid, layer: index}
		}
		return
	}
	real, ok := n.way(dir, index, true)
	if !ok {
		return
	}
	full := strings.TrimPrefix(real+"/"+base, "/")
	e := naiveEntry{kind: h.Typeflag, mode: h.Mode & 0o7777, uid: h.Uid, gid: h.Gid, layer: index}
	switch h.Typeflag {
	case tar.TypeSymlink:
		e.link = h.Linkname
	case tar.TypeReg:
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		e.text, e.size = string(text), h.Size
	case tar.TypeLink:
		target, found := n.resolve(path.Clean("/" + h.Linkname))
		switch {
		case !found || target == full || target == "":
			e = naiveEntry{kind: tar.TypeReg, layer: index, pending: path.Clean("/" + h.Linkname)}
		case n[target].kind == tar.TypeDir:
			return
		default:
			e = n[target]
		}
	}
	n.put(full, e)
}

func (n naive) String() string {
	var lines []string
	for p, e := range n {
		if p == "" {
			continue
		}
		lines = append(lines, fmt.Sprintf("/%s %c %o %d:%d %d %q %q in %d", p, e.kind, e.mode, e.uid, e.gid, e.size, e.link, e.text, e.layer))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func treeLines(tree *Tree) string {
	kinds := map[Kind]byte{File: tar.TypeReg, Directory: tar.TypeDir, Symlink: tar.TypeSymlink, CharDevice: tar.TypeChar, BlockDevice: tar.TypeBlock, FIFO: tar.TypeFifo}
	var lines []string
	for e := range tree.All() {
		text := []byte(nil)
		if id := tree.lookup(e.Path); tree.at(id).content != 0 {
			text = tree.contents[tree.at(id).content-1].bytes
		}
		lines = append(lines, fmt.Sprintf("%s %c %o %d:%d %d %q %q in %d", e.Path, kinds[e.Kind], e.Mode, e.UID, e.GID, e.Size, e.Link, text, e.Layer))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// randomLayer writes entries over a few names, so that they meet.
func randomLayer(r *rand.Rand) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	names := []string{"a", "b", "c", "lib", "x"}
	file := func() string {
		parts := []string{}
		for range 1 + r.IntN(3) {
			parts = append(parts, names[r.IntN(len(names))])
		}
		return strings.Join(parts, "/")
	}
	for range r.IntN(14) {
		h := tar.Header{Name: file(), Mode: int64(r.IntN(0o10000)), Uid: r.IntN(3), Gid: r.IntN(3)}
		body := ""
		switch r.IntN(12) {
		case 0, 1, 2:
			h.Typeflag, body = tar.TypeReg, fmt.Sprint("text", r.IntN(1000))
			h.Size = int64(len(body))
		case 3, 4:
			h.Typeflag = tar.TypeDir
			h.Name += "/"
		case 5, 6:
			h.Typeflag = tar.TypeSymlink
			h.Linkname = []string{"", "/", "../", "./"}[r.IntN(4)] + file()
		case 7, 8:
			h.Typeflag = tar.TypeLink
			h.Linkname = file()
		case 9:
			dir, base := path.Split(file())
			h.Typeflag, h.Name = tar.TypeReg, dir+".wh."+base
		case 10:
			h.Typeflag, h.Name = tar.TypeReg, file()+"/.wh..wh..opq"
		case 11:
			h.Typeflag = []byte{tar.TypeFifo, tar.TypeChar, tar.TypeBlock}[r.IntN(3)]
		}
		switch r.IntN(8) {
		case 0:
			h.Name = "./" + h.Name
		case 1:
			h.Name = "/" + h.Name
		case 2:
			h.Name = "../" + h.Name
		}
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			panic(err)
		}
	}
	w.Close()
	return buf.Bytes()
}

func TestSquashAgreesWithNaive(t *testing.T) {
	all := Interest{} // matches every file
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 1))
		oracle := naive{}
		var layers [][]byte
		for i := range 1 + r.IntN(5) {
			layers = append(layers, randomLayer(r))
			oracle.apply(t, layers[i], i)
		}
		tree, _ := squashedBy(t, layers, seed%3 != 0, all)
		want := oracle.String()
		if got := treeLines(tree); got != want {
			for i, layer := range layers {
				t.Logf("layer %d:\n%s", i, listing(layer))
			}
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, got, want)
		}
		used := 0
		for _, c := range tree.contents {
			used += c.users
		}
		files := 0
		for _, e := range oracle {
			if e.kind == tar.TypeReg {
				files++
			}
		}
		if used != files {
			t.Fatalf("seed %d: content has %d users, there are %d files", seed, used, files)
		}
	}
}

func listing(layer []byte) string {
	var b strings.Builder
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if err != nil {
			return b.String()
		}
		fmt.Fprintf(&b, "%c %s %s\n", h.Typeflag, h.Name, h.Linkname)
	}
}
