package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/advisory"
)

func (f *dbFlags) statusCommand(p *Program) *cobra.Command {
	status := &cobra.Command{
		Use: "status", Short: "What is in the database, and how old is it?",
		Long: `Show the feeds of the database: how many records of each there are, when the feed
was last seen to be so, and how old its newest record is.

Exit code: 0 shown, 2 usage or internal error, a damaged database among them, 3
there is no database.`,
		Args: exactly("", 0),
		RunE: func(*cobra.Command, []string) error { return f.status(p) },
	}
	status.Flags().StringVarP(&f.output, "output", "o", "text", "format: text, json")
	status.Flags().BoolVar(&f.verify, "verify", false, "read the whole file and hold it against its digest")
	return status
}

func noDatabase(store *advisory.Store) error {
	return &codeError{exitIncomplete, fmt.Errorf("there is no database of advisories in %s: make one with ullage db update, or ullage db import", store.Dir)}
}

func (f *dbFlags) status(p *Program) error {
	if f.output != "" && f.output != "text" && f.output != "json" {
		return fmt.Errorf("output format %q is none of text, json", f.output)
	}
	store, err := f.store(p)
	if err != nil {
		return err
	}
	db, err := advisory.Open(store.Path())
	if errors.Is(err, advisory.ErrNone) {
		return noDatabase(store)
	} else if err != nil {
		return &codeError{exitUsage, advisory.Mend(err)}
	}
	defer db.Close()
	if f.verify {
		if err := db.Verify(); err != nil {
			return &codeError{exitUsage, advisory.Mend(fmt.Errorf("%s: %w", store.Path(), err))}
		}
	}
	if f.output == "json" {
		return f.statusJSON(p, store, db)
	}
	return f.statusText(p, store, db)
}

func (f *dbFlags) statusText(p *Program, store *advisory.Store, db *advisory.Database) error {
	checked, now := store.Checked(), time.Now()
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FEED\tRECORDS\tWITHDRAWN\tNOT READ\tCHECKED\tNEWEST RECORD")
	total := 0
	for _, from := range db.Describe().Feeds {
		total += from.Records
		seen := from.Fetched
		if at := checked[from.Feed]; at.After(seen) {
			seen = at
		}
		newest := "no dates"
		if !from.Newest.IsZero() {
			newest = age(now.Sub(from.Newest))
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\n", from.Feed, from.Records, from.Withdrawn, from.Unread, age(now.Sub(seen)), newest)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	verified := ""
	if f.verify {
		verified = ", verified"
	}
	_, err := fmt.Fprintf(p.Stdout, "\n%s of %s in %s (%s%s)\n", counted(total, "record"), counted(len(db.Describe().Feeds), "feed"), store.Path(), megabytes(db.Size()), verified)
	return err
}

func (f *dbFlags) statusJSON(p *Program, store *advisory.Store, db *advisory.Database) error {
	type feed struct {
		Feed      string     `json:"feed"`
		URL       string     `json:"url"`
		Records   int        `json:"records"`
		Withdrawn int        `json:"withdrawn"`
		NotRead   int        `json:"notRead"`
		Fetched   time.Time  `json:"fetched"`
		Checked   time.Time  `json:"checked"`
		Newest    *time.Time `json:"newestRecord"`
	}
	out := struct {
		Path   string         `json:"path"`
		Digest string         `json:"digest"`
		Bytes  int64          `json:"bytes"`
		Feeds  []feed         `json:"feeds"`
		Scopes map[string]int `json:"scopes"`
	}{store.Path(), db.Digest(), db.Size(), []feed{}, db.Describe().Scopes}
	checked := store.Checked()
	for _, from := range db.Describe().Feeds {
		x := feed{from.Feed, from.URL, from.Records, from.Withdrawn, from.Unread, from.Fetched.UTC(), from.Fetched.UTC(), nil}
		if at := checked[from.Feed]; at.After(x.Checked) {
			x.Checked = at
		}
		if !from.Newest.IsZero() {
			x.Newest = &from.Newest
		}
		out.Feeds = append(out.Feeds, x)
	}
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(out)
}

// age tells a stretch of time in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return counted(int(d/time.Minute), "minute") + " ago"
	case d < 48*time.Hour:
		return counted(int(d/time.Hour), "hour") + " ago"
	}
	return counted(int(d/(24*time.Hour)), "day") + " ago"
}

func megabytes(size int64) string { return fmt.Sprintf("%.1f MB", float64(size)/1e6) }
