package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/store"
)

// historyFlags are those of ullage image history.
type historyFlags struct {
	listFlags
	color, config string
	only          historySelection
}

func imageHistoryCommand(p *Program) *cobra.Command {
	var f historyFlags
	cmd := &cobra.Command{
		Use: "history REFERENCE|FILE", Short: "When was each vulnerability of an image found, and in which digest is it fixed?",
		Long: `Tell of a reference, or the image in a file, that ullage image or ullage image watch
has read which images it led to, and of each vulnerability when it was first found, since when there is a fix,
in which image it was gone, and when it was gone from the workloads that ran it, as
far as ullage image running looked at these. With vulnerabilities.due in .ullage.yaml, what is due
is told, too.

Exit code: 0 told, 2 usage, or the store cannot be read, 3 the store does not know
the reference.`,
		Example: `  ullage image history registry.example/web:1
  ullage image history web.tar --package openssl,zlib* --since 30d
  ullage image history registry.example/web:1 -o json | jq '.[].vulnerabilities[] | select(.overdue)'`,
		Args: exactly("REFERENCE or FILE", 1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.history(cmd, p, args[0]) },
	}
	flags := cmd.Flags()
	f.store.flags(flags)
	flags.StringVar(&f.platform, "platform", "", "only of this platform")
	flags.StringVar(&f.config, "config", "", configUsage)
	flags.BoolVar(&f.all, "all", false, "also vulnerabilities that are gone for more than 90 days")
	f.only.flags(flags)
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	return cmd
}

