package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// verify judges one signature that was found with a digest.
func (d *Demand) verify(e *entity, digest string) Signature {
	s := Signature{Kind: OfImage, Subject: digest, LogIndex: -1}
	if e.statement {
		s.Kind = Attestation
	}
	err := e.broken
	if err == nil {
		err = e.about(digest, &s)
	}
	if e.certificate != nil {
		s.Identity, s.Issuer = identityOf(e.certificate)
	}
	switch {
	case err != nil:
	case e.certificate != nil:
		err = d.byCertificate(e, &s)
	default:
		err = d.byKey(e, &s)
	}
	if err != nil {
		s.Why = err.Error()
		return s
	}
	s.Verified = true
	return s
}

// statementFile is what of an in-toto statement matters.
type statementFile struct {
	Type          string `json:"_type"`
	PredicateType string
	Subject       []struct{ Digest map[string]string }
	Predicate     json.RawMessage
}

// cosignPredicate is the type by which a statement is a plain signature.
const cosignPredicate = "https://sigstore.dev/cosign/sign/v1"

// about holds what was signed against the image, and notes what it says.
func (e *entity) about(digest string, s *Signature) error {
	if e.digest != nil {
		if "sha256:"+hex.EncodeToString(e.digest) != digest {
			return errors.New("it is a signature of something else")
		}
		return nil
	}
	if !e.statement {
		var f struct {
			Critical struct {
				Type  string
				Image struct {
					Digest string `json:"docker-manifest-digest"`
				}
			}
		}
		if err := json.Unmarshal(e.payload, &f); err != nil {
			return fmt.Errorf("payload: %w", err)
		}
		if f.Critical.Image.Digest != digest {
			return fmt.Errorf("it is a signature of another image, %.80q", f.Critical.Image.Digest)
		}
		return nil
	}
	var f statementFile
	if err := json.Unmarshal(e.payload, &f); err != nil {
		return fmt.Errorf("statement: %w", err)
	}
	if !strings.HasPrefix(f.Type, "https://in-toto.io/Statement/") {
		return fmt.Errorf("a statement of the type %.80q, not of in-toto", f.Type)
	}
	s.Predicate, s.Statement = f.PredicateType, e.payload
	if f.PredicateType == cosignPredicate {
		s.Kind, s.Predicate, s.Statement = OfImage, "", nil
	}
	for _, subject := range f.Subject {
		if "sha256:"+subject.Digest["sha256"] == digest {
			s.Builder = builder(f.Predicate)
			return nil
		}
	}
	return errors.New("it is a statement about another image")
}

// builder is who built something, by a provenance of SLSA 0.2 or 1.
func builder(predicate []byte) string {
	type named struct{ Builder struct{ ID string } }
	var f struct {
		named
		RunDetails named
	}
	if json.Unmarshal(predicate, &f) != nil {
		return ""
	}
	if f.RunDetails.Builder.ID != "" {
		return f.RunDetails.Builder.ID
	}
	return f.Builder.ID
}

// byKey verifies a signature that was made with a key of the signer's own.
func (d *Demand) byKey(e *entity, s *Signature) error {
	if len(d.Keys) == 0 {
		return errors.New("it was made with a key, and no key is given")
	}
	i := slices.IndexFunc(d.Keys, func(k Key) bool { return e.signedBy(k.Public) == nil })
	if i < 0 {
		return errors.New("no given key made it, or it was changed")
	}
	s.Key = d.Keys[i].ID
	if len(d.Roots) == 0 {
		return nil
	}
	var failed error
	for _, r := range d.Roots {
		if _, err := r.times(e, d.Keys[i].Public, s); err != nil {
			failed = err
			continue
		}
		return nil
	}
	return failed
}

// byCertificate verifies a signature with a certificate for an identity.
func (d *Demand) byCertificate(e *entity, s *Signature) error {
	if len(d.Roots) == 0 {
		return errors.New("it was made with a certificate, and no trusted root is given")
	}
	if d.Identity.IsZero() && d.Issuer.IsZero() && len(d.Keys) > 0 {
		return errors.New("it was made with a certificate, and a key is asked for")
	}
	var failed error
	for _, r := range d.Roots {
		if failed = r.certificate(e, s); failed == nil {
			break
		}
	}
	switch {
	case failed != nil:
		return failed
	case !d.Issuer.fits(s.Issuer):
		return fmt.Errorf("its issuer is %.200q, which is not the one asked for", s.Issuer)
	case !d.Identity.fits(s.Identity):
		return fmt.Errorf("its signer is %.200q, which is not the one asked for", s.Identity)
	}
	return nil
}

