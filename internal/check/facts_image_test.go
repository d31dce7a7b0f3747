package check

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/signature"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/internal/vuln"
	"ullage.dev/ullage/policies"
)

func TestImageFacts(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	img := &image.Image{
		Identity: image.Identity{Config: "sha256:0", Manifest: "sha256:1", Index: "sha256:2", Platform: "linux/arm64/v8"},
		Config: image.Config{
			User: "app:web", UID: 1000, Created: now.AddDate(0, 0, -100), Ports: []string{"8080/tcp", "53/udp", "9000"}, Labels: map[string]string{"a.b/c": "d"},
		},
		Secrets:  []image.Secret{{Path: "/app/.env", Kind: "named credential"}, {Where: "environment variable TOKEN", Kind: "GitHub token", Layer: -1}},
		Layers:   []image.Layer{{DiffID: "sha256:3", Size: 7}},
		Base:     image.Base{Layers: 1, Name: "registry.example/base:1", How: image.ByLabel},
		Distro:   image.Distro{ID: "debian", Version: "9"},
		Packages: []image.Package{{Ecosystem: "Debian", Name: "libssl3", Version: "3.0.11", Source: "openssl"}, {Ecosystem: "npm", Name: "left", Version: "1"}},
		Programs: []image.Program{{Path: "/usr/bin/ls", Package: "coreutils"}, {Path: "/usr/bin/su", Package: "util-linux", Setuid: true}, {Path: "/web"}},
	}
	vulnerable := &vuln.Result{
		Matches: []vuln.Match{{Package: 0, ID: "CVE-1", Advisories: []string{"GHSA-1", "MAL-2026-1"}, State: vuln.FixAvailable, Fixed: "3.0.14", Published: now.AddDate(0, 0, -10).Unix(), Severity: vuln.Severity{Level: vuln.High, Score: 8.1}}},
		NoData:  []string{"npm"},
	}
	n := ImageFacts(ImageInput{
		Image: img, Vulnerabilities: vulnerable, Feeds: []advisory.Provenance{{Feed: "a", Fetched: now}, {Feed: "b", Fetched: now.AddDate(0, 0, -3)}},
		Signatures: signature.Result{State: signature.NotVerified, Signatures: []signature.Signature{{Kind: signature.OfImage, Identity: "ci"}}}, Now: now,
	})
	for path, want := range map[string]any{
		"digest": "sha256:1", "multiPlatform": true, "platform.architecture": "arm64", "age": int64(100), "created": "2026-01-21T00:00:00Z",
		"user.name": "app", "user.group": "web", "user.numeric": false, "user.root": false, "user.id": int64(1000), "config.ports[1].protocol": "UDP", "config.ports[2].port": int64(9000),
		"config.labels": map[string]any{"a.b/c": "d"}, "credentials[0].place": "environment variable TOKEN", "credentials[0].type": "GitHub token",
		"distro.supported": false, "distro.endOfSupport": "2022-06-30", "packages[0].source": "openssl", "packages[1].source": "left", "packages[0].layer": int64(1),
		"programs[0].name": "su", "programs[0].setuid": true, "programs[1].path": "/web", "vulnerabilities[0].fixable": true, "vulnerabilities[0].age": int64(10),
		"vulnerabilities[0].package": "libssl3", "vulnerabilities[0].severity": "high", "vulnerabilities[0].malicious": true, "advisories.age": int64(3), "advisories.feed": "b", "complete": true,
		"base.name": "registry.example/base:1", "base.how": "label", "layers[0].base": true, "vulnerabilities[0].base": true,
		"signatures.state": "not verified", "signatures.found[0].identity": "ci", "signatures.found[0].kind": "signature",
	} {
		p, err := tree.ParsePath(path)
		if got := n.Follow(p).Native(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %#v, want %#v", path, got, want)
		}
	}
	if n.Get("programs").Len() != 2 {
		t.Errorf("%d programs, want those worth a look", n.Get("programs").Len())
	}
	if last := n.Get("vulnerabilities").At(1); !last.Is(tree.Unknown) || !strings.Contains(last.Text(), "npm") {
		t.Errorf("what no feed covers is %v", last.Native())
	}
}