func (f *historyFlags) history(cmd *cobra.Command, p *Program, ref string) error {
	if err := errors.Join(word{f.output, "--output"}.oneOf("text", "json"), word{f.color, "--color"}.oneOf("auto", "always", "never")); err != nil {
		return err
	}
	now := time.Now()
	if err := f.only.complete(now); err != nil {
		return err
	}
	c, err := loadConfig(f.config, p.Getenv("HOME"))
	if err != nil {
		return err
	}
	s, err := f.store.existing(cmd, p)
	if err != nil {
		return err
	}
	defer s.Close()
	places, err := f.places(cmd.Context(), s, ref)
	if err != nil {
		return err
	}
	out := imagePrinter{newPrinter(p, f.color), false}
	var all []historyJSON
	for _, at := range places {
		h, err := s.History(cmd.Context(), at.Reference, at.Platform)
		if err != nil {
			return &codeError{exitUsage, fmt.Errorf("store: %w", err)}
		}
		f.recent(&h, now)
		left := f.only.apply(&h)
		if f.output == "json" {
			all = append(all, newHistoryJSON(&h, &c.life, now))
			continue
		}
		out.history(&h, &c.life, left, now)
	}
	if f.output == "json" {
		encoder := json.NewEncoder(p.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(all)
	} else {
		err = out.w.Flush()
	}
	if err != nil {
		return &codeError{exitUsage, err}
	}
	return nil
}

// goneAfter is how long what is gone is told of.
const goneAfter = 90 * 24 * time.Hour

// recent drops what is gone for long.
func (f *historyFlags) recent(h *store.History, now time.Time) {
	if f.all {
		return
	}
	var kept []store.Course
	for _, c := range h.Courses {
		at := c.Gone
		others := []time.Time{c.FixedAt, c.Running.Gone}
		if c.As != nil {
			others = append(others, c.As.At)
		}
		for _, other := range others {
			if other.After(at) {
				at = other
			}
		}
		if c.In || c.Open || len(c.Running.Runs)+len(c.Running.Unknown) > 0 || now.Sub(at) < goneAfter {
			kept = append(kept, c)
		}
	}
	h.Courses = kept
}

// history writes what was seen of a reference. left are vulnerabilities that nobody
// asked for.
func (p *imagePrinter) history(h *store.History, policy *lifePolicy, left int, now time.Time) {
	p.wrapped(0, bold, familiar(h.Images[0].Reference)+"  "+h.Images[0].Platform)
	if owner := policy.owner(h.Images[0].Reference); owner != "" {
		p.entry("owner", owner)
	}
	for _, x := range h.Images {
		p.line(2, "", shortDigest(x.Config)+"  seen "+span(x.First, x.Last))
		switch {
		case !x.Matched:
			p.wrapped(4, yellow, "not matched: ullage image rematch --all does")
		case x.Unjudged != "":
			p.wrapped(4, yellow, "not wholly judged: "+x.Unjudged)
		}
		if len(h.Looks) > 0 {
			p.wrapped(4, dim, p.whereRuns(x.Runs))
		}
	}
	if len(h.Looks) == 0 {
		p.wrapped(2, dim, "which workloads run them is not known: ullage image running --cluster finds out")
	}
	p.section("Vulnerabilities")
	switch {
	case !slices.ContainsFunc(h.Images, func(x store.Seen) bool { return x.Matched }):
		p.wrapped(2, yellow, "not known: it was never held against advisories. ullage db update fetches them, and ullage image rematch does so.")
	case len(h.Courses) == 0 && left > 0:
		p.line(2, "", "none of what is asked for")
	case len(h.Courses) == 0 && slices.ContainsFunc(h.Images, func(x store.Seen) bool { return !x.Matched || x.Unjudged != "" }):
		p.line(2, yellow, "none was found in what was judged")
	case len(h.Courses) == 0:
		p.line(2, "", "none was found")
	}
	for _, c := range worstFirst(h.Courses) {
		p.course(c, policy, now)
	}
	if left > 0 {
		p.line(2, dim, "not asked for: "+counted(left, "other"))
	}
	p.line(0, "", "")
}

// worstFirst puts what is there before what is not, or no more, and the severest first.
func worstFirst(all []store.Course) []*store.Course {
	list := make([]*store.Course, len(all))
	for i := range all {
		list[i] = &all[i]
	}
	there := func(c *store.Course) int {
		if c.In || c.Open {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b *store.Course) int {
		return cmp.Or(there(a)-there(b), slices.Index(severities, a.Severity)-slices.Index(severities, b.Severity))
	})
	return list
}

// course writes what became of one vulnerability.
func (p *imagePrinter) course(c *store.Course, policy *lifePolicy, now time.Time) {
	text := fmt.Sprintf("%s %s %s, found %s", c.Vulnerability, c.Package, c.Version, day(c.Since))
	if !c.FixSince.IsZero() {
		text += ", fix since " + day(c.FixSince)
	}
	style := ""
	switch due, isDue := policy.until(c.Severity, c.Life); {
	case c.As != nil:
		text += fmt.Sprintf(", since %s in %s %s of %s", day(c.As.At), c.As.Package, c.As.Version, shortDigest(c.As.Config))
		style = dim
	case c.FixedIn != "":
		text += ", fixed in " + shortDigest(c.FixedIn) + " on " + day(c.FixedAt)
		style = green
	case c.Open:
		text += ", whether it is fixed is not known: no image since was judged on it"
		style = yellow
	case !c.Gone.IsZero():
		text += ", not reported any more since " + day(c.Gone)
		style = dim
	case isDue:
		text += ", " + dueText(due, now)
		if now.After(due) {
			style = red
		}
	}
	if c.Gone.IsZero() {
		running, openly := p.whatRuns(&c.Running)
		if text += running; openly {
			style = yellow
		}
	}
	p.columns(levelColumn, strings.ToUpper(c.Severity), style, text, style)
}

// whereRuns says where an image runs, or until when it did.
func (p *imagePrinter) whereRuns(runs []store.Ran) string {
	var now []store.Ran
	var last time.Time
	for _, r := range runs {
		switch {
		case r.Gone.IsZero():
			now = append(now, r)
		case r.Gone.After(last):
			last = r.Gone
		}
	}
	switch {
	case len(now) > 0:
		return "runs in " + p.placesOf(now)
	case !last.IsZero():
		return "does not run any more since " + day(last)
	}
	return "was not seen to run"
}

// whatRuns says what became of a vulnerability where it ran, and whether that is
// open: it still runs although it is mended, or it is not known.
func (p *imagePrinter) whatRuns(o *store.Outcome) (text string, open bool) {
	switch {
	case len(o.Runs) > 0:
		return ", runs in " + p.placesOf(o.Runs), true
	case len(o.Unknown) > 0:
		return ", whether it still runs is not known: " + p.placesOf(o.Unknown) + " was not read or not judged on it", true
	case !o.Gone.IsZero():
		return ", gone from running workloads since " + day(o.Gone), false
	}
	return "", false
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// span writes two days, once when they are the same.
func span(first, last time.Time) string {
	if day(first) == day(last) {
		return "on " + day(first)
	}
	return "from " + day(first) + " to " + day(last)
}

type historyJSON struct {
	Reference string       `json:"reference"`
	Platform  string       `json:"platform"`
	Owner     string       `json:"owner,omitempty"`
	Images    []storedJSON `json:"images"`
	// Clusters are those that were looked at for what runs; empty when nothing is known
	// of that.
	Clusters []lookJSON `json:"clusters"`
	// Vulnerabilities are null when the images were never held against advisories.
	Vulnerabilities []courseJSON `json:"vulnerabilities"`
}

type courseJSON struct {
	storedFindingJSON
	Since    time.Time  `json:"since"`
	FixSince *time.Time `json:"fixSince,omitempty"`
	Present  bool       `json:"present"` // in the image that the reference leads to
	LastIn   string     `json:"lastIn"`  // the last image that has it
	FixedIn  string     `json:"fixedIn,omitempty"`
	FixedAt  *time.Time `json:"fixedAt,omitempty"`
	Gone     *time.Time `json:"gone,omitempty"` // not reported any more, in the same image
	// As is the vulnerability in the package of another release or distribution that took
	// the place of this one.
	As   *storedFindingJSON `json:"as,omitempty"`
	Open bool               `json:"open,omitempty"` // not in the image that the reference leads to, and no image since was judged on it
	// Where images with it ran: runs has those that run now, stopped is when the last of
	// them was gone, unclear are runs in their place that are not known to be without it.
	Runs    []runJSON  `json:"runs"`
	Stopped *time.Time `json:"stopped,omitempty"`
	Unclear []runJSON  `json:"unclear,omitempty"`
	Due     *time.Time `json:"due,omitempty"`
	Overdue bool       `json:"overdue,omitempty"`
}

func newHistoryJSON(h *store.History, policy *lifePolicy, now time.Time) historyJSON {
	j := historyJSON{Reference: h.Images[0].Reference, Platform: h.Images[0].Platform, Owner: policy.owner(h.Images[0].Reference)}
	j.Clusters = newLooksJSON(h.Looks)
	for _, x := range h.Images {
		j.Images = append(j.Images, newStoredJSON(x))
		if x.Matched && j.Vulnerabilities == nil {
			j.Vulnerabilities = []courseJSON{}
		}
	}
	for _, c := range h.Courses {
		x := courseJSON{storedFindingJSON: storedFindingsJSON([]store.Finding{c.Finding})[0], Since: c.Since.UTC(), FixSince: utc(c.FixSince), Present: c.In,
			LastIn: c.LastSeen, FixedIn: c.FixedIn, FixedAt: utc(c.FixedAt), Gone: utc(c.Gone), Open: c.Open, Runs: newRunsJSON(c.Running.Runs), Stopped: utc(c.Running.Gone), Unclear: newRunsJSON(c.Running.Unknown)}
		if c.As != nil {
			x.As = &storedFindingsJSON([]store.Finding{c.As.Finding})[0]
		}
		if due, ok := policy.until(c.Severity, c.Life); ok && c.In {
			x.Due, x.Overdue = utc(due), now.After(due)
		}
		j.Vulnerabilities = append(j.Vulnerabilities, x)
	}
	return j
}

// utc gives nil for a time that did not come to pass.
func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
