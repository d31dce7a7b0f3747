package manifest

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// search is the walk of one directory that the user gave.
type search struct {
	*loader
	given place // links must not lead out of it
}

// discover adds the units of one path that the user gave.
func (l *loader) discover(p string) {
	if p == "-" {
		l.add(&unit{kind: stdinStream, real: "-", name: "stdin", explicit: true})
		return
	}
	name := slashed(p)
	info, err := os.Stat(p)
	real := ""
	if err == nil {
		real, err = realPath(p)
	}
	switch {
	case err != nil:
		l.broken(name, "", "%s", reason(err))
	case info.IsDir():
		s := search{l, place{real, name}}
		s.dir(p, real, name, "", true)
	case !info.Mode().IsRegular():
		l.broken(name, "give a regular file, or - for standard input", "%s", irregular(info.Mode()))
	case isChartFile(path.Base(name)):
		l.add(&unit{kind: chartDir, path: filepath.Dir(p), real: filepath.Dir(real), name: path.Dir(name), explicit: true})
	case isKustomization(path.Base(name)) && l.foundOverlay(filepath.Dir(real), place{filepath.Dir(real), path.Dir(name)}, true):
	case isArchive(name):
		l.add(&unit{kind: chartArchive, path: p, real: real, name: name, explicit: true})
	default:
		l.add(&unit{kind: plainFile, path: p, real: real, name: name, explicit: true})
	}
}

func (l *loader) broken(name, hint, format string, args ...any) {
	l.units = append(l.units, &unit{kind: broken, name: name, result: failure(name, hint, format, args...)})
}

// add adds a unit, unless what it reads was found before.
func (l *loader) add(u *unit) {
	if old := l.seen[u.real]; old != nil {
		l.again = true
		old.explicit = old.explicit || u.explicit
		return
	}
	l.seen[u.real] = u
	l.units = append(l.units, u)
}

// dir searches a directory. rel is its path below the given one.
func (s search) dir(dir, real, name, rel string, explicit bool) {
	if o := s.overlays[real]; o != nil && explicit {
		o.unit.explicit = true
	}
	if s.dirs[real] || s.ctx.Err() != nil {
		s.again = true
		return
	}
	s.dirs[real] = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.broken(name, "", "the directory cannot be listed: %s", reason(err))
		return
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isChartFile(e.Name()) && !e.IsDir() }) {
		s.add(&unit{kind: chartDir, path: dir, real: real, name: name, explicit: explicit})
		return
	}
	overlay := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isKustomization(e.Name()) && !e.IsDir() }) &&
		s.foundOverlay(real, s.given, explicit)
	for _, e := range entries {
		relative := path.Join(rel, e.Name())
		if hidden(e.Name()) || s.excluded(relative) || overlay && isKustomization(e.Name()) {
			continue
		}
		s.entry(e, filepath.Join(dir, e.Name()), filepath.Join(real, e.Name()), path.Join(name, e.Name()), relative)
	}
}

func (s search) entry(e fs.DirEntry, p, real, name, rel string) {
	mode := e.Type()
	if mode&fs.ModeSymlink != 0 {
		info, err := os.Stat(p)
		if err == nil {
			mode = info.Mode().Type()
			real, err = realPath(p)
		}
		if err != nil || !within(s.given.real, real) {
			s.badLink(name, err)
			return
		}
	}
	switch {
	case mode.IsDir():
		s.dir(p, real, name, rel, false)
	case !mode.IsRegular():
	case isArchive(name):
		s.add(&unit{kind: chartArchive, path: p, real: real, name: name})
	case isManifest(name):
		s.add(&unit{kind: plainFile, path: p, real: real, name: name})
	}
}

// badLink notes a symbolic link that is not followed, when it would
// be read.
func (s search) badLink(name string, err error) {
	switch {
	case !isManifest(name) && !isArchive(name):
	case errors.Is(err, syscall.ELOOP):
		s.broken(name, "", "%s", reason(err))
	case err != nil:
		s.broken(name, "", "the symbolic link cannot be followed: %s", reason(err))
	default:
		s.broken(name, "give the target as a path of its own", "the symbolic link leads out of the given path and was not followed")
	}
}

// realPath returns the absolute path without symbolic links.
func realPath(p string) (string, error) {
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		return "", err
	}
	return filepath.Abs(real)
}

func isManifest(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") || name == "node_modules" }

func (l *loader) excluded(rel string) bool {
	return slices.ContainsFunc(l.exclude, func(p pattern) bool { return p.matches(rel) })
}

func isChartFile(name string) bool { return name == "Chart.yaml" }

func isKustomization(name string) bool {
	return name == "kustomization.yaml" || name == "kustomization.yml" || name == "Kustomization"
}

func isArchive(name string) bool {
	return strings.HasSuffix(name, ".tgz") || strings.HasSuffix(name, ".tar.gz")
}

// within reports whether a path is root or below it; both are absolute.
func within(root, p string) bool {
	rel, err := filepath.Rel(root, p)
	return err == nil && filepath.IsLocal(rel)
}

func irregular(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "is a named pipe"
	case mode&fs.ModeSocket != 0:
		return "is a socket"
	case mode&fs.ModeDevice != 0:
		return "is a device"
	}
	return "is not a regular file"
}
