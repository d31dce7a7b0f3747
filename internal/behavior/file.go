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

// MostBehaviors is how many behaviors one file may hold.
const MostBehaviors = 100_000

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
	var head struct {
		Schema     string            `json:"schema"`
		Normalizer int               `json:"normalizer"`
		Behaviors  []json.RawMessage `json:"behaviors"`
	}
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&head); err != nil {
		return nil, notBehavior(err)
	}
	switch {
	case head.Schema != Schema:
		return nil, fmt.Errorf("it is no behavior: its schema is %.60q, not %q", head.Schema, Schema)
	case head.Normalizer != Normalizer:
		return nil, fmt.Errorf("its facts were normalized by rules of version %d, and this program knows version %d", head.Normalizer, Normalizer)
	case len(head.Behaviors) > MostBehaviors:
		return nil, fmt.Errorf("it holds %d behaviors, and %d at most are read", len(head.Behaviors), MostBehaviors)
	}
	bySubject := map[Subject]*Behavior{}
	var all []*Behavior
	for i, text := range head.Behaviors {
		b := new(Behavior)
		if err := b.UnmarshalJSON(text); err != nil {
			return nil, fmt.Errorf("behavior %d: %w", i+1, err)
		}
		if known := bySubject[b.Subject]; known != nil {
			if err := known.Merge(b); err != nil {
				return nil, err
			}
			continue
		}
		bySubject[b.Subject] = b
		all = append(all, b)
	}
	return all, nil
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
