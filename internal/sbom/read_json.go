package sbom

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// document walks JSON without keeping more of it than one value.
type document struct {
	*json.Decoder
}

// object calls the function of each member's name; other members are skipped.
func (d document) object(members map[string]func() error) error {
	open, err := d.Token()
	if err != nil {
		return err
	}
	if open == nil {
		return nil // null
	}
	if open != json.Delim('{') {
		return fmt.Errorf("at byte %d: another value where an object belongs", d.InputOffset())
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if read := members[name]; read != nil {
			err = read()
		} else {
			err = d.skip()
		}
		if err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// list calls a function for each element.
func (d document) list(element func() error) error {
	open, err := d.Token()
	if err != nil || open == nil {
		return err
	}
	if open != json.Delim('[') {
		return fmt.Errorf("at byte %d: another value where a list belongs", d.InputOffset())
	}
	for d.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

func (d document) skip() error {
	return d.Decode(&skipped{})
}

// skipped takes any value.
type skipped struct{}

func (*skipped) UnmarshalJSON([]byte) error { return nil }

// text reads a string, number or null.
func (d document) text(into *string) func() error {
	return func() error {
		token, err := d.Token()
		switch token := token.(type) {
		case nil:
			return err
		case string:
			*into = token
		case json.Number:
			*into = token.String()
		case bool:
		case json.Delim:
			return fmt.Errorf("at byte %d: another value where a text belongs", d.InputOffset())
		}
		return err
	}
}

// json reads a document of either format: which one it is may stand at its end.
func (b *bill) json(r io.Reader) error {
	d := document{json.NewDecoder(r)}
	d.UseNumber()
	var format, specVersion, spdxVersion, context string
	err := d.object(map[string]func() error{
		"bomFormat": d.text(&format), "specVersion": d.text(&specVersion), "spdxVersion": d.text(&spdxVersion),
		"@context":     d.context(&context),
		"metadata":     func() error { return b.metadata(d) },
		"components":   func() error { return d.list(func() error { return b.component(d, 0, b.add) }) },
		"compositions": func() error { return d.list(func() error { return b.composition(d) }) },

		"packages":      func() error { return d.list(func() error { return b.spdxPackage(d) }) },
		"files":         func() error { return d.list(func() error { return b.spdxFile(d) }) },
		"relationships": func() error { return d.list(func() error { return b.spdxRelationship(d) }) },
		"annotations":   func() error { return b.annotations(d, &b.root.properties) },
		"creationInfo": func() error {
			return d.object(map[string]func() error{"creators": func() error {
				return d.list(func() error {
					var name string
					err := d.text(&name)()
					b.creator(name)
					return err
				})
			}})
		},

		"@graph": func() error { return d.list(func() error { return b.spdx3Element(d) }) },
	})
	if err = b.cut(err, "JSON"); err != nil {
		return err
	}
	switch {
	case format == "CycloneDX":
		if !strings.HasPrefix(specVersion, "1.") {
			return fmt.Errorf("it is CycloneDX %.20q: 1.2 to 1.7 are read", specVersion)
		}
	case spdxVersion != "":
		return b.spdxDone(spdxVersion)
	case strings.Contains(context, "spdx.org/rdf/3."):
		return b.spdx3Done()
	default:
		return ErrOther
	}
	return nil
}

// cut makes a problem of an error behind the first components: what was read counts.
func (b *bill) cut(err error, format string) error {
	if err == nil || len(b.components) == 0 {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errors.New("it is cut short")
	}
	b.problems = append(b.problems, fmt.Sprintf("%s: %v; what follows was not read", format, err))
	return nil
}

// context reads the @context of JSON-LD, in which a string tells SPDX 3.
func (d document) context(into *string) func() error {
	return func() error {
		var any json.RawMessage
		if err := d.Decode(&any); err != nil {
			return err
		}
		*into = string(any[:min(len(any), 1000)])
		return nil
	}
}

func (b *bill) metadata(d document) error {
	return d.object(map[string]func() error{
		"component": func() error {
			return b.component(d, 0, func(c component) error {
				if b.root.name == "" {
					c.properties = append(c.properties, b.root.properties...)
					b.root = c
					return nil
				}
				return b.add(c) // nested in it
			})
		},
		"properties": func() error { return b.properties(d, &b.root.properties) },
	})
}

// composition notes that a bill does not hold everything.
func (b *bill) composition(d document) error {
	var aggregate string
	err := d.object(map[string]func() error{"aggregate": d.text(&aggregate)})
	b.aggregate(aggregate)
	return err
}

func (b *bill) aggregate(word string) {
	if strings.HasPrefix(word, "incomplete") {
		b.problems = append(b.problems, "the bill says of itself that it is incomplete")
	}
}

// component reads a component of CycloneDX, and those in it after it.
func (b *bill) component(d document, depth int, add func(component) error) error {
	if depth > mostNesting {
		return fmt.Errorf("components are nested more than %d deep", mostNesting)
	}
	var c component
	var inner []component
	err := d.object(map[string]func() error{
		"type": d.text(&c.kind), "bom-ref": d.text(&c.id), "group": d.text(&c.group), "name": d.text(&c.name), "version": d.text(&c.version),
		"description": d.text(&c.text), "purl": d.text(&c.purl),
		"licenses": func() error { return d.list(func() error { return b.license(d, &c) }) },
		"properties": func() error {
			return b.properties(d, &c.properties)
		},
		"evidence": func() error { return b.evidence(d, &c) },
		"components": func() error {
			return d.list(func() error {
				return b.component(d, depth+1, func(c component) error {
					inner = append(inner, c)
					return b.count()
				})
			})
		},
	})
	if err != nil {
		return err
	}
	if err := add(c); err != nil {
		return err
	}
	for _, c := range inner {
		if err := add(c); err != nil {
			return err
		}
	}
	return nil
}

func (b *bill) license(d document, c *component) error {
	var id, name, expression string
	err := d.object(map[string]func() error{
		"expression": d.text(&expression),
		"license":    func() error { return d.object(map[string]func() error{"id": d.text(&id), "name": d.text(&name)}) },
	})
	for _, text := range []string{id, name, expression} {
		if text != "" {
			c.licenses = append(c.licenses, text)
			return errors.Join(err, b.count())
		}
	}
	return err
}

func (b *bill) properties(d document, into *[]property) error {
	return d.list(func() error {
		var p property
		if err := d.object(map[string]func() error{"name": d.text(&p.Name), "value": d.text(&p.Value)}); err != nil {
			return err
		}
		if !kept(p.Name) {
			return nil
		}
		*into = append(*into, p)
		return b.count()
	})
}

// kept are the properties that mean something here.
func kept(name string) bool {
	return strings.HasPrefix(name, "ullage:") || strings.HasPrefix(name, "syft:location:") || strings.HasPrefix(name, "syft:distro:") || strings.HasPrefix(name, "aquasecurity:trivy:")
}

func (b *bill) evidence(d document, c *component) error {
	c.evidence = true
	return d.object(map[string]func() error{"occurrences": func() error {
		return d.list(func() error {
			var o cdxOccurrence
			err := d.object(map[string]func() error{"location": d.text(&o.Location)})
			c.occurrences = append(c.occurrences, o.Location)
			return errors.Join(err, b.count())
		})
	}})
}
