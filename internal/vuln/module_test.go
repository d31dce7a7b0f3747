package vuln

import "testing"

// TestModules holds that a fix in one stream of a module says nothing of another one,
// where the source does not name streams.
func TestModules(t *testing.T) {
	const el8 = ".module+el8.10.0+22759+46a3f4ba"
	nodejs18 := Package{Ecosystem: "AlmaLinux", Name: "nodejs", Version: "1:18.20.6-1" + el8, Module: "nodejs:18", Owner: -1}
	plain := Package{Ecosystem: "AlmaLinux", Name: "nodejs", Version: "1:16.20.2-1.el8", Owner: -1}
	unlabelled := nodejs18
	unlabelled.Module = ""
	podman := Package{Ecosystem: "AlmaLinux", Name: "podman", Version: "3:4.0.2-1" + el8, Module: "container-tools:rhel8", Owner: -1}
	perl := Package{Ecosystem: "AlmaLinux", Name: "perl-IO", Version: "1.40-1" + el8, Module: "perl:5.32", Owner: -1}
	for _, c := range []struct {
		p     Package
		fixed string
		found bool
	}{
		{nodejs18, "1:18.20.8-1" + el8, true}, {nodejs18, "1:18.20.4-1" + el8, false},
		{nodejs18, "1:20.19.1-1" + el8, false}, // of nodejs:20
		{nodejs18, "1:22.0.0-1.el8", false},    // of no module
		{plain, "1:18.20.8-1" + el8, false}, {plain, "1:16.20.3-1.el8", true},
		{unlabelled, "1:20.19.1-1" + el8, true}, // which stream it is of is not known
		{podman, "3:4.9.4-1" + el8, true},       // a stream that is no version
		{perl, "1.42-1" + el8, true},            // with a version that is not the stream's
	} {
		source := &memory{map[string][]Affected{"AlmaLinux:8 " + c.p.Name: {{ID: "ALSA-2026:1", Feed: "osv/AlmaLinux", Intervals: upTo(c.fixed)}}}, nil}
		r, err := Run([]Package{c.p}, Release{"almalinux", "8.10"}, source)
		if err != nil || (len(r.Matches) == 1) != c.found || len(r.NoData) > 0 {
			t.Errorf("%s %s (%s) with a fix in %s: %q, %v", c.p.Name, c.p.Version, c.p.Module, c.fixed, told(r), err)
		}
	}
	// SUSE speaks of source packages.
	libssl := Package{Ecosystem: "SUSE", Name: "libopenssl1_1", Version: "1.1.1d-150200.11.47.1", Source: "openssl-1_1", Owner: -1}
	source := &memory{map[string][]Affected{"SUSE:15 SP5 openssl-1_1": {{ID: "SUSE-SU-2026:1-1", Feed: "osv/SUSE", Intervals: upTo("1.1.1d-150200.11.51.1")}}}, nil}
	r, err := Run([]Package{libssl}, Release{"sles", "15.5"}, source)
	if err != nil || len(r.Matches) != 1 {
		t.Errorf("by source package: %q, %v", told(r), err)
	}
}

// Records of Azure Linux leave out epochs, which installed packages have.
func TestEpochsOfAzureLinux(t *testing.T) {
	source := &memory{map[string][]Affected{"Azure Linux:3 vim": {{ID: "AZL-1", Feed: "osv/Azure Linux", Intervals: upTo("9.1.0791-2")}}}, nil}
	for version, found := range map[string]int{"2:9.1.0791-1.azl3": 1, "9.1.0791-1.azl3": 1, "2:9.1.0791-2.azl3": 0} {
		r, err := Run([]Package{{Ecosystem: "Azure Linux", Name: "vim-enhanced", Version: version, Source: "vim", Owner: -1}}, Release{"azurelinux", "3.0"}, source)
		if err != nil || len(r.Matches) != found || len(r.NoData) > 0 {
			t.Errorf("%s: %q, %v", version, told(r), err)
		}
	}
}

// The records of most rpm distributions are on source packages; a flaw is then in all
// that was built of one.
func TestBuiltPackagesOfSource(t *testing.T) {
	for _, test := range []struct {
		ecosystem, scope string
		release          Release
		bySource         bool
	}{
		{"Rocky Linux", "Rocky Linux:9", Release{"rocky", "9.4"}, true}, {"AlmaLinux", "AlmaLinux:9", Release{"almalinux", "9.4"}, false},
		{"openSUSE", "openSUSE:Leap 15.5", Release{"opensuse-leap", "15.5"}, true}, {"Mageia", "Mageia:9", Release{"mageia", "9"}, true},
	} {
		source := &memory{map[string][]Affected{test.scope + " openssl": {{ID: "X-1", Feed: "osv/" + test.ecosystem, Intervals: upTo("1:3.0.7-27.el9")}}}, nil}
		libs := Package{Ecosystem: test.ecosystem, Name: "openssl-libs", Version: "1:3.0.7-24.el9", Source: "openssl", Owner: -1}
		mended := libs
		mended.Version = "1:3.0.7-27.el9"
		r, err := Run([]Package{libs, mended, {Ecosystem: test.ecosystem, Name: "openssl", Version: "1:3.0.7-24.el9", Owner: -1}}, test.release, source)
		if err != nil || len(r.Matches) != 1+bit(test.bySource) || r.Matches[len(r.Matches)-1].Package != 2 {
			t.Errorf("%s: %v %+v", test.ecosystem, err, r)
		}
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
