package behavior

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Options say how a profile is made.
type Options struct {
	Enough   Enough    // the zero value stands for [DefaultEnough]
	Replicas int       // that there should be; 0 when that is not known
	Approved *Approved // what is expected; nil stands for what was learned
}

// Profile is what a container of a workload does, over all its images. What one
// image was seen to do is expected of the next one, and of one that comes back.
type Profile struct {
	Subject Subject // without an image
	Images  []Image // the one that was watched first is first
	Summary Summary
	// Learned is until when what was seen became expected; 0 when Lacking says what is
	// not yet enough, or when an approved profile says what is expected.
	Learned  Moment
	Lacking  string
	Approved *Approved
	Deeds    []Deed // of the workload, in the order of facts
	People   []Deed // what people did in it, which is never expected
}

// Image is one that was watched.
type Image struct {
	Digest  string // "" when it is not known
	Summary Summary
}

// State says whether a deed is expected.
type State string

// The states.
const (
	StateExpected State = "expected"
	StateNew      State = "new"
	// StateUnclear is a fold that goes on: whether something new is among what it stands for
	// is not known.
	StateUnclear State = "unclear"
	// StateLearning is a deed of a workload of which too little was seen to expect anything.
	StateLearning State = "learning"
)

// Deed is something that was done.
type Deed struct {
	Fact  // without phase and origin
	State State
	Seen  Seen
	// Start and Steady say in which phases, Unsure that of some sightings it is not
	// known on whose behalf.
	Start, Steady, Unsure bool
	Images                []int // of the profile that did it, in order
	// WithImage says that a new deed came with an image that is new, too: within a day
	// after it was first watched.
	WithImage bool
	// Only names the one replica that did it, where all should do the same.
	Only string
}

// NewProfile makes the profile of one container. All behaviors must be of it, in one
// epoch; there must be one at least.
func NewProfile(all []*Behavior, o Options) (*Profile, error) {
	if o.Enough == (Enough{}) {
		o.Enough = DefaultEnough
	}
	p := &Profile{Subject: all[0].Subject, Approved: o.Approved}
	p.Subject.Image = ""
	var coverages []*Coverage
	for _, b := range all {
		if s := b.Subject; s.Image != "" {
			s.Image = ""
			if s != p.Subject {
				return nil, fmt.Errorf("behaviors of different containers: %s and %s", &p.Subject, &b.Subject)
			}
		}
		coverages = append(coverages, &b.Coverage)
	}
	p.Summary = summarize(p.Subject.Jobs(), o.Replicas, coverages...)
	if o.Approved == nil {
		p.Learned, p.Lacking = p.Summary.learned(o.Enough)
	}
	all = slices.Clone(all)
	first := map[*Behavior]Moment{}
	for _, b := range all {
		s := summarize(p.Subject.Jobs(), 0, &b.Coverage)
		first[b] = s.From
	}
	slices.SortFunc(all, func(a, b *Behavior) int {
		return cmp.Or(cmp.Compare(first[a], first[b]), a.Subject.Compare(&b.Subject))
	})
	for _, b := range all {
		p.Images = append(p.Images, Image{b.Subject.Image, summarize(p.Subject.Jobs(), 0, &b.Coverage)})
	}
	p.gather(all)
	p.judge(all)
	return p, nil
}

// gather makes deeds of the facts of all images.
func (p *Profile) gather(all []*Behavior) {
	mine, people := map[Fact]*Deed{}, map[Fact]*Deed{}
	for n, b := range all {
		for f, s := range b.Facts() {
			into := mine
			if f.Origin.ByPerson() {
				into = people
			}
			d := into[f.Deed()]
			if d == nil {
				d = &Deed{Fact: f.Deed(), Seen: s.clone()}
				into[d.Fact] = d
			} else {
				d.Seen.join(s)
			}
			d.Start, d.Steady = d.Start || f.Phase == Start, d.Steady || f.Phase == Steady
			d.Unsure = d.Unsure || f.Origin == OriginUnknown
			if !slices.Contains(d.Images, n) {
				d.Images = append(d.Images, n)
			}
		}
	}
	for f, list := range map[*[]Deed]map[Fact]*Deed{&p.Deeds: mine, &p.People: people} {
		for _, deed := range slices.SortedFunc(maps.Keys(list), Fact.Compare) {
			*f = append(*f, *list[deed])
		}
	}
}

