package advisory

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// runBytes is how much a sorter keeps in memory before it writes a sorted run.
const runBytes = 32 << 20

// sorter sorts more rows than fit into memory: runs go to a directory and are
// merged. Of rows with equal keys the one that was added last stays.
type sorter struct {
	dir   string
	limit int
	data  []byte
	spans []span
	runs  []*os.File
	rows  int
}

// span is where a row stands in the data of a sorter.
type span struct{ start, key, end int }

func newSorter(dir string) *sorter { return &sorter{dir: dir, limit: runBytes} }

func (s *sorter) add(key string, value []byte) error {
	start := len(s.data)
	s.data = append(append(s.data, key...), value...)
	s.spans = append(s.spans, span{start, start + len(key), len(s.data)})
	s.rows++
	if len(s.data)+len(s.spans)*24 >= s.limit {
		return s.spill()
	}
	return nil
}

func (s *sorter) spill() (err error) {
	if len(s.spans) == 0 {
		return nil
	}
	f, err := os.CreateTemp(s.dir, "run-*")
	if err != nil {
		return fmt.Errorf("sort advisories: %w", err)
	}
	s.runs = append(s.runs, f)
	slices.SortStableFunc(s.spans, func(a, b span) int {
		return bytes.Compare(s.data[a.start:a.key], s.data[b.start:b.key])
	})
	w := bufio.NewWriterSize(f, 256<<10)
	var head []byte
	for _, p := range s.spans {
		head = binary.AppendUvarint(head[:0], uint64(p.key-p.start))
		head = binary.AppendUvarint(head, uint64(p.end-p.key))
		w.Write(head)
		w.Write(s.data[p.start:p.end])
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("sort advisories: %w", err)
	}
	s.data, s.spans = s.data[:0], s.spans[:0]
	return nil
}

// source returns an iterator over each run, the older one first. What is left in
// memory becomes a run, so that a finished sorter holds none.
func (s *sorter) sources() ([]rowSource, error) {
	if err := s.spill(); err != nil {
		return nil, err
	}
	s.data, s.spans = nil, nil
	var list []rowSource
	for _, f := range s.runs {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("sort advisories: %w", err)
		}
		list = append(list, &run{r: bufio.NewReaderSize(f, 128<<10)})
	}
	return list, nil
}

func (s *sorter) close() {
	for _, f := range s.runs {
		f.Close()
		os.Remove(f.Name())
	}
	s.runs, s.data, s.spans = nil, nil, nil
}

// rowSource yields rows in the order of their keys; io.EOF ends them. A row holds
// until the next one is asked for.
type rowSource interface {
	next() (row, error)
}

type run struct {
	r   *bufio.Reader
	buf []byte
}

func (r *run) next() (row, error) {
	n, err := binary.ReadUvarint(r.r)
	if err != nil {
		return row{}, err // io.EOF between rows
	}
	m, err := binary.ReadUvarint(r.r)
	if err != nil {
		return row{}, io.ErrUnexpectedEOF
	}
	r.buf = slices.Grow(r.buf[:0], int(n+m))[:n+m]
	if _, err := io.ReadFull(r.r, r.buf); err != nil {
		return row{}, io.ErrUnexpectedEOF
	}
	return row{r.buf[:n], r.buf[n:]}, nil
}

// merge calls yield with the rows of all sources in order. Of equal keys the one
// of the later source stays, and within a source the last one.
func merge(sources []rowSource, yield func(row) error) error {
	h := &rowHeap{}
	for i, s := range sources {
		if err := h.push(s, i); err != nil {
			return err
		}
	}
	heap.Init(h)
	var held row
	has := false
	for len(*h) > 0 {
		top := (*h)[0]
		if has && !bytes.Equal(held.key, top.row.key) {
			if err := yield(held); err != nil {
				return err
			}
		}
		held.key = append(held.key[:0], top.row.key...)
		held.value = append(held.value[:0], top.row.value...)
		has = true
		switch next, err := top.source.next(); {
		case errors.Is(err, io.EOF):
			heap.Pop(h)
		case err != nil:
			return err
		default:
			(*h)[0].row = next
			heap.Fix(h, 0)
		}
	}
	if has {
		return yield(held)
	}
	return nil
}

type rowHeap []heapItem

type heapItem struct {
	row
	source rowSource
	order  int
}

func (h *rowHeap) push(s rowSource, order int) error {
	r, err := s.next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	*h = append(*h, heapItem{r, s, order})
	return err
}

func (h rowHeap) Len() int { return len(h) }
func (h rowHeap) Less(i, j int) bool {
	if c := bytes.Compare(h[i].key, h[j].key); c != 0 {
		return c < 0
	}
	return h[i].order < h[j].order
}
func (h rowHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *rowHeap) Push(x any)   { *h = append(*h, x.(heapItem)) }
func (h *rowHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
