package vuln

import (
	"regexp"
	"strconv"
	"strings"
)

// Scope returns the scope in which sources speak of a package: the ecosystem, with
// the release where it is a distribution's. It is "" when the release is not known
// or is another distribution's.
func Scope(ecosystem string, r Release) string {
	major, minor, _ := strings.Cut(r.Version, ".")
	switch ecosystem {
	case "Debian":
		return release(ecosystem, r.ID == "debian", major)
	case "Ubuntu":
		suffix := ""
		if year, err := strconv.Atoi(major); err == nil && year%2 == 0 && minor == "04" {
			suffix = ":LTS"
		}
		return release(ecosystem, r.ID == "ubuntu", r.Version) + suffix
	case "Alpine":
		if strings.Contains(r.Version, "_alpha") { // a snapshot of what the next release will be
			return release(ecosystem, r.ID == "alpine", "edge")
		}
		minor, _, _ = strings.Cut(minor, ".")
		return release(ecosystem, r.ID == "alpine" && minor != "" && digits(minor) == len(minor), "v"+major+"."+minor)
	case "Red Hat":
		return release(ecosystem, r.ID == "rhel", major)
	case "Rocky Linux":
		return release(ecosystem, r.ID == "rocky", major)
	case "AlmaLinux":
		return release(ecosystem, r.ID == "almalinux", major)
	case "openSUSE":
		if r.ID == "opensuse-tumbleweed" {
			return ecosystem + ":Tumbleweed"
		}
		return release(ecosystem, r.ID == "opensuse-leap" && r.Version != "", "Leap "+r.Version)
	case "SUSE":
		if major, err := strconv.Atoi(major); err == nil && major >= 16 { // no service packs any more
			return release(ecosystem, true, r.Version)
		}
		if minor != "" && minor != "0" {
			major += " SP" + minor
		}
		return release(ecosystem, r.Version != "", major)
	case "Azure Linux":
		return release(ecosystem, r.ID == "azurelinux" || r.ID == "mariner", major)
	case "Mageia":
		return release(ecosystem, r.ID == "mageia", major)
	}
	return ecosystem
}

func release(ecosystem string, known bool, version string) string {
	if !known || version == "" {
		return ""
	}
	return ecosystem + ":" + version
}

// suseProduct is a product or a module of SUSE Linux Enterprise, with its release and
// perhaps the kind of its support.
var suseProduct = regexp.MustCompile(`^SUSE:Linux Enterprise .*\b(1[1-9](?: SP\d+|\.\d+)?)(?:-.*)?$`)

// ScopeOf returns the scope that an ecosystem as written in OSV records stands for.
// Red Hat's repositories of one release are one scope, and so are SUSE's modules and
// products of one: which of them a package is of, and what support is paid for, no image
// says. Their other products keep their own names.
func ScopeOf(ecosystem string) string {
	if m := suseProduct.FindStringSubmatch(ecosystem); m != nil {
		return "SUSE:" + m[1]
	}
	if product, ok := strings.CutPrefix(ecosystem, "Red Hat:enterprise_linux:"); ok {
		major, _, _ := strings.Cut(product, ":")
		if digits(major) == len(major) {
			return "Red Hat:" + major
		}
	}
	return ecosystem
}

// subscription returns the scope in which a distribution speaks of what it mends
// for subscribers only, "" where there is none.
func subscription(scope string) string {
	if rest, ok := strings.CutPrefix(scope, "Ubuntu:"); ok {
		return "Ubuntu:Pro:" + rest
	}
	return ""
}

// BySource reports whether sources speak of an rpm distribution's packages by the
// names of source packages. The records of AlmaLinux and Red Hat list built ones, all
// of an update; the OSV schema says of AlmaLinux's that they do not.
func BySource(ecosystem string) bool {
	switch ecosystem {
	case "Azure Linux", "Mageia", "Rocky Linux", "SUSE", "openEuler", "openSUSE":
		return true
	}
	return false
}

// SourceName is the name under which a feed files what it says of a source package,
// in a scope where it speaks of built ones too.
func SourceName(name string) string { return "src:" + name }

// ModularName is the name under which a feed files what it says of an rpm in a
// stream of a module, such as nodejs:18.
func ModularName(module, name string) string {
	if module == "" {
		return name
	}
	return module + "/" + name
}

// NormalName returns the name under which an ecosystem files a package: where case
// and separators do not tell names apart, they are levelled.
func NormalName(ecosystem, name string) string {
	base, _, _ := strings.Cut(ecosystem, ":")
	switch base {
	case "PyPI":
		return normalPyPI(name)
	case "NuGet", "Packagist", "Go": // package URLs level the case of modules, advisories keep it
		return strings.ToLower(name)
	}
	return name
}

// normalPyPI is the normalization of PEP 503.
func normalPyPI(name string) string {
	plain := true
	for i := range len(name) {
		if c := name[i]; !isLower(c) && !isDigit(c) && (c != '-' || i > 0 && name[i-1] == '-') {
			plain = false
		}
	}
	if plain {
		return name
	}
	b := make([]byte, 0, len(name))
	for i := range len(name) {
		switch c := name[i]; {
		case c != '-' && c != '_' && c != '.':
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			b = append(b, c)
		case len(b) == 0 || b[len(b)-1] != '-':
			b = append(b, '-')
		}
	}
	return string(b)
}

// IsDistribution says whether the packages of an ecosystem are those of an operating
// system. Distributions own what they package: their word stands over upstream's.
func IsDistribution(ecosystem string) bool {
	switch OrderOf(ecosystem) {
	case Dpkg, Apk, Rpm:
		return true
	}
	return false
}

// hasOwnWord says whether those who build a package speak on it besides OSV.
func hasOwnWord(ecosystem string) bool { return ecosystem == kubernetes || IsDistribution(ecosystem) }
