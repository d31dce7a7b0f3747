//go:build unix

package image

import (
	"io/fs"
	"syscall"
)

// identify tells a file from others, and how many names it has.
func identify(info fs.FileInfo) (id fileID, links uint64) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, 1
	}
	return fileID{uint64(s.Dev), s.Ino}, uint64(s.Nlink)
}

func owner(info fs.FileInfo) (uid, gid uint32) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return s.Uid, s.Gid
}

// device is the number of a device, 0 for what overlay file systems put for files
// that were removed.
func device(info fs.FileInfo) uint64 {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1
	}
	return uint64(s.Rdev)
}
