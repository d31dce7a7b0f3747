package vuln

import "slices"

// weightInUse is the weight of a package that is in use: executed, mapped or opened.
const weightInUse = 10

// NoteUse ranks the matches of packages higher that are in use, and says by whom: used has
// their indexes. Of others it is not known, and they stay as they are.
func (r *Result) NoteUse(used map[int]string) {
	for i := range r.Matches {
		x := &r.Matches[i]
		if who, ok := used[x.Package]; ok {
			x.Priority += weightInUse
			x.notes = append(slices.Clone(x.notes), "in use ("+who+")")
		}
	}
}
