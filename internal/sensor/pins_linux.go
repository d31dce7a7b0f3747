//go:build amd64 || arm64

package sensor

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// bpfMagic is what statfs says of a BPF file system.
const bpfMagic = 0xcafe4a11

// linkPrefix tells links from maps among the pins.
const linkPrefix = "link_"

// pins is a directory in a BPF file system. What one sensor pins is in a directory of
// its own there, by the name of its session, so that the next one can be attached
// before the last one is not.
type pins struct {
	dir  string
	lock *os.File
}

// openPins makes the directory, and keeps others from it.
func openPins(dir string) (*pins, error) {
	var fs unix.Statfs_t
	above := filepath.Dir(dir)
	if err := unix.Statfs(above, &fs); err != nil {
		return nil, fmt.Errorf("pins at %s: %w", dir, err)
	}
	if int64(fs.Type) != bpfMagic {
		return nil, unavailable("%s is no BPF file system, and what is to outlast the agent is pinned there: mount -t bpf bpf %s", above, above)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("pins at %s: %w", dir, err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another agent uses %s: end it first", dir), lock.Close())
	}
	return &pins{dir, lock}, nil
}

func (p *pins) close() error { return p.lock.Close() }

// sessions are the directories of sensors.
func (p *pins) sessions() (dirs []string, err error) {
	entries, err := os.ReadDir(p.dir)
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(p.dir, e.Name()))
		}
	}
	return dirs, err
}

// remove takes the pins of one session away. Links go first: what they led to is at rest
// then.
func remove(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, links := range []bool{true, false} {
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), linkPrefix) == links {
				err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
			}
		}
	}
	return errors.Join(err, os.Remove(dir))
}

// undo takes away what a session pinned that could not begin, and the directory if it is
// empty then.
func (p *pins) undo(session string) {
	if session != "" {
		_ = remove(filepath.Join(p.dir, session))
	}
	_ = os.Remove(p.dir)
}

func (p *pins) removeAll() error {
	dirs, err := p.sessions()
	for _, dir := range dirs {
		err = errors.Join(err, remove(dir))
	}
	return errors.Join(err, os.Remove(p.dir))
}

// Detach takes away what sensors pinned in a directory, so that they end. It reports how
// many there were.
func Detach(dir string) (sensors int, err error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	p, err := openPins(dir)
	if err != nil {
		return 0, err
	}
	dirs, err := p.sessions()
	return len(dirs), errors.Join(err, p.removeAll(), p.close())
}

// buildOf is what a sensor must have in common with the one that it takes over from.
func buildOf(o *Options) [32]byte {
	h := sha256.New()
	h.Write(_KernelBytes)
	fmt.Fprintf(h, "%d %d %d %d %d %d %d %d %t", o.Executions, o.Flows, o.Calls, o.Acts, o.Files, o.Questions, o.PerGroup, o.RingBytes, o.Policies != nil)
	return [32]byte(h.Sum(nil))
}

// pin lets what is attached outlast this process, and takes away what was pinned before.
// The state is written last: what has none is not whole.
func (s *Sensor) pin(seed [2]uint64, build [32]byte) error {
	if s.pins == nil {
		return nil
	}
	before, err := s.pins.sessions()
	if err != nil {
		return err
	}
	if err := s.inheritPolicies(before); err != nil {
		return err
	}
	dir := filepath.Join(s.pins.dir, s.session)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for name, m := range s.shared {
		if err := m.Pin(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("pin %s: %w", name, err)
		}
	}
	for name, l := range s.links {
		if err := l.Pin(filepath.Join(dir, linkPrefix+name)); err != nil {
			return fmt.Errorf("pin the link of %s: %w", name, err)
		}
	}
	state := kernelState{Seed: seed, Began: uint64(s.started.Sub(s.booted)), Build: build}
	for i := range len(s.session) {
		state.Session[i] = int8(s.session[i])
	}
	if err := s.maps.States.Put(uint32(0), &state); err != nil {
		return err
	}
	for _, old := range before {
		s.replaced = true
		if err := remove(old); err != nil {
			return err
		}
	}
	return nil
}

