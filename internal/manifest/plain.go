package manifest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// readPlain reads a file of YAML or JSON documents.
func (l *loader) readPlain(u *unit) *result {
	text, sum, err := readRegular(u.path, l.options.MaxFileBytes)
	if err != nil {
		return failure(u.name, "", "%s", reason(err))
	}
	r := &result{}
	r.read(u.name, sum)
	if !u.explicit && path.Ext(u.name) == ".json" && !mayHoldObjects(text) {
		r.counts.Documents, r.counts.PassedOver = 1, 1 // lock files and the like may be large
		return r
	}
	l.documents(r, &tree.File{Name: u.name, Text: text}, nil, u.explicit)
	return r
}

// mayHoldObjects reports whether JSON text can hold a key apiVersion.
func mayHoldObjects(text string) bool {
	return strings.Contains(text, "apiVersion") || strings.Contains(text, `\u`)
}

// readStdin reads standard input. It returns early when the context ends; the
// read itself cannot be interrupted and is then left behind.
func (l *loader) readStdin(u *unit) *result {
	type answer struct {
		text string
		sum  checksum
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		text, sum, err := readLimited(l.options.Stdin, 0, l.options.MaxFileBytes)
		done <- answer{text, sum, err}
	}()
	select {
	case <-l.ctx.Done():
		return &result{}
	case a := <-done:
		if a.err != nil {
			return failure(u.name, "", "%s", reason(a.err))
		}
		r := &result{}
		r.read(u.name, a.sum)
		l.documents(r, &tree.File{Name: u.name, Text: a.text}, nil, true)
		return r
	}
}

// readRegular reads a regular file. It never blocks on a pipe, even on one that
// took the place of a file since the search.
func readRegular(name string, limit int64) (text string, sum checksum, err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", sum, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", sum, err
	}
	if !info.Mode().IsRegular() {
		return "", sum, errors.New(irregular(info.Mode()))
	}
	return readLimited(f, info.Size(), limit)
}

func readLimited(r io.Reader, size, limit int64) (text string, sum checksum, err error) {
	tooLarge := fmt.Errorf("is larger than the limit of %s", byteCount(limit))
	if size > limit {
		return "", sum, tooLarge
	}
	var b strings.Builder
	b.Grow(int(size))
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(&b, hash), io.LimitReader(r, limit+1))
	if err != nil {
		return "", sum, err
	}
	if n > limit {
		return "", sum, tooLarge
	}
	return b.String(), checksum(hash.Sum(nil)), nil
}

func byteCount(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// documents adds what a text holds to the result. lenient texts, found in a
// search, may be templates of other tools.
func (l *loader) documents(r *result, f *tree.File, origin *model.Origin, explicit bool) {
	if strings.IndexByte(f.Text, 0) >= 0 {
		r.counts.Documents++
		r.fail(model.Place{File: f.Name}, encodingHint(f.Text), "is a binary file, not YAML or JSON")
		return
	}
	index, before := -1, len(r.objects)
	var strays []stray
	for doc := range tree.Parse(f) {
		if l.ctx.Err() != nil {
			return
		}
		index++
		source := &model.Source{File: f, Document: index, Origin: origin}
		switch {
		case doc.Err != nil:
			l.malformed(r, doc, source, explicit)
		case doc.Root == nil:
		case doc.Root.Is(tree.Map), doc.Root.Is(tree.Null):
			l.object(r, doc.Root, doc, source, 0)
		default:
			strays = append(strays, stray{doc.Root, source})
		}
	}
	for _, s := range strays {
		l.stray(r, s, origin != nil || len(r.objects) > before)
	}
}

// stray is a document that is no map, such as a list or a text.
type stray struct {
	root   *tree.Node
	source *model.Source
}

const strayHint = "kubectl and Helm refuse it: give each object a document of its own, after ---, or write them below items of a List"

// stray notes a document that no client would take, and that was meant for one: it
// holds an object, or stands among objects. Other such files are not for Kubernetes.
func (l *loader) stray(r *result, s stray, among bool) {
	r.counts.Documents++
	at, why := heldObject(s.root), nearMiss(s.root, s.source.File.Name, false)
	switch {
	case why != "":
		r.fail(s.source.Place(s.root), "", "%s", why)
	case at == nil && !among:
		r.counts.PassedOver++
	case at == nil:
		r.fail(s.source.Place(s.root), strayHint, "the document is %s, not an object", s.root.Kind().Noun())
	default:
		r.fail(s.source.Place(at), strayHint, "the object is in %s, which is no document of Kubernetes", s.root.Kind().Noun())
	}
}

// heldObject returns the first object in lists, or the text that holds one, or nil.
func heldObject(n *tree.Node) *tree.Node {
	switch {
	case n.Is(tree.Map) && n.Get("apiVersion").Str() != "" && n.Get("kind").Str() != "",
		n.Is(tree.String) && strings.Contains(n.Str(), "apiVersion") && strings.Contains(n.Str(), "kind"):
		return n
	case !n.Is(tree.List):
		return nil
	}
	for i := range n.Children() {
		if held := heldObject(n.At(i)); held != nil {
			return held
		}
	}
	return nil
}

// encodingHint recognises UTF-16 by its byte order mark.
func encodingHint(text string) string {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return "it seems to be UTF-16: convert it to UTF-8"
	}
	return ""
}

