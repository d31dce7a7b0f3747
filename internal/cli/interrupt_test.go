package cli

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

// A command that waits for ever ends when it is interrupted, and says so.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		stdin, never := io.Pipe()
		defer never.Close()
		var errors strings.Builder
		p := &Program{Args: []string{"check", "-"}, Stdin: stdin, Stdout: io.Discard, Stderr: &errors, Getenv: func(string) string { return "" }}
		if code := Run(ctx, p); code != exitUsage || !strings.Contains(errors.String(), "interrupted") {
			t.Errorf("exit code %d: %s", code, errors.String())
		}
	})
}
