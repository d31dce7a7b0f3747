package manifest

// given is a path that the user gave, with the units that were found there.
type given struct {
	name     string
	from, to int
	again    bool // some of it was found before
}

// shownPath names a given path in a report.
func shownPath(p string) string {
	if p == "-" {
		return "stdin"
	}
	return slashed(p)
}

// empty returns the names for [Input.Empty].
func (l *loader) empty(in *Input) []string {
	var names []string
	alone := len(in.Objects)+len(in.Problems) == 0
	for _, g := range l.given {
		if !l.holds(g, alone) {
			names = append(names, g.name)
		}
	}
	return names
}

// holds reports whether there was anything in a path, where objects and problems
// alone count when there are none in any other.
func (l *loader) holds(g given, alone bool) bool {
	if g.again && !alone {
		return true
	}
	for _, u := range l.units[g.from:g.to] {
		r := u.result
		if r == nil { // an overlay reads it
			return true
		}
		if len(r.objects)+len(r.problems) > 0 || !alone && (r.known || len(r.declarations)+len(r.own) > 0) {
			return true
		}
	}
	return false
}
