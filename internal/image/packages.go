package image

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/credential"
	"ullage.dev/ullage/internal/model"
)

// packageInterests are the files that packages are read from. Databases are kept,
// as only the last layer's counts; what describes one package by itself is read
// while it passes by. Only what is installed is looked for, never what a project
// says that it wants: no lock file, no pom.xml, no requirements.txt.
func packageInterests() []Interest {
	const megabyte = 1 << 20
	table := []Interest{
		{Directory: dpkgStatus[1:strings.LastIndexByte(dpkgStatus, '/')], Name: "status", Keep: keepStanzas},
		{Directory: dpkgDiversions[1:strings.LastIndexByte(dpkgDiversions, '/')], Name: "diversions", Keep: keepDiversions},
		{Directory: dpkgStatusDir[1:], Keep: keepStatusDir},
		{Directory: dpkgInfo[1:], Suffix: ".list", Keep: keepPaths},
		{Directory: dpkgInfo[1:], Suffix: ".md5sums", Keep: keepDigests},
		{Directory: docDir[1:], Name: "copyright", Extract: extractCopyright},
		{Directory: path.Dir(apkInstalled)[1:], Name: path.Base(apkInstalled), Keep: keepApk},
		{Directory: path.Dir(apkUsrInstalled)[1:], Name: path.Base(apkUsrInstalled), Keep: keepApk},

		{ELF: []string{goSection, rustSection}, Extract: extractBinary},
		{Name: "package.json", Most: 16 * megabyte, Extract: extractNPM},
		{Name: "METADATA", Most: 16 * megabyte, Extract: extractPython},
		{Name: "PKG-INFO", Most: 16 * megabyte, Extract: extractPython},
		{Suffix: ".egg-info", Most: 16 * megabyte, Extract: extractPython},
		{Suffix: ".egg", Most: 64 * megabyte, Extract: extractEgg},
		{Name: ".pnp.cjs", Extract: extractPlugAndPlay},
		{Suffix: ".json", Parent: "conda-meta", Most: 64 * megabyte, Extract: extractConda},
		{Name: "RECORD", Most: 64 * megabyte, Keep: keepRecord},
		{Name: "installed-files.txt", Most: 64 * megabyte, Keep: keepInstalledFiles},
		{Suffix: ".gemspec", Most: 16 * megabyte, Extract: extractGem},
		{Name: "installed.json", Most: 16 * megabyte, Extract: extractComposer},
		{Suffix: ".deps.json", Most: 16 * megabyte, Extract: extractDotNet},
	}
	for _, dir := range rpmDirs {
		for _, name := range []string{rpmSQLite, rpmWAL, rpmNDB, rpmBDB} {
			table = append(table, Interest{Directory: dir[1:], Name: name})
		}
	}
	for _, suffix := range slices.Concat(javaArchives, otherArchives) {
		table = append(table, Interest{Suffix: suffix, Archive: suffix == javaArchives[0], Most: 4 << 30, Extract: extractJar, Stream: streamJar, Whole: jarWhole})
	}
	for _, suffix := range billSuffixes {
		table = append(table, Interest{Suffix: suffix, Most: 16 * megabyte, Extract: extractBill})
	}
	return table
}

// addPackages finds the packages, notes which of them own the programs, and what
// could not be read of them.
func (img *Image) addPackages(t *Tree) {
	packages, problems := readPackages(t, img.Distro)
	img.Packages = packages
	img.Problems = append(img.Problems, problems...)
	if p, missing := missingDatabase(img.Distro, packages); missing {
		img.Problems = append(img.Problems, p)
	}
	for _, f := range t.Found() {
		if f.Problem != "" {
			img.Problems = append(img.Problems, model.Problem{Place: model.Place{File: f.Paths[0]}, Reason: f.Problem})
		}
	}
	ownPrograms(img.Programs, img.Packages)
}

