package fix

import (
	"fmt"
	"iter"
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// edits gathers what is to change in one file.
type edits struct {
	run     *run
	attempt *attempt
	source  *source
	tree    *tree.Edits
	objects map[int]map[int]tree.Path // by document, the paths to objects by where they start
	changed map[place]*tree.Change    // what changes at a place, nil for below it
}

func newEdits(r *run, a *attempt, s *source) *edits {
	e := tree.NewEdits(&tree.File{Name: s.file.Name, Text: s.text})
	return &edits{run: r, attempt: a, source: s, tree: e, objects: map[int]map[int]tree.Path{}, changed: map[place]*tree.Change{}}
}

// add adds the edits of a fix; refusal says why they can never be made. ok is
// false when they must wait for others.
func (e *edits) add(f *model.Finding, fix model.Fix) (ok bool, refusal string) {
	document := f.Object.Source.Document
	if document >= len(e.tree.Documents()) {
		return false, "the document is no longer there"
	}
	base, found := e.pathTo(f.Object)
	if !found {
		return false, "the object is written in a way that is not edited"
	}
	var changes []tree.Change
	var at []place
	for _, c := range changesOf(f, fix, base, document) {
		p := place{e.source.file.Name, document, c.Path.String()}
		if was, taken := e.run.owned[p]; taken && !c.Append && !same(was.value, c.Value) {
			return false, fmt.Sprintf("it conflicts with the fix of %s, which was made", was.rule)
		}
		switch other, overlaps := e.overlapping(p); {
		case !overlaps:
			changes, at = append(changes, c), append(at, p)
		case other == nil || other.Append != c.Append || !same(other.Value, c.Value):
			return false, ""
		}
	}
	if err := e.tree.Add(changes...); err != nil {
		return false, err.Error()
	}
	for i, c := range changes {
		for p := range above(at[i]) {
			e.changed[p] = nil
		}
		e.changed[at[i]] = &c
		if !c.Append { // more may be added, or all be set
			e.attempt.owned[at[i]] = owner{f.Rule.ID, c.Value}
		}
	}
	return true, ""
}

// overlapping reports whether what touches a place touches what changes already,
// and returns the change if it is of the very same place.
func (e *edits) overlapping(p place) (other *tree.Change, overlaps bool) {
	if other, overlaps = e.changed[p]; overlaps {
		return other, true
	}
	for p := range above(p) {
		if e.changed[p] != nil {
			return nil, true
		}
	}
	return nil, false
}

// above yields the places on the way to one.
func above(p place) iter.Seq[place] {
	return func(yield func(place) bool) {
		for i, c := range p.path {
			if (c == '.' || c == '[') && !yield(place{p.file, p.document, p.path[:i]}) {
				return
			}
		}
	}
}

func same(a, b *tree.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return tree.Equal(a, b)
}

// pathTo returns the path to an object from the root of its document: it is the
// document itself, or an item of a list.
func (e *edits) pathTo(o *model.Object) (tree.Path, bool) {
	document := o.Source.Document
	starts := e.objects[document]
	if starts == nil {
		starts = map[int]tree.Path{}
		findObjects(e.tree.Documents()[document].Root, nil, 0, starts)
		e.objects[document] = starts
	}
	path, found := starts[o.Root.Start()]
	return path, found
}

func findObjects(n *tree.Node, path tree.Path, depth int, starts map[int]tree.Path) {
	if !n.Is(tree.Map) || depth > model.MaxListDepth {
		return
	}
	if _, found := starts[n.Start()]; !found {
		starts[n.Start()] = path
	}
	items := n.Get("items")
	for i := range items.Children() {
		findObjects(items.At(i), path.Join(tree.Step{Key: "items"}, tree.Step{Index: i}), depth+1, starts)
	}
}

// make edits the text and makes its objects.
func (e *edits) make() (text string, objects []*model.Object, refusal string) {
	text, err := e.tree.Text()
	if err != nil {
		return "", nil, err.Error()
	}
	if text == e.source.text {
		return "", nil, "it would change nothing"
	}
	objects, err = e.run.Load(&tree.File{Name: e.source.file.Name, Text: text})
	if err != nil {
		return "", nil, "the edited file could not be read: " + err.Error()
	}
	same := func(a, b *model.Object) bool { return a.Key == b.Key && a.Source.Document == b.Source.Document }
	if !slices.EqualFunc(objects, e.source.objects, same) {
		return "", nil, "the edited file would not hold the same objects"
	}
	return text, objects, ""
}
