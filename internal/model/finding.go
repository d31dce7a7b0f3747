package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ullage.dev/ullage/internal/tree"
)

// Severity ranks findings.
type Severity uint8

// The severities, from least to worst.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
)

var severityNames = [...]string{"info", "low", "medium", "high", "critical"}

func (s Severity) String() string { return severityNames[s] }

// MarshalText writes the name of the severity.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name of a severity.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severityNames {
		if strings.EqualFold(string(text), name) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("severity %q is none of %s", text, strings.Join(severityNames[:], ", "))
}

// RuleInfo is what people are told about a rule.
type RuleInfo struct {
	ID          string   // permanent, such as privileged-container
	Title       string   // what is wrong, in a few words: "Container runs privileged"
	Severity    Severity // of its findings
	Category    string   // one of Categories
	Rationale   string   // what an attacker gains, or what breaks
	Remediation string   // what to do, in general
	Attack      []string // MITRE ATT&CK Enterprise technique ids
	Checks      []string // compliance check slugs that the rule decides; frameworks refer to them
	Aliases     []string // ids of the same rule in other tools, as tool:id
	Profiles    []string // the built-in profiles that hold the rule, besides "all"
	Builtin     bool     // part of the rule library, not given by the user
	Advisory    bool     // from a policy binding that warns or audits, and does not deny
}

// Fingerprint identifies a finding across runs. It depends on the rule, the
// object's key and the names of the elements on the way to the failing one, not
// on file names, lines or the order of lists.
type Fingerprint [16]byte

// NewFingerprint hashes the parts of a finding's identity.
func NewFingerprint(parts ...string) Fingerprint {
	return FingerprintOf(AppendIdentity(make([]byte, 0, 256), parts...))
}

// AppendIdentity appends parts of an identity, such that [FingerprintOf] all of
// them is their [NewFingerprint].
func AppendIdentity(text []byte, parts ...string) []byte {
	for _, p := range parts {
		text = append(append(strconv.AppendInt(text, int64(len(p)), 10), ':'), p...)
	}
	return text
}

// FingerprintOf hashes what AppendIdentity made.
func FingerprintOf(text []byte) Fingerprint {
	sum := sha256.Sum256(text)
	return Fingerprint(sum[:len(Fingerprint{})])
}

func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// MarshalText writes the fingerprint in hexadecimal.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(f) {
		return fmt.Errorf("fingerprint %q does not have %d hexadecimal digits", text, 2*len(f))
	}
	_, err := hex.Decode(f[:], text)
	return err
}

// Element is the part of an object that a rule judges. Everything that is found
// about it shares it.
type Element struct {
	Object  *Object
	Subject string    // what people call it, such as `container "web"`; "" for the object itself
	Path    tree.Path // from the object's root
}

// Statement is what a rule says is wrong with an element. Findings that say the
// same share it.
type Statement struct {
	Rule    *RuleInfo
	Field   *Target // the field at fault, which may be absent
	Message string  // what is wrong here, one sentence without a full stop
	Fixes   []Fix   // ways to mend it, the best first
}

// Finding is one thing that is wrong with one element of one object.
type Finding struct {
	*Element
	*Statement
	Written     *tree.Node // the field at fault, or the nearest node above it that has a place
	Fingerprint Fingerprint
	// Symptoms are findings that have this one as their cause: they vanish with
	// it and are not shown on their own.
	Symptoms []*Finding

	Exception *Exception // set when a valid exception covers the finding
	Baselined bool       // true when the baseline holds the finding
}

// Active reports whether the finding counts: neither excepted nor known from
// the baseline.
func (f *Finding) Active() bool { return f.Exception == nil && !f.Baselined }

// Place is where the field at fault is written, or what it is missing from.
func (f *Finding) Place() Place { return f.Object.Source.Place(f.Written) }

// Target is a place relative to the element of a finding, so that all findings
// of a rule share it.
type Target struct {
	Up   int       // steps to take back from the element; beyond the root is the root
	Path tree.Path // steps to take from there
}

// Root is the Up of targets that start at the object's root.
const Root = 1 << 30

// At returns the path from the object's root to a target.
func (f *Finding) At(t Target) tree.Path {
	return f.Element.Path[:max(len(f.Element.Path)-t.Up, 0)].Join(t.Path...)
}

// Path returns the path from the object's root to the field at fault.
func (f *Finding) Path() tree.Path { return f.At(*f.Field) }

// FixClass says what a fix may do to a running program.
type FixClass string

// The fix classes.
const (
	// Inert fixes state a default, or what holds already: behavior does not change.
	Inert FixClass = "inert"
	// Tightening fixes take something away that a program may have relied on.
	Tightening FixClass = "tightening"
	// Decision fixes need a person to choose a value; they are never applied.
	Decision FixClass = "decision"
)

// Fix is a change to the object that ends a finding.
type Fix struct {
	Class    FixClass
	Edits    []Edit
	Question string // for a decision: what a person must decide
}

// Edit sets or removes one value; [Finding.At] tells where.
type Edit struct {
	Target
	Value  *tree.Node // nil removes the value there
	Append bool       // append Value to the list there, creating it where absent
}

// Question is what a rule could not tell, and why. Elements about which it is
// open for the same reason share it.
type Question struct {
	Rule   *RuleInfo
	Reason string // such as "NetworkPolicies may live elsewhere"
}

// Unknown is a question that could not be answered about one element.
type Unknown struct {
	*Element
	*Question
	Written *tree.Node // as that of a Finding
}

// Place is where the question arises.
func (u *Unknown) Place() Place { return u.Object.Source.Place(u.Written) }

// Problem is something that should have been checked and could not be.
type Problem struct {
	Place  Place
	Reason string
	Hint   string // what the user can do about it; may be empty
}

func (p Problem) String() string {
	if place := p.Place.String(); place != "" {
		return place + ": " + p.Reason
	}
	return p.Reason
}

// Exception lets a finding pass, for a reason, for a time.
type Exception struct {
	ID      string
	Rules   []string // ids, aliases or "*"
	Reason  string
	Owner   string
	Expires time.Time // zero when it never does
	Place   Place     // where it is written
	Matched int       // number of findings that it covered in this run
}