// missingDatabase tells of a distribution of which no package is there: its database
// was deleted, is empty or is elsewhere, and what is installed is not known.
func missingDatabase(d Distro, packages []Package) (model.Problem, bool) {
	manager := d.manager()
	if manager == "" || slices.ContainsFunc(packages, func(p Package) bool { return !p.OfLanguage() }) {
		return model.Problem{}, false
	}
	return model.Problem{Reason: fmt.Sprintf("os-release says %s, and no package database of %s has a package: what the distribution installed is not known", cmp.Or(d.Name, d.ID), manager)}, true
}

// readPackages gives the packages that are installed in the image in the end,
// sorted, each with what it owns. A database that is damaged becomes a problem,
// and what it says before the damage counts. Problems of files that were read in
// the pass are not repeated.
func readPackages(t *Tree, d Distro) ([]Package, []model.Problem) {
	r := packageReader{tree: t, distro: d, owned: newOwned(t)}
	r.dpkg()
	r.distroless()
	r.apk()
	r.rpm()
	distribution := len(r.packages)
	r.found()
	r.withoutRepeated()
	markOwned(r.packages[:distribution], r.packages[distribution:], r.since)
	hideSecrets(r.packages[:distribution])
	slices.SortStableFunc(r.packages, func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Name, b.Name),
			strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch), slices.Compare(a.Where, b.Where))
	})
	return r.packages, r.problems
}

// hideSecrets takes credentials out of what packages say of themselves: their texts
// go into every bill of materials, and into the store.
func hideSecrets(packages []Package) {
	for i := range packages {
		p := &packages[i]
		for k, license := range p.Licenses {
			p.Licenses[k], _ = credential.RedactCommand(license)
		}
		for k, where := range p.Where {
			p.Where[k], _ = credential.RedactPath(where)
		}
		for _, text := range []*string{&p.Name, &p.Version, &p.Source, &p.SourceVersion, &p.Module} {
			if credential.In(*text) != "" {
				*text, p.PURL = credential.Mask, ""
			}
		}
	}
}

// room bounds the bytes of the paths that are made of a database. A hostile one can
// state a long directory once and short names in it without end.
type room int

// roomFor is ample for a database of so many bytes: in real ones, what else is said
// of each file takes more than its path.
func roomFor(bytes int) room { return room(8*bytes + 1<<16) }

// take says whether there was room left.
func (r *room) take(bytes int) bool {
	*r -= room(bytes)
	return *r >= 0
}

type packageReader struct {
	tree     *Tree
	distro   Distro
	owned    *owned
	packages []Package
	since    []int // of each package of a language: the layer from which its file has said so
	problems []model.Problem
}

func (r *packageReader) problem(file string, err error) {
	r.problems = append(r.problems, model.Problem{
		Place:  model.Place{File: file},
		Reason: "package database: " + err.Error(),
	})
}

// damaged tells of lines and records of a database that say nothing: what is
// installed by them is not known.
func (r *packageReader) damaged(file string, n int) {
	if n > 0 {
		r.problem(file, fmt.Errorf("%d lines or records are damaged, and what they stand for is not known", n))
	}
}

func (r *packageReader) dpkg() {
	status, ok := r.tree.Content(dpkgStatus)
	if !ok {
		return
	}
	diversions, _ := r.tree.Content(dpkgDiversions)
	diverted := parseDiversions(diversions)
	layer := r.layer(dpkgStatus)
	packages, damaged := parseDpkg(status, dpkgStatus, r.distro.withManager("deb"))
	r.damaged(dpkgStatus, damaged)
	for _, p := range packages {
		p.Layer = layer
		for _, name := range infoNames(p) {
			file := dpkgInfo + "/" + name + ".list"
			if list, ok := r.tree.Content(file); ok {
				// The list is written when the package is, the status file whenever
				// any package is.
				p.Files, p.Layer = parseList(list), r.layer(file)
				break
			}
			if sums, ok := r.tree.Content(dpkgInfo + "/" + name + ".md5sums"); ok {
				p.Files = parseMD5Sums(sums)
				break
			}
		}
		if o := r.tree.origins; o != nil {
			p.Layer = o.dpkg.of(&p, p.Layer)
		}
		divert(p.Files, p.Name, diverted)
		p.Files = r.owned.files(p.Files)
		r.packages = append(r.packages, p)
	}
	// Debian's base-files brings these as empty directories, and makes links of
	// them when it is installed.
	r.owned.links["/var/run"], r.owned.links["/var/lock"] = true, true
	for i := range r.packages {
		r.packages[i].Files = r.owned.withoutDirectories(r.packages[i].Files)
	}
}

