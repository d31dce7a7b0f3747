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
