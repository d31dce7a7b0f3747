//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/behavior"
)

func TestNamesAskedFor(t *testing.T) {
	s := looking(t, behavior.Resolve)
	done := listen(t, s)
	b := newBundle(t)
	b.grant(t, "NET_ADMIN", "NET_BIND_SERVICE")
	b.run(t, "loopback", "ask connected connected.example.com MiXed.Example.COM mixed.example.com", "ask six six.example.com", "ask stream stream.example.com", "ask loose loose.example.com",
		"connect udp4 127.0.0.1:53", "sendto 127.0.0.1:53")
	events := done()
	want := []string{"connected.example.com", "loose.example.com", "mixed.example.com", "six.example.com", "stream.example.com"}
	if got := namesOf(events, b.id, behavior.Resolve); !slices.Equal(got, want) {
		t.Errorf("told are %v, not %v", got, want)
	}
	for _, e := range ofContainer(events, b.id, Did) {
		if f := e.Fact; f.Kind == behavior.Resolve && (f.Program.Path != "/bin/act" || f.Origin != behavior.Entrypoint || f.Check() != nil) {
			t.Errorf("%+v", f)
		}
	}
}

// Names without end, as a tunnel makes them, are kept up to the quota, and counted
// beyond it.
func TestNamesBeyondCapacity(t *testing.T) {
	requireMachine(t)
	s := start(t, Options{PerGroup: 50})
	if !s.kinds.Has(behavior.Resolve) {
		t.Skipf("%+v", s.Tiers())
	}
	b := newBundle(t)
	var names []string
	for i := range 80 {
		names = append(names, fmt.Sprintf("n%c%c.tunnel.example", 'a'+i/26, 'a'+i%26))
	}
	// In other cases they are the same names.
	b.run(t, "loopback", "ask loose "+strings.Join(append(names[:10:10], strings.ToUpper(strings.Join(names[:10], " "))), " ")+" "+strings.Join(names[10:], " "))
	lost := lossesOfContainer(t, s, b.id).Questions
	if got := namesOf(listen(t, s)(), b.id, behavior.Resolve); len(got) != 50 || lost != 30 {
		t.Errorf("%d are told of a quota of 50, and %d said to be lost", len(got), lost)
	}
}
