package signaturetest

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"time"
)

// Signer is who signs, and with what proofs. Its zero fields make a signature that
// has all of them.
type Signer struct {
	*Authority
	Key              *ecdsa.PrivateKey // of its own; nil for a certificate
	Identity, Issuer string
	At               time.Time     // when the certificate is issued, for ten minutes
	Late             time.Duration // how long after that it signs
	Unseen           bool          // by logs of certificates
	Unlogged         bool
	Unstamped        bool
	Promised         bool       // by a promise of the log alone, without a proof
	Stamper          *Authority // who makes the timestamp; nil is the signer's own
}

// made is a signature with its proofs.
type made struct {
	signature   []byte
	certificate *x509.Certificate
	pem         []byte // of the certificate or key
	at          time.Time
}

func (s *Signer) sign(message []byte) made {
	key := s.Key
	m := made{at: s.At.Add(s.Late)}
	if key == nil {
		key = Key(s.t)
		m.certificate = s.leaf(s, key.Public())
		m.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.certificate.Raw})
	} else {
		m.pem = PublicPEM(s.t, key.Public())
	}
	m.signature = s.Authority.sign(key, message)
	return m
}

// stamp makes a timestamp of the signature.
func (s *Signer) stamp(m made) []byte {
	by := s.Stamper
	if by == nil {
		by = s.Authority
	}
	return by.stamp(m.signature, m.at)
}

// hashed is the log's entry for a signature of a message.
func (s *Signer) hashed(message []byte, m made) []byte {
	sum := sha256.Sum256(message)
	return s.json(map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
		"signature": map[string]any{"content": m.signature, "publicKey": map[string]any{"content": m.pem}},
	}})
}

// enveloped is the log's entry for a signed statement.
func (s *Signer) enveloped(payload []byte, m made) []byte {
	sum, whole := sha256.Sum256(payload), sha256.Sum256(m.signature)
	hash := func(b []byte) any { return map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(b)} }
	return s.json(map[string]any{"apiVersion": "0.0.1", "kind": "dsse", "spec": map[string]any{
		"payloadHash": hash(sum[:]), "envelopeHash": hash(whole[:]),
		"signatures": []any{map[string]any{"signature": base64.StdEncoding.EncodeToString(m.signature), "verifier": m.pem}},
	}})
}

// Payload is what cosign signs for an image.
func Payload(digest string) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"registry.example/web"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest)
}

// Cosign signs an image as cosign does with its own layout: a layer and its
// annotations.
func (s *Signer) Cosign(digest string) (payload []byte, annotations map[string]string) {
	payload = Payload(digest)
	m := s.sign(payload)
	annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(m.signature)}
	s.annotate(annotations, m, s.hashed(payload, m))
	return payload, annotations
}

// CosignAttestation signs a statement in cosign's own layout.
func (s *Signer) CosignAttestation(digest, predicateType string, predicate any) (envelope []byte, annotations map[string]string) {
	payload := s.Statement(digest, predicateType, predicate)
	m := s.sign(encoded(payload))
	annotations = map[string]string{"dev.cosignproject.cosign/signature": "", "predicateType": predicateType}
	s.annotate(annotations, m, s.enveloped(payload, m))
	return s.json(envelopeOf(payload, m)), annotations
}

func (s *Signer) annotate(to map[string]string, m made, body []byte) {
	if m.certificate != nil {
		to["dev.sigstore.cosign/certificate"] = string(m.pem)
		to["dev.sigstore.cosign/chain"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.between.Raw}))
	}
	if !s.Unlogged {
		to["dev.sigstore.cosign/bundle"] = string(s.json(map[string]any{
			"SignedEntryTimestamp": s.promise(body, m.at, treeAt),
			"Payload":              map[string]any{"body": body, "integratedTime": m.at.Unix(), "logIndex": treeAt, "logID": hex.EncodeToString(s.keyID(s.logKey))},
		}))
	}
	if !s.Unstamped {
		to["dev.sigstore.cosign/rfc3161timestamp"] = string(s.json(map[string]any{"SignedRFC3161Timestamp": s.stamp(m)}))
	}
}

// Statement is an in-toto statement about an image.
func (s *Signer) Statement(digest, predicateType string, predicate any) []byte {
	return s.json(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": predicateType, "predicate": predicate,
		"subject": []any{map[string]any{"name": "registry.example/web", "digest": map[string]any{"sha256": digest[len("sha256:"):]}}},
	})
}

func encoded(payload []byte) []byte {
	const kind = "application/vnd.in-toto+json"
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(payload), payload)
}

func envelopeOf(payload []byte, m made) map[string]any {
	return map[string]any{"payload": payload, "payloadType": "application/vnd.in-toto+json", "signatures": []any{map[string]any{"sig": m.signature}}}
}

// Bundle signs a statement and puts it into a sigstore bundle.
func (s *Signer) Bundle(digest, predicateType string, predicate any) []byte {
	payload := s.Statement(digest, predicateType, predicate)
	m := s.sign(encoded(payload))
	return s.bundle("dsseEnvelope", envelopeOf(payload, m), m, s.enveloped(payload, m))
}

// DigestBundle signs an artifact without a statement.
func (s *Signer) DigestBundle(artifact []byte) []byte {
	sum := sha256.Sum256(artifact)
	m := s.sign(artifact)
	return s.bundle("messageSignature", map[string]any{
		"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": sum[:]}, "signature": m.signature,
	}, m, s.hashed(artifact, m))
}

func (s *Signer) bundle(name string, content any, m made, body []byte) []byte {
	material := map[string]any{}
	if m.certificate != nil {
		material["certificate"] = map[string]any{"rawBytes": m.certificate.Raw}
	} else {
		material["publicKey"] = map[string]any{"hint": "key"}
	}
	if !s.Unlogged {
		kind := map[string]string{"dsseEnvelope": "dsse", "messageSignature": "hashedrekord"}[name]
		entry := map[string]any{
			"logIndex": fmt.Sprint(treeAt), "logId": map[string]any{"keyId": s.keyID(s.logKey)}, "kindVersion": map[string]any{"kind": kind, "version": "0.0.1"},
			"integratedTime": fmt.Sprint(m.at.Unix()), "canonicalizedBody": body,
			"inclusionPromise": map[string]any{"signedEntryTimestamp": s.promise(body, m.at, treeAt)},
		}
		if !s.Promised {
			entry["inclusionProof"] = s.proof(body)
		}
		material["tlogEntries"] = []any{entry}
	}
	if !s.Unstamped {
		material["timestampVerificationData"] = map[string]any{"rfc3161Timestamps": []any{map[string]any{"signedTimestamp": s.stamp(m)}}}
	}
	version := "application/vnd.dev.sigstore.bundle.v0.3+json"
	if s.Promised {
		version = "application/vnd.dev.sigstore.bundle+json;version=0.1"
	}
	return s.json(map[string]any{"mediaType": version, "verificationMaterial": material, name: content})
}
