package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/detect"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/report"
)

// recordedFlags are those of ullage profile check.
type recordedFlags struct {
	profileFlags
	rules        behaviorRules
	failOn       string
	showExcepted bool
}

func profileCheckCommand(p *Program) *cobra.Command {
	f := recordedFlags{}
	cmd := &cobra.Command{
		Use: "check [WORKLOAD]", Short: "Is something of what was recorded hostile?",
		Long: `Judge what containers were seen to do by the rules on behavior, as ullage watch judges
it while it happens. Without WORKLOAD all containers that are known are judged; what
ran outside of containers is not. Which process it was and who began it, a recording
does not tell.

Exit code: 0 nothing is, 1 findings at or above --fail-on, 2 usage, or what is known
cannot be read, 3 nothing is known, or not all could be judged.`,
		Example: `  ullage profile check --from node-1.json
  ullage profile check --from /var/lib/ullage-agent -o sarif > behavior.sarif
  ullage profile check Deployment/shop/web --cluster --fail-on medium`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, p, args) },
	}
	f.reading(cmd)
	f.rules.flags(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&f.container, "container", "", "only this container")
	flags.StringSliceVarP(&f.namespaces, "namespace", "n", nil, "only in these namespaces")
	flags.StringVar(&f.failOn, "fail-on", "", "exit with 1 for findings at or above this severity, or never (default high)")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show every finding and every unanswered question")
	flags.BoolVar(&f.showExcepted, "show-excepted", false, "show findings that an exception lets pass")
	flags.StringVarP(&f.output, "output", "o", "text", "format: "+strings.Join(report.Formats(), ", "))
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	return cmd
}

func (f *recordedFlags) run(cmd *cobra.Command, p *Program, args []string) error {
	now := time.Now()
	c := checkFlags{output: f.output, color: f.color}
	if f.failOn != "" {
		c.failOn = word{f.failOn, "--fail-on"}
	}
	pl, err := f.rules.plan(cmd.Context(), p, c, now)
	if err != nil {
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
	lists := k.subjects
	if len(args) > 0 {
		if lists, err = k.wanted(args[0], f.container); err != nil {
			return err
		}
	}
	all, err := f.behaviors(cmd.Context(), k, lists)
	if err != nil {
		return err
	}
	digest := sha256.New()
	if err := behavior.Encode(digest, all); err != nil {
		return err
	}
	var objects []*model.Object
	var gaps []model.Problem
	for _, b := range all {
		objects = append(objects, recordedObject(b))
		gaps = append(gaps, notWatched(b)...)
	}
	pl.rules = slices.DeleteFunc(slices.Clone(pl.rules), func(r *policy.Rule) bool { return !r.OfBehavior() })
	made, err := check.Run(cmd.Context(), objects, check.Options{Rules: pl.rules, Settings: pl.settings, KubernetesMinor: pl.minor, Closed: true, Exceptions: pl.exceptions})
	if err != nil {
		return interrupted(cmd.Context(), err)
	}
	made.Unused = nil // exceptions of other workloads
	made.Problems = append(made.Problems, gaps...)
	made.Provenance = model.Provenance{
		Tool: "ullage", Version: Version(), RulesDigest: policy.Digest(pl.rules), InputDigest: fmt.Sprintf("sha256:%x", digest.Sum(nil)), Configuration: pl.config,
		Profile: pl.profile, Kubernetes: fmt.Sprintf("1.%d", pl.minor), World: "closed", Time: now.UTC().Format(time.RFC3339),
	}
	var lookup requirements
	err = report.Write(p.Stdout, f.output, made, report.Options{Color: p.colored(f.color), Width: p.Terminal.Width, Verbose: f.verbose, ShowExcepted: f.showExcepted, Requirements: lookup.of})
	if err = errors.Join(err, lookup.err); err != nil {
		return &codeError{exitUsage, err}
	}
	hintAtPods(p, lists, w)
	return pl.verdict(made)
}

// behaviors are those of the containers that are to be judged, one for each image.
func (f *recordedFlags) behaviors(ctx context.Context, k *known, lists [][]behavior.Subject) (all []*behavior.Behavior, err error) {
	for _, s := range slices.Concat(lists...) {
		if ctx.Err() != nil {
			return nil, errInterrupted
		}
		if s.Kind == behavior.KindHost || f.container != "" && s.Container != f.container || len(f.namespaces) > 0 && !slices.Contains(f.namespaces, s.Namespace) {
			continue
		}
		b, err := k.load(s)
		if err != nil {
			return nil, &codeError{exitUsage, err}
		}
		if b != nil { // nil was forgotten meanwhile
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return nil, &codeError{exitIncomplete, errors.New("nothing is known of such containers: ullage profile list names what there is")}
	}
	return all, nil
}

func recordedObject(b *behavior.Behavior) *model.Object {
	s := &b.Subject
	facts := make([]behavior.Fact, 0, b.Len())
	for fact := range b.Facts() {
		facts = append(facts, fact)
	}
	return detect.Object(detect.Context{Namespace: s.Namespace, Name: s.Name, Container: s.Container, Image: s.Image, Recorded: true}, facts...)
}

// notWatched says what of a container no rule can judge.
func notWatched(b *behavior.Behavior) (gaps []model.Problem) {
	seen := b.Summary()
	if seen.Lost > 0 {
		gaps = append(gaps, model.Problem{Reason: fmt.Sprintf("%s: %s of what it did could not be kept and are not judged", &b.Subject, counted(int(seen.Lost), "fact"))})
	}
	if missing := seen.Kinds.Missing(); len(missing) > 0 {
		gaps = append(gaps, model.Problem{Reason: fmt.Sprintf("%s: nothing is known of %s: the sensor did not look for it all the time", &b.Subject, listed(kindNames(missing)))})
	}
	return gaps
}
