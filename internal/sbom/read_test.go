package sbom

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ullage.dev/ullage/internal/image"
)

// told is what was read, in a form to compare.
func told(img *image.Image) []string {
	list := []string{fmt.Sprintf("%s of %s %s", img.Reference, img.Distro.ID, img.Distro.Version)}
	for i := range img.Packages {
		p := &img.Packages[i]
		line := fmt.Sprintf("%s %s %s", p.Ecosystem, p.Name, p.Version)
		if p.Source != "" || p.SourceVersion != "" {
			line += " from " + p.Source + " " + p.SourceVersion
		}
		if p.OwnedBy != "" {
			line += " in " + p.OwnedBy
		}
		list = append(list, line)
	}
	for _, p := range img.Problems {
		list = append(list, "problem: "+p.Reason)
	}
	return list
}

// TestSyft reads what Syft 1.57.0 wrote of one image in four forms.
func TestSyft(t *testing.T) {
	want := []string{
		"web.tar of debian 12",
		"Debian python3-jinja2 3.1.2-1 from jinja2 ",
		"Debian zlib1g 1:1.2.13.dfsg-1+b1 from zlib 1:1.2.13.dfsg-1",
		"Go example.com/Shop/web ", "Go github.com/BurntSushi/toml v1.6.0", "Go github.com/Masterminds/semver/v3 v3.5.0", "Go stdlib 1.26.8",
		"PyPI jinja2 3.1.2", "npm @babel/core 7.0.0", "npm JSONStream 1.3.5",
	}
	for _, name := range []string{"web.cdx.json", "web.cdx.xml", "web.spdx.json", "web.spdx"} {
		img, err := ReadFile(filepath.Join("testdata/syft", name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, told(img)); diff != "" {
			t.Errorf("%s (-want +read):\n%s", name, diff)
		}
	}
	img, err := ReadFile("testdata/syft/web.cdx.json")
	if err != nil || len(img.Layers) != 2 || img.Manifest == "" {
		t.Errorf("%d layers, manifest %q, %v", len(img.Layers), img.Manifest, err)
	}
}

// TestTrivy reads the form that Trivy writes: epochs beside versions, sources in
// properties, distributions under names of its own.
func TestTrivy(t *testing.T) {
	const text = `{"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
	"metadata": {"component": {"bom-ref": "x", "type": "container", "name": "registry.example/app:1", "purl": "pkg:oci/app@sha256:00?arch=amd64&repository_url=registry.example%2Fapp",
		"properties": [{"name": "aquasecurity:trivy:DiffID", "value": "sha256:aa"}, {"name": "aquasecurity:trivy:ImageID", "value": "sha256:bb"}]}},
	"components": [
		{"bom-ref": "os", "type": "operating-system", "name": "redhat", "version": "9.4"},
		{"bom-ref": "lock", "type": "application", "name": "app/package-lock.json", "properties": [{"name": "aquasecurity:trivy:Type", "value": "npm"}]},
		{"bom-ref": "p1", "type": "library", "name": "bash", "version": "5.1.8-6.el9", "purl": "pkg:rpm/redhat/bash@5.1.8-6.el9?arch=x86_64&distro=redhat-9.4&epoch=1",
			"licenses": [{"license": {"name": "GPLv3+"}}],
			"properties": [{"name": "aquasecurity:trivy:LayerDiffID", "value": "sha256:aa"}, {"name": "aquasecurity:trivy:SrcName", "value": "bash"}, {"name": "aquasecurity:trivy:SrcVersion", "value": "5.1.8"},
				{"name": "aquasecurity:trivy:SrcRelease", "value": "6.el9"}, {"name": "aquasecurity:trivy:SrcEpoch", "value": "1"}]},
		{"bom-ref": "p2", "type": "library", "group": "org.apache", "name": "commons", "version": "1", "purl": "pkg:maven/org.apache/commons@1", "components": [
			{"type": "library", "name": "inner", "version": "2", "purl": "pkg:npm/inner@2"}]},
		{"bom-ref": "p3", "type": "library", "name": "github.com/BurntSushi/toml", "version": "v1", "purl": "pkg:golang/github.com/burntsushi/toml@v1"},
		{"bom-ref": "p4", "type": "library", "name": "conan-thing", "version": "v1", "purl": "pkg:conan/conan-thing@v1"},
		{"bom-ref": "p5", "type": "library", "name": "nobody", "version": "1"}, {"type": "library", "name": "bad", "purl": "pkg:npm/%zz"}
	]}`
	img, err := Read(strings.NewReader(text), "t.json")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"registry.example/app:1 of rhel 9.4", "Go github.com/BurntSushi/toml v1", "Maven org.apache:commons 1", "Red Hat bash 1:5.1.8-6.el9", "conan conan-thing v1", "npm inner 2",
		"problem: nobody 1 has no package URL and cannot be matched", `problem: package URL "pkg:npm/%zz": it has a % without two hexadecimal digits behind it is a package URL that cannot be read`,
	}
	if diff := cmp.Diff(want, told(img)); diff != "" {
		t.Errorf("(-want +read):\n%s", diff)
	}
	if img.Packages[2].Layer != 0 || img.Identity.Config != "sha256:bb" || img.Manifest != "sha256:00" || img.Repository != "registry.example/app" {
		t.Errorf("layer %d, identity %+v", img.Packages[2].Layer, img.Identity)
	}
	deb := `{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "a", "packages": [
		{"SPDXID": "SPDXRef-1", "name": "zlib1g", "versionInfo": "1.2.13", "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:deb/debian/zlib1g@1.2.13?distro=debian-12.5&epoch=1"}]}]}`
	if img, err = Read(strings.NewReader(deb), "t.json"); err != nil || told(img)[0] != "t.json of debian 12.5" || told(img)[1] != "Debian zlib1g 1:1.2.13" {
		t.Errorf("without an operating system: %v, %v", err, img)
	}
}

