package image

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/credential"
	"ullage.dev/ullage/internal/model"
)

// Secret is a place in an image that holds what looks like a credential. The value
// itself is nowhere kept.
//
// What a layer holds can be read by everybody who may pull the image, also when a
// later layer deletes it.
type Secret struct {
	Kind     string // such as "GitHub token", "private key", "named credential"
	Severity model.Severity
	Path     string // of a file, as its layer has it; "" for what the configuration holds
	Where    string // in the configuration: "environment variable TOKEN", "label x", "history, step 3"
	Layer    int    // index into Layers of the one that has it; -1 for the configuration
	Line     int    // of a file, from 1; 0 for one in the file's name
	Offset   int64  // of the value from the file's beginning, in bytes
	Shown    string // what of the value may be shown
	// Doubt says why this may be no secret: the file came with a package and was not
	// changed, it lies among tests, a checksum is wrong. "" when nothing says so.
	Doubt string
	// Gone is the index of the layer that deleted or replaced the file, -1 when it is
	// there in the end.
	Gone     int
	Replaced bool // by another file; false where Gone stands for a deletion
}

// SecretSearch says how far an image was searched for secrets.
type SecretSearch struct {
	Done  bool // false when it was not asked for
	Files int  // that were searched, of all layers
	Bytes int64
	// NotSearched counts the files that were not, by what they are: "compiled",
	// "compressed", "media".
	NotSearched map[string]int
}

// SSHHostKey is the kind of a private key by which an SSH server is known: all
// containers of the image have the same.
const SSHHostKey = "SSH host key"

// severities of the kinds that are not of high severity.
var severities = map[string]model.Severity{
	credential.ByName:              model.Medium, // may be a default that is changed when it runs
	credential.HighEntropy:         model.Low,
	credential.EncryptedPrivateKey: model.Low,
	"JSON web token":               model.Medium, // mostly of a short life
	"password hash":                model.Medium,
	"AWS access key":               model.Medium, // the name of the key; the secret is another
	"Stripe test key":              model.Low,
}

func severityOf(kind string) model.Severity {
	if s, ok := severities[kind]; ok {
		return s
	}
	return model.High
}

// secretFile is a file in which something was found, as long as its layer is not
// merged.
type secretFile struct {
	Path    string // absolute
	Hits    []credential.Hit
	Omitted int
	// The digests by which packages know their files. Only there where the whole file
	// was seen at once.
	MD5    [md5.Size]byte
	SHA1   [sha1.Size]byte
	SHA256 [sha256.Size]byte
	Hashed bool
	Again  bool // a later entry of the same layer replaced it
}

// secretSearch is what was searched of a layer, and what was found. It is cached
// with the layer.
type secretSearch struct {
	Files   []secretFile
	Found   int // hits in files
	Omitted int // hits that are in no file of the list
	Count   int
	Bytes   int64
	Skipped map[string]int
}

// mostSecrets bounds what is told of one layer.
const mostSecrets = 2000

// searchFile searches the file that is looked at, as it passes by. An error ends
// the layer.
func (r *layerReader) searchFile(h *tarHeader) error {
	head := r.data.begin(streamBuffer)
	if len(head) == 0 {
		if h.Sparse && h.Size > 0 {
			r.skip("sparse")
		}
		return nil
	}
	if kind := notText(head); kind != "" {
		r.skip(kind)
		return nil
	}
	size := h.Size
	if int64(len(head)) == size {
		r.searchBytes(head)
		return nil
	}
	s := credential.NewSearch(r.name())
	var hits []credential.Hit
	at, from := int64(0), 0 // of the window in the file, and of what is new in the window
	for {
		to := len(head)
		if at+int64(to) < size {
			to -= credential.Ahead
		}
		if to <= from {
			return nil // the file ends before it should: the pass will say so
		}
		hits = append(hits, s.Window(head, from, to)...)
		if at+int64(to) >= size {
			break
		}
		keep := min(to, credential.Before)
		step := to - keep
		if err := r.data.pass(int64(step)); err != nil {
			return err
		}
		at, from = at+int64(step), keep
		head = r.data.begin(streamBuffer)
	}
	r.searched(size)
	r.noteSecrets(secretFile{Path: r.name(), Hits: hits, Omitted: s.Omitted})
	return nil
}

// searchBytes searches a file that is in memory.
func (r *layerReader) searchBytes(all []byte) {
	if kind := notText(all); kind != "" {
		r.skip(kind)
		return
	}
	r.searched(int64(len(all)))
	s := credential.NewSearch(r.name())
	hits := s.Window(all, 0, len(all))
	if len(hits) > 0 {
		r.noteSecrets(secretFile{
			Path: r.name(), Hits: hits, Omitted: s.Omitted, Hashed: true, MD5: md5.Sum(all), SHA1: sha1.Sum(all), SHA256: sha256.Sum256(all),
		})
	}
}

func (r *layerReader) skip(kind string) {
	if r.search.Skipped == nil {
		r.search.Skipped = map[string]int{}
	}
	r.search.Skipped[kind]++
}

func (r *layerReader) searched(size int64) {
	r.search.Count++
	r.search.Bytes += size
}

