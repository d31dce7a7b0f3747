package policy

import (
	"cmp"
	"errors"
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
	honor  string // which annotations: "all", "own" or "none"
	used   map[string]*model.Exception
}

// scoped is an exception with what it covers. Empty lists cover everything;
// names and namespaces are glob patterns (*, ?).
type scoped struct {
	*model.Exception
	clusters, namespaces, kinds, names, containers []string
	labels                                         model.Selector
}

// NewExceptions makes an empty set. An exception holds until the end of its
// day of expiry in UTC; now decides which have expired. annotations says which
// annotations on objects are honored: "all", "own" (not those of other tools),
// or "none".
func NewExceptions(now time.Time, annotations string) *Exceptions {
	return &Exceptions{now: now, honor: annotations, used: map[string]*model.Exception{}}
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
				"clusters": d.Texts(&e.clusters), "namespaces": d.Texts(&e.namespaces), "kinds": d.Texts(&e.kinds),
				"names": d.Texts(&e.names), "containers": d.Texts(&e.containers),
				"labels": func(n *tree.Node) { e.labels = model.MatchLabels(n) },
			})
		},
	})
	if len(e.Rules) == 0 || e.Reason == "" || e.Owner == "" || expires == "" {
		d.Fail(n, "an exception needs rules, reason, owner and expires")
	}
	for _, pattern := range slices.Concat(e.clusters, e.namespaces, e.names, e.containers) {
		if _, err := path.Match(pattern, ""); err != nil {
			d.Fail(n, "%q is not a valid pattern", pattern)
		}
	}
	if expires != "" {
		var err error
		if e.Expires, err = parseDay(expires); err != nil {
			d.Fail(n.Get("expires"), "%s", err)
		}
	}
	if d.Failures() > before {
		return
	}
	if e.ID == "" {
		e.ID = e.Place.String()
	}
	x.all = append(x.all, e.Exception)
	x.scoped = append(x.scoped, e)
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
// match. err says what is wrong with an annotation that was meant to be one.
func (x *Exceptions) Apply(f *model.Finding) (*model.Exception, error) {
	for i := range x.scoped {
		if e := &x.scoped[i]; e.covers(f) {
			if e.Matched++; !x.expired(e.Exception) {
				return e.Exception, nil
			}
		}
	}
	if x.honor == "none" {
		return nil, nil
	}
	return x.annotation(f)
}

func (e *scoped) covers(f *model.Finding) bool {
	k := f.Object.Key
	return names(f.Rule, e.Rules) && globs(e.clusters, k.Cluster) && globs(e.namespaces, k.Namespace) && globs(e.names, k.Name) &&
		(len(e.kinds) == 0 || slices.Contains(e.kinds, k.Kind) || slices.Contains(e.kinds, k.Kind+"."+k.Group)) &&
		e.labels.Matches(f.Object.Labels()) && (len(e.containers) == 0 || globs(e.containers, containerOf(f)))
}

// names reports whether one of the names is the rule's id, an alias of it, or *.
func names(r *model.RuleInfo, wanted []string) bool {
	return slices.ContainsFunc(wanted, func(s string) bool { return s == "*" || s == r.ID || slices.Contains(r.Aliases, s) })
}

// globs reports whether one of the patterns fits; * spans slashes too, which
// names of clusters have.
func globs(patterns []string, s string) bool {
	const slash = "\x00"
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(strings.ReplaceAll(p, "/", slash), strings.ReplaceAll(s, "/", slash))
		return ok
	})
}

// containerOf returns the name of the container that the finding is about.
func containerOf(f *model.Finding) string {
	for i, s := range f.Element {
		if slices.Contains(model.ContainerLists, s.Key) && i+1 < len(f.Element) {
			return f.Object.Root.Follow(f.Element[:i+2]).Get("name").Str()
		}
	}
	return ""
}

// AnnotationPrefix begins the annotations that except the object they stand on
// from a rule:
//
//	except.ullage.dev/RULE: "reason; owner=TEAM; expires=2027-01-31"
const AnnotationPrefix = "except.ullage.dev/"

