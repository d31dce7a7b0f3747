package vuln

import (
	"cmp"
	"slices"
	"strings"
)

// Answer is yes, no, or not known, which is what it begins as.
type Answer uint8

// The answers.
const (
	Unknown Answer = iota
	No
	Yes
)

// Use is what was seen of the files of a package.
type Use uint8

// The uses. UnknownUse is that nobody looked, or not for long enough yet.
const (
	UnknownUse Use = iota
	Present        // watched for as long as was asked for, and never used
	InUse          // executed, mapped or opened
)

// Context is what is known of a workload that runs an image. What is not known
// stays Unknown, and never counts as no.
type Context struct {
	// Exposed says whether somebody on the internet can connect to the workload, and
	// ExposedBy how, as "Service shop/web of type LoadBalancer".
	Exposed   Answer
	ExposedBy string
	// Privileged says whether who takes over the container has more than a container:
	// the node, its kernel or its files. PrivilegedBy says by what, as "container web
	// is privileged".
	Privileged   Answer
	PrivilegedBy string
	// Uses are those of the packages, by their index. Nil when nobody looked.
	Uses []Use
}

// Weights of what is known of a workload. Something that is never used stays in the
// list: it is only later in it.
const (
	weightExposed    = 10
	weightPrivileged = 8
	weightInUse      = 10
	weightPresent    = -10
)

// InContext returns the matches as they rank in a workload, in the order of
// [Result.Matches], each with the reasons why. All of them are there, and those given
// are not changed. Calling it with what it returned counts twice.
func InContext(matches []Match, c *Context) []Match {
	out := slices.Clone(matches)
	for i := range out {
		out[i].place(c)
	}
	slices.SortFunc(out, func(a, b Match) int {
		return cmp.Or(a.Package-b.Package, b.Priority-a.Priority, strings.Compare(a.ID, b.ID))
	})
	return out
}

// place gives a match its rank and reasons in a workload.
func (x *Match) place(c *Context) {
	say := slices.Clone(x.notes)
	switch c.Exposed {
	case Yes:
		x.Priority += weightExposed
		say = append(say, "reachable from the internet"+by(c.ExposedBy))
	case No:
		say = append(say, "not reachable from the internet")
	default:
		say = append(say, "not known whether it is reachable from the internet")
	}
	switch c.Privileged {
	case Yes:
		x.Priority += weightPrivileged
		say = append(say, "in a workload that can take over its node"+by(c.PrivilegedBy))
	case Unknown:
		say = append(say, "not known whether its workload can take over the node")
	}
	use := UnknownUse
	if x.Package < len(c.Uses) {
		use = c.Uses[x.Package]
	}
	switch use {
	case InUse:
		x.Priority += weightInUse
		say = append(say, "in use")
	case Present:
		x.Priority += weightPresent
		say = append(say, "present, and never used while it was watched")
	default:
		say = append(say, "not known whether it is used")
	}
	x.notes = say
}

// NoteUse ranks the matches of packages higher that are in use, and says by whom: used has
// their indexes. Of others it is not known, and they stay as they are.
func (r *Result) NoteUse(used map[int]string) {
	for i := range r.Matches {
		x := &r.Matches[i]
		if who, ok := used[x.Package]; ok {
			x.Priority += weightInUse
			x.notes = append(slices.Clone(x.notes), "in use"+by(who))
		}
	}
}

func by(what string) string {
	if what == "" {
		return ""
	}
	return " (" + what + ")"
}
