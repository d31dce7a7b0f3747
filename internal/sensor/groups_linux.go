//go:build amd64 || arm64

package sensor

import (
	"strings"
	"sync"
	"time"

	"ullage.dev/ullage/internal/behavior"
)

// groups knows whose each control group is. It is changed by the one who reads what
// the kernel kept; byID and lost may be read by others meanwhile.
type groups struct {
	sensor *Sensor
	host   *Container
	mu     sync.Mutex // of byID, of the containers in it, and of lost
	byID   map[uint64]*group
	paths  map[uint64]string // of the tree, as it was when it was walked last
	ended  map[uint64]*Container
	// where gives a group's path and when it was made: the kernel's half and the tree
	// know.
	where func(id uint64) (path string, created time.Time)
	lost  map[*Container]Losses // of groups that are gone, of containers that are not
}

type group struct {
	container *Container              // nil while it is the host's
	facts     map[behavior.Fact]int32 // the day on which it was last seen, as it was told
}

func newGroups(s *Sensor) *groups {
	g := &groups{sensor: s, host: &Container{Host: true}, byID: map[uint64]*group{}, ended: map[uint64]*Container{}, lost: map[*Container]Losses{}, paths: s.host.groupPaths()}
	g.where = g.pathOf
	return g
}

// of finds the group of a fact. contained says that its process was seen to be in a
// container. It reports whether a container came to light by it.
func (g *groups) of(id uint64, contained bool) (found *group, began bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
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
	path, created := g.where(id)
	c, named := parsePath(path)
	ok := named
	if !ok && contained && strings.Trim(path, "/") != "" {
		c, ok = Container{ID: plainID(path), Path: path}, true
	}
	if !ok {
		return found, false
	}
	// A container may divide its group: all within are its own, but for containers in it
	// that have a name.
	for _, other := range g.byID {
		if o := other.container; o != nil && o.Path != "" && (o.Path == c.Path || !named && strings.HasPrefix(path, o.Path+"/")) {
			found.container = o
			return found, false
		}
	}
	c.Cgroup = id
	c.Created = created
	c.describe(g.sensor.options.RuntimeRoots)
	found.container = &c
	return found, true
}

// containerOf is the container of a group, nil where none is known.
func (g *groups) containerOf(id uint64) *Container {
	g.mu.Lock()
	defer g.mu.Unlock()
	if known := g.byID[id]; known != nil {
		return known.container
	}
	return nil
}

func (g *groups) pathOf(id uint64) (path string, created time.Time) {
	var k kernelGroup
	if err := g.sensor.maps.Groups.Lookup(id, &k); err == nil {
		if k.Created != 0 {
			created = g.sensor.wall(k.Created)
		}
		if k.Path[0] != 0 && k.PathCut == 0 {
			return text(k.Path[:]), created
		}
	}
	if _, ok := g.paths[id]; !ok {
		g.paths = g.sensor.host.groupPaths()
	}
	return g.paths[id], created
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

// end forgets a group. When it is the last one of a container it returns that, and
// what was lost of it in all.
func (g *groups) end(id uint64, lost *Losses) (*Container, Losses) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gone := g.byID[id]
	delete(g.byID, id)
	if gone == nil || gone.container == nil || g.ended[id] != nil {
		return nil, Losses{}
	}
	if len(g.ended) >= keptEnded {
		clear(g.ended)
	}
	c := gone.container
	g.ended[id] = c
	sum := g.lost[c]
	sum.add(lost)
	for _, other := range g.byID {
		if other.container == c {
			g.lost[c] = sum
			return nil, Losses{}
		}
	}
	delete(g.lost, c)
	return c, sum
}

// lostOf is the sum of what the groups lost of a container that is there.
func (r *reader) lostOf(c *Container) (sum Losses, err error) {
	r.groups.mu.Lock()
	defer r.groups.mu.Unlock()
	sum = r.groups.lost[c]
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
