package signature

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// entity is a signature with all that came with it, nothing of it verified.
type entity struct {
	broken error // it could not be parsed

	payload   []byte // a statement, or cosign's simple signing; nil where a digest was signed
	envelope  []byte // the whole DSSE envelope, as it was uploaded
	message   []byte // the bytes that were signed
	digest    []byte // SHA-256 of them, where they are not known
	statement bool
	signature []byte

	certificate *x509.Certificate // nil for a key
	chain       []*x509.Certificate
	entries     []logEntry
	timestamps  [][]byte
}

// envelopeFile is a DSSE envelope.
type envelopeFile struct {
	Payload     []byte
	PayloadType string
	Signatures  []struct{ Sig []byte }
}

// read takes an envelope into the entity.
func (e *entity) read(f *envelopeFile) error {
	if len(f.Signatures) != 1 {
		return fmt.Errorf("an envelope with %d signatures, not one", len(f.Signatures))
	}
	if f.PayloadType != "application/vnd.in-toto+json" {
		return fmt.Errorf("an envelope of the type %q, not of in-toto", f.PayloadType)
	}
	e.statement, e.payload, e.signature = true, f.Payload, f.Signatures[0].Sig
	e.message = preAuthenticated(f.PayloadType, f.Payload)
	return nil
}

// preAuthenticated is what a DSSE signature signs.
func preAuthenticated(kind string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(payload), payload)
}

// fromAnnotations reads cosign's own layout: a payload or envelope as a layer, with
// all else in annotations.
func fromAnnotations(blob []byte, isEnvelope bool, annotations map[string]string) (entity, error) {
	e := entity{payload: blob, message: blob}
	if isEnvelope {
		var f envelopeFile
		if err := json.Unmarshal(blob, &f); err != nil {
			return e, fmt.Errorf("envelope: %w", err)
		}
		if err := e.read(&f); err != nil {
			return e, err
		}
		e.envelope = blob
	} else if err := base64Into(&e.signature, annotations[annotationSignature]); err != nil {
		return e, fmt.Errorf("signature: %w", err)
	}
	var err error
	if text := annotations[annotationCertificate]; text != "" {
		var leaf []*x509.Certificate
		if leaf, err = certificates(text); err == nil && len(leaf) > 0 {
			e.certificate = leaf[0]
		}
		if err != nil {
			return e, fmt.Errorf("certificate: %w", err)
		}
		if e.chain, err = certificates(annotations[annotationChain]); err != nil {
			return e, fmt.Errorf("chain: %w", err)
		}
	}
	if text := annotations[annotationTimestamp]; text != "" {
		var f struct{ SignedRFC3161Timestamp []byte }
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			return e, fmt.Errorf("timestamp: %w", err)
		}
		e.timestamps = append(e.timestamps, f.SignedRFC3161Timestamp)
	}
	if text := annotations[annotationBundle]; text != "" {
		entry, err := fromPromise(text)
		if err != nil {
			return e, fmt.Errorf("log entry: %w", err)
		}
		e.entries = append(e.entries, entry)
	}
	return e, nil
}

func base64Into(to *[]byte, text string) error {
	return json.Unmarshal([]byte(strconv.Quote(text)), to)
}

// mostCertificates of a chain are parsed.
const mostCertificates = 16

func certificates(text string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for rest := []byte(text); len(all) < mostCertificates; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if len(bytes.TrimSpace(rest)) > 0 {
				return nil, errors.New("not in PEM form")
			}
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// fromPromise reads the log entry that cosign keeps in an annotation.
func fromPromise(text string) (logEntry, error) {
	var f struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte
			IntegratedTime int64
			LogIndex       int64
			LogID          string
		}
	}
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return logEntry{}, err
	}
	id, err := hex.DecodeString(f.Payload.LogID)
	if err != nil {
		return logEntry{}, err
	}
	return logEntry{index: f.Payload.LogIndex, log: id, integrated: f.Payload.IntegratedTime, promise: f.SignedEntryTimestamp, body: f.Payload.Body}, nil
}

// number is an integer that JSON may have as text.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*n = number(v)
	return err
}

