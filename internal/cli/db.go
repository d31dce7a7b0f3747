package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/advisory"
)

// dbFlags are the flags of the db commands.
type dbFlags struct {
	dir, output, key, mirror string
	feeds, sources           []string
	unsigned, older, verify  bool
}

func dbCommand(p *Program) *cobra.Command {
	var f dbFlags
	cmd := &cobra.Command{
		Use:   "db",
		Short: "The database of vulnerability advisories: fetch, carry, look after",
		Long: `Keep the database of vulnerability advisories that packages are matched against.

It is one file in --db, by default in the cache directory of the user. A new one
takes its place only when it is whole: whatever fails, the last good one stays.`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&f.dir, "db", "", dbUsage)
	cmd.AddCommand(f.updateCommand(p), f.importCommand(p), f.exportCommand(p), f.statusCommand(p))
	return cmd
}

const dbUsage = "directory of the advisory database (default $ULLAGE_DB, else ullage/advisories in the cache directory)"

// store returns the directory of the database.
func (f *dbFlags) store(p *Program) (*advisory.Store, error) {
	if f.dir != "" {
		return &advisory.Store{Dir: f.dir}, nil
	}
	if dir := p.Getenv("ULLAGE_DB"); dir != "" {
		return &advisory.Store{Dir: dir}, nil
	}
	user, err := loadUserConfig(p)
	if err != nil {
		return nil, err
	}
	if user.directory.text != "" {
		return &advisory.Store{Dir: user.directory.text}, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("there is no cache directory for the database (%w): name a directory with --db", err)
	}
	return &advisory.Store{Dir: filepath.Join(cache, "ullage", "advisories")}, nil
}

func (f *dbFlags) updateCommand(p *Program) *cobra.Command {
	update := &cobra.Command{
		Use: "update", Short: "Fetch advisories and put a new database in place",
		Long: `Fetch feeds of advisories, and make a database of them. Feeds that did not
change are not fetched again, and of OSV only records that changed. A download that
was cut off goes on in the next update. A feed that fails keeps what it said before.

Feeds come from the projects that make them, or with --mirror URL from below it:
osv/ECOSYSTEM/all.zip (with modified_id.csv and ID.json, if it has them),
debian/tracker.json, alpine/BRANCH/REPOSITORY.json, ubuntu/vex-all.tar.xz,
redhat/vex/archive_latest.txt, kubernetes/official-cve-feed.json,
kev/known_exploited_vulnerabilities.json, epss/epss_scores-current.csv.gz.

Exit code: 0 all is up to date, 2 nothing could be done, 3 a feed or a record could
not be read.`,
		Example: `  ullage db update
  ullage db update --feed osv/Go --feed osv/npm --feed kev
  ullage db update --mirror https://mirror.example/advisories
  ullage db update --source debian=https://mirror.example/tracker.json`,
		Args: exactly("", 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.update(cmd, p) },
	}
	flags := update.Flags()
	flags.StringArrayVar(&f.feeds, "feed", nil, "only this feed; may be repeated (default those of the user's configuration, else those in the database, else all)")
	flags.StringVar(&f.mirror, "mirror", "", "URL that all feeds are below (default $ULLAGE_DB_MIRROR)")
	flags.StringArrayVar(&f.sources, "source", nil, "FEED=URL: this feed is there; may be repeated")
	return update
}

func (f *dbFlags) update(cmd *cobra.Command, p *Program) error {
	store, err := f.store(p)
	if err != nil {
		return err
	}
	feeds, err := f.wanted(p, store)
	if err != nil {
		return err
	}
	bar := newProgress(p)
	report, err := store.Update(cmd.Context(), advisory.Options{
		Feeds: feeds, Agent: "ullage/" + Version(), Now: time.Now(), Progress: bar.write,
	})
	bar.done()
	if err != nil {
		return &codeError{exitUsage, fmt.Errorf("update the database in %s: %w", store.Dir, err)}
	}
	err = f.tellUpdate(p, store, report)
	offerRematch(cmd.Context(), p)
	return err
}

