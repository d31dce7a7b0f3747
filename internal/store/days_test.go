package store

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
)

// TestDays tells of some days: each has its store, the old ones go, what others put
// there stays.
func TestDays(t *testing.T) {
	c := &clock{time.Unix(int64(heard), 0)}
	dir := filepath.Join(t.TempDir(), "days")
	d, err := OpenDays(dir, DaysOptions{Days: 3, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := os.MkdirAll(filepath.Join(dir, "2001-02-03"), 0o700); err != nil { // no store
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	first := heard.Day()
	want := told(r, shopWeb("sha256:1"), 20)
	for n := range int32(5) {
		c.at = time.Unix(int64(heard)+int64(n)*86400, 0)
		if err := d.Learn(t.Context(), first+n, want, told(r, shopWeb("sha256:2"), 5)); err != nil {
			t.Fatal(err)
		}
		if err := d.Learn(t.Context(), first+n-3, want); err != nil { // too old to be kept
			t.Fatal(err)
		}
	}
	days, dirs, err := DaysIn(dir)
	if err != nil || !slices.Equal(days, []string{nameOfDay(first + 2), nameOfDay(first + 3), nameOfDay(first + 4)}) {
		t.Fatalf("%v: %v", days, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "2001-02-03")); err != nil {
		t.Error(err)
	}
	for _, dir := range dirs {
		got, err := open(t, dir, Options{}).Behavior(t.Context(), want.Subject)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// TestDaysFull: the oldest day gives way, and where that is not enough it is told.
func TestDaysFull(t *testing.T) {
	c := &clock{time.Unix(int64(heard), 0)}
	dir := t.TempDir()
	d, err := OpenDays(dir, DaysOptions{Bytes: 600 << 10, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := rand.New(rand.NewPCG(1, 1))
	learn := func(day int32) error {
		return d.Learn(t.Context(), day, told(r, behavior.Subject{Kind: "Container", Name: time.Duration(r.Uint32()).String()}, 200))
	}
	day := heard.Day()
	for n := range int32(2) {
		c.at = time.Unix(int64(heard)+int64(n)*86400, 0)
		if err := learn(day + n); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; err == nil; n++ {
		if n == 1000 {
			t.Fatal("there is room without end")
		}
		err = learn(day + 1)
	}
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if days := d.Days(); !slices.Equal(days, []string{nameOfDay(day + 1)}) {
		t.Errorf("there is %v", days)
	}
	if size, err := d.Size(); err != nil || size > 2<<20 {
		t.Errorf("it takes %d bytes: %v", size, err)
	}
}
