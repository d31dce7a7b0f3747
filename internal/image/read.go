package image

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"ullage.dev/ullage/internal/model"
)

// Read reads an image that was found. Layers are read in parallel; the result
// does not depend on how they are timed. What cannot be read becomes a problem of
// the image; an error is returned when nothing could be read or the context ended.
//
// The tree is the file system that a container of the image sees. It is nil when
// the image came out of the cache. What is put into an image here must follow from
// the content of its configuration and layers, by which the cache knows it.
func Read(ctx context.Context, s *Source, o Options) (*Image, *Tree, error) {
	if len(s.layers) == 0 && s.config == nil {
		return nil, nil, fmt.Errorf("image %s: it has no layers", s.Reference)
	}
	key := s.imageKey(o)
	if img := s.cached(ctx, key, o); img != nil {
		return img, nil, nil
	}
	img := &Image{Reference: s.Reference, Identity: s.Identity}
	if s.config != nil {
		var err error
		if img.Config, img.Secrets, err = readConfig(s.config, len(s.layers)); err != nil {
			return nil, nil, fmt.Errorf("image %s: %w", s.Reference, err)
		}
	}
	img.addProblems("", s.problems)
	tree, sound, err := img.readLayers(ctx, s, o)
	if err != nil {
		return nil, nil, fmt.Errorf("image %s: %w", s.Reference, err)
	}
	img.Config.attribute(img.Layers)
	if img.Config.UID = -1; img.Configured() {
		img.Config.UID = userID(tree, img.Config.User)
	}
	img.Base = findBase(&img.Config, img.Layers, s.annotations)
	img.Distro = readDistro(tree)
	img.Programs = findPrograms(tree)
	img.Writable = findWritable(tree)
	img.addPackages(tree)
	sortSecrets(img.Secrets)
	if sound {
		img.store(ctx, key, o)
	}
	return img, tree, nil
}

func (img *Image) addProblems(where string, p problems) {
	for _, text := range p.texts {
		if where != "" {
			text = where + ": " + text
		}
		img.Problems = append(img.Problems, model.Problem{Reason: text})
	}
	if p.more > 0 {
		img.Problems = append(img.Problems, model.Problem{Reason: strings.TrimPrefix(fmt.Sprintf("%s: and %d problems more", where, p.more), ": ")})
	}
}

// outcome is what a worker made of a layer.
type outcome struct {
	read *layerRead
	err  error
}

