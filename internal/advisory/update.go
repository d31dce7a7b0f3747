package advisory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// DatabaseName is the name of the file in the directory of a [Store].
const DatabaseName = "advisories.db"

// wholeAfter is when a feed is read as a whole again, although changes would do:
// records that were taken out are not among changes.
const wholeAfter = 7 * 24 * time.Hour

// Store is a directory that holds a database, downloads on their way and nothing
// else.
type Store struct{ Dir string }

// Path is that of the database.
func (s *Store) Path() string { return filepath.Join(s.Dir, DatabaseName) }

// Options say how to update.
type Options struct {
	Feeds  []Feed
	Client *http.Client // nil for one of its own
	Agent  string       // how the program names itself to servers
	Now    time.Time
	// Progress is called now and then with what is being done. May be nil.
	Progress func(line string)
	// Pause is what passes before a failed download is tried again; 0 for 2 s.
	Pause time.Duration
	// Idle is how long a server may send next to nothing; 0 for a minute.
	Idle time.Duration
}

// Outcome is what became of one feed in an update.
type Outcome struct {
	Feed    string
	State   OutcomeState
	Read    int // records that were read
	Unread  int // records that could not be, now or when what did not change was read
	Err     error
	Changes bool // only what had changed was read
}

// Reason is Err without the URL, so that feeds that fail alike have the same one.
func (o *Outcome) Reason() string {
	var status *statusError
	var request *url.Error
	switch {
	case o.Err == nil:
		return ""
	case errors.As(o.Err, &status):
		return status.status
	case errors.As(o.Err, &request):
		return request.Err.Error()
	}
	return o.Err.Error()
}

// OutcomeState is what became of a feed.
type OutcomeState string

// The states. What failed is in the database as it was before.
const (
	Updated   OutcomeState = "updated"
	Unchanged OutcomeState = "unchanged"
	Failed    OutcomeState = "failed"
)

// Report is what became of an update.
type Report struct {
	Outcomes []Outcome
	Problems []Problem // records that could not be read: the first ones of each feed
	Built    bool      // a new database is in place
}

// updater is one run of an update.
type updater struct {
	*Store
	Options
	*requester
	old     *Database // nil when there is none
	scratch string
	report  *Report
	changes []*change
}

// Update fetches feeds and puts a new database in place. What fails leaves the
// last one: a feed that cannot be had keeps its rows, and an error of the update
// itself the whole file. Downloads that were cut off go on in the next update.
func (s *Store) Update(ctx context.Context, o Options) (*Report, error) {
	if err := os.MkdirAll(filepath.Join(s.Dir, "download"), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the database: %w", err)
	}
	unlock, err := lock(filepath.Join(s.Dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	u := &updater{Store: s, Options: o, report: &Report{}}
	if u.Client == nil {
		u.Client = newClient()
	}
	if u.Pause == 0 {
		u.Pause = 2 * time.Second
	}
	if u.Idle == 0 {
		u.Idle = idleAfter
	}
	u.requester = &requester{client: u.Client, agent: u.Agent, idle: u.Idle, mute: map[string]bool{}}
	if u.Progress == nil {
		u.Progress = func(string) {}
	}
	if u.scratch, err = s.fresh(); err != nil {
		return nil, err
	}
	defer os.RemoveAll(u.scratch)
	switch u.old, err = Open(s.Path()); {
	case errors.Is(err, ErrNone), errors.Is(err, ErrOldFormat): // made anew; the old one stays until then
	case err != nil:
		return nil, fmt.Errorf("%w: remove the file and update again", err)
	default:
		defer u.old.Close()
	}
	defer func() {
		for _, c := range u.changes {
			c.rows.close()
		}
	}()
	return u.report, u.run(ctx)
}

// fresh returns an empty directory for what is thrown away, without what a killed
// update left in it.
func (s *Store) fresh() (string, error) {
	dir := filepath.Join(s.Dir, "scratch")
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("clear %s: %w", dir, err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", fmt.Errorf("make %s: %w", dir, err)
	}
	return dir, nil
}

// newClient follows no redirect from https to http.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	return &http.Client{Transport: transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > 5 {
			return errors.New("too many redirects")
		}
		if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
			return errors.New("the server redirects from https to " + req.URL.Scheme)
		}
		return nil
	}}
}

