package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/frameworks"
	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/cluster"
	"ullage.dev/ullage/internal/comply"
	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/report"
	"ullage.dev/ullage/internal/tree"
)

const configUsage = "configuration file (default " + configName + " in the working directory, or above it in its git work tree)"

// OldestMinor and LatestMinor bound the Kubernetes minor versions that the rules
// know. Before 1.16 workloads were served in API versions that are not read.
const (
	OldestMinor = 16
	LatestMinor = 37
)

// checkFlags are the flags of ullage check.
type checkFlags struct {
	config
	source
	paths                                                   []string // of -f
	configPath, output, selector, color, writeBaseline, fix string
	namespaces                                              []word
	closed, diff, verbose, showExcepted                     bool
	images                                                  imagesFlags
	behavior                                                bool // rules on what containers do are chosen from, too
}

func checkCommand(p *Program) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check PATH... | --cluster | --from FILE",
		Short: "May these manifests, charts and overlays ship? What is wrong in this cluster?",
		Long: `Check Kubernetes manifests, Helm charts and Kustomize overlays, or a cluster,
for what makes them insecure or fragile. PATH is a file, a directory, a chart, an
overlay or - for standard input. Nothing is sent anywhere. --cluster reads the
cluster of the kubeconfig and changes nothing in it; of Secrets it reads the
metadata alone.

Exit code: 0 clean, 1 findings at or above --fail-on, 2 usage or internal error,
3 something that should have been checked could not be.`,
		Example: `  ullage check deploy/                       # everything below a directory
  ullage check --diff deploy/                # all fixes as a diff; nothing is written
  ullage check --fix deploy/                 # write the inert ones, --fix=all all of them
  ullage check -o sarif chart/ > out.sarif   # for code scanning
  helm template . | ullage check -           # from standard input
  ullage check --cluster -n shop             # what runs in a namespace
  ullage check --cluster --save all.gz       # and later, elsewhere: --from all.gz`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(f.paths)+len(args) == 0 && !f.live() {
				return errors.New("name what to check: a file, a directory, a chart, an overlay, - for standard input, or --cluster")
			}
			return f.source.validate(cmd.Flags(), slices.Concat(f.paths, args), "fix", "diff", "exclude", "values", "set", "closed-world", "kube-version")
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, p, slices.Concat(f.paths, args)) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.paths, "path", "f", nil, "the same as PATH, as the other commands have it; may be repeated")
	f.source.flags(flags)
	flags.StringVar(&f.configPath, "config", "", configUsage)
	flags.StringVarP(&f.output, "output", "o", "text", "format: "+strings.Join(report.Formats(), ", "))
	wordVar(flags, &f.profile, "profile", "", "rules to use: "+strings.Join(policy.ProfileNames, ", ")+", or a file (default recommended)")
	wordsVar(flags, &f.rules, "rule", "use only these rules")
	wordsVar(flags, &f.skip, "skip", "leave these rules out")
	wordsVar(flags, &f.frameworks, "framework", "use the rules that support these compliance frameworks")
	wordsVar(flags, &f.policies, "policies", "files or directories with rules of your own, or ValidatingAdmissionPolicies")
	wordVar(flags, &f.severity, "severity", "", "leave out findings below: info, low, medium, high, critical")
	wordVar(flags, &f.failOn, "fail-on", "", "exit with 1 for findings at or above this severity, or never (default high)")
	wordVar(flags, &f.namespace, "default-namespace", "n", "namespace of objects that name none (default default); of a cluster: as --namespace")
	wordsVar(flags, &f.namespaces, "namespace", "judge only objects in these namespaces")
	flags.StringVarP(&f.selector, "selector", "l", "", "judge only objects with these labels, such as app=web,tier!=test")
	wordVar(flags, &f.kubeVersion, "kube-version", "", fmt.Sprintf("Kubernetes version to assume (default 1.%d)", LatestMinor))
	flags.BoolVar(&f.closed, "closed-world", false, "the input is all there is: what is missing is missing, not unknown")
	wordsVar(flags, &f.exceptions, "exceptions", "files with exceptions")
	wordVar(flags, &f.annotations, "annotations", "", "exceptions in annotations to honor: all, own, none (default all)")
	wordVar(flags, &f.baseline, "baseline", "", "report only findings that are not in this file")
	flags.StringVar(&f.writeBaseline, "write-baseline", "", "write all findings to this file and exit with 0")
	wordsVar(flags, &f.exclude, "exclude", "leave out paths that match these patterns")
	wordsVar(flags, &f.values, "values", "values files for Helm charts")
	flags.Var(wordsFlag{&f.set, "set", true}, "set", "value for Helm charts, key=value")
	flags.BoolVar(&f.diff, "diff", false, "show all fixes, tightening ones too, as a diff and change nothing")
	flags.StringVar(&f.fix, "fix", "", "write fixes into the files: --fix only inert ones, --fix=all tightening ones too")
	flags.Lookup("fix").NoOptDefVal = "inert"
	f.images.flags(flags)
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show every finding and every unanswered question")
	flags.BoolVar(&f.showExcepted, "show-excepted", false, "show findings that an exception or the baseline lets pass")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	return cmd
}

