package signature

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// logEntry is an entry of a transparency log, as it came with a signature.
type logEntry struct {
	index      int64
	log        []byte // id of the log's key
	integrated int64  // seconds; only believed with a promise, which signs it
	promise    []byte // signed entry timestamp
	proof      *inclusionProof
	body       []byte
	kind       string // with its version, as a bundle says it; "" where nothing says it
}

type inclusionProof struct {
	index, size int64
	root        []byte
	hashes      [][]byte
	checkpoint  string
}

// holds verifies that the entry is in the log, by the log's promise and by its
// proof, whichever there are. The time is that of the promise; else it is zero.
func (l *transparencyLog) holds(e *logEntry) (time.Time, error) {
	var at time.Time
	if len(e.promise) == 0 && e.proof == nil {
		return at, errors.New("neither a promise of the log nor a proof")
	}
	if len(e.promise) > 0 {
		// In canonical form: names sorted, no spaces.
		signed, err := json.Marshal(struct {
			Body       []byte `json:"body"`
			Integrated int64  `json:"integratedTime"`
			Log        string `json:"logID"`
			Index      int64  `json:"logIndex"`
		}{e.body, e.integrated, hex.EncodeToString(e.log), e.index})
		if err != nil {
			return at, err
		}
		if checkSignature(l.key, signed, e.promise) != nil {
			return at, errors.New("its promise is not the log's")
		}
		at = time.Unix(e.integrated, 0).UTC()
		if !l.valid.holds(at) {
			return at, errors.New("the log's key was not valid at that time")
		}
	}
	if e.proof != nil {
		return at, l.proves(e)
	}
	return at, nil
}

// proves verifies that the entry is in the tree that the log signed.
func (l *transparencyLog) proves(e *logEntry) error {
	root, err := e.proof.rootOf(leafHash(e.body))
	if err != nil {
		return err
	}
	origin, size, signed, err := l.checkpoint(e.proof.checkpoint)
	switch {
	case err != nil:
		return err
	case size != e.proof.size || !bytes.Equal(signed, root) || !bytes.Equal(e.proof.root, root):
		return errors.New("its proof does not lead to the tree that the log signed")
	case !numbered.MatchString(origin) && origin != l.host:
		return fmt.Errorf("its proof is of the log %.100q, not of %q", origin, l.host)
	}
	return nil
}

// numbered are the names of trees in logs that have several: they name the key's
// owner, not the address.
var numbered = regexp.MustCompile(` - [0-9]+$`)

// checkpoint verifies a note with the state of the log's tree.
func (l *transparencyLog) checkpoint(text string) (origin string, size int64, root []byte, err error) {
	body, signatures, ok := strings.Cut(text, "\n\n")
	lines := strings.Split(body, "\n")
	if !ok || len(lines) < 3 {
		return "", 0, nil, errors.New("its checkpoint is no signed note")
	}
	if size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return "", 0, nil, fmt.Errorf("checkpoint: %w", err)
	}
	if root, err = base64.StdEncoding.DecodeString(lines[2]); err != nil {
		return "", 0, nil, fmt.Errorf("checkpoint: %w", err)
	}
	count := 0
	for line := range strings.Lines(signatures) {
		if count++; count > mostProofs {
			break
		}
		line, ok := strings.CutPrefix(line, "— ")
		_, text, named := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || !named {
			break
		}
		// The first four bytes hint at the key.
		if b, err := base64.StdEncoding.DecodeString(text); err == nil && len(b) > 4 && checkSignature(l.key, []byte(body+"\n"), b[4:]) == nil {
			return lines[0], size, root, nil
		}
	}
	return "", 0, nil, errors.New("its checkpoint is not signed by the log")
}

func leafHash(body []byte) []byte {
	sum := sha256.Sum256(append([]byte{0}, body...))
	return sum[:]
}

func nodeHash(left, right []byte) []byte {
	h := sha256.New()
	h.Write([]byte{1})
	h.Write(left)
	h.Write(right)
	return h.Sum(nil)
}

// rootOf computes the root of the tree from a leaf, as RFC 9162, 2.1.3.2 does.
func (p *inclusionProof) rootOf(leaf []byte) ([]byte, error) {
	if p.index < 0 || p.index >= p.size {
		return nil, errors.New("its proof is of an index outside of the tree")
	}
	inner := bits.Len64(uint64(p.index ^ (p.size - 1)))
	border := bits.OnesCount64(uint64(p.index) >> inner)
	if len(p.hashes) != inner+border {
		return nil, fmt.Errorf("its proof has %d hashes, not %d", len(p.hashes), inner+border)
	}
	at := leaf
	for i, h := range p.hashes {
		if i < inner && p.index>>i&1 == 0 {
			at = nodeHash(at, h)
		} else {
			at = nodeHash(h, at)
		}
	}
	return at, nil
}

// loggedHash is a hash in the forms that the kinds of entries have.
type loggedHash struct {
	Algorithm string
	Value     string // hex
	Digest    []byte
}

