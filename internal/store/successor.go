package store

import (
	"slices"
	"time"

	"ullage.dev/ullage/internal/vuln"
)

// An image that is built on another release or another distribution has a vulnerability
// in packages of other names, as libssl3 of Debian 12 is libssl3t64 of Debian 13: it is
// neither gone nor new.

// systemFindings gives findings on packages of operating systems by vulnerability, in
// order.
type systemFindings map[string][]Finding

func systemFindingsOf[F any](found map[lineage]F, finding func(F) Finding) systemFindings {
	all := systemFindings{}
	for l, f := range found {
		if vuln.IsDistribution(l.ecosystem) {
			all[l.vulnerability] = append(all[l.vulnerability], finding(f))
		}
	}
	for _, list := range all {
		sortFindings(list)
	}
	return all
}

func (l lived) finding() Finding { return l.Finding }

// successor finds what took the place of a finding of one image in another one that
// does not have it: the same vulnerability of a package of an operating system, which
// the first image does not have, preferably of the same name.
func successor[F any](l lineage, first map[lineage]F, second systemFindings) (Finding, bool) {
	if !vuln.IsDistribution(l.ecosystem) {
		return Finding{}, false
	}
	var best *Finding
	list := second[l.vulnerability]
	for i := range list {
		f := &list[i]
		if _, both := first[f.lineage()]; !both && (best == nil || f.Package == l.name) {
			best = f
		}
	}
	if best == nil {
		return Finding{}, false
	}
	return *best, true
}

// Stay is a vulnerability that an image has in another package of its operating system
// than the image before.
type Stay struct {
	Finding         // as it is now
	Was     Finding // as it was before
}

// settle takes what stayed out of what came and went.
func (m *Moved) settle(first, second map[lineage]Finding) {
	same := func(f Finding) Finding { return f }
	before, after := systemFindingsOf(first, same), systemFindingsOf(second, same)
	m.Came = slices.DeleteFunc(m.Came, func(f Finding) bool {
		was, ok := successor(f.lineage(), second, before)
		if ok {
			m.Stayed = append(m.Stayed, Stay{f, was})
		}
		return ok
	})
	stays := func(f Finding) bool { _, ok := successor(f.lineage(), first, after); return ok }
	m.Went, m.Open = slices.DeleteFunc(m.Went, stays), slices.DeleteFunc(m.Open, stays)
}

// inheritance are lives of earlier findings on packages of operating systems, by
// vulnerability, that an image does not have under these names.
type inheritance map[string]Life

func inheritanceOf(earlier map[lineage]Life, found []Finding) inheritance {
	there := map[lineage]bool{}
	for i := range found {
		there[found[i].lineage()] = true
	}
	all := inheritance{}
	for l, life := range earlier {
		if there[l] || !vuln.IsDistribution(l.ecosystem) {
			continue
		}
		if known, ok := all[l.vulnerability]; ok {
			life = known.older(life)
		}
		all[l.vulnerability] = life
	}
	return all
}

// older takes the earlier of each time.
func (l Life) older(other Life) Life {
	if other.Since.Before(l.Since) {
		l.Since = other.Since
	}
	if l.FixSince.IsZero() || !other.FixSince.IsZero() && other.FixSince.Before(l.FixSince) {
		l.FixSince = other.FixSince
	}
	return l
}

// of gives the life that a finding has which was not seen before. That the package
// before could be mended says nothing of one that cannot.
func (h inheritance) of(f *Finding, now time.Time) Life {
	life, ok := h[f.Vulnerability]
	if !ok || !vuln.IsDistribution(f.Ecosystem) {
		return Life{Since: now}
	}
	if f.Fixed == "" {
		life.FixSince = time.Time{}
	}
	return life
}
