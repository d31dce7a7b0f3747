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

// Learn adds what behaviors know, all of it or nothing. It is on disk when Learn
// returns. To tell the same again, or in another order, changes nothing. What it costs
// is proportional to what is told, and not to what is known; but for a fact that makes
// others fold.
func (s *Store) Learn(ctx context.Context, all ...*behavior.Behavior) error {
	err := s.change(ctx, func(tx *sql.Tx) error {
		for _, b := range all {
			if err := learn(ctx, tx, b, s.now()); err != nil {
				return err
			}
		}
		return forgetBehaviors(ctx, tx, s.now())
	})
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func learn(ctx context.Context, tx *sql.Tx, b *behavior.Behavior, now time.Time) error {
	subject, err := json.Marshal(b.Subject)
	if err != nil {
		return err
	}
	l := learner{ctx: ctx, tx: tx, told: b}
	var normalizer int
	var weighed bool
	err = tx.QueryRowContext(ctx, `INSERT INTO behavior (subject, normalizer, coverage, last, weighed) VALUES (?1, ?2, '{"intervals":[]}', ?3, 1)
		ON CONFLICT (subject) DO UPDATE SET last = MAX(last, ?3) RETURNING id, normalizer, weighed`, string(subject), behavior.Normalizer, now.Unix()).Scan(&l.id, &normalizer, &weighed)
	if err != nil {
		return err
	}
	if normalizer != behavior.Normalizer {
		return otherNormalizer(&b.Subject, normalizer)
	}
	done := false
	if weighed {
		if done, err = l.add(); err != nil {
			return err
		}
	}
	if !done {
		if err := l.addWhole(); err != nil {
			return err
		}
	}
	return l.watch()
}

func otherNormalizer(s *behavior.Subject, version int) error {
	return fmt.Errorf("%s: its facts were normalized by rules of version %d, and this program knows version %d", s, version, behavior.Normalizer)
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
	var b *behavior.Behavior
	err := s.view(ctx, func(tx *sql.Tx) (err error) {
		b, err = loadBehavior(ctx, tx, subject)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return b, nil
}

// loadBehavior reads all of a behavior.
func loadBehavior(ctx context.Context, tx *sql.Tx, subject behavior.Subject) (*behavior.Behavior, error) {
	text, err := json.Marshal(subject)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT b.id, b.normalizer, b.coverage, f.fact, f.seen FROM behavior b LEFT JOIN fact f ON f.behavior = b.id WHERE b.subject = ?", string(text))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var b *behavior.Behavior
	var id int64
	for rows.Next() {
		var normalizer int
		var coverage, fact, seen []byte
		if err := rows.Scan(&id, &normalizer, &coverage, &fact, &seen); err != nil {
			return nil, err
		}
		if b == nil {
			if normalizer != behavior.Normalizer {
				return nil, otherNormalizer(&subject, normalizer)
			}
			b = behavior.New(subject)
			if err := json.Unmarshal(coverage, &b.Coverage); err != nil {
				return nil, fmt.Errorf("%s: coverage: %w", &subject, err)
			}
		}
		if fact == nil {
			continue
		}
		f, at, err := readFact(fact, seen)
		if err != nil {
			return nil, fmt.Errorf("%s: a fact: %w", &subject, err)
		}
		b.Observe(f, at)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || b == nil {
		return nil, err
	}
	_, err = watched(ctx, tx, id, &b.Coverage)
	return b, err
}

func readFact(fact, seen []byte) (f behavior.Fact, at behavior.Seen, err error) {
	if err := errors.Join(json.Unmarshal(fact, &f), json.Unmarshal(seen, &at)); err != nil {
		return f, at, err
	}
	return f, at, errors.Join(f.Check(), at.Check())
}

// watched adds the intervals that are kept one by one.
func watched(ctx context.Context, tx *sql.Tx, id int64, c *behavior.Coverage) (n int, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT interval FROM watched WHERE behavior = ?", id)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		var text []byte
		var i behavior.Interval
		if err := rows.Scan(&text); err != nil {
			return n, err
		}
		if err := json.Unmarshal(text, &i); err != nil {
			return n, fmt.Errorf("an interval: %w", err)
		}
		c.Watch(i)
	}
	return n, rows.Err()
}
