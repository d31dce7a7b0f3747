package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/tree"
)

func profileListCommand(p *Program) *cobra.Command {
	f := profileFlags{enough: behavior.DefaultEnough}
	cmd := &cobra.Command{
		Use: "list", Short: "Which containers were watched, for how long, and is something new?",
		Long: `List the containers of which it is known what they do: how much was seen, how much
of it is expected, and what is new.

Exit code: 0 listed, 2 usage, or what is known cannot be read, 3 nothing is known.`,
		Example: `  ullage profile list
  ullage profile list --from behavior.json -n shop
  ullage profile list -o json | jq -r '.profiles[] | select(.new > 0).workload'`,
		Args: exactly("", 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.list(cmd, p) },
	}
	f.reading(cmd)
	f.printing(cmd)
	cmd.Flags().StringSliceVarP(&f.namespaces, "namespace", "n", nil, "only in these namespaces")
	return cmd
}

func (f *profileFlags) list(cmd *cobra.Command, p *Program) error {
	if err := f.check(); err != nil {
		return err
	}
	w, err := f.world(cmd, p)
	if err != nil {
		return err
	}
	k, err := f.known(cmd, p, w)
	if err != nil {
		return err
	}
	defer k.close()
	lists := slices.DeleteFunc(k.subjects, func(list []behavior.Subject) bool {
		return len(f.namespaces) > 0 && !slices.Contains(f.namespaces, list[0].Namespace)
	})
	if len(lists) == 0 {
		return &codeError{exitIncomplete, errors.New("nothing is known of these namespaces: ullage profile list without -n names what there is")}
	}
	out := profilePrinter{imagePrinter{newPrinter(p, f.color), false}, f}
	all := []profileJSON{}
	err = f.each(cmd.Context(), k, lists, w, func(profile *behavior.Profile, _ *beside) error {
		if f.output == "json" {
			j := newProfileJSON(profile, nil)
			j.Deeds, j.People = nil, nil
			all = append(all, j)
			return nil
		}
		out.listed(profile)
		return nil
	})
	if err != nil {
		return err
	}
	if err := f.finish(p, &out, all); err != nil {
		return err
	}
	hintAtPods(p, lists, w)
	return nil
}

// finish writes what was gathered.
func (f *profileFlags) finish(p *Program, out *profilePrinter, all []profileJSON) error {
	var err error
	if f.output == "json" {
		err = writeJSON(p.Stdout, profilesJSON{1, all})
	} else {
		err = out.w.Flush()
	}
	if err != nil {
		return &codeError{exitUsage, err}
	}
	return nil
}

func profileShowCommand(p *Program) *cobra.Command {
	f := profileFlags{}
	cmd := &cobra.Command{
		Use: "show WORKLOAD", Short: "What was a workload seen to do?",
		Long: `Show what the containers of a workload were seen to do, over all their images: what
is expected of them, what is new, what people did in them, and how much was seen.
WORKLOAD is written as in ullage profile list; its name alone is enough where there is
one of that name only.

Exit code: 0 shown, 2 usage, or what is known cannot be read, 3 nothing is known of it.`,
		Example: `  ullage profile show Deployment/shop/web
  ullage profile show web --container proxy --approved web.profile.yaml`,
		Args: exactly("WORKLOAD", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := f.show(cmd, p, args[0], (*profilePrinter).shown)
			return err
		},
	}
	f.reading(cmd)
	f.judging(cmd)
	f.printing(cmd)
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "show all that was done, and since when")
	return cmd
}

func profileDiffCommand(p *Program) *cobra.Command {
	f := profileFlags{}
	cmd := &cobra.Command{
		Use: "diff WORKLOAD", Short: "What does a workload do that is not expected of it?",
		Long: `Tell what the containers of a workload do that is new: what was not seen before there
was enough to go by, or is not in the approved profile. With -f it is said whether the
manifest and its declaration ask for it, and whether the manifest grants it.

Exit code: 0 nothing is new, 1 something is, 2 usage, or what is known cannot be read,
3 too little was seen to tell, or it is not known whether something is new.`,
		Example: `  ullage profile diff Deployment/shop/web
  ullage profile diff web --approved web.profile.yaml -f deploy/`,
		Args: exactly("WORKLOAD", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			profiles, err := f.show(cmd, p, args[0], (*profilePrinter).different)
			if err != nil {
				return err
			}
			return verdictOf(profiles)
		},
	}
	f.reading(cmd)
	f.judging(cmd)
	f.printing(cmd)
	return cmd
}

// verdictOf is the exit code of differences.
func verdictOf(profiles []*behavior.Profile) error {
	code := exitClean
	for _, profile := range profiles {
		if profile.Lacking != "" && code == exitClean {
			code = exitIncomplete
		}
		for _, d := range profile.Differences() {
			if d.State == behavior.StateNew {
				return &codeError{code: exitFindings}
			}
			code = exitIncomplete
		}
	}
	if code != exitClean {
		return &codeError{code: code}
	}
	return nil
}

// show writes the profiles of a workload.
func (f *profileFlags) show(cmd *cobra.Command, p *Program, name string, write func(*profilePrinter, *behavior.Profile, *beside)) ([]*behavior.Profile, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	w, k, lists, err := f.about(cmd, p, name)
	if err != nil {
		return nil, err
	}
	defer k.close()
	if f.owned, err = f.readOwned(cmd.Context()); err != nil {
		return nil, err
	}
	out := profilePrinter{imagePrinter{newPrinter(p, f.color), f.verbose}, f}
	var profiles []*behavior.Profile
	all := []profileJSON{}
	err = f.each(cmd.Context(), k, lists, w, func(profile *behavior.Profile, more *beside) error {
		profiles = append(profiles, profile)
		if f.output == "json" {
			all = append(all, newProfileJSON(profile, more))
			return nil
		}
		if len(profiles) > 1 {
			fmt.Fprintln(out.w)
		}
		write(&out, profile, more)
		return nil
	})
	if err == nil {
		err = f.owned.foreign(profiles)
	}
	if err != nil {
		return nil, err
	}
	return profiles, f.finish(p, &out, all)
}

