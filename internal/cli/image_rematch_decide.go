package cli

import (
	"fmt"
	"strings"
	"time"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/store"
)

// decisions say which findings of a stored image do not count, and why.
type decisions map[store.Key]string

// decideStored lets statements and exceptions speak of a stored image. An image that
// several references lead to has a finding decided only where it is for each of them.
func (d *decider) decideStored(x *scan.Rematched) decisions {
	var all decisions
	for i, reference := range x.References {
		r := *x.Result
		img := *r.Image
		img.Reference, img.Repository = familiar(reference), repositoryOf(reference)
		r.Image = &img
		here := decisions{}
		a := d.decide(&r, placeNames(reference))
		for k := range a.Vulnerabilities.Matches {
			if m := &a.Vulnerabilities.Matches[k]; m.Exception != nil {
				here[scan.KeyOf(&img, m)] = fmt.Sprintf("accepted by %s until %s: %s", m.Exception.Owner, m.Exception.Expires.Format(time.DateOnly), m.Exception.Reason)
			}
		}
		for k := range a.Vulnerabilities.RuledOut {
			if u := &a.Vulnerabilities.RuledOut[k]; u.Match != nil {
				here[scan.KeyOf(&img, u.Match)] = "ruled out: " + u.Why
			}
		}
		if i == 0 {
			all = here
			continue
		}
		for key := range all {
			if here[key] == "" {
				delete(all, key)
			}
		}
	}
	return all
}

// familiar is a reference as people write it, which exceptions are held against.
func familiar(reference string) string {
	if rest, ok := strings.CutPrefix(reference, "index.docker.io/"); ok && image.FullName(rest) == reference {
		return strings.TrimPrefix(rest, "library/")
	}
	return reference
}

// leftover tells of exceptions that do nothing in any of the images.
func (p *imagePrinter) leftover(d *decider) {
	expired, unused := d.leftover()
	p.idle(expired, unused)
}

// idle tells of exceptions that do nothing.
func (p *imagePrinter) idle(expired, unused []*model.Exception) {
	var ended, without []string
	for _, e := range expired {
		ended = append(ended, e.ID+" ("+e.Expires.Format(time.DateOnly)+")")
	}
	for _, e := range unused {
		without = append(without, e.ID)
	}
	p.some("expired exception", ended, yellow)
	p.some("unused exception", without, dim)
}

// leftoverJSON are exceptions that do nothing.
type leftoverJSON struct {
	Expired []exceptionJSON `json:"exceptionsExpired"` // that would cover something found
	Unused  []exceptionJSON `json:"exceptionsUnused"`  // that cover nothing found
}

func newLeftoverJSON(d *decider) leftoverJSON {
	expired, unused := d.leftover()
	return leftoverJSON{exceptionsJSON(expired), exceptionsJSON(unused)}
}

func exceptionsJSON(list []*model.Exception) []exceptionJSON {
	out := []exceptionJSON{}
	for _, e := range list {
		out = append(out, *newExceptionJSON(e))
	}
	return out
}
