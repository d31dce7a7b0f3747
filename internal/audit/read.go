package audit

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// longestLine bounds what is held of a log at once. An API server's events are
// smaller, and so are the lists that its webhook backend posts (10 MB).
const longestLine = 32 << 20

// Read reads a log and yields its entries in their order. name is told in errors and
// problems. The [Coverage] is added to; it may be that of several logs. An entry is
// valid until the next one.
//
// An error says that the log could not be read to its end; what was read until then
// has been yielded.
func (c *Coverage) Read(ctx context.Context, name string, r io.Reader, yield func(*Entry)) error {
	lines, err := newLines(r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	before := c.Events + c.Begun
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := lines.next()
		if errors.Is(err, errTooLong) {
			c.unread(fmt.Errorf("%s:%d: %w", name, n, err))
			continue
		}
		if len(line) > 0 {
			wrong := c.line(line, yield)
			if wrong != nil && errors.Is(err, io.EOF) && line[0] == '{' {
				break // it is being written
			}
			if wrong != nil {
				c.unread(fmt.Errorf("%s:%d: %w", name, n, wrong))
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if c.Events+c.Begun == before {
		return fmt.Errorf("%s: no event of an audit log in it: give the file of --audit-log-path, one JSON object of kind Event a line, or what the webhook backend posts", name)
	}
	return nil
}

var errTooLong = fmt.Errorf("the line is longer than %d MiB", longestLine>>20)

// lines reads lines of bounded length.
type lines struct {
	r   *bufio.Reader
	buf []byte
}

func newLines(r io.Reader) (*lines, error) {
	in := bufio.NewReaderSize(r, 1<<20)
	if magic, _ := in.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		zipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = bufio.NewReaderSize(zipped, 1<<20)
	}
	return &lines{r: in}, nil
}

// next returns a line without its end, valid until the next one. The last one comes
// with io.EOF.
func (l *lines) next() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if len(l.buf)+len(part) > longestLine {
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = l.r.ReadSlice('\n')
			}
			if err == nil || errors.Is(err, io.EOF) {
				err = errTooLong
			}
			return nil, err
		}
		switch {
		case err == nil && len(l.buf) == 0:
			return trimmed(part), nil
		case errors.Is(err, bufio.ErrBufferFull):
			l.buf = append(l.buf, part...)
		default:
			l.buf = append(l.buf, part...)
			return trimmed(l.buf), err
		}
	}
}

func trimmed(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r' || line[len(line)-1] == ' ') {
		line = line[:len(line)-1]
	}
	return line
}

// line reads an event, or a list of them.
func (c *Coverage) line(line []byte, yield func(*Entry)) error {
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		// Its own words may repeat what the line holds.
		return errors.New("not an event: no JSON object, or with fields of other types than an event's")
	}
	switch e.Kind {
	case "Event":
		return c.event(&e, yield)
	case "EventList":
		var errs []error
		for i := range e.Items {
			if err := c.event(&e.Items[i], yield); err != nil {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
	return errors.New("not an event: its kind is neither Event nor EventList")
}

// event yields what an event tells of. Those of the beginning of a request are left
// out: the ones of its end say more.
func (c *Coverage) event(e *event, yield func(*Entry)) error {
	switch {
	case e.APIVersion != "audit.k8s.io/v1" && e.APIVersion != "": // those of a list have none
		return errors.New("not an event of audit.k8s.io/v1, the only version that there is since Kubernetes 1.24")
	case e.Verb == "" || e.StageTimestamp.IsZero():
		return errors.New("an event without a verb or a time")
	case e.Stage == "RequestReceived":
		c.Begun++
		return nil
	case e.User.Username == "":
		return nil // nobody was authenticated
	}
	c.saw(e.StageTimestamp)
	e.entries(yield)
	if e.asksForOthers() {
		c.Reviews++
		if entry, ok := e.reviewed(); ok {
			yield(entry)
		} else {
			c.Hidden++
		}
	}
	return nil
}
