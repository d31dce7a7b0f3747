// Package vex reads what others say of vulnerabilities in products, in OpenVEX,
// CycloneDX and CSAF, as statements that are held against an image, and writes what
// is known of an image as OpenVEX.
//
// What a document says and cannot be held against anything, such as a product that
// it names by a CPE alone, is told and never guessed. Documents are bounded in size
// and in parts.
package vex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"ullage.dev/ullage/internal/csaf"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/purl"
	"ullage.dev/ullage/internal/vuln"
)

// Limits of a document in OpenVEX or CycloneDX; those of CSAF are [csaf.MaxBytes].
const (
	mostBytes   = 64 << 20
	mostObjects = 1_000_000
)

// ErrOther is what [Read] fails with when a document is none of the formats.
var ErrOther = errors.New("it is neither OpenVEX, CycloneDX nor CSAF")

// Document is what is kept of a VEX document.
type Document struct {
	Statements []vuln.Statement // in the order of the document
	// Problems are statements that cannot be held against anything, and why.
	Problems []string
}

// ReadFile reads the document in a file.
func ReadFile(path string) (*Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return Read(f, path)
}

// Read reads a document of any of the formats. The name is what statements are said
// to be from.
func Read(r io.Reader, name string) (*Document, error) {
	text, err := io.ReadAll(io.LimitReader(r, csaf.MaxBytes+1))
	if err == nil {
		var d *Document
		if d, err = read(bytes.TrimPrefix(text, []byte("\ufeff")), name); err == nil {
			return d, nil
		}
	}
	return nil, fmt.Errorf("VEX document %s: %w", name, err)
}

func read(text []byte, name string) (*Document, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return nil, ErrOther
	}
	d := &Document{}
	switch kind, err := formatOf(text); {
	case err != nil:
		return nil, err
	case kind == "csaf":
		return d, d.csaf(text, name)
	case len(text) > mostBytes:
		return nil, fmt.Errorf("it has more than %d MiB", mostBytes>>20)
	case bytes.Count(text, []byte("{")) > mostObjects:
		return nil, fmt.Errorf("it has more than %d objects", mostObjects)
	case kind == "openvex":
		return d, d.openVEX(text, name)
	default:
		return d, d.cyclonedx(text, name)
	}
}

// formatOf looks for the member that tells a format, wherever it stands.
func formatOf(text []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return "", err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return "", err
		}
		var value peeked
		if err := d.Decode(&value); err != nil {
			return "", err
		}
		switch {
		case key == "@context" && strings.Contains(string(value), "openvex.dev/ns"):
			return "openvex", nil
		case key == "bomFormat" && string(value) == `"CycloneDX"`:
			return "cyclonedx", nil
		case key == "document":
			return "csaf", nil
		}
	}
	return "", ErrOther
}

// peeked is the beginning of a value.
type peeked string

func (p *peeked) UnmarshalJSON(b []byte) error {
	*p = peeked(b[:min(len(b), 200)])
	return nil
}

// add keeps a statement whose products can be held against an image.
func (d *Document) add(s vuln.Statement, lost []string) {
	for _, product := range lost {
		d.tell("%s: %s", s.Vulnerability, product)
	}
	switch {
	case s.Vulnerability == "":
		d.tell("a statement that names no vulnerability")
	case len(s.Products) > 0:
		d.Statements = append(d.Statements, s)
	case len(lost) == 0:
		d.tell("%s: a statement that names no product", s.Vulnerability)
	}
}

// mostProblems bounds what is told of one document.
const mostProblems = 1000

func (d *Document) tell(format string, args ...any) {
	switch n := len(d.Problems); {
	case n < mostProblems:
		d.Problems = append(d.Problems, fmt.Sprintf(format, args...))
	case n == mostProblems:
		d.Problems = append(d.Problems, "and more of the like")
	}
}

// digests are the names under which formats give SHA-2 digests of images.
var digests = map[string]string{"sha-256": "sha256", "sha256": "sha256", "sha-512": "sha512", "sha512": "sha512"}

func digest(algorithm, value string) string {
	if name := digests[strings.ToLower(algorithm)]; name != "" {
		return name + ":" + strings.ToLower(value)
	}
	return ""
}

// SubjectOf is what statements are held against for an image.
func SubjectOf(img *image.Image) *vuln.Subject {
	s := &vuln.Subject{Packages: make([]purl.URL, len(img.Packages)), Platform: img.Platform}
	if img.Repository != "" {
		s.Repositories = []string{img.Repository}
	}
	for _, digest := range []string{img.Index, img.Manifest, img.Identity.Config} {
		if digest != "" {
			s.Digests = append(s.Digests, digest)
		}
	}
	if len(s.Digests) == 0 {
		s.Digests = []string{contentPrefix + contentDigest(img)}
	}
	for i := range img.Packages {
		s.Packages[i], _ = purl.Parse(img.Packages[i].PURL) // one without a URL is nobody's product
	}
	return s
}

func seconds(times ...string) int64 {
	for _, text := range times {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t.Unix()
		}
	}
	return 0
}