// TestSourcelessPackages tells of packages that cannot be matched, as their source
// package is not known.
func TestSourcelessPackages(t *testing.T) {
	for qualifiers, want := range map[string]bool{
		"rpm/rocky/openssl-libs@3.0.7-24.el9?epoch=1&distro=rocky-9.4":                                       true,
		"rpm/rocky/openssl-libs@3.0.7-24.el9?epoch=1&upstream=openssl-3.0.7-24.el9.src.rpm&distro=rocky-9.4": false,
		"rpm/almalinux/openssl-libs@3.0.7-24.el9?distro=almalinux-9.4":                                       false, // whose advisories speak of built ones
		"rpm/rocky/gpg-pubkey@6c9f3f5f-1?distro=rocky-9.4":                                                   false,
		"deb/debian/libssl3@3.0.11-1?distro=debian-12":                                                       true,
		"deb/debian/libssl3@3.0.11-1?distro=debian-12&upstream=openssl":                                      false,
		"apk/alpine/libssl3@3.3.0-r1?distro=alpine-3.20":                                                     true,
	} {
		text := `{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [{"type": "library", "name": "x", "purl": "pkg:` + qualifiers + `"}]}`
		img, err := Read(strings.NewReader(text), "t.json")
		if err != nil {
			t.Fatal(err)
		}
		if got := len(img.Problems) == 1 && strings.Contains(img.Problems[0].Reason, "does not say of which source package it is built"); got != want || !want && len(img.Problems) > 0 {
			t.Errorf("%s: %+v", qualifiers, img.Problems)
		}
	}
	const curl = "pkg:deb/debian/curl@8.5-1?distro=debian-12"
	for text, want := range map[string]int{ // who states other names, states by leaving it out that it is this one
		`{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "library", "name": "curl", "purl": "` + curl + `", "properties": [{"name": "syft:location:0:path", "value": "/var/lib/dpkg/status"}]}]}`:                    0,
		`{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "library", "name": "curl", "purl": "` + curl + `"}, {"type": "library", "name": "libssl3", "purl": "pkg:deb/debian/libssl3@3?upstream=openssl"}]}`:          0,
		`{"spdxVersion": "SPDX-2.3", "creationInfo": {"creators": ["Organization: x", "Tool: syft-1.57.0"]}, "packages": [{"SPDXID": "P", "name": "curl", "externalRefs": [{"referenceType": "purl", "referenceLocator": "` + curl + `"}]}]}`: 0,
		`{"spdxVersion": "SPDX-2.3", "creationInfo": {"creators": ["Tool: other"]}, "packages": [{"SPDXID": "P", "name": "curl", "externalRefs": [{"referenceType": "purl", "referenceLocator": "` + curl + `"}]}]}`:                          1,
		"SPDXVersion: SPDX-2.3\nCreator: Tool: trivy-0.68.1\nPackageName: curl\nSPDXID: P\nExternalRef: PACKAGE-MANAGER purl " + curl:                                                                                                         0,
		"SPDXVersion: SPDX-2.3\nPackageName: curl\nSPDXID: P\nExternalRef: PACKAGE-MANAGER purl " + curl:                                                                                                                                      1,
	} {
		img, err := Read(strings.NewReader(text), "t.json")
		if err != nil || len(img.Problems) != want {
			t.Errorf("%s: %v, %+v", text, err, img)
		}
	}
}

