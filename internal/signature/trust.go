package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Key is a public key that is trusted.
type Key struct {
	Public crypto.PublicKey
	ID     string // digest of its DER form
}

// ParseKey reads a public key in PEM form, as cosign writes it.
func ParseKey(text []byte) (Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return Key{}, errors.New("no key in PEM form")
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return Key{}, errors.New("a private key, which must stay where it signs: give the public one")
	}
	return parsePublic(block.Bytes)
}

func parsePublic(der []byte) (Key, error) {
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		pkcs1, other := x509.ParsePKCS1PublicKey(der)
		if other != nil {
			return Key{}, err
		}
		public = pkcs1
	}
	switch public.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey:
	default:
		return Key{}, fmt.Errorf("keys of type %T are not supported", public)
	}
	sum := sha256.Sum256(der)
	return Key{public, "sha256:" + hex.EncodeToString(sum[:])}, nil
}

// Match is a text that is demanded, or a pattern that must match all of a text. The
// zero value demands nothing.
type Match struct {
	Exact   string
	Pattern *regexp.Regexp
}

// Pattern makes a Match of a regular expression.
func Pattern(text string) (Match, error) {
	p, err := regexp.Compile(`^(?:` + text + `)$`)
	if err != nil {
		return Match{}, err
	}
	return Match{Pattern: p}, nil
}

// IsZero reports whether nothing is demanded.
func (m Match) IsZero() bool { return m.Exact == "" && m.Pattern == nil }

func (m Match) fits(text string) bool {
	switch {
	case m.Exact != "":
		return text == m.Exact
	case m.Pattern != nil:
		return m.Pattern.MatchString(text)
	}
	return true
}

// Root is a trusted root: who may issue certificates, and whose logs and timestamps
// prove when something was signed.
type Root struct {
	authorities []authority
	stampers    []authority
	logs        map[string]*transparencyLog // by the key's id
	certLogs    map[string]*transparencyLog
}

// period is a stretch of time; zero ends are open.
type period struct{ Start, End time.Time }

func (p period) holds(t time.Time) bool {
	return (p.Start.IsZero() || !t.Before(p.Start)) && (p.End.IsZero() || !t.After(p.End))
}

type authority struct {
	valid         period
	roots         *x509.CertPool
	intermediates []*x509.Certificate
	leaf          *x509.Certificate // of a timestamp authority, where it is named
}

type transparencyLog struct {
	host  string
	key   crypto.PublicKey
	valid period
}

// rootFile is a trusted root as sigstore writes it.
type rootFile struct {
	MediaType              string
	Tlogs, Ctlogs          []logFile
	CertificateAuthorities []authorityFile
	TimestampAuthorities   []authorityFile
}

type logFile struct {
	BaseURL       string `json:"baseUrl"`
	HashAlgorithm string
	PublicKey     struct {
		RawBytes []byte
		ValidFor period
	}
	LogID struct{ KeyID []byte }
}

type authorityFile struct {
	CertChain struct{ Certificates []rawCertificate }
	ValidFor  period
}

type rawCertificate struct{ RawBytes []byte }

// ParseRoots reads a trusted root, or several, one behind the other.
func ParseRoots(text []byte) ([]*Root, error) {
	var all []*Root
	for d := json.NewDecoder(strings.NewReader(string(text))); d.More(); {
		var f rootFile
		if err := d.Decode(&f); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(f.MediaType, "application/vnd.dev.sigstore.trustedroot") {
			return nil, fmt.Errorf("no trusted root: its media type is %q", f.MediaType)
		}
		r, err := f.root()
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		return nil, errors.New("no trusted root in it")
	}
	return all, nil
}

func (f *rootFile) root() (*Root, error) {
	r := &Root{}
	var err error
	if r.logs, err = parseLogs("tlogs", f.Tlogs); err != nil {
		return nil, err
	}
	if r.certLogs, err = parseLogs("ctlogs", f.Ctlogs); err != nil {
		return nil, err
	}
	if r.authorities, err = parseAuthorities("certificateAuthorities", f.CertificateAuthorities, false); err != nil {
		return nil, err
	}
	r.stampers, err = parseAuthorities("timestampAuthorities", f.TimestampAuthorities, true)
	return r, err
}

func parseLogs(name string, files []logFile) (map[string]*transparencyLog, error) {
	logs := map[string]*transparencyLog{}
	for i := range files {
		f := &files[i]
		key, err := parsePublic(f.PublicKey.RawBytes)
		if err != nil {
			return nil, fmt.Errorf("%s %s: public key: %w", name, f.BaseURL, err)
		}
		if len(f.LogID.KeyID) == 0 || f.HashAlgorithm != "" && f.HashAlgorithm != "SHA2_256" {
			return nil, fmt.Errorf("%s %s: no key id, or a hash that is not SHA-256", name, f.BaseURL)
		}
		host := f.BaseURL
		if _, rest, ok := strings.Cut(host, "://"); ok {
			host = rest
		}
		host, _, _ = strings.Cut(host, "/")
		logs[string(f.LogID.KeyID)] = &transparencyLog{host: host, key: key.Public, valid: f.PublicKey.ValidFor}
	}
	return logs, nil
}

func parseAuthorities(name string, files []authorityFile, stamps bool) ([]authority, error) {
	var all []authority
	for _, f := range files {
		a := authority{valid: f.ValidFor, roots: x509.NewCertPool()}
		for i, raw := range f.CertChain.Certificates {
			c, err := x509.ParseCertificate(raw.RawBytes)
			if err != nil {
				return nil, fmt.Errorf("%s: certificate %d: %w", name, i, err)
			}
			switch {
			case stamps && i == 0 && !c.IsCA:
				a.leaf = c
			case i == len(f.CertChain.Certificates)-1:
				a.roots.AddCert(c)
			default:
				a.intermediates = append(a.intermediates, c)
			}
		}
		all = append(all, a)
	}
	return all, nil
}

// pool is the authority's intermediates and those that a signature brings along.
func (a *authority) pool(brought []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range a.intermediates {
		pool.AddCert(c)
	}
	for _, c := range brought {
		pool.AddCert(c)
	}
	return pool
}
