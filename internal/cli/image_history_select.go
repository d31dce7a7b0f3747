package cli

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/store"
)

// historySelection says which vulnerabilities of a history are told.
type historySelection struct {
	packages, vulnerabilities, severities []string
	since                                 string

	from time.Time // of since
}

func (f *historySelection) flags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.packages, "package", nil, "only of these packages; * stands for anything")
	flags.StringSliceVar(&f.vulnerabilities, "vulnerability", nil, "only these, such as CVE-2024-1; * stands for anything")
	flags.StringSliceVar(&f.severities, "severity", nil, "only of these severities: "+strings.Join(severities, ", "))
	flags.StringVar(&f.since, "since", "", "only what was found, got a fix or went since a day (2026-01-31), or so many days or weeks ago (7d, 2w)")
}

// complete reads the flags.
func (f *historySelection) complete(now time.Time) error {
	for _, list := range []struct {
		flag  string
		globs []string
	}{{"package", f.packages}, {"vulnerability", f.vulnerabilities}} {
		for _, glob := range list.globs {
			if _, err := path.Match(glob, ""); err != nil || glob == "" {
				return fmt.Errorf("--%s %q is no name or pattern", list.flag, glob)
			}
		}
	}
	for _, s := range f.severities {
		if !slices.Contains(severities, s) {
			return fmt.Errorf("--severity %s: it is one of %s", s, strings.Join(severities, ", "))
		}
	}
	if f.since == "" {
		return nil
	}
	if days, ok := parseDays(f.since); ok {
		f.from = now.AddDate(0, 0, -days)
		return nil
	}
	var err error
	if f.from, err = time.Parse(time.DateOnly, f.since); err != nil {
		return fmt.Errorf("--since %s: write a day, such as 2026-01-31, or how long ago, such as 7d or 2w", f.since)
	}
	return nil
}

// apply drops what is not asked for, and returns how many that were.
func (f *historySelection) apply(h *store.History) (dropped int) {
	before := len(h.Courses)
	h.Courses = slices.DeleteFunc(h.Courses, func(c store.Course) bool { return !f.wants(&c) })
	return before - len(h.Courses)
}

func (f *historySelection) wants(c *store.Course) bool {
	fits := func(globs []string, name string) bool {
		return len(globs) == 0 || slices.ContainsFunc(globs, func(glob string) bool {
			ok, _ := path.Match(strings.ToLower(strings.ReplaceAll(glob, "/", "\x00")), strings.ToLower(strings.ReplaceAll(name, "/", "\x00")))
			return ok
		})
	}
	if !fits(f.packages, c.Package) || !fits(f.vulnerabilities, c.Vulnerability) || len(f.severities) > 0 && !slices.Contains(f.severities, c.Severity) {
		return false
	}
	return f.since == "" || !lastChange(c).Before(f.from)
}

// lastChange is when something last came to pass with a vulnerability.
func lastChange(c *store.Course) time.Time {
	last := c.Since
	for _, at := range []time.Time{c.FixSince, c.FixedAt, c.Gone, c.Running.Gone} {
		if at.After(last) {
			last = at
		}
	}
	if c.As != nil && c.As.At.After(last) {
		last = c.As.At
	}
	return last
}

// places are what the store has under a reference, one for each platform; under a
// file, what it has of the image in it.
func (f *historyFlags) places(ctx context.Context, s *store.Store, ref string) ([]store.Seen, error) {
	seen, err := s.Seen(ctx)
	if err != nil {
		return nil, &codeError{exitUsage, fmt.Errorf("store: %w", err)}
	}
	named := func(names ...string) (places []store.Seen) {
		for _, x := range seen {
			if x.Current && slices.Contains(names, x.Reference) && (f.platform == "" || f.platform == x.Platform) {
				places = append(places, x)
			}
		}
		return places
	}
	whole, err := filepath.Abs(ref)
	if err != nil {
		whole = ref
	}
	places := named(ref, image.FullName(ref), whole)
	if len(places) > 0 {
		return places, nil
	}
	if id, ok := identityOfFile(ctx, ref, f.platform); ok {
		if places = named(scan.PlaceOf(&image.Image{Reference: ref, Identity: id})); len(places) == 0 {
			for _, x := range seen {
				if x.Config == id.Config {
					places = append(places, named(x.Reference)...)
				}
			}
		}
		if len(places) == 0 {
			return nil, &codeError{exitIncomplete, fmt.Errorf("the image in %s is not in the store: ullage image %s reads it", ref, ref)}
		}
		return places, nil
	}
	return nil, &codeError{exitIncomplete, fmt.Errorf("%s is not in the store: ullage image list shows what is", ref)}
}

// identityOfFile says which image lies in a file or directory, which is not read for it.
func identityOfFile(ctx context.Context, ref, platform string) (image.Identity, bool) {
	path := ref
	for _, form := range []string{"docker-archive:", "oci-archive:", "oci:"} {
		path = strings.TrimPrefix(path, form)
	}
	if _, err := os.Stat(path); err != nil {
		return image.Identity{}, false
	}
	source, err := image.Open(ctx, ref, image.Options{Platform: platform})
	if err != nil {
		return image.Identity{}, false
	}
	id := source.Identity
	return id, source.Close() == nil && id.Config != ""
}
