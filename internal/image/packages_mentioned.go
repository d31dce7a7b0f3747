package image

import (
	"archive/zip"
	"errors"
)

// extractEgg reads the metadata of a Python egg that is one file.
func extractEgg(f *FileContent) ([]Package, error) {
	z, err := zip.NewReader(&tableReader{at: f, left: maxJarDirectory}, f.Size)
	if err != nil {
		return nil, err
	}
	for _, entry := range z.File {
		if entry.Name != "EGG-INFO/PKG-INFO" {
			continue
		}
		text, err := readEntry(entry, maxJarText)
		if err != nil {
			return nil, err
		}
		if packages := parsePython(text, f.Path); packages != nil {
			return packages, nil
		}
	}
	return nil, errors.New("an egg without the name and version of a distribution")
}

// extractPlugAndPlay tells of packages that are not read: Yarn keeps them in archives
// of its own, beside the file that says where.
func extractPlugAndPlay(*FileContent) ([]Package, error) {
	return nil, errors.New("packages of Yarn's Plug'n'Play are not read")
}
