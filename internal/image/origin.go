package image

// origins notes, while layers are laid over one another, which of them brought each
// package of a database that is one file for all: the first since when the database
// has the package in that version without a break. The layer that wrote the database
// last says nothing of what was in it before, and not all packages have files.
type origins struct {
	dpkg, apk database
}

// database is what a package database had after the last layer that changed it.
type database struct {
	files int // of the database that were there
	since map[originKey]int
}

type originKey struct{ name, version, arch string }

func keyOf(p *Package) originKey { return originKey{p.Name, p.Version, p.Arch} }

// note looks at what a layer made of the databases.
func (o *origins) note(t *Tree, layer int) {
	o.dpkg.note(t, layer, parseDpkg, dpkgStatus)
	o.apk.note(t, layer, parseApk, apkInstalled, apkUsrInstalled)
}

func (d *database) note(t *Tree, layer int, parse func([]byte, string, Distro) ([]Package, int), files ...string) {
	changed, there := false, 0
	for _, file := range files {
		if entry, ok := t.Resolve(file); ok {
			there++
			changed = changed || entry.Layer == layer
		}
	}
	if !changed && there == d.files {
		return
	}
	now := map[originKey]int{}
	for _, file := range files {
		data, _ := t.Content(file)
		packages, _ := parse(data, file, Distro{})
		for i := range packages {
			key := keyOf(&packages[i])
			if since, known := d.since[key]; known {
				now[key] = since
			} else {
				now[key] = layer
			}
		}
	}
	d.files, d.since = there, now
}

// of gives the layer that brought a package, other where that was not noted.
func (d *database) of(p *Package, other int) int {
	if layer, known := d.since[keyOf(p)]; known {
		return layer
	}
	return other
}
