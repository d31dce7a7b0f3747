package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/fix"
	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// modes refuses flags that ask for different things at once. The arguments are
// those of the program.
func (f *checkFlags) modes(args []string) error {
	if f.writeBaseline != "" && (f.fix != "" || f.diff) || f.diff && f.fix != "" {
		return errors.New("--write-baseline, --diff and --fix exclude each other")
	}
	if f.output != "text" && (f.diff || f.fix != "") {
		return fmt.Errorf("--diff and --fix write text: -o %s does not go with them", f.output)
	}
	for i, word := range args[:max(len(args)-1, 0)] {
		next := args[i+1]
		if word != "--fix" || next != "all" && next != "inert" {
			continue
		}
		if _, err := os.Lstat(next); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--fix takes its value behind an equals sign: --fix=%s", next)
		}
	}
	return nil
}

// fixes shows the fixes as a diff, or writes them and judges again: the exit
// code is that of what is left.
func (f *checkFlags) fixes(ctx context.Context, p *Program, v *judged, paths []string) error {
	made, err := fix.Make(ctx, v.report.Findings, fix.Options{
		Tightening: f.diff || f.fix == "all",
		Load: func(file *tree.File) ([]*model.Object, error) {
			return manifest.Objects(ctx, file, manifest.Options{Namespace: f.namespace.text, Definitions: v.input.Objects})
		},
		Recheck: func(ctx context.Context, replaced map[string][]*model.Object) ([]*model.Finding, error) {
			r, err := check.Run(ctx, replace(v.input.Objects, replaced), f.checkOptions(v.plan, v.input))
			if err != nil {
				return nil, err
			}
			return r.Findings, nil
		},
	})
	if err != nil {
		return interrupted(ctx, err)
	}
	if f.diff {
		if err := made.WriteDiff(p.Stdout, p.colored(f.color)); err != nil {
			return fmt.Errorf("write diff: %w", err)
		}
		if err := fix.WriteSummary(p.Stderr, made, f.color == "always" || f.color == "auto" && p.Terminal.Stderr, p.width()); err != nil {
			return fmt.Errorf("write summary: %w", err)
		}
		return v.plan.verdict(v.report)
	}
	written := made.Write()
	if err := fix.WriteSummary(p.Stdout, made, p.colored(f.color), p.width()); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	if written != nil {
		return written
	}
	if v, err = f.judge(ctx, p, paths); err != nil {
		return err
	}
	for _, problem := range v.report.Problems {
		fmt.Fprintln(p.Stderr, "ullage: "+printable(problem.String()))
	}
	return v.plan.verdict(v.report)
}

// replace exchanges the objects of the files that the map names. Rendered
// objects stay: their files are not changed.
func replace(objects []*model.Object, replaced map[string][]*model.Object) []*model.Object {
	var all []*model.Object
	for _, o := range objects {
		if _, changed := replaced[o.Source.File.Name]; !changed || o.Source.Origin != nil {
			all = append(all, o)
		}
	}
	for _, changed := range replaced {
		all = append(all, changed...)
	}
	return all
}
