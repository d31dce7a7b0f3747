package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// openRoot takes a directory as the file system of an image with one layer.
func openRoot(dir string) (*Source, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Source{closer: root, layers: []layerSource{{
		name: dir,
		walk: func(ctx context.Context, p *layerPass, index int) (*layerRead, error) {
			return p.readDir(ctx, index, root, false)
		},
	}}}, nil
}

// readDir reads a directory as if it were a layer. What may not be read is a
// problem. Other file systems that are mounted at /proc, /sys and /dev are not
// entered. Overlay says that it is a layer as overlay file systems have it.
func (p *layerPass) readDir(ctx context.Context, index int, root *os.Root, overlay bool) (*layerRead, error) {
	result := &layerRead{tree: newTree(), complete: true}
	w := dirWalk{
		layerReader: layerReader{layerPass: p, layerRead: result, index: index},
		ctx:         ctx, root: root, links: map[fileID]nodeID{}, lookedAt: map[lookedAt]nodeID{}, overlay: overlay,
	}
	defer w.done()
	if info, err := root.Stat("."); err == nil {
		w.device, _ = identify(info)
		w.attributes(rootID, Directory, info, "")
	}
	err := w.directory(".")
	w.behind()
	if cause := ctx.Err(); cause != nil {
		return nil, cause
	}
	if err != nil {
		result.complete = false
		result.problems.add("%v", err)
	}
	return result, nil
}

// fileID tells files of one machine apart; two names with the same are hard links.
type fileID struct{ device, inode uint64 }

type dirWalk struct {
	layerReader
	ctx      context.Context
	root     *os.Root
	device   fileID
	links    map[fileID]nodeID // the first name of each
	lookedAt map[lookedAt]nodeID
	overlay  bool
	head     []byte // memory for the beginnings of files
}

