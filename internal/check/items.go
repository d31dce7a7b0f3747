package check

import (
	"iter"

	"ullage.dev/ullage/internal/tree"
)

// items yields the items of the list at a path, with their own paths.
func items(root *tree.Node, at tree.Path) iter.Seq2[tree.Path, *tree.Node] {
	return func(yield func(tree.Path, *tree.Node) bool) {
		l := root.Follow(at)
		if !l.Is(tree.List) {
			return
		}
		for i := range l.Children() {
			if !yield(at.Join(tree.Step{Index: i}), l.At(i)) {
				return
			}
		}
	}
}
