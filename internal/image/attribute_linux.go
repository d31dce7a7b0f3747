package image

import (
	"os"

	"golang.org/x/sys/unix"
)

// attribute returns an extended attribute of a file, "" where there is none or none
// may be read.
func attribute(f *os.File, name string) string {
	var b [256]byte
	n := -1
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { n, _ = unix.Fgetxattr(int(fd), name, b[:]) })
	}
	return string(b[:max(n, 0)])
}
