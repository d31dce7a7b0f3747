package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/vuln"
)

func imageDiffCommand(p *Program) *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "What does a new image bring, and what does it leave behind?",
		Long: `Compare two images, or bills of materials of them: packages that came, went or have
another version, vulnerabilities that came and went, programs, what anybody may
write to, secrets, configuration, base image and size; with --key or --trusted-root
and whom to believe, whether they are signed.

Exit code: 0 nothing is worse, 1 something is: a vulnerability that is not accepted,
a shell or another program that helps an intruder, a path that anybody may write to,
a secret, root as the user, or no signature where the old one has it; 2 usage, or an image cannot be read, 3 a part of one could not,
or there are no advisories to say what became of the vulnerabilities, whether or not something is worse.`,
		Example: `  ullage image diff registry.example/web:1.4.1 registry.example/web:1.4.2
  ullage image diff web-1.4.1.cdx.json web.tar -o json`,
		Args: exactlyPaths("OLD NEW", 2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.diff(cmd.Context(), p, args) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json")
	f.reading(flags)
	f.store.optional(flags)
	f.decisions(flags)
	f.signer.trusted(flags)
	flags.BoolVar(&f.noSecrets, "no-secrets", false, "do not search files for secrets; the configuration is looked at all the same")
	f.secrets = true
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "list every change")
	return cmd
}

