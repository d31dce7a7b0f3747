package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/report"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/tree"
)

// imageRules say whether an image is judged by rules, and by which.
type imageRules struct {
	wanted  bool
	profile string
	rules   []word
	fails   bool // --fail-on was given
}

func (f *imageRules) flags(flags *pflag.FlagSet) {
	flags.BoolVar(&f.wanted, "check", false, "judge the image by the rules that need no workload, and report as ullage check does")
	flags.StringVar(&f.profile, "profile", "", "with --check: rules to use, as for ullage check (default recommended)")
	wordsVar(flags, &f.rules, "rule", "with --check: use only these rules")
}

// validate refuses flags that mean nothing.
func (f *imageRules) validate(flags *pflag.FlagSet) error {
	for _, name := range []string{"profile", "rule"} {
		if flags.Changed(name) && !f.wanted {
			return errors.New("--" + name + " goes with --check")
		}
	}
	f.fails = flags.Changed("fail-on")
	return nil
}

// findingsFailOn is what --fail-on asks of findings: the least of the severities that it
// names alone. Its other words are of vulnerabilities: without a severity no finding
// fails.
func findingsFailOn(failOn string) string {
	least := "never"
	var lowest model.Severity
	for text := range strings.SplitSeq(failOn, ",") {
		var severity model.Severity
		text = strings.ToLower(strings.TrimSpace(text))
		if text == "any" || text == "negligible" {
			text = model.Info.String()
		}
		if severity.UnmarshalText([]byte(text)) == nil && (least == "never" || severity < lowest) {
			least, lowest = text, severity
		}
	}
	return least
}

// judge judges an image that was read and writes the report. Its exit code is that
// of ullage check.
func (f *imageFlags) judge(ctx context.Context, p *Program, ref string, r *scan.Result) error {
	now := time.Now()
	c := checkFlags{configPath: f.config, output: f.output, color: f.color}
	c.images.wanted = true
	c.rules = f.rules.rules
	if f.rules.profile != "" {
		c.profile = word{f.rules.profile, "--profile"}
	}
	if f.rules.fails {
		c.failOn = word{findingsFailOn(f.failOn), "--fail-on"}
	}
	for _, path := range f.exceptions {
		c.exceptions = append(c.exceptions, word{path, "--exceptions"})
	}
	if err := c.merge(p.Getenv("HOME")); err != nil {
		return err
	}
	pl, err := c.plan(ctx, now)
	if err != nil {
		return err
	}
	pl.rules = slices.DeleteFunc(slices.Clone(pl.rules), func(r *policy.Rule) bool { return !r.Subject.Image })
	object := model.NewImageObject(repositoryOf(ref), ref)
	made, err := check.Run(ctx, []*model.Object{object}, check.Options{
		Rules: pl.rules, Settings: pl.settings, KubernetesMinor: pl.minor, Closed: true, Exceptions: pl.exceptions,
		Images: map[string]*tree.Node{ref: imageFacts(r, now)},
	})
	if err != nil {
		return interrupted(ctx, err)
	}
	made.Unused = nil // exceptions of other images
	made.Problems = append(made.Problems, pl.problems...)
	for _, problem := range r.Image.Problems {
		made.Problems = append(made.Problems, model.Problem{Reason: problem.String()})
	}
	made.Provenance = model.Provenance{
		Tool: "ullage", Version: Version(), RulesDigest: policy.Digest(pl.rules), InputDigest: r.Image.Manifest, Configuration: pl.config,
		Profile: pl.profile, Kubernetes: fmt.Sprintf("1.%d", pl.minor), World: "closed", Time: now.UTC().Format(time.RFC3339),
	}
	var lookup requirements
	err = report.Write(p.Stdout, f.output, made, report.Options{Color: p.colored(f.color), Width: p.Terminal.Width, Verbose: f.verbose, Requirements: lookup.of})
	if err = errors.Join(err, lookup.err); err != nil {
		return &codeError{exitUsage, err}
	}
	return pl.verdict(made)
}

// checked is what becomes of --fail-on for vulnerabilities beside rules: the words mean
// the same with --check and without.
func (d *decider) checked(p *Program, a *imageAnswer) error {
	err := d.verdict(p, a)
	if a.failing > 0 && a.missing == "" {
		fmt.Fprintf(p.Stderr, "ullage: %s what --fail-on %s asks for\n", countedAre(a.failing), d.asked)
	}
	return err
}

func countedAre(n int) string {
	if n == 1 {
		return "1 vulnerability is"
	}
	return fmt.Sprintf("%d vulnerabilities are", n)
}

// heavier is the error that says most of two: that something went wrong, then that not
// all was judged, then that there are findings.
func heavier(a, b error) error {
	code := func(err error) int {
		var of *codeError
		switch {
		case err == nil:
			return exitClean
		case !errors.As(err, &of) || of.code == exitUsage:
			return exitIncomplete + 1
		}
		return of.code
	}
	if code(b) > code(a) {
		return b
	}
	return a
}

// imageFacts are what rules see of a result.
func imageFacts(r *scan.Result, now time.Time) *tree.Node {
	return check.ImageFacts(check.ImageInput{
		Image: r.Image, Vulnerabilities: r.Vulnerabilities, Feeds: r.Feeds, Signatures: r.Signatures, Now: now,
	})
}

// repositoryOf is a reference without tag and digest, so that findings about the
// next build have the same fingerprints.
func repositoryOf(ref string) string {
	ref = strings.TrimPrefix(ref, "registry:")
	if form, _, ok := strings.Cut(ref, ":"); ok && (image.IsLocal(form) || form+":" == billPrefix) || image.Host("registry:"+ref) == "" {
		return ref
	}
	name, _, _ := strings.Cut(ref, "@")
	if slash, colon := strings.LastIndexByte(name, '/'), strings.LastIndexByte(name, ':'); colon > slash {
		name = name[:colon]
	}
	return name
}
