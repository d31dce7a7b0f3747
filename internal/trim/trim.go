// Package trim takes from a container what it may do with the kernel and was never
// seen to do: system calls, capabilities, and to gain privileges by setuid programs.
//
// A [Grant] is what a container may do, read of an OCI bundle or of a container in a
// manifest. [Make] narrows it to what a profile says was used, and proves the result
// before it is offered: the replay asks the narrowed grant for everything that was
// used, and the catalogue of [Acts] counts what an attacker could do before and after.
// Where too little was seen, nothing is taken, and [Plan.Lacking] says what is
// missing; of a kind of facts that the sensor did not look for, nothing is taken
// either, and [Plan.Left] says so.
//
// The package is pure: it reads and writes no file.
package trim

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/behavior"
)

// Plan is what can be taken from one container.
type Plan struct {
	Subject behavior.Subject // without an image
	Seen    behavior.Summary
	// Lacking says why nothing can be taken, in a clause; "" where a plan was made.
	Lacking string

	Before, After Grant
	Cuts          []Cut
	Left          []Left
	Replayed      int // deeds that the narrowed grant allows: all that the kernel was asked for
	// Acts of the catalogue that are possible before and after.
	Possible, Remain []Act
}

// Cut is something that is taken.
type Cut struct {
	What Dimension
	Gone []string // by name; system calls are too many to name where all were allowed
	Kept []string // that were used, or that the runtime needs
	Why  string   // in a sentence
}

// Left is something that is not taken, and why, in a clause.
type Left struct {
	What Dimension
	Why  string
}

// Dimension is what a grant is about.
type Dimension string

// The dimensions.
const (
	SystemCalls  Dimension = "system calls"
	Capabilities Dimension = "capabilities"
	Privileges   Dimension = "new privileges"
)

// Make narrows what a container may do to what its profile says that it does.
func Make(p *behavior.Profile, before Grant) (*Plan, error) {
	plan := &Plan{Subject: p.Subject, Seen: p.Summary, Before: before, After: before.clone(), Lacking: p.Lacking}
	if before.Privileged && plan.Lacking == "" {
		plan.Lacking = "it is privileged: that is no single grant, and to take it away is a decision"
	}
	if plan.Lacking == "" && p.Summary.Lost > 0 {
		plan.Lacking = fmt.Sprintf("%d observations were lost: what they were is not known", p.Summary.Lost)
	}
	if plan.Lacking != "" {
		return plan, nil
	}
	u := usedBy(p)
	plan.capabilities(u)
	plan.privileges(u)
	plan.systemCalls(u)
	for _, f := range u.deeds {
		switch plan.After.Allows(f) {
		case behavior.No:
			return nil, fmt.Errorf("the narrowed grant of %s would deny %s, which was used: please report this", &p.Subject, f.String())
		case behavior.Yes:
			plan.Replayed++
		}
	}
	for _, act := range Acts {
		if act.Possible(&plan.Before) {
			plan.Possible = append(plan.Possible, act)
		}
		if act.Possible(&plan.After) {
			plan.Remain = append(plan.Remain, act)
		}
	}
	return plan, nil
}

// used is what a profile's workload does, but for what people did in it.
type used struct {
	kinds        behavior.KindSet
	deeds        []behavior.Fact
	calls        map[string]bool // as facts name them
	capabilities map[string]bool
	users        map[behavior.User]bool
	folded       map[behavior.Kind]bool // kinds of which not all are known one by one
}

func usedBy(p *behavior.Profile) *used {
	u := &used{kinds: p.Summary.Kinds, calls: map[string]bool{}, capabilities: map[string]bool{}, users: map[behavior.User]bool{}, folded: map[behavior.Kind]bool{}}
	for i := range p.Deeds {
		f := p.Deeds[i].Fact
		if f.Outcome == behavior.Denied {
			continue // it was refused already
		}
		u.deeds = append(u.deeds, f)
		switch f.Kind {
		case behavior.Syscall:
			u.calls[f.Name] = true
		case behavior.Capability:
			u.capabilities[f.Name] = true
		case behavior.Execute:
			u.users[f.Program.User] = true
		}
		if f.Folded() && f.Name == behavior.Many {
			u.folded[f.Kind] = true
		}
	}
	return u
}

