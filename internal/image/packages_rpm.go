package image

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// The directories that rpm's database can be in: by tradition, Fedora's and
// SUSE's since /usr holds what the system brings, and Mariner's distroless form.
var rpmDirs = []string{"/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm"}

// The files that rpm's database can be, by its back end: SQLite, rpm's own ndb,
// and Berkeley DB's hash format.
const (
	rpmSQLite = "rpmdb.sqlite"
	rpmWAL    = "rpmdb.sqlite-wal"
	rpmNDB    = "Packages.db"
	rpmBDB    = "Packages"
)

// Tags of a package header that are read.
const (
	rpmName        = 1000
	rpmVersion     = 1001
	rpmRelease     = 1002
	rpmEpoch       = 1003
	rpmLicense     = 1014
	rpmArch        = 1022
	rpmOldNames    = 1027
	rpmFileStates  = 1029
	rpmFileModes   = 1030
	rpmFileDigests = 1035
	rpmSourceRPM   = 1044
	rpmDirIndexes  = 1116
	rpmBaseNames   = 1117
	rpmDirNames    = 1118
	rpmModularity  = 5096
	rpmTypeInt16   = 3
	rpmTypeInt32   = 4
	rpmTypeStrings = 8
)

// parseRPMHeader reads one package header, as rpm's database keeps it. ok is false
// for what is no software: the public keys that rpm keeps as packages.
func parseRPMHeader(blob []byte, where string, d Distro) (p Package, ok bool, err error) {
	h, err := newRPMHeader(blob)
	if err != nil {
		return Package{}, false, err
	}
	name, version := h.text(rpmName), h.text(rpmVersion)
	if name == "" || version == "" {
		return Package{}, false, errors.New("rpm header without a name and a version")
	}
	if name == "gpg-pubkey" {
		return Package{}, false, nil
	}
	release := h.text(rpmRelease)
	epoch := ""
	if n := h.numbers(rpmEpoch); len(n) > 0 && n[0] > 0 {
		epoch = strconv.FormatUint(uint64(n[0]), 10)
	}
	p = Package{Ecosystem: d.ecosystem("rpm"), Name: name, Arch: h.text(rpmArch), Where: []string{where}, Files: h.files()}
	p.Version = withRelease(version, release)
	p.PURL = purlText("rpm", d.purlNamespace("unknown"), name, p.Version, "arch", p.Arch, "epoch", epoch, "upstream", h.text(rpmSourceRPM), "distro", d.purlDistro())
	if source, sourceVersion := splitSourceRPM(h.text(rpmSourceRPM)); source != "" {
		if source != name {
			p.Source = source
		}
		if sourceVersion != p.Version {
			p.SourceVersion = withEpoch(epoch, sourceVersion)
		}
	}
	p.Version = withEpoch(epoch, p.Version)
	p.Licenses = splitLicenses(h.text(rpmLicense))
	if parts := strings.SplitN(h.text(rpmModularity), ":", 3); len(parts) > 1 && parts[0] != "" && parts[1] != "" {
		p.Module = parts[0] + ":" + parts[1]
	}
	return p, true, nil
}

// sourceEpochs sets the epochs of source packages, which a package does not state. Where
// its version is its own, so is its epoch; then another package of the same source that
// has the source's version tells.
func sourceEpochs(packages []Package) {
	type source struct{ name, version string }
	known := map[source]string{}
	plain := func(version string) (epoch, rest string) {
		if epoch, rest, ok := strings.Cut(version, ":"); ok {
			return epoch, rest
		}
		return "", version
	}
	for i := range packages {
		if p := &packages[i]; p.SourceVersion == "" {
			epoch, version := plain(p.Version)
			known[source{cmp.Or(p.Source, p.Name), version}] = epoch
		}
	}
	for i := range packages {
		p := &packages[i]
		if p.SourceVersion == "" {
			continue
		}
		_, version := plain(p.SourceVersion)
		if epoch, ok := known[source{cmp.Or(p.Source, p.Name), version}]; ok {
			p.SourceVersion = withEpoch(epoch, version)
		}
	}
}

func withRelease(version, release string) string {
	if release == "" {
		return version
	}
	return version + "-" + release
}

func withEpoch(epoch, version string) string {
	if epoch == "" {
		return version
	}
	return epoch + ":" + version
}

// splitSourceRPM takes a file name such as bash-5.1.8-6.el9.src.rpm apart.
func splitSourceRPM(file string) (name, version string) {
	file, ok := strings.CutSuffix(file, ".rpm")
	if !ok {
		return "", ""
	}
	file = strings.TrimSuffix(strings.TrimSuffix(file, ".src"), ".nosrc")
	release := strings.LastIndexByte(file, '-')
	if release <= 0 {
		return "", ""
	}
	split := strings.LastIndexByte(file[:release], '-')
	if split <= 0 {
		return "", ""
	}
	return file[:split], file[split+1:]
}

