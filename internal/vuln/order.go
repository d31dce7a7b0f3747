package vuln

import "strings"

// Order is how an ecosystem orders its versions.
type Order uint8

// The orders. NoOrder has none: such versions are equal or not.
const (
	NoOrder Order = iota
	Dpkg
	Apk
	Rpm
	PEP440
	SemVer
	Maven
	RubyGems
	NuGet
	Composer
)

var orders = map[string]Order{
	"Debian": Dpkg, "Ubuntu": Dpkg, "Echo": Dpkg,
	"Alpine": Apk, "Wolfi": Apk, "Chainguard": Apk, "Alpaquita": Apk, "BellSoft Hardened Containers": Apk, "MinimOS": Apk,
	"Red Hat": Rpm, "Rocky Linux": Rpm, "AlmaLinux": Rpm, "SUSE": Rpm, "openSUSE": Rpm, "openEuler": Rpm, "Mageia": Rpm, "Azure Linux": Rpm,
	"PyPI": PEP440,
	"Go":   SemVer, "Kubernetes": SemVer, "npm": SemVer, "crates.io": SemVer, "Hex": SemVer, "Pub": SemVer, "SwiftURL": SemVer, bitnami: SemVer,
	"Maven": Maven, "RubyGems": RubyGems, "NuGet": NuGet, "Packagist": Composer,
}

// OrderOf returns the order of an ecosystem as OSV spells it, with or without a
// release such as Debian:12.
func OrderOf(ecosystem string) Order {
	base, _, _ := strings.Cut(ecosystem, ":")
	return orders[base]
}

// Compare returns a negative number when a is before b, a positive one when it is
// after, and 0 when the ecosystem takes both for the same. It never fails: what is
// not valid stands somewhere, and [Order.Valid] tells it.
func (o Order) Compare(a, b string) int {
	if a == b {
		return 0
	}
	switch o {
	case Dpkg:
		return compareDpkg(a, b)
	case Apk:
		return compareApk(a, b)
	case Rpm:
		return compareRpm(a, b)
	case PEP440:
		return comparePEP440(a, b)
	case SemVer:
		return compareSemVer(a, b, false)
	case Maven:
		return compareMaven(a, b)
	case RubyGems:
		return compareGems(a, b)
	case NuGet:
		return compareSemVer(a, b, true)
	case Composer:
		return compareComposer(a, b)
	}
	return strings.Compare(a, b)
}

// Placed says whether an event of a range has a place in this order.
func (o Order) Placed(e Event) bool {
	return e.Kind == Limit || e.Version == "0" || o == NoOrder || o.Valid(e.Version)
}

// Valid says whether a version is one in this order. Where it is not, ranges say
// nothing about it.
func (o Order) Valid(v string) bool {
	switch o {
	case Dpkg:
		return validDpkg(v)
	case Apk:
		return validApk(v)
	case Rpm, Maven:
		return v != ""
	case PEP440:
		var p pep440
		return p.parse(v)
	case SemVer, NuGet:
		return validSemVer(v)
	case RubyGems:
		return validGem(v)
	case Composer:
		var c composer
		return c.parse(v)
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isAlpha(c byte) bool { return isLower(c | 0x20) }

// compareNumbers compares two runs of digits of any length as numbers; an empty
// run is zero.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// digits returns the length of the run of digits that s begins with.
func digits(s string) int {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

// letters returns the length of the run of ASCII letters that s begins with.
func letters(s string) int {
	i := 0
	for i < len(s) && isAlpha(s[i]) {
		i++
	}
	return i
}
