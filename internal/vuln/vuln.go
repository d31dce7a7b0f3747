// Package vuln decides which advisories a package is under. It orders versions as
// each ecosystem does, matches packages of an image against what advisories say,
// lets a distribution's word on its own packages stand over upstream ranges, folds
// what several sources say of one vulnerability under one id, and gives each match
// a severity and a rank with reasons.
//
// It is pure: no clock, no file, no socket. Advisories come through [Source].
//
// It promises that an advisory whose versions hold a package ends as a match, or as
// ruled out with the reason, and that one which cannot be decided is said to be so.
// It does not promise that a source is right or whole: [Result.NoData] names what no
// source covers.
package vuln

// Package is one installed package, as matching needs it.
type Package struct {
	Ecosystem     string // as OSV spells it, without a release: Debian, npm
	Name          string
	Version       string
	Source        string // source package of a distribution; "" when it is Name
	SourceVersion string // "" when it is Version
	// Module is the module and stream of an rpm that is built in one, as nodejs:18;
	// "" when it is of none, or it is not known.
	Module string
	// Release is the distribution's that it is of; nil: that of the whole run.
	Release *Release
	// Owner is the index among the packages matched together of the distribution's
	// package that owns the files of this one, -1 when none does or it is not known.
	Owner int
	// Doubt says why it may be another package than the one of its name, as "its
	// identity is from the file name"; "" when it is certain. Matches say so.
	Doubt string
}

// Release is a distribution's release by /etc/os-release.
type Release struct {
	ID      string // debian, alpine, rhel
	Version string // VERSION_ID
}

// Source answers what advisories say. It is safe for use by one goroutine.
type Source interface {
	// Covers says whether there is any data for a scope: an ecosystem, with its
	// release where there are releases.
	Covers(scope string) bool
	// Affected calls yield with every statement on a package, in a fixed order. What
	// yield gets holds until it returns; texts and lists in it stay.
	Affected(scope, name string, yield func(*Affected)) error
	// Record returns what is known under an id, a zero Record when nothing is. What is
	// named after a CVE, as DEBIAN-CVE-2026-1, is known under the CVE too, and that
	// under it.
	Record(id string) (Record, error)
}

// Affected is what one advisory says of one package in one scope.
type Affected struct {
	ID        string     // of the advisory
	Feed      string     // that it is from
	Intervals []Interval // of versions; affected is what any of them holds
	Versions  []string   // affected ones beyond the intervals
	Verdict   Verdict
	Urgency   string // the feed's own word for this package, "" when it has none
}

// Interval is a range of versions that an advisory calls affected.
type Interval struct {
	From string // the first one; "" or "0" from the beginning
	To   string // where it ends; "" when it has no end
	// Last says that To is the last one affected, and Limit that it is the first one
	// of which the interval does not speak. Otherwise it is the first one that is fixed.
	Last, Limit bool
}

// fix is the version that mends what the interval holds, "" when none is known.
func (i *Interval) fix() string {
	if i.Last || i.Limit {
		return ""
	}
	return i.To
}

// Verdict is what a feed says beyond ranges.
type Verdict uint8

// The verdicts.
const (
	NoVerdict     Verdict = iota // the ranges say it all
	NotAffected                  // the package never was
	WillNotFix                   // affected, and it stays so
	EndOfLife                    // affected or not looked at: no longer cared for
	Investigating                // not decided by the feed
	Deferred                     // affected, and to be mended some day
	Undecided                    // the feed says which versions are affected besides, and could not be understood
)

// Advisory is what an advisory says of itself.
type Advisory struct {
	ID        string
	Feed      string
	Aliases   []string // sorted: other names of the vulnerability, or names of those it fixes
	Vectors   []string // CVSS vectors
	Severity  string   // the source's own word, "" when it has none
	Summary   string
	Published int64 // seconds since 1970, 0 when not known
	Modified  int64
	Withdrawn bool
}

// Exploited is the entry of CISA's catalogue of known exploited vulnerabilities.
type Exploited struct {
	Added, Due string // dates, as 2025-08-25
	Ransomware bool   // known to be used by ransomware campaigns
}

// EPSS is the exploit prediction of FIRST.
type EPSS struct {
	Probability float64 // that it is exploited in the next 30 days, 0 to 1
	Percentile  float64 // of all vulnerabilities, 0 to 1
}
