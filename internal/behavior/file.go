package behavior

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Schema is the version of the format that [Encode] writes.
const Schema = "ullage.dev/behavior/v1"

type behaviorFile struct {
	Schema     string      `json:"schema"`
	Normalizer int         `json:"normalizer"`
	Behaviors  []*Behavior `json:"behaviors"`
}

type behaviorJSON struct {
	Subject  Subject    `json:"subject"`
	Facts    []factJSON `json:"facts"`
	Coverage Coverage   `json:"coverage"`
}

type factJSON struct {
	Fact
	Seen Seen `json:"seen"`
}

type coverageJSON struct {
	Intervals []Interval `json:"intervals"`
	Earlier   *Earlier   `json:"earlier,omitempty"`
}

// Encode writes behaviors as JSON, in the order of their subjects: equal behaviors give
// the same bytes.
func Encode(w io.Writer, all []*Behavior) error {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *Behavior) int { return a.Subject.Compare(&b.Subject) })
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(behaviorFile{Schema, Normalizer, all})
}

// Decode reads what Encode wrote. It is strict: a field that is not known, and a fact
// that cannot be, is an error. Behaviors of one subject merge.
func Decode(r io.Reader) ([]*Behavior, error) {
	bySubject := map[Subject]*Behavior{}
	var all []*Behavior
	err := DecodeEach(r, func(b *Behavior) error {
		if known := bySubject[b.Subject]; known != nil {
			return known.Merge(b)
		}
		bySubject[b.Subject] = b
		all = append(all, b)
		return nil
	})
	return all, err
}

// DecodeEach is Decode that hands out one behavior after the other, and holds only
// that. What came before an error was handed out.
func DecodeEach(r io.Reader, do func(*Behavior) error) error {
	d := json.NewDecoder(r)
	if err := head(d); err != nil {
		return err
	}
	for n := 1; d.More(); n++ {
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			return stopped(d, err)
		}
		b := new(Behavior)
		if err := b.UnmarshalJSON(text); err != nil {
			return fmt.Errorf("behavior %d: %w", n, err)
		}
		if err := do(b); err != nil {
			return err
		}
	}
	for _, want := range []json.Delim{']', '}'} {
		if err := expect(d, want); err != nil {
			return err
		}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("it goes on behind its end")
	}
	return nil
}

// head reads up to the first behavior. The fields stand in the order in which they are
// written: it must be known what the behaviors are before they are read.
func head(d *json.Decoder) error {
	if err := expect(d, json.Delim('{')); err != nil {
		return err
	}
	var schema string
	var normalizer int
	for _, field := range []struct {
		name string
		into any
	}{{"schema", &schema}, {"normalizer", &normalizer}} {
		if err := expect(d, field.name); err != nil {
			return err
		}
		if err := d.Decode(field.into); err != nil {
			return stopped(d, err)
		}
		switch {
		case field.name == "schema" && schema != Schema:
			return fmt.Errorf("it is no behavior: its schema is %.60q, not %q", schema, Schema)
		case field.name == "normalizer" && normalizer != Normalizer:
			return fmt.Errorf("its facts were normalized by rules of version %d, and this program knows version %d", normalizer, Normalizer)
		}
	}
	if err := expect(d, "behaviors"); err != nil {
		return err
	}
	return expect(d, json.Delim('['))
}

func expect(d *json.Decoder, want json.Token) error {
	got, err := d.Token()
	if err != nil {
		return stopped(d, err)
	}
	if got != want {
		return fmt.Errorf("it is no behavior: %.60q stands where %q should", fmt.Sprint(got), fmt.Sprint(want))
	}
	return nil
}

// stopped is notBehavior of a file of which a part was read.
func stopped(d *json.Decoder, err error) error {
	if errors.Is(err, io.EOF) && d.InputOffset() > 0 {
		err = io.ErrUnexpectedEOF
	}
	return notBehavior(err)
}

// notBehavior says why a text is none, without the names of Go's types.
func notBehavior(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is no behavior: it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it is no behavior: it ends too early")
	case errors.As(err, &syntax):
		return fmt.Errorf("it is no behavior: it is not JSON at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("it is no behavior: %s at %s does not belong there", kind.Value, cmp.Or(kind.Field, "its start"))
	}
	return err
}

// MarshalJSON writes all that a behavior knows.
func (b *Behavior) MarshalJSON() ([]byte, error) {
	j := behaviorJSON{Subject: b.Subject, Facts: []factJSON{}, Coverage: b.Coverage}
	for f, s := range b.Facts() {
		j.Facts = append(j.Facts, factJSON{f, *s})
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote, strictly.
func (b *Behavior) UnmarshalJSON(text []byte) error {
	var j behaviorJSON
	if err := strictly(text, &j); err != nil {
		return err
	}
	if err := j.Subject.check(); err != nil {
		return err
	}
	*b = *New(j.Subject)
	for i := range j.Facts {
		f := &j.Facts[i]
		if err := errors.Join(f.Fact.Check(), f.Seen.Check()); err != nil {
			return fmt.Errorf("%s: fact %d: %w", &j.Subject, i+1, err)
		}
		b.Observe(f.Fact, f.Seen)
	}
	b.Coverage = j.Coverage
	return nil
}

// MarshalJSON writes what is covered.
func (c Coverage) MarshalJSON() ([]byte, error) {
	j := coverageJSON{c.intervals, c.earlier}
	if j.Intervals == nil {
		j.Intervals = []Interval{}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote, strictly.
func (c *Coverage) UnmarshalJSON(text []byte) error {
	var j coverageJSON
	if err := strictly(text, &j); err != nil {
		return err
	}
	for i := range j.Intervals {
		if err := j.Intervals[i].check(); err != nil {
			return fmt.Errorf("interval %d: %w", i+1, err)
		}
	}
	if j.Earlier != nil {
		if err := j.Earlier.check(); err != nil {
			return err
		}
	}
	*c = Coverage{}
	c.Merge(&Coverage{j.Intervals, j.Earlier})
	return nil
}

// strictly decodes JSON that has no fields but those that are known.
func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return notBehavior(err)
	}
	return nil
}

// Compare orders subjects by workload, container and image.
func (s *Subject) Compare(o *Subject) int {
	return cmp.Or(cmp.Compare(s.Cluster, o.Cluster), cmp.Compare(s.Namespace, o.Namespace), cmp.Compare(s.Kind, o.Kind), cmp.Compare(s.Name, o.Name),
		cmp.Compare(s.Container, o.Container), cmp.Compare(s.Epoch, o.Epoch), cmp.Compare(s.Image, o.Image))
}

func (s *Subject) check() error {
	if s.Kind == "" || s.Name == "" {
		return errors.New("a subject needs a kind and a name")
	}
	for _, text := range []string{s.Cluster, s.Namespace, s.Kind, s.Name, s.Container, s.Image} {
		if len(text) > longest || !isPlain(text) {
			return fmt.Errorf("%.40q is longer than %d bytes, or has characters that are not printable", text, longest)
		}
	}
	return nil
}
