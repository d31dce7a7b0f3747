package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
)

// input is the part of a command line that says what to ask questions of: files
// or a cluster.
type input struct {
	source
	settings   config // of the reading, once configure filled them
	configPath string
	paths      []string
	closed     bool

	problems     []model.Problem      // what snapshot could not read
	declarations []*model.Declaration // that it read
	loaded       *manifest.Input      // all that it read; of a cluster the objects alone
	minor        int                  // version of the server, of a cluster
	gaps         []model.Gap          // what the snapshot lacks
}

func (in *input) flags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringArrayVarP(&in.paths, "path", "f", nil, "file, directory, chart, overlay or - for standard input; may be repeated (default .)")
	flags.StringVar(&in.configPath, "config", "", configUsage)
	wordVar(flags, &in.settings.namespace, "default-namespace", "", "namespace of objects in files that name none (default default)")
	flags.BoolVar(&in.closed, "closed-world", false, "the files are all there is: what is missing is missing, not unknown")
	wordsVar(flags, &in.settings.exclude, "exclude", "leave out paths that match these patterns")
	wordsVar(flags, &in.settings.values, "values", "values files for Helm charts")
	flags.Var(wordsFlag{&in.settings.set, "set", true}, "set", "value for Helm charts, key=value")
	in.source.flags(flags)
}

// configure fills what no flag says about the reading from the configuration. A
// second time it changes nothing.
func (in *input) configure(ctx context.Context, p *Program) error {
	c, err := loadConfig(in.configPath, p.Getenv("HOME"))
	if err != nil {
		return err
	}
	if in.closed {
		in.settings.world = word{"closed", "--closed-world"}
	}
	in.settings.fillReading(c)
	return in.settings.checkReading(ctx)
}

// closedWorld reports whether the user says that the files are all there is.
func (in *input) closedWorld() bool { return in.settings.world.text == "closed" }

// mayClose reports whether --closed-world would close the world: files were read,
// all of them, and it was not given.
func (in *input) mayClose() bool {
	return !in.live() && !in.closedWorld() && len(in.problems) == 0
}

// kubernetes returns the minor version of Kubernetes to judge by: that of the
// server where a cluster was read.
func (in *input) kubernetes() (minor int, err error) {
	if in.live() {
		return min(max(in.minor, OldestMinor), LatestMinor), nil
	}
	return in.settings.minor()
}

// snapshot reads what the flags name. Where not all of a cluster may be read, the
// namespaces are that the question is about; "" is none. What could not be read is
// a gap: it is told on standard error, and makes answers unknown that hang on it.
func (in *input) snapshot(cmd *cobra.Command, p *Program, namespaces ...string) (*model.Snapshot, error) {
	ctx := cmd.Context()
	if err := in.validate(cmd.Flags(), in.paths, "default-namespace", "closed-world", "exclude", "values", "set", "kube-version"); err != nil {
		return nil, err
	}
	if err := in.configure(ctx, p); err != nil {
		return nil, err
	}
	bar := newProgress(p)
	defer bar.done()
	var s *model.Snapshot
	var problems []model.Problem
	if in.live() {
		var err error
		if in.minor, err = in.open(ctx); err != nil {
			return nil, err
		}
		namespaces = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(namespaces))), func(ns string) bool { return ns == "" })
		read, err := in.read(ctx, bar, namespaces, nil)
		if err != nil {
			return nil, err
		}
		s, problems, in.loaded = model.NewSnapshot(read.Objects, true, read.Gaps...), read.Problems, &manifest.Input{Objects: read.Objects}
		in.gaps = read.Gaps
	} else {
		read, err := in.files(ctx, p, bar)
		if err != nil {
			return nil, err
		}
		tellTwice(p, read.Objects, false)
		in.declarations, in.loaded = read.Declarations, read
		// A file that could not be read may hold anything: the world stays open.
		s = model.NewSnapshot(read.Objects, in.closedWorld() && len(read.Problems) == 0)
		problems = slices.Concat(read.Problems, in.nothingIn(read.Empty))
	}
	bar.done()
	in.problems = problems
	tellProblems(p, problems)
	if s.Len() == 0 {
		return nil, &codeError{exitIncomplete, errors.New("nothing could be read")}
	}
	return s, nil
}

// toldProblems is how many problems are told one by one.
const toldProblems = 10

// toldWhole is how long a line may be that no terminal shows, for those who search
// in lines.
const toldWhole = 400

// tellProblems writes on standard error what could not be read, and what to do.
func tellProblems(p *Program, problems []model.Problem) {
	for i, problem := range problems {
		if i == toldProblems {
			fmt.Fprintf(p.Stderr, "ullage: not read: and %d more\n", len(problems)-i)
			return
		}
		longest := toldWhole
		if p.Terminal.Width > 0 {
			longest = p.width()
		}
		tell := func(indent int, text string) {
			if text = printable(text); len(text) > longest {
				text = hang(text, indent, p.width())
			}
			fmt.Fprintln(p.Stderr, text)
		}
		tell(4, "ullage: not read: "+problem.String())
		if problem.Hint != "" {
			tell(6, "    hint: "+problem.Hint)
		}
	}
}

func (in *input) files(ctx context.Context, p *Program, bar *progress) (*manifest.Input, error) {
	paths := in.paths
	if len(paths) == 0 {
		paths = []string{"."}
	}
	read, err := manifest.Load(ctx, paths, in.settings.loadOptions(p, bar))
	return read, interrupted(ctx, err)
}

// nothingIn makes problems of paths in which there was no object: what the answer
// should hang on went missing, or never was there.
func (in *input) nothingIn(paths []string) []model.Problem {
	problems := notRead(paths, "no Kubernetes object in it")
	if len(in.paths) == 0 && len(problems) > 0 {
		problems[0].Reason += ": name files with -f"
	}
	return problems
}
