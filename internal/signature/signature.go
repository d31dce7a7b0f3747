// Package signature verifies who vouches for a container image: signatures of
// cosign, with keys and with certificates that were issued for a moment
// (keyless), and in-toto attestations such as provenance, SBOM and VEX.
//
// It works offline: what is trusted is given as public keys and as a trusted root
// (certificate authorities, transparency logs and timestamp authorities, in the
// form that sigstore distributes). A certificate is accepted when it leads to an
// authority at every time that is proven for the signature, when a trusted
// certificate transparency log knows it and when the signature is in a trusted
// log; each as far as the trusted root names such logs. No key is fetched and
// nothing is believed that the image's side says of itself.
//
// What is not read: signatures in the form of Notary, and SBOMs that are attached
// without a signature.
package signature

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// State answers whether somebody vouches for an image.
type State string

// The states. They are different things: only Unsigned says that there is nothing.
const (
	NotLookedFor State = "not looked for" // nobody asked, or what the image was read from holds no signatures
	Unknown      State = "unknown"        // it could not be looked for
	Unsigned     State = "unsigned"       // there is neither signature nor attestation
	NotVerified  State = "not verified"   // there are some, and none is what was asked for
	Verified     State = "verified"       // at least one is
)

// Result is what was found out about an image.
type Result struct {
	State State
	// Why says why it is not known or was not looked for, and of what is verified
	// that it may be by anybody.
	Why        string
	Signatures []Signature // those that are verified first
}

// Kind tells signatures from attestations.
type Kind string

// The kinds.
const (
	OfImage     Kind = "signature"   // says that its signer vouches for the image
	Attestation Kind = "attestation" // says something about it, see Predicate
)

// Signature is one signature or attestation. Only where Verified is set may what it
// says be relied upon; else the fields are what it claims.
type Signature struct {
	Kind     Kind
	Subject  string // digest of the manifest or index that it is about
	Verified bool
	Why      string // why it is not verified
	// Predicate is the type of an attestation's statement, such as
	// https://slsa.dev/provenance/v1.
	Predicate string
	Builder   string // who built the image, by a provenance; "" elsewhere
	Identity  string // of the certificate: an address, a workflow; "" for keys
	Issuer    string // who checked the identity
	Key       string // digest of the public key that verified it; "" for certificates
	Logged    time.Time
	LogIndex  int64     // in the transparency log, -1 when it is in none
	Stamped   time.Time // by a timestamp authority
	// Statement is the in-toto statement of an attestation.
	Statement json.RawMessage
}

// Store is where an image and what is attached to it lie.
type Store interface {
	// Referrers lists the manifests that name the digest as their subject.
	Referrers(ctx context.Context, digest string) ([]v1.Descriptor, error)
	// Tagged returns the manifest under a tag beside the image, nil for none.
	Tagged(ctx context.Context, tag string) ([]byte, error)
	// Document returns a manifest or a small blob, which has the digest that the
	// descriptor says.
	Document(ctx context.Context, d v1.Descriptor) ([]byte, error)
}

// Demand says whom to believe. A signature is verified when one of the keys made
// it, or an identity that fits with a certificate of one of the roots.
type Demand struct {
	Keys []Key
	// Roots are trusted on their own: nothing of one is mixed with another. Where
	// Keys are given too, signatures by keys must be in a log that a root names.
	Roots    []*Root
	Identity Match
	Issuer   Match
	// Predicates are types of attestations without which an image is not verified.
	Predicates []string
}

// Look finds what is attached to an image and verifies it. The digests are those by
// which the image is known, its index and its manifest: a signature of either
// counts. An error of the context is an Unknown state like any other.
func Look(ctx context.Context, store Store, digests []string, demand *Demand) Result {
	var all []Signature
	var failed error
	for _, digest := range slices.Compact(slices.Clone(digests)) {
		if digest == "" {
			continue
		}
		found, err := find(ctx, store, digest)
		failed = cmp.Or(failed, err)
		for i := range found {
			all = append(all, demand.verify(&found[i], digest))
		}
	}
	slices.SortStableFunc(all, func(a, b Signature) int {
		switch {
		case a.Verified == b.Verified:
			return cmp.Or(-cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Predicate, b.Predicate))
		case a.Verified:
			return -1
		}
		return 1
	})
	return demand.conclude(all, failed)
}

func (d *Demand) conclude(all []Signature, failed error) Result {
	r := Result{Signatures: all, State: NotVerified}
	verified := slices.ContainsFunc(all, func(s Signature) bool { return s.Verified })
	for _, predicate := range d.Predicates {
		if !slices.ContainsFunc(all, func(s Signature) bool { return s.Verified && s.Predicate == predicate }) && verified {
			verified = false
			r.Why = "no verified attestation of the type " + predicate
		}
	}
	switch {
	case verified:
		r.State = Verified
		if len(d.Keys) == 0 && (d.Identity.IsZero() || d.Issuer.IsZero()) {
			r.Why = "no identity with its issuer was asked for, so it may be anybody"
		}
	case failed != nil:
		r.State, r.Why = Unknown, failed.Error()
	case len(all) == 0:
		r.State = Unsigned
	}
	return r
}

// mostSignatures is how many are looked at. Somebody who may push can attach any
// number.
const mostSignatures = 256

// predicates are the short names of predicate types that cosign and others use.
var predicates = map[string]string{
	"slsaprovenance":   "https://slsa.dev/provenance/v0.2",
	"slsaprovenance02": "https://slsa.dev/provenance/v0.2",
	"slsaprovenance1":  "https://slsa.dev/provenance/v1",
	"spdxjson":         "https://spdx.dev/Document",
	"cyclonedx":        "https://cyclonedx.org/bom",
	"openvex":          "https://openvex.dev/ns/v0.2.0",
	"vuln":             "https://cosign.sigstore.dev/attestation/vuln/v1",
}

// Predicate returns the predicate type of a short name (slsaprovenance1, spdxjson,
// cyclonedx, openvex, vuln), or of a type itself.
func Predicate(name string) (string, error) {
	if full, ok := predicates[name]; ok {
		return full, nil
	}
	for _, c := range name {
		if c == ':' || c == '/' {
			return name, nil
		}
	}
	return "", fmt.Errorf("predicate type %q is not known: write its full address, or slsaprovenance, slsaprovenance1, spdxjson, cyclonedx, openvex or vuln", name)
}