// certificate holds a signature and its certificate against one root.
func (r *Root) certificate(e *entity, s *Signature) error {
	if err := e.signedBy(e.certificate.PublicKey); err != nil {
		return err
	}
	times, err := r.times(e, e.certificate.PublicKey, s)
	if err != nil {
		return err
	}
	if len(times) == 0 {
		return errors.New("nothing proves when it was made: neither a log nor a timestamp of a trusted authority")
	}
	leaf := *e.certificate
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions), oidNames.Equal) // read by identityOf
	var issuers []*x509.Certificate
	for _, at := range times {
		if issuers, err = r.issuers(&leaf, e.chain, at); err != nil {
			return fmt.Errorf("its certificate at %s: %w", at.UTC().Format(time.RFC3339), err)
		}
	}
	if len(r.certLogs) == 0 {
		return nil
	}
	return r.transparent(e.certificate, issuers)
}

// issuers returns those who issued a certificate, by each chain to an authority
// that was valid at a time.
func (r *Root) issuers(leaf *x509.Certificate, brought []*x509.Certificate, at time.Time) ([]*x509.Certificate, error) {
	failed := errors.New("no authority issued it that the trusted root names for that time")
	for i := range r.authorities {
		a := &r.authorities[i]
		if !a.valid.holds(at) {
			continue
		}
		chains, err := leaf.Verify(x509.VerifyOptions{
			Roots: a.roots, Intermediates: a.pool(brought), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		})
		if err != nil {
			failed = err
			continue
		}
		var issuers []*x509.Certificate
		for _, chain := range chains {
			issuers = append(issuers, chain[min(1, len(chain)-1)])
		}
		return issuers, nil
	}
	return nil, failed
}

// times returns when the signature was made, by each proof. It fails when the root
// names logs and the signature is in none of them, and when a proof is wrong.
func (r *Root) times(e *entity, key crypto.PublicKey, s *Signature) ([]time.Time, error) {
	var all []time.Time
	s.Logged, s.Stamped, s.LogIndex = time.Time{}, time.Time{}, -1
	logged := false
	for i := range e.entries {
		entry := &e.entries[i]
		log := r.logs[string(entry.log)]
		if log == nil {
			continue
		}
		at, err := log.holds(entry)
		if err != nil {
			return nil, fmt.Errorf("log entry: %w", err)
		}
		if err := entry.isOf(e, key); err != nil {
			return nil, fmt.Errorf("log entry: %w", err)
		}
		logged, s.LogIndex = true, entry.index
		if !at.IsZero() {
			s.Logged = at
			all = append(all, at)
		}
	}
	if len(r.logs) > 0 && !logged {
		return nil, errors.New("it is in no transparency log that the trusted root names")
	}
	var failed error
	for _, stamp := range e.timestamps {
		at, err := r.stamped(stamp, e.signature)
		if err != nil { // maybe of an authority that only others trust
			failed = fmt.Errorf("timestamp: %w", err)
			continue
		}
		s.Stamped = at
		all = append(all, at)
	}
	if len(all) == 0 {
		return nil, failed
	}
	return all, nil
}

var errSignature = errors.New("the signature is not of this content and key: one of them was changed")

// signedBy holds the signature against a key.
func (e *entity) signedBy(key crypto.PublicKey) error {
	if e.message != nil {
		return checkSignature(key, e.message, e.signature)
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(k, e.digest, e.signature) {
			return nil
		}
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(k, crypto.SHA256, e.digest, e.signature) == nil {
			return nil
		}
	default:
		return errors.New("a signature of a digest by a key that cannot sign digests")
	}
	return errSignature
}

// checkSignature holds a signature against a key and a message: for elliptic curves
// and RSA over the message's hash, SHA-256 or the one of the curve's size.
func checkSignature(key crypto.PublicKey, message, signature []byte) error {
	sum := sha256.Sum256(message)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(k, sum[:], signature) {
			return nil
		}
		long := sha512.Sum512(message)
		short := sha512.Sum384(message)
		if k.Curve.Params().BitSize > 256 && (ecdsa.VerifyASN1(k, short[:], signature) || ecdsa.VerifyASN1(k, long[:], signature)) {
			return nil
		}
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) == nil {
			return nil
		}
	case ed25519.PublicKey:
		if ed25519.Verify(k, message, signature) {
			return nil
		}
	default:
		return fmt.Errorf("keys of type %T are not supported", key)
	}
	return errSignature
}

// sameKey reports whether a key, or certificate with one, in PEM or DER form is a
// certain one.
func sameKey(text []byte, key crypto.PublicKey) bool {
	der := text
	if all, err := certificates(string(text)); err == nil && len(all) > 0 {
		der = all[0].Raw
	} else if k, err := ParseKey(text); err == nil {
		return equalKeys(k.Public, key)
	}
	if c, err := x509.ParseCertificate(der); err == nil {
		return equalKeys(c.PublicKey, key)
	}
	k, err := parsePublic(der)
	return err == nil && equalKeys(k.Public, key)
}

func equalKeys(a, b crypto.PublicKey) bool {
	one, err := x509.MarshalPKIXPublicKey(a)
	other, otherErr := x509.MarshalPKIXPublicKey(b)
	return err == nil && otherErr == nil && bytes.Equal(one, other)
}
