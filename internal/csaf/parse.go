package csaf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"ullage.dev/ullage/internal/tree"
)

// Limits of a document.
const (
	// MaxBytes is ample: the largest documents that are published, on the kernel in
	// all releases of a distribution, are some tens of megabytes.
	MaxBytes      = 192 << 20
	maxDepth      = 64        // of branches
	maxRelated    = 8         // relationships upon relationships
	maxProducts   = 1_000_000 // and relationships
	maxStatements = 4_000_000
	maxProblems   = 20
	maxText       = 4 << 10 // of a remediation or a title; longer ones are cut
)

var errTooLarge = errors.New("it is larger than a document may be")

// bounded refuses to read more than a document may be.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

type parser struct {
	*json.Decoder
	doc             Document
	version         string
	products        map[string]*Product
	relations       []relation
	groups          map[string][]string
	vulnerabilities []rawVulnerability
	count           int // products and relationships
	statements      int
}

// Parse reads one document. What follows it in r is not looked at.
func Parse(r io.Reader) (*Document, error) { return parse(r, MaxBytes) }

func parse(r io.Reader, most int64) (*Document, error) {
	p := &parser{Decoder: json.NewDecoder(&bounded{r, most}), products: map[string]*Product{}, groups: map[string][]string{}}
	err := p.fields(func(key string) error {
		switch key {
		case "document":
			return p.document()
		case "product_tree":
			return p.tree()
		case "vulnerabilities":
			return p.elements(p.vulnerability)
		}
		return p.skip()
	})
	if err != nil {
		return nil, fmt.Errorf("no CSAF document: at byte %d: %w", p.InputOffset(), tree.PlainJSON(err))
	}
	if p.version != "2.0" && p.version != "2.1" {
		return nil, fmt.Errorf("no CSAF document: csaf_version is %.40q, not 2.0", p.version)
	}
	if err := p.relate(); err != nil {
		return nil, err
	}
	if err := p.resolve(); err != nil {
		return nil, err
	}
	return &p.doc, nil
}

// fields calls yield with each key of an object; yield reads the value.
func (p *parser) fields(yield func(key string) error) error {
	if err := p.delimiter('{'); err != nil {
		return err
	}
	for p.More() {
		token, err := p.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if err := yield(key); err != nil {
			return err
		}
	}
	return p.delimiter('}')
}

// elements calls yield for each element of a list; yield reads it.
func (p *parser) elements(yield func() error) error {
	if err := p.delimiter('['); err != nil {
		return err
	}
	for p.More() {
		if err := yield(); err != nil {
			return err
		}
	}
	return p.delimiter(']')
}

func (p *parser) delimiter(want json.Delim) error {
	token, err := p.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && token != want {
		err = fmt.Errorf("there is no %q", want.String())
	}
	return err
}

func (p *parser) skip() error {
	var skipped json.RawMessage
	return p.Decode(&skipped)
}

func (p *parser) problem(format string, args ...any) {
	if len(p.doc.Problems) < maxProblems {
		p.doc.Problems = append(p.doc.Problems, fmt.Sprintf(format, args...))
	}
}

func (p *parser) document() error {
	var d struct {
		Category  string `json:"category"`
		Version   string `json:"csaf_version"`
		Title     string `json:"title"`
		Publisher struct {
			Name string `json:"name"`
		} `json:"publisher"`
		Severity struct {
			Text string `json:"text"`
		} `json:"aggregate_severity"`
		Tracking struct {
			ID       string `json:"id"`
			Version  string `json:"version"`
			Initial  string `json:"initial_release_date"`
			Released string `json:"current_release_date"`
		} `json:"tracking"`
	}
	if err := p.Decode(&d); err != nil {
		return err
	}
	p.version = d.Version
	p.doc.ID, p.doc.Version, p.doc.Title, p.doc.Category = d.Tracking.ID, d.Tracking.Version, cut(d.Title), d.Category
	p.doc.Publisher, p.doc.Severity = d.Publisher.Name, d.Severity.Text
	p.doc.Initial, p.doc.Released = date(d.Tracking.Initial), date(d.Tracking.Released)
	return nil
}

