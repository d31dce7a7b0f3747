package image

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// Cache keeps what was made of content, so that it need not be made again. Values
// are bytes that mean something to this package alone. A cache that fails has
// nothing and takes nothing: reading goes on without it. It may forget anything at
// any time, and is safe for concurrent use.
//
// No file's content reaches it: what is stored of an image are the names, versions
// and paths that are told of it, and of its layers what those were made of.
type Cache interface {
	Get(ctx context.Context, key string) ([]byte, bool)
	Put(ctx context.Context, key string, value []byte)
}

// mostCached bounds a value once it is uncompressed, in bytes.
const mostCached = 1 << 30

// cacheKey names what one build of this program makes of some content; "" when
// nothing is to be cached.
func cacheKey(what string, content ...string) string {
	v := version()
	if v == "" {
		return ""
	}
	sum := sha256.New()
	for _, part := range append([]string{v, what}, content...) {
		var length [8]byte
		binary.LittleEndian.PutUint64(length[:], uint64(len(part)))
		sum.Write(length[:])
		sum.Write([]byte(part))
	}
	return what + "-" + hex.EncodeToString(sum.Sum(nil))
}

// seal packs a form, with a checksum that holds for this key only.
func seal(key string, form []byte) ([]byte, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	sealed := z.EncodeAll(form, make([]byte, 8, 8+len(form)/3))
	binary.LittleEndian.PutUint64(sealed, checksum(key, sealed[8:]))
	return sealed, z.Close()
}

var errSeal = errors.New("a damaged entry")

func unseal(key string, sealed []byte) (string, error) {
	if len(sealed) < 8 || binary.LittleEndian.Uint64(sealed) != checksum(key, sealed[8:]) {
		return "", errSeal
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(mostCached))
	if err != nil {
		return "", err
	}
	defer z.Close()
	form, err := z.DecodeAll(sealed[8:], nil)
	if err != nil {
		return "", errSeal
	}
	return string(form), nil
}

func checksum(key string, b []byte) uint64 {
	d := xxhash.New()
	_, _ = d.WriteString(key)
	_, _ = d.Write(b)
	return d.Sum64()
}

// mayCache says whether what is read of a source may be looked up. What a
// directory holds is not known before it is read, and limits of another kind make
// another result.
func (o *Options) mayCache() bool {
	return o.Cache != nil && o.limits() == DefaultLimits
}

// kind names the options that make another result of the same content.
func (o *Options) kind() string {
	if o.Secrets {
		return "with secrets"
	}
	return ""
}

// imageKey names an image by its configuration and the digests of its layers, ""
// when those are not all known.
func (s *Source) imageKey(o Options) string {
	if !o.mayCache() || s.config == nil || len(s.problems.texts) > 0 {
		return ""
	}
	parts := []string{sha256Of(s.config), o.kind()}
	for i := range s.layers {
		digest := s.layers[i].digest()
		if digest == "" {
			return ""
		}
		parts = append(parts, digest)
	}
	return cacheKey("image", parts...)
}

// digest is that by which the content of a layer is known before it is read: of
// the blob, else of the tar in it.
func (l *layerSource) digest() string {
	if l.walk != nil {
		return ""
	}
	if l.Blob != "" {
		return l.Blob
	}
	return l.DiffID
}

// cached returns an image that was read before, as this source has it, or nil.
func (s *Source) cached(ctx context.Context, key string, o Options) *Image {
	if key == "" || o.DiffIDs { // which is asked for to have all of it read
		return nil
	}
	for i := range s.layers {
		if l := &s.layers[i]; l.absent || l.read != nil || !l.proven(ctx, o) { // it is known already whether it is what it says, or nobody knows
			return nil
		}
	}
	sealed, ok := o.Cache.Get(ctx, key)
	if !ok {
		return nil
	}
	form, err := unseal(key, sealed)
	if err != nil {
		return nil
	}
	img := &Image{}
	if decodeValue(form, img) != nil || len(img.Layers) != len(s.layers) {
		return nil
	}
	for i := range img.Layers { // what has another size is packed in another way, or is not what it says
		if have := s.layers[i].Size; have > 0 && img.Layers[i].Size > 0 && have != img.Layers[i].Size {
			return nil
		}
	}
	img.Reference, img.Identity = s.Reference, s.Identity
	for i := range img.Layers {
		l, known := &img.Layers[i], &s.layers[i].Layer
		l.Blob, l.MediaType = known.Blob, known.MediaType
		if known.Size > 0 {
			l.Size = known.Size
		}
	}
	// Annotations are of the manifest, by which the cache does not know the image.
	img.Base = findBase(&img.Config, img.Layers, s.annotations)
	return img
}

// store puts an image of which all layers were read and found to be what they
// should be.
func (img *Image) store(ctx context.Context, key string, o Options) {
	if key == "" {
		return
	}
	form, err := encodeValue(nil, img)
	if err != nil {
		return
	}
	if sealed, err := seal(key, form); err == nil {
		o.Cache.Put(ctx, key, sealed)
	}
}

// layerKey names what one layer is by a digest of it.
func layerKey(digest string, o Options) string {
	if !strings.HasPrefix(digest, "sha256:") {
		return ""
	}
	return cacheKey("layer", digest, o.kind())
}

// fromCache returns a layer that was read before, or nil. It is known by the
// digest that it is to have.
func (l *layerSource) fromCache(ctx context.Context, pass *layerPass, index int, o Options) *layerRead {
	digest := l.digest()
	key := layerKey(digest, o)
	if !o.mayCache() || o.DiffIDs || l.absent || key == "" {
		return nil
	}
	sealed, ok := o.Cache.Get(ctx, key)
	if !ok {
		return nil
	}
	form, err := unseal(key, sealed)
	if err != nil {
		return nil
	}
	read := decodeLayer(form)
	if read == nil || !l.proven(ctx, o) && !l.prove(ctx, o) || read.blob != digest && read.raw != digest || l.Size > 0 && read.size > 0 && l.Size != read.size {
		return nil
	}
	if read.blob != digest { // the tar is the same, and may be packed in another way
		read.blob, read.size = "", 0
	}
	read.charged = int64(read.tree.count)*nodeCost + read.kept
	pass.budget.take(index, read.charged)
	return read
}

// store puts a layer that was read to its end, under each digest that was found
// to be right.
func (read *layerRead) store(ctx context.Context, l *layerSource, o Options) {
	if !o.mayCache() || !read.complete || read.whole || len(read.problems.texts) > 0 {
		return
	}
	known := *read
	if l.checked {
		known.blob = l.Blob
	}
	if known.plain && known.raw == "" {
		known.raw = known.blob
	}
	form, err := encodeLayer(&known)
	if err != nil {
		return
	}
	for i, digest := range []string{known.blob, known.raw} {
		key := layerKey(digest, o)
		if key == "" || i == 1 && digest == known.blob {
			continue
		}
		if sealed, err := seal(key, form); err == nil {
			o.Cache.Put(ctx, key, sealed)
		}
	}
}
