package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/frameworks"
	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/comply"
	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/report"
)

// LatestMinor is the newest Kubernetes minor version that the rules know.
const LatestMinor = 37

// checkFlags are the flags of ullage check.
type checkFlags struct {
	config
	configPath, output, selector, color, writeBaseline, fix string
	namespaces                                              []string
	closed, diff, verbose, showExcepted                     bool
}

func checkCommand(p *Program) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check PATH...",
		Short: "May these manifests, charts and overlays ship?",
		Long: `Check Kubernetes manifests, Helm charts and Kustomize overlays for what makes
them insecure or fragile. PATH is a file, a directory, a chart, an overlay or -
for standard input. Nothing is sent anywhere.

Exit code: 0 clean, 1 findings at or above --fail-on, 2 usage or internal error,
3 something that should have been checked could not be.`,
		Example: `  ullage check deploy/                       # everything below a directory
  ullage check --diff deploy/                # all fixes as a diff; nothing is written
  ullage check --fix deploy/                 # write the inert ones, --fix=all all of them
  ullage check -o sarif chart/ > out.sarif   # for code scanning
  helm template . | ullage check -           # from standard input`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name what to check: a file, a directory, a chart, an overlay, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, p, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.configPath, "config", "", "configuration file (default "+configName+" in the working directory)")
	flags.StringVarP(&f.output, "output", "o", "text", "format: "+strings.Join(report.Formats(), ", "))
	flags.StringVar(&f.Profile, "profile", "", "rules to use: "+strings.Join(policy.ProfileNames, ", ")+", or a file (default recommended)")
	flags.StringSliceVar(&f.Rules, "rule", nil, "use only these rules")
	flags.StringSliceVar(&f.Skip, "skip", nil, "leave these rules out")
	flags.StringSliceVar(&f.Frameworks, "framework", nil, "use the rules that support these compliance frameworks")
	flags.StringSliceVar(&f.Policies, "policies", nil, "files or directories with rules of your own, or ValidatingAdmissionPolicies")
	flags.StringVar(&f.Severity, "severity", "", "leave out findings below: info, low, medium, high, critical")
	flags.StringVar(&f.FailOn, "fail-on", "", "exit with 1 for findings at or above this severity, or never (default high)")
	flags.StringVarP(&f.Namespace, "default-namespace", "n", "", "namespace of objects that name none (default default)")
	flags.StringSliceVar(&f.namespaces, "namespace", nil, "judge only objects in these namespaces")
	flags.StringVarP(&f.selector, "selector", "l", "", "judge only objects with these labels, such as app=web,tier!=test")
	flags.StringVar(&f.KubeVersion, "kube-version", "", fmt.Sprintf("Kubernetes version to assume (default 1.%d)", LatestMinor))
	flags.BoolVar(&f.closed, "closed-world", false, "the input is all there is: what is missing is missing, not unknown")
	flags.StringSliceVar(&f.Exceptions, "exceptions", nil, "files with exceptions")
	flags.StringVar(&f.Annotations, "annotations", "", "exceptions in annotations to honor: all, own, none (default all)")
	flags.StringVar(&f.Baseline, "baseline", "", "report only findings that are not in this file")
	flags.StringVar(&f.writeBaseline, "write-baseline", "", "write all findings to this file and exit with 0")
	flags.StringSliceVar(&f.Exclude, "exclude", nil, "leave out paths that match these patterns")
	flags.StringSliceVar(&f.Values, "values", nil, "values files for Helm charts")
	flags.StringArrayVar(&f.Set, "set", nil, "value for Helm charts, key=value")
	flags.BoolVar(&f.diff, "diff", false, "show all fixes, tightening ones too, as a diff and change nothing")
	flags.StringVar(&f.fix, "fix", "", "write fixes into the files: --fix only inert ones, --fix=all tightening ones too")
	flags.Lookup("fix").NoOptDefVal = "inert"
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show every finding and every unanswered question")
	flags.BoolVar(&f.showExcepted, "show-excepted", false, "show findings that an exception or the baseline lets pass")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	return cmd
}

// plan is what the flags and the configuration come to.
type plan struct {
	rules      []*policy.Rule
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
	problems   []model.Problem
}