func (f *imageFlags) diff(ctx context.Context, p *Program, refs []string) error {
	if err := errors.Join(word{f.output, "--output"}.oneOf("text", "json"), word{f.color, "--color"}.oneOf("auto", "always", "never")); err != nil {
		return err
	}
	trust, err := f.signer.demand()
	if err != nil {
		return err
	}
	f.failOn = "never"
	decider, err := f.decider(p, f.output, time.Now())
	if err != nil {
		return err
	}
	kept, done := f.store.open(ctx, p)
	defer done()
	bar := newLayerProgress(p)
	defer bar.end()
	scanner, err := f.scanner(p, kept, bar)
	if err != nil {
		return err
	}
	scanner.Trust = trust
	scanner.Store = nil // looking at two images side by side is not to see where a tag leads
	var sides [2]*imageAnswer
	for i, ref := range refs {
		result, err := scanImage(ctx, scanner, ref)
		if err != nil {
			return interrupted(ctx, &codeError{exitUsage, err})
		}
		sides[i] = decider.decide(result, namesOf(result.Image))
	}
	bar.end()
	d := scan.Compare(sides[0].Result, sides[1].Result)
	if f.output == "json" {
		encoder := json.NewEncoder(p.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(newImageDiffJSON(d, sides))
	} else {
		err = f.printer(p).diff(d, sides)
	}
	switch {
	case err != nil:
		return &codeError{exitUsage, err}
	case len(sides[0].Image.Problems)+len(sides[1].Image.Problems)+len(decider.wrong) > 0:
		return incomplete("a part of the images")
	case !d.Known():
		if d.Unidentified[1] {
			return &codeError{exitIncomplete, errors.New("what became of the vulnerabilities is not known: no package was identified in the new image")}
		}
		return &codeError{exitIncomplete, errors.New("what became of the vulnerabilities is not known: fetch advisories on both images with ullage db update")}
	case d.Worse():
		return &codeError{code: exitFindings}
	}
	return nil
}

// diff writes what changed for people.
func (p *imagePrinter) diff(d *scan.Diff, sides [2]*imageAnswer) error {
	p.line(0, bold, sides[0].Image.Reference)
	p.line(0, bold, "-> "+sides[1].Image.Reference)
	if d.Unread == "" && d.Size[0] > 0 && d.Size[1] > 0 {
		p.entry("size", fmt.Sprintf("%s to %s", bytesText(d.Size[0]), bytesText(d.Size[1])))
	}
	p.origins(d)
	p.packageChanges(d, sides)
	p.vulnerabilityChanges(d, sides)
	p.programChanges(d)
	p.secretChanges(d)
	if d.Unread != "" {
		p.section("Programs, configuration and size")
		p.wrapped(2, yellow, "not compared: "+d.Unread)
	}
	if len(d.Config) > 0 || d.Unconfigured != "" {
		p.section("Configuration")
	}
	if d.Unconfigured != "" {
		p.wrapped(2, yellow, "not compared: "+d.Unconfigured)
	}
	for _, s := range d.Config {
		style := ""
		if d.BecameRoot && strings.HasPrefix(s.Name, "user") {
			style = yellow
		}
		p.painted(s.Name, valueOf(s.Old)+" to "+valueOf(s.New), style)
	}
	for _, side := range sides {
		p.problems(side.Image)
	}
	p.line(0, "", "")
	switch {
	case d.Worse():
		p.line(0, yellow, "something is worse")
	case !d.Known():
		p.line(0, yellow, "nothing else is worse, and of the vulnerabilities it is not known"+p.asRead(sides))
	case len(d.Packages)+len(d.Came)+len(d.Went)+len(d.Programs)+len(d.Config)+len(d.Secrets) == 0 && d.Signed[0] == d.Signed[1]:
		p.line(0, "", "nothing that is compared has changed"+p.asRead(sides))
	default:
		p.line(0, "", "nothing is worse"+p.asRead(sides))
	}
	return p.w.Flush()
}

func valueOf(s string) string {
	if s == "" || s == "[]" {
		return "none"
	}
	return s
}

// few gives those of a list that are shown, and says how many are not.
func few[T any](p *imagePrinter, list []T, show func(*T)) {
	shown := list
	if !p.verbose {
		shown = list[:min(len(list), shownVulnerabilities)]
	}
	for i := range shown {
		show(&shown[i])
	}
	if rest := len(list) - len(shown); rest > 0 {
		p.line(2, dim, fmt.Sprintf("and %d more; --verbose lists them", rest))
	}
}

// asRead ends what is said of two images of which not all could be read.
func (p *imagePrinter) asRead(sides [2]*imageAnswer) string {
	if len(sides[0].Image.Problems)+len(sides[1].Image.Problems) > 0 {
		return ", as far as they could be read"
	}
	return ""
}

func (p *imagePrinter) packageChanges(d *scan.Diff, sides [2]*imageAnswer) {
	counts := map[scan.Kind]int{}
	for i := range d.Packages {
		counts[d.Packages[i].Kind]++
	}
	var parts []string
	for _, kind := range []scan.Kind{scan.Added, scan.Removed, scan.Upgraded, scan.Downgraded, scan.Changed} {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
		}
	}
	p.section("Packages")
	if len(parts) == 0 {
		p.line(2, "", "the same"+p.asRead(sides))
		return
	}
	p.line(2, "", strings.Join(parts, ", "))
	few(p, d.Packages, func(c *scan.PackageChange) {
		text := c.Name + " " + c.Old + c.New
		if c.Old != "" && c.New != "" {
			text = c.Name + " " + c.Old + " to " + c.New
		}
		style := ""
		if c.Kind == scan.Downgraded {
			style = yellow
		}
		p.painted(string(c.Kind), text+" ("+c.Ecosystem+")", style)
	})
}