// plan is what the flags and the configuration come to.
type plan struct {
	rules      []*policy.Rule
	beside     []*model.Object // what was read beside the user's native policies
	settings   map[string]*tree.Node
	config     string // the file, for the report
	profile    string
	failOn     model.Severity
	never      bool // no finding fails the check
	minor      int
	closed     bool
	partial    bool // some rules or objects are left out
	exceptions *policy.Exceptions
	loaded     []fs.FileInfo // files whose exceptions are read
	baseline   *policy.Baseline
	selected   func(*model.Object) bool
	images     map[string]*tree.Node // facts by reference; nil when none are read
	problems   []model.Problem
	cluster    *cluster.Input // nil when files were read
}

func (f *checkFlags) run(cmd *cobra.Command, p *Program, paths []string) error {
	ctx := cmd.Context()
	for _, name := range []string{"rule", "skip", "framework", "namespace", "policies", "exceptions"} {
		if flag := cmd.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
			return fmt.Errorf("--%s names nothing", name)
		}
	}
	if err := f.images.complete(cmd.Flags()); err != nil {
		return err
	}
	if f.live() && f.namespace.text != "" {
		f.namespaces, f.namespace = append(f.namespaces, word{f.namespace.text, "-n"}), word{}
	}
	if err := f.merge(p.Getenv("HOME")); err != nil {
		return err
	}
	if err := f.modes(p.Args); err != nil {
		return err
	}
	if f.writeBaseline != "" {
		if err := baselineTarget(f.writeBaseline, f.reads(paths)); err != nil {
			return fmt.Errorf("--write-baseline %s: %w", f.writeBaseline, err)
		}
	}
	if f.live() {
		minor, err := f.source.open(ctx)
		if err != nil {
			return err
		}
		f.kubeVersion, f.world = word{text: assumed(minor)}, word{text: "closed"}
	}
	v, err := f.judge(ctx, p, paths)
	if err != nil {
		return err
	}
	if f.writeBaseline != "" {
		return f.saveBaseline(p, v.report)
	}
	if f.diff || f.fix != "" {
		return f.fixes(ctx, p, v, paths)
	}
	var lookup requirements
	options := report.Options{Color: p.colored(f.color), Width: p.Terminal.Width, Verbose: f.verbose, ShowExcepted: f.showExcepted, Requirements: lookup.of}
	err = report.Write(p.Stdout, f.output, v.report, options)
	if err = errors.Join(err, lookup.err); err != nil {
		return &codeError{exitUsage, err}
	}
	return v.plan.verdict(v.report)
}

// judged is a report and what it was made of.
type judged struct {
	plan   *plan
	input  *manifest.Input
	report *model.Report
}

// judge reads the paths and judges what is in them.
func (f *checkFlags) judge(ctx context.Context, p *Program, paths []string) (*judged, error) {
	now := time.Now()
	plan, err := f.plan(ctx, now)
	if err != nil {
		return nil, err
	}
	bar := newProgress(p)
	defer bar.done()
	in, err := f.load(ctx, p, plan, paths, bar)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	if plan.cluster == nil && len(in.Problems) > 0 {
		plan.closed = false // what is missing may be in what could not be read
	}
	if err := f.present(in, plan.gaps()); err != nil {
		return nil, err
	}
	f.tellDefault(p, in.Objects)
	if !f.live() {
		tellTwice(p, in.Objects, true)
	}
	plan.readOwn(in)
	known := model.NewSnapshot(nil, plan.closed, plan.gaps()...) // what is missing, without what is there
	plan.rules = policy.Bind(plan.rules, slices.Concat(plan.beside, in.Objects), known.Complete)
	if f.images.asked() {
		if f.images.decider == nil { // it knows what was read, which is not read again
			f.images.decider = &decider{exceptions: plan.exceptions}
			if err := f.images.decider.readVEX(f.images.vex, now); err != nil {
				return nil, err
			}
		}
		var problems []model.Problem
		if plan.images, problems, err = f.images.read(ctx, p, bar, plan.judged(in.Objects)); err != nil {
			return nil, err
		}
		plan.problems = append(plan.problems, problems...)
	}
	o := f.checkOptions(plan, in)
	o.Exceptions, o.Baseline, o.Progress = plan.exceptions, plan.baseline, bar.judged
	r, err := check.Run(ctx, in.Objects, o)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	if r.Counts.Objects == 0 && len(in.Objects) > 0 {
		return nil, fmt.Errorf("--namespace and --selector match none of %s", counted(len(in.Objects), "object"))
	}
	if f.images.asked() {
		f.images.leftover(r)
	}
	plan.complete(r, in, paths, now)
	return &judged{plan, in, r}, nil
}

