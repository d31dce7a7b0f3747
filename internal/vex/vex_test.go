package vex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/vuln"
)

// lines are the statements of a document in a form to compare.
func lines(d *Document) []string {
	var list []string
	for i := range d.Statements {
		s := &d.Statements[i]
		line := fmt.Sprintf("%s %v %s %s|%s|%s by %s at %d:", s.Vulnerability, s.Aliases, s.Status, s.Justification, s.Impact, s.Action, s.By, s.Time)
		for _, p := range s.Products {
			if p.PURL.Type != "" {
				line += " " + p.PURL.String()
			}
			line += fmt.Sprint(" ", p.Digests)
			for _, c := range p.Components {
				line += " with " + c.String()
			}
		}
		list = append(list, line)
	}
	for _, p := range d.Problems {
		list = append(list, "problem: "+p)
	}
	return list
}

var documents = map[string]struct {
	text string
	want []string
}{
	"OpenVEX 0.2.0": {`{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://shop.example/1", "author": "Shop", "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [
		{"vulnerability": {"@id": "https://x", "name": "CVE-1", "aliases": ["GHSA-1"]}, "status": "not_affected", "justification": "component_not_present", "impact_statement": "gone.",
			"products": [{"@id": "pkg:oci/web@sha256:aa", "hashes": {"sha-256": "AA", "md5": "b"}, "subcomponents": [{"@id": "pkg:npm/a@1"}, {"identifiers": {"purl": "pkg:npm/b"}}]}, {"identifiers": {"purl": "pkg:npm/c"}}]},
		{"vulnerability": {"name": "CVE-2"}, "status": "affected", "action_statement": "upgrade", "timestamp": "2026-02-01T00:00:00Z", "products": [{"@id": "https://shop.example/web"}, {"@id": "pkg:npm/d"}]},
		{"vulnerability": {"name": "CVE-3"}, "status": "maybe", "products": [{"@id": "pkg:npm/d"}]},
		{"vulnerability": {"name": "CVE-4"}, "status": "fixed"},
		{"vulnerability": {"name": "CVE-5"}, "status": "not_affected", "impact_statement": " ", "products": [{"@id": "pkg:npm/d"}]},
		{"status": "fixed", "products": [{"@id": "pkg:npm/d"}]}]}`, []string{
		"CVE-1 [GHSA-1] not_affected component_not_present|gone.| by Shop at 1767225600: pkg:oci/web@sha256:aa [sha256:aa] with pkg:npm/a@1 with pkg:npm/b pkg:npm/c []",
		"CVE-2 [] affected ||upgrade by Shop at 1769904000: pkg:npm/d []",
		`problem: CVE-2: the product "https://shop.example/web" has neither a package URL nor a digest`,
		`problem: CVE-3: the status "maybe" is none of OpenVEX`,
		"problem: CVE-4: a statement that names no product",
		"problem: CVE-5: it is said to be not affected, with neither a justification nor an impact statement, which OpenVEX demands",
		"problem: a statement that names no vulnerability",
	}},
	"OpenVEX 0.0.1": {`{"author": "Shop", "statements": [{"vulnerability": "CVE-1", "products": ["pkg:apk/wolfi/bash@1"], "subcomponents": ["pkg:npm/x"], "status": "under_investigation"}], "@context": "https://openvex.dev/ns"}`, []string{
		"CVE-1 [] under_investigation || by Shop at 0: pkg:apk/wolfi/bash@1 [] with pkg:npm/x",
	}},
	"CycloneDX": {`{"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"timestamp": "2026-01-01T00:00:00Z", "authors": [{"name": "Shop"}], "component": {"bom-ref": "image", "type": "container", "name": "web", "hashes": [{"alg": "SHA-256", "content": "aa"}]}},
		"components": [{"bom-ref": "1", "purl": "pkg:npm/a", "components": [{"bom-ref": "2", "purl": "pkg:npm/b@1"}, {"bom-ref": "3", "name": "nameless"}]}],
		"vulnerabilities": [
			{"id": "CVE-1", "references": [{"id": "GHSA-1", "source": {}}], "analysis": {"state": "not_affected", "justification": "code_not_reachable", "detail": "never called"}, "affects": [{"ref": "image"}, {"ref": "2"}]},
			{"id": "CVE-2", "analysis": {"state": "exploitable", "response": ["update"]}, "recommendation": "Upgrade a", "affects": [{"ref": "1", "versions": [{"version": "1", "status": "affected"}, {"version": "2"}]}]},
			{"id": "CVE-3", "analysis": {"state": "resolved"}, "affects": [{"ref": "urn:cdx:0-0/1#pkg%3Anpm%2Fc%401"}, {"ref": "3"}, {"ref": "4"}, {"ref": "1", "versions": [{"range": "vers:npm/<2"}]}]},
			{"id": "CVE-4", "affects": [{"ref": "1"}]}, {"id": "CVE-5", "analysis": {"state": "hm"}}]}`, []string{
		"CVE-1 [GHSA-1] not_affected code_not_reachable|never called| by Shop at 1767225600: [sha256:aa] [sha256:aa] with pkg:npm/b@1",
		"CVE-2 [] affected ||Upgrade a by Shop at 1767225600: [sha256:aa] with pkg:npm/a@1 with pkg:npm/a@2",
		"CVE-3 [] fixed || by Shop at 1767225600: pkg:npm/c@1 []",
		`problem: CVE-3: the component "nameless" has neither a package URL nor the digest of an image`,
		`problem: CVE-3: "4" is neither a component of the document nor a package URL`,
		`problem: CVE-3: "1" is limited to the range "vers:npm/<2", which is not read`,
		`problem: CVE-5: the state "hm" is none of CycloneDX`,
	}},
	"CycloneDX of an image": {`{"bomFormat": "CycloneDX", "metadata": {"component": {"bom-ref": "image", "type": "container", "name": "web", "properties": [{"name": "ullage:image:config", "value": "sha256:bb"}]}},
		"components": [{"bom-ref": "1", "purl": "pkg:npm/a@1"}], "vulnerabilities": [{"id": "CVE-1", "analysis": {"state": "not_affected"}, "affects": [{"ref": "1"}]}]}`, []string{
		"CVE-1 [] not_affected || by  at 0: [sha256:bb] with pkg:npm/a@1",
	}},
	"CycloneDX of an image without a digest": {`{"bomFormat": "CycloneDX", "metadata": {"component": {"bom-ref": "image", "type": "container", "name": "web"}},
		"components": [{"bom-ref": "1", "purl": "pkg:npm/a@1"}], "vulnerabilities": [{"id": "CVE-1", "analysis": {"state": "not_affected"}, "affects": [{"ref": "1"}]}]}`, []string{
		`problem: CVE-1: the image "web" that it is about has neither a package URL nor a digest`,
	}},
	"CSAF": {`{"document": {"category": "csaf_vex", "csaf_version": "2.0", "title": "t", "publisher": {"category": "vendor", "name": "Shop", "namespace": "https://shop.example"}, "tracking": {"id": "1", "status": "final", "version": "1", "current_release_date": "2026-01-01T00:00:00Z", "initial_release_date": "2026-01-01T00:00:00Z", "revision_history": []}},
		"product_tree": {
			"full_product_names": [{"product_id": "app", "name": "App", "product_identification_helper": {"purl": "pkg:npm/app@1"}}, {"product_id": "bash", "name": "bash", "product_identification_helper": {"purl": "pkg:rpm/redhat/bash?arch=src"}},
				{"product_id": "el9", "name": "EL 9", "product_identification_helper": {"cpe": "cpe:/o:redhat:enterprise_linux:9"}}, {"product_id": "ocp", "name": "Platform", "product_identification_helper": {"cpe": "cpe:/a:redhat:openshift:4"}},
				{"product_id": "web", "name": "Web", "product_identification_helper": {"purl": "pkg:oci/web@sha256:aa"}}, {"product_id": "odd", "name": "Odd"}],
			"relationships": [
				{"category": "default_component_of", "product_reference": "bash", "relates_to_product_reference": "el9", "full_product_name": {"product_id": "el9:bash", "name": "bash in EL 9"}},
				{"category": "default_component_of", "product_reference": "bash", "relates_to_product_reference": "ocp", "full_product_name": {"product_id": "ocp:bash", "name": "bash in Platform"}},
				{"category": "default_component_of", "product_reference": "app", "relates_to_product_reference": "web", "full_product_name": {"product_id": "web:app", "name": "app in Web"}}]},
		"vulnerabilities": [{"cve": "CVE-1", "product_status": {"known_not_affected": ["el9:bash", "ocp:bash", "web:app", "odd"], "fixed": ["app"], "recommended": ["app"]},
			"flags": [{"label": "vulnerable_code_not_present", "product_ids": ["el9:bash"]}], "threats": [{"category": "impact", "details": "not built in", "product_ids": ["web:app"]}]}]}`, []string{
		"CVE-1 [] not_affected vulnerable_code_not_present|| by Shop at 1767225600: pkg:rpm/redhat/bash?arch=src&distro=rhel-9 []",
		"CVE-1 [] not_affected |not built in| by Shop at 1767225600: pkg:oci/web@sha256:aa [] with pkg:npm/app@1",
		"CVE-1 [] fixed || by Shop at 1767225600: pkg:npm/app@1 []",
		`problem: CVE-1: the product "bash" is part of "Platform", which has neither a package URL nor the CPE of a distribution that is known`,
		`problem: CVE-1: the product "Odd" has no package URL`,
	}},
}

