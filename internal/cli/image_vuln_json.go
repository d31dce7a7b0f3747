package cli

import (
	"time"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/vuln"
)

// vulnerabilityJSON is one vulnerability of one package.
type vulnerabilityJSON struct {
	Package   int            `json:"package"` // index into packages
	ID        string         `json:"id"`
	Aliases   []string       `json:"aliases"`
	Severity  string         `json:"severity"`
	Score     float64        `json:"score,omitempty"`
	State     string         `json:"state"`
	Fixed     string         `json:"fixed,omitempty"`
	Priority  int            `json:"priority"`
	Reasons   []string       `json:"reasons"`
	Said      *saidJSON      `json:"vex,omitempty"`       // what a VEX statement says of it
	Exception *exceptionJSON `json:"exception,omitempty"` // that accepts it
	// Life is absent when the store does not know of it.
	Life *lifeJSON `json:"life,omitempty"`
}

type saidJSON struct {
	Status        string `json:"status"`
	Justification string `json:"justification,omitempty"`
	By            string `json:"by,omitempty"`
	Source        string `json:"source"`
}

type exceptionJSON struct {
	ID      string `json:"id"`
	Owner   string `json:"owner"`
	Reason  string `json:"reason"`
	Expires string `json:"expires"`
}

type vulnerabilitiesJSON struct {
	// Count is how many vulnerabilities Found has when one of a package that lies in
	// several places counts once, as it does in text and for --fail-on.
	Count     int                 `json:"count"`
	Found     []vulnerabilityJSON `json:"found"`
	Failing   *int                `json:"failing"`   // how many --fail-on asks for; null without it
	NotShown  int                 `json:"notShown"`  // that --only-fixable leaves out of found
	RuledOut  []ruledJSON         `json:"ruledOut"`  // that sources report and that do not count
	Undecided []undecidedJSON     `json:"undecided"` // advisories of which it could not be told whether they apply
	NoData    []string            `json:"noData"`    // ecosystems on which there are no advisories
	// NotMatched are packages of which the version or the group is not known, or that are in no registry: indexes into packages.
	NotMatched []int         `json:"notMatched"`
	Feeds      []feedAgeJSON `json:"feeds"`
	Upgrades   []upgradeJSON `json:"upgrades"` // the one that mends most first
	// VEXWithoutEffect are statements that changed nothing, and why.
	VEXWithoutEffect []string        `json:"vexWithoutEffect"`
	Expired          []exceptionJSON `json:"exceptionsExpired"` // that would cover something found
	Unused           []exceptionJSON `json:"exceptionsUnused"`  // that are about the image and cover nothing found
}

type undecidedJSON struct {
	Package int    `json:"package"`
	ID      string `json:"id"`
	Why     string `json:"why"`
}

type ruledJSON struct {
	undecidedJSON
	Severity string    `json:"severity,omitempty"` // where a VEX statement rules it out
	Said     *saidJSON `json:"vex,omitempty"`
}

type upgradeJSON struct {
	Ecosystem string   `json:"ecosystem"`
	Name      string   `json:"name"`
	From      []string `json:"from"`
	To        string   `json:"to"`
	OwnedBy   string   `json:"ownedBy,omitempty"` // the distribution's package to upgrade, which brings it
	Layer     int      `json:"layer,omitempty"`   // from 1
	InBase    *bool    `json:"inBase"`            // whether that layer is of the base image; null when not known
	Packages  []int    `json:"packages"`
	Mends     []string `json:"mends"`
	Exploited int      `json:"exploited"`
	Left      int      `json:"left"`            // vulnerabilities of these packages that it does not mend
	Comes     []string `json:"comes,omitempty"` // vulnerabilities that it has and these packages do not
}

type feedAgeJSON struct {
	Feed    string    `json:"feed"`
	Checked time.Time `json:"checked"` // when it was last seen to be as it is in the database
	// Newest is the time of its newest record; null when its records have none.
	Newest  *time.Time `json:"newestRecord"`
	NotRead int        `json:"notRead"` // records that could not be read, and are not in the database
}

func newFeedAgesJSON(feeds []advisory.Provenance) []feedAgeJSON {
	out := make([]feedAgeJSON, len(feeds))
	for i, f := range feeds {
		out[i] = feedAgeJSON{f.Feed, f.Fetched, utc(f.Newest), f.Unread}
	}
	return out
}

func newSaidJSON(s *vuln.Statement) *saidJSON {
	if s == nil {
		return nil
	}
	return &saidJSON{string(s.Status), s.Justification, s.By, s.Source}
}

func newExceptionJSON(e *model.Exception) *exceptionJSON {
	if e == nil {
		return nil
	}
	return &exceptionJSON{e.ID, e.Owner, e.Reason, e.Expires.Format(time.DateOnly)}
}

// newVulnerabilitiesJSON gives nil when there is no database.
func newVulnerabilitiesJSON(r *imageAnswer) *vulnerabilitiesJSON {
	v := r.Vulnerabilities
	if v == nil {
		return nil
	}
	j := &vulnerabilitiesJSON{
		Count: len(r.Distinct(r.shown())), Found: []vulnerabilityJSON{}, NotShown: r.hidden, RuledOut: []ruledJSON{}, Undecided: []undecidedJSON{}, NoData: listOf(v.NoData), NotMatched: notIdentified(r.Image.Packages), Feeds: newFeedAgesJSON(r.Feeds),
		Upgrades: []upgradeJSON{}, VEXWithoutEffect: listOf(r.idle), Expired: exceptionsJSON(r.expired), Unused: exceptionsJSON(r.unused),
	}
	if r.asked != "" {
		j.Failing = &r.failing
	}
	for i := range v.Matches {
		if m := &v.Matches[i]; !r.onlyFixable || m.State == vuln.FixAvailable {
			j.Found = append(j.Found, vulnerabilityJSON{
				m.Package, m.ID, listOf(m.Aliases), m.Severity.Level.String(), m.Severity.Score, string(m.State), m.Fixed, m.Priority, listOf(m.Reasons()), newSaidJSON(m.Said), newExceptionJSON(m.Exception), r.life.json(m),
			})
		}
	}
	for i := range v.RuledOut {
		x := &v.RuledOut[i]
		ruled := ruledJSON{undecidedJSON: undecidedJSON{x.Package, x.ID, x.Why}, Said: newSaidJSON(x.Said)}
		if x.Match != nil {
			ruled.Severity = x.Match.Severity.Level.String()
		}
		j.RuledOut = append(j.RuledOut, ruled)
	}
	for _, u := range v.Undecided {
		j.Undecided = append(j.Undecided, undecidedJSON{u.Package, u.ID, u.Why})
	}
	for _, u := range r.Upgrades() {
		owner := ""
		if u.Owner >= 0 {
			owner = r.Image.Packages[u.Owner].Name
		}
		j.Upgrades = append(j.Upgrades, upgradeJSON{u.Ecosystem, u.Name, u.From, u.To, owner, u.Layer + 1, inBase(&r.Image.Base, u.Layer), u.Packages, u.Mends, u.Exploited, u.Left, u.Comes})
	}
	return j
}
