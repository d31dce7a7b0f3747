package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/store"
)

// rematchFlags are those of ullage image rematch.
type rematchFlags struct {
	listFlags
	decideFlags
	db    dbFlags
	color string
}

func imageRematchCommand(p *Program) *cobra.Command {
	var f rematchFlags
	cmd := &cobra.Command{
		Use: "rematch", Short: "What do the advisories of today say of the images that are stored?",
		Long: `Hold the images of the store against the database of advisories as it is now,
without reading an image, and tell what is different from the last time: what is
new, what got a fix, and what is no longer reported, as after an advisory was
withdrawn. Run it after ullage db update. What exceptions accept and VEX statements
(--vex) rule out is marked so, and does not count.

Exit code: 0 done, 2 usage, or the store or the database cannot be read, 3 nothing is
stored, there is no database, or an image could not be matched.`,
		Example: `  ullage db update && ullage image rematch
  ullage image rematch -o json | jq '.images[] | select(.new != [])'`,
		Args: exactly("", 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.rematch(cmd, p) },
	}
	flags := cmd.Flags()
	f.store.flags(flags)
	flags.StringVar(&f.db.dir, "db", "", dbUsage)
	flags.BoolVar(&f.all, "all", false, "also images that were replaced")
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	f.decisions(flags)
	return cmd
}

func (f *rematchFlags) rematch(cmd *cobra.Command, p *Program) error {
	if err := errors.Join(word{f.output, "--output"}.oneOf("text", "json"), word{f.color, "--color"}.oneOf("auto", "always", "never")); err != nil {
		return err
	}
	s, err := f.store.existing(cmd, p)
	if err != nil {
		return err
	}
	defer s.Close()
	advisories, err := f.db.store(p)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	f.failOn = "never"
	decider, err := f.decider(p, f.output, time.Now())
	if err != nil {
		return err
	}
	scanner := scan.Scanner{Advisories: advisories, Store: s}
	var all []*rematched
	bar := newProgress(p)
	err = scanner.Rematch(cmd.Context(), f.all, func(x *scan.Rematched) {
		r := &rematched{Rematched: x}
		if x.Err == nil {
			r.decided = decider.decideStored(x)
		}
		all = append(all, r)
		bar.write(fmt.Sprintf("matching: %s", counted(len(all), "image")))
	})
	bar.done()
	switch {
	case errors.Is(err, advisory.ErrNone):
		return noDatabase(advisories)
	case err != nil:
		return interrupted(cmd.Context(), &codeError{exitUsage, err})
	}
	if f.output == "json" {
		err = rematchJSON(p, all, decider)
	} else {
		err = rematchText(p, f.color, all, decider)
	}
	if err != nil {
		return &codeError{exitUsage, err}
	}
	if err := decider.misread(p); err != nil {
		return err
	}
	for _, x := range all {
		if x.Err != nil {
			return &codeError{exitIncomplete, errors.New("not all images could be matched")}
		}
	}
	return nil
}

// rematched is an image that was matched anew, and what does not count of it.
type rematched struct {
	*scan.Rematched
	decided decisions
}

func rematchText(p *Program, color string, all []*rematched, d *decider) error {
	out := imagePrinter{newPrinter(p, color), false}
	same := 0
	for _, x := range all {
		if x.Err == nil && x.Change.Empty() {
			same++
			continue
		}
		out.line(0, bold, strings.Join(x.References, ", ")+"  "+x.Platform+"  "+shortDigest(x.Config))
		if x.Err != nil {
			out.wrapped(2, red, "not matched: "+x.Err.Error())
			continue
		}
		out.changeDecided(&x.Change, x.decided)
	}
	out.line(0, "", fmt.Sprintf("%s matched; in %d of them nothing is different", counted(len(all), "image"), same))
	out.leftover(d)
	return out.w.Flush()
}

// change lists what is different.
func (p *imagePrinter) change(c *store.Change) { p.changeDecided(c, nil) }

// changeDecided lists it with what does not count.
func (p *imagePrinter) changeDecided(c *store.Change, decided decisions) {
	p.changed("new", yellow, c.New, decided)
	p.changed("fix", green, c.Fixes, decided)
	p.changed("lost", yellow, c.Unfixed, decided)
	p.changed("gone", dim, c.Gone, nil)
}

