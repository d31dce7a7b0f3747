package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLayerProgress shows a line for each layer that is being read, and leaves
// nothing behind; without a terminal it shows nothing at all.
func TestLayerProgress(t *testing.T) {
	var out bytes.Buffer
	l := newLayerProgress(&Program{Stderr: &out, Terminal: Terminal{Stderr: true}})
	l.reading(0, 3, 50_000_000, 50_000_000)
	l.reading(1, 3, 30_000_000, 60_000_000)
	l.reading(2, 3, 10_000_000, 0)
	want := []string{"0 of 3 layers read, 90 MB, 45 MB/s", "  layer 1        50 MB, waits for those below", "  layer 2        30 MB of 60 MB, 50%", "  layer 3        10 MB"}
	if got := l.text(l.begin.Add(2 * time.Second)); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if out.Len() > 0 {
		t.Errorf("shown within the first second: %q", out.String())
	}
	l.begin = l.begin.Add(-time.Minute)
	l.merged(0, 3, nil)
	l.last = time.Time{}
	l.merged(1, 3, nil)
	l.end()
	text := out.String()
	if !strings.HasPrefix(text, "1 of 3 layers read, 90 MB, 1.5 MB/s\n  layer 2 ") || !strings.Contains(text, "\x1b[3A\x1b[J2 of 3") || !strings.HasSuffix(text, "\n\x1b[2A\x1b[J") {
		t.Errorf("%q", text)
	}
	out.Reset()
	silent := newLayerProgress(&Program{Stderr: &out})
	silent.begin = silent.begin.Add(-time.Minute)
	silent.reading(0, 1, 1, 1)
	silent.merged(0, 1, nil)
	silent.end()
	if out.Len() > 0 {
		t.Errorf("without a terminal: %q", out.String())
	}
}
