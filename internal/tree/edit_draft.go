package tree

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// draft is what becomes of a node of the text.
type draft struct {
	value *Node          // what takes its place, or nil
	kids  map[int]*draft // of the children in which something changes, by index
	added Node           // a map or list: what is added to it behind the last child
	gone  bool
	path  Path // of the change that reached it, for refusals
}

func (d *draft) kid(i int, path Path) *draft {
	if d.kids == nil {
		d.kids = map[int]*draft{}
	}
	if d.kids[i] == nil {
		d.kids[i] = &draft{}
	}
	d.kids[i].path = path
	return d.kids[i]
}

// plan drafts changes of the document.
func (e *editor) plan(changes []Change) (*draft, error) {
	root := &draft{}
	for _, c := range inOrder(changes) {
		e.path = c.Path
		if err := e.planOne(root, c); err != nil {
			return nil, err
		}
	}
	return root, nil
}

func (e *editor) planOne(d *draft, c Change) error {
	n := e.root
	for i, step := range c.Path {
		switch k := n.index(step); {
		case n.Has(Shared):
			return e.refuse(SharedStyle, "")
		case d.value != nil:
			return e.noPlace(apply(d.value, c.Path, i, c.Value, c.Append))
		case k < 0 && c.Value == nil:
			return nil // nothing to remove
		case k < 0 && n.kind == Map && n.Len() > 0:
			d.added.kind = Map
			return e.noPlace(apply(&d.added, c.Path, i, c.Value, c.Append))
		case k < 0:
			d.value = &Node{kind: n.kind}
			if n.kind == Null {
				d.value.kind = Map
			}
			return e.noPlace(apply(d.value, c.Path, i, c.Value, c.Append))
		default:
			n, d = &n.Children()[k], d.kid(k, c.Path)
		}
	}
	switch {
	case n.Has(Shared):
		return e.refuse(SharedStyle, "")
	case len(c.Path) == 0:
		return e.refuse(NoPlace, "an empty path")
	case c.Value == nil:
		d.gone = true
		return nil
	case c.Append:
		return e.planItem(n, d, c.Value)
	}
	return e.planValue(n, d, c.Value)
}

func (e *editor) noPlace(err error) error {
	if err != nil {
		return e.refuse(NoPlace, err.Error())
	}
	return nil
}

// planItem appends a value to what a node becomes.
func (e *editor) planItem(n *Node, d *draft, value *Node) error {
	list := &d.added
	switch {
	case d.value != nil:
		list = d.value
	case n.Len() == 0 && (n.kind == Null || n.kind == List):
		d.value = &Node{kind: List}
		list = d.value
	case n.kind == List:
		list.kind = List
	}
	if list.kind != List {
		return e.refuse(NoPlace, fmt.Sprintf("%s is %s, not a list", e.path, n.kind.Noun()))
	}
	list.Add("", clone(value))
	return nil
}

// planValue puts a value in the place of a node.
func (e *editor) planValue(n *Node, d *draft, value *Node) error {
	*d = draft{path: e.path, added: Node{kind: value.kind}}
	switch {
	case n.Has(Shared):
		return e.refuse(SharedStyle, "")
	case Equal(n, value):
		return nil
	case n.kind != value.kind || n.Len() == 0 || value.Len() == 0:
		d.value = Clone(value)
		return nil
	}
	kept := make([]bool, n.Len())
	for i := range value.Children() {
		v := &value.Children()[i]
		step := Step{Key: v.Key(), Index: i}
		if n.kind == Map && step.Key == "" {
			return e.refuse(UncommonStyle, "an empty key")
		}
		k := n.index(step)
		if k < 0 {
			d.added.Add(v.Key(), clone(v))
			continue
		}
		kept[k] = true
		if err := e.planValue(&n.Children()[k], d.kid(k, e.path), v); err != nil {
			return err
		}
	}
	for k := range n.Children() {
		switch kid := &n.Children()[k]; {
		case kept[k]:
		case kid.Has(Shared):
			return e.refuse(SharedStyle, "")
		case n.kind == Map && kid.Key() == "":
			return e.refuse(UncommonStyle, "an empty key")
		default:
			d.kid(k, e.path).gone = true
		}
	}
	return nil
}

// index returns which child a step leads to, or -1.
func (n *Node) index(s Step) int {
	if s.Key == "" {
		if n.kind != List || s.Index < 0 || s.Index >= n.Len() {
			return -1
		}
		return s.Index
	}
	if n.kind != Map {
		return -1
	}
	return slices.IndexFunc(n.Children(), func(kid Node) bool { return kid.Key() == s.Key })
}

