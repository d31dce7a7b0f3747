package scan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"ullage.dev/ullage/internal/image"
)

// TestImages scans several images at a time and says of each what came of it.
func TestImages(t *testing.T) {
	dir := root(t)
	references := []string{"dir:" + dir, "dir:" + dir + "/none", "dir:" + dir}
	var done []error
	results := map[int]*Result{}
	err := (&Scanner{}).Images(t.Context(), references, Batch{Jobs: 2, Done: func(i int, r *Result, err error) {
		done = append(done, err)
		results[i] = r
	}})
	if err != nil || len(done) != 3 || results[0] == nil || results[1] != nil || len(results[2].Image.Packages) == 0 {
		t.Errorf("%v: %v, %v", err, done, results)
	}
}

// TestImagesOfSilentHost connects to a registry that is not there once, and not for
// each of its images.
func TestImagesOfSilentHost(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			defer func() { _ = conn.Close() }() // and never a word
		}
	}()
	defer func() { _ = listener.Close() }()
	var references []string
	for i := range 20 {
		references = append(references, fmt.Sprintf("registry:%s/x:%d", listener.Addr(), i))
	}
	failed := 0
	err = (&Scanner{}).Images(t.Context(), references, Batch{Answer: 200 * time.Millisecond, Done: func(_ int, r *Result, err error) {
		var silent *HostError
		if errors.As(err, &silent) && silent.Host == listener.Addr().String() && r == nil {
			failed++
		}
	}})
	if err != nil || failed != 20 || asked.Load() > 4 {
		t.Errorf("%v: %d images failed, %d connections", err, failed, asked.Load())
	}
}

func TestImagesInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&Scanner{Options: image.Options{}}).Images(ctx, []string{"dir:" + root(t)}, Batch{Done: func(int, *Result, error) {}}); err == nil {
		t.Error("no error of a context that ended")
	}
}
