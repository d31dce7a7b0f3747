package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// LoadLibrary reads the rules of all files of a file system. They are marked as
// built in. name tells where the files are, for messages. What [CheckExpressions]
// gave is taken from the file checked.txt, if there is one.
func LoadLibrary(files fs.FS, name string) ([]*Rule, error) {
	all, err := Files(files, name)
	if err != nil {
		return nil, err
	}
	checked, err := fs.ReadFile(files, "checked.txt")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read checked expressions: %w", err)
	}
	stored := parseChecked(string(checked))
	rules := make([]*Rule, 0, len(all))
	for _, f := range all {
		r, err := loadFirst(f)
		if err != nil {
			return nil, err
		}
		r.Builtin, r.stored = true, stored
		rules = append(rules, r)
	}
	return rules, nil
}

// Files reads all YAML files of a file system.
func Files(files fs.FS, name string) ([]*tree.File, error) {
	var all []*tree.File
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return fmt.Errorf("read rule: %w", err)
		}
		all = append(all, &tree.File{Name: name + "/" + path, Text: string(text)})
		return nil
	})
	return all, err
}

// loadFirst reads the rule at the head of a file and leaves the examples behind
// it unread, because the program starts with this.
func loadFirst(f *tree.File) (*Rule, error) {
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			return nil, doc.Err
		}
		r, err := newRule(doc.Root.Seal(), f)
		if err != nil {
			return nil, err
		}
		r.Source = f.Text[doc.Start:doc.End]
		return r, nil
	}
	return nil, errors.New(f.Name + ": no rule in the file")
}

// Validate finds what is wrong between rules: ids used twice or as an alias of
// another rule, causes that do not exist.
func Validate(rules []*Rule) error {
	var errs []error
	owner := map[string]string{}
	for _, r := range rules {
		if other, taken := owner[r.ID]; taken {
			errs = append(errs, fmt.Errorf("%s: rule id %q is also that of %s", r.Place, r.ID, other))
		}
		owner[r.ID] = r.Place.String()
	}
	for _, r := range rules {
		for _, alias := range r.Aliases {
			if other, taken := owner[alias]; taken && alias != r.ID {
				errs = append(errs, fmt.Errorf("%s: rule %q: alias %q is the id of %s", r.Place, r.ID, alias, other))
			}
		}
		for _, cause := range r.CoveredBy {
			if owner[cause] == "" {
				errs = append(errs, fmt.Errorf("%s: rule %q: coveredBy names %q, which does not exist", r.Place, r.ID, cause))
			}
		}
	}
	return errors.Join(errs...)
}

// Digest identifies a set of rules by their texts.
func Digest(rules []*Rule) string {
	h := sha256.New()
	for _, r := range rules {
		fmt.Fprintf(h, "%s %d\n%s\n", r.ID, len(r.Source), r.Source)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// ProfileNames are the built-in profiles. "all" holds every rule.
var ProfileNames = []string{"recommended", "baseline", "restricted", "all"}

// Profile returns the rules of a built-in profile. Baseline and restricted are
// the Pod Security Standards in the version of the Kubernetes minor.
func Profile(rules []*Rule, profile string, minor int) ([]*Rule, error) {
	if !slices.Contains(ProfileNames, profile) {
		return nil, fmt.Errorf("profile %q is none of %s", profile, strings.Join(ProfileNames, ", "))
	}
	var in []*Rule
	for _, r := range rules {
		standard := profile == "baseline" || profile == "restricted"
		switch {
		case r.PodSecurity != nil && !r.PodSecurity.Holds(minor):
		case !r.Builtin && !standard, profile == "all", slices.Contains(r.Profiles, profile):
			in = append(in, r)
		}
	}
	return in, nil
}

// Find returns the rules whose id or alias is one of the names; a name that fits
// none is an error, as a rule that is silently not run would pass.
func Find(rules []*Rule, wanted []string) ([]*Rule, error) {
	var found []*Rule
	used := map[string]bool{}
	for _, r := range rules {
		for _, name := range wanted {
			if name == r.ID || slices.Contains(r.Aliases, name) {
				used[name] = true
				if len(found) == 0 || found[len(found)-1] != r {
					found = append(found, r)
				}
			}
		}
	}
	for _, name := range wanted {
		if !used[name] {
			return nil, fmt.Errorf("no rule %q (see ullage policy list)", name)
		}
	}
	return found, nil
}
