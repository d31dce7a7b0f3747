package cli

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxGitFile bounds what is read of a file in a .git directory.
const maxGitFile = 16 << 20

// commitOf returns the commit that is checked out in the git tree around a
// path, or "". It does not run git: the tree may be a stranger's, and its
// configuration can name programs for git to run. For the same reason it does
// not say whether files were changed since; the digest of the input tells.
func commitOf(path string) string {
	if path == "-" {
		return ""
	}
	dir, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	for {
		if git, common := gitDir(filepath.Join(dir, ".git")); git != "" {
			return head(git, common)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// gitDir returns the directory that .git is or, in a linked work tree or a
// submodule, names; and the one that holds the branches.
func gitDir(path string) (git, common string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", ""
	case info.IsDir():
		return path, path
	}
	git, ok := strings.CutPrefix(line(path), "gitdir: ")
	if !ok {
		return "", ""
	}
	git = absolute(filepath.Dir(path), git)
	if common = line(filepath.Join(git, "commondir")); common == "" {
		return git, git
	}
	return git, absolute(git, common)
}

func absolute(base, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// head returns the commit that HEAD means.
func head(git, common string) string {
	text := line(filepath.Join(git, "HEAD"))
	ref, symbolic := strings.CutPrefix(text, "ref: ")
	if !symbolic {
		return commitID(text)
	}
	if !filepath.IsLocal(filepath.FromSlash(ref)) {
		return ""
	}
	if id := commitID(line(filepath.Join(common, filepath.FromSlash(ref)))); id != "" {
		return id
	}
	packed, err := openRegular(filepath.Join(common, "packed-refs"))
	if err != nil {
		return ""
	}
	defer packed.Close()
	for lines := bufio.NewScanner(io.LimitReader(packed, maxGitFile)); lines.Scan(); {
		if id, name, _ := strings.Cut(lines.Text(), " "); name == ref {
			return commitID(id)
		}
	}
	return ""
}

// commitID returns a text that is the id of a commit, and "" for any other:
// nothing else of the files is ever shown.
func commitID(s string) string {
	if len(s) != 40 && len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return ""
	}
	return s
}

// line returns the first line of a small file, or "".
func line(path string) string {
	f, err := openRegular(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 1<<16))
	lines.Scan()
	return strings.TrimRight(lines.Text(), "\r ")
}

// openRegular opens a regular file; opening a pipe would wait for ever.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, os.ErrInvalid
	}
	return os.Open(path)
}
