package advisory

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/vuln"
)

// idRows gathers what rows of one id say.
type idRows struct {
	vuln.Folder
	lists
	id         string
	count      int
	advisories []vuln.Advisory
	namedBy    []string
	exploited  *vuln.Exploited
	epss       *vuln.EPSS
}

// begin begins with another id.
func (g *idRows) begin(id string) {
	g.id, g.count, g.exploited, g.epss = id, 0, nil, nil
	g.advisories, g.namedBy = g.advisories[:0], g.namedBy[:0]
}

// add takes a row: the feed and the id in its key, and its value, which stays in use.
func (g *idRows) add(feed, id, value string) error {
	g.count++
	r := reader[string]{rest: value}
	switch {
	case feed == feedKEV:
		g.exploited = readExploited(&r)
	case feed == feedEPSS:
		g.epss = readEPSS(&r)
	case isMention(value):
		if !slices.Contains(g.namedBy, id) { // in several feeds
			g.namedBy = append(g.namedBy, id)
		}
	default:
		a := vuln.Advisory{ID: id, Feed: feed}
		if err := g.advisory(value, &a); err != nil {
			return err
		}
		g.advisories = append(g.advisories, a)
	}
	if r.bad {
		return errDamaged
	}
	return nil
}

// isMention says whether the row of an advisory only says that it names the id.
func isMention(value string) bool { return len(value) > 0 && value[0]&rowNames != 0 }

func (g *idRows) folded() vuln.Record {
	r := g.Fold(g.id, g.advisories, g.namedBy)
	r.Exploited, r.EPSS = g.exploited, g.epss
	return r
}

// folding makes the folded records of a database while its rows pass.
type folding struct {
	idRows
	to *sorter
}

// row takes the next row of the database.
func (f *folding) row(group, feed, id string, value []byte) error {
	name, isID := strings.CutPrefix(group, idPrefix)
	if !isID {
		return nil
	}
	if name != f.id {
		if err := f.flush(); err != nil {
			return err
		}
		f.begin(name)
	}
	return f.add(feed, id, string(value))
}

// flush writes the record of a CVE that has several rows; others are folded when they
// are looked up.
func (f *folding) flush() error {
	if f.count < 2 || vuln.CVE(f.id) != f.id {
		return nil
	}
	r := f.folded()
	f.count = 0
	return f.to.add(foldedGroup(f.id)+partEnd+partEnd, appendRecord(nil, &r))
}
