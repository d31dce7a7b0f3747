package sbom

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"ullage.dev/ullage/internal/image"
)

// Limits of a bill that is read. What is beyond them is an error, not left out.
const (
	mostBytes      = 256 << 20
	mostComponents = 1 << 18
	mostParts      = 1 << 21 // components, files, properties, relationships and the like
	mostNesting    = 32      // of components in components
	mostText       = 1 << 20 // bytes of one value of a tag-value document
)

// ErrOther is what [Read] fails with when a file is none of the formats.
var ErrOther = errors.New("neither CycloneDX nor SPDX")

// Looks says whether a file that begins so may be a bill of materials: JSON, XML or
// SPDX's lines of tags and values. No archive of an image begins so.
func Looks(beginning []byte) bool {
	b := bytes.TrimLeft(bytes.TrimPrefix(beginning, []byte("\ufeff")), " \t\r\n")
	return bytes.HasPrefix(b, []byte("{")) || bytes.HasPrefix(b, []byte("<")) || bytes.HasPrefix(b, []byte("SPDXVersion:")) || bytes.HasPrefix(b, []byte("#"))
}

// ReadFile reads the bill in a file.
func ReadFile(path string) (*image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return Read(f, path)
}

// Read reads a bill of materials, CycloneDX 1.0 to 1.7 in JSON or XML, SPDX 2.2
// and 2.3 in JSON or tags and values, or SPDX 3 in JSON-LD, as an image of which only the packages are
// known. What cannot be matched becomes a problem of the image. The name stands for
// an image that the bill does not name.
func Read(r io.Reader, name string) (*image.Image, error) {
	limited := &io.LimitedReader{R: r, N: mostBytes + 1}
	buffered := bufio.NewReaderSize(limited, 64<<10)
	if b, _ := buffered.Peek(3); string(b) == "\ufeff" {
		_, _ = buffered.Discard(3)
	}
	b := &bill{name: name}
	err := b.read(buffered)
	if limited.N == 0 {
		err = fmt.Errorf("it has more than %d MiB", mostBytes>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("bill of materials %s: %w", name, err)
	}
	return b.image(), nil
}

func (b *bill) read(r *bufio.Reader) error {
	for {
		c, err := r.ReadByte()
		if err != nil {
			return ErrOther
		}
		if strings.IndexByte(" \t\r\n", c) >= 0 {
			continue
		}
		if err := r.UnreadByte(); err != nil {
			return err
		}
		switch c {
		case '{':
			return b.json(r)
		case '<':
			return b.xml(r)
		}
		return b.tags(r)
	}
}

// bill gathers what a bill says, in any order, until it can be made an image.
type bill struct {
	name       string
	root       component
	systems    []component
	components []component
	problems   []string

	files     map[string]string // of SPDX, by id
	owned     map[string][]string
	brought   map[string]string // a package, by the id of one that it brought
	described string            // id of what an SPDX document is about
	states    bool              // it is by a program that states source packages
	graph     graph
	elements  int
}

// component is a part as both formats have it.
type component struct {
	kind, id, group, name, version, text, purl string
	licenses                                   []string
	properties                                 []property
	occurrences                                []string
	evidence                                   bool // there is a list of occurrences, be it empty
}

// count bounds how much is kept.
func (b *bill) count() error {
	if b.elements++; b.elements > mostParts {
		return fmt.Errorf("it has more than %d parts", mostParts)
	}
	return nil
}

// add keeps a component. Files and data are not packages.
func (b *bill) add(c component) error {
	if err := b.count(); err != nil {
		return err
	}
	switch strings.ToLower(c.kind) {
	case "operating-system", "operating_system":
		b.systems = append(b.systems, c)
	case "file", "container", "device", "data", "source", "archive", "install", "machine-learning-model", "device-driver", "cryptographic-asset":
		if c.purl == "" || strings.HasPrefix(c.purl, "pkg:oci/") || strings.HasPrefix(c.purl, "pkg:docker/") {
			return nil
		}
		fallthrough
	default:
		b.components = append(b.components, c)
	}
	if len(b.components) > mostComponents {
		return fmt.Errorf("it has more than %d components", mostComponents)
	}
	return nil
}

func (c *component) property(name string) string {
	for _, p := range c.properties {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

func (c *component) all(name string) []string {
	var list []string
	for _, p := range c.properties {
		if p.Name == name {
			list = append(list, p.Value)
		}
	}
	return list
}