// load reads the files, or the cluster.
func (f *checkFlags) load(ctx context.Context, p *Program, pl *plan, paths []string, bar *progress) (*manifest.Input, error) {
	if !f.live() {
		return manifest.Load(ctx, paths, f.loadOptions(p, bar))
	}
	var err error
	if pl.cluster, err = f.source.read(ctx, bar, texts(f.namespaces), pl.rules); err != nil {
		return nil, err
	}
	return &manifest.Input{Objects: pl.cluster.Objects, Problems: pl.cluster.Problems, Digest: pl.cluster.Digest}, nil
}

// checkOptions are those of the check without exceptions and baseline.
func (f *checkFlags) checkOptions(pl *plan, in *manifest.Input) check.Options {
	return check.Options{
		Rules: pl.rules, Settings: pl.settings, KubernetesMinor: pl.minor, Closed: pl.closed, Gaps: pl.gaps(), Declarations: in.Declarations, Selected: pl.selected,
		Images: pl.images,
	}
}

// judged returns the objects that are selected.
func (pl *plan) judged(objects []*model.Object) []*model.Object {
	if pl.selected == nil {
		return objects
	}
	return slices.DeleteFunc(slices.Clone(objects), func(o *model.Object) bool { return !pl.selected(o) })
}

// gaps are what could not be read of the cluster, if it is one.
func (pl *plan) gaps() []model.Gap {
	if pl.cluster == nil {
		return nil
	}
	return pl.cluster.Gaps
}

func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &codeError{exitUsage, errors.New("interrupted")}
	}
	return err
}

// validate refuses words that no flag or setting knows, and sources that cannot
// be read.
func (f *checkFlags) validate(ctx context.Context) error {
	errs := []error{
		f.checkReading(ctx), f.annotations.oneOf("all", "own", "none"),
		word{f.color, "--color"}.oneOf("auto", "always", "never"),
		word{f.output, "--output"}.oneOf(report.Formats()...),
	}
	for _, w := range f.namespaces {
		errs = append(errs, aNamespace(w))
	}
	if f.fix != "" {
		errs = append(errs, word{f.fix, "--fix"}.oneOf("inert", "all"))
	}
	return errors.Join(errs...)
}

// ruleSet names the rules in use, for the report.
func (f *checkFlags) ruleSet() string {
	switch {
	case len(f.rules) > 0:
		return "chosen rules"
	case len(f.frameworks) > 0:
		return strings.Join(texts(f.frameworks), ", ")
	}
	return f.profile.text
}

// partial reports whether the flags leave out rules or objects that another run
// over the same input looks at.
func (f *checkFlags) partial() bool {
	return len(f.rules)+len(f.skip)+len(f.frameworks)+len(f.namespaces) > 0 || f.selector != "" || f.severity.text != model.Info.String()
}

