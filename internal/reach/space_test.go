package reach

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestShares(t *testing.T) {
	for _, c := range []struct{ ranges, want string }{
		{"", "[0 0 0 0]"},
		{"0.0.0.0/0", "[3 0 3 0]"},
		{"0.0.0.0/1 128.0.0.0/1 ::/0", "[3 3 3 3]"},
		{"0.0.0.0/1 128.0.0.0/2", "[2 0 2 0]"},
		{"203.0.113.0/24 2001:db8::/32", "[1 1 0 0]"},
		{"10.0.0.0/8", "[0 0 1 0]"},
		{"10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16", "[0 0 3 0]"},
		{"fc00::/7 fe80::/10 ::1/128", "[0 0 0 3]"},
		{"10.1.2.3/32", "[0 0 1 0]"},
	} {
		var ranges []netip.Prefix
		for _, text := range strings.Fields(c.ranges) {
			ranges = append(ranges, netip.MustParsePrefix(text))
		}
		if got := fmt.Sprint(Shares(ranges)); got != c.want {
			t.Errorf("%q: %s, want %s", c.ranges, got, c.want)
		}
	}
}
