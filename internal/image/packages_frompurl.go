package image

import (
	"cmp"
	"strings"

	"ullage.dev/ullage/internal/purl"
)

// FromPURL makes a package of what a package URL says, as this program and others
// write them for software bills of materials: for distributions with the epoch in
// the version or beside it, and the source package as upstream. d is the distribution
// of the image: that of the package, unless its URL names another. A type that is no ecosystem of ours
// stands for itself: there are no advisories on it.
func FromPURL(text string, d Distro) (Package, error) {
	u, err := purl.Parse(text)
	if err != nil {
		return Package{}, err
	}
	p := Package{Name: u.Name, Version: u.Version, PURL: text}
	switch u.Type {
	case "deb", "apk", "rpm":
		p.ofDistribution(&u, d)
	case "maven":
		p.Ecosystem, p.Name = "Maven", joined(u.Namespace, ":", u.Name)
	case "golang": // some write the end of a module's path as a subpath
		p.Ecosystem, p.Name = "Go", joined(joined(u.Namespace, "/", u.Name), "/", u.Subpath)
	default:
		p.Ecosystem, p.Name = cmp.Or(languageEcosystems[u.Type], u.Type), joined(u.Namespace, "/", u.Name)
	}
	return p, nil
}

var languageEcosystems = map[string]string{
	"cargo": "crates.io", "npm": "npm", "pypi": "PyPI", "gem": "RubyGems", "composer": "Packagist", "nuget": "NuGet", "bitnami": "Bitnami",
}

func joined(namespace, between, name string) string {
	if namespace == "" || name == "" {
		return namespace + name
	}
	return namespace + between + name
}

func (p *Package) ofDistribution(u *purl.URL, d Distro) {
	if own := DistroOfPURL(u); own.ID != "" && (own.Version != "" || own.ID != d.ID) && own != (Distro{ID: d.ID, Version: d.Version}) {
		p.Distro, d = &own, own
	}
	if id := DistroID(u.Namespace); id != "" && id != "unknown" && id != d.ID && !strings.HasPrefix(d.ID, id+"-") {
		d = Distro{ID: id}
	}
	p.Arch = u.Get("arch")
	if t := u.Type; t == "deb" || t == "apk" || t == "rpm" {
		p.Ecosystem = d.withManager(t).ecosystem(t)
	}
	epoch := u.Get("epoch")
	if epoch == "0" || strings.Contains(p.Version, ":") {
		epoch = ""
	}
	p.Version = withEpoch(epoch, p.Version)
	source, version, _ := strings.Cut(u.Get("upstream"), "@")
	if u.Type == "rpm" {
		if source, version = splitSourceRPM(u.Get("upstream")); version != "" {
			version = withEpoch(epoch, version)
		}
	}
	if source != p.Name {
		p.Source = source
	}
	if version != p.Version {
		p.SourceVersion = version
	}
}

// Names that tools give to distributions beside their ID in os-release.
var distroAliases = map[string]string{
	"redhat": "rhel", "red hat": "rhel", "alma": "almalinux", "amazon": "amzn", "oracle": "ol", "opensuse.leap": "opensuse-leap", "opensuse leap": "opensuse-leap",
	"opensuse.tumbleweed": "opensuse-tumbleweed", "suse linux enterprise server": "sles", "suse": "sles", "cbl-mariner": "mariner", "photon os": "photon",
	"openeuler": "openEuler", "rocky linux": "rocky", "amazon linux": "amzn", "oracle linux": "ol", "azure linux": "azurelinux",
}

// DistroID returns the ID that os-release has for a distribution that tools name in
// their own ways.
func DistroID(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	return cmp.Or(distroAliases[name], name)
}

// DistroOfPURL returns the distribution that a package URL names as its qualifier
// distro: debian-12, alpine-3.20.1, opensuse-leap-15.5, a release of the namespace's
// alone (12), or a code name. What follows the last hyphen is the version when it
// begins with a digit. It is the zero Distro where there is none.
func DistroOfPURL(u *purl.URL) Distro {
	qualifier, namespace := u.Get("distro"), DistroID(u.Namespace)
	if i := strings.LastIndexByte(qualifier, '-'); i > 0 && i+1 < len(qualifier) && qualifier[i+1] >= '0' && qualifier[i+1] <= '9' {
		return Distro{ID: DistroID(qualifier[:i]), Version: qualifier[i+1:]}
	}
	if qualifier != "" && qualifier[0] >= '0' && qualifier[0] <= '9' {
		return Distro{ID: namespace, Version: qualifier}
	}
	if version := codenames[namespace+" "+strings.TrimPrefix(qualifier, namespace+"-")]; version != "" {
		return Distro{ID: namespace, Version: version}
	}
	return Distro{ID: DistroID(qualifier)}
}
