// Package fix turns findings into changed files, and shows and writes them.
//
// What is promised: a file is changed only in the bytes that a fix needs (see
// [tree.Edit]); it was parsed, completed and judged again before it is offered,
// the findings fixed were gone, and none as severe came instead. Fixing what was
// fixed changes nothing. Fixes of class decision are never applied. Nothing that
// is printed holds a secret value that the model knows to be one.
//
// Not promised: that a fixed program still runs. That is what the fix classes
// speak of.
package fix

import (
	"context"
	"errors"
	"fmt"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Options say what is applied, and how the result is judged. Load and Recheck
// must be set.
type Options struct {
	// Tightening has fixes of that class applied, too, not only inert ones.
	Tightening bool
	// Load makes the objects of a text, as they were made of the file first: in
	// the order of the text, completed and redacted.
	Load func(*tree.File) ([]*model.Object, error)
	// Recheck judges the input again, with the objects read from each file that
	// the map names replaced by the ones it holds. It returns all findings, those
	// that do not count included; which count is known from the first ones.
	Recheck func(ctx context.Context, replaced map[string][]*model.Object) ([]*model.Finding, error)
	// Read returns the text of a file that may be changed, or why it may not.
	// Default: [Read].
	Read func(name string) (string, error)
}

// Plan is what fixing would do, in the order of the findings.
type Plan struct {
	Files   []*File   // those that change
	Held    []Held    // what a person must ask for or decide
	Skipped []Skipped // what cannot be done here, and why

	read    map[identity]model.Place // of the findings in the files as they were read
	written bool
}

// File is a file that changes.
type File struct {
	Name     string // with forward slashes
	Old, New string
	Applied  []Applied

	before, after []*model.Object
	leftOut       bool // of the diff, which would show a secret
	written       bool
}

// Applied is a fix that is made in the new text.
type Applied struct {
	Finding *model.Finding
	Fix     model.Fix
	// Proven says that the fix is inert beyond doubt: the object, completed with
	// defaults, is the same before and after it. False says nothing.
	Proven bool
}

// Held is a fix that waits for a person: Class says for what.
type Held struct {
	Finding *model.Finding // in the files as they will be
	Fix     model.Fix

	id identity
}

// Skipped is a fix that is not made.
type Skipped struct {
	Finding *model.Finding // in the files as they will be
	Fix     model.Fix
	Reason  string

	id identity
}

// Make plans the fixes of the active findings and of their symptoms. No other
// finding is fixed, and a fix by which an inactive one would go is not made.
// Nothing is written.
func Make(ctx context.Context, findings []*model.Finding, o Options) (*Plan, error) {
	if o.Load == nil || o.Recheck == nil {
		return nil, errors.New("fixes cannot be planned without Load and Recheck")
	}
	if o.Read == nil {
		o.Read = Read
	}
	r := &run{Options: o, files: map[string]*source{}, refused: map[attemptKey]string{}, owned: map[place]owner{}}
	r.take(findings)
	r.limit()
	read := map[identity]model.Place{}
	for _, f := range r.flat {
		read[r.ids[f]] = f.Place()
	}
	for range maxRounds {
		set := r.candidates()
		if len(set) == 0 {
			break
		}
		if err := r.apply(ctx, set); err != nil {
			return nil, err
		}
	}
	return r.plan(read), nil
}

// maxRounds bounds how often what a fix uncovers is fixed in turn.
const maxRounds = 8

// plan puts the outcome together.
func (r *run) plan(read map[identity]model.Place) *Plan {
	p := &Plan{read: read}
	for _, name := range r.order {
		s := r.files[name]
		if s.text == s.old {
			continue
		}
		f := &File{Name: name, Old: s.old, New: s.text, Applied: s.applied, before: s.before, after: s.objects}
		p.Files = append(p.Files, f)
	}
	r.leave(p, r.top)
	return p
}

// leave lists the findings that were not fixed. Symptoms of what is listed are
// not: who mends the cause sees what remains.
func (r *run) leave(p *Plan, findings []*model.Finding) {
	for _, f := range findings {
		if !r.classify(p, f) {
			r.leave(p, f.Symptoms)
		}
	}
}

// classify says why a finding that is left was not fixed, unless it does not
// count or nobody knows a fix.
func (r *run) classify(p *Plan, f *model.Finding) bool {
	id := r.ids[f]
	if len(f.Fixes) == 0 || r.passing[id.unnumbered()] > 0 && !r.reported[id.unnumbered()] {
		return false
	}
	fix, reason := r.obstacle(f)
	switch {
	case reason != "":
		p.Skipped = append(p.Skipped, Skipped{f, fix, reason, id})
	case r.passing[id.unnumbered()] > 0 && fix.Class != model.Decision:
		p.Skipped = append(p.Skipped, Skipped{f, fix, "it cannot be told from one that an exception or the baseline lets pass", id})
	case !r.allowed(fix):
		p.Held = append(p.Held, Held{f, fix, id})
	case !r.reported[id.unnumbered()]:
		p.Skipped = append(p.Skipped, Skipped{f, fix, "another fix has brought it up: run again", id})
	default:
		p.Skipped = append(p.Skipped, Skipped{f, fix, "too many rounds of fixes: run again", id})
	}
	return true
}

// obstacle returns the fix of a finding that cannot be made and the reason, or
// the first fix and "".
func (r *run) obstacle(f *model.Finding) (model.Fix, string) {
	for i, fix := range f.Fixes {
		if reason := r.refused[attemptKey{r.ids[f], i}]; reason != "" {
			return fix, reason
		}
		if r.allowed(fix) || i == 0 && fix.Class != model.Decision {
			if reason := r.untouchable(f); reason != "" {
				return fix, reason
			}
		}
	}
	return f.Fixes[0], ""
}

func (r *run) allowed(fix model.Fix) bool {
	return len(fix.Edits) > 0 && (fix.Class == model.Inert || fix.Class == model.Tightening && r.Tightening)
}

// untouchable says why the text that a finding speaks of cannot be changed, or
// "".
func (r *run) untouchable(f *model.Finding) string {
	source := f.Object.Source
	if source == nil || source.File == nil {
		return "the object was not read from a file"
	}
	if o := source.Origin; o != nil {
		return fmt.Sprintf("rendered by %s: edit it by hand", o.Renderer)
	}
	return r.open(source.File).reason
}
