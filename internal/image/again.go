package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"ullage.dev/ullage/internal/credential"
)

// manner is how a file is looked at because of its name.
type manner struct {
	interest  int  // place in the table, -1 for none
	installed bool // a package.json that a package manager put there
	form      int  // in which secrets are searched for
}

func (p *layerPass) mannerOf(path []byte) manner {
	m := manner{interest: p.interests.find(path)}
	name := "/" + string(path)
	if m.interest >= 0 {
		m.installed = strings.HasSuffix(name, "/package.json") && npmInstalled(name)
	}
	if p.secrets {
		m.form = credential.Form(name)
	}
	return m
}

// anew says whether a file that was looked at under one path, and is there under
// another too, has to be looked at again as that. What stands in a program does
// not depend on its name.
func (p *layerPass) anew(path, seen []byte, a attributes) bool {
	m, before := p.mannerOf(path), p.mannerOf(seen)
	if m.interest >= 0 {
		return m.interest != before.interest || m.installed != before.installed
	}
	return p.secrets && a.mode&native == 0 && credential.Closer("/"+string(path), "/"+string(seen))
}

// lookAgain is a path of a layer whose file stood there under another name when it
// passed by, so that it was not looked at as what it is under this one.
type lookAgain struct {
	id    nodeID
	path  string
	entry uint32 // of the layer, from 1: the one that has the content
}

// mostAgain bounds the paths of one layer that are looked at a second time.
const mostAgain = 200_000

// note remembers which entry has the content of a path.
func (r *layerReader) note(id nodeID, entry uint32) {
	for int(id) >= len(r.entryOf) {
		r.entryOf = append(r.entryOf, make([]uint32, nodesAChunk)...)
		r.charge(4 * nodesAChunk)
	}
	r.entryOf[id] = entry
}

func (r *layerReader) noted(id nodeID) uint32 {
	if int(id) >= len(r.entryOf) {
		return 0
	}
	return r.entryOf[id]
}

// linked notes that the path of the entry is a hard link to a file of this layer.
func (r *layerReader) linked(id, target nodeID) {
	entry := r.noted(target)
	r.note(id, entry)
	if entry == 0 || !r.waiting[target] && !r.anew(r.path, []byte(r.tree.path(target)[1:]), r.tree.at(target).attributes) {
		return
	}
	r.wait(id, string(r.path), entry)
}

// wait lets a path be looked at in a second pass.
func (r *layerReader) wait(id nodeID, path string, entry uint32) {
	if len(r.again) >= mostAgain {
		r.notAgain("/" + path)
		return
	}
	if r.waiting == nil {
		r.waiting = map[nodeID]bool{}
	}
	r.waiting[id] = true
	r.charge(int64(len(path)) + nodeCost)
	r.again = append(r.again, lookAgain{id, path, entry})
}

func (read *layerRead) notAgain(path string) {
	read.problems.add("%s: another name of a file that cannot be read a second time: not looked at under this name", path)
}

// databasePaths are where package databases are looked for. A directory on the way
// may be a symbolic link.
func databasePaths() (files, dirs []string) {
	files = []string{dpkgStatus, dpkgDiversions, apkInstalled, apkUsrInstalled}
	for _, dir := range rpmDirs {
		for _, name := range []string{rpmSQLite, rpmWAL, rpmNDB, rpmBDB} {
			files = append(files, dir+"/"+name)
		}
	}
	return files, []string{dpkgStatusDir, dpkgInfo}
}

// behindLinks calls visit for each file of a package database that is reached
// through a symbolic link and was not looked at under its real path.
func (r *layerReader) behindLinks(visit func(id nodeID, path string)) {
	files, dirs := databasePaths()
	check := func(id nodeID, path string) {
		n := r.tree.at(id)
		if n.kind == File && n.content == 0 && n.flags&hardLink == 0 && !r.waiting[id] && r.interests.find([]byte(path[1:])) >= 0 {
			visit(id, path[1:])
		}
	}
	for _, path := range files {
		if id := r.tree.follow([]byte(path), true); id != 0 && r.tree.path(id) != path {
			check(id, path)
		}
	}
	for _, dir := range dirs {
		id := r.tree.follow([]byte(dir), true)
		if id == 0 || r.tree.at(id).kind != Directory || r.tree.path(id) == dir {
			continue
		}
		for _, kid := range r.tree.children(id) {
			check(kid, dir+"/"+string(r.tree.names.get(r.tree.at(kid).name)))
		}
	}
}

// settle keeps the paths that are to be looked at again and still stand for the
// same entry.
func (r *layerReader) settle() {
	r.behindLinks(func(id nodeID, path string) {
		if entry := r.noted(id); entry != 0 {
			r.wait(id, path, entry)
		}
	})
	kept := r.again[:0]
	for _, a := range r.again {
		if r.tree.at(a.id).flags&present != 0 && r.noted(a.id) == a.entry {
			kept = append(kept, a)
		}
	}
	r.again = kept
}

// reopen returns a reader over a layer that was read before, of which nothing is
// hashed any more.
func (p *layerPass) reopen(ctx context.Context, index int, blob io.Reader, result *layerRead) (r *layerReader, closeRaw func(), err error) {
	counted := &countingReader{ctx: ctx, r: blob}
	raw, closeRaw, err := decompress(counted)
	if err != nil {
		return nil, nil, err
	}
	s := newStream(&countingReader{ctx: ctx, r: raw})
	s.grown = p.limits.leave(counted)
	tar := newTarReader(s)
	return &layerReader{layerPass: p, layerRead: result, index: index, tar: tar, data: tar}, closeRaw, nil
}

