package tree

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Change sets, appends or removes one value of a document.
type Change struct {
	Document int   // index in the file, from 0
	Path     Path  // from the document's root
	Value    *Node // nil removes the value at Path
	Append   bool  // append Value to the list at Path, creating it where absent
}

// Refusal says why an edit was not made. Nothing of the edit was.
type Refusal struct {
	Path   Path
	Reason Reason
	Detail string // may be empty; quotes nothing of the document but its keys
}

// Reason is a kind of refusal.
type Reason string

// The reasons.
const (
	SharedStyle   Reason = "an anchor, an alias or a merge key is in the way: other places share the text"
	FlowStyle     Reason = "flow style over several lines is not edited"
	UncommonStyle Reason = "the YAML here is written in a way that is not edited"
	NoPlace       Reason = "there is no such place"
	Unverified    Reason = "the edited text would not read as intended"
)

func (r *Refusal) Error() string {
	s := string(r.Reason)
	if r.Detail != "" {
		s += " (" + r.Detail + ")"
	}
	if len(r.Path) == 0 {
		return s
	}
	return r.Path.String() + ": " + s
}

// Edit returns the text of a file in which the changes were made. Each path is
// followed in the file as it is, whatever else changes, or into what a change
// before it adds; removals come last. Only bytes that must change do:
//
//   - A new key is written behind the last entry of its map, a new item behind
//     the last of its list, in the indentation, line ends and quoting used
//     nearby. Maps that are missing on the way are made.
//   - A map put in the place of a map, and a list in that of a list, changes
//     only the entries that differ.
//   - {}, [] and null become blocks when something is added to them, except
//     within flow style.
//   - What is removed goes with its lines and the comments on and within them.
//     Comment lines above it stay: they may speak of more than it. The last
//     entry of a map or list leaves {} or [], never null.
//   - JSON stays JSON.
//
// The new text was parsed again: the documents changed hold what [Apply] makes
// of them, all others what they held before. Where this cannot be reached
// safely, the error is a [*Refusal].
func Edit(f *File, changes []Change) (string, error) {
	e := NewEdits(f)
	for _, c := range changes {
		ed, err := e.editor(c)
		if err != nil {
			return "", err
		}
		ed.changes = append(ed.changes, c)
	}
	return e.Text()
}

// Edits gathers changes of a file, to make them as [Edit] does. However many
// they are, the file is parsed and compared but once.
type Edits struct {
	file    *File
	docs    []Document
	editors map[int]*editor // of the documents that change
}

// NewEdits starts without changes.
func NewEdits(f *File) *Edits {
	return &Edits{f, slices.Collect(Parse(f)), map[int]*editor{}}
}

// Documents returns the documents of the file as it is.
func (e *Edits) Documents() []Document { return e.docs }

// Add adds changes, all or none: the error is the [*Refusal] of changes that
// could not be made if there were no others.
func (e *Edits) Add(changes ...Change) error {
	of := map[*editor][]Change{}
	for _, c := range changes {
		ed, err := e.editor(c)
		if err != nil {
			return err
		}
		of[ed] = append(of[ed], c)
	}
	for ed, all := range of {
		if err := ed.try(all); err != nil {
			return err
		}
	}
	for ed, all := range of {
		ed.changes = append(ed.changes, all...)
	}
	return nil
}

// editor returns the editor of the document of a change.
func (e *Edits) editor(c Change) (*editor, error) {
	if ed := e.editors[c.Document]; ed != nil {
		return ed, nil
	}
	if c.Document < 0 || c.Document >= len(e.docs) || e.docs[c.Document].Root == nil {
		return nil, &Refusal{c.Path, NoPlace, fmt.Sprintf("document %d holds nothing that can be edited", c.Document)}
	}
	doc := e.docs[c.Document]
	ed, err := newEditor(e.file.Text[doc.Start:doc.End], firstLineEnd(e.file.Text))
	if err != nil {
		return nil, &Refusal{c.Path, err.Reason, err.Detail}
	}
	e.editors[c.Document] = ed
	return ed, nil
}

