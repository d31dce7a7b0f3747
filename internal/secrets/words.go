package secrets

import (
	"fmt"
	"strings"
)

// distinct is a list without duplicates, in the order of the first ones.
type distinct struct {
	list []string
	has  map[string]bool
}

func (d *distinct) add(s string) {
	if d.has == nil {
		d.has = map[string]bool{}
	}
	if !d.has[s] {
		d.has[s] = true
		d.list = append(d.list, s)
	}
}

// listed names the first of a list and counts the rest.
func listed(list []string) string {
	const most = 4
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	if len(list) > 1 {
		return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
	}
	return strings.Join(list, "")
}
