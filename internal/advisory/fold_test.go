package advisory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/vuln"
)

// TestFolded holds what a database folded against the rows that it was folded of, on
// random records, in a new database and in one that was made from another one.
func TestFolded(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	m, s := full(t), &Store{Dir: t.TempDir()}
	ids := []string{"CVE-2024-%04d", "DEBIAN-CVE-2024-%04d", "GHSA-%d", "PYSEC-%d"}
	pick := func() string { return fmt.Sprintf(ids[r.IntN(len(ids))], 1000+r.IntN(20)) }
	vectors := []string{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N", "AV:N/AC:L/Au:N/C:P/I:N/A:N", "CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "CVSS:3.1/none"}
	for round := range 3 {
		for _, ecosystem := range []string{"Go", "PyPI", "npm"} {
			files := map[string][2]string{}
			for range 30 {
				id := pick()
				rec := map[string]any{"id": id, "modified": fmt.Sprintf("2026-01-%02dT00:00:00Z", 1+round), "published": fmt.Sprintf("2025-01-%02dT00:00:00Z", 1+r.IntN(28)),
					"summary": []string{"", "one", "another"}[r.IntN(3)], "aliases": []string{pick(), pick()}[r.IntN(2):], "upstream": []string{pick()}[r.IntN(2):],
					"severity":          []map[string]string{{"type": "CVSS_V3", "score": vectors[r.IntN(5)]}, {"type": "CVSS_V3", "score": vectors[r.IntN(5)]}}[r.IntN(3):],
					"database_specific": map[string]string{"severity": []string{"", "HIGH", "moderate", "odd"}[r.IntN(4)]}}
				if r.IntN(5) == 0 {
					rec["withdrawn"] = "2026-01-01T00:00:00Z"
				}
				text, err := json.Marshal(rec)
				if err != nil {
					t.Fatal(err)
				}
				files[id] = [2]string{id + ".json", string(text)}
			}
			m.Put("osv/"+ecosystem+"/all.zip", archive(t, slices.Collect(maps.Values(files))...))
		}
		feeds := [][]string{{"osv/Go", "osv/PyPI", "osv/npm", "debian", "kev", "epss"}, {"osv/Go"}, {"osv/PyPI", "osv/npm"}}[round]
		m.update(t, s, noon.Add(time.Duration(round)*30*24*time.Hour), feeds...)
		holdFolded(t, s, 10)
	}
	ends := &Store{Dir: t.TempDir()} // with a record that is folded
	m.update(t, ends, noon, "debian", "kev", "epss")
	holdFolded(t, ends, 1)
}

func holdFolded(t *testing.T, s *Store, atLeast int) {
	t.Helper()
	db := opened(t, s)
	folded := 0
	all, last := &scan{t: db.table, keep: func(string, string, string) bool { return true }}, ""
	for {
		r, err := all.next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		group, _, _, _ := parts(r.key)
		id, isID := strings.CutPrefix(group, idPrefix)
		if !isID {
			if strings.HasPrefix(group, foldedPrefix) {
				t.Fatalf("the scan yields %s, which is made anew", group)
			}
			continue
		}
		if id == last {
			continue
		}
		last = id
		got, err := db.Record(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.gather(id); err != nil {
			t.Fatal(err)
		}
		several, has := db.found.count > 1 && vuln.CVE(id) == id, false
		if err := db.rows(foldedGroup(id), func(_, _ string) error { has = true; return nil }); err != nil || has != several {
			t.Errorf("%s with %d rows is folded: %t, %v", id, db.found.count, has, err)
		}
		if several {
			folded++
		}
		want := db.found.folded()
		for _, list := range []*[]string{&got.Names, &got.Aliases, &want.Names, &want.Aliases} {
			if len(*list) == 0 {
				*list = nil
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, and of its rows %+v", id, got, want)
		}
	}
	if folded < atLeast {
		t.Errorf("only %d records are folded: the test says little", folded)
	}
}
