package advisory

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"ullage.dev/ullage/internal/vuln"
)

// errUseWhole says that a feed has to be read as a whole.
var errUseWhole = errors.New("the whole feed is needed")

// maxSingle is how many records are fetched one by one; beyond it the archive is
// cheaper for both sides.
const maxSingle = 500

// changed is a record that is another one, or gone, since a feed was read.
type changed struct {
	id string
	at string // where it is; "" when it is gone
}

// increment reads what changed in a feed of OSV or of Red Hat since before.
func (u *updater) increment(ctx context.Context, f *Feed, before *Provenance, c *change) error {
	u.Progress("asking what changed in " + f.Name)
	list, err := u.listed(ctx, f, before)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errUnchanged
	}
	texts, err := u.single(ctx, f, list)
	if err != nil {
		return err
	}
	c.only = map[string]bool{}
	for i, x := range list {
		c.only[x.id] = true
		if texts[i] == nil {
			continue // no longer there
		}
		if err := f.one(texts[i], x.id, c.intake); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(list, func(x changed) bool { return c.lost[x.id] == nil || !slices.Contains(before.Lost, x.id) }) {
		return errUnchanged // what could not be read still cannot
	}
	c.from.Whole, c.from.ETag, c.from.LastModified = before.Whole, before.ETag, before.LastModified
	if before.Newest.After(c.from.Newest) || c.from.Unread > 0 { // what could not be read is asked for again
		c.from.Newest = before.Newest
	}
	return nil
}

// listed returns what changed: of OSV by modified_id.csv, of Red Hat by changes.csv
// and deletions.csv.
func (u *updater) listed(ctx context.Context, f *Feed, before *Provenance) ([]changed, error) {
	if f.Name != feedRedHat {
		return u.modified(ctx, f, before, "modified_id.csv", func(line string) (string, changed) {
			at, id, _ := strings.Cut(line, ",")
			return at, changed{id, url.PathEscape(id) + ".json"}
		})
	}
	document := func(line string) (string, changed) {
		name, at, _ := strings.Cut(line, ",")
		name, at = strings.Trim(name, `"`), strings.Trim(at, `"`)
		id := strings.ToUpper(strings.TrimSuffix(path.Base(name), ".json"))
		if vuln.CVE(id) != id || name != id[4:8]+"/"+path.Base(name) {
			return "", changed{}
		}
		return at, changed{id, name}
	}
	list, err := u.modified(ctx, f, before, "changes.csv", document)
	if err != nil {
		return nil, err
	}
	gone, err := u.modified(ctx, f, before, "deletions.csv", document)
	if err != nil && !errors.Is(err, errUseWhole) { // there is no such list
		return nil, err
	}
	for _, x := range gone {
		if list, err := u.old.Advisories(x.id); err == nil && !slices.ContainsFunc(list, func(a vuln.Advisory) bool { return a.Feed == f.Name && a.ID == x.id }) {
			continue
		}
		list = slices.DeleteFunc(list, func(y changed) bool { return y.id == x.id })
		list = append(list, changed{id: x.id})
	}
	return list, nil
}

// one reads one record.
func (f *Feed) one(text []byte, name string, in *intake) error {
	if f.Name == feedRedHat {
		return redHatOne(bytes.NewReader(text), name, in)
	}
	return osvOne(text, name, in)
}

// modified returns the records that a list names with a time since the newest known
// record, the newest first. Those of its second are looked up, as more may have come
// in it.
func (u *updater) modified(ctx context.Context, f *Feed, before *Provenance, list string, line func(string) (at string, x changed)) ([]changed, error) {
	body, err := u.get(ctx, f.URL+"/"+list)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return nil, errUseWhole
	} else if err != nil {
		return nil, err
	}
	defer body.Close()
	// A record from the future must not hide what changes until then, and neither
	// must a clock that was wrong.
	since := before.Newest
	if before.Fetched.Before(since) {
		since = before.Fetched
	}
	var found []changed
	lines := bufio.NewScanner(io.LimitReader(body, maxRecord))
	for lines.Scan() {
		at, x := line(lines.Text())
		when, err := time.Parse(time.RFC3339, at)
		if err != nil || !fits(x.id) {
			return nil, errUseWhole
		}
		if when.Before(since) {
			break
		}
		known := false
		if list, err := u.old.Advisories(x.id); err == nil {
			for _, a := range list {
				known = known || a.Feed == f.Name && a.ID == x.id && a.Modified == when.Unix()
			}
		}
		if known {
			continue
		}
		if x.at != "" {
			x.at = f.URL + "/" + x.at
		}
		if found = append(found, x); len(found) > maxSingle {
			return nil, errUseWhole
		}
	}
	return found, lines.Err()
}

// single fetches records, nil for those that are not there.
func (u *updater) single(ctx context.Context, f *Feed, list []changed) ([][]byte, error) {
	texts, errs := make([][]byte, len(list)), make([]error, len(list))
	var group sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, x := range list {
		if x.at == "" {
			continue
		}
		slots <- struct{}{}
		u.Progress(fmt.Sprintf("fetching %s: %d of %d changed records", f.Name, i, len(list)))
		group.Go(func() {
			defer func() { <-slots }()
			texts[i], errs[i] = u.one(ctx, x.at)
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
	resp, err := u.do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, &statusError{at, resp.StatusCode, resp.Status}
	}
	return resp.Body, nil
}
