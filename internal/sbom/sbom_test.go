package sbom

import (
	"bytes"
	gocmp "cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/purl"
	"ullage.dev/ullage/internal/vuln"
)

var options = Options{Time: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), Tool: "ullage", Version: "1.2.3"}

// schema compiles one of the official schemas.
func schema(t *testing.T, main string, others ...string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	for _, name := range append([]string{main}, others...) {
		f, err := os.Open(filepath.Join("testdata/schema", name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		if err := c.AddResource("http://cyclonedx.org/schema/"+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/" + main)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, document []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err == nil {
		err = s.Validate(value)
	}
	if err != nil {
		t.Errorf("not as the official schema has it: %v\n%.3000s", err, document)
	}
}

// sample is an image with something of each kind.
func sample() *image.Image {
	img := &image.Image{
		Reference: "registry.example/shop/web:1.4.2",
		Identity: image.Identity{
			Index: "sha256:" + strings.Repeat("1", 64), Manifest: "sha256:" + strings.Repeat("2", 64), Config: "sha256:" + strings.Repeat("3", 64),
			Platform: "linux/amd64", Repository: "registry.example/shop/web",
		},
		Distro: image.Distro{ID: "debian", Version: "12", Name: "Debian GNU/Linux 12 (bookworm)"},
		Layers: []image.Layer{{DiffID: "sha256:" + strings.Repeat("a", 64)}, {DiffID: "sha256:" + strings.Repeat("b", 64)}},
		Packages: []image.Package{
			{Ecosystem: "Debian", Name: "python3-jinja2", Version: "3.1.2-1", Arch: "all", Source: "jinja2", Licenses: []string{"BSD-3-clause"}, PURL: "pkg:deb/debian/python3-jinja2@3.1.2-1?arch=all&distro=debian-12&upstream=jinja2",
				Where: []string{"/var/lib/dpkg/status"}, Files: []string{"/usr/lib/python3/dist-packages/jinja2/__init__.py"}},
			{Ecosystem: "Debian", Name: "zlib1g", Version: "1:1.2.13.dfsg-1+b1", Arch: "amd64", Source: "zlib", SourceVersion: "1:1.2.13.dfsg-1", Licenses: []string{"Zlib", "GPL-2+", "custom & odd"},
				PURL: "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1%2Bb1?arch=amd64&distro=debian-12&upstream=zlib%401:1.2.13.dfsg-1", Where: []string{"/var/lib/dpkg/status"}, Files: []string{}},
			{Ecosystem: "Go", Name: "example.com/Shop/web/v2", Version: "v2.0.1", PURL: "pkg:golang/example.com/Shop/web/v2@v2.0.1", Layer: 1, Where: []string{"/web"}, Files: []string{"/web"}, Main: true},
			{Ecosystem: "Maven", Name: "guava", Version: "31", Layer: 1, Where: []string{"/app.jar!/guava.jar"}, Evidence: image.ByFileName},
			{Ecosystem: "Maven", Name: "tools", Layer: 1, Where: []string{"/app.jar!/tools.jar"}, Evidence: image.ByFileName},
			{Ecosystem: "PyPI", Name: "Jinja2", Version: "3.1.2", PURL: "pkg:pypi/jinja2@3.1.2", Licenses: []string{"MIT OR Apache-2.0"}, Where: []string{"/usr/lib/python3/dist-packages/Jinja2.dist-info/METADATA"}, OwnedBy: "python3-jinja2", Files: []string{}},
			{Ecosystem: "npm", Name: "@babel/core", Version: "7.0.0", PURL: "pkg:npm/%40babel/core@7.0.0", Layer: 1, Where: []string{"/a/package.json"}, Licenses: []string{"MIT"}},
			{Ecosystem: "npm", Name: "@babel/core", Version: "7.0.0", PURL: "pkg:npm/%40babel/core@7.0.0", Layer: 1, Where: []string{"/b/package.json"}, Licenses: []string{"MIT", "see LICENSE"}},
		},
		Problems: []model.Problem{{Reason: "layer 2: a jar is cut short"}},
	}
	return img
}

func sampleFound() *vuln.Result {
	severity := vuln.Severity{Level: vuln.High, Score: 9.8, Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", From: "debian/tracker", ByWord: true}
	match := vuln.Match{
		Package: 1, ID: "CVE-2023-45853", Advisories: []string{"DEBIAN-CVE-2023-45853"}, Aliases: []string{"GHSA-mq29-j5xf-cjwr"}, Severity: severity, State: vuln.FixAvailable, Fixed: "1:1.2.14",
		Exploited: &vuln.Exploited{Added: "2025-01-01"}, EPSS: &vuln.EPSS{Probability: 0.25}, Summary: "overflow in <minizip>", Published: 1_700_000_000, Priority: 80,
	}
	other := match
	other.Package, other.State, other.Fixed = 0, vuln.Declined, ""
	said := match
	said.Package, said.ID = 5, "CVE-2024-1"
	statement := &vuln.Statement{Vulnerability: "CVE-2024-1", Status: vuln.SaidNotAffected, Justification: "vulnerable_code_not_in_execute_path", By: "security@shop.example", Source: "vex.json"}
	twin := said
	twin.Package = 6
	return &vuln.Result{
		Matches: []vuln.Match{other, match, said, twin},
		RuledOut: []vuln.Ruled{
			{Package: 4, ID: "CVE-2024-22195", Why: "its files are of python3-jinja2, of which the distribution says: not affected"},
			{Package: 5, ID: "CVE-2024-2", Why: "not affected by the word of security@shop.example", Said: statement, Match: &said},
		},
		Undecided: []vuln.Ruled{{Package: 3, ID: "CVE-2024-3", Why: "no version"}},
		NoData:    []string{"Maven"},
	}
}

func written(t *testing.T, format string, img *image.Image, found *vuln.Result, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	if format == "spdx" {
		err = SPDX(&b, img, o)
	} else {
		err = CycloneDX(&b, img, found, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSchemas holds both formats against their official schemas, for an image with
// everything, one with nothing, and random ones.
func TestSchemas(t *testing.T) {
	cyclonedx := schema(t, "bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schema.json")
	spdx := schema(t, "spdx-schema-2.3.json")
	images := []*image.Image{sample(), {Reference: "dir:/"}}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		images = append(images, random(r))
	}
	for i, img := range images {
		found := map[bool]*vuln.Result{true: sampleFound()}[i == 0]
		valid(t, cyclonedx, written(t, "cyclonedx", img, found, options))
		valid(t, spdx, written(t, "spdx", img, nil, options))
	}
}

// TestDeterministic: the time is the only thing that tells two bills apart.
func TestDeterministic(t *testing.T) {
	later := options
	later.Time = later.Time.Add(time.Hour)
	for _, format := range []string{"cyclonedx", "spdx"} {
		a := written(t, format, sample(), sampleFound(), options)
		b := written(t, format, sample(), sampleFound(), options)
		c := written(t, format, sample(), sampleFound(), later)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the same image gives other bytes", format)
		}
		if bytes.Equal(a, c) || !bytes.Equal(a, bytes.ReplaceAll(c, []byte("T13:00:00Z"), []byte("T12:00:00Z"))) {
			t.Errorf("%s: another time changes more than the time, or nothing", format)
		}
		changed := sample()
		changed.Packages[0].Version = "3.1.3-1"
		if d := written(t, format, changed, sampleFound(), options); identity(d) == identity(a) {
			t.Errorf("%s: another image has the same identifier", format)
		}
	}
}

func identity(document []byte) string {
	var d struct {
		Serial string `json:"serialNumber"`
		Space  string `json:"documentNamespace"`
	}
	if json.Unmarshal(document, &d) != nil || d.Serial+d.Space == "" {
		return "none"
	}
	return d.Serial + d.Space
}

// TestReadBack: what is written is read as the same packages.
func TestReadBack(t *testing.T) {
	for _, format := range []string{"cyclonedx", "spdx"} {
		img := sample()
		got, err := Read(bytes.NewReader(written(t, format, img, sampleFound(), options)), "bill.json")
		if err != nil {
			t.Fatal(err)
		}
		want := img.Packages
		for i := range want {
			if format == "spdx" {
				want[i].Files = nil // which it cannot carry
			}
			if format == "spdx" || len(want[i].Licenses) > 0 {
				want[i].Licenses, got.Packages[i].Licenses = nil, nil // written in other words
			}
		}
		if diff := cmp.Diff(want, got.Packages); diff != "" {
			t.Errorf("%s: packages differ (-written +read):\n%s", format, diff)
		}
		if got.Reference != img.Reference || got.Distro.ID != "debian" || got.Distro.Version != "12" || got.Distro.Name != img.Distro.Name || !got.Bill {
			t.Errorf("%s: %q of %+v", format, got.Reference, got.Distro)
		}
		if got.Identity != img.Identity {
			t.Errorf("%s: identity %+v", format, got.Identity)
		}
		if len(got.Problems) == 0 || !strings.Contains(fmt.Sprint(got.Problems), "a jar is cut short") {
			t.Errorf("%s: that the image was incomplete is lost: %v", format, got.Problems)
		}
	}
}

// random makes an image of packages as the reader of images gives them.
func random(r *rand.Rand) *image.Image {
	distros := []image.Distro{{ID: "debian", Version: "12"}, {ID: "ubuntu", Version: "24.04"}, {ID: "alpine", Version: "3.20.1"}, {ID: "rhel", Version: "9.4"}, {ID: "opensuse-leap", Version: "15.6"}, {ID: "wolfi"}, {}}
	img := &image.Image{Reference: "random", Distro: distros[r.IntN(len(distros))], Layers: []image.Layer{{DiffID: "sha256:" + strings.Repeat("0", 64)}}}
	words := []string{"a", "libb", "C", "d.e", "f+g", "h_i", "j-k", "ünï"}
	word := func() string { return words[r.IntN(len(words))] }
	for range r.IntN(30) {
		var text string
		version := fmt.Sprintf("%d.%d~%s-%d", r.IntN(3), r.IntN(9), word(), r.IntN(9))
		if r.IntN(3) == 0 {
			version = "2:" + version
		}
		u := purl.URL{Name: word(), Version: version}
		switch kind := []string{"os", "npm", "golang", "maven", "pypi", "cargo", "gem", "nuget", "composer"}[r.IntN(9)]; kind {
		case "os":
			u.Type, u.Namespace = "deb", img.Distro.ID
			switch img.Distro.ID {
			case "alpine", "wolfi":
				u.Type = "apk"
			case "rhel":
				u.Type, u.Namespace = "rpm", "redhat"
			case "opensuse-leap":
				u.Type = "rpm"
			case "":
				u.Namespace = "debian"
			}
			if img.Distro.Version != "" {
				u.Set("distro", img.Distro.ID+"-"+img.Distro.Version)
			}
			u.Set("upstream", []string{"", "source", "source@2:1.0-1", u.Name + "@0.9"}[r.IntN(4)])
			if u.Type == "rpm" {
				u.Set("upstream", []string{"", "source-1.0-1.src.rpm"}[r.IntN(2)])
			}
		default:
			u.Type = kind
			if kind == "golang" || kind == "maven" || kind == "composer" || kind == "npm" && r.IntN(2) == 0 {
				u.Namespace = map[string]string{"golang": "example.com/Mixed", "maven": "org.example", "composer": "vendor", "npm": "@scope"}[kind]
			}
		}
		text = u.String()
		p, err := image.FromPURL(text, img.Distro)
		if err != nil {
			panic(err)
		}
		p.Where = []string{"/x/" + word()}
		p.Licenses = [][]string{nil, {"MIT"}, {"GPL-2+", "Expat"}, {"no such licence"}, {"MIT OR GPL-2.0-only"}, {"(MIT"}, {"Ünï"}}[r.IntN(7)]
		img.Packages = append(img.Packages, p)
	}
	slices.SortStableFunc(img.Packages, func(a, b image.Package) int { // as images have them
		return gocmp.Or(strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch), slices.Compare(a.Where, b.Where))
	})
	for i := range img.Packages {
		if p := &img.Packages[i]; p.OfLanguage() && r.IntN(3) == 0 {
			for k := range img.Packages {
				if !img.Packages[k].OfLanguage() {
					p.OwnedBy = img.Packages[k].Name
				}
			}
		}
	}
	return img
}

// advisories are random statements on the packages of an image.
type advisories map[string][]*vuln.Affected

func (a advisories) Covers(string) bool { return true }
func (a advisories) Affected(scope, name string, yield func(*vuln.Affected)) error {
	for _, x := range a[scope+"|"+name] {
		yield(x)
	}
	return nil
}
func (a advisories) Record(string) (vuln.Record, error) { return vuln.Record{}, nil }

func randomAdvisories(r *rand.Rand, img *image.Image) advisories {
	a := advisories{}
	release := vuln.Release{ID: img.Distro.ID, Version: img.Distro.Version}
	for i := range img.Packages {
		p := &img.Packages[i]
		for _, name := range []string{p.Name, p.Source} {
			key := vuln.Scope(p.Ecosystem, release) + "|" + vuln.NormalName(p.Ecosystem, name)
			for k := range r.IntN(3) {
				a[key] = append(a[key], &vuln.Affected{ID: fmt.Sprintf("CVE-2024-100%d", (i+k)%3), Feed: "f", Intervals: []vuln.Interval{{From: "0", To: fmt.Sprintf("%d.%d", r.IntN(3), r.IntN(9))}}})
			}
		}
	}
	return a
}

// matched says what is found in an image, without the order of its packages.
func matched(t *testing.T, img *image.Image, source vuln.Source) []string {
	t.Helper()
	owners := map[string]int{}
	var packages []vuln.Package
	for i := range img.Packages {
		if !img.Packages[i].OfLanguage() {
			owners[img.Packages[i].Name] = i
		}
	}
	for i := range img.Packages {
		p := &img.Packages[i]
		owner, ok := owners[p.OwnedBy]
		if !ok {
			owner = -1
		}
		packages = append(packages, vuln.Package{Ecosystem: p.Ecosystem, Name: p.Name, Version: p.Version, Source: p.Source, SourceVersion: p.SourceVersion, Owner: owner})
	}
	result, err := vuln.Run(packages, vuln.Release{ID: img.Distro.ID, Version: img.Distro.Version}, source)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range result.Matches {
		list = append(list, fmt.Sprint(img.Packages[m.Package].PURL, " ", m.ID, " ", m.Fixed, " ", m.State))
	}
	for _, m := range slices.Concat(result.RuledOut, result.Undecided) {
		list = append(list, fmt.Sprint(img.Packages[m.Package].PURL, " ", m.ID, " ", m.Why))
	}
	slices.Sort(list)
	return append(list, result.NoData...)
}

// TestRoundTrip: an image and the bill of it are under the same advisories.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	total := 0
	for n := range 200 {
		img := random(r)
		source := randomAdvisories(r, img)
		want := matched(t, img, source)
		total += len(want)
		for _, format := range []string{"cyclonedx", "spdx"} {
			back, err := Read(bytes.NewReader(written(t, format, img, nil, options)), "bill.json")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, matched(t, back, source)); diff != "" {
				t.Fatalf("image %d of %+v as %s matches otherwise (-image +bill):\n%s", n, img.Distro, format, diff)
			}
		}
	}
	if total < 1000 {
		t.Errorf("only %d matches were compared", total)
	}
}

func TestLicenses(t *testing.T) {
	l := newLicenses()
	for in, want := range map[string]string{
		"MIT": "MIT", "mit": "MIT", "Expat": "MIT", "GPL-2+": "GPL-2.0-or-later", "GPL-2": "GPL-2.0-only", "LGPL-2.1+": "LGPL-2.1-or-later", "BSD-3-clause": "BSD-3-Clause",
		"MIT OR Apache-2.0": "MIT OR Apache-2.0", "public-domain": "LicenseRef-public-domain", "see LICENSE": "LicenseRef-see-LICENSE", "(MIT": "LicenseRef-MIT", "": "NOASSERTION",
	} {
		if got := l.declared([]string{in}); got != want {
			t.Errorf("%q is written as %q, not %q", in, got, want)
		}
	}
	if got := l.declared([]string{"MIT OR ISC", "GPL-2+", "odd one", "odd/one"}); got != "(MIT OR ISC) AND GPL-2.0-or-later AND LicenseRef-odd-one AND LicenseRef-odd-one-2" {
		t.Error(got)
	}
}