// bundleFile is a sigstore bundle of any version.
type bundleFile struct {
	MediaType            string
	VerificationMaterial struct {
		Certificate               *rawCertificate
		X509CertificateChain      struct{ Certificates []rawCertificate }
		TlogEntries               []entryFile
		TimestampVerificationData struct {
			Rfc3161Timestamps []struct{ SignedTimestamp []byte }
		}
	}
	MessageSignature *struct {
		MessageDigest struct {
			Algorithm string
			Digest    []byte
		}
		Signature []byte
	}
	DSSEEnvelope *envelopeFile `json:"dsseEnvelope"`
}

type entryFile struct {
	LogIndex          number
	LogID             struct{ KeyID []byte }
	KindVersion       struct{ Kind, Version string }
	IntegratedTime    number
	InclusionPromise  struct{ SignedEntryTimestamp []byte }
	CanonicalizedBody []byte
	InclusionProof    *struct {
		LogIndex, TreeSize number
		RootHash           []byte
		Hashes             [][]byte
		Checkpoint         struct{ Envelope string }
	}
}

// bundleVersions are the media types of bundles. The first needs no proof of the
// log, the log's promise is enough.
var bundleVersions = []string{
	bundleType + "+json;version=0.1", bundleType + "+json;version=0.2", bundleType + "+json;version=0.3", bundleType + ".v0.3+json",
}

// mostProofs bounds the log entries and the timestamps of one bundle.
const mostProofs = 32

// fromBundle reads a sigstore bundle.
func fromBundle(text []byte) (entity, error) {
	var e entity
	var f bundleFile
	if err := json.Unmarshal(text, &f); err != nil {
		return e, fmt.Errorf("bundle: %w", err)
	}
	if !slices.Contains(bundleVersions, f.MediaType) {
		return e, fmt.Errorf("bundle: media type %.100q is not supported", f.MediaType)
	}
	m := &f.VerificationMaterial
	if len(m.TlogEntries) > mostProofs || len(m.TimestampVerificationData.Rfc3161Timestamps) > mostProofs {
		return e, fmt.Errorf("bundle: more than %d log entries or timestamps", mostProofs)
	}
	switch {
	case f.DSSEEnvelope != nil:
		if err := e.read(f.DSSEEnvelope); err != nil {
			return e, fmt.Errorf("bundle: %w", err)
		}
	case f.MessageSignature != nil:
		if d := f.MessageSignature.MessageDigest; d.Algorithm != "SHA2_256" || len(d.Digest) != 32 {
			return e, fmt.Errorf("bundle: a digest of the kind %q, not SHA-256", d.Algorithm)
		}
		e.digest, e.signature = f.MessageSignature.MessageDigest.Digest, f.MessageSignature.Signature
	default:
		return e, errors.New("bundle: no signature in it")
	}
	chain := m.X509CertificateChain.Certificates
	if m.Certificate != nil {
		chain = []rawCertificate{*m.Certificate}
	}
	for _, raw := range chain[:min(len(chain), mostCertificates)] {
		c, err := x509.ParseCertificate(raw.RawBytes)
		if err != nil {
			return e, fmt.Errorf("bundle: certificate: %w", err)
		}
		if e.certificate == nil {
			e.certificate = c
		} else {
			e.chain = append(e.chain, c)
		}
	}
	for i := range m.TlogEntries {
		if m.TlogEntries[i].InclusionProof == nil && f.MediaType != bundleVersions[0] {
			return e, errors.New("bundle: a log entry without a proof")
		}
		e.entries = append(e.entries, m.TlogEntries[i].entry())
	}
	for _, t := range m.TimestampVerificationData.Rfc3161Timestamps {
		e.timestamps = append(e.timestamps, t.SignedTimestamp)
	}
	return e, nil
}

func (f *entryFile) entry() logEntry {
	e := logEntry{
		index: int64(f.LogIndex), log: f.LogID.KeyID, integrated: int64(f.IntegratedTime),
		promise: f.InclusionPromise.SignedEntryTimestamp, body: f.CanonicalizedBody, kind: f.KindVersion.Kind + " " + f.KindVersion.Version,
	}
	if p := f.InclusionProof; p != nil {
		e.proof = &inclusionProof{int64(p.LogIndex), int64(p.TreeSize), p.RootHash, p.Hashes, p.Checkpoint.Envelope}
	}
	return e
}
