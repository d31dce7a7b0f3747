package fix

import (
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// proven returns which fixes of an attempt, by index, are inert and leave the
// completed objects of their document, as it was before, the same.
func (r *run) proven(a *attempt) map[int]bool {
	type document struct {
		file  string
		index int
	}
	of := map[document][]int{}
	for i, m := range a.made {
		if m.fix.Class == model.Inert && m.restates() {
			d := document{m.file(), m.finding.Object.Source.Document}
			of[d] = append(of[d], i)
		}
	}
	proven := map[int]bool{}
	for d, all := range of {
		e := a.files[d.file]
		doc := e.tree.Documents()[d.index]
		text := &tree.File{Name: d.file, Text: doc.File.Text[doc.Start:doc.End]}
		if was, err := r.Load(text); err == nil {
			r.prove(a, e, text, was, all, proven)
		}
	}
	return proven
}

// prove proves fixes of a document together, or where that fails, in halves: each
// states what completing gave, so that none hides what another one changes.
func (r *run) prove(a *attempt, e *edits, doc *tree.File, was []*model.Object, all []int, proven map[int]bool) {
	var changes []tree.Change
	for _, i := range all {
		base, _ := e.pathTo(a.made[i].finding.Object)
		changes = append(changes, changesOf(a.made[i].finding, a.made[i].fix, base, 0)...)
	}
	if text, err := tree.Edit(doc, changes); err == nil {
		is, err := r.Load(&tree.File{Name: doc.Name, Text: text})
		if err == nil && slices.EqualFunc(was, is, func(a, b *model.Object) bool {
			return a.Key == b.Key && a.Root.Hash() == b.Root.Hash()
		}) {
			for _, i := range all {
				proven[i] = true
			}
			return
		}
	}
	if half := len(all) / 2; half > 0 {
		r.prove(a, e, doc, was, all[:half], proven)
		r.prove(a, e, doc, was, all[half:], proven)
	}
}

// restates reports whether a fix sets nothing but what the completed object holds
// in any case.
func (m *made) restates() bool {
	for _, e := range m.fix.Edits {
		at := m.finding.Object.Root.Follow(m.finding.At(e.Target))
		if e.Append || e.Value != nil && (at == nil || !tree.Equal(at, e.Value)) {
			return false
		}
	}
	return true
}
