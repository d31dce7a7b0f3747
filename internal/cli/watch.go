package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/enforce"
	"ullage.dev/ullage/internal/sensor"
)

// machineFlags are those of ullage watch.
type machineFlags struct {
	output, color string
	duration      time.Duration
	host, tiers   bool
	record        string
	roots         []string
	enforce       string
	rules         behaviorRules
}

func watchCommand(p *Program) *cobra.Command {
	f := machineFlags{}
	cmd := &cobra.Command{
		Use: "watch", Short: "What do the containers of this machine do?",
		Long: `See what the containers of this machine do, as it happens: which programs they run
and where those come from, whom they connect to, who connects to them, where they
listen, which files they write, which system calls and capabilities they use. Each
thing is told once for each container. What is hostile by the rules on behavior (ullage policy list) is an
alert. Nothing is changed or denied, but what policies of --enforce do not allow. See
docs/watch.md.

It needs root, and Linux 5.12 or newer with BTF; --tiers says what of it there is.

Exit code: 0 the time is over or it was interrupted, 2 usage or it cannot run here,
3 the same as 0, but not all that was seen could be kept.`,
		Example: `  ullage watch
  ullage watch --duration 10m -o json | jq 'select(.event == "alert")'
  ullage watch --duration 1h --record node-1.json && ullage profile list --from node-1.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), p) },
	}
	flags := cmd.Flags()
	flags.DurationVar(&f.duration, "duration", 0, "how long to watch, such as 10m (default until it is interrupted)")
	flags.BoolVar(&f.host, "host", false, "tell what runs outside of containers, too")
	flags.BoolVar(&f.tiers, "tiers", false, "say which ways to watch this kernel has, and end")
	flags.StringVar(&f.record, "record", "", "write what was seen to a file, for ullage profile")
	flags.StringSliceVar(&f.roots, "runtime-root", nil, "a directory with the state of an OCI runtime, beside the usual ones")
	flags.StringVar(&f.enforce, "enforce", "", "a file of policies that hold while it watches; see docs/enforcement.md")
	f.rules.flags(flags)
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json (one object a line)")
	flags.StringVar(&f.color, "color", "auto", "auto, always, never")
	return cmd
}

func (f *machineFlags) run(ctx context.Context, p *Program) error {
	if err := errors.Join(word{f.output, "--output"}.oneOf("text", "json"), word{f.color, "--color"}.oneOf("auto", "always", "never")); err != nil {
		return err
	}
	if err := recordable(f.record); err != nil {
		return err
	}
	if f.duration < 0 {
		return fmt.Errorf("--duration %s is negative", f.duration)
	}
	w := &machineWatcher{flags: f, text: watchPrinter{accessPrinter: newPrinter(p, f.color)}, json: json.NewEncoder(p.Stdout), sums: map[*sensor.Container]*watched{}, stderr: p.Stderr}
	w.recorder.Node = hostName()
	if f.tiers {
		return w.tell(sensor.Tiers())
	}
	var err error
	if w.alarm, err = f.rules.alarm(ctx, p, time.Now()); err != nil {
		return err
	}
	o := sensor.Options{RuntimeRoots: f.roots}
	if f.enforce != "" {
		if o.Policies, err = enforce.Read(f.enforce, func(name string) (io.ReadCloser, error) { return os.Open(name) }); err != nil {
			return err
		}
		for _, said := range o.Policies.Said {
			fmt.Fprintln(p.Stderr, "ullage: "+printable(said))
		}
	}
	s, err := sensor.Start(o)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if f.duration > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, f.duration)
		defer done()
	}
	w.stop = stop
	w.begin(s.Tiers())
	err = s.Run(ctx, w.event)
	coverage, coverageErr := s.Coverage()
	all, recordErr := w.recorder.Behaviors(&coverage, s.LostOf)
	err = errors.Join(w.err, err, coverageErr, recordErr, s.Close())
	if err == nil && f.record != "" {
		err = writeBehaviors(f.record, all)
	}
	if err != nil {
		return &codeError{exitUsage, err}
	}
	return w.end(&coverage)
}

// recordable says what is wrong with the file before anything is watched.
func recordable(path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("--record %s is not a regular file", path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("--record %s: %w", path, errors.Unwrap(err))
	}
	return nil
}

// writeBehaviors puts a file in the place of what is there at once, or not at all.
func writeBehaviors(path string, all []*behavior.Behavior) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already, where it was renamed
	err = errors.Join(behavior.Encode(f, all), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

// machineWatcher tells what a sensor tells it.
type machineWatcher struct {
	flags *machineFlags
	text  watchPrinter
	json  *json.Encoder
	stop  context.CancelCauseFunc
	once  sync.Once
	err   error // of writing

	stderr   io.Writer
	problems int // containers that could not be given their policy

	recorder sensor.Recorder
	alarm    *alarm

	order []*sensor.Container
	sums  map[*sensor.Container]*watched
}

// watched is how many different things were seen of one container.
type watched struct {
	facts  map[behavior.Kind]int
	alerts int
	lost   uint64
}

// keep remembers the first error of writing, and ends the watch by it.
func (w *machineWatcher) keep(err error) {
	if err != nil {
		w.once.Do(func() {
			w.err = err
			w.stop(err)
		})
	}
}

func (w *machineWatcher) sum(c *sensor.Container) *watched {
	known := w.sums[c]
	if known == nil {
		known = &watched{facts: map[behavior.Kind]int{}}
		w.sums[c] = known
		w.order = append(w.order, c)
	}
	return known
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "host"
	}
	return name
}

// begin says that it watches: from here on nothing is missed.
func (w *machineWatcher) begin(tiers []sensor.TierState) {
	if w.flags.output == "json" {
		w.keep(w.json.Encode(watchBeginJSON(tiers)))
		return
	}
	w.keep(w.text.begin(tiers))
}

func (w *machineWatcher) event(e sensor.Event) {
	w.recorder.Add(&e)
	if e.Again {
		return
	}
	sum := w.sum(e.Container)
	switch e.Kind {
	case sensor.Did:
		sum.facts[e.Fact.Kind]++
	case sensor.Ended:
		sum.lost = e.Lost.Total()
	}
	if e.Container.Host && !w.flags.host || w.err != nil {
		return
	}
	alerts := w.alarm.judge(&e)
	sum.alerts += len(alerts)
	if e.Policy != "" {
		sum.alerts++
	}
	if e.Err != nil {
		w.problems++
		fmt.Fprintln(w.stderr, "ullage: "+printable(e.Err.Error()))
	}
	if e.Kind == sensor.Alerted && e.Policy != "" {
		if w.flags.output == "json" {
			w.keep(w.json.Encode(watchJSON(&e)))
		} else {
			w.keep(w.text.against(&e))
		}
	}
	if e.Kind != sensor.Alerted {
		if w.flags.output == "json" {
			w.keep(w.json.Encode(watchJSON(&e)))
		} else {
			w.keep(w.text.event(&e))
		}
	}
	for i := range alerts {
		if w.flags.output == "json" {
			w.keep(w.json.Encode(alertJSON(&e, &alerts[i])))
		} else {
			w.keep(w.text.alert(&e, &alerts[i]))
		}
	}
}

func (w *machineWatcher) end(c *sensor.Coverage) error {
	if w.flags.output == "json" {
		w.keep(w.json.Encode(watchCoverageJSON(c)))
	} else {
		w.keep(w.text.end(w, c))
	}
	if w.err != nil {
		return &codeError{exitUsage, w.err}
	}
	if c.Lost.Total()+c.Lost.Alerts+c.Unenforced > 0 || len(w.alarm.undecided)+w.problems > 0 {
		return &codeError{exitIncomplete, nil}
	}
	return nil
}

func (w *machineWatcher) tell(tiers []sensor.TierState) error {
	active := false
	for _, t := range tiers {
		active = active || t.Active
	}
	if w.flags.output == "json" {
		if err := w.json.Encode(tiersJSON(tiers)); err != nil {
			return &codeError{exitUsage, err}
		}
	} else if err := w.text.tiers(tiers); err != nil {
		return &codeError{exitUsage, err}
	}
	if !active {
		return &codeError{exitUsage, nil}
	}
	return nil
}
