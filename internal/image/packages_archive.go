package image

import (
	"slices"
	"strings"
)

// otherArchives are the suffixes of zip archives that programs are run from as they are, in
// other languages than Java: functions and layers of a cloud, Python's.
var otherArchives = []string{".zip", ".pyz", ".pex"}

// notJar reports whether a file is called as an archive and is another thing: rar's, or
// what only its name makes a zip archive. Python's may begin with a line of a shell.
func notJar(file string, magic []byte) bool {
	return string(magic) == rarMagic || strings.HasSuffix(strings.ToLower(file), ".zip") && !strings.HasPrefix(string(magic), string(zipMagic))
}

// describesPackage reports whether a file in an archive is one by which a package manager
// says what it installed there.
func describesPackage(name string) bool {
	return strings.HasSuffix(name, "/METADATA") && pythonInstalled(name) || strings.HasSuffix(name, "/package.json") && npmInstalled("/"+name)
}

// described adds the package of such a file.
func (r *jarReader) described(text []byte, place string) {
	var found []Package
	var err error
	if strings.HasSuffix(place, "/METADATA") {
		found = parsePython(text, place)
	} else {
		found, err = parseNPM(text, place)
	}
	if err != nil {
		r.fail(place, err)
	}
	for _, p := range found {
		r.add(p)
	}
}

// withoutRepeated leaves out what a bill of materials in the image says of packages that
// were found themselves, or that another bill says.
func (r *packageReader) withoutRepeated() {
	key := func(p *Package) [3]string { return [3]string{p.Ecosystem, strings.ToLower(p.Name), p.Version} }
	seen := map[[3]string]bool{}
	for i := range r.packages {
		if p := &r.packages[i]; p.Evidence != ByBill {
			seen[key(p)] = true
		}
	}
	since, kept := r.since[:0], r.packages[:0]
	first := len(r.packages) - len(r.since) // of languages
	for i := range r.packages {
		p := &r.packages[i]
		if p.Evidence == ByBill {
			if seen[key(p)] {
				continue
			}
			seen[key(p)] = true
		}
		if i >= first {
			since = append(since, r.since[i-first])
		}
		kept = append(kept, *p)
	}
	clear(r.packages[len(kept):])
	r.packages, r.since = slices.Clip(kept), since
}
