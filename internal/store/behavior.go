package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ullage.dev/ullage/internal/behavior"
)

// What is kept of behaviors: those told of in a year and a bit, and so many. More
// subjects than that push those out that nothing was told of for the longest time.
const (
	keptBehavior  = 400 * 24 * time.Hour
	mostBehaviors = 20_000
)

// Learn adds what a behavior knows. It is on disk when Learn returns. To tell the
// same again, or in another order, changes nothing.
func (s *Store) Learn(ctx context.Context, b *behavior.Behavior) error {
	subject, err := json.Marshal(b.Subject)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	err = s.change(ctx, func(tx *sql.Tx) error {
		known, err := loadBehavior(ctx, tx, b.Subject)
		if err != nil {
			return err
		}
		if known == nil {
			known = behavior.New(b.Subject)
		}
		before := map[behavior.Fact]string{}
		for f, seen := range known.Facts() {
			text, err := json.Marshal(seen)
			if err != nil {
				return err
			}
			before[f] = string(text)
		}
		if err := known.Merge(b); err != nil {
			return err
		}
		id, err := putBehavior(ctx, tx, string(subject), known, s.now())
		if err != nil {
			return err
		}
		if err := putFacts(ctx, tx, id, known, before); err != nil {
			return err
		}
		return forgetBehaviors(ctx, tx, s.now())
	})
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func putBehavior(ctx context.Context, tx *sql.Tx, subject string, b *behavior.Behavior, now time.Time) (id int64, err error) {
	coverage, err := json.Marshal(b.Coverage)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO behavior (subject, normalizer, coverage, last) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (subject) DO UPDATE SET coverage = ?3, last = MAX(last, ?4) RETURNING id`, subject, behavior.Normalizer, coverage, now.Unix()).Scan(&id)
	return id, err
}

// putFacts writes the facts that changed, and drops those that folded.
func putFacts(ctx context.Context, tx *sql.Tx, id int64, b *behavior.Behavior, before map[behavior.Fact]string) error {
	for f, seen := range b.Facts() {
		text, err := json.Marshal(seen)
		if err != nil {
			return err
		}
		old, known := before[f]
		delete(before, f)
		if known && old == string(text) {
			continue
		}
		key, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO fact (behavior, fact, seen) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET seen = ?3", id, string(key), string(text)); err != nil {
			return err
		}
	}
	for f := range before {
		key, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM fact WHERE behavior = ? AND fact = ?", id, string(key)); err != nil {
			return err
		}
	}
	return nil
}

func forgetBehaviors(ctx context.Context, tx *sql.Tx, now time.Time) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM behavior WHERE last < ?", now.Add(-keptBehavior).Unix()); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM behavior WHERE id IN (SELECT id FROM behavior ORDER BY last DESC, id DESC LIMIT -1 OFFSET ?)", mostBehaviors)
	return err
}

// ForgetBehavior drops what is known of a subject; what is not known is no error.
func (s *Store) ForgetBehavior(ctx context.Context, subject behavior.Subject) error {
	text, err := json.Marshal(subject)
	if err == nil {
		_, err = s.db.ExecContext(ctx, "DELETE FROM behavior WHERE subject = ?", string(text))
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// Subjects lists what there are behaviors of, in no order.
func (s *Store) Subjects(ctx context.Context) ([]behavior.Subject, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT subject FROM behavior")
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer rows.Close()
	var all []behavior.Subject
	for rows.Next() {
		var text []byte
		var subject behavior.Subject
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		if err := json.Unmarshal(text, &subject); err != nil {
			return nil, fmt.Errorf("store: a subject: %w", err)
		}
		all = append(all, subject)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return all, nil
}

// Behavior returns what a subject was seen to do; nil when nothing is known.
func (s *Store) Behavior(ctx context.Context, subject behavior.Subject) (*behavior.Behavior, error) {
	b, err := loadBehavior(ctx, s.db, subject)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return b, nil
}

// loadBehavior reads a behavior in one statement, so that it is of one moment.
func loadBehavior(ctx context.Context, db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, subject behavior.Subject) (*behavior.Behavior, error) {
	text, err := json.Marshal(subject)
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, "SELECT b.normalizer, b.coverage, f.fact, f.seen FROM behavior b LEFT JOIN fact f ON f.behavior = b.id WHERE b.subject = ?", string(text))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var b *behavior.Behavior
	for rows.Next() {
		var normalizer int
		var coverage, fact, seen []byte
		if err := rows.Scan(&normalizer, &coverage, &fact, &seen); err != nil {
			return nil, err
		}
		if b == nil {
			if normalizer != behavior.Normalizer {
				return nil, fmt.Errorf("%s: its facts were normalized by rules of version %d, and this program knows version %d", &subject, normalizer, behavior.Normalizer)
			}
			b = behavior.New(subject)
			if err := json.Unmarshal(coverage, &b.Coverage); err != nil {
				return nil, fmt.Errorf("%s: coverage: %w", &subject, err)
			}
		}
		if fact == nil {
			continue
		}
		var f behavior.Fact
		var at behavior.Seen
		if err := errors.Join(json.Unmarshal(fact, &f), json.Unmarshal(seen, &at)); err != nil {
			return nil, fmt.Errorf("%s: a fact: %w", &subject, err)
		}
		if err := errors.Join(f.Check(), at.Check()); err != nil {
			return nil, fmt.Errorf("%s: a fact: %w", &subject, err)
		}
		b.Observe(f, at)
	}
	return b, rows.Err()
}