// directory reads what a directory holds. An error ends the walk.
func (w *dirWalk) directory(name string) error {
	f, err := w.root.Open(name)
	if err != nil {
		w.problems.add("/%s: %v", name, reason(err))
		return nil
	}
	if w.overlay && hides(f) {
		w.hide([]byte(strings.TrimPrefix(name, ".")), nil, []byte(opaqueMarker))
	}
	list, err := f.ReadDir(-1)
	_ = f.Close()
	if err != nil {
		w.problems.add("/%s: %v", name, reason(err))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range list {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.admit(); err != nil {
			return err
		}
		if err := w.one(path.Join(name, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (w *dirWalk) one(name string) error {
	info, err := w.root.Lstat(name)
	if err != nil {
		w.problems.add("/%s: %v", name, reason(err))
		return nil
	}
	if len(name) > w.limits.Path {
		w.problems.add("a path of %d bytes: left out", len(name))
		return nil
	}
	if w.whiteout(name, info) {
		return nil
	}
	kind, link := kindOfMode(info.Mode()), ""
	if kind == 0 { // a socket, which no image can hold
		return nil
	}
	if kind == Symlink {
		if link, err = w.root.Readlink(name); err != nil || len(link) > w.limits.Path {
			w.problems.add("/%s: %v", name, reason(err))
			return nil
		}
	}
	shown, _ := hideNames([]byte(name))
	dir, base := splitPath(shown)
	id := w.tree.makeWay(dir, true)
	if id == 0 {
		return nil // replaced while it was read
	}
	id = w.tree.findOrAdd(id, base)
	w.attributes(id, kind, info, link)
	file, links := identify(info)
	switch {
	case kind == Directory && file.device != w.device.device && (name == "proc" || name == "sys" || name == "dev"):
	case kind == Directory:
		return w.directory(name)
	case kind == File && links > 1:
		w.linkedFile(id, name, file, info)
	case kind == File:
		w.content(id, name, name, info)
	}
	return nil
}

// lookedAt is a file with several names that was looked at in a manner.
type lookedAt struct {
	fileID
	manner
}

// linkedFile looks at a file once in each manner that its names ask for.
func (w *dirWalk) linkedFile(id nodeID, name string, file fileID, info fs.FileInfo) {
	first, key := w.links[file], lookedAt{file, w.mannerOf([]byte(name))}
	switch same := w.lookedAt[key]; {
	case same != 0:
		w.tree.put(id, w.tree.at(same).attributes, 0)
		return
	case first != 0 && !w.anew([]byte(name), []byte(w.tree.path(first)[1:]), w.tree.at(first).attributes):
		w.tree.put(id, w.tree.at(first).attributes, 0)
		return
	case first == 0:
		w.links[file] = id
	}
	w.content(id, name, name, info)
	w.lookedAt[key] = id
}

// behind looks at the files of package databases that are behind symbolic links.
func (w *dirWalk) behind() {
	w.behindLinks(func(id nodeID, path string) {
		name := w.tree.path(id)[1:]
		info, err := w.root.Lstat(name)
		if err != nil {
			w.problems.add("/%s: %v", name, reason(err))
			return
		}
		w.content(id, name, path, info)
	})
}

func (w *dirWalk) attributes(id nodeID, kind Kind, info fs.FileInfo, link string) {
	a := attributes{kind: kind, mode: modeOf(info.Mode())}
	a.uid, a.gid = owner(info)
	if kind == File {
		a.size = info.Size()
	}
	a.link = w.tree.names.add(hideTarget([]byte(link)))
	w.tree.put(id, a, 0)
}

// content looks at a regular file as at one in a layer that is called so.
func (w *dirWalk) content(id nodeID, name, as string, info fs.FileInfo) {
	w.path, w.inName = hideNames(append(w.path[:0], as...))
	w.noteName()
	f := &dirFile{open: func() (*os.File, error) { return w.root.Open(name) }, head: &w.head}
	defer f.close()
	w.data = f
	a, err := w.file(w.tree.at(id).attributes, &tarHeader{Size: info.Size()})
	if err = errors.Join(err, f.err); err != nil {
		w.problems.add("/%s: %v", name, reason(err))
	}
	if f.f != nil && attribute(f.f, "security.capability") != "" {
		a.mode |= capable
	}
	w.tree.put(id, a, 0)
}

// reason leaves the path of this machine out of an error.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func kindOfMode(m fs.FileMode) Kind {
	switch m.Type() {
	case 0:
		return File
	case fs.ModeDir:
		return Directory
	case fs.ModeSymlink:
		return Symlink
	case fs.ModeDevice:
		return BlockDevice
	case fs.ModeDevice | fs.ModeCharDevice:
		return CharDevice
	case fs.ModeNamedPipe:
		return FIFO
	}
	return 0
}

func modeOf(m fs.FileMode) uint16 {
	bits := uint16(m.Perm())
	for _, b := range []struct {
		flag fs.FileMode
		bit  uint16
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.flag != 0 {
			bits |= b.bit
		}
	}
	return bits
}

// dirFile reads a file that is opened when something of it is wanted.
type dirFile struct {
	open func() (*os.File, error)
	head *[]byte // memory for begin, of all files
	f    *os.File
	at   int64
	err  error
}

func (d *dirFile) ready() bool {
	if d.f == nil && d.err == nil {
		d.f, d.err = d.open()
	}
	return d.err == nil
}

func (d *dirFile) close() {
	if d.f != nil {
		_ = d.f.Close()
	}
}

func (d *dirFile) begin(n int) []byte {
	if !d.ready() {
		return nil
	}
	if len(*d.head) < n {
		*d.head = make([]byte, n)
	}
	read, err := d.f.ReadAt((*d.head)[:n], d.at)
	if err != nil && !errors.Is(err, io.EOF) {
		d.err = err
		return nil
	}
	return (*d.head)[:read]
}

func (d *dirFile) contents(p []byte) error { return d.data(p) }

func (d *dirFile) data(p []byte) error {
	if !d.ready() {
		return d.err
	}
	read, err := d.f.ReadAt(p, d.at)
	d.at += int64(read)
	if read < len(p) {
		return fmt.Errorf("it changed while it was read: %w", unexpected(err))
	}
	return nil
}

func (d *dirFile) pass(n int64) error {
	d.at += n
	return nil
}
