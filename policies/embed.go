// Package policies is the rule library: one rule and its examples a file.
package policies

import "embed"

// Files holds the rules in folders by category, and their expressions in
// checked form, which `make generate` writes.
//
//go:embed */*.yaml checked.txt
var Files embed.FS
