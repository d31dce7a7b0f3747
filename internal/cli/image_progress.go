package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"ullage.dev/ullage/internal/image"
)

// layerProgress shows on a terminal how far the layers of an image are: a line for
// all, and one for each that is being read. It appears after a second, and is silent
// elsewhere.
type layerProgress struct {
	w      io.Writer // nil when there is no terminal
	mu     sync.Mutex
	begin  time.Time
	last   time.Time
	layers map[int]*layerPart
	count  int
	done   int
	passed int64 // bytes of all layers
	lines  int   // on the screen
}

// layerPart is how much of a layer was read.
type layerPart struct{ read, size int64 }

func newLayerProgress(p *Program) *layerProgress {
	l := &layerProgress{begin: time.Now(), layers: map[int]*layerPart{}}
	if p.Terminal.Stderr {
		l.w = p.Stderr
	}
	return l
}

// reading takes what [image.Options] tells of a layer that is being read.
func (l *layerProgress) reading(index, layers int, read, size int64) {
	if l.w == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	part := l.layers[index]
	if part == nil {
		part = &layerPart{}
		l.layers[index] = part
	}
	l.passed += read - part.read
	l.count, part.read, part.size = layers, read, size
	l.draw(time.Now())
}

// merged takes what it tells of one that is done.
func (l *layerProgress) merged(index, layers int, _ *image.Layer) {
	if l.w == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.layers, index)
	l.count, l.done = layers, index+1
	l.draw(time.Now())
}

func (l *layerProgress) draw(now time.Time) {
	if now.Sub(l.begin) < time.Second || now.Sub(l.last) < 100*time.Millisecond {
		return
	}
	l.last = now
	lines := l.text(now)
	fmt.Fprint(l.w, l.back()+strings.Join(lines, "\n")+"\n")
	l.lines = len(lines)
}

// text is what is shown at a time.
func (l *layerProgress) text(now time.Time) []string {
	rate := float64(l.passed) / max(now.Sub(l.begin).Seconds(), 0.001)
	lines := []string{fmt.Sprintf("%d of %s read, %s, %s/s", l.done, counted(l.count, "layer"), bytesText(l.passed), bytesText(int64(rate)))}
	var indexes []int
	for i := range l.layers {
		indexes = append(indexes, i)
	}
	slices.Sort(indexes)
	for _, i := range indexes {
		part := l.layers[i]
		line := fmt.Sprintf("  layer %-4d %9s", i+1, bytesText(part.read))
		switch {
		case part.size > 0 && part.read >= part.size:
			line += ", waits for those below"
		case part.size > 0:
			line += fmt.Sprintf(" of %s, %d%%", bytesText(part.size), part.read*100/part.size)
		}
		lines = append(lines, line)
	}
	return lines
}

// back goes to the beginning of what is on the screen, and clears it.
func (l *layerProgress) back() string {
	if l.lines == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", l.lines)
}

// end takes the lines away.
func (l *layerProgress) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w != nil && l.lines > 0 {
		fmt.Fprint(l.w, l.back())
		l.lines = 0
	}
}
