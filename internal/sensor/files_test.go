//go:build linux && (amd64 || arm64)

package sensor

import (
	"path"
	"testing"
)

func TestWatchedFiles(t *testing.T) {
	for file, want := range map[string]bool{
		"/etc/shadow": true, "/etc/app/shadow": false, "/proc/42/environ": true, "/proc/42/task/43/environ": false, "/home/a/.aws/credentials": true, "/root/.ssh/id_rsa": true,
		"/srv/id_rsa": false, "/run/secrets/kubernetes.io/serviceaccount/..2026/token": true, "/var/run/secrets/other/token": false, "x.aws/credentials": false,
	} {
		if isWatched(file) != want {
			t.Errorf("%s: %v", file, !want)
		}
	}
	names := map[string]bool{}
	for _, w := range watchedFiles {
		names[path.Base(w)[:min(len(path.Base(w)), 15)]] = true
	}
	kept := 0
	for _, name := range watchedNames() {
		if name != [2]uint64{} {
			kept++
		}
	}
	if kept != len(names) {
		t.Errorf("%d of %d names have room", kept, len(names))
	}
}

func TestNamedFiles(t *testing.T) {
	for _, c := range []struct {
		directory, said string
		cut             bool
		want            string
	}{
		{"/srv", "a/../b", false, "/srv/b"}, {"/srv", "/etc//x/", false, "/etc/x"}, {"", "b", false, "/b"}, {"/srv", "../../../x", false, "/x"},
		{"/srv", "dir/a very long", true, "/srv/dir/..."},
	} {
		if got := named(c.directory, c.said, c.cut); got != c.want {
			t.Errorf("%q from %q is %q, want %q", c.said, c.directory, got, c.want)
		}
	}
}

func TestNamesOfDNS(t *testing.T) {
	for labels, want := range map[string]string{"\x03www\x07example\x03com\x00rest": "www.example.com", "\x00": ".", "": ".", "\x05ab": "."} {
		if got := dnsName([]byte(labels)); got != want {
			t.Errorf("%q is %q, want %q", labels, got, want)
		}
	}
}
