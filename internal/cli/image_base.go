package cli

import (
	"fmt"
	"strings"

	"ullage.dev/ullage/internal/image"
)

// base says what the image was built on, and how much of it is from there.
func (p *imagePrinter) base(img *image.Image) {
	b := &img.Base
	if b.Layers == 0 {
		text := "not known"
		if name := baseName(b); name != "" {
			text = name + ", which says nothing of its layers"
		}
		p.entry("base image", text+": "+b.Why)
		return
	}
	text := counted(b.Layers, "layer") + " of " + fmt.Sprint(len(img.Layers))
	if name := baseName(b); name != "" {
		text = name + ", " + text
	}
	if !b.Certain() {
		text += ", likely"
	}
	p.entry("base image", text+": "+b.Why)
	from := 0
	for i := range img.Packages {
		if has, _ := b.Has(img.Packages[i].Layer); has {
			from++
		}
	}
	p.entry("", fmt.Sprintf("%d of its packages, and %d in layers above", from, len(img.Packages)-from))
}

func baseName(b *image.Base) string { return strings.TrimSpace(b.Name + " " + b.Digest) }

// whose marks a layer in the list of layers, where that is known of any.
func whose(b *image.Base, layer int) string {
	has, known := b.Has(layer)
	switch {
	case !known:
		return ""
	case has:
		return "base "
	}
	return "own  "
}

type baseJSON struct {
	Layers   int    `json:"layers"` // 0: not known
	Name     string `json:"name,omitempty"`
	Digest   string `json:"digest,omitempty"`
	Evidence string `json:"evidence,omitempty"` // comparison, label, history
	Certain  bool   `json:"certain"`
	Why      string `json:"why"`
}

func newBaseJSON(b *image.Base) baseJSON {
	return baseJSON{b.Layers, b.Name, b.Digest, string(b.How), b.Certain(), b.Why}
}

// inBase says in JSON whether a layer is of the base image; null is not known.
func inBase(b *image.Base, layer int) *bool {
	has, known := b.Has(layer)
	if !known {
		return nil
	}
	return &has
}