// readLayers reads all layers, several at a time, and lays them over one another
// in order. Layers begin in order, so that the lowest that is not merged is always
// being read or done. They are sound when all were read to their ends and are what
// they should be.
func (img *Image) readLayers(ctx context.Context, s *Source, o Options) (tree *Tree, sound bool, err error) {
	limits := o.limits()
	pass := &layerPass{interests: newInterests(wanted()), limits: limits, budget: newBudget(limits.Kept), secrets: o.Secrets}
	img.Search.Done = o.Secrets
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer pass.budget.end()
	defer cancel()

	results := make([]chan outcome, len(s.layers))
	for i := range results {
		results[i] = make(chan outcome, 1)
	}
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), len(s.layers)) {
		workers.Go(func() {
			for i := range next {
				read, err := s.layers[i].readWith(ctx, pass, i, len(s.layers), o)
				results[i] <- outcome{read, err}
			}
		})
	}
	workers.Go(func() {
		defer close(next)
		for i := range s.layers {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	sum := squash{limits: limits, pass: pass}
	sound = true
	for i := range s.layers {
		var done outcome
		select {
		case done = <-results[i]:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
		if done.err != nil {
			return nil, false, done.err
		}
		sound = img.addLayer(s, i, done.read) && sound
		if done.read.tree != nil {
			sum.add(done.read.tree, i, !s.again(i))
			img.addSecrets(sum.tree, i, &done.read.search)
			if err := img.readLinked(ctx, s, &sum, i); err != nil {
				return nil, false, err
			}
		}
		pass.budget.give(done.read.charged)
		pass.budget.merged(i + 1)
		if o.Progress != nil {
			o.Progress(i, len(s.layers), &img.Layers[i])
		}
	}
	img.addProblems("", sum.problems)
	if sum.tree == nil {
		sum.tree = newTree()
	}
	return sum.tree, sound, nil
}

// again reports whether a layer that was read already is needed once more.
func (s *Source) again(i int) bool {
	for _, later := range s.layers[i+1:] {
		if s.layers[i].read != nil && later.read == s.layers[i].read {
			return true
		}
	}
	return false
}

// addLayer notes what came of a layer, and says whether it is what it should be.
func (img *Image) addLayer(s *Source, i int, read *layerRead) bool {
	l := s.layers[i].Layer
	l.Files = read.entries
	wrong := false
	where := fmt.Sprintf("layer %d", i+1)
	if name := s.layers[i].name; name != "" {
		where += " (" + name + ")"
	}
	if read.complete {
		if read.plain && read.raw == "" { // then both digests are of the same bytes
			read.raw = read.blob
			if s.layers[i].checked {
				read.raw = l.Blob
			}
		}
		expected := l.Blob
		if digest, ok := digestName(s.layers[i].name); ok && expected == "" {
			expected = digest
		}
		for i, digest := range [][2]string{{read.blob, expected}, {read.raw, l.DiffID}} {
			if i == 1 && digest == [2]string{read.blob, expected} { // not compressed
				continue
			}
			if digest[0] != "" && digest[1] != "" && digest[0] != digest[1] {
				wrong = true
				img.Mismatched = true
				read.problems.add("it has the digest %s, not %s", digest[0], digest[1])
			}
		}
		if l.Size > 0 && read.size > 0 && l.Size != read.size {
			wrong = true
			img.Mismatched = true
			read.problems.add("it has %d bytes, not %d", read.size, l.Size)
		}
		if l.DiffID == "" {
			l.DiffID = read.raw
		}
	}
	if l.Size == 0 {
		l.Size = read.size
	}
	img.Layers = append(img.Layers, l)
	img.addProblems(where, read.problems)
	return !wrong && read.proves(&s.layers[i])
}

// proves says whether all of a layer was read and has the digest by which caches
// know it.
func (read *layerRead) proves(l *layerSource) bool {
	digest := l.digest()
	return read.complete && digest != "" && (l.checked && digest == l.Blob || digest == read.blob || digest == read.raw)
}

// readWith reads a layer, unless that was done. A layer that cannot be opened is
// a layer without content and with a problem.
func (l *layerSource) readWith(ctx context.Context, pass *layerPass, index, layers int, o Options) (*layerRead, error) {
	switch {
	case l.read != nil:
		copied := *l.read
		copied.charged = 0
		return &copied, nil
	case l.walk != nil:
		return l.walk(ctx, pass, index)
	}
	if read := l.fromCache(ctx, pass, index, o); read != nil {
		return read, nil
	}
	var before stamp
	began := time.Now()
	if l.stamp != nil {
		before = l.stamp()
	}
	blob, err := l.open(ctx)
	if err != nil {
		if cause := ctx.Err(); cause != nil {
			return nil, cause
		}
		failed := &layerRead{}
		failed.problems.add("%v", err)
		return failed, nil
	}
	defer func() { _ = blob.Close() }()
	var r io.Reader = blob
	if o.Reading != nil {
		r = &toldReader{r: blob, tell: func(read int64) { o.Reading(index, layers, read, l.Size) }}
	}
	known := l.Blob != "" && !l.checked
	read, err := pass.read(ctx, index, r, digests{blob: known, raw: l.Blob == "" || o.DiffIDs})
	if err == nil {
		err = pass.secondPass(ctx, index, l.open, read)
	}
	if err != nil {
		return nil, err
	}
	if read.proves(l) {
		l.note(ctx, before, began, o)
	}
	read.store(ctx, l, o)
	return read, nil
}

// toldEvery is after how many bytes a [toldReader] tells of them.
const toldEvery = 256 << 10

// toldReader tells how much was read.
type toldReader struct {
	r          io.Reader
	read, told int64
	tell       func(read int64)
}

func (t *toldReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.read += int64(n)
	if t.read-t.told >= toldEvery || err != nil && t.read != t.told {
		t.told = t.read
		t.tell(t.read)
	}
	return n, err
}