// changed lists findings to which one thing happened, the severest first. more is said
// of those that it knows, and makes them pale.
func (p *imagePrinter) changed(what, style string, list []store.Finding, more decisions) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b store.Finding) int {
		return slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity)
	})
	for i, f := range list {
		if i == shownVulnerabilities && !p.verbose {
			p.line(2, dim, fmt.Sprintf("%-4s  and %d more; -o json lists them", what, len(list)-i))
			break
		}
		text := fmt.Sprintf("%-4s  %-8s  %s  %s %s", what, strings.ToUpper(f.Severity), f.Vulnerability, f.Package, f.Version)
		if f.Fixed != "" && what != "gone" {
			text += ", fixed in " + f.Fixed
		}
		if what == "lost" {
			text += ", its fix was taken back"
		}
		style := style
		if why := more[f.Key]; why != "" {
			text, style = text+", "+why, dim
		}
		p.line(2, style, text)
	}
}

type storedFindingJSON struct {
	ID        string `json:"id"`
	Ecosystem string `json:"ecosystem"`
	Package   string `json:"package"`
	Version   string `json:"version"`
	Severity  string `json:"severity"`
	State     string `json:"state"`
	Fixed     string `json:"fixed,omitempty"`
	// Decided says why it does not count: accepted by an exception, or ruled out.
	Decided string `json:"decided,omitempty"`
}

// decidedFindingsJSON are findings with why they do not count.
func decidedFindingsJSON(list []store.Finding, decided decisions) []storedFindingJSON {
	out := storedFindingsJSON(list)
	for i := range out {
		out[i].Decided = decided[list[i].Key]
	}
	return out
}

func storedFindingsJSON(list []store.Finding) []storedFindingJSON {
	out := make([]storedFindingJSON, len(list))
	for i, f := range list {
		out[i] = storedFindingJSON{f.Vulnerability, f.Ecosystem, f.Package, f.Version, f.Severity, f.State, f.Fixed, ""}
	}
	return out
}

func rematchJSON(p *Program, all []*rematched, d *decider) error {
	type image struct {
		References []string            `json:"references"`
		Platform   string              `json:"platform"`
		Config     string              `json:"config"`
		Error      string              `json:"error,omitempty"`
		First      bool                `json:"first"` // it was not matched before: all is new
		Found      int                 `json:"found"`
		Decided    int                 `json:"decided"` // of these, those that do not count
		New        []storedFindingJSON `json:"new"`
		Fixes      []storedFindingJSON `json:"fixes"`
		Unfixed    []storedFindingJSON `json:"unfixed"` // had a fix that was taken back
		Gone       []storedFindingJSON `json:"gone"`
	}
	out := struct {
		Version int     `json:"version"`
		Images  []image `json:"images"`
		leftoverJSON
	}{1, []image{}, newLeftoverJSON(d)}
	for _, x := range all {
		j := image{References: x.References, Platform: x.Platform, Config: x.Config, First: x.Change.First,
			New: decidedFindingsJSON(x.Change.New, x.decided), Fixes: decidedFindingsJSON(x.Change.Fixes, x.decided), Unfixed: decidedFindingsJSON(x.Change.Unfixed, x.decided), Decided: len(x.decided), Gone: storedFindingsJSON(x.Change.Gone)}
		if x.Err != nil {
			j.Error = x.Err.Error()
		}
		if x.Result != nil {
			j.Found = len(x.Result.Distinct(x.Result.Vulnerabilities.Matches))
		}
		out.Images = append(out.Images, j)
	}
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(out)
}

// offerRematch says after an update of the database that images are stored.
func offerRematch(ctx context.Context, p *Program) {
	f := storeFlags{}
	dir := f.directory(p)
	if dir == "" || !store.Exists(dir) {
		return
	}
	s, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return // of no matter to an update
	}
	defer s.Close()
	if images, err := s.Images(ctx, false); err == nil && len(images) > 0 {
		fmt.Fprintf(p.Stdout, "\nullage image rematch tells what is new in the images that are stored (%d)\n", len(images))
	}
}
