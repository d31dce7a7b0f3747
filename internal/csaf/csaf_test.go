package csaf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) *Document {
	t.Helper()
	d, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// told is a document in lines: what a test compares.
func told(d *Document) []string {
	var lines []string
	for _, v := range d.Vulnerabilities {
		for _, s := range v.Statements {
			line := fmt.Sprintf("%s %s %s", v.CVE, s.Status, s.Product.ID)
			for p := range s.Product.Each {
				if p.PURL != "" {
					line += " purl=" + p.PURL
				}
				if p.CPE != "" {
					line += " cpe=" + p.CPE
				}
			}
			for _, r := range s.Remediations {
				line += " " + r.Category
			}
			for _, text := range append([]string{s.Justification, s.Impact}, s.Vectors...) {
				if text != "" {
					line += " [" + text + "]"
				}
			}
			lines = append(lines, line)
		}
	}
	for _, p := range d.Problems {
		lines = append(lines, "problem: "+p)
	}
	return lines
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestParse(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "vex.json"))
	if err != nil {
		t.Fatal(err)
	}
	d := parsed(t, string(text))
	if got := fmt.Sprint(d.ID, " ", d.Category, " ", d.Publisher, " ", d.Severity, " ", d.Version, " ", d.Initial.Format("2006-01-02"), " ", d.Released.Format("2006-01-02")); got !=
		"CVE-2026-1001 csaf_vex Sample Distribution Important 4 2026-03-01 2026-05-02" {
		t.Error(got)
	}
	rhel8 := " cpe=cpe:/a:redhat:enterprise_linux:8::appstream"
	rhel9 := " cpe=cpe:/o:redhat:enterprise_linux:9"
	same(t, told(d), []string{
		"CVE-2026-1001 fixed AppStream-8:nodejs:18:8100:nodejs-1:18.20.8-1.module+el8.x86_64 purl=pkg:rpm/redhat/nodejs@18.20.8-1.module%2Bel8?arch=x86_64&epoch=1" +
			" purl=pkg:rpmmod/redhat/nodejs@18:8100" + rhel8 + " vendor_fix [Important] [CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H]",
		"CVE-2026-1001 known_affected rhel_9:nodejs" + rhel9 + " no_fix_planned workaround [Moderate]",
		"CVE-2026-1001 known_not_affected rhel_9:nodejs-docs" + rhel9 + " [vulnerable_code_not_present]",
		"CVE-2026-1001 under_investigation rhel_9:yarn purl=pkg:rpm/redhat/yarn?arch=src" + rhel9,
	})
	first := d.Vulnerabilities[0].Statements[0]
	if c := first.Product.Component(); c.ID != "nodejs-1:18.20.8-1.module+el8.x86_64" {
		t.Errorf("the component is %s", c.ID)
	}
	if !first.Has(VendorFix) || first.Has(Workaround) || first.Remediations[0].URL != "https://errata.example/SA-2026:1001" {
		t.Errorf("remediations: %+v", first.Remediations)
	}
}

// document is one with a tree and vulnerabilities, in either order.
func document(tree, vulnerabilities string) string {
	return `{"document": {"csaf_version": "2.0", "tracking": {"id": "X"}}, "product_tree": ` + tree + `, "vulnerabilities": ` + vulnerabilities + `}`
}

func TestOrderDoesNotMatter(t *testing.T) {
	status := `[{"product_status": {"fixed": ["w:p"], "known_affected": ["w:p"]}, "cve": "CVE-2026-2", "remediations": [{"category": "vendor_fix", "group_ids": ["g"]}]}]`
	tree := `{"product_groups": [{"group_id": "g", "product_ids": ["w:p"]}],
		"relationships": [{"full_product_name": {"product_id": "w:p"}, "product_reference": "p", "relates_to_product_reference": "w"}],
		"full_product_names": [{"product_id": "p", "product_identification_helper": {"purls": ["pkg:oci/x"]}}, {"product_id": "w"}]}`
	want := []string{"CVE-2026-2 fixed w:p purl=pkg:oci/x vendor_fix", "CVE-2026-2 known_affected w:p purl=pkg:oci/x vendor_fix"}
	same(t, told(parsed(t, document(tree, status))), want)
	same(t, told(parsed(t, `{"vulnerabilities": `+status+`, "product_tree": `+tree+`, "document": {"csaf_version": "2.0"}}`)), want)
}

