package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/image"
)

// ownedImages are the images that were named, by their digests: they say to which
// package a program belongs.
type ownedImages map[string]*image.Image

// readOwned reads the images that --image names.
func (f *profileFlags) readOwned(ctx context.Context) (ownedImages, error) {
	owned := ownedImages{}
	for _, ref := range f.images {
		s, err := image.Open(ctx, ref, image.Options{})
		if err != nil {
			return nil, fmt.Errorf("--image %s: %w", ref, interrupted(ctx, err))
		}
		img, _, err := image.Read(ctx, s, image.Options{})
		if err = errors.Join(err, s.Close()); err != nil {
			return nil, fmt.Errorf("--image %s: %w", ref, interrupted(ctx, err))
		}
		digests := slices.DeleteFunc([]string{img.Identity.Config, img.Manifest, img.Index}, func(d string) bool { return d == "" })
		if len(digests) == 0 {
			return nil, fmt.Errorf("--image %s: it has no digest by which the profile knows it: name an archive, a layout or a reference", ref)
		}
		for _, digest := range digests {
			owned[digest] = img
		}
	}
	return owned, nil
}

// foreign refuses an image that none of the profiles is of: nothing would be told of it.
func (o ownedImages) foreign(profiles []*behavior.Profile) error {
	used := map[*image.Image]bool{}
	var known []string
	for _, p := range profiles {
		for i := range p.Images {
			used[o[p.Images[i].Digest]] = true
			known = append(known, cmp.Or(shortDigest(p.Images[i].Digest), "one whose digest is not known"))
		}
	}
	for digest, img := range o {
		if !used[img] {
			return fmt.Errorf("--image %s has the digest %s, and the workload had %s", img.Reference, shortDigest(digest), strings.Join(known, ", "))
		}
	}
	return nil
}

// ownerJSON is the package that a program belongs to.
type ownerJSON struct {
	Ecosystem string `json:"ecosystem"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	PURL      string `json:"purl,omitempty"`
}

// of finds the package that the program or library of a deed belongs to. known is false
// when no image that did it was named, or of some package it is not known what it has.
func (o ownedImages) of(p *behavior.Profile, d *behavior.Deed) (owner *ownerJSON, known bool) {
	path := ""
	switch {
	case d.Folded():
	case d.Kind == behavior.Execute && (d.Program.Layer == behavior.InImage || d.Program.Layer == ""):
		path = d.Program.Path
	case d.Kind == behavior.Map && (d.File.Layer == behavior.InImage || d.File.Layer == ""):
		path = d.File.Path
	}
	if path == "" {
		return nil, false
	}
	for _, n := range d.Images {
		if img := o[p.Images[n].Digest]; img != nil {
			return ownerIn(img, path)
		}
	}
	return nil, false
}

// ownerIn finds the package of a file. Where /bin leads to /usr/bin, databases have one
// and the kernel the other.
func ownerIn(img *image.Image, path string) (owner *ownerJSON, known bool) {
	paths := []string{path, "/usr" + path}
	if short, ok := strings.CutPrefix(path, "/usr/"); ok {
		paths[1] = "/" + short
	}
	known = len(img.Problems) == 0
	for i := range img.Packages {
		p := &img.Packages[i]
		has := p.Main && slices.Contains(p.Where, path)
		for _, name := range paths {
			_, found := slices.BinarySearch(p.Files, name)
			has = has || found
		}
		if has {
			return &ownerJSON{p.Ecosystem, p.Name, p.Version, p.PURL}, true
		}
		known = known && (p.Files != nil || len(p.Where) > 0)
	}
	return nil, known
}

// told says it for people; "" when nothing is known.
func (o ownedImages) told(p *behavior.Profile, d *behavior.Deed) string {
	if len(o) == 0 {
		return ""
	}
	owner, known := o.of(p, d)
	switch {
	case owner != nil:
		return strings.TrimSpace(fmt.Sprintf("it belongs to package %s %s", owner.Name, owner.Version)) + " (" + owner.Ecosystem + ")"
	case known:
		return "it belongs to no package of the image"
	}
	return ""
}
