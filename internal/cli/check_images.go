package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/signature"
	"ullage.dev/ullage/internal/tree"
)

// imagesFlags are the flags of ullage check that say which images are read, and
// how. What was read is kept for when the objects are judged again.
type imagesFlags struct {
	wanted   bool
	from     []string // REFERENCE=SOURCE
	platform string
	mirrors  []string
	registry image.Registry
	db       dbFlags
	signer   signerFlags
	vex      []string
	decider  *decider // of statements and exceptions about vulnerabilities
	trust    *signature.Demand
	store    storeFlags
	jobs     int

	noSecrets bool
	timeout   time.Duration

	sources  map[string]string // of --image-from, by canonical reference
	facts    map[string]*tree.Node
	problems map[string]*model.Problem // by what was read; nil where all of it was
	matched  bool                      // an image was held against advisories
}

// ofImages are the flags that mean nothing unless images are read.
var ofImages = []string{
	"platform", "mirror", "ca-file", "insecure", "db", "store", "no-store", "key", "trusted-root", "identity", "identity-regexp", "issuer", "issuer-regexp", "vex",
	"no-secrets", "image-jobs", "image-timeout",
}

func (f *imagesFlags) flags(flags *pflag.FlagSet) {
	flags.BoolVar(&f.wanted, "images", false, "read the images of containers, too, and judge what is in them")
	flags.StringArrayVar(&f.from, "image-from", nil, "REFERENCE=ARCHIVE, LAYOUT or DIR: read this image there and not in its registry; may be repeated")
	flags.StringVar(&f.platform, "platform", "", "os/architecture[/variant] of images (default linux and the architecture of this machine)")
	flags.StringArrayVar(&f.mirrors, "mirror", nil, "REGISTRY=MIRROR[/PATH] to ask before a registry; may be repeated")
	flags.StringArrayVar(&f.registry.CAFiles, "ca-file", nil, "file with certificates in PEM form to trust besides the system's")
	flags.StringArrayVar(&f.registry.Insecure, "insecure", nil, "host of a registry that may speak plain HTTP and needs no valid certificate")
	flags.StringVar(&f.db.dir, "db", "", dbUsage)
	f.store.optional(flags)
	f.signer.trusted(flags)
	flags.StringArrayVar(&f.vex, "vex", nil, "file with VEX statements about images in OpenVEX, CycloneDX or CSAF; may be repeated")
	flags.BoolVar(&f.noSecrets, "no-secrets", false, "do not search files of images for secrets")
	flags.IntVar(&f.jobs, "image-jobs", 3, "images read at the same time")
	flags.DurationVar(&f.timeout, "image-timeout", 5*time.Minute, "time in which an image must be read")
}

// asked reports whether any image is to be read.
func (f *imagesFlags) asked() bool { return f.wanted || len(f.from) > 0 }

// complete reads the flags.
func (f *imagesFlags) complete(flags *pflag.FlagSet) error {
	if !f.asked() {
		for _, name := range ofImages {
			if flags.Changed(name) {
				return fmt.Errorf("--%s goes with --images", name)
			}
		}
		return nil
	}
	if f.jobs < 1 {
		return errors.New("--image-jobs: at least one image is read at a time")
	}
	if f.timeout <= 0 {
		return errors.New("--image-timeout: write a time such as 5m")
	}
	var err error
	f.signer.verify = len(f.signer.keys)+len(f.signer.roots) > 0 // rules decide by it
	if f.trust, err = f.signer.demand(); err != nil {
		return err
	}
	f.registry.Mirrors = map[string][]string{}
	for _, m := range f.mirrors {
		host, mirror, ok := strings.Cut(m, "=")
		if !ok || host == "" || mirror == "" {
			return fmt.Errorf("--mirror %s: write REGISTRY=MIRROR, such as docker.io=mirror.example", m)
		}
		f.registry.Mirrors[host] = append(f.registry.Mirrors[host], mirror)
	}
	f.sources, f.facts, f.problems = map[string]string{}, map[string]*tree.Node{}, map[string]*model.Problem{}
	for _, given := range f.from {
		reference, source, ok := strings.Cut(given, "=")
		if !ok || reference == "" || source == "" {
			return fmt.Errorf("--image-from %s: write REFERENCE=SOURCE, such as registry.example/web:1.4.2=web.tar", given)
		}
		key := image.Canonical(reference)
		if f.sources[key] != "" {
			return fmt.Errorf("--image-from %s: the image is given twice", reference)
		}
		f.sources[key] = source
	}
	return nil
}

