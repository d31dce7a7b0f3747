package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	errNotWhole  = errors.New("too large to be read whole")
	errManyPaths = errors.New("states more files than it has room for")
)

// extractGem reads an installed gem's specification, as RubyGems writes it.
func extractGem(f *FileContent) ([]Package, error) {
	dir := strings.TrimSuffix(path.Dir(f.Path), "/default")
	if path.Base(dir) != "specifications" {
		return nil, nil // a gemspec in a source tree is not an installed gem
	}
	data, ok := f.Bytes()
	if !ok {
		return nil, errNotWhole
	}
	return parseGem(data, f.Path)
}

var (
	// "# stub: name version platform require-paths", which RubyGems reads itself
	// so as not to run the rest.
	gemStub     = regexp.MustCompile(`(?m)^# stub: (\S+) (\S+) (\S+) `)
	gemName     = regexp.MustCompile(`(?m)^\s*s\.name\s*=\s*"([^"]+)"`)
	gemVersion  = regexp.MustCompile(`(?m)^\s*s\.version\s*=\s*(?:Gem::Version\.new\()?"([^"]+)"`)
	gemLicenses = regexp.MustCompile(`(?m)^\s*s\.licenses\s*=\s*\[([^\]]*)\]`)
	quoted      = regexp.MustCompile(`"([^"]*)"`)
)

func parseGem(data []byte, where string) ([]Package, error) {
	p := Package{Ecosystem: "RubyGems", Where: []string{where}}
	platform := ""
	if m := gemStub.FindSubmatch(data); m != nil {
		p.Name, p.Version, platform = string(m[1]), string(m[2]), string(m[3])
	} else {
		p.Name, p.Version = firstMatch(gemName, data), firstMatch(gemVersion, data)
	}
	if p.Name == "" || p.Version == "" {
		return nil, errors.New("gem specification without a name and a version")
	}
	if platform == "ruby" {
		platform = ""
	}
	for _, m := range quoted.FindAllStringSubmatch(firstMatch(gemLicenses, data), -1) {
		p.Licenses = append(p.Licenses, m[1])
	}
	p.PURL = purlText("gem", "", p.Name, p.Version, "platform", platform)
	return []Package{p}, nil
}

func firstMatch(re *regexp.Regexp, data []byte) string {
	if m := re.FindSubmatch(data); m != nil {
		return string(m[1])
	}
	return ""
}

// gemDirectory is where a gem's files are: beside specifications, under the name
// that the specification's file has.
func gemDirectory(spec string) string {
	base := strings.TrimSuffix(strings.TrimSuffix(path.Dir(spec), "/default"), "/specifications")
	return base + "/gems/" + strings.TrimSuffix(path.Base(spec), ".gemspec")
}

// extractComposer reads what Composer installed in a vendor directory.
func extractComposer(f *FileContent) ([]Package, error) {
	if path.Base(path.Dir(f.Path)) != "composer" {
		return nil, nil
	}
	data, ok := f.Bytes()
	if !ok {
		return nil, errNotWhole
	}
	return parseComposer(data, f.Path)
}

type composerPackage struct {
	Name, Version string
	License       json.RawMessage
	InstallPath   *string `json:"install-path"` // relative to the file; null for a package without files
}

// parseComposer reads installed.json: an object with packages, or, by Composer 1,
// the list alone. Files holds the package's directory until the tree is there.
func parseComposer(data []byte, where string) ([]Package, error) {
	var list []composerPackage
	if err := json.Unmarshal(data, &list); err != nil {
		var object struct{ Packages []composerPackage }
		if err := json.Unmarshal(data, &object); err != nil {
			return nil, fmt.Errorf("installed.json: %w", err)
		}
		list = object.Packages
	}
	packages := make([]Package, 0, len(list))
	room := roomFor(len(data))
	for _, c := range list {
		if c.Name == "" || c.Version == "" {
			continue
		}
		vendor, name, _ := strings.Cut(c.Name, "/")
		p := Package{Ecosystem: "Packagist", Name: c.Name, Version: c.Version, Where: []string{where},
			Licenses: npmLicenses(c.License), PURL: purlText("composer", vendor, name, c.Version)}
		if !room.take(len(where)) {
			return packages, errManyPaths
		}
		if c.InstallPath != nil {
			p.Files = []string{path.Join("/", path.Dir(where), *c.InstallPath)}
		} else {
			p.Files = []string{path.Join("/", path.Dir(path.Dir(where)), c.Name)}
		}
		packages = append(packages, p)
	}
	return packages, nil
}

// extractDotNet reads the dependencies of a .NET application, NAME.deps.json.
func extractDotNet(f *FileContent) ([]Package, error) {
	data, ok := f.Bytes()
	if !ok {
		return nil, errNotWhole
	}
	return parseDotNet(data, f.Path)
}

// parseDotNet gives the libraries that came as packages. Those that brought no
// file to run were only used to build, and are left out. Files are the assemblies
// beside the file that lists them.
func parseDotNet(data []byte, where string) ([]Package, error) {
	type assets struct {
		Runtime, Native, RuntimeTargets, Resources map[string]json.RawMessage
	}
	var content struct {
		Targets   map[string]map[string]assets
		Libraries map[string]struct{ Type string }
	}
	if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &content); err != nil {
		return nil, fmt.Errorf("deps.json: %w", err)
	}
	files := map[string][]string{}
	dir := path.Dir(where)
	room := roomFor(len(data))
	for _, target := range content.Targets {
		for library, a := range target {
			for _, group := range []map[string]json.RawMessage{a.Runtime, a.Native, a.Resources, a.RuntimeTargets} {
				for asset := range group {
					if !room.take(2 * (len(dir) + len(asset))) {
						return nil, errManyPaths
					}
					// Published, an assembly stands beside the file or, when it is for
					// one platform only, at the path that the package has it.
					files[library] = append(files[library], path.Join("/", dir, path.Base(asset)), path.Join("/", dir, asset))
				}
			}
		}
	}
	var packages []Package
	for library, l := range content.Libraries {
		name, version, ok := strings.Cut(library, "/")
		if !ok || len(files[library]) == 0 || l.Type != "package" && l.Type != "runtimepack" {
			continue
		}
		name = strings.TrimPrefix(name, "runtimepack.")
		slices.Sort(files[library])
		packages = append(packages, Package{Ecosystem: "NuGet", Name: name, Version: version, Where: []string{where},
			PURL: purlText("nuget", "", name, version), Files: slices.Compact(files[library])})
	}
	slices.SortFunc(packages, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	return packages, nil
}