// distroless reads the form of dpkg's database that has a file for each package.
func (r *packageReader) distroless() {
	for _, entry := range r.tree.List(dpkgStatusDir) {
		data, ok := r.tree.Content(entry.Path)
		if !ok || entry.Kind != File || strings.HasSuffix(entry.Path, ".md5sums") {
			continue
		}
		packages, damaged := parseDpkg(data, entry.Path, r.distro.withManager("deb"))
		r.damaged(entry.Path, damaged)
		for _, p := range packages {
			p.Layer = entry.Layer
			if sums, ok := r.tree.Content(entry.Path + ".md5sums"); ok {
				p.Files = r.owned.files(parseMD5Sums(sums))
			}
			r.packages = append(r.packages, p)
		}
	}
}

func (r *packageReader) apk() {
	seen := map[string]bool{}
	for _, file := range []string{apkInstalled, apkUsrInstalled} {
		// Where /lib leads to /usr/lib both are one file.
		entry, ok := r.tree.Resolve(file)
		if !ok || seen[entry.Path] {
			continue
		}
		seen[entry.Path] = true
		file = entry.Path
		data, _ := r.tree.Content(file)
		packages, damaged := parseApk(data, file, r.distro.withManager("apk"))
		r.damaged(file, damaged)
		for _, p := range packages {
			r.addWhole(p, entry.Layer)
			if o := r.tree.origins; o != nil {
				added := &r.packages[len(r.packages)-1]
				added.Layer = o.apk.of(added, added.Layer)
			}
		}
	}
}

func (r *packageReader) rpm() {
	seen, before := map[string]bool{}, len(r.packages)
	defer func() { sourceEpochs(r.packages[before:]) }()
	for _, dir := range rpmDirs {
		for _, name := range []string{rpmSQLite, rpmNDB, rpmBDB} {
			file := dir + "/" + name
			entry, ok := r.tree.Resolve(file)
			if !ok || seen[entry.Path] { // one directory can be a link to another
				continue
			}
			seen[entry.Path] = true
			db, ok := r.tree.Content(file)
			if !ok || len(db) == 0 {
				continue
			}
			wal, _ := r.tree.Content(dir + "/" + rpmWAL)
			if name != rpmSQLite {
				wal = nil
			}
			r.rpmDatabase(entry.Path, db, wal, entry.Layer)
		}
	}
}

func (r *packageReader) rpmDatabase(file string, db, wal []byte, layer int) {
	blobs, err := rpmBlobs(db, wal)
	if err != nil {
		r.problem(file, err)
	}
	var bad error
	for _, blob := range blobs {
		p, ok, err := parseRPMHeader(blob, file, r.distro.withManager("rpm"))
		if err != nil {
			bad = err
		}
		if ok {
			r.addWhole(p, layer)
		}
	}
	if bad != nil {
		r.problem(file, bad)
	}
}

// addWhole adds a package from a database that is one file for all packages, so
// that its layer says nothing. The layer that has most of the package's files is
// the one that brought it.
func (r *packageReader) addWhole(p Package, layer int) {
	p.Files = r.owned.files(p.Files)
	p.Layer = layer
	most := 0
	count := map[int]int{}
	for _, file := range p.Files {
		l := r.layer(file)
		count[l]++
		if count[l] > most || count[l] == most && l < p.Layer {
			p.Layer, most = l, count[l]
		}
	}
	r.packages = append(r.packages, p)
}

