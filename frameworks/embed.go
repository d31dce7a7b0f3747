// Package frameworks holds the compliance frameworks as data: requirements in
// our own words, and the checks that support each.
package frameworks

import "embed"

// Files holds one framework a file.
//
//go:embed *.yaml
var Files embed.FS
