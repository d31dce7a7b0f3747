package cli

import "testing"

// A swap of neighbours is one mistake, so that the name is suggested that was meant.
func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"a/wbe", "a/web", 1}, {"a/wbe", "a/db", 2}, {"web", "web", 0}, {"", "web", 3}, {"kitten", "sitting", 3}, {"abcd", "badc", 2}, {"ab", "ba", 1}, {"ca", "abc", 3},
	} {
		if got, back := editDistance(c.a, c.b), editDistance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("%q to %q: %d and %d back, want %d", c.a, c.b, got, back, c.want)
		}
	}
}
