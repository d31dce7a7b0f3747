package image

import "testing"

// What a later layer puts in the place of a distribution's file is not the distribution's;
// a layer that only touches the file changes nothing.
func TestOwnedByNoMoreOnceReplaced(t *testing.T) {
	const info = "usr/lib/python3/dist-packages/urllib3-1.26.12.egg-info/PKG-INFO"
	describe := func(version string, mode int64) file {
		return file{info, mode, "Metadata-Version: 2.1\nName: urllib3\nVersion: " + version + "\n"}
	}
	status := func(version string) []file {
		return []file{{"var/lib/dpkg/status", 0, "Package: python3-urllib3\nStatus: install ok installed\nArchitecture: all\nVersion: " + version + "\n\n"},
			{"var/lib/dpkg/info/python3-urllib3.list", 0, "/.\n/" + info + "\n"}}
	}
	base := tarOf(t, append(status("1.26.12-1"), file{"etc/os-release", 0, debianRelease}, describe("1.26.12", 0o644))...)
	many := []file{describe("1.25.0", 0o644)}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"} {
		many = append(many, file{"opt/" + name, 0, "x"})
	}
	for _, test := range []struct {
		what, version string
		owned         bool
		layers        [][]byte
	}{
		{"alone", "1.26.12", true, [][]byte{base}},
		{"replaced", "1.25.0", false, [][]byte{base, tarOf(t, describe("1.25.0", 0o644))}},
		{"replaced by a large layer", "1.25.0", false, [][]byte{base, tarOf(t, many...)}},
		{"replaced and touched", "1.25.0", false, [][]byte{base, tarOf(t, describe("1.25.0", 0o644)), tarOf(t, describe("1.25.0", 0o600))}},
		{"touched", "1.26.12", true, [][]byte{base, tarOf(t, describe("1.26.12", 0o600))}},
		{"deleted and replaced", "1.25.0", false, [][]byte{base, tarOf(t, file{"usr/lib/python3/dist-packages/.wh.urllib3-1.26.12.egg-info", 0, ""}), tarOf(t, describe("1.25.0", 0o644))}},
		{"upgraded", "1.26.18", true, [][]byte{base, tarOf(t, append(status("1.26.18-1"), describe("1.26.18", 0o644))...)}},
	} {
		img, _ := readImage(t, savedLinked(t, test.layers...), Options{})
		found := false
		for _, p := range img.Packages {
			if p.Ecosystem == "PyPI" {
				found = p.Version == test.version && (p.OwnedBy != "") == test.owned
			}
		}
		if !found {
			t.Errorf("%s: %+v", test.what, img.Packages)
		}
	}
}
