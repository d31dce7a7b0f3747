package vuln

import (
	"fmt"
	"slices"
	"strings"
)

// said is a statement that was held against a version.
type said struct {
	Affected
	version  string
	standing standing
	fix      string
	pro      bool // of what is mended for subscribers only
}

// hit is one vulnerability as the statements on a package give it, before it is
// weighed.
type hit struct {
	id   string
	said []*said
}

// doubt says why it is not known whether a statement holds.
func (s *said) doubt(ecosystem string) string {
	switch {
	case s.version == "":
		return fmt.Sprintf("%s speaks of some versions, and the package does not say of which it is", s.ID)
	case s.Verdict == Undecided && s.Feed != proseFeed:
		return fmt.Sprintf("%s gives versions that are none of %s, or a range of commits", s.ID, ecosystem)
	case s.Verdict == Undecided:
		return fmt.Sprintf("%s says in prose which versions are affected, and it was not understood", s.Feed)
	}
	return fmt.Sprintf("%s gives ranges, and %q is not a version of %s", s.ID, s.version, ecosystem)
}

// isNative says whether a statement is the distribution's own, and not what OSV
// made of it.
func (a *Affected) isNative() bool { return !strings.HasPrefix(a.Feed, "osv/") }

// settle weighs what a distribution says of its package: its own feed stands over
// conversions of it, and that a package never was affected over all. It returns why
// the vulnerability does not count, "" when it may.
func (h *hit) settle() string {
	reported := h.reported()
	for _, s := range h.said {
		if s.isNative() && s.Verdict == NotAffected {
			return fmt.Sprintf("%s reports it, and by %s the package is not affected", reported, s.Feed)
		}
	}
	for _, s := range h.said { // built for subscribers, of which the version tells
		if s.pro && s.standing == outside && strings.Contains(s.version, "esm") {
			return fmt.Sprintf("%s reports it, and %s says that it is not in %s, which is built for subscribers", reported, s.ID, s.version)
		}
	}
	for _, pro := range []bool{false, true} {
		if h.has(func(s *said) bool { return s.pro == pro && s.ranges() }) {
			h.drop(func(s *said) bool { return s.pro == pro && !s.isNative() })
		}
	}
	if h.has(func(s *said) bool { return !s.isNative() }) {
		h.drop(func(s *said) bool { return s.Feed == proseFeed })
	}
	if a := h.absent(); a != nil {
		return fmt.Sprintf("%s reports it, and by %s it is not in %s", reported, a.Feed, a.version)
	}
	return ""
}

// absent returns a statement for everybody that names versions and not this one,
// nil when there is none, or another one names this version.
func (h *hit) absent() (a *said) {
	for _, s := range h.said {
		switch {
		case s.pro || s.Feed == verdictFeed || s.Feed == proseFeed:
		case s.standing != outside:
			return nil
		case a == nil:
			a = s
		}
	}
	return a
}

// ranges says whether a statement is the distribution's own word on which versions
// are affected, and not only on what becomes of it.
func (s *said) ranges() bool { return s.isNative() && s.Feed != verdictFeed && s.Feed != proseFeed }

const (
	// verdictFeed says what becomes of a vulnerability and not in which version it is
	// mended: that is in the conversion beside it.
	verdictFeed = "ubuntu"
	// proseFeed says which components have a vulnerability, and in which versions in
	// prose: where another source has ranges, these count.
	proseFeed = "kubernetes"
)

func (h *hit) has(which func(*said) bool) bool { return slices.ContainsFunc(h.said, which) }

func (h *hit) drop(which func(*said) bool) { h.said = slices.DeleteFunc(h.said, which) }

// reported names the advisories that report the hit.
func (h *hit) reported() string {
	var list []string
	for _, s := range h.said {
		if s.standing != outside {
			list = append(list, s.ID)
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

// decide keeps the statements that hold; where there are none, those of which it is
// not known.
func (h *hit) decide() {
	h.drop(func(s *said) bool { return s.standing == outside })
	if h.has(func(s *said) bool { return s.standing == inside }) {
		h.drop(func(s *said) bool { return s.standing == unclear })
	}
}

// disputable says whether statements that do not hold can speak against the hit.
// They cannot where the distribution's own feed reports it, with versions.
func (h *hit) disputable() bool { return h.has(func(s *said) bool { return s.pro || !s.ranges() }) }
