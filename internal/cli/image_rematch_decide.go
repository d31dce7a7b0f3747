package cli

import (
	"fmt"
	"strings"
	"time"

	"ullage.dev/ullage/internal/image"
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
		a := d.decide(&r)
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
