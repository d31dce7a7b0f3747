package vuln

import "strings"

// isModular says whether the release of an rpm is of a build in a module: those
// have it in their dist tag, as in 18.20.8-1.module+el8.10.0+22759+46a3f4ba.
func isModular(version string) bool { return strings.Contains(version, ".module") }

// otherModule says whether a fixed version is of another stream than a package, so
// that what is said of the one says nothing of the other. Advisories that do not
// name streams are told apart by version, where streams are named after versions:
// the fix of nodejs:20 is no fix of nodejs:18.
func otherModule(p *Package, version, fixed string) bool {
	if fixed == "" || fixed == "0" {
		return false
	}
	if isModular(version) != isModular(fixed) {
		return true
	}
	_, stream, ok := strings.Cut(p.Module, ":")
	if !ok || !isModular(version) || !isStream(stream, version) {
		return false // not named, or not after versions
	}
	return !isStream(stream, fixed)
}

// isStream says whether the upstream part of a version begins with a stream that is
// a number, as 5.32.1 does with 5.32.
func isStream(stream, version string) bool {
	if stream == "" || strings.Trim(stream, "0123456789.") != "" {
		return false
	}
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	rest, ok := strings.CutPrefix(version, stream)
	return ok && (rest == "" || !isDigit(rest[0]))
}

// inModule returns what a statement says of the stream that a package is of, and
// whether it says anything. Where streams are part of the name that was looked up,
// all of it.
func (a *Affected) inModule(p *Package, l *look) (Affected, bool) {
	if a.isNative() {
		named := strings.Contains(l.name, "/") || strings.HasPrefix(l.name, SourceName(""))
		return *a, named || p.Module == "" && !isModular(l.version)
	}
	own := *a
	own.Intervals = nil
	for _, i := range a.Intervals {
		if !otherModule(p, l.version, i.To) {
			own.Intervals = append(own.Intervals, i)
		}
	}
	return own, len(own.Intervals) > 0 || len(own.Versions) > 0 || len(a.Intervals) == 0
}
