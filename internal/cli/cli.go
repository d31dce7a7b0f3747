// Package cli is the command line of ullage: one file for each command. It
// parses flags, calls the packages below and prints; it decides nothing about
// security.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Exit codes, as docs/reports.md promises them.
const (
	exitClean      = 0
	exitFindings   = 1
	exitUsage      = 2
	exitIncomplete = 3
)

// Program is one invocation: what os/exec.Cmd would be told.
type Program struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Terminal       Terminal
}

// Terminal describes what the output goes to.
type Terminal struct {
	Stdout, Stderr bool // each is a terminal
	Width          int  // columns, 0 when unknown
}

// width is how many columns a line may have, 100 where it is not known.
func (p *Program) width() int {
	if p.Terminal.Width <= 0 {
		return 100
	}
	return max(p.Terminal.Width, 40)
}

// colored reports whether output is painted; color is auto, always or never.
func (p *Program) colored(color string) bool {
	return color == "always" || color == "auto" && p.Terminal.Stdout && p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb"
}

// codeError ends the program with an exit code; its message is printed unless
// it is empty.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// Run executes the command line and returns the exit code.
func Run(ctx context.Context, p *Program) int {
	paceGC(p.Getenv, p.Args)
	root := &cobra.Command{
		Use:           "ullage",
		Short:         "Find and remove the privilege that Kubernetes workloads do not need",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       Version(),
	}
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SetUsageFunc(p.usage)
	root.SetVersionTemplate("ullage {{.Version}}\n")
	root.AddCommand(accessCommand(p), attackPathsCommand(p), checkCommand(p), clusterCommand(p), dbCommand(p), imageCommand(p), netCommand(p), platformCommand(p), policyCommand(p), profileCommand(p), secretsCommand(p), storageCommand(p), trimCommand(p), watchCommand(p))
	cmd, err := execute(ctx, root)
	if err == nil {
		return exitClean
	}
	var coded *codeError
	if errors.As(err, &coded) {
		if message := coded.Error(); message != "" {
			fmt.Fprintln(p.Stderr, "ullage: "+printableLines(message))
		}
		return coded.code
	}
	hint := ""
	if !strings.Contains(err.Error(), "\n") && !strings.Contains(err.Error(), "(see ") {
		hint = " (see " + cmd.CommandPath() + " --help)"
	}
	fmt.Fprintf(p.Stderr, "ullage: %s%s\n", printableLines(err.Error()), hint)
	return exitUsage
}

// grace is how long a command that is interrupted has to end by itself: to finish
// the files that it writes.
const grace = 2 * time.Second

var errInterrupted = &codeError{exitUsage, errors.New("interrupted: nothing is told of what was not finished")}

// execute runs a command. When the context ends and the command does not, it is
// left alone after the grace, and the program is to end: analyses are functions
// that do not wait for anything, and may take long.
func execute(ctx context.Context, root *cobra.Command) (*cobra.Command, error) {
	type result struct {
		cmd *cobra.Command
		err error
	}
	done := make(chan result, 1)
	go func() {
		cmd, err := root.ExecuteContextC(ctx)
		done <- result{cmd, err}
	}()
	select {
	case r := <-done:
		return r.cmd, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.cmd, r.err
	case <-time.After(grace):
		return root, errInterrupted
	}
}

// version is set by the linker for releases.
var version string

// Version returns the release, or the commit that the program was built from.
func Version() string {
	if version != "" {
		return version
	}
	revision, dirty := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && len(s.Value) >= 12:
				revision = s.Value[:12]
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "+dirty"
			}
		}
	}
	if revision == "" {
		return "devel"
	}
	return "devel-" + revision + dirty
}
