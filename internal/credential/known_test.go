package credential

import (
	"strings"
	"testing"
)

// TestLongTextsTakeLinearTime runs the detectors on texts that are long and
// full of what they look for; with quadratic ones the test does not end.
func TestLongTextsTakeLinearTime(t *testing.T) {
	for _, unit := range []string{"pass=", "pass: ", "--password ", "eyJ-", "AIza-", "sk-", "@tcp(", "://u:", "bearer ", "token ", `"auth":"`, "-----BEGIN ", "x='", " -p", "hvs.", "discord.com/api/webhooks/"} {
		text := strings.Repeat(unit, 1<<19/len(unit))
		In(text)
		Assigned(text + "${X}")
		InShell("mysql " + text)
	}
}
