// Package policies is the rule library: one rule and its examples a file.
package policies

import (
	"embed"
	"io/fs"
)

// Files holds the rules on objects in folders by category, and their expressions
// in checked form, which `make generate` writes.
//
//go:embed */*.yaml checked.txt
var Files embed.FS

//go:embed behavior/*/*.yaml behavior/checked.txt
var behavior embed.FS

// Behavior holds the rules on what containers do, in the same form. Who judges
// objects does without them.
func Behavior() fs.FS {
	files, err := fs.Sub(behavior, "behavior")
	if err != nil {
		panic(err) // the name above is wrong
	}
	return files
}
