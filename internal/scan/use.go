package scan

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/image"
)

// noteUse ranks what was found by what containers of the image were seen to do. That a
// package was not seen in use says nothing: its files may be read by programs of others,
// and of files that are read only some are watched.
func (s *Scanner) noteUse(ctx context.Context, r *Result) error {
	if r.Vulnerabilities == nil || len(r.Vulnerabilities.Matches) == 0 {
		return nil
	}
	subjects, err := s.Store.Subjects(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(subjects, func(a, b behavior.Subject) int { return strings.Compare(a.String(), b.String()) })
	by := map[string]string{} // who was first seen to use a file
	var unread []error
	for _, subject := range subjects {
		if subject.Image == "" || !slices.Contains([]string{r.Image.Identity.Config, r.Image.Manifest, r.Image.Index}, subject.Image) {
			continue
		}
		b, err := s.Store.Behavior(ctx, subject)
		if unread = append(unread, err); b == nil {
			continue // or forgotten since
		}
		for f := range b.Facts() {
			if path := usedFile(&f); path != "" && by[path] == "" {
				by[path] = subject.Workload()
			}
		}
	}
	if len(by) > 0 {
		r.Vulnerabilities.NoteUse(usedPackages(r.Image.Packages, by))
	}
	return errors.Join(unread...)
}

// usedFile is the file of the image that a fact says was executed, mapped or opened, "" when
// it says of none.
func usedFile(f *behavior.Fact) string {
	file := f.File
	switch f.Kind {
	case behavior.Execute:
		file = f.Program.File
	case behavior.Map, behavior.Open:
	default:
		return ""
	}
	if f.Outcome == behavior.Denied || file.Layer != behavior.InImage && file.Layer != "" {
		return ""
	}
	return file.Path
}

// usedPackages are the packages that own one of some files, each with who used it.
func usedPackages(packages []image.Package, by map[string]string) map[int]string {
	used := map[int]string{}
	for i := range packages {
		for _, file := range packages[i].Files {
			// Where /bin leads to /usr/bin, databases have one and the kernel the other.
			if who := cmp.Or(by[file], by["/usr"+file]); who != "" {
				used[i] = who
				break
			}
		}
	}
	return used
}
