package attack

import (
	"slices"

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
	source, err := g.Source(q.From)
	if err != nil {
		return nil, err
	}
	target, err := g.Target(q.To)
	if err != nil {
		return nil, err
	}
	p := planner{query: q, start: g, before: g.reaching(g.Distances(target...), source)}
	chosen := p.choose()
	return p.plan(p.prune(chosen))
}

type planner struct {
	query  Query
	start  *Graph
	before map[identity]int32 // of start
	trials int
	cut    bool
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
		if len(now) == 0 {
			break
		}
	}
	return chosen
}

// step returns the graph after the best change of one; nil when there is none, or
// when all make paths shorter.
func (p *planner) step(at *Graph, worth int) (next *Graph, best proposal, reaching map[identity]int32) {
	source, err := at.Source(p.query.From)
	if err != nil {
		return nil, best, nil
	}
	target, err := at.Target(p.query.To)
	if err != nil {
		return nil, best, nil
	}
	worth--
	for i, c := range at.Distances(target...).proposals(at.Entries(source)) {
		if i == stepTrials || p.trials == planTrials {
			break
		}
		p.trials++
		g := at.with(c.changes)
		after, err := g.reachingAfter(p.query)
		if err != nil {
			continue // the change takes the target itself away
		}
		if w := p.worth(after); w > worth {
			next, best, reaching, worth = g, c, after, w
		}
	}
	return next, best, reaching
}

// prune leaves out changes without which as many sources lose every path. One of
// an object that another changes too stays, as that one builds on it.
func (p *planner) prune(chosen []proposal) []proposal {
	full, ok := p.after(chosen)
	if !ok {
		return chosen
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
	var changes []model.Change
	for _, c := range chosen {
		changes = append(changes, c.changes...)
	}
	after, err := p.start.with(changes).reachingAfter(p.query)
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
