package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// netFlags are the flags of the net commands.
type netFlags struct {
	input
	output, color  string
	namespaces     []string
	source, target string
	declared       []string // files with declarations
	exhaustive     bool
	verbose        bool
	read           chan struct{} // closed when all is read that the command asks about
}

// network is what net commands ask questions of.
type network struct {
	*model.Snapshot
	*reach.Graph
	exposure *reach.Exposure
	closed   bool
	hint     string // what would close the world, or why it stays open
	doubt    string // that it is open, and why it stays so, in a row of a table
}

func netCommand(p *Program) *cobra.Command {
	var f netFlags
	cmd := &cobra.Command{
		Use:   "net",
		Short: "Who may connect to whom, what is exposed, and how to isolate it",
		Long: `Answer questions about the network: of manifests (-f PATH, default the working
directory) or of a cluster (--cluster).

SRC and DST are one of
  NAMESPACE                 all its workloads
  NAMESPACE/NAME            a workload, or a Service
  KIND/NAMESPACE/NAME       the same by kind: deploy/shop/web, svc/shop/web
  internet, node, api-server
  10.0.0.0/8, 192.0.2.7     addresses
  api.example.com           a name outside the cluster (DST only)

Files rarely hold every policy of a cluster. So what is open because no policy
was read, or closed because none was read that allows it, is unknown; with
--closed-world it is yes or no. What network plugins do differently is unknown
everywhere, with its reason.`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f.input.flags(cmd)
	cmd.PersistentFlags().StringVar(&f.color, "color", "auto", "auto, always or never")
	for _, sub := range []*cobra.Command{f.netListCommand(p), f.netCanCommand(p), f.netWhyCommand(p), f.netDiffCommand(p), f.netExposedCommand(p), f.netIsolateCommand(p), f.netBlastCommand(p)} {
		sub.RunE = f.interruptible(sub.RunE)
		cmd.AddCommand(sub)
	}
	return cmd
}

// interruptible leaves a command alone when its context ends while it analyses or
// prints: it writes no files then, and what was printed is a beginning of the answer.
// Reading obeys the context itself, and may have a file to finish.
func (f *netFlags) interruptible(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		f.read = make(chan struct{})
		done := make(chan error, 1)
		go func() { done <- run(cmd, args) }()
		select {
		case err := <-done:
			return err
		case <-f.read:
		}
		select {
		case err := <-done:
			return err
		case <-cmd.Context().Done():
			return errInterrupted
		}
	}
}

// onlyPaths refuses an argument that is no file but looks like a namespace.
func onlyPaths(_ *cobra.Command, args []string) error {
	for _, arg := range args {
		if _, err := os.Stat(arg); err != nil && len(validation.IsDNS1123Label(arg)) == 0 {
			return fmt.Errorf("%s is no file or directory: name a namespace with -n %s", arg, arg)
		}
	}
	return nil
}

// namespaceFlag adds the flag that names namespaces.
func (f *netFlags) namespaceFlag(cmd *cobra.Command) {
	cmd.Flags().StringSliceVarP(&f.namespaces, "namespace", "n", nil, "only connections of which an end is in these namespaces")
}

// checkNamespaces refuses namespaces of which nothing was read in any network: the
// answer would be empty, and look as if nothing were open.
func (f *netFlags) checkNamespaces(cmd *cobra.Command, networks ...*network) error {
	if cmd.Flags().Changed("namespace") && len(f.namespaces) == 0 {
		return errors.New("--namespace: it is empty")
	}
	for _, ns := range f.namespaces {
		if !slices.ContainsFunc(networks, func(n *network) bool { return slices.Contains(n.Namespaces(), ns) }) {
			return fmt.Errorf("--namespace: %w", networks[len(networks)-1].noNamespace(ns))
		}
	}
	return nil
}

func (n *network) noNamespace(name string) error {
	return fmt.Errorf("%q is no namespace that was read%s", name, n.suggest(name))
}