// TestImageFactsOfFeeds holds that what a feed would say is unknown without it, and what
// was said of some vulnerabilities stands.
func TestImageFactsOfFeeds(t *testing.T) {
	in := ImageInput{
		Image:           &image.Image{Identity: image.Identity{Config: "sha256:0"}, Packages: make([]image.Package, 1)},
		Vulnerabilities: &vuln.Result{Matches: []vuln.Match{{ID: "CVE-1"}, {ID: "CVE-2", Exploited: &vuln.Exploited{}, EPSS: &vuln.EPSS{Probability: 0.5}}}},
		Feeds:           []advisory.Provenance{{Feed: "osv/npm"}},
	}
	n := ImageFacts(in)
	for path, want := range map[string]any{
		"vulnerabilities[0].exploited": noFeed + advisory.KEV, "vulnerabilities[0].ransomware": noFeed + advisory.KEV, "vulnerabilities[0].probability": noFeed + advisory.EPSS,
		"vulnerabilities[0].catalogued": false, "vulnerabilities[1].exploited": true, "vulnerabilities[1].probability": 0.5,
	} {
		p, err := tree.ParsePath(path)
		got := n.Follow(p)
		why, unknown := want.(string)
		if err != nil || unknown && (!got.Is(tree.Unknown) || !strings.HasPrefix(got.Text(), why)) || !unknown && !reflect.DeepEqual(got.Native(), want) {
			t.Errorf("%s is %v (%s), want %v", path, got.Native(), got.Text(), want)
		}
	}
	in.Feeds = []advisory.Provenance{{Feed: advisory.KEV}, {Feed: advisory.EPSS}}
	first := ImageFacts(in).Get("vulnerabilities").At(0)
	if exploited, probability := first.Get("exploited"), first.Get("probability"); exploited.Native() != false || !probability.Is(tree.Unknown) || !strings.Contains(probability.Text(), "EPSS does not say") {
		t.Errorf("with the feeds: %v, %v", exploited.Native(), probability.Native())
	}
}

// TestImageFactsNotKnown holds that what was not measured is unknown.
func TestImageFactsNotKnown(t *testing.T) {
	img := &image.Image{
		Identity: image.Identity{Config: "sha256:0"},
		Config:   image.Config{User: "app", UID: -1},
		Distro:   image.Distro{ID: "houselinux", Version: "1"},
		Problems: []model.Problem{{Reason: "layer 1 is damaged"}},
	}
	n := ImageFacts(ImageInput{Image: img, Now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)})
	for path, why := range map[string]string{
		"created": "when it was made", "age": "when it was made", "user.root": "user app", "user.id": "user app", "distro.supported": "houselinux",
		"vulnerabilities": "no database", "advisories": "no database", "packages[0]": "layer 1 is damaged", "programs[0]": "layer 1 is damaged", "writable[0]": "layer 1 is damaged",
	} {
		p, err := tree.ParsePath(path)
		if got := n.Follow(p); err != nil || !got.Is(tree.Unknown) || !strings.Contains(got.Text(), why) {
			t.Errorf("%s is %v, want unknown: %s", path, got.Native(), why)
		}
	}
	matched := ImageFacts(ImageInput{Image: &image.Image{}, Vulnerabilities: &vuln.Result{}})
	if list := matched.Get("vulnerabilities"); list.Len() != 1 || !list.At(0).Is(tree.Unknown) || !strings.Contains(list.At(0).Text(), "no package") {
		t.Errorf("the vulnerabilities of an image without packages are %v", list.Native())
	}
	root := ImageFacts(ImageInput{Image: &image.Image{Packages: img.Packages}})
	for _, name := range ofConfig {
		if !root.Get(name).Is(tree.Unknown) {
			t.Errorf("%s of a root file system is %v", name, root.Get(name).Native())
		}
	}
	for _, name := range ofFiles {
		if root.Get(name).Is(tree.Unknown) {
			t.Errorf("%s of a root file system is not known", name)
		}
	}
	bill := ImageFacts(ImageInput{Image: &image.Image{Bill: true, Packages: img.Packages}})
	for _, name := range slices.Concat(ofConfig, ofFiles) {
		if !bill.Get(name).Is(tree.Unknown) || bill.Get("packages").Is(tree.Unknown) {
			t.Errorf("%s of a bill of materials is %v", name, bill.Get(name).Native())
		}
	}
	if supported := bill.Dig("distro", "supported"); !supported.Is(tree.Unknown) {
		t.Errorf("the support of a bill of materials that names no distribution is %v", supported.Native())
	}
	if !n.Get("complete").False() {
		t.Error("a damaged image is complete")
	}
}

