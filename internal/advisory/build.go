package advisory

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// change is what an update knows of one feed.
type change struct {
	*intake
	// only are the ids that the intake speaks of; nil when it is the whole feed.
	only map[string]bool
}

// keeps says whether a row of the old database stays, unless there is a new one in its place.
func (c *change) keeps(group, id string) bool {
	names := c.lost[id]
	switch {
	case c.only != nil && !c.only[id] || names[""]:
		return true
	case len(names) == 0:
		return false
	}
	rest, isPackage := strings.CutPrefix(group, packagePrefix)
	_, name, _ := strings.Cut(rest, scopeEnd)
	return !isPackage || names[name]
}

// describeLost adds to the provenance what could not be read: now, and before it of what did
// not change.
func (c *change) describeLost(before *Provenance) {
	c.from.Lost = slices.Sorted(maps.Keys(c.lost))
	if c.only != nil {
		c.from.Unread += before.Unread
		for _, id := range before.Lost {
			if c.only[id] {
				c.from.Unread-- // counted above, or read
			} else {
				c.from.Lost = append(c.from.Lost, id)
			}
		}
		slices.Sort(c.from.Lost)
	}
	c.from.Lost = c.from.Lost[:min(len(c.from.Lost), maxTold)]
}

// build writes a database to path: the rows of the old one, which may be nil, with
// the changes. The file is whole, checked and on disk when it returns.
func build(path string, old *Database, changes []*change) error {
	byFeed := map[string]*change{}
	var sources []rowSource
	feeds := map[string]*Provenance{}
	if old != nil {
		sources = append(sources, &scan{t: old.table, keep: func(group, feed, id string) bool {
			c := byFeed[feed]
			return c == nil || c.keeps(group, id)
		}})
		for i := range old.described.Feeds {
			p := old.described.Feeds[i]
			feeds[p.Feed] = &p
		}
	}
	for _, c := range changes {
		byFeed[c.feed] = c
		runs, err := c.rows.sources()
		if err != nil {
			return err
		}
		sources = append(sources, runs...)
		from := c.from
		feeds[c.feed] = &from
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("write the database: %w", err)
	}
	defer f.Close()
	folded := newSorter(filepath.Dir(path))
	defer folded.close()
	if err := write(f, sources, feeds, folded); err != nil {
		return fmt.Errorf("write the database: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write the database: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("write the database: %w", err)
	}
	t, err := openTable(f, info.Size())
	if err != nil {
		return fmt.Errorf("check what was written: %w", err)
	}
	defer t.decoder.Close()
	return t.verify()
}

// write writes rows, and what is folded of them, which goes through a sorter.
func write(f *os.File, sources []rowSource, feeds map[string]*Provenance, folded *sorter) error {
	w, err := newTableWriter(f)
	if err != nil {
		return err
	}
	d := &Description{Scopes: map[string]int{}}
	for _, p := range feeds {
		p.Records, p.Withdrawn = 0, 0
	}
	fold := &folding{to: folded}
	err = merge(sources, func(r row) error {
		group, feed, id, ok := parts(r.key)
		if !ok || feeds[feed] == nil || len(r.value) == 0 {
			return errDamaged
		}
		if err := fold.row(group, feed, id, r.value); err != nil {
			return err
		}
		if rest, isPackage := strings.CutPrefix(group, packagePrefix); isPackage {
			scope, _, _ := strings.Cut(rest, scopeEnd)
			if feed != feedUbuntu {
				d.Scopes[scope]++
			}
		} else {
			count(feeds[feed], r.value[0])
		}
		return w.add(r)
	})
	if err := errors.Join(err, fold.flush()); err != nil {
		return err
	}
	if sources, err = folded.sources(); err != nil {
		return err
	}
	if err := merge(sources, w.add); err != nil {
		return err
	}
	for _, p := range feeds {
		d.Feeds = append(d.Feeds, *p)
	}
	slices.SortFunc(d.Feeds, func(a, b Provenance) int { return strings.Compare(a.Feed, b.Feed) })
	return w.close(d)
}

// count counts the row of an id, by its first byte.
func count(p *Provenance, flags byte) {
	joined := p.Feed == feedKEV || p.Feed == feedEPSS
	if !joined && flags&rowNames != 0 {
		return
	}
	p.Records++
	if !joined && flags&rowWithdrawn != 0 {
		p.Withdrawn++
	}
}

// install puts a file in the place of another one, on disk for good.
func install(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("put the database in place: %w", err)
	}
	if dir, err := os.Open(filepath.Dir(to)); err == nil {
		dir.Sync() // not every file system can; the rename stands anyway
		dir.Close()
	}
	return nil
}
