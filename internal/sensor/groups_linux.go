//go:build amd64 || arm64

package sensor

import (
	"strings"

	"ullage.dev/ullage/internal/behavior"
)

// groups knows whose each control group is.
type groups struct {
	sensor *Sensor
	host   *Container
	byID   map[uint64]*group
	paths  map[uint64]string // of the tree, as it was when it was walked last
	ended  map[uint64]*Container
}

type group struct {
	container *Container              // nil while it is the host's
	facts     map[behavior.Fact]int32 // the day on which it was last seen, as it was told
}

func newGroups(s *Sensor) *groups {
	return &groups{sensor: s, host: &Container{Host: true}, byID: map[uint64]*group{}, ended: map[uint64]*Container{}, paths: s.host.groupPaths()}
}

// of finds the group of a fact. contained says that its process was seen to be in a
// container. It reports whether a container came to light by it.
func (g *groups) of(id uint64, contained bool) (found *group, began bool) {
	found = g.byID[id]
	if found != nil && (found.container != nil || !contained) {
		return found, false
	}
	if found == nil {
		found = &group{facts: map[behavior.Fact]int32{}}
		g.byID[id] = found
	}
	if c := g.ended[id]; c != nil {
		found.container = c
		return found, false
	}
	path, created := g.pathOf(id)
	c, ok := parsePath(path)
	if !ok && contained && strings.Trim(path, "/") != "" {
		c, ok = Container{ID: plainID(path), Path: path}, true
	}
	if !ok {
		return found, false
	}
	// A container may divide its group: all within are its own.
	for _, other := range g.byID {
		if o := other.container; o != nil && o.Path != "" && (o.Path == c.Path || strings.HasPrefix(path, o.Path+"/") && c.Path == path) {
			found.container = o
			return found, false
		}
	}
	c.Cgroup = id
	if created != 0 {
		c.Created = g.sensor.wall(created)
	}
	c.describe(g.sensor.options.RuntimeRoots)
	found.container = &c
	return found, true
}

// pathOf is a control group's path, and when it was made by the kernel's clock.
func (g *groups) pathOf(id uint64) (path string, created uint64) {
	var k kernelGroup
	if err := g.sensor.maps.Groups.Lookup(id, &k); err == nil && k.Path[0] != 0 && k.PathCut == 0 {
		return text(k.Path[:]), k.Created
	}
	if _, ok := g.paths[id]; !ok {
		g.paths = g.sensor.host.groupPaths()
	}
	return g.paths[id], k.Created
}

// gone are the control groups that were removed.
func (g *groups) gone() (map[uint64]bool, error) {
	ids := map[uint64]bool{}
	var unknown []uint64
	err := each(g.sensor.maps.Groups, func(id *uint64, k *kernelGroup) {
		if k.Removed != 0 {
			ids[*id] = true
		} else if k.Path[0] == 0 && g.paths[*id] == "" {
			unknown = append(unknown, *id)
		}
	})
	if err != nil || len(unknown) == 0 {
		return ids, err
	}
	g.paths = g.sensor.host.groupPaths()
	for _, id := range unknown {
		if g.paths[id] == "" { // it came back for a last packet
			ids[id] = true
		}
	}
	return ids, nil
}

// keptEnded is how many containers are remembered when they have ended, for packets
// that come late.
const keptEnded = 1024

// end forgets a group, and returns its container when it is the last group of it.
func (g *groups) end(id uint64) *Container {
	gone := g.byID[id]
	delete(g.byID, id)
	if gone == nil || gone.container == nil || g.ended[id] != nil {
		return nil
	}
	if len(g.ended) >= keptEnded {
		clear(g.ended)
	}
	g.ended[id] = gone.container
	for _, other := range g.byID {
		if other.container == gone.container {
			return nil
		}
	}
	return gone.container
}

// of a container that is there, the sum of what its groups lost.
func (r *reader) lostOf(c *Container) (sum Losses, err error) {
	err = each(r.sensor.maps.Groups, func(id *uint64, k *kernelGroup) {
		if g := r.groups.byID[*id]; g != nil && g.container == c || c.Host && (g == nil || g.container == nil) {
			lost := lossesOf(k)
			sum.add(&lost)
		}
	})
	return sum, err
}

func text(b []int8) string {
	var s strings.Builder
	for _, c := range b {
		if c == 0 {
			break
		}
		s.WriteByte(byte(c))
	}
	return s.String()
}
