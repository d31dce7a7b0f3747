package vuln

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// memory is a source that a test writes down.
type memory struct {
	affected map[string][]Affected // by "scope name"
	records  map[string]Record
}

func (m *memory) Covers(scope string) bool {
	for key := range m.affected {
		if strings.HasPrefix(key, scope+" ") {
			return true
		}
	}
	return false
}

func (m *memory) Affected(scope, name string, yield func(*Affected)) error {
	for _, a := range m.affected[scope+" "+name] {
		yield(&a)
	}
	return nil
}

func (m *memory) Record(id string) (Record, error) { return m.records[id], nil }

func upTo(version string) []Interval { return []Interval{{To: version}} }

// folded is the record of an id that advisories bear.
func folded(id string, advisories ...Advisory) Record { return new(Folder).Fold(id, advisories, nil) }

func advisory(id string, aliases ...string) Record {
	return folded(id, Advisory{ID: id, Aliases: aliases})
}

var bookworm = Release{"debian", "12"}

// told is a result in lines: what a test compares.
func told(r *Result) []string {
	var lines []string
	for _, m := range r.Matches {
		lines = append(lines, strings.TrimSpace("match "+m.ID+" "+string(m.State)+" "+m.Fixed))
	}
	for _, x := range r.RuledOut {
		lines = append(lines, "out "+x.ID+": "+x.Why)
	}
	for _, x := range r.Undecided {
		lines = append(lines, "undecided "+x.ID)
	}
	for _, x := range r.NoData {
		lines = append(lines, "no data "+x)
	}
	return lines
}

