package vex

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"ullage.dev/ullage/internal/csaf"
	"ullage.dev/ullage/internal/purl"
	"ullage.dev/ullage/internal/vuln"
)

var csafStatuses = map[csaf.Status]vuln.Status{
	csaf.NotAffected: vuln.SaidNotAffected, csaf.Affected: vuln.SaidAffected, csaf.FirstAffected: vuln.SaidAffected, csaf.LastAffected: vuln.SaidAffected,
	csaf.Fixed: vuln.SaidFixed, csaf.FirstFixed: vuln.SaidFixed, csaf.UnderInvestigation: vuln.SaidInvestigating,
}

func (d *Document) csaf(text []byte, name string) error {
	doc, err := csaf.Parse(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("CSAF: %w", err)
	}
	for _, problem := range doc.Problems {
		d.tell("%s", problem)
	}
	released := int64(0)
	if !doc.Released.IsZero() {
		released = doc.Released.Unix()
	}
	for i := range doc.Vulnerabilities {
		v := &doc.Vulnerabilities[i]
		for k := range v.Statements {
			said := &v.Statements[k]
			if said.Status == csaf.Recommended {
				continue
			}
			s := vuln.Statement{
				Vulnerability: v.CVE, Aliases: v.IDs, Status: csafStatuses[said.Status], Justification: said.Justification,
				By: doc.Publisher, Source: name, Time: released,
			}
			if s.Vulnerability == "" && len(v.IDs) > 0 {
				s.Vulnerability = v.IDs[0]
			}
			switch s.Status {
			case vuln.SaidNotAffected:
				s.Impact = said.Impact
			case vuln.SaidAffected:
				for _, r := range said.Remediations {
					s.Action = cmp.Or(s.Action, r.Details)
				}
			}
			product, why := csafProduct(said.Product)
			if why != "" {
				d.add(s, []string{why})
				continue
			}
			s.Products = []vuln.Product{product}
			d.add(s, nil)
		}
	}
	return nil
}

// csafProduct turns a product into one that an image can be held against. What a
// package is installed on must be known, too: a release of a distribution by its
// CPE, or an image by its package URL.
func csafProduct(p *csaf.Product) (vuln.Product, string) {
	part := p.Component()
	u, err := purl.Parse(part.PURL)
	product := vuln.Product{ID: p.ID, PURL: u}
	if err != nil {
		return product, fmt.Sprintf("the product %q has no package URL", cmp.Or(part.Name, part.ID))
	}
	for whole := range wholes(p) {
		outer, err := purl.Parse(whole.PURL)
		switch {
		case err == nil && (outer.Type == "oci" || outer.Type == "docker"):
			return vuln.Product{ID: p.ID, PURL: outer, Components: []purl.URL{u}}, ""
		case err == nil: // one package in another: both must be there
			return vuln.Product{ID: p.ID, PURL: outer, Components: []purl.URL{u}}, ""
		}
		distro := distroOf(whole.CPE)
		if distro == "" {
			return product, fmt.Sprintf("the product %q is part of %q, which has neither a package URL nor the CPE of a distribution that is known", cmp.Or(part.Name, part.ID), cmp.Or(whole.Name, whole.ID))
		}
		product.PURL.Set("distro", distro)
	}
	return product, ""
}

// wholes yields what a product is part of, from the inside.
func wholes(p *csaf.Product) func(func(*csaf.Product) bool) {
	return func(yield func(*csaf.Product) bool) {
		for ; p != nil && p.Part != nil; p = p.Part {
			if p.Whole != nil && !yield(p.Whole) {
				return
			}
		}
	}
}

// distroOf reads a CPE such as cpe:/o:redhat:enterprise_linux:9 or, of a repository
// of it, cpe:/a:redhat:enterprise_linux:9::appstream.
func distroOf(cpe string) string {
	fields := strings.Split(strings.TrimPrefix(strings.TrimPrefix(cpe, "cpe:2.3:"), "cpe:/"), ":")
	if len(fields) < 4 {
		return ""
	}
	id := map[string]string{"redhat:enterprise_linux": "rhel", "suse:sles": "sles", "debian:debian_linux": "debian", "canonical:ubuntu_linux": "ubuntu", "opensuse:leap": "opensuse-leap"}[fields[1]+":"+fields[2]]
	version := fields[3]
	if id == "" || version == "" || version == "*" || version == "-" {
		return ""
	}
	return id + "-" + version
}
