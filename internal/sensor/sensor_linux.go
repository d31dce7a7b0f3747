//go:build amd64 || arm64

package sensor

import (
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/enforce"
)

// Sensor is attached to the kernel until it is closed. Run is for one goroutine;
// Coverage, LostOf and Tiers may be asked meanwhile.
type Sensor struct {
	options Options
	host    *host
	session string
	started time.Time
	booted  time.Time // when the clock of the kernel's times began

	programs map[string]*ebpf.Program
	way      way
	kinds    behavior.KindSet
	means    enforce.Means
	shared   map[string]*ebpf.Map // all of maps, by name
	pins     *pins                // nil: nothing outlasts this process
	resumed  bool
	replaced bool
	maps     kernelMaps
	links    map[string]link.Link // by their program
	tiers    []TierState
	reader   *reader
}

// Start loads the sensor's programs into the kernel and attaches them, or takes over
// what the one before pinned. Facts are kept from here on, whether or not Run reads
// them, and policies hold.
func Start(o Options) (*Sensor, error) { return startIn(o, ways) }

// startIn starts a sensor in the first one of some ways that the kernel takes.
func startIn(o Options, ways []way) (_ *Sensor, err error) {
	o.setDefaults()
	if err := checkKernel(); err != nil {
		return nil, err
	}
	h, err := lookAtHost()
	if err != nil {
		return nil, err
	}
	spec, err := prepare(&o, h)
	if err != nil {
		return nil, err
	}
	s := &Sensor{options: o, host: h, links: map[string]link.Link{}}
	if s.booted, err = bootTime(); err != nil {
		return nil, err
	}
	if o.Pins != "" {
		if s.pins, err = openPins(o.Pins); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err == nil {
			return
		}
		if s.pins != nil && !s.resumed { // what is older stays as it is
			s.pins.undo(s.session)
		}
		err = errors.Join(append([]error{err}, s.release()...)...)
	}()
	build := buildOf(&o)
	if taken, err := s.takeOver(spec, build); err != nil || taken {
		return s, err
	}
	return s, s.begin(spec, build, ways)
}

// begin loads and attaches programs of its own.
func (s *Sensor) begin(spec *ebpf.CollectionSpec, build [32]byte, ways []way) error {
	loaded, err := load(spec, ways)
	if err != nil {
		return err
	}
	if err := s.use(spec, loaded); err != nil {
		return err
	}
	s.session, s.started = rand.Text()[:12], time.Now()
	var seed [2]uint64
	if err := spec.Variables[kernelVarSeed].Get(&seed); err != nil {
		return err
	}
	s.reader = newReader(s, seed)
	// Policies come first, so that they hold from the first thing that is seen.
	if err := errors.Join(s.putPolicies(), s.Assign()); err != nil {
		return err
	}
	// Whoever begins from here on is known, and then who was there before; the others
	// can rely on it.
	if err := s.attach(spec.Programs, needed); err != nil {
		return err
	}
	s.reader.inherit()
	if err := s.attach(spec.Programs, slices.AppendSeq(slices.Sorted(maps.Keys(unseen)), maps.Values(instead))); err != nil {
		return err
	}
	s.started = time.Now()
	return s.pin(seed, build)
}

// use takes programs and maps that are in the kernel.
func (s *Sensor) use(spec *ebpf.CollectionSpec, loaded *accepted) error {
	s.programs, s.way, s.shared = loaded.Programs, loaded.way, maps.Clone(loaded.Maps)
	maps.DeleteFunc(s.shared, func(name string, _ *ebpf.Map) bool { return strings.HasPrefix(name, ".") })
	if err := loaded.Assign(&s.maps); err != nil {
		return err
	}
	var quiet [8][2]uint64
	if err := spec.Variables[kernelVarQuiet].Get(&quiet); err != nil {
		return err
	}
	s.tiers, s.kinds, s.means = tiers(loaded, nil, quiet[0][0] != 0), kindsOf(loaded.refused), meansOf(loaded)
	if s.options.Policies != nil {
		return s.options.Policies.Check(s.means)
	}
	return nil
}

// Tiers says which tier is active on this machine and why, without leaving anything
// attached.
func Tiers() []TierState {
	s, err := Start(Options{})
	if err != nil {
		return tiers(nil, err, false)
	}
	defer s.Close()
	return s.Tiers()
}

// Tiers says which tier is active, and why others are not.
func (s *Sensor) Tiers() []TierState { return s.tiers }

// Means are what can be done about what policies do not allow.
func (s *Sensor) Means() enforce.Means { return s.means }

// Close detaches all programs. What the kernel kept is gone.
func (s *Sensor) Close() error {
	var err error
	if s.pins != nil {
		err = s.pins.removeAll()
	}
	return errors.Join(append([]error{err}, s.release()...)...)
}

// Leave lets go of what is pinned, which goes on until a sensor takes it over or
// [Detach]. What is not pinned is detached.
func (s *Sensor) Leave() error { return errors.Join(s.release()...) }

// release closes what this process holds.
func (s *Sensor) release() (errs []error) {
	for _, l := range s.links {
		errs = append(errs, l.Close())
	}
	for _, p := range s.programs {
		errs = append(errs, p.Close())
	}
	if s.maps.Execs != nil {
		errs = append(errs, s.maps.Close())
	}
	if s.pins != nil {
		errs = append(errs, s.pins.close())
	}
	return errs
}

// Coverage is what the sensor could and could not keep so far.
func (s *Sensor) Coverage() (Coverage, error) {
	c := Coverage{Session: s.session, From: s.started, To: time.Now(), Tier: s.way.tier, Kinds: s.kinds}
	var err error
	if c.Lost, err = s.reader.losses(); err != nil {
		return c, err
	}
	for counter, into := range map[uint32]*uint64{
		countHintsLost: &c.LateHints, countAlertsLost: &c.Lost.Alerts, countGrouplessLost: &c.Lost.Elsewhere, countProcessesLost: &c.Unnamed, countUnenforced: &c.Unenforced,
	} {
		var each []uint64 // of each processor
		if err := s.maps.Counters.Lookup(counter, &each); err != nil {
			return c, err
		}
		for _, n := range each {
			*into += n
		}
	}
	for name, p := range s.programs {
		stats, err := p.Stats()
		if err != nil {
			return c, err
		}
		if name != kernelProgOnFork && name != kernelProgOnExit {
			c.Lost.Elsewhere += stats.RecursionMisses
		}
	}
	return c, nil
}

// LostOf is what was lost of a container that has not ended.
func (s *Sensor) LostOf(c *Container) (Losses, error) { return s.reader.lostOf(c) }

// Counters of the kernel's half, as facts.h numbers them.
const (
	countHintsLost uint32 = iota
	countAlertsLost
	countGrouplessLost
	countProcessesLost
	countUnenforced
)

func lossesOf(g *kernelGroup) Losses { return lossesByKind(&g.Lost) }

func lossesByKind(lost *[16]uint64) Losses {
	return Losses{Executions: lost[kindExec], Outgoing: lost[kindConnect], Incoming: lost[kindAccept], Listening: lost[kindListen],
		SystemCalls: lost[kindSyscall], Capabilities: lost[kindCapability], Acts: lost[kindAct], Files: lost[kindFile], Questions: lost[kindResolve]}
}

// bootTime is when the clock that the kernel's times are of began to run.
func bootTime() (time.Time, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return time.Time{}, err
	}
	return time.Now().Add(-time.Duration(t.Nano())), nil
}

func (s *Sensor) wall(ns uint64) time.Time {
	return s.booted.Add(time.Duration(ns)).Round(0)
}