// rpmHeader is a header's index: where in the data each tag's value is.
type rpmHeader struct {
	data    []byte
	entries map[uint32]rpmEntry
}

type rpmEntry struct{ kind, offset, count uint32 }

func newRPMHeader(blob []byte) (rpmHeader, error) {
	if len(blob) < 8 {
		return rpmHeader{}, errors.New("rpm header is cut short")
	}
	count, size := binary.BigEndian.Uint32(blob), binary.BigEndian.Uint32(blob[4:])
	if uint64(count)*16+uint64(size)+8 > uint64(len(blob)) {
		return rpmHeader{}, fmt.Errorf("rpm header states %d entries and %d bytes, and has %d bytes", count, size, len(blob))
	}
	h := rpmHeader{entries: make(map[uint32]rpmEntry, 16)}
	index := blob[8 : 8+count*16]
	h.data = blob[8+count*16:][:size]
	for ; len(index) > 0; index = index[16:] {
		tag := binary.BigEndian.Uint32(index)
		switch tag {
		case rpmName, rpmVersion, rpmRelease, rpmEpoch, rpmLicense, rpmArch, rpmOldNames, rpmFileStates,
			rpmFileModes, rpmFileDigests, rpmSourceRPM, rpmDirIndexes, rpmBaseNames, rpmDirNames, rpmModularity:
			h.entries[tag] = rpmEntry{
				kind:   binary.BigEndian.Uint32(index[4:]),
				offset: binary.BigEndian.Uint32(index[8:]),
				count:  binary.BigEndian.Uint32(index[12:]),
			}
		}
	}
	return h, nil
}

// at gives the data from the tag's value on, nil when there is none.
func (h rpmHeader) at(tag uint32) ([]byte, rpmEntry) {
	e, ok := h.entries[tag]
	if !ok || uint64(e.offset) > uint64(len(h.data)) {
		return nil, rpmEntry{}
	}
	return h.data[e.offset:], e
}

func (h rpmHeader) text(tag uint32) string {
	data, _ := h.at(tag)
	value, _, _ := bytes.Cut(data, []byte{0})
	return string(value)
}

func (h rpmHeader) texts(tag uint32) []string {
	data, e := h.at(tag)
	if data == nil || e.kind != rpmTypeStrings {
		return nil
	}
	values := make([]string, 0, min(int(e.count), len(data)))
	for range e.count {
		value, rest, ok := bytes.Cut(data, []byte{0})
		if !ok {
			break
		}
		values = append(values, string(value))
		data = rest
	}
	return values
}

func (h rpmHeader) numbers(tag uint32) []uint32 {
	data, e := h.at(tag)
	size := map[uint32]int{rpmTypeInt16: 2, rpmTypeInt32: 4}[e.kind]
	if size == 0 || uint64(e.count)*uint64(size) > uint64(len(data)) {
		return nil
	}
	values := make([]uint32, e.count)
	for i := range values {
		if size == 2 {
			values[i] = uint32(binary.BigEndian.Uint16(data[i*2:]))
		} else {
			values[i] = binary.BigEndian.Uint32(data[i*4:])
		}
	}
	return values
}

// files gives the paths of what the package put in place, directories left out.
func (h rpmHeader) files() []string {
	names := h.texts(rpmBaseNames)
	dirs, indexes := h.texts(rpmDirNames), h.numbers(rpmDirIndexes)
	if len(names) == 0 {
		names, dirs = h.texts(rpmOldNames), nil
	} else if len(indexes) < len(names) {
		return nil
	}
	modes := h.numbers(rpmFileModes)
	states, _ := h.at(rpmFileStates)
	files := make([]string, 0, len(names))
	room := roomFor(len(h.data))
	for i, name := range names {
		const dirMode, typeMask, notInstalled, wrongColor = 0o040000, 0o170000, 2, 4
		if i < len(modes) && modes[i]&typeMask == dirMode {
			continue
		}
		if i < len(states) && i < int(h.entries[rpmFileStates].count) && (states[i] == notInstalled || states[i] == wrongColor) {
			continue
		}
		if dirs != nil {
			if uint64(indexes[i]) >= uint64(len(dirs)) {
				continue
			}
			if !room.take(len(dirs[indexes[i]]) + len(name)) {
				return nil
			}
			name = dirs[indexes[i]] + name
		}
		files = append(files, path.Join("/", name))
	}
	return files
}
