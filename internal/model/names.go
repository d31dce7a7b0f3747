package model

import (
	"fmt"
	"strings"
)

// Names is a list without duplicates, in the order in which they were added.
type Names struct {
	List []string
	has  map[string]bool
}

// Add adds those names that are not in the list.
func (n *Names) Add(names ...string) {
	if n.has == nil {
		n.has = map[string]bool{}
	}
	for _, name := range names {
		if !n.has[name] {
			n.has[name] = true
			n.List = append(n.List, name)
		}
	}
}

// MostListed is how many names [Listed] writes.
const MostListed = 4

// Listed writes the first of some names, as people say them, and counts the rest.
// first holds all, or at least MostListed of them.
func Listed(first []string, total int) string {
	if total > MostListed {
		return fmt.Sprintf("%s and %d more", strings.Join(first[:MostListed], ", "), total-MostListed)
	}
	if total > 1 {
		return strings.Join(first[:total-1], ", ") + " and " + first[total-1]
	}
	return strings.Join(first, "")
}
