package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/store"
)

// listFlags are those of the commands that ask the store.
type listFlags struct {
	store    storeFlags
	output   string
	all      bool
	platform string
}

// existing opens a store that must be there.
func (f *storeFlags) existing(cmd *cobra.Command, p *Program) (*store.Store, error) {
	dir := f.directory(p)
	if dir == "" {
		return nil, errors.New("there is no directory for the store: name one with --store")
	}
	if !store.Exists(dir) {
		return nil, &codeError{exitIncomplete, fmt.Errorf("nothing is stored in %s: ullage image REFERENCE stores what it reads", dir)}
	}
	s, err := store.Open(cmd.Context(), dir, store.Options{})
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	return s, nil
}

func imageListCommand(p *Program) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use: "list", Short: "Which images are stored, and what was found in them?",
		Long: `List the images that ullage image has read, by the reference that led to them: when
each was seen first and last, and how many vulnerabilities the last matching found.
An image that its reference does not lead to any more is listed with --all.

Exit code: 0 listed, 2 usage, or the store cannot be read, 3 nothing is stored.`,
		Example: `  ullage image list
  ullage image list -o json | jq -r '.images[] | select(.found.critical > 0).reference'`,
		Args: exactly("", 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.list(cmd, p) },
	}
	f.store.flags(cmd.Flags())
	cmd.Flags().BoolVar(&f.all, "all", false, "also images that were replaced")
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "format: text, json")
	return cmd
}

func (f *listFlags) list(cmd *cobra.Command, p *Program) error {
	if err := (word{f.output, "--output"}).oneOf("text", "json"); err != nil {
		return err
	}
	s, err := f.store.existing(cmd, p)
	if err != nil {
		return err
	}
	defer s.Close()
	seen, err := s.Seen(cmd.Context())
	if err != nil {
		return &codeError{exitUsage, fmt.Errorf("store: %w", err)}
	}
	if len(seen) == 0 { // a store knows what runs, or keeps layers, before the first image
		return &codeError{exitIncomplete, errors.New("no image is stored: ullage image REFERENCE stores what it reads")}
	}
	var shown []store.Seen
	for _, x := range seen {
		if x.Current || f.all {
			shown = append(shown, x)
		}
	}
	if f.output == "json" {
		return imageListJSON(p, shown)
	}
	looks, err := s.Looks(cmd.Context())
	if err != nil {
		return &codeError{exitUsage, fmt.Errorf("store: %w", err)}
	}
	return imageListText(p, shown, len(seen)-len(shown), len(looks) > 0)
}

func imageListText(p *Program, shown []store.Seen, replaced int, looked bool) error {
	out, now := imagePrinter{newPrinter(p, "never"), false}, time.Now()
	for i := range shown {
		x := &shown[i]
		name := familiar(x.Reference)
		if !x.Current {
			name += " (replaced)"
		}
		out.line(0, bold, name)
		out.line(2, dim, strings.TrimSpace(x.Platform+"  "+shortDigest(x.Config)))
		found := "not matched: ullage image rematch does"
		if x.Matched {
			found = foundOf(x)
		}
		out.wrapped(2, "", found)
		text := "seen " + age(now.Sub(x.Last))
		if first := age(now.Sub(x.First)); first != age(now.Sub(x.Last)) {
			text += ", first " + first
		}
		if looked {
			text += "; " + workloadsOf(x.Runs)
		}
		out.wrapped(2, "", text)
	}
	if replaced > 0 {
		out.line(0, "", "")
		out.line(0, "", fmt.Sprintf("replaced images that are not listed: %d; --all lists them", replaced))
	}
	if err := out.w.Flush(); err != nil {
		return &codeError{exitUsage, err}
	}
	return nil
}

// workloadsOf counts the workloads that run an image, of clusters that were looked at.
func workloadsOf(runs []store.Ran) string {
	now := map[string]bool{}
	for i := range runs {
		if runs[i].Gone.IsZero() {
			now[runs[i].Cluster+" "+runs[i].Workload] = true
		}
	}
	if len(now) == 0 && len(runs) > 0 {
		return "runs nowhere any more"
	} else if len(now) == 0 {
		return "not seen to run"
	}
	return "runs in " + counted(len(now), "workload")
}

// foundOf tells what was found. Nothing found is none only where all was judged.
func foundOf(x *store.Seen) string {
	found := inOrder(x.Found)
	switch {
	case found != "":
		found += fmt.Sprintf("; %d with a fix", x.Fixable)
	case x.Unjudged == "":
		return "no vulnerabilities"
	}
	if x.Unjudged == "" {
		return found
	}
	if found != "" {
		found += "; "
	}
	return found + x.Unjudged
}

type storedJSON struct {
	Reference string    `json:"reference"`
	Platform  string    `json:"platform"`
	Config    string    `json:"config"`
	Manifest  string    `json:"manifest,omitempty"`
	Index     string    `json:"index,omitempty"`
	Current   bool      `json:"current"`
	First     time.Time `json:"firstSeen"`
	Last      time.Time `json:"lastSeen"`
	// Found is null when the image was never held against advisories.
	Found   map[string]int `json:"found"`
	Fixable int            `json:"fixable"`
	// Unjudged says why what was found may not be all; absent when all was judged.
	Unjudged string `json:"unjudged,omitempty"`
	// Runs are where it runs or ran, by the last looks of ullage image running.
	Runs []runJSON `json:"runs"`
}

func imageListJSON(p *Program, shown []store.Seen) error {
	out := struct {
		Version int          `json:"version"`
		Images  []storedJSON `json:"images"`
	}{1, []storedJSON{}}
	for _, x := range shown {
		out.Images = append(out.Images, newStoredJSON(x))
	}
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(out); err != nil {
		return &codeError{exitUsage, err}
	}
	return nil
}

func newStoredJSON(x store.Seen) storedJSON {
	j := storedJSON{x.Reference, x.Platform, x.Config, x.Manifest, x.Index, x.Current, x.First.UTC(), x.Last.UTC(), nil, x.Fixable, x.Unjudged, newRunsJSON(x.Runs)}
	if x.Matched {
		j.Found = map[string]int{}
		for severity, n := range x.Found {
			j.Found[severity] = n
		}
	}
	return j
}
