package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"ullage.dev/ullage/internal/purl"
)

// billSuffixes are those of bills of materials that builders put beside what they built:
// Bitnami for each component, Python's wheels for what was linked into them.
var billSuffixes = []string{".spdx", ".spdx.json", ".cdx.json", ".cyclonedx.json", ".bom.json"}

// extractBill reads the packages of languages in a bill of materials that lies in the image,
// SPDX 2 or CycloneDX in JSON: what was built from sources is in no package manager's
// database. Packages of distributions are left out, as they were those of the machine that built it.
func extractBill(f *FileContent) ([]Package, error) {
	data, ok := f.Bytes()
	if !ok {
		return nil, errNotWhole
	}
	if data = bytes.TrimLeft(data, "\ufeff \t\r\n"); len(data) == 0 || data[0] != '{' {
		return nil, nil // SPDX's tags, or another thing
	}
	var bill struct {
		SPDX       string `json:"spdxVersion"`
		Format     string `json:"bomFormat"`
		Packages   []billed
		Components []billed
		Metadata   struct{ Component billed }
	}
	if err := json.Unmarshal(data, &bill); err != nil || bill.SPDX == "" && bill.Format != "CycloneDX" {
		return nil, nil
	}
	var packages []Package
	bill.Metadata.Component.Components = append(bill.Metadata.Component.Components, append(bill.Packages, bill.Components...)...)
	bill.Metadata.Component.each(func(text string) {
		u, err := purl.Parse(text)
		if err != nil || u.Version == "" || u.Type != "maven" && u.Type != "golang" && languageEcosystems[u.Type] == "" {
			return
		}
		if p, err := FromPURL(text, Distro{}); err == nil && len(packages) < mostBilled {
			p.Where, p.Files, p.Evidence = []string{f.Path}, []string{f.Path}, ByBill
			packages = append(packages, p)
		}
	})
	if len(packages) == mostBilled {
		return packages, fmt.Errorf("a bill of materials with more than %d packages", mostBilled)
	}
	return packages, nil
}

// mostBilled bounds the packages of one bill.
const mostBilled = 50_000

// billed is a package of SPDX or a component of CycloneDX.
type billed struct {
	PURL       string `json:"purl"`
	References []struct {
		Type    string `json:"referenceType"`
		Locator string `json:"referenceLocator"`
	} `json:"externalRefs"`
	Components []billed
}

// each calls yield with the package URLs of a component and of those in it.
func (b *billed) each(yield func(string)) {
	yield(b.PURL)
	for _, reference := range b.References {
		if strings.HasSuffix(reference.Type, "purl") {
			yield(reference.Locator)
		}
	}
	for i := range b.Components {
		b.Components[i].each(yield)
	}
}
