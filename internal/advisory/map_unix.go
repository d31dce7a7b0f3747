//go:build unix

package advisory

import (
	"os"
	"syscall"
)

// mapped returns the bytes of a file without reading it, nil where that cannot be
// done. The file must not be cut short while they are used: databases are replaced
// and never written to.
func mapped(f *os.File, size int64) (b []byte, unmap func()) {
	if size <= 0 || size != int64(int(size)) {
		return nil, func() {}
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, func() {}
	}
	return b, func() { syscall.Munmap(b) }
}
