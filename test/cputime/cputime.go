// Package cputime measures what a benchmark costs in processor time, which
// other programs on the machine change far less than the time on the clock.
package cputime

import (
	"syscall"
	"testing"
	"time"
)

// Report begins to measure and returns what ends it: the processor time of the
// whole process for each iteration, as cpu-ms/op.
func Report(b *testing.B) (end func()) {
	start := used()
	return func() { b.ReportMetric(float64((used()-start).Microseconds())/1000/float64(b.N), "cpu-ms/op") }
}

func used() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
