package main

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

var errDiffer = errors.New("a difference that accepted.txt does not accept")

// entry is one package at one place. Of a jar the name is that of the artifact.
type entry struct{ ecosystem, name, version, place string }

func (e entry) String() string {
	return strings.Join([]string{e.ecosystem, e.name, cmp.Or(e.version, "(no version)"), e.place}, " ")
}

// compare holds what Ullage says is in an image against what syft does. It prints what
// only one of them has and accepted.txt does not accept, which is an error, and counts
// the rest by reason.
func compare(syftFile, ourFile string) error {
	theirs, err := syftEntries(syftFile)
	if err != nil {
		return err
	}
	ours, err := ourEntries(ourFile)
	if err != nil {
		return err
	}
	accepted, err := readAccepted()
	if err != nil {
		return err
	}
	fmt.Printf("%d packages by syft, %d by us\n", total(theirs), total(ours))
	reasons := map[string]int{}
	for _, side := range []struct {
		name      string
		has, less map[entry]int
	}{{"syft", theirs, ours}, {"ours", ours, theirs}} {
		for _, e := range slices.SortedFunc(maps.Keys(side.has), func(a, b entry) int { return strings.Compare(a.String(), b.String()) }) {
			n := side.has[e] - side.less[e]
			if n <= 0 {
				continue
			}
			if why := accepted.of(side.name, e); why != "" {
				reasons[side.name+" only: "+why] += n
				continue
			}
			err = errDiffer
			fmt.Printf("%s only, not accepted: %s\n", side.name, e)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Printf("%3d %s\n", reasons[why], why)
	}
	return err
}

func total(entries map[entry]int) int {
	sum := 0
	for _, n := range entries {
		sum += n
	}
	return sum
}

func read(file string, to any) error {
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, to)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// ecosystems are syft's types by our names.
var ecosystems = map[string]string{
	"apk": "Alpine", "deb": "Debian", "dotnet": "NuGet", "gem": "RubyGems", "go-module": "Go", "java-archive": "Maven", "npm": "npm", "php-composer": "Packagist",
	"python": "PyPI", "rpm": "Red Hat", "rust-crate": "crates.io",
}

func syftEntries(file string) (map[entry]int, error) {
	var bill struct {
		Artifacts []struct {
			Name, Version, Type string
			Locations           []struct{ Path string }
			Metadata            struct{ VirtualPath string }
		}
	}
	if err := read(file, &bill); err != nil {
		return nil, err
	}
	entries := map[entry]int{}
	for _, a := range bill.Artifacts {
		e := entry{cmp.Or(ecosystems[a.Type], a.Type), a.Name, a.Version, a.Metadata.VirtualPath}
		if e.place == "" && len(a.Locations) > 0 {
			e.place = a.Locations[0].Path
		}
		if e.version == "UNKNOWN" {
			e.version = ""
		}
		if e.name == "stdlib" {
			e.version = strings.TrimPrefix(e.version, "go")
		}
		entries[e.comparable()]++
	}
	return entries, nil
}

func ourEntries(file string) (map[entry]int, error) {
	var image struct {
		Packages []struct {
			Ecosystem, Name, Version string
			Where                    []string
		}
	}
	if err := read(file, &image); err != nil {
		return nil, err
	}
	entries := map[entry]int{}
	for _, p := range image.Packages {
		e := entry{p.Ecosystem, p.Name, p.Version, p.Where[0]}
		if e.ecosystem == "Maven" {
			e.name = e.name[strings.LastIndexByte(e.name, ':')+1:]
		}
		entries[e.comparable()]++
	}
	return entries, nil
}

// comparable leaves out what the two write in other words: where in a jar another
// one is, and which file of several describes a package of the distribution.
func (e entry) comparable() entry {
	switch e.ecosystem {
	case "Alpine", "Debian", "Red Hat":
		e.place = ""
	case "Maven":
		if i := strings.IndexAny(e.place, "!:"); i >= 0 {
			e.place = e.place[:i]
		}
	}
	return e
}

//go:embed accepted.txt
var acceptedText string

// acceptance lets a difference be, for a reason.
type acceptance struct {
	side, ecosystem string
	name, place     *regexp.Regexp
	why             string
}

type acceptances []acceptance

// readAccepted reads lines of "side ecosystem name place: reason", where * stands
// for anything.
func readAccepted() (acceptances, error) {
	var all acceptances
	for line := range strings.Lines(acceptedText) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		head, why, ok := strings.Cut(line, ": ")
		fields := strings.Fields(head)
		if !ok || len(fields) != 4 || fields[0] != "syft" && fields[0] != "ours" {
			return nil, fmt.Errorf("accepted.txt: %q is not: side ecosystem name place: reason", line)
		}
		all = append(all, acceptance{fields[0], fields[1], glob(fields[2]), glob(fields[3]), why})
	}
	return all, nil
}

func glob(pattern string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
}

// of returns why a difference is accepted, "" when it is not.
func (all acceptances) of(side string, e entry) string {
	for _, a := range all {
		if a.side == side && a.ecosystem == e.ecosystem && a.name.MatchString(e.name) && a.place.MatchString(e.place) {
			return a.why
		}
	}
	return ""
}
