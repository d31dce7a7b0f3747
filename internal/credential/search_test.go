package credential

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Every keyword is found wherever it stands, once.
func TestFilterFindsKeywords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := newFilter(keywords())
	for i := range f.keywords {
		k := &f.keywords[i]
		if len(k.text) < 3 || len(k.text) > longestKeyword {
			t.Errorf("keyword %q has a length that the filter does not take", k.text)
		}
		for range 8 {
			before, behind := r.IntN(40), r.IntN(20)
			text := []byte(strings.Repeat("\x00", before) + k.text + strings.Repeat("\x01", behind))
			var at []int
			f.each(text, 0, len(text), func(found *keyword, pos int) {
				if found.text == k.text {
					at = append(at, pos)
				}
			})
			if !slices.Equal(slices.Compact(at), []int{before}) {
				t.Errorf("%q at %d of %d bytes: found at %v", k.text, before, len(text), at)
			}
		}
	}
}

// TestSearchTakesLinearTime searches texts that are full of what is looked for;
// with a search that looks far at each place the test does not end.
func TestSearchTakesLinearTime(t *testing.T) {
	units := []string{
		"-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("MIIE", 40), ".eyJ", "eyJhbGciOiJ.eyJ", "://a:b@", "://a:", `"auth":"`, "uthorization: basic ",
		"password=", "password: ", "--password ", "client-key-data: ", "PuTTY-User-Key-File-", "aws_secret_access_key=", "8Q~", "AKIA", "sig=", "<password>", "'password' => ",
	}
	search := func(path, unit string) {
		text := []byte(strings.Repeat(unit, 1<<15/len(unit)))
		NewSearch(path).Window(text, 0, len(text))
	}
	for _, path := range []string{"/x", "/x.yaml", "/.env", "/x.py", "/.netrc", "/.pgpass", "/etc/shadow"} {
		for _, unit := range units {
			search(path, unit)
		}
	}
	for i := range patterns {
		search("/x", patterns[i].prefix)
	}
}

// What is shown is of no use: at most the prefix of the kind and four characters.
func TestShorten(t *testing.T) {
	for _, test := range [][3]string{{"ghp_", "Kj8sH2lQ9zXc4Vb7Nm1PKj8sH2lQ9zXc4Vb7", "ghp_…4Vb7"}, {"AKIA", "short", "AKIA…"}, {"", "abcdefghijklmnopqrstuvwxyz", "…wxyz"}} {
		if got := shorten(test[0], test[1]); got != test[2] {
			t.Errorf("%s%s is shown as %s", test[0], test[1], got)
		}
	}
}

// BenchmarkWindow searches text in which nothing is: lines of a log, of settings
// and bytes at random.
func BenchmarkWindow(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 1<<17)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	for _, test := range []struct{ name, path, text string }{
		{"log", "/var/log/x", strings.Repeat("2026-11-23T08:00:00Z info request served in 12 ms by https://web.acme.dev/shop/basket\n", 1500)},
		{"code", "/usr/lib/python3/x.py", strings.Repeat("    def __init__(self, name, value=None):\n        self._name = name  # see the documentation\n", 1400)},
		{"settings", "/etc/x.yaml", strings.Repeat("      - name: web\n        image: registry.example/web:1.4.2\n        ports: [8080, 9090]\n", 1500)},
		{"random", "/x", string(random)},
	} {
		b.Run(test.name, func(b *testing.B) {
			text := []byte(test.text)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if hits := NewSearch(test.path).Window(text, 0, len(text)); len(hits) > 0 {
					b.Fatal(hits)
				}
			}
		})
	}
}
