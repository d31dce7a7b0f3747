package cli

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestNamesOfArchive holds that exceptions and owners call an archive by the name in it or
// by its file, whoever asks, and that exceptions which cover nothing are told.
func TestNamesOfArchive(t *testing.T) {
	b := newLifeBench(t)
	b.advise("CVE-2026-0001", "", "")
	b.update()
	archive := smallImage(t) // of registry.example/web:1.4.2
	config := scratch(t, ".ullage.yaml", "apiVersion: ullage.dev/v1alpha1\nkind: Config\nvulnerabilities: {owners: [{images: ['registry.example/web:*'], owner: shop}]}\n")
	entry := func(id, vulnerability, images string) string {
		return "- {id: " + id + ", rules: [" + vulnerability + "], match: {images: ['" + images + "']}, reason: not reached, owner: team, expires: 2100-01-01}\n"
	}
	const head = "apiVersion: ullage.dev/v1alpha1\nkind: Exceptions\nexceptions:\n"
	for _, c := range []struct {
		images   string
		accepted bool
	}{{"registry.example/web:*", true}, {filepath.ToSlash(archive), true}, {"registry.example/other:*", false}} {
		exceptions := scratch(t, "e.yaml", head+entry("a", "CVE-2026-0001", c.images)+entry("idle", "CVE-2026-0009", "*"))
		text := b.run(exitClean, "image", archive, "--config", config, "--exceptions", exceptions)
		if got := strings.Contains(text, "accepted          1 by exceptions"); got != c.accepted {
			t.Errorf("%s: accepted %v\n%s", c.images, got, text)
		}
		contains(t, text, "owner             shop", "unused exception  ", "idle")
		if c.images == filepath.ToSlash(archive) {
			continue // the store knows it by the name in it
		}
		unused := "unused exception  a, idle"
		if c.accepted {
			unused = "unused exception  idle"
		}
		contains(t, b.run(exitClean, "image", "rematch", "--exceptions", exceptions), unused+"\n")
		contains(t, unwrapped(b.run(exitClean, "image", "rematch", "--exceptions", exceptions, "-o", "json")), `"exceptionsUnused": [ { "id": "`+unused[18:][:1])
	}
}
