package image

import (
	"slices"
	"strings"
)

// owned turns what packages say that they own into paths as a container sees
// them: links on the way followed, directories left out, and what is not there.
type owned struct {
	tree *Tree
	left int    // paths that may still be given for directories
	dir  string // the last one that was looked up: lists go through directories in turn
	id   nodeID
	real string // path of that directory, without a slash at its end
	// links are the symbolic links that stand where a package has a directory with
	// something in it, as /lib does where /usr is merged.
	links map[string]bool
}

// mostUnder bounds what directories are expanded to in one image, as many packages
// can claim one large directory. Real images stay below a million.
const mostUnder = 4 << 20

func newOwned(t *Tree) *owned {
	return &owned{tree: t, id: rootID, left: mostUnder, links: map[string]bool{}}
}

// files gives the real paths of those that are there and are no directory, sorted,
// each once. nil stays nil: it is not known. So do more than there is room for. The last name of a path is not
// followed: a link is owned as a link.
func (o *owned) files(paths []string) []string {
	if paths == nil {
		return nil
	}
	files := make([]string, 0, len(paths))
	stated := 0
	for _, p := range paths {
		stated += len(p)
	}
	room := roomFor(stated)
	for _, p := range paths {
		i := strings.LastIndexByte(p, '/')
		if i < 0 || i == len(p)-1 {
			continue
		}
		o.enter(p[:i])
		if o.id == 0 {
			continue
		}
		id := o.tree.child(o.id, []byte(p[i+1:]))
		if id == 0 || o.tree.at(id).kind == Directory {
			continue
		}
		if !room.take(len(o.real) + len(p) - i) {
			return nil
		}
		if o.real != p[:i] {
			p = o.real + p[i:]
		}
		files = append(files, p)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

func (o *owned) enter(dir string) {
	if dir == o.dir {
		return
	}
	o.dir = dir
	o.real = ""
	if o.id = o.tree.follow([]byte(dir), true); o.id > rootID {
		o.real = o.tree.path(o.id)
	}
	if o.real == dir {
		return
	}
	for dir != "" {
		if id := o.tree.follow([]byte(dir), false); id != 0 && o.tree.at(id).kind == Symlink {
			o.links[o.tree.path(id)] = true
		}
		dir = dir[:max(0, strings.LastIndexByte(dir, '/'))]
	}
}

// withoutDirectories leaves out what some package has as a directory and the image
// as a link: dpkg's lists do not tell one from the other.
func (o *owned) withoutDirectories(files []string) []string {
	return slices.DeleteFunc(files, func(file string) bool { return o.links[file] })
}

// under gives all below a directory that is no directory, sorted, without what is
// in directories of the name skip. It gives nil, which is not known, once
// directories have given more than there is room for.
func (o *owned) under(dir, skip string) []string {
	files := []string{}
	id := o.tree.follow([]byte(dir), true)
	if id == 0 {
		return files
	}
	var walk func(id nodeID, path string)
	walk = func(id nodeID, path string) {
		for _, kid := range o.tree.children(id) {
			if o.left--; o.left < 0 {
				return
			}
			n := o.tree.at(kid)
			name := string(o.tree.names.get(n.name))
			if n.kind != Directory {
				files = append(files, path+"/"+name)
			} else if name != skip {
				walk(kid, path+"/"+name)
			}
		}
	}
	walk(id, strings.TrimSuffix(o.tree.path(id), "/"))
	if o.left < 0 {
		return nil
	}
	slices.Sort(files)
	return files
}

// markOwned notes for each package of a language the distribution's package that
// brought the file which describes it. Since says for each from which layer that file has
// said so: what came in a later layer than the distribution's package is not what the
// distribution built, whoever the path belongs to.
func markOwned(distribution, language []Package, since []int) {
	describes := map[string][]int{}
	for i, p := range language {
		file, _, _ := strings.Cut(p.Where[0], "!/")
		describes[file] = append(describes[file], i)
	}
	for _, p := range distribution {
		for _, file := range p.Files {
			for _, i := range describes[file] {
				if since[i] <= p.Layer {
					language[i].OwnedBy = p.Name
				}
			}
		}
	}
}

// ownPrograms notes for each program the package that owns it: the distribution's
// before a language's. A program's own module owns it, not those it was built from.
func ownPrograms(programs []Program, packages []Package) {
	places := make(map[string]int, len(programs))
	for i, p := range programs {
		places[p.Path] = i
	}
	for _, language := range []bool{false, true} {
		for _, p := range packages {
			if p.OfLanguage() != language || (p.Ecosystem == "Go" || p.Ecosystem == "crates.io") && !p.Main {
				continue
			}
			for _, file := range p.Files {
				if i, ok := places[file]; ok && programs[i].Package == "" {
					programs[i].Package = p.Name
				}
			}
		}
	}
}
