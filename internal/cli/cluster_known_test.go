package cli

import (
	"strings"
	"testing"
)

// The command that differs least is named first.
func TestNearestCommandFirst(t *testing.T) {
	o := ullage(t, "access", "lst")
	if _, near, _ := strings.Cut(o.stderr, "there is "); o.code != exitUsage || !strings.HasPrefix(near, "list") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	o = ullage(t, "net", "lst")
	if _, near, _ := strings.Cut(o.stderr, "there is "); o.code != exitUsage || !strings.HasPrefix(near, "list") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}