func (p *imagePrinter) vulnerabilityChanges(d *scan.Diff, sides [2]*imageAnswer) {
	p.section("Vulnerabilities")
	switch {
	case d.Unmatched != "":
		p.wrapped(2, yellow, "not known: "+d.Unmatched+". ullage db update fetches one.")
		return
	}
	p.some("no data on", d.NoData, yellow)
	for i, which := range []string{"old", "new"} {
		if d.Unidentified[i] {
			p.wrapped(2, yellow, "not known of the "+which+" image: "+scan.NoPackages)
		}
	}
	if d.Unidentified[0] && d.Unidentified[1] {
		return
	}
	if len(d.Came)+len(d.Went)+len(d.Open) == 0 {
		text := "the same"
		if len(d.NoData) > 0 || d.Unidentified[0] || d.Unidentified[1] {
			text = "none came or went in packages that there is data on"
		}
		p.line(2, "", text+p.asRead(sides))
		return
	}
	text := fmt.Sprintf("%d came, %d went", len(d.Came), len(d.Went))
	if len(d.Open) > 0 {
		text += fmt.Sprintf(", %d not known: the new image was not judged on what has them", len(d.Open))
	}
	p.wrapped(2, "", text)
	for _, side := range []struct {
		name string
		list []scan.Vulnerable
	}{{"came", d.Came}, {"went", d.Went}, {"not known", d.Open}} {
		few(p, side.list, func(v *scan.Vulnerable) {
			text, style := fmt.Sprintf("%s %s in %s %s", strings.ToUpper(v.Match.Severity.Level.String()), v.Match.ID, v.Package.Name, v.Package.Version), levelStyles[v.Match.Severity.Level]
			if v.Match.State == vuln.FixAvailable {
				text += ", fixed in " + v.Match.Fixed
			}
			if e := v.Match.Exception; e != nil {
				text += ", accepted by " + e.Owner + ": " + e.Reason
			}
			if side.name == "went" || v.Match.Exception != nil {
				style = ""
			}
			p.painted(side.name, text, style)
		})
	}
}

func (p *imagePrinter) programChanges(d *scan.Diff) {
	var helpful, other []scan.ProgramChange
	for _, c := range d.Programs {
		if c.Helps() || c.Kind == scan.Removed && (c.Old.Class != image.OtherProgram || c.Old.Setuid) {
			helpful = append(helpful, c)
		} else {
			other = append(other, c)
		}
	}
	if len(helpful)+len(other)+len(d.Writable) == 0 {
		return
	}
	p.section("Programs")
	few(p, helpful, func(c *scan.ProgramChange) {
		style := ""
		if c.Helps() {
			style = yellow
		}
		p.painted(string(c.Kind), programText(c), style)
	})
	if len(other) > 0 {
		p.entry("others", counted(len(other), "program")+" that are no shells, tools or the like")
		if p.verbose {
			few(p, other, func(c *scan.ProgramChange) { p.entry(string(c.Kind), programText(c)) })
		}
	}
	p.some("writable by all", d.Writable, yellow)
}

func programText(c *scan.ProgramChange) string {
	g := c.New
	if g == nil {
		g = c.Old
	}
	text := g.Path
	var is []string
	if g.Class != image.OtherProgram {
		is = append(is, string(g.Class))
	}
	for _, right := range []struct {
		has  bool
		name string
	}{{g.Setuid, "setuid"}, {g.Setgid, "setgid"}, {g.Capable, "file capabilities"}} {
		if right.has {
			is = append(is, right.name)
		}
	}
	if len(is) > 0 {
		text += " (" + strings.Join(is, ", ") + ")"
	}
	return text
}

// imageDiffJSON is what `ullage image diff -o json` writes; docs/image.md describes it.
type imageDiffJSON struct {
	Version         int                 `json:"version"`
	Old             string              `json:"old"`
	New             string              `json:"new"`
	Worse           *bool               `json:"worse"` // null when it is not known
	Packages        []packageChangeJSON `json:"packages"`
	Vulnerabilities *changedVulnsJSON   `json:"vulnerabilities"` // null when nothing is known
	Compared        bool                `json:"compared"`        // programs, writable, configuration and size
	Programs        []programChangeJSON `json:"programs"`
	Writable        []string            `json:"writable"`
	Configuration   []settingChangeJSON `json:"configuration"` // null when it was not compared, as of a root file system
	Size            *[2]int64           `json:"size"`          // null when not known
	Secrets         []secretChangeJSON  `json:"secrets"`       // those of files where searched says so
	Searched        bool                `json:"searched"`
	Base            *originsJSON        `json:"base"`   // null when it was not compared
	Signed          [2]string           `json:"signed"` // state of the old and the new image
	Complete        bool                `json:"complete"`
}

