package access

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of rights into docs/access.md")

// TestDocs holds the table in docs/access.md against the catalogue. Run it with
// -update to write it.
func TestDocs(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "access.md")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- rights -->\n", "<!-- /rights -->"
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the table has no place")
	}
	var table strings.Builder
	table.WriteString("| right | severity | what an attacker does with it | ATT&CK | given by |\n|---|---|---|---|---|\n")
	for _, group := range Groups {
		fmt.Fprintf(&table, "| **%s** | | | | |\n", group)
		for r := range rightCount {
			if info := r.Info(); info.Group == group {
				name := "`" + info.Name + "`"
				if info.Part != "" {
					name = "*" + name + "*"
				}
				fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", name, info.Severity, info.Gain, strings.Join(info.Attack, ", "), r.givenBy())
			}
		}
	}
	text := before + begin + table.String() + end + after
	if text == string(old) {
		return
	}
	if !*update {
		t.Fatal("docs/access.md is stale: go test ./internal/access -run TestDocs -update")
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r Right) givenBy() string {
	var parts []string
	for _, any := range r.Together() {
		var names []string
		for _, one := range any.All() {
			names = append(names, "`"+one.String()+"`")
		}
		parts = append(parts, strings.Join(names, " or "))
	}
	if parts != nil {
		return strings.Join(parts, ", with ")
	}
	for _, n := range r.Needs() {
		text := strings.Join(n.Verbs, ", ") + " on " + strings.Join(n.Resources, ", ")
		if n.Group != "" {
			text += " of " + n.Group
		}
		if len(n.Names) > 0 {
			text += " (all, or " + strings.Join(n.Names, ", ") + ")"
		}
		parts = append(parts, text)
	}
	if parts == nil {
		return "how the rule is written"
	}
	return strings.Join(parts, "; ")
}
