package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"ullage.dev/ullage/internal/behavior"
)

// Days keeps behaviors in one store for each day, so that what is old goes by
// removing files, and the whole is bounded. It is safe for concurrent use by one
// process; others may read the stores meanwhile, see [DaysIn].
type Days struct {
	dir     string
	options DaysOptions

	mu   sync.Mutex
	open map[string]*Store // by name of the day
}

// DaysOptions say how much is kept. Zero values stand for the defaults.
type DaysOptions struct {
	Days  int              // 14
	Bytes int64            // of all stores together: 256 MiB
	Now   func() time.Time // nil means the system's clock
}

// ErrFull says that there is no room, though all days but the last are gone.
var ErrFull = errors.New("the store of this day has no room left")

// OpenDays opens the directory, and makes it where it is missing.
func OpenDays(dir string, o DaysOptions) (*Days, error) {
	if o.Days == 0 {
		o.Days = 14
	}
	if o.Bytes == 0 {
		o.Bytes = 256 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &Days{dir: dir, options: o, open: map[string]*Store{}}, nil
}

// DaysIn lists the days of which there is a store in a directory, the first one
// first, each with its directory for [Open]. Other files are left alone.
func DaysIn(dir string) (days, dirs []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("store: %w", err)
	}
	for _, e := range entries {
		if _, err := time.Parse(time.DateOnly, e.Name()); err == nil && e.IsDir() && Exists(filepath.Join(dir, e.Name())) {
			days, dirs = append(days, e.Name()), append(dirs, filepath.Join(dir, e.Name()))
		}
	}
	return days, dirs, nil
}

// Learn adds to the store of a day, by its number since 1970. Of a day that is older
// than those that are kept, nothing is. Without room, the error is [ErrFull].
func (d *Days) Learn(ctx context.Context, day int32, all ...*behavior.Behavior) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	today := behavior.At(d.options.Now()).Day()
	if day <= today-int32(d.options.Days) {
		return nil
	}
	name := nameOfDay(day)
	if err := d.rotate(name, nameOfDay(today), nameOfDay(today-int32(d.options.Days)+1)); err != nil {
		return err
	}
	s := d.open[name]
	if s == nil {
		var err error
		if s, err = Open(ctx, filepath.Join(d.dir, name), Options{Now: d.options.Now}); err != nil {
			return err
		}
		d.open[name] = s
	}
	return s.Learn(ctx, all...)
}

func nameOfDay(day int32) string { return (behavior.Moment(day) * 86400).Time().Format(time.DateOnly) }

// rotate closes the stores of other days, and removes days that are too old or for
// which there is no room.
func (d *Days) rotate(wanted, today, oldest string) error {
	for name, s := range d.open {
		if name != wanted && name != today {
			delete(d.open, name)
			if err := s.Close(); err != nil {
				return err
			}
		}
	}
	days, _, err := DaysIn(d.dir)
	if err != nil {
		return err
	}
	size, err := d.size()
	for _, name := range days {
		if err != nil || name >= oldest && size <= d.options.Bytes || name == today || name == wanted {
			continue
		}
		err = os.RemoveAll(filepath.Join(d.dir, name))
		if err == nil {
			size, err = d.size()
		}
	}
	if err == nil && size > d.options.Bytes {
		err = ErrFull
	}
	return err
}

// Size is how many bytes all stores take.
func (d *Days) Size() (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.size()
}

func (d *Days) size() (sum int64, err error) {
	err = filepath.WalkDir(d.dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // what SQLite needs for a moment
		}
		if err != nil || e.IsDir() {
			return err
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}

// Days lists the days of which there is a store.
func (d *Days) Days() []string {
	days, _, _ := DaysIn(d.dir)
	return slices.Clip(days)
}

// Close closes the stores.
func (d *Days) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for name, s := range d.open {
		errs = append(errs, s.Close())
		delete(d.open, name)
	}
	return errors.Join(errs...)
}