func (u *updater) run(ctx context.Context) error {
	var done []string // downloads that are no longer needed once the database is in place
	for i := range u.Feeds {
		if err := ctx.Err(); err != nil {
			return err
		}
		outcome, path := u.feed(ctx, &u.Feeds[i])
		u.report.Outcomes = append(u.report.Outcomes, outcome)
		if path != "" {
			done = append(done, path)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(u.changes) > 0 {
		u.Progress("writing the database")
		next := filepath.Join(u.scratch, DatabaseName)
		if err := build(next, u.old, u.changes); err != nil {
			return err
		}
		if err := install(next, u.Path()); err != nil {
			return err
		}
		u.report.Built = true
	}
	for _, path := range done {
		(&download{path: path}).forget()
	}
	return u.checked()
}

// feed brings one feed up to date. It returns the download that it used.
func (u *updater) feed(ctx context.Context, f *Feed) (Outcome, string) {
	before := u.known(f)
	u.user = f.user
	in := &intake{feed: f.Name, rows: newSorter(u.scratch), from: Provenance{Feed: f.Name, URL: f.URL, Fetched: u.Now}}
	c := &change{intake: in}
	path, err := "", errUseWhole
	if before != nil && (f.isOSV() || f.Name == feedRedHat) && before.recent(u.Now) {
		err = u.increment(ctx, f, before, c)
	}
	if errors.Is(err, errUseWhole) {
		path, err = u.whole(ctx, f, before, c)
	}
	u.report.Problems = append(u.report.Problems, in.problems...)
	out := Outcome{Feed: f.Name, State: Updated, Read: in.from.Records, Changes: c.only != nil}
	switch {
	case errors.Is(err, errUnchanged):
		in.rows.close()
		out.State, out.Unread = Unchanged, before.Unread
	case err != nil:
		in.rows.close()
		out.State, out.Err = Failed, err
	default:
		c.describeLost(before)
		out.Unread = c.from.Unread
		u.changes = append(u.changes, c)
	}
	return out, path
}

// recent says whether a feed was read as a whole not long ago, by a clock that was
// not ahead of this one.
func (p *Provenance) recent(now time.Time) bool {
	since := now.Sub(p.Whole)
	return since > -time.Hour && since < wholeAfter
}

// known is what the old database says of a feed from the same place.
func (u *updater) known(f *Feed) *Provenance {
	if u.old == nil {
		return nil
	}
	if p := u.old.described.Feed(f.Name); p != nil && p.URL == f.URL {
		return p
	}
	return nil
}

// whole downloads a feed and reads it. The download stays until a database is made
// of it, so that a killed update does not begin anew.
func (u *updater) whole(ctx context.Context, f *Feed, before *Provenance, c *change) (path string, err error) {
	at, err := u.file(ctx, f)
	if err != nil {
		return "", err
	}
	d := u.download(at, f.Name)
	if before != nil {
		d.known = partial{ETag: before.ETag, LastModified: before.LastModified}
	}
	state, err := d.run(ctx)
	if err != nil {
		return "", err
	}
	c.from.ETag, c.from.LastModified = state.ETag, state.LastModified
	u.Progress("reading " + f.Name)
	if err := f.read(d.path, c.intake); err != nil {
		d.forget() // it would be as wrong the next time
		return "", fmt.Errorf("%s cannot be read: %w", at, err)
	}
	c.from.Whole = u.Now
	if err := plausible(c.intake, before); err != nil {
		d.forget()
		return "", err
	}
	return d.path, nil
}

// file is the URL of the whole feed.
func (u *updater) file(ctx context.Context, f *Feed) (string, error) {
	switch {
	case f.isOSV():
		return f.URL + "/all.zip", nil
	case f.Name != feedRedHat:
		return f.URL, nil
	}
	body, err := u.get(ctx, f.URL+"/archive_latest.txt")
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 1<<10))
	if err != nil {
		return "", err
	}
	name := strings.TrimSpace(string(text))
	if !archiveName.MatchString(name) {
		return "", fmt.Errorf("%s/archive_latest.txt does not name an archive: %.60q", f.URL, name)
	}
	return f.URL + "/" + name, nil
}

// archiveName is how archives of Red Hat's documents are named: csaf_vex_2026-01-31.tar.zst.
var archiveName = regexp.MustCompile(`^[A-Za-z0-9_.-]+\.tar\.zst$`)

// plausible refuses a feed that lost most of its records: it is more likely to be
// broken than mended.
func plausible(in *intake, before *Provenance) error {
	switch {
	case in.from.Records == 0:
		return errors.New("no record could be read from it")
	case before != nil && in.from.Records < before.Records/2:
		return fmt.Errorf("it has %d records and had %d before: it was not taken (remove the database to take it)", in.from.Records, before.Records)
	}
	return nil
}

func (u *updater) download(url, name string) *download {
	file := strings.NewReplacer("/", "_", " ", "_").Replace(name)
	return &download{
		requester: u.requester, url: url, path: filepath.Join(u.Dir, "download", file), pause: u.Pause,
		told: func(done, total int64) {
			if total > 0 {
				u.Progress(fmt.Sprintf("fetching %s: %.1f of %.1f MB", name, float64(done)/1e6, float64(total)/1e6))
			} else {
				u.Progress(fmt.Sprintf("fetching %s: %.1f MB", name, float64(done)/1e6))
			}
		},
	}
}

// checkedName is the file that says when feeds were last found to be unchanged.
const checkedName = "checked.json"

// checked remembers what was found unchanged: rewriting a database for a date would
// be a waste.
func (u *updater) checked() error {
	times := u.Checked()
	for _, o := range u.report.Outcomes {
		if o.State != Failed {
			times[o.Feed] = u.Now.UTC()
		}
	}
	text, err := json.MarshalIndent(times, "", "  ")
	if err != nil {
		return err
	}
	next := filepath.Join(u.scratch, checkedName)
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(u.Dir, checkedName))
}

// Checked says when feeds were last seen to be as they are in the database.
func (s *Store) Checked() map[string]time.Time {
	times := map[string]time.Time{}
	text, err := os.ReadFile(filepath.Join(s.Dir, checkedName))
	if err != nil || json.Unmarshal(text, &times) != nil || times == nil {
		return map[string]time.Time{}
	}
	return times
}

// Fresh returns feeds of the database, each fetched when it was last seen to be so.
func (s *Store) Fresh(feeds []Provenance) []Provenance {
	feeds, checked := slices.Clone(feeds), s.Checked()
	for i := range feeds {
		if at := checked[feeds[i].Feed]; at.After(feeds[i].Fetched) {
			feeds[i].Fetched = at
		}
	}
	return feeds
}
