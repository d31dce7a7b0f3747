package vuln

import (
	"cmp"
	"slices"
	"strings"
)

// mostNames bounds how many names of an advisory without a CVE are followed: more
// than real ones have.
const mostNames = 32

// names returns the ids under which a vulnerability is known: every CVE that an
// advisory names, or else those of the nearest of its other names that have one.
// Without any it is the first MAL of all that lead to each other, else the first GHSA,
// else the first id, so that each of them gives the same.
func (m *matcher) names(id string) ([]string, error) {
	if cve := CVE(id); cve != "" {
		return []string{cve}, nil
	}
	names := append(make([]string, 0, 4), id)
	for from := 0; from < len(names); {
		level := names[from:]
		from = len(names)
		var cves []string
		for _, name := range level {
			r, err := m.record(name)
			if err != nil {
				return nil, err
			}
			for _, other := range r.Names {
				if cve := CVE(other); cve != "" {
					cves = append(cves, cve)
				} else if len(names) < mostNames {
					names = queued(names, other)
				}
			}
		}
		if len(cves) > 0 {
			slices.Sort(cves)
			return slices.Compact(cves), nil
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(rankOf(a)-rankOf(b), strings.Compare(a, b)) })
	return names[:1], nil
}

// rankOf puts the ids first that say that a package does harm, then those that most know.
func rankOf(id string) int {
	switch {
	case isMalicious(id):
		return 0
	case strings.HasPrefix(id, "GHSA-"):
		return 1
	}
	return 2
}

// CVE returns the CVE id that an id is or ends with, as DEBIAN-CVE-2024-1 does;
// "" when it is another.
func CVE(id string) string {
	i := 0
	if !strings.HasPrefix(id, "CVE-") { // most are
		if i = strings.Index(id, "-CVE-") + 1; i == 0 {
			return ""
		}
	}
	rest := id[i+4:]
	n := digits(rest)
	if n != 4 || len(rest) < 6 || rest[n] != '-' || digits(rest[n+1:]) != len(rest)-n-1 {
		return ""
	}
	return id[i:]
}
