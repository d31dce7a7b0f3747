package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/tree"
)

// word is a value that a person has set, and where: "--fail-on", or the place and
// the field of the configuration, ".ullage.yaml:3:1: failOn".
type word struct{ text, from string }

// wrong says what is wrong with the value, and where it was set. A default was
// set nowhere.
func (w word) wrong(err error) error {
	if w.from == "" {
		return err
	}
	return fmt.Errorf("%s: %w", w.from, err)
}

// oneOf refuses what is none of the values.
func (w word) oneOf(allowed ...string) error {
	if slices.Contains(allowed, w.text) {
		return nil
	}
	return w.wrong(fmt.Errorf("%q is none of %s", w.text, strings.Join(allowed, ", ")))
}

func texts(words []word) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = w.text
	}
	return all
}

// wordFlag sets a word.
type wordFlag struct {
	word *word
	name string
}

// wordVar adds a flag that sets a word; short may be empty.
func wordVar(flags *pflag.FlagSet, into *word, name, short, usage string) {
	flags.VarP(wordFlag{into, name}, name, short, usage)
}

func (f wordFlag) String() string { return f.word.text }
func (f wordFlag) Type() string   { return "string" }

func (f wordFlag) Set(s string) error {
	*f.word = word{s, "--" + f.name}
	return nil
}

// wordsFlag adds words to a list: each time those of a list with commas or, with
// whole, one as it is.
type wordsFlag struct {
	words *[]word
	name  string
	whole bool
}

// wordsVar adds a flag that sets a list of words.
func wordsVar(flags *pflag.FlagSet, into *[]word, name, usage string) {
	flags.Var(wordsFlag{words: into, name: name}, name, usage)
}

func (f wordsFlag) String() string { return strings.Join(texts(*f.words), ",") }

func (f wordsFlag) Type() string {
	if f.whole {
		return "string"
	}
	return "strings"
}

func (f wordsFlag) Set(s string) error {
	list := []string{s}
	if !f.whole {
		var err error
		if list, err = csv.NewReader(strings.NewReader(s)).Read(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	for _, s := range list {
		*f.words = append(*f.words, word{s, "--" + f.name})
	}
	return nil
}

// wordDecoder reads words with their places. Fields are named below within.
type wordDecoder struct {
	*tree.Decoder
	within string
}

func (d wordDecoder) word(into *word) func(*tree.Node) {
	return func(n *tree.Node) {
		d.Text(&into.text)(n)
		into.from = d.Place(n) + ": " + d.within + n.Key()
	}
}

func (d wordDecoder) words(into *[]word) func(*tree.Node) {
	return func(n *tree.Node) {
		d.Each(n, func(item *tree.Node) {
			w := word{from: d.Place(item) + ": " + d.within + n.Key()}
			d.Text(&w.text)(item)
			*into = append(*into, w)
		})
	}
}
