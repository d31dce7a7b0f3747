package fix

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestCompare rebuilds the new text from the old one and the difference, and
// compares its size with that of the longest common subsequence.
func TestCompare(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := func() []string {
			s := make([]string, r.IntN(14))
			for i := range s {
				s[i] = string(rune('a' + r.IntN(4)))
			}
			return s
		}
		a, b := text(), text()
		var got []string
		at, size := 0, 0
		for _, c := range compare(a, b) {
			got = append(append(got, a[at:c.a]...), b[c.c:c.d]...)
			at = c.b
			size += c.b - c.a + c.d - c.c
		}
		if got = append(got, a[at:]...); !slices.Equal(got, b) {
			t.Fatalf("%v to %v gave %v", a, b, got)
		}
		if want := len(a) + len(b) - 2*common(a, b); size != want {
			t.Fatalf("%v to %v: %d lines, shortest is %d", a, b, size, want)
		}
	}
}

// common returns the length of the longest common subsequence.
func common(a, b []string) int {
	row := make([]int, len(b)+1)
	for _, x := range a {
		diagonal := 0
		for j, y := range b {
			above := row[j+1]
			if x == y {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(row[j+1], row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}
