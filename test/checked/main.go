// Command checked writes the expressions of the rule library in checked form to
// the checked.txt of each part of it.
package main

import (
	"io/fs"
	"log"
	"os"

	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/policies"
)

func main() {
	log.SetFlags(0)
	for dir, files := range map[string]fs.FS{"policies": policies.Files, "policies/behavior": policies.Behavior()} {
		rules, err := policy.LoadLibrary(files, dir)
		if err != nil {
			log.Fatalf("checked: %v", err)
		}
		text, err := policy.CheckExpressions(rules)
		if err != nil {
			log.Fatalf("checked: %v", err)
		}
		if err := os.WriteFile(dir+"/checked.txt", text, 0o644); err != nil {
			log.Fatalf("checked: %v", err)
		}
	}
}
