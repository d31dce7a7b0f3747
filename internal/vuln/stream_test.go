package vuln

import (
	"strings"
	"testing"
)

func TestOfOlderMinor(t *testing.T) {
	for _, c := range []struct {
		ecosystem, version, fix string
		doubt                   bool
	}{
		{"Red Hat", "1:3.0.7-18.el9_2.1", "1:3.0.7-27.el9_4", true},
		{"Red Hat", "1:3.0.7-18.el9_4.1", "1:3.0.7-27.el9_4.3", false},
		{"Red Hat", "1:3.0.7-18.el9", "1:3.0.7-27.el9_4", false}, // nothing was built for a minor release yet
		{"Red Hat", "1:3.0.7-18.el9_2", "1:3.0.7-27.el9", false},
		{"Red Hat", "1.0-1.el8_6", "1.0-2.el9_2", false},
		{"Red Hat", "1.0-1.el8_6", "", false},
		{"Rocky Linux", "1:3.0.7-18.el9_2.1", "1:3.0.7-27.el9_4", false},
	} {
		if got := ofOlderMinor(c.ecosystem, c.version, c.fix); (got != "") != c.doubt || c.doubt && !strings.Contains(got, "built for 9.2 and the fix for 9.4") {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
