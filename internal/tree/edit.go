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

// Edit returns the text of a file in which the changes were made, in their
// order: a path is followed in what the changes before it left. Only bytes that
// must change do:
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
	docs := slices.Collect(Parse(f))
	of := map[int][]Change{}
	for _, c := range changes {
		if c.Document < 0 || c.Document >= len(docs) || docs[c.Document].Root == nil {
			return "", &Refusal{c.Path, NoPlace, fmt.Sprintf("document %d holds nothing that can be edited", c.Document)}
		}
		of[c.Document] = append(of[c.Document], c)
	}
	want := make([]*Node, len(docs))
	var b strings.Builder
	at := 0
	for i, doc := range docs {
		want[i] = doc.Root
		if of[i] == nil {
			continue
		}
		e := editor{s: f.Text[doc.Start:doc.End], eol: firstLineEnd(f.Text)}
		wanted, err := e.edit(of[i])
		if err != nil {
			return "", err
		}
		want[i] = wanted
		b.WriteString(f.Text[at:doc.Start])
		b.WriteString(e.s)
		at = doc.End
	}
	b.WriteString(f.Text[at:])
	text := b.String()
	return text, verify(f, text, docs, want)
}

// verify parses the new text and compares every document with what it must be.
func verify(f *File, text string, docs []Document, want []*Node) error {
	i := 0
	for doc := range Parse(&File{Name: f.Name, Text: text}) {
		if i == len(docs) || (doc.Err == nil) != (docs[i].Err == nil) || (doc.Root == nil) != (want[i] == nil) || !Equal(doc.Root, want[i]) {
			return &Refusal{Reason: Unverified}
		}
		i++
	}
	if i != len(docs) {
		return &Refusal{Reason: Unverified}
	}
	return nil
}

// editor changes the text of one document, step by step.
type editor struct {
	s    string
	root *Node // parsed from s
	json bool  // s is JSON, and must stay so
	eol  string

	path Path // of the change being made, for refusals
}

// splice replaces the bytes from start to end.
type splice struct {
	start, end int
	text       string
}

func (e *editor) edit(changes []Change) (want *Node, err error) {
	if kind, _, _ := inspect(e.s); kind != simple {
		return nil, &Refusal{changes[0].Path, UncommonStyle, "rare line ends"}
	}
	if err := e.parse(); err != nil {
		return nil, err
	}
	want, e.json = e.root, e.root.Has(Flow) && json.Valid([]byte(e.s))
	for _, c := range changes {
		e.path = c.Path
		if want, err = Apply(want, c.Path, c.Value, c.Append); err != nil {
			return nil, e.refuse(NoPlace, err.Error())
		}
		if err = e.change(c); err != nil {
			return nil, err
		}
		if !Equal(e.root, want) || e.json && !json.Valid([]byte(e.s)) {
			return nil, e.refuse(Unverified, "")
		}
	}
	return want, nil
}

func (e *editor) refuse(r Reason, detail string) error { return &Refusal{e.path, r, detail} }

// parse reads the text, which must be one document.
func (e *editor) parse() error {
	docs := 0
	for doc := range Parse(&File{Text: e.s}) {
		if docs++; docs > 1 || doc.Root == nil {
			return e.refuse(Unverified, "")
		}
		e.root = doc.Root
	}
	if docs == 0 {
		return e.refuse(Unverified, "")
	}
	return nil
}

// splice makes changes to the text, which must not overlap, and reads it again.
func (e *editor) splice(all ...splice) error {
	slices.SortFunc(all, func(a, b splice) int { return cmp.Or(b.start-a.start, b.end-a.end) })
	end := len(e.s)
	for _, sp := range all {
		if sp.start < 0 || sp.start > sp.end || sp.end > end {
			return e.refuse(UncommonStyle, "")
		}
		e.s = e.s[:sp.start] + sp.text + e.s[sp.end:]
		end = sp.start
	}
	return e.parse()
}

// trail returns the nodes on the path, the root first, as far as they exist.
func (e *editor) trail(path Path) ([]*Node, error) {
	nodes := []*Node{e.root}
	for i := 0; ; i++ {
		n := nodes[i]
		if n.Has(Shared) {
			return nil, e.refuse(SharedStyle, "")
		}
		if i == len(path) {
			return nodes, nil
		}
		next := n.Follow(path[i : i+1])
		if next == nil {
			return nodes, nil
		}
		nodes = append(nodes, next)
	}
}

