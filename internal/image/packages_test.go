package image

import (
	"bytes"
	"debug/elf"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// memory is a file system for a test: absolute path to content. A content that
// begins with "-> " is a symbolic link, a path that ends in a slash a directory.
type memory map[string]string

func (m memory) tree(t testing.TB) *Tree {
	t.Helper()
	b := newTreeBuilder()
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range m {
			if !yield(name) {
				return
			}
		}
	}) {
		content := m[name]
		switch target, isLink := strings.CutPrefix(content, "-> "); {
		case isLink:
			b.link(name, target)
		case strings.HasSuffix(name, "/"):
			b.node(strings.TrimSuffix(name, "/"), Directory)
		default:
			b.file(name, 0o755, []byte(content))
		}
	}
	return b.tree
}

// treeOf reads a directory of this machine as if it were an image of one layer.
func treeOf(t testing.TB, root string) *Tree {
	t.Helper()
	b := newTreeBuilder()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(file, root)
		switch {
		case name == "":
		case d.IsDir():
			b.node(name, Directory)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(file)
			if err != nil {
				return err
			}
			b.link(name, target)
		case d.Type().IsRegular():
			info, err := d.Info()
			if err != nil {
				return err
			}
			b.regular(t, name, file, info)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.tree
}

type treeBuilder struct {
	tree  *Tree
	table *interests
	layer uint16
	inode map[uint64]uint32 // content of files with several names
}

func newTreeBuilder() *treeBuilder {
	return &treeBuilder{tree: newTree(), table: newInterests(packageInterests()), inode: map[uint64]uint32{}}
}

func (b *treeBuilder) node(name string, kind Kind) *node {
	at := rootID
	parts := strings.Split(strings.Trim(name, "/"), "/")
	for i, part := range parts {
		id := b.tree.findOrAdd(at, []byte(part))
		n := b.tree.at(id)
		if n.flags&linked == 0 {
			n.next, b.tree.at(at).first = b.tree.at(at).first, id
			n.flags |= linked | present
			n.kind = Directory
		}
		if i == len(parts)-1 {
			n.kind = kind
			n.layer = b.layer
		}
		at = id
	}
	return b.tree.at(at)
}

func (b *treeBuilder) link(name, target string) {
	n := b.node(name, Symlink)
	n.link = b.tree.names.add([]byte(target))
}

func (b *treeBuilder) regular(t testing.TB, name, file string, info fs.FileInfo) {
	t.Helper()
	n := b.node(name, File)
	stat, hasStat := info.Sys().(*syscall.Stat_t)
	if hasStat && stat.Nlink > 1 {
		if content, ok := b.inode[stat.Ino]; ok {
			n.content = content
			return
		}
	}
	if b.table.find([]byte(name[1:])) < 0 && info.Mode()&0o111 == 0 {
		return
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b.file(name, uint16(info.Mode().Perm()), data)
	if hasStat && stat.Nlink > 1 {
		b.inode[stat.Ino] = b.tree.at(b.tree.lookup(name)).content
	}
}

func (b *treeBuilder) file(name string, mode uint16, data []byte) {
	n := b.node(name, File)
	n.size, n.mode = int64(len(data)), mode
	i := b.table.find([]byte(name[1:]))
	if i < 0 && mode&0o111 != 0 && bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		i = b.elf(data)
	}
	if i < 0 {
		return
	}
	c := content{users: 1, path: name, bytes: data}
	if extract := b.table.table[i].Extract; extract != nil {
		found, err := extract(&FileContent{Path: name, Mode: mode, Size: n.size, ReaderAt: bytes.NewReader(data), bytes: data})
		c.bytes, c.found = nil, found
		if err != nil {
			c.problem = err.Error()
		}
	}
	b.tree.contents = append(b.tree.contents, c)
	n.content = uint32(len(b.tree.contents))
}

func (b *treeBuilder) elf(data []byte) int {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return -1
	}
	for _, i := range b.table.elf {
		for _, name := range b.table.table[i].ELF {
			if file.Section(name) != nil {
				return i
			}
		}
	}
	return -1
}

// A distribution's os-release says nothing of packages of another manager: they are
// held against no advisories of it.
func TestOtherManager(t *testing.T) {
	root := t.TempDir()
	writeFile(t, root+apkInstalled, "P:musl\nV:1.2.4-r2\nA:x86_64\n\n")
	writeFile(t, root+dpkgStatus, "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n\n")
	writeFile(t, root+rpmDirs[0]+"/"+rpmSQLite, string(fixture(t, "small.sqlite")))
	for _, test := range []struct{ id, apk, deb, rpm string }{
		{"debian", "Alpine", "Debian", "RPM"}, {"wolfi", "Wolfi", "Debian", "RPM"}, {"houselinux", "houselinux", "houselinux", "houselinux"},
		{"", "Alpine", "Debian", "RPM"}, {"fedora", "Alpine", "Debian", "Fedora"},
	} {
		got := map[string]string{}
		for _, p := range read(t, treeOf(t, root), Distro{ID: test.id, Version: "12"}) {
			got[p.Name] = p.Ecosystem
			if strings.HasPrefix(p.PURL, "pkg:rpm/") {
				got["rpm"] = p.Ecosystem
			}
		}
		if got["musl"] != test.apk || got["libc6"] != test.deb || got["rpm"] != test.rpm {
			t.Errorf("%s: %v", test.id, got)
		}
	}
	p, err := FromPURL("pkg:apk/alpine/musl@1.2.4-r2?distro=debian-12", Distro{ID: "debian", Version: "12"})
	if err != nil || p.Ecosystem != "Alpine" {
		t.Errorf("%+v %v", p, err)
	}
	p, err = FromPURL("pkg:apk/musl@1.2.4-r2", Distro{ID: "debian", Version: "12"})
	if err != nil || p.Ecosystem != "Alpine" {
		t.Errorf("%+v %v", p, err)
	}
}