func (f *checkFlags) run(cmd *cobra.Command, p *Program, paths []string) error {
	ctx := cmd.Context()
	for _, name := range []string{"rule", "skip", "framework", "namespace", "policies", "exceptions"} {
		if flag := cmd.Flags().Lookup(name); flag.Changed && flag.Value.String() == "[]" {
			return fmt.Errorf("--%s names nothing", name)
		}
	}
	if err := f.merge(); err != nil {
		return err
	}
	if err := f.modes(p.Args); err != nil {
		return err
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
	options := report.Options{Color: f.colored(p), Width: p.Terminal.Width, Verbose: f.verbose, ShowExcepted: f.showExcepted, Requirements: requirements()}
	if err := report.Write(p.Stdout, f.output, v.report, options); err != nil {
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
	in, err := manifest.Load(ctx, paths, f.loadOptions(p, bar))
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	plan.readOwn(in)
	o := f.checkOptions(plan, in)
	o.Exceptions, o.Baseline, o.Progress = plan.exceptions, plan.baseline, bar.judged
	r, err := check.Run(ctx, in.Objects, o)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	if r.Counts.Objects == 0 && len(in.Objects) > 0 {
		return nil, fmt.Errorf("--namespace and --selector match none of %s", counted(len(in.Objects), "object"))
	}
	plan.complete(r, in, paths, now)
	return &judged{plan, in, r}, nil
}

// checkOptions are those of the check without exceptions and baseline.
func (f *checkFlags) checkOptions(pl *plan, in *manifest.Input) check.Options {
	return check.Options{
		Rules: pl.rules, Settings: f.Settings, KubernetesMinor: pl.minor, Closed: pl.closed, Declarations: in.Declarations, Selected: pl.selected,
	}
}

func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &codeError{exitUsage, errors.New("interrupted")}
	}
	return err
}

// merge fills what no flag says from the configuration.
func (f *checkFlags) merge() error {
	c, err := loadConfig(f.configPath)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		flag     *string
		config   string
		default_ string
	}{
		{&f.Profile, c.Profile, "recommended"}, {&f.FailOn, c.FailOn, "high"}, {&f.Severity, c.Severity, "info"}, {&f.Namespace, c.Namespace, "default"},
		{&f.KubeVersion, c.KubeVersion, fmt.Sprintf("1.%d", LatestMinor)}, {&f.World, c.World, "open"}, {&f.Baseline, c.Baseline, ""},
		{&f.Annotations, c.Annotations, "all"},
	} {
		if *s.flag == "" {
			*s.flag = s.config
		}
		if *s.flag == "" {
			*s.flag = s.default_
		}
	}
	if len(f.Rules) > 0 && len(f.Frameworks) > 0 || len(c.Rules) > 0 && len(c.Frameworks) > 0 {
		return errors.New("rules and frameworks exclude each other")
	}
	if len(f.Rules) > 0 || len(f.Frameworks) > 0 { // one of them chooses the rules
		c.Rules, c.Frameworks = nil, nil
	}
	for _, s := range []struct {
		flag   *[]string
		config []string
	}{
		{&f.Rules, c.Rules}, {&f.Skip, c.Skip}, {&f.Frameworks, c.Frameworks}, {&f.Policies, c.Policies}, {&f.Exceptions, c.Exceptions},
		{&f.Exclude, c.Exclude}, {&f.Values, c.Values}, {&f.Set, c.Set},
	} {
		if len(*s.flag) == 0 {
			*s.flag = s.config
		}
	}
	f.Settings = c.Settings
	if f.closed {
		f.World = "closed"
	}
	return nil
}

// validate refuses words that no flag or setting knows.
func (f *checkFlags) validate() error {
	for _, s := range []struct {
		name, value string
		allowed     []string
	}{
		{"output format", f.output, report.Formats()},
		{"--color", f.color, []string{"auto", "always", "never"}},
		{"world", f.World, []string{"open", "closed"}},
		{"annotations", f.Annotations, []string{"all", "own", "none"}},
		{"--fix", f.fix, []string{"", "inert", "all"}},
	} {
		if !slices.Contains(s.allowed, s.value) {
			return fmt.Errorf("%s %q is none of %s", s.name, s.value, strings.TrimPrefix(strings.Join(s.allowed, ", "), ", "))
		}
	}
	return nil
}

// ruleSet names the rules in use, for the report.
func (f *checkFlags) ruleSet() string {
	switch {
	case len(f.Rules) > 0:
		return "chosen rules"
	case len(f.Frameworks) > 0:
		return strings.Join(f.Frameworks, ", ")
	}
	return f.Profile
}

// partial reports whether the flags leave out rules or objects that another run
// over the same input looks at.
func (f *checkFlags) partial() bool {
	return len(f.Rules)+len(f.Skip)+len(f.Frameworks)+len(f.namespaces) > 0 || f.selector != "" || f.Severity != model.Info.String()
}

