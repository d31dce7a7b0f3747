package agent

import (
	"context"
	"errors"
	"slices"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/sensor"
	"ullage.dev/ullage/internal/store"
)

// part is what is to be written of a container, of one day.
type part struct {
	of       *watched
	day      int32
	recorded *behavior.Behavior
	joined   *behavior.Behavior
}

// write writes what is new; at the end also what still waits for a name. Only one may
// write at a time.
func (a *agent) write(ctx context.Context, last bool) {
	c, err := a.kernel.Coverage()
	if err != nil {
		a.failed("the sensor cannot say what it lost", err)
		return
	}
	parts := a.take(&c, last)
	for len(parts) > 0 {
		day := parts[0].day
		n := slices.IndexFunc(parts, func(p part) bool { return p.day != day })
		if n < 0 {
			n = len(parts)
		}
		a.learn(ctx, day, parts[:n])
		parts = parts[n:]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for c, w := range a.known {
		if w.ended && len(w.pending) == 0 && w.written {
			delete(a.known, c)
		}
	}
	if gone := forgetEnded(a.known); gone > 0 {
		a.figures.Unkept += gone
	}
}

// take takes what is to be written, by day.
func (a *agent) take(c *sensor.Coverage, last bool) (parts []part) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	a.lose(c)
	all := last || now.Sub(a.covered) >= a.options.Refresh
	if all {
		a.covered = now
	}
	for _, w := range a.known {
		if !all && !w.ended && len(w.pending) == 0 {
			continue
		}
		if !last && a.pods != nil && now.Sub(w.since) < a.options.Patience && !a.places.knows(w.container) {
			continue
		}
		w.written = w.ended
		for day, b := range w.take(behavior.At(now), c, a.options.Node) {
			parts = append(parts, part{w, day, b, a.places.join(b, w, a.options.Cluster)})
		}
	}
	slices.SortFunc(parts, func(x, y part) int { return int(x.day - y.day) })
	return parts
}

// lose asks what containers lost, when anything was.
func (a *agent) lose(c *sensor.Coverage) {
	total := c.Lost.Total()
	if total == a.lost {
		return
	}
	a.lost, a.elsewhere = total, c.Lost.Elsewhere
	for container, w := range a.known {
		if w.ended {
			continue
		}
		l, err := a.kernel.LostOf(container)
		if err != nil {
			w.lost = total // at most
			continue
		}
		w.lost = max(w.lost, l.Total()+a.elsewhere)
	}
}

func (a *agent) learn(ctx context.Context, day int32, parts []part) {
	var all []*behavior.Behavior
	for _, p := range parts {
		all = append(all, p.joined)
	}
	err := a.days.Learn(ctx, day, all...)
	if err == nil {
		return
	}
	a.failed("cannot write what was seen", err)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range parts {
		if errors.Is(err, store.ErrFull) {
			a.figures.Unkept += p.of.drop(p.recorded)
			continue
		}
		p.of.giveBack(p.day, p.recorded)
	}
}

func (a *agent) failed(what string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.figures.StoreErrors++
	if text := what + ": " + err.Error(); text != a.figures.LastError {
		a.figures.LastError = text
		a.log.Error(what, "error", err)
	}
}