func TestRead(t *testing.T) {
	for name, c := range documents {
		d, err := Read(strings.NewReader(c.text), "vex.json")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, want := map[string]int{}, map[string]int{}
		for _, line := range lines(d) {
			got[line]++
		}
		for _, line := range c.want {
			want[line]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +read):\n%s", name, diff)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                         ErrOther.Error(),
		"[]":                       ErrOther.Error(),
		"{}":                       ErrOther.Error(),
		`{"@context": "other"}`:    ErrOther.Error(),
		`{"@context": "https://op`: "unexpected EOF",
		`{"@context": "https://openvex.dev/ns/v0.2.0", "statements": {}}`:                       "OpenVEX: an object at Statements does not belong there",
		`{"bomFormat": "CycloneDX", "vulnerabilities": 1}`:                                      "CycloneDX: a number at Vulnerabilities",
		`{"document": {"csaf_version": "1.0"}}`:                                                 "CSAF",
		`{"bomFormat": "CycloneDX", "x": [` + strings.Repeat("{},", mostObjects+1) + `{}]}`:     "objects",
		`{"@context": "https://openvex.dev/ns", "x": "` + strings.Repeat("x", mostBytes) + `"}`: "MiB",
	} {
		if _, err := Read(strings.NewReader(text), "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v", text, err)
		}
	}
	if _, err := ReadFile("none"); err == nil || errors.Is(err, ErrOther) {
		t.Error(err)
	}
}

