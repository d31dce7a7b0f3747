// Package detect judges what containers do by rules, while they do it.
//
// The rules are those of package policy with the subject `fact`. A [Detector] judges
// each fact once, and what many of them fold into (a scan of ports is one fact for
// each port, and then one fold). It knows nothing but the facts and a [Context].
package detect

import (
	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// Detector judges facts. It is for one goroutine.
type Detector struct {
	worker     *policy.Worker
	exceptions *policy.Exceptions
}

// New makes a detector of rules; those that judge no behavior are left out.
// exceptions may be nil.
func New(rules []*policy.Rule, settings map[string]*tree.Node, exceptions *policy.Exceptions) *Detector {
	var of []*policy.Rule
	for _, r := range rules {
		if r.OfBehavior() {
			of = append(of, r)
		}
	}
	engine := policy.NewEngine(of, policy.Options{Settings: settings})
	return &Detector{worker: engine.NewWorker(nothing{}), exceptions: exceptions}
}

// Judge returns what the rules find in one fact, with what is excepted, and what
// they could not decide. Neither is valid after the next call.
func (d *Detector) Judge(c Context, f behavior.Fact) (found []*model.Finding, unknown []model.Unknown) {
	var tally policy.Tally
	for _, out := range d.worker.Evaluate(Object(c, f), &tally) {
		if out.Finding == nil {
			unknown = append(unknown, out.Unknown)
			continue
		}
		if d.exceptions != nil {
			out.Finding.Exception = d.exceptions.Apply(out.Finding)
		}
		found = append(found, out.Finding)
	}
	return found, unknown
}

// Watched remembers what one container did, as far as it takes to see what many
// facts fold into. The zero value is ready.
type Watched struct {
	seen *behavior.Behavior
	told map[behavior.Fact]bool // folds
}

// Add returns what is to be judged because of a fact: itself, and what it folds into
// when that is new.
func (w *Watched) Add(f behavior.Fact) []behavior.Fact {
	if w.seen == nil {
		w.seen, w.told = behavior.New(behavior.Subject{Kind: behavior.KindContainer}), map[behavior.Fact]bool{}
	}
	judged := []behavior.Fact{f}
	w.seen.Observe(f, behavior.Seen{})
	for _, fold := range f.Near()[1:] {
		if w.seen.Seen(fold) != nil && !w.told[fold] {
			w.told[fold] = true
			judged = append(judged, fold)
		}
	}
	return judged
}

// nothing knows of no other objects.
type nothing struct{}

func (nothing) Fact(*model.Object, *model.PodTemplate, string) (tree.Node, bool) {
	return tree.Node{}, false
}
func (nothing) References(*model.Object) []policy.Reference { return nil }
func (nothing) Image(*tree.Node) *tree.Node                 { return nil }
func (nothing) Namespace(*model.Object) *tree.Node          { return unknownNamespace }

var unknownNamespace = func() *tree.Node {
	n := tree.UnknownBecause("a node does not know the labels of namespaces")
	return n.Seal()
}()
