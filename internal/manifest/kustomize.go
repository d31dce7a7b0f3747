package manifest

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// The kustomize library has no switch against remote bases: what does not look
// like a file it clones with git or fetches. So each overlay is walked first
// (see kustomization.go), all that it refers to is resolved to files within its
// root, and the library runs on copies of these files in memory, in which every
// reference is a relative path that begins with a dot.

// overlay is a directory with a kustomization file that may be built.
type overlay struct {
	unit  *unit
	given place // the path that the user gave
	root  string
}

// place is a directory on disk and how the user writes it.
type place struct{ real, name string }

// shown returns how the user would write a real path.
func (p place) shown(real string) string {
	rel, err := filepath.Rel(p.real, real)
	if err != nil {
		return filepath.ToSlash(real)
	}
	return path.Join(p.name, filepath.ToSlash(rel))
}

// foundOverlay adds the overlay of a directory. It returns false when its
// kustomization file belongs to another program.
func (l *loader) foundOverlay(real string, given place, explicit bool) bool {
	if l.kustomization(real, given).foreign {
		return false
	}
	l.addOverlay(real, given, explicit)
	return true
}

func (l *loader) addOverlay(real string, given place, explicit bool) *overlay {
	if o := l.overlays[real]; o != nil {
		o.unit.explicit = o.unit.explicit || explicit
		return o
	}
	o := &overlay{given: given, root: kustomizeRoot(given.real)}
	o.unit = &unit{kind: overlayDir, path: real, real: real + string(filepath.Separator), name: given.shown(real), explicit: explicit}
	l.overlays[real] = o
	l.add(o.unit)
	return o
}

