package image

import (
	"bytes"

	"ullage.dev/ullage/internal/credential"
)

// hideNames takes credentials out of a clean path as it is read, so that no tree, cache
// or output ever has one. Whiteouts and links are led the same way, and still meet what
// they stand for. Found is the credential in the last name, nil where there is none.
func hideNames(path []byte) (shown []byte, found *credential.Hit) {
	const shortest = 20
	long := false
	for rest := path; len(rest) >= shortest && !long; {
		var name []byte
		name, rest = nextName(rest)
		long = len(name) >= shortest
	}
	if !long {
		return path, nil
	}
	dir, base := splitPath(path)
	prefix := ""
	if hidden, ok := bytes.CutPrefix(base, []byte(whiteoutPrefix)); ok {
		prefix, base = whiteoutPrefix, hidden
	}
	name, kind := credential.RedactPath(string(base))
	directory, above := credential.RedactPath(string(dir))
	if kind == "" && above == "" {
		return path, nil
	}
	if kind != "" {
		found = &credential.Hit{Kind: kind, Shown: credential.Mask, Doubt: credential.Doubt(string(base))}
	}
	if len(dir) > 0 || bytes.HasPrefix(path, []byte("/")) {
		directory += "/"
	}
	return append(path[:0], directory+prefix+name...), found
}

// noteName notes a credential in the name of the file that is looked at.
func (r *layerReader) noteName() {
	if r.inName != nil && r.secrets {
		r.noteSecrets(secretFile{Path: r.name(), Hits: []credential.Hit{*r.inName}})
	}
}

// hideTarget takes credentials out of the target of a symbolic link.
func hideTarget(target []byte) []byte {
	if shown, kind := credential.RedactPath(string(target)); kind != "" {
		return []byte(shown)
	}
	return target
}
