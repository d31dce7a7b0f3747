package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/store"
	"ullage.dev/ullage/internal/vuln"
)

// lifeView is what is told of the findings of an image over time.
type lifeView struct {
	policy *lifePolicy
	memory *scan.Memory // nil: nothing is known
	now    time.Time
	index  map[matchKey]int
}

type matchKey struct {
	pkg int
	id  string
}

func newLifeView(r *scan.Result, policy *lifePolicy, now time.Time) *lifeView {
	v := &lifeView{policy: policy, memory: r.Memory, now: now, index: map[matchKey]int{}}
	if r.Vulnerabilities != nil && v.memory != nil {
		for i := range r.Vulnerabilities.Matches {
			m := &r.Vulnerabilities.Matches[i]
			v.index[matchKey{m.Package, m.ID}] = i
		}
	}
	return v
}

func (v *lifeView) of(m *vuln.Match) (store.Life, bool) {
	if v == nil {
		return store.Life{}, false
	}
	i, ok := v.index[matchKey{m.Package, m.ID}]
	if !ok || i >= len(v.memory.Lives) {
		return store.Life{}, false
	}
	return v.memory.Lives[i], true
}

// reasons says since when a match is known, if that was before today, and when it
// is due.
func (v *lifeView) reasons(m *vuln.Match) []string {
	life, ok := v.of(m)
	if !ok {
		return nil
	}
	var list []string
	if v.now.Sub(life.Since) >= 24*time.Hour {
		list = append(list, "known since "+life.Since.UTC().Format(time.DateOnly))
	}
	if due, ok := v.policy.until(m.Severity.Level.String(), life); ok {
		list = append(list, dueText(due, v.now))
	}
	return list
}

func dueText(due, now time.Time) string {
	if now.After(due) {
		return "OVERDUE since " + due.UTC().Format(time.DateOnly)
	}
	return "due " + due.UTC().Format(time.DateOnly)
}

// overdue counts the matches that are due before now, and that no exception covers.
func (v *lifeView) overdue(found *vuln.Result) int {
	n := 0
	for i := range found.Matches {
		m := &found.Matches[i]
		life, ok := v.of(m)
		ok = ok && m.Exception == nil
		if due, isDue := v.policy.until(m.Severity.Level.String(), life); ok && isDue && v.now.After(due) {
			n++
		}
	}
	return n
}

// life tells what is different from the last time, and who is to mend what is due.
func (p *imagePrinter) life(r *imageAnswer) {
	v := r.life
	if v == nil || v.memory == nil || r.Vulnerabilities == nil {
		return
	}
	if c := &v.memory.Change; !c.First && !c.Empty() {
		p.painted("since last time", changeText(c), yellow)
	}
	owner := v.policy.owner(v.memory.Reference)
	switch n := v.overdue(r.Vulnerabilities); {
	case n > 0:
		text := fmt.Sprintf("%d", n)
		if owner != "" {
			text += ", for " + owner + " to mend"
		}
		p.painted("overdue", text, red)
	case owner != "":
		p.entry("owner", owner)
	}
}

func changeText(c *store.Change) string {
	var parts []string
	for _, x := range []struct {
		list []store.Finding
		what string
	}{{c.New, "new"}, {c.Fixes, "got a fix"}, {c.Unfixed, "lost the fix"}, {c.Gone, "no longer reported"}} {
		if len(x.list) == 0 {
			continue
		}
		var ids []string
		for _, f := range x.list {
			ids = append(ids, f.Vulnerability)
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		text := fmt.Sprintf("%d %s", len(x.list), x.what)
		if len(ids) > 5 {
			ids = append(slices.Clip(ids[:5]), "...")
		}
		parts = append(parts, text+" ("+strings.Join(ids, ", ")+")")
	}
	return strings.Join(parts, "; ")
}

// lifeJSON is what is known of a vulnerability over time.
type lifeJSON struct {
	Since    time.Time  `json:"since"`
	FixSince *time.Time `json:"fixSince,omitempty"`
	Due      *time.Time `json:"due,omitempty"`
	Overdue  bool       `json:"overdue,omitempty"`
}

// json is nil when nothing is known.
func (v *lifeView) json(m *vuln.Match) *lifeJSON {
	life, ok := v.of(m)
	if !ok {
		return nil
	}
	j := &lifeJSON{Since: life.Since.UTC(), FixSince: utc(life.FixSince)}
	if due, ok := v.policy.until(m.Severity.Level.String(), life); ok {
		j.Due, j.Overdue = utc(due), v.now.After(due)
	}
	return j
}