// TestOwners reads which package brought another one, and which files are one's: by
// containment, and as Syft says it in comments, in both forms of SPDX.
func TestOwners(t *testing.T) {
	const purl = `"externalRefs": [{"referenceType": "http://spdx.org/rdf/references/purl", "referenceLocator": "pkg:`
	for name, text := range map[string]string{
		"JSON": `{"spdxVersion": "SPDX-2.2", "SPDXID": "SPDXRef-DOCUMENT", "name": "a",
			"relationships": [{"spdxElementId": "D", "relationshipType": "OTHER", "comment": "ownership-by-file-overlap: more", "relatedSpdxElement": "P"},
				{"spdxElementId": "F", "relationshipType": "CONTAINED_BY", "relatedSpdxElement": "D"}, {"spdxElementId": "P", "relationshipType": "OTHER", "comment": "evident-by: x", "relatedSpdxElement": "F"}],
			"files": [{"SPDXID": "F", "fileName": "./usr/lib/x.py"}],
			"packages": [{"SPDXID": "P", "name": "x", "licenseDeclared": "NOASSERTION", "licenseConcluded": "MIT", ` + purl + `pypi/x@1"}]}, {"SPDXID": "D", "name": "python3-x", ` + purl + `deb/debian/python3-x@1-1"}]}]}`,
		"tags": "# a comment\nSPDXVersion: SPDX-2.3\nSPDXID: SPDXRef-DOCUMENT\nFileName: /usr/lib/x.py\nSPDXID: F\n" +
			"PackageName: x\nSPDXID: P\nPackageLicenseConcluded: MIT\nPackageDescription: <text>a\nPackageName: none\n</text>\nExternalRef: PACKAGE-MANAGER purl pkg:pypi/x@1\n" +
			"PackageName: python3-x\nSPDXID: D\nExternalRef: PACKAGE_MANAGER purl pkg:deb/debian/python3-x@1-1\nRelationship: D OTHER P\nRelationshipComment: <text>ownership-by-file-overlap: more</text>\nRelationship: D CONTAINS F",
	} {
		img, err := Read(strings.NewReader(text), "x")
		if err != nil || len(img.Packages) != 2 {
			t.Fatalf("%s: %v, %v", name, img, err)
		}
		d, p := &img.Packages[0], &img.Packages[1]
		if p.OwnedBy != "python3-x" || !slices.Equal(p.Licenses, []string{"MIT"}) || p.Files != nil || !slices.Equal(d.Files, []string{"/usr/lib/x.py"}) {
			t.Errorf("%s: %+v, %+v", name, d, p)
		}
	}
}

// TestEqual: a component that is listed several times is there once, and one in
// another place is another one.
func TestEqual(t *testing.T) {
	const same, other = `{"type": "library", "name": "lodash", "version": "4.17.20", "purl": "pkg:npm/lodash@4.17.20"}`,
		`{"type": "library", "name": "lodash", "version": "4.17.20", "purl": "pkg:npm/lodash@4.17.20", "properties": [{"name": "aquasecurity:trivy:FilePath", "value": "a/package.json"}]}`
	text := `{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [` + strings.Join([]string{same, other, same, other, same}, ",") + `]}`
	img, err := Read(strings.NewReader(text), "x")
	if err != nil || len(img.Packages) != 2 || len(img.Packages[0].Where) != 0 || len(img.Packages[1].Where) != 1 {
		t.Fatalf("%v, %+v", err, img.Packages)
	}
}

