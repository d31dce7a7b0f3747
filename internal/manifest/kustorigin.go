package manifest

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// objects reads what an overlay made. Each line leads to the patch that set the
// value there; else to the same field of the resource's own file, or to the
// nearest field above it; and for what a generator made, to the generator.
func (b *kustomizeBuild) objects(made resmap.ResMap) {
	resources := made.Resources()
	origins := make([]*resource.Origin, len(resources))
	for i, r := range resources {
		origins[i], _ = r.GetOrigin() // nil only costs the place
	}
	if !b.wantsOrigins() {
		if err := made.RemoveOriginAnnotations(); err != nil {
			b.result.fail(model.Place{File: b.overlay.unit.name}, "", "the overlay's output cannot be read")
			return
		}
	}
	way := newWayBack(b)
	var text strings.Builder
	var lines []model.OriginLine
	for i, r := range resources {
		data, err := r.AsYAML()
		if err != nil {
			b.result.fail(model.Place{File: b.overlay.unit.name}, "", "the overlay's output cannot be read")
			return
		}
		if text.Len() > 0 {
			text.WriteString("---\n")
			lines = append(lines, model.OriginLine{})
		}
		one := strings.TrimSuffix(string(data), "\n") + "\n"
		text.WriteString(one)
		lines = append(lines, way.lines(one, origins[i])...)
	}
	origin := &model.Origin{Renderer: "kustomize", Root: b.overlay.unit.name, Lines: lines}
	b.documents(b.result, &tree.File{Name: b.overlay.unit.name, Text: text.String()}, origin, true)
}

// wantsOrigins reports whether the overlay itself asks for the annotations.
func (b *kustomizeBuild) wantsOrigins() bool {
	return slices.Contains(b.kustomization(b.overlay.unit.path, place{}).content.BuildMetadata, types.OriginAnnotations)
}

// source is a document that fields come from.
type source struct {
	file *tree.File
	root *tree.Node
	name string // the file, as the user would write it
	base int    // line before the document's first, when the text stands inside another file
}

func (s *source) line(n *tree.Node) model.OriginLine {
	line, _ := s.file.Position(n.KeyStart())
	return model.OriginLine{File: s.name, Line: s.base + line}
}

// patch is a patch of the overlay or of one of its bases.
type patch struct {
	source
	target *types.Selector
	json   []jsonOperation
}

type jsonOperation struct {
	path []string
	node *tree.Node
}

// wayBack finds where the fields of built objects come from.
type wayBack struct {
	build   *kustomizeBuild
	patches []patch
	files   map[string][]source // the documents of resource files, by real path
}