func found() (*image.Image, *vuln.Result) {
	img := &image.Image{Reference: "web", Identity: image.Identity{Manifest: "sha256:" + strings.Repeat("a", 64), Repository: "registry.example/shop/web"}, Packages: []image.Package{
		{Name: "zlib1g", Source: "zlib", PURL: "pkg:deb/debian/zlib1g@1?upstream=zlib"}, {Name: "zlib1g-dev", Source: "zlib", PURL: "pkg:deb/debian/zlib1g-dev@1?upstream=zlib"},
		{Name: "a", PURL: "pkg:npm/a@1"}, {Name: "nameless"},
	}}
	fixed := vuln.Match{ID: "CVE-1", Aliases: []string{"GHSA-1"}, State: vuln.FixAvailable, Fixed: "2"}
	again := fixed
	again.Package = 1
	accepted := vuln.Match{Package: 2, ID: "CVE-2", State: vuln.NotFixed, Exception: &model.Exception{Owner: "shop", Reason: "no untrusted input", Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}}
	said := &vuln.Statement{Status: vuln.SaidNotAffected, Justification: "component_not_present", By: "vendor"}
	return img, &vuln.Result{
		Matches: []vuln.Match{fixed, again, accepted, {Package: 2, ID: "CVE-3", State: vuln.Open}, {Package: 3, ID: "CVE-9"}},
		RuledOut: []vuln.Ruled{{Package: 2, ID: "CVE-4", Why: "the distribution says: not affected"}, {Package: 0, ID: "CVE-5", Why: "not affected by the word of vendor", Said: said, Match: &fixed},
			{Package: 0, ID: "CVE-7", Why: "fixed here", Said: &vuln.Statement{Status: vuln.SaidFixed}}},
		Undecided: []vuln.Ruled{{Package: 2, ID: "CVE-6", Why: "no version"}},
	}
}

