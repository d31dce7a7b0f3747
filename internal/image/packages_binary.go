package image

import (
	"bytes"
	"compress/zlib"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

const (
	goSection   = ".go.buildinfo"
	rustSection = ".dep-v0" // written by cargo auditable
)

// extractBinary reads what a Go or Rust program was built from. A program can be
// both, as one that links the other's library.
func extractBinary(f *FileContent) ([]Package, error) {
	file, err := elf.NewFile(f)
	if err != nil {
		return nil, fmt.Errorf("section table: %w", err)
	}
	var packages []Package
	var problems []error
	if file.Section(goSection) != nil {
		found, err := goPackages(f, f.Path)
		packages, problems = append(packages, found...), append(problems, err)
	}
	if section := file.Section(rustSection); section != nil {
		found, err := rustPackages(section, f.Path)
		packages, problems = append(packages, found...), append(problems, err)
	}
	return packages, errors.Join(problems...)
}

// goPackages gives the modules that a Go program was built from, with the
// toolchain's standard library as the package stdlib. What a replace directive
// put in another's place counts; a directory in place of a module has no version.
func goPackages(r io.ReaderAt, where string) ([]Package, error) {
	info, err := buildinfo.Read(r)
	if err != nil {
		return nil, fmt.Errorf("go build information: %w", err)
	}
	var packages []Package
	add := func(name, version string, main bool) {
		if name == "" {
			return
		}
		packages = append(packages, Package{Ecosystem: "Go", Name: name, Version: version, Where: []string{where},
			PURL: goPURL(name, version), Files: []string{where}, Main: main})
	}
	if version, ok := toolchain(info.GoVersion); ok {
		add("stdlib", version, false)
	}
	add(info.Main.Path, released(info.Main.Version), true)
	for _, dep := range info.Deps {
		name, version := replaced(dep)
		add(name, version, false)
	}
	return packages, nil
}

// toolchain takes the release from what a program says of its toolchain, such as
// "go1.26.1 X:boringcrypto". A development version keeps its own form.
func toolchain(s string) (string, bool) {
	fields := strings.Fields(s)
	if len(fields) == 0 {
		return "", false
	}
	if version, ok := strings.CutPrefix(fields[0], "go"); ok {
		version, _, _ = strings.Cut(version, "-") // a vendor's suffix
		return version, true
	}
	return s, true
}

// released gives no version for a module that was built from its directory.
func released(version string) string {
	if version == "(devel)" {
		return ""
	}
	return version
}

func replaced(dep *debug.Module) (name, version string) {
	r := dep.Replace
	switch {
	case r == nil:
		return dep.Path, released(dep.Version)
	case released(r.Version) == "":
		return dep.Path, ""
	}
	return r.Path, r.Version
}

func goPURL(name, version string) string {
	namespace, last := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		namespace, last = name[:i], name[i+1:]
	}
	return purlText("golang", namespace, last, version)
}

// Limits of the list that cargo auditable writes. A thousand packages take about
// 100 KiB.
const (
	maxRustSection = 8 << 20
	maxRustList    = 8 << 20
)

// rustPackages reads the list that cargo auditable put into a section: JSON,
// deflated. What was only used to build is left out.
func rustPackages(section *elf.Section, where string) ([]Package, error) {
	if section.FileSize > maxRustSection || section.Flags&elf.SHF_COMPRESSED != 0 {
		return nil, fmt.Errorf("section %s: %d bytes, or compressed as a section", rustSection, section.FileSize)
	}
	data := make([]byte, section.FileSize)
	if _, err := section.ReadAt(data, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("section %s: %w", rustSection, err)
	}
	return parseRustList(data, where)
}

func parseRustList(data []byte, where string) ([]Package, error) {
	inflate, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("section %s: %w", rustSection, err)
	}
	list, err := io.ReadAll(io.LimitReader(inflate, maxRustList+1))
	if err == nil && len(list) > maxRustList {
		err = fmt.Errorf("more than %d bytes", maxRustList)
	}
	var content struct {
		Packages []struct {
			Name, Version, Kind string
			Root                bool
		}
	}
	if err == nil {
		err = json.Unmarshal(list, &content)
	}
	if err != nil {
		return nil, fmt.Errorf("section %s: %w", rustSection, err)
	}
	packages := make([]Package, 0, len(content.Packages))
	for _, p := range content.Packages {
		if p.Name == "" || p.Version == "" || p.Kind == "build" {
			continue
		}
		packages = append(packages, Package{Ecosystem: "crates.io", Name: p.Name, Version: p.Version, Where: []string{where},
			PURL: purlText("cargo", "", p.Name, p.Version), Files: []string{where}, Main: p.Root})
	}
	return packages, nil
}