// TestRefused: what is none of the formats, or too new, is refused by name; what is
// cut short is read up to there, and says so.
func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":              "neither CycloneDX nor SPDX",
		"{}":            "neither CycloneDX nor SPDX",
		"[]":            "neither CycloneDX nor SPDX",
		"<html></html>": "neither CycloneDX nor SPDX",
		"hello: world":  "neither CycloneDX nor SPDX",
		`{"bomFormat": "CycloneDX", "specVersion": "2.0"}`: `CycloneDX "2.0"`,
		`{"spdxVersion": "SPDX-1.2"}`:                      "SPDX-1.2",
		`{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [{"type": "Person"}]}`:           "it is SPDX 3 without a software_Package",
		`{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": {}}`:                                       "where a list belongs",
		`{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [` + strings.Repeat(`{"components":[`, 50): "nested more than 32 deep",
	} {
		if _, err := Read(strings.NewReader(text), "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v", text, err)
		}
	}
	for _, name := range []string{"web.cdx.json", "web.cdx.xml"} {
		whole, err := os.ReadFile(filepath.Join("testdata/syft", name))
		if err != nil {
			t.Fatal(err)
		}
		img, err := Read(bytes.NewReader(whole[:len(whole)*2/3]), "x")
		if err != nil || len(img.Packages) < 3 || len(img.Packages) > 8 || len(img.Problems) == 0 {
			t.Errorf("%s cut short: %v, %v", name, err, img)
		}
	}
	if _, err := ReadFile("testdata/none"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// spdx3 is a bill in which the parts stand in an order that no reader wants.
const spdx3 = `{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [
	{"type": "Relationship", "spdxId": "r:1", "from": "p:x", "relationshipType": "hasConcludedLicense", "to": ["l:1"]},
	{"type": "Relationship", "spdxId": "r:2", "from": "p:x", "relationshipType": "hasDeclaredLicense", "to": "l:2"},
	{"type": "Relationship", "spdxId": "r:3", "from": "p:x", "relationshipType": "hasConcludedLicense", "to": ["l:1"]},
	{"type": "LifecycleScopedRelationship", "spdxId": "r:4", "from": "p:d", "relationshipType": "contains", "to": ["f:1", "p:x", {"type": "Person"}]},
	{"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1"},
	{"spdxId": "p:d", "externalIdentifier": [{"type": "ExternalIdentifier", "externalIdentifierType": "cpe23", "identifier": "cpe:2.3:a"},
		{"externalIdentifierType": "packageUrl", "identifier": "pkg:deb/debian/python3-x@1-1?distro=debian-12"}], "name": "python3-x", "software_packageVersion": "1-1", "type": "software_Package"},
	{"type": "software_Package", "spdxId": "p:x", "name": "x", "software_packageVersion": "1", "software_packageUrl": "pkg:pypi/x@1"},
	{"type": "software_Package", "spdxId": "p:os", "name": "debian", "software_packageVersion": "12", "software_primaryPurpose": "operatingSystem"},
	{"type": "software_Package", "spdxId": "p:web", "name": "web", "software_packageVersion": "1.4.2"},
	{"type": "software_File", "spdxId": "f:1", "name": "/usr/lib/x.py"},
	{"type": "simplelicensing_LicenseExpression", "spdxId": "l:1", "simplelicensing_licenseExpression": "MIT"},
	{"type": "simplelicensing_LicenseExpression", "spdxId": "l:2", "simplelicensing_licenseExpression": "Apache-2.0"},
	{"type": "SpdxDocument", "spdxId": "b:0", "rootElement": ["b:1"], "import": [{"type": "ExternalMap", "externalSpdxId": "e:1"}]},
	{"type": "software_Sbom", "spdxId": "b:1", "rootElement": ["p:web"]}]}`

// TestSPDX3 reads a bill that is a graph.
func TestSPDX3(t *testing.T) {
	img, err := Read(strings.NewReader(spdx3), "x")
	if err != nil || len(img.Packages) != 2 {
		t.Fatalf("%v, %+v", err, img)
	}
	d, p := &img.Packages[0], &img.Packages[1]
	if d.Ecosystem != "Debian" || d.Version != "1-1" || !slices.Equal(d.Files, []string{"/usr/lib/x.py"}) {
		t.Errorf("%+v", d)
	}
	if p.Ecosystem != "PyPI" || p.OwnedBy != "python3-x" || !slices.Equal(p.Licenses, []string{"Apache-2.0"}) {
		t.Errorf("%+v", p)
	}
	if img.Distro.ID != "debian" || img.Distro.Version != "12" || !strings.HasPrefix(img.Reference, "web") {
		t.Errorf("%+v of %s", img.Distro, img.Reference)
	}
	if len(img.Problems) != 2 || !strings.Contains(img.Problems[0].Reason, "other documents") || !strings.Contains(img.Problems[1].Reason, "source package") {
		t.Errorf("%+v", img.Problems)
	}
	cut, err := Read(strings.NewReader(spdx3[:strings.Index(spdx3, `{"type": "software_File"`)]), "x")
	if err != nil || len(cut.Packages) != 2 || len(cut.Problems) == 0 {
		t.Errorf("cut short: %v, %+v", err, cut)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(spdx3))
	for _, pattern := range []string{"testdata/syft/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text[:min(len(text), 6000)])
		}
	}
	var b bytes.Buffer
	if err := SPDX(&b, sample(), options); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		img, err := Read(bytes.NewReader(text), "fuzz")
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := CycloneDX(&b, img, nil, options); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&b, "fuzz")
		if err != nil || len(again.Packages) != len(img.Packages) && len(again.Problems) == len(img.Problems) {
			t.Fatalf("%d packages, written and read as %d: %v", len(img.Packages), len(again.Packages), err)
		}
	})
}
