package vex

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/purl"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/internal/vuln"
)

// The part of OpenVEX 0.2.0 that is read and written. Names are those of the format.
type (
	openDocument struct {
		Context    string          `json:"@context"`
		ID         string          `json:"@id"`
		Author     string          `json:"author"`
		Timestamp  string          `json:"timestamp,omitempty"`
		Version    int             `json:"version"`
		Tooling    string          `json:"tooling,omitempty"`
		Statements []openStatement `json:"statements"`
	}
	openStatement struct {
		Vulnerability openVulnerability `json:"vulnerability"`
		Timestamp     string            `json:"timestamp,omitempty"`
		Updated       string            `json:"last_updated,omitempty"`
		Products      []openProduct     `json:"products"`
		Status        vuln.Status       `json:"status"`
		Notes         string            `json:"status_notes,omitempty"`
		Justification string            `json:"justification,omitempty"`
		Impact        string            `json:"impact_statement,omitempty"`
		Action        string            `json:"action_statement,omitempty"`
	}
	openVulnerability struct {
		ID      string   `json:"@id,omitempty"`
		Name    string   `json:"name"`
		Aliases []string `json:"aliases,omitempty"`
	}
	openProduct struct {
		openComponent
		Subcomponents []openComponent `json:"subcomponents,omitempty"`
	}
	openComponent struct {
		ID          string            `json:"@id,omitempty"`
		Identifiers map[string]string `json:"identifiers,omitempty"`
		Hashes      map[string]string `json:"hashes,omitempty"`
	}
)

// readOpen is a document as it is read: the first versions of the format have
// strings where later ones have objects, and subcomponents beside products.
type readOpen struct {
	Author, Timestamp string
	Updated           string `json:"last_updated"`
	Statements        []struct {
		openStatement
		Vulnerability either[openVulnerability] `json:"vulnerability"`
		Products      []either[openProduct]     `json:"products"`
		Subcomponents []either[openComponent]   `json:"subcomponents"`
	}
}

// either is an object, or the string that stands for one.
type either[T any] struct {
	object T
	text   string
}

func (e *either[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &e.text)
	}
	return json.Unmarshal(b, &e.object)
}

func (d *Document) openVEX(text []byte, name string) error {
	var doc readOpen
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("OpenVEX: %w", tree.PlainJSON(err))
	}
	for i := range doc.Statements {
		r := &doc.Statements[i]
		v := &r.Vulnerability.object
		s := vuln.Statement{
			Vulnerability: cmp.Or(v.Name, r.Vulnerability.text, v.ID), Aliases: v.Aliases, Status: r.Status,
			Justification: r.Justification, Impact: r.Impact, Action: r.Action, By: doc.Author, Source: name,
			Time: seconds(r.Updated, r.Timestamp, doc.Updated, doc.Timestamp),
		}
		if !known(s.Status) {
			d.tell("%s: the status %q is none of OpenVEX", s.Vulnerability, s.Status)
			continue
		}
		if s.Status == vuln.SaidNotAffected && s.Justification == "" && strings.TrimSpace(s.Impact) == "" {
			d.tell("%s: it is said to be not affected, with neither a justification nor an impact statement, which OpenVEX demands", s.Vulnerability)
			continue
		}
		var lost []string
		for k := range r.Products {
			p := &r.Products[k]
			p.object.ID = cmp.Or(p.object.ID, p.text)
			parts := p.object.Subcomponents
			for _, sub := range r.Subcomponents {
				sub.object.ID = cmp.Or(sub.object.ID, sub.text)
				parts = append(parts, sub.object)
			}
			product, why := productOf(&p.object.openComponent, parts)
			if why != "" {
				lost = append(lost, why)
				continue
			}
			s.Products = append(s.Products, product)
		}
		d.add(s, lost)
	}
	return nil
}

func known(s vuln.Status) bool {
	switch s {
	case vuln.SaidNotAffected, vuln.SaidAffected, vuln.SaidFixed, vuln.SaidInvestigating:
		return true
	}
	return false
}

// productOf returns why a product cannot be held against anything, "" when it can.
func productOf(c *openComponent, parts []openComponent) (vuln.Product, string) {
	p := vuln.Product{ID: c.name()}
	u, ok := c.purl()
	if ok {
		p.PURL = u
	}
	for _, algorithm := range slices.Sorted(maps.Keys(c.Hashes)) {
		if digest := digest(algorithm, c.Hashes[algorithm]); digest != "" {
			p.Digests = append(p.Digests, digest)
		}
	}
	if strings.HasPrefix(c.ID, contentPrefix) {
		p.Digests = append(p.Digests, c.ID)
	}
	if !ok && len(p.Digests) == 0 {
		return p, fmt.Sprintf("the product %q has neither a package URL nor a digest", p.ID)
	}
	for i := range parts {
		part, ok := parts[i].purl()
		if !ok {
			return p, fmt.Sprintf("the component %q of %q has no package URL", parts[i].name(), p.ID)
		}
		p.Components = append(p.Components, part)
	}
	return p, ""
}

func (c *openComponent) name() string {
	return cmp.Or(c.ID, c.Identifiers["purl"], c.Identifiers["cpe23"])
}

// purl is that of the identifiers, or the id where that is one.
func (c *openComponent) purl() (purl.URL, bool) {
	for _, text := range []string{c.Identifiers["purl"], c.ID} {
		if strings.HasPrefix(text, "pkg:") {
			u, err := purl.Parse(text)
			return u, err == nil
		}
	}
	return purl.URL{}, false
}
