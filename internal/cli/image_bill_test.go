package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// TestMergedBill holds each package of a bill that was merged of several
// distributions against the advisories of its own.
func TestMergedBill(t *testing.T) {
	b := newLifeBench(t)
	b.say("CVE-2026-1", "Debian:11", "openssl", "1.1.1w-0+deb11u2")
	b.say("CVE-2026-1", "Debian:12", "openssl", "3.0.16-1~deb12u1")
	b.say("CVE-2026-2", "Debian:12", "zlib", "")
	b.update()
	const system = `{"type": "operating-system", "name": "debian", "version": "%s"}, `
	for _, c := range []struct {
		name, systems string
		want          []string
		noData        []string
		upgrades      []string
	}{
		{"none named", "", []string{"libssl1.1 CVE-2026-1 1.1.1w-0+deb11u2", "libssl3 CVE-2026-1 3.0.16-1~deb12u1"}, []string{"Debian of a release that is not known"}, []string{"openssl 1.1.1w-0+deb11u2", "openssl 3.0.16-1~deb12u1"}},
		{"one named", fmt.Sprintf(system, "12"), []string{"libssl1.1 CVE-2026-1 1.1.1w-0+deb11u2", "libssl3 CVE-2026-1 3.0.16-1~deb12u1", "zlib1g CVE-2026-2 "}, nil, []string{"openssl 1.1.1w-0+deb11u2", "openssl 3.0.16-1~deb12u1"}},
		{"both named", fmt.Sprintf(system, "12") + fmt.Sprintf(system, "11"), []string{"libssl1.1 CVE-2026-1 1.1.1w-0+deb11u2", "libssl3 CVE-2026-1 3.0.16-1~deb12u1"}, []string{"Debian of a release that is not known"}, []string{"openssl 1.1.1w-0+deb11u2", "openssl 3.0.16-1~deb12u1"}},
	} {
		bill := scratch(t, "merged.cdx.json", `{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [`+c.systems+`
			{"type": "library", "name": "libssl1.1", "version": "1.1.1n-0+deb11u4", "purl": "pkg:deb/debian/libssl1.1@1.1.1n-0%2Bdeb11u4?distro=debian-11&upstream=openssl"},
			{"type": "library", "name": "libssl3", "version": "3.0.15-1~deb12u1", "purl": "pkg:deb/debian/libssl3@3.0.15-1~deb12u1?distro=bookworm&upstream=openssl"},
			{"type": "library", "name": "zlib1g", "version": "1:1.2.13.dfsg-1", "purl": "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?upstream=zlib"}]}`)
		var got struct {
			Problems        []string
			Packages        []struct{ Name string }
			Vulnerabilities struct {
				Found []struct {
					ID, Fixed string
					Package   int
				}
				NoData   []string
				Upgrades []struct{ Name, To string }
			}
		}
		if err := json.Unmarshal([]byte(b.run(exitClean, "image", bill, "--no-store", "-o", "json")), &got); err != nil {
			t.Fatal(err)
		}
		var found, upgrades []string
		for _, f := range got.Vulnerabilities.Found {
			found = append(found, got.Packages[f.Package].Name+" "+f.ID+" "+f.Fixed)
		}
		for _, u := range got.Vulnerabilities.Upgrades {
			upgrades = append(upgrades, u.Name+" "+u.To)
		}
		slices.Sort(upgrades)
		if !slices.Equal(found, c.want) || !slices.Equal(got.Vulnerabilities.NoData, c.noData) || !slices.Equal(upgrades, c.upgrades) || len(got.Problems) > 0 {
			t.Errorf("%s: found %q, no data on %q, upgrades %q, problems %q", c.name, found, got.Vulnerabilities.NoData, upgrades, got.Problems)
		}
	}
}
