package vuln

import (
	"slices"
	"strings"
)

// ranged is a statement on a package that may hold for versions after its own.
type ranged struct {
	ids []string // of the vulnerabilities
	Affected
}

// keep keeps the statements that tell which upgrades of a package bring or leave
// vulnerabilities, where it has some that an upgrade mends. Distributions mend one
// version after the other, and need none.
func (m *matcher) keep(i int, list []said, matches []*Match) error {
	p := &m.packages[i]
	if hasOwnWord(p.Ecosystem) || !slices.ContainsFunc(matches, func(x *Match) bool { return x.State == FixAvailable }) {
		return nil
	}
	o := OrderOf(p.Ecosystem)
	var kept []ranged
	for k := range list {
		a := list[k].Affected
		later := func(v *Interval) bool { return v.To == "" || o.Compare(v.To, p.Version) > 0 }
		if len(a.Versions) == 0 && !slices.ContainsFunc(a.Intervals, func(v Interval) bool { return later(&v) }) {
			continue
		}
		ids, err := m.names(a.ID)
		if err != nil {
			return err
		}
		kept = append(kept, ranged{ids, a})
	}
	if m.result.ranges == nil {
		m.result.ranges = map[int][]ranged{}
	}
	m.result.ranges[i] = kept
	return nil
}

// has gives the vulnerabilities of a version, sorted, but those that are ruled out.
func has(list []ranged, o Order, version string, ruledOut map[string]bool) []string {
	var ids []string
	for k := range list {
		if s, _ := list[k].stands(o, version); s != inside {
			continue
		}
		for _, id := range list[k].ids {
			if !ruledOut[id] {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// choose takes the version with the fewest vulnerabilities among those that mend
// one, and of these the lowest: the next one that is clean, where one is.
func (u *Upgrade) choose(r *Result, matches []*Match) {
	list := r.ranges[matches[0].Package]
	if len(list) == 0 {
		return
	}
	ruledOut := map[string]bool{}
	for i := range r.RuledOut {
		if x := &r.RuledOut[i]; slices.Contains(u.Packages, x.Package) {
			ruledOut[x.ID] = true
		}
	}
	o := OrderOf(u.Ecosystem)
	to, left := "", []string(nil)
	for _, version := range u.candidates(o, list) {
		ids := has(list, o, version, ruledOut)
		mends := slices.ContainsFunc(u.Mends, func(id string) bool { return !slices.Contains(ids, id) })
		if mends && (to == "" || len(ids) < len(left)) {
			to, left = version, ids
		}
	}
	if to == "" {
		return
	}
	u.To = to
	for _, m := range matches {
		if at := slices.Index(u.Mends, m.ID); at >= 0 && slices.Contains(left, m.ID) {
			u.Mends = slices.Delete(u.Mends, at, at+1)
			u.Left++
			u.Levels[m.Severity.Level]--
			if m.Exploited != nil {
				u.Exploited--
			}
		}
	}
	for _, id := range left {
		if !slices.ContainsFunc(matches, func(m *Match) bool { return m.ID == id }) {
			u.Comes = append(u.Comes, id)
		}
	}
}

// candidates are the versions that mend something, in order.
func (u *Upgrade) candidates(o Order, list []ranged) []string {
	all := []string{u.To}
	for k := range list {
		for _, v := range list[k].Intervals {
			if fix := v.fix(); fix != "" && o.Valid(fix) && o.Compare(fix, u.From[0]) > 0 {
				all = append(all, fix)
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		if c := o.Compare(a, b); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(all)
}
