package image

import (
	"bytes"
	"encoding/csv"
	"errors"
	"path"
	"regexp"
	"strings"
)

// extractPython reads the core metadata of an installed distribution: METADATA in
// a dist-info directory, PKG-INFO in an egg-info one, or an egg-info file.
func extractPython(f *FileContent) ([]Package, error) {
	if !pythonInstalled(f.Path) {
		return nil, nil
	}
	data, ok := f.Bytes()
	if !ok {
		return nil, errNotWhole
	}
	packages := parsePython(data, f.Path)
	if packages == nil {
		return nil, errors.New("metadata of a distribution without a name and a version")
	}
	return packages, nil
}

func pythonInstalled(file string) bool {
	dir := path.Base(path.Dir(file))
	switch path.Base(file) {
	case "METADATA":
		return strings.HasSuffix(dir, ".dist-info")
	case "PKG-INFO":
		return strings.HasSuffix(dir, ".egg-info") || dir == "EGG-INFO"
	}
	return strings.HasSuffix(file, ".egg-info")
}

// parsePython reads the head of a metadata file, which is in the form of mail.
func parsePython(data []byte, where string) []Package {
	p := Package{Ecosystem: "PyPI", Where: []string{where}}
	var stated, expression string
	for line := range bytes.Lines(data) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		key, value, ok := strings.Cut(string(line), ":")
		if !ok || line[0] == ' ' || line[0] == '\t' {
			continue
		}
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			p.Name = value
		case "Version":
			p.Version = value
		case "License":
			stated = value
		case "License-Expression":
			expression = value
		case "Classifier":
			if name, ok := strings.CutPrefix(value, "License :: "); ok {
				p.Licenses = append(p.Licenses, name[strings.LastIndex(name, ":: ")+len(":: "):])
			}
		}
	}
	if p.Name == "" || p.Version == "" {
		return nil
	}
	// An expression is exact, a stated name is what the authors wrote, and a
	// classifier is the coarsest. Some state the whole text in place of a name.
	if expression != "" {
		p.Licenses = []string{expression}
	} else if stated != "" && !strings.EqualFold(stated, "unknown") && len(stated) < 100 {
		p.Licenses = []string{stated}
	}
	p.PURL = purlText("pypi", "", normalizePyPI(p.Name), p.Version)
	return []Package{p}
}

var pypiSeparators = regexp.MustCompile(`[-_.]+`)

// normalizePyPI gives the one form that all spellings of a name share (PEP 503).
func normalizePyPI(name string) string {
	return strings.ToLower(pypiSeparators.ReplaceAllString(name, "-"))
}

// pythonFiles gives the paths that a distribution installed by the RECORD of its
// dist-info or the installed-files.txt of its egg-info; nil when it has neither.
func pythonFiles(content func(string) ([]byte, bool), metadata string) []string {
	dir := path.Dir(metadata)
	if record, ok := content(dir + "/RECORD"); ok {
		return parseRecord(record, path.Dir(dir))
	}
	if list, ok := content(dir + "/installed-files.txt"); ok {
		files := []string{}
		room := roomFor(len(list))
		for line := range strings.Lines(string(list)) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				if !room.take(len(dir) + len(line)) {
					return nil
				}
				files = append(files, path.Join(dir, line))
			}
		}
		return files
	}
	return nil
}

// parseRecord reads path, digest and size from lines of comma separated values.
// Paths are relative to the directory that holds the dist-info, or absolute. Those
// that there is no room for make it nil, not known.
func parseRecord(record []byte, base string) []string {
	r := csv.NewReader(bytes.NewReader(record))
	r.FieldsPerRecord, r.ReuseRecord, r.LazyQuotes = -1, true, true
	files := []string{}
	room := roomFor(len(record))
	for {
		fields, err := r.Read()
		if err != nil {
			return files
		}
		file := fields[0]
		if file == "" {
			continue
		}
		if !room.take(len(base) + len(file)) {
			return nil
		}
		if !path.IsAbs(file) {
			file = base + "/" + file
		}
		files = append(files, path.Clean(file))
	}
}
