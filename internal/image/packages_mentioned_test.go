package image

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Packages that are there and are not read are told of.
func TestPackagesThatAreNotRead(t *testing.T) {
	egg := jar(t, zipEntry{name: "EGG-INFO/PKG-INFO", content: "Metadata-Version: 1.0\nName: shop\nVersion: 1.2\n"}, zipEntry{name: "shop/__init__.py", content: "x"})
	for _, test := range []struct {
		path, content, problem, packages string
	}{
		{"opt/lib/shop-1.2-py3.11.egg", egg, "", "shop 1.2"},
		{"opt/lib/shop-1.2-py3.11.egg", "no archive", "zip", ""},
		{"opt/lib/shop.egg", jar(t, zipEntry{name: "x", content: "x"}), "without the name", ""},
		{"app/.pnp.cjs", "x", "Yarn's Plug'n'Play", ""},
		{"opt/conda/conda-meta/history", "==> 2026 <==\n", "", ""},
		{"opt/conda/conda-meta/zlib-1.3-h1.json", `{"name": "zlib", "version": "1.3", "build": "h1", "files": ["lib/libz.so"], "license": "Zlib"}`, "", "zlib 1.3"},
		{"opt/conda/conda-meta/zlib-1.3-h1.json", `{"name": "zlib", `, "conda", ""},
		{"opt/other/zlib-1.3-h1.json", `{"name": "zlib", "version": "1.3"}`, "", ""},
		// What a cloud's functions are made of, Python's programs in one file, and jars called otherwise.
		{"opt/layer.zip", jar(t, zipEntry{name: "nodejs/node_modules/left/package.json", content: `{"name": "left", "version": "1.0.0"}`},
			zipEntry{name: "nodejs/node_modules/left/test/package.json", content: `{"name": "fake", "version": "1.0.0"}`},
			zipEntry{name: "python/shop-1.2.dist-info/METADATA", content: "Name: shop\nVersion: 1.2\n"}), "", "shop 1.2, left 1.0.0"},
		{"opt/lib.zip", jar(t, zipEntry{name: "lib/a.jar", content: jar(t, zipEntry{name: "META-INF/maven/g/a/pom.properties", content: "groupId=g\nartifactId=a\nversion=3\n"})}), "", "g:a 3"},
		{"app/run.pex", "#!/usr/bin/env python3\n" + jar(t, zipEntry{name: ".deps/shop-1.2-py3-none-any.whl/shop-1.2.dist-info/METADATA", content: "Name: shop\nVersion: 1.2\n"}), "", "shop 1.2"},
		{"app/run", jar(t, zipEntry{name: "META-INF/MANIFEST.MF", content: "Implementation-Version: 7\n"}, zipEntry{name: "BOOT-INF/lib/a.jar", content: jar(t, zipEntry{name: "META-INF/maven/g/a/pom.properties", content: "groupId=g\nartifactId=a\nversion=3\n"})}), "", "g:a 3, run 7"},
		{"app/boot", "#!/bin/bash\nexec java -jar \"$0\"\n" + jar(t, zipEntry{name: "BOOT-INF/lib/a.jar", content: jar(t, zipEntry{name: "META-INF/maven/g/a/pom.properties", content: "groupId=g\nartifactId=a\nversion=3\n"})}), "", "g:a 3"},
		{"app/script", "#!/bin/sh\necho PK\n", "", ""},
		{"app/data", jar(t, zipEntry{name: "x.txt", content: "x"}), "", ""},
		{"app/test.zip", "no archive", "", ""},
		{"app/cut.zip", egg[:len(egg)-30], "zip", ""},
		// What builders say of what they built, and not of what it was built on.
		{"opt/bitnami/nginx/.spdx-nginx.spdx", `{"spdxVersion": "SPDX-2.3", "packages": [{"name": "nginx", "externalRefs": [{"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:x"},
			{"referenceType": "purl", "referenceLocator": "pkg:bitnami/nginx@1.25.3-0?arch=amd64"}]}, {"externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:deb/debian/zlib1g@1"}]}]}`, "", "nginx 1.25.3-0"},
		{"opt/x.dist-info/sboms/x.cyclonedx.json", `{"bomFormat": "CycloneDX", "metadata": {"component": {"purl": "pkg:cargo/x@1.0.0"}}, "components": [{"purl": "pkg:cargo/y@2.0.0", "components": [{"purl": "pkg:cargo/z@3.0.0"}]}]}`, "", "x 1.0.0, y 2.0.0, z 3.0.0"},
		{"opt/x.cdx.json", `{"components": [{"purl": "pkg:cargo/x@1.0.0"}]}`, "", ""},
		{"opt/x.spdx", "SPDXVersion: SPDX-2.3\n", "", ""},
	} {
		img, _ := readImage(t, savedLinked(t, tarOf(t, file{test.path, 0, test.content})), Options{})
		var problems []string
		for _, p := range img.Problems {
			problems = append(problems, p.String())
		}
		told := strings.Join(problems, "; ")
		if nameVersions(img.Packages) != test.packages || (told == "") != (test.problem == "") || !strings.Contains(told, test.problem) || test.problem != "" && !strings.Contains(told, test.path) {
			t.Errorf("%s: %q, %q", test.path, nameVersions(img.Packages), told)
		}
	}
}

// TestStatedTwice: a bill of materials in an image adds what was not found itself, once.
func TestStatedTwice(t *testing.T) {
	bill := `{"bomFormat": "CycloneDX", "components": [{"purl": "pkg:npm/left@1.0.0"}, {"purl": "pkg:npm/right@2.0.0"}]}`
	img, _ := readImage(t, savedLinked(t, tarOf(t, file{"app/node_modules/left/package.json", 0, `{"name": "left", "version": "1.0.0"}`}, file{"a/one.cdx.json", 0, bill}, file{"b/two.cdx.json", 0, bill})), Options{})
	if got := nameVersions(img.Packages); got != "left 1.0.0, right 2.0.0" || img.Packages[0].Evidence != Stated || img.Packages[1].Evidence != ByBill {
		t.Errorf("%s: %+v", got, img.Packages)
	}
}

// TestNotExecutable: a Go program is read without the bit that lets it run, as one that is
// copied to be started later, and is no program until then.
func TestNotExecutable(t *testing.T) {
	program := string(must(os.ReadFile(must(os.Executable())(t)))(t))
	img, _ := readImage(t, savedLinked(t, tarOf(t, file{"app/tool", 0o644, program}, file{"app/object.o", 0o644, "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x01\x00" + strings.Repeat("\x00", 100)})), Options{})
	if len(img.Packages) == 0 || !slices.ContainsFunc(img.Packages, func(p Package) bool { return p.Name == "stdlib" && slices.Equal(p.Files, []string{"/app/tool"}) }) || len(img.Programs) > 0 || len(img.Problems) > 0 {
		t.Errorf("%v, programs %v, problems %v", nameVersions(img.Packages), img.Programs, img.Problems)
	}
}

// TestReplacedInLayer: of a path that a layer has twice, what came last is there.
func TestReplacedInLayer(t *testing.T) {
	const at = "app/node_modules/left/package.json"
	old, now := file{at, 0, `{"name": "left", "version": "1.0.0"}`}, file{at, 0, `{"name": "left", "version": "2.0.0"}`}
	for want, files := range map[string][]file{"left 2.0.0": {old, now}, "": {old, {at, 0, "{}"}}} {
		img, _ := readImage(t, savedLinked(t, tarOf(t, files...)), Options{})
		if got := nameVersions(img.Packages); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
