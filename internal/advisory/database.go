// Package advisory keeps vulnerability advisories: it reads feeds (OSV, those of
// Debian, Ubuntu, Red Hat, Alpine and Kubernetes, CISA's known exploited
// vulnerabilities, EPSS) and holds them in one file that is looked up without loading
// it.
//
// A database is made from feeds as a whole, beside the one that is there, and takes
// its place in one rename: what can be opened is whole. The same feeds at the same
// time make the same bytes. Feeds are taken for hostile: what cannot be read is a
// [Problem], what is too large is refused, and memory does not grow with a feed.
package advisory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"ullage.dev/ullage/internal/vuln"
)

// Description says what a database was made of.
type Description struct {
	Feeds  []Provenance
	Scopes map[string]int // number of statements on packages in each scope
}

// Provenance is where the rows of a feed are from.
type Provenance struct {
	Feed    string
	URL     string
	Fetched time.Time // when the feed was last seen to be as it is here
	Newest  time.Time // of its newest record; zero when records have no date
	Records int       // advisories, withdrawn ones included
	// Withdrawn are records that no longer count.
	Withdrawn int
	// Unread are records that could not be read. In the database they are as they were when
	// they last could, if ever.
	Unread int
	// Lost are ids of them, as far as they are known: the first maxTold.
	Lost []string `json:",omitempty"`
	// Whole is when the feed was last read as a whole, and not only what had changed.
	Whole time.Time
	// ETag and LastModified are by what the server knows the state that was read as
	// a whole.
	ETag         string `json:",omitempty"`
	LastModified string `json:",omitempty"`
}

// Database is an opened database. It implements [vuln.Source], for one goroutine;
// others open it once more.
type Database struct {
	file  *os.File
	unmap func()
	found idRows // of an id; reused
	*table
}

// ErrNone says that there is no database.
var ErrNone = errors.New("there is no database of advisories yet")

// ErrOldFormat says that an older version of this program made the database. An
// update makes it anew.
var ErrOldFormat = errors.New("its format is an older one")

// Mend says what to do about an error of opening or reading a database.
func Mend(err error) error {
	if errors.Is(err, ErrOldFormat) {
		return fmt.Errorf("%w: run ullage db update", err)
	}
	return fmt.Errorf("%w: remove it and run ullage db update", err)
}

// Open opens a database. It reads a few pages; see [Database.Verify].
func Open(path string) (*Database, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	} else if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	t, err := openTable(f, info.Size())
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b, unmap := mapped(f, info.Size())
	t.mapTo(b)
	return &Database{file: f, unmap: unmap, table: t}, nil
}

// Close closes the file.
func (d *Database) Close() error {
	d.decoder.Close()
	d.unmap()
	return d.file.Close()
}

// Describe says what the database was made of.
func (d *Database) Describe() *Description { return &d.described }

// Digest is the SHA-256 of the database, by which a report can name it.
func (d *Database) Digest() string { return fmt.Sprintf("sha256:%x", d.footer.digest) }

// Size is that of the file in bytes.
func (d *Database) Size() int64 { return int64(d.footer.size) }

// Feed returns where the rows of a feed are from, nil when there are none.
func (d *Description) Feed(name string) *Provenance {
	for i := range d.Feeds {
		if d.Feeds[i].Feed == name {
			return &d.Feeds[i]
		}
	}
	return nil
}

// Verify reads the whole file and holds it against its digest. Without it damage
// is found when a lookup meets it.
func (d *Database) Verify() error { return d.verify() }

// Covers says whether a feed says anything in a scope.
func (d *Database) Covers(scope string) bool { return d.described.Scopes[scope] > 0 }

// Affected yields what advisories say of a package.
func (d *Database) Affected(scope, name string, yield func(*vuln.Affected)) error {
	var a vuln.Affected
	return d.rows(packageGroup(scope, name), func(rest, value string) error {
		feed, id, ok := strings.Cut(rest, partEnd)
		if !ok {
			return errDamaged
		}
		a = vuln.Affected{Feed: feed, ID: id}
		if err := d.found.affected(value, &a); err != nil {
			return err
		}
		yield(&a)
		return nil
	})
}

// Record returns what is known under an id, and where that has a CVE in its name
// under the CVE.
func (d *Database) Record(id string) (rec vuln.Record, err error) {
	if cve := vuln.CVE(id); cve != "" {
		id = cve
		folded := false
		err := d.rows(foldedGroup(cve), func(_, value string) (err error) {
			folded = true
			rec, err = d.found.record(value)
			return err
		})
		if folded || err != nil {
			return rec, err
		}
	}
	if err := d.gather(id); err != nil {
		return vuln.Record{}, err
	}
	return d.found.folded(), nil
}

// Advisories returns those that bear an id, by feed. They are good until the next
// question.
func (d *Database) Advisories(id string) ([]vuln.Advisory, error) {
	err := d.gather(id)
	return d.found.advisories, err
}

func (d *Database) gather(id string) error {
	d.found.begin(id)
	return d.rows(idGroup(id), func(rest, value string) error {
		feed, its, ok := strings.Cut(rest, partEnd)
		if !ok {
			return errDamaged
		}
		return d.found.add(feed, its, value)
	})
}
