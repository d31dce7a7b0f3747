package scan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/signature"
	"ullage.dev/ullage/internal/vuln"
)

func pkg(name, version string) image.Package {
	return image.Package{Ecosystem: "npm", Name: name, Version: version}
}

func TestCompare(t *testing.T) {
	from := &Result{
		Image: &image.Image{
			Identity: image.Identity{Config: "sha256:0"},
			Packages: []image.Package{{Ecosystem: "PyPI", Name: "Zope.Interface", Version: "1"}, pkg("up", "1.9.0"), pkg("down", "2.0.0"), pkg("gone", "1.0.0"), pkg("two", "1.0.0"), pkg("two", "2.0.0"), {Ecosystem: "conan", Name: "odd", Version: "a"}},
			Programs: []image.Program{{Path: "/bin/a"}, {Path: "/bin/su"}, {Path: "/bin/sh", Class: image.Shell}},
			Writable: []image.Writable{{Path: "/tmp/x"}},
			Config:   image.Config{User: "1000", Entrypoint: []string{"/web"}, Env: []image.Variable{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}, Labels: map[string]string{"l": "1"}},
			Layers:   []image.Layer{{Size: 10}},
		},
		Vulnerabilities: &vuln.Result{Matches: []vuln.Match{{Package: 0, ID: "CVE-1"}, {Package: 1, ID: "CVE-2"}, {Package: 3, ID: "CVE-3"}}, NoData: []string{"npm", "Go"}},
	}
	to := &Result{
		Image: &image.Image{
			Identity: image.Identity{Config: "sha256:1"},
			Packages: []image.Package{{Ecosystem: "PyPI", Name: "zope-interface", Version: "1"}, pkg("up", "1.10.0"), pkg("down", "1.0.0"), pkg("new", "1.0.0"), pkg("two", "2.0.0"), pkg("two", "3.0.0"), {Ecosystem: "conan", Name: "odd", Version: "b"}},
			Programs: []image.Program{{Path: "/bin/a"}, {Path: "/bin/su", Setuid: true}, {Path: "/usr/bin/curl", Class: image.NetworkTool}, {Path: "/web"}},
			Writable: []image.Writable{{Path: "/tmp/x"}, {Path: "/etc/y"}},
			Config:   image.Config{User: "0:0", Entrypoint: []string{"/web"}, Env: []image.Variable{{Name: "A", Value: "3"}, {Name: "C", Value: "2"}}, Labels: map[string]string{"l": "1"}},
			Layers:   []image.Layer{{Size: 10}, {Size: 5}},
		},
		Vulnerabilities: &vuln.Result{Matches: []vuln.Match{{Package: 0, ID: "CVE-1"}, {Package: 3, ID: "CVE-4", Priority: 1}, {Package: 2, ID: "CVE-5", Priority: 9}}, NoData: []string{"Go"}},
	}
	d := Compare(from, to)
	var got []string
	for _, c := range d.Packages {
		got = append(got, fmt.Sprintf("%s %s %s>%s", c.Kind, c.Name, c.Old, c.New))
	}
	for _, v := range d.Came {
		got = append(got, "came "+v.Match.ID+" "+v.Package.Name)
	}
	for _, v := range d.Went {
		got = append(got, "went "+v.Match.ID+" "+v.Package.Name)
	}
	for _, c := range d.Programs {
		got = append(got, fmt.Sprintf("%s %s helps %v", c.Kind, c.path(), c.Helps()))
	}
	for _, s := range d.Config {
		got = append(got, fmt.Sprintf("%s %s>%s", s.Name, s.Old, s.New))
	}
	want := []string{
		"changed odd a>b", "downgraded down 2.0.0>1.0.0", "removed gone 1.0.0>", "added new >1.0.0", "upgraded two 1.0.0>3.0.0", "upgraded up 1.9.0>1.10.0",
		"came CVE-5 down", "came CVE-4 new", "went CVE-2 up", "went CVE-3 gone",
		"removed /bin/sh helps false", "changed /bin/su helps true", "added /usr/bin/curl helps true", "added /web helps false",
		"user 1000>0:0", "environment A 1>3", "environment B 2>", "environment C >2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !slices.Equal(d.Writable, []string{"/etc/y"}) || d.Size != [2]int64{10, 15} || !d.Worse() || !slices.Equal(d.NoData, []string{"Go", "npm"}) {
		t.Errorf("writable %v, size %v, worse %v", d.Writable, d.Size, d.Worse())
	}
}

