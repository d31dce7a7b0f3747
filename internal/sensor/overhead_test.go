//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Rounds with and without the sensor take turns, so that what else happens on the
// machine meets both.
const overheadRounds = 9

// BenchmarkExecOverhead and its sibling print the CPU of this process and its
// children for one operation: without a sensor, and the ratio to it with one, which
// another process reads. bpf-ns/op is what the kernel measures of the programs
// themselves, in a round of its own. This process counts as one in a container, of
// which more is seen than of others.
func BenchmarkExecOverhead(b *testing.B) {
	program := filepath.Join(b.TempDir(), "ends")
	if err := os.WriteFile(program, endsAtOnce(), 0o700); err != nil {
		b.Fatal(err)
	}
	overhead(b, 2000, func() error {
		p, err := os.StartProcess(program, []string{program}, &os.ProcAttr{})
		if err != nil {
			return err
		}
		_, err = p.Wait()
		return err
	})
}

// BenchmarkConnectOverhead connects over the loopback interface, and accepts.
func BenchmarkConnectOverhead(b *testing.B) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: l.Addr().(*net.TCPAddr).Port}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	if err := unix.SetNonblock(int(file.Fd()), false); err != nil {
		b.Fatal(err)
	}
	overhead(b, 10000, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		// Reset at the close, so that no port stays taken.
		err = firstError(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), unix.Connect(fd, to))
		if err != nil {
			return err
		}
		peer, _, err := unix.Accept(int(file.Fd()))
		return firstError(err, unix.Close(fd), unix.Close(peer))
	})
}

// BenchmarkCallOverhead makes the cheapest system call there is.
func BenchmarkCallOverhead(b *testing.B) {
	overhead(b, 500_000, func() error {
		unix.Getppid()
		return nil
	})
}

// BenchmarkOpenOverhead opens a file for reading, and closes it.
func BenchmarkOpenOverhead(b *testing.B) {
	file := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	overhead(b, 100_000, func() error {
		fd, err := unix.Open(file, unix.O_RDONLY, 0)
		return firstError(err, unix.Close(fd))
	})
}

func overhead(b *testing.B, operations int, do func() error) {
	requireMachine(b)
	if s, err := Start(Options{}); err != nil {
		b.Skip(err)
	} else if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	round := func() float64 {
		before := cpu(b)
		for range operations {
			if err := do(); err != nil {
				b.Fatal(err)
			}
		}
		return float64(cpu(b)-before) / float64(operations)
	}
	for b.Loop() {
		var without, ratios []float64
		for range overheadRounds {
			base := round()
			stop := watching(b)
			with := round()
			stop()
			without, ratios = append(without, base), append(ratios, with/base)
		}
		b.ReportMetric(median(without), "cpu-ns/op")
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(slices.Min(ratios), "ratio-min")
	}
	b.ReportMetric(inKernel(b, operations, round), "bpf-ns/op")
	b.ReportMetric(0, "ns/op")
}

// watching starts a sensor in a process of its own, and waits until it has read what
// there is.
func watching(b *testing.B) (stop func()) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	c := exec.CommandContext(b.Context(), self)
	c.Env = append(os.Environ(), actVariable+"=sensor "+strconv.Itoa(os.Getpid()))
	c.Stderr = os.Stderr
	end, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	ready, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		b.Fatal("the sensor does not start: ", err, c.Wait())
	}
	return func() {
		if err := firstError(end.Close(), c.Wait()); err != nil {
			b.Fatal(err)
		}
	}
}

// inKernel is the time of all of the sensor's programs for one operation, with what
// other processes do meanwhile.
func inKernel(b *testing.B, operations int, round func() float64) float64 {
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Log(err)
		return 0
	}
	defer stats.Close()
	s, err := Start(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.contain(uint32(os.Getpid())); err != nil {
		b.Fatal(err)
	}
	sum := func() (d time.Duration) {
		for _, p := range s.programs {
			st, err := p.Stats()
			if err != nil {
				b.Fatal(err)
			}
			d += st.Runtime
		}
		return d
	}
	before := sum()
	round()
	return float64(sum()-before) / float64(operations)
}

func cpu(b *testing.B) time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return sum
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
