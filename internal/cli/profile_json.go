package cli

import (
	"time"

	"ullage.dev/ullage/internal/behavior"
)

type profilesJSON struct {
	Version  int           `json:"version"`
	Profiles []profileJSON `json:"profiles"`
}

type profileJSON struct {
	Cluster   string         `json:"cluster,omitempty"`
	Workload  string         `json:"workload"`
	Container string         `json:"container,omitempty"`
	Coverage  coverageJSON   `json:"coverage"`
	Images    []profileImage `json:"images"`
	// LearnedUntil is until when what was seen became expected; null when Lacking says
	// that too little was seen, or an approved profile says what is expected.
	LearnedUntil *time.Time `json:"learnedUntil"`
	Lacking      string     `json:"lacking,omitempty"`
	Approved     bool       `json:"approved"`
	Expected     *int       `json:"expected"` // null when too little was seen
	New          *int       `json:"new"`      // likewise
	Unclear      *int       `json:"unclear"`  // likewise; of these it is not known
	// UnusedPeers are workloads that network policies grant and that were not connected to;
	// null when that cannot be said, and Unused says why.
	UnusedPeers []string   `json:"unusedPeers"`
	Unused      string     `json:"unusedPeersUnsaid,omitempty"`
	Deeds       []deedJSON `json:"deeds,omitempty"`
	People      []deedJSON `json:"people,omitempty"`
}

type coverageJSON struct {
	Text     string           `json:"text"`
	From     *time.Time       `json:"from"` // null when nothing was watched
	To       *time.Time       `json:"to"`
	Days     int              `json:"days"`
	Replicas int              `json:"replicas"`
	Wanted   *int             `json:"wantedReplicas"` // null when not known
	Runs     int              `json:"runs"`
	Exact    bool             `json:"exact"` // else replicas, runs and what was lost are at least so many
	Gap      int64            `json:"unwatchedSeconds"`
	Lost     uint64           `json:"lost"`
	Folded   uint64           `json:"folded"`
	Tier     behavior.Tier    `json:"tier,omitempty"`
	Kinds    behavior.KindSet `json:"kinds,omitempty"` // that were looked for; absent when not known
}

type profileImage struct {
	Digest   string       `json:"digest,omitempty"`
	Coverage coverageJSON `json:"coverage"`
}

type deedJSON struct {
	behavior.Fact
	State     behavior.State   `json:"state,omitempty"`
	Text      string           `json:"text"`
	Story     string           `json:"story,omitempty"`
	Phases    []behavior.Phase `json:"phases"`
	Unsure    bool             `json:"originUnsure,omitempty"`
	Folded    bool             `json:"folded,omitempty"` // stands for several
	First     time.Time        `json:"first"`
	Last      time.Time        `json:"last"`
	Days      int              `json:"days"`
	Replicas  int              `json:"replicas"`
	Runs      int              `json:"runs,omitempty"`
	Exact     bool             `json:"exact"`
	Images    []string         `json:"images"`
	WithImage bool             `json:"withImage,omitempty"`
	Only      string           `json:"onlyReplica,omitempty"`
	// Package is that of a program or library, null when none has it or it is not known.
	Package *ownerJSON `json:"package,omitempty"`
	// Declared and Granted are unknown when no manifest was read.
	Declared behavior.Answer `json:"declared"`
	Granted  behavior.Answer `json:"granted"`
}

func newProfileJSON(p *behavior.Profile, more *beside) profileJSON {
	j := profileJSON{Cluster: p.Subject.Cluster, Workload: p.Subject.Workload(), Container: p.Subject.Container, Coverage: newCoverageJSON(&p.Summary),
		Lacking: p.Lacking, Approved: p.Approved != nil, Deeds: []deedJSON{}, People: []deedJSON{}}
	for i := range p.Images {
		j.Images = append(j.Images, profileImage{p.Images[i].Digest, newCoverageJSON(&p.Images[i].Summary)})
	}
	if p.Learned > 0 {
		at := p.Learned.Time()
		j.LearnedUntil = &at
	}
	counts := countStates(p)
	if p.Lacking == "" {
		expected, new, unclear := counts[behavior.StateExpected], counts[behavior.StateNew], counts[behavior.StateUnclear]
		j.Expected, j.New, j.Unclear = &expected, &new, &unclear
	}
	if more != nil {
		j.UnusedPeers, j.Unused = more.grants.unusedPeers(p)
	}
	for i := range p.Deeds {
		j.Deeds = append(j.Deeds, newDeedJSON(p, &p.Deeds[i], more))
	}
	for i := range p.People {
		j.People = append(j.People, newDeedJSON(p, &p.People[i], more))
	}
	return j
}

func countStates(p *behavior.Profile) map[behavior.State]int {
	counts := map[behavior.State]int{}
	for i := range p.Deeds {
		counts[p.Deeds[i].State]++
	}
	return counts
}

func newCoverageJSON(s *behavior.Summary) coverageJSON {
	j := coverageJSON{Text: s.Words(), Days: s.Days.Len(), Replicas: s.Replicas, Runs: s.Runs, Exact: s.Exact, Gap: int64(s.Unseen), Lost: s.Lost, Folded: s.Folded, Tier: s.Tier, Kinds: s.Kinds}
	if !s.Days.Empty() {
		from, to := s.From.Time(), s.To.Time()
		j.From, j.To = &from, &to
	}
	if s.Wanted > 0 {
		j.Wanted = &s.Wanted
	}
	return j
}

func newDeedJSON(p *behavior.Profile, d *behavior.Deed, more *beside) deedJSON {
	replicas, exact := d.Seen.Replicas.Len()
	runs, all := d.Seen.Runs.Len()
	j := deedJSON{Fact: d.Fact, State: d.State, Text: d.String(), Story: d.Story(), Unsure: d.Unsure, Folded: d.Folded(), First: d.Seen.First.Time(), Last: d.Seen.Last.Time(),
		Days: d.Seen.Days.Len(), Replicas: replicas, Runs: runs, Exact: exact && all, WithImage: d.WithImage, Only: d.Only, Declared: behavior.Unknown, Granted: behavior.Unknown,
		Phases: []behavior.Phase{}, Images: []string{}}
	if d.Start {
		j.Phases = append(j.Phases, behavior.Start)
	}
	if d.Steady {
		j.Phases = append(j.Phases, behavior.Steady)
	}
	for _, n := range d.Images {
		j.Images = append(j.Images, p.Images[n].Digest)
	}
	j.Declared, _ = more.declared(d.Fact)
	j.Granted, _ = more.granted(d.Fact)
	if more != nil {
		j.Package, _ = more.owned.of(p, d)
	}
	return j
}
