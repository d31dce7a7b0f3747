package vuln

import (
	"fmt"
	"regexp"
)

// minorRelease is how a build for one minor release of Red Hat's is marked: el9_4.
var minorRelease = regexp.MustCompile(`\.el(\d+)_(\d+)\b`)

// ofOlderMinor says of a package that was built for an older minor release than the
// fix that its fix may be among the updates for that release alone (EUS and the
// like), which are not read. It is "" for others.
func ofOlderMinor(ecosystem, version, fix string) string {
	if ecosystem != "Red Hat" {
		return ""
	}
	has, wants := minorRelease.FindStringSubmatch(version), minorRelease.FindStringSubmatch(fix)
	if has == nil || wants == nil || has[1] != wants[1] || has[2] == wants[2] {
		return ""
	}
	return fmt.Sprintf("it is built for %s.%s and the fix for %s.%s: updates for %s.%s alone (EUS), which may mend it, are not read", has[1], has[2], wants[1], wants[2], has[1], has[2])
}
