package cli

import (
	"fmt"

	"ullage.dev/ullage/internal/model"
)

// tellTwice writes in one line on standard error that objects are in the files more
// than once: a cluster has one of them, and which is applied last is not written here.
// each says that all are judged nevertheless: they may be meant for two clusters.
func tellTwice(p *Program, objects []*model.Object, each bool) {
	last := make(map[model.Key]*model.Object, len(objects))
	count := 0
	var first, second *model.Object
	for _, o := range objects {
		if before := last[o.Key]; before != nil && before.Root.Hash() != o.Root.Hash() {
			if count++; first == nil {
				first, second = before, o
			}
		}
		last[o.Key] = o
	}
	if count == 0 {
		return
	}
	text := fmt.Sprintf("%s is there twice and differs, in %s and %s: the last one counts", first.Key, first.Place(), second.Place())
	if each {
		text += " for what refers to it, and each is judged"
	}
	if count > 1 {
		text += fmt.Sprintf("; so it is with %d more", count-1)
	}
	fmt.Fprintln(p.Stderr, "ullage: "+printable(text))
}
