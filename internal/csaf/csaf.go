// Package csaf reads documents of the Common Security Advisory Framework, version
// 2.0 (https://docs.oasis-open.org/csaf/csaf/v2.0/os/csaf-v2.0-os.html), its VEX
// profile among them: which products a document speaks of, and what it says of each
// of them for each vulnerability.
//
// A document is read as a stream, and what it holds is bounded. It is not held
// against the schema: what is not needed is passed over, what is needed and cannot
// be understood is an error or a [Document.Problems], never guessed. Texts are
// those of the document: whoever prints them takes out control characters.
package csaf

import "time"

// Document is what is kept of a document.
type Document struct {
	ID        string // of the tracking: RHSA-2024:1234, CVE-2024-1
	Title     string
	Category  string // csaf_vex, csaf_security_advisory, ...
	Publisher string
	Version   string // of the document
	Severity  string // the publisher's own word for all of it, "" when there is none
	Initial   time.Time
	Released  time.Time // of this version

	Vulnerabilities []Vulnerability
	// Problems are parts that could not be understood, such as statements on
	// products that the document does not define.
	Problems []string
}

// Vulnerability is what a document says of one vulnerability.
type Vulnerability struct {
	CVE        string   // "" when it has none
	IDs        []string // in other systems
	Title      string
	Published  time.Time
	Statements []Statement // in the order of the document
}

// Status is what is said of a product. It is the name of the list in which the
// document has the product.
type Status string

// The statuses. First and last ones speak of versions of one product in order;
// recommended ones of where to go, not of whether they are affected.
const (
	Fixed              Status = "fixed"
	FirstFixed         Status = "first_fixed"
	Affected           Status = "known_affected"
	FirstAffected      Status = "first_affected"
	LastAffected       Status = "last_affected"
	NotAffected        Status = "known_not_affected"
	UnderInvestigation Status = "under_investigation"
	Recommended        Status = "recommended"
)

// Statement is what is said of one product.
type Statement struct {
	Product *Product
	Status  Status
	// Justification is the label of the flag that says why a product is not
	// affected: component_not_present, vulnerable_code_not_present, ... "" when
	// there is none.
	Justification string
	// Impact is the text of the threat of category impact: the publisher's severity
	// for this product, or why it is not affected. "" when there is none.
	Impact       string
	Remediations []*Remediation
	Vectors      []string // CVSS vectors
}

// Remediation categories.
const (
	VendorFix     = "vendor_fix"
	NoFixPlanned  = "no_fix_planned"
	NoneAvailable = "none_available"
	Mitigation    = "mitigation"
	Workaround    = "workaround"
)

// Remediation is what can be done.
type Remediation struct {
	Category string
	Details  string
	URL      string
}

// Product is something that statements are about.
type Product struct {
	ID   string
	Name string
	PURL string // "" when there is none
	CPE  string // "" when there is none
	// Part and Whole are those of a relationship: this product is Part as a component
	// of Whole, or installed on it or with it. Both are nil for a product that stands
	// by itself. Following them ends: a document whose relationships lead in a circle
	// is an error.
	Part, Whole *Product
}

// Component returns what is installed: the part, of parts of parts the innermost.
func (p *Product) Component() *Product {
	for p.Part != nil {
		p = p.Part
	}
	return p
}

// Each calls yield with the product, its parts and what they are parts of, until it
// returns false.
func (p *Product) Each(yield func(*Product) bool) {
	p.each(yield)
}

func (p *Product) each(yield func(*Product) bool) bool {
	return p == nil || yield(p) && p.Part.each(yield) && p.Whole.each(yield)
}

// Has says whether a statement has a remediation of a category.
func (s *Statement) Has(category string) bool {
	for _, r := range s.Remediations {
		if r.Category == category {
			return true
		}
	}
	return false
}
