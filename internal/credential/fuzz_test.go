package credential

import (
	"slices"
	"strings"
	"testing"
)

// FuzzRedact holds that what is shown of lines, values and arguments has no credential
// that a second look finds, and that nothing is made up.
func FuzzRedact(f *testing.F) {
	for _, line := range []string{"RUN |2 TOKEN=a b /bin/sh -c curl -u admin:x host # buildkit", "ENV A=1 PASSWORD=\"x y\" B=$C", "mysql -u root -pZq8vT2nLx4Rk9Wd", "u:p@registry.example/web:1", "--password\nx"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		shown, found := RedactCommand(line)
		if (shown != line) != (found != "") {
			t.Errorf("%q is shown as %q, for %q", line, shown, found)
		}
		if again := In(shown); again != "" {
			t.Errorf("%q is shown as %q, which has a %s", line, shown, again)
		}
		if shown, found = RedactValue("NAME", line); found == "" && shown != line || found != "" && shown != Mask {
			t.Errorf("the value %q is shown as %q, for %q", line, shown, found)
		}
		if shown, found = RedactReference(line); (shown != line) != (found != "") {
			t.Errorf("the reference %q is shown as %q, for %q", line, shown, found)
		}
		args := strings.Split(line, "\n")
		if all, found := RedactArguments(args, "/bin/sh"); len(all) != len(args) || len(found) == 0 && !slices.Equal(all, args) {
			t.Errorf("%q are shown as %q, for %q", args, all, found)
		}
	})
}
