package signature

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"
)

type extension = pkix.Extension

// mostTimestamp bounds a timestamp in bytes; with its certificates it has some
// thousands.
const mostTimestamp = 64 << 10

var oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

// stamped verifies a timestamp of RFC 3161 over a signature, and returns its time.
func (r *Root) stamped(der, signature []byte) (at time.Time, err error) {
	if len(der) > mostTimestamp {
		return at, fmt.Errorf("%d bytes, more than %d", len(der), mostTimestamp)
	}
	stamp, err := timestamp.ParseResponse(der)
	if err != nil {
		return at, err
	}
	switch stamp.HashAlgorithm {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default:
		return at, errors.New("its hash is weak or not known")
	}
	sum := stamp.HashAlgorithm.New()
	sum.Write(signature)
	if !bytes.Equal(sum.Sum(nil), stamp.HashedMessage) {
		return at, errors.New("it is that of another signature")
	}
	failed := errors.New("no authority made it that the trusted root names")
	for i := range r.stampers {
		if err := r.stampers[i].stamped(stamp); err != nil {
			failed = err
			continue
		}
		return stamp.Time.UTC(), nil
	}
	return at, failed
}

// stamped verifies that this authority made the timestamp.
func (a *authority) stamped(stamp *timestamp.Timestamp) error {
	if !a.valid.holds(stamp.Time) {
		return errors.New("the trusted root does not name its authority for that time")
	}
	message, err := pkcs7.Parse(stamp.RawToken)
	if err != nil {
		return err
	}
	brought := message.Certificates
	if len(brought) == 0 {
		if a.leaf == nil {
			return errors.New("it comes without a certificate")
		}
		message.Certificates = []*x509.Certificate{a.leaf}
	}
	if err := message.Verify(); err != nil {
		return err
	}
	signer := message.GetOnlySigner()
	if signer == nil {
		return errors.New("it has not exactly one signer")
	}
	if a.leaf != nil && !a.leaf.Equal(signer) {
		return errors.New("another certificate made it than the trusted root names")
	}
	if err := onlyStamps(signer); err != nil {
		return err
	}
	_, err = signer.Verify(x509.VerifyOptions{
		Roots: a.roots, Intermediates: a.pool(brought), CurrentTime: stamp.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	return err
}

// onlyStamps holds a certificate against RFC 3161, 2.3: it may do nothing else.
func onlyStamps(c *x509.Certificate) error {
	critical := false
	for _, e := range c.Extensions {
		critical = critical || e.Id.Equal(oidKeyUsage) && e.Critical
	}
	if c.IsCA || !critical || len(c.UnknownExtKeyUsage) > 0 || len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping {
		return errors.New("its certificate is not one for timestamps alone")
	}
	return nil
}
