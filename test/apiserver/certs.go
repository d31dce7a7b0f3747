package apiserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// serviceRange is where the API server takes the addresses of Services from.
const serviceRange = "10.96.0.0/16"

// certificates writes ca.crt, server.crt and server.key, and sa.key for service
// accounts' tokens, into a directory.
func certificates(t testing.TB, dir string) {
	t.Helper()
	caKey, ca := key(t), &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	caDER := sign(t, ca, ca, caKey, caKey)
	serverKey, server := key(t), &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
	}
	serverDER := sign(t, server, ca, serverKey, caKey)
	keyDER, err := x509.MarshalECPrivateKey(serverKey)
	must(t, err)
	accounts, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	write(t, dir, "ca.crt", "CERTIFICATE", caDER)
	write(t, dir, "server.crt", "CERTIFICATE", serverDER)
	write(t, dir, "server.key", "EC PRIVATE KEY", keyDER)
	write(t, dir, "sa.key", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(accounts))
}

func key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return k
}

func sign(t testing.TB, cert, parent *x509.Certificate, k, parentKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &k.PublicKey, parentKey)
	must(t, err)
	return der
}

func write(t testing.TB, dir, name, kind string, der []byte) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
