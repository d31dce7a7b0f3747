package manifest

import (
	"path"
	"strings"
)

// pattern is a pattern of paths with forward slashes, split at them: * ends at a
// slash, and ** stands for any number of directories. Patterns of names, which
// exceptions have, are others: there * spans slashes.
type pattern []string

func parsePattern(s string) (pattern, error) {
	s = strings.Trim(s, "/")
	p := pattern(strings.Split(s, "/"))
	if len(p) == 1 {
		p = pattern{"**", s}
	}
	for _, segment := range p {
		if _, err := path.Match(segment, ""); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// matches reports whether the pattern matches a path as a whole.
func (p pattern) matches(name string) bool { return p.match(strings.Split(name, "/")) }

func (p pattern) match(segments []string) bool {
	if len(p) == 0 {
		return len(segments) == 0
	}
	if p[0] == "**" {
		for i := range len(segments) + 1 {
			if p[1:].match(segments[i:]) {
				return true
			}
		}
		return false
	}
	if len(segments) == 0 {
		return false
	}
	ok, _ := path.Match(p[0], segments[0]) // the pattern was checked when it was parsed
	return ok && p[1:].match(segments[1:])
}
