//go:build integration && linux

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
)

// TestWatchesThisMachine watches until a program that the test runs is told.
func TestWatchesThisMachine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs sh")
	}
	text, err := os.ReadFile(shell)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "watched")
	if err := os.WriteFile(program, text, 0o700); err != nil {
		t.Fatal(err)
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(t.TempDir(), "record.json")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	var problems strings.Builder
	code := make(chan int, 1)
	go func() {
		p := &Program{Args: []string{"watch", "--host", "-o", "json", "--record", record}, Stdout: in, Stderr: &problems, Getenv: func(string) string { return "" }}
		code <- Run(ctx, p)
		in.Close()
	}()
	waits := time.AfterFunc(time.Minute, stop) // it is an error then, and no hang
	defer waits.Stop()
	seen, last := false, ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var j struct {
			Event string
			Fact  *behavior.Fact
		}
		if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if j.Event == "watching" {
			if err := exec.CommandContext(ctx, program, "-c", "exit 0").Run(); err != nil {
				t.Fatal(err)
			}
		}
		// The name of a directory of the test is taken for a random one.
		if last = j.Event; j.Fact != nil && strings.HasSuffix(j.Fact.Program.Path, "/watched") {
			seen = true
			stop()
		}
	}
	switch got := <-code; {
	case strings.Contains(problems.String(), "cannot run here"):
		t.Skip(problems.String())
	case got != exitClean && got != exitIncomplete || !seen || last != "coverage":
		t.Errorf("exit code %d, seen %v, the last event is %s\n%s", got, seen, last, problems.String())
	}
	node, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	o := ullage(t, "profile", "show", "Host/"+node, "--from", record)
	if o.code != exitClean || !strings.Contains(unwrapped(o.stdout), "/watched runs, begun by ") {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
}
