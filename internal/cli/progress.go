package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"ullage.dev/ullage/internal/manifest"
)

// progress is one line on a terminal's standard error that says how far a long
// run is. It appears after a second, and is silent elsewhere.
type progress struct {
	w     io.Writer // nil when there is no terminal
	mu    sync.Mutex
	begin time.Time
	last  time.Time
	shown bool
}

func newProgress(p *Program) *progress {
	bar := &progress{begin: time.Now()}
	if p.Terminal.Stderr {
		bar.w = p.Stderr
	}
	return bar
}

func (b *progress) read(p manifest.Progress) { b.show("reading", p.Done, p.Total, "files") }
func (b *progress) judged(done, total int)   { b.show("checking", done, total, "objects") }

// listed takes the number of objects that a cluster has given so far.
func (b *progress) listed(objects int) {
	b.write(fmt.Sprintf("reading the cluster: %d objects", objects))
}

func (b *progress) show(what string, done, total int, of string) {
	b.write(fmt.Sprintf("%s %d of %d %s", what, done, total, of))
}

func (b *progress) write(line string) {
	if b.w == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Sub(b.begin) < time.Second || now.Sub(b.last) < 100*time.Millisecond {
		return
	}
	b.last, b.shown = now, true
	fmt.Fprint(b.w, "\r\x1b[K"+line)
}

// done takes the line away.
func (b *progress) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.shown = false
	}
}
