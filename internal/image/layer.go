package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"ullage.dev/ullage/internal/credential"
)

// Limits bound what one image may cost, whatever is in it. What is beyond them
// is not read and becomes a problem of the image.
type Limits struct {
	Entries    int   // paths of a layer, and of the image: directories that no entry stands for included
	LayerBytes int64 // of a layer, uncompressed
	Ratio      int64 // of uncompressed to compressed bytes, of layers above a gigabyte
	Path       int   // bytes of a path and of a link's target
	File       int64 // bytes of a file that is kept or extracted, where its Interest says nothing
	Kept       int64 // bytes of all files that are kept, and of those in flight together
}

// DefaultLimits hold an image of a million files to about 150 MB of memory.
var DefaultLimits = Limits{Entries: 1_500_000, LayerBytes: 64 << 30, Ratio: 300, Path: 4096, File: 256 << 20, Kept: 96 << 20}

const ratioMatters = 1 << 30

// layerPass reads the layers of one image.
type layerPass struct {
	interests *interests
	limits    Limits
	budget    *budget
	secrets   bool // files are searched for them
}

// layerRead is what came of one layer.
type layerRead struct {
	tree     *Tree
	entries  int
	kept     int64  // bytes in tree.contents
	charged  int64  // bytes taken from the budget and not yet given back
	raw      string // digest of the uncompressed tar, where asked for
	blob     string // digest of what was read, where asked for
	size     int64  // bytes of what was read
	plain    bool   // not compressed
	complete bool
	whole    bool // it keeps files of which nobody knows what stands in them
	problems problems
	search   secretSearch
	again    []lookAgain // to be looked at in a second pass, before the layer is stored
}

// problems collects what went wrong, the first ones word by word.
type problems struct {
	texts []string
	more  int
}

const mostProblems = 20

func (p *problems) add(format string, args ...any) {
	if len(p.texts) >= mostProblems {
		p.more++
		return
	}
	p.texts = append(p.texts, fmt.Sprintf(format, args...))
}

// digests says which digests of a layer are worth their time.
type digests struct{ blob, raw bool }

// read reads one layer, the index-th of its image. It always has a result, as far
// as it came. An error is only returned when the context ends.
func (p *layerPass) read(ctx context.Context, index int, blob io.Reader, want digests) (*layerRead, error) {
	result := &layerRead{tree: newTree()}
	counted := &countingReader{ctx: ctx, r: blob, sum: newHash(want.blob)}
	if err := p.readTar(ctx, index, counted, want, result); err != nil {
		if cause := ctx.Err(); cause != nil {
			return nil, cause
		}
		result.problems.add("%v", err)
	} else {
		result.complete = true
		result.blob = digestOf(counted.sum)
	}
	result.size = counted.n
	return result, nil
}

func newHash(wanted bool) hash.Hash {
	if !wanted {
		return nil
	}
	return sha256.New()
}

