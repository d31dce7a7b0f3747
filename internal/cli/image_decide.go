package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/internal/vex"
	"ullage.dev/ullage/internal/vuln"
)

// decideFlags say what counts of what was found, and what fails.
type decideFlags struct {
	failOn, config  string
	vex, exceptions []string
	onlyFixable     bool
}

func (f *decideFlags) flags(flags *pflag.FlagSet) {
	f.decisions(flags)
	flags.StringVar(&f.failOn, "fail-on", "never", "exit with 1 on vulnerabilities that are: critical, high, medium, low, negligible (or worse), unknown, kev (known to be exploited), fixable, any; a+b both, a,b either")
	flags.BoolVar(&f.onlyFixable, "only-fixable", false, "show only vulnerabilities that a newer version mends; the others are counted")
}

// decisions are the flags that say what counts.
func (f *decideFlags) decisions(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.vex, "vex", nil, "file with VEX statements in OpenVEX, CycloneDX or CSAF; may be repeated")
	flags.StringArrayVar(&f.exceptions, "exceptions", nil, "file with exceptions; may be repeated (default those of the configuration)")
	flags.StringVar(&f.config, "config", "", "configuration file (default "+configName+" here or above)")
}

// decider is what the flags come to, read before the image is.
type decider struct {
	conditions  []vuln.Condition // none: nothing fails
	statements  []vuln.Statement
	unread      []string // of VEX documents: statements that cannot be held against anything
	exceptions  *policy.Exceptions
	asked       string   // what the conditions were written as
	wrong       []string // entries of exceptions that do not work
	onlyFixable bool
	life        lifePolicy
}