// TestProblems holds that what is not defined is told, and the rest is read.
func TestProblems(t *testing.T) {
	tree := `{"full_product_names": [{"product_id": "a"}, {"product_id": "a"}, {"name": "nameless"}],
		"relationships": [{"full_product_name": {"product_id": "r"}, "product_reference": "a", "relates_to_product_reference": "gone"}]}`
	d := parsed(t, document(tree, `[{"cve": "CVE-2026-3", "product_status": {"fixed": ["b"], "known_affected": ["a", "r"], "maybe": ["a"]}}]`))
	same(t, told(d), []string{
		"CVE-2026-3 known_affected a", "CVE-2026-3 known_affected r",
		`problem: the product_id "a" is defined twice: the first one counts`,
		`problem: the product "nameless" has no product_id`,
		`problem: CVE-2026-3: the product status "maybe" is not known`,
		`problem: the product "r" is made of products that are not defined`,
		`problem: CVE-2026-3: fixed names the product "b", which is not defined`,
	})
}

// TestHostile holds that documents which lie or swell end with an error.
func TestHostile(t *testing.T) {
	circle := `{"relationships": [
		{"full_product_name": {"product_id": "a"}, "product_reference": "b", "relates_to_product_reference": "b"},
		{"full_product_name": {"product_id": "b"}, "product_reference": "a", "relates_to_product_reference": "a"}]}`
	var tower strings.Builder // each made of the one below, twice: 2^60 ways down
	tower.WriteString(`{"full_product_names": [{"product_id": "0"}], "relationships": [`)
	for n := 1; n <= 60; n++ {
		if n > 1 {
			tower.WriteByte(',')
		}
		fmt.Fprintf(&tower, `{"full_product_name": {"product_id": "%d"}, "product_reference": "%d", "relates_to_product_reference": "%d"}`, n, n-1, n-1)
	}
	tower.WriteString("]}")
	group := `{"full_product_names": [{"product_id": "a"}], "product_groups": [{"group_id": "g", "product_ids": [` + strings.Repeat(`"a",`, 2999) + `"a"]}]}`
	multiplied := `[{"remediations": [` + strings.Repeat(`{"group_ids": ["g"]},`, 1999) + `{"group_ids": ["g"]}]}]`
	for name, text := range map[string]string{
		"empty": "", "no object": "[]", "not closed": `{"document": {"csaf_version": "2.0"}`, "html": "<html>", "no version": "{}",
		"version 1": `{"document": {"csaf_version": "1.2"}}`, "wrong type": `{"document": {"csaf_version": "2.0"}, "product_tree": []}`,
		"circle": document(circle, "[]"), "tower": document(tower.String(), "[]"), "groups that multiply": document(group, multiplied),
		"deep":          document(strings.Repeat(`{"branches": [`, 100)+strings.Repeat(`]}`, 100), "[]"),
		"deep branches": document(`{"branches": [`+strings.Repeat(`{"branches": [`, 100)+strings.Repeat(`]}`, 100)+`]}`, "[]"),
	} {
		if d, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%s is a document: %+v", name, d)
		}
	}
	if _, err := parse(io.MultiReader(strings.NewReader(`{"document": {"title": "`), endless{}), 1<<20); !errors.Is(err, errTooLarge) {
		t.Errorf("an endless text gives %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "vex.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, v := range d.Vulnerabilities {
			for i := range v.Statements {
				s := &v.Statements[i]
				if s.Product == nil || s.Product.Component() == nil {
					t.Fatal("a statement without a product")
				}
				for range s.Product.Each {
				}
			}
		}
	})
}

// BenchmarkParse reads a document of the size of those on a kernel.
func BenchmarkParse(b *testing.B) {
	var tree, relations, fixed strings.Builder
	for n := range 20000 {
		comma := ","
		if n == 0 {
			comma = ""
		}
		fmt.Fprintf(&tree, `%s{"category": "product_version", "name": "kernel-%d-0:5.14.0-503.el9.x86_64", "product": {"name": "kernel-%d", "product_id": "kernel-%d-0:5.14.0-503.el9.x86_64",
			"product_identification_helper": {"purl": "pkg:rpm/redhat/kernel-%d@5.14.0-503.el9?arch=x86_64"}}}`, comma, n, n, n, n)
		fmt.Fprintf(&relations, `%s{"category": "default_component_of", "full_product_name": {"name": "kernel-%d as a component of RHEL 9", "product_id": "w:kernel-%d"},
			"product_reference": "kernel-%d-0:5.14.0-503.el9.x86_64", "relates_to_product_reference": "w"}`, comma, n, n, n)
		fmt.Fprintf(&fixed, `%s"w:kernel-%d"`, comma, n)
	}
	text := document(`{"branches": [{"branches": [`+tree.String()+`]}], "full_product_names": [{"product_id": "w"}], "relationships": [`+relations.String()+`]}`,
		`[{"cve": "CVE-2026-1", "product_status": {"fixed": [`+fixed.String()+`]}}]`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}
