package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/attack"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// attackFlags are the flags of ullage attack-paths.
type attackFlags struct {
	input
	attack.Query
	output, color string
	top           int
	known         bool
}

func attackPathsCommand(p *Program) *cobra.Command {
	var f attackFlags
	cmd := &cobra.Command{
		Use:   "attack-paths [PATH...] | --cluster | --from FILE",
		Short: "How does an attacker get from the internet to cluster-admin, and what stops most of them?",
		Long: `Find the ways of an attacker through manifests (default the working directory) or
a cluster: over the network, out of containers, with tokens, secrets and rights.
Each step names what the attacker does, why it is possible and where that is
written. At the end stand the changes that close the most.

--start is ` + attack.Sources + `.
--to is ` + attack.Targets + `.

Exit code: 0 there is no path, 1 there are paths, or ones that hang on what the
input does not say, 2 usage or internal error, 3 something could not be read, or
is too large to be looked at as a whole, or a path would lead on over ports that
nothing declares, so that one may have been missed.`,
		Example: `  ullage attack-paths deploy/                              # from the internet to cluster-admin
  ullage attack-paths --start any --to node deploy/        # out of any container to its node
  ullage attack-paths --start any -n shop deploy/          # out of the containers of one namespace
  ullage attack-paths --start pod/shop/web --to secret/data/db --cluster
  ullage attack-paths -o svg deploy/ > paths.svg`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, p, args) },
	}
	f.flags(cmd)
	return cmd
}

func (f *attackFlags) flags(cmd *cobra.Command) {
	f.input.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.From, "start", "internet", "where the attacker starts")
	flags.StringVar(&f.To, "to", "cluster-admin", "what the attacker is after")
	flags.StringSliceVarP(&f.Namespaces, "namespace", "n", nil, "only what starts in these namespaces")
	wordVar(flags, &f.settings.kubeVersion, "kube-version", "", fmt.Sprintf("Kubernetes version to assume of files (default 1.%d)", LatestMinor))
	flags.BoolVar(&f.known, "known", false, "leave out steps that hang on what the input does not say")
	f.top = 3
	flags.Var((*topFlag)(&f.top), "top", fmt.Sprintf("how many paths to show, at most %d", mostPaths))
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json, svg")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
}

// attackReport is the answer of the command.
type attackReport struct {
	attack.Query
	Kubernetes string // the version that is judged by
	Closed     bool   // the input is all there is
	MayClose   bool   // --closed-world would make it so
	Paths      [][]attack.Stage
	Weights    []int
	Reaching   int // starting points that have a path
	Known      int // of these, those that have one of steps that hang on nothing unknown
	Entries    int // starting points
	Chokes     []attackChoke
	Remedies   []attack.Remedy
	Plan       *attack.Plan
	// Incomplete says why more paths may be there than were looked for; or empty.
	Incomplete string
	Doubt      string // why the target may not exist, in a clause; or empty
	Missing    bool   // an end of the paths was not read, of which Unread says why
	Unread     string // why a path may be there although none was found: what a cluster did not show; or empty
	Problems   []model.Problem
	// Unfollowed are dangerous rights that no step follows from, where no path was found.
	Unfollowed []attack.Unfollowed
	// Unheard are containers from which there would be a path, and of which no port is
	// known, where no path was found.
	Unheard []attack.Vertex
	// Unplaced are servers that the API server asks and that are not in the input, where
	// no path was found.
	Unplaced []attack.Evidence
	// Refused are bindings of whom RBAC does not know, where no path was found.
	Refused []attack.Evidence
}

// attackChoke is a choke point with what it is.
type attackChoke struct {
	attack.Choke
	At attack.Vertex
}

// How many choke points and changes are shown.
const (
	shownChokes   = 5
	shownRemedies = 3
)

func (f *attackFlags) run(cmd *cobra.Command, p *Program, args []string) error {
	err := errors.Join(
		word{f.output, "--output"}.oneOf("text", "json", "svg"), word{f.color, "--color"}.oneOf("auto", "always", "never"),
	)
	if err != nil {
		return err
	}
	if err := f.notAFile(); err != nil {
		return err
	}
	f.paths = append(f.paths, args...)
	for _, namespace := range f.Namespaces {
		if len(validation.IsDNS1123Label(namespace)) > 0 {
			return fmt.Errorf("-n %q cannot be the name of a namespace: leave -n out for all of them", namespace)
		}
	}
	s, err := f.snapshot(cmd, p, f.Namespaces...)
	if err != nil {
		return err
	}
	if err := namespacesIn(s, f.Namespaces); err != nil {
		return err
	}
	r, err := f.report(s)
	if err != nil {
		return err
	}
	switch f.output {
	case "json":
		err = writeJSON(p.Stdout, attackJSON(r))
	case "svg":
		err = writeAttackSVG(p.Stdout, r)
	default:
		err = newAttackPrinter(p, f.color).report(r)
	}
	switch {
	case err != nil:
		return err
	case len(f.problems) > 0, r.Incomplete != "", len(r.Paths) == 0 && (r.Unread != "" || len(r.Unheard) > 0):
		return &codeError{code: exitIncomplete}
	case len(r.Paths) > 0:
		return &codeError{code: exitFindings}
	}
	return nil
}