// noteSecrets keeps what was found, up to a bound.
func (r *layerReader) noteSecrets(f secretFile) {
	if len(f.Hits) == 0 {
		return
	}
	if room := mostSecrets - r.search.Found; len(f.Hits) > room {
		f.Omitted += len(f.Hits) - room
		f.Hits = f.Hits[:room]
	}
	r.search.Found += len(f.Hits)
	r.search.Omitted += f.Omitted
	if len(f.Hits) == 0 {
		return
	}
	if r.latest == nil {
		r.latest = map[string]int{}
	}
	r.latest[f.Path] = len(r.search.Files)
	r.search.Files = append(r.search.Files, f)
}

// replaceSecrets notes that the entry that is looked at replaces an earlier one of
// its layer.
func (r *layerReader) replaceSecrets() {
	if i, ok := r.latest["/"+string(r.path)]; ok {
		r.search.Files[i].Again = true
	}
}

// notText says what kind of file it is that is not searched, by its first bytes:
// what is compressed holds no secret that could be seen, and what is compiled holds
// those of its libraries' tests.
func notText(head []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.kind
		}
	}
	return ""
}

var magics = []struct{ magic, kind string }{
	{"\x7fELF", "compiled"}, {"!<arch>\n", "compiled"}, {"\x00asm", "compiled"}, {"\xca\xfe\xba\xbe", "compiled"}, {"MZ\x90\x00", "compiled"},
	{"\x1f\x8b", "compressed"}, {"PK\x03\x04", "compressed"}, {"BZh", "compressed"}, {"\xfd7zXZ", "compressed"}, {"\x28\xb5\x2f\xfd", "compressed"}, {"7z\xbc\xaf", "compressed"}, {"\x04\x22\x4d\x18", "compressed"},
	{"\x89PNG", "media"}, {"\xff\xd8\xff", "media"}, {"GIF8", "media"}, {"wOFF", "media"}, {"wOF2", "media"}, {"OTTO", "media"}, {"\x00\x01\x00\x00\x00", "media"}, {"OggS", "media"}, {"RIFF", "media"}, {"ID3", "media"},
}

// addSecrets takes over what was found in a layer that was just laid over those
// below it: then it can be told which files packages brought.
func (img *Image) addSecrets(t *Tree, layer int, s *secretSearch) {
	for i := range s.Files {
		f := &s.Files[i]
		for _, hit := range f.Hits {
			secret := Secret{
				Kind: hit.Kind, Path: f.Path, Layer: layer, Line: hit.Line, Offset: hit.Offset, Shown: hit.Shown, Doubt: hit.Doubt, Gone: -1,
			}
			if f.Again {
				secret.Gone, secret.Replaced = layer, true
			}
			if secret.Kind == credential.PrivateKey && isHostKey(f.Path) {
				secret.Kind = SSHHostKey
			}
			secret.Severity = severityOf(secret.Kind)
			if secret.Doubt == "" && credential.InExample(f.Path) {
				secret.Doubt = "among tests, examples or documentation"
			}
			img.Secrets = append(img.Secrets, secret)
		}
	}
	owners := packagesOf(t, s.Files)
	for i := len(img.Secrets) - 1; i >= 0 && img.Secrets[i].Layer == layer; i-- {
		if owner := owners[img.Secrets[i].Path]; owner != "" {
			img.Secrets[i].Doubt = "as the package " + owner + " brought it"
		}
	}
	img.addSearch(s)
	if s.Omitted > 0 {
		img.Problems = append(img.Problems, model.Problem{Reason: fmt.Sprintf("layer %d: %d secrets more than are told of one file or layer", layer+1, s.Omitted)})
	}
	img.noteGone(t, layer)
}

func (img *Image) addSearch(s *secretSearch) {
	img.Search.Files += s.Count
	img.Search.Bytes += s.Bytes
	for kind, n := range s.Skipped {
		if img.Search.NotSearched == nil {
			img.Search.NotSearched = map[string]int{}
		}
		img.Search.NotSearched[kind] += n
	}
}

// noteGone notes which files with secrets are not there any more now that a layer
// was laid over the others.
func (img *Image) noteGone(t *Tree, layer int) {
	for i := range img.Secrets {
		s := &img.Secrets[i]
		if s.Path == "" || s.Gone >= 0 {
			continue
		}
		id := t.follow([]byte(s.Path), false)
		if id == 0 || int(t.at(id).layer) != s.Layer || t.at(id).kind != File {
			s.Gone, s.Replaced = layer, id != 0
		}
	}
}

func isHostKey(file string) bool {
	return strings.HasSuffix(path.Dir(file), "/ssh") && strings.HasPrefix(path.Base(file), "ssh_host_")
}

// sortSecrets puts the worst first: what is beyond doubt, what is severe.
func sortSecrets(all []Secret) {
	slices.SortStableFunc(all, func(a, b Secret) int {
		return cmp.Or(
			boolOrder(a.Doubt != "", b.Doubt != ""), cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Layer, b.Layer),
			strings.Compare(a.Path, b.Path), cmp.Compare(a.Offset, b.Offset), strings.Compare(a.Where, b.Where))
	})
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
