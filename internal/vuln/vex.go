package vuln

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/purl"
)

// Status is what a VEX statement says of a vulnerability in a product.
type Status string

// The statuses.
const (
	SaidNotAffected   Status = "not_affected"
	SaidAffected      Status = "affected"
	SaidFixed         Status = "fixed"
	SaidInvestigating Status = "under_investigation"
)

// Statement is what somebody says of one vulnerability in some products, in a VEX
// document of any format.
type Statement struct {
	Vulnerability string
	Aliases       []string
	Products      []Product
	Status        Status
	Justification string // why it is not affected, in the word of the format; "" when not said
	Impact        string // the same in a sentence
	Action        string // what to do where it is affected
	By            string // who says so
	Source        string // the document, and where in it
	Time          int64  // seconds since 1970; 0 when not known
}

// Product is what a statement is about: a package, or an image and perhaps packages
// in it. A statement that names no packages of an image is about all of it.
type Product struct {
	ID         string   // as the document names it, for people
	PURL       purl.URL // zero when it has none
	Digests    []string // algorithm:hex, of an image
	Components []purl.URL
}

// Subject is what statements are held against: an image and its packages.
type Subject struct {
	Digests []string // by which the image is known
	// Repositories are what it may be called: host and path.
	Repositories []string
	Tags         []string // that it has there; none: it is not known which
	Platform     string   // os/architecture[/variant]; "" when not known
	Packages     []purl.URL
}

// Unused is a statement that changed nothing, and why.
type Unused struct {
	Statement *Statement
	Why       string
}

// Apply lets statements say what becomes of matches: one that is not affected or
// fixed is ruled out, by whom and why; the others keep what was said. Where several
// speak of one match the newest counts, and of equally new ones the last. The
// result is a new one.
func (r *Result) Apply(s *Subject, statements []Statement) (*Result, []Unused) {
	a := &application{subject: s, result: r, said: make([]*Statement, len(r.Matches)), byName: map[string][]int{}}
	for i := range r.Matches {
		m := &r.Matches[i]
		for _, name := range slices.Concat([]string{m.ID}, m.Aliases, m.Advisories) {
			name = strings.ToUpper(name)
			if list := a.byName[name]; len(list) == 0 || list[len(list)-1] != i {
				a.byName[name] = append(list, i)
			}
		}
	}
	var unused []Unused
	for i := range statements {
		if why := a.apply(&statements[i]); why != "" {
			unused = append(unused, Unused{&statements[i], why})
		}
	}
	out := &Result{NoData: r.NoData, Undecided: r.Undecided, RuledOut: slices.Clone(r.RuledOut), ranges: r.ranges}
	for i := range r.Matches {
		m, said := r.Matches[i], a.said[i]
		if m.Said = cmp.Or(said, m.Said); said == nil || said.Status != SaidNotAffected && said.Status != SaidFixed {
			out.Matches = append(out.Matches, m)
			continue
		}
		out.RuledOut = append(out.RuledOut, Ruled{Package: m.Package, ID: m.ID, Why: said.reason(), Said: said, Match: &m})
	}
	slices.SortStableFunc(out.RuledOut, func(a, b Ruled) int { return cmp.Or(a.Package-b.Package, strings.Compare(a.ID, b.ID)) })
	return out, unused
}

type application struct {
	subject *Subject
	result  *Result
	said    []*Statement     // of each match
	byName  map[string][]int // in upper case, as documents write ids in either
}

// apply returns why a statement changes nothing, "" when it is about a match.
func (a *application) apply(s *Statement) string {
	names := append([]string{s.Vulnerability}, s.Aliases...)
	for i := range names {
		names[i] = strings.ToUpper(names[i])
	}
	if !slices.ContainsFunc(names, func(name string) bool { return len(a.byName[name]) > 0 }) {
		return cmp.Or(s.Vulnerability, "its vulnerability") + " was not found in this image"
	}
	why, used := "no product of it is this image or in it", false
	for i := range s.Products {
		p := &s.Products[i]
		whole := a.isImage(p)
		if other := a.another(p); whole && other != "" {
			why = "it is of " + other
			continue
		}
		packages := a.packages(p, whole)
		if !whole && len(packages) == 0 {
			continue
		}
		why = s.Vulnerability + " was not found in the packages that it names"
		for _, name := range names {
			for _, m := range a.byName[name] {
				if whole && len(p.Components) == 0 || packages[a.result.Matches[m].Package] {
					used = true
					if old := a.said[m]; old == nil || s.Time >= old.Time {
						a.said[m] = s
					}
				}
			}
		}
	}
	if used {
		return ""
	}
	return why
}

// isImage says whether a product is the image.
func (a *application) isImage(p *Product) bool {
	for _, digest := range p.Digests {
		if slices.Contains(a.subject.Digests, digest) {
			return true
		}
	}
	u := &p.PURL
	if u.Type != "oci" && u.Type != "docker" || len(p.Digests) > 0 && u.Version == "" {
		return false
	}
	if strings.Contains(u.Version, ":") { // a digest says it all
		return slices.Contains(a.subject.Digests, u.Version)
	}
	repository := u.Get("repository_url")
	return u.Version == "" && repository != "" && slices.ContainsFunc(a.subject.Repositories, func(known string) bool {
		return repository == known || strings.TrimSuffix(repository, "/")+"/"+u.Name == known
	})
}

// another returns what a product of an image is narrowed down to that the image is not
// known to be: a tag, unless a digest says which image is meant, or a platform; "" for nothing.
func (a *application) another(p *Product) string {
	u := &p.PURL
	if u.Type != "oci" && u.Type != "docker" {
		return ""
	}
	system, architecture, _ := strings.Cut(a.subject.Platform, "/")
	if want := u.Get("os"); want != "" && want != system {
		return "the operating system " + want
	}
	base, _, _ := strings.Cut(architecture, "/")
	if want := u.Get("arch"); want != "" && want != architecture && want != base {
		return "the architecture " + want
	}
	if want := u.Get("tag"); want != "" && u.Version == "" && len(p.Digests) == 0 && !slices.Contains(a.subject.Tags, want) {
		return "the tag " + want
	}
	return ""
}

// packages returns those that a product is or names in itself: its components where
// there are some and the product is there.
func (a *application) packages(p *Product, whole bool) map[int]bool {
	found := map[int]bool{}
	wanted := p.Components
	if !whole {
		own := a.covered(&p.PURL)
		if len(own) == 0 || len(wanted) == 0 {
			for _, i := range own {
				found[i] = true
			}
			return found
		}
	}
	for i := range wanted {
		for _, k := range a.covered(&wanted[i]) {
			found[k] = true
		}
	}
	return found
}

func (a *application) covered(u *purl.URL) []int {
	var list []int
	for i := range a.subject.Packages {
		if u.Type != "" && u.Covers(&a.subject.Packages[i]) {
			list = append(list, i)
		}
	}
	return list
}

// reason says what somebody said, in one line.
func (s *Statement) reason() string {
	text := map[Status]string{
		SaidNotAffected: "not affected", SaidAffected: "affected", SaidFixed: "fixed here", SaidInvestigating: "being looked into",
	}[s.Status]
	text += fmt.Sprintf(" by the word of %s (%s)", cmp.Or(s.By, "an unnamed author"), s.Source)
	if s.Justification != "" {
		text += ": " + strings.ReplaceAll(s.Justification, "_", " ")
	}
	for _, more := range []string{s.Impact, s.Action} {
		if more != "" {
			text += ": " + strings.TrimSuffix(strings.TrimSpace(more), ".")
		}
	}
	return text
}
