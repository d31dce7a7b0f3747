package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// extractNPM reads the package.json of an installed package, or of what may be the
// application into which packages were installed.
func extractNPM(f *FileContent) ([]Package, error) {
	application := !strings.Contains(f.Path, "/node_modules/")
	if !application && !npmInstalled(f.Path) {
		return nil, nil
	}
	data, ok := f.Bytes()
	if !ok {
		return nil, errNotWhole
	}
	found, err := parseNPM(data, f.Path)
	if application {
		if err != nil {
			return nil, nil // some program's file of that name
		}
		for i := range found {
			found[i].Main = !unpackedNPM(&found[i], path.Base(path.Dir(f.Path)))
		}
	}
	return found, err
}

// unpackedNPM says whether a directory is called as that of an archive of the
// package is: NAME-VERSION or NAME-vVERSION.
func unpackedNPM(p *Package, dir string) bool {
	rest, ok := strings.CutPrefix(dir, p.Name+"-")
	return ok && strings.TrimPrefix(rest, "v") == p.Version
}

// npmInstalled says whether a package.json is where a package manager installs:
// at PACKAGE/package.json in a node_modules directory that is the project's own, or
// that of a package which is installed itself. What packages carry along as test
// data or bundles is not.
func npmInstalled(file string) bool {
	_, rest, ok := strings.Cut(file, "/node_modules/")
	for ok {
		var name string
		if name, rest, ok = strings.Cut(rest, "/"); !ok {
			return false
		}
		if name == ".pnpm" { // .pnpm/NAME@VERSION/node_modules/NAME
			if _, rest, ok = strings.Cut(rest, "/"); !ok {
				return false
			}
		} else if name == "" || name[0] == '.' {
			return false
		} else if name[0] == '@' {
			if _, rest, ok = strings.Cut(rest, "/"); !ok {
				return false
			}
		}
		if rest == "package.json" {
			return name != ".pnpm"
		}
		rest, ok = strings.CutPrefix(rest, "node_modules/")
	}
	return false
}

func parseNPM(data []byte, where string) ([]Package, error) {
	var content struct {
		Name     string          `json:"name"`
		Version  string          `json:"version"`
		License  json.RawMessage `json:"license"`
		Licenses json.RawMessage `json:"licenses"`
		Private  json.RawMessage `json:"private"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &content); err != nil {
		return nil, fmt.Errorf("package.json: %w", err)
	}
	if content.Name == "" || content.Version == "" && !npmInstalled(where) {
		return nil, nil // a marker such as {"type": "module"}
	}
	scope, name := "", content.Name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		scope, name = name[:i], name[i+1:]
	}
	p := Package{
		Ecosystem: "npm", Name: content.Name, Version: content.Version, Where: []string{where},
		Licenses: append(npmLicenses(content.License), npmLicenses(content.Licenses)...),
	}
	if string(content.Private) != "true" && content.Version != "" { // what is private is in no registry
		p.PURL = purlText("npm", scope, name, content.Version)
	}
	return []Package{p}, nil
}

// npmLicenses reads the forms that packages use: a string, an object with a type,
// or a list of either.
func npmLicenses(raw json.RawMessage) []string {
	if len(raw) == 0 {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var licenses []string
	for _, item := range list {
		var name string
		var object struct{ Type string }
		if json.Unmarshal(item, &name) != nil && json.Unmarshal(item, &object) == nil {
			name = object.Type
		}
		if name != "" && !slices.Contains(licenses, name) {
			licenses = append(licenses, name)
		}
	}
	return licenses
}
