package image

import "strings"

// The names that OSV gives to distributions, by their ID in os-release. Those
// that OSV does not have keep their own name.
var distroEcosystems = map[string]string{
	"debian": "Debian", "ubuntu": "Ubuntu", "alpine": "Alpine", "wolfi": "Wolfi", "chainguard": "Chainguard",
	"rhel": "Red Hat", "centos": "CentOS", "rocky": "Rocky Linux", "almalinux": "AlmaLinux", "amzn": "Amazon Linux",
	"fedora": "Fedora", "ol": "Oracle Linux", "sles": "SUSE", "opensuse-leap": "openSUSE", "opensuse-tumbleweed": "openSUSE",
	"mageia": "Mageia", "openEuler": "openEuler", "photon": "Photon OS", "azurelinux": "Azure Linux", "mariner": "Azure Linux",
	"minimos": "MinimOS", "alpaquita": "Alpaquita",
}

// OfLanguage reports whether a package is one of a language's package manager, and
// not of the distribution's.
func (p *Package) OfLanguage() bool {
	switch p.Ecosystem {
	case "npm", "PyPI", "Maven", "Go", "crates.io", "RubyGems", "Packagist", "NuGet":
		return true
	}
	return false
}

func (d Distro) ecosystem(otherwise string) string {
	if name, ok := distroEcosystems[d.ID]; ok {
		return name
	}
	if d.ID != "" {
		return d.ID
	}
	return otherwise
}

func (d Distro) dpkgEcosystem() string { return d.ecosystem("Debian") }
func (d Distro) apkEcosystem() string  { return d.ecosystem("Alpine") }

// rpmEcosystem has no fallback: without os-release an rpm may be anybody's.
func (d Distro) rpmEcosystem() string { return d.ecosystem("RPM") }

func (d Distro) purlNamespace(otherwise string) string {
	switch d.ID {
	case "":
		return otherwise
	case "rhel":
		return "redhat"
	}
	return strings.ToLower(d.ID)
}

func (d Distro) purlDistro() string {
	if d.ID == "" || d.Version == "" {
		return d.ID
	}
	return d.ID + "-" + d.Version
}
