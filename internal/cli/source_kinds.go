package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
)

// kindsOf reports the kinds that the user's own rules name, and those of their
// parameters. A rule about whatever there is names none: to read all of a cluster
// is more than anybody wants.
func kindsOf(rules []*policy.Rule) func(kind model.GroupKind, plural string) bool {
	return func(gk model.GroupKind, plural string) bool {
		return slices.ContainsFunc(rules, func(r *policy.Rule) bool { return !r.Builtin && names(r, gk, plural) })
	}
}

// names reports whether a rule is about a kind that it, or its binding, does not
// leave wholly open.
func names(r *policy.Rule, gk model.GroupKind, plural string) bool {
	if slices.Contains(r.Match.Kinds, gk) || r.ParamRef != nil && r.ParamRef.Kind == gk {
		return true
	}
	about, named := included(&r.Match, gk.Group, plural)
	return about && named
}

// included reports whether the resource rules of a native policy and its binding
// select a resource, and whether they do so by its name or its group's.
func included(m *policy.Match, group, plural string) (about, named bool) {
	for _, rule := range m.Include {
		if rule.Selects(group, plural) {
			about = true
			named = named || !slices.Contains(rule.Groups, "*") || slices.ContainsFunc(rule.Resources, func(s string) bool { return !strings.HasPrefix(s, "*") })
		}
	}
	if m.Bound == nil || len(m.Bound.Include) == 0 {
		return about, named
	}
	bound, boundNamed := included(m.Bound, group, plural)
	return about && bound, named || boundNamed
}

// unread returns the problems of rules about kinds that the cluster has and that
// were not read, as far as no other problem tells: without them a rule that saw
// nothing looks like one that passed.
func unread(rules []*policy.Rule, gaps []model.Gap) []model.Problem {
	var problems []model.Problem
	open := map[string][]string{} // what rules about everything did not see
	for i := range gaps {
		gap := &gaps[i]
		if gap.Told {
			continue
		}
		var ids []string
		for _, r := range rules {
			switch {
			case gap.Kind.Kind == "" && namesGroup(r, gap.Kind.Group), gap.Kind.Kind != "" && names(r, gap.Kind, pluralOf(gap)):
				ids = append(ids, r.ID)
			case gap.Kind.Kind != "":
				if about, _ := included(&r.Match, gap.Kind.Group, pluralOf(gap)); about && !slices.Contains(open[r.ID], gap.Kind.String()) {
					open[r.ID] = append(open[r.ID], gap.Kind.String())
				}
			}
		}
		if len(ids) > 0 {
			slices.Sort(ids)
			problems = append(problems, model.Problem{
				Reason: gap.Reason + ", and not judged by " + strings.Join(slices.Compact(ids), ", "),
				Hint:   "read the cluster again with the same rules; a saved one holds what the rules of its time asked for",
			})
		}
	}
	var wide []model.Problem
	for id, kinds := range open {
		wide = append(wide, model.Problem{
			Reason: fmt.Sprintf("%s is about whatever there is, and %s of the cluster are not read, such as %s", id, counted(len(kinds), "kind"), kinds[0]),
			Hint:   "name the API groups or the resources that it is about",
		})
	}
	slices.SortFunc(wide, func(a, b model.Problem) int { return cmp.Compare(a.Reason, b.Reason) })
	return append(problems, wide...)
}

func pluralOf(gap *model.Gap) string { return cmp.Or(gap.Resource, gap.Kind.Plural()) }

// namesGroup reports whether a rule names an API group, whose kinds are unknown.
func namesGroup(r *policy.Rule, group string) bool {
	return slices.ContainsFunc(r.Match.Kinds, func(gk model.GroupKind) bool { return gk.Group == group }) ||
		r.ParamRef != nil && r.ParamRef.Kind.Group == group ||
		slices.ContainsFunc(r.Match.Include, func(m policy.ResourceRule) bool { return slices.Contains(m.Groups, group) })
}
