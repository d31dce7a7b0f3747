//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Glass says whether somebody broke the glass of this machine: what policies deny is
// allowed then, and an alert.
func (s *Sensor) Glass() (Glass, error) {
	var k kernelGlass
	if err := s.maps.Glasses.Lookup(uint32(0), &k); err != nil {
		return Glass{}, err
	}
	return glassOf(&k)
}

func glassOf(k *kernelGlass) (g Glass, err error) {
	booted, err := bootTime()
	g = Glass{User: k.User, Changes: k.Changes, Reason: text(k.Reason[:])}
	if k.Broken != 0 {
		g.Broken = booted.Add(time.Duration(k.Broken)).Round(0)
	}
	if k.Changed != 0 {
		g.Changed = booted.Add(time.Duration(k.Changed)).Round(0)
	}
	return g, err
}

// openGlass opens the glass of the sensor that is pinned in a directory, whether or not
// its agent runs.
func openGlass(dir string) (*ebpf.Map, error) {
	dirs, _ := filepath.Glob(filepath.Join(dir, "*", kernelMapGlasses))
	var err error
	for _, path := range dirs {
		var m *ebpf.Map
		if m, err = ebpf.LoadPinnedMap(path, nil); err == nil {
			return m, nil
		}
	}
	if errors.Is(err, os.ErrPermission) || unix.Access(dir, unix.R_OK|unix.X_OK) == unix.EACCES {
		return nil, fmt.Errorf("%s: only root may: %w", dir, os.ErrPermission)
	}
	return nil, fmt.Errorf("no agent enforces anything here: there is nothing pinned at %s", dir)
}

// ReadGlass reads the glass of what is pinned in a directory.
func ReadGlass(dir string) (Glass, error) {
	m, err := openGlass(dir)
	if err != nil {
		return Glass{}, err
	}
	defer m.Close()
	var k kernelGlass
	if err := m.Lookup(uint32(0), &k); err != nil {
		return Glass{}, err
	}
	return glassOf(&k)
}

// BreakGlass breaks the glass, or mends it. It holds at once, and until it is mended, an
// agent detaches or the machine boots.
func BreakGlass(dir string, broken bool, reason string) error {
	m, err := openGlass(dir)
	if err != nil {
		return err
	}
	defer m.Close()
	var k kernelGlass
	if err := m.Lookup(uint32(0), &k); err != nil {
		return err
	}
	if (k.Broken != 0) == broken {
		return nil
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return err
	}
	k = kernelGlass{Changed: uint64(now.Nano()), User: uint32(os.Getuid()), Changes: k.Changes + 1}
	if broken {
		k.Broken = k.Changed
	}
	reason = strings.ToValidUTF8(reason[:min(len(reason), len(k.Reason)-1)], "")
	for i := range len(reason) {
		k.Reason[i] = int8(reason[i])
	}
	return m.Put(uint32(0), &k)
}
