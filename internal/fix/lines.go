package fix

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// splitLines splits a text behind its line breaks.
func splitLines(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// change is a run of lines that differ: old[a:b] became new[c:d].
type change struct{ a, b, c, d int }

// changes compares two texts of the same documents line by line. Documents are
// compared one by one, so that the cost is that of the ones that changed.
func changes(name, old, text string) []change {
	was, is := bounds(name, old), bounds(name, text)
	if len(was) != len(is) {
		was, is = []int{0, len(old)}, []int{0, len(text)}
	}
	var all []change
	line, newLine := 0, 0
	for i, j := 0, 1; j < len(was); j++ {
		if j < len(was)-1 && (!startsLine(old, was[j]) || !startsLine(text, is[j])) {
			continue // JSON documents may share a line
		}
		a, b := old[was[i]:was[j]], text[is[i]:is[j]]
		if a == b {
			n := strings.Count(a, "\n")
			line, newLine = line+n, newLine+n
		} else {
			x, y := splitLines(a), splitLines(b)
			for _, c := range compare(x, y) {
				all = append(all, change{c.a + line, c.b + line, c.c + newLine, c.d + newLine})
			}
			line, newLine = line+len(x), newLine+len(y)
		}
		i = j
	}
	return all
}

// bounds returns where the documents of a text start, and its ends.
func bounds(name, s string) []int {
	all := []int{0}
	for doc := range tree.Parse(&tree.File{Name: name, Text: s}) {
		all = append(all, doc.Start)
	}
	return append(all, len(s))
}

func startsLine(s string, i int) bool { return i == 0 || i == len(s) || s[i-1] == '\n' }

// maxDistance bounds the search for the shortest difference; beyond it the
// texts are shown as replaced.
const maxDistance = 1000

// compare finds the shortest difference of two texts, by the algorithm of Myers.
func compare(a, b []string) []change {
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	a, b = a[head:len(a)-tail], b[head:len(b)-tail]
	if len(a) == 0 && len(b) == 0 {
		return nil
	}
	all := shortest(a, b)
	for i := range all {
		all[i].a, all[i].b, all[i].c, all[i].d = all[i].a+head, all[i].b+head, all[i].c+head, all[i].d+head
	}
	return all
}

func shortest(a, b []string) []change {
	n, m := len(a), len(b)
	limit := min(n+m, maxDistance)
	v := make([]int, 2*limit+3) // furthest x on each diagonal, from -limit-1 on
	at := func(k int) *int { return &v[k+limit+1] }
	var trace [][]int
	for d := 0; d <= limit; d++ {
		trace = append(trace, slices.Clone(v))
		for k := -d; k <= d; k += 2 {
			x := *at(k - 1) + 1
			if k == -d || k != d && *at(k - 1) < *at(k + 1) {
				x = *at(k + 1)
			}
			for x < n && x-k < m && x >= 0 && x-k >= 0 && a[x] == b[x-k] {
				x++
			}
			*at(k) = x
			if x >= n && x-k >= m {
				return backtrack(trace, limit, n, m)
			}
		}
	}
	return []change{{0, n, 0, m}}
}

// backtrack follows the trace of the search from its end.
func backtrack(trace [][]int, limit, x, y int) []change {
	var all []change
	add := func(c change) {
		if n := len(all); n > 0 && all[n-1].a == c.b && all[n-1].c == c.d {
			all[n-1].a, all[n-1].c = c.a, c.c
		} else {
			all = append(all, c)
		}
	}
	for d := len(trace) - 1; d > 0; d-- {
		v := trace[d]
		at := func(k int) int { return v[k+limit+1] }
		k := x - y
		before := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			before = k + 1
		}
		px := at(before)
		py := px - before
		if before == k+1 { // a line of b was added
			add(change{px, px, py, py + 1})
		} else {
			add(change{px, px + 1, py, py})
		}
		x, y = px, py
	}
	slices.Reverse(all)
	return all
}
