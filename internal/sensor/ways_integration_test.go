//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/cilium/ebpf"

	"ullage.dev/ullage/internal/behavior"
)

func (w way) String() string {
	if w.plain && w.tier == behavior.TierTracing {
		return "plain tracing"
	}
	return string(w.tier)
}

// inEachWay runs a test with the programs loaded in each way by itself. Which one a kernel
// takes when it is asked for all of them is not the test's choice.
func inEachWay(t *testing.T, test func(*testing.T, way)) {
	requireMachine(t)
	for _, w := range ways {
		t.Run(w.String(), func(t *testing.T) { test(t, w) })
	}
}

// A program that the kernel's verifier refuses is a mistake of the program: elsewhere
// it would only be missing. On a kernel that is known to have all hooks nothing may be.
func TestEveryProgramIsTaken(t *testing.T) {
	inEachWay(t, func(t *testing.T, w way) {
		h, err := lookAtHost()
		if err != nil {
			t.Skip(err)
		}
		o := Options{}
		o.setDefaults()
		spec, err := prepare(&o, h)
		if err != nil {
			t.Fatal(err)
		}
		c, err := load(spec, []way{w})
		if err != nil {
			if os.Getenv("ULLAGE_TEST_KERNEL") != "" && (w.plain || !isBefore(release(), 5, 12)) {
				t.Fatalf("%+v", err)
			}
			t.Skip(err)
		}
		defer c.Close()
		for name, err := range c.refused {
			var verifier *ebpf.VerifierError
			if errors.As(err, &verifier) && len(verifier.Log) > 0 || os.Getenv("ULLAGE_TEST_KERNEL") != "" {
				log := fmt.Sprintf("%+v", err)
				t.Errorf("%s: %v\n%s", name, err, log[max(0, len(log)-3000):])
			}
		}
		if !c.origins && os.Getenv("ULLAGE_TEST_KERNEL") != "" {
			t.Error("overlayfs is not known")
		}
	})
}
