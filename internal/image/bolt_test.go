package image

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// boltOf writes a database with the library: keys are paths, tables made on the way.
func boltOf(t testing.TB, path string, values map[string]string) *bbolt.DB {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	db := must(bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true}))(t)
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Update(func(tx *bbolt.Tx) error {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			names := strings.Split(key, "|")
			table, err := tx.CreateBucketIfNotExists([]byte(names[0]))
			for _, name := range names[1 : len(names)-1] {
				if err == nil {
					table, err = table.CreateBucketIfNotExists([]byte(name))
				}
			}
			if err == nil {
				err = table.Put([]byte(names[len(names)-1]), []byte(values[key]))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return db
}

// What is read is what the library wrote: small tables inside of others, large ones
// over many pages, values over several, and that while the library holds its lock.
func TestBoltAgreesWithLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	values := map[string]string{}
	for i := range 3000 {
		values[fmt.Sprintf("large|%d", i)] = strings.Repeat("x", random.IntN(300))
		values[fmt.Sprintf("deep|%d|%d|value", i%7, i%11)] = fmt.Sprint(i)
	}
	values["long|value"] = strings.Repeat("long", 50_000)
	values["empty|value"] = ""
	path := filepath.Join(t.TempDir(), "meta.db")
	db := boltOf(t, path, values)
	for round := range 2 {
		got := map[string]string{}
		var walk func(prefix string, b boltBucket) error
		walk = func(prefix string, b boltBucket) error {
			var failed error
			err := b.each(func(key string, value []byte, nested bool) bool {
				if !nested {
					got[prefix+key] = string(value)
					return true
				}
				next, err := b.nested(value)
				failed = errors.Join(failed, err, walk(prefix+key+"|", next))
				return true
			})
			return errors.Join(err, failed)
		}
		if err := readBolt(path, func(b *boltFile) error {
			clear(got)
			top, err := b.bucket()
			return errors.Join(err, walk("", top))
		}); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, values) {
			t.Fatalf("round %d: %d values, want %d", round, len(got), len(values))
		}
		if err := readBolt(path, func(b *boltFile) error {
			table, err := b.bucket("deep", "3")
			if err != nil {
				return err
			}
			_, err = table.bucket("none")
			return err
		}); !errors.Is(err, errNoBolt) {
			t.Errorf("a table that is not there: %v", err)
		}
		if err := db.Update(func(tx *bbolt.Tx) error { // so that pages are used again
			for i := range 1000 {
				key := fmt.Sprint(i * 2)
				delete(values, "large|"+key)
				if err := tx.Bucket([]byte("large")).Delete([]byte(key)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// A reader during changes sees one moment: all values are of the same one.
func TestBoltIsOneMoment(t *testing.T) {
	values := map[string]string{}
	for i := range 2000 {
		values[fmt.Sprintf("t|%d", i)] = "0"
	}
	path := filepath.Join(t.TempDir(), "meta.db")
	db := boltOf(t, path, values)
	ready, stop, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 1; ; i++ {
			if i == 2 {
				close(ready)
			}
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := db.Update(func(tx *bbolt.Tx) error {
				for k := range 2000 {
					if err := tx.Bucket([]byte("t")).Put(fmt.Append(nil, k), fmt.Append(nil, i)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				done <- err
				return
			}
		}
	}()
	<-ready
	whole := 0
	for range 20 {
		seen := map[string]bool{}
		err := readBolt(path, func(b *boltFile) error {
			clear(seen)
			table, err := b.bucket("t")
			if err != nil {
				return err
			}
			return table.each(func(_ string, value []byte, _ bool) bool {
				seen[string(value)] = true
				return true
			})
		})
		if err == nil {
			whole++
		}
		if err == nil && len(seen) != 1 {
			t.Fatalf("values of %d moments", len(seen))
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of 20 reads had a moment for them", whole)
}

func FuzzBolt(f *testing.F) {
	path := filepath.Join(f.TempDir(), "meta.db")
	_ = boltOf(f, path, map[string]string{"v1|a|b": "c", "v1|x": "y"}).Close()
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		b := &boltFile{r: strings.NewReader(string(text)), pageSize: 4096, root: 2}
		_, _ = findContainerd(b, "", "x")
		_, _ = openBolt(b.r)
		if table, err := b.bucket(); err == nil {
			_ = table.each(func(_ string, value []byte, nested bool) bool {
				if next, err := table.nested(value); err == nil && nested {
					_ = next.each(func(string, []byte, bool) bool { return true })
				}
				return true
			})
		}
	})
}
