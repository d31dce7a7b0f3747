package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/store"
)

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// eachKept hands out what an agent keeps in its directory, one day after the other, and
// each behavior by itself. The agent may run.
func eachKept(ctx context.Context, dir string, do func(*behavior.Behavior) error) error {
	if isDirectory(filepath.Join(dir, "days")) {
		dir = filepath.Join(dir, "days")
	}
	_, dirs, err := store.DaysIn(dir)
	if err == nil && len(dirs) == 0 {
		err = fmt.Errorf("%s holds no days of ullage-agent: name what its --state says", dir)
	}
	if err != nil {
		return err
	}
	for _, day := range dirs {
		if err := eachStored(ctx, day, do); err != nil {
			return fmt.Errorf("%s: %w", day, err)
		}
	}
	return nil
}

func eachStored(ctx context.Context, dir string, do func(*behavior.Behavior) error) error {
	s, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	subjects, err := s.Subjects(ctx)
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		b, err := s.Behavior(ctx, subject)
		if err == nil && b != nil {
			err = do(b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