func (f *checkFlags) plan(ctx context.Context, now time.Time) (*plan, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	pl := &plan{profile: f.ruleSet(), closed: f.World == "closed", partial: f.partial()}
	if f.FailOn == "never" {
		pl.never = true
	} else if err := pl.failOn.UnmarshalText([]byte(f.FailOn)); err != nil {
		return nil, fmt.Errorf("--fail-on: %w, never", err)
	}
	var least model.Severity
	err := least.UnmarshalText([]byte(f.Severity))
	if err != nil {
		return nil, fmt.Errorf("--severity: %w", err)
	}
	if pl.minor, err = policy.ParseMinor(f.KubeVersion); err != nil {
		return nil, fmt.Errorf("--kube-version: %w", err)
	}
	if pl.minor > LatestMinor {
		return nil, fmt.Errorf("--kube-version: 1.%d is newer than 1.%d, the newest that the rules know", pl.minor, LatestMinor)
	}
	rules, err := library(ctx, f.Policies, pl.minor)
	if err != nil {
		return nil, err
	}
	choice := selection{Profile: f.Profile, Only: f.Rules, Skip: f.Skip, Frameworks: f.Frameworks, Severity: least}
	if pl.rules, err = choose(rules, choice, pl.minor); err != nil {
		return nil, err
	}
	if f.Settings, err = settings(rules, f.Settings); err != nil {
		return nil, fmt.Errorf("configuration: params: %w", err)
	}
	if pl.selected, err = selectObjects(f.namespaces, f.selector); err != nil {
		return nil, err
	}
	pl.exceptions = policy.NewExceptions(now, f.Annotations, rules)
	for _, path := range f.Exceptions {
		file, err := readFile(path)
		if err != nil {
			return nil, fmt.Errorf("exceptions: %w", err)
		}
		pl.loadExceptions(file)
	}
	if f.Baseline != "" {
		if pl.baseline, err = readBaseline(f.Baseline); err != nil {
			return nil, err
		}
	}
	return pl, nil
}

func readBaseline(path string) (*policy.Baseline, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("baseline %s does not exist (make it with --write-baseline %s)", path, path)
	}
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	defer file.Close()
	b, err := policy.ReadBaseline(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

func (f *checkFlags) loadOptions(p *Program, bar *progress) manifest.Options {
	return manifest.Options{
		Namespace: f.Namespace, Stdin: p.Stdin, HelmValues: f.Values, HelmSet: f.Set, KubeVersion: f.KubeVersion, Exclude: f.Exclude,
		Progress: bar.read,
	}
}

// complete adds what only the reading knows.
func (pl *plan) complete(r *model.Report, in *manifest.Input, paths []string, now time.Time) {
	r.Counts.Files, r.Counts.Documents, r.Counts.PassedOver, r.Counts.Failed = in.Counts.Files, in.Counts.Documents, in.Counts.PassedOver, in.Counts.Failed
	if pl.partial { // what was not looked at is neither fixed nor unused
		r.Fixed, r.Unused = 0, nil
	}
	r.Problems = append(append(append([]model.Problem{}, in.Problems...), pl.problems...), r.Problems...)
	world := "open"
	if pl.closed {
		world = "closed"
	}
	r.Provenance = model.Provenance{
		Tool: "ullage", Version: Version(), RulesDigest: policy.Digest(pl.rules), InputDigest: in.Digest, Commit: commitOf(paths[0]),
		Profile: pl.profile, Kubernetes: fmt.Sprintf("1.%d", pl.minor), World: world, Time: now.UTC().Format(time.RFC3339),
	}
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

func (f *checkFlags) saveBaseline(p *Program, r *model.Report) error {
	var text bytes.Buffer // whole before the old one goes
	if err := policy.WriteBaseline(&text, r.Findings); err != nil {
		return fmt.Errorf("write baseline: %w", err)
	}
	if err := os.WriteFile(f.writeBaseline, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write baseline: %w", err)
	}
	for _, problem := range r.Problems {
		fmt.Fprintln(p.Stderr, "ullage: not in the baseline: "+problem.String())
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

// counted writes a number with its noun.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func (f *checkFlags) colored(p *Program) bool {
	switch f.color {
	case "always":
		return true
	case "never":
		return false
	}
	return p.Terminal.Stdout && p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb"
}

// requirements looks requirements up in the frameworks, which are read when a
// format first asks.
func requirements() func(string) []string {
	var catalog *comply.Catalog
	return func(check string) []string {
		if catalog == nil {
			var err error
			if catalog, err = comply.Load(frameworks.Files); err != nil {
				catalog = &comply.Catalog{}
			}
		}
		return catalog.Requirements(check)
	}
}
