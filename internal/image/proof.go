package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// A cache knows layers by the digests that they are to have. That a file of this
// machine has the bytes of its digest is somebody's word: of whoever wrote the
// archive. So nothing is answered for it before its bytes were read and found to be
// right: by this run, or by one before, when the file is still the one that was read
// then.

// stamp tells a file as it is now from others, and from what it was before it was
// last written to.
type stamp struct {
	id      string // device, number, size and times; "" when they are not known
	changed time.Time
}

// tick is how far apart two changes of a file are at least that have different times,
// on file systems that keep fractions of a second; coarse is that on others.
const (
	tick   = 20 * time.Millisecond
	coarse = 2 * time.Second
)

func stampOf(info fs.FileInfo) stamp {
	id, _ := identify(info)
	changed := changeTime(info)
	if id == (fileID{}) || changed.IsZero() {
		return stamp{}
	}
	return stamp{fmt.Sprintf("%d %d %d %d %d", id.device, id.inode, info.Size(), info.ModTime().UnixNano(), changed.UnixNano()), changed}
}

// settled says whether a later change gives the file another stamp.
func (s stamp) settled(now time.Time) bool {
	apart := tick
	if s.changed.Nanosecond() == 0 {
		apart = coarse
	}
	return s.id != "" && now.Sub(s.changed) > apart
}

// proofKey names that a file, as it is now, has the bytes of a digest.
func (l *layerSource) proofKey(s stamp) string {
	if s.id == "" {
		return ""
	}
	return cacheKey("proof", s.id, l.name, l.digest())
}

// proven says whether a cache may answer for a layer by its digest: what is fetched by
// the digest, and files of which somebody has read that they have it.
func (l *layerSource) proven(ctx context.Context, o Options) bool {
	if l.stamp == nil {
		return true
	}
	key := l.proofKey(l.stamp())
	if key == "" {
		return false
	}
	sealed, ok := o.Cache.Get(ctx, key)
	if !ok {
		return false
	}
	_, err := unseal(key, sealed)
	return err == nil
}

// note keeps that a file was found to have the bytes of its digest. before is its stamp
// from when reading began at that time.
func (l *layerSource) note(ctx context.Context, before stamp, began time.Time, o Options) {
	if !o.mayCache() || l.stamp == nil || !before.settled(began) || l.stamp() != before {
		return
	}
	if key := l.proofKey(before); key != "" {
		if sealed, err := seal(key, nil); err == nil {
			o.Cache.Put(ctx, key, sealed)
		}
	}
}

// prove reads a file to see whether it has the bytes of its digest. Of a compressed
// one of which the digest uncompressed is known alone it does not: to uncompress it is
// most of the work of reading it.
func (l *layerSource) prove(ctx context.Context, o Options) bool {
	if l.stamp == nil {
		return true
	}
	before, began := l.stamp(), time.Now()
	blob, err := l.open(ctx)
	if err != nil {
		return false
	}
	defer func() { _ = blob.Close() }()
	r := &prefixed{r: blob}
	if r.begin() != nil || l.Blob == "" && isCompressed(r.head[:r.have]) {
		return false
	}
	counted := &countingReader{ctx: ctx, r: r, sum: sha256.New()}
	if _, err := io.Copy(io.Discard, counted); err != nil || "sha256:"+hex.EncodeToString(counted.sum.Sum(nil)) != l.digest() {
		return false
	}
	l.note(ctx, before, began, o)
	return true
}
