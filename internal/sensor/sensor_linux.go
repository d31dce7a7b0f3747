//go:build amd64 || arm64

package sensor

import (
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
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
	kinds    behavior.KindSet
	maps     kernelMaps
	links    []link.Link
	tiers    []TierState
	reader   *reader
}

// Start loads the sensor's programs into the kernel and attaches them. Facts are
// kept from here on, whether or not Run reads them.
func Start(o Options) (_ *Sensor, err error) {
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
	loaded, refused, err := load(spec)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			loaded.Close()
		}
	}()
	var quiet [8][2]uint64
	if err := spec.Variables[kernelVarQuiet].Get(&quiet); err != nil {
		return nil, err
	}
	s := &Sensor{options: o, host: h, session: rand.Text()[:12], tiers: tiers(refused, nil, quiet[0][0] != 0), kinds: kindsOf(refused)}
	if err := loaded.Assign(&s.maps); err != nil {
		return nil, err
	}
	s.programs = loaded.Programs
	var seed [2]uint64
	if err := spec.Variables[kernelVarSeed].Get(&seed); err != nil {
		return nil, err
	}
	if s.booted, err = bootTime(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(append([]error{err}, closeAll(s.links)...)...)
		}
	}()
	// Whoever begins from here on is known, and then who was there before; the others
	// can rely on it.
	if err = s.attach(loaded, needed); err != nil {
		return nil, err
	}
	s.reader = newReader(s, seed)
	s.reader.inherit()
	if err = s.attach(loaded, slices.Sorted(maps.Keys(unseen))); err != nil {
		return nil, err
	}
	s.started = time.Now()
	return s, nil
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

// Close detaches all programs. What the kernel kept is gone.
func (s *Sensor) Close() error {
	errs := closeAll(s.links)
	for _, p := range s.programs {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, s.maps.Close())...)
}

func closeAll(links []link.Link) (errs []error) {
	for _, l := range links {
		errs = append(errs, l.Close())
	}
	return errs
}

// Coverage is what the sensor could and could not keep so far.
func (s *Sensor) Coverage() (Coverage, error) {
	c := Coverage{Session: s.session, From: s.started, To: time.Now(), Tier: behavior.TierTracing, Kinds: s.kinds}
	var err error
	if c.Lost, err = s.reader.losses(); err != nil {
		return c, err
	}
	for counter, into := range map[uint32]*uint64{
		countHintsLost: &c.LateHints, countAlertsLost: &c.Lost.Alerts, countGrouplessLost: &c.Lost.Elsewhere, countProcessesLost: &c.Unnamed,
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
)

func lossesOf(g *kernelGroup) Losses {
	return Losses{Executions: g.Lost[kindExec], Outgoing: g.Lost[kindConnect], Incoming: g.Lost[kindAccept], Listening: g.Lost[kindListen],
		SystemCalls: g.Lost[kindSyscall], Capabilities: g.Lost[kindCapability], Acts: g.Lost[kindAct], Files: g.Lost[kindFile], Questions: g.Lost[kindResolve]}
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
