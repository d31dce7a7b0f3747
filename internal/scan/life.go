package scan

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/store"
	"ullage.dev/ullage/internal/vuln"
)

// Memory is what the store knows of an image that was scanned.
type Memory struct {
	Reference string // by which the store knows the place of the image
	// Before is the digest of the configuration of the image that the reference led
	// to before, mostly this one; "" when it was never seen.
	Before string
	Change store.Change // since this image was last matched
	// Lives are of the matches, by their index. Nil without a database.
	Lives []store.Life
}

// remember tells the store of a scan. Root file systems are not remembered, as they
// have no digest, nor bills of materials, as they are somebody's word, nor what is not
// the image that it says it is.
func (s *Scanner) remember(ctx context.Context, r *Result) error {
	img := r.Image
	if img.Identity.Config == "" || img.Bill || img.Mismatched {
		return nil
	}
	m := &Memory{Reference: PlaceOf(img)}
	at := store.Sighting{Reference: m.Reference, Platform: img.Platform, Config: img.Identity.Config, Manifest: img.Manifest, Index: img.Index}
	var err error
	version := image.Version()
	if len(img.Problems) > 0 {
		version = ""
	}
	if m.Before, err = s.Store.See(ctx, at, version, func() ([]byte, error) { return inventoryOf(img) }); err != nil {
		return err
	}
	if r.Vulnerabilities != nil {
		if m.Change, err = s.Store.Match(ctx, at.Config, findings(r), judged(r, len(img.Problems) == 0)); err != nil {
			return err
		}
		lives, err := s.Store.Lives(ctx, at.Config)
		if err != nil {
			return err
		}
		m.Lives = make([]store.Life, len(r.Vulnerabilities.Matches))
		for i := range m.Lives {
			m.Lives[i] = lives[finding(r, i).Key]
		}
	}
	r.Memory = m
	return nil
}

// PlaceOf gives what an image is known by: the reference in full where there is one, as
// in an archive that names it, else the file, and for what was piped in the image itself.
func PlaceOf(img *image.Image) string {
	if img.Name != "" {
		return img.Name
	}
	form, path, ok := strings.Cut(img.Reference, ":")
	switch form {
	case "docker-archive", "oci-archive", "oci":
	default:
		ok, path = false, img.Reference
	}
	if strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/") {
		return img.Identity.Config
	}
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	if ok {
		return form + ":" + path
	}
	return path
}

// inventory is what matching needs of an image. It is stored, and read by later
// versions of this program.
type inventory struct {
	Distro   image.Distro
	Packages []image.Package // without their files
	Complete bool            // nothing of the image could not be read
}

func inventoryOf(img *image.Image) ([]byte, error) {
	inv := inventory{img.Distro, make([]image.Package, len(img.Packages)), len(img.Problems) == 0}
	for i, p := range img.Packages {
		p.Files = nil
		inv.Packages[i] = p
	}
	return json.Marshal(inv)
}

// judged says how far an image was judged.
func judged(r *Result, complete bool) store.Judged {
	j := store.Judged{Partly: !complete || len(r.Image.Packages) == 0, Why: unjudged(r, complete)}
	for i := range r.Vulnerabilities.Matches {
		if m := &r.Vulnerabilities.Matches[i]; len(m.Aliases)+len(m.Advisories) > 0 {
			if j.Names == nil {
				j.Names = make(map[store.Key][]string, len(r.Vulnerabilities.Matches))
			}
			j.Names[KeyOf(r.Image, m)] = slices.Concat(m.Aliases, m.Advisories)
		}
	}
	for _, scope := range r.Vulnerabilities.NoData {
		j.NoData = append(j.NoData, vuln.EcosystemOf(scope))
	}
	for _, u := range r.Vulnerabilities.Undecided {
		p := &r.Image.Packages[u.Package]
		j.Undecided = append(j.Undecided, store.Key{Ecosystem: p.Ecosystem, Package: p.Name, Version: p.Version, Vulnerability: u.ID})
	}
	return j
}

// NoPackages is why nothing is known of the vulnerabilities of some images.
const NoPackages = "no package was identified in it"

// Unjudged says why what was found in an image may not be all, "" when all of it was
// read and everything in it could be judged.
func (r *Result) Unjudged() string {
	if r.Vulnerabilities == nil {
		return "there is no database of advisories"
	}
	return unjudged(r, len(r.Image.Problems) == 0)
}

