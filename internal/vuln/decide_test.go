package vuln

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/purl"
)

func parsed(t *testing.T, texts ...string) []purl.URL {
	t.Helper()
	var list []purl.URL
	for _, text := range texts {
		u, err := purl.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, u)
	}
	return list
}

// TestApply holds statements of each kind against an image of three packages.
func TestApply(t *testing.T) {
	const digest = "sha256:aa"
	packages := parsed(t, "pkg:deb/debian/zlib1g@1:1.2?arch=amd64&distro=debian-12&upstream=zlib", "pkg:golang/example.com/app@v1", "pkg:golang/example.com/dep@v2")
	result := &Result{Matches: []Match{
		{Package: 0, ID: "CVE-1", Aliases: []string{"GHSA-1"}}, {Package: 1, ID: "CVE-1"}, {Package: 2, ID: "CVE-2"},
	}, NoData: []string{"x"}}
	subject := &Subject{Digests: []string{digest}, Repositories: []string{"registry.example/shop/web"}, Tags: []string{"1"}, Platform: "linux/arm64/v8", Packages: packages}
	of := func(text string, parts ...string) Product {
		p := Product{Components: parsed(t, parts...)}
		if text != "" {
			p.PURL = parsed(t, text)[0]
		}
		return p
	}
	for _, c := range []struct {
		name      string
		statement Statement
		ruled     string // packages ruled out
		why       string // when nothing is
	}{
		{"by purl without version", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:deb/debian/zlib1g")}}, "0", ""},
		{"in lower case", Statement{Vulnerability: "cve-1", Status: SaidNotAffected, Products: []Product{of("pkg:deb/debian/zlib1g")}}, "0", ""},
		{"by an alias", Statement{Vulnerability: "GHSA-1", Status: SaidNotAffected, Products: []Product{of("pkg:deb/debian/zlib1g")}}, "0", ""},
		{"by another alias", Statement{Vulnerability: "X-1", Aliases: []string{"CVE-1"}, Status: SaidFixed, Products: []Product{of("pkg:deb/debian/zlib1g@1:1.2?distro=debian-12")}}, "0", ""},
		{"of a source package", Statement{Vulnerability: "CVE-1", Status: SaidFixed, Products: []Product{of("pkg:deb/debian/zlib?arch=source")}}, "0", ""},
		{"another version", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:deb/debian/zlib1g@1:1.3")}}, "", "no product of it is this image or in it"},
		{"another architecture", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:deb/debian/zlib1g?arch=arm64")}}, "", "no product of it is this image or in it"},
		{"another vulnerability", Statement{Vulnerability: "CVE-3", Status: SaidNotAffected, Products: []Product{of("pkg:deb/debian/zlib1g")}}, "", "CVE-3 was not found in this image"},
		{"found elsewhere", Statement{Vulnerability: "CVE-2", Status: SaidNotAffected, Products: []Product{of("pkg:deb/debian/zlib1g")}}, "", "CVE-2 was not found in the packages that it names"},
		{"the whole image by digest", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{{Digests: []string{digest}}}}, "0 1", ""},
		{"the whole image by purl", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web@sha256:aa?repository_url=other.example")}}, "0 1", ""},
		{"by repository", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web?repository_url=registry.example/shop")}}, "0 1", ""},
		{"by another repository", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web?repository_url=registry.example/bank")}}, "", "no product of it is this image or in it"},
		{"its tag", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web?repository_url=registry.example/shop/web&tag=1")}}, "0 1", ""},
		{"another tag", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web?repository_url=registry.example/shop/web&tag=2")}}, "", "it is of the tag 2"},
		{"its platform", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web?repository_url=registry.example/shop/web&arch=arm64&os=linux")}}, "0 1", ""},
		{"another platform of a repository", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web?repository_url=registry.example/shop/web&arch=amd64")}}, "", "it is of the architecture amd64"},
		{"another platform of an index", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web@sha256:aa?arch=amd64")}}, "", "it is of the architecture amd64"},
		{"a tag that moved away from a digest", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web@sha256:aa?tag=2")}}, "0 1", ""},
		{"another variant", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web@sha256:aa?arch=arm64/v9")}}, "", "it is of the architecture arm64/v9"},
		{"by a name alone", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web")}}, "", "no product of it is this image or in it"},
		{"another image", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web@sha256:bb")}}, "", "no product of it is this image or in it"},
		{"another digest of a repository", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{{PURL: of("pkg:oci/web?repository_url=registry.example/shop/web").PURL, Digests: []string{"sha256:bb"}}}}, "", "no product of it is this image or in it"},
		{"a package of the image", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web@sha256:aa", "pkg:deb/debian/zlib1g")}}, "0", ""},
		{"a package of another image", Statement{Vulnerability: "CVE-1", Status: SaidNotAffected, Products: []Product{of("pkg:oci/web@sha256:bb", "pkg:deb/debian/zlib1g")}}, "", "no product of it is this image or in it"},
		{"a package in another package", Statement{Vulnerability: "CVE-2", Status: SaidNotAffected, Products: []Product{of("pkg:golang/example.com/app", "pkg:golang/example.com/dep")}}, "2", ""},
		{"a package in one that is not there", Statement{Vulnerability: "CVE-2", Status: SaidNotAffected, Products: []Product{of("pkg:golang/example.com/none", "pkg:golang/example.com/dep")}}, "", "no product of it is this image or in it"},
		{"affected", Statement{Vulnerability: "CVE-1", Status: SaidAffected, Products: []Product{of("pkg:deb/debian/zlib1g")}}, "", ""},
		{"being looked into", Statement{Vulnerability: "CVE-1", Status: SaidInvestigating, Products: []Product{of("pkg:deb/debian/zlib1g")}}, "", ""},
	} {
		c.statement.By, c.statement.Source, c.statement.Justification = "shop", "vex.json", "component_not_present"
		got, unused := result.Apply(subject, []Statement{c.statement})
		var ruled []string
		for _, r := range got.RuledOut {
			ruled = append(ruled, fmt.Sprint(r.Package))
			if r.Said == nil || r.Match == nil || !strings.Contains(r.Why, "by the word of shop (vex.json): component not present") {
				t.Errorf("%s: %+v", c.name, r)
			}
		}
		why := ""
		if len(unused) > 0 {
			why = unused[0].Why
		}
		if strings.Join(ruled, " ") != c.ruled || why != c.why {
			t.Errorf("%s: rules out %q, %q; want %q, %q", c.name, ruled, why, c.ruled, c.why)
		}
		if len(got.Matches)+len(got.RuledOut) != len(result.Matches) || len(got.NoData) != 1 {
			t.Errorf("%s: something was dropped: %+v", c.name, got)
		}
		if c.ruled == "" && c.why == "" && (got.Matches[0].Said == nil || !slices.ContainsFunc(got.Matches[0].Reasons(), func(s string) bool { return strings.Contains(s, "by the word of shop") })) {
			t.Errorf("%s: what was said is lost: %+v", c.name, got.Matches[0])
		}
	}
	if result.Matches[0].Said != nil || result.RuledOut != nil {
		t.Error("the result that statements were applied to has changed")
	}
}

// TestNewestStatementCounts in whatever order they come; equally new ones in the
// order in which they stand.
func TestNewestStatementCounts(t *testing.T) {
	result := &Result{Matches: []Match{{ID: "CVE-1"}}}
	subject := &Subject{Packages: parsed(t, "pkg:npm/a@1")}
	said := func(status Status, at int64) Statement {
		return Statement{Vulnerability: "CVE-1", Status: status, Time: at, Products: []Product{{PURL: subject.Packages[0]}}}
	}
	for _, c := range []struct {
		statements []Statement
		ruled      int
	}{
		{[]Statement{said(SaidNotAffected, 1), said(SaidAffected, 2)}, 0},
		{[]Statement{said(SaidAffected, 2), said(SaidNotAffected, 1)}, 0},
		{[]Statement{said(SaidAffected, 1), said(SaidNotAffected, 2)}, 1},
		{[]Statement{said(SaidInvestigating, 0), said(SaidFixed, 0)}, 1},
	} {
		if got, _ := result.Apply(subject, c.statements); len(got.RuledOut) != c.ruled {
			t.Errorf("%+v: %d ruled out", c.statements, len(got.RuledOut))
		}
	}
}

// TestUpgrades holds the smallest versions against each single match: the version
// mends all that have a fix, and no lower one of those that are named does.
func TestUpgrades(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		var packages []Package
		var layers []int
		result := &Result{}
		for i := range 6 {
			packages = append(packages, Package{Ecosystem: []string{"Debian", "npm"}[r.IntN(2)], Name: fmt.Sprint("p", r.IntN(3)), Source: []string{"", "s"}[r.IntN(2)], Version: fmt.Sprintf("1.%d", r.IntN(2))})
			layers = append(layers, r.IntN(2))
			for k := range r.IntN(4) {
				m := Match{Package: i, ID: fmt.Sprint("CVE-", k), State: NotFixed, Severity: Severity{Level: Level(r.IntN(6))}}
				if r.IntN(3) > 0 {
					m.State, m.Fixed = FixAvailable, fmt.Sprintf("2.%d", r.IntN(12))
				}
				result.Matches = append(result.Matches, m)
			}
		}
		mended := map[string]bool{}
		for _, u := range result.Upgrades(packages, layers) {
			needed := ""
			for _, m := range result.Matches {
				if !slices.Contains(u.Packages, m.Package) || m.State != FixAvailable {
					continue
				}
				mended[fmt.Sprint(m.Package, m.ID)] = true
				if OrderOf(u.Ecosystem).Compare(u.To, m.Fixed) < 0 || layers[m.Package] != u.Layer || !slices.Contains(u.Mends, m.ID) {
					t.Errorf("%+v does not mend %+v", u, m)
				}
				if m.Fixed == u.To {
					needed = m.ID
				}
			}
			if total := len(u.Mends); needed == "" || total != sum(u.Levels[:]) {
				t.Errorf("%+v: nothing needs that version, or %d are not counted by severity", u, total)
			}
		}
		for _, m := range result.Matches {
			if m.State == FixAvailable && !mended[fmt.Sprint(m.Package, m.ID)] {
				t.Errorf("no upgrade mends %+v", m)
			}
		}
	}
}

func sum(list []int) (n int) {
	for _, x := range list {
		n += x
	}
	return n
}

func TestUpgradesRanked(t *testing.T) {
	packages := []Package{{Ecosystem: "Debian", Name: "libssl3", Source: "openssl", Version: "3.0.9"}, {Ecosystem: "Debian", Name: "openssl", Version: "3.0.9"}, {Ecosystem: "npm", Name: "a", Version: "1.0.0", Owner: -1}, {Ecosystem: "npm", Name: "b", Version: "1.0.0", Owner: -1}, {Ecosystem: "PyPI", Name: "requests", Version: "2.20.0", Owner: 1}}
	high, low := Severity{Level: High}, Severity{Level: Low}
	result := &Result{Matches: []Match{
		{Package: 0, ID: "CVE-1", State: FixAvailable, Fixed: "3.0.11", Severity: high}, {Package: 1, ID: "CVE-1", State: FixAvailable, Fixed: "3.0.11", Severity: high},
		{Package: 1, ID: "CVE-2", State: FixAvailable, Fixed: "3.0.9+deb12u3", Severity: low}, {Package: 1, ID: "CVE-3", State: Declined, Severity: low},
		{Package: 2, ID: "CVE-4", State: FixAvailable, Fixed: "1.0.1", Severity: low, Exploited: &Exploited{}},
		{Package: 3, ID: "CVE-5", State: NotFixed, Severity: high},
		{Package: 4, ID: "CVE-6", State: FixAvailable, Fixed: "2.31.0", Severity: Severity{Level: Negligible}},
	}}
	got := result.Upgrades(packages, []int{0, 0, 1, 1, 1})
	if len(got) != 3 || got[0].Owner != -1 || got[1].Owner != -1 || got[2].Owner != 1 || got[2].To != "2.31.0" || got[0].Name != "a" || got[0].Exploited != 1 || got[1].Name != "openssl" || got[1].To != "3.0.11" || len(got[1].Mends) != 2 || got[1].Left != 1 || len(got[1].Packages) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestConditions(t *testing.T) {
	high := &Match{Severity: Severity{Level: High}, State: NotFixed}
	fixable := &Match{Severity: Severity{Level: Critical}, State: FixAvailable}
	exploited := &Match{Severity: Severity{Level: Low}, State: NotFixed, Exploited: &Exploited{}}
	unknown := &Match{State: FixAvailable}
	for text, want := range map[string][4]bool{
		"high":             {true, true, false, false},
		"critical":         {false, true, false, false},
		"low":              {true, true, true, false},
		"unknown":          {false, false, false, true},
		"high,unknown":     {true, true, false, true},
		"kev":              {false, false, true, false},
		"fixable":          {false, true, false, true},
		"High+Fixable,kev": {false, true, true, false},
		"any":              {true, true, true, true},
	} {
		conditions, err := ParseConditions(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range []*Match{high, fixable, exploited, unknown} {
			if got := slices.ContainsFunc(conditions, func(c Condition) bool { return c.Holds(m) }); got != want[i] {
				t.Errorf("%s of match %d: %v", text, i, got)
			}
		}
	}
	for _, text := range []string{"", "severe", "high,,low", "high+"} {
		if _, err := ParseConditions(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestWithoutVersion decides nothing of a package that does not say its version, unless
// all versions are affected.
func TestWithoutVersion(t *testing.T) {
	source := &memory{map[string][]Affected{"npm lodash": {
		{ID: "GHSA-1", Feed: "osv/npm", Intervals: upTo("4.17.21")}, {ID: "GHSA-2", Feed: "osv/npm", Versions: []string{"4.17.20"}},
		{ID: "GHSA-3", Feed: "osv/npm", Intervals: []Interval{{}}}, {ID: "GHSA-4", Feed: "osv/npm", Verdict: NotAffected},
	}}, nil}
	r, err := Run([]Package{{Ecosystem: "npm", Name: "lodash", Owner: -1}}, bookworm, source)
	if err != nil || len(r.Matches) != 1 || r.Matches[0].ID != "GHSA-3" || len(r.Undecided) != 2 || !strings.Contains(r.Undecided[0].Why, "does not say") {
		t.Errorf("%v %+v", err, r)
	}
}
