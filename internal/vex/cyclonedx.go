package vex

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"ullage.dev/ullage/internal/purl"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/internal/vuln"
)

// The part of CycloneDX that carries statements.
type (
	cdxDocument struct {
		Metadata struct {
			Timestamp    string
			Component    cdxComponent
			Authors      []cdxNamed
			Manufacturer cdxNamed
			Supplier     cdxNamed
		}
		Components      []cdxComponent
		Vulnerabilities []cdxVulnerability
	}
	cdxNamed     struct{ Name string }
	cdxComponent struct {
		Ref        string `json:"bom-ref"`
		PURL       string
		Type, Name string
		Hashes     []struct{ Alg, Content string }
		Properties []struct{ Name, Value string }
		Components []cdxComponent
	}
	cdxVulnerability struct {
		ID         string
		References []struct{ ID string }
		Updated    string
		Published  string
		Analysis   *struct {
			State, Justification, Detail string
			Response                     []string
			LastUpdated, FirstIssued     string
		}
		Recommendation string
		Affects        []struct {
			Ref      string
			Versions []struct{ Version, Range, Status string }
		}
	}
)

var cdxStates = map[string]vuln.Status{
	"not_affected": vuln.SaidNotAffected, "false_positive": vuln.SaidNotAffected, "resolved": vuln.SaidFixed, "resolved_with_pedigree": vuln.SaidFixed,
	"exploitable": vuln.SaidAffected, "in_triage": vuln.SaidInvestigating,
}

func (d *Document) cyclonedx(text []byte, name string) error {
	var doc cdxDocument
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("CycloneDX: %w", tree.PlainJSON(err))
	}
	refs := map[string]*cdxComponent{}
	note(refs, []cdxComponent{doc.Metadata.Component})
	note(refs, doc.Components)
	whole := &doc.Metadata.Component
	by := cmp.Or(doc.Metadata.Manufacturer.Name, doc.Metadata.Supplier.Name)
	if len(doc.Metadata.Authors) > 0 {
		by = cmp.Or(doc.Metadata.Authors[0].Name, by)
	}
	for i := range doc.Vulnerabilities {
		v := &doc.Vulnerabilities[i]
		if v.Analysis == nil || v.Analysis.State == "" {
			continue // a finding, not a statement
		}
		a := v.Analysis
		s := vuln.Statement{
			Vulnerability: v.ID, Status: cdxStates[a.State], Justification: a.Justification, Impact: a.Detail, By: by, Source: name,
			Time: seconds(a.LastUpdated, a.FirstIssued, v.Updated, doc.Metadata.Timestamp),
		}
		if s.Status == "" {
			d.tell("%s: the state %q is none of CycloneDX", v.ID, a.State)
			continue
		}
		if s.Status == vuln.SaidAffected {
			s.Action = v.Recommendation
		}
		for _, r := range v.References {
			s.Aliases = append(s.Aliases, r.ID)
		}
		var lost []string
		for _, affected := range v.Affects {
			u, digests, why := target(refs, affected.Ref)
			var versions []string
			for _, version := range affected.Versions {
				if version.Range != "" {
					why = fmt.Sprintf("%q is limited to the range %q, which is not read", affected.Ref, version.Range)
				}
				versions = append(versions, version.Version)
			}
			all := ofVersions(vuln.Product{ID: affected.Ref, PURL: u, Digests: digests}, versions)
			if c := refs[affected.Ref]; why == "" && whole.Type == "container" && c != nil && c.Type != "container" {
				all, why = inImage(whole, all)
			}
			if why != "" {
				lost = append(lost, why)
				continue
			}
			s.Products = append(s.Products, all...)
		}
		d.add(s, lost)
	}
	return nil
}

func note(refs map[string]*cdxComponent, all []cdxComponent) {
	for i := range all {
		if c := &all[i]; c.Ref != "" {
			refs[c.Ref] = c
		}
		note(refs, all[i].Components)
	}
}

// target is what a reference leads to: a component of the document, or one of
// another document (a BOM-Link), which is known only when it is called by its
// package URL.
func target(refs map[string]*cdxComponent, ref string) (u purl.URL, digests []string, why string) {
	if c := refs[ref]; c != nil {
		digests = c.digests()
		u, err := purl.Parse(c.PURL)
		if err != nil && len(digests) == 0 {
			return u, nil, fmt.Sprintf("the component %q has neither a package URL nor the digest of an image", cmp.Or(c.Name, ref))
		}
		return u, digests, ""
	}
	if _, link, ok := strings.Cut(ref, "#"); ok && strings.HasPrefix(ref, "urn:cdx:") {
		if plain, err := url.PathUnescape(link); err == nil {
			ref = plain
		}
	}
	u, err := purl.Parse(ref)
	if err != nil {
		return u, nil, fmt.Sprintf("%q is neither a component of the document nor a package URL", ref)
	}
	return u, nil, ""
}

// digests are those by which an image is known; our own bills, and those of Trivy,
// have that of its configuration in a property.
func (c *cdxComponent) digests() []string {
	if c.Type != "container" {
		return nil
	}
	var list []string
	for _, h := range c.Hashes {
		if digest := digest(h.Alg, h.Content); digest != "" {
			list = append(list, digest)
		}
	}
	for _, p := range c.Properties {
		if (p.Name == "ullage:image:config" || p.Name == "aquasecurity:trivy:ImageID") && p.Value != "" {
			list = append(list, p.Value)
		}
	}
	return list
}

// inImage makes products parts of the image that a document is about: what it says of
// them need not be true of the same packages elsewhere.
func inImage(whole *cdxComponent, parts []vuln.Product) ([]vuln.Product, string) {
	u, err := purl.Parse(whole.PURL)
	digests := whole.digests()
	if err != nil && len(digests) == 0 {
		return nil, fmt.Sprintf("the image %q that it is about has neither a package URL nor a digest", cmp.Or(whole.Name, whole.Ref))
	}
	product := vuln.Product{ID: whole.Name, PURL: u, Digests: digests}
	for i := range parts {
		if parts[i].PURL.Type == "" {
			return nil, fmt.Sprintf("the component %q has no package URL", parts[i].ID)
		}
		product.Components = append(product.Components, parts[i].PURL)
	}
	return []vuln.Product{product}, ""
}

// ofVersions limits a product that is known without its version to some.
func ofVersions(p vuln.Product, versions []string) []vuln.Product {
	if len(versions) == 0 || p.PURL.Version != "" || p.PURL.Type == "" {
		return []vuln.Product{p}
	}
	var list []vuln.Product
	for _, version := range versions {
		one := p
		one.PURL.Version = version
		list = append(list, one)
	}
	return list
}