func (f *checkFlags) plan(ctx context.Context, now time.Time) (*plan, error) {
	if err := f.validate(ctx); err != nil {
		return nil, err
	}
	pl := &plan{profile: f.ruleSet(), closed: f.world.text == "closed", partial: f.partial(), config: f.path}
	err := pl.bar(f.failOn)
	if err != nil {
		return nil, err
	}
	if pl.minor, err = f.minor(); err != nil {
		return nil, err
	}
	var rules []*policy.Rule
	if rules, pl.beside, err = library(ctx, f.policies, pl.minor); err != nil {
		return nil, err
	}
	known := rules // that parameters and exceptions may name
	if f.behavior || len(f.params)+len(f.exceptions)+len(f.rules) > 0 {
		if known, err = withBehavior(rules); err != nil {
			return nil, err
		}
	}
	if f.behavior {
		rules = known
	}
	for _, name := range f.rules {
		if found, err := policy.Find(known, []string{name.text}); err == nil && !f.behavior && found[0].Builtin && found[0].OfBehavior() {
			return nil, name.wrong(fmt.Errorf("rule %q judges what containers do: ullage watch does", found[0].ID))
		}
	}
	if pl.rules, err = f.choose(rules, pl.minor); err != nil {
		return nil, err
	}
	if err := f.images.rulesFor(pl.rules, len(f.rules) > 0); err != nil {
		return nil, err
	}
	if pl.settings, err = f.settings(known); err != nil {
		return nil, err
	}
	if pl.selected, err = selectObjects(texts(f.namespaces), f.selector); err != nil {
		return nil, err
	}
	pl.exceptions = policy.NewExceptions(now, f.annotations.text, known)
	for _, path := range f.exceptions {
		file, err := readFile(path.text)
		if err != nil {
			return nil, path.wrong(err)
		}
		pl.loadExceptions(file)
	}
	if f.baseline.text != "" {
		if pl.baseline, err = readBaseline(f.baseline.text); err != nil {
			return nil, f.baseline.wrong(err)
		}
	}
	return pl, nil
}

// bar sets from which severity on findings fail the check.
func (pl *plan) bar(failOn word) error {
	if pl.never = failOn.text == "never"; pl.never {
		return nil
	}
	if err := pl.failOn.UnmarshalText([]byte(failOn.text)); err != nil {
		return failOn.wrong(fmt.Errorf("%w, never", err))
	}
	return nil
}

// complete adds what only the reading knows.
func (pl *plan) complete(r *model.Report, in *manifest.Input, paths []string, now time.Time) {
	r.Counts.Files, r.Counts.Documents, r.Counts.PassedOver, r.Counts.Failed = in.Counts.Files, in.Counts.Documents, in.Counts.PassedOver, in.Counts.Failed
	if pl.partial { // what was not looked at is neither fixed nor unused
		r.Fixed, r.Unused = 0, nil
	}
	r.Problems = append([]model.Problem{}, slices.Concat(in.Problems, notChecked(in.Empty), pl.problems, r.Problems)...) // a list in JSON
	world := "open"
	if pl.closed {
		world = "closed"
	}
	r.Provenance = model.Provenance{
		Tool: "ullage", Version: Version(), RulesDigest: policy.Digest(pl.rules), InputDigest: in.Digest,
		Configuration: pl.config, Profile: pl.profile, Kubernetes: fmt.Sprintf("1.%d", pl.minor), World: world, Time: now.UTC().Format(time.RFC3339),
	}
	if pl.cluster == nil {
		r.Provenance.Commit = commitOf(paths[0])
		return
	}
	r.Provenance.Cluster, r.Provenance.Time = clusterProvenance(pl.cluster), pl.cluster.Time.Format(time.RFC3339)
}

// notChecked makes problems of paths in which there was no object: what should
// have been checked went missing, or never was there.
func notChecked(paths []string) []model.Problem {
	return notRead(paths, "nothing was checked: no Kubernetes object in it")
}

func notRead(paths []string, reason string) []model.Problem {
	problems := make([]model.Problem, len(paths))
	for i, path := range paths {
		problems[i] = model.Problem{Place: model.Place{File: path}, Reason: reason}
	}
	return problems
}

// verdict turns the report into the exit code.
func (pl *plan) verdict(r *model.Report) error {
	if len(r.Problems) > 0 {
		return &codeError{code: exitIncomplete}
	}
	if worst, any := r.Worst(); any && !pl.never && worst >= pl.failOn {
		return &codeError{code: exitFindings}
	}
	return nil
}

// counted writes a number with its noun.
func counted(n int, noun string) string {
	stem, ies := strings.CutSuffix(noun, "y")
	switch {
	case n == 1:
	case ies && !strings.ContainsAny(stem[len(stem)-1:], "aeiou"):
		noun = stem + "ies"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// requirements looks up what checks support in the frameworks, which are read when
// a format first asks.
type requirements struct {
	catalog *comply.Catalog
	err     error // of reading them
}

func (r *requirements) of(check string) []string {
	if r.catalog == nil && r.err == nil {
		r.catalog, r.err = comply.Load(frameworks.Files)
	}
	if r.err != nil {
		return nil
	}
	return r.catalog.Requirements(check)
}
