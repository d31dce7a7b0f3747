package image

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// Where dpkg keeps what it knows. Distroless images have a file for each package
// in place of the one status file.
const (
	dpkgStatus     = "/var/lib/dpkg/status"
	dpkgStatusDir  = "/var/lib/dpkg/status.d"
	dpkgInfo       = "/var/lib/dpkg/info"
	dpkgDiversions = "/var/lib/dpkg/diversions"
	docDir         = "/usr/share/doc"
)

// parseDpkg reads stanzas as in dpkg's status file (deb822). It gives those whose
// files are in place: installed ones, and ones unpacked but not configured. A
// stanza without a Status, as in status.d, is of an installed package. Damaged
// counts the lines that are no fields, and the stanzas of what is in place that lack
// a name or a version.
func parseDpkg(data []byte, where string, d Distro) (packages []Package, damaged int) {
	for len(data) > 0 {
		var stanza dpkgStanza
		stanza, data = nextStanza(data)
		damaged += stanza.damaged
		switch {
		case stanza == dpkgStanza{damaged: stanza.damaged} || !stanza.inPlace():
		case stanza.name == "" || stanza.version == "":
			damaged++
		default:
			packages = append(packages, stanza.asPackage(where, d))
		}
	}
	return packages, damaged
}

type dpkgStanza struct {
	name, version, arch, source, status string
	multiArchSame                       bool
	damaged                             int // lines that are no fields
}

// nextStanza reads up to the next empty line.
func nextStanza(data []byte) (dpkgStanza, []byte) {
	var s dpkgStanza
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		line = bytes.TrimRight(line, " \t\r")
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		if !isStanzaLine(line) {
			s.damaged++
			continue
		}
		key, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch string(key) {
		case "Package":
			s.name = string(value)
		case "Version":
			s.version = string(value)
		case "Architecture":
			s.arch = string(value)
		case "Source":
			s.source = string(value)
		case "Status":
			s.status = string(value)
		case "Multi-Arch":
			s.multiArchSame = string(value) == "same"
		}
	}
	return s, data
}

func (s dpkgStanza) inPlace() bool {
	if s.status == "" {
		return true
	}
	fields := strings.Fields(s.status)
	if len(fields) != 3 {
		return false
	}
	switch fields[2] {
	case "installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending":
		return true
	}
	return false
}

func (s dpkgStanza) asPackage(where string, d Distro) Package {
	p := Package{Ecosystem: d.ecosystem("deb"), Name: s.name, Version: s.version, Arch: s.arch, Where: []string{where}}
	source, version, _ := strings.Cut(s.source, " ")
	if source != s.name {
		p.Source = source
	}
	if version = strings.Trim(version, "( )"); version != s.version {
		p.SourceVersion = version
	}
	p.PURL = purlText("deb", d.purlNamespace("debian"), s.name, s.version, "arch", s.arch, "upstream", p.upstream(), "distro", d.purlDistro())
	return p
}

// infoNames are the names that the package's files in info can have, without the
// extension. Which of them is used depends on Multi-Arch.
func infoNames(p Package) [2]string {
	return [2]string{p.Name + ":" + p.Arch, p.Name}
}

// parseList reads a list of paths, one a line, as in info/NAME.list.
func parseList(data []byte) []string {
	paths := make([]string, 0, bytes.Count(data, []byte("\n")))
	for line := range bytes.Lines(data) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 1 && line[0] == '/' && string(line) != "/." {
			paths = append(paths, string(line))
		}
	}
	return paths
}

// parseMD5Sums reads the paths of lines such as "digest  usr/bin/env".
func parseMD5Sums(data []byte) []string {
	paths := make([]string, 0, bytes.Count(data, []byte("\n")))
	for line := range bytes.Lines(data) {
		digest, name, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(" "))
		if !ok || len(digest) != 32 {
			continue
		}
		// The second mark is a space, or a star for a binary file.
		name = bytes.TrimPrefix(bytes.TrimPrefix(name, []byte(" ")), []byte("*"))
		if len(name) > 0 {
			paths = append(paths, path.Join("/", string(name)))
		}
	}
	return paths
}

// diversion is a path that dpkg puts elsewhere for all packages but one.
type diversion struct{ to, by string }

// parseDiversions reads triples of lines: the path, where it is put, and the
// package that may keep the path, ":" for none.
func parseDiversions(data []byte) map[string]diversion {
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	diversions := make(map[string]diversion, len(lines)/3)
	for i := 0; i+2 < len(lines); i += 3 {
		diversions[lines[i]] = diversion{to: lines[i+1], by: lines[i+2]}
	}
	return diversions
}

// divert puts the paths of the package where its files really are.
func divert(paths []string, name string, diversions map[string]diversion) {
	if len(diversions) == 0 {
		return
	}
	for i, p := range paths {
		if d, ok := diversions[p]; ok && d.by != name {
			paths[i] = d.to
		}
	}
}

// parseCopyright reads the licences that a Debian copyright file states: the
// short names of the machine-readable form (DEP-5), else the names of the common
// licences that the text refers to. Names are the file's own, not SPDX's.
func parseCopyright(data []byte) []string {
	var licenses []string
	add := func(name string) {
		if name != "" && len(name) < 100 && !slices.Contains(licenses, name) {
			licenses = append(licenses, name)
		}
	}
	if machineReadable(data) {
		for line := range bytes.Lines(data) {
			if value, ok := bytes.CutPrefix(line, []byte("License:")); ok {
				add(string(bytes.TrimSpace(value)))
			}
		}
	} else {
		const common = "/usr/share/common-licenses/"
		for rest := data; ; {
			i := bytes.Index(rest, []byte(common))
			if i < 0 {
				break
			}
			rest = rest[i+len(common):]
			end := bytes.IndexFunc(rest, func(r rune) bool { return !licenseRune(r) })
			if end < 0 {
				end = len(rest)
			}
			add(strings.TrimRight(string(rest[:end]), ".-"))
		}
	}
	slices.Sort(licenses)
	return licenses
}

func machineReadable(data []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimLeft(data, " \r\n\t"), []byte("\n"))
	return bytes.HasPrefix(line, []byte("Format"))
}

func licenseRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '+'
}
