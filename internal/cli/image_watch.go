package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/store"
)

// watchFlags are those of ullage image watch.
type watchFlags struct {
	imageFlags
	interval time.Duration
	once     bool
}

func imageWatchCommand(p *Program) *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use: "watch REFERENCE...", Short: "Does a tag lead to another image now, and what came and went with it?",
		Long: `Look again and again where references lead to. What is known by its digest is not
read again: of a tag that did not move, only the manifest is fetched. Told is a tag
that moved, with the vulnerabilities that came and went with it, and what advisories
say of an image that stayed, when they say something new (see ullage db update).

With -o json each line is an object, its field event one of new, moved, advisories,
same and failed.

Exit code: 0 interrupted, or with --once all was looked at, 2 usage, or the store
cannot be used, 3 with --once a reference could not be read wholly,
or a tag moved to an image without data on what was found before.`,
		Example: `  ullage image watch registry.example/web:1 registry.example/api:1 --interval 15m
  ullage image watch registry.example/web:1 --once -o json | jq 'select(.event == "moved")'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name the references to watch")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.watch(cmd.Context(), p, args) },
	}
	flags := cmd.Flags()
	flags.DurationVar(&f.interval, "interval", time.Hour, "how long to wait before looking again")
	flags.BoolVar(&f.once, "once", false, "look once")
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json (one object a line)")
	f.reading(flags)
	f.store.flags(flags)
	return cmd
}

// shortestInterval spares registries, which limit how often they are asked.
const shortestInterval = 10 * time.Second

func (f *watchFlags) watch(ctx context.Context, p *Program, refs []string) error {
	if err := errors.Join(word{f.output, "--output"}.oneOf("text", "json"), word{f.color, "--color"}.oneOf("auto", "always", "never")); err != nil {
		return err
	}
	if f.interval < shortestInterval {
		return fmt.Errorf("--interval %s is shorter than %s, which registries would not like", f.interval, shortestInterval)
	}
	dir := f.store.directory(p)
	if dir == "" {
		return errors.New("there is no directory for the store, which remembers where a tag led: name one with --store")
	}
	kept, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return &codeError{exitUsage, err}
	}
	defer kept.Close()
	scanner, err := f.scanner(p, kept, nil)
	if err != nil {
		return err
	}
	w := watcher{flags: f, program: p, scanner: scanner}
	for {
		failed := 0
		for _, ref := range refs {
			e := w.look(ctx, ref)
			if ctx.Err() != nil {
				return nil
			}
			if e.err != nil || e.result != nil && len(e.result.Image.Problems) > 0 || len(e.moved.Open) > 0 {
				failed++
			}
			if err := w.tell(e); err != nil {
				return &codeError{exitUsage, err}
			}
		}
		if f.once && failed > 0 {
			return &codeError{exitIncomplete, fmt.Errorf("%d of %s could not be looked at wholly", failed, counted(len(refs), "reference"))}
		} else if f.once {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.interval):
		}
	}
}

// watcher looks at references and tells what is different.
type watcher struct {
	flags   *watchFlags
	program *Program
	scanner *scan.Scanner
}

// event is what one look at a reference found.
type event struct {
	kind, ref string
	at        time.Time
	result    *scan.Result
	moved     store.Moved // with another image
	err       error
}

func (w *watcher) look(ctx context.Context, ref string) event {
	e := event{ref: ref, at: time.Now()}
	e.result, e.err = w.scanner.Image(ctx, ref)
	if e.err == nil {
		e.err = e.result.StoreError
	}
	switch {
	case e.err != nil:
		e.kind = "failed"
	case e.result.Memory == nil:
		e.kind, e.err = "failed", errors.New("it has no digest to watch")
	case e.result.Memory.Before == "":
		e.kind = "new"
	case e.result.Memory.Before != e.result.Image.Identity.Config:
		e.kind = "moved"
		if e.result.Vulnerabilities != nil {
			e.moved, e.err = w.scanner.Store.Difference(ctx, e.result.Memory.Before, e.result.Image.Identity.Config)
		}
	case !e.result.Memory.Change.Empty():
		e.kind = "advisories"
	default:
		e.kind = "same"
	}
	return e
}

func (w *watcher) tell(e event) error {
	if w.flags.output == "json" {
		return w.json(e)
	}
	out := imagePrinter{newPrinter(w.program, w.flags.color), false}
	head := e.at.UTC().Format(time.DateTime) + " UTC  " + e.ref
	switch e.kind {
	case "failed":
		out.wrapped(0, red, head+": "+e.err.Error())
	case "moved":
		out.line(0, bold, fmt.Sprintf("%s  moved from %s to %s", head, shortDigest(e.result.Memory.Before), shortDigest(e.result.Image.Identity.Config)))
		out.moved(&e.moved, e.result)
	case "advisories":
		out.line(0, bold, head+"  the same image, and advisories say something new")
		out.change(&e.result.Memory.Change)
	case "new":
		out.line(0, bold, fmt.Sprintf("%s  %s, seen for the first time", head, shortDigest(e.result.Image.Identity.Config)))
	case "same":
		if w.flags.once {
			out.line(0, "", head+"  nothing new")
		}
	}
	if e.result != nil && len(e.result.Image.Packages) == 0 {
		out.wrapped(2, yellow, "vulnerabilities are not known: "+scan.NoPackages)
	}
	if e.result != nil && e.result.Vulnerabilities == nil {
		out.wrapped(2, yellow, "vulnerabilities are not known: there is no database of advisories. ullage db update fetches one.")
	}
	for _, problem := range problemsOf(e.result) {
		out.wrapped(2, red, "not read: "+problem)
	}
	return out.w.Flush()
}

// moved tells what came and went with another image.
func (p *imagePrinter) moved(m *store.Moved, r *scan.Result) {
	p.change(&store.Change{New: m.Came, Gone: m.Went})
	stayed, was := make([]store.Finding, len(m.Stayed)), decisions{}
	for i, s := range m.Stayed {
		stayed[i], was[s.Key] = s.Finding, "before in "+s.Was.Package+" "+s.Was.Version
	}
	p.changed("same", "", stayed, was)
	switch {
	case len(m.Open) > 0:
		p.wrapped(2, yellow, fmt.Sprintf("not known of %s of the image before: this one was not judged on what has them", counted(len(m.Open), "vulnerability")))
		p.changed("?", yellow, m.Open, nil)
	case len(m.Came)+len(m.Went) == 0 && r.Vulnerabilities != nil && len(r.Image.Packages) > 0:
		p.line(2, "", "no vulnerability came or went")
	}
	if v := r.Vulnerabilities; v != nil && len(v.NoData) > 0 {
		p.wrapped(2, yellow, "no data on "+strings.Join(v.NoData, ", "))
	}
}

func problemsOf(r *scan.Result) []string {
	var list []string
	if r != nil {
		for _, problem := range r.Image.Problems {
			list = append(list, problem.String())
		}
	}
	return list
}

// stayJSON is a vulnerability in the package that has it now.
type stayJSON struct {
	storedFindingJSON
	Was storedFindingJSON `json:"was"`
}

func (w *watcher) json(e event) error {
	j := struct {
		Version   int                 `json:"version"`
		Event     string              `json:"event"`
		At        time.Time           `json:"at"`
		Reference string              `json:"reference"`
		Config    string              `json:"config,omitempty"`
		Manifest  string              `json:"manifest,omitempty"`
		Before    string              `json:"before,omitempty"`  // configuration of the image before
		Came      []storedFindingJSON `json:"came"`              // null when nothing is known of vulnerabilities
		Fixes     []storedFindingJSON `json:"fixes,omitempty"`   // got a version that mends them
		Unfixed   []storedFindingJSON `json:"unfixed,omitempty"` // had one that was taken back
		Went      []storedFindingJSON `json:"went"`
		Stayed    []stayJSON          `json:"stayed,omitempty"`   // in another package of the operating system
		Open      []storedFindingJSON `json:"open,omitempty"`     // of the image before, not known of this one
		Unjudged  string              `json:"unjudged,omitempty"` // why what was found may not be all
		Problems  []string            `json:"problems,omitempty"`
		Error     string              `json:"error,omitempty"`
	}{Version: 1, Event: e.kind, At: e.at.UTC(), Reference: e.ref, Problems: problemsOf(e.result)}
	if e.err != nil {
		j.Error = e.err.Error()
	}
	if r := e.result; r != nil {
		j.Config, j.Manifest, j.Unjudged = r.Image.Identity.Config, r.Image.Manifest, r.Unjudged()
		if m := r.Memory; m != nil && r.Vulnerabilities != nil {
			if e.kind == "moved" {
				j.Before = m.Before
			}
			j.Came, j.Fixes, j.Unfixed, j.Went = storedFindingsJSON(m.Change.New), storedFindingsJSON(m.Change.Fixes), storedFindingsJSON(m.Change.Unfixed), storedFindingsJSON(m.Change.Gone)
			if e.kind == "moved" {
				j.Came, j.Fixes, j.Unfixed, j.Went = storedFindingsJSON(e.moved.Came), nil, nil, storedFindingsJSON(e.moved.Went)
				j.Open = storedFindingsJSON(e.moved.Open)
				for _, s := range e.moved.Stayed {
					pair := storedFindingsJSON([]store.Finding{s.Finding, s.Was})
					j.Stayed = append(j.Stayed, stayJSON{pair[0], pair[1]})
				}
			}
		}
	}
	return json.NewEncoder(w.program.Stdout).Encode(j)
}
