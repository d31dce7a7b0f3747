// Package sbom writes what is in an image as a software bill of materials, CycloneDX
// 1.6 or SPDX 2.3 in JSON, and reads such bills as images.
//
// Written bills are deterministic: the same image and options give the same bytes.
// What is not known is not stated, and a bill of an image with problems says that
// it is incomplete. Read bills are bounded in size, depth and number of packages;
// what of one cannot be mapped is a problem of the image or told as a note.
package sbom

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/purl"
	"ullage.dev/ullage/internal/vuln"
)

// Options say what is written.
type Options struct {
	Time    time.Time // of the bill, in whole seconds; the only thing that tells two of one image apart
	Tool    string    // name and version of the program that writes it
	Version string
	Files   Files
}

// Files says whether the files that packages own are written.
type Files uint8

// The choices. Only CycloneDX carries files: SPDX wants a SHA-1 of each.
const (
	SomeFiles Files = iota // when there are at most MostFiles
	AllFiles
	NoFiles
)

// MostFiles is up to how many files [SomeFiles] writes. They take about 3 MB.
const MostFiles = 50_000

func (f Files) of(img *image.Image) bool {
	switch f {
	case AllFiles:
		return true
	case NoFiles:
		return false
	}
	n := 0
	for i := range img.Packages {
		n += len(img.Packages[i].Files)
	}
	return n <= MostFiles
}

// Properties that are ours in both formats.
const (
	propertyIndex    = "ullage:image:index"
	propertyManifest = "ullage:image:manifest"
	propertyConfig   = "ullage:image:config"
	propertyPlatform = "ullage:image:platform"
	propertyLayer    = "ullage:layer:diffID"
	propertyWhere    = "ullage:where"
	propertyOwner    = "ullage:ownedBy"
	propertyMain     = "ullage:main"
	propertyEvidence = "ullage:identityFrom" // absent where the package states it
	propertyFiles    = "ullage:files"        // filesWritten or filesLeftOut
	filesWritten     = "written"
	filesLeftOut     = "left out"
	propertyProblem  = "ullage:problem"
	propertyNoData   = "ullage:vulnerabilities:noData"
	propertyVulns    = "ullage:vulnerabilities"
	propertyEco      = "ullage:ecosystem" // of a package without a package URL
)

// property is a name and a value, which CycloneDX has and annotations of SPDX are
// used for.
type property struct {
	Name  string `json:"name" xml:"name,attr"`
	Value string `json:"value" xml:",chardata"`
}

// imageProperties are the names of an image and the layers that it is made of, from
// the lowest.
func imageProperties(img *image.Image) []property {
	var list []property
	for _, p := range []property{{propertyIndex, img.Index}, {propertyManifest, img.Manifest}, {propertyConfig, img.Identity.Config}, {propertyPlatform, img.Platform}} {
		if p.Value != "" {
			list = append(list, p)
		}
	}
	for i := range img.Layers {
		list = append(list, property{propertyLayer, img.Layers[i].DiffID})
	}
	return list
}

// propertiesOf says of a package what neither format has a field for.
func propertiesOf(img *image.Image, p *image.Package) []property {
	var list []property
	if p.Layer >= 0 && p.Layer < len(img.Layers) && img.Layers[p.Layer].DiffID != "" {
		list = append(list, property{propertyLayer, img.Layers[p.Layer].DiffID})
	}
	for _, where := range p.Where {
		list = append(list, property{propertyWhere, where})
	}
	if p.OwnedBy != "" {
		list = append(list, property{propertyOwner, p.OwnedBy})
	}
	if p.Main {
		list = append(list, property{propertyMain, "true"})
	}
	if p.Evidence != image.Stated {
		list = append(list, property{propertyEvidence, string(p.Evidence)})
	}
	if p.PURL == "" {
		list = append(list, property{propertyEco, p.Ecosystem})
	}
	return list
}

// unreadable says what of the image is missing from the bill.
func unreadable(img *image.Image) []property {
	var list []property
	for _, p := range img.Problems {
		list = append(list, property{propertyProblem, p.String()})
	}
	return list
}

// notMatched says of which packages no advisories are known.
func notMatched(found *vuln.Result) []property {
	if found == nil {
		return []property{{propertyVulns, "not known: not matched against advisories"}}
	}
	var list []property
	for _, scope := range found.NoData {
		list = append(list, property{propertyNoData, scope})
	}
	return list
}

// nameOf is what a bill calls an image: what it was asked for as or, of an archive that
// says which image it holds, that image's own name.
func nameOf(img *image.Image) string {
	if img.Repository == "" && !img.Bill {
		return cmp.Or(img.Name, img.Reference)
	}
	return img.Reference
}

// imagePURL names an image that came from a registry by its digest; "" for another.
func imagePURL(img *image.Image) string {
	version := cmp.Or(img.Manifest, img.Index)
	if img.Repository == "" || version == "" {
		return ""
	}
	u := purl.URL{Type: "oci", Name: path.Base(img.Repository), Version: version}
	if _, arch, ok := strings.Cut(img.Platform, "/"); ok {
		arch, _, _ = strings.Cut(arch, "/")
		u.Set("arch", arch)
	}
	u.Set("repository_url", img.Repository)
	return u.String()
}

// identifier makes a UUID of the content of a bill, so that the same image has the
// same one (version 8 of RFC 9562).
func identifier(content any) (string, error) {
	hash := sha256.New()
	if err := json.NewEncoder(hash).Encode(content); err != nil {
		return "", err
	}
	b := hash.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

func (o *Options) timestamp() string { return o.Time.UTC().Format("2006-01-02T15:04:05Z") }

func encode(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(document)
}
