package image

import (
	"encoding/json"
	"fmt"
	"path"
)

// conda is the type of conda's packages. There are no advisories on them.
const conda = "conda"

// extractConda reads what conda notes of a package in an environment: conda-meta/NAME.json
// below the environment's directory.
func extractConda(f *FileContent) ([]Package, error) {
	data, ok := f.Bytes()
	if !ok {
		return nil, errNotWhole
	}
	var content struct {
		Name, Version, Build, Subdir, License string
		Files                                 []string
	}
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, fmt.Errorf("metadata of a package of conda: %w", err)
	}
	if content.Name == "" || content.Version == "" {
		return nil, nil // another file of conda's
	}
	p := Package{Ecosystem: conda, Name: content.Name, Version: content.Version, Where: []string{f.Path}, Files: []string{},
		PURL: purlText("conda", "", content.Name, content.Version, "build", content.Build, "subdir", content.Subdir)}
	if content.License != "" && len(content.License) < 100 {
		p.Licenses = []string{content.License}
	}
	environment := path.Dir(path.Dir(f.Path))
	room := roomFor(len(data))
	for _, file := range content.Files {
		if !room.take(len(environment) + len(file)) {
			return nil, errManyPaths
		}
		p.Files = append(p.Files, path.Join(environment, file))
	}
	return []Package{p}, nil
}
