package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	admission "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// policyFlags are shared by the policy commands.
type policyFlags struct {
	config
	configPath, output, action string
	home                       string
}

func policyCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "List, explain, test and export rules",
		Args:  knownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := policyFlags{home: p.Getenv("HOME")}
	wordsVar(cmd.PersistentFlags(), &f.policies, "policies", "files or directories with rules of your own")
	wordVar(cmd.PersistentFlags(), &f.kubeVersion, "kube-version", "", fmt.Sprintf("Kubernetes version to assume (default 1.%d)", LatestMinor))
	cmd.PersistentFlags().StringVar(&f.configPath, "config", "", configUsage)

	list := &cobra.Command{
		Use: "list", Short: "List the rules", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.list(cmd.Context(), p.Stdout) },
	}
	list.Flags().StringVarP(&f.output, "output", "o", "text", "format: text, json, markdown")
	wordVar(list.Flags(), &f.profile, "profile", "", "only the rules of a profile: "+strings.Join(policy.ProfileNames, ", ")+" (default all)")
	show := &cobra.Command{
		Use: "show RULE...", Short: "Explain rules", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.show(cmd.Context(), p.Stdout, args) },
	}
	test := &cobra.Command{
		Use: "test [PATH...]", Short: "Judge the examples of rules, and mutations that must fail",
		Long: `Judge the examples that stand beside rules: each must have its stated verdict,
and each mutation of an example that passes must fail. Without a path the
built-in rules are tested.`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.test(cmd.Context(), p.Stdout, args) },
	}
	export := &cobra.Command{
		Use: "export RULE...", Short: "Write rules as native ValidatingAdmissionPolicies",
		Long: `Write rules as ValidatingAdmissionPolicies with bindings, with the same
verdicts. The parameters that the configuration gives to them are written into
the policies. A rule that needs more than the object (other objects, images,
behavior) is refused, never weakened.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.export(cmd.Context(), p, args) },
	}
	export.Flags().StringVar(&f.action, "action", "Warn", "what the binding does: Deny, Warn, Audit")
	cmd.AddCommand(list, show, test, export)
	return cmd
}

// library returns the rules, and fills what no flag says from the configuration:
// where rules are, their parameters and the version.
func (f *policyFlags) library(ctx context.Context) ([]*policy.Rule, int, error) {
	c, err := loadConfig(f.configPath, f.home)
	if err != nil {
		return nil, 0, err
	}
	f.params = c.params
	if len(f.policies) == 0 {
		f.policies = c.policies
	}
	if f.kubeVersion.text == "" {
		f.kubeVersion = c.kubeVersion
	}
	if f.kubeVersion.text == "" {
		f.kubeVersion = word{text: fmt.Sprintf("1.%d", LatestMinor)}
	}
	minor, err := f.minor()
	if err != nil {
		return nil, 0, err
	}
	rules, _, err := library(ctx, f.policies, minor)
	if err != nil {
		return nil, 0, err
	}
	rules, err = withBehavior(rules)
	return rules, minor, err
}

func (f *policyFlags) list(ctx context.Context, w io.Writer) error {
	rules, minor, err := f.library(ctx)
	if err != nil {
		return err
	}
	if f.profile.text == "" {
		f.profile = word{text: "all"}
	}
	other := otherVersions(rules, minor)
	if rules, err = profile(rules, f.profile, minor); err != nil {
		return err
	}
	slices.SortStableFunc(rules, func(a, b *policy.Rule) int { return int(b.Severity) - int(a.Severity) })
	switch f.output {
	case "json":
		return writeRules(w, rules)
	case "markdown":
		return writeLibrary(w, rules, other)
	case "text":
	default:
		return word{f.output, "--output"}.oneOf("text", "json", "markdown")
	}
	for _, r := range rules {
		fmt.Fprintf(w, "%-9s %-34s %s\n", r.Severity, r.ID, r.Title)
	}
	recommended := 0
	for _, r := range rules {
		if slices.Contains(r.Profiles, "recommended") {
			recommended++
		}
	}
	fmt.Fprintf(w, "\n%d rules, %d of them in the recommended profile; ullage policy show RULE explains one\n", len(rules), recommended)
	if other != "" {
		fmt.Fprintln(w, other)
	}
	return nil
}

// otherVersions tells of the rules that are left out, because they hold for other
// versions of Kubernetes.
func otherVersions(rules []*policy.Rule, minor int) string {
	var ids []string
	for _, r := range rules {
		if r.PodSecurity != nil && !r.PodSecurity.Holds(minor) {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return fmt.Sprintf("%s for other versions of Kubernetes than 1.%d: %s", counted(len(ids), "more rule"), minor, strings.Join(ids, ", "))
}

// ruleJSON is a rule as other programs read it.
type ruleJSON struct {
	ID           string         `json:"id"`
	Title        string         `json:"title"`
	Severity     model.Severity `json:"severity"`
	Category     string         `json:"category"`
	Rationale    string         `json:"rationale"`
	Remediation  string         `json:"remediation"`
	Attack       []string       `json:"attack,omitempty"`
	Checks       []string       `json:"checks"`
	Requirements []string       `json:"requirements,omitempty"`
	Aliases      []string       `json:"aliases,omitempty"`
	Profiles     []string       `json:"profiles,omitempty"`
	Subject      string         `json:"subject"`
}

func writeRules(w io.Writer, rules []*policy.Rule) error {
	var lookup requirements
	all := make([]ruleJSON, len(rules))
	for i, r := range rules {
		all[i] = ruleJSON{r.ID, r.Title, r.Severity, r.Category, r.Rationale, r.Remediation, r.Attack, r.Checks, nil, r.Aliases, r.Profiles, r.Subject.Name}
		for _, c := range r.Checks {
			all[i].Requirements = append(all[i].Requirements, lookup.of(c)...)
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return errors.Join(lookup.err, enc.Encode(all))
}

// writeLibrary writes the page docs/rule-library.md.
func writeLibrary(w io.Writer, rules []*policy.Rule, other string) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# The rule library\n\n%d rules. `ullage policy show RULE` explains one; this page is written by `make generate`.\n", len(rules))
	if other != "" {
		fmt.Fprintf(b, "Beside them: %s.\n", other)
	}
	for _, category := range policy.Categories {
		fmt.Fprintf(b, "\n## %s\n\n| rule | severity | profiles | what is wrong |\n|---|---|---|---|\n", category)
		for _, r := range rules {
			if r.Category == category {
				fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", r.ID, r.Severity, strings.Join(r.Profiles, ", "), r.Title)
			}
		}
	}
	return b.Flush()
}

func (f *policyFlags) show(ctx context.Context, w io.Writer, wanted []string) error {
	rules, minor, err := f.library(ctx)
	if err != nil {
		return err
	}
	found, err := policy.Find(rules, wanted)
	if err != nil {
		return err
	}
	engine := policy.NewEngine(found, policy.Options{KubernetesMinor: minor, FactNames: check.FactNames()})
	var lookup requirements
	for i, r := range found {
		if i > 0 {
			fmt.Fprintln(w)
		}
		footprint, err := engine.Footprint(r)
		if err != nil {
			return err
		}
		var frameworks []string
		for _, c := range r.Checks {
			frameworks = append(frameworks, lookup.of(c)...)
		}
		fmt.Fprintf(w, "%s\n  %s\n\n", r.ID, r.Title)
		for _, field := range []struct{ label, text string }{
			{"severity", r.Severity.String()}, {"category", r.Category}, {"why", r.Rationale}, {"fix", r.Remediation},
			{"judges", "each " + r.Subject.Name}, {"reads", footprint.String()}, {"profiles", strings.Join(r.Profiles, ", ")},
			{"params", strings.Join(parameters(r), ", ")},
			{"attack", strings.Join(r.Attack, ", ")}, {"supports", strings.Join(frameworks, ", ")}, {"aliases", strings.Join(r.Aliases, ", ")},
			{"written in", r.Place.File},
		} {
			if field.text != "" {
				fmt.Fprintf(w, "  %-11s%s\n", field.label, hang(field.text, 13, 100))
			}
		}
		for _, v := range r.Validations {
			fmt.Fprintf(w, "  %-11s%s\n", "must hold", hang(v.Expression, 13, 100))
		}
	}
	return lookup.err
}

// parameters returns the names of what a rule can be told.
func parameters(r *policy.Rule) []string {
	var names []string
	for i := range r.Defaults.Children() {
		names = append(names, r.Defaults.Children()[i].Key())
	}
	return names
}

// hang wraps text at width, later lines indented.
func hang(text string, indent, width int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		if i > 0 {
			if column+1+len(word) > width {
				b.WriteString("\n" + strings.Repeat(" ", indent))
				column = indent
			} else {
				b.WriteByte(' ')
				column++
			}
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

func (f *policyFlags) test(ctx context.Context, w io.Writer, paths []string) error {
	if f.kubeVersion.text == "" {
		f.kubeVersion = word{text: fmt.Sprintf("1.%d", LatestMinor)}
	}
	minor, err := f.minor()
	if err != nil {
		return err
	}
	var files []*tree.File
	if len(paths) == 0 {
		if files, err = policy.Files(policies.Files, "policies"); err != nil {
			return err
		}
		behavior, err := policy.Files(policies.Behavior(), "policies/behavior")
		if err != nil {
			return err
		}
		files = append(files, behavior...)
	} else {
		in, err := manifest.Load(ctx, paths, manifest.Options{})
		if err != nil {
			return err
		}
		for _, p := range in.Problems {
			return fmt.Errorf("read rules: %s", p)
		}
		for _, doc := range in.Own {
			if !slices.Contains(files, doc.File) {
				files = append(files, doc.File)
			}
		}
	}
	var errs []error
	count, judged := 0, 0
	var all []*policy.Rule
	for _, file := range files {
		rules, err := policy.Load(file)
		examples, exErr := policy.LoadExamples(file)
		errs = append(errs, err, exErr)
		all = append(all, rules...)
		for _, r := range rules {
			count++
			if len(rules) > 1 && len(examples) > 0 {
				errs = append(errs, fmt.Errorf("%s: a file with examples holds one rule, not %d", file.Name, len(rules)))
				break
			}
			n, err := check.TestRule(r, examples, minor)
			judged += n
			errs = append(errs, err)
		}
	}
	errs = append(errs, validateBeside(all))
	if err := errors.Join(errs...); err != nil {
		return &codeError{exitFindings, err}
	}
	if count == 0 {
		return errors.New("no rules found")
	}
	fmt.Fprintf(w, "%d rules, %d examples and mutations: all as stated\n", count, judged)
	return nil
}

// validateBeside validates rules beside those of the library that they do not
// stand for: what they name may be there.
func validateBeside(rules []*policy.Rule) error {
	builtin, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		return err
	}
	if builtin, err = withBehavior(builtin); err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, r := range rules {
		ids[r.ID] = true
	}
	builtin = slices.DeleteFunc(builtin, func(r *policy.Rule) bool { return ids[r.ID] })
	return policy.Validate(slices.Concat(rules, builtin))
}

func (f *policyFlags) export(ctx context.Context, p *Program, wanted []string) error {
	rules, minor, err := f.library(ctx)
	if err != nil {
		return err
	}
	found, err := policy.Find(rules, wanted)
	if err != nil {
		return err
	}
	if err := (word{f.action, "--action"}).oneOf("Deny", "Warn", "Audit"); err != nil {
		return err
	}
	action := admission.ValidationAction(f.action)
	settings, err := f.settings(rules)
	if err != nil {
		return err
	}
	engine := policy.NewEngine(found, policy.Options{KubernetesMinor: minor, Settings: settings, FactNames: check.FactNames()})
	var refused []error
	for _, r := range found {
		vap, binding, err := engine.Export(r, []admission.ValidationAction{action})
		if err != nil {
			refused = append(refused, err)
			continue
		}
		for _, o := range []any{vap, binding} {
			text, err := yaml.Marshal(o)
			if err != nil {
				return fmt.Errorf("rule %q: %w", r.ID, err)
			}
			fmt.Fprintf(p.Stdout, "---\n%s", text)
		}
	}
	if len(refused) > 0 {
		return &codeError{exitFindings, errors.Join(refused...)}
	}
	return nil
}
