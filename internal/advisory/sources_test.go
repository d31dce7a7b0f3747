package advisory

import "testing"

// What there is no data on names the feed that would speak of it, as far as there is one.
func TestLacking(t *testing.T) {
	for _, c := range []struct{ scope, feed, want string }{
		{"Alpine:v3.20 community", "alpine/v3.20/main", "Alpine:v3.20 community (the feed alpine/v3.20/community or osv/Alpine is missing)"},
		{"Alpine:v3.20", "", "Alpine:v3.20 (the feed alpine/v3.20/main or osv/Alpine is missing)"},
		{"Alpine:v3.9", "osv/Alpine", "Alpine:v3.9 (none in osv/Alpine)"},
		{"Alpine:edge", "", "Alpine:edge (the feed osv/Alpine is missing)"},
		{"Debian:7", "osv/Debian", "Debian:7 (none in osv/Debian)"},
		{"Debian:12", "osv/Ubuntu", "Debian:12 (the feed debian or osv/Debian is missing)"},
		{"Ubuntu:22.04:LTS", "ubuntu", "Ubuntu:22.04:LTS (the feed osv/Ubuntu is missing)"},
		{"Red Hat:9", "", "Red Hat:9 (the feed redhat or osv/Red Hat is missing)"},
		{"Azure Linux:3", "", "Azure Linux:3 (the feed osv/Azure Linux is missing)"},
		{"SUSE:15 SP7", "", "SUSE:15 SP7 (the feed osv/SUSE is missing)"},
		{"Amazon Linux of amzn 2023", "osv/Go", "Amazon Linux of amzn 2023 (no feed has any)"},
		{"Kubernetes", "", "Kubernetes (the feed kubernetes is missing)"},
	} {
		if got := Lacking([]string{c.scope}, []Provenance{{Feed: c.feed}}); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
	known := map[string]bool{}
	for _, name := range FeedNames() {
		known[name] = true
	}
	for _, scope := range append([]string{"Debian:12", "Alpine:v3.23 main", "Alpine:v3.1", "Ubuntu:24.04:LTS", "Red Hat:9", "Kubernetes"}, osvEcosystems...) {
		for _, name := range speakingOf(scope) {
			if !known[name] {
				t.Errorf("%s: there is no feed %s", scope, name)
			}
		}
	}
}
