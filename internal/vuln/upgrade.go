package vuln

import (
	"cmp"
	"slices"
	"strings"
)

// Upgrade is one change that mends vulnerabilities: of a distribution all packages
// that one layer has of a source package, of a language one version of a package.
type Upgrade struct {
	Ecosystem string
	Name      string   // of the source package for distributions
	From      []string // the versions that are there, in order
	// To is for distributions the lowest version that mends all that can be mended; for
	// languages the one of the versions with a fix that has the fewest vulnerabilities,
	// and of these the lowest.
	To        string
	Owner     int // index of the distribution's package that brings a language's, -1 when none does
	Layer     int // index of the layer that brought the packages, -1 when not known
	Packages  []int
	Mends     []string // ids, sorted
	Left      int      // vulnerabilities of these packages that To does not mend
	Comes     []string // vulnerabilities that To has and the packages do not, sorted
	Exploited int      // of Mends, known to be exploited
	Levels    [Critical + 1]int
}

// Upgrades are the changes that mend what can be mended, the one that mends most
// first: by the number that are known to be exploited, then of critical ones, high
// ones and so on. layers holds the index of each package's layer. Accepted
// vulnerabilities count too: an upgrade mends them all the same.
func (r *Result) Upgrades(packages []Package, layers []int) []Upgrade {
	type key struct {
		ecosystem, name, version string
		release                  Release
		owner, layer             int
	}
	index := map[key]int{}
	var list []Upgrade
	var matches [][]*Match
	for i := range r.Matches {
		m := &r.Matches[i]
		p := &packages[m.Package]
		k := key{ecosystem: p.Ecosystem, name: p.Name, version: p.Version, owner: ownerOf(packages, m.Package), layer: layers[m.Package]}
		if IsDistribution(p.Ecosystem) {
			k.name, k.version, k.owner, k.release = cmp.Or(p.Source, p.Name), "", -1, p.of(Release{})
		}
		at, known := index[k]
		if !known {
			at = len(list)
			index[k] = at
			list = append(list, Upgrade{Ecosystem: k.ecosystem, Name: k.name, Owner: k.owner, Layer: k.layer})
			matches = append(matches, nil)
		}
		matches[at] = append(matches[at], m)
		list[at].count(m, p)
	}
	for i := range list {
		if len(list[i].Mends) > 0 {
			list[i].choose(r, matches[i])
		}
	}
	list = slices.DeleteFunc(list, func(u Upgrade) bool { return len(u.Mends) == 0 })
	for i := range list {
		u := &list[i]
		o := OrderOf(u.Ecosystem)
		slices.SortFunc(u.From, o.Compare)
		u.From = slices.Compact(u.From)
		slices.Sort(u.Mends)
	}
	slices.SortStableFunc(list, func(a, b Upgrade) int {
		c := b.Exploited - a.Exploited
		for level := Critical; level > UnknownLevel; level-- {
			c = cmp.Or(c, b.Levels[level]-a.Levels[level])
		}
		return cmp.Or(c, b.Levels[UnknownLevel]-a.Levels[UnknownLevel], a.Layer-b.Layer, strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Name, b.Name), strings.Compare(a.To, b.To))
	})
	return list
}

// count adds a match. One vulnerability in several packages of a source is mended
// once.
func (u *Upgrade) count(m *Match, p *Package) {
	if m.State != FixAvailable {
		u.Left++
		return
	}
	if !slices.Contains(u.Packages, m.Package) {
		u.Packages, u.From = append(u.Packages, m.Package), append(u.From, p.Version)
	}
	if o := OrderOf(u.Ecosystem); u.To == "" || o.Compare(u.To, m.Fixed) < 0 {
		u.To = m.Fixed
	}
	if slices.Contains(u.Mends, m.ID) {
		return
	}
	u.Mends = append(u.Mends, m.ID)
	u.Levels[m.Severity.Level]++
	if m.Exploited != nil {
		u.Exploited++
	}
}
