package image

import (
	"io/fs"
	"syscall"
	"time"
)

// changeTime is when a file was last changed in any way, which nobody can set; zero
// when that is not known.
func changeTime(info fs.FileInfo) time.Time {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}
	}
	return time.Unix(s.Ctimespec.Unix())
}
