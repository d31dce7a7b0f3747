//go:build linux && (amd64 || arm64)

package sensor

import (
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
)

// What a container does in control groups that it makes of its own is its doing.
func TestGroupsOfOneContainer(t *testing.T) {
	outer, inner := strings.Repeat("a", 64), strings.Repeat("b", 64)
	paths := map[uint64]string{1: "/docker/" + outer, 2: "/docker/" + outer + "/init", 3: "/docker/" + outer + "/docker/" + inner, 4: "/plain", 5: "/plain/below", 6: "/else"}
	g := &groups{sensor: &Sensor{}, byID: map[uint64]*group{}, ended: map[uint64]*Container{}, lost: map[*Container]Losses{}}
	g.where = func(id uint64) (string, time.Time) { return paths[id], time.Time{} }
	of := func(id uint64, contained bool) *Container {
		found, _ := g.of(id, contained)
		return found.container
	}
	first := of(1, false)
	if first == nil || first.ID != outer || of(2, true) != first {
		t.Errorf("the container is %+v, its own group's %+v", first, of(2, true))
	}
	if c := of(3, true); c == first || c.ID != inner {
		t.Errorf("the container in it is %+v", c)
	}
	if of(4, false) != nil || of(6, false) != nil {
		t.Error("a group is a container's without evidence")
	}
	plain := of(4, true)
	if plain == nil || plain.ID != "plain" || of(5, true) != plain {
		t.Errorf("a plain container is %+v, its own group's %+v", plain, of(5, true))
	}
	if c, _ := g.end(2, &Losses{Executions: 2}); c != nil {
		t.Error("a container ends with one of its groups")
	}
	if c, lost := g.end(1, &Losses{Executions: 3, Incoming: 1}); c != first || lost != (Losses{Executions: 5, Incoming: 1}) {
		t.Errorf("%+v ends with %+v", c, lost)
	}
	if found, began := g.of(1, true); began || found.container != first {
		t.Error("a late packet brings a container back")
	}
}

// A fact is told once, and once more for each day on which it is seen again.
func TestFactsAreToldOnceADay(t *testing.T) {
	const hour = uint64(time.Hour)
	var told []Event
	s := &Sensor{booted: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
	r := &reader{sensor: s, groups: &groups{host: &Container{Host: true}}, handle: func(e Event) { told = append(told, e) }}
	g := &group{container: &Container{ID: "web", Created: s.booted}, facts: map[behavior.Fact]int32{}}
	for _, last := range []uint64{hour / 120, 2 * hour, 23 * hour, 25 * hour, 26 * hour, 49 * hour} {
		o := behavior.Observation{Kind: behavior.Execute, Program: behavior.File{Path: "/bin/a"}}
		r.did(g, &o, 0, last, sessionEntry)
	}
	if len(told) != 3 || told[0].Again || !told[1].Again || !told[2].Again {
		t.Fatalf("%+v", told)
	}
	for i, day := range []int{23, 24, 25} {
		if e := told[i]; e.Last.Day() != day || e.First.Day() != 23 || e.Fact != told[0].Fact || e.Fact.Phase != behavior.Start {
			t.Errorf("%+v", e)
		}
	}
}
