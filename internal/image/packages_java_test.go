package image

import (
	"archive/zip"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// zipEntry is one of an archive that a test writes.
type zipEntry struct {
	name, content string
	stored        bool
}

func jar(t testing.TB, entries ...zipEntry) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		method := zip.Deflate
		if e.stored {
			method = zip.Store
		}
		f, err := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func pom(group, artifact, version string) zipEntry {
	return zipEntry{
		name:    "META-INF/maven/" + group + "/" + artifact + "/pom.properties",
		content: "#Generated\ngroupId=" + group + "\nartifactId = " + artifact + "\r\nversion=" + version + "\n",
	}
}

func readJar(name, content string) ([]Package, error) {
	return extractJar(&FileContent{Path: name, Size: int64(len(content)), ReaderAt: strings.NewReader(content)})
}

func TestJarInJar(t *testing.T) {
	innermost := jar(t, pom("com.acme", "deep", "3"))
	shaded := jar(t, pom("com.acme", "fat", "1"), pom("org.shaded", "lib", "2.0"), zipEntry{name: "lib/deep.jar", content: innermost})
	app := jar(t,
		zipEntry{name: "META-INF/MANIFEST.MF", content: "Implementation-Title: app\nImplementation-Version: 7\n"},
		pom("com.acme", "app", "7"),
		zipEntry{name: "BOOT-INF/lib/fat-1.jar", content: shaded, stored: true},
		zipEntry{name: "WEB-INF/lib/fat-copy.jar", content: shaded},
		zipEntry{name: "BOOT-INF/lib/", content: ""},
		zipEntry{name: "BOOT-INF/lib/spring-core-6.1.3.jar", content: jar(t, zipEntry{name: "META-INF/MANIFEST.MF", content: "Implementation-Title: spring-core\n"})},
		zipEntry{name: "pom.xml", content: "<project/>"})
	tree := memory{"/srv/app.war": "#!/bin/sh\nexec java -jar $0\n" + app}.tree(t)
	for _, suffix := range javaArchives {
		if got := nameVersions(read(t, memory{"/srv/x" + suffix: jar(t, zipEntry{name: "lib/deep.jar", content: innermost})}.tree(t), Distro{})); !strings.HasPrefix(got, "com.acme:deep 3") {
			t.Errorf("%s: %s", suffix, got)
		}
	}
	other := memory{"/srv/x.rar": rarMagic + "\x1a\x07\x01\x00"}.tree(t)
	if packages, problems := readPackages(other, Distro{}); len(packages)+len(problems) > 0 || len(other.Found()) > 0 && other.Found()[0].Problem != "" {
		t.Errorf("an archive of another kind: %v, %v", packages, problems)
	}
	packages := read(t, tree, Distro{})
	if got := nameVersions(packages); got != "com.acme:app 7, com.acme:deep 3, com.acme:fat 1, org.shaded:lib 2.0, org.springframework:spring-core 6.1.3" {
		t.Error(got)
	}
	for _, p := range packages {
		same(t, p.Name, p.Files, []string{"/srv/app.war"})
	}
	same(t, "where", find(t, packages, "com.acme:deep").Where, []string{"/srv/app.war!/BOOT-INF/lib/fat-1.jar!/lib/deep.jar"})
	if p := find(t, packages, "org.shaded:lib"); p.PURL != "pkg:maven/org.shaded/lib@2.0" || p.Ecosystem != "Maven" {
		t.Errorf("%+v", p)
	}
}

func TestJarByManifest(t *testing.T) {
	for _, test := range []struct{ file, manifest, want, from string }{
		{"commons-io-2.11.0.jar", "Implementation-Vendor-Id: commons-io\n", "commons-io 2.11.0", "file name"},
		{"lib-2.jar", "Implementation-Vendor-Id: org.acme\n", "org.acme:lib 2", "file name and manifest"},
		{"lib.jar", "Bundle-SymbolicName: org.acme.lib;singleton:=true\nBundle-Version: 1.0.\n 5.Final\n", "org.acme:lib 1.0.5.Final", "file name and manifest"},
		{"tomcat-coyote.jar", "Implementation-Version: 9.0.70\n", "org.apache.tomcat:tomcat-coyote 9.0.70", "file name and manifest"},
		{"tomcat-coyote-9.0.70.jar", "Implementation-Version: 8\n", "org.apache.tomcat:tomcat-coyote 9.0.70", "file name"},
		{"jsr305-0.1~+svn49.jar", "", "jsr305 0.1~+svn49", "file name"},
		{"rt.jar", "Implementation-Version: a b\n", "rt ", "file name"},
		{"classes.jar", "", "classes ", "file name"},
		{".jar", "", "", ""},
		{"x-1.jar", "Manifest-Version: 1.0\n\nName: a\nBundle-License: no\n", "x 1", "file name"},
	} {
		packages, err := readJar("/"+test.file, jar(t, zipEntry{name: "META-INF/MANIFEST.MF", content: test.manifest}))
		from := ""
		if len(packages) > 0 {
			from = string(packages[0].Evidence)
		}
		if err != nil || nameVersions(packages) != test.want || from != test.from {
			t.Errorf("%s: %s from %q, %v; want %s from %q", test.file, nameVersions(packages), from, err, test.want, test.from)
		}
	}
	for _, p := range []Package{{Ecosystem: "Maven", Name: "a"}, {Ecosystem: "Maven", Name: "a", Version: "1"}, {Ecosystem: "Maven", Name: "a:b"}, {Ecosystem: "npm", Name: "a", Version: "1", Main: true}} {
		if p.Identified() {
			t.Errorf("%+v is identified", p)
		}
	}
}

func TestHostileJars(t *testing.T) {
	good := jar(t, pom("a.b", "good", "1"))
	bomb := strings.Repeat("\x00", maxJarText+1)
	deep := good
	for range 10 {
		deep = jar(t, zipEntry{name: "x.jar", content: deep}, pom("a.b", fmt.Sprint("level", len(deep)), "1"))
	}
	var many []zipEntry
	for i := range maxJars + 10 {
		many = append(many, zipEntry{name: fmt.Sprint(i, ".jar"), content: "no archive"})
	}
	for _, test := range []struct {
		name, content, problem string
		packages               int
	}{
		{"garbage", "garbage", "zip: not a valid zip file", 0},
		{"inner garbage", jar(t, zipEntry{name: "x.jar", content: "garbage"}, pom("a.b", "good", "1")), "/t.jar!/x.jar: zip: not a valid zip file", 1},
		{"long properties", jar(t, zipEntry{name: "META-INF/maven/a/b/pom.properties", content: bomb}, pom("a.b", "good", "1")), "more than there is room for", 1},
		{"deep", deep, "archives deep", maxJarDepth},
		{"many", jar(t, append(many, pom("a.b", "good", "1"))...), "zip: not a valid zip file", 1},
		{"cut short", good[:len(good)-5], "zip: ", 0},
	} {
		packages, err := readJar("/t.jar", test.content)
		if len(packages) != test.packages || err == nil || !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%s: %d packages %s, %v", test.name, len(packages), nameVersions(packages), err)
		}
	}
}

