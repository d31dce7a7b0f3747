//go:build integration && linux && (amd64 || arm64)

package agent

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// BenchmarkAgentCost prints what an agent takes while this process opens 1,000 files,
// makes 100 connections and runs 10 programs a second, for as many seconds as there are
// operations: processors, and resident memory at the end.
func BenchmarkAgentCost(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	dir := b.TempDir()
	program, state := filepath.Join(dir, "ullage-agent"), filepath.Join(dir, "state")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "../../cmd/ullage-agent").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	socket := filepath.Join(state, "a.sock")
	agent := exec.Command(program, "run", "--state", state, "--socket", socket)
	if err := agent.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = agent.Process.Signal(syscall.SIGTERM)
		if err := agent.Wait(); err != nil {
			b.Error(err)
		}
	}()
	var before *Status
	for last := time.Now().Add(time.Minute); before == nil; time.Sleep(100 * time.Millisecond) {
		if before, _ = askStatus(b.Context(), socket); before == nil && time.Now().After(last) {
			b.Fatal("no agent answers")
		}
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	began := time.Now()
	for i := 0; b.Loop(); i++ {
		for tenth := range 10 {
			for range 100 {
				if f, err := os.Open("/proc/self/comm"); err == nil {
					f.Close()
				}
			}
			for range 10 {
				if c, err := net.Dial("tcp4", l.Addr().String()); err == nil {
					c.Close()
				}
			}
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
			time.Sleep(time.Until(began.Add(time.Duration(i)*time.Second + time.Duration(tenth+1)*100*time.Millisecond)))
		}
	}
	took := time.Since(began).Seconds()
	after, err := askStatus(b.Context(), socket)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric((after.Cost.CPUSeconds-before.Cost.CPUSeconds)/took, "cores")
	b.ReportMetric(float64(after.Cost.ResidentBytes)/1e6, "MB")
	b.ReportMetric(float64(after.Lost.Total()), "lost")
}
