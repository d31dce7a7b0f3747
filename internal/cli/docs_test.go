package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// quoted is a command in a document and what the document shows of its output.
type quoted struct {
	where, command string
	lines          []string
}

// TestDocumentsShowRealOutput runs every ullage command that README and docs show
// with its output. The lines shown must come in this order; "..." stands for any
// that are left out.
func TestDocumentsShowRealOutput(t *testing.T) {
	t.Chdir("../..")
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d documents: %v", len(files), err)
	}
	compared := 0
	for _, file := range append(files, "README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range quotations(file, string(text)) {
			compared += compareQuotation(t, q)
		}
	}
	if compared < 20 {
		t.Errorf("only %d lines of output are shown in the documents", compared)
	}
}

var codeBlock = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```")

// quotations finds commands after a "$", each with the lines up to the next one.
func quotations(file, text string) []quoted {
	var found []quoted
	for _, block := range codeBlock.FindAllStringSubmatch(text, -1) {
		var last *quoted
		for line := range strings.Lines(block[1]) {
			line = strings.TrimRight(line, "\n")
			command, isCommand := strings.CutPrefix(line, "$ ")
			switch {
			case isCommand:
				found = append(found, quoted{where: file, command: command})
				last = &found[len(found)-1]
			case last != nil:
				last.lines = append(last.lines, line)
			}
		}
	}
	return found
}

// compareQuotation returns how many lines it compared: none of a command that is
// for a shell, a cluster or changed files.
func compareQuotation(t *testing.T, q quoted) int {
	args := strings.Fields(q.command)
	name := strings.TrimPrefix(args[0], "bin/")
	if name != "ullage" || strings.ContainsAny(q.command, "|>'\"") || regexp.MustCompile(`baseline|--cluster|--from |--save`).MatchString(q.command) {
		return 0
	}
	o := ullage(t, args[1:]...)
	rest := o.stdout + o.stderr
	compared := 0
	for _, line := range q.lines {
		if strings.TrimSpace(line) == "..." || strings.TrimSpace(line) == "" {
			continue
		}
		compared++
		_, after, found := strings.Cut("\n"+rest, "\n"+line+"\n")
		if !found {
			t.Errorf("%s: %s does not print, or not in this order:\n%s", q.where, q.command, line)
			return compared
		}
		rest = after
	}
	return compared
}
