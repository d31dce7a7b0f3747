//go:build !linux || !(386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64)

package sensor

import (
	"context"
	"runtime"

	"ullage.dev/ullage/internal/behavior"
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

// Close does nothing.
func (*Sensor) Close() error { return nil }