func (f *attackFlags) report(s *model.Snapshot) (*attackReport, error) {
	minor, err := f.kubernetes()
	if err != nil {
		return nil, err
	}
	g := attack.New(s, reach.New(s), access.New(s), attack.Options{KubernetesMinor: minor, Known: f.known, Target: f.To, Source: f.From})
	ends, err := g.Ends(f.Query)
	unread := g.UnreadEnd(f.Query)
	if err != nil && unread != "" {
		return &attackReport{Query: f.Query, Kubernetes: fmt.Sprintf("1.%d", minor), Closed: s.Closed, Missing: true, Unread: unread, Problems: f.problems}, nil
	}
	if wrong, ok := errors.AsType[*attack.EndError](err); ok {
		return nil, fmt.Errorf("%s %w", map[bool]string{false: "--start", true: "--to"}[wrong.Target], err)
	}
	d := g.Distances(ends.To...)
	r := &attackReport{Query: f.Query, Kubernetes: fmt.Sprintf("1.%d", minor), Closed: s.Closed, MayClose: f.mayClose(), Problems: f.problems}
	r.Incomplete = g.Incomplete()
	if gap := s.Gap("", attack.Kinds()...); gap != nil {
		r.Unread = gap.Reason
	}
	if target, ok := g.Assumed(); ok {
		r.Doubt = assumedDoubt(target, unread)
	}
	for _, path := range different(g, d.PathsOf(ends, consideredPaths*f.top), f.top) {
		r.Paths, r.Weights = append(r.Paths, path.stages), append(r.Weights, path.Weight)
	}
	r.Entries = len(ends.Entries)
	known := g.KnownDistances(ends.To)
	for _, v := range ends.Entries {
		if _, ok := d.From(v); ok {
			r.Reaching++
		}
		if _, ok := known.From(v); ok {
			r.Known++
		}
	}
	if r.Reaching == 0 {
		r.Missing = unread != ""
		if r.Missing {
			r.Unread = unread
		}
		for _, v := range d.Unheard(ends.From) {
			r.Unheard = append(r.Unheard, g.Vertex(v))
		}
		r.Unfollowed, r.Unplaced, r.Refused = g.Unfollowed(ends.Entries), g.Unplaced(), g.Refused()
		return r, nil
	}
	for _, c := range d.Chokes(ends.Entries, ends.To, shownChokes) {
		r.Chokes = append(r.Chokes, attackChoke{c, g.Vertex(c.Vertex)})
	}
	if r.Remedies, err = g.Remedies(f.Query, shownRemedies); err != nil {
		return nil, err
	}
	r.Plan, err = g.Plan(f.Query)
	return r, err
}

// assumedDoubt says of a target that is not in the input that it may not exist, and
// why it was not read where that is known.
func assumedDoubt(target attack.Vertex, unread string) string {
	if unread != "" {
		return unread + ", so " + target.String() + " may not exist"
	}
	return target.String() + " is not in the input and may not exist"
}

// notAFile helps who takes --from, which reads a file as everywhere, for --start.
func (f *attackFlags) notAFile() error {
	kind, _, _ := strings.Cut(f.source.from, "/")
	if !slices.Contains([]string{"internet", "any", "pod", "sa", "user", "group", "node"}, kind) {
		return nil
	}
	if _, err := os.Stat(f.source.from); err == nil {
		return nil
	}
	return fmt.Errorf("--from reads a file that --save wrote: where the attacker starts is --start %s", f.source.from)
}

// mostPaths bounds --top: many paths differ in one step only.
const mostPaths = 100

// topFlag is the value of --top.
type topFlag int

func (t *topFlag) String() string { return strconv.Itoa(int(*t)) }

// Type names the value in the help.
func (t *topFlag) Type() string { return "int" }

// Set takes a number of paths that somebody reads.
func (t *topFlag) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostPaths {
		return fmt.Errorf("give a number from 1 to %d", mostPaths)
	}
	*t = topFlag(n)
	return nil
}

// consideredPaths is how many paths are looked at for each that is shown.
const consideredPaths = 12

// told is a path with its stages.
type told struct {
	attack.Path
	stages []attack.Stage
}

// different returns the shortest of some paths that show something new each: at
// least two steps that no path before has. Where there are not enough of these,
// the shortest of the others fill up.
func different(g *attack.Graph, paths []attack.Path, n int) []told {
	var chosen, rest []told
	type step struct {
		kind attack.EdgeKind
		to   attack.ID
	}
	seen := map[step]bool{}
	for _, p := range paths {
		t := told{p, g.Stages(p)}
		news := 0
		for _, s := range t.stages[1:] {
			if !seen[step{s.Step.Kind, s.At.ID}] {
				news++
			}
		}
		if news < min(2, len(t.stages)-1) || len(chosen) == n {
			rest = append(rest, t)
			continue
		}
		for _, s := range t.stages[1:] {
			seen[step{s.Step.Kind, s.At.ID}] = true
		}
		chosen = append(chosen, t)
	}
	chosen = append(chosen, rest[:min(len(rest), n-len(chosen))]...)
	slices.SortStableFunc(chosen, func(a, b told) int { return a.Weight - b.Weight })
	return chosen
}
