package signature

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptoasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidNames     = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidIssuer    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	oidOtherName = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7}
	oidIssuerV2  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
	oidSCTs      = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
)

// identityOf returns for whom a certificate was issued, and who knew that it is
// them. A certificate is for one identity.
func identityOf(c *x509.Certificate) (identity, issuer string) {
	for _, e := range c.Extensions {
		switch {
		case e.Id.Equal(oidIssuerV2):
			var text string
			if rest, err := asn1.Unmarshal(e.Value, &text); err == nil && len(rest) == 0 {
				issuer = text
			}
		case e.Id.Equal(oidIssuer) && issuer == "":
			issuer = string(e.Value)
		case e.Id.Equal(oidNames):
			identity = otherName(e.Value)
		}
	}
	switch {
	case len(c.URIs) > 0:
		identity = c.URIs[0].String()
	case len(c.EmailAddresses) > 0:
		identity = c.EmailAddresses[0]
	}
	return identity, issuer
}

// otherName reads the form of a name for what is neither an address nor a URI.
func otherName(der []byte) string {
	s := cryptobyte.String(der)
	var names, name, value cryptobyte.String
	if !s.ReadASN1(&names, cryptoasn1.SEQUENCE) {
		return ""
	}
	context0 := cryptoasn1.Tag(0).ContextSpecific().Constructed()
	for !names.Empty() {
		var tag cryptoasn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return ""
		}
		var id asn1.ObjectIdentifier
		var text []byte
		if tag == context0 && name.ReadASN1ObjectIdentifier(&id) && id.Equal(oidOtherName) && name.ReadASN1(&value, context0) &&
			value.ReadASN1Bytes(&text, cryptoasn1.UTF8String) {
			return string(text)
		}
	}
	return ""
}

// transparent verifies that a trusted log promised to show the certificate, by a
// signed certificate timestamp in it (RFC 6962, 3.2).
func (r *Root) transparent(leaf *x509.Certificate, issuers []*x509.Certificate) error {
	at := slices.IndexFunc(leaf.Extensions, func(e extension) bool { return e.Id.Equal(oidSCTs) })
	if at < 0 {
		return errors.New("its certificate is in no transparency log of certificates")
	}
	var octets []byte
	if rest, err := asn1.Unmarshal(leaf.Extensions[at].Value, &octets); err != nil || len(rest) > 0 {
		return errors.New("the log's promise in its certificate is damaged")
	}
	bare, err := withoutSCTs(leaf.RawTBSCertificate)
	if err != nil {
		return err
	}
	list, one := cryptobyte.String(octets), cryptobyte.String(nil)
	if !list.ReadUint16LengthPrefixed(&list) {
		return errors.New("the log's promise in its certificate is damaged")
	}
	for count := 0; !list.Empty() && list.ReadUint16LengthPrefixed(&one) && count < mostProofs; count++ {
		for _, issuer := range issuers {
			if r.promises(one, bare, issuer) {
				return nil
			}
		}
	}
	return errors.New("no transparency log of certificates that the trusted root names has its certificate")
}

// promises verifies one signed certificate timestamp.
func (r *Root) promises(sct cryptobyte.String, bare []byte, issuer *x509.Certificate) bool {
	var version uint8
	var id, extensions, signature []byte
	var at uint64
	var hash, algorithm uint8
	if !sct.ReadUint8(&version) || version != 0 || !sct.ReadBytes(&id, 32) || !sct.ReadUint64(&at) ||
		!sct.ReadUint16LengthPrefixed((*cryptobyte.String)(&extensions)) || !sct.ReadUint8(&hash) || !sct.ReadUint8(&algorithm) ||
		!sct.ReadUint16LengthPrefixed((*cryptobyte.String)(&signature)) || hash != 4 { // SHA-256
		return false
	}
	log := r.certLogs[string(id)]
	if log == nil || !log.valid.holds(time.UnixMilli(int64(at))) {
		return false
	}
	keyHash := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	var b cryptobyte.Builder
	b.AddUint16(0) // version 1, certificate timestamp
	b.AddUint64(at)
	b.AddUint16(1) // of a certificate without the promise
	b.AddBytes(keyHash[:])
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(bare) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(extensions) })
	signed, err := b.Bytes()
	return err == nil && checkSignature(log.key, signed, signature) == nil
}

// withoutSCTs returns the signed part of a certificate as it was before logs had
// seen it.
func withoutSCTs(tbs []byte) ([]byte, error) {
	damaged := errors.New("its certificate is damaged")
	s, fields := cryptobyte.String(tbs), cryptobyte.String(nil)
	if !s.ReadASN1(&fields, cryptoasn1.SEQUENCE) {
		return nil, damaged
	}
	tagExtensions := cryptoasn1.Tag(3).ContextSpecific().Constructed()
	var b cryptobyte.Builder
	ok := true
	b.AddASN1(cryptoasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for !fields.Empty() && ok {
			var field, inner, list cryptobyte.String
			var tag cryptoasn1.Tag
			if ok = fields.ReadAnyASN1Element(&field, &tag); !ok {
				return
			}
			if tag != tagExtensions {
				b.AddBytes(field)
				continue
			}
			if ok = field.ReadASN1(&inner, tagExtensions) && inner.ReadASN1(&list, cryptoasn1.SEQUENCE); !ok {
				return
			}
			b.AddASN1(tagExtensions, func(b *cryptobyte.Builder) {
				b.AddASN1(cryptoasn1.SEQUENCE, func(b *cryptobyte.Builder) { ok = addOthers(b, list) })
			})
		}
	})
	bare, err := b.Bytes()
	if err != nil || !ok {
		return nil, damaged
	}
	return bare, nil
}

// addOthers adds all extensions but the promises of logs.
func addOthers(b *cryptobyte.Builder, list cryptobyte.String) bool {
	for !list.Empty() {
		var element, inner cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1Element(&element, cryptoasn1.SEQUENCE) {
			return false
		}
		whole := element
		if !element.ReadASN1(&inner, cryptoasn1.SEQUENCE) || !inner.ReadASN1ObjectIdentifier(&id) {
			return false
		}
		if !id.Equal(oidSCTs) {
			b.AddBytes(whole)
		}
	}
	return true
}