// TestWorse: each thing by itself makes an image worse, and its going does not.
func TestWorse(t *testing.T) {
	plain := func() *Result {
		return &Result{Image: &image.Image{Identity: image.Identity{Config: "sha256:0"}, Packages: []image.Package{pkg("a", "1.0.0")}, Config: image.Config{User: "1", UID: 1}, Search: image.SecretSearch{Done: true}},
			Vulnerabilities: &vuln.Result{}, Signatures: signature.Result{State: signature.Verified}}
	}
	for name, change := range map[string]func(*Result){
		"a vulnerability": func(r *Result) { r.Vulnerabilities.Matches = []vuln.Match{{ID: "CVE-1"}} },
		"a shell":         func(r *Result) { r.Image.Programs = []image.Program{{Path: "/sh", Class: image.Shell}} },
		"capabilities":    func(r *Result) { r.Image.Programs = []image.Program{{Path: "/x", Capable: true}} },
		"a writable path": func(r *Result) { r.Image.Writable = []image.Writable{{Path: "/x"}} },
		"root":            func(r *Result) { r.Image.Config.User, r.Image.Config.UID = "", 0 },
		"another's root":  func(r *Result) { r.Image.Config.UID = 0 },
		"root by name":    func(r *Result) { r.Image.Config.User, r.Image.Config.UID = "root:web", -1 },
		"a secret":        func(r *Result) { r.Image.Secrets = []image.Secret{{Kind: "GitHub token", Path: "/a"}} },
		"one more secret": func(r *Result) { r.Image.Secrets = []image.Secret{{Where: "label x"}, {Where: "label x"}} },
		"no signature":    func(r *Result) { r.Signatures.State = signature.Unsigned },
		"another signer":  func(r *Result) { r.Signatures.State = signature.NotVerified },
	} {
		worse := plain()
		change(worse)
		if !Compare(plain(), worse).Worse() || Compare(worse, plain()).Worse() || Compare(worse, worse).Worse() {
			t.Errorf("%s does not make it worse, or its going does", name)
		}
	}
	for name, change := range map[string]func(*Result){
		"a secret in doubt": func(r *Result) { r.Image.Secrets = []image.Secret{{Path: "/a", Doubt: "it lies among tests"}} },
		"a secret where the other one was not searched": func(r *Result) {
			r.Image.Secrets, r.Image.Search.Done = []image.Secret{{Path: "/a"}}, false
		},
		"a user that is not known":          func(r *Result) { r.Image.Config.User, r.Image.Config.UID = "app", -1 },
		"signatures that nobody looked for": func(r *Result) { r.Signatures.State = signature.NotLookedFor },
		"signatures that are not known":     func(r *Result) { r.Signatures.State = signature.Unknown },
	} {
		same := plain()
		change(same)
		if Compare(plain(), same).Worse() {
			t.Errorf("%s makes it worse", name)
		}
	}
	accepted := plain()
	accepted.Vulnerabilities.Matches = []vuln.Match{{ID: "CVE-1", Exception: &model.Exception{}}}
	if Compare(plain(), accepted).Worse() {
		t.Error("an accepted vulnerability makes it worse")
	}
	bill, unmatched := plain(), plain()
	bill.Image.Bill, unmatched.Vulnerabilities = true, nil
	if d := Compare(plain(), bill); d.Unread == "" || len(d.Config) > 0 {
		t.Errorf("a bill of materials: %+v", d)
	}
	root := plain()
	root.Image.Identity, root.Image.Config = image.Identity{}, image.Config{UID: -1}
	for _, d := range []*Diff{Compare(plain(), root), Compare(root, plain()), Compare(root, root)} {
		if d.Unconfigured == "" || len(d.Config) > 0 || d.Worse() {
			t.Errorf("a root file system: %+v", d)
		}
	}
	if d := Compare(plain(), unmatched); d.Unmatched == "" {
		t.Errorf("nothing matched: %+v", d)
	}
}

