package sbom

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"
)

// element is what is read of an element of SPDX 3, of whatever type: which one it is
// may stand behind the rest.
type element struct {
	kind string
	component
	expression string // of a licence

	from, how string // of a relationship
	to        []string
	root      []string // of a collection: what it is about
}

// graph is what of SPDX 3 is resolved in the end. Licences are elements that
// relationships name.
type graph struct {
	packages    int               // of any purpose
	expressions map[string]string // of licences, by id
	licence     map[string]string // its id, by that of the package; the declared one before the concluded
}

// spdx3Element reads one element of the graph. Those that say nothing of packages are
// left out: agents, tools, snippets, what is known of vulnerabilities.
func (b *bill) spdx3Element(d document) error {
	var e element
	var purpose, identifier string
	elsewhere := false
	err := d.object(map[string]func() error{
		"type": d.text(&e.kind), "@type": d.text(&e.kind), "spdxId": d.text(&e.id), "@id": d.text(&e.id), "name": d.text(&e.name), "summary": d.text(&e.text),
		"software_packageVersion": d.text(&e.version), "software_packageUrl": d.text(&e.purl), "software_primaryPurpose": d.text(&purpose),
		"simplelicensing_licenseExpression": d.text(&e.expression),
		"externalIdentifier": func() error {
			return d.list(func() error {
				var kind, text string
				err := d.object(map[string]func() error{"externalIdentifierType": d.text(&kind), "identifier": d.text(&text)})
				if kind == "packageUrl" {
					identifier = text
				}
				return err
			})
		},
		"import": func() error { return d.list(func() error { elsewhere = true; return d.skip() }) },
		"from":   d.text(&e.from), "relationshipType": d.text(&e.how), "to": d.references(&e.to), "rootElement": d.references(&e.root),
	})
	if err != nil {
		return err
	}
	if e.purl == "" {
		e.purl = identifier
	}
	e.component.kind = spelt(purpose)
	if elsewhere {
		b.problems = append(b.problems, "the bill names elements of other documents, which are not read")
	}
	return b.spdx3Add(&e)
}

func (b *bill) spdx3Add(e *element) error {
	switch e.kind {
	case "software_Package":
		b.graph.packages++
		return b.spdxAdd(e.component)
	case "software_File":
		return b.file(e.id, e.name)
	case "simplelicensing_LicenseExpression":
		return b.note(&b.graph.expressions, e.id, e.expression)
	case "software_Sbom", "SpdxDocument", "Bom":
		if len(e.root) > 0 && (b.described == "" || e.kind == "software_Sbom") { // the root of the document is the bill
			b.described = e.root[0]
		}
	case "Relationship", "LifecycleScopedRelationship":
		return b.spdx3Relate(e)
	}
	return nil
}

func (b *bill) spdx3Relate(e *element) error {
	for _, to := range e.to {
		var err error
		switch e.how {
		case "contains":
			err = b.own(e.from, to)
		case "hasDeclaredLicense":
			err = b.note(&b.graph.licence, e.from, to)
		case "hasConcludedLicense":
			if b.graph.licence[e.from] == "" {
				err = b.note(&b.graph.licence, e.from, to)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bill) note(into *map[string]string, key, value string) error {
	if *into == nil {
		*into = map[string]string{}
	}
	(*into)[key] = value
	return b.count()
}

// spdx3Done resolves what elements say of one another.
func (b *bill) spdx3Done() error {
	if b.graph.packages == 0 {
		return errors.New("it is SPDX 3 without a software_Package")
	}
	for i := range b.components {
		c := &b.components[i]
		if expression := b.graph.expressions[b.graph.licence[c.id]]; expression != "" {
			c.licenses = []string{expression}
		}
	}
	b.spdxResolve()
	return nil
}

// spelt writes a purpose as SPDX 2 does: OPERATING-SYSTEM for operatingSystem.
func spelt(purpose string) string {
	var out strings.Builder
	for _, r := range purpose {
		if unicode.IsUpper(r) {
			out.WriteByte('-')
		}
		out.WriteRune(unicode.ToUpper(r))
	}
	return out.String()
}

// references reads the ids of elements, one or a list. An element in the place of an
// id has none that others could name.
func (d document) references(into *[]string) func() error {
	return func() error {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		var one string
		if json.Unmarshal(raw, &one) == nil {
			*into = []string{one}
			return nil
		}
		var list []any
		if json.Unmarshal(raw, &list) != nil {
			return nil
		}
		for _, item := range list {
			if id, ok := item.(string); ok {
				*into = append(*into, id)
			}
		}
		return nil
	}
}
