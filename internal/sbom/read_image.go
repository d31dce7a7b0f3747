package sbom

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/purl"
	"ullage.dev/ullage/internal/vuln"
)

// image makes an image of what was read.
func (b *bill) image() *image.Image {
	img := &image.Image{Bill: true, Reference: cmp.Or(b.root.name, b.name)}
	b.identity(img)
	img.Distro = b.distro()
	layers := map[string]int{}
	for i := range img.Layers {
		if _, known := layers[img.Layers[i].DiffID]; !known {
			layers[img.Layers[i].DiffID] = i
		}
	}
	var nameless, unreadable, sourceless []string
	states := b.statesSources()
	for i := range b.components {
		c := &b.components[i]
		p, err := c.pack(img.Distro)
		switch {
		case err != nil:
			unreadable = append(unreadable, err.Error())
			continue
		case p.Ecosystem == "":
			if strings.ToLower(c.kind) != "application" { // of a lock file or the like
				nameless = append(nameless, cmp.Or(strings.TrimSpace(c.name+" "+c.version), "one without a name"))
			}
			continue
		}
		if c.lacksSource(&p, states) {
			sourceless = append(sourceless, p.Name+" "+p.Version)
		}
		p.Layer = b.layer(c, layers, img)
		switch {
		case c.evidence && b.root.property(propertyFiles) == filesWritten: // others list what else they please
			p.Files = append([]string{}, c.occurrences...)
		case b.owned[c.id] != nil:
			p.Files = b.filesOf(c.id)
		}
		p.OwnedBy = cmp.Or(p.OwnedBy, b.brought[c.id])
		img.Packages = append(img.Packages, p)
	}
	b.disown(img.Packages)
	slices.SortStableFunc(img.Packages, func(a, b image.Package) int {
		return cmp.Or(strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch), slices.Compare(a.Where, b.Where), strings.Compare(a.PURL, b.PURL))
	})
	img.Packages = slices.CompactFunc(img.Packages, func(a, b image.Package) bool { return reflect.DeepEqual(a, b) }) // listed twice, not there twice
	for _, text := range b.problems {
		img.Problems = append(img.Problems, model.Problem{Reason: text})
	}
	img.Problems = append(img.Problems, gathered(nameless, "has no package URL and cannot be matched", "have no package URL and cannot be matched")...)
	img.Problems = append(img.Problems, gathered(unreadable, "is a package URL that cannot be read", "are package URLs that cannot be read")...)
	img.Problems = append(img.Problems, gathered(sourceless, "does not say of which source package it is built, and advisories speak of these", "do not say of which source packages they are built, and advisories speak of these")...)
	return img
}

// lacksSource reports whether advisories on a package are by its source package and
// the bill does not name that. Of deb and apk it is left out where the names are the same, by who
// states it otherwise; of rpm it has another form, so that it is either there or not known.
func (c *component) lacksSource(p *image.Package, states bool) bool {
	u, err := purl.Parse(c.purl)
	if err != nil || u.Get("upstream") != "" || c.property("aquasecurity:trivy:SrcName") != "" {
		return false
	}
	switch u.Type {
	case "deb", "apk":
		return !states && vuln.IsDistribution(p.Ecosystem)
	case "rpm":
		return u.Name != "gpg-pubkey" && vuln.BySource(p.Ecosystem)
	}
	return false
}

// creator takes one of the creators of an SPDX document.
func (b *bill) creator(text string) {
	name := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(text, "Tool:")))
	b.states = b.states || strings.HasPrefix(name, "syft") || strings.HasPrefix(name, "trivy") || strings.HasPrefix(name, "ullage")
}

// statesSources reports whether who wrote the bill states source packages of deb and apk: it does
// so of one, or it was written by a program that does.
func (b *bill) statesSources() bool {
	return b.states || slices.ContainsFunc(b.components, func(c component) bool {
		u, err := purl.Parse(c.purl)
		return err == nil && (u.Type == "deb" || u.Type == "apk") && u.Get("upstream") != "" || slices.ContainsFunc(c.properties, func(p property) bool {
			return strings.HasPrefix(p.Name, "syft:") || strings.HasPrefix(p.Name, "aquasecurity:trivy:") || strings.HasPrefix(p.Name, "ullage:")
		})
	})
}

// gathered makes one problem of many alike, naming the first ones.
func gathered(names []string, one, many string) []model.Problem {
	const shown = 5
	switch n := len(names); {
	case n == 0:
		return nil
	case n == 1:
		return []model.Problem{{Reason: names[0] + " " + one}}
	case n > shown:
		return []model.Problem{{Reason: fmt.Sprintf("%d components %s: %s and %d more", n, many, strings.Join(names[:shown], ", "), n-shown)}}
	default:
		return []model.Problem{{Reason: fmt.Sprintf("%d components %s: %s", n, many, strings.Join(names, ", "))}}
	}
}

// identity takes the digests and layers that a bill names, in our words and those
// of others.
func (b *bill) identity(img *image.Image) {
	r := &b.root
	img.Index, img.Platform = r.property(propertyIndex), r.property(propertyPlatform)
	img.Identity.Config = cmp.Or(r.property(propertyConfig), r.property("aquasecurity:trivy:ImageID"))
	img.Manifest = r.property(propertyManifest)
	if img.Manifest == "" && strings.HasPrefix(r.version, "sha256:") {
		img.Manifest = r.version
	}
	if u, err := purl.Parse(r.purl); err == nil && u.Type == "oci" {
		img.Repository = u.Get("repository_url")
		if img.Manifest == "" && strings.HasPrefix(u.Version, "sha256:") {
			img.Manifest = u.Version
		}
	}
	for _, id := range slices.Concat(r.all(propertyLayer), r.all("aquasecurity:trivy:DiffID")) {
		img.Layers = append(img.Layers, image.Layer{DiffID: id})
	}
	b.problems = append(b.problems, r.all(propertyProblem)...)
}

