package vuln

import (
	"fmt"
	"slices"
	"strings"
)

// Condition says of a match whether it is one that somebody asked for. All that is
// set must hold.
type Condition struct {
	AtLeast   Level // UnknownLevel: any severity
	Unknown   bool  // nobody has said how severe it is
	Exploited bool  // known to be exploited
	Fixable   bool  // a version without it is out
}

// Words of conditions beside the severities.
const (
	wordExploited = "kev"
	wordFixable   = "fixable"
	wordAny       = "any"
)

// ParseConditions reads conditions such as "high+fixable,kev": any of those between
// commas, each with all the words between plus signs.
func ParseConditions(text string) ([]Condition, error) {
	var list []Condition
	for one := range strings.SplitSeq(text, ",") {
		var c Condition
		for word := range strings.SplitSeq(one, "+") {
			word = strings.ToLower(strings.TrimSpace(word))
			switch level := slices.Index(levelNames[:], word); {
			case level == int(UnknownLevel):
				c.Unknown = true
			case level > 0:
				c.AtLeast = Level(level)
			case word == wordExploited:
				c.Exploited = true
			case word == wordFixable:
				c.Fixable = true
			case word != wordAny:
				return nil, fmt.Errorf("%q is none of critical, high, medium, low, negligible, unknown, kev, fixable, any", word)
			}
		}
		list = append(list, c)
	}
	return list, nil
}

// NeedsCatalogue says whether it hangs on the catalogue of what is known to be exploited
// alone that a match does not meet the condition.
func (c *Condition) NeedsCatalogue(m *Match) bool {
	if !c.Exploited || m.Exploited != nil {
		return false
	}
	rest := *c
	rest.Exploited = false
	return rest.Holds(m)
}

// Holds says whether a match meets the condition. A severity that nobody has said is
// met by Unknown alone, or when no severity is asked for.
func (c *Condition) Holds(m *Match) bool {
	level := m.Severity.Level
	return (c.AtLeast == UnknownLevel || level >= c.AtLeast) && (!c.Unknown || level == UnknownLevel) &&
		(!c.Exploited || m.Exploited != nil) && (!c.Fixable || m.State == FixAvailable)
}