// TestCompareTurned: what is compared the other way round is the same, turned.
func TestCompareTurned(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	turned := map[Kind]Kind{Added: Removed, Removed: Added, Upgraded: Downgraded, Downgraded: Upgraded, Changed: Changed}
	for range 300 {
		var sides [2]Result
		for i := range sides {
			sides[i].Image = &image.Image{Bill: true}
			for range r.IntN(8) {
				sides[i].Image.Packages = append(sides[i].Image.Packages, pkg(fmt.Sprint(r.IntN(4)), fmt.Sprintf("1.%d.0", r.IntN(4))))
			}
		}
		there, back := Compare(&sides[0], &sides[1]).Packages, Compare(&sides[1], &sides[0]).Packages
		have := map[PackageChange]bool{}
		for _, c := range there {
			have[PackageChange{turned[c.Kind], c.Ecosystem, c.Name, c.New, c.Old}] = true
		}
		for _, c := range back {
			if !have[c] {
				t.Fatalf("%+v is in one direction only: %+v", c, there)
			}
		}
		if len(there) != len(back) || len(Compare(&sides[0], &sides[0]).Packages) != 0 {
			t.Fatalf("%d changes there, %d back", len(there), len(back))
		}
	}
}

// TestCompareUnjudged: what the second image was not judged on did not go.
func TestCompareUnjudged(t *testing.T) {
	side := func(ecosystem string, found bool, noData ...string) *Result {
		r := &Result{Image: &image.Image{Bill: true, Packages: []image.Package{{Ecosystem: ecosystem, Name: "libssl3", Version: "1"}}}, Vulnerabilities: &vuln.Result{NoData: noData}}
		if found {
			r.Vulnerabilities.Matches = []vuln.Match{{ID: "CVE-1"}}
		}
		return r
	}
	none := side("Debian", false)
	none.Vulnerabilities = nil
	empty := &Result{Image: &image.Image{Bill: true}, Vulnerabilities: &vuln.Result{}}
	for name, c := range map[string]struct {
		from, to         *Result
		went, open, came int
		known            bool
	}{
		"mended":                        {side("Debian", true), side("Debian", false), 1, 0, 0, true},
		"the next release":              {side("Debian", true), side("Debian", false, "Debian:13"), 0, 1, 0, false},
		"another system":                {side("Debian", true), side("Ubuntu", false, "Ubuntu:24.04:LTS"), 0, 1, 0, false},
		"another system with data":      {side("Debian", true), side("Ubuntu", false), 1, 0, 0, true},
		"another language without data": {side("Debian", true), side("Debian", false, "npm"), 1, 0, 0, false},
		"a language and a system":       {side("npm", true), side("npm", false, "Ubuntu:24.04:LTS"), 1, 0, 0, false},
		"nothing found before":          {side("Debian", false), side("Ubuntu", false, "Ubuntu:24.04:LTS"), 0, 0, 0, false},
		"no data in either":             {side("npm", false, "npm"), side("npm", false, "npm"), 0, 0, 0, true},
		"data came":                     {side("Ubuntu", false, "Ubuntu:24.04:LTS"), side("Debian", true), 0, 0, 1, true},
		"nothing identified":            {side("Debian", true), empty, 0, 1, 0, false},
		"nothing identified or found":   {side("Debian", false), empty, 0, 0, 0, false},
		"nothing identified before":     {empty, side("Debian", true), 0, 0, 1, true},
		"nothing identified in either":  {empty, empty, 0, 0, 0, true},
		"no database":                   {side("Debian", true), none, 0, 0, 0, false},
	} {
		d := Compare(c.from, c.to)
		if len(d.Went) != c.went || len(d.Open) != c.open || len(d.Came) != c.came || d.Known() != c.known {
			t.Errorf("%s: went %v, open %v, came %v, known %v", name, d.Went, d.Open, d.Came, d.Known())
		}
	}
}