const unrenderedHint = "check the chart directory instead, or the output of its template engine"

// malformed notes a document that could not be parsed.
func (l *loader) malformed(r *result, doc tree.Document, source *model.Source, explicit bool) {
	r.counts.Documents++
	text := doc.File.Text[doc.Start:doc.End]
	template := templateMark(text)
	if template >= 0 && !explicit && source.Origin == nil && !strings.Contains(text, "apiVersion") {
		r.counts.PassedOver++ // a template of another tool
		return
	}
	place, why := l.locate(doc.Err, source)
	if template >= 0 && source.Origin == nil {
		line, column := doc.File.Position(doc.Start + template)
		r.fail(model.Place{File: place.File, Line: line, Column: column}, unrenderedHint, "unrendered template")
		return
	}
	r.fail(place, "", "%s", why)
}

// templateMark returns where the text holds the mark of a template, or -1.
func templateMark(text string) int {
	if i := strings.Index(text, "{{"); i >= 0 {
		return i
	}
	return strings.Index(text, "{%")
}

// object adds one document, or the items of a list.
func (l *loader) object(r *result, root *tree.Node, doc tree.Document, source *model.Source, depth int) {
	apiVersion, kind := root.Get("apiVersion").Str(), root.Get("kind").Str()
	if items := root.Get("items"); apiVersion != "" && strings.HasSuffix(kind, "List") && items.Is(tree.List) && depth < model.MaxListDepth {
		l.items(r, root, doc, source, depth)
		return
	}
	r.counts.Documents++
	switch items := root.Get("items"); {
	case apiVersion == "v1" && kind == "List" && (items == nil || items.Is(tree.Null)): // an empty one
		r.counts.PassedOver++
		return
	case apiVersion == "v1" && kind == "List" && !items.Is(tree.List):
		r.fail(source.Place(items), "", "List: items is %s, not a list", items.Kind().Noun())
		return
	case model.IsDeclaration(root):
		l.declaration(r, root, source)
		return
	case model.GroupOf(apiVersion) == "ullage.dev" && !likeDeclaration(root, source.File.Name):
		r.counts.PassedOver++
		doc.Root = root // that of a list holds all of its items
		r.own = append(r.own, doc)
		return
	case model.GroupOf(apiVersion) == "kustomize.config.k8s.io":
		r.counts.PassedOver++ // overlays are built, see Load
		return
	}
	if why := nearMiss(root, source.File.Name, depth > 0); why != "" {
		r.fail(source.Place(root), "", "%s", why)
		return
	}
	if n := unrendered(root); n != nil && source.Origin == nil {
		r.fail(source.Place(n), unrenderedHint, "unrendered template")
		return
	}
	o, err := model.NewObject(root, source, "", l.options.Namespace)
	switch {
	case err != nil:
		place, why := l.locate(err, source)
		r.fail(place, "", "%s", why)
	case o == nil:
		r.counts.PassedOver++
	default:
		r.objects = append(r.objects, o)
	}
}

func (l *loader) declaration(r *result, root *tree.Node, source *model.Source) {
	d, err := model.ParseDeclaration(root, source)
	if err != nil {
		place, why := l.locate(err, source)
		r.fail(place, "", "%s", why)
		return
	}
	r.counts.PassedOver++
	r.declarations = append(r.declarations, d)
}

