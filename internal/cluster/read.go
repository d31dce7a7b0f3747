package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Options say what to read.
type Options struct {
	// Namespaces are tried one by one where a kind may not be listed everywhere.
	Namespaces []string
	// More, when set, names kinds to read beside those that are always read, and
	// is told the plural that the server has for a kind. It must be safe for
	// concurrent use.
	More func(kind model.GroupKind, plural string) bool
	// Progress, when set, is told now and then how many objects were read. It is
	// called by one goroutine at a time.
	Progress func(objects int)
	// Now is the time of the reading.
	Now time.Time
}

// parallel is how many kinds are read at a time.
const parallel = 4

// Read reads the cluster. It returns an error when nothing can be read, as when
// nobody answers or the credentials are refused, and when the context ended.
// Everything else that fails is a gap and a problem.
func (c *Client) Read(ctx context.Context, o Options) (*Input, error) {
	served, err := c.discover(ctx, o.More)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &UnreachableError{c.Name, fmt.Errorf("what it serves cannot be read: %s", reason(err))}
	}
	r := &reader{c: c, o: o, interner: tree.NewInterner()}
	answers := make([]answer, len(served.wanted))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(answers) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				answers[i] = r.resource(ctx, served.wanted[i])
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return r.collect(served, answers)
}

// reader holds the state of one Read.
type reader struct {
	c        *Client
	o        Options
	interner *tree.Interner
	down     atomic.Bool // the server does not answer: no use to ask again and again

	mu    sync.Mutex
	count int
}

// answer is what the server gave of a resource.
type answer struct {
	objects  []*model.Object
	problems []model.Problem // with single objects
	err      error           // why objects may be missing
	except   []string        // namespaces of which none are
	within   []string        // what else went wrong in namespaces, clauses
}

// resource reads the objects of a resource, in all namespaces or, where that is
// forbidden, in those that were named.
func (r *reader) resource(ctx context.Context, res resource) answer {
	a := r.list(ctx, res, "")
	if statusCode(a.err) != http.StatusForbidden || !res.namespaced || len(r.o.Namespaces) == 0 {
		return a
	}
	r.progress(-len(a.objects)) // of pages before the right was taken away
	a = answer{err: a.err}
	for _, namespace := range r.o.Namespaces {
		part := r.list(ctx, res, namespace)
		a.objects, a.problems = append(a.objects, part.objects...), append(a.problems, part.problems...)
		switch {
		case part.err == nil && len(part.problems) == 0:
			a.except = append(a.except, namespace)
		case part.err == nil:
			a.within = append(a.within, fmt.Sprintf("some of namespace %s could not be read", namespace))
		case statusCode(part.err) != http.StatusForbidden:
			why := fmt.Sprintf("those of namespace %s could not be read: %s", namespace, reason(part.err))
			a.within = append(a.within, why)
			a.problems = append(a.problems, model.Problem{Reason: res.String() + ": " + why, Hint: gapHint})
		}
	}
	return a
}

func (r *reader) progress(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count += n
	if r.o.Progress != nil {
		r.o.Progress(r.count)
	}
}

