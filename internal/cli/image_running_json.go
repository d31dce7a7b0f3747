package cli

import (
	"time"

	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/store"
)

// The JSON form of ullage image running, as docs/vulnerabilities.md describes it.

type runningJSON struct {
	Version  int                `json:"version"`
	Clusters []lookJSON         `json:"clusters"`
	Images   []runningImageJSON `json:"images"`
	Unread   []runJSON          `json:"unread"` // what runs and is not in the store
	Gone     []goneJSON         `json:"gone"`
	Open     []openRunJSON      `json:"open"`
	Silent   []runJSON          `json:"silent,omitempty"` // containers that do not say which image they have
	leftoverJSON
}

type lookJSON struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	Gap  string    `json:"gap,omitempty"`
}

type runJSON struct {
	Cluster    string     `json:"cluster,omitempty"`
	Workload   string     `json:"workload"`
	Container  string     `json:"container"`
	Reference  string     `json:"reference"`
	Digest     string     `json:"digest,omitempty"`
	Platform   string     `json:"platform,omitempty"`
	Containers int        `json:"containers"`
	First      *time.Time `json:"firstSeen,omitempty"`
	Last       *time.Time `json:"lastSeen,omitempty"`
	Gone       *time.Time `json:"gone,omitempty"`
}

type runningImageJSON struct {
	Config     string               `json:"config"`
	Platform   string               `json:"platform"`
	References []string             `json:"references"`
	Unjudged   string               `json:"unjudged,omitempty"`
	Runs       []runJSON            `json:"runs"`
	Found      []runningFindingJSON `json:"found"` // null when it was never held against advisories
}

type runningFindingJSON struct {
	storedFindingJSON
	Since    time.Time  `json:"since"`
	FixSince *time.Time `json:"fixSince,omitempty"`
	FixedIn  string     `json:"fixedIn,omitempty"` // the image that fixedAs leads to, and that is not rolled out here
	FixedAs  string     `json:"fixedAs,omitempty"`
	FixedAt  *time.Time `json:"fixedAt,omitempty"`
	Due      *time.Time `json:"due,omitempty"`
	Overdue  bool       `json:"overdue,omitempty"`
}

type goneJSON struct {
	storedFindingJSON
	From runJSON `json:"from"`
}

type openRunJSON struct {
	Run      runJSON             `json:"run"`
	Findings []storedFindingJSON `json:"findings"`
}

func newRunJSON(r *store.Ran) runJSON {
	return runJSON{r.Cluster, r.Workload, r.Container, r.Reference, r.Digest, r.Platform, r.Containers, utc(r.First), utc(r.Last), utc(r.Gone)}
}

func newRunsJSON(runs []store.Ran) []runJSON {
	out := make([]runJSON, len(runs))
	for i := range runs {
		out[i] = newRunJSON(&runs[i])
	}
	return out
}

func newRunningJSON(r *runningView, now *scan.Running) *runningJSON {
	out := &runningJSON{Version: 1, Clusters: newLooksJSON(r.Looks), Images: []runningImageJSON{}, Unread: newRunsJSON(r.Unread), Gone: []goneJSON{}, Open: []openRunJSON{}, leftoverJSON: newLeftoverJSON(r.decider)}
	for i := range r.Images {
		m := &r.Images[i]
		j := runningImageJSON{Config: m.Config, Platform: m.Platform, References: listOf(m.References), Unjudged: m.Unjudged, Runs: newRunsJSON(m.Runs)}
		if m.Matched {
			j.Found = []runningFindingJSON{}
		}
		for k := range m.Findings {
			f := &m.Findings[k]
			x := runningFindingJSON{storedFindingJSON: decidedFindingsJSON([]store.Finding{f.Finding}, r.decided[m.Config])[0], Since: f.Since.UTC(), FixSince: utc(f.FixSince),
				FixedIn: f.FixedIn, FixedAs: f.FixedAs, FixedAt: utc(f.FixedAt), Overdue: r.overdue(m, f)}
			if due, ok := r.life.until(f.Severity, f.Life); ok && x.Decided == "" {
				x.Due = utc(due)
			}
			j.Found = append(j.Found, x)
		}
		out.Images = append(out.Images, j)
	}
	for i := range r.Gone {
		out.Gone = append(out.Gone, goneJSON{storedFindingsJSON([]store.Finding{r.Gone[i].Finding})[0], newRunJSON(&r.Gone[i].From)})
	}
	for i := range r.Open {
		out.Open = append(out.Open, openRunJSON{newRunJSON(&r.Open[i].Run), storedFindingsJSON(r.Open[i].Findings)})
	}
	if now != nil {
		for i := range now.Silent {
			out.Silent = append(out.Silent, newRunJSON(&store.Ran{Run: now.Silent[i]}))
		}
	}
	return out
}

func newLooksJSON(looks []store.Looked) []lookJSON {
	out := make([]lookJSON, len(looks))
	for i, l := range looks {
		out[i] = lookJSON{l.Name, l.At.UTC(), l.Gap}
	}
	return out
}
