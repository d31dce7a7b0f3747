package sbom

import (
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/image"
)

// The part of SPDX 2.3 that is written and read. Names are those of the format.
type (
	spdxDocument struct {
		Version       string             `json:"spdxVersion"`
		DataLicense   string             `json:"dataLicense"`
		ID            string             `json:"SPDXID"`
		Name          string             `json:"name"`
		Namespace     string             `json:"documentNamespace"`
		Comment       string             `json:"comment,omitempty"`
		Created       spdxCreation       `json:"creationInfo"`
		Packages      []spdxPackage      `json:"packages"`
		Relationships []spdxRelationship `json:"relationships"`
		Extracted     []spdxExtracted    `json:"hasExtractedLicensingInfos,omitempty"`
		Annotations   []spdxAnnotation   `json:"annotations,omitempty"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID               string           `json:"SPDXID"`
		Name             string           `json:"name"`
		VersionInfo      string           `json:"versionInfo,omitempty"`
		Purpose          string           `json:"primaryPackagePurpose,omitempty"`
		DownloadLocation string           `json:"downloadLocation"`
		FilesAnalyzed    bool             `json:"filesAnalyzed"`
		SourceInfo       string           `json:"sourceInfo,omitempty"`
		Summary          string           `json:"summary,omitempty"`
		Concluded        string           `json:"licenseConcluded"`
		Declared         string           `json:"licenseDeclared"`
		Copyright        string           `json:"copyrightText"`
		Checksums        []spdxChecksum   `json:"checksums,omitempty"`
		Refs             []spdxRef        `json:"externalRefs,omitempty"`
		Annotations      []spdxAnnotation `json:"annotations,omitempty"`
	}
	spdxChecksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	spdxRef struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		From    string `json:"spdxElementId"`
		Type    string `json:"relationshipType"`
		To      string `json:"relatedSpdxElement"`
		Comment string `json:"comment,omitempty"`
	}
	spdxExtracted struct {
		ID      string `json:"licenseId"`
		Name    string `json:"name"`
		Text    string `json:"extractedText"`
		Comment string `json:"comment,omitempty"`
	}
	spdxAnnotation struct {
		Date      string `json:"annotationDate"`
		Type      string `json:"annotationType"`
		Annotator string `json:"annotator"`
		Comment   string `json:"comment"`
	}
)

const (
	spdxDocumentID = "SPDXRef-DOCUMENT"
	spdxImageID    = "SPDXRef-Image"
	spdxSystemID   = "SPDXRef-OperatingSystem"
	noAssertion    = "NOASSERTION"
)

// SPDX writes an image as SPDX 2.3 in JSON. The format has no place for
// vulnerabilities, and none for files without a SHA-1.
func SPDX(w io.Writer, img *image.Image, o Options) error {
	d := spdxDocument{Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: spdxDocumentID, Name: nameOf(img), Packages: []spdxPackage{spdxImage(img)}}
	d.Created.Creators = []string{"Tool: " + o.Tool + "-" + o.Version}
	d.relate(spdxDocumentID, "DESCRIBES", spdxImageID)
	if s := img.Distro; s.ID != "" {
		system := spdxElement(spdxSystemID, s.ID, s.Version, "OPERATING_SYSTEM")
		system.Summary = s.Name
		d.Packages = append(d.Packages, system)
		d.relate(spdxImageID, "CONTAINS", spdxSystemID)
	}
	l := newLicenses()
	owners := map[string]string{}
	for i := range img.Packages {
		p, id := &img.Packages[i], fmt.Sprintf("SPDXRef-Package-%d", i+1)
		d.Packages = append(d.Packages, spdxOf(img, p, id, l))
		d.relate(spdxImageID, "CONTAINS", id)
		if owners[p.Name] == "" && !p.OfLanguage() {
			owners[p.Name] = id
		}
	}
	for i := range img.Packages {
		if owner := owners[img.Packages[i].OwnedBy]; owner != "" {
			d.relate(owner, "CONTAINS", fmt.Sprintf("SPDXRef-Package-%d", i+1))
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(l.refs)) {
		d.Extracted = append(d.Extracted, spdxExtracted{ref, l.refs[ref], l.refs[ref], "The name that packages state; its text was not read."})
	}
	for _, p := range unreadable(img) {
		d.Annotations = append(d.Annotations, spdxAnnotation{Comment: p.Name + "=" + p.Value})
	}
	id, err := identifier(&d)
	if err != nil {
		return fmt.Errorf("SPDX: %w", err)
	}
	d.Namespace, d.Created.Created = "https://ullage.dev/spdx/"+url.PathEscape(nameOf(img))+"-"+id, o.timestamp()
	d.annotate(o.timestamp(), d.Created.Creators[0])
	if err := encode(w, &d); err != nil {
		return fmt.Errorf("SPDX: %w", err)
	}
	return nil
}

func (d *spdxDocument) relate(from, how, to string) {
	d.Relationships = append(d.Relationships, spdxRelationship{From: from, Type: how, To: to})
}

// annotate completes annotations with what is the same of all.
func (d *spdxDocument) annotate(date, who string) {
	complete := func(list []spdxAnnotation) {
		for i := range list {
			list[i].Date, list[i].Type, list[i].Annotator = date, "OTHER", who
		}
	}
	complete(d.Annotations)
	for i := range d.Packages {
		complete(d.Packages[i].Annotations)
	}
}

func spdxElement(id, name, version, purpose string) spdxPackage {
	return spdxPackage{ID: id, Name: name, VersionInfo: version, Purpose: purpose, DownloadLocation: noAssertion, Concluded: noAssertion, Declared: noAssertion, Copyright: noAssertion}
}

func spdxImage(img *image.Image) spdxPackage {
	p := spdxElement(spdxImageID, nameOf(img), img.Manifest, "CONTAINER")
	if digest, ok := strings.CutPrefix(img.Manifest, "sha256:"); ok {
		p.Checksums = []spdxChecksum{{"SHA256", digest}}
	}
	if u := imagePURL(img); u != "" {
		p.Refs = []spdxRef{{"PACKAGE-MANAGER", "purl", u}}
	}
	for _, property := range imageProperties(img) {
		p.Annotations = append(p.Annotations, spdxAnnotation{Comment: property.Name + "=" + property.Value})
	}
	return p
}

func spdxOf(img *image.Image, p *image.Package, id string, l *licenses) spdxPackage {
	purpose := "LIBRARY"
	if p.Main {
		purpose = "APPLICATION"
	}
	s := spdxElement(id, p.Name, p.Version, purpose)
	s.Declared = l.declared(p.Licenses)
	if p.Source != "" || p.SourceVersion != "" {
		source := p.Source
		if source == "" {
			source = p.Name
		}
		s.SourceInfo = strings.TrimSpace("built from the source package " + source + " " + p.SourceVersion)
	}
	if p.PURL != "" {
		s.Refs = []spdxRef{{"PACKAGE-MANAGER", "purl", p.PURL}}
	}
	for _, property := range propertiesOf(img, p) {
		s.Annotations = append(s.Annotations, spdxAnnotation{Comment: property.Name + "=" + property.Value})
	}
	return s
}
