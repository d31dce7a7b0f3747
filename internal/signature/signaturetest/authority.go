// Package signaturetest signs images for tests as sigstore does: with an own
// certificate authority, transparency logs and timestamp authority.
package signaturetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
)

// Authority is all that a signer without a key of its own relies on.
type Authority struct {
	t              testing.TB
	Start          time.Time // of the validity of all keys; they hold for ten years
	root, between  *x509.Certificate
	rootKey        *ecdsa.PrivateKey
	betweenKey     *ecdsa.PrivateKey
	stamper        *x509.Certificate
	stamperKey     *ecdsa.PrivateKey
	logKey, ctlKey *ecdsa.PrivateKey
}

const years = 10 * 365 * 24 * time.Hour

// New makes an authority whose keys are valid from a time on.
func New(t testing.TB, start time.Time) *Authority {
	t.Helper()
	a := &Authority{t: t, Start: start, rootKey: Key(t), betweenKey: Key(t), stamperKey: Key(t), logKey: Key(t), ctlKey: Key(t)}
	ca := func(name string, use ...x509.ExtKeyUsage) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: start, NotAfter: start.Add(years),
			KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, ExtKeyUsage: use,
		}
	}
	template := ca("root")
	a.root = a.issue(template, template, a.rootKey.Public(), a.rootKey)
	a.between = a.issue(ca("intermediate", x509.ExtKeyUsageCodeSigning), a.root, a.betweenKey.Public(), a.rootKey)
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	a.check(err)
	a.stamper = a.issue(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "stamper"}, NotBefore: start, NotAfter: start.Add(years), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, a.root, a.stamperKey.Public(), a.rootKey)
	return a
}

// Key makes a key.
func Key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// PublicPEM is a public key as cosign writes it.
func PublicPEM(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER(t, key)})
}

func publicDER(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (a *Authority) check(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *Authority) issue(template, parent *x509.Certificate, public crypto.PublicKey, by *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	a.check(err)
	c, err := x509.ParseCertificate(der)
	a.check(err)
	return c
}

// keyID is the id of a log.
func (a *Authority) keyID(key *ecdsa.PrivateKey) []byte {
	sum := sha256.Sum256(publicDER(a.t, key.Public()))
	return sum[:]
}

func (a *Authority) sign(key *ecdsa.PrivateKey, message []byte) []byte {
	sum := sha256.Sum256(message)
	b, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	a.check(err)
	return b
}

// TrustedRoot is the file that says whom to trust.
func (a *Authority) TrustedRoot() []byte {
	valid := map[string]any{"start": a.Start.UTC().Format(time.RFC3339), "end": a.Start.Add(years).UTC().Format(time.RFC3339)}
	log := func(key *ecdsa.PrivateKey) []any {
		return []any{map[string]any{
			"baseUrl": "https://log.test", "hashAlgorithm": "SHA2_256", "logId": map[string]any{"keyId": a.keyID(key)},
			"publicKey": map[string]any{"rawBytes": publicDER(a.t, key.Public()), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid},
		}}
	}
	authority := func(chain ...*x509.Certificate) []any {
		var list []any
		for _, c := range chain {
			list = append(list, map[string]any{"rawBytes": c.Raw})
		}
		return []any{map[string]any{"uri": "https://authority.test", "certChain": map[string]any{"certificates": list}, "validFor": valid}}
	}
	return a.json(map[string]any{
		"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs":     log(a.logKey), "ctlogs": log(a.ctlKey),
		"certificateAuthorities": authority(a.between, a.root), "timestampAuthorities": authority(a.stamper, a.root),
	})
}

func (a *Authority) json(v any) []byte {
	b, err := json.Marshal(v)
	a.check(err)
	return b
}

// leaf issues a certificate for ten minutes, which a log of certificates has seen
// when shown is set.
func (a *Authority) leaf(s *Signer, key crypto.PublicKey) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), NotBefore: s.At, NotAfter: s.At.Add(10 * time.Minute), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte(s.Issuer)}},
	}
	if strings.Contains(s.Identity, "://") {
		u, err := url.Parse(s.Identity)
		a.check(err)
		template.URIs = []*url.URL{u}
	} else {
		template.EmailAddresses = []string{s.Identity}
	}
	bare := a.issue(template, a.between, key, a.betweenKey)
	if s.Unseen {
		return bare
	}
	at := binary.BigEndian.AppendUint64(nil, uint64(s.At.UnixMilli()))
	issuer := sha256.Sum256(a.between.RawSubjectPublicKeyInfo)
	n := len(bare.RawTBSCertificate)
	signed := concat([]byte{0, 0}, at, []byte{0, 1}, issuer[:], []byte{byte(n >> 16), byte(n >> 8), byte(n)}, bare.RawTBSCertificate, []byte{0, 0})
	sct := concat([]byte{0}, a.keyID(a.ctlKey), at, []byte{0, 0, 4, 3}, sized(a.sign(a.ctlKey, signed)))
	value, err := asn1.Marshal(sized(sized(sct)))
	a.check(err)
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: value})
	return a.issue(template, a.between, key, a.betweenKey)
}

func concat(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// sized puts the length of two bytes before some.
func sized(b []byte) []byte { return concat(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b) }

// stamp makes a timestamp of a signature.
func (a *Authority) stamp(signature []byte, at time.Time) []byte {
	sum := sha256.Sum256(signature)
	stamp := timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Time: at, Policy: asn1.ObjectIdentifier{1, 2, 3}, AddTSACertificate: true,
		SerialNumber: big.NewInt(1),
	}
	b, err := stamp.CreateResponseWithOpts(a.stamper, a.stamperKey, crypto.SHA256)
	a.check(err)
	return b
}

// promise is the log's signature over an entry and its time.
func (a *Authority) promise(body []byte, at time.Time, index int64) []byte {
	return a.sign(a.logKey, a.json(map[string]any{
		"body": body, "integratedTime": at.Unix(), "logID": hex.EncodeToString(a.keyID(a.logKey)), "logIndex": index,
	}))
}
