// Package scan is the one pipeline of an image: it is found, read, and what is in
// it held against the advisories. Every command that wants to know what is in an
// image and what is wrong with it asks a [Scanner].
package scan

import (
	"context"
	"errors"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/signature"
	"ullage.dev/ullage/internal/store"
	"ullage.dev/ullage/internal/vuln"
)

// Scanner scans images. It may be used by several goroutines, as long as nobody
// changes it; what [image.Options] calls back is then called by all of them.
type Scanner struct {
	Options    image.Options
	Advisories *advisory.Store // nil: packages are not matched
	// Trust says whom to believe of who signed an image. Nil: nobody looks.
	Trust *signature.Demand
	// Base is the reference of an image that images are compared with, to tell the
	// layers of their base image. "": they are not.
	Base string
	// Store, when set, remembers what was scanned, and what was found in it. It is
	// not the cache of Options, and mostly both.
	Store *store.Store
}

// Result is what is known of an image.
type Result struct {
	Image *image.Image
	// Vulnerabilities say which packages of the image advisories are on. Nil when
	// there is no database of advisories: nothing is known then.
	Vulnerabilities *vuln.Result
	// Feeds are those of the database, each with when it was last seen to be so.
	Feeds []advisory.Provenance
	// Signatures say who vouches for the image.
	Signatures signature.Result
	// Memory is what the store knows; nil when there is none, or when it failed.
	Memory *Memory
	// StoreError is why the store does not know of this scan, nil when it does.
	StoreError error
}

// HasFeed says whether the database has a feed.
func (r *Result) HasFeed(name string) bool {
	return slices.ContainsFunc(r.Feeds, func(p advisory.Provenance) bool { return p.Feed == name })
}

// Image scans one image by its reference, as [image.Open] takes it. It fails when
// the image cannot be read at all, or the database is damaged; parts that could not
// be read are problems of the image.
func (s *Scanner) Image(ctx context.Context, ref string) (*Result, error) {
	source, err := image.Open(ctx, ref, s.Options)
	if err != nil {
		return nil, err
	}
	img, _, err := image.Read(ctx, source, s.Options)
	var signed signature.Result
	if err == nil {
		signed = s.look(ctx, source)
		err = s.compareBase(ctx, img)
	}
	if err = errors.Join(err, source.Close()); err != nil {
		return nil, err
	}
	r, err := s.Match(img)
	if err == nil {
		r.Signatures = signed
	}
	if err == nil && s.Store != nil {
		r.StoreError = errors.Join(s.noteUse(ctx, r), s.remember(ctx, r))
	}
	return r, err
}

// Match holds an image that was read against the advisories as they are now.
func (s *Scanner) Match(img *image.Image) (r *Result, err error) {
	r = &Result{Image: img, Signatures: signature.Result{State: signature.NotLookedFor}}
	if s.Advisories == nil {
		return r, nil
	}
	db, err := advisory.Open(s.Advisories.Path())
	if errors.Is(err, advisory.ErrNone) {
		return r, nil
	} else if err != nil {
		return nil, advisory.Mend(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	r.Feeds = s.Advisories.Fresh(db.Describe().Feeds)
	if r.Vulnerabilities, err = vuln.Run(packagesToMatch(img.Packages), vuln.Release{ID: img.Distro.ID, Version: img.Distro.Version}, db); err != nil {
		return nil, err
	}
	r.addMissingRepositories()
	return r, nil
}

// addMissingRepositories notes repositories of Alpine on which there is no data while
// there is on the release: its own feeds are one for each repository, and of which one a
// package is its database does not say.
func (r *Result) addMissingRepositories() {
	v := r.Vulnerabilities
	for i := range r.Image.Packages {
		p := &r.Image.Packages[i]
		d := r.Image.Distro
		if p.Distro != nil {
			d = *p.Distro
		}
		scope := vuln.Scope(p.Ecosystem, vuln.Release{ID: d.ID, Version: d.Version})
		branch, ok := strings.CutPrefix(scope, "Alpine:")
		if !ok || r.HasFeed("osv/Alpine") || slices.Contains(v.NoData, scope) {
			continue
		}
		for _, repository := range []string{"main", "community"} {
			if missing := scope + " " + repository; !r.HasFeed("alpine/"+branch+"/"+repository) && !slices.Contains(v.NoData, missing) {
				v.NoData = append(v.NoData, missing)
			}
		}
	}
	slices.Sort(v.NoData)
}

// packagesToMatch turns packages into what matching asks for. The owner of a
// language's package is the distribution's of that name.
func packagesToMatch(all []image.Package) []vuln.Package {
	owners := map[string]int{}
	for i := range all {
		if _, taken := owners[all[i].Name]; !taken && !all[i].OfLanguage() {
			owners[all[i].Name] = i
		}
	}
	out := make([]vuln.Package, len(all))
	for i := range all {
		p := &all[i]
		owner := -1
		if at, ok := owners[p.OwnedBy]; ok && p.OwnedBy != "" {
			owner = at
		}
		out[i] = vuln.Package{Ecosystem: p.Ecosystem, Name: p.Name, Version: p.Version, Source: p.Source, SourceVersion: p.SourceVersion, Module: p.Module, Owner: owner, Doubt: doubt(p)}
		if p.Distro != nil {
			out[i].Release = &vuln.Release{ID: p.Distro.ID, Version: p.Distro.Version}
		}
		if p.Ecosystem == "npm" && p.Main && p.PURL == "" {
			out[i].Name = "" // a private project; what is said of its name is said of another
		}
	}
	return out
}

// doubt says why a package may be another one than that of its name.
func doubt(p *image.Package) string {
	switch {
	case p.Evidence != image.Stated:
		return "its identity is from the " + string(p.Evidence)
	case p.Ecosystem == "npm" && p.Main:
		return "it is the application itself, and a package of the registry may have its name"
	}
	return ""
}