func profileApproveCommand(p *Program) *cobra.Command {
	f := profileFlags{output: "text", color: "never"}
	cmd := &cobra.Command{
		Use: "approve WORKLOAD", Short: "Write what a workload does as a file to approve",
		Long: `Write what is expected of the containers of a workload as an approved profile, one
line for each deed: read it, take out what should not be, and keep it with the
manifests. ullage profile diff --approved holds what is done against it. What is new
is in it with --new only; what was denied, and what people did, is not in it.

It is refused where too little was seen; --days and --runs say what is enough.

Exit code: 0 written, 2 usage, or what is known cannot be read, 3 too little was seen.`,
		Example: `  ullage profile approve Deployment/shop/web --write web.profile.yaml
  ullage profile approve CronJob/shop/export --runs 5`,
		Args: exactly("WORKLOAD", 1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.approve(cmd, p, args[0]) },
	}
	f.reading(cmd)
	flags := cmd.Flags()
	flags.IntVar(&f.enough.Days, "days", behavior.DefaultEnough.Days, "days that must be watched before")
	flags.IntVar(&f.enough.Runs, "runs", behavior.DefaultEnough.Runs, "runs of a job that must be watched before")
	flags.StringVar(&f.container, "container", "", "only this container")
	flags.BoolVar(&f.withNew, "new", false, "approve what ullage profile diff tells as new, too")
	flags.StringVar(&f.write, "write", "", "write this file, in place of standard output")
	return cmd
}

func (f *profileFlags) approve(cmd *cobra.Command, p *Program, name string) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := approvedTarget(f.write); err != nil {
		return fmt.Errorf("--write: %s: %w", f.write, err)
	}
	w, k, lists, err := f.about(cmd, p, name)
	if err != nil {
		return err
	}
	defer k.close()
	var text bytes.Buffer
	deeds, unsure, left := 0, 0, 0
	err = f.each(cmd.Context(), k, lists, w, func(profile *behavior.Profile, _ *beside) error {
		if profile.Lacking != "" {
			return &codeError{exitIncomplete, fmt.Errorf("container %q of %s: %s", profile.Subject.Container, profile.Subject.Workload(), profile.Lacking)}
		}
		if text.Len() > 0 {
			text.WriteString("---\n")
		}
		a := profile.Approve(f.withNew)
		left += len(profile.Approve(true).Deeds) - len(a.Deeds)
		text.Write(a.YAML())
		deeds += len(a.Deeds)
		for i := range profile.Deeds {
			if profile.Deeds[i].Unsure {
				unsure++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if left > 0 {
		fmt.Fprintf(p.Stderr, "ullage: left out what is new: %s; ullage profile diff %s shows it, and --new approves it, too\n", counted(left, "deed"), name)
	}
	if unsure > 0 {
		fmt.Fprintf(p.Stderr, "ullage: of %s it is not known whether a person did it: read the profile before you approve it\n", counted(unsure, "deed"))
	}
	if f.write == "" {
		_, err = p.Stdout.Write(text.Bytes())
		return err
	}
	if err := writeWhole(f.write, text.Bytes()); err != nil {
		return fmt.Errorf("--write: %w", plainly(f.write, err))
	}
	fmt.Fprintf(p.Stdout, "written to %s: %s; hold what is done against it with ullage profile diff --approved %s\n", f.write, counted(deeds, "deed"), f.write)
	return nil
}

// approvedTarget refuses a path at which a profile would take the place of something
// else.
func approvedTarget(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errors.Unwrap(err)
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file: name a file to write")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return errors.Unwrap(err)
	}
	if _, err := behavior.ParseApproved(&tree.File{Name: path, Text: string(text)}); len(text) > 0 && err != nil {
		return errors.New("it is no approved profile, and is not overwritten: name another file, or remove it")
	}
	return nil
}

func profileExportCommand(p *Program) *cobra.Command {
	f := profileFlags{output: "text", color: "never", enough: behavior.DefaultEnough}
	cmd := &cobra.Command{
		Use: "export [WORKLOAD]", Short: "Write what is known as JSON, for another machine",
		Long: `Write all that is known of a workload, or of all, as JSON that ullage profile import
and --from read. No secret is in it. What is imported twice, or from several machines,
adds up to what all of them saw.

Exit code: 0 written, 2 usage, or what is known cannot be read, 3 nothing is known of it.`,
		Example: `  ullage profile export > behavior.json
  ullage profile export --from a.json,b.json > both.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.export(cmd, p, args) },
	}
	f.reading(cmd)
	cmd.Flags().StringVar(&f.container, "container", "", "only this container")
	return cmd
}

func (f *profileFlags) export(cmd *cobra.Command, p *Program, args []string) error {
	w, err := f.world(cmd, p)
	if err != nil {
		return err
	}
	k, err := f.known(cmd, p, w)
	if err != nil {
		return err
	}
	defer k.close()
	lists := k.subjects
	if len(args) > 0 {
		if lists, err = k.wanted(args[0], f.container); err != nil {
			return err
		}
	}
	var all []*behavior.Behavior
	for _, s := range slices.Concat(lists...) {
		b, err := k.load(s)
		if err != nil {
			return &codeError{exitUsage, err}
		}
		if b != nil {
			all = append(all, b)
		}
	}
	return behavior.Encode(p.Stdout, all)
}
