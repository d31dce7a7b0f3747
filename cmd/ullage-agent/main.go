// Command ullage-agent is the node role alone: small, for a root process on every
// node.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"ullage.dev/ullage/internal/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := agent.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
