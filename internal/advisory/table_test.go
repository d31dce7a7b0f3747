package advisory

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestTable writes random rows through a sorter that spills, and holds lookups and
// the scan against a map.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := newSorter(t.TempDir())
	s.limit = 4 << 10
	defer s.close()
	want := map[string]map[string]string{}
	for range 3000 {
		group := packageGroup("Go", fmt.Sprintf("pkg%d", r.IntN(200)))
		rest := "osv/Go" + partEnd + fmt.Sprintf("GO-%d", r.IntN(1000))
		value := strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(60)) + fmt.Sprint(r.IntN(1000))
		if r.IntN(500) == 0 {
			value = strings.Repeat(value, 2000) // over many pages
		}
		if want[group] == nil {
			want[group] = map[string]string{}
		}
		want[group][rest] = value
		if err := s.add(group+partEnd+rest, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.runs) < 2 {
		t.Fatal("the sorter did not spill")
	}
	sources, err := s.sources()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := newTableWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := merge(sources, w.add); err != nil {
		t.Fatal(err)
	}
	if err := w.close(&Description{}); err != nil {
		t.Fatal(err)
	}
	table, err := openTable(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for group, values := range want {
		got := map[string]string{}
		if err := table.rows(group, func(rest, value string) error { got[string(rest)] = string(value); return nil }); err != nil {
			t.Fatal(err)
		}
		for rest, value := range values {
			rows++
			if got[rest] != value {
				t.Fatalf("%q %q is %.40q, not %.40q", group, rest, got[rest], value)
			}
		}
		if len(got) != len(values) {
			t.Fatalf("%q has %d rows, not %d", group, len(got), len(values))
		}
	}
	if err := table.rows("pGo\x00absent", func(rest, _ string) error { return fmt.Errorf("found %q", rest) }); err != nil {
		t.Fatal(err)
	}
	var keys [][]byte
	all := &scan{t: table, keep: func(string, string, string) bool { return true }}
	for {
		next, err := all.next()
		if err != nil {
			break
		}
		keys = append(keys, bytes.Clone(next.key))
	}
	if len(keys) != rows || !slices.IsSortedFunc(keys, bytes.Compare) {
		t.Errorf("the scan gives %d rows, not %d, in order: %v", len(keys), rows, slices.IsSortedFunc(keys, bytes.Compare))
	}
}

// TestMapped holds that a mapped file and one that is read give the same, damage
// included.
func TestMapped(t *testing.T) {
	m, s := full(t), &Store{Dir: t.TempDir()}
	m.update(t, s, noon, testFeeds...)
	whole := read(t, s.Path())
	want := lookups(t, whole)
	r := rand.New(rand.NewPCG(8, 8))
	for n := range 200 {
		b := bytes.Clone(whole)
		if n > 0 {
			b[r.IntN(4000)] ^= 0x10
		}
		table, err := openTable(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			continue
		}
		table.mapTo(b)
		if got := lookupsIn(table); got != want && (n == 0 || !strings.Contains(got, errDamaged.Error())) {
			t.Fatalf("mapped, lookups give\n%s\nnot\n%s", got, want)
		}
	}
}
