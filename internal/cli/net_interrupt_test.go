package cli

import (
	"context"
	"errors"
	"testing"

	"github.com/spf13/cobra"
)

// An analysis is left alone when its context ends, and what reads ends by itself.
func TestNetIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cmd := &cobra.Command{}
	cmd.SetContext(ctx)
	never := make(chan struct{})
	defer close(never)
	var f netFlags
	own := errors.New("not read")
	for _, c := range []struct {
		run  func(*cobra.Command, []string) error
		want error
	}{
		{func(*cobra.Command, []string) error { close(f.read); <-never; return nil }, errInterrupted},
		{func(*cobra.Command, []string) error { return own }, own},
	} {
		if err := f.interruptible(c.run)(cmd, nil); err != c.want {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
}