// unseen says why a kind is not known well enough; "" where it is.
func (u *used) unseen(k behavior.Kind, what string) string {
	switch {
	case !u.kinds.Has(k):
		return "the sensor did not look for " + what + ", at least not all of the time"
	case u.folded[k]:
		return "not all " + what + " are known one by one"
	}
	return ""
}

func (p *Plan) capabilities(u *used) {
	if why := u.unseen(behavior.Capability, "capabilities"); why != "" {
		p.Left = append(p.Left, Left{Capabilities, why})
		return
	}
	var gone, kept []string
	for _, name := range p.Before.Capabilities {
		if u.capabilities[name] {
			kept = append(kept, name)
		} else {
			gone = append(gone, name)
		}
	}
	if len(gone) == 0 {
		return
	}
	p.After.Capabilities = kept
	p.Cuts = append(p.Cuts, Cut{Capabilities, gone, kept, fmt.Sprintf("Of %d capabilities %d were used.", len(gone)+len(kept), len(kept))})
}

// privileges takes the gain of privileges by setuid programs and file capabilities:
// where all programs ran as users of one class, and as root, or without capabilities,
// none was gained.
func (p *Plan) privileges(u *used) {
	if !p.Before.NewPrivileges {
		return
	}
	switch {
	case !u.kinds.Has(behavior.Execute):
		p.Left = append(p.Left, Left{Privileges, "the sensor did not look for programs"})
	case len(u.users) != 1 || u.users[""]:
		p.Left = append(p.Left, Left{Privileges, "programs ran both as root and as another user, and may have become root by a setuid program"})
	case !u.users[behavior.Root] && (len(u.capabilities) > 0 || !u.kinds.Has(behavior.Capability)):
		p.Left = append(p.Left, Left{Privileges, "capabilities of another user than root may come of file capabilities"})
	default:
		p.After.NewPrivileges = false
		p.Cuts = append(p.Cuts, Cut{Privileges, []string{"setuid programs", "file capabilities"}, nil, "No program gained privileges when it began."})
	}
}

func (p *Plan) systemCalls(u *used) {
	why := u.unseen(behavior.Syscall, "system calls")
	if odd := u.unnamed(); why == "" && len(odd) > 0 {
		why = "system calls were made that have no name: " + strings.Join(odd, ", ")
	}
	if why != "" {
		p.Left = append(p.Left, Left{SystemCalls, why})
		return
	}
	calls := filterOf(u.calls, !p.After.NewPrivileges)
	if p.Before.Calls != nil {
		if denied := calls.Beyond(p.Before.Calls); len(denied) > 0 {
			p.Left = append(p.Left, Left{SystemCalls, "the filter that there is denies what a narrower one needs: " + strings.Join(denied, ", ")})
			return
		}
		if p.Before.Calls.Denied == nil && len(p.Before.Calls.Allowed) <= len(calls.Allowed) {
			return
		}
	}
	p.After.Calls = calls
	cut := Cut{What: SystemCalls, Kept: calls.names(), Why: fmt.Sprintf("%d system calls were used; the runtime needs %d more to start a program.", len(u.calls), len(calls.Allowed)-len(u.calls))}
	if p.Before.Calls != nil {
		cut.Gone = p.Before.Calls.Beyond(calls)
	}
	p.Cuts = append(p.Cuts, cut)
}

// unnamed are the calls that a filter cannot name.
func (u *used) unnamed() []string {
	var odd []string
	for name := range u.calls {
		if _, bare := abiOf(name); strings.Trim(bare, "0123456789") == "" {
			odd = append(odd, name)
		}
	}
	slices.Sort(odd)
	return odd
}
