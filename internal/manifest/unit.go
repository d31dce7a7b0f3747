package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// unitKind says how a unit is read.
type unitKind uint8

const (
	plainFile unitKind = iota
	stdinStream
	chartDir
	chartArchive
	overlayDir
	broken // a problem found in the search, nothing to read
)

// unit is one thing to read: a file, a chart or an overlay.
type unit struct {
	kind     unitKind
	path     string // to open
	real     string // path without symbolic links
	name     string // as the user would write it, with forward slashes
	explicit bool   // given by the user, not found in a search
	result   *result
}

// result is what became of one unit.
type result struct {
	objects      []*model.Object
	declarations []*model.Declaration
	own          []tree.Document
	problems     []model.Problem
	counts       model.Counts
	files        []fileDigest
	known        bool // a library chart or a component, which makes no objects
}

type fileDigest struct {
	name string
	sum  checksum
}

// checksum is the SHA-256 of a file's content.
type checksum [sha256.Size]byte

// read notes that a file was read.
func (r *result) read(name string, sum checksum) {
	r.counts.Files++
	r.files = append(r.files, fileDigest{name, sum})
}

// fail notes something that could not be read.
func (r *result) fail(place model.Place, hint, format string, args ...any) {
	r.counts.Failed++
	r.problems = append(r.problems, model.Problem{Place: place, Reason: fmt.Sprintf(format, args...), Hint: hint})
}

// failure makes the result of a unit that could not be read at all.
func failure(name, hint, format string, args ...any) *result {
	r := &result{}
	r.fail(model.Place{File: name}, hint, format, args...)
	return r
}

// run reads all units: overlays first, as what becomes of them decides which
// plain files are read.
func (l *loader) run() {
	l.buildOverlays()
	var rest []*unit
	claimed := l.claimed()
	for _, u := range l.units {
		if u.result == nil && u.kind != overlayDir && !claimed[u.real] {
			rest = append(rest, u)
		}
	}
	l.readAll(rest, len(l.units)-len(rest))
}

// readAll reads units in parallel. Each result goes to its unit, so that the
// order in which they are done does not matter.
func (l *loader) readAll(units []*unit, before int) {
	var (
		wg       sync.WaitGroup
		next     = make(chan *unit)
		progress sync.Mutex
		done     = before
	)
	for range min(runtime.GOMAXPROCS(0), len(units)) {
		wg.Go(func() {
			for u := range next {
				u.result = l.read(u)
				if l.options.Progress != nil {
					progress.Lock()
					done++
					l.options.Progress(Progress{Done: done, Total: before + len(units)})
					progress.Unlock()
				}
			}
		})
	}
	for _, u := range units {
		if l.ctx.Err() != nil {
			break
		}
		next <- u
	}
	close(next)
	wg.Wait()
}

// read reads a unit. A panic, which is a defect of ours or of a library, must
// not take the other units with it.
func (l *loader) read(u *unit) (r *result) {
	defer func() {
		if p := recover(); p != nil {
			r = failure(u.name, "", "internal error while reading: %T", p) // its text may quote the document
		}
	}()
	switch u.kind {
	case stdinStream:
		return l.readStdin(u)
	case chartDir, chartArchive:
		return l.readChart(u)
	default:
		return l.readPlain(u)
	}
}

// collect puts the results together, in the order of the units.
func (l *loader) collect() *Input {
	in := &Input{}
	digest := sha256.New()
	note := func(f fileDigest) { fmt.Fprintf(digest, "%d:%s%x", len(f.name), f.name, f.sum) }
	for _, u := range l.units {
		r := u.result
		if r == nil {
			continue
		}
		in.Objects = append(in.Objects, r.objects...)
		in.Declarations = append(in.Declarations, r.declarations...)
		in.Own = append(in.Own, r.own...)
		in.Problems = append(in.Problems, r.problems...)
		in.Counts.Files += r.counts.Files
		in.Counts.Documents += r.counts.Documents
		in.Counts.PassedOver += r.counts.PassedOver
		in.Counts.Failed += r.counts.Failed
		for _, f := range r.files {
			note(f)
		}
	}
	for _, s := range l.settings {
		note(s)
	}
	define(in.Objects, in.Objects)
	in.Counts.Read, in.Counts.Objects = len(in.Objects), len(in.Objects)
	for _, o := range in.Objects {
		if len(o.Pods()) > 0 {
			in.Counts.Workloads++
		}
		if o.System {
			in.Counts.System++
		}
	}
	in.Empty = l.empty(in)
	in.Digest = "sha256:" + hex.EncodeToString(digest.Sum(nil))
	return in
}

// define gives custom objects what CustomResourceDefinitions say of their kind: the
// plural, and that they are in no namespace. Nobody else has seen the objects yet.
func define(objects, definitions []*model.Object) {
	defined := map[model.GroupKind]*model.Resource{}
	for _, o := range definitions {
		if o.Key.GroupKind == model.CustomKind {
			r := model.Defined(o)
			defined[r.GroupKind] = r
		}
	}
	if len(defined) == 0 {
		return
	}
	for _, o := range objects {
		if r := defined[o.Key.GroupKind]; r != nil && !o.Key.Builtin() {
			o.Resource = r.Plural
			if r.ClusterScoped {
				o.Key.Namespace = ""
			}
		}
	}
}

// reason says why the operating system refused something, without the path,
// which the place holds already.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok && e == syscall.ELOOP {
		return "symbolic links in a circle"
	}
	return err.Error()
}

func slashed(path string) string { return filepath.ToSlash(filepath.Clean(path)) }
