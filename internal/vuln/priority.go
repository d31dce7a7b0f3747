package vuln

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// made gives a hit its severity, state, rank and reasons.
func (m *matcher) made(i int, h *hit, reasons []string) (*Match, error) {
	x := more(&m.newMatches)
	x.Package, x.ID = i, h.id
	rating, err := m.gather(h, x)
	if err != nil {
		return x, err
	}
	urgency, from := "", ""
	if IsDistribution(m.packages[i].Ecosystem) {
		for _, a := range h.said {
			if urgency == "" && levelOfWord(a.Urgency) != UnknownLevel {
				urgency, from = a.Urgency, a.Feed
			}
		}
	}
	if CVE(rating.By) == h.id && !slices.Contains(x.Advisories, rating.By) { // another distribution's record of what all of them score alike
		rating.By = h.id
	}
	x.Severity = severityOf(urgency, from, &rating)
	if id := x.Malicious(); id != "" {
		x.Severity.Level, x.Severity.From, x.Severity.ByWord = Critical, id, true
	}
	var pro bool
	if x.State, x.Fixed, pro = h.state(OrderOf(m.packages[i].Ecosystem)); pro {
		reasons = append(reasons, "the fix is for subscribers of Ubuntu Pro")
	}
	if later := h.later(m.packages[i].Ecosystem); x.State == NotFixed && later != "" {
		x.State, x.Fixed, x.Later = FixAvailable, later, true
	}
	if why := ofOlderMinor(m.packages[i].Ecosystem, m.packages[i].Version, x.Fixed); why != "" {
		reasons = append(reasons, why)
	}
	x.notes = reasons
	x.rank()
	return x, nil
}

// gather collects what all advisories on the vulnerability say: those that matched, and
// those that share its id.
func (m *matcher) gather(h *hit, x *Match) (rating Rating, err error) {
	queue := append(m.queue[:0], h.id)
	for _, a := range h.said {
		if !slices.Contains(x.Advisories, a.ID) {
			x.Advisories = append(x.Advisories, a.ID)
		}
		queue = queued(queue, a.ID)
	}
	slices.Sort(x.Advisories)
	for n := 0; n < len(queue); n++ {
		if n > 0 && CVE(queue[n]) == h.id {
			continue // known under it
		}
		r, err := m.record(queue[n])
		if err != nil {
			return rating, err
		}
		if n == 0 {
			x.Exploited, x.EPSS = r.Exploited, r.EPSS
		}
		rating.add(&r.Rating)
		x.Summary = cmp.Or(x.Summary, r.Summary)
		if r.Published != 0 && (x.Published == 0 || r.Published < x.Published) {
			x.Published = r.Published
		}
		for _, alias := range r.Aliases {
			if c := CVE(alias); c == "" || c == h.id {
				queue = queued(queue, alias)
			}
		}
	}
	if len(queue) > 1 {
		x.Aliases = slices.Clone(queue[1:])
		slices.Sort(x.Aliases)
	}
	m.queue = queue
	return rating, nil
}

// queued adds an id that is not there yet.
func queued(queue []string, id string) []string {
	if slices.Contains(queue, id) {
		return queue
	}
	return append(queue, id)
}

// state returns what can be done: where statements differ, the latest of the fixed
// versions is the one that all of them take for mended. What is mended for all goes
// before what is mended for subscribers.
func (h *hit) state(o Order) (state State, fix string, pro bool) {
	for _, pro = range []bool{false, true} {
		for _, s := range h.said {
			if s.pro == pro && s.fix != "" && (fix == "" || o.Compare(fix, s.fix) < 0) {
				fix = s.fix
			}
		}
		if fix != "" {
			return FixAvailable, fix, pro
		}
	}
	for _, s := range h.said {
		switch s.Verdict {
		case WillNotFix:
			return Declined, "", false
		case EndOfLife:
			return Abandoned, "", false
		case Investigating:
			return Open, "", false
		case Deferred:
			return Postponed, "", false
		}
	}
	return NotFixed, "", false
}

// later returns the latest of the versions beyond the range of versions that holds the
// package by which statements call it fixed, "" when there is none. Distributions have
// one range a release.
func (h *hit) later(ecosystem string) (fix string) {
	o := OrderOf(ecosystem)
	if IsDistribution(ecosystem) {
		return ""
	}
	for _, s := range h.said {
		if later := s.FixAfter(o, s.version); later != "" && (fix == "" || o.Compare(fix, later) < 0) {
			fix = later
		}
	}
	return fix
}

// MendLater gives a match a fix of a later branch.
func (x *Match) MendLater(version string) {
	if x.State != FixAvailable {
		x.Priority += weightFix
	}
	x.State, x.Fixed, x.Later = FixAvailable, version, true
}

// Weights of the rank. Known exploitation counts most, as it is no estimate.
const (
	weightExploited  = 50
	weightRansomware = 5
	weightEPSS       = 20 // at probability 1
	weightLevel      = 8  // for each level above negligible
	weightUnknown    = 12 // of a severity that nobody has said: between low and medium
	weightFix        = 3
)

// rank gives a match its place. It hides nothing.
func (x *Match) rank() {
	if e := x.Exploited; e != nil {
		x.Priority += weightExploited
		if e.Ransomware {
			x.Priority += weightRansomware
		}
	}
	if x.Severity.Level == UnknownLevel {
		x.Priority += weightUnknown
	} else {
		x.Priority += weightLevel * int(x.Severity.Level-Negligible)
	}
	if x.EPSS != nil {
		x.Priority += int(weightEPSS*x.EPSS.Probability + 0.5)
	}
	if x.State == FixAvailable {
		x.Priority += weightFix
	}
}

// Malicious returns the advisory by which the package was published to do harm, "" when
// there is none. No score tells of it, as it is no flaw of a package that does good.
func (x *Match) Malicious() string {
	if isMalicious(x.ID) {
		return x.ID
	}
	for _, id := range x.Advisories {
		if isMalicious(id) {
			return id
		}
	}
	return ""
}

// isMalicious says whether an advisory is of a package that was published to do harm.
func isMalicious(id string) bool { return strings.HasPrefix(id, "MAL-") }

// Reasons says what the priority is made of, and how the sources were weighed.
func (x *Match) Reasons() []string {
	var list []string
	if e := x.Exploited; e != nil {
		list = append(list, fmt.Sprintf("known to be exploited since %s (CISA)", e.Added))
		if e.Ransomware {
			list = append(list, "used by ransomware")
		}
	}
	switch s := &x.Severity; {
	case s.Level == UnknownLevel:
		list = append(list, "nobody has said how severe it is")
	case x.Malicious() != "":
		list = append(list, fmt.Sprintf("%s: the package was published to do harm (%s)", s.Level, s.From))
	case s.ByWord:
		list = append(list, fmt.Sprintf("%s by the word of %s", s.Level, s.From))
	default:
		list = append(list, fmt.Sprintf("%s by CVSS %.1f (%s)", s.Level, s.Score, s.From))
	}
	if x.EPSS != nil {
		list = append(list, fmt.Sprintf("%.1f %% likely to be exploited within 30 days (EPSS)", 100*x.EPSS.Probability))
	}
	if x.State == FixAvailable {
		list = append(list, "fixed in "+x.Fixed)
		if x.Later {
			list = append(list, x.Fixed+" is of a later branch; none is known of its own")
		}
	} else {
		list = append(list, string(x.State))
	}
	if x.Said != nil {
		list = append(list, x.Said.reason())
	}
	return append(list, x.notes...)
}