func digestOf(h hash.Hash) string {
	if h == nil {
		return ""
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// readTar reads a layer to its end, so that all of it is in the digests.
func (p *layerPass) readTar(ctx context.Context, index int, counted *countingReader, want digests, result *layerRead) error {
	raw, closeRaw, err := decompress(counted)
	if err != nil {
		return err
	}
	defer closeRaw()
	_, result.plain = raw.(*prefixed)
	sum := newHash(want.raw && !(result.plain && want.blob))
	s := newStream(&countingReader{ctx: ctx, r: raw, sum: sum})
	s.grown = p.limits.leave(counted)
	tar := newTarReader(s)
	r := layerReader{layerPass: p, layerRead: result, index: index, tar: tar, data: tar}
	defer r.done()
	err = r.walk()
	r.settle()
	if err != nil {
		return err
	}
	if err := s.drain(); err != nil {
		return fmt.Errorf("behind the tar archive: %w", err)
	}
	if _, err := io.Copy(io.Discard, counted); err != nil {
		return err
	}
	result.raw = digestOf(sum)
	return nil
}

// leave returns the check that compressed data does not grow beyond all measure.
func (l *Limits) leave(compressed *countingReader) func(read int64) error {
	return func(read int64) error {
		switch {
		case read > l.LayerBytes:
			return fmt.Errorf("more than %d bytes when uncompressed, the rest was not read", l.LayerBytes)
		case read > ratioMatters && read/l.Ratio > compressed.n:
			return fmt.Errorf("compressed more than %d times, the rest was not read", l.Ratio)
		}
		return nil
	}
}

// countingReader counts and hashes what passes, until the context ends.
type countingReader struct {
	ctx context.Context
	r   io.Reader
	n   int64
	sum hash.Hash
}

func (c *countingReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	return n, err
}

// layerReader puts the entries of one layer into its tree.
type layerReader struct {
	*layerPass
	*layerRead
	index   int
	tar     *tarReader
	data    fileData
	path    []byte          // of the entry, clean and without a slash at its start
	target  []byte          // of a hard link, likewise
	inName  *credential.Hit // a credential in the entry's name
	scratch []byte          // for files that are extracted
	nodes   int             // charged for
	latest  map[string]int  // path of a file with secrets to its place in search.Files, the last one's
	entryOf []uint32        // by node: the entry, from 1, that has its content
	waiting map[nodeID]bool // those that are in again

	// The directory of the last entry, for the next is mostly in the same one.
	lastDir   []byte
	lastDirID nodeID
	escaped   int
	firstOut  string
}

// nodeCost is about what a path takes, in bytes.
const nodeCost = 80

func (r *layerReader) done() {
	if r.escaped > 0 {
		r.problems.add("paths of %d entries lead out of the image, such as %.200q: taken as if the image's root were the top", r.escaped, r.firstOut)
	}
	r.budget.give(int64(cap(r.scratch)))
	r.charged -= int64(cap(r.scratch))
	r.scratch = nil
}

// charge takes bytes from the budget until the layer has been merged.
func (r *layerReader) charge(n int64) {
	r.budget.take(r.index, n)
	r.charged += n
}

func (r *layerReader) walk() error {
	for {
		h, err := r.tar.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.admit(); err != nil {
			return err
		}
		if err := r.entry(h); err != nil {
			return err
		}
	}
}

// admit counts and charges for one entry more.
func (r *layerReader) admit() error {
	r.entries++
	if r.tree.count >= r.limits.Entries {
		return fmt.Errorf("more than %d paths, the rest was not read", r.limits.Entries)
	}
	if r.tree.count >= r.nodes {
		r.nodes += nodesAChunk
		r.charge(nodesAChunk * nodeCost)
	}
	return nil
}

// entry takes one entry. What is wrong with it alone is a problem; an error ends
// the layer.
func (r *layerReader) entry(h *tarHeader) error {
	if len(h.Name) > r.limits.Path || len(h.Link) > r.limits.Path {
		r.problems.add("a path of %d bytes: left out", max(len(h.Name), len(h.Link)))
		return nil
	}
	out := false
	r.path, out = cleanPath(r.path[:0], h.Name)
	if out {
		r.noteEscape(h.Name)
	}
	r.path, r.inName = hideNames(r.path)
	dir, base := splitPath(r.path)
	if hidden, ok := bytes.CutPrefix(base, []byte(whiteoutPrefix)); ok {
		r.hide(dir, base, hidden)
		return nil
	}
	kind := kindOf(h.Type)
	if kind == 0 && h.Type != typeHardLink {
		r.problems.add("%s: entry of unknown type %q: left out", r.name(), h.Type)
		return nil
	}
	id := rootID
	if len(base) > 0 {
		parent := r.directory(dir)
		if parent == 0 {
			r.problems.add("%s: below something that is no directory: left out", r.name())
			return nil
		}
		id = r.tree.findOrAdd(parent, base)
	} else if kind != Directory {
		r.problems.add("the root is no directory in this layer: left out")
		return nil
	}
	if h.Type == typeHardLink {
		r.putHardLink(id, h)
		return nil
	}
	return r.put(id, kind, h)
}

// splitPath cuts a clean path before its last name.
func splitPath(path []byte) (dir, base []byte) {
	cut := bytes.LastIndexByte(path, '/')
	return path[:max(cut, 0)], path[cut+1:]
}

func kindOf(typeflag byte) Kind {
	switch typeflag {
	case typeFile:
		return File
	case typeDir:
		return Directory
	case typeSymlink:
		return Symlink
	case typeChar:
		return CharDevice
	case typeBlock:
		return BlockDevice
	case typeFIFO:
		return FIFO
	}
	return 0
}

// name is the entry's path for a problem.
func (r *layerReader) name() string { return "/" + strings.ToValidUTF8(string(r.path), "?") }

func (r *layerReader) noteEscape(name []byte) {
	if r.escaped++; r.escaped == 1 {
		r.firstOut, _ = credential.RedactPath(string(name))
	}
}

// cleanPath appends a path without . and .. and empty names. Out is true when ..
// led beyond the root, where it was left out.
func cleanPath(to, path []byte) (clean []byte, out bool) {
	for rest := path; ; {
		var name []byte
		name, rest = nextName(rest)
		switch string(name) {
		case "":
			return to, out
		case ".":
		case "..":
			if len(to) == 0 {
				out = true
			}
			to = to[:max(bytes.LastIndexByte(to, '/'), 0)]
		default:
			if len(to) > 0 {
				to = append(to, '/')
			}
			to = append(to, name...)
		}
	}
}

const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..opq" // behind the prefix
)

// hide notes a whiteout. It hides what lower layers have, never what this one
// has, whichever comes first.
func (r *layerReader) hide(dir, base, hidden []byte) {
	switch {
	case string(hidden) == opaqueMarker:
		if id := r.tree.makeWay(dir, false); id != 0 && r.tree.at(id).flags&opaque == 0 {
			r.tree.at(id).flags |= opaque
			r.tree.opaques = append(r.tree.opaques, id)
		}
	case bytes.HasPrefix(hidden, []byte(whiteoutPrefix)):
		// Bookkeeping of AUFS, which does not stand for a file.
	case len(hidden) == 0 || string(hidden) == "." || string(hidden) == "..":
		r.problems.add("%s: a whiteout of nothing: left out", r.name())
	default:
		parent := r.tree.makeWay(dir, false)
		if parent == 0 {
			return
		}
		id := r.tree.findOrAdd(parent, hidden)
		if n := r.tree.at(id); n.flags&whiteout == 0 {
			n.flags |= whiteout
			r.tree.whiteouts = append(r.tree.whiteouts, id)
		}
	}
}

// directory returns the directory of a path, made where it is missing, or 0 when
// there is something else on the way.
func (r *layerReader) directory(dir []byte) nodeID {
	if len(dir) == 0 {
		return rootID
	}
	if r.lastDirID != 0 && bytes.Equal(dir, r.lastDir) {
		return r.lastDirID
	}
	id := r.tree.makeWay(dir, true)
	r.lastDir, r.lastDirID = append(r.lastDir[:0], dir...), id
	return id
}

// put puts a file, directory, symbolic link or device.
func (r *layerReader) put(id nodeID, kind Kind, h *tarHeader) error {
	a := attributes{
		kind: kind, mode: uint16(h.Mode) & modeBits, uid: uint32(h.UID), gid: uint32(h.GID),
	}
	if kind != Directory || r.tree.at(id).kind != Directory {
		r.lastDirID = 0
	}
	if len(r.latest) > 0 && r.tree.at(id).flags&present != 0 {
		r.replaceSecrets()
	}
	switch kind {
	case Symlink:
		a.link = r.tree.names.add(hideTarget(h.Link))
	case File:
		a.size = h.Size
		r.note(id, uint32(r.entries))
		r.noteName()
		if h.Caps {
			a.mode |= capable
		}
		var err error
		if a, err = r.file(a, h); err != nil {
			r.tree.put(id, a, 0)
			return err
		}
	}
	r.tree.put(id, a, 0)
	return nil
}

// putHardLink gives a path the attributes of another. A target that this layer
// does not have so far is in the layers below.
func (r *layerReader) putHardLink(id nodeID, h *tarHeader) {
	var out bool
	r.target, out = cleanPath(r.target[:0], h.Link)
	if out {
		r.noteEscape(h.Link)
	}
	r.target, _ = hideNames(r.target)
	target := r.tree.follow(r.target, false)
	r.lastDirID = 0
	if target == 0 || target == id {
		r.tree.put(id, attributes{kind: File, link: r.tree.names.add(r.target)}, hardLink)
		return
	}
	n := r.tree.at(target)
	if n.kind == Directory {
		r.problems.add("%s: a hard link to a directory: left out", r.name())
		return
	}
	r.linked(id, target)
	r.tree.put(id, n.attributes, n.flags&hardLink)
}