// readAgain reads a layer once more, as far as files of it have to be looked at
// under other names. Few layers have such files.
func (p *layerPass) readAgain(ctx context.Context, index int, blob io.Reader, result *layerRead) error {
	r, closeRaw, err := p.reopen(ctx, index, blob, result)
	if err != nil {
		return err
	}
	defer closeRaw()
	defer r.done()
	tar := r.tar
	wanted := map[uint32][]lookAgain{}
	for _, a := range result.again {
		wanted[a.entry] = append(wanted[a.entry], a)
	}
	for entry := uint32(1); len(wanted) > 0; entry++ {
		h, err := tar.next()
		if err != nil {
			return unexpected(err)
		}
		if names := wanted[entry]; names != nil {
			delete(wanted, entry)
			if err := r.underEach(names, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// underEach looks at a file under each of its names, once for those under which it
// is looked at in the same manner.
func (r *layerReader) underEach(names []lookAgain, h *tarHeader) error {
	var order []manner
	groups := map[manner][]lookAgain{}
	for _, a := range names {
		m := r.mannerOf([]byte(a.path))
		if groups[m] == nil {
			order = append(order, m)
		}
		groups[m] = append(groups[m], a)
	}
	header := *h
	var held *heldFile
	if len(order) > 1 && h.Size <= elfWhole {
		held = &heldFile{all: make([]byte, h.Size)}
		r.budget.take(r.index, h.Size)
		defer r.budget.give(h.Size)
		if err := r.data.contents(held.all); err != nil {
			return err
		}
		header.Sparse, header.Parts = false, nil
	}
	for i, m := range order {
		if i > 0 && held == nil {
			for _, a := range groups[m] {
				r.notAgain("/" + a.path)
			}
			continue
		}
		if err := r.underOne(groups[m], m, &header, held); err != nil {
			return err
		}
	}
	return nil
}

// underOne looks at a file under the first of some names, and takes the result for
// the others.
func (r *layerReader) underOne(names []lookAgain, m manner, h *tarHeader, held *heldFile) error {
	if held != nil {
		before := r.data
		r.data = &heldFile{all: held.all}
		defer func() { r.data = before }()
	}
	first, found := names[0], len(r.search.Files)
	r.path = append(r.path[:0], first.path...)
	a, err := r.file(r.tree.at(first.id).attributes.withoutContent(m), h)
	if err != nil {
		return fmt.Errorf("%s: %w", r.name(), err)
	}
	hits := r.search.Files[found:]
	for i, name := range names {
		of := r.tree.at(name.id).attributes
		if m.interest >= 0 {
			of.content = a.content
		}
		r.tree.put(name.id, of, 0)
		for k := 0; i > 0 && k < len(hits); k++ {
			same := hits[k]
			same.Path, same.Omitted = "/"+name.path, 0
			r.noteSecrets(same)
		}
	}
	return nil
}

func (a attributes) withoutContent(m manner) attributes {
	if m.interest >= 0 {
		a.content = 0
	}
	return a
}

// heldFile is a file in memory.
type heldFile struct {
	all []byte
	at  int
}

func (f *heldFile) begin(n int) []byte { return f.all[f.at:min(f.at+n, len(f.all))] }

func (f *heldFile) contents(p []byte) error { return f.data(p) }

func (f *heldFile) data(p []byte) error {
	n := copy(p, f.all[f.at:])
	if f.at += n; n < len(p) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (f *heldFile) pass(n int64) error {
	if n > int64(len(f.all)-f.at) {
		return io.ErrUnexpectedEOF
	}
	f.at += int(n)
	return nil
}

// secondPass reads a layer again where that is needed and can be done. What cannot
// be looked at is told. The error is that of the context.
func (p *layerPass) secondPass(ctx context.Context, index int, open func(context.Context) (io.ReadCloser, error), read *layerRead) error {
	if len(read.again) == 0 {
		return nil
	}
	blob, err := open(ctx)
	if err == nil {
		err = p.readAgain(ctx, index, blob, read)
		err = errors.Join(err, blob.Close())
	}
	if cause := ctx.Err(); err != nil && cause != nil {
		return cause
	}
	if err != nil {
		read.complete = false
		read.problems.add("%s and other second names of files were not looked at: %v", "/"+read.again[0].path, err)
	}
	read.again = nil
	return nil
}

// cannotRepeat tells of the files of a layer that passed by and cannot be read again.
func (read *layerRead) cannotRepeat() {
	for _, a := range read.again {
		read.notAgain("/" + a.path)
	}
	read.again = nil
}

// lookedAtAs tells whether a hard link to a file of a lower layer shares what was
// found in that.
func (s *squash) lookedAtAs(link, target string, a attributes) bool {
	if s.pass == nil || !s.pass.anew([]byte(link[1:]), []byte(target[1:]), a) {
		return true
	}
	if a.content == 0 {
		return false
	}
	path := s.tree.contents[a.content-1].path
	return !s.pass.anew([]byte(link[1:]), bytes.TrimPrefix([]byte(path), []byte("/")), a)
}
