package advisory

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/vuln"
)

// Feed is a feed and where it is served.
type Feed struct {
	Name string
	// URL is of the file; for OSV of the directory that holds all.zip,
	// modified_id.csv and a file for each record, for Red Hat of that which holds
	// archive_latest.txt, the archive that it names, changes.csv, deletions.csv and a
	// file for each document. It has no user and no password.
	URL  string
	user *url.Userinfo
}

// osvEcosystems are the ecosystems of OSV that installed packages can be of and
// whose versions have a known order.
var osvEcosystems = []string{
	"AlmaLinux", "Alpine", "Azure Linux", "Bitnami", "Debian", "Go", "Mageia", "Maven", "NuGet", "Packagist", "PyPI", "Red Hat", "Rocky Linux", "RubyGems", "SUSE", "Ubuntu", "Wolfi", "crates.io", "npm", "openSUSE",
}

var alpineBranches = []string{"v3.19", "v3.20", "v3.21", "v3.22", "v3.23"}

// publicPaths are where the projects serve their feeds; paths below a mirror.
var publicPaths = []struct{ prefix, public, mirrored string }{
	{"osv/", "https://storage.googleapis.com/osv-vulnerabilities/", "osv/"},
	{"debian", "https://security-tracker.debian.org/tracker/data/json", "debian/tracker.json"},
	{"alpine/", "https://secdb.alpinelinux.org/", "alpine/"},
	{feedUbuntu, "https://security-metadata.canonical.com/vex/vex-all.tar.xz", "ubuntu/vex-all.tar.xz"},
	{feedRedHat, "https://security.access.redhat.com/data/csaf/v2/vex", "redhat/vex"},
	{feedKubernetes, "https://kubernetes.io/docs/reference/issues-security/official-cve-feed/index.json", "kubernetes/official-cve-feed.json"},
	{"kev", "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json", "kev/known_exploited_vulnerabilities.json"},
	{"epss", "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz", "epss/epss_scores-current.csv.gz"},
}

// FeedNames are the feeds that there are.
func FeedNames() []string {
	var names []string
	for _, ecosystem := range osvEcosystems {
		names = append(names, "osv/"+ecosystem)
	}
	for _, branch := range alpineBranches {
		names = append(names, "alpine/"+branch+"/main", "alpine/"+branch+"/community")
	}
	names = append(names, "debian", feedEPSS, feedKEV, feedKubernetes, feedRedHat, feedUbuntu)
	slices.Sort(names)
	return names
}

// Lacking lists what a database of some feeds says nothing of, entries of
// [vuln.Result.NoData], each with what is missing: the feed that would speak of it, or that
// there is none.
func Lacking(noData []string, feeds []Provenance) string {
	var list []string
	for _, scope := range noData {
		names := speakingOf(scope)
		has := func(name string) bool {
			return slices.ContainsFunc(feeds, func(p Provenance) bool { return p.Feed == name })
		}
		switch {
		case len(names) == 0:
			scope += " (no feed has any)"
		case slices.ContainsFunc(names, has):
			scope += " (none in " + names[slices.IndexFunc(names, has)] + ")"
		default:
			scope += " (the feed " + strings.Join(names, " or ") + " is missing)"
		}
		list = append(list, scope)
	}
	return strings.Join(list, ", ")
}

// speakingOf are the feeds of which any one is enough to know of a scope, or of a
// repository of Alpine after one.
func speakingOf(scope string) (names []string) {
	ecosystem := vuln.EcosystemOf(scope)
	switch ecosystem {
	case "Debian":
		names = append(names, "debian")
	case "Kubernetes":
		names = append(names, feedKubernetes)
	case "Red Hat":
		names = append(names, feedRedHat)
	case "Alpine":
		branch, repository, _ := strings.Cut(strings.TrimPrefix(scope, "Alpine:"), " ")
		if name := "alpine/" + branch + "/" + cmp.Or(repository, "main"); slices.Contains(alpineBranches, branch) {
			names = append(names, name)
		}
	}
	if slices.Contains(osvEcosystems, ecosystem) {
		names = append(names, "osv/"+ecosystem)
	}
	return names
}

// Feeds returns feeds by name, all of them when none is named. They are served by
// their projects, or below mirror where that is not empty: osv/ECOSYSTEM/all.zip,
// debian/tracker.json, alpine/BRANCH/REPOSITORY.json, ubuntu/vex-all.tar.xz,
// redhat/vex/archive_latest.txt, kubernetes/official-cve-feed.json,
// kev/known_exploited_vulnerabilities.json, epss/epss_scores-current.csv.gz. A
// feed in overrides has its own URL.
func Feeds(names []string, mirror string, overrides map[string]string) ([]Feed, error) {
	known := FeedNames()
	if len(names) == 0 {
		names = known
	}
	for name := range overrides {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no feed %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	var feeds []Feed
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no feed %q; there are %s", name, strings.Join(known, ", "))
		}
		at := overrides[name]
		if at == "" {
			at = location(name, mirror)
		}
		u, err := url.Parse(at)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			shown := "what is given"
			if err == nil {
				shown = strconv.Quote(u.Redacted())
			}
			return nil, fmt.Errorf("%s, where %s is to be, is no http or https URL", shown, name)
		}
		user := u.User
		if u.User = nil; user != nil {
			at = u.String()
		}
		feeds = append(feeds, Feed{name, strings.TrimSuffix(at, "/"), user})
	}
	slices.SortFunc(feeds, func(a, b Feed) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(feeds, func(a, b Feed) bool { return a.Name == b.Name }), nil
}

func location(name, mirror string) string {
	for _, p := range publicPaths {
		rest, ok := strings.CutPrefix(name, p.prefix)
		if !ok {
			continue
		}
		base := p.public
		if mirror != "" {
			base = strings.TrimSuffix(mirror, "/") + "/" + p.mirrored
		}
		switch p.prefix {
		case "osv/":
			return base + url.PathEscape(rest)
		case "alpine/":
			return base + rest + ".json"
		}
		return base
	}
	return ""
}

func (f *Feed) isOSV() bool { return strings.HasPrefix(f.Name, "osv/") }

// read reads a downloaded feed.
func (f *Feed) read(path string, in *intake) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	head := make([]byte, pageHead)
	n, err := file.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	if err := refusePage(head[:n]); err != nil {
		return err
	}
	switch {
	case f.isOSV():
		info, err := file.Stat()
		if err != nil {
			return err
		}
		return osvZip(file, info.Size(), in)
	case f.Name == feedUbuntu:
		return ubuntuArchive(bufio.NewReaderSize(file, 256<<10), in)
	case f.Name == feedRedHat:
		return redHatArchive(file, in)
	}
	r, err := unpacked(file)
	if err != nil {
		return err
	}
	switch f.Name {
	case "debian":
		return debianTracker(r, in)
	case feedKubernetes:
		return kubernetesFeed(r, in)
	case feedKEV:
		return kevCatalog(r, in)
	case feedEPSS:
		return epssScores(r, in)
	}
	return alpineSecdb(r, in)
}
