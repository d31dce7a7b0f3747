package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/platform"
)

// platformFlags are the flags of ullage platform.
type platformFlags struct {
	source
	components    []string
	output, color string
	verbose       bool
	db            dbFlags
}

func platformCommand(p *Program) *cobra.Command {
	var f platformFlags
	cmd := &cobra.Command{
		Use:   "platform --cluster | --from FILE | --component NAME=VERSION...",
		Short: "Which vulnerabilities do the cluster's own components have?",
		Long: `Find what a cluster itself is made of (API server, kubelet, container runtime,
kernel, etcd, DNS, network plugin, ...) from what its nodes and the pods of its
system namespaces say, and hold the versions against the advisories that
ullage db update fetched. What a cluster does not say, such as the version of runc,
can be given with --component.

A kernel is held against the data of the node's distribution, as only that knows
what is mended in it. Of a version that a vendor made (v1.29.3-eks-adc7111) the
project's is taken; the vendor may have brought in more fixes.

Exit code: 0 told, vulnerabilities or not, 2 usage or internal error, 3 something
could not be read, or there is no database of advisories.`,
		Example: `  ullage platform --cluster
  ullage platform --from cluster.ullage -o json
  ullage platform --cluster --component runc=1.1.11
  ullage platform --component kubelet=v1.33.1 --component containerd=1.7.13`,
		Args: exactly("", 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd, p) },
	}
	flags := cmd.Flags()
	f.source.flags(flags)
	flags.StringArrayVar(&f.components, "component", nil, "NAME=VERSION of a component; may be repeated")
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json")
	flags.StringVar(&f.db.dir, "db", "", dbUsage)
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "list every vulnerability, with its reasons")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	return cmd
}

func (f *platformFlags) run(cmd *cobra.Command, p *Program) error {
	if err := errors.Join(word{f.output, "--output"}.oneOf("text", "json"), word{f.color, "--color"}.oneOf("auto", "always", "never"), f.validate(cmd.Flags(), nil)); err != nil {
		return err
	}
	if !f.live() && len(f.components) == 0 {
		return errors.New("name what to look at: --cluster, --from FILE or --component NAME=VERSION")
	}
	components, problems, err := f.find(cmd, p)
	if err != nil {
		return err
	}
	store, err := f.db.store(p)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	db, err := advisory.Open(store.Path())
	if errors.Is(err, advisory.ErrNone) {
		return noDatabase(store)
	} else if err != nil {
		return &codeError{exitUsage, advisory.Mend(err)}
	}
	defer db.Close()
	judged, err := platform.Match(components, db)
	if err != nil {
		return &codeError{exitUsage, advisory.Mend(fmt.Errorf("%s: %w", store.Path(), err))}
	}
	feeds := store.Fresh(db.Describe().Feeds)
	if f.output == "json" {
		err = writeJSON(p.Stdout, newPlatformJSON(judged, feeds))
	} else {
		err = f.printer(p).platform(judged, feeds, time.Now())
	}
	if err != nil {
		return &codeError{exitUsage, err}
	}
	if len(problems) > 0 {
		return &codeError{exitIncomplete, errors.New("not all of the cluster could be read: components may be missing")}
	}
	return nil
}

// find returns the components of the cluster, and those that were given by hand.
// What could not be read of the cluster is told.
func (f *platformFlags) find(cmd *cobra.Command, p *Program) (list []platform.Component, problems []model.Problem, err error) {
	if f.live() {
		bar := newProgress(p)
		defer bar.done()
		if _, err := f.open(cmd.Context()); err != nil {
			return nil, nil, err
		}
		in, err := f.read(cmd.Context(), bar, nil, nil)
		if err != nil {
			return nil, nil, err
		}
		bar.done()
		list, problems = platform.Components(model.NewSnapshot(in.Objects, true, in.Gaps...), in.Server), in.Problems
		for _, problem := range problems {
			fmt.Fprintln(p.Stderr, "ullage: "+printable(problem.Reason))
		}
	}
	for _, given := range f.components {
		name, version, ok := strings.Cut(given, "=")
		if !ok || version == "" {
			return nil, nil, fmt.Errorf("--component %q is not NAME=VERSION", given)
		}
		c, ok := platform.ByHand(name, version)
		switch {
		case name == "kernel":
			return nil, nil, errors.New("--component kernel: a kernel is known by the system of its node, so --cluster or --from is needed")
		case !ok:
			return nil, nil, fmt.Errorf("--component %s: there are %s", given, strings.Join(platform.Names(), ", "))
		case c.Unknown != "":
			return nil, nil, fmt.Errorf("--component %s: %s", given, c.Unknown)
		}
		list = withComponent(list, c)
	}
	return list, problems, nil
}

// withComponent puts a component in the place of the one whose version the cluster
// does not say.
func withComponent(list []platform.Component, c platform.Component) []platform.Component {
	for i := range list {
		if list[i].Name == c.Name && list[i].Version == "" {
			list[i] = c
			return list
		}
	}
	return append(list, c)
}

func (f *platformFlags) printer(p *Program) *imagePrinter {
	return &imagePrinter{newPrinter(p, f.color), f.verbose}
}
