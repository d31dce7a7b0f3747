package cli

import (
	"fmt"
	"strings"

	"ullage.dev/ullage/internal/attack"
)

// attackPrinter tells paths for a terminal.
type attackPrinter struct{ accessPrinter }

func newAttackPrinter(p *Program, color string) *attackPrinter {
	return &attackPrinter{newPrinter(p, color)}
}

var certaintyStyles = map[attack.Certainty]string{attack.Certain: red, attack.Likely: red, attack.NeedsExploit: yellow, attack.Unknown: dim}

func (p *attackPrinter) report(r *attackReport) error {
	if len(r.Paths) == 0 {
		if r.Missing {
			p.wrapped(0, bold, "Whether there is a path from "+r.from()+" to "+r.To+" is unknown: "+r.Unread+".")
			return p.w.Flush()
		}
		p.wrapped(0, bold, "No path from "+r.from()+" to "+r.To+".")
		p.doubt(r)
		p.incomplete(r)
		p.unheard(r)
		switch {
		case r.Unread != "":
			p.wrapped(0, yellow, r.Unread+", so there may be one.")
		case !r.Closed && !r.MayClose:
			p.wrapped(0, dim, "What could not be read, and what lives elsewhere, may open one.")
		case !r.Closed:
			p.wrapped(0, dim, "Other bindings, policies and workloads may live elsewhere; --closed-world takes what was read for all there is.")
		}
		p.aside(r.Unplaced, "Servers that the API server asks and that the input does not hold were left aside: who holds one sees, or changes, what it is asked about.")
		p.aside(r.Refused, "Bindings that the API server refuses were left aside as far as they name whom RBAC does not know.")
		p.unfollowed(r)
		return p.w.Flush()
	}
	for i, stages := range r.Paths {
		p.path(i+1, stages)
	}
	p.chokes(r)
	p.remedies(r)
	p.plan(r)
	p.wrapped(0, bold, r.summary())
	p.doubt(r)
	p.incomplete(r)
	return p.w.Flush()
}

// doubt says that the target may not exist.
func (p *attackPrinter) doubt(r *attackReport) {
	if r.Doubt != "" {
		p.wrapped(0, yellow, upperFirst(r.Doubt)+".")
	}
}

// incomplete says why more paths may be there than were looked for.
func (p *attackPrinter) incomplete(r *attackReport) {
	if r.Incomplete != "" {
		p.wrapped(0, yellow, "There may be more paths: "+r.Incomplete+".")
	}
}

// mostUnfollowed is how many rights are named of those that no step follows from.
const mostUnfollowed = 8

// unfollowed names dangerous rights that no step follows from, so that nobody takes
// who holds them for harmless.
func (p *attackPrinter) unfollowed(r *attackReport) {
	if len(r.Unfollowed) == 0 {
		return
	}
	p.wrapped(0, yellow, "That does not make the attacker harmless: it would hold rights that no step here follows from.")
	for i, u := range r.Unfollowed {
		if i == mostUnfollowed {
			p.wrapped(2, dim, fmt.Sprintf("and %d more, which -o json lists", len(r.Unfollowed)-i))
			break
		}
		p.wrapped(2, "", u.Right.String()+" of "+u.Holder.String()+", "+unfollowedScope(u)+": "+u.Right.Info().Gain)
	}
}

func unfollowedScope(u attack.Unfollowed) string {
	if u.Namespace == "" {
		return "in the whole cluster"
	}
	return "in namespace " + u.Namespace
}

// unheard says which listeners were left aside.
func (p *attackPrinter) unheard(r *attackReport) {
	if len(r.Unheard) == 0 {
		return
	}
	which := r.Unheard[0].String() + " declares no port"
	if more := len(r.Unheard) - 1; more > 0 {
		which = fmt.Sprintf("%s and %s declare none", r.Unheard[0], counted(more, "other container"))
	}
	p.wrapped(0, yellow, "Connections to ports that nothing declares were left aside: "+which+", and a path would lead on from there.")
}