type packageChangeJSON struct {
	Change    string `json:"change"`
	Ecosystem string `json:"ecosystem"`
	Name      string `json:"name"`
	Old       string `json:"old,omitempty"`
	New       string `json:"new,omitempty"`
}

type changedVulnsJSON struct {
	Came []changedVulnJSON `json:"came"`
	Went []changedVulnJSON `json:"went"`
	Open []changedVulnJSON `json:"open"` // of the old image, not known of the new one
	// NoData are ecosystems on which there are no advisories.
	NoData []string `json:"noData"`
	// Unidentified says of the old and the new image that no package was identified in it.
	Unidentified [2]bool `json:"unidentified"`
}

type changedVulnJSON struct {
	ID        string         `json:"id"`
	Package   string         `json:"package"`
	Version   string         `json:"packageVersion"`
	PURL      string         `json:"purl,omitempty"`
	Severity  string         `json:"severity"`
	State     string         `json:"state"`
	Fixed     string         `json:"fixed,omitempty"`
	Exception *exceptionJSON `json:"exception,omitempty"`
}

type programChangeJSON struct {
	Change string       `json:"change"`
	Helps  bool         `json:"helps"` // it gives an intruder something
	Old    *programJSON `json:"old,omitempty"`
	New    *programJSON `json:"new,omitempty"`
}

type settingChangeJSON struct {
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

func newImageDiffJSON(d *scan.Diff, sides [2]*imageAnswer) *imageDiffJSON {
	j := &imageDiffJSON{
		Version: 1, Old: sides[0].Image.Reference, New: sides[1].Image.Reference, Compared: d.Unread == "",
		Secrets: newSecretChangesJSON(d.Secrets), Searched: d.Unread == "" && !d.Unsearched, Base: newOriginsJSON(d), Signed: [2]string{string(d.Signed[0]), string(d.Signed[1])},
		Packages: []packageChangeJSON{}, Programs: []programChangeJSON{}, Writable: listOf(d.Writable),
		Complete: !slices.ContainsFunc(sides[:], func(a *imageAnswer) bool { return len(a.Image.Problems) > 0 }),
	}
	if worse := d.Worse(); worse || d.Known() {
		j.Worse = &worse
	}
	j.Complete = j.Complete && d.Known()
	for _, c := range d.Packages {
		j.Packages = append(j.Packages, packageChangeJSON{string(c.Kind), c.Ecosystem, c.Name, c.Old, c.New})
	}
	if d.Unmatched == "" {
		j.Vulnerabilities = &changedVulnsJSON{changedVulns(d.Came), changedVulns(d.Went), changedVulns(d.Open), listOf(d.NoData), d.Unidentified}
	}
	for _, c := range d.Programs {
		j.Programs = append(j.Programs, programChangeJSON{string(c.Kind), c.Helps(), newProgramJSON(c.Old), newProgramJSON(c.New)})
	}
	if d.Unread == "" && d.Unconfigured == "" {
		j.Configuration = []settingChangeJSON{}
		for _, s := range d.Config {
			j.Configuration = append(j.Configuration, settingChangeJSON(s))
		}
	}
	if d.Size[0] > 0 && d.Size[1] > 0 {
		j.Size = &d.Size
	}
	return j
}

func changedVulns(list []scan.Vulnerable) []changedVulnJSON {
	out := []changedVulnJSON{}
	for _, v := range list {
		m, p := v.Match, v.Package
		out = append(out, changedVulnJSON{m.ID, p.Name, p.Version, p.PURL, m.Severity.Level.String(), string(m.State), m.Fixed, newExceptionJSON(m.Exception)})
	}
	return out
}

// newProgramJSON is nil for none.
func newProgramJSON(p *image.Program) *programJSON {
	if p == nil {
		return nil
	}
	return &programJSON{p.Path, p.Target, p.Layer + 1, string(p.Class), p.Script, p.Setuid, p.Setgid, p.Capable, p.Package}
}