// unjudged says why what was found may not be all, "" when everything was judged.
func unjudged(r *Result, complete bool) string {
	var why []string
	if !complete {
		why = append(why, "a part of it could not be read")
	}
	if len(r.Image.Packages) == 0 {
		why = append(why, NoPackages)
	}
	if v := r.Vulnerabilities; len(v.NoData) > 0 {
		why = append(why, "no data on "+strings.Join(v.NoData, ", "))
	}
	switch n := len(r.Vulnerabilities.Undecided); n {
	case 0:
	case 1:
		why = append(why, "1 advisory undecided")
	default:
		why = append(why, fmt.Sprintf("%d advisories undecided", n))
	}
	return strings.Join(why, "; ")
}

func findings(r *Result) []store.Finding {
	list := make([]store.Finding, len(r.Vulnerabilities.Matches))
	for i := range list {
		list[i] = finding(r, i)
	}
	return list
}

// KeyOf is what the store knows a match by.
func KeyOf(img *image.Image, m *vuln.Match) store.Key {
	p := &img.Packages[m.Package]
	return store.Key{Ecosystem: p.Ecosystem, Package: p.Name, Version: p.Version, Vulnerability: m.ID}
}

func finding(r *Result, i int) store.Finding {
	m := &r.Vulnerabilities.Matches[i]
	return store.Finding{
		Key:      KeyOf(r.Image, m),
		Severity: m.Severity.Level.String(), State: string(m.State), Fixed: m.Fixed,
	}
}

// Distinct puts together what is one vulnerability of one package in one version, of
// which there are several where the package lies in several places. Groups are in the
// order of their first match.
func (r *Result) Distinct(matches []vuln.Match) [][]*vuln.Match {
	var groups [][]*vuln.Match
	at := map[store.Key]int{}
	for i := range matches {
		key := KeyOf(r.Image, &matches[i])
		place, known := at[key]
		if !known {
			place = len(groups)
			at[key] = place
			groups = append(groups, nil)
		}
		groups[place] = append(groups[place], &matches[i])
	}
	return groups
}

// Rematched is an image of the store that was held against the advisories anew.
type Rematched struct {
	References []string // that lead to it
	Config     string
	Platform   string
	Result     *Result // of what the store keeps: packages and distribution only
	Change     store.Change
	// Err is why it was not; the others of the store are.
	Err error
}

// Rematch holds the images of the store against the advisories as they are now,
// without reading an image, and yields each. It fails when there is no database,
// or the store cannot be read. With all, images are among them that no reference
// leads to any more.
func (s *Scanner) Rematch(ctx context.Context, all bool, yield func(*Rematched)) error {
	db, err := advisory.Open(s.Advisories.Path())
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	images, err := s.Store.Images(ctx, all)
	if err != nil {
		return err
	}
	for i := range images {
		if err := ctx.Err(); err != nil {
			return err
		}
		x := &Rematched{References: images[i].References, Config: images[i].Config, Platform: images[i].Platform}
		x.Err = s.rematch(ctx, &images[i], x)
		yield(x)
	}
	return nil
}

func (s *Scanner) rematch(ctx context.Context, stored *store.Stored, x *Rematched) error {
	complete, err := s.recall(stored, x)
	if err != nil {
		return err
	}
	x.Change, err = s.Store.Match(ctx, stored.Config, findings(x.Result), judged(x.Result, complete))
	return err
}

// Recall holds an image of the store against the advisories as they are now, and
// remembers nothing of it.
func (s *Scanner) Recall(stored *store.Stored) (*Rematched, error) {
	x := &Rematched{References: stored.References, Config: stored.Config, Platform: stored.Platform}
	_, err := s.recall(stored, x)
	return x, err
}

// recall says whether all of the image could be read when it was.
func (s *Scanner) recall(stored *store.Stored, x *Rematched) (complete bool, err error) {
	var inv inventory
	if err := json.Unmarshal(stored.Inventory, &inv); err != nil {
		return false, fmt.Errorf("what is stored of it cannot be read: %w", err)
	}
	img := &image.Image{Identity: image.Identity{Config: stored.Config, Platform: stored.Platform, Manifest: stored.Manifest, Index: stored.Index}, Distro: inv.Distro, Packages: inv.Packages}
	if x.Result, err = s.Match(img); err != nil {
		return false, err
	}
	if x.Result.Vulnerabilities == nil {
		return false, advisory.ErrNone
	}
	return inv.Complete, nil
}
