package sensor

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
)

func TestRecorder(t *testing.T) {
	begin := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	at := func(hours int) time.Time { return begin.Add(time.Duration(hours) * time.Hour) }
	web := &Container{ID: hexID, Name: "web", Pod: "web-0", Namespace: "shop", Created: at(1)}
	old := &Container{ID: "plain\x1b"}
	again := &Container{ID: inner, Name: "cache"}
	restarted := &Container{ID: hexID, Name: "cache"}
	host := &Container{Host: true}
	runs := func(path string) behavior.Fact {
		o := behavior.Observation{Kind: behavior.Execute, Program: behavior.File{Path: path, Layer: behavior.InImage}}
		return o.Fact()
	}
	web.Removed = at(30)
	r := Recorder{Node: "node-1"}
	for _, e := range []Event{
		{Kind: Began, Container: web},
		{Kind: Did, Container: web, Fact: runs("/bin/a"), First: at(1), Last: at(1)},
		{Kind: Did, Container: web, Fact: runs("/bin/a"), First: at(1), Last: at(26), Again: true},
		{Kind: Did, Container: old, Fact: runs("/bin/b"), First: at(0), Last: at(2)},
		{Kind: Did, Container: host, Fact: runs("/bin/c"), First: at(3), Last: at(3)},
		{Kind: Did, Container: again, Fact: runs("/bin/d"), First: at(3), Last: at(3)},
		{Kind: Did, Container: restarted, Fact: runs("/bin/d"), First: at(4), Last: at(4)},
		{Kind: Ended, Container: web, Lost: Losses{Executions: 2}},
	} {
		r.Add(&e)
	}
	calls := behavior.KindsOf(behavior.Syscall)
	coverage := &Coverage{Session: "S", From: at(0), To: at(40), Tier: behavior.TierTracing, Kinds: OfHost | calls, Lost: Losses{Elsewhere: 5}}
	all, err := r.Behaviors(coverage, func(c *Container) (Losses, error) {
		if c == host {
			return Losses{Incoming: 7}, nil
		}
		return Losses{}, nil
	})
	if err != nil || len(all) != 4 {
		t.Fatalf("%d behaviors: %v", len(all), err)
	}
	var text strings.Builder
	if err := behavior.Encode(&text, all); err != nil {
		t.Fatal(err)
	}
	read, err := behavior.Decode(strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		subject   string
		days      int
		intervals []behavior.Interval
	}{
		{"Pod/shop/web-0 container web", 2, []behavior.Interval{{Replica: "shop/web-0", Session: "S", From: behavior.At(at(1)), To: behavior.At(at(30)), Tier: behavior.TierTracing, Kinds: OfHost | calls, Whole: true, Ended: true, Lost: 7}}},
		{"Container/plain_", 2, []behavior.Interval{{Replica: "plain_", Session: "S", From: behavior.At(at(0)), To: behavior.At(at(40)), Tier: behavior.TierTracing, Kinds: OfHost | calls, Lost: 5}}},
		{"Host/node-1", 1, []behavior.Interval{{Replica: "node-1", Session: "S", From: behavior.At(at(0)), To: behavior.At(at(40)), Tier: behavior.TierTracing, Kinds: OfHost, Lost: 12}}},
		{"Container/cache", 1, []behavior.Interval{
			{Replica: hexID, Session: "S", From: behavior.At(at(0)), To: behavior.At(at(40)), Tier: behavior.TierTracing, Kinds: OfHost | calls, Lost: 5},
			{Replica: inner, Session: "S", From: behavior.At(at(0)), To: behavior.At(at(40)), Tier: behavior.TierTracing, Kinds: OfHost | calls, Lost: 5},
		}},
	} {
		i := slices.IndexFunc(read, func(b *behavior.Behavior) bool { return b.Subject.String() == c.subject })
		if i < 0 {
			t.Errorf("nothing is recorded of %s", c.subject)
			continue
		}
		if got := read[i].Coverage.Intervals(); !slices.Equal(got, c.intervals) {
			t.Errorf("%s: %+v", c.subject, got)
		}
		for f, seen := range read[i].Facts() {
			if seen.Days.Len() != c.days {
				t.Errorf("%s: %s was seen on %d days", c.subject, f.Program.Path, seen.Days.Len())
			}
		}
	}
	failed := errors.New("not read")
	if _, err := r.Behaviors(coverage, func(*Container) (Losses, error) { return Losses{}, failed }); err != failed {
		t.Errorf("%v", err)
	}
}
