package vuln

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// alphabets are what random versions of each order are made of.
var alphabets = map[Order][]string{
	Dpkg:     {"0", "1", "2", "10", "007", ".", ".", "-", "~", "+", "a", "b", "rc", "deb12u", "1:", "~bpo", "+b1", "Z", "git20240101"},
	Apk:      {"0", "1", "2", "10", "05", ".", ".", "_alpha", "_beta", "_pre", "_rc", "_cvs", "_git", "_p", "a", "b", "-r0", "-r1", "~ab12"},
	Rpm:      {"0", "1", "2", "10", "007", ".", ".", "-", "~", "^", "a", "b", "rc", "el9", "_", "+", "fc40", "1:"},
	PEP440:   {"0", "1", "2", "10", ".", ".", "a", "b", "rc", "alpha", ".post", ".dev", "-1", "+", "1!", "+ab.1", "v", "_", "-", "preview", "c"},
	SemVer:   {"0", "1", "2", "10", ".", ".", ".", "-", "-alpha", "-rc.1", "+build", "-0", ".beta", "v", "x-y"},
	Maven:    {"0", "1", "2", "10", "007", ".", ".", "-", "alpha", "a", "b1", "m", "rc", "cr", "ga", "final", "release", "sp", "snapshot", "SNAPSHOT", "x", "jre8"},
	RubyGems: {"0", "1", "2", "10", ".", ".", "a", "pre", "rc", "-", "beta", ".rc", "Z"},
	NuGet:    {"0", "1", "2", "10", ".", ".", "-", "-Alpha", "-alpha", "-rc.1", "+build", "-0", ".Beta", ".beta"},
	Composer: {"0", "1", "2", "10", ".", ".", "-", "-alpha", "-beta", "RC", "-dev", "v", "p1", "-patch", ".1", "a", "b2", "stable"},
}

// randomVersion makes a version that is valid in its order.
func randomVersion(r *rand.Rand, o Order) string {
	parts := alphabets[o]
	for {
		var b strings.Builder
		b.WriteString(parts[r.IntN(3)])
		for range r.IntN(7) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		if v := b.String(); o.Valid(v) {
			return v
		}
	}
}

func compareSign(o Order, a, b string) int {
	switch c := o.Compare(a, b); {
	case c < 0:
		return -1
	case c > 0:
		return 1
	}
	return 0
}

// TestTotalOrder holds what sorting and ranges rest on: of valid versions, a
// before b is b after a, and before is transitive, equality included. Maven's own
// order is not transitive over contrived words (2ga-m2x < 2 < 2spx2 < 2ga-m2x), so only
// the first holds there.
func TestTotalOrder(t *testing.T) {
	for o := range alphabets {
		r := rand.New(rand.NewPCG(1, uint64(o)))
		for range 60000 {
			a, b, c := randomVersion(r, o), randomVersion(r, o), randomVersion(r, o)
			if compareSign(o, a, b) != -compareSign(o, b, a) || o != Maven && !transitive(o, a, b, c) {
				t.Fatalf("order %d: %q, %q, %q: %d, %d, %d", o, a, b, c, compareSign(o, a, b), compareSign(o, b, c), compareSign(o, a, c))
			}
		}
	}
}

func transitive(o Order, a, b, c string) bool {
	ab, ba, bc, ac := compareSign(o, a, b), compareSign(o, b, a), compareSign(o, b, c), compareSign(o, a, c)
	switch {
	case ab != -ba:
		return false
	case ab <= 0 && bc <= 0:
		return ac == min(ab, bc)
	case ab >= 0 && bc >= 0:
		return ac == max(ab, bc)
	}
	return true
}

