package cli

import (
	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/platform"
)

// The JSON form of ullage platform, as docs/platform.md describes it.

type platformJSON struct {
	Components []componentJSON `json:"components"`
	Feeds      []feedAgeJSON   `json:"feeds"`
}

type componentJSON struct {
	Name      string              `json:"name"`
	Version   string              `json:"version"` // "" when the cluster does not say it
	System    string              `json:"system,omitempty"`
	Where     []string            `json:"where"`
	Vendor    string              `json:"vendor,omitempty"`
	Unknown   string              `json:"unknown,omitempty"` // why nothing could be found
	NoData    []string            `json:"noData"`
	Found     []componentVulnJSON `json:"found"` // null when nothing is known
	Undecided []componentOpenJSON `json:"undecided"`
}

type componentVulnJSON struct {
	ID       string   `json:"id"`
	Aliases  []string `json:"aliases"`
	Severity string   `json:"severity"`
	Score    float64  `json:"score,omitempty"`
	State    string   `json:"state"`
	Fixed    string   `json:"fixed,omitempty"`
	Priority int      `json:"priority"`
	Reasons  []string `json:"reasons"`
}

type componentOpenJSON struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

func newPlatformJSON(judged []platform.Judged, feeds []advisory.Provenance) *platformJSON {
	out := &platformJSON{Components: []componentJSON{}, Feeds: newFeedAgesJSON(feeds)}
	for i := range judged {
		j := &judged[i]
		c := componentJSON{Name: j.Name, Version: j.Version, System: j.System, Where: listOf(j.Where), Vendor: j.Vendor, Unknown: j.Unknown, NoData: listOf(j.NoData), Undecided: []componentOpenJSON{}}
		if j.Unknown == "" && len(j.NoData) == 0 {
			c.Found = []componentVulnJSON{}
		}
		for k := range j.Matches {
			m := &j.Matches[k]
			c.Found = append(c.Found, componentVulnJSON{m.ID, listOf(m.Aliases), m.Severity.Level.String(), m.Severity.Score, string(m.State), m.Fixed, m.Priority, listOf(m.Reasons())})
		}
		for _, u := range j.Undecided {
			c.Undecided = append(c.Undecided, componentOpenJSON{u.ID, u.Why})
		}
		out.Components = append(out.Components, c)
	}
	return out
}
