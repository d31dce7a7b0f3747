package image

import (
	"strconv"
	"strings"
)

// userID returns the number of the user that a configuration names, and -1 when
// it is not known: a name that /etc/passwd does not have. No name is root.
func userID(t *Tree, user string) int64 {
	name, _, _ := strings.Cut(user, ":")
	if name == "" {
		return 0
	}
	if id, ok := parseID(name); ok { // runtimes take digits for a number before they look for a name
		return id
	}
	text, _ := t.Content("/etc/passwd")
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 3 || fields[0] != name {
			continue
		}
		if id, ok := parseID(fields[2]); ok {
			return id
		}
	}
	if name == "root" && text == nil { // without the file, runtimes know no other
		return 0
	}
	return -1
}

// parseID reads a user's number. Those of Linux have 32 bits.
func parseID(s string) (int64, bool) {
	id, err := strconv.ParseUint(s, 10, 32)
	return int64(id), err == nil
}
