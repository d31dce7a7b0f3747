package sbom

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

func (b *bill) spdxPackage(d document) error {
	var c component
	var declared, concluded string
	err := d.object(map[string]func() error{
		"SPDXID": d.text(&c.id), "name": d.text(&c.name), "versionInfo": d.text(&c.version), "primaryPackagePurpose": d.text(&c.kind), "summary": d.text(&c.text),
		"licenseDeclared": d.text(&declared), "licenseConcluded": d.text(&concluded),
		"externalRefs": func() error {
			return d.list(func() error {
				var kind, locator string
				err := d.object(map[string]func() error{"referenceType": d.text(&kind), "referenceLocator": d.text(&locator)})
				c.refer(kind, locator)
				return err
			})
		},
		"annotations": func() error { return b.annotations(d, &c.properties) },
		"hasFiles": func() error {
			return d.list(func() error {
				var id string
				return errors.Join(d.text(&id)(), b.own(c.id, id)) // the id of the package comes first in all that write this
			})
		},
	})
	if err != nil {
		return err
	}
	c.licenses = []string{stated(declared, concluded)}
	return b.spdxAdd(c)
}

// stated is the licence that somebody states, the declared one first.
func stated(declared, concluded string) string {
	if declared == noAssertion {
		declared = ""
	}
	return cmp.Or(declared, concluded)
}

// refer takes an external reference that is a package URL. SPDX 2.2 writes the type
// as a URL.
func (c *component) refer(kind, locator string) {
	if kind == "purl" || strings.HasSuffix(kind, "/purl") {
		c.purl = cmp.Or(c.purl, locator)
	}
}

// spdxAdd keeps a package; the first container is the image.
func (b *bill) spdxAdd(c component) error {
	if b.root.kind == "" && c.kind == "CONTAINER" {
		c.properties = append(c.properties, b.root.properties...)
		b.root = c
		return nil
	}
	return b.add(c)
}

func (b *bill) annotations(d document, into *[]property) error {
	return d.list(func() error {
		var comment string
		err := d.object(map[string]func() error{"comment": d.text(&comment)})
		if name, value, ok := strings.Cut(comment, "="); ok && kept(name) {
			*into = append(*into, property{name, value})
		}
		return errors.Join(err, b.count())
	})
}

func (b *bill) spdxFile(d document) error {
	var id, name string
	if err := d.object(map[string]func() error{"SPDXID": d.text(&id), "fileName": d.text(&name)}); err != nil {
		return err
	}
	return b.file(id, name)
}

func (b *bill) file(id, name string) error {
	if b.files == nil {
		b.files = map[string]string{}
	}
	b.files[id] = name
	return b.count()
}

func (b *bill) spdxRelationship(d document) error {
	var from, how, to, comment string
	if err := d.object(map[string]func() error{
		"spdxElementId": d.text(&from), "relationshipType": d.text(&how), "relatedSpdxElement": d.text(&to), "comment": d.text(&comment),
	}); err != nil {
		return err
	}
	return b.relate(from, how, to, comment)
}

// relate notes which files and packages a package brought. Syft says the latter in
// a comment.
func (b *bill) relate(from, how, to, comment string) error {
	switch {
	case how == "CONTAINS", how == "OTHER" && strings.HasPrefix(comment, "ownership-by-file-overlap"):
		return b.own(from, to)
	case how == "CONTAINED_BY":
		return b.own(to, from)
	case how == "DESCRIBES" && from == spdxDocumentID:
		b.described = to
	}
	return nil
}

func (b *bill) own(owner, what string) error {
	if b.owned == nil {
		b.owned = map[string][]string{}
	}
	b.owned[owner] = append(b.owned[owner], what)
	return b.count()
}

// spdxDone resolves what elements say of one another.
func (b *bill) spdxDone(version string) error {
	if version != "SPDX-2.2" && version != "SPDX-2.3" {
		return fmt.Errorf("it is %.20q: SPDX-2.2, SPDX-2.3 and SPDX 3 in JSON-LD are read", version)
	}
	b.spdxResolve()
	return nil
}

