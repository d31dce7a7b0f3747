package sbom

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// xmlReader walks XML element by element.
type xmlReader struct {
	*xml.Decoder
	bill *bill
}

// within calls the function of each child's name; other children are skipped. It
// reads up to the end of the element.
func (x xmlReader) within(children map[string]func(xml.StartElement) error) error {
	for {
		token, err := x.Token()
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if read := children[token.Name.Local]; read != nil {
				err = read(token)
			} else {
				err = x.Skip()
			}
			if err != nil {
				return err
			}
		}
	}
}

// text reads what stands in an element.
func (x xmlReader) text(into *string) func(xml.StartElement) error {
	return func(xml.StartElement) error {
		var b strings.Builder
		for {
			token, err := x.Token()
			if err != nil {
				return err
			}
			switch token := token.(type) {
			case xml.CharData:
				if b.Len()+len(token) > mostText {
					return fmt.Errorf("a text of more than %d bytes", mostText)
				}
				b.Write(token)
			case xml.StartElement:
				if err := x.Skip(); err != nil {
					return err
				}
			case xml.EndElement:
				*into = strings.TrimSpace(b.String())
				return nil
			}
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// xml reads CycloneDX in XML.
func (b *bill) xml(r io.Reader) error {
	x := xmlReader{xml.NewDecoder(r), b}
	root, err := x.root()
	if err != nil {
		return err
	}
	if root.Name.Local != "bom" || !strings.Contains(root.Name.Space, "cyclonedx.org/schema/bom/1.") {
		return ErrOther
	}
	err = x.within(map[string]func(xml.StartElement) error{
		"metadata": func(xml.StartElement) error {
			return x.within(map[string]func(xml.StartElement) error{
				"component": func(e xml.StartElement) error {
					return x.component(e, 0, func(c component) error {
						if b.root.name == "" {
							c.properties = append(c.properties, b.root.properties...)
							b.root = c
							return nil
						}
						return b.add(c)
					})
				},
				"properties": x.properties(&b.root.properties),
			})
		},
		"components": func(xml.StartElement) error {
			return x.within(map[string]func(xml.StartElement) error{"component": func(e xml.StartElement) error { return x.component(e, 0, b.add) }})
		},
		"compositions": func(xml.StartElement) error {
			return x.within(map[string]func(xml.StartElement) error{"composition": func(xml.StartElement) error {
				var aggregate string
				err := x.within(map[string]func(xml.StartElement) error{"aggregate": x.text(&aggregate)})
				b.aggregate(aggregate)
				return err
			}})
		},
	})
	return b.cut(err, "XML")
}

func (x xmlReader) root() (xml.StartElement, error) {
	for {
		token, err := x.Token()
		if err != nil {
			return xml.StartElement{}, ErrOther
		}
		if start, ok := token.(xml.StartElement); ok {
			return start, nil
		}
	}
}

func (x xmlReader) component(e xml.StartElement, depth int, add func(component) error) error {
	if depth > mostNesting {
		return fmt.Errorf("components are nested more than %d deep", mostNesting)
	}
	c := component{kind: attribute(e, "type"), id: attribute(e, "bom-ref")}
	var inner []component
	err := x.within(map[string]func(xml.StartElement) error{
		"group": x.text(&c.group), "name": x.text(&c.name), "version": x.text(&c.version), "description": x.text(&c.text), "purl": x.text(&c.purl),
		"licenses": x.licenses(&c), "properties": x.properties(&c.properties),
		"components": func(xml.StartElement) error {
			return x.within(map[string]func(xml.StartElement) error{"component": func(e xml.StartElement) error {
				return x.component(e, depth+1, func(c component) error {
					inner = append(inner, c)
					return x.bill.count()
				})
			}})
		},
	})
	if err != nil {
		return err
	}
	for _, c := range append([]component{c}, inner...) {
		if err := add(c); err != nil {
			return err
		}
	}
	return nil
}

func (x xmlReader) licenses(c *component) func(xml.StartElement) error {
	return func(xml.StartElement) error {
		keep := func(text *string) func(xml.StartElement) error {
			return func(e xml.StartElement) error {
				if err := x.text(text)(e); err != nil {
					return err
				}
				c.licenses = append(c.licenses, *text)
				return x.bill.count()
			}
		}
		var text string
		return x.within(map[string]func(xml.StartElement) error{
			"expression": keep(&text),
			"license": func(xml.StartElement) error {
				return x.within(map[string]func(xml.StartElement) error{"id": keep(&text), "name": keep(&text)})
			},
		})
	}
}

func (x xmlReader) properties(into *[]property) func(xml.StartElement) error {
	return func(xml.StartElement) error {
		return x.within(map[string]func(xml.StartElement) error{"property": func(e xml.StartElement) error {
			p := property{Name: attribute(e, "name")}
			err := x.text(&p.Value)(e)
			if !kept(p.Name) {
				return err
			}
			*into = append(*into, p)
			return errors.Join(err, x.bill.count())
		}})
	}
}
