package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	startPercent = 1600      // of the runtime's 4 MiB: most runs end before they have allocated that much
	smallHeap    = 24 << 20  // bytes alive, up to which memory is cheaper than collecting
	smallPercent = 400       // of a small heap
	roomyHeap    = 160 << 20 // bytes that a larger heap fills before it is held close to what is alive
	maxPercent   = 100       // of a larger heap
	minPercent   = 40
	imagePercent = 50       // of the heap of reading images, which has large buffers and makes little garbage
	imageHeap    = 48 << 20 // bytes alive of it, beyond which it is mostly paths, that cost next to nothing to look through
	pathsPercent = 15
)

// paceGC lets the heap of a small run grow freely, because most runs are over
// before it matters, and holds that of a large one close to what is alive. It
// looks again after each collection. A GOGC of the user's own is respected.
func paceGC(getenv func(string) string, args []string) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return
	}
	first, next := startPercent, gcPercent
	if len(args) > 0 && args[0] == "image" {
		first, next = imagePercent, gcPercentOfImage
	}
	debug.SetGCPercent(first)
	watchGC(first, next)
}

// watchGC leaves a piece of garbage behind: the next collection finds it.
func watchGC(percent int, next func(live uint64) int) {
	garbage := new([16]byte)
	runtime.AddCleanup(garbage, func(percent int) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		if want := next(live[0].Value.Uint64()); want != percent {
			debug.SetGCPercent(want)
			percent = want
		}
		watchGC(percent, next)
	}, percent)
}

// gcPercentOfImage is gcPercent for reading images.
func gcPercentOfImage(live uint64) int {
	if live < imageHeap {
		return imagePercent
	}
	return pathsPercent
}

// gcPercent returns how much may be allocated until the next collection, in
// hundredths of what is alive.
func gcPercent(live uint64) int {
	if live < smallHeap {
		return smallPercent
	}
	return max(min(int(roomyHeap*100/live)-100, maxPercent), minPercent)
}