// distro is the one of the operating system's components or, without one, of the
// package URLs. Of several it is none: then only the name says which, and a package
// that does not say whose it is, is nobody's.
func (b *bill) distro() image.Distro {
	known := map[string]image.Distro{}
	for i := range b.systems {
		s := &b.systems[i]
		d := image.Distro{
			ID: image.DistroID(cmp.Or(s.property("syft:distro:id"), s.name)), Version: cmp.Or(s.property("syft:distro:versionID"), s.version),
			Name: cmp.Or(s.property("syft:distro:prettyName"), s.text),
		}
		if d.ID != "" {
			known[d.ID+" "+d.Version] = d
		}
	}
	if len(known) == 0 {
		for i := range b.components {
			if u, err := purl.Parse(b.components[i].purl); err == nil && (u.Type == "deb" || u.Type == "apk" || u.Type == "rpm") {
				if d := image.DistroOfPURL(&u); d.ID != "" {
					known[d.ID+" "+d.Version] = d
				}
			}
		}
	}
	names := slices.Sorted(maps.Keys(known))
	switch len(names) {
	case 0:
		return image.Distro{}
	case 1:
		return known[names[0]]
	}
	const shown = 5
	more := ""
	if len(names) > shown {
		more = fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return image.Distro{Name: "several: " + strings.Join(names[:min(len(names), shown)], ", ") + more}
}

// pack makes a package of a component; its ecosystem is "" when nothing says it.
func (c *component) pack(d image.Distro) (image.Package, error) {
	p := image.Package{Ecosystem: c.property(propertyEco), Name: c.fullName(), Version: c.version}
	if c.purl != "" {
		read, err := image.FromPURL(c.purl, d)
		if err != nil {
			return p, err
		}
		if full := c.fullName(); strings.EqualFold(full, read.Name) { // some level the case of Go modules
			read.Name = full
		}
		if read.Version == "" && c.version != "UNKNOWN" { // which is what Syft writes
			read.Version = c.version
		}
		p = read
	}
	for _, name := range c.licenses {
		if name != "" && name != noAssertion && name != "NONE" {
			p.Licenses = append(p.Licenses, name)
		}
	}
	p.Main = c.property(propertyMain) == "true"
	p.Evidence = image.Evidence(c.property(propertyEvidence))
	p.OwnedBy = c.property(propertyOwner)
	p.Where = c.all(propertyWhere)
	if path := c.property("aquasecurity:trivy:FilePath"); path != "" {
		p.Where = append(p.Where, path)
	}
	for _, q := range c.properties {
		if strings.HasPrefix(q.Name, "syft:location:") && strings.HasSuffix(q.Name, ":path") {
			p.Where = append(p.Where, q.Value)
		}
	}
	if source := c.property("aquasecurity:trivy:SrcName"); source != "" {
		c.trivySource(&p, source)
	}
	return p, nil
}

func (c *component) fullName() string {
	switch {
	case c.group == "":
		return c.name
	case strings.HasPrefix(c.purl, "pkg:maven/") || c.property(propertyEco) == "Maven":
		return c.group + ":" + c.name
	}
	return c.group + "/" + c.name
}

func (c *component) trivySource(p *image.Package, source string) {
	version := c.property("aquasecurity:trivy:SrcVersion")
	if release := c.property("aquasecurity:trivy:SrcRelease"); release != "" {
		version += "-" + release
	}
	if epoch := c.property("aquasecurity:trivy:SrcEpoch"); epoch != "" && epoch != "0" {
		version = epoch + ":" + version
	}
	p.Source, p.SourceVersion = source, version
	if source == p.Name {
		p.Source = ""
	}
	if version == p.Version {
		p.SourceVersion = ""
	}
}

// layer is the one that brought a component, -1 when the bill does not say.
func (b *bill) layer(c *component, layers map[string]int, img *image.Image) int {
	id := cmp.Or(c.property(propertyLayer), c.property("aquasecurity:trivy:LayerDiffID"), c.property("syft:location:0:layerID"))
	if id == "" {
		return -1
	}
	i, known := layers[id]
	if !known {
		i = len(img.Layers)
		layers[id] = i
		img.Layers = append(img.Layers, image.Layer{DiffID: id})
	}
	return i
}

func (b *bill) filesOf(id string) []string {
	files := []string{}
	for _, f := range b.owned[id] {
		if name := b.files[f]; name != "" {
			if !strings.HasPrefix(name, "/") {
				name = "/" + strings.TrimPrefix(name, "./")
			}
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// disown lets go of owners that are no package of the distribution.
func (b *bill) disown(packages []image.Package) {
	owners := map[string]bool{}
	for i := range packages {
		if !packages[i].OfLanguage() {
			owners[packages[i].Name] = true
		}
	}
	for i := range packages {
		if p := &packages[i]; p.OwnedBy != "" && (!owners[p.OwnedBy] || !p.OfLanguage()) {
			p.OwnedBy = ""
		}
	}
}