func (b *bill) spdxResolve() {
	if i := slices.IndexFunc(b.components, func(c component) bool { return c.id == b.described }); i >= 0 && b.root.kind == "" {
		c := b.components[i]
		c.properties = append(c.properties, b.root.properties...)
		b.root = c
		if c.purl == "" { // the document's subject, not a package in it
			b.components = slices.Delete(b.components, i, i+1)
		}
	}
	b.brought = map[string]string{}
	names := map[string]string{}
	for i := range b.components {
		names[b.components[i].id] = b.components[i].name
	}
	for owner, list := range b.owned {
		if names[owner] == "" {
			continue
		}
		hasFiles := false
		for _, id := range list {
			if b.files[id] != "" {
				hasFiles = true
			} else if old := b.brought[id]; old == "" || names[owner] < old {
				b.brought[id] = names[owner]
			}
		}
		if !hasFiles {
			delete(b.owned, owner)
		}
	}
}

// tags reads lines of tags and values.
func (b *bill) tags(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), mostText)
	t := tagReader{bill: b}
	for lines.Scan() {
		if err := t.line(lines.Text()); err != nil {
			return err
		}
	}
	if err := errors.Join(lines.Err(), t.end()); err != nil {
		return fmt.Errorf("SPDX: %w", err)
	}
	if t.version == "" {
		return ErrOther
	}
	return b.spdxDone(t.version)
}

// tagReader reads a document of tags and values line by line.
type tagReader struct {
	bill                *bill
	version             string
	current             *component // nil outside of packages
	declared, concluded string
	fileName            string
	pending             []string // a relationship, whose comment may follow

	inText     bool
	textTag    string
	text       strings.Builder
	lineNumber int
}

func (t *tagReader) line(line string) error {
	t.lineNumber++
	if t.lineNumber == 1 {
		line = strings.TrimPrefix(line, "\ufeff")
	}
	if t.inText {
		before, _, ended := strings.Cut(line, "</text>")
		if t.text.Len()+len(before) > mostText {
			return fmt.Errorf("line %d: a text of more than %d bytes", t.lineNumber, mostText)
		}
		t.text.WriteString("\n" + before)
		if t.inText = !ended; ended {
			return t.tag(t.textTag, t.text.String())
		}
		return nil
	}
	if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
		return nil
	}
	tag, value, ok := strings.Cut(line, ":")
	if !ok {
		if t.version == "" {
			return ErrOther
		}
		return fmt.Errorf("line %d: neither a tag nor a comment", t.lineNumber)
	}
	value = strings.TrimSpace(value)
	if rest, long := strings.CutPrefix(value, "<text>"); long {
		before, _, ended := strings.Cut(rest, "</text>")
		if !ended {
			t.inText, t.textTag = true, tag
			t.text.Reset()
			t.text.WriteString(rest)
			return nil
		}
		value = before
	}
	return t.tag(tag, value)
}

func (t *tagReader) tag(tag, value string) error {
	if tag != "RelationshipComment" {
		if err := t.relation(""); err != nil {
			return err
		}
	}
	switch tag {
	case "Creator":
		t.bill.creator(value)
	case "SPDXVersion":
		t.version = value
	case "PackageName":
		err := t.end()
		t.current = &component{name: value}
		return err
	case "FileName", "SnippetSPDXID", "LicenseID":
		err := t.end()
		t.fileName = ""
		if tag == "FileName" {
			t.fileName = value
		}
		return err
	case "SPDXID":
		if t.current != nil {
			t.current.id = value
		} else if t.fileName != "" {
			return t.bill.file(value, t.fileName)
		}
	case "Relationship":
		t.pending = strings.Fields(value)
	case "RelationshipComment":
		return t.relation(value)
	default:
		t.ofPackage(tag, value)
	}
	return nil
}

func (t *tagReader) ofPackage(tag, value string) {
	if t.current == nil {
		return
	}
	switch tag {
	case "PackageVersion":
		t.current.version = value
	case "PrimaryPackagePurpose":
		t.current.kind = strings.ReplaceAll(value, "_", "-")
	case "PackageSummary":
		t.current.text = value
	case "PackageLicenseDeclared":
		t.declared = value
	case "PackageLicenseConcluded":
		t.concluded = value
	case "ExternalRef":
		if f := strings.Fields(value); len(f) == 3 {
			t.current.refer(f[1], f[2])
		}
	}
}

// relation notes the relationship that was read, with its comment.
func (t *tagReader) relation(comment string) error {
	r := t.pending
	t.pending = nil
	if len(r) < 3 {
		return nil
	}
	return t.bill.relate(r[0], r[1], r[2], comment)
}

// end keeps the package that was read.
func (t *tagReader) end() error {
	err := t.relation("")
	if c := t.current; c != nil {
		c.licenses = []string{stated(t.declared, t.concluded)}
		err = errors.Join(err, t.bill.spdxAdd(*c))
	}
	t.current, t.declared, t.concluded = nil, "", ""
	return err
}
