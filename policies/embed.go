// Package policies is the rule library: one rule and its examples a file.
package policies

import "embed"

// Files holds the rules in folders by category.
//
//go:embed */*.yaml
var Files embed.FS