// mostAside is how many of a list are named of what was left aside.
const mostAside = 4

// aside names what no path was looked for over, and why.
func (p *attackPrinter) aside(list []attack.Evidence, why string) {
	if len(list) == 0 {
		return
	}
	p.wrapped(0, yellow, why)
	for i, e := range list {
		if i == mostAside {
			p.wrapped(2, dim, fmt.Sprintf("and %d more, which -o json lists", len(list)-i))
			break
		}
		p.wrapped(2, "", e.Text)
		if place, ok := e.Place(); ok {
			p.line(4, dim, place.String())
		}
	}
}

// from says where paths begin.
func (r *attackReport) from() string {
	if len(r.Namespaces) == 0 {
		return r.From
	}
	word := " in "
	if r.From == "internet" {
		word = " through "
	}
	return r.From + word + inNamespaces(r.Namespaces)
}

func inNamespaces(names []string) string {
	if len(names) == 1 {
		return "namespace " + names[0]
	}
	return "namespaces " + strings.Join(names, ", ")
}

// summary says in one line how many paths there are.
func (r *attackReport) summary() string {
	what := "starting points"
	if r.From == "internet" {
		what = "containers that the internet reaches"
	}
	if len(r.Namespaces) > 0 {
		what += " in " + inNamespaces(r.Namespaces)
	}
	switch {
	case r.Entries == 1 && r.Known == 0:
		return "Whether there is a path from " + r.from() + " to " + r.To + " is unknown: " + unknownPaths + "."
	case r.Entries == 1:
		return "There is a path from " + r.from() + " to " + r.To + "."
	case r.Known == 0:
		return fmt.Sprintf("%d of %d %s may lead to %s: %s.", r.Reaching, r.Entries, what, r.To, unknownPaths)
	case r.Known < r.Reaching:
		return fmt.Sprintf("%d of %d %s lead to %s; %d more may: %s.", r.Known, r.Entries, what, r.To, r.Reaching-r.Known, unknownPaths)
	}
	return fmt.Sprintf("%d of %d %s lead to %s.", r.Reaching, r.Entries, what, r.To)
}

const unknownPaths = "each path has a step that hangs on what the input does not say"

// worst returns the least certain step of a path.
func worst(stages []attack.Stage) attack.Certainty {
	c := attack.Certain
	for _, s := range stages[1:] {
		c = max(c, s.Step.Certainty)
	}
	return c
}

func (p *attackPrinter) path(number int, stages []attack.Stage) {
	c := worst(stages)
	fmt.Fprintf(p.w, "%s  %s\n", p.paint(bold, fmt.Sprintf("Path %d: %s", number, counted(len(stages)-1, "step"))), p.paint(certaintyStyles[c], hardest(c)))
	p.wrapped(2, "", "From "+stages[0].At.String())
	for i, s := range stages[1:] {
		step := s.Step
		p.numbered(i+1, step.Does)
		p.wrapped(5, "", "then holds "+step.Holds)
		p.line(5, certaintyStyles[step.Certainty], step.Certainty.String()+"  "+strings.Join(step.Techniques, " "))
		if step.Needs != "" {
			p.wrapped(5, dim, "possible when "+step.Needs)
		}
		for _, e := range step.Evidence {
			p.wrapped(5, "", e.Text)
			if place, ok := e.Place(); ok {
				p.line(7, dim, place.String())
			}
		}
		if step.Closes != "" {
			p.wrapped(5, green, "close it: "+step.Closes)
		}
	}
	fmt.Fprintln(p.w)
}

// numbered writes an entry of a list.
func (p *attackPrinter) numbered(number int, text string) {
	label := fmt.Sprintf("%d. ", number)
	fmt.Fprintf(p.w, "  %s%s\n", p.paint(bold, label), hang(printable(text), 2+len(label), p.width))
}

