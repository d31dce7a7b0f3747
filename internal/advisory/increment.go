package advisory

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// errUseWhole says that a feed has to be read as a whole.
var errUseWhole = errors.New("the whole feed is needed")

// maxSingle is how many records are fetched one by one; beyond it the archive is
// cheaper for both sides.
const maxSingle = 500

// increment reads what changed in a feed of OSV since before: modified_id.csv lists
// the ids with the time of their last change, the newest first.
func (u *updater) increment(ctx context.Context, f *Feed, before *Provenance, c *change) error {
	u.Progress("asking what changed in " + f.Name)
	ids, err := u.modified(ctx, f, before)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return errUnchanged
	}
	texts, err := u.single(ctx, f, ids)
	if err != nil {
		return err
	}
	c.only = map[string]bool{}
	for i, id := range ids {
		c.only[id] = true
		if texts[i] == nil {
			continue // no longer there
		}
		if err := osvOne(texts[i], id, c.intake); err != nil {
			return err
		}
	}
	if c.from.Unread > 0 { // the rows before would be lost with nothing in their place
		return errors.Join(fmt.Errorf("%d of %d changed records cannot be read", c.from.Unread, len(ids)), c.problems[0].Err)
	}
	c.from.Whole, c.from.ETag, c.from.LastModified = before.Whole, before.ETag, before.LastModified
	if before.Newest.After(c.from.Newest) {
		c.from.Newest = before.Newest
	}
	return nil
}

// modified returns the ids of the records that changed. Those of the second of the
// newest known record are looked up, as more may have come in it.
func (u *updater) modified(ctx context.Context, f *Feed, before *Provenance) ([]string, error) {
	body, err := u.get(ctx, f.URL+"/modified_id.csv")
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return nil, errUseWhole
	} else if err != nil {
		return nil, err
	}
	defer body.Close()
	var ids []string
	lines := bufio.NewScanner(io.LimitReader(body, maxRecord))
	for lines.Scan() {
		at, id, ok := strings.Cut(lines.Text(), ",")
		when, err := time.Parse(time.RFC3339, at)
		if !ok || err != nil || !fits(id) {
			return nil, errUseWhole
		}
		if when.Before(before.Newest) {
			break
		}
		if rec, err := u.old.Record(id); err == nil {
			for _, a := range rec.Advisories {
				ok = ok && !(a.Feed == f.Name && a.Modified == when.Unix())
			}
		}
		if !ok {
			continue
		}
		if ids = append(ids, id); len(ids) > maxSingle {
			return nil, errUseWhole
		}
	}
	return ids, lines.Err()
}

// single fetches records, nil for those that are not there.
func (u *updater) single(ctx context.Context, f *Feed, ids []string) ([][]byte, error) {
	texts, errs := make([][]byte, len(ids)), make([]error, len(ids))
	var group sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, id := range ids {
		slots <- struct{}{}
		u.Progress(fmt.Sprintf("fetching %s: %d of %d changed records", f.Name, i, len(ids)))
		group.Go(func() {
			defer func() { <-slots }()
			texts[i], errs[i] = u.one(ctx, f.URL+"/"+url.PathEscape(id)+".json")
		})
	}
	group.Wait()
	return texts, errors.Join(errs...)
}

func (u *updater) one(ctx context.Context, at string) ([]byte, error) {
	body, err := u.get(ctx, at)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxRecord+1))
	if err == nil && len(text) > maxRecord {
		err = errTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", at, err)
	}
	return text, nil
}

func (u *updater) get(ctx context.Context, at string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", u.Agent)
	resp, err := u.Client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, &statusError{at, resp.StatusCode, resp.Status}
	}
	return resp.Body, nil
}