// kustomizeRoot returns the directory that an overlay in dir may refer to: the
// git tree that holds it, or the working directory when that does, or dir.
func kustomizeRoot(dir string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Lstat(filepath.Join(d, ".git")); err == nil {
			return d
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	if wd, err := os.Getwd(); err == nil {
		if wd, err = realPath(wd); err == nil && within(wd, dir) {
			return wd
		}
	}
	return dir
}

// buildOverlays builds the overlays that no other refers to, and the bases of
// those that cannot be built.
func (l *loader) buildOverlays() {
	l.covered = map[string]bool{}
	tried := map[string]bool{}
	for next := l.topOverlays(); len(next) > 0; {
		var bases []string
		for _, dir := range next {
			if l.ctx.Err() != nil {
				return
			}
			if tried[dir] || l.covered[dir] && !l.overlays[dir].unit.explicit {
				continue
			}
			tried[dir] = true
			bases = append(bases, l.buildOverlay(l.overlays[dir])...)
		}
		next = slices.DeleteFunc(bases, func(dir string) bool { return l.covered[dir] })
	}
}

// topOverlays returns the directories of overlays that are not reached from
// others, in order. Of a circle it returns the first.
func (l *loader) topOverlays() []string {
	var dirs, tops []string
	for _, u := range l.units {
		if u.kind == overlayDir {
			dirs = append(dirs, u.path)
		}
	}
	referred := map[string]bool{}
	for _, dir := range dirs {
		for _, base := range l.bases(dir, l.overlays[dir].root) {
			referred[base] = referred[base] || base != dir
		}
	}
	reached := map[string]bool{}
	var reach func(dir, root string)
	reach = func(dir, root string) {
		if !reached[dir] {
			reached[dir] = true
			for _, base := range l.bases(dir, root) {
				reach(base, root)
			}
		}
	}
	for _, circles := range []bool{false, true} {
		for _, dir := range dirs {
			if !reached[dir] && (circles || !referred[dir]) || !circles && l.overlays[dir].unit.explicit {
				tops = append(tops, dir)
				reach(dir, l.overlays[dir].root)
			}
		}
	}
	return tops
}

// bases returns the directories within root that a kustomization refers to.
func (l *loader) bases(dir, root string) []string {
	var dirs []string
	for _, ref := range l.kustomization(dir, place{}).refs {
		if ref.use == useBase && ref.problem == "" && within(root, ref.real) {
			dirs = append(dirs, ref.real)
		}
	}
	return dirs
}

// buildOverlay builds one overlay. When it cannot, it returns the bases to build
// instead, and adds the resources as plain files.
func (l *loader) buildOverlay(o *overlay) []string {
	r := &result{}
	o.unit.result = r
	top := l.kustomization(o.unit.path, o.given)
	if top.err == nil && top.content.Kind == types.ComponentKind {
		r.counts.Documents, r.counts.PassedOver, r.known = 1, 1, true // only something within an overlay
		l.release(o, top)
		return nil
	}
	b := &kustomizeBuild{loader: l, overlay: o, result: r, files: map[string]string{}, visited: map[string]bool{}, sys: filesys.MakeFsInMemory()}
	b.visit(o.unit.path)
	if len(r.problems) == 0 {
		b.build()
	}
	if len(r.problems) == 0 {
		for dir := range b.visited {
			l.covered[dir] = true
		}
		for file := range b.files {
			l.claims[file] = true
		}
		return nil
	}
	return l.release(o, top)
}

// release returns the bases of an overlay that is not built, and adds its
// resources as plain files. Patches and the like are no manifests.
func (l *loader) release(o *overlay, k *kustomization) []string {
	var bases []string
	for _, ref := range k.refs {
		switch {
		case ref.problem != "" || !within(o.root, ref.real):
		case ref.use == useBase:
			l.addOverlay(ref.real, o.given, false)
			bases = append(bases, ref.real)
		case ref.use == useResource:
			l.add(&unit{kind: plainFile, path: ref.real, real: ref.real, name: o.given.shown(ref.real)})
		default:
			l.claims[ref.real] = true
		}
	}
	return bases
}

// claimed returns the files that overlays read.
func (l *loader) claimed() map[string]bool { return l.claims }

// kustomizeBuild is the building of one overlay.
type kustomizeBuild struct {
	*loader
	overlay *overlay
	result  *result
	files   map[string]string // text by real path
	visited map[string]bool   // kustomization directories
	sys     filesys.FileSystem
	bytes   int64
}

// visit copies a kustomization and all that it refers to into memory, and notes
// what cannot be.
func (b *kustomizeBuild) visit(dir string) {
	if b.visited[dir] {
		return
	}
	b.visited[dir] = true
	k := b.kustomization(dir, b.overlay.given)
	shown := b.overlay.given.shown(k.file)
	if k.err != nil {
		at, why := model.Place{File: shown}, k.err.Error()
		if e, ok := errors.AsType[*tree.SyntaxError](k.err); ok {
			at.Line, at.Column, why = e.Line, e.Column, e.Reason
		}
		b.result.fail(at, "", "%s", why)
		return
	}
	if !b.keep(k.file, k.text, k.sum) {
		return
	}
	for _, ref := range k.refs {
		at := model.Place{File: shown, Line: ref.line, Column: ref.column}
		switch {
		case ref.problem != "":
			b.result.fail(at, ref.hint, "%s", ref.problem)
		case !within(b.overlay.root, ref.real):
			b.result.fail(at, "check a directory that holds both", "refers to a path outside the git tree or directory that holds the overlay")
		case ref.use == useBase:
			b.visit(ref.real)
		default:
			b.copyFile(ref, at)
		}
	}
	content := k.content
	if dir == b.overlay.unit.path && !slices.Contains(content.BuildMetadata, types.OriginAnnotations) {
		content.BuildMetadata = append(slices.Clone(content.BuildMetadata), types.OriginAnnotations)
	}
	text, err := yaml.Marshal(content)
	if err == nil {
		err = b.sys.WriteFile(filepath.Join(dir, "kustomization.yaml"), text)
	}
	if err != nil {
		b.result.fail(model.Place{File: shown}, "", "cannot be read as a kustomization")
	}
}

// keep notes a file that was read; it returns false beyond the limit.
func (b *kustomizeBuild) keep(real, text string, sum checksum) bool {
	b.bytes += int64(len(text))
	if b.bytes > maxChartBytes || len(b.files) > maxChartFiles {
		b.result.fail(model.Place{File: b.overlay.unit.name}, "", "the overlay reads more than the limit of %s or %d files", byteCount(maxChartBytes), maxChartFiles)
		return false
	}
	if _, ok := b.files[real]; !ok {
		b.result.read(b.overlay.given.shown(real), sum)
	}
	b.files[real] = text
	return true
}

// copyFile copies a file that a kustomization refers to.
func (b *kustomizeBuild) copyFile(ref reference, at model.Place) {
	if _, ok := b.files[ref.real]; ok {
		return
	}
	text, sum, err := readRegular(ref.real, b.options.MaxFileBytes)
	if err != nil {
		b.result.fail(model.Place{File: b.overlay.given.shown(ref.real)}, "", "%s", reason(err))
		return
	}
	if !b.keep(ref.real, text, sum) {
		return
	}
	if ref.use == usePlugin && !harmlessPlugin(text) {
		b.result.fail(at, pluginHint, pluginProblem)
		return
	}
	if ref.use == useResource || ref.use == usePatch {
		for doc := range tree.Parse(&tree.File{Name: b.overlay.given.shown(ref.real), Text: text}) {
			if doc.Err == nil {
				continue
			}
			if ref.use == usePatch { // a resource is read again as a plain file, and then reported
				place, why := b.locate(doc.Err, &model.Source{})
				b.result.fail(place, "", "%s", why)
			} else {
				b.result.fail(at, "", "the overlay cannot be built: %s cannot be parsed", path.Base(doc.File.Name))
			}
			return
		}
	}
	if err := b.sys.WriteFile(ref.real, []byte(text)); err != nil {
		b.result.fail(at, "", "the overlay refers to a path that is both a file and a directory")
	}
}

// kustomizeLock lets one overlay be built at a time: the library keeps its
// schema in a global variable.
var kustomizeLock = make(chan struct{}, 1)

// build runs the library. A build that does not end in time is left behind, as
// it cannot be interrupted.
func (b *kustomizeBuild) build() {
	ctx, cancel := context.WithTimeout(b.ctx, renderTime)
	defer cancel()
	select {
	case kustomizeLock <- struct{}{}:
	case <-ctx.Done():
		b.result.fail(model.Place{File: b.overlay.unit.name}, "", "the overlay was not built: another one takes too long")
		return
	}
	type answer struct {
		made resmap.ResMap
		err  error
	}
	done := make(chan answer, 1)
	warns := b.deprecated()
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- answer{nil, errors.New("internal error of kustomize")}
			}
			<-kustomizeLock
		}()
		defer quieten(warns)()
		options := krusty.MakeDefaultOptions()
		options.LoadRestrictions = types.LoadRestrictionsNone // there is nothing else in its file system
		made, err := krusty.MakeKustomizer(options).Run(b.sys, b.overlay.unit.path)
		done <- answer{made, err}
	}()
	select {
	case <-ctx.Done():
		b.result.fail(model.Place{File: b.overlay.unit.name}, "", "building took longer than %s", renderTime)
	case a := <-done:
		if a.err != nil {
			b.result.fail(model.Place{File: b.overlay.given.shown(b.kustomization(b.overlay.unit.path, place{}).file)}, "", "the overlay cannot be built: %s", kustomizeReason(a.err))
			return
		}
		b.objects(a.made)
	}
}