// judge says which deeds are expected.
func (p *Profile) judge(all []*Behavior) {
	expected := map[Fact]bool{}
	if p.Approved != nil {
		for _, f := range p.Approved.Deeds {
			expected[f] = true
		}
	} else {
		for i := range p.Deeds {
			if d := &p.Deeds[i]; d.Seen.First <= p.Learned {
				expected[d.Fact] = true
			}
		}
	}
	for i := range p.Deeds {
		d := &p.Deeds[i]
		switch folded := d.Folded(); {
		case p.Lacking != "":
			d.State = StateLearning
		case p.Approved == nil && folded && expected[d.Fact] && d.Seen.Last > p.Learned && !foldOf(expected, d.Fact):
			d.State = StateUnclear
		case expected[d.Fact] || foldOf(expected, d.Fact):
			d.State = StateExpected
		default:
			d.State = StateNew
			d.WithImage = p.cameWith(d)
		}
		d.Only = p.only(d, all)
	}
}

// foldOf reports whether one of the expected facts stands for more than a fact, and
// for that, too.
func foldOf(expected map[Fact]bool, f Fact) bool {
	_, wider := f.folds()
	return slices.ContainsFunc(wider, func(w foldedFact) bool { return expected[w.fact] })
}

// cameWith reports whether the image that did something first is one that was new
// then.
func (p *Profile) cameWith(d *Deed) bool {
	if d.Seen.First > p.Images[d.Images[0]].Summary.From+86400 {
		return false
	}
	if p.Approved != nil {
		return !slices.Contains(p.Approved.Images, p.Images[d.Images[0]].Digest)
	}
	return p.Images[d.Images[0]].Summary.From > p.Learned
}

// only names the replica that did what no other one did, of a workload whose
// replicas should all do the same: not of a StatefulSet, where one may be the
// primary, nor of a DaemonSet, whose nodes differ. At least three must have been
// watched for a day since it was first done.
func (p *Profile) only(d *Deed, all []*Behavior) string {
	if p.Subject.Kind != "Deployment" && p.Subject.Kind != "ReplicaSet" {
		return ""
	}
	if n, exact := d.Seen.Replicas.Len(); n != 1 || !exact {
		return ""
	}
	watched := map[string]Moment{}
	for _, b := range all {
		for _, i := range b.Coverage.intervals {
			watched[i.Replica] += max(0, i.To-max(i.From, d.Seen.First))
		}
	}
	name, others := "", 0
	for replica, long := range watched {
		if has, _ := d.Seen.Replicas.Has(replica); has {
			name = replica
		} else if long >= 86400 {
			others++
		}
	}
	if others < 2 {
		return ""
	}
	return name
}

// Differences are the deeds that are new, and those of which it is not known.
func (p *Profile) Differences() []Deed {
	var all []Deed
	for i := range p.Deeds {
		if s := p.Deeds[i].State; s == StateNew || s == StateUnclear {
			all = append(all, p.Deeds[i])
		}
	}
	return all
}

// Unseen are the deeds that are expected and that the image that was watched last
// was not seen to do. It may not have had the time.
func (p *Profile) Unseen() []Deed {
	last := p.Latest()
	var all []Deed
	for i := range p.Deeds {
		if d := &p.Deeds[i]; d.State == StateExpected && !slices.Contains(d.Images, last) {
			all = append(all, *d)
		}
	}
	return all
}

// Latest is the image that was watched last.
func (p *Profile) Latest() int {
	last := 0
	for i := range p.Images {
		if p.Images[i].Summary.To >= p.Images[last].Summary.To {
			last = i
		}
	}
	return last
}

// Containers puts subjects of one container together, whatever their image, in their
// order, and leaves out epochs that a later one ended.
func Containers(all []Subject) [][]Subject {
	latest := map[Subject]uint32{}
	container := func(s Subject) Subject {
		s.Image, s.Epoch = "", 0
		return s
	}
	for _, s := range all {
		latest[container(s)] = max(latest[container(s)], s.Epoch)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(s Subject) bool { return s.Epoch < latest[container(s)] })
	slices.SortFunc(all, func(a, b Subject) int { return a.Compare(&b) })
	var lists [][]Subject
	for i, s := range all {
		if i == 0 || container(s) != container(all[i-1]) {
			lists = append(lists, nil)
		}
		lists[len(lists)-1] = append(lists[len(lists)-1], s)
	}
	return lists
}
