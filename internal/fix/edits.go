package fix

import (
	"fmt"
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// edits gathers what is to change in one file.
type edits struct {
	run     *run
	attempt *attempt
	source  *source
	docs    []tree.Document
	changes []tree.Change
	of      map[int][]int // indices of changes by document
}

func newEdits(r *run, a *attempt, s *source) *edits {
	return &edits{run: r, attempt: a, source: s, of: map[int][]int{}, docs: slices.Collect(tree.Parse(&tree.File{Name: s.file.Name, Text: s.text}))}
}

// add adds the edits of a fix; refusal says why they can never be made. ok is
// false when they must wait for others.
func (e *edits) add(f *model.Finding, fix model.Fix) (ok bool, refusal string) {
	o := f.Object
	if o.Source.Document >= len(e.docs) {
		return false, "the document is no longer there"
	}
	base, found := rootPath(e.docs[o.Source.Document].Root, o.Root.Start(), 0)
	if !found {
		return false, "the object is written in a way that is not edited"
	}
	var changes []tree.Change
	var at []place
	for _, c := range changesOf(f, fix, base, o.Source.Document) {
		p := place{e.source.file.Name, c.Document, c.Path.String()}
		if was, taken := e.run.owned[p]; taken && !c.Append && !same(was.value, c.Value) {
			return false, fmt.Sprintf("it conflicts with the fix of %s, which was made", was.rule)
		}
		duplicate := false
		for _, i := range e.of[c.Document] {
			other := &e.changes[i]
			if !overlap(other.Path, c.Path) {
				continue
			}
			if !slices.Equal(other.Path, c.Path) || other.Append != c.Append || !same(other.Value, c.Value) {
				return false, ""
			}
			duplicate = true
		}
		if !duplicate {
			changes, at = append(changes, c), append(at, p)
		}
	}
	for i, c := range changes {
		if !c.Append { // more may be added, or all be set
			e.attempt.owned[at[i]] = owner{f.Rule.ID, c.Value}
		}
	}
	for _, c := range changes {
		e.of[c.Document] = append(e.of[c.Document], len(e.changes))
		e.changes = append(e.changes, c)
	}
	return true, ""
}

func same(a, b *tree.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return tree.Equal(a, b)
}

// overlap reports whether one path leads through the end of the other.
func overlap(a, b tree.Path) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

// maxListDepth bounds lists within lists.
const maxListDepth = 8

// rootPath returns the path from a document's root to the object that starts
// at an offset: the document itself, or an item of a list.
func rootPath(root *tree.Node, start, depth int) (tree.Path, bool) {
	if !root.Is(tree.Map) || depth > maxListDepth {
		return nil, false
	}
	if root.Start() == start {
		return nil, true
	}
	items := root.Get("items")
	for i := range items.Children() {
		if p, ok := rootPath(items.At(i), start, depth+1); ok {
			return append(tree.Path{{Key: "items"}, {Index: i}}, p...), true
		}
	}
	return nil, false
}

// make edits the text and makes its objects. Removals come last, the later
// items of lists before the earlier ones, so that paths stay right.
func (e *edits) make() (text string, objects []*model.Object, refusal string) {
	slices.SortStableFunc(e.changes, func(a, b tree.Change) int {
		switch {
		case (a.Value == nil) != (b.Value == nil):
			return map[bool]int{true: 1, false: -1}[a.Value == nil]
		case a.Value == nil:
			return comparePaths(b.Path, a.Path)
		}
		return 0
	})
	text, err := tree.Edit(&tree.File{Name: e.source.file.Name, Text: e.source.text}, e.changes)
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

func comparePaths(a, b tree.Path) int {
	return slices.CompareFunc(a, b, func(a, b tree.Step) int {
		if a.Key != b.Key {
			if a.Key < b.Key {
				return -1
			}
			return 1
		}
		return a.Index - b.Index
	})
}