// hardest says what a path hangs on.
func hardest(c attack.Certainty) string {
	switch c {
	case attack.NeedsExploit:
		return "takes a flaw in a program"
	case attack.Unknown:
		return "hangs on what the input does not say"
	}
	return "takes no flaw in a program"
}

func (p *attackPrinter) chokes(r *attackReport) {
	if len(r.Chokes) == 0 {
		return
	}
	p.line(0, bold, "Choke points")
	for _, c := range r.Chokes {
		text := fmt.Sprintf("%s: on the shortest path of %d of %d", c.At, c.Passing, r.Reaching)
		if c.Cut > 0 {
			text += fmt.Sprintf("; without it %d have no path", c.Cut)
		}
		p.wrapped(2, "", text)
	}
	fmt.Fprintln(p.w)
}

func (p *attackPrinter) remedies(r *attackReport) {
	if len(r.Remedies) == 0 {
		p.wrapped(0, bold, "No single change that was tried closes a path or makes one longer.")
		fmt.Fprintln(p.w)
		return
	}
	p.line(0, bold, "The one change")
	if r.Remedies[0].Closed == 0 {
		p.wrapped(2, "", "No single change that was tried closes every path of a starting point: there are always others. These help most.")
	}
	for i := range r.Remedies {
		m := &r.Remedies[i]
		p.numbered(i+1, m.Title)
		p.wrapped(5, green, effect(m))
		if place, ok := m.Place(); ok {
			p.line(5, dim, place.String())
		}
	}
	p.wrapped(2, dim, "Each figure is that of the graph made anew with the change.")
	fmt.Fprintln(p.w)
}

// together is the title of the changes that close paths together, where they do
// more than the one change; else it is empty.
func (r *attackReport) together() string {
	if r.Plan == nil || len(r.Plan.Steps) < 2 || len(r.Remedies) > 0 && r.Remedies[0].Closed >= r.Plan.Closed {
		return ""
	}
	return fmt.Sprintf("%s that together close every path of %d of %d", counted(len(r.Plan.Steps), "change"), r.Plan.Closed, r.Plan.Sources)
}

// plan tells the changes that close paths together.
func (p *attackPrinter) plan(r *attackReport) {
	title := r.together()
	if title == "" {
		return
	}
	p.line(0, bold, title)
	for i := range r.Plan.Steps {
		s := &r.Plan.Steps[i]
		p.numbered(i+1, s.Title)
		if place, ok := s.Place(); ok {
			p.line(5, dim, place.String())
		}
		p.wrapped(5, green, left(s))
	}
	if r.Plan.Closed < r.Plan.Sources {
		rest := fmt.Sprintf("For the other %d no change was found.", r.Plan.Sources-r.Plan.Closed)
		if r.Plan.Cut {
			rest = fmt.Sprintf("Here the search ended, as each try costs a graph; %d are left. With these changes made, ask again.", r.Plan.Sources-r.Plan.Closed)
		}
		p.wrapped(2, dim, rest)
	}
	p.wrapped(2, dim, "After each the graph was made anew with all up to it; a smaller set may do as well.")
	fmt.Fprintln(p.w)
}

// left says what a step of a plan leaves.
func left(s *attack.PlanStep) string {
	if s.Closed == 0 {
		return fmt.Sprintf("then the shortest path of %d of %d is longer", s.Longer, s.Sources)
	}
	return fmt.Sprintf("then %d of %d have no path", s.Closed, s.Sources)
}

// effect says what a change does.
func effect(m *attack.Remedy) string {
	if m.Closed == 0 {
		return fmt.Sprintf("makes the shortest path of %d of %d longer", m.Longer, m.Sources)
	}
	text := fmt.Sprintf("closes every path of %d of %d", m.Closed, m.Sources)
	if m.Longer > 0 {
		text += fmt.Sprintf("; the shortest of %d gets longer", m.Longer)
	}
	return text
}