func (e *editor) change(c Change) error {
	nodes, err := e.trail(c.Path)
	if err != nil {
		return err
	}
	n, rest := nodes[len(nodes)-1], c.Path[len(nodes)-1:]
	switch {
	case c.Value == nil && len(rest) > 0:
		return nil // nothing to remove
	case c.Value == nil:
		return e.remove(nodes)
	}
	value := *c.Value
	if c.Append {
		if len(rest) == 0 && !n.Is(Null) {
			return e.append(nodes, &value)
		}
		value = Of([]Node{value})
	}
	if len(rest) == 0 {
		return e.set(nodes, c.Path, &value)
	}
	for _, s := range rest[1:] {
		if s.Key == "" {
			return e.refuse(NoPlace, "")
		}
	}
	for i := len(rest) - 1; i > 0; i-- {
		value = MapOf(Entry(rest[i].Key, value))
	}
	value = Entry(rest[0].Key, value)
	switch {
	case rest[0].Key == "":
		return e.refuse(NoPlace, "")
	case n.Is(Null):
		value = MapOf(value)
		return e.replace(nodes, &value)
	case n.Is(Map):
		return e.insert(nodes, &value)
	}
	return e.refuse(NoPlace, "")
}

// set puts a value in the place of one that is there.
func (e *editor) set(nodes []*Node, path Path, value *Node) error {
	n := nodes[len(nodes)-1]
	switch {
	case Equal(n, value):
		return nil
	case n.kind != value.kind || n.Len() == 0 || value.Len() == 0:
		return e.replace(nodes, value)
	case n.kind == Map:
		return e.setMap(n, path, value)
	}
	had := n.Len()
	for i := range value.Children() {
		c := Change{Path: path, Value: &value.Children()[i], Append: true}
		if i < had {
			c = Change{Path: path.Join(Step{Index: i}), Value: &value.Children()[i]}
		}
		if err := e.change(c); err != nil {
			return err
		}
	}
	for i := had - 1; i >= value.Len(); i-- {
		if err := e.change(Change{Path: path.Join(Step{Index: i})}); err != nil {
			return err
		}
	}
	return nil
}

func (e *editor) setMap(n *Node, path Path, value *Node) error {
	for i := range value.Children() {
		if value.Children()[i].Key() == "" {
			return e.refuse(UncommonStyle, "an empty key")
		}
		if err := e.change(Change{Path: path.Join(Step{Key: value.Children()[i].Key()}), Value: &value.Children()[i]}); err != nil {
			return err
		}
	}
	for i := range n.Children() { // n is of the tree before, which no change has touched
		if key := n.Children()[i].Key(); value.Get(key) == nil {
			if key == "" {
				return e.refuse(UncommonStyle, "an empty key")
			}
			if err := e.change(Change{Path: path.Join(Step{Key: key})}); err != nil {
				return err
			}
		}
	}
	return nil
}

// insert adds an entry to a map.
func (e *editor) insert(nodes []*Node, entry *Node) error {
	n := nodes[len(nodes)-1]
	if n.Len() == 0 {
		value := MapOf(*entry)
		return e.replace(nodes, &value)
	}
	if n.Has(Flow) {
		return e.flowAdd(nodes, entry)
	}
	col, err := e.blockColumn(n)
	if err != nil {
		return err
	}
	p := e.printer(nodes)
	return e.addLines(int(n.end), strings.Repeat(" ", col)+p.entry(entry, col))
}

// append adds an item to a list.
func (e *editor) append(nodes []*Node, item *Node) error {
	n := nodes[len(nodes)-1]
	if n.Len() == 0 {
		value := Of([]Node{*item})
		return e.replace(nodes, &value)
	}
	if n.Has(Flow) {
		return e.flowAdd(nodes, item)
	}
	col, err := e.blockColumn(n)
	if err != nil {
		return err
	}
	if e.s[n.start] != '-' {
		return e.refuse(UncommonStyle, "")
	}
	p := e.printer(nodes)
	return e.addLines(int(n.end), strings.Repeat(" ", col)+p.item(item, col))
}

// remove takes out the entry at the end of the trail.
func (e *editor) remove(nodes []*Node) error {
	n := nodes[len(nodes)-1]
	parent := nodes[len(nodes)-2]
	if parent.Len() == 1 {
		return e.replace(nodes[:len(nodes)-1], &Node{kind: parent.kind})
	}
	i := 0
	for &parent.Children()[i] != n {
		i++
	}
	if parent.Has(Flow) {
		return e.flowRemove(nodes, i)
	}
	return e.blockRemove(parent, i)
}

// IsRefusal returns the refusal in an error of [Edit].
func IsRefusal(err error) (*Refusal, bool) { return errors.AsType[*Refusal](err) }