// wanted returns the feeds to update.
func (f *dbFlags) wanted(p *Program, store *advisory.Store) ([]advisory.Feed, error) {
	user, err := loadUserConfig(p)
	if err != nil {
		return nil, err
	}
	overrides, err := user.overrides(f.sources)
	if err != nil {
		return nil, err
	}
	names := f.feeds
	if len(names) == 0 {
		names = texts(user.feeds)
	}
	if len(names) == 0 {
		db, err := advisory.Open(store.Path())
		switch {
		case err == nil:
			for _, from := range db.Describe().Feeds {
				names = append(names, from.Feed)
			}
			db.Close()
		case errors.Is(err, advisory.ErrOldFormat): // what it was made of stands beside it
			names = slices.DeleteFunc(slices.Sorted(maps.Keys(store.Checked())), func(name string) bool { return !slices.Contains(advisory.FeedNames(), name) })
		}
	}
	for _, s := range f.sources {
		if name, _, _ := strings.Cut(s, "="); len(names) > 0 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return advisory.Feeds(names, cmp.Or(f.mirror, p.Getenv("ULLAGE_DB_MIRROR"), user.mirror.text), overrides)
}

func (f *dbFlags) tellUpdate(p *Program, store *advisory.Store, r *advisory.Report) error {
	failed, unread := 0, 0
	width := 0
	alike := map[string][]string{} // feeds by why they failed
	for _, o := range r.Outcomes {
		width = max(width, len(o.Feed))
		if o.State == advisory.Failed {
			alike[o.Reason()] = append(alike[o.Reason()], o.Feed)
		}
	}
	for _, o := range r.Outcomes {
		line := string(o.State)
		switch {
		case o.State == advisory.Failed:
			if failed++; len(alike[o.Reason()]) > mostAlike {
				continue
			}
			line += ": " + o.Err.Error()
		case o.Changes:
			line += ", " + counted(o.Read, "changed record")
		case o.State == advisory.Updated:
			line += ", " + counted(o.Read, "record")
		}
		if o.State != advisory.Failed && o.Unread > 0 {
			unread += o.Unread
			line += ", " + counted(o.Unread, "record") + " not readable"
		}
		fmt.Fprintf(p.Stdout, "%-*s  %s\n", width, o.Feed, line)
	}
	for _, reason := range slices.Sorted(maps.Keys(alike)) {
		if feeds := alike[reason]; len(feeds) > mostAlike {
			fmt.Fprintln(p.Stdout, hang(fmt.Sprintf("%d feeds failed: %s: %s", len(feeds), printable(reason), strings.Join(feeds, ", ")), 2, p.width()))
		}
	}
	for _, problem := range r.Problems {
		fmt.Fprintln(p.Stderr, "ullage: "+printable(problem.String()))
	}
	db, err := advisory.Open(store.Path())
	if err == nil {
		defer db.Close()
		p.tellDatabase(db, r.Built)
	}
	switch {
	case failed == len(r.Outcomes) && failed > 0:
		return &codeError{exitUsage, errors.New("no feed could be fetched, and " + leftAs(err) + ": check the network, or name a mirror with --mirror")}
	case failed > 0:
		return &codeError{exitIncomplete, errors.New(kept(r, db) + ": run ullage db update again, or name with --feed those to fetch")}
	case unread > 0:
		return &codeError{exitIncomplete, fmt.Errorf("%s could not be read, and the database has of them what could be read before, if anything: tell the makers of the feed", counted(unread, "record"))}
	}
	return nil
}

// tellDatabase ends an update with what it came to.
func (p *Program) tellDatabase(db *advisory.Database, built bool) {
	total, feeds := 0, db.Describe().Feeds
	for i := range feeds {
		total += feeds[i].Records
	}
	text := fmt.Sprintf("the database has %s of %s (%s)", counted(total, "record"), counted(len(feeds), "feed"), megabytes(db.Size()))
	if !built {
		text = "nothing changed: " + text
	}
	fmt.Fprintln(p.Stdout, "\n"+text)
}

// leftAs says what there is after an update that could fetch nothing, by the error of
// opening the database.
func leftAs(err error) string {
	switch {
	case err == nil:
		return "the database stays as it was"
	case errors.Is(err, advisory.ErrNone):
		return "there is no database"
	}
	return "the database that is there cannot be read (" + err.Error() + ")"
}

// mostAlike is how many feeds that fail for one reason have a line each.
const mostAlike = 3

// kept says that feeds failed, and what that leaves of them: what the database had
// before, or nothing.
func kept(r *advisory.Report, db *advisory.Database) string {
	stay, lack := 0, 0
	for _, o := range r.Outcomes {
		switch {
		case o.State != advisory.Failed:
		case db != nil && db.Describe().Feed(o.Feed) != nil:
			stay++
		default:
			lack++
		}
	}
	text := counted(stay+lack, "feed") + " could not be fetched"
	switch {
	case lack == 0 && stay == 1:
		return text + " and stays as it was"
	case lack == 0:
		return text + " and stay as they were"
	case stay == 0 && lack == 1:
		return text + " and is not in the database"
	case stay == 0:
		return text + " and are not in the database"
	}
	return fmt.Sprintf("%s: %d as they were before, %d not in the database", text, stay, lack)
}