// rulesFor refuses rules that would say nothing: rules about images where none are
// read, and images that no rule asks for.
func (f *imagesFlags) rulesFor(rules []*policy.Rule, named bool) error {
	about := slices.IndexFunc(rules, func(r *policy.Rule) bool { return r.Subject.Image })
	others := slices.ContainsFunc(rules, func(r *policy.Rule) bool { return !r.Subject.Image })
	switch {
	case f.asked() && about < 0:
		return errors.New("none of the rules is about images: leave --images out, or choose another profile")
	case !f.asked() && about >= 0 && named:
		return fmt.Errorf("rule %s is about images: add --images", rules[about].ID)
	case !f.asked() && !others:
		return errors.New("all of the rules are about images: add --images")
	}
	return nil
}

// imageJob is one image to read.
type imageJob struct {
	key    string // its canonical reference
	name   string // as the first container has it
	source string // where it is read
}

// read reads the images that containers of the objects name, and returns the
// facts about them by the references in the objects, and what could not be read.
func (f *imagesFlags) read(ctx context.Context, p *Program, bar *progress, objects []*model.Object) (map[string]*tree.Node, []model.Problem, error) {
	store, err := f.db.store(p)
	if err != nil {
		return nil, nil, &codeError{exitUsage, err}
	}
	if db, err := advisory.Open(store.Path()); err == nil {
		_ = db.Close()
	} else if !errors.Is(err, advisory.ErrNone) {
		return nil, nil, &codeError{exitUsage, advisory.Mend(err)}
	}
	jobs, err := f.plan(objects)
	if err != nil {
		return nil, nil, &codeError{exitUsage, err}
	}
	if err := f.scan(ctx, p, store, bar, jobs); err != nil {
		return nil, nil, interrupted(ctx, err)
	}
	facts := map[string]*tree.Node{}
	var problems []model.Problem
	told := map[*model.Problem]bool{}
	for reference, use := range check.References(objects) {
		key := image.Canonical(reference)
		facts[reference] = f.facts[key]
		if problem := f.problems[key]; problem != nil && !told[problem] {
			told[problem] = true
			at := *problem
			at.Place = use.Object.Source.Place(use.Node)
			problems = append(problems, at)
		}
	}
	return facts, problems, nil
}

// plan says which images are to be read, each once however it is written.
func (f *imagesFlags) plan(objects []*model.Object) ([]imageJob, error) {
	var jobs []imageJob
	named := map[string]bool{}
	for reference := range check.References(objects) {
		key := image.Canonical(reference)
		source, given := f.sources[key]
		switch {
		case named[key] || f.facts[key] != nil:
		case given:
			jobs = append(jobs, imageJob{key, reference, source})
		case f.wanted:
			jobs = append(jobs, imageJob{key, reference, key})
		default:
			f.facts[key] = check.UnreadImage("the image is not given with --image-from, and --images is not set")
		}
		named[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(f.sources)) {
		if !named[key] {
			return nil, fmt.Errorf("--image-from: no container has the image %s, which %s is given for", strings.TrimPrefix(key, "registry:"), f.sources[key])
		}
	}
	return jobs, nil
}

// scan reads images, several at a time, and keeps the facts about each.
func (f *imagesFlags) scan(ctx context.Context, p *Program, store *advisory.Store, bar *progress, jobs []imageJob) error {
	scanner := scan.Scanner{Advisories: store, Trust: f.trust, Options: image.Options{Platform: f.platform, Registry: f.registry, Secrets: !f.noSecrets}}
	kept, closeStore := f.store.open(ctx, p)
	defer closeStore()
	if kept != nil {
		scanner.Options.Cache, scanner.Store = kept, kept
	}
	now, done := time.Now(), 0
	silent := map[string]*silentHost{}
	bar.show("reading", done, len(jobs), "images")
	var sources []string
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(job imageJob) bool {
		if _, bill := billPath(job.source); bill && job.source != job.key {
			r, err := scanImage(ctx, &scanner, job.source)
			f.note(&job, r, err, now, silent)
			return true
		}
		sources = append(sources, job.source)
		return false
	})
	err := scanner.Images(ctx, sources, scan.Batch{Jobs: f.jobs, Timeout: f.timeout, Done: func(i int, r *scan.Result, err error) {
		done++
		bar.show("reading", done, len(jobs), "images")
		f.note(&jobs[i], r, err, now, silent)
	}})
	for host, s := range silent {
		s.problem.Reason = fmt.Sprintf("registry %s does not answer, so %s could not be read: %s", host, counted(s.images, "image"), cause(s.err))
	}
	return err
}

