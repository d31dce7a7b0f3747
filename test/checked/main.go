// Command checked writes the expressions of the rule library in checked form
// to the file that it is given: policies/checked.txt.
package main

import (
	"log"
	"os"

	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/policies"
)

func main() {
	log.SetFlags(0)
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		log.Fatalf("checked: %v", err)
	}
	text, err := policy.CheckExpressions(rules)
	if err != nil {
		log.Fatalf("checked: %v", err)
	}
	if err := os.WriteFile(os.Args[1], text, 0o644); err != nil {
		log.Fatalf("checked: %v", err)
	}
}
