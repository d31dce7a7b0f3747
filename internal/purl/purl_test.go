package purl

import (
	"strings"
	"testing"

	"github.com/package-url/packageurl-go"
)

var samples = []string{
	"pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12&upstream=zlib",
	"pkg:rpm/redhat/bash@5.1.8-6.el9?arch=x86_64&distro=rhel-9.4&epoch=1&upstream=bash-5.1.8-6.el9.src.rpm",
	"pkg:npm/%40babel/core@7.0.0", "pkg:npm/@babel/core@7.0.0", "pkg:npm/%40babel%2Fcore@7.0.0",
	"pkg:golang/github.com/BurntSushi/toml@v1.6.0", "pkg:golang/github.com/Masterminds/semver@v3.2.1#v3",
	"pkg:maven/org.apache.commons/commons-text@1.9?type=jar", "pkg:pypi/Zope.Interface@5.0%2Bb1", "pkg:composer/Laravel/Laravel@11",
	"pkg:oci/web@sha256%3A0123?repository_url=registry.example%2Fweb&tag=1.4.2", "PKG://NPM//left-pad@1#/a/../b/",
	"pkg:deb/debian/a@1~2%20?arch=x&&ARCH=y&empty=", "pkg:nuget/A", "pkg:cargo/x@1@2", "pkg:gem/ruby%2Fx@1?platform=java",
	"pkg:", "pkg:x", "pkg:/x/", "pkg:1x/y", "pkg:npm/", "pkg:npm/x@%4", "pkg:npm/x?a=%zz", "npm/x", "pkg:npm/@", "pkg:a/b#%", "pkg:x/y/@1",
}

// TestAgainstLibrary holds what is read against the field's library, which levels
// case while it reads.
func TestAgainstLibrary(t *testing.T) {
	read := 0
	for _, s := range samples {
		read += compare(t, s)
	}
	if read < 12 {
		t.Errorf("only %d of the samples were read by both", read)
	}
}

func compare(t *testing.T, s string) int {
	t.Helper()
	got, err := Parse(s)
	want, libErr := packageurl.FromString(s)
	if err != nil || libErr != nil {
		return 0 // each is strict about other things
	}
	level := strings.ToLower
	if level(got.Namespace+"|"+got.Version) != level(want.Namespace+"|"+want.Version) || got.Type != want.Type || levelled(got.Name) != levelled(want.Name) {
		t.Errorf("%s: read as %+v, by the library as %+v", s, got, want)
	}
	for _, q := range want.Qualifiers {
		if q.Value != "" && got.Get(q.Key) != q.Value {
			t.Errorf("%s: qualifier %s is %q, by the library %q", s, q.Key, got.Get(q.Key), q.Value)
		}
	}
	return 1
}

func TestRefused(t *testing.T) {
	for _, s := range []string{"", "pkg:", "pkg:x", "pkg:npm/", "pkg:1x/y", "pkg:npm/x@%4", "pkg:npm/x?a=%zz", "npm/x", "pkg:npm/x@" + strings.Repeat("1", Longest)} {
		if u, err := Parse(s); err == nil {
			t.Errorf("%.40q is read as %+v", s, u)
		}
	}
}

// TestCovers says which packages a statement is about.
func TestCovers(t *testing.T) {
	for _, c := range []struct {
		stated, pkg string
		want        bool
	}{
		{"pkg:deb/debian/curl", "pkg:deb/debian/curl@7.88?arch=amd64&distro=debian-12.5", true},
		{"pkg:deb/debian/curl@7.88?distro=debian-12", "pkg:deb/debian/curl@7.88?arch=amd64&distro=debian-12.5", true},
		{"pkg:deb/debian/curl@7.88?distro=debian-1", "pkg:deb/debian/curl@7.88?arch=amd64&distro=debian-12.5", false},
		{"pkg:deb/debian/curl@7.88?arch=arm64", "pkg:deb/debian/curl@7.88?arch=amd64", false},
		{"pkg:deb/debian/curl@7.89", "pkg:deb/debian/curl@7.88", false},
		{"pkg:deb/debian/curl@7.88", "pkg:deb/debian/curl", false},
		{"pkg:deb/ubuntu/curl", "pkg:deb/debian/curl@7.88", false},
		{"pkg:rpm/redhat/bash@5.1?epoch=1", "pkg:rpm/redhat/bash@1:5.1", true},
		{"pkg:rpm/redhat/bash@5.1?epoch=0", "pkg:rpm/redhat/bash@5.1", true},
		{"pkg:golang/github.com/masterminds/semver/v3@v3.2.1", "pkg:golang/github.com/Masterminds/semver@v3.2.1#v3", true},
		{"pkg:pypi/zope-interface", "pkg:pypi/Zope.Interface@5", true},
		{"pkg:npm/JSONStream", "pkg:npm/jsonstream@1", false},
		{"pkg:rpm/redhat/bash@5.1-1?arch=src", "pkg:rpm/redhat/bash-doc@5.1-1?arch=noarch&upstream=bash-5.1-1.src.rpm", true},
		{"pkg:rpm/redhat/bash@5.2-1?arch=src", "pkg:rpm/redhat/bash-doc@5.1-1?arch=noarch&upstream=bash-5.1-1.src.rpm", false},
		{"pkg:deb/debian/zlib?arch=source", "pkg:deb/debian/zlib1g@1?arch=amd64&upstream=zlib%401:1.2", true},
		{"pkg:deb/debian/zlib@1:1.2?arch=source", "pkg:deb/debian/zlib1g@1?arch=amd64&upstream=zlib%401:1.2", true},
		{"pkg:deb/debian/zlib1g?arch=source", "pkg:deb/debian/zlib1g@1?arch=amd64&upstream=zlib", false},
		{"pkg:npm/core", "pkg:npm/%40babel/core@7", false},
	} {
		stated, err := Parse(c.stated)
		if err != nil {
			t.Fatal(err)
		}
		pkg, err := Parse(c.pkg)
		if err != nil {
			t.Fatal(err)
		}
		if got := stated.Covers(&pkg); got != c.want {
			t.Errorf("%s about %s: %v", c.stated, c.pkg, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range samples {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(u.String())
		if err != nil || again.String() != u.String() || !u.Covers(&again) {
			t.Fatalf("%q is read as %+v, written as %q and then read as %+v: %v", s, u, u.String(), again, err)
		}
		compare(t, s)
	})
}