func (h *loggedHash) is(sum []byte) bool {
	return strings.EqualFold(h.Value, hex.EncodeToString(sum)) || h.Value == "" && len(h.Digest) > 0 && bytes.Equal(h.Digest, sum)
}

type loggedKey struct {
	RawBytes []byte
}

// loggedSignature is a signature with its key, likewise.
type loggedSignature struct {
	Content   []byte
	Signature []byte
	Sig       []byte
	Verifier  json.RawMessage // text, or an object with a certificate or key
	PublicKey json.RawMessage // text, or an object with one
}

// loggedSpec is the content of an entry: of hashedrekord, dsse or intoto.
type loggedSpec struct {
	Data struct {
		loggedHash
		Hash loggedHash
	}
	Signature   json.RawMessage
	Signatures  []loggedSignature
	PayloadHash loggedHash
	Content     struct {
		Hash        loggedHash
		PayloadHash loggedHash
		Envelope    struct{ Signatures []loggedSignature }
	}
	PublicKey        json.RawMessage
	HashedRekordV002 *loggedSpec
	DSSEV002         *loggedSpec
}

var errOtherEntry = errors.New("it is the entry of another signature")

// isOf reports why an entry is not that of a signature by a key. What an entry has
// of content, signature and key must all be equal.
func (l *logEntry) isOf(e *entity, key crypto.PublicKey) error {
	var f struct {
		APIVersion, Kind string
		Spec             loggedSpec
	}
	if err := json.Unmarshal(l.body, &f); err != nil {
		return err
	}
	kind := f.Kind + " " + f.APIVersion
	if l.kind != "" && l.kind != kind {
		return errOtherEntry
	}
	switch kind {
	case "hashedrekord 0.0.1":
		return f.Spec.isHashed(e, key, f.Spec.Data.Hash)
	case "hashedrekord 0.0.2":
		if s := f.Spec.HashedRekordV002; s != nil {
			return s.isHashed(e, key, s.Data.loggedHash)
		}
	case "dsse 0.0.1":
		return isEnvelope(e, key, f.Spec.PayloadHash, f.Spec.Signatures)
	case "dsse 0.0.2":
		if s := f.Spec.DSSEV002; s != nil {
			return isEnvelope(e, key, s.PayloadHash, s.Signatures)
		}
	case "intoto 0.0.2":
		return isEnvelope(e, key, f.Spec.Content.PayloadHash, f.Spec.Content.Envelope.Signatures)
	case "intoto 0.0.1":
		// It has no signature of its own, but the hash of the envelope, which has it.
		sum := sha256.Sum256(e.envelope)
		if e.envelope != nil && f.Spec.Content.Hash.is(sum[:]) && isKey(f.Spec.PublicKey, key) {
			return nil
		}
		return errOtherEntry
	default:
		return fmt.Errorf("entries of the kind %.60q are not supported", kind)
	}
	return errOtherEntry
}

func (s *loggedSpec) isHashed(e *entity, key crypto.PublicKey, hash loggedHash) error {
	var logged loggedSignature
	if err := json.Unmarshal(s.Signature, &logged); err != nil {
		return err
	}
	held := logged.PublicKey
	if held == nil {
		held = logged.Verifier
	}
	if !e.hashes(hash) || !bytes.Equal(logged.Content, e.signature) || !isKey(held, key) {
		return errOtherEntry
	}
	return nil
}

// hashes reports whether a hash is that of what was signed.
func (e *entity) hashes(h loggedHash) bool {
	if e.message == nil {
		return h.is(e.digest)
	}
	for _, kind := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		sum := kind.New()
		sum.Write(e.message)
		if h.is(sum.Sum(nil)) {
			return true
		}
	}
	return false
}

func isEnvelope(e *entity, key crypto.PublicKey, payload loggedHash, signatures []loggedSignature) error {
	sum := sha256.Sum256(e.payload)
	if !e.statement || !payload.is(sum[:]) || len(signatures) != 1 {
		return errOtherEntry
	}
	s := &signatures[0]
	held, signature := s.Verifier, s.Signature
	switch {
	case s.Content != nil:
		signature = s.Content
	case s.Sig != nil: // in base64 twice
		if base64Into(&signature, string(s.Sig)) != nil {
			return errOtherEntry
		}
		held = s.PublicKey
	}
	if !bytes.Equal(signature, e.signature) || !isKey(held, key) {
		return errOtherEntry
	}
	return nil
}

// isKey reports whether an entry's key is a certain one. It is base64 of PEM, an
// object with that as its content, or one with DER in it.
func isKey(held json.RawMessage, key crypto.PublicKey) bool {
	var text []byte
	if json.Unmarshal(held, &text) == nil && text != nil {
		return sameKey(text, key)
	}
	var object struct {
		Content         []byte
		PublicKey       *loggedKey
		X509Certificate *loggedKey
	}
	if json.Unmarshal(held, &object) != nil {
		return false
	}
	switch {
	case object.Content != nil:
		text = object.Content
	case object.X509Certificate != nil:
		text = object.X509Certificate.RawBytes
	case object.PublicKey != nil:
		text = object.PublicKey.RawBytes
	}
	return text != nil && sameKey(text, key)
}
