package image

import (
	"errors"
	"fmt"
	"io"
)

// stream reads bytes that are looked at in place. After an error it stays at it.
type stream struct {
	r          io.Reader
	seek       io.Seeker // set where bytes that nobody looks at need not be read
	buf        []byte
	start, end int
	at         int64                  // of the next byte, from the beginning
	grown      func(read int64) error // asked for leave after each read, with the bytes so far
	err        error
}

const streamBuffer = 128 << 10

func newStream(r io.Reader) *stream { return &stream{r: r, buf: make([]byte, streamBuffer)} }

// fill reads until n bytes are in the buffer, which has room for them.
func (s *stream) fill(n int) error {
	for s.end-s.start < n {
		if s.err != nil {
			return s.err
		}
		if len(s.buf)-s.start < n {
			s.end = copy(s.buf, s.buf[s.start:s.end])
			s.start = 0
		}
		if s.start == s.end {
			s.start, s.end = 0, 0
		}
		read, err := s.r.Read(s.buf[s.end:])
		s.end += read
		if s.grown != nil && err == nil {
			err = s.grown(s.at + int64(s.end-s.start))
		}
		s.err = err
	}
	return nil
}

// peek returns the next n bytes without taking them, n at most streamBuffer. They
// hold until the next call. The error is io.EOF at the very end and
// io.ErrUnexpectedEOF in the middle.
func (s *stream) peek(n int) ([]byte, error) {
	if err := s.fill(n); err != nil {
		if errors.Is(err, io.EOF) && s.end > s.start {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return s.buf[s.start : s.start+n], nil
}

// take skips what was peeked.
func (s *stream) take(n int) {
	s.start += n
	s.at += int64(n)
}

// skip goes forward.
func (s *stream) skip(n int64) error {
	if buffered := int64(s.end - s.start); s.seek != nil && n > buffered+streamBuffer {
		// One byte is left to be read, so that what is not there is noticed.
		jump := n - buffered - 1
		if _, err := s.seek.Seek(jump, io.SeekCurrent); err != nil {
			return fmt.Errorf("skip %d bytes: %w", jump, err)
		}
		s.start, s.end = 0, 0
		s.at += buffered + jump
		n = 1
	}
	for n > 0 {
		if s.start == s.end {
			if err := s.fill(1); err != nil {
				return unexpected(err)
			}
		}
		step := int(min(n, int64(s.end-s.start)))
		s.take(step)
		n -= int64(step)
	}
	return nil
}

// read fills p.
func (s *stream) read(p []byte) error {
	for len(p) > 0 {
		if s.start == s.end {
			if err := s.fill(1); err != nil {
				return unexpected(err)
			}
		}
		n := copy(p, s.buf[s.start:s.end])
		s.take(n)
		p = p[n:]
	}
	return nil
}

// drain reads to the end.
func (s *stream) drain() error {
	for {
		s.take(s.end - s.start)
		switch err := s.fill(1); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
