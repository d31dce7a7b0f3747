// Command ullage is the whole product; the subcommand chooses the role.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"ullage.dev/ullage/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &cli.Program{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	p.Terminal.Stdout = term.IsTerminal(int(os.Stdout.Fd()))
	p.Terminal.Stderr = term.IsTerminal(int(os.Stderr.Fd()))
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		p.Terminal.Width = width
	}
	code := cli.Run(ctx, p)
	stop()
	os.Exit(code)
}
