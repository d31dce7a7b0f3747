package image

import "strings"

// distroEcosystems are the names that OSV gives to distributions, by the package
// manager that they have and their ID in os-release. Those that are not among them
// keep their own name.
var distroEcosystems = map[string]map[string]string{
	"deb": {"debian": "Debian", "ubuntu": "Ubuntu"},
	"apk": {"alpine": "Alpine", "wolfi": "Wolfi", "chainguard": "Chainguard", "minimos": "MinimOS", "alpaquita": "Alpaquita"},
	"rpm": {
		"rhel": "Red Hat", "centos": "CentOS", "rocky": "Rocky Linux", "almalinux": "AlmaLinux", "amzn": "Amazon Linux",
		"fedora": "Fedora", "ol": "Oracle Linux", "sles": "SUSE", "sles_sap": "SUSE", "sled": "SUSE", "sle_hpc": "SUSE", "opensuse-leap": "openSUSE", "opensuse-tumbleweed": "openSUSE",
		"mageia": "Mageia", "openEuler": "openEuler", "photon": "Photon OS", "azurelinux": "Azure Linux", "mariner": "Azure Linux",
	},
}

// withManager returns the distribution that the packages of a manager are of: none
// that is known where the image's is one that has another, as apk in Debian.
func (d Distro) withManager(manager string) Distro {
	for other, names := range distroEcosystems {
		if names[d.ID] != "" && other != manager {
			return Distro{}
		}
	}
	return d
}

// manager is the package manager that the distribution always has, "" where that is
// not known.
func (d Distro) manager() string {
	for manager, names := range distroEcosystems {
		if names[d.ID] != "" {
			return map[string]string{"deb": "dpkg", "apk": "apk", "rpm": "rpm"}[manager]
		}
	}
	return ""
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

// ecosystem returns the one that the packages of a manager are of. An rpm without
// os-release may be anybody's.
func (d Distro) ecosystem(manager string) string {
	if name := distroEcosystems[manager][d.ID]; name != "" {
		return name
	}
	if d.ID != "" {
		return d.ID
	}
	return map[string]string{"deb": "Debian", "apk": "Alpine", "rpm": "RPM"}[manager]
}

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
