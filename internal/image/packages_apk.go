package image

import (
	"bytes"
	"path"
	"strings"
)

// Where apk keeps its database: version 2, and version 3 with a merged /usr.
const (
	apkInstalled    = "/lib/apk/db/installed"
	apkUsrInstalled = "/usr/lib/apk/db/installed"
)

// parseApk reads apk's installed database: records of "letter:value" lines
// between empty lines. F names a directory, each R after it a file in that. Damaged
// counts the lines that are none, and the records without a name or a version.
func parseApk(data []byte, where string, d Distro) (packages []Package, damaged int) {
	room := roomFor(len(data))
	for len(data) > 0 {
		var record Package
		var lines, wrong int
		record, lines, wrong, data = nextApk(data, &room)
		damaged += wrong
		if record.Name == "" || record.Version == "" {
			if lines > 0 {
				damaged++
			}
			continue
		}
		record.Ecosystem = d.ecosystem("apk")
		record.Where = []string{where}
		record.PURL = purlText("apk", d.purlNamespace("alpine"), record.Name, record.Version,
			"arch", record.Arch, "upstream", record.upstream(), "distro", d.purlDistro())
		packages = append(packages, record)
	}
	return packages, damaged
}

// nextApk reads up to the next empty line, and counts the lines that are of the
// form and those that are not. Without room for its files they are not known.
func nextApk(data []byte, room *room) (p Package, lines, wrong int, rest []byte) {
	p.Files = []string{}
	dir := "/"
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			break
		}
		if !isApkLine(line) {
			wrong++
			continue
		}
		lines++
		value := string(line[2:])
		switch line[0] {
		case 'P':
			p.Name = value
		case 'V':
			p.Version = value
		case 'A':
			p.Arch = value
		case 'L':
			p.Licenses = splitLicenses(value)
		case 'o':
			p.Source = value
		case 'F':
			dir = path.Join("/", value)
		case 'R':
			if !room.take(len(dir) + len(value)) {
				p.Files = nil
			} else if p.Files != nil {
				p.Files = append(p.Files, path.Join(dir, value))
			}
		}
	}
	if p.Source == p.Name {
		p.Source = ""
	}
	return p, lines, wrong, data
}

// splitLicenses keeps an SPDX expression whole: its parts mean something only
// together.
func splitLicenses(value string) []string {
	if value = strings.TrimSpace(value); value == "" || strings.EqualFold(value, "unknown") {
		return nil
	}
	return []string{value}
}
