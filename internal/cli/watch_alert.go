package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/detect"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/sensor"
)

// behaviorRules say by which rules what containers do is judged.
type behaviorRules struct {
	profile, config string
	rules           []word
	exceptions      []string
}

func (r *behaviorRules) flags(flags *pflag.FlagSet) {
	flags.StringVar(&r.profile, "profile", "", "rules to judge by, as for ullage check (default recommended)")
	wordsVar(flags, &r.rules, "rule", "use only these rules")
	flags.StringArrayVar(&r.exceptions, "exceptions", nil, "a file of exceptions; may be repeated")
	flags.StringVar(&r.config, "config", "", "configuration file (default .ullage.yaml here or above)")
}

// plan is what the flags and the configuration come to; c has the flags that are no
// rules'.
func (r *behaviorRules) plan(ctx context.Context, p *Program, c checkFlags, now time.Time) (*plan, error) {
	c.configPath, c.behavior = r.config, true
	c.rules = r.rules
	if r.profile != "" {
		c.profile = word{r.profile, "--profile"}
	}
	for _, path := range r.exceptions {
		c.exceptions = append(c.exceptions, word{path, "--exceptions"})
	}
	if err := c.merge(p.Getenv("HOME")); err != nil {
		return nil, err
	}
	pl, err := c.plan(ctx, now)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(pl.rules, (*policy.Rule).OfBehavior) {
		return nil, errors.New("none of these rules judges what containers do: ullage policy list names those that do, ullage policy show says of one what it judges")
	}
	for _, problem := range pl.problems {
		return nil, fmt.Errorf("exceptions: %s", problem)
	}
	return pl, nil
}

// alarm makes the one that judges by these rules.
func (r *behaviorRules) alarm(ctx context.Context, p *Program, now time.Time) (*alarm, error) {
	pl, err := r.plan(ctx, p, checkFlags{output: "text", color: "auto"}, now)
	if err != nil {
		return nil, err
	}
	return &alarm{detector: detect.New(pl.rules, pl.settings, pl.exceptions), watched: map[*sensor.Container]*detect.Watched{}}, nil
}

// alarm judges what a sensor tells.
type alarm struct {
	detector  *detect.Detector
	watched   map[*sensor.Container]*detect.Watched
	undecided []string // why rules could not say, each once
}

// alert is a fact and the rules that it breaks, the most severe first.
type alert struct {
	fact     behavior.Fact
	findings []*model.Finding
}

// judge returns the alerts that come of an event. What runs outside of containers is
// not judged.
func (a *alarm) judge(e *sensor.Event) (alerts []alert) {
	c := e.Container
	if c.Host {
		return nil
	}
	about := detect.Context{Namespace: c.Namespace, Name: c.Label(), Image: c.Image, Escaped: e.Escaped}
	if c.Pod != "" {
		about.Name, about.Container = c.Pod, c.Name
	}
	for _, f := range a.facts(e) {
		found, unknown := a.detector.Judge(about, f)
		for _, u := range unknown {
			why := u.Reason
			if u.Rule != nil {
				why = "rule " + u.Rule.ID + ": " + why
			}
			if !slices.Contains(a.undecided, why) {
				a.undecided = append(a.undecided, why)
			}
		}
		found = slices.DeleteFunc(found, func(f *model.Finding) bool { return !f.Active() })
		slices.SortStableFunc(found, func(x, y *model.Finding) int { return cmp.Compare(y.Rule.Severity, x.Rule.Severity) })
		if len(found) > 0 {
			alerts = append(alerts, alert{f, found})
		}
	}
	return alerts
}

// facts are those to judge at an event. A program that the image does not have so is
// judged when the sensor alerts, which tells where it comes from.
func (a *alarm) facts(e *sensor.Event) []behavior.Fact {
	switch e.Kind {
	case sensor.Alerted:
		if e.Fact.Kind != behavior.Execute { // judged when it was told
			return nil
		}
		return []behavior.Fact{e.Fact}
	case sensor.Ended:
		delete(a.watched, e.Container)
	case sensor.Did:
		if a.watched[e.Container] == nil {
			a.watched[e.Container] = &detect.Watched{}
		}
		facts := a.watched[e.Container].Add(e.Fact)
		if sensor.Alerts(&e.Fact) {
			return facts[1:]
		}
		return facts
	}
	return nil
}

// alert writes what is wrong, by whom and since whom.
func (p *watchPrinter) alert(e *sensor.Event, a *alert) error {
	at := e.At.Local().Format(time.TimeOnly)
	if p.last != e.Container {
		p.last = e.Container
		p.head(e.Container)
	}
	for i, f := range a.findings {
		verb := "ALERT"
		if i > 0 {
			at, verb = "", "and"
		}
		style := yellow
		if f.Rule.Severity >= model.High {
			style = red
		}
		p.entry(at, verb, f.Message+" ("+f.Rule.Severity.String()+", "+f.Rule.ID+")", style)
	}
	p.chain(e)
	return p.w.Flush()
}

// against writes what a policy does not allow, and whether it was denied.
func (p *watchPrinter) against(e *sensor.Event) error {
	if p.last != e.Container {
		p.last = e.Container
		p.head(e.Container)
	}
	verb := "ALERT"
	if e.Fact.Outcome == behavior.Denied {
		verb = "DENIED"
		if e.Fact.Kind == behavior.Execute {
			verb = "KILLED"
		}
	}
	did, object := deed(&e.Fact)
	p.entry(e.At.Local().Format(time.TimeOnly), verb, did+" "+object+", which policy "+e.Policy+" does not allow", red)
	p.chain(e)
	return p.w.Flush()
}

// chain writes the processes above the one that did it.
func (p *watchPrinter) chain(e *sensor.Event) {
	var chain []string
	for _, above := range e.Ancestors {
		chain = append(chain, fmt.Sprintf("%s (%d)", cmp.Or(above.Program, above.Command), above.PID))
	}
	if len(chain) > 0 {
		p.entry("", "", "process "+strconv.Itoa(int(e.PID))+", by "+strings.Join(chain, ", by "), "")
	}
}