// date reads a time, the zero time when it is none.
func date(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// cut shortens a text to maxText bytes, at a rune.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	n := maxText
	for n > 0 && text[n]&0xc0 == 0x80 {
		n--
	}
	return text[:n]
}

// about is a part of a vulnerability that names the products it is about.
type about struct {
	Products []string `json:"product_ids"`
	Groups   []string `json:"group_ids"`
}

type rawVulnerability struct {
	Vulnerability
	status       []rawStatus
	flags        []rawFlag
	remediations []rawRemediation
	threats      []rawThreat
	scores       []rawScore
}

type rawStatus struct {
	status   Status
	products []string
}

type rawFlag struct {
	Label string `json:"label"`
	about
}

type rawRemediation struct {
	Category string `json:"category"`
	Details  string `json:"details"`
	URL      string `json:"url"`
	about
}

type rawThreat struct {
	Category string `json:"category"`
	Details  string `json:"details"`
	about
}

type rawScore struct {
	Products []string    `json:"products"`
	V2       vector      `json:"cvss_v2"`
	V3       vector      `json:"cvss_v3"`
	V4       vector      `json:"cvss_v4"`
	Content  *rawContent `json:"content"` // of version 2.1, under metrics
}

type rawContent struct {
	V2 vector `json:"cvss_v2"`
	V3 vector `json:"cvss_v3"`
	V4 vector `json:"cvss_v4"`
}

type vector struct {
	Vector string `json:"vectorString"`
}

// statuses are the lists of a product_status that are read, in the order of the
// statements that they give.
var statuses = []Status{Fixed, FirstFixed, Affected, FirstAffected, LastAffected, NotAffected, UnderInvestigation, Recommended}

func (p *parser) vulnerability() error {
	v := rawVulnerability{}
	err := p.fields(func(key string) error {
		switch key {
		case "cve":
			return p.Decode(&v.CVE)
		case "title":
			err := p.Decode(&v.Title)
			v.Title = cut(v.Title)
			return err
		case "release_date":
			var text string
			err := p.Decode(&text)
			v.Published = date(text)
			return err
		case "ids":
			return p.ids(&v)
		case "product_status":
			return p.status(&v)
		case "flags":
			return list(p, &v.flags)
		case "remediations":
			err := list(p, &v.remediations)
			for i := range v.remediations {
				v.remediations[i].Details = cut(v.remediations[i].Details)
			}
			return err
		case "threats":
			return list(p, &v.threats)
		case "scores", "metrics":
			return list(p, &v.scores)
		}
		return p.skip()
	})
	p.vulnerabilities = append(p.vulnerabilities, v)
	return err
}

func (p *parser) ids(v *rawVulnerability) error {
	return p.elements(func() error {
		var id struct {
			Text string `json:"text"`
		}
		err := p.Decode(&id)
		if id.Text != "" {
			v.IDs = append(v.IDs, id.Text)
		}
		return err
	})
}

func (p *parser) status(v *rawVulnerability) error {
	return p.fields(func(key string) error {
		if !slices.Contains(statuses, Status(key)) {
			p.problem("%s: the product status %.60q is not known", v.CVE, key)
			return p.skip()
		}
		s := rawStatus{status: Status(key)}
		if err := list(p, &s.products); err != nil {
			return err
		}
		if p.statements += len(s.products); p.statements > maxStatements {
			return fmt.Errorf("it makes more than %d statements", maxStatements)
		}
		v.status = append(v.status, s)
		return nil
	})
}

// list reads a list element by element.
func list[T any](p *parser, to *[]T) error {
	return p.elements(func() error {
		var x T
		err := p.Decode(&x)
		*to = append(*to, x)
		return err
	})
}
