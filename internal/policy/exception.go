package policy

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Exceptions are the exceptions in force for a run. They are applied in one
// place, [Exceptions.Apply], so that no two commands can disagree.
type Exceptions struct {
	scoped []scoped
	all    []*model.Exception
	now    time.Time
	honor  string                               // which annotations: "all", "own" or "none"
	noted  map[*model.Object][]*model.Exception // from annotations
	rules  map[string]bool                      // names there are; nil when not to be checked
}

// scoped is an exception with what it covers. Empty lists cover everything;
// names and namespaces are glob patterns (*, ?).
type scoped struct {
	*model.Exception
	clusters, namespaces, kinds, names, containers []string
	labels                                         model.Selector
	images, packages                               []string // of vulnerabilities
}

// NewExceptions makes an empty set. An exception holds until the end of its
// day of expiry in UTC; now decides which have expired. annotations says which
// annotations on objects are honored: "all", "own" (not those of other tools),
// or "none". rules are all that there are, used or not: exceptions may name no
// others; nil allows any name.
func NewExceptions(now time.Time, annotations string, rules []*Rule) *Exceptions {
	x := &Exceptions{now: now, honor: annotations, noted: map[*model.Object][]*model.Exception{}}
	for _, r := range rules {
		if x.rules == nil {
			x.rules = map[string]bool{}
		}
		x.rules[r.ID] = true
		for _, alias := range r.Aliases {
			x.rules[alias] = true
		}
	}
	return x
}

// Load reads a document of kind Exceptions. What is wrong with an entry is
// reported and the entry does not work; the others do.
func (x *Exceptions) Load(root *tree.Node, f *tree.File) error {
	d := newDecoder(f)
	d.Fields(root, map[string]func(*tree.Node){
		"apiVersion": d.Ignore, "kind": d.Ignore, "metadata": d.Ignore,
		"exceptions": func(n *tree.Node) { d.Each(n, func(n *tree.Node) { x.add(d, n) }) },
	})
	return d.Err()
}

func (x *Exceptions) add(d *decoder, n *tree.Node) {
	before := d.Failures()
	e := scoped{Exception: &model.Exception{}}
	line, column := d.File.Position(n.Start())
	e.Place = model.Place{File: d.File.Name, Line: line, Column: column}
	var expires string
	d.Fields(n, map[string]func(*tree.Node){
		"id": d.Text(&e.ID), "rules": d.Texts(&e.Rules), "reason": d.Text(&e.Reason), "owner": d.Text(&e.Owner), "expires": d.Text(&expires),
		"match": func(n *tree.Node) {
			d.Fields(n, map[string]func(*tree.Node){
				"clusters": d.some(&e.clusters), "namespaces": d.some(&e.namespaces), "kinds": d.some(&e.kinds),
				"names": d.some(&e.names), "containers": d.some(&e.containers),
				"images": d.some(&e.images), "packages": d.some(&e.packages),
				"labels": func(n *tree.Node) {
					if !n.Is(tree.Map) || len(n.Children()) == 0 {
						d.Fail(n, "labels is not a map of at least one label (leave it out to fit all)")
					}
					e.labels = model.MatchLabels(n)
				},
			})
		},
	})
	if !n.Is(tree.Map) {
		return // which has been said
	}
	if d.Failures() == before && (len(e.Rules) == 0 || e.Reason == "" || e.Owner == "" || expires == "") {
		d.Fail(n, "an exception needs rules, reason, owner and expires")
	}
	for _, pattern := range slices.Concat(e.clusters, e.namespaces, e.names, e.containers, e.images, e.packages) {
		if _, err := path.Match(pattern, ""); err != nil {
			d.Fail(n, "%q is not a valid pattern", pattern)
		}
	}
	if err := errors.Join(x.known(e.Rules), e.checkKind()); err != nil {
		d.Fail(n.Get("rules"), "%s", err)
	}
	if expires != "" {
		var err error
		if e.Expires, err = parseDay(expires); err != nil {
			d.Fail(n.Get("expires"), "%s", err)
		}
	}
	if e.ID == "" {
		e.ID = e.Place.String()
	}
	if i := slices.IndexFunc(x.scoped, func(other scoped) bool { return other.ID == e.ID }); i >= 0 {
		d.Fail(n.Get("id"), "the exception at %s has the id %q, too", x.scoped[i].Place, e.ID)
	}
	if d.Failures() > before {
		return
	}
	x.all = append(x.all, e.Exception)
	x.scoped = append(x.scoped, e)
}

