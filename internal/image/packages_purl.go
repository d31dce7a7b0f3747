package image

import (
	"cmp"

	"ullage.dev/ullage/internal/purl"
)

// purlText writes a package URL. Qualifiers are name, value pairs; those without a
// value are left out.
func purlText(kind, namespace, name, version string, qualifiers ...string) string {
	u := purl.URL{Type: kind, Namespace: namespace, Name: name, Version: version}
	for i := 0; i+1 < len(qualifiers); i += 2 {
		u.Set(qualifiers[i], qualifiers[i+1])
	}
	return u.String()
}

// upstream names the source package, with its version where that is another one, as
// a qualifier does; "" when it is the package. Matching hangs on it.
func (p *Package) upstream() string {
	if p.SourceVersion == "" {
		return p.Source
	}
	return cmp.Or(p.Source, p.Name) + "@" + p.SourceVersion
}
