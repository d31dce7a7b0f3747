package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Read returns the text of a file that may be changed in place. Symbolic links,
// files with several names, what is no regular file and what is read-only are
// errors.
func Read(name string) (string, error) {
	name = filepath.FromSlash(name)
	if _, err := editable(name); err != nil {
		return "", err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", plainly(err)
	}
	return string(text), nil
}

const (
	mayWrite  = 2 // W_OK
	mayChange = 3 // W_OK and X_OK
)

func editable(name string) (fs.FileInfo, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, plainly(err)
	}
	stat, _ := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, errors.New("a symbolic link: fix the file that it leads to")
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case stat != nil && stat.Nlink > 1:
		return nil, errors.New("the file has several names (hard links)")
	case info.Mode().Perm()&0o222 == 0, syscall.Access(name, mayWrite) != nil:
		return nil, errors.New("the file is read-only")
	case syscall.Access(filepath.Dir(name), mayChange) != nil:
		return nil, errors.New("the directory is read-only")
	}
	return info, nil
}

// plainly drops the path from an error; the plan names the file.
func plainly(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// Write writes all files of the plan. Each is replaced as a whole or not at
// all, and only when it still holds what it held when it was read. The errors
// of several files are joined; the others are written.
//
// Permissions and owner are kept; access control lists and extended attributes
// are not.
func (p *Plan) Write() error {
	var errs []error
	for _, f := range p.Files {
		err := f.write()
		if f.written = err == nil; !f.written {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name, err))
		}
	}
	p.written = len(errs) == 0
	return errors.Join(errs...)
}

func (f *File) write() (err error) {
	name := filepath.FromSlash(f.Name)
	info, err := editable(name)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(name), ".ullage-fix-*")
	if err != nil {
		return plainly(err)
	}
	defer func() {
		if err != nil {
			temp.Close()
			os.Remove(temp.Name())
		}
	}()
	if err := keep(temp, info); err != nil {
		return err
	}
	if _, err := temp.WriteString(f.New); err != nil {
		return plainly(err)
	}
	if err := temp.Sync(); err != nil {
		return plainly(err)
	}
	if err := temp.Close(); err != nil {
		return plainly(err)
	}
	if now, err := Read(f.Name); err != nil {
		return err
	} else if now != f.Old {
		return errors.New("the file changed since it was read; nothing was written")
	}
	if err := os.Rename(temp.Name(), name); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(name))
}

// keep gives a new file the owner and the permissions of the old one.
func keep(f *os.File, old fs.FileInfo) error {
	if want, ok := old.Sys().(*syscall.Stat_t); ok {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if got := info.Sys().(*syscall.Stat_t); got.Uid != want.Uid || got.Gid != want.Gid {
			if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
				return fmt.Errorf("the owner of the file cannot be kept: %w", plainly(err))
			}
		}
	}
	return f.Chmod(old.Mode())
}

// syncDirectory makes a rename survive a crash. File systems that cannot do so
// are not an error.
func syncDirectory(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return nil // readable directories are not required
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return plainly(err)
	}
	return nil
}
