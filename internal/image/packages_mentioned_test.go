package image

import (
	"strings"
	"testing"
)

// Packages that are there and are not read are told of.
func TestPackagesThatAreNotRead(t *testing.T) {
	egg := jar(t, zipEntry{name: "EGG-INFO/PKG-INFO", content: "Metadata-Version: 1.0\nName: shop\nVersion: 1.2\n"}, zipEntry{name: "shop/__init__.py", content: "x"})
	for _, test := range []struct {
		path, content, problem, packages string
	}{
		{"opt/lib/shop-1.2-py3.11.egg", egg, "", "shop 1.2"},
		{"opt/lib/shop-1.2-py3.11.egg", "no archive", "zip", ""},
		{"opt/lib/shop.egg", jar(t, zipEntry{name: "x", content: "x"}), "without the name", ""},
		{"app/.pnp.cjs", "x", "Yarn's Plug'n'Play", ""},
		{"opt/conda/conda-meta/history", "==> 2026 <==\n", "conda", ""},
		{"root/history", "ls\n", "", ""},
	} {
		img, _ := readImage(t, savedLinked(t, tarOf(t, file{test.path, 0, test.content})), Options{})
		var problems []string
		for _, p := range img.Problems {
			problems = append(problems, p.String())
		}
		told := strings.Join(problems, "; ")
		if nameVersions(img.Packages) != test.packages || (told == "") != (test.problem == "") || !strings.Contains(told, test.problem) || test.problem != "" && !strings.Contains(told, test.path) {
			t.Errorf("%s: %q, %q", test.path, nameVersions(img.Packages), told)
		}
	}
}