// Text makes the changes.
func (e *Edits) Text() (string, error) {
	var (
		b    strings.Builder
		at   int
		all  []Change
		want = make([]*Node, len(e.docs))
	)
	for i, doc := range e.docs {
		want[i] = doc.Root
		ed := e.editors[i]
		if ed == nil || len(ed.changes) == 0 {
			continue
		}
		all = append(all, ed.changes...)
		want[i] = Clone(doc.Root)
		for _, c := range inOrder(ed.changes) {
			if err := apply(want[i], c.Path, 0, c.Value, c.Append); err != nil {
				return "", &Refusal{c.Path, NoPlace, err.Error()}
			}
		}
		text, err := ed.text()
		if err != nil {
			return "", err
		}
		b.WriteString(e.file.Text[at:doc.Start])
		b.WriteString(text)
		at = doc.End
	}
	b.WriteString(e.file.Text[at:])
	if !e.verify(b.String(), want) {
		if len(all) == 1 {
			return "", &Refusal{Path: all[0].Path, Reason: Unverified}
		}
		return "", &Refusal{Reason: Unverified}
	}
	return b.String(), nil
}

// verify parses the new text and compares every document with what it must be.
func (e *Edits) verify(text string, want []*Node) bool {
	i := 0
	for doc := range Parse(&File{Name: e.file.Name, Text: text}) {
		if i == len(e.docs) || (doc.Err == nil) != (e.docs[i].Err == nil) || (doc.Root == nil) != (want[i] == nil) || !Equal(doc.Root, want[i]) {
			return false
		}
		if ed := e.editors[i]; ed != nil && ed.json && !json.Valid([]byte(text[doc.Start:doc.End])) {
			return false
		}
		i++
	}
	return i == len(e.docs)
}

// inOrder puts removals last, the later items of lists before the earlier ones,
// so that all paths stay right while the changes are made one after another.
func inOrder(changes []Change) []Change {
	sorted := slices.Clone(changes)
	slices.SortStableFunc(sorted, func(a, b Change) int {
		switch {
		case (a.Value == nil) != (b.Value == nil):
			return map[bool]int{true: 1, false: -1}[a.Value == nil]
		case a.Value == nil:
			return comparePaths(b.Path, a.Path)
		}
		return 0
	})
	return slices.CompactFunc(sorted, func(a, b Change) bool {
		return a.Value == nil && b.Value == nil && slices.Equal(a.Path, b.Path)
	})
}

func comparePaths(a, b Path) int {
	return slices.CompareFunc(a, b, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Index, b.Index))
	})
}

// editor writes the changes of one document into its text.
type editor struct {
	s       string // ends with a line break
	bare    bool   // the last line break is not the document's
	eol     string
	lines   []int // where the lines of s start
	root    *Node // parsed from s
	json    bool  // s is JSON, and must stay so
	changes []Change

	splices    []splice // gathered, not made
	path       Path     // of the change that is being written, for refusals
	flowReason map[*Node]Reason

	searched          bool // for the steps, anywhere in the document
	mapStep, listStep int
}

// splice replaces the bytes from start to end.
type splice struct {
	start, end int
	text       string
}

func newEditor(s, eol string) (*editor, *Refusal) {
	if kind, _, _ := inspect(s); kind != simple {
		return nil, &Refusal{nil, UncommonStyle, "rare line ends"}
	}
	e := &editor{s: s, eol: eol, lines: []int{0}, flowReason: map[*Node]Reason{}}
	if !strings.HasSuffix(s, "\n") {
		e.bare = true
		e.s += e.lineBreak(len(s))
	}
	for i := range len(e.s) {
		if e.s[i] == '\n' {
			e.lines = append(e.lines, i+1)
		}
	}
	docs := 0
	for doc := range Parse(&File{Text: e.s}) {
		docs++
		e.root = doc.Root
	}
	if docs != 1 || e.root == nil {
		return nil, &Refusal{Reason: Unverified}
	}
	e.json = e.root.Has(Flow) && json.Valid([]byte(s))
	return e, nil
}

func (e *editor) refuse(r Reason, detail string) error { return &Refusal{e.path, r, detail} }

// IsRefusal returns the refusal in an error of [Edit].
func IsRefusal(err error) (*Refusal, bool) { return errors.AsType[*Refusal](err) }