func TestRun(t *testing.T) {
	openssl := Package{Ecosystem: "Debian", Name: "libssl3", Version: "3.0.11-1~deb12u2", Source: "openssl", Owner: -1}
	requests := Package{Ecosystem: "PyPI", Name: "Requests", Version: "2.28.1", Owner: -1}
	owned := requests
	owned.Owner = 1
	python3requests := Package{Ecosystem: "Debian", Name: "python3-requests", Version: "2.28.1+dfsg-1+deb12u1", Source: "requests", Owner: -1}
	for _, c := range []struct {
		name     string
		packages []Package
		release  Release
		affected map[string][]Affected
		records  map[string]Record
		want     []string
	}{
		{
			name: "by source package, fixed and not", packages: []Package{openssl}, release: bookworm,
			affected: map[string][]Affected{
				"Debian:12 openssl": {
					{ID: "CVE-2024-1", Feed: "debian", Intervals: upTo("3.0.13-1~deb12u1")},
					{ID: "CVE-2023-1", Feed: "debian", Intervals: upTo("3.0.11-1~deb12u2")}, // the installed one has the fix
					{ID: "CVE-2024-2", Feed: "debian", Intervals: []Interval{{}}},
					{ID: "CVE-2024-3", Feed: "debian", Intervals: []Interval{{}}, Verdict: WillNotFix},
					{ID: "CVE-2024-4", Feed: "debian", Intervals: []Interval{{}}, Verdict: EndOfLife},
					{ID: "CVE-2024-5", Feed: "debian", Intervals: []Interval{{}}, Verdict: Investigating},
					{ID: "CVE-2024-6", Feed: "debian", Verdict: NotAffected},
				},
				"Debian:12 libssl3": {{ID: "CVE-2024-9", Intervals: []Interval{{}}}}, // another source package of that name
				"Debian:13 openssl": {{ID: "CVE-2024-8", Intervals: []Interval{{}}}},
			},
			want: []string{"match CVE-2024-1 fixed 3.0.13-1~deb12u1", "match CVE-2024-2 not fixed", "match CVE-2024-3 will not fix", "match CVE-2024-4 end of life", "match CVE-2024-5 investigating"},
		},
		{
			name: "a bulletin on several CVEs is a match for each", packages: []Package{openssl}, release: bookworm,
			affected: map[string][]Affected{"Debian:12 openssl": {{ID: "DSA-1-1", Feed: "osv/Debian", Intervals: upTo("4")}}},
			records:  map[string]Record{"DSA-1-1": advisory("DSA-1-1", "CVE-2024-2", "CVE-2024-1")},
			want:     []string{"match CVE-2024-1 fixed 4", "match CVE-2024-2 fixed 4"},
		},
		{
			name:     "what is known of a name alone is no word on a package that may be another",
			packages: []Package{{Ecosystem: "npm", Name: "app", Version: "1.0.0", Owner: -1, Doubt: "it may be another"}},
			affected: map[string][]Affected{"npm app": {
				{ID: "MAL-2024-1", Feed: "osv/npm", Intervals: []Interval{{}}},
				{ID: "GHSA-a", Feed: "osv/npm", Intervals: upTo("2.0.0")},
			}},
			want: []string{"match GHSA-a fixed 2.0.0", "undecided MAL-2024-1"},
		},
		{
			name: "the tracker stands over a conversion of it", packages: []Package{openssl}, release: bookworm,
			affected: map[string][]Affected{"Debian:12 openssl": {
				{ID: "CVE-2024-1", Feed: "debian", Verdict: NotAffected},
				{ID: "DEBIAN-CVE-2024-1", Feed: "osv/Debian", Intervals: []Interval{{}}},
				{ID: "CVE-2024-2", Feed: "debian", Intervals: upTo("3.0.14-1~deb12u1")},
				{ID: "DEBIAN-CVE-2024-2", Feed: "osv/Debian", Intervals: []Interval{{}}},
			}},
			want: []string{"match CVE-2024-2 fixed 3.0.14-1~deb12u1", "out CVE-2024-1: DEBIAN-CVE-2024-1 reports it, and by debian the package is not affected"},
		},
		{
			name: "aliases fold, through a GHSA too; the later fix counts", packages: []Package{requests},
			affected: map[string][]Affected{"PyPI requests": {
				{ID: "GHSA-a", Feed: "osv/PyPI", Intervals: upTo("2.31.0")},
				{ID: "PYSEC-2023-1", Feed: "osv/PyPI", Intervals: upTo("2.30")},
			}},
			records: map[string]Record{"GHSA-a": advisory("GHSA-a", "CVE-2023-32681"), "PYSEC-2023-1": advisory("PYSEC-2023-1", "GHSA-a")},
			want:    []string{"match CVE-2023-32681 fixed 2.31.0"},
		},
		{
			name: "what the distribution mended in its package is not upstream's", release: bookworm,
			packages: []Package{owned, python3requests},
			affected: map[string][]Affected{
				"PyPI requests": {
					{ID: "CVE-2023-32681", Feed: "osv/PyPI", Intervals: upTo("2.31.0")},
					{ID: "CVE-2024-35195", Feed: "osv/PyPI", Intervals: upTo("2.32.0")},
					{ID: "CVE-2024-47081", Feed: "osv/PyPI", Intervals: upTo("2.32.4")},
					{ID: "CVE-2024-50000", Feed: "osv/PyPI", Intervals: upTo("2.32.4")},
				},
				"Debian:12 requests": {
					{ID: "CVE-2023-32681", Feed: "debian", Intervals: upTo("2.28.1+dfsg-1+deb12u1")},
					{ID: "CVE-2024-35195", Feed: "debian", Intervals: []Interval{{}}},
					{ID: "CVE-2024-50000", Feed: "debian", Verdict: NotAffected},
					{ID: "DEBIAN-CVE-2024-50000", Feed: "osv/Debian", Intervals: []Interval{{}}},
				},
			},
			want: []string{
				"match CVE-2024-47081 fixed 2.32.4", // the distribution is silent: upstream's word stands
				"match CVE-2024-35195 not fixed",    // once, under the distribution's package
				"out CVE-2023-32681: its files are of the package python3-requests 2.28.1+dfsg-1+deb12u1, of which the distribution says: not in this version",
				"out CVE-2024-35195: its files are of the package python3-requests 2.28.1+dfsg-1+deb12u1, of which the distribution says: affected, and reported there",
				"out CVE-2024-50000: its files are of the package python3-requests 2.28.1+dfsg-1+deb12u1, of which the distribution says: not affected",
				"out CVE-2024-50000: DEBIAN-CVE-2024-50000 reports it, and by debian the package is not affected",
			},
		},
		{
			name: "what is no version is not decided", packages: []Package{{Ecosystem: "PyPI", Name: "x", Version: "latest", Owner: -1}},
			affected: map[string][]Affected{"PyPI x": {
				{ID: "CVE-2024-1", Intervals: upTo("2")},
				{ID: "CVE-2024-2", Intervals: []Interval{{From: "0"}}}, // all versions
				{ID: "CVE-2024-3", Versions: []string{"latest"}},
				{ID: "CVE-2024-4", Versions: []string{"1"}},
			}},
			want: []string{"match CVE-2024-2 not fixed", "match CVE-2024-3 not fixed", "undecided CVE-2024-1"},
		},
		{
			name: "no data is said", packages: []Package{openssl, {Ecosystem: "Alpine", Name: "musl", Version: "1.2.4-r0", Owner: -1}, {Ecosystem: "npm", Name: "x", Version: "1.0.0", Owner: -1}},
			release: Release{"debian", "13"},
			want:    []string{"no data Alpine of a release that debian 13 does not tell", "no data Debian:13", "no data npm"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Run(c.packages, c.release, &memory{c.affected, c.records})
			if err != nil {
				t.Fatal(err)
			}
			if lines := told(got); !slices.Equal(lines, c.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(lines, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

func TestIntervals(t *testing.T) {
	i, f, l, limit := Introduced, Fixed, LastAffected, Limit
	for _, c := range []struct {
		events []Event
		want   []Interval
	}{
		{[]Event{{i, "0"}}, []Interval{{From: "0"}}},
		{[]Event{{f, "5.4"}, {i, "6.0"}, {f, "6.2"}, {i, "0"}}, []Interval{{From: "0", To: "5.4"}, {From: "6.0", To: "6.2"}}}, // as PYSEC-2023-159 writes it
		{[]Event{{i, "1.0"}, {l, "1.0"}}, []Interval{{From: "1.0", To: "1.0", Last: true}}},
		{[]Event{{i, "0"}, {f, "2"}, {i, "2"}}, []Interval{{From: "0", To: "2"}, {From: "2"}}},
		{[]Event{{f, "1"}}, nil},
		{[]Event{{i, "1.0.0"}, {f, "1.0.0"}}, nil},
		{[]Event{{i, "0"}, {f, "0"}}, nil},
		{[]Event{{i, "1.10"}, {i, "1.9"}, {f, "1.11"}}, []Interval{{From: "1.9", To: "1.11"}}}, // an open one is not opened again
		{[]Event{{i, "0"}, {limit, "2"}}, []Interval{{From: "0", To: "2", Limit: true}}},
		{[]Event{{i, "0"}, {f, "1"}, {i, "2"}, {limit, "2"}}, []Interval{{From: "0", To: "1"}}},
		{[]Event{{i, "0"}, {l, "2"}, {limit, "2"}, {limit, "1"}}, []Interval{{From: "0", To: "2", Limit: true}}}, // the highest limit counts
		{[]Event{{i, "0"}, {limit, "1"}, {limit, "*"}}, []Interval{{From: "0"}}},
	} {
		if got := Intervals(PEP440, c.events); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v gives %v, not %v", c.events, got, c.want)
		}
	}
}

// TestNoRelease: a testing or unstable Debian names no release.
func TestNoRelease(t *testing.T) {
	r, err := Run([]Package{{Ecosystem: "Debian", Name: "zlib", Version: "1", Owner: -1}}, Release{ID: "debian"}, &memory{})
	if err != nil || !slices.Equal(r.NoData, []string{"Debian of a release that is not known"}) || EcosystemOf(r.NoData[0]) != "Debian" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestScope(t *testing.T) {
	for _, c := range []struct {
		ecosystem string
		release   Release
		want      string
	}{
		{"Debian", Release{"debian", "12"}, "Debian:12"}, {"Debian", Release{"debian", "12.5"}, "Debian:12"}, {"Debian", Release{"debian", ""}, ""},
		{"Debian", Release{"raspbian", "12"}, ""}, {"Ubuntu", Release{"ubuntu", "22.04"}, "Ubuntu:22.04:LTS"}, {"Ubuntu", Release{"ubuntu", "23.10"}, "Ubuntu:23.10"},
		{"Alpine", Release{"alpine", "3.20.3"}, "Alpine:v3.20"}, {"Alpine", Release{"alpine", "3.21_alpha20240807"}, "Alpine:edge"}, {"Alpine", Release{"alpine", "3.21.0_alpha20240807"}, "Alpine:edge"},
		{"Red Hat", Release{"rhel", "9.4"}, "Red Hat:9"}, {"SUSE", Release{"sles", "15.5"}, "SUSE:15 SP5"},
		{"SUSE", Release{"sles_sap", "15"}, "SUSE:15"}, {"SUSE", Release{"sles", "16.0"}, "SUSE:16.0"}, {"SUSE", Release{"sles", ""}, ""},
		{"openSUSE", Release{"opensuse-leap", "15.6"}, "openSUSE:Leap 15.6"}, {"openSUSE", Release{"opensuse-tumbleweed", "20261101"}, "openSUSE:Tumbleweed"},
		{"Azure Linux", Release{"azurelinux", "3.0"}, "Azure Linux:3"}, {"Azure Linux", Release{"mariner", "2.0"}, "Azure Linux:2"},
		{"npm", Release{"debian", "12"}, "npm"},
	} {
		if got := Scope(c.ecosystem, c.release); got != c.want {
			t.Errorf("%s of %v: %q, not %q", c.ecosystem, c.release, got, c.want)
		}
	}
	for ecosystem, want := range map[string]string{
		"Red Hat:enterprise_linux:9::baseos":                   "Red Hat:9",
		"SUSE:Linux Enterprise Module for Basesystem 15 SP7":   "SUSE:15 SP7",
		"SUSE:Linux Enterprise Module for Python 3 15 SP6":     "SUSE:15 SP6",
		"SUSE:Linux Enterprise Server 12 SP5-LTSS":             "SUSE:12 SP5",
		"SUSE:Linux Enterprise Server for SAP Applications 15": "SUSE:15",
		"SUSE:Linux Enterprise Server 16.0":                    "SUSE:16.0",
		"SUSE:Linux Enterprise Micro 5.5":                      "SUSE:Linux Enterprise Micro 5.5",
		"SUSE:Manager Server 4.3":                              "SUSE:Manager Server 4.3",
		"openSUSE:Leap 15.6":                                   "openSUSE:Leap 15.6",
	} {
		if got := ScopeOf(ecosystem); got != want {
			t.Errorf("%s is of %q, not %q", ecosystem, got, want)
		}
	}
	for name, want := range map[string]string{"Zope.Interface": "zope-interface", "a__b": "a-b", "plain-name": "plain-name"} {
		if got := NormalName("PyPI", name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
}

// TestScore holds scores that the documents of CVSS and the CVE records give.
func TestScore(t *testing.T) {
	for vector, want := range map[string]float64{
		"AV:N/AC:L/Au:N/C:N/I:N/A:C":                                      7.8,  // CVE-2002-0392, in the guide to CVSS 2
		"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H":                    10,   // CVE-2021-44228
		"CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:N/A:N":                    7.7,  // PYSEC-2023-159
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H": 10.0, // the worst
	} {
		if got, ok := Score(vector); !ok || got != want {
			t.Errorf("%s: %v, %v, not %v", vector, got, ok, want)
		}
	}
	for _, vector := range []string{"", "high", "CVSS:3.1/AV:N", "CVSS:9/AV:N"} {
		if _, ok := Score(vector); ok {
			t.Errorf("%q has a score", vector)
		}
	}
}

// TestPriority holds who comes before whom, and that the reasons say why.
func TestPriority(t *testing.T) {
	p := Package{Ecosystem: "npm", Name: "x", Version: "1.0.0", Owner: -1}
	critical, low := "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N"
	severe := func(vector string) Record { return folded("", Advisory{ID: "GHSA-x", Vectors: []string{vector}}) }
	exploited, likely := severe(low), severe(critical)
	exploited.Exploited, likely.EPSS = &Exploited{Added: "2024-05-01", Ransomware: true}, &EPSS{Probability: 0.94, Percentile: 0.99}
	source := &memory{map[string][]Affected{"npm x": {
		{ID: "CVE-2024-1", Intervals: []Interval{{}}}, {ID: "CVE-2024-2", Intervals: upTo("2.0.0")}, {ID: "CVE-2024-3", Intervals: []Interval{{}}},
		{ID: "CVE-2024-4", Intervals: []Interval{{}}}, {ID: "CVE-2024-5", Intervals: []Interval{{}}},
	}}, map[string]Record{
		"CVE-2024-1": severe(critical),
		"CVE-2024-2": severe(critical),
		"CVE-2024-3": exploited,
		"CVE-2024-4": likely,
	}}
	r, err := Run([]Package{p}, Release{}, source)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, m := range r.Matches {
		order = append(order, m.ID)
	}
	if want := []string{"CVE-2024-3", "CVE-2024-4", "CVE-2024-2", "CVE-2024-1", "CVE-2024-5"}; !slices.Equal(order, want) {
		t.Errorf("order %v, not %v", order, want)
	}
	if want := []string{"known to be exploited since 2024-05-01 (CISA)", "used by ransomware", "low by CVSS 2.5 (GHSA-x)", "not fixed"}; !slices.Equal(r.Matches[0].Reasons(), want) {
		t.Errorf("reasons %q, not %q", r.Matches[0].Reasons(), want)
	}
	if want := []string{"nobody has said how severe it is", "not fixed"}; !slices.Equal(r.Matches[4].Reasons(), want) {
		t.Errorf("reasons %q, not %q", r.Matches[4].Reasons(), want)
	}
}

func TestCVE(t *testing.T) {
	for id, want := range map[string]string{
		"CVE-2024-1234": "CVE-2024-1234", "DEBIAN-CVE-2024-1234": "CVE-2024-1234", "GHSA-xxxx": "", "CVE-2024-": "", "XCVE-2024-1": "", "CVE-24-1": "", "CVE-2024-12x": "",
	} {
		if got := CVE(id); got != want {
			t.Errorf("%s: %q, not %q", id, got, want)
		}
	}
}

func TestDoubtIsAReason(t *testing.T) {
	source := &memory{affected: map[string][]Affected{"Maven a:b": {{ID: "GHSA-a", Feed: "osv/Maven", Intervals: upTo("2")}}}}
	r, err := Run([]Package{{Ecosystem: "Maven", Name: "a:b", Version: "1", Owner: -1, Doubt: "its identity is from the file name"}}, Release{}, source)
	if err != nil || len(r.Matches) != 1 || !slices.Contains(r.Matches[0].Reasons(), "its identity is from the file name") {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestMaliciousInDoubt holds that a package that may be another one is not said to be
// malware, whatever the advisory is called.
func TestMaliciousInDoubt(t *testing.T) {
	mal, flaw := Affected{ID: "MAL-1", Feed: "osv/npm", Intervals: upTo("2")}, Affected{ID: "GHSA-a", Feed: "osv/npm", Intervals: upTo("2")}
	for _, c := range []struct {
		said []Affected
		want string
	}{{[]Affected{mal}, "undecided CVE-2026-1"}, {[]Affected{mal, flaw}, "match CVE-2026-1 fixed 2"}} {
		source := &memory{affected: map[string][]Affected{"npm x": c.said}, records: map[string]Record{"MAL-1": advisory("MAL-1", "CVE-2026-1"), "GHSA-a": advisory("GHSA-a", "CVE-2026-1")}}
		r, err := Run([]Package{{Ecosystem: "npm", Name: "x", Version: "1", Owner: -1, Doubt: "it may be another"}}, Release{}, source)
		if got := told(r); err != nil || !slices.Equal(got, []string{c.want}) {
			t.Errorf("%q, not %q: %v", got, c.want, err)
		}
	}
}

// TestSeverityOfOtherDistribution does not name another distribution's record for a
// score that is the vulnerability's.
func TestSeverityOfOtherDistribution(t *testing.T) {
	vector := "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	for _, c := range []struct{ by, want string }{
		{"ALPINE-CVE-2024-1", "critical by CVSS 9.8 (CVE-2024-1)"}, {"DEBIAN-CVE-2024-1", "critical by CVSS 9.8 (DEBIAN-CVE-2024-1)"}, {"GHSA-x", "critical by CVSS 9.8 (GHSA-x)"},
	} {
		source := &memory{map[string][]Affected{"Debian:12 x": {{ID: "DEBIAN-CVE-2024-1", Feed: "osv/Debian", Intervals: upTo("2")}}},
			map[string]Record{"CVE-2024-1": folded("CVE-2024-1", Advisory{ID: c.by, Vectors: []string{vector}})}}
		r, err := Run([]Package{{Ecosystem: "Debian", Name: "x", Version: "1", Owner: -1}}, bookworm, source)
		if err != nil || len(r.Matches) != 1 || !slices.Contains(r.Matches[0].Reasons(), c.want) {
			t.Errorf("by %s: %+v, %v", c.by, r, err)
		}
	}
}