// some reads a list of strings that must not be empty: it would fit nothing, or
// everything, and who wrote it may have meant either.
func (d *decoder) some(into *[]string) func(*tree.Node) {
	return func(n *tree.Node) {
		if d.Texts(into)(n); n.Is(tree.List) && len(n.Children()) == 0 {
			d.Fail(n, "%s is empty (leave it out to fit all)", n.Key())
		}
	}
}

func parseDay(s string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return t, errors.New("a date is written as 2027-01-31")
	}
	return t, nil
}

// expired reports whether the day of expiry is over.
func (x *Exceptions) expired(e *model.Exception) bool {
	return !e.Expires.IsZero() && !x.now.Before(e.Expires.AddDate(0, 0, 1))
}

// Apply returns the exception that covers a finding, or nil, and counts the
// match.
func (x *Exceptions) Apply(f *model.Finding) *model.Exception {
	for i := range x.scoped {
		if e := &x.scoped[i]; e.covers(f) {
			if e.Matched++; !x.expired(e.Exception) {
				return e.Exception
			}
		}
	}
	for _, e := range x.noted[f.Object] {
		if names(f.Rule, e.Rules) {
			if e.Matched++; !x.expired(e) {
				return e
			}
		}
	}
	return nil
}

func (e *scoped) covers(f *model.Finding) bool {
	k := f.Object.Key
	return names(f.Rule, e.Rules) && globs(e.clusters, k.Cluster) && globs(e.namespaces, k.Namespace) && globs(e.names, k.Name) &&
		(len(e.kinds) == 0 || slices.Contains(e.kinds, k.Kind) || slices.Contains(e.kinds, k.Kind+"."+k.Group)) &&
		e.labels.Matches(f.Object.Labels()) && (len(e.containers) == 0 || globs(e.containers, containerOf(f)))
}

// names reports whether one of the names is the rule's id, an alias of it, * for
// every rule, or tool:* for every rule that the tool has, too.
func names(r *model.RuleInfo, wanted []string) bool {
	return slices.ContainsFunc(wanted, func(s string) bool {
		tool, all := strings.CutSuffix(s, ":*")
		return s == "*" || s == r.ID || slices.Contains(r.Aliases, s) ||
			all && slices.ContainsFunc(r.Aliases, func(alias string) bool { return strings.HasPrefix(alias, tool+":") })
	})
}

// globs reports whether one of the patterns fits a name; * spans slashes too,
// which names of clusters have. Patterns of paths, for leaving files out, are
// others: there * ends at a slash.
func globs(patterns []string, s string) bool {
	const slash = "\x00"
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(strings.ReplaceAll(p, "/", slash), strings.ReplaceAll(s, "/", slash))
		return ok
	})
}

// containerOf returns the name of the container that the finding is about.
func containerOf(f *model.Finding) string {
	if f.Object.Key.GroupKind == model.BehaviorKind {
		return f.Object.Root.Get("container").Str()
	}
	for i, s := range f.Element.Path {
		if slices.Contains(model.ContainerLists, s.Key) && i+1 < len(f.Element.Path) {
			return f.Object.Root.Follow(f.Element.Path[:i+2]).Get("name").Str()
		}
	}
	return ""
}

// AnnotationPrefix begins the annotations that except the object they stand on
// from a rule:
//
//	except.ullage.dev/RULE: "reason; owner=TEAM; expires=2027-01-31"
const AnnotationPrefix = "except.ullage.dev/"

