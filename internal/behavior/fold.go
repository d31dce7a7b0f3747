package behavior

import (
	"slices"
	"strings"
)

// How facts fold. Each fact is below a few wider ones, its folds: facts with [Many]
// in the place of what differs, the narrowest first. A fold has a bound. When more
// facts are below it than that, it takes their place, and that of all that come
// later. A fold that did so counts as one more than its bound below the next wider
// one, so that its weight never falls, and no order of merging changes what folds.
//
// The widest fold holds all of one kind, phase, origin and outcome, so that of each
// there are at most as many facts as its bound says: mostly 512.

// fold is one step.
type fold struct {
	bound int
	widen func(*Fact) // makes the fact below it, or one of the next narrower fold, its own
}

// foldsOf are the folds of a kind, the narrowest first.
func foldsOf(k Kind) []fold {
	switch k {
	case Execute:
		return executeFolds
	case Write, Open, Ptrace:
		return fileFolds
	case Map:
		return mapFolds
	case Connect, Accept:
		return peerFolds
	case Listen:
		return listenFolds
	case Resolve:
		return resolveFolds
	case Syscall:
		return syscallFolds
	case Capability:
		return capabilityFolds
	}
	return nameFolds
}

var executeFolds = []fold{
	{32, func(f *Fact) { f.Program.Arguments = Many }},                         // arguments of one program by one parent
	{64, func(f *Fact) { f.Program.Parent, f.Program.User = Many, "" }},        // parents of one program
	{256, func(f *Fact) { f.Program.File.Path = within(f.Program.File.Path) }}, // programs of one directory and layer
	{512, anyProgram},
}

var fileFolds = []fold{
	{16, func(f *Fact) { f.File = File{Path: within(f.File.Path)} }}, // files of one directory
	{64, func(f *Fact) { f.File.Path = twoDeep(f.File.Path) }},       // directories of one tree
	{192, func(f *Fact) { f.File = File{Path: Many} }},               // of one program
	{512, anyProgram},
}

var mapFolds = []fold{
	{256, func(f *Fact) { f.File = File{Path: within(f.File.Path)} }},
	{512, func(f *Fact) { f.File = File{Path: Many} }},
	{1024, anyProgram},
}

var peerFolds = []fold{
	{32, func(f *Fact) { f.Peer = Peer{Name: Many, Protocol: f.Peer.Protocol, Port: f.Peer.Port} }}, // peers at one port
	{128, func(f *Fact) { f.Peer = Peer{Name: Many, Protocol: Many} }},                              // of one program
	{512, anyProgram},
}

var listenFolds = []fold{
	{8, func(f *Fact) { f.Peer = Peer{Name: Many, Protocol: f.Peer.Protocol} }}, // ports of one program
	{64, anyProgram},
}

var resolveFolds = []fold{
	{32, func(f *Fact) { f.Name = below(f.Name) }},       // names in one domain
	{64, func(f *Fact) { f.Name = belowSecond(f.Name) }}, // domains in one
	{192, func(f *Fact) { f.Name = Many }},
	{512, anyProgram},
}

var nameFolds = []fold{
	{512, func(f *Fact) { f.Name, f.File = Many, File{} }},
	{1024, anyProgram},
}

var syscallFolds = []fold{
	{1024, anyProgram}, // there are some 480, and of 32 bits as many
}

// What a container is granted has no programs, so those fold first. All capabilities
// by so many programs each are below the last bound.
var capabilityFolds = []fold{
	{16, func(f *Fact) { f.Program = anyone }},
	{1024, anyProgram},
}

func anyProgram(f *Fact) {
	*f = Fact{Kind: f.Kind, Phase: f.Phase, Origin: f.Origin, Outcome: f.Outcome, Program: anyone}
	has := fieldsOf[f.Kind]
	if has.file {
		f.File.Path = Many
	}
	if has.peer {
		f.Peer = Peer{Name: Many, Protocol: Many}
	}
	if has.name {
		f.Name = Many
	}
}

// within is any file of a path's directory.
func within(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i+1] + Many
	}
	return "./" + Many // what has no path
}

// twoDeep is any file below the first two directories of a path.
func twoDeep(path string) string {
	rest, depth := path, 0
	for i := range len(rest) {
		if rest[i] == '/' {
			if depth++; depth == 3 {
				return path[:i+1] + Many + Many
			}
		}
	}
	return within(path) + Many
}

// below is any name in the domain of a name.
func below(name string) string {
	if _, domain, ok := strings.Cut(name, "."); ok {
		return Many + "." + domain
	}
	return Many + "." // names of one label
}

// belowSecond is any name below the last two labels of one.
func belowSecond(name string) string {
	labels := strings.Split(strings.TrimPrefix(name, Many+"."), ".")
	return Many + Many + "." + strings.Join(labels[max(len(labels)-2, 0):], ".")
}

// folds gives the facts that a fact is below, the narrowest first, and the bound of
// the fact itself, 0 when it is no fold.
func (f Fact) folds() (own int, wider []foldedFact) {
	wide := f
	for _, step := range foldsOf(f.Kind) {
		if step.widen(&wide); wide == f {
			own, wider = step.bound, wider[:0] // what was narrower are no folds of it
			continue
		}
		wider = append(wider, foldedFact{wide, step.bound})
	}
	return own, wider
}

type foldedFact struct {
	fact  Fact
	bound int
}

// foldedInto returns the fold that took a fact's place.
func (b *Behavior) foldedInto(wider []foldedFact) (Fact, bool) {
	for _, w := range wider {
		if b.facts[w.fact] != nil {
			return w.fact, true
		}
	}
	return Fact{}, false
}

// grow adds the weight of a new fact to its folds, and folds what is too much. It
// returns how many facts that are no folds went.
func (b *Behavior) grow(f Fact, own int, wider []foldedFact) (folded int) {
	var widest *Fact
	more := 1
	if own > 0 {
		more = own + 1 - b.weight[f]
		b.weight[f] = own + 1
		widest = &f
	}
	for i := range wider {
		w := &wider[i]
		before := b.weight[w.fact]
		now := min(before+more, w.bound+1)
		if b.weight[w.fact], more = now, now-before; now > w.bound {
			widest = &w.fact
		}
	}
	if widest == nil {
		return 0
	}
	return b.foldAll(*widest)
}

// foldAll puts a fold in the place of all facts below it.
func (b *Behavior) foldAll(into Fact) (folded int) {
	for f, s := range b.facts {
		own, wider := f.folds()
		if f == into || !isBelow(wider, into) {
			continue
		}
		b.join(into, s)
		delete(b.facts, f)
		if own == 0 {
			folded++
		}
	}
	for f := range b.weight {
		if _, wider := f.folds(); f != into && isBelow(wider, into) {
			delete(b.weight, f)
		}
	}
	return folded
}

func isBelow(wider []foldedFact, into Fact) bool {
	return slices.ContainsFunc(wider, func(w foldedFact) bool { return w.fact == into })
}

// Folded reports whether a fact stands for several that are not kept apart.
func (f Fact) Folded() bool {
	own, _ := f.folds()
	return own > 0
}

// Covers reports whether a fact is the other one, or a fold that stands for it.
func (f Fact) Covers(o Fact) bool {
	if f == o {
		return true
	}
	_, wider := o.folds()
	return isBelow(wider, f)
}
