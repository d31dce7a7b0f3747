package advisory

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A bundle is one line of JSON and then the database, byte by byte. The signature
// is over bundleContext, the SHA-256 of the database in hex, and a line feed.
const (
	bundleMagic   = "ullage advisories 1"
	bundleContext = "ullage advisories bundle 1\n"
	maxDatabase   = 8 << 30
)

type bundleHead struct {
	Bundle    string `json:"bundle"`
	SHA256    string `json:"sha256"`
	Size      int64  `json:"size"`
	Signature []byte `json:"signature,omitempty"`
}

func signed(digest string) []byte { return []byte(bundleContext + digest + "\n") }

// PrivateKey reads an ed25519 key in PEM, as openssl genpkey -algorithm ed25519
// writes it.
func PrivateKey(text []byte) (ed25519.PrivateKey, error) {
	if block, _ := pem.Decode(text); block != nil && block.Type == "PRIVATE KEY" {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if private, ok := key.(ed25519.PrivateKey); ok {
				return private, nil
			}
		}
	}
	return nil, errors.New("it is no ed25519 private key in PEM: make one with openssl genpkey -algorithm ed25519")
}

// PublicKey reads the public part, as openssl pkey -pubout writes it.
func PublicKey(text []byte) (ed25519.PublicKey, error) {
	if block, _ := pem.Decode(text); block != nil && block.Type == "PUBLIC KEY" {
		if key, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			if public, ok := key.(ed25519.PublicKey); ok {
				return public, nil
			}
		}
	}
	return nil, errors.New("it is no ed25519 public key in PEM: take it out of the private one with openssl pkey -pubout")
}

// Export writes the database as a bundle, signed when there is a key.
func (s *Store) Export(path string, key ed25519.PrivateKey) (err error) {
	db, err := Open(s.Path())
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Verify(); err != nil {
		return fmt.Errorf("%s: %w", s.Path(), err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(db.file, 0, db.Size())); err != nil {
		return err
	}
	head := bundleHead{Bundle: bundleMagic, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: db.Size()}
	if key != nil {
		head.Signature = ed25519.Sign(key, signed(head.SHA256))
	}
	line, err := json.Marshal(head)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".bundle-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	if _, err := io.Copy(f, io.NewSectionReader(db.file, 0, db.Size())); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync()); err != nil {
		return err
	}
	return install(f.Name(), path)
}

// ErrOlder says that a bundle is older than the database in place.
var ErrOlder = errors.New("the bundle is older than the database")

// Import says what to take.
type Import struct {
	Key      ed25519.PublicKey // that the bundle must be signed with; nil for none
	Unsigned bool              // take one that is not checked against a key
	Older    bool              // take one that is older than the database in place
}

// Import puts the database of a bundle in place. On an error the last one stays. It
// says whether the bundle has a signature, which is right where there is a key.
func (s *Store) Import(bundle io.Reader, o Import) (signed bool, err error) {
	if o.Key == nil && !o.Unsigned {
		return false, errors.New("there is no key to check the bundle with")
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return false, fmt.Errorf("make the directory of the database: %w", err)
	}
	unlock, err := lock(filepath.Join(s.Dir, "lock"))
	if err != nil {
		return false, err
	}
	defer unlock()
	scratch, err := s.fresh()
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(scratch)
	next := filepath.Join(scratch, DatabaseName)
	if signed, err = unbundle(bundle, next, o.Key); err != nil {
		return signed, err
	}
	db, err := Open(next)
	if err != nil {
		return false, err
	}
	defer db.Close()
	if err := db.Verify(); err != nil {
		return signed, err
	}
	if old, err := Open(s.Path()); err == nil {
		defer old.Close()
		was, is := old.described.fetched(), db.described.fetched()
		if is.Before(was) && !o.Older {
			return signed, fmt.Errorf("%w: it is of %s, and the database of %s", ErrOlder, is.Format(time.RFC3339), was.Format(time.RFC3339))
		}
	}
	return signed, install(next, s.Path())
}

// fetched is when the database was last brought up to date.
func (d *Description) fetched() time.Time {
	var last time.Time
	for _, p := range d.Feeds {
		if p.Fetched.After(last) {
			last = p.Fetched
		}
	}
	return last
}

// unbundle checks a bundle and writes the database in it to path. It says whether the
// bundle has a signature.
func unbundle(bundle io.Reader, path string, key ed25519.PublicKey) (bool, error) {
	r := bufio.NewReaderSize(bundle, 64<<10)
	line, err := r.ReadSlice('\n')
	var head bundleHead
	if err != nil || json.Unmarshal(bytes.TrimSpace(line), &head) != nil || head.Bundle != bundleMagic {
		return false, errors.New("it is no bundle of advisories")
	}
	if head.Size < 0 || head.Size > maxDatabase {
		return false, fmt.Errorf("its database is said to have %d bytes, which is too much", head.Size)
	}
	if key != nil {
		if len(head.Signature) == 0 {
			return false, errors.New("it is not signed")
		}
		if !ed25519.Verify(key, signed(head.SHA256), head.Signature) {
			return false, errors.New("its signature is not of this key")
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return false, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, head.Size+1))
	switch {
	case err != nil:
		return false, fmt.Errorf("read the bundle: %w", err)
	case n < head.Size:
		return false, fmt.Errorf("it was cut off: %d of %d bytes are there", n, head.Size)
	case n > head.Size || hex.EncodeToString(sum.Sum(nil)) != head.SHA256:
		return false, errors.New("its database is not the one that it was made of")
	}
	return len(head.Signature) > 0, f.Sync()
}
