//go:build amd64 || arm64

package sensor

import (
	"crypto/rand"
	"errors"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
)

// Sensor is attached to the kernel until it is closed. Run is for one goroutine;
// Coverage and Tiers may be asked meanwhile.
type Sensor struct {
	options Options
	host    *host
	session string
	started time.Time
	booted  time.Time // when the clock of the kernel's times began

	programs map[string]*ebpf.Program
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
	s := &Sensor{options: o, host: h, session: rand.Text()[:12], tiers: tiers(refused, nil)}
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
	if s.links, err = attach(loaded, h.cgroups); err != nil {
		return nil, err
	}
	s.started = time.Now()
	s.reader = newReader(s, seed)
	s.reader.inherit()
	return s, nil
}

// Tiers says which tier is active on this machine and why, without leaving anything
// attached.
func Tiers() []TierState {
	s, err := Start(Options{})
	if err != nil {
		return tiers(nil, err)
	}
	defer s.Close()
	return s.Tiers()
}

// Tiers says which tier is active, and why others are not.
func (s *Sensor) Tiers() []TierState { return s.tiers }

// Close detaches all programs. What the kernel kept is gone.
func (s *Sensor) Close() error {
	var errs []error
	for _, l := range s.links {
		errs = append(errs, l.Close())
	}
	for _, p := range s.programs {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, s.maps.Close())...)
}

// Coverage is what the sensor could and could not keep so far.
func (s *Sensor) Coverage() (Coverage, error) {
	c := Coverage{Session: s.session, From: s.started, To: time.Now(), Tier: behavior.TierTracing}
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

// LostOf is what was lost of a container that has not ended. It is not to be asked
// while Run runs.
func (s *Sensor) LostOf(c *Container) (Losses, error) { return s.reader.lostOf(c) }

// Counters of the kernel's half, as facts.h numbers them.
const (
	countHintsLost uint32 = iota
	countAlertsLost
	countGrouplessLost
	countProcessesLost
)

func lossesOf(g *kernelGroup) Losses {
	return Losses{Executions: g.Lost[kindExec], Outgoing: g.Lost[kindConnect], Incoming: g.Lost[kindAccept], Listening: g.Lost[kindListen]}
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