func (r *packageReader) layer(file string) int {
	entry, _ := r.tree.Lookup(file)
	if entry.Kind == 0 {
		entry, _ = r.tree.Resolve(file)
	}
	return entry.Layer
}

// found adds what was read in the pass: licences to the distribution's packages,
// and the packages of languages.
func (r *packageReader) found() {
	licenses := map[string][]string{}
	var found []Found
	for _, f := range r.tree.Found() {
		if path.Base(f.Read) == "copyright" {
			for _, p := range f.Packages {
				for _, file := range f.Paths {
					licenses[file] = p.Licenses
				}
			}
			continue
		}
		found = append(found, f)
	}
	for i := range r.packages {
		if p := &r.packages[i]; p.Licenses == nil {
			// A package's documentation can be a link to that of another.
			entry, _ := r.tree.Resolve(docDir + "/" + p.Name + "/copyright")
			p.Licenses = licenses[entry.Path]
		}
	}
	for _, f := range found {
		for _, p := range f.Packages {
			if p.Ecosystem == "npm" && p.Main && !r.installedInto(path.Dir(f.Paths[0])) {
				continue
			}
			r.since = append(r.since, p.Layer)
			r.packages = append(r.packages, r.language(p, f))
		}
	}
}

// UpgradeTo says what to upgrade so that a package is as a version of it, to follow the
// word upgrade: what the distribution brought is upgraded with its package, whose builds
// mend without changing the version of what is in them.
func (p *Package) UpgradeTo(version string) string {
	if p.OwnedBy != "" {
		return fmt.Sprintf("%s to a build of the distribution that has the fix of %s %s", p.OwnedBy, p.Name, version)
	}
	return cmp.Or(p.Source, p.Name) + " to " + version
}

// installedInto says whether npm installed packages into a directory.
func (r *packageReader) installedInto(dir string) bool {
	entry, ok := r.tree.Resolve(path.Join(dir, "node_modules"))
	return ok && entry.Kind == Directory
}

// extractCopyright reads the licences of a Debian package, as a package that has
// nothing else.
func extractCopyright(f *FileContent) ([]Package, error) {
	data, ok := f.Bytes()
	if !ok {
		return nil, nil // of licences only
	}
	if licenses := parseCopyright(data); len(licenses) > 0 {
		return []Package{{Licenses: licenses}}, nil
	}
	return nil, nil
}

// language gives a package that was read in the pass the paths that its file has
// in the end, and the files that it owns.
func (r *packageReader) language(p Package, f Found) Package {
	where := f.Paths[0]
	inner := strings.TrimPrefix(p.Where[0], f.Read) // what follows !/ in an archive
	p.Layer = f.Layer
	p.Where = []string{where + inner}
	switch p.Ecosystem {
	case "npm":
		if inner != "" {
			p.Files = f.Paths
		} else if !p.Main { // what else lies there need not be of the application
			p.Files = r.owned.under(path.Dir(where), "node_modules")
		}
	case "RubyGems":
		if files := r.owned.under(gemDirectory(where), ""); files != nil {
			p.Files = r.owned.files(append(files, where))
		}
	case "Packagist":
		p.Files = r.owned.under(p.Files[0], "")
	case "PyPI":
		if inner != "" {
			p.Files = f.Paths
		} else if path.Base(path.Dir(where)) == "EGG-INFO" {
			p.Files = r.owned.under(path.Dir(path.Dir(where)), "")
		} else if files := pythonFiles(r.tree.Content, where); files != nil {
			p.Files = r.owned.files(files)
		}
	case "NuGet", conda:
		p.Files = r.owned.files(p.Files)
	default:
		p.Files = f.Paths
	}
	return p
}
