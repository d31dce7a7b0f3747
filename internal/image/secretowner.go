package image

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"path"
	"strings"
)

// packagesOf tells which of some files a package brought as they are, by the
// digests that dpkg, apk, rpm and Python's installers keep. What is public with
// its package is no secret of the image: keys for tests, examples in
// documentation.
func packagesOf(t *Tree, files []secretFile) map[string]string {
	o := brought{tree: t, wanted: map[string]*secretFile{}, names: map[string]bool{}, owners: map[string]string{}}
	for i := range files {
		if f := &files[i]; f.Hashed {
			for _, alias := range usrMerged(f.Path) {
				o.wanted[alias] = f
				o.names[path.Base(alias)] = true
			}
		}
	}
	if len(o.wanted) == 0 {
		return nil
	}
	o.dpkg(dpkgInfo)
	o.dpkg(dpkgStatusDir)
	o.apk(apkInstalled)
	o.apk(apkUsrInstalled)
	o.rpm()
	o.python(files)
	return o.owners
}

// brought holds files against the digests of packages.
type brought struct {
	tree   *Tree
	wanted map[string]*secretFile // by the paths under which a package may know it
	names  map[string]bool        // base names of them
	owners map[string]string
}

// usrMerged gives the paths of a file with and without a merged /usr.
func usrMerged(file string) []string {
	for _, dir := range []string{"/bin/", "/lib/", "/lib64/", "/sbin/"} {
		if strings.HasPrefix(file, dir) {
			return []string{file, "/usr" + file}
		}
		if strings.HasPrefix(file, "/usr"+dir) {
			return []string{file, strings.TrimPrefix(file, "/usr")}
		}
	}
	return []string{file}
}

// owns notes the owner of a file with a digest.
func (o *brought) owns(owner, file string, same func(f *secretFile) bool) {
	if f := o.wanted[file]; f != nil && same(f) {
		o.owners[f.Path] = owner
	}
}

// dpkg reads lists of MD5 sums: "digest  path", without a slash before it.
func (o *brought) dpkg(dir string) {
	for _, entry := range o.tree.List(dir) {
		name, ok := strings.CutSuffix(path.Base(entry.Path), ".md5sums")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, ":")
		sums, _ := o.tree.Content(entry.Path)
		for line := range bytes.Lines(sums) {
			digest, file, ok := bytes.Cut(bytes.TrimSpace(line), []byte("  "))
			if ok {
				o.owns(name, "/"+string(file), func(f *secretFile) bool { return string(digest) == hex.EncodeToString(f.MD5[:]) })
			}
		}
	}
}

// apk reads "F:directory", "R:file" and, behind it, "Z:Q1" with its SHA-1.
func (o *brought) apk(db string) {
	data, _ := o.tree.Content(db)
	var name, dir, file string
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) < 2 || line[1] != ':' {
			continue
		}
		switch value := string(line[2:]); line[0] {
		case 'P':
			name = value
		case 'F':
			dir = path.Join("/", value)
		case 'R':
			file = path.Join(dir, value)
		case 'Z':
			sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(value, "Q1"))
			if err == nil && len(sum) == sha1.Size {
				o.owns(name, file, func(f *secretFile) bool { return bytes.Equal(sum, f.SHA1[:]) })
			}
		}
	}
}

// rpm reads the digests in the headers of rpm's database. What is wrong with that
// is told where packages are read.
func (o *brought) rpm() {
	for _, dir := range rpmDirs {
		for _, name := range []string{rpmSQLite, rpmNDB, rpmBDB} {
			db, ok := o.tree.Content(dir + "/" + name)
			if !ok || len(db) == 0 {
				continue
			}
			var wal []byte
			if name == rpmSQLite {
				wal, _ = o.tree.Content(dir + "/" + rpmWAL)
			}
			blobs, _ := rpmBlobs(db, wal)
			for _, blob := range blobs {
				o.rpmHeader(blob)
			}
		}
	}
}

func (o *brought) rpmHeader(blob []byte) {
	h, err := newRPMHeader(blob)
	if err != nil {
		return
	}
	names, digests := h.texts(rpmBaseNames), h.texts(rpmFileDigests)
	dirs, indexes := h.texts(rpmDirNames), h.numbers(rpmDirIndexes)
	if len(digests) < len(names) || len(indexes) < len(names) {
		return
	}
	for i, name := range names {
		if !o.names[name] || uint64(indexes[i]) >= uint64(len(dirs)) {
			continue
		}
		o.owns(h.text(rpmName), path.Join("/", dirs[indexes[i]]+name), func(f *secretFile) bool {
			return digests[i] == hex.EncodeToString(f.SHA256[:]) || digests[i] == hex.EncodeToString(f.MD5[:])
		})
	}
}

// python reads the RECORD of each package beside the files: "path,sha256=digest,size".
func (o *brought) python(files []secretFile) {
	seen := map[string]bool{}
	for i := range files {
		for _, mark := range []string{"/site-packages/", "/dist-packages/"} {
			at := strings.LastIndex(files[i].Path, mark)
			if at < 0 {
				continue
			}
			if dir := files[i].Path[:at+len(mark)-1]; !seen[dir] {
				seen[dir] = true
				o.records(dir)
			}
		}
	}
}

func (o *brought) records(dir string) {
	for _, entry := range o.tree.List(dir) {
		name, ok := strings.CutSuffix(path.Base(entry.Path), ".dist-info")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, "-")
		record, _ := o.tree.Content(entry.Path + "/RECORD")
		for line := range bytes.Lines(record) {
			file, rest, ok := strings.Cut(strings.TrimSpace(string(line)), ",sha256=")
			digest, _, _ := strings.Cut(rest, ",")
			if ok {
				o.owns(name, path.Join(dir, file), func(f *secretFile) bool { return digest == base64.RawURLEncoding.EncodeToString(f.SHA256[:]) })
			}
		}
	}
}
