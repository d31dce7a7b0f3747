//go:build !unix

package advisory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// lock keeps other updates out until the returned function is called.
func lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, errors.New("another update of this database is under way: wait until it has ended, or remove " + path)
	} else if err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	return func() { f.Close(); os.Remove(path) }, nil
}