// Archives in one another multiply: twenty at each of four levels are 160,000.
func TestManyJars(t *testing.T) {
	r := jarReader{seen: map[[2]string]bool{}}
	inner := jar(t, pom("a.b", "good", "1"))
	for range 4 {
		var entries []zipEntry
		for i := range 20 {
			entries = append(entries, zipEntry{name: fmt.Sprint(i, ".jar"), content: inner, stored: true})
		}
		inner = jar(t, entries...)
	}
	r.archive(strings.NewReader(inner), int64(len(inner)), "/t.jar", 1)
	if r.jars < maxJars || r.jars > maxJars*25 || r.problem == nil || !strings.Contains(r.problem.Error(), "archives in one another") {
		t.Errorf("%d archives, %v", r.jars, r.problem)
	}
}

func TestManifest(t *testing.T) {
	m := parseManifest([]byte("Manifest-Version: 1.0\r\nBundle-SymbolicName: org.a\r\n cme.li\r\n b\r\nX\r\nY:z\r\n\r\nName: section\r\nY: other\r\n"))
	want := map[string]string{"Manifest-Version": "1.0", "Bundle-SymbolicName": "org.acme.lib", "Y": "z"}
	if len(m) != len(want) {
		t.Errorf("%q", m)
	}
	for key, value := range want {
		if m[key] != value {
			t.Errorf("%s is %q", key, m[key])
		}
	}
}

