package image

import (
	"bytes"
	"path"
	"strings"
)

// What is kept of a file until the layers are laid over one another is reduced to
// what its reader asks for. That is less to hold, and what it leaves are names,
// versions and paths: layers can be stored without the content of files.

// keepLines keeps the lines that a function wants, and empty ones.
func keepLines(data []byte, wanted func(line []byte) bool) []byte {
	var kept []byte
	for line := range bytes.Lines(data) {
		text := bytes.TrimRight(line, " \t\r\n")
		if len(text) == 0 || wanted(text) {
			kept = append(append(kept, text...), '\n')
		}
	}
	return kept
}

// damagedLine stands in what is kept for a line that is none of its file's form,
// so that its reader can tell of damage without its content being held.
const damagedLine = "?"

// keepForm keeps the lines that are wanted, and marks those that are not of the
// file's form.
func keepForm(data []byte, form, wanted func(line []byte) bool) []byte {
	var kept []byte
	for line := range bytes.Lines(data) {
		switch text := bytes.TrimRight(line, " \t\r\n"); {
		case len(text) > 0 && !form(text):
			kept = append(kept, damagedLine+"\n"...)
		case len(text) == 0 || wanted(text):
			kept = append(append(kept, text...), '\n')
		}
	}
	return kept
}

// keepFields keeps "name: value" lines of the names.
func keepFields(separator string, names ...string) func(string, []byte) []byte {
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	return func(_ string, data []byte) []byte {
		return keepLines(data, func(line []byte) bool {
			name, _, ok := bytes.Cut(line, []byte(separator))
			return ok && wanted[string(name)]
		})
	}
}

func keepStanzas(_ string, data []byte) []byte {
	return keepForm(data, isStanzaLine, func(line []byte) bool {
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch string(name) {
		case "Package", "Version", "Architecture", "Source", "Status", "Multi-Arch":
			return true
		}
		return false
	})
}

// isStanzaLine says whether a line is a field of deb822, or goes on with one.
func isStanzaLine(line []byte) bool {
	if line[0] == ' ' || line[0] == '\t' {
		return true
	}
	name, _, ok := bytes.Cut(line, []byte(":"))
	return ok && len(name) > 0 && !bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}

// keepStatusDir is for distroless images, whose directory has both stanzas and
// digests.
func keepStatusDir(file string, data []byte) []byte {
	if strings.HasSuffix(file, ".md5sums") {
		return keepDigests(file, data)
	}
	return keepStanzas(file, data)
}

func keepPaths(_ string, data []byte) []byte {
	return keepLines(data, func(line []byte) bool { return line[0] == '/' })
}

// keepDiversions keeps them all: they are three lines each, paths and names.
func keepDiversions(_ string, data []byte) []byte {
	return keepLines(data, func(line []byte) bool { return line[0] == '/' || !bytes.ContainsAny(line, "= \t") })
}

func keepDigests(_ string, data []byte) []byte {
	return keepLines(data, func(line []byte) bool {
		digest, _, ok := bytes.Cut(line, []byte(" "))
		return ok && len(digest) == 32
	})
}

// keepApk leaves out what people wrote, and what installing needs.
func keepApk(_ string, data []byte) []byte {
	return keepForm(data, isApkLine, func(line []byte) bool { return strings.IndexByte("PVALoFRZ", line[0]) >= 0 })
}

func isApkLine(line []byte) bool {
	return len(line) > 1 && line[1] == ':' && (line[0]|0x20 >= 'a' && line[0]|0x20 <= 'z')
}

// keepRecord keeps the lines that give a path, a digest and a size, of a file that
// is where such a list stands.
func keepRecord(file string, data []byte) []byte {
	if !strings.HasSuffix(path.Dir(file), ".dist-info") {
		return nil
	}
	return keepLines(data, func(line []byte) bool {
		digest := bytes.LastIndexByte(line, ',')
		if digest < 0 || len(bytes.Trim(line[digest+1:], "0123456789")) > 0 {
			return false
		}
		start := bytes.LastIndexByte(line[:digest], ',')
		return start >= 0 && (start+1 == digest || bytes.IndexByte(line[start:digest], '=') > 0)
	})
}

func keepInstalledFiles(file string, data []byte) []byte {
	if !strings.HasSuffix(path.Dir(file), ".egg-info") {
		return nil
	}
	return keepLines(data, func([]byte) bool { return true })
}

// keepUsers keeps the names and numbers of /etc/passwd, and no password.
func keepUsers(_ string, data []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(data) {
		if fields := bytes.SplitN(bytes.TrimSpace(line), []byte(":"), 4); len(fields) >= 3 {
			kept = append(append(append(append(kept, fields[0]...), "::"...), fields[2]...), '\n')
		}
	}
	return kept
}