// decider reads what the flags and the configuration name.
func (f *decideFlags) decider(p *Program, output string, now time.Time) (*decider, error) {
	d := &decider{onlyFixable: f.onlyFixable, exceptions: policy.NewExceptions(now, "none", nil)}
	if f.onlyFixable && !slices.Contains([]string{"text", "json", "sarif"}, output) {
		return nil, fmt.Errorf("--only-fixable is a view: -o %s states all that is known", output)
	}
	var err error
	if f.failOn != "never" {
		d.asked = f.failOn
		if d.conditions, err = vuln.ParseConditions(f.failOn); err != nil {
			return nil, fmt.Errorf("--fail-on: %w, never", err)
		}
	}
	if err := d.readVEX(f.vex, now); err != nil {
		return nil, err
	}
	c, err := loadConfig(f.config, p.Getenv("HOME"))
	if err != nil {
		return nil, err
	}
	d.life = c.life
	files := f.exceptions
	if len(files) == 0 {
		files = texts(c.exceptions)
	}
	for _, path := range files {
		file, err := readFile(path)
		if err != nil {
			return nil, fmt.Errorf("exceptions: %w", err)
		}
		if err := eachDocument(file, "Exceptions", func(_ *tree.Decoder, root *tree.Node) {
			d.wrong = append(d.wrong, lines(d.exceptions.Load(root, file))...)
		}); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// readVEX reads files with statements.
func (d *decider) readVEX(paths []string, now time.Time) error {
	for _, path := range paths {
		doc, err := vex.ReadFile(path)
		if err != nil {
			return err
		}
		if len(doc.Statements)+len(doc.Problems) == 0 {
			d.unread = append(d.unread, path+": it states nothing of any vulnerability")
		}
		for i := range doc.Statements {
			if s := &doc.Statements[i]; s.Time > now.Unix() {
				d.unread = append(d.unread, fmt.Sprintf("%s: %s: it is dated %s, which is still to come", path, s.Vulnerability, time.Unix(s.Time, 0).UTC().Format(time.RFC3339)))
				continue
			}
			d.statements = append(d.statements, doc.Statements[i])
		}
		for _, problem := range doc.Problems {
			d.unread = append(d.unread, path+": "+problem)
		}
	}
	return nil
}

// imageAnswer is what is known of an image and what was decided on it.
type imageAnswer struct {
	*scan.Result
	accepted, failing int                // vulnerabilities that an exception covers; those that --fail-on asks for
	hidden            int                // that --only-fixable leaves out of view
	idle              []string           // VEX statements that changed nothing, and why
	expired           []*model.Exception // that would have covered a match
	unused            []*model.Exception // that are about the image, and cover nothing in it
	onlyFixable       bool
	asked             string    // what --fail-on asks for, "" when nothing
	missing           string    // why that could not be judged for all packages
	life              *lifeView // nil: nothing is known of before
}

// decide lets statements and exceptions speak of what was found in an image of some
// names.
func (d *decider) decide(r *scan.Result, names []string) *imageAnswer {
	a := &imageAnswer{Result: r, idle: d.unread, onlyFixable: d.onlyFixable, asked: d.asked}
	if d.asked != "" {
		a.missing = notJudged(r)
	}
	if r.Vulnerabilities == nil {
		for i := range d.statements {
			a.idle = append(a.idle, d.statements[i].Source+": "+d.statements[i].Vulnerability+": nothing was matched")
		}
		return a
	}
	subject := vex.SubjectOf(r.Image)
	for _, name := range names { // of an archive too, by the name that it or somebody else says it has
		repository := repositoryOf(name)
		subject.Repositories = append(subject.Repositories, repository)
		tagged, _, _ := strings.Cut(name, "@")
		if tag, ok := strings.CutPrefix(tagged, repository+":"); ok {
			subject.Tags = append(subject.Tags, tag)
		}
	}
	found, unused := r.Vulnerabilities.Apply(subject, d.statements)
	for _, u := range unused {
		a.idle = append(a.idle, fmt.Sprintf("%s: %s: %s", u.Statement.Source, u.Statement.Vulnerability, u.Why))
	}
	for i := range found.Matches {
		m := &found.Matches[i]
		m.Exception = d.exceptions.ApplyTo(excepted(r.Image, names, m))
	}
	uncatalogued := 0
	for _, group := range r.Distinct(found.Matches) {
		m := group[0]
		fails := slices.ContainsFunc(d.conditions, func(c vuln.Condition) bool { return c.Holds(m) })
		switch {
		case m.Exception != nil:
			a.accepted++
		case fails:
			a.failing++
		}
		if a.missing == "" && m.Exception == nil && !fails && slices.ContainsFunc(d.conditions, func(c vuln.Condition) bool { return c.NeedsCatalogue(m) }) && !r.HasFeed(advisory.KEV) {
			uncatalogued++
		}
		if d.onlyFixable && m.State != vuln.FixAvailable {
			a.hidden++
		}
	}
	if uncatalogued > 0 {
		a.missing = "which vulnerabilities are known to be exploited is not known: the database lacks the feed " + advisory.KEV + ", run ullage db update with --feed " + advisory.KEV + " beside its others"
	}
	a.expired, _ = d.leftover()
	a.unused = d.exceptions.UnusedFor(names)
	a.Result = &scan.Result{}
	*a.Result = *r
	a.Vulnerabilities = found
	return a
}

// notJudged says why some packages were not judged, "" when all were.
func notJudged(r *scan.Result) string {
	switch v := r.Vulnerabilities; {
	case v == nil:
		return "there is no database of advisories: run ullage db update"
	case len(r.Image.Packages) == 0:
		return scan.NoPackages
	case len(v.NoData) > 0:
		return noAdvisories(r)
	case len(v.Undecided) > 0:
		return counted(len(v.Undecided), "advisory") + " could not be decided (--verbose lists them)"
	}
	return ""
}

func noAdvisories(r *scan.Result) string {
	return "there are no advisories on " + lacking(r.Vulnerabilities.NoData, r.Feeds)
}

// lacking says on what there is no data, and what to do where a feed is missing.
func lacking(noData []string, feeds []advisory.Provenance) string {
	text := advisory.Lacking(noData, feeds)
	if strings.Contains(text, " is missing)") {
		text += ": ullage db update --feed NAME fetches a feed that is missing"
	}
	return text
}

// unstated is the error of a document that has no place for what nobody knows: it says
// nothing of it, and must not be taken for a clean one. It is nil when there is no such.
func unstated(p *Program, r *scan.Result) error {
	var why string
	switch v := r.Vulnerabilities; {
	case len(r.Image.Packages) == 0:
		why = "the document states nothing: no package was identified in the image"
	case len(v.NoData) > 0:
		why = "the document states nothing of some packages: " + noAdvisories(r)
	default:
		return nil
	}
	fmt.Fprintln(p.Stderr, "ullage: "+printable(why))
	return &codeError{code: exitIncomplete}
}

// excepted is a match as exceptions know it.
func excepted(img *image.Image, names []string, m *vuln.Match) *policy.Vulnerability {
	p := &img.Packages[m.Package]
	return &policy.Vulnerability{IDs: slices.Concat([]string{m.ID}, m.Aliases, m.Advisories), Images: names, Packages: []string{p.Name, p.Source, p.PURL}}
}

// namesOf are what exceptions may call an image: what it is known by, and what it was
// asked for as.
func namesOf(img *image.Image) []string {
	return append(placeNames(scan.PlaceOf(img)), img.Reference)
}

// placeNames are what exceptions and owners may call an image that is known by a place:
// a reference in full and as people write it, a file by its path and by its name.
func placeNames(place string) []string {
	names := []string{place}
	if short := familiar(place); short != place {
		names = append(names, short)
	}
	path := place
	if _, rest, ok := strings.Cut(place, ":/"); ok { // an archive with its form before it
		path = "/" + rest
	}
	if filepath.IsAbs(path) {
		names = append(names, path, filepath.Base(path))
	}
	return names
}

// leftover are the exceptions that covered nothing in all the images that were decided
// on, and those that would have covered something and have expired.
func (d *decider) leftover() (expired, unused []*model.Exception) {
	expired, unused = d.exceptions.LeftoverVulnerabilities()
	return slices.DeleteFunc(expired, func(e *model.Exception) bool { return e.Matched == 0 }), unused
}

// shown are the matches in view, the most urgent first.
func (a *imageAnswer) shown() []vuln.Match {
	matches := slices.DeleteFunc(slices.Clone(a.Vulnerabilities.Matches), func(m vuln.Match) bool { return a.onlyFixable && m.State != vuln.FixAvailable })
	slices.SortStableFunc(matches, func(x, y vuln.Match) int { return y.Priority - x.Priority })
	return matches
}

// lines are those of an error.
func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// incomplete is the error of an answer that lacks what could not be read: the output
// lists it.
func incomplete(what string) error {
	return &codeError{exitIncomplete, errors.New(what + " could not be read: what is in it is not known")}
}

// misread tells of exceptions that do not work, and is an error when there are some.
func (d *decider) misread(p *Program) error {
	for _, text := range d.wrong {
		fmt.Fprintln(p.Stderr, "ullage: exception: "+printable(text))
	}
	if len(d.wrong) > 0 {
		return &codeError{exitIncomplete, errors.New("not all exceptions could be read")}
	}
	return nil
}

// verdict turns the answer into the exit code. What was asked for and could not be
// judged is not passed.
func (d *decider) verdict(p *Program, a *imageAnswer) error {
	for _, text := range d.wrong {
		fmt.Fprintln(p.Stderr, "ullage: exception: "+printable(text))
	}
	if a.missing != "" {
		fmt.Fprintln(p.Stderr, "ullage: --fail-on "+d.asked+" was not judged for all packages: "+printable(a.missing))
	}
	switch {
	case len(a.Image.Problems) > 0:
		return incomplete("a part of the image")
	case len(d.wrong) > 0 || a.missing != "":
		return &codeError{code: exitIncomplete}
	case a.failing > 0:
		return &codeError{code: exitFindings}
	}
	return nil
}