// formats adds the flag for the format; the first is the default.
func (f *netFlags) formats(cmd *cobra.Command, formats ...string) {
	cmd.Flags().StringVarP(&f.output, "output", "o", formats[0], "format: "+strings.Join(formats, ", "))
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("output") {
			f.output = formats[0] // the commands share the variable
		}
		if err := (word{f.output, "--output"}).oneOf(formats...); err != nil {
			return err
		}
		return (word{f.color, "--color"}).oneOf("auto", "always", "never")
	}
}

// network reads what the flags name.
func (f *netFlags) network(cmd *cobra.Command, p *Program) (*network, error) {
	s, err := f.snapshot(cmd, p)
	if err != nil {
		return nil, err
	}
	close(f.read)
	n := newNetwork(s)
	n.hint, n.doubt = worldHint(&f.input), "policies and workloads may live elsewhere"
	if !f.mayClose() {
		n.doubt += ": " + strings.ToLower(n.hint[:1]) + n.hint[1:]
	}
	if len(slices.Collect(n.workloads())) == 0 {
		return nil, &codeError{exitIncomplete, fmt.Errorf("no workloads in %s, so there is no network to ask about: give the files of the workloads, too", what(&f.input))}
	}
	return n, nil
}

// worldHint says what would close an open world: nothing, where something could not
// be read that bears on networks.
func worldHint(in *input) string {
	var kinds []string
	for _, gap := range in.gaps {
		if !slices.ContainsFunc(reach.DecidingKinds(), gap.Holds) {
			continue
		}
		if kind := cmp.Or(gap.Kind.Kind, gap.Kind.Group); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	switch {
	case len(kinds) > 0:
		return "What could not be listed keeps it so: " + someOf(kinds)
	case in.live():
		return "Not all of the cluster was read"
	case len(in.problems) > 0: // the flag is of no use then
		return "What could not be read keeps it so, as it may hold anything: " + in.problems[0].Place.String()
	}
	return "--closed-world takes what was read for all there is"
}

func someOf(list []string) string {
	if len(list) > longest {
		list = append(list[:longest:longest], fmt.Sprintf("%d more", len(list)-longest))
	}
	return strings.Join(list, ", ")
}

func newNetwork(s *model.Snapshot) *network {
	g := reach.New(s)
	return &network{Snapshot: s, Graph: g, exposure: reach.NewExposure(s), closed: g.Closed}
}

// what names what was read.
func what(in *input) string {
	switch {
	case in.cluster:
		return "the cluster"
	case in.from != "":
		return in.from
	case len(in.paths) == 0:
		return "."
	}
	return strings.Join(in.paths, ", ")
}

// workloads yields the endpoints that are pods.
func (n *network) workloads() func(func(reach.ID) bool) {
	return func(yield func(reach.ID) bool) {
		for e := range n.Graph.Endpoints() {
			if e.Kind != reach.Pods || !yield(e.ID) {
				return
			}
		}
	}
}

func (f *netFlags) printer(p *Program) *accessPrinter {
	a := accessFlags{color: f.color}
	return a.printer(p)
}

// whyCell writes why a row of a table may not hold: the reasons, and that the world
// is open.
func (n *network) whyCell(reasons []string) string {
	if !n.closed {
		reasons = append(slices.Clip(reasons), n.doubt)
	}
	return cell(strings.Join(reasons, "; "))
}

// openWorld writes what the world being open means for a list.
func (n *network) openWorld(w *accessPrinter) {
	if !n.closed {
		w.wrapped(0, dim, "By what was read; policies and workloads may live elsewhere. "+n.hint+".")
	}
	for _, o := range n.AllOthers() {
		why := ""
		if len(o.UnknownFields) > 0 {
			why = " at " + o.Place().String() + " (there is no field " + o.UnknownFields[0].String() + ")"
		}
		w.wrapped(0, yellow, "Not understood: "+o.Key.String()+why+", so answers that it may change are unknown.")
	}
}

// incomplete is the exit code when something could not be read.
func (f *netFlags) incomplete() error {
	if len(f.problems) > 0 {
		return &codeError{code: exitIncomplete}
	}
	return nil
}
