package cli

import (
	"strings"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/signature"
)

// origins tells what the images are built on, and who signed them, where that is
// another one.
func (p *imagePrinter) origins(d *scan.Diff) {
	if d.Base[0] != nil {
		if from, to := baseText(d.Base[0]), baseText(d.Base[1]); from != to {
			p.entry("base image", from+" to "+to)
		}
	}
	switch {
	case d.Signed[0] == signature.NotLookedFor && d.Signed[1] == signature.NotLookedFor:
	case d.Signed[0] == d.Signed[1]:
		p.entry("signed", string(d.Signed[0])+", both")
	default:
		style := yellow
		if d.Signed[1] == signature.Verified {
			style = green
		}
		p.painted("signed", string(d.Signed[0])+" to "+string(d.Signed[1]), style)
	}
}

// baseText names a base image. Without a name, nothing tells one from another.
func baseText(b *image.Base) string {
	if name := baseName(b); name != "" {
		return name
	}
	if b.Layers > 0 {
		return "the lowest " + counted(b.Layers, "layer")
	}
	return "not known"
}

func (p *imagePrinter) secretChanges(d *scan.Diff) {
	if len(d.Secrets) == 0 && !d.Unsearched {
		return
	}
	p.section("Secrets")
	if d.Unsearched {
		p.wrapped(2, yellow, "files were not searched in both images")
	}
	few(p, d.Secrets, func(c *scan.SecretChange) {
		style := ""
		if c.Kind == scan.Added && c.Secret.Doubt == "" {
			style = red
		}
		p.painted(string(c.Kind), secretPlace(c.Secret), style)
	})
}

// secretPlace says what a secret is and where, and nothing of its value.
func secretPlace(s *image.Secret) string {
	text := strings.ToUpper(s.Severity.String()) + " " + s.Kind + " in " + s.Path + s.Where
	if s.Doubt != "" {
		text += "; in doubt: " + s.Doubt
	}
	return text
}

type secretChangeJSON struct {
	Change   string `json:"change"`
	Kind     string `json:"kind"`
	Severity string `json:"severity"`
	Path     string `json:"path,omitempty"`
	Where    string `json:"where,omitempty"`
	Line     int    `json:"line,omitempty"`
	Doubt    string `json:"doubt,omitempty"`
}

// originsJSON are what the old and the new image are built on.
type originsJSON struct {
	Old baseJSON `json:"old"`
	New baseJSON `json:"new"`
}

func newSecretChangesJSON(list []scan.SecretChange) []secretChangeJSON {
	out := make([]secretChangeJSON, len(list))
	for i, c := range list {
		out[i] = secretChangeJSON{string(c.Kind), c.Secret.Kind, c.Secret.Severity.String(), c.Secret.Path, c.Secret.Where, c.Secret.Line, c.Secret.Doubt}
	}
	return out
}

func newOriginsJSON(d *scan.Diff) *originsJSON {
	if d.Base[0] == nil {
		return nil
	}
	return &originsJSON{newBaseJSON(d.Base[0]), newBaseJSON(d.Base[1])}
}
