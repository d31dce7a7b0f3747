package csaf

import (
	"fmt"
	"slices"
)

// fullName is a product of the tree.
type fullName struct {
	Name   string `json:"name"`
	ID     string `json:"product_id"`
	Helper struct {
		PURL  string   `json:"purl"`
		PURLs []string `json:"purls"` // of version 2.1
		CPE   string   `json:"cpe"`
	} `json:"product_identification_helper"`
}

// relation is a product that is made of two others.
type relation struct {
	Name  fullName `json:"full_product_name"`
	Part  string   `json:"product_reference"`
	Whole string   `json:"relates_to_product_reference"`
}

func (p *parser) tree() error {
	return p.fields(func(key string) error {
		switch key {
		case "branches":
			return p.branches(0)
		case "full_product_names":
			return p.elements(p.product)
		case "relationships":
			if err := list(p, &p.relations); err != nil {
				return err
			}
			return p.room(len(p.relations))
		case "product_groups":
			return p.elements(func() error {
				var g struct {
					ID       string   `json:"group_id"`
					Products []string `json:"product_ids"`
				}
				err := p.Decode(&g)
				p.groups[g.ID] = g.Products
				return err
			})
		}
		return p.skip()
	})
}

func (p *parser) room(n int) error {
	if p.count += n; p.count > maxProducts {
		return fmt.Errorf("it defines more than %d products", maxProducts)
	}
	return nil
}

func (p *parser) branches(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("its branches are deeper than %d", maxDepth)
	}
	return p.elements(func() error {
		return p.fields(func(key string) error {
			switch key {
			case "product":
				return p.product()
			case "branches":
				return p.branches(depth + 1)
			}
			return p.skip()
		})
	})
}

func (p *parser) product() error {
	var f fullName
	if err := p.Decode(&f); err != nil {
		return err
	}
	p.define(&f)
	return p.room(1)
}

// define adds a product, and returns nil when there is one of that id.
func (p *parser) define(f *fullName) *Product {
	switch {
	case f.ID == "":
		p.problem("the product %.100q has no product_id", f.Name)
		return nil
	case p.products[f.ID] != nil:
		p.problem("the product_id %.100q is defined twice: the first one counts", f.ID)
		return nil
	}
	x := &Product{ID: f.ID, Name: f.Name, PURL: f.Helper.PURL, CPE: f.Helper.CPE}
	if x.PURL == "" && len(f.Helper.PURLs) > 0 {
		x.PURL = f.Helper.PURLs[0]
	}
	p.products[f.ID] = x
	return x
}

// relate joins the products of relationships to those that they are made of, which
// may stand anywhere.
func (p *parser) relate() error {
	made := make([]*Product, len(p.relations))
	for i := range p.relations {
		made[i] = p.define(&p.relations[i].Name)
	}
	for i, x := range made {
		if x == nil {
			continue
		}
		x.Part, x.Whole = p.products[p.relations[i].Part], p.products[p.relations[i].Whole]
		if x.Part == nil || x.Whole == nil {
			p.problem("the product %.100q is made of products that are not defined", x.ID)
			x.Part, x.Whole = nil, nil
		}
	}
	for _, x := range made {
		if x != nil && x.deeper(maxRelated) {
			return fmt.Errorf("the relationships of product %.100q lead in a circle, or deeper than %d", x.ID, maxRelated)
		}
	}
	return nil
}

// deeper says whether following the relationships of a product takes more than n
// steps.
func (p *Product) deeper(n int) bool {
	return p != nil && (n < 0 || p.Part.deeper(n-1) || p.Whole.deeper(n-1))
}

// resolve makes the statements.
func (p *parser) resolve() error {
	for i := range p.vulnerabilities {
		raw := &p.vulnerabilities[i]
		said, err := p.gather(raw)
		if err != nil {
			return err
		}
		v := raw.Vulnerability
		for _, s := range statuses {
			for _, list := range raw.status {
				if list.status != s {
					continue
				}
				for _, id := range list.products {
					x := p.products[id]
					if x == nil {
						p.problem("%s: %s names the product %.100q, which is not defined", v.CVE, s, id)
						continue
					}
					st := Statement{Product: x, Status: s}
					if about := said[id]; about != nil {
						st.Justification, st.Impact, st.Remediations, st.Vectors = about.Justification, about.Impact, about.Remediations, about.Vectors
					}
					v.Statements = append(v.Statements, st)
				}
			}
		}
		p.doc.Vulnerabilities = append(p.doc.Vulnerabilities, v)
		*raw = rawVulnerability{}
	}
	return nil
}

// gather collects what a vulnerability says of each product beside its status.
func (p *parser) gather(raw *rawVulnerability) (map[string]*Statement, error) {
	said := map[string]*Statement{}
	of := func(id string) *Statement {
		p.statements++
		if said[id] == nil {
			said[id] = &Statement{}
		}
		return said[id]
	}
	each := func(a *about, yield func(*Statement)) {
		for _, id := range a.Products {
			yield(of(id))
		}
		for _, g := range a.Groups {
			for _, id := range p.groups[g] {
				if p.statements > maxStatements { // groups multiply
					return
				}
				yield(of(id))
			}
		}
	}
	for i := range raw.flags {
		each(&raw.flags[i].about, func(s *Statement) { s.Justification = raw.flags[i].Label })
	}
	for i := range raw.threats {
		if t := &raw.threats[i]; t.Category == "impact" {
			text := cut(t.Details)
			each(&t.about, func(s *Statement) { s.Impact = text })
		}
	}
	for i := range raw.remediations {
		r := &Remediation{raw.remediations[i].Category, raw.remediations[i].Details, raw.remediations[i].URL}
		each(&raw.remediations[i].about, func(s *Statement) { s.Remediations = append(s.Remediations, r) })
	}
	for i := range raw.scores {
		score := &raw.scores[i]
		vectors := []string{score.V2.Vector, score.V3.Vector, score.V4.Vector}
		if c := score.Content; c != nil {
			vectors = append(vectors, c.V2.Vector, c.V3.Vector, c.V4.Vector)
		}
		vectors = slices.DeleteFunc(vectors, func(v string) bool { return v == "" })
		for _, id := range score.Products {
			of(id).Vectors = append(of(id).Vectors, vectors...)
		}
	}
	if p.statements > maxStatements {
		return nil, fmt.Errorf("it makes more than %d statements", maxStatements)
	}
	return said, nil
}
