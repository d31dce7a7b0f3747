package cli

import (
	"time"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/model"
)

// The JSON form of the answer of ullage access unused.

type usageJSON struct {
	Version     int            `json:"version"`
	Log         logJSON        `json:"log"`
	Grants      []grantUseJSON `json:"grants"`
	Narrowed    []narrowedJSON `json:"narrowed"`
	Trial       trialJSON      `json:"trial"`
	Refused     []refusalJSON  `json:"refused"`
	MoreRefused int            `json:"moreRefused,omitempty"`
	Unexplained []refusalJSON  `json:"unexplained"`
}

type logJSON struct {
	From    time.Time     `json:"from"`
	To      time.Time     `json:"to"`
	Days    behavior.Days `json:"days"`
	Events  int           `json:"events"`
	Unread  int           `json:"unread"`
	Reviews int           `json:"reviews"`
	Hidden  int           `json:"reviewsWithoutContent"`
	Policy  bool          `json:"auditPolicyRead"` // false: what it leaves out of the log looks unused
}

type grantUseJSON struct {
	Subject string         `json:"subject"`
	System  bool           `json:"system"`
	Binding bindingJSON    `json:"binding"`
	Role    roleJSON       `json:"role"`
	Rights  []rightUseJSON `json:"rights"`
}

type rightUseJSON struct {
	Verb     string       `json:"verb"`
	Group    string       `json:"group"`
	Resource string       `json:"resource,omitempty"`
	URL      string       `json:"url,omitempty"`
	Names    []string     `json:"resourceNames,omitempty"`
	State    usedState    `json:"state"`
	Why      string       `json:"why,omitempty"` // that it, or the rest of it, is not known to be unused
	Used     []usedJSON   `json:"used,omitempty"`
	Place    *model.Place `json:"place,omitempty"` // of its rule
}

type usedJSON struct {
	requestJSON
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Names []string  `json:"names,omitempty"` // of objects, the first few
	More  bool      `json:"moreNames,omitempty"`
}

type narrowedJSON struct {
	Key       string         `json:"object"`
	InsteadOf string         `json:"insteadOf,omitempty"` // the role of Kubernetes that a binding gave
	Remove    bool           `json:"remove,omitempty"`    // the binding: nothing of it was used
	Rights    int            `json:"rights"`
	Gone      int            `json:"gone"`
	Rules     []narrowedRule `json:"rules"`
}

type narrowedRule struct {
	Groups    []string `json:"apiGroups,omitempty"`
	Resources []string `json:"resources,omitempty"`
	Names     []string `json:"resourceNames,omitempty"`
	URLs      []string `json:"nonResourceURLs,omitempty"`
	Verbs     []string `json:"verbs"`
}

type trialJSON struct {
	Requests int `json:"requests"` // different ones, all of which stay allowed
	Before   int `json:"dangerousRightsBefore"`
	After    int `json:"dangerousRightsAfter"`
}

type refusalJSON struct {
	Subject string `json:"subject"`
	requestJSON
}

func newUsageJSON(r *usageReport) *usageJSON {
	c := &r.coverage
	j := &usageJSON{
		Version: 1, Log: logJSON{c.From.UTC(), c.To.UTC(), c.Days, c.Events, c.Unread, c.Reviews, c.Hidden, r.policy},
		Grants: []grantUseJSON{}, Narrowed: []narrowedJSON{}, Refused: []refusalJSON{}, Unexplained: []refusalJSON{},
		Trial: trialJSON{r.trial.requests, r.trial.before, r.trial.after}, MoreRefused: r.more,
	}
	for i := range r.grants {
		j.Grants = append(j.Grants, newGrantUseJSON(&r.grants[i]))
	}
	for i := range r.narrowed {
		n := &r.narrowed[i]
		one := narrowedJSON{Key: n.Key().String(), Rights: n.Had, Gone: n.Gone, Rules: []narrowedRule{}}
		if n.Binding != nil {
			one.InsteadOf = n.Role.Name
			if len(n.Rules) == 0 {
				one.Key, one.Remove = n.Binding.Object().Key.String(), true
			}
		}
		for _, rule := range n.Rules {
			one.Rules = append(one.Rules, narrowedRule(rule))
		}
		j.Narrowed = append(j.Narrowed, one)
	}
	for _, no := range r.refused {
		j.Refused = append(j.Refused, refusalJSON{no.By.String(), asRequest(&no.Request)})
	}
	for s, used := range r.usage.Unexplained() {
		j.Unexplained = append(j.Unexplained, refusalJSON{s.String(), asRequest(&used.Request)})
	}
	return j
}

func newGrantUseJSON(g *grantReport) grantUseJSON {
	j := grantUseJSON{Subject: g.Subject.String(), System: g.Subject.System(), Binding: asBinding(g.Binding), Role: asRole(g.Binding), Rights: []rightUseJSON{}}
	for i := range g.Rights {
		r := &g.Rights[i]
		right := rightUseJSON{Verb: r.Verb, Group: r.Group, Resource: r.Resource, URL: r.URL, Names: r.Names, State: g.States[i].State, Why: g.States[i].Why, Place: rulePlace(r.Source, r.Rule)}
		for _, used := range r.Used {
			right.Used = append(right.Used, newUsedJSON(used))
		}
		j.Rights = append(j.Rights, right)
	}
	return j
}

func newUsedJSON(u *access.Used) usedJSON {
	return usedJSON{asRequest(&u.Request), u.First.UTC(), u.Last.UTC(), u.Names, u.More}
}
