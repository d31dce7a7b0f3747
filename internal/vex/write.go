package vex

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/purl"
	"ullage.dev/ullage/internal/vuln"
)

// Options say what is written beside the statements.
type Options struct {
	Time    time.Time
	Author  string // who answers for the statements
	Tooling string // name and version of the program
}

// OpenVEX writes what is known of the vulnerabilities of an image as OpenVEX 0.2.0:
// not affected where the distribution or a statement says so, being looked into
// where nobody has decided, affected for the rest. The same image and options give
// the same bytes.
func OpenVEX(w io.Writer, img *image.Image, found *vuln.Result, o Options) error {
	d := openDocument{Context: "https://openvex.dev/ns/v0.2.0", Author: o.Author, Version: 1, Tooling: o.Tooling, Statements: []openStatement{}}
	whole := imageProduct(img)
	add := func(s openStatement, id string, aliases []string, pkg int) {
		s.Vulnerability = openVulnerability{Name: id, Aliases: aliases}
		part := openComponent{ID: img.Packages[pkg].PURL}
		if part.ID == "" { // nobody could tell what it is about
			return
		}
		s.Products = []openProduct{{openComponent: whole, Subcomponents: []openComponent{part}}}
		d.Statements = append(d.Statements, s)
	}
	for i := range found.Matches {
		m := &found.Matches[i]
		add(ofMatch(m, &img.Packages[m.Package]), m.ID, m.Aliases, m.Package)
	}
	for i := range found.RuledOut {
		r := &found.RuledOut[i]
		s := openStatement{Status: vuln.SaidNotAffected, Impact: r.Why}
		if r.Said != nil {
			s.Status = r.Said.Status
			if slices.Contains(openJustifications, r.Said.Justification) {
				s.Justification = r.Said.Justification
			}
			if s.Status != vuln.SaidNotAffected {
				s.Impact, s.Notes = "", r.Why
			}
		}
		add(s, r.ID, nil, r.Package)
	}
	for i := range found.Undecided {
		r := &found.Undecided[i]
		add(openStatement{Status: vuln.SaidInvestigating, Notes: r.Why}, r.ID, nil, r.Package)
	}
	d.join()
	text, err := json.Marshal(&d)
	if err != nil {
		return fmt.Errorf("OpenVEX: %w", err)
	}
	sum := sha256.Sum256(text)
	d.ID, d.Timestamp = "https://ullage.dev/vex/"+hex.EncodeToString(sum[:]), o.Time.UTC().Format("2006-01-02T15:04:05Z")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(&d); err != nil {
		return fmt.Errorf("OpenVEX: %w", err)
	}
	return nil
}

var openJustifications = []string{
	"component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
	"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
}

func ofMatch(m *vuln.Match, p *image.Package) openStatement {
	notes := strings.Join(m.Reasons(), "; ")
	if m.Said != nil && m.Said.Status == vuln.SaidInvestigating || m.Said == nil && m.State == vuln.Open {
		return openStatement{Status: vuln.SaidInvestigating, Notes: notes}
	}
	s := openStatement{Status: vuln.SaidAffected, Notes: notes, Action: "No version without it is known: " + string(m.State) + "."}
	switch {
	case m.Said != nil && m.Said.Action != "":
		s.Action = m.Said.Action
	case m.Exception != nil:
		s.Action = fmt.Sprintf("Accepted by %s until %s: %s", m.Exception.Owner, m.Exception.Expires.Format(time.DateOnly), m.Exception.Reason)
	case m.Fixed != "":
		s.Action = "Upgrade " + p.UpgradeTo(m.Fixed) + "."
	}
	return s
}

// join makes one statement of those that say the same of several packages, in order
// of the vulnerability.
func (d *openDocument) join() {
	type key struct {
		id, notes, impact, action, justification string
		status                                   vuln.Status
	}
	index := map[key]int{}
	var list []openStatement
	for _, s := range d.Statements {
		k := key{s.Vulnerability.Name, s.Notes, s.Impact, s.Action, s.Justification, s.Status}
		i, known := index[k]
		if !known {
			index[k] = len(list)
			list = append(list, s)
			continue
		}
		of := &list[i].Products[0]
		if part := s.Products[0].Subcomponents[0]; !slices.ContainsFunc(of.Subcomponents, func(c openComponent) bool { return c.ID == part.ID }) {
			of.Subcomponents = append(of.Subcomponents, part)
		}
	}
	slices.SortStableFunc(list, func(a, b openStatement) int { return strings.Compare(a.Vulnerability.Name, b.Vulnerability.Name) })
	d.Statements = append([]openStatement{}, list...)
}

// imageProduct names an image by its digest: what is true of a package in it need not
// be of the same package elsewhere, so a package alone is never the product. An image
// without a manifest, as of an archive of Docker, is named by its configuration, and
// a root file system by its packages.
func imageProduct(img *image.Image) openComponent {
	u := purl.URL{Type: "oci", Name: path.Base(img.Repository), Version: cmp.Or(img.Manifest, img.Index)}
	if u.Version == "" {
		u.Type, u.Version = "docker", img.Identity.Config
	}
	if u.Version == "" {
		return openComponent{ID: contentPrefix + contentDigest(img)}
	}
	if img.Repository == "" { // of a file: it has no name that others know
		u.Name = "image"
	}
	if u.Type == "oci" {
		u.Set("repository_url", img.Repository)
	}
	c := openComponent{ID: u.String()}
	if hash, ok := strings.CutPrefix(u.Version, "sha256:"); ok {
		c.Hashes = map[string]string{"sha-256": hash}
	}
	return c
}

// contentPrefix begins the id of an image that has no digest: what follows is made of
// its packages.
const contentPrefix = "urn:ullage:packages:"

func contentDigest(img *image.Image) string {
	var urls []string
	for i := range img.Packages {
		urls = append(urls, fmt.Sprintf("%s %q", img.Packages[i].PURL, img.Packages[i].Where))
	}
	slices.Sort(urls)
	sum := sha256.Sum256([]byte(strings.Join(urls, "\n")))
	return "sha256:" + hex.EncodeToString(sum[:])
}
