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
			if why != "" {
				lost = append(lost, why)
				continue
			}
			s.Products = append(s.Products, ofVersions(vuln.Product{ID: affected.Ref, PURL: u, Digests: digests}, versions)...)
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
		for _, h := range c.Hashes {
			if digest := digest(h.Alg, h.Content); digest != "" && c.Type == "container" {
				digests = append(digests, digest)
			}
		}
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
