package vuln

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestPublishedScores holds scores against those that FIRST publishes with its
// examples of CVSS 3.1 and 2, and those of well known vulnerabilities.
func TestPublishedScores(t *testing.T) {
	for _, c := range []struct {
		cve, vector string
		want        float64
	}{
		{"CVE-2013-1937", "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1},
		{"CVE-2013-0375", "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4},
		{"CVE-2014-3566", "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1},
		{"CVE-2012-1516", "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9},
		{"CVE-2012-0384", "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 8.8},
		{"CVE-2015-1098", "CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", 7.8},
		{"CVE-2014-0160", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5},
		{"CVE-2014-6271", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8},
		{"CVE-2014-2005", "CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 6.8},
		{"CVE-2010-0467", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:L/I:N/A:N", 5.8},
		{"CVE-2014-9253", "CVSS:3.1/AV:N/AC:L/PR:L/UI:R/S:C/C:L/I:L/A:N", 5.4},
		{"CVE-2011-1265", "CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 8.8},
		{"CVE-2014-2019", "CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N", 4.6},
		{"CVE-2016-0128", "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:H/I:H/A:N", 6.8},
		{"CVE-2016-2118", "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:H/I:H/A:H", 7.5},
		{"CVE-2017-5753", "CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:C/C:H/I:N/A:N", 5.6},
		{"CVE-2014-0160", "AV:N/AC:L/Au:N/C:P/I:N/A:N", 5.0},
		{"CVE-2002-0392", "AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8},
		{"CVE-2003-0818", "AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0},
		{"CVE-2003-0062", "AV:L/AC:H/Au:N/C:C/I:C/A:C", 6.2},
		{"CVE-2021-44228", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0},
		{"CVE-2022-41741", "CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.3},
		{"CVE-2020-3549", "CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.7},
		{"CVE-2023-3089", "CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:L/VA:L/SC:N/SI:N/SA:N", 8.3},
	} {
		if got, ok := Score(c.vector); !ok || got != c.want {
			t.Errorf("%s %s: %v, %v, not %v", c.cve, c.vector, got, ok, c.want)
		}
	}
}

// TestAllBaseVectors holds every base vector of CVSS 2, 3.0 and 3.1 against the
// equations of the specifications, written down plainly.
func TestAllBaseVectors(t *testing.T) {
	checked := 0
	check := func(vector string, want float64) {
		t.Helper()
		checked++
		if got, ok := Score(vector); !ok || math.Abs(got-want) > 1e-9 {
			t.Fatalf("%s: %v, %v, not %v", vector, got, ok, want)
		}
	}
	each := func(letters ...string) [][]string {
		all := [][]string{nil}
		for _, metric := range letters {
			var next [][]string
			for _, before := range all {
				for _, value := range metric {
					next = append(next, append(before[:len(before):len(before)], string(value)))
				}
			}
			all = next
		}
		return all
	}
	for _, v := range each("NALP", "LH", "NLH", "NR", "UC", "HLN", "HLN", "HLN") {
		vector := fmt.Sprintf("/AV:%s/AC:%s/PR:%s/UI:%s/S:%s/C:%s/I:%s/A:%s", v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7])
		check("CVSS:3.1"+vector, plainScore3(v, roundUp31))
		check("CVSS:3.0"+vector, plainScore3(v, func(x float64) float64 { return math.Ceil(math.Round(x*1e10)/1e9) / 10 }))
	}
	for _, v := range each("LAN", "HML", "MSN", "NPC", "NPC", "NPC") {
		check(fmt.Sprintf("AV:%s/AC:%s/Au:%s/C:%s/I:%s/A:%s", v[0], v[1], v[2], v[3], v[4], v[5]), plainScore2(v))
	}
	if checked != 2*2592+729 {
		t.Errorf("%d vectors", checked)
	}
}

func roundUp31(x float64) float64 {
	n := int(math.Round(x * 100000))
	if n%10000 == 0 {
		return float64(n) / 100000
	}
	return float64(n/10000+1) / 10
}

func plainScore3(v []string, roundUp func(float64) float64) float64 {
	changed := v[4] == "C"
	av := map[string]float64{"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2}[v[0]]
	ac := map[string]float64{"L": 0.77, "H": 0.44}[v[1]]
	pr := map[string]float64{"N": 0.85, "L": 0.62, "H": 0.27}[v[2]]
	if changed {
		pr = map[string]float64{"N": 0.85, "L": 0.68, "H": 0.5}[v[2]]
	}
	ui := map[string]float64{"N": 0.85, "R": 0.62}[v[3]]
	cia := map[string]float64{"H": 0.56, "L": 0.22, "N": 0}
	base := 1 - (1-cia[v[5]])*(1-cia[v[6]])*(1-cia[v[7]])
	impact := 6.42 * base
	if changed {
		impact = 7.52*(base-0.029) - 3.25*math.Pow(base-0.02, 15)
	}
	exploitability := 8.22 * av * ac * pr * ui
	switch {
	case impact <= 0:
		return 0
	case changed:
		return roundUp(math.Min(1.08*(impact+exploitability), 10))
	}
	return roundUp(math.Min(impact+exploitability, 10))
}

func plainScore2(v []string) float64 {
	av := map[string]float64{"L": 0.395, "A": 0.646, "N": 1}[v[0]]
	ac := map[string]float64{"H": 0.35, "M": 0.61, "L": 0.71}[v[1]]
	au := map[string]float64{"M": 0.45, "S": 0.56, "N": 0.704}[v[2]]
	cia := map[string]float64{"N": 0, "P": 0.275, "C": 0.66}
	impact := 10.41 * (1 - (1-cia[v[3]])*(1-cia[v[4]])*(1-cia[v[5]]))
	f := 1.176
	if impact == 0 {
		f = 0
	}
	return math.Round((0.6*impact+0.4*20*av*ac*au-1.5)*f*10) / 10
}

// TestWhoseSeverity holds whose word counts.
func TestWhoseSeverity(t *testing.T) {
	critical := "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	medium2 := "AV:N/AC:L/Au:N/C:P/I:N/A:N"
	high4 := "CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
	for _, c := range []struct {
		urgency    string
		advisories []Advisory
		want       string
	}{
		{"low", []Advisory{{ID: "X", Vectors: []string{critical}}}, "low by word of feed, 9.8"},
		{"", []Advisory{{ID: "X", Vectors: []string{critical}}}, "critical by score of X, 9.8"},
		{"not yet assigned", []Advisory{{ID: "X", Vectors: []string{critical}}}, "critical by score of X, 9.8"}, // no word
		{"", []Advisory{{ID: "X", Vectors: []string{medium2, critical}}, {ID: "Y", Vectors: []string{high4}}}, "high by score of Y, 7.3"},
		{"", []Advisory{{ID: "X", Severity: "moderate"}, {ID: "Y", Vectors: []string{medium2}}}, "medium by score of Y, 5.0"},
		{"", []Advisory{{ID: "X", Severity: "Important"}}, "high by word of X, 0.0"},
		{"", []Advisory{{ID: "X", Severity: "grave", Vectors: []string{"CVSS:3.1/AV:N"}}}, "unknown by word of , 0.0"},
		{"unimportant", nil, "negligible by word of feed, 0.0"},
	} {
		r := folded("", c.advisories...)
		s := severityOf(c.urgency, "feed", &r.Rating)
		by := "score"
		if s.ByWord {
			by = "word"
		}
		if got := fmt.Sprintf("%s by %s of %s, %.1f", s.Level, by, s.From, s.Score); got != c.want {
			t.Errorf("%q %+v: %s, not %s", c.urgency, c.advisories, got, c.want)
		}
	}
	for score, want := range map[float64]Level{0: Negligible, 0.1: Low, 3.9: Low, 4: Medium, 6.9: Medium, 7: High, 8.9: High, 9: Critical, 10: Critical} {
		if got := LevelOf(score); got != want {
			t.Errorf("%v is %s, not %s", score, got, want)
		}
	}
	if !strings.Contains(fmt.Sprint(Critical), "critical") {
		t.Error(Critical)
	}
}

// TestMalicious holds that a package that was published to do harm is critical, whatever
// scores say, under any of the names of the advisory.
func TestMalicious(t *testing.T) {
	low := folded("MAL-2024-2", Advisory{ID: "MAL-2024-2", Vectors: []string{"CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}})
	for _, c := range []struct {
		id, want string
		records  map[string]Record
	}{
		{"MAL-2024-1", "MAL-2024-1", nil},
		{"MAL-2024-2", "MAL-2024-2", map[string]Record{"MAL-2024-2": low}},
		{"MAL-2024-3", "MAL-2024-3", map[string]Record{"MAL-2024-3": advisory("MAL-2024-3", "GHSA-a")}},
		{"GHSA-a", "MAL-2024-3", map[string]Record{"GHSA-a": advisory("GHSA-a", "MAL-2024-3")}},
		{"MAL-2024-4", "CVE-2024-4", map[string]Record{"MAL-2024-4": advisory("MAL-2024-4", "CVE-2024-4")}},
	} {
		source := &memory{map[string][]Affected{"npm evil": {{ID: c.id, Feed: "osv/npm", Intervals: []Interval{{}}}}}, c.records}
		r, err := Run([]Package{{Ecosystem: "npm", Name: "evil", Version: "1.0.0", Owner: -1}}, Release{}, source)
		if err != nil || len(r.Matches) != 1 {
			t.Fatalf("%s: %+v, %v", c.id, r, err)
		}
		m := &r.Matches[0]
		if m.ID != c.want || m.Severity.Level != Critical || !strings.Contains(strings.Join(m.Reasons(), "; "), "critical: the package was published to do harm (MAL-") {
			t.Errorf("%s: %s is %s: %q", c.id, m.ID, m.Severity.Level, m.Reasons())
		}
	}
}
