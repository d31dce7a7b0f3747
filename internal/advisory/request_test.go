package advisory

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ullage.dev/ullage/internal/vuln"
)

// serving is a server that answers with a function.
func serving(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s
}

// fetched updates one feed from a server, and returns what became of it.
func fetched(t *testing.T, s *Store, name, at string, now time.Time) Outcome {
	t.Helper()
	feeds, err := Feeds([]string{name}, "", map[string]string{name: at})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Update(t.Context(), Options{Feeds: feeds, Now: now, Pause: time.Millisecond, Idle: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return r.Outcomes[0]
}

// TestServers holds what becomes of a feed whatever a server does.
func TestServers(t *testing.T) {
	catalog := read(t, "testdata/kev/known_exploited_vulnerabilities.json")
	whole := func(w http.ResponseWriter) { w.Write(catalog) }
	for name, c := range map[string]struct {
		feed   string
		answer http.HandlerFunc
		want   string // of the error; "" when it is taken
	}{
		"wrong content type": {"kev", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html"); whole(w) }, ""},
		"packed on the way": {"kev", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip") // although it was asked for as it is
			w.Write(zipped0(catalog))
		}, ""},
		"scores that are not packed": {"epss", func(w http.ResponseWriter, _ *http.Request) { w.Write(read(t, "testdata/epss/scores.csv")) }, ""},
		"byte order mark":            {"kev", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("\n")); whole(w) }, ""},
		"a web page":                 {"kev", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "\n<!DOCTYPE html><html>Sign in</html>") }, "a page for people"},
		"a web page for scores":      {"epss", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Sign in</html>") }, "a page for people"},
		"a web page for an archive":  {"osv/Go", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Sign in</html>") }, "a page for people"},
		"a web page for Ubuntu":      {"ubuntu", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Sign in</html>") }, "a page for people"},
		"truncated gzip": {"epss", func(w http.ResponseWriter, _ *http.Request) {
			b := zipped0(read(t, "testdata/epss/scores.csv"))
			w.Write(b[:len(b)-12])
		}, "unexpected EOF"},
		"truncated JSON":      {"kev", func(w http.ResponseWriter, _ *http.Request) { w.Write(catalog[:len(catalog)-20]) }, "EOF"},
		"nothing":             {"kev", func(http.ResponseWriter, *http.Request) {}, "EOF"},
		"another JSON":        {"kev", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"error": "quota"}`) }, "no record could be read"},
		"an error":            {"kev", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "403"},
		"an endless redirect": {"kev", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x"+r.URL.Path, http.StatusFound) }, "too many redirects"},
		"less than it said":   {"kev", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "99999"); whole(w) }, "unexpected EOF"},
		"a byte and then nothing": {"kev", func(w http.ResponseWriter, r *http.Request) {
			w.Write(catalog[:1])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "next to nothing"},
		"an archive that is cut off": {"ubuntu", func(w http.ResponseWriter, _ *http.Request) {
			b := read(t, "testdata/ubuntu/vex-all.tar.xz")
			w.Write(b[:len(b)/2])
		}, "xz"},
		"an archive that is no archive": {"ubuntu", func(w http.ResponseWriter, _ *http.Request) {
			w.Write(append(read(t, "testdata/ubuntu/vex-all.tar.xz")[:200], bytes.Repeat([]byte{7}, 900)...))
		}, "xz"},
	} {
		t.Run(name, func(t *testing.T) {
			o := fetched(t, &Store{Dir: t.TempDir()}, c.feed, serving(t, c.answer).URL, noon)
			switch {
			case c.want == "" && o.State != Updated:
				t.Errorf("it was not taken: %v", o.Err)
			case c.want != "" && (o.State != Failed || !strings.Contains(o.Err.Error(), c.want)):
				t.Errorf("%s, %v, not %q", o.State, o.Err, c.want)
			}
		})
	}
}

// TestNoRanges holds that a server without ranges gives the whole file again.
func TestNoRanges(t *testing.T) {
	catalog := read(t, "testdata/kev/known_exploited_vulnerabilities.json")
	first := true
	s := serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if first {
			first = false
			w.Header().Set("Content-Length", fmt.Sprint(len(catalog)))
			w.Write(catalog[:len(catalog)/2])
			return
		}
		w.Write(catalog)
	})
	if o := fetched(t, &Store{Dir: t.TempDir()}, "kev", s.URL, noon); o.State != Updated || o.Read != 2 {
		t.Errorf("%+v", o)
	}
}

// TestMuteServer holds that a server that nobody answers at costs its attempts once
// and not for every feed.
func TestMuteServer(t *testing.T) {
	var asked atomic.Int32
	s := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	})
	feeds, err := Feeds(nil, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := (&Store{Dir: t.TempDir()}).Update(t.Context(), Options{Feeds: feeds, Now: noon, Pause: time.Millisecond, Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil || r.Built {
		t.Fatal(r, err)
	}
	if n := int(asked.Load()); n > len(feeds)+attempts {
		t.Errorf("%d requests for %d feeds", n, len(feeds))
	}
}

// TestUnknownHost holds that a name that there is not is asked for once.
func TestUnknownHost(t *testing.T) {
	asked := 0
	dial := func(context.Context, string, string) (net.Conn, error) {
		asked++
		return nil, &net.DNSError{Err: "no such host", Name: "mirror.example", IsNotFound: true}
	}
	feeds, err := Feeds([]string{"kev"}, "http://mirror.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := (&Store{Dir: t.TempDir()}).Update(t.Context(), Options{Feeds: feeds, Now: noon, Client: &http.Client{Transport: &http.Transport{DialContext: dial}}})
	if err != nil || r.Outcomes[0].State != Failed || asked != 1 {
		t.Errorf("%+v, %v, asked %d times", r, err, asked)
	}
}

// TestPassword holds that the password of a mirror reaches its server and nothing
// else: no database, no message.
func TestPassword(t *testing.T) {
	catalog := read(t, "testdata/kev/known_exploited_vulnerabilities.json")
	broken := false
	s := serving(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "reader" || password != "c4n4ry" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		if broken {
			w.Write([]byte("{"))
			return
		}
		w.Write(catalog)
	})
	store := &Store{Dir: t.TempDir()}
	at := strings.Replace(s.URL, "://", "://reader:c4n4ry@", 1) + "/kev.json"
	if o := fetched(t, store, "kev", at, noon); o.State != Updated {
		t.Fatalf("%+v", o)
	}
	if p := opened(t, store).Describe().Feed("kev"); p.URL != s.URL+"/kev.json" {
		t.Errorf("the database says %s", p.URL)
	}
	broken = true
	if o := fetched(t, store, "kev", at, noon); o.State != Failed || strings.Contains(o.Err.Error(), "c4n4ry") {
		t.Errorf("%+v", o)
	}
	s.Close()
	if o := fetched(t, store, "kev", at, noon); o.State != Failed || strings.Contains(o.Err.Error(), "c4n4ry") {
		t.Errorf("%+v", o)
	}
	if _, err := Feeds([]string{"kev"}, "", map[string]string{"kev": "ftp://reader:c4n4ry@mirror.example"}); err == nil || strings.Contains(err.Error(), "c4n4ry") {
		t.Error(err)
	}
	files, err := os.ReadDir(store.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !f.IsDir() && bytes.Contains(read(t, store.Dir+"/"+f.Name()), []byte("c4n4ry")) {
			t.Errorf("%s has the password", f.Name())
		}
	}
}

// TestClockSkew holds that dates from the future, of records or of an earlier
// update, hide no change.
func TestClockSkew(t *testing.T) {
	m, s := full(t), &Store{Dir: t.TempDir()}
	requests := vuln.Package{Ecosystem: "PyPI", Name: "requests", Version: "2.28.1"}
	m.update(t, s, noon, "osv/PyPI")
	record := string(read(t, "testdata/osv/PyPI/PYSEC-2023-74.json"))
	m.change("PyPI", "PYSEC-2023-74", record, noon.AddDate(50, 0, 0))
	m.update(t, s, noon.Add(time.Hour), "osv/PyPI")
	m.change("PyPI", "PYSEC-2023-74", strings.Replace(record, `"fixed": "2.31.0"`, `"fixed": "2.32.9"`, 1), noon.Add(2*time.Hour))
	if o := m.update(t, s, noon.Add(3*time.Hour), "osv/PyPI").Outcomes[0]; !o.Changes || o.Read != 1 {
		t.Errorf("a change after a record from the future is not seen: %+v", o)
	}
	if got := found(t, s, requests, vuln.Release{}); got != "CVE-2023-32681 fixed 2.32.9" {
		t.Error(got)
	}
	// The clock was years ahead, and is right again: the archive is read.
	s = &Store{Dir: t.TempDir()}
	m.update(t, s, noon.AddDate(5, 0, 0), "osv/PyPI")
	m.Asked()
	m.update(t, s, noon, "osv/PyPI")
	if asked := m.Asked(); !strings.Contains(asked, "all.zip") {
		t.Errorf("the archive is not asked for:\n%s", asked)
	}
}