// deprecated reports whether the library would warn of fields on os.Stderr.
func (b *kustomizeBuild) deprecated() bool {
	for dir := range b.visited {
		if len(*b.kustomization(dir, place{}).content.CheckDeprecatedFields()) > 0 {
			return true
		}
	}
	return false
}

// kustomizeReasons translate errors of the library, which quote documents.
var kustomizeReasons = []struct{ part, reason string }{
	{"cycle detected", "bases refer to each other in a circle"},
	{"already registered id", "two resources have the same kind, namespace and name"},
	{"no matches for Id", "a patch matches no resource"},
	{"no resource matches", "a patch matches no resource"},
	{"unable to find patch target", "a patch matches no resource"},
	{"failed to find unique target for patch", "a patch does not match exactly one resource"},
	{"unable to parse SM or JSON patch", "a patch is neither a strategic merge patch nor a JSON patch"},
	{"missing Resource metadata", "a patch or resource has no metadata"},
	{"missing metadata.name", "a resource has no name"},
	{"Object 'Kind' is missing", "a resource or patch has no kind"},
	{"missing kind", "a resource or patch has no kind"},
	{"kustomization.yaml is empty", "the kustomization is empty"},
	{"unable to find a member", "a field that a transformer names does not exist"},
	{"nothing selected by", "a replacement selects nothing"},
	{"multiple matches for selector", "a replacement selects several resources"},
	{"does not exist in cr definition", "a replacement names a field that does not exist"},
	{"apiVersion for", "the kustomization has a wrong apiVersion"},
	{"kind should be", "the kustomization has a wrong kind"},
	{"multiple kustomization files", "there are several kustomization files in one directory"},
	{"remove operation does not apply", "a JSON patch names a path that does not exist"},
	{"replace operation does not apply", "a JSON patch names a path that does not exist"},
	{"add operation does not apply", "a JSON patch names a path that does not exist"},
	{"test operation", "a test in a JSON patch fails"},
	{"internal error of kustomize", "internal error of kustomize"},
}

func kustomizeReason(err error) string {
	text := err.Error()
	for _, r := range kustomizeReasons {
		if strings.Contains(text, r.part) {
			return r.reason
		}
	}
	return "run kustomize build to see why; its message may quote secrets and is not shown"
}
