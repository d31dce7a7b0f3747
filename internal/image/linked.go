package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
)

// A hard link of a layer to a file of a lower one gives that another name, as which it
// was not looked at. The lower layer is read once more for it, as far as that can be
// done and few layers are.

// linkedBelow is such a link.
type linkedBelow struct {
	path   string // of the link, without a slash at its start, as the target
	target string
	layer  int // that brought the file
}

// mostPasses bounds how often layers of an image are read once more for such links.
const mostPasses = 8

// readLinked looks at what the links of a layer that was just added lead to.
func (img *Image) readLinked(ctx context.Context, s *Source, sum *squash, layer int) error {
	links := sum.below
	sum.below = nil
	for len(links) > 0 {
		from := links[0].layer
		of := func(l linkedBelow) bool { return l.layer == from }
		mine := slices.DeleteFunc(slices.Clone(links), func(l linkedBelow) bool { return !of(l) })
		links = slices.DeleteFunc(links, of)
		again, err := img.readBelow(ctx, s, sum, layer, mine)
		if err != nil {
			return err
		}
		links = append(links, again...)
	}
	return nil
}

// readBelow reads one lower layer for links to its files. Links to what are links there
// themselves are returned, with what those lead to.
func (img *Image) readBelow(ctx context.Context, s *Source, sum *squash, layer int, links []linkedBelow) (again []linkedBelow, err error) {
	source := &s.layers[links[0].layer]
	sum.passes++
	if sum.passes > mostPasses || len(links) > mostAgain || source.open == nil || source.read != nil {
		sum.notBelow(layer, links)
		return nil, nil
	}
	b := belowReader{wanted: map[string][]lookAgain{}, leads: map[string]string{}, seen: map[string]bool{}}
	read := &layerRead{tree: newTree()}
	for _, l := range links {
		id := read.tree.makeFile([]byte(l.path))
		if id == 0 {
			continue
		}
		if at := sum.tree.follow([]byte(l.path), false); at != 0 {
			a := sum.tree.at(at).attributes
			a.content, a.link = 0, 0
			read.tree.put(id, a, 0)
		}
		b.wanted[l.target] = append(b.wanted[l.target], lookAgain{id: id, path: l.path})
	}
	blob, err := source.open(ctx)
	if err == nil {
		err = errors.Join(b.read(ctx, sum.pass, layer, blob, read), blob.Close())
	}
	if cause := ctx.Err(); err != nil && cause != nil {
		return nil, cause
	}
	sum.take(read, links)
	img.addSecrets(sum.tree, layer, &read.search)
	sum.pass.budget.give(read.charged)
	missed := slices.DeleteFunc(links, func(l linkedBelow) bool { return b.seen[l.target] })
	for _, l := range missed {
		if to := b.leads[l.target]; to != "" && err == nil {
			again = append(again, linkedBelow{l.path, to, l.layer})
		} else {
			sum.notBelow(layer, []linkedBelow{l})
		}
	}
	img.addProblems("", read.problems)
	return again, nil
}

// notBelow tells of links that were not looked at.
func (s *squash) notBelow(layer int, links []linkedBelow) {
	for _, l := range links {
		s.problems.add("layer %d: /%s: a hard link to /%s of a lower layer: not looked at under this name", layer+1, l.path, l.target)
	}
}

// take gives links what was found in the files that they lead to.
func (s *squash) take(read *layerRead, links []linkedBelow) {
	m := merge{squash: s, from: read.tree, to: s.tree, fresh: true, contents: make([]uint32, len(read.tree.contents)+1)}
	for _, l := range links {
		from, to := read.tree.follow([]byte(l.path), false), s.tree.follow([]byte(l.path), false)
		if from == 0 || to == 0 || read.tree.at(from).content == 0 {
			continue
		}
		a := s.tree.at(to).attributes
		a.content = m.bring(read.tree.at(from).content)
		s.tree.put(to, a, 0)
	}
}

// belowReader reads a layer for some of its files.
type belowReader struct {
	wanted map[string][]lookAgain // by path in the layer
	leads  map[string]string      // those that are hard links there, to what
	seen   map[string]bool        // those that were looked at
}

func (b *belowReader) read(ctx context.Context, p *layerPass, index int, blob io.Reader, result *layerRead) error {
	r, closeRaw, err := p.reopen(ctx, index, blob, result)
	if err != nil {
		return err
	}
	defer closeRaw()
	defer r.done()
	tar := r.tar
	var path []byte
	for {
		h, err := tar.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path, _ = cleanPath(path[:0], h.Name)
		names := b.wanted[string(path)]
		if names == nil {
			continue
		}
		b.forget(string(path), names, r)
		switch h.Type {
		case typeHardLink:
			to, _ := cleanPath(nil, h.Link)
			b.leads[string(path)] = string(to)
		case typeFile:
			b.seen[string(path)] = true
			if err := r.underEach(names, h); err != nil {
				return err
			}
		}
	}
}

// forget drops what was found of an entry, in the place of which there is another.
func (b *belowReader) forget(path string, names []lookAgain, r *layerReader) {
	delete(b.leads, path)
	if !b.seen[path] {
		return
	}
	delete(b.seen, path)
	for _, name := range names {
		a := r.tree.at(name.id).attributes
		a.content = 0
		r.tree.put(name.id, a, 0)
		r.search.Files = slices.DeleteFunc(r.search.Files, func(f secretFile) bool { return f.Path == "/"+name.path })
	}
	r.latest = nil // places in the list
}

// makeFile returns a node for a file at a path, with directories on the way.
func (t *Tree) makeFile(path []byte) nodeID {
	dir, base := splitPath(path)
	parent := rootID
	if len(dir) > 0 {
		parent = t.makeWay(dir, true)
	}
	if parent == 0 || len(bytes.TrimSpace(base)) == 0 {
		return 0
	}
	return t.findOrAdd(parent, base)
}
