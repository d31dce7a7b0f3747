//go:build !linux || !(386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64)

package sensor

import (
	"context"
	"runtime"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/enforce"
)

// Sensor is on Linux only.
type Sensor struct{}

// Start says that there is no sensor here.
func Start(Options) (*Sensor, error) {
	return nil, unavailable("it is made for Linux, and this is %s on %s", runtime.GOOS, runtime.GOARCH)
}

// Tiers says the same.
func Tiers() []TierState {
	return []TierState{{Tier: behavior.TierTracing, Reason: "not Linux"}}
}

// Tiers is empty.
func (*Sensor) Tiers() []TierState { return nil }

// Run is never reached.
func (*Sensor) Run(context.Context, func(Event)) error { return ErrUnavailable }

// Coverage is empty.
func (*Sensor) Coverage() (Coverage, error) { return Coverage{}, ErrUnavailable }

// LostOf is never reached.
func (*Sensor) LostOf(*Container) (Losses, error) { return Losses{}, ErrUnavailable }

// Means are none.
func (*Sensor) Means() enforce.Means { return enforce.Means{} }

// Assign is never reached.
func (*Sensor) Assign() error { return ErrUnavailable }

// Glass is never reached.
func (*Sensor) Glass() (Glass, error) { return Glass{}, ErrUnavailable }

// ReadGlass says that there is none.
func ReadGlass(string) (Glass, error) { return Glass{}, ErrUnavailable }

// BreakGlass says that there is none.
func BreakGlass(string, bool, string) error { return ErrUnavailable }

// Detach has nothing to take away.
func Detach(string) (int, error) { return 0, nil }

// Resumed is false.
func (*Sensor) Resumed() bool { return false }

// Replaced is false.
func (*Sensor) Replaced() bool { return false }

// Leave does nothing.
func (*Sensor) Leave() error { return nil }

// Close does nothing.
func (*Sensor) Close() error { return nil }
