package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"os"
	"sync"
)

// Version tells this build of the program from all others; "" when that cannot be
// told. What two builds make of the same image may differ.
func Version() string { return version() }

// version tells one build of this program from all others, so that what another
// build made of the same content is never taken for what this one would. It is the
// linker's build ID, which hangs on every byte of the program, and where there is
// none the digest of the program's file. "" means that neither can be had.
var version = sync.OnceValue(func() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	return programVersion(f)
})

func programVersion(f io.ReadSeeker) string {
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && n == 0 {
		return ""
	}
	if id := buildID(head[:n]); id != "" {
		return id
	}
	sum := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return ""
	}
	if _, err := io.Copy(sum, f); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// buildID finds the build ID at the beginning of a program: in the note of an ELF
// file (name of 4 bytes, length, type 4, "Go"), or at the beginning of the code.
func buildID(head []byte) string {
	note := []byte("\x04\x00\x00\x00Go\x00\x00")
	if i := bytes.Index(head, note); i >= 8 {
		size, rest := uint64(binary.LittleEndian.Uint32(head[i-4:])), head[i+len(note):]
		if size > 20 && size <= uint64(len(rest)) && size < 1<<10 {
			return string(rest[:size])
		}
	}
	_, rest, ok := bytes.Cut(head, []byte("\xff Go build ID: \""))
	id, _, end := bytes.Cut(rest, []byte("\"\n \xff"))
	if ok && end && len(id) > 20 && len(id) < 1<<10 {
		return string(id)
	}
	return ""
}