func newWayBack(b *kustomizeBuild) *wayBack {
	w := &wayBack{build: b, files: map[string][]source{}}
	var dirs []string
	for dir := range b.visited {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	// The overlay's own patches come last, and so win over those of its bases.
	slices.SortStableFunc(dirs, func(x, y string) int {
		return boolOrder(x == b.overlay.unit.path) - boolOrder(y == b.overlay.unit.path)
	})
	for _, dir := range dirs {
		w.addPatches(dir, b.kustomization(dir, place{}))
	}
	return w
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (w *wayBack) addPatches(dir string, k *kustomization) {
	c := k.content
	//lint:ignore SA1019 overlays still use the old fields
	old, merge := c.PatchesJson6902, c.PatchesStrategicMerge
	all := append(slices.Clone(c.Patches), old...)
	for _, p := range merge {
		if strings.Contains(string(p), "\n") {
			all = append(all, types.Patch{Patch: string(p)})
		} else {
			all = append(all, types.Patch{Path: string(p)})
		}
	}
	for _, p := range all {
		text, name, base := p.Patch, w.build.overlay.given.shown(k.file), 0
		if p.Path != "" {
			real := filepath.Join(dir, filepath.FromSlash(p.Path))
			text, name = w.build.files[real], w.build.overlay.given.shown(real)
		} else if n := findScalar(k.root, text); n != nil {
			base, _ = k.tree.Position(n.Start()) // of the line with the block scalar's mark
			if !n.Has(tree.Literal) {
				base--
			}
		}
		for _, s := range parseSources(text, name, base) {
			w.patches = append(w.patches, patch{s, p.Target, jsonOperations(s.root)})
		}
	}
}

// parseSources returns the documents of a text, and the items of lists.
func parseSources(text, name string, base int) []source {
	f := &tree.File{Name: name, Text: text}
	var all []source
	for doc := range tree.Parse(f) {
		if doc.Root == nil {
			continue
		}
		if items := doc.Root.Get("items"); items.Is(tree.List) && strings.HasSuffix(doc.Root.Get("kind").Str(), "List") {
			for i := range items.Children() {
				all = append(all, source{f, items.At(i), name, base})
			}
			continue
		}
		all = append(all, source{f, doc.Root, name, base})
	}
	return all
}

// jsonOperations returns the operations of a JSON patch, or nil.
func jsonOperations(root *tree.Node) []jsonOperation {
	var operations []jsonOperation
	for i := range root.Children() {
		if op := root.At(i); op.Get("path").Is(tree.String) && op.Get("op").Is(tree.String) {
			pointer := strings.Split(strings.TrimPrefix(op.Get("path").Str(), "/"), "/")
			for j := range pointer {
				pointer[j] = strings.NewReplacer("~1", "/", "~0", "~").Replace(pointer[j])
			}
			operations = append(operations, jsonOperation{pointer, op})
		}
	}
	return operations
}

// lines maps the lines of one built object.
func (w *wayBack) lines(text string, o *resource.Origin) []model.OriginLine {
	lines := make([]model.OriginLine, strings.Count(text, "\n"))
	f := &tree.File{Text: text}
	var root *tree.Node
	for doc := range tree.Parse(f) {
		root = doc.Root
	}
	from, fallback := w.resource(root, o)
	var patches []*patch
	for i := range w.patches {
		if w.patches[i].appliesTo(root) {
			patches = append(patches, &w.patches[i])
		}
	}
	m := lineMap{file: f, lines: lines, from: from, patches: patches}
	if from != nil {
		fallback = from.line(from.root)
		m.walk(root, from.root, nil, mergeRoots(patches), fallback)
	} else {
		m.walk(root, nil, nil, mergeRoots(patches), fallback)
	}
	for i := range lines {
		if lines[i].File == "" {
			if lines[i] = fallback; i > 0 {
				lines[i] = lines[i-1]
			}
		}
	}
	return lines
}

// resource finds the document that an object was made of, or the place of the
// generator that made it.
func (w *wayBack) resource(root *tree.Node, o *resource.Origin) (*source, model.OriginLine) {
	overlay := w.build.overlay
	fallback := model.OriginLine{File: overlay.given.shown(w.build.kustomization(overlay.unit.path, place{}).file)}
	if o == nil {
		return nil, fallback
	}
	if o.ConfiguredIn != "" {
		dir := filepath.Dir(filepath.Join(overlay.unit.path, filepath.FromSlash(o.ConfiguredIn)))
		return nil, w.generator(root, dir, fallback)
	}
	real := filepath.Join(overlay.unit.path, filepath.FromSlash(o.Path))
	docs, ok := w.files[real]
	if !ok {
		docs = parseSources(w.build.files[real], overlay.given.shown(real), 0)
		w.files[real] = docs
	}
	var best *source
	longest := -1
	for i := range docs {
		name := docs[i].root.Dig("metadata", "name").Str()
		if sameKind(docs[i].root, root) && strings.Contains(root.Dig("metadata", "name").Str(), name) && len(name) > longest {
			best, longest = &docs[i], len(name)
		}
	}
	if best == nil && len(docs) == 1 {
		best = &docs[0] // its name or kind was patched
	}
	return best, model.OriginLine{File: overlay.given.shown(real)}
}

// generator returns the place of the generator of a ConfigMap or Secret.
func (w *wayBack) generator(root *tree.Node, dir string, fallback model.OriginLine) model.OriginLine {
	k := w.build.parsed[dir]
	if k == nil {
		return fallback
	}
	at := model.OriginLine{File: w.build.overlay.given.shown(k.file)}
	longest := -1
	for _, list := range []string{"configMapGenerator", "secretGenerator"} {
		if strings.EqualFold(list, root.Get("kind").Str()+"Generator") {
			entries := k.root.Get(list)
			for i := range entries.Children() {
				name := entries.At(i).Get("name").Str()
				if strings.Contains(root.Dig("metadata", "name").Str(), name) && len(name) > longest {
					at.Line, _ = k.tree.Position(entries.At(i).Start())
					longest = len(name)
				}
			}
		}
	}
	return at
}

func sameKind(a, b *tree.Node) bool {
	return a.Get("kind").Str() == b.Get("kind").Str() && model.GroupOf(a.Get("apiVersion").Str()) == model.GroupOf(b.Get("apiVersion").Str())
}

// appliesTo reports whether a patch may have changed an object. Selectors by
// label and annotation count as matching.
func (p *patch) appliesTo(object *tree.Node) bool {
	name := object.Dig("metadata", "name").Str()
	if p.target == nil {
		return p.json == nil && sameKind(p.root, object) && strings.Contains(name, p.root.Dig("metadata", "name").Str())
	}
	if p.target.Kind != "" && !anchored(p.target.Kind, object.Get("kind").Str()) {
		return false
	}
	return p.target.Name == "" || anchored(p.target.Name, name) || strings.Contains(name, p.target.Name)
}

func anchored(pattern, text string) bool {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	return err == nil && re.MatchString(text)
}

// patched is a node of a patch that stands at the place in hand.
type patched struct {
	patch *patch
	node  *tree.Node
}

func mergeRoots(patches []*patch) []patched {
	var roots []patched
	for _, p := range patches {
		if p.json == nil {
			roots = append(roots, patched{p, p.root})
		}
	}
	return roots
}

// lineMap fills in the lines of one object.
type lineMap struct {
	file    *tree.File
	lines   []model.OriginLine
	from    *source
	patches []*patch
}

// walk maps a node: from is the same node of the resource's file, and patches
// are those of strategic merge patches; at is the place of the nearest node
// above that has one.
func (m *lineMap) walk(n, from *tree.Node, pointer []string, patches []patched, at model.OriginLine) {
	if from != nil && m.from != nil {
		at = m.from.line(from)
	}
	if place, ok := m.patchPlace(n, from, pointer, patches); ok {
		at = place
	}
	if line, _ := m.file.Position(n.KeyStart()); line <= len(m.lines) {
		m.lines[line-1] = at // of an item and its first field, that of the field
	}
	for i := range n.Children() {
		kid := &n.Children()[i]
		step := kid.Key()
		if n.Is(tree.List) {
			step = strconv.Itoa(i)
		}
		var below []patched
		for _, p := range patches {
			if match := counterpart(p.node, n, kid, i); match != nil {
				below = append(below, patched{p.patch, match})
			}
		}
		m.walk(kid, counterpart(from, n, kid, i), append(pointer[:len(pointer):len(pointer)], step), below, at)
	}
}

// patchPlace returns the place of the patch that set a node. A map or list that
// the resource has too was not set, but changed below.
func (m *lineMap) patchPlace(n, from *tree.Node, pointer []string, patches []patched) (place model.OriginLine, ok bool) {
	if len(pointer) == 0 {
		return place, false
	}
	collection := n.Is(tree.Map) || n.Is(tree.List)
	for _, p := range patches {
		if from == nil || !collection && p.node.Kind() == n.Kind() && p.node.Text() == n.Text() && from.Text() != n.Text() {
			place, ok = p.patch.line(p.node), true
		}
	}
	for _, p := range m.patches {
		for _, op := range p.json {
			if slices.Equal(op.path, pointer) || from == nil && lastIsAppend(op.path, pointer) {
				place, ok = p.line(op.node), true
			}
		}
	}
	return place, ok
}

// lastIsAppend reports whether a JSON patch appends to the list of a pointer.
func lastIsAppend(path, pointer []string) bool {
	last := len(path) - 1
	return last == len(pointer)-1 && path[last] == "-" && slices.Equal(path[:last], pointer[:last])
}

// identities are the fields by which items of lists are told apart.
var identities = []string{"name", "mountPath", "devicePath", "containerPort", "port", "topologyKey", "ip", "key", "host"}

// counterpart returns the node of other that stands where child i of n does.
func counterpart(other, n, child *tree.Node, i int) *tree.Node {
	if other.Kind() != n.Kind() {
		return nil
	}
	if n.Is(tree.Map) {
		return other.Get(child.Key())
	}
	if child.Is(tree.Map) {
		for _, key := range identities {
			if id := child.Get(key); id != nil {
				for j := range other.Children() {
					if same := other.At(j).Get(key); same != nil && same.Text() == id.Text() {
						return other.At(j)
					}
				}
				return nil
			}
		}
		return other.At(i)
	}
	for j := range other.Children() {
		if other.At(j).Kind() == child.Kind() && other.At(j).Text() == child.Text() {
			return other.At(j)
		}
	}
	return nil
}
