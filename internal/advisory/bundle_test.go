package advisory

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBundle carries a database and holds what is refused.
func TestBundle(t *testing.T) {
	m, s := full(t), &Store{Dir: t.TempDir()}
	m.update(t, s, noon, "kev")
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "b")
	if err := s.Export(path, private); err != nil {
		t.Fatal(err)
	}
	signed := read(t, path)
	if err := s.Export(path, nil); err != nil {
		t.Fatal(err)
	}
	unsigned := read(t, path)

	to := &Store{Dir: filepath.Join(t.TempDir(), "new")}
	if _, err := to.Import(bytes.NewReader(signed), Import{Key: public}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, to.Path()), read(t, s.Path())) {
		t.Error("the imported database is another one")
	}
	flipped := bytes.Clone(signed)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		bundle []byte
		how    Import
		says   string
	}{
		"no key":            {signed, Import{}, "no key"},
		"not signed":        {unsigned, Import{Key: public}, "not signed"},
		"other key":         {signed, Import{Key: other}, "not of this key"},
		"changed":           {flipped, Import{Key: public}, "not the one"},
		"changed, unsigned": {flipped, Import{Unsigned: true}, "not the one"},
		"longer":            {append(bytes.Clone(signed), 'x'), Import{Key: public}, "not the one"},
		"cut off":           {signed[:len(signed)-9], Import{Key: public}, "cut off"},
		"no bundle":         {[]byte("hello\n"), Import{Key: public}, "no bundle"},
		"empty":             {nil, Import{Key: public}, "no bundle"},
		"one line":          {bytes.Repeat([]byte("a"), 1<<20), Import{Key: public}, "no bundle"},
		"swapped":           {append(bytes.Clone(signed[:bytes.IndexByte(signed, '\n')+1]), bytes.Repeat([]byte("a"), len(signed))...), Import{Key: public}, "not the one"},
	} {
		before := read(t, to.Path())
		if _, err := to.Import(bytes.NewReader(c.bundle), c.how); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, which does not say %q", name, err, c.says)
		}
		if !bytes.Equal(read(t, to.Path()), before) {
			t.Fatalf("%s: the database changed", name)
		}
	}
	m.update(t, to, noon.Add(time.Hour), "epss")
	if _, err := to.Import(bytes.NewReader(signed), Import{Key: public}); !errors.Is(err, ErrOlder) {
		t.Errorf("an older bundle: %v", err)
	}
	if _, err := to.Import(bytes.NewReader(signed), Import{Key: public, Older: true}); err != nil {
		t.Errorf("an older bundle that is wanted: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(to.Dir, "scratch*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.Remove(to.Path()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(to.Path()); !errors.Is(err, ErrNone) {
		t.Errorf("no database: %v", err)
	}
}

// FuzzBundle holds that nothing is taken for a signed bundle that is none, and that what
// is taken is the database that was bundled.
func FuzzBundle(f *testing.F) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	const database = "a database"
	sum := sha256.Sum256([]byte(database))
	head := bundleHead{Bundle: bundleMagic, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(database))}
	head.Signature = ed25519.Sign(private, signed(head.SHA256))
	line, err := json.Marshal(head)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(string(line) + "\n" + database))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, bundle []byte) {
		for _, key := range []ed25519.PublicKey{nil, public} {
			path := filepath.Join(dir, "out")
			was, err := unbundle(bytes.NewReader(bundle), path, key)
			text, _ := os.ReadFile(path)
			_ = os.Remove(path)
			if err == nil && (key != nil && (!was || string(text) != database) || !bytes.HasSuffix(bundle, text)) {
				t.Errorf("%q is taken, signed: %v, as %q", bundle, was, text)
			}
		}
		_, _ = PublicKey(bundle)
		_, _ = PrivateKey(bundle)
	})
}