// annotation looks for an exception on the object itself or its pods.
func (x *Exceptions) annotation(f *model.Finding) (*model.Exception, error) {
	sources := []*tree.Node{f.Object.Root.Dig("metadata", "annotations")}
	for _, p := range f.Object.Pods() {
		sources = append(sources, p.Metadata.Get("annotations"))
	}
	for _, annotations := range sources {
		for i := range annotations.Children() {
			a := &annotations.Children()[i]
			id, mine := strings.CutPrefix(a.Key(), AnnotationPrefix)
			if mine && names(f.Rule, []string{id}) {
				return x.own(f, a)
			}
			if x.honor == "all" && !mine {
				if e := x.foreign(f, a); e != nil {
					return e, nil
				}
			}
		}
	}
	return nil, nil
}

// own reads an annotation of ours.
func (x *Exceptions) own(f *model.Finding, a *tree.Node) (*model.Exception, error) {
	e := x.at(f, a)
	if e.Reason == "" {
		for i, part := range strings.Split(a.Str(), ";") {
			part = strings.TrimSpace(part)
			key, value, _ := strings.Cut(part, "=")
			switch {
			case i > 0 && key == "owner":
				e.Owner = value
			case i > 0 && key == "expires":
				t, err := parseDay(value)
				if err != nil {
					return nil, errors.New(f.Object.Source.Place(a).String() + ": annotation " + a.Key() + ": " + err.Error())
				}
				e.Expires = t
			case i == 0:
				e.Reason = part
			}
		}
	}
	if e.Reason == "" || e.Owner == "" || e.Expires.IsZero() {
		return nil, errors.New(f.Object.Source.Place(a).String() + ": annotation " + a.Key() +
			` needs "reason; owner=TEAM; expires=2027-01-31"`)
	}
	x.used[e.ID] = e
	if e.Matched++; x.expired(e) {
		return nil, nil
	}
	return e, nil
}

// at returns the exception of an annotation, made once for all its findings.
func (x *Exceptions) at(f *model.Finding, a *tree.Node) *model.Exception {
	place := f.Object.Source.Place(a)
	id := place.String() + " " + a.Key()
	if e := x.used[id]; e != nil {
		return e
	}
	return &model.Exception{ID: id, Rules: []string{f.Rule.ID}, Place: place}
}

// foreign honors annotations by which other tools are told to ignore a check:
// they have a reason at most, and never expire.
func (x *Exceptions) foreign(f *model.Finding, a *tree.Node) *model.Exception {
	var wanted []string
	switch key := a.Key(); {
	case strings.HasPrefix(key, "ignore-check.kube-linter.io/"):
		wanted = []string{"kube-linter:" + strings.TrimPrefix(key, "ignore-check.kube-linter.io/")}
	case key == "kube-linter.io/ignore-all":
		wanted = []string{"*"}
	case key == "polaris.fairwinds.com/exempt" && a.Text() == "true":
		wanted = []string{"*"}
	case strings.HasPrefix(key, "polaris.fairwinds.com/") && strings.HasSuffix(key, "-exempt") && a.Text() == "true":
		wanted = []string{"polaris:" + strings.TrimSuffix(strings.TrimPrefix(key, "polaris.fairwinds.com/"), "-exempt")}
	case key == "kube-score/ignore":
		for id := range strings.SplitSeq(a.Str(), ",") {
			wanted = append(wanted, "kube-score:"+strings.TrimSpace(id))
		}
	}
	if len(wanted) == 0 || !names(f.Rule, wanted) {
		return nil
	}
	e := x.at(f, a)
	if e.Reason = a.Str(); e.Reason == "" || e.Reason == "true" {
		e.Reason = "annotation " + a.Key()
	}
	x.used[e.ID] = e
	e.Matched++
	return e
}

// Leftover returns the exceptions that have expired, and those that covered
// nothing, in the order in which they are written.
func (x *Exceptions) Leftover() (expired, unused []*model.Exception) {
	all := slices.Clone(x.all)
	for _, e := range x.used {
		all = append(all, e)
	}
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