// items adds the items of a list. In typed lists they may leave out what the
// list's own kind says.
func (l *loader) items(r *result, list *tree.Node, doc tree.Document, source *model.Source, depth int) {
	items := list.Get("items")
	if items.Len() == 0 {
		r.counts.Documents++
		r.counts.PassedOver++
		return
	}
	kind := strings.TrimSuffix(list.Get("kind").Str(), "List")
	for i := range items.Children() {
		item := items.At(i)
		if kind != "" && item.Is(tree.Map) && item.Get("kind") == nil && item.Get("apiVersion") == nil {
			item.Add("apiVersion", tree.Defaulted(tree.Of(list.Get("apiVersion").Str())))
			item.Add("kind", tree.Defaulted(tree.Of(kind)))
		}
		l.object(r, item, doc, source, depth+1)
	}
}

// nearMiss says what a document lacks that was surely meant to be an object.
func nearMiss(root *tree.Node, file string, inList bool) string {
	apiVersion, kind := root.Get("apiVersion").Str(), root.Get("kind").Str()
	metadata := root.Get("metadata")
	named := metadata.Get("name").Is(tree.String) || metadata.Get("generateName").Is(tree.String)
	switch {
	case likeDeclaration(root, file):
		return "it looks like a declaration, which has apiVersion: " + model.DeclarationVersion + " and kind: Declaration"
	case apiVersion != "" && kind != "":
		return ""
	case apiVersion == "" && kind == "" && inList:
		return "an item of a list has neither apiVersion nor kind"
	case apiVersion == "" && kind != "" && (named || inList):
		return "apiVersion is missing or not a string"
	case kind == "" && apiVersion != "" && (named || inList):
		return "kind is missing or not a string"
	}
	return ""
}

// likeDeclaration reports whether a document that is none was meant to be a
// declaration: by its kind or version, by the name of its file, or by what it says.
func likeDeclaration(root *tree.Node, file string) bool {
	apiVersion, kind, workloads := root.Get("apiVersion").Str(), root.Get("kind").Str(), root.Get("workloads")
	switch {
	case model.GroupOf(apiVersion) == "ullage.dev":
		return strings.EqualFold(kind, "Declaration") || kind == "" && workloads != nil
	case apiVersion != "" || kind != "":
		return apiVersion == "" && kind == "Declaration"
	}
	if base := filepath.Base(file); base == "ullage.yaml" || base == "ullage.yml" {
		return true
	}
	named := workloads.Len() > 0 && !slices.ContainsFunc(workloads.Children(), func(w tree.Node) bool {
		return !w.Get("name").Is(tree.String) || !w.Get("kind").Is(tree.String)
	})
	return named || workloads.Is(tree.List) && root.Get("peers").Is(tree.Map)
}

// unrendered returns a field of an object's identity that is a template, or
// nil. Templates in other fields may be meant for the cluster.
func unrendered(root *tree.Node) *tree.Node {
	for _, p := range []tree.Path{tree.Keys("kind"), tree.Keys("metadata", "name"), tree.Keys("metadata", "namespace")} {
		if n := root.Follow(p); strings.Contains(n.Str(), "{{") {
			return n
		}
	}
	return nil
}

// locate splits an error into its place and its reason.
func (l *loader) locate(err error, source *model.Source) (model.Place, string) {
	if e, ok := errors.AsType[*tree.SyntaxError](err); ok {
		if source.Origin == nil {
			return model.Place{File: e.File.Name, Line: e.Line, Column: e.Column}, e.Reason
		}
		return originPlace(source.Origin, e.Line), e.Reason
	}
	return placeAndReason(err, source)
}

// originPlace returns where line, counted from 1, of a rendered text comes from.
func originPlace(o *model.Origin, line int) model.Place {
	p := model.Place{File: o.Root, Rendered: o.Renderer}
	if line >= 1 && line <= len(o.Lines) && o.Lines[line-1].File != "" {
		p.File, p.Line = o.Lines[line-1].File, o.Lines[line-1].Line
	}
	return p
}

var placePrefix = regexp.MustCompile(`^(.*?)(?::(\d+)(?::(\d+))?)?: `)

// placeAndReason takes apart the error of model.NewObject, which begins with
// the place.
func placeAndReason(err error, source *model.Source) (model.Place, string) {
	text := err.Error()
	m := placePrefix.FindStringSubmatch(text)
	if m == nil {
		return model.Place{File: source.File.Name}, text
	}
	p := model.Place{File: m[1]}
	p.Line, _ = strconv.Atoi(m[2])
	p.Column, _ = strconv.Atoi(m[3])
	if source.Origin != nil {
		p.Rendered = source.Origin.Renderer
	}
	return p, text[len(m[0]):]
}
