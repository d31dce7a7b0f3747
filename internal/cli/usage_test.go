package cli

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHelpFits goes through the help of all commands: no line is wider than the
// terminal, and 100 columns where there is none.
func TestHelpFits(t *testing.T) {
	listed := regexp.MustCompile(`(?m)^  ([a-z-]+) {2,}\S`)
	var lines, commands int
	var visit func(words []string, width int)
	visit = func(words []string, width int) {
		var out bytes.Buffer
		p := &Program{Args: append(words[:len(words):len(words)], "--help"), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }, Terminal: Terminal{Width: width}}
		if code := Run(context.Background(), p); code != exitClean {
			t.Fatalf("%v: exit code %d\n%s", words, code, out.String())
		}
		commands++
		_, flags, _ := strings.Cut(out.String(), "\nFlags:\n")
		for line := range strings.Lines(flags) {
			lines++
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > p.width() && strings.Count(strings.TrimSpace(line), " ") > 6 {
				t.Errorf("%v --help at %d columns: %d in %q", words, width, n, line)
			}
		}
		_, below, ok := strings.Cut(out.String(), "Available Commands:\n")
		if !ok || len(words) > 2 {
			return
		}
		below, _, _ = strings.Cut(below, "\n\n")
		for _, sub := range listed.FindAllStringSubmatch(below, -1) {
			if sub[1] != "completion" && sub[1] != "help" {
				visit(append(words[:len(words):len(words)], sub[1]), width)
			}
		}
	}
	for _, width := range []int{0, 80, 200} {
		visit(nil, width)
	}
	if commands < 60 || lines < 600 {
		t.Errorf("only %d lines of %d commands", lines, commands)
	}
}
