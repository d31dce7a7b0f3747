package attack

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"ullage.dev/ullage/internal/model"
)

// Plan is a set of changes that close paths together. Each figure is that of a
// graph made anew with the changes.
type Plan struct {
	Steps   []PlanStep
	Closed  int // sources that lose every path
	Sources int // that have a path before
	// Cut says that the search ended at its bounds, and that more changes may close
	// more paths.
	Cut bool
}

// PlanStep is one change of a plan.
type PlanStep struct {
	Remedy     // Closed and Longer are those of the changes up to here, against the beginning
	Left   int // sources that still have a path
}

const (
	planSteps    = 16 // changes of a plan at most
	planTrials   = 72 // changes that are tried out at most; each costs a graph
	stepTrials   = 8  // of these for one step
	planPatience = 3  // steps in a row that make no path longer, where paths of equal weight stand side by side
	closedWorth  = 24 // what closing every path of a source counts, against what a step weighs
)

// Plan returns changes that together leave as few sources with a path as it can
// find. It takes one after the other, each time the one that lengthens paths the
// most, and closing them most of all; then it leaves out what turns out not to be
// needed. It need not be the smallest set that there is.
func (g *Graph) Plan(q Query) (*Plan, error) {
	ends, err := g.Ends(q)
	if err != nil {
		return nil, err
	}
	var known networks
	p := planner{query: q, start: g, before: g.reaching(g.Distances(ends.To...), ends)}
	p.with = func(at *Graph, changes []model.Change) *Graph { return at.with(changes, &known) }
	chosen := p.choose()
	return p.plan(p.prune(chosen))
}

type planner struct {
	query  Query
	start  *Graph
	before map[identity]int32 // of start
	trials int
	cut    bool
	with   func(*Graph, []model.Change) *Graph

	// chosen are the changes that were taken first of all, and states what has a path
	// after each: counting them again is no work.
	chosen []proposal
	states []map[identity]int32
}

// worth says how good a state is: how long the paths of the sources are.
func (p *planner) worth(reaching map[identity]int32) int {
	sum := 0
	for key := range p.before {
		if weight, ok := reaching[key]; ok {
			sum += min(int(weight), closedWorth-1)
		} else {
			sum += closedWorth
		}
	}
	return sum
}

// choose takes changes while they help.
func (p *planner) choose() []proposal {
	var chosen []proposal
	at, worth, idle := p.start, p.worth(p.before), 0
	for len(chosen) < planSteps && idle <= planPatience {
		next, best, now := p.step(at, worth)
		if next == nil {
			break
		}
		p.cut = len(now) > 0 && (p.trials == planTrials || len(chosen)+1 == planSteps)
		if w := p.worth(now); w > worth {
			idle, worth = 0, w
		} else {
			idle++
		}
		chosen, at = append(chosen, best), next
		p.chosen, p.states = chosen, append(p.states, now)
		if len(now) == 0 {
			break
		}
	}
	return chosen
}

// step returns the graph after the best change of one; nil when there is none, or
// when all make paths shorter.
func (p *planner) step(at *Graph, worth int) (next *Graph, best proposal, reaching map[identity]int32) {
	ends, err := at.Ends(p.query)
	if err != nil {
		return nil, best, nil
	}
	proposals := at.Distances(ends.To...).proposals(ends.Entries)
	proposals = proposals[:min(len(proposals), stepTrials, planTrials-p.trials)]
	p.trials += len(proposals)
	trials := make([]trial, len(proposals))
	inParallel(len(proposals), func(i int) { trials[i] = p.try(at, proposals[i]) })
	worth--
	for i, t := range trials {
		if t.graph == nil {
			continue
		}
		if w := p.worth(t.reaching); w > worth {
			next, best, reaching, worth = t.graph, proposals[i], t.reaching, w
		}
	}
	return next, best, reaching
}

// trial is what a change does; it has no graph when the change takes the target
// itself away.
type trial struct {
	graph    *Graph
	reaching map[identity]int32
}

func (p *planner) try(at *Graph, c proposal) trial {
	g := p.with(at, c.changes)
	after, err := g.reachingAfter(p.query)
	if err != nil {
		return trial{}
	}
	return trial{g, after}
}

// inParallel calls do for each number below n, several at a time.
func inParallel(n int, do func(int)) {
	var next atomic.Int32
	var group sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	group.Wait()
}

// prune leaves out changes without which as many sources lose every path. One of
// an object that another changes too stays, as that one builds on it.
func (p *planner) prune(chosen []proposal) []proposal {
	full, ok := p.after(chosen)
	switch {
	case !ok:
		return chosen
	case p.closed(full) == 0: // all that was taken only made paths longer
		return nil
	}
	shared := map[model.Key]int{}
	for _, c := range chosen {
		for _, change := range c.changes {
			shared[change.Key]++
		}
	}
	for i := len(chosen) - 1; i >= 0; i-- {
		if slices.ContainsFunc(chosen[i].changes, func(c model.Change) bool { return shared[c.Key] > 1 }) {
			continue
		}
		less := slices.Delete(slices.Clone(chosen), i, i+1)
		if after, ok := p.after(less); ok && p.closed(after) == p.closed(full) {
			chosen = less
		}
	}
	return chosen
}

// after returns which sources have a path with some changes.
func (p *planner) after(chosen []proposal) (map[identity]int32, bool) {
	if n := len(chosen); n > 0 && n <= len(p.chosen) && slices.EqualFunc(chosen, p.chosen[:n], func(a, b proposal) bool { return a.title == b.title }) {
		return p.states[n-1], true
	}
	var changes []model.Change
	for _, c := range chosen {
		changes = append(changes, c.changes...)
	}
	after, err := p.with(p.start, changes).reachingAfter(p.query)
	return after, err == nil
}

func (p *planner) closed(after map[identity]int32) int {
	closed := 0
	for key := range p.before {
		if _, ok := after[key]; !ok {
			closed++
		}
	}
	return closed
}

// plan counts what changes do one after the other.
func (p *planner) plan(chosen []proposal) (*Plan, error) {
	plan := &Plan{Sources: len(p.before), Cut: p.cut}
	for i, c := range chosen {
		after, ok := p.after(chosen[:i+1])
		if !ok {
			break
		}
		s := PlanStep{Remedy: Remedy{Title: c.title, Object: c.object, Node: c.node, Changes: c.changes, Sources: len(p.before)}}
		for key, weight := range p.before {
			if now, ok := after[key]; !ok {
				s.Closed++
			} else if now > weight {
				s.Longer++
			}
		}
		s.Left = len(p.before) - s.Closed
		plan.Steps, plan.Closed = append(plan.Steps, s), s.Closed
	}
	return plan, nil
}