// TestWrite reads back what is written, and holds each statement to what the format
// demands of its status.
func TestWrite(t *testing.T) {
	img, result := found()
	o := Options{Time: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), Author: "shop", Tooling: "ullage 1"}
	var b, again bytes.Buffer
	if err := errors.Join(OpenVEX(&b, img, result, o), OpenVEX(&again, img, result, o)); err != nil {
		t.Fatal(err)
	}
	if b.String() != again.String() {
		t.Error("the same image gives other bytes")
	}
	var doc openDocument
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil || doc.ID == "" || doc.Author == "" || doc.Timestamp != "2026-05-01T00:00:00Z" || doc.Version < 1 {
		t.Fatalf("%v: %+v", err, doc)
	}
	var got []string
	for _, s := range doc.Statements {
		switch {
		case s.Status == vuln.SaidNotAffected && s.Justification == "" && s.Impact == "":
			t.Errorf("%+v says not why", s)
		case s.Status == vuln.SaidAffected && s.Action == "":
			t.Errorf("%+v says not what to do", s)
		case s.Status != vuln.SaidNotAffected && s.Justification != "":
			t.Errorf("%+v justifies", s)
		}
		var parts []string
		for _, c := range s.Products[0].Subcomponents {
			parts = append(parts, c.ID)
		}
		got = append(got, fmt.Sprint(s.Vulnerability.Name, " ", s.Status, " ", parts, " ", s.Action))
	}
	want := []string{
		"CVE-1 affected [pkg:deb/debian/zlib1g@1?upstream=zlib pkg:deb/debian/zlib1g-dev@1?upstream=zlib] Upgrade zlib to 2.",
		"CVE-2 affected [pkg:npm/a@1] Accepted by shop until 2027-01-01: no untrusted input",
		"CVE-3 under_investigation [pkg:npm/a@1] ", "CVE-4 not_affected [pkg:npm/a@1] ", "CVE-5 not_affected [pkg:deb/debian/zlib1g@1?upstream=zlib] ", "CVE-6 under_investigation [pkg:npm/a@1] ",
		"CVE-7 fixed [pkg:deb/debian/zlib1g@1?upstream=zlib] ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +written):\n%s", diff)
	}

	// What one says, another takes: statements of not affected rule matches out.
	d, err := Read(&b, "own.json")
	if err != nil || len(d.Statements) != len(want) || len(d.Problems) > 0 {
		t.Fatalf("%v: %+v", err, d)
	}
	fresh := &vuln.Result{Matches: []vuln.Match{{Package: 2, ID: "CVE-4"}, {Package: 0, ID: "CVE-5"}, {Package: 1, ID: "CVE-5"}}}
	if after, _ := fresh.Apply(SubjectOf(img), d.Statements); len(after.RuledOut) != 2 || len(after.Matches) != 1 || after.Matches[0].Package != 1 {
		t.Errorf("%+v", after)
	}
}

// TestWriteOwnImage: what is written of one image says nothing of the same packages
// in another, however the image is known.
func TestWriteOwnImage(t *testing.T) {
	digest := "sha256:" + strings.Repeat("c", 64)
	for name, id := range map[string]image.Identity{"manifest": {Manifest: digest}, "index": {Index: digest}, "configuration": {Config: digest}, "none": {}} {
		img, result := found()
		img.Identity = id
		other := &image.Image{Packages: append([]image.Package{{Name: "b", PURL: "pkg:npm/b@1"}}, img.Packages...)}
		var b bytes.Buffer
		if err := OpenVEX(&b, img, result, Options{}); err != nil {
			t.Fatal(err)
		}
		d, err := Read(bytes.NewReader(b.Bytes()), "own.json")
		if err != nil || len(d.Problems) > 0 {
			t.Fatalf("%s: %v: %v\n%s", name, err, d.Problems, b.String())
		}
		if after, _ := (&vuln.Result{Matches: []vuln.Match{{Package: 2, ID: "CVE-4"}}}).Apply(SubjectOf(img), d.Statements); len(after.RuledOut) != 1 {
			t.Errorf("%s: it says nothing of its own image: %s", name, b.String())
		}
		if after, _ := (&vuln.Result{Matches: []vuln.Match{{Package: 3, ID: "CVE-4"}}}).Apply(SubjectOf(other), d.Statements); len(after.RuledOut) != 0 {
			t.Errorf("%s: it speaks of another image: %s", name, b.String())
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range documents {
		f.Add([]byte(c.text))
	}
	img, _ := found()
	result := &vuln.Result{Matches: []vuln.Match{{ID: "CVE-1"}, {Package: 2, ID: "CVE-2"}}}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Read(bytes.NewReader(text), "fuzz")
		if err != nil {
			return
		}
		got, unused := result.Apply(SubjectOf(img), d.Statements)
		if len(got.Matches)+len(got.RuledOut) != 2 || len(unused) > len(d.Statements) {
			t.Fatalf("%+v", got)
		}
	})
}
