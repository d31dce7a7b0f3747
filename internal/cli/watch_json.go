package cli

import (
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/sensor"
)

// containerJSON is a container in the lines of ullage watch -o json.
type containerJSON struct {
	Host      bool       `json:"host,omitempty"`
	ID        string     `json:"id,omitempty"`
	Runtime   string     `json:"runtime,omitempty"`
	Name      string     `json:"name,omitempty"`
	Image     string     `json:"image,omitempty"`
	Namespace string     `json:"namespace,omitempty"`
	Pod       string     `json:"pod,omitempty"`
	PodUID    string     `json:"podUID,omitempty"`
	Group     string     `json:"controlGroup,omitempty"`
	Created   *time.Time `json:"created,omitempty"` // absent: before the watch
	Removed   *time.Time `json:"removed,omitempty"`
}

type eventJSON struct {
	Version   int               `json:"version"`
	Event     sensor.EventKind  `json:"event"`
	At        time.Time         `json:"at"`
	Container containerJSON     `json:"container"`
	Fact      *behavior.Fact    `json:"fact,omitempty"`
	First     *time.Time        `json:"first,omitempty"`
	Last      *time.Time        `json:"last,omitempty"`
	PID       uint32            `json:"pid,omitempty"`
	Escaped   bool              `json:"escaped,omitempty"`
	Policy    string            `json:"policy,omitempty"` // that does not allow it; the fact's outcome says what became of it
	Ancestors []sensor.Ancestor `json:"ancestors,omitempty"`
	Rules     []brokenRuleJSON  `json:"rules,omitempty"` // of an alert, the most severe first
	Lost      *sensor.Losses    `json:"lost,omitempty"`
}

// brokenRuleJSON is a rule by which something is an alert.
type brokenRuleJSON struct {
	ID          string   `json:"id"`
	Title       string   `json:"title"`
	Severity    string   `json:"severity"`
	Message     string   `json:"message"`
	Attack      []string `json:"attack,omitempty"`
	Remediation string   `json:"remediation"`
}

func watchJSON(e *sensor.Event) *eventJSON {
	c := e.Container
	j := &eventJSON{Version: 1, Event: e.Kind, At: e.At.UTC(), PID: e.PID, Escaped: e.Escaped, Ancestors: e.Ancestors}
	j.Container = containerJSON{c.Host, c.ID, c.Runtime, c.Name, c.Image, c.Namespace, c.Pod, c.PodUID, c.Path, someTime(c.Created), someTime(c.Removed)}
	switch e.Kind {
	case sensor.Did:
		j.Fact, j.First, j.Last = &e.Fact, someTime(e.First), someTime(e.Last)
	case sensor.Alerted:
		j.Fact, j.Policy = &e.Fact, e.Policy
	case sensor.Ended:
		j.Lost = &e.Lost
	}
	return j
}

// alertJSON is an alert; its event is that of whoever saw it.
func alertJSON(e *sensor.Event, a *alert) *eventJSON {
	j := watchJSON(e)
	j.Event, j.Fact, j.First, j.Last, j.Policy = sensor.Alerted, &a.fact, nil, nil, ""
	for _, f := range a.findings {
		j.Rules = append(j.Rules, brokenRuleJSON{f.Rule.ID, f.Rule.Title, f.Rule.Severity.String(), f.Message, f.Rule.Attack, f.Rule.Remediation})
	}
	return j
}

func someTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// tierJSON is one of the ways to watch.
type tierJSON struct {
	Tier   behavior.Tier `json:"tier"`
	Active bool          `json:"active"`
	Reason string        `json:"reason"`
}

// tierListJSON is what ullage watch --tiers prints and, as an event, the first line of a watch.
type tierListJSON struct {
	Version int        `json:"version"`
	Event   string     `json:"event,omitempty"`
	At      *time.Time `json:"at,omitempty"`
	Tiers   []tierJSON `json:"tiers"`
}

func tiersJSON(tiers []sensor.TierState) *tierListJSON {
	j := &tierListJSON{Version: 1}
	for _, t := range tiers {
		j.Tiers = append(j.Tiers, tierJSON(t))
	}
	return j
}

// watchBeginJSON is the first line.
func watchBeginJSON(tiers []sensor.TierState) *tierListJSON {
	j := tiersJSON(tiers)
	j.Event, j.At = "watching", someTime(time.Now())
	return j
}

// watchCoverageJSON is the last line.
func watchCoverageJSON(c *sensor.Coverage) any {
	return struct {
		Version   int              `json:"version"`
		Event     string           `json:"event"`
		Session   string           `json:"session"`
		From      time.Time        `json:"from"`
		To        time.Time        `json:"to"`
		Tier      behavior.Tier    `json:"tier"`
		Kinds     behavior.KindSet `json:"kinds"`
		Lost      sensor.Losses    `json:"lost"`
		LateHints uint64           `json:"lateHints"`
		Unnamed   uint64           `json:"unnamed"`
	}{1, "coverage", c.Session, c.From.UTC(), c.To.UTC(), c.Tier, c.Kinds, c.Lost, c.LateHints, c.Unnamed}
}
