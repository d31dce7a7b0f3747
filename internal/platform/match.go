package platform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/vuln"
)

// Judged is a component with what advisories say of it.
type Judged struct {
	Component
	Matches []vuln.Match // by priority, the highest first, then by id; Package is of no use
	// Undecided are vulnerabilities of which it is not known whether the component has
	// them, by id.
	Undecided []vuln.Ruled
	NoData    []string // what no feed says anything of
}

// Match holds components against advisories. An error is of the source.
func Match(components []Component, source vuln.Source) ([]Judged, error) {
	judged := make([]Judged, len(components))
	for i := range components {
		j := &judged[i]
		j.Component = components[i]
		if j.Unknown != "" {
			continue
		}
		if err := j.match(source); err != nil {
			return nil, err
		}
	}
	return judged, nil
}

func (j *Judged) match(source vuln.Source) error {
	of := source // of the component's own versions
	if len(j.low) > 0 {
		of = oldName{source, j.low[0].Version}
	}
	low, err := vuln.Run(j.low, j.release, of)
	if err != nil {
		return err
	}
	high := low
	if !slices.Equal(j.low, j.high) {
		if high, err = vuln.Run(j.high, j.release, of); err != nil {
			return err
		}
	}
	j.NoData = low.NoData
	certain, lowest := map[string]bool{}, map[string]bool{}
	for i := range low.Matches {
		lowest[low.Matches[i].ID] = true
	}
	for i := range high.Matches {
		m := &high.Matches[i]
		if certain[m.ID] = true; !lowest[m.ID] {
			j.Undecided = append(j.Undecided, vuln.Ruled{ID: m.ID, Why: fmt.Sprintf("%q can be a build before it came in", j.Version)})
		}
	}
	seen := map[string]int{}
	for _, m := range low.Matches {
		if !certain[m.ID] {
			j.Undecided = append(j.Undecided, vuln.Ruled{ID: m.ID, Why: fmt.Sprintf("%q can be a build before and after the fix in %s", j.Version, m.Fixed)})
			continue
		}
		if k, twice := seen[m.ID]; twice {
			j.Matches[k] = later(j.Matches[k], m)
			continue
		}
		seen[m.ID] = len(j.Matches)
		j.Matches = append(j.Matches, m)
	}
	if err := j.branches(source); err != nil {
		return err
	}
	for _, u := range low.Undecided {
		if _, match := seen[u.ID]; !match {
			j.Undecided = append(j.Undecided, u)
		}
	}
	slices.SortFunc(j.Matches, func(a, b vuln.Match) int { return cmp.Or(b.Priority-a.Priority, strings.Compare(a.ID, b.ID)) })
	slices.SortFunc(j.Undecided, func(a, b vuln.Ruled) int { return strings.Compare(a.ID, b.ID) })
	j.Undecided = slices.CompactFunc(j.Undecided, func(a, b vuln.Ruled) bool { return a.ID == b.ID })
	return nil
}

// oldName is a source in which the old name of a module says of a newer major version only
// what it says with versions of it: some advisories file these under the old name too.
type oldName struct {
	vuln.Source
	version string
}

// Affected implements [vuln.Source].
func (s oldName) Affected(scope, name string, yield func(*vuln.Affected)) error {
	if !separate[name] || !s.newer(s.version) {
		return s.Source.Affected(scope, name, yield)
	}
	return s.Source.Affected(scope, name, func(a *vuln.Affected) {
		of := *a
		of.Intervals = slices.DeleteFunc(slices.Clone(a.Intervals), func(i vuln.Interval) bool { return !s.newer(i.From) && !s.newer(i.To) })
		of.Versions = slices.DeleteFunc(slices.Clone(a.Versions), func(v string) bool { return !s.newer(v) })
		if len(of.Intervals)+len(of.Versions) > 0 {
			yield(&of)
		}
	})
}

// newer says whether a version is one from 2 on, prereleases of it included.
func (oldName) newer(version string) bool {
	return version != "" && vuln.SemVer.Valid(version) && vuln.SemVer.Compare(version, "2.0.0-0") >= 0
}

// branches names the fix of a later major version where there is no other, and says of
// each fix that is of another branch than the version that it is.
func (j *Judged) branches(source vuln.Source) error {
	if j.System != "" || len(j.low) == 0 { // a distribution has one version a release
		return nil
	}
	version := j.low[0].Version
	for i := range j.Matches {
		m := &j.Matches[i]
		if m.State == vuln.NotFixed {
			fix, err := j.laterFix(source, m)
			if err != nil {
				return err
			}
			if fix == "" {
				continue
			}
			m.MendLater(fix)
		}
		m.Later = m.Fixed != "" && branch(version) != branch(m.Fixed)
	}
	return nil
}

// laterFix returns the lowest version of the later major versions that mends a match, by
// the same advisories.
func (j *Judged) laterFix(source vuln.Source, m *vuln.Match) (fix string, err error) {
	for _, module := range j.later {
		err := source.Affected("Go", module, func(a *vuln.Affected) {
			if !slices.Contains(m.Advisories, a.ID) {
				return
			}
			if later := a.FixAfter(vuln.SemVer, j.low[0].Version); later != "" && (fix == "" || vuln.SemVer.Compare(later, fix) < 0) {
				fix = later
			}
		})
		if err != nil {
			return "", err
		}
	}
	return fix, nil
}

// branch is what a version has before its second point.
func branch(version string) string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	return major + "." + minor
}

// later returns that of two matches of one vulnerability, under two names of the
// component, that is fixed, or whose fix comes later.
func later(a, b vuln.Match) vuln.Match {
	if a.Fixed == "" || b.Fixed != "" && vuln.SemVer.Compare(a.Fixed, b.Fixed) < 0 {
		return b
	}
	return a
}