// Note reads the exceptions in the annotations of an object and of its pods. It
// must be called once for an object, before the findings about it are applied.
// The error says what is wrong with annotations of ours; they do not work then.
func (x *Exceptions) Note(o *model.Object) error {
	if x.honor == "none" {
		return nil
	}
	sources := []*tree.Node{o.Root.Dig("metadata", "annotations")}
	for _, p := range o.Pods() {
		if of := p.Metadata.Get("annotations"); !slices.Contains(sources, of) { // those of a bare pod are the object's
			sources = append(sources, of)
		}
	}
	var errs []error
	for _, annotations := range sources {
		for i := range annotations.Children() {
			a := &annotations.Children()[i]
			id, own := strings.CutPrefix(a.Key(), AnnotationPrefix)
			wanted := []string{id}
			if !own {
				wanted = foreign(a)
			}
			if len(wanted) == 0 || !own && x.honor != "all" {
				continue
			}
			e := &model.Exception{ID: o.Source.Place(a).String() + " " + a.Key(), Rules: wanted, Place: o.Source.Place(a)}
			if err := x.complete(e, a, own); err != nil {
				errs = append(errs, fmt.Errorf("%s: annotation %s: %w", e.Place, a.Key(), err))
				continue
			}
			x.noted[o] = append(x.noted[o], e)
			if own { // those of other tools may be about checks that are not ours
				x.all = append(x.all, e)
			}
		}
	}
	return errors.Join(errs...)
}

// complete reads what an annotation says about the exception.
func (x *Exceptions) complete(e *model.Exception, a *tree.Node, own bool) error {
	if !own {
		if e.Reason = a.Str(); e.Reason == "" || e.Reason == "true" {
			e.Reason = "annotation " + a.Key()
		}
		return nil
	}
	for i, part := range strings.Split(a.Str(), ";") {
		part = strings.TrimSpace(part)
		key, value, _ := strings.Cut(part, "=")
		switch {
		case i == 0:
			e.Reason = part
		case key == "owner":
			e.Owner = value
		case key == "expires":
			var err error
			if e.Expires, err = parseDay(value); err != nil {
				return err
			}
		}
	}
	if e.Reason == "" || e.Owner == "" || e.Expires.IsZero() {
		return errors.New(`it needs "reason; owner=TEAM; expires=2027-01-31"`)
	}
	return x.known(e.Rules)
}

// known refuses names that are no rule's, because an exception that covers
// nothing by mistake is found out too late.
func (x *Exceptions) known(rules []string) error {
	for _, name := range rules {
		if x.rules != nil && name != "*" && !x.rules[name] && !IsVulnerability(name) {
			return fmt.Errorf("no rule %q (see ullage policy list)", name)
		}
	}
	return nil
}

// foreign returns the checks that an annotation of another tool has it ignore,
// as aliases of ours: they have a reason at most, and never expire.
func foreign(a *tree.Node) []string {
	switch key := a.Key(); {
	case strings.HasPrefix(key, "ignore-check.kube-linter.io/"):
		return []string{"kube-linter:" + strings.TrimPrefix(key, "ignore-check.kube-linter.io/")}
	case key == "kube-linter.io/ignore-all": // all that the other tool checks, not all that we do
		return []string{"kube-linter:*"}
	case key == "polaris.fairwinds.com/exempt" && a.Text() == "true":
		return []string{"polaris:*"}
	case strings.HasPrefix(key, "polaris.fairwinds.com/") && strings.HasSuffix(key, "-exempt") && a.Text() == "true":
		return []string{"polaris:" + strings.TrimSuffix(strings.TrimPrefix(key, "polaris.fairwinds.com/"), "-exempt")}
	case key == "kube-score/ignore":
		var wanted []string
		for id := range strings.SplitSeq(a.Str(), ",") {
			wanted = append(wanted, "kube-score:"+strings.TrimSpace(id))
		}
		return wanted
	}
	return nil
}

// Leftover returns the exceptions that have expired, and those that covered
// nothing, in the order in which they are written. Exceptions from vulnerabilities
// are left out: see [Exceptions.LeftoverVulnerabilities].
func (x *Exceptions) Leftover() (expired, unused []*model.Exception) {
	return x.leftover(func(e *model.Exception) bool { return !ofVulnerabilities(e.Rules) })
}

func (x *Exceptions) leftover(of func(*model.Exception) bool) (expired, unused []*model.Exception) {
	all := slices.DeleteFunc(slices.Clone(x.all), func(e *model.Exception) bool { return !of(e) })
	slices.SortStableFunc(all, func(a, b *model.Exception) int {
		return cmp.Or(cmp.Compare(a.Place.File, b.Place.File), cmp.Compare(a.Place.Line, b.Place.Line), cmp.Compare(a.Place.Column, b.Place.Column), cmp.Compare(a.ID, b.ID))
	})
	for _, e := range all {
		switch {
		case x.expired(e):
			expired = append(expired, e)
		case e.Matched == 0:
			unused = append(unused, e)
		}
	}
	return expired, unused
}
