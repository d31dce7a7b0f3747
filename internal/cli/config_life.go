package cli

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"ullage.dev/ullage/internal/store"
	"ullage.dev/ullage/internal/tree"
)

// lifePolicy says until when vulnerabilities are to be mended, and by whom.
type lifePolicy struct {
	due    map[string]int // days, by severity
	owners []imageOwner   // the first that fits counts
}

type imageOwner struct {
	images []string // patterns, in which * stands for anything
	owner  string
}

var severities = []string{"critical", "high", "medium", "low", "negligible", "unknown"}

// read takes the field vulnerabilities of a configuration.
func (l *lifePolicy) read(d *tree.Decoder) func(*tree.Node) {
	return func(n *tree.Node) {
		d.Fields(n, map[string]func(*tree.Node){
			"due": func(n *tree.Node) { l.readDue(d, n) },
			"owners": func(n *tree.Node) {
				d.Each(n, func(item *tree.Node) {
					var o imageOwner
					d.Fields(item, map[string]func(*tree.Node){"images": d.Texts(&o.images), "owner": d.Text(&o.owner)})
					if o.owner == "" || len(o.images) == 0 {
						d.Fail(item, "owners: name images and an owner")
					}
					l.owners = append(l.owners, o)
				})
			},
		})
	}
}

func (l *lifePolicy) readDue(d *tree.Decoder, n *tree.Node) {
	l.due = map[string]int{}
	readers := map[string]func(*tree.Node){}
	for _, severity := range severities {
		readers[severity] = func(n *tree.Node) {
			text := ""
			d.Text(&text)(n)
			days, ok := parseDays(text)
			if !ok && n.Is(tree.String) {
				d.Fail(n, "due: %q is not a number of days or weeks, such as 7d or 2w", text)
			}
			l.due[severity] = days
		}
	}
	d.Fields(n, readers)
}

// parseDays reads 7d or 2w.
func parseDays(text string) (int, bool) {
	number, unit := strings.TrimRight(text, "dw"), 1
	if strings.HasSuffix(text, "w") {
		unit = 7
	}
	days, err := strconv.Atoi(number)
	return days * unit, err == nil && len(text) == len(number)+1 && days >= 0 && days <= 10_000
}

// until says when a finding is due: so many days after it was both seen and could
// be mended. One that nothing mends is not due.
func (l *lifePolicy) until(severity string, life store.Life) (time.Time, bool) {
	days, ok := l.due[severity]
	if !ok || life.FixSince.IsZero() {
		return time.Time{}, false
	}
	start := life.Since
	if life.FixSince.After(start) {
		start = life.FixSince
	}
	return start.AddDate(0, 0, days), true
}

// owner returns who answers for an image, "" when nobody does.
func (l *lifePolicy) owner(reference string) string {
	names := placeNames(reference)
	for _, o := range l.owners {
		for _, pattern := range o.images {
			if slices.ContainsFunc(names, func(name string) bool { return matchesPattern(pattern, name) }) {
				return o.owner
			}
		}
	}
	return ""
}

// matchesPattern says whether a text fits a pattern in which * stands for anything.
func matchesPattern(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	last := parts[len(parts)-1]
	if !ok || !strings.HasSuffix(text, last) {
		return false
	}
	text = strings.TrimSuffix(text, last)
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return true
}

// inOrder lists counts by severity, the worst first.
func inOrder(counts map[string]int) string {
	var parts []string
	for _, severity := range severities {
		if counts[severity] > 0 {
			parts = append(parts, strconv.Itoa(counts[severity])+" "+severity)
		}
	}
	for _, other := range slices.Sorted(maps.Keys(counts)) {
		if !slices.Contains(severities, other) {
			parts = append(parts, strconv.Itoa(counts[other])+" "+other)
		}
	}
	return strings.Join(parts, ", ")
}
