package sbom

import (
	"fmt"
	"io"
	"strings"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/vuln"
)

// The part of CycloneDX that is written and read. Names are those of the format.
type (
	cdxDocument struct {
		Schema          string             `json:"$schema,omitempty"`
		Format          string             `json:"bomFormat"`
		SpecVersion     string             `json:"specVersion"`
		Serial          string             `json:"serialNumber,omitempty"`
		Version         int                `json:"version"`
		Metadata        cdxMetadata        `json:"metadata"`
		Components      []cdxComponent     `json:"components"`
		Compositions    []cdxComposition   `json:"compositions"`
		Vulnerabilities []cdxVulnerability `json:"vulnerabilities,omitempty"`
	}
	cdxMetadata struct {
		Timestamp  string       `json:"timestamp,omitempty"`
		Tools      cdxTools     `json:"tools"`
		Component  cdxComponent `json:"component"`
		Properties []property   `json:"properties,omitempty"`
	}
	cdxTools struct {
		Components []cdxComponent `json:"components"`
	}
	cdxComponent struct {
		Type        string       `json:"type"`
		Ref         string       `json:"bom-ref,omitempty"`
		Group       string       `json:"group,omitempty"`
		Name        string       `json:"name"`
		Version     string       `json:"version,omitempty"`
		Description string       `json:"description,omitempty"`
		Hashes      []cdxHash    `json:"hashes,omitempty"`
		Licenses    []cdxLicense `json:"licenses,omitempty"`
		PURL        string       `json:"purl,omitempty"`
		Evidence    *cdxEvidence `json:"evidence,omitempty"`
		Properties  []property   `json:"properties,omitempty"`
	}
	cdxHash struct {
		Alg     string `json:"alg"`
		Content string `json:"content"`
	}
	cdxLicense struct {
		License    *cdxLicenseName `json:"license,omitempty"`
		Expression string          `json:"expression,omitempty"`
	}
	cdxLicenseName struct {
		ID   string `json:"id,omitempty"`
		Name string `json:"name,omitempty"`
	}
	cdxEvidence struct {
		Occurrences []cdxOccurrence `json:"occurrences,omitempty"`
	}
	cdxOccurrence struct {
		Location string `json:"location"`
	}
	cdxComposition struct {
		Aggregate  string   `json:"aggregate"`
		Assemblies []string `json:"assemblies"`
	}
)

// What the image and its system are called within a document.
const (
	imageRef  = "image"
	systemRef = "operating-system"
)

// CycloneDX writes an image as CycloneDX 1.6 in JSON, with the vulnerabilities
// found in it; found is nil when it was not matched.
func CycloneDX(w io.Writer, img *image.Image, found *vuln.Result, o Options) error {
	withFiles := o.Files.of(img)
	d := cdxDocument{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: cdxMetadata{
			Tools:      cdxTools{[]cdxComponent{{Type: "application", Name: o.Tool, Version: o.Version}}},
			Component:  cdxImage(img),
			Properties: append(unreadable(img), notMatched(found)...),
		},
		Components:   []cdxComponent{},
		Compositions: []cdxComposition{{"complete", []string{imageRef}}},
	}
	if len(img.Problems) > 0 {
		d.Compositions[0].Aggregate = "incomplete"
	}
	d.Metadata.Properties = append(d.Metadata.Properties, property{propertyFiles, map[bool]string{true: filesWritten, false: filesLeftOut}[withFiles]})
	if s := img.Distro; s.ID != "" {
		d.Components = append(d.Components, cdxComponent{Type: "operating-system", Ref: systemRef, Name: s.ID, Version: s.Version, Description: s.Name})
	}
	refs := references(img)
	l := newLicenses()
	for i := range img.Packages {
		d.Components = append(d.Components, cdxPackage(img, i, refs[i], l, withFiles))
	}
	if found != nil {
		d.Vulnerabilities = cdxVulnerabilities(img, found, refs)
	}
	id, err := identifier(&d)
	if err != nil {
		return fmt.Errorf("CycloneDX: %w", err)
	}
	d.Serial, d.Metadata.Timestamp = "urn:uuid:"+id, o.timestamp()
	if err := encode(w, &d); err != nil {
		return fmt.Errorf("CycloneDX: %w", err)
	}
	return nil
}

func cdxImage(img *image.Image) cdxComponent {
	c := cdxComponent{Type: "container", Ref: imageRef, Name: nameOf(img), Version: img.Manifest, PURL: imagePURL(img)}
	if digest, ok := strings.CutPrefix(img.Manifest, "sha256:"); ok {
		c.Hashes = []cdxHash{{"SHA-256", digest}}
	}
	c.Properties = imageProperties(img)
	return c
}

// references names each package within the document: by its package URL, with a
// number behind it where several have the same.
func references(img *image.Image) []string {
	refs, taken := make([]string, len(img.Packages)), map[string]int{}
	for i := range img.Packages {
		p := &img.Packages[i]
		ref := p.PURL
		if ref == "" {
			ref = "package:" + p.Ecosystem + ":" + p.Name + "@" + p.Version
		}
		if taken[ref]++; taken[ref] > 1 {
			ref = fmt.Sprintf("%s#%d", ref, taken[ref])
		}
		refs[i] = ref
	}
	return refs
}

func cdxPackage(img *image.Image, i int, ref string, l *licenses, withFiles bool) cdxComponent {
	p := &img.Packages[i]
	c := cdxComponent{Type: "library", Ref: ref, Version: p.Version, PURL: p.PURL, Licenses: cdxLicenses(l.all(p.Licenses)), Properties: propertiesOf(img, p)}
	if p.Main {
		c.Type = "application"
	}
	c.Group, c.Name = grouped(p)
	if withFiles && p.Files != nil {
		c.Evidence = &cdxEvidence{[]cdxOccurrence{}}
		for _, file := range p.Files {
			c.Evidence.Occurrences = append(c.Evidence.Occurrences, cdxOccurrence{file})
		}
	}
	return c
}

// grouped divides the name of a package where its ecosystem does.
func grouped(p *image.Package) (group, name string) {
	switch p.Ecosystem {
	case "Maven":
		if group, name, ok := strings.Cut(p.Name, ":"); ok {
			return group, name
		}
	case "npm", "Packagist":
		if group, name, ok := strings.Cut(p.Name, "/"); ok {
			return group, name
		}
	}
	return "", p.Name
}

// cdxLicenses writes licences: the format takes either one expression or a list of
// names.
func cdxLicenses(all []license) []cdxLicense {
	if len(all) == 1 && all[0].id == "" && all[0].expression != "" {
		return []cdxLicense{{Expression: all[0].expression}}
	}
	var list []cdxLicense
	for _, x := range all {
		named := &cdxLicenseName{ID: x.id}
		if x.id == "" {
			named.Name = x.name
		}
		list = append(list, cdxLicense{License: named})
	}
	return list
}
