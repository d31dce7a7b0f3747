package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errAnswer says that the server's answer makes no sense, so that asking again
// is no use.
var errAnswer = errors.New("the server's answer makes no sense")

// maxObject bounds one object; the API server's own limit is lower.
const maxObject = 32 << 20

// page is a part of a list, without its items.
type page struct {
	Kind     string
	Metadata struct{ Continue string }
}

// readPage reads a list and hands out its items one by one as JSON texts that
// are valid and not used again. The list's kind comes before its items.
func readPage(body io.Reader, item func(p *page, raw json.RawMessage) error) (*page, error) {
	limited := &io.LimitedReader{R: body, N: maxObject}
	d := json.NewDecoder(limited)
	p := &page{}
	err := func() error {
		if err := delimiter(d, '{'); err != nil {
			return err
		}
		for d.More() {
			limited.N = maxObject
			name, err := d.Token()
			if err != nil {
				return err
			}
			switch name {
			case "kind":
				err = d.Decode(&p.Kind)
			case "metadata":
				err = d.Decode(&p.Metadata)
			case "items":
				err = readItems(d, limited, p, item)
			default:
				err = d.Decode(&json.RawMessage{})
			}
			if err != nil {
				return err
			}
		}
		return delimiter(d, '}')
	}()
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case err != nil && limited.N <= 0:
		return nil, fmt.Errorf("%w: an object is larger than %d MiB", errAnswer, maxObject>>20)
	case errors.As(err, &syntax), errors.As(err, &wrong):
		return nil, errAnswer
	case err == nil && !strings.HasSuffix(p.Kind, "List"):
		return nil, fmt.Errorf("%w: it is no list", errAnswer)
	}
	return p, err
}

func readItems(d *json.Decoder, limited *io.LimitedReader, p *page, item func(*page, json.RawMessage) error) error {
	token, err := d.Token()
	if err != nil || token == nil { // null: an empty list
		return err
	}
	if token != json.Delim('[') {
		return errAnswer
	}
	for d.More() {
		limited.N = maxObject
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		if err := item(p, raw); err != nil {
			return err
		}
	}
	return delimiter(d, ']')
}

func delimiter(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err == nil && token != want {
		err = errAnswer
	}
	return err
}