func FuzzJar(f *testing.F) {
	inner := jar(f, pom("a.b", "c", "1"))
	f.Add([]byte(jar(f, zipEntry{name: "x.jar", content: inner}, zipEntry{name: "y.jar", content: inner, stored: true})))
	f.Add([]byte(jar(f, zipEntry{name: "META-INF/MANIFEST.MF", content: "Implementation-Version: 1\n"})))
	f.Fuzz(func(t *testing.T, data []byte) {
		packages, _ := readJar("/x-1.jar", string(data))
		for _, p := range packages {
			if p.Name == "" || p.Version == "" || !slices.Equal(p.Files, []string{"/x-1.jar"}) {
				t.Errorf("%+v", p)
			}
		}
	})
}

func BenchmarkJar(b *testing.B) {
	var entries []zipEntry
	for i := range 2000 {
		entries = append(entries, zipEntry{name: fmt.Sprintf("org/acme/Class%d.class", i), content: strings.Repeat("x", 200)})
	}
	inner := jar(b, append(entries, pom("a.b", "c", "1"))...)
	outer := jar(b, zipEntry{name: "a.jar", content: inner}, zipEntry{name: "b.jar", content: inner, stored: true})
	b.SetBytes(int64(len(outer)))
	b.ReportAllocs()
	for b.Loop() {
		if packages, err := readJar("/x.jar", outer); err != nil || len(packages) != 1 {
			b.Fatal(packages, err)
		}
	}
}

// A group that is stated is not lost with the version, and pom.xml states both as well.
func TestJarsWithPartOfTheirPoms(t *testing.T) {
	xml := func(group, artifact, project string) zipEntry {
		return zipEntry{name: "META-INF/maven/" + group + "/" + artifact + "/pom.xml", content: "<?xml version=\"1.0\"?><project xmlns=\"http://maven.apache.org/POM/4.0.0\">" + project + "</project>"}
	}
	const own, parent = "<version>2.14.1</version>", "<parent><version>2.14.1</version></parent><dependencies><dependency><version>9</version></dependency></dependencies>"
	manifest := zipEntry{name: "META-INF/MANIFEST.MF", content: "Implementation-Version: 2.14.1\n"}
	const log4j = "org.apache.logging.log4j"
	for _, test := range []struct {
		file    string
		entries []zipEntry
		want    string
	}{
		{"log4j-core-2.14.1.jar", []zipEntry{pom(log4j, "log4j-core", "${project.version}")}, log4j + ":log4j-core 2.14.1"},
		{"app.jar", []zipEntry{pom(log4j, "log4j-core", "${project.version}"), manifest}, log4j + ":log4j-core 2.14.1"},
		{"app.jar", []zipEntry{pom(log4j, "log4j-core", "${project.version}"), xml(log4j, "log4j-core", own)}, log4j + ":log4j-core 2.14.1"},
		{"log4j-core-2.14.1.jar", []zipEntry{xml(log4j, "log4j-core", own)}, log4j + ":log4j-core 2.14.1"},
		{"log4j-core-2.14.1.jar", []zipEntry{xml(log4j, "log4j-core", "")}, log4j + ":log4j-core 2.14.1"},
		{"x.jar", []zipEntry{xml(log4j, "log4j-core", parent)}, log4j + ":log4j-core 2.14.1"},
		{"x.jar", []zipEntry{xml(log4j, "log4j-core", "<version>${revision}</version>"), pom("a.b", "x", "1")}, "a.b:x 1, " + log4j + ":log4j-core "},
		{"x-1.jar", []zipEntry{pom("c.d", "e", ""), pom("a.b", "x", ""), pom("c.d", "f", "3")}, "a.b:x 1, c.d:e , c.d:f 3"},
		{"x.war", []zipEntry{xml("a.b", "x", own)}, "a.b:x 2.14.1"},
		{"x-1.jar", []zipEntry{xml("a.b", "x", "<version>2"), pom("a.b", "x", "1")}, "a.b:x 1"},
	} {
		content := jar(t, test.entries...)
		r := jarReader{seen: map[[2]string]bool{}}
		r.stream(bufio.NewReader(strings.NewReader(content)), "/"+test.file, 1)
		packages, err := readJar("/"+test.file, content)
		for _, list := range [][]Package{packages, r.packages} {
			slices.SortFunc(list, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
			if got := nameVersions(list); got != test.want || err != nil || r.problem != nil {
				t.Errorf("%s: %s, %v %v; want %s", test.file, got, err, r.problem, test.want)
			}
		}
	}
}