// TestOrders states comparisons that the documents of each ecosystem give, or
// that had to be thought about.
func TestOrders(t *testing.T) {
	for _, c := range []struct {
		order     Order
		ascending string // < between versions, = between equal ones
	}{
		{Dpkg, "1.0~~ < 1.0~~a < 1.0~ < 1.0 = 1.0-0 < 1.0-1~deb12u1 < 1.0-1 < 1.0-1+b1 < 1.0a-1 < 1.0+x-1 < 1.0.1 < 1:0.1"},
		{Apk, "1.0_alpha < 1.0_alpha1 < 1.0_beta < 1.0_pre < 1.0_rc1 < 1.0_rc1-r1 < 1.0 < 1.0-r0 < 1.0-r1 < 1.0-r10 < 1.0_git < 1.0_p1 < 1.0a < 1.01 < 1.1 < 1.10"},
		{Apk, "1.9.5p1-r1 < 1.9.5p2-r1"},
		{Rpm, "0:1.0~rc1-1 = 1.0~rc1-1 < 1.0-1 < 1.0-1.el9 < 1.0^git1-1 < 1.0a-1 < 1.0.1-1 < 1.1-1 < 1:0.1-1"},
		{PEP440, "1.dev0 < 1.0a1.dev1 < 1.0a1 < 1.0b2 < 1.0rc1 = 1.0c1 = 1.0-preview-1 < 1.0 = v1.0.0 < 1.0+abc.5 < 1.0+abc.7 < 1.0+5 < 1.0.post1.dev2 < 1.0.post1 = 1.0-1 = 1.0r1 < 1.1.dev1 < 1!0"},
		{SemVer, "0 = 0.0.0 < 1.0.0-0 < 1.0.0-alpha < 1.0.0-alpha.1 < 1.0.0-alpha.beta < 1.0.0-beta < 1.0.0-beta.2 < 1.0.0-beta.11 < 1.0.0-rc.1 < 1.0.0 = v1 = 1.0.0+b-1 < go1.20rc1 < 1.20.0"},
		{SemVer, "9223372036854775807.0.0 < 9223372036854775808.0.0 < 99999999999999999999.0.0"},
		{Maven, "1-alpha-1 = 1a1 = 1.a1 < 1-beta < 1-m2 < 1-rc = 1-cr < 1-SNAPSHOT < 1 = 1.0 = 1-ga = 1.0.0-final < 1-sp < 1-abc < 1-1 < 1.1"},
		{RubyGems, "1.0.a < 1.0.a.1 < 1.0.b1 < 1.0.rc1 < 1.0 = 1 = 1.0.0 < 1.0.1-a < 1.0.1"},
		{NuGet, "1.0.0-Alpha = 1.0.0-alpha < 1.0.0-beta.2 < 1.0.0-beta.11 < 1.0.0 = 1.0 = 1.0.0.0 < 1.0.0.1"},
		{Composer, "1.0-dev < 1.0-alpha = 1.0.0a < 1.0-alpha2 < 1.0b1 < 1.0RC1-dev < 1.0RC1 < 1.0.0.0 = v1.0 = 1.0-stable < 1.0-p1 = 1.0pl1 = 1.0-patch1"},
	} {
		words := strings.Fields(c.ascending)
		equal := true
		for i := 0; i < len(words); i += 2 {
			if !c.order.Valid(words[i]) {
				t.Errorf("order %d: %q is not valid", c.order, words[i])
			}
			for j := i + 2; j < len(words); j += 2 {
				if j == i+2 {
					equal = true
				}
				equal = equal && words[j-1] == "="
				want := -1
				if equal {
					want = 0
				}
				if got := compareSign(c.order, words[i], words[j]); got != want {
					t.Errorf("order %d: %s against %s is %d, not %d", c.order, words[i], words[j], got, want)
				}
			}
		}
	}
}

// TestNotVersions holds that what is no version is told apart.
func TestNotVersions(t *testing.T) {
	for o, texts := range map[Order][]string{
		Dpkg: {"", "abc", "1.0 2", "-1"}, Apk: {"", "x1", "1.0-1", "1.0_foo", "1..0"}, Rpm: {""}, PEP440: {"", "latest", "1.0+", "1.0-foo", "1.0+a..b"},
		SemVer: {"", "latest", "v", "1.0.0-a_b"}, Maven: {""}, RubyGems: {"", "a.1", "1..0", "1.0-"}, NuGet: {"", "x"}, Composer: {"", "dev-master", "1.x-dev", "1.0-foo"},
	} {
		for _, v := range texts {
			if o.Valid(v) {
				t.Errorf("order %d takes %q for a version", o, v)
			}
		}
	}
	if OrderOf("Debian:12") != Dpkg || OrderOf("npm") != SemVer || OrderOf("Nonsense") != NoOrder {
		t.Error("ecosystems have the wrong order")
	}
}

// FuzzOrders holds that no text breaks a comparison, and that it is antisymmetric
// for every text and transitive for versions.
func FuzzOrders(f *testing.F) {
	f.Add("1.0-1", "1.0", "1:1.0~rc1")
	f.Add("1.0_p1-r0", "1.0a", "1-ga-1")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for o := NoOrder; o <= Composer; o++ {
			if compareSign(o, a, b) != -compareSign(o, b, a) {
				t.Fatalf("order %d: %q against %q is not the other way round", o, a, b)
			}
			if o != NoOrder && o != Maven && o.Valid(a) && o.Valid(b) && o.Valid(c) && !transitive(o, a, b, c) {
				t.Fatalf("order %d: %q, %q, %q", o, a, b, c)
			}
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	for _, c := range []struct {
		name  string
		order Order
		x, y  string
	}{
		{"dpkg", Dpkg, "3.0.11-1~deb12u2", "3.0.13-1~deb12u1"}, {"apk", Apk, "3.1.4-r5", "3.1.4-r6"},
		{"rpm", Rpm, "1:3.0.7-24.el9", "1:3.0.7-27.el9"}, {"pep440", PEP440, "2.31.0", "2.32.0.post1"},
		{"semver", SemVer, "v0.17.0", "0.23.0"}, {"maven", Maven, "2.13.4.1", "2.13.4.2"},
		{"rubygems", RubyGems, "3.1.4", "3.1.5.rc1"}, {"nuget", NuGet, "4.3.0", "4.3.1"}, {"composer", Composer, "v5.4.40", "5.4.44"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.order.Compare(c.x, c.y)
			}
		})
	}
}