// try refuses changes that could not be made alone, as far as that is known
// without reading what becomes of them.
func (e *editor) try(changes []Change) error {
	root, err := e.plan(changes)
	if err == nil {
		err = e.write([]*Node{e.root}, 0, root)
	}
	if err == nil {
		err = e.prune([]*Node{e.root}, 0, root)
	}
	e.splices = nil
	return err
}

// text makes the changes. Removals are made in what the others left, in which all
// that was there still has its place.
func (e *editor) text() (string, error) {
	root, err := e.plan(e.changes)
	if err != nil {
		return "", err
	}
	if err := e.write([]*Node{e.root}, 0, root); err != nil {
		return "", err
	}
	s, err := e.spliced()
	if err != nil {
		return "", err
	}
	rest := e
	if root.removes() {
		left, refusal := newEditor(s, e.eol)
		if refusal != nil {
			return "", e.refuse(refusal.Reason, refusal.Detail)
		}
		rest = left
		if err := rest.prune([]*Node{rest.root}, 0, root); err != nil {
			return "", err
		}
		if s, err = rest.spliced(); err != nil {
			return "", err
		}
	}
	if e.bare {
		s = strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
	}
	return s, nil
}

// removes reports whether something is to be removed.
func (d *draft) removes() bool {
	for _, kid := range d.kids {
		if kid.gone || kid.removes() {
			return true
		}
	}
	return false
}

// write gathers the splices of a draft, but for removals. The trail leads from
// the root to its node, which is child i of the one before.
func (e *editor) write(trail []*Node, i int, d *draft) error {
	n := trail[len(trail)-1]
	e.path = d.path
	switch {
	case d.gone:
		return nil
	case d.value != nil:
		return e.replace(trail, i, d.value)
	}
	for _, k := range slices.Sorted(maps.Keys(d.kids)) {
		if err := e.write(append(trail, &n.Children()[k]), k, d.kids[k]); err != nil {
			return err
		}
	}
	e.path = d.path
	for k := range d.added.Children() {
		if err := e.add(trail, &d.added.Children()[k]); err != nil {
			return err
		}
	}
	return nil
}

// prune gathers the splices of the removals below a node.
func (e *editor) prune(trail []*Node, i int, d *draft) error {
	n := trail[len(trail)-1]
	if d.value != nil {
		return nil
	}
	var gone []int
	for _, k := range slices.Sorted(maps.Keys(d.kids)) {
		e.path = d.kids[k].path
		if d.kids[k].gone {
			gone = append(gone, k)
		} else if err := e.prune(append(trail, &n.Children()[k]), k, d.kids[k]); err != nil {
			return err
		}
	}
	switch {
	case len(gone) == 0:
		return nil
	case len(gone) == n.Len():
		return e.clear(trail, i)
	case n.Has(Flow):
		return e.flowRemove(trail, gone)
	}
	return e.blockRemove(n, gone)
}

// add adds an entry to a map, or an item to a list, that is not empty.
func (e *editor) add(trail []*Node, entry *Node) error {
	n := trail[len(trail)-1]
	if n.Has(Flow) {
		return e.flowAdd(trail, entry)
	}
	col, err := e.blockColumn(n)
	if err != nil {
		return err
	}
	p := e.printer(trail)
	if n.kind == Map {
		e.addLines(int(n.end), strings.Repeat(" ", col)+p.entry(entry, col))
		return nil
	}
	if e.s[n.start] != '-' {
		return e.refuse(UncommonStyle, "")
	}
	e.addLines(int(n.end), strings.Repeat(" ", col)+p.item(entry, col))
	return nil
}

// clear takes all entries out of a map or list. The comments between them stay.
func (e *editor) clear(trail []*Node, i int) error {
	n := trail[len(trail)-1]
	first := *n
	if isBlock(n) {
		for k := 1; k < n.Len(); k++ {
			if err := e.removeEntry(n, k); err != nil {
				return err
			}
		}
		first.end = n.Children()[0].end
	}
	return e.replace(append(trail[:len(trail)-1:len(trail)-1], &first), i, &Node{kind: n.kind})
}

func (e *editor) splice(start, end int, text string) {
	e.splices = append(e.splices, splice{start, end, text})
}

// spliced returns the text with what was gathered.
func (e *editor) spliced() (string, error) {
	slices.SortStableFunc(e.splices, func(a, b splice) int { return cmp.Or(a.start-b.start, a.end-b.end) })
	var b strings.Builder
	at := 0
	for _, sp := range e.splices {
		if sp.start < at || sp.start > sp.end || sp.end > len(e.s) {
			return "", e.refuse(UncommonStyle, "")
		}
		b.WriteString(e.s[at:sp.start])
		b.WriteString(sp.text)
		at = sp.end
	}
	b.WriteString(e.s[at:])
	e.splices = nil
	return b.String(), nil
}