// silentHost is a registry that does not answer: one problem for all its images.
type silentHost struct {
	problem *model.Problem
	images  int
	err     error
}

// note keeps what came of an image.
func (f *imagesFlags) note(job *imageJob, r *scan.Result, err error, now time.Time, silent map[string]*silentHost) {
	var unanswered *scan.HostError
	switch {
	case errors.As(err, &unanswered):
		host := strings.Replace(unanswered.Host, "index.docker.io", "docker.io", 1)
		if silent[host] == nil {
			silent[host] = &silentHost{problem: &model.Problem{Hint: "give a mirror with --mirror " + host + "=HOST, or images with --image-from " + job.name + "=FILE"}, err: unanswered.Err}
		}
		silent[host].images++
		f.facts[job.key], f.problems[job.key] = check.UnreadImage("registry "+host+" does not answer"), silent[host].problem
	case err != nil:
		reason := fmt.Sprintf("image %s could not be read: %s", job.name, cause(err))
		f.facts[job.key], f.problems[job.key] = check.UnreadImage(reason), &model.Problem{Reason: reason, Hint: imageHint(job.name, err)}
	default:
		f.matched = f.matched || r.Vulnerabilities != nil
		f.facts[job.key] = imageFacts(f.decider.decide(r, append(namesOf(r.Image), placeNames(image.FullName(job.name))...)).Result, now)
		if n := len(r.Image.Problems); n > 0 {
			reason := fmt.Sprintf("image %s: %s could not be read: %s", job.name, counted(n, "part"), r.Image.Problems[0])
			f.problems[job.key] = &model.Problem{Reason: reason, Hint: "ullage image " + job.name + " lists them; what is not found in the image is not known"}
		}
	}
}

// leftover adds exceptions from vulnerabilities that do nothing to a report. None is
// unused while an image could not be read, or nothing was matched.
func (f *imagesFlags) leftover(r *model.Report) {
	expired, unused := f.decider.leftover()
	r.Expired = append(r.Expired, expired...)
	if f.matched && len(f.problems) == 0 {
		r.Unused = append(r.Unused, unused...)
	}
}

// cause leaves out of an error by whom it went through: the problem names the
// image.
func cause(err error) string {
	text := err.Error()
	for _, prefix := range []string{"image registry:", "image "} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			if _, after, found := strings.Cut(rest, ": "); found {
				return after
			}
		}
	}
	return text
}

// imageHint says what a user can do about an image that cannot be read.
func imageHint(name string, err error) string {
	from := "--image-from " + name + "=FILE"
	var refused *image.Refused
	switch {
	case !errors.As(err, &refused):
		return "ullage image " + name + " tells more; " + from + " reads it elsewhere"
	case refused.Status == 0:
		return "mend that, or give the file that it is in: " + from
	case refused.Status == http.StatusUnauthorized, refused.Status == http.StatusForbidden:
		return "log in with docker login, as an account that may pull the image"
	case refused.Status == http.StatusNotFound:
		return "push the image first, or give the file that it is in: " + from
	}
	return "try again later, or give the file that it is in: " + from
}
