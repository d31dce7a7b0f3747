package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"

	"ullage.dev/ullage/internal/behavior"
)

// learner adds to a behavior what is told of it.
type learner struct {
	ctx  context.Context
	tx   *sql.Tx
	id   int64
	told *behavior.Behavior
}

// kept are the facts of a part of a behavior as the store has them.
type kept map[behavior.Fact]string

// add adds facts by looking only at those that decide what becomes of them. It
// changes nothing and reports false when facts fold: then all of them matter.
func (l *learner) add() (bool, error) {
	before, weights := kept{}, map[behavior.Fact]int{}
	part := behavior.New(l.told.Subject)
	for f := range l.told.Facts() {
		near := f.Near()
		for i, other := range near {
			if err := l.load(other, part, before); err != nil {
				return false, err
			}
			if _, known := before[f]; known && i == 0 {
				break // it only becomes what was seen more often
			}
			if err := l.loadWeight(other, weights); err != nil {
				return false, err
			}
		}
	}
	known := maps.Clone(weights)
	part.SetWeights(weights)
	for f, seen := range l.told.Facts() {
		part.Observe(f, *seen)
	}
	for f := range part.Facts() {
		if _, was := before[f]; !was && f.Folded() {
			return false, nil
		}
	}
	return true, errors.Join(l.put(part, before), l.putWeights(part.Weights(), known))
}

// load reads a fact, if it is known and was not read yet.
func (l *learner) load(f behavior.Fact, part *behavior.Behavior, before kept) error {
	if _, read := before[f]; read {
		return nil
	}
	key, err := json.Marshal(f)
	if err != nil {
		return err
	}
	var text []byte
	err = l.tx.QueryRowContext(l.ctx, "SELECT seen FROM fact WHERE behavior = ? AND fact = ?", l.id, string(key)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	var seen behavior.Seen
	if err := errors.Join(json.Unmarshal(text, &seen), seen.Check()); err != nil {
		return err
	}
	before[f] = string(text)
	part.Keep(f, seen)
	return nil
}

func (l *learner) loadWeight(f behavior.Fact, weights map[behavior.Fact]int) error {
	if _, read := weights[f]; read {
		return nil
	}
	key, err := json.Marshal(f)
	if err != nil {
		return err
	}
	var n int
	err = l.tx.QueryRowContext(l.ctx, "SELECT facts FROM weight WHERE behavior = ? AND fact = ?", l.id, string(key)).Scan(&n)
	if err == nil {
		weights[f] = n
	} else if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return err
}

// addWhole adds facts to all that is known.
func (l *learner) addWhole() error {
	whole, err := loadBehavior(l.ctx, l.tx, l.told.Subject)
	if err != nil {
		return err
	}
	before := kept{}
	for f, seen := range whole.Facts() {
		text, err := json.Marshal(seen)
		if err != nil {
			return err
		}
		before[f] = string(text)
	}
	for f, seen := range l.told.Facts() {
		whole.Observe(f, *seen)
	}
	if err := l.put(whole, before); err != nil {
		return err
	}
	if _, err := l.tx.ExecContext(l.ctx, "DELETE FROM weight WHERE behavior = ?", l.id); err != nil {
		return err
	}
	if _, err := l.tx.ExecContext(l.ctx, "UPDATE behavior SET weighed = 1 WHERE id = ?", l.id); err != nil {
		return err
	}
	return l.putWeights(whole.Weights(), nil)
}

// put writes the facts that changed, and drops those that folded.
func (l *learner) put(b *behavior.Behavior, before kept) error {
	gone := maps.Clone(before)
	for f, seen := range b.Facts() {
		delete(gone, f)
		text, err := json.Marshal(seen)
		if err != nil {
			return err
		}
		if old, known := before[f]; known && old == string(text) {
			continue
		}
		if err := l.exec("INSERT INTO fact (behavior, fact, seen) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET seen = ?3", f, string(text)); err != nil {
			return err
		}
	}
	for f := range gone {
		if err := l.exec("DELETE FROM fact WHERE behavior = ? AND fact = ?", f); err != nil {
			return err
		}
	}
	return nil
}

func (l *learner) putWeights(weights, before map[behavior.Fact]int) error {
	for f, n := range weights {
		if before[f] == n {
			continue
		}
		if err := l.exec("INSERT INTO weight (behavior, fact, facts) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET facts = ?3", f, n); err != nil {
			return err
		}
	}
	return nil
}

func (l *learner) exec(statement string, f behavior.Fact, more ...any) error {
	key, err := json.Marshal(f)
	if err == nil {
		_, err = l.tx.ExecContext(l.ctx, statement, append([]any{l.id, string(key)}, more...)...)
	}
	return err
}

// mostWatched is how many intervals are kept one by one before they are put into the
// coverage.
const mostWatched = 128

// watch adds what was covered. One interval is a row, as most that is told is of one
// that goes on.
func (l *learner) watch() error {
	if l.told.Coverage.Earlier() != nil {
		return l.cover()
	}
	for _, i := range l.told.Coverage.Intervals() {
		began, err := json.Marshal([]any{i.From, i.Replica, i.Run, i.Session})
		if err != nil {
			return err
		}
		var text []byte
		var c behavior.Coverage
		c.Watch(i)
		err = l.tx.QueryRowContext(l.ctx, "SELECT interval FROM watched WHERE behavior = ? AND began = ?", l.id, string(began)).Scan(&text)
		if err == nil {
			var known behavior.Interval
			err = json.Unmarshal(text, &known)
			c.Watch(known)
		} else if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		if err != nil {
			return err
		}
		longer, err := json.Marshal(c.Intervals()[0])
		if err != nil {
			return err
		}
		if string(longer) == string(text) {
			continue
		}
		if _, err := l.tx.ExecContext(l.ctx, "INSERT INTO watched (behavior, began, interval) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET interval = ?3", l.id, string(began), string(longer)); err != nil {
			return err
		}
	}
	var n int
	if err := l.tx.QueryRowContext(l.ctx, "SELECT COUNT(*) FROM watched WHERE behavior = ?", l.id).Scan(&n); err != nil || n <= mostWatched {
		return err
	}
	return l.cover()
}

// cover puts all that was covered into the coverage of the behavior.
func (l *learner) cover() error {
	var text []byte
	var c behavior.Coverage
	if err := l.tx.QueryRowContext(l.ctx, "SELECT coverage FROM behavior WHERE id = ?", l.id).Scan(&text); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	if _, err := watched(l.ctx, l.tx, l.id, &c); err != nil {
		return err
	}
	c.Merge(&l.told.Coverage)
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := l.tx.ExecContext(l.ctx, "UPDATE behavior SET coverage = ? WHERE id = ?", text, l.id); err != nil {
		return err
	}
	_, err = l.tx.ExecContext(l.ctx, "DELETE FROM watched WHERE behavior = ?", l.id)
	return err
}
