package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/spf13/pflag"

	"ullage.dev/ullage/internal/store"
)

// storeFlags say where what was learned of images is kept.
type storeFlags struct {
	dir string
	off bool
}

func (f *storeFlags) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.dir, "store", "", "directory of the store of images (default $ULLAGE_STORE, else ullage in the state directory)")
}

func (f *storeFlags) optional(flags *pflag.FlagSet) {
	f.flags(flags)
	flags.BoolVar(&f.off, "no-store", false, "read images anew, and remember nothing of them")
}

// directory is that of the store, "" when the environment names no place for it.
func (f *storeFlags) directory(p *Program) string {
	if f.dir != "" {
		return f.dir
	}
	if dir := p.Getenv("ULLAGE_STORE"); dir != "" {
		return dir
	}
	state, home := p.Getenv("XDG_STATE_HOME"), p.Getenv("HOME")
	switch {
	case runtime.GOOS == "windows":
		state = p.Getenv("LocalAppData")
	case filepath.IsAbs(state):
	case home == "":
		return ""
	case runtime.GOOS == "darwin":
		state = filepath.Join(home, "Library", "Application Support")
	default:
		state = filepath.Join(home, ".local", "state")
	}
	if state == "" {
		return ""
	}
	return filepath.Join(state, "ullage")
}

// open opens the store for a command that can do without it: what is wrong with it
// is told, and nil returned. done is to be called at the end.
func (f *storeFlags) open(ctx context.Context, p *Program) (s *store.Store, done func()) {
	dir := f.directory(p)
	if f.off || dir == "" {
		return nil, func() {}
	}
	s, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		tellStore(p, err)
		return nil, func() {}
	}
	return s, func() {
		err := s.Err()
		if closed := s.Close(); err == nil {
			err = closed
		}
		if err != nil {
			tellStore(p, err)
		}
	}
}

func tellStore(p *Program, err error) {
	fmt.Fprintln(p.Stderr, "ullage: "+printable(err.Error())+": going on without it; --store names another directory, --no-store does without one")
}