func TestHistory(t *testing.T) {
	for line, want := range map[string][2]string{
		`RUN /bin/sh -c apt-get update # buildkit`:             {"RUN", "apt-get update"},
		`RUN |1 VERSION=1 /bin/sh -c make $VERSION # buildkit`: {"RUN", "make $VERSION"},
		`RUN /bin/bash -o pipefail -c curl x | sh # buildkit`:  {"RUN", "curl x | sh"},
		`/bin/sh -c apt-get update`:                            {"RUN", "apt-get update"},
		`|2 A=1 B=2 /bin/sh -c make`:                           {"RUN", "make"},
		`/bin/sh -c #(nop) ADD file:0123 in / `:                {"ADD", "file:0123 in /"},
		`/bin/sh -c #(nop)  CMD ["bash"]`:                      {"CMD", `["bash"]`},
		`COPY web /web # buildkit`:                             {"COPY", "web /web"},
		`ENV PATH=/bin`:                                        {"ENV", "PATH=/bin"},
		`RUN ["/bin/x", "y"]`:                                  {"RUN", `["/bin/x", "y"]`},
		`# debian.sh --arch 'amd64' out/ 'bookworm'`:           {"", `# debian.sh --arch 'amd64' out/ 'bookworm'`},
		``:                      {"", ""},
		`ko build ko://example`: {"", "ko build ko://example"},
		`|1 X=/bin/sh -c`:       {"RUN", "|1 X=/bin/sh -c"},
		`/bin/sh -c #(nop) HEALTHCHECK &{["CMD-SHELL" "curl localhost"] "x"`: {"HEALTHCHECK", `&{["CMD-SHELL" "curl localhost"] "x"`},
	} {
		if instruction, text := readStep(line); instruction != want[0] || text != want[1] {
			t.Errorf("%q is %q %q, want %q", line, instruction, text, want)
		}
	}
}

// TestExampleImages refuses examples with facts that images do not have.
func TestExampleImages(t *testing.T) {
	text := func(image string) string {
		return `apiVersion: ullage.dev/v1alpha1
kind: Rule
metadata: {name: test}
spec: {title: t, severity: low, category: images, rationale: r, remediation: m, subject: image, field: container.image,
  validations: [{expression: "!image.packages.exists(p, p.name == 'x') && !image.user.root", message: m}]}
---
apiVersion: ullage.dev/v1alpha1
kind: Example
verdict: pass
image: ` + image + "\n"
	}
	for image, want := range map[string]string{
		"{user: {name: app}}": "", "{packages: [{name: other}], user: {name: app}}": "", "{packges: []}": "no fact packges", "{user: root}": "user is a string, not a map",
		"{packages: [{nme: x}]}": "no fact nme", "{packages: [{name: 1}]}": "name is an integer, not a string", "{packages: [{name: x}]}": "want pass, got fail",
		"{packages: {unknown: damaged}}": "want pass, got unknown (damaged)", "{unknown: no login}": "want pass, got unknown (no login)",
	} {
		f := &tree.File{Name: "a.yaml", Text: text(image)}
		rules, err := policy.Load(f)
		if err != nil {
			t.Fatal(err)
		}
		examples, err := policy.LoadExamples(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = TestRule(rules[0], examples, 37); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("image %s: %v, want %q", image, err, want)
		}
	}
}

// TestImageFootprints judges pods of all images of the library's examples at once,
// where verdicts are remembered by what the footprint holds, and one by one.
func TestImageFootprints(t *testing.T) {
	files, err := policy.Files(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]*tree.Node{}
	var text strings.Builder
	for _, f := range files {
		examples, err := policy.LoadExamples(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range examples {
			worlds, err := e.Worlds()
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range worlds {
				of, err := exampleImages(w)
				if err != nil || of == nil {
					continue
				}
				reference := fmt.Sprintf("registry.example/i:%d", len(images))
				for _, facts := range of {
					images[reference] = facts
				}
				fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p%d}\nspec: {containers: [{name: web, image: %q, securityContext: {privileged: %v}}]}\n", len(images), reference, len(images)%2 == 0)
			}
		}
	}
	if len(images) < 100 {
		t.Fatalf("only %d images", len(images))
	}
	rules := slices.DeleteFunc(library(t), func(r *policy.Rule) bool { return !r.Subject.Image })
	objects := parse(t, text.String())
	o := Options{Rules: rules, Images: images, Closed: true}
	report := judgeAll(t, objects, o)
	for i, want := range []string{noDatabase, noAdvisories + "npm", noAdvisories + "Maven"} { // of all the examples that lack it, once
		if len(report.Problems) != 3 || !strings.Contains(report.Problems[i].Reason, want) || report.Problems[i].Hint == "" {
			t.Errorf("problems: %v", report.Problems)
		}
	}
	together := lines(report)
	var alone []string
	for _, object := range objects {
		alone = append(alone, lines(judgeAll(t, []*model.Object{object}, o))...)
	}
	slices.Sort(together)
	slices.Sort(alone)
	if len(together) < 100 || !slices.Equal(together, alone) {
		t.Errorf("%d findings together, %d one by one", len(together), len(alone))
	}
}
