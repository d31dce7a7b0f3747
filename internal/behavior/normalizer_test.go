package behavior

import (
	"strings"
	"testing"
)

// TestNormalizerOfMasking pins what of names is taken for a credential, by the version of the
// rules: when package credential knows another form, the same deed is written in another way,
// and what was recorded before holds what is masked now. Then [Normalizer] must be raised with
// the table, so that old and new facts are not compared.
func TestNormalizerOfMasking(t *testing.T) {
	const version = 1
	body := strings.Repeat("Zx81kQ0vT7sPq2mR", 3)
	hidden, shown := []string{
		"ghp_" + body[:36], "glpat-" + body[:20], "xoxb-123456789012-123456789012-" + body[:24], "AKIA" + "IOSFODNN7EXAMPLQ", "sk_live_" + body[:24], "npm_" + body[:36],
	}, []string{
		"web.log", "libz.so.1.2.13", "password", "token", "id_rsa", "config.json", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "550e8400-e29b-41d4-a716-446655440000",
	}
	for masked, names := range map[bool][]string{true: hidden, false: shown} {
		for _, name := range names {
			o := Observation{Kind: Open, Program: File{Path: "/web", Layer: InImage}, File: File{Path: "/app/" + name, Layer: InImage}}
			if f := o.Fact(); strings.Contains(f.File.Path, "{secret}") != masked {
				t.Errorf("%s is written %s: not as by version %d", name, f.File.Path, version)
			}
		}
	}
	if Normalizer != version {
		t.Errorf("the table is of version %d, and Normalizer is %d", version, Normalizer)
	}
}
