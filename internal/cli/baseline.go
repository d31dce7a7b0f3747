package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
)

func readBaseline(path string) (*policy.Baseline, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist (make it with --write-baseline %s)", path, path)
	}
	if err != nil {
		return nil, plainly(path, err)
	}
	defer file.Close()
	b, err := policy.ReadBaseline(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// reads returns the files and directories that the flags and the configuration
// name as input.
func (f *checkFlags) reads(paths []string) []string {
	all := append(slices.Clone(paths), f.path, f.from, f.kubeconfig, f.profile.text)
	for _, words := range [][]word{f.policies, f.exceptions, f.values} {
		all = append(all, texts(words)...)
	}
	return all
}

// baselineTarget refuses a path at which a baseline would take the place of
// something else: only an old baseline that is no input, or an empty file, may be
// there.
func baselineTarget(path string, inputs []string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errors.Unwrap(err)
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("it is a symbolic link: name the file that it leads to")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file: name a file to write")
	case info.Mode().Perm()&0o200 == 0:
		return errors.New("it is read-only")
	}
	for _, input := range inputs {
		if other, err := os.Stat(input); err == nil && os.SameFile(info, other) {
			return errors.New("it is part of the input, and would be overwritten: name another file")
		}
	}
	if info.Size() == 0 {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer file.Close()
	if _, err := policy.ReadBaseline(file); err != nil {
		return fmt.Errorf("%w, and is not overwritten: name another file, or remove it", err)
	}
	return nil
}

// writeWhole writes a file that appears when it is whole, with the permissions of
// the one before it.
func writeWhole(path string, text []byte) error {
	mode := fs.FileMode(0o644)
	info, err := os.Lstat(path)
	if err == nil {
		mode = info.Mode().Perm()
	}
	temp := filepath.Join(filepath.Dir(path), fmt.Sprintf(".ullage-baseline-%d", os.Getpid()))
	file, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode) // the umask of the user holds for a new one
	if err != nil {
		return err
	}
	defer os.Remove(temp) // is no longer there when all went well
	if info != nil {
		err = file.Chmod(mode)
	}
	if err == nil {
		_, err = file.Write(text)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

func (f *checkFlags) saveBaseline(p *Program, r *model.Report) error {
	var text bytes.Buffer // whole before the old one goes
	if err := policy.WriteBaseline(&text, r.Findings); err != nil {
		return fmt.Errorf("write baseline: %w", err)
	}
	if err := writeWhole(f.writeBaseline, text.Bytes()); err != nil {
		return fmt.Errorf("--write-baseline: %w", plainly(f.writeBaseline, err))
	}
	for _, problem := range r.Problems {
		fmt.Fprintln(p.Stderr, "ullage: not in the baseline: "+printable(problem.String()))
	}
	written, symptoms := 0, 0
	for _, finding := range r.Findings {
		if finding.Exception == nil {
			written++
			symptoms += len(finding.Symptoms)
		}
	}
	fmt.Fprintf(p.Stdout, "written to %s: %s and %s; check against it with --baseline %s\n",
		f.writeBaseline, counted(written, "finding"), counted(symptoms, "symptom"), f.writeBaseline)
	if len(r.Problems) > 0 {
		return &codeError{code: exitIncomplete}
	}
	return nil
}