// inheritPolicies takes over what holds of sessions before that is not in a file: which
// group has which policy, as hooks said, and that the glass is broken.
func (s *Sensor) inheritPolicies(before []string) error {
	if s.options.Policies == nil {
		return nil
	}
	for _, dir := range before {
		members, err := ebpf.LoadPinnedMap(filepath.Join(dir, kernelMapMembers), nil)
		if err != nil {
			continue // of a build that had none
		}
		err = each(members, func(group *uint64, number *uint32) {
			var p kernelPolicy
			if s.maps.Policies.Lookup(*number, &p) == nil {
				_ = s.maps.Members.Update(*group, *number, ebpf.UpdateNoExist) // who has one keeps it
			}
		})
		if err := errors.Join(err, members.Close()); err != nil {
			return err
		}
		var g kernelGlass
		if m, err := ebpf.LoadPinnedMap(filepath.Join(dir, kernelMapGlasses), nil); err == nil {
			if m.Lookup(uint32(0), &g) == nil && g.Changes > 0 {
				err = s.maps.Glasses.Put(uint32(0), &g)
			}
			if err := errors.Join(err, m.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeOver uses what a sensor of the same build pinned, which went on without it.
func (s *Sensor) takeOver(spec *ebpf.CollectionSpec, build [32]byte) (taken bool, err error) {
	if s.pins == nil {
		return false, nil
	}
	dirs, err := s.pins.sessions()
	if err != nil {
		return false, err
	}
	for _, dir := range dirs {
		state, err := stateOf(dir, spec.Maps[kernelMapStates].ValueSize)
		if err != nil || !bytes.Equal(state.Build[:], build[:]) {
			continue // another build, or one that was killed while it began
		}
		loaded, err := s.loadPinned(spec, dir)
		if err != nil {
			continue // likewise: some pins are not there
		}
		if err := s.use(spec, loaded); err != nil {
			return false, err
		}
		s.session, s.started, s.resumed = text(state.Session[:]), s.wall(state.Began), true
		s.reader = newReader(s, state.Seed)
		s.reader.lost = lossesByKind(&state.Lost)
		s.reader.inherit()
		for _, other := range dirs {
			if other != dir {
				err = errors.Join(err, remove(other))
			}
		}
		return true, errors.Join(err, s.putPolicies(), s.Assign())
	}
	return false, nil
}

func stateOf(dir string, size uint32) (state kernelState, err error) {
	m, err := ebpf.LoadPinnedMap(filepath.Join(dir, kernelMapStates), nil)
	if err != nil {
		return state, err
	}
	if m.ValueSize() != size {
		return state, errors.Join(errors.New("another layout"), m.Close())
	}
	return state, errors.Join(m.Lookup(uint32(0), &state), m.Close())
}

// loadPinned opens all that a sensor pinned. Programs whose link is not there were refused
// by the kernel.
func (s *Sensor) loadPinned(spec *ebpf.CollectionSpec, dir string) (_ *accepted, err error) {
	c := &ebpf.Collection{Maps: map[string]*ebpf.Map{}, Programs: map[string]*ebpf.Program{}}
	refused := map[string]error{}
	defer func() {
		if err != nil {
			c.Close()
			for name, l := range s.links {
				err = errors.Join(err, l.Close())
				delete(s.links, name)
			}
		}
	}()
	for name := range spec.Maps {
		if strings.HasPrefix(name, ".") {
			continue // constants, which the programs have
		}
		if c.Maps[name], err = ebpf.LoadPinnedMap(filepath.Join(dir, name), nil); err != nil {
			return nil, err
		}
	}
	for name := range spec.Programs {
		l, err := link.LoadPinnedLink(filepath.Join(dir, linkPrefix+name), nil)
		if errors.Is(err, os.ErrNotExist) {
			refused[name] = errors.New("the kernel refused it when the sensor began")
			continue
		}
		if err != nil {
			return nil, err
		}
		s.links[name] = l
		info, err := l.Info()
		if err != nil {
			return nil, err
		}
		if c.Programs[name], err = ebpf.NewProgramFromID(info.Program); err != nil {
			return nil, err
		}
	}
	for _, name := range needed {
		if refused[name] != nil {
			return nil, refused[name]
		}
	}
	lackingNothing(refused)
	return &accepted{Collection: c, way: wayOf(c), refused: refused, origins: knowsOrigins()}, nil
}

// loseForever adds what a group that is gone lost to what the next sensor is told.
func (s *Sensor) loseForever(g *kernelGroup) {
	var state kernelState
	if s.maps.States.Lookup(uint32(0), &state) != nil {
		return
	}
	for kind, n := range g.Lost {
		state.Lost[kind] += n
	}
	_ = s.maps.States.Put(uint32(0), &state) // the loss is in this sensor's own sum
}

// Resumed reports whether the sensor took over what one before it pinned, and Replaced
// that there was something pinned that it could not take over: it is of another build, or
// has other options. What it kept and had not told is gone.
func (s *Sensor) Resumed() bool { return s.resumed }

// Replaced: see [Sensor.Resumed].
func (s *Sensor) Replaced() bool { return s.replaced }