// collect joins the answers.
func (r *reader) collect(served *served, answers []answer) (*Input, error) {
	in := &Input{Name: r.c.Name, Server: r.c.Server, Time: r.o.Now}
	failed := map[string][]resource{} // by reason
	refused := 0
	for i, a := range answers {
		res := served.wanted[i]
		a.objects = latest(a.objects)
		in.Objects = append(in.Objects, a.objects...)
		in.Problems = append(in.Problems, a.problems...)
		in.Resources = append(in.Resources, model.ResourceCount{Resource: res.String(), Objects: len(a.objects)})
		if a.err == nil {
			if len(a.problems) > 0 {
				in.Gaps = append(in.Gaps, model.Gap{Kind: res.groupKind(), Resource: res.name, Told: true, Reason: "some of the " + res.String() + " could not be read"})
			}
			continue
		}
		why := reason(a.err)
		switch statusCode(a.err) {
		case http.StatusForbidden:
			why = "may not be listed"
		case http.StatusUnauthorized:
			refused++
		}
		if len(a.except) > 0 {
			why = "may not be listed outside of namespace " + strings.Join(a.except, ", ")
		}
		failed[why] = append(failed[why], res)
		in.Gaps = append(in.Gaps, model.Gap{Kind: res.groupKind(), Resource: res.name, Except: a.except, Told: true,
			Reason: strings.Join(append([]string{gapReason(res, why)}, a.within...), "; ")})
	}
	if len(answers) > 0 && refused == len(answers) {
		return nil, &UnreachableError{r.c.Name, answers[0].err}
	}
	for _, group := range served.failed {
		in.Gaps = append(in.Gaps, model.Gap{Kind: model.GroupKind{Group: group}, Told: wanted[group] != nil, Reason: "what the API group " + group + " holds could not be read"})
		if wanted[group] != nil {
			in.Problems = append(in.Problems, model.Problem{Reason: "API group " + group + " could not be read: the server that serves it does not answer", Hint: gapHint})
		}
	}
	for _, res := range served.others {
		in.Gaps = append(in.Gaps, model.Gap{Kind: res.groupKind(), Resource: res.name, Reason: res.String() + " are not read"})
	}
	in.Problems = append(in.Problems, problems(failed)...)
	in.finish()
	return in, nil
}

// latest orders objects by key and drops all but the last of those with the same:
// a server whose pages are not of one state gives an object that changes between
// them twice.
func latest(objects []*model.Object) []*model.Object {
	slices.SortStableFunc(objects, func(a, b *model.Object) int { return a.Key.Compare(b.Key) })
	kept := objects[:0]
	for i, o := range objects {
		if i+1 == len(objects) || objects[i+1].Key != o.Key {
			kept = append(kept, o)
		}
	}
	return kept
}

func gapReason(res resource, why string) string {
	if strings.HasPrefix(why, "may not") {
		return res.String() + " " + why
	}
	return res.String() + " could not be read: " + why
}

const (
	gapHint   = "what hangs on them is unknown"
	rightHint = gapHint + "; `ullage cluster rbac` prints a role that may read them"
)

// problems makes one problem of each reason.
func problems(failed map[string][]resource) []model.Problem {
	var all []model.Problem
	for why, resources := range failed {
		names, which := named(resources)
		p := model.Problem{Reason: names + " could not be read: " + why, Hint: gapHint}
		if which != "" {
			p.Reason += "; these are " + which
		}
		if strings.HasPrefix(why, "may not") {
			p.Reason, p.Hint = names+" "+why, rightHint
			if which != "" {
				p.Reason += ": " + which
			}
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b model.Problem) int { return cmp.Compare(a.Reason, b.Reason) })
	return all
}

// mostNamed is how many resources are named in a clause.
const mostNamed = 4

// named names resources. Many are counted, and which they are is told by API group.
func named(resources []resource) (names, which string) {
	if len(resources) <= mostNamed {
		all := make([]string, len(resources))
		for i, res := range resources {
			all[i] = res.String()
		}
		return strings.Join(all, ", "), ""
	}
	groups := map[string][]string{}
	for _, res := range resources {
		group := cmp.Or(res.group, "core")
		groups[group] = append(groups[group], res.name)
	}
	var parts []string
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		parts = append(parts, group+" ("+strings.Join(groups[group], ", ")+")")
	}
	return fmt.Sprintf("%d kinds", len(resources)), strings.Join(parts, ", ")
}

// finish orders the objects and makes the digest.
func (in *Input) finish() {
	slices.SortStableFunc(in.Objects, func(a, b *model.Object) int { return a.Key.Compare(b.Key) })
	hash := sha256.New()
	for _, o := range in.Objects {
		metadata := o.Root.Get("metadata")
		fmt.Fprintf(hash, "%q %q %q %q\n", o.APIVersion, o.Key.String(), metadata.Get("uid").Text(), metadata.Get("resourceVersion").Text())
	}
	for _, gap := range in.Gaps {
		fmt.Fprintf(hash, "gap %q %q %q\n", gap.Kind.Group, gap.Kind.Kind, gap.Except)
	}
	in.Digest = "sha256:" + hex.EncodeToString(hash.Sum(nil))
}
