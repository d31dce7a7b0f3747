//go:build !unix

package image

import "io/fs"

// identify cannot tell files apart here: hard links count as files of their own.
func identify(fs.FileInfo) (id fileID, links uint64) { return fileID{}, 1 }

func owner(fs.FileInfo) (uid, gid uint32) { return 0, 0 }

func device(fs.FileInfo) uint64 { return 1 }
