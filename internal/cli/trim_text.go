package cli

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/trim"
)

// trimPrinter writes plans for a terminal.
type trimPrinter struct{ accessPrinter }

func (p *trimPrinter) plan(t *trimmed, verbose bool) {
	plan := t.plan
	fmt.Fprintln(p.w, p.paint(bold, printable(plan.Subject.String()))+"  "+p.paint(dim, printable(t.place)))
	p.wrapped(2, "", "seen: "+plan.Seen.Words())
	if plan.Lacking != "" {
		p.wrapped(2, yellow, "nothing is taken: "+plan.Lacking)
		return
	}
	for _, cut := range plan.Cuts {
		p.cut(&cut, verbose)
	}
	for _, left := range plan.Left {
		p.wrapped(2, yellow, fmt.Sprintf("%s stay as they are: %s", left.What, left.Why))
	}
	fmt.Fprintln(p.w)
	if len(plan.Cuts) == 0 {
		p.wrapped(0, "", "Nothing is left to take.")
		return
	}
	p.wrapped(0, "", fmt.Sprintf("Replayed: %s with the kernel that were seen, all allowed. Of %d acts of attackers by system calls and capabilities %d were possible. %s",
		counted(plan.Replayed, "use"), len(trim.Acts), len(plan.Possible), remaining(plan.Remain)))
	if verbose {
		for _, act := range plan.Possible {
			if !slices.ContainsFunc(plan.Remain, func(a trim.Act) bool { return a.Name == act.Name }) {
				p.wrapped(2, dim, "closed: "+act.Name+", "+act.Gain)
			}
		}
	}
	how := "-o config writes the bundle's configuration"
	if t.bundle == nil {
		how = "-o patch writes the patch, -o seccomp the profile for " + t.profile + " below the kubelet's directory for seccomp profiles, on each node"
	}
	p.wrapped(0, dim, how+". What the container has not done yet it cannot do then, and neither can who runs a shell in it.")
}

func remaining(acts []trim.Act) string {
	if len(acts) == 0 {
		return "None is left."
	}
	var names []string
	for _, a := range acts {
		names = append(names, a.Name)
	}
	return fmt.Sprintf("What is left of them, %d: %s.", len(acts), listed(names))
}

func (p *trimPrinter) cut(cut *trim.Cut, verbose bool) {
	style, label := green, fmt.Sprintf("%-16s", cut.What)
	switch cut.What {
	case trim.SystemCalls:
		before := "all"
		if cut.Gone != nil {
			before = fmt.Sprint(len(cut.Gone) + len(cut.Kept))
		}
		fmt.Fprintln(p.w, "  "+p.paint(style, label)+hang(fmt.Sprintf("%s → %d. %s", before, len(cut.Kept), cut.Why), 18, p.width))
		if verbose {
			p.wrapped(18, dim, strings.Join(cut.Kept, " "))
		}
	case trim.Capabilities:
		kept := "none"
		if len(cut.Kept) > 0 {
			kept = strings.Join(cut.Kept, ", ")
		}
		fmt.Fprintln(p.w, "  "+p.paint(style, label)+hang(fmt.Sprintf("%d → %d. Kept: %s; gone: %s", len(cut.Gone)+len(cut.Kept), len(cut.Kept), kept, strings.Join(cut.Gone, ", ")), 18, p.width))
	default:
		fmt.Fprintln(p.w, "  "+p.paint(style, label)+hang("none. "+cut.Why, 18, p.width))
	}
}
