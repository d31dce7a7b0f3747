package sbom

import (
	"fmt"
	"slices"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp"
	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"
)

// license is one licence as a package states it.
type license struct {
	id         string // on the SPDX list, in its spelling; else ""
	expression string // a valid SPDX expression, id included; else ""
	name       string // as stated
}

// licenses looks licences up, each once. SPDX's list takes a while to search.
type licenses struct {
	ids  map[string]string // by lower case
	seen map[string]license
	refs map[string]string // by LicenseRef: the name that it stands for
}

// longestExpression bounds expressions that are parsed.
const longestExpression = 1000

func newLicenses() *licenses {
	l := &licenses{ids: map[string]string{}, seen: map[string]license{}, refs: map[string]string{}}
	for _, list := range [][]string{spdxlicenses.GetDeprecated(), spdxlicenses.GetLicenses()} {
		for _, id := range list {
			l.ids[strings.ToLower(id)] = id
		}
	}
	return l
}

// debianNames are short names of Debian's copyright files that are not on the SPDX
// list. A plus behind a version is "or later".
var debianNames = map[string]string{
	"expat": "MIT", "gpl-1": "GPL-1.0", "gpl-2": "GPL-2.0", "gpl-3": "GPL-3.0", "lgpl-2": "LGPL-2.0", "lgpl-2.0": "LGPL-2.0", "lgpl-2.1": "LGPL-2.1", "lgpl-3": "LGPL-3.0",
	"agpl-3": "AGPL-3.0", "gfdl-1.2": "GFDL-1.2", "gfdl-1.3": "GFDL-1.3", "gpl-2.0": "GPL-2.0", "gpl-3.0": "GPL-3.0",
}

func (l *licenses) of(name string) license {
	if found, ok := l.seen[name]; ok {
		return found
	}
	made := license{name: name}
	lower := strings.ToLower(strings.TrimSpace(name))
	bare, later := strings.CutSuffix(lower, "+")
	switch gnu, debian := debianNames[bare]; {
	case debian && strings.Contains(gnu, "GPL") || debian && strings.Contains(gnu, "GFDL"):
		made.id = gnu + map[bool]string{true: "-or-later", false: "-only"}[later]
	case debian && !later:
		made.id = gnu
	default:
		made.id = l.ids[lower]
	}
	made.expression = made.id
	if made.id == "" && len(name) <= longestExpression {
		if ok, _ := spdxexp.ValidateLicenses([]string{name}); ok {
			made.expression = name
		}
	}
	l.seen[name] = made
	return made
}

func (l *licenses) all(names []string) []license {
	var list []license
	for _, name := range names {
		if x := l.of(name); strings.TrimSpace(name) != "" && !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return list
}

// declared is the one expression that SPDX wants for a package. Names that are none
// become references, which the document explains.
func (l *licenses) declared(names []string) string {
	var parts []string
	for _, x := range l.all(names) {
		switch {
		case x.id != "":
			parts = append(parts, x.id)
		case x.expression != "" && strings.Contains(x.expression, " "):
			parts = append(parts, "("+x.expression+")")
		case x.expression != "":
			parts = append(parts, x.expression)
		default:
			parts = append(parts, l.reference(x.name))
		}
	}
	if len(parts) == 0 {
		return "NOASSERTION"
	}
	if len(parts) == 1 {
		return strings.TrimSuffix(strings.TrimPrefix(parts[0], "("), ")")
	}
	return strings.Join(parts, " AND ")
}

// reference names what is no licence of the list.
func (l *licenses) reference(name string) string {
	plain := strings.Trim(strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.') {
			return r
		}
		return '-'
	}, name[:min(len(name), 60)]), "-")
	base := "LicenseRef-" + plain
	for n := 1; ; n++ {
		ref := base
		if n > 1 || plain == "" {
			ref = fmt.Sprintf("%s-%d", base, n)
		}
		if other, taken := l.refs[ref]; !taken || other == name {
			l.refs[ref] = name
			return ref
		}
	}
}
