// Package agent is the loop of a node: what a sensor tells is kept in stores of this
// machine, by day, under the names that the cluster has for it.
//
// What was told is written every few seconds, so that a killed agent loses at most
// what came since; how long was watched is written once in a minute, and an interval
// ends where it was written last. Nothing that could not be kept is kept silently:
// it counts as lost in the coverage of its container.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/enforce"
	"ullage.dev/ullage/internal/sensor"
	"ullage.dev/ullage/internal/store"
)

// kernel is what the agent asks of a sensor.
type kernel interface {
	Run(context.Context, func(sensor.Event)) error
	Coverage() (sensor.Coverage, error)
	LostOf(*sensor.Container) (sensor.Losses, error)
	Tiers() []sensor.TierState
	Glass() (sensor.Glass, error)
	Assign() error
}

// agent runs until its context ends.
type agent struct {
	options Options
	log     *slog.Logger
	kernel  kernel
	days    *store.Days
	pods    podSource // nil where there is no cluster
	began   time.Time
	now     func() time.Time
	// policies hold on this node; nil where it only watches.
	policies *enforce.Policies

	mu        sync.Mutex // of what follows
	known     map[*sensor.Container]*watched
	figures   figures
	places    *places
	asked     asked
	lost      uint64 // in all, at the last look
	elsewhere uint64 // of that, in no container's figures
	glass     sensor.Glass
	covered   time.Time // when it was last written how long was watched
}

// figures are counted since the agent began.
type figures struct {
	Facts, Alerts, Containers uint64
	Unkept                    uint64 // facts that the store had no room for
	StoreErrors, PodErrors    uint64
	// Violations are alerts of policies, of which Denied were denied. Unassigned are
	// containers that could not be given their policy.
	Violations, Denied, Unassigned uint64
	LastError                      string
}

// Run watches this machine and keeps what was seen until the context ends; then it
// writes what is left, and leaves nothing attached to the kernel unless it is to persist.
// ready is called once,
// when nothing is missed any more.
func Run(ctx context.Context, o Options, log *slog.Logger, ready func()) (err error) {
	o.setDefaults()
	if err := o.check(); err != nil {
		return err
	}
	unlock, err := lock(o.State)
	if err != nil {
		return err
	}
	defer unlock()
	days, err := store.OpenDays(daysDir(o.State), store.DaysOptions{Days: o.Days, Bytes: o.Bytes})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, days.Close()) }()
	a := newAgent(o, log, days)
	if o.Kubeconfig != "" {
		a.pods = &apiServer{kubeconfig: o.Kubeconfig, node: o.Node}
	}
	s, err := a.start()
	if err != nil {
		return err
	}
	defer func() {
		if o.Persist {
			err = errors.Join(err, s.Leave())
		} else {
			err = errors.Join(err, s.Close())
		}
	}()
	a.kernel = s
	if c, err := s.Coverage(); err == nil && s.Resumed() {
		a.began = c.From // it was watched all the time
	}
	stop, err := a.serve()
	if err != nil {
		return err
	}
	defer stop()
	for _, t := range s.Tiers() {
		log.Info("tier", "name", t.Tier, "active", t.Active, "reason", t.Reason)
	}
	ready()
	return a.loop(ctx)
}

// start starts the sensor, with the policies of a file.
func (a *agent) start() (*sensor.Sensor, error) {
	o := sensor.Options{RuntimeRoots: a.options.Roots, Whose: a.whose}
	if a.options.pinned() {
		o.Pins = a.options.Pins
	}
	if a.options.Enforce != "" {
		policies, err := readPolicies(a.options.Enforce)
		if err != nil {
			return nil, err
		}
		for _, said := range policies.Said {
			a.log.Warn(said)
		}
		o.Policies, a.policies = policies, policies
	}
	s, err := sensor.Start(o)
	if err != nil {
		return nil, err
	}
	switch {
	case s.Resumed():
		a.log.Info("took over what the agent before left in the kernel: nothing was missed", "pins", o.Pins)
	case s.Replaced():
		a.log.Warn("what was left in the kernel is of another build or has other options: it was replaced, and what it kept and had not told is gone", "pins", o.Pins)
	}
	return s, nil
}

func readPolicies(path string) (*enforce.Policies, error) {
	return enforce.Read(path, func(name string) (io.ReadCloser, error) { return os.Open(name) })
}

func newAgent(o Options, log *slog.Logger, days *store.Days) *agent {
	return &agent{options: o, log: log, days: days, began: time.Now(), now: time.Now, known: map[*sensor.Container]*watched{}, places: newPlaces(nil)}
}

// lock keeps a second agent from the same state.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another agent uses %s: end it, or name another directory with --state", dir), f.Close())
	}
	return func() { f.Close() }, nil
}

// loop reads the sensor, and beside it writes and asks for pods.
func (a *agent) loop(ctx context.Context) error {
	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	var both sync.WaitGroup
	both.Go(func() { a.writeAgain(beside) })
	if a.pods != nil {
		both.Go(func() { a.askAgain(beside) })
	}
	err := a.kernel.Run(ctx, a.event)
	stop()
	both.Wait()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if a.pods != nil && a.waiting() {
		a.ask(last)
	}
	a.write(last, true)
	a.mu.Lock()
	defer a.mu.Unlock()
	if left := len(a.known); left > 0 {
		for _, w := range a.known {
			if len(w.pending) > 0 {
				err = errors.Join(err, fmt.Errorf("not all that was seen could be written: %s", a.figures.LastError))
				break
			}
		}
	}
	a.log.Info("ended", "facts", a.figures.Facts, "lost", a.lost)
	return err
}

// event takes what the sensor tells.
func (a *agent) event(e sensor.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.known[e.Container]
	if w == nil {
		w = a.watch(e.Container)
		a.known[e.Container] = w
		a.figures.Containers++
	}
	switch e.Kind {
	case sensor.Did:
		if !e.Again {
			a.figures.Facts++
		}
		w.did(&e, a.options.Node)
	case sensor.Alerted:
		a.figures.Alerts++
		about := []any{"container", e.Container.Label(), "deed", e.Fact.String(), "layer", e.Fact.Program.Layer, "pid", e.PID, "escaped", e.Escaped}
		if e.Policy != "" {
			about = append(about, "policy", e.Policy, "outcome", e.Fact.Outcome)
			a.figures.Violations++
			if e.Fact.Outcome == behavior.Denied {
				a.figures.Denied++
			}
		}
		a.log.Warn("alert", about...)
	case sensor.Began:
		if e.Err != nil {
			a.figures.Unassigned++
			a.log.Error("a container has no policy", "container", e.Container.Label(), "error", e.Err)
		}
	case sensor.Ended:
		w.end(e.Lost.Total() + a.elsewhere)
	}
	if !w.ended && !e.Container.Removed.IsZero() { // a last packet, after its end was told and written
		w.end(0)
	}
}

func (a *agent) watch(c *sensor.Container) *watched {
	w := &watched{container: c, since: a.now(), pending: map[int32]*behavior.Behavior{}, execs: behavior.New(c.Subject(a.options.Node)), from: behavior.At(a.began)}
	if !c.Created.IsZero() {
		w.from, w.whole = behavior.At(c.Created), true
	}
	return w
}

// writeAgain writes until the context ends.
func (a *agent) writeAgain(ctx context.Context) {
	tick := time.NewTicker(a.options.Flush)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.write(ctx, false)
			a.lookAtGlass()
		}
	}
}
