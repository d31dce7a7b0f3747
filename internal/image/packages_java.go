package image

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Limits of reading one archive with all that it holds. Real applications stay
// well below: a large one has some hundred archives in it and two levels.
const (
	maxJarDepth     = 6
	maxJars         = 5000
	maxJarEntries   = 1 << 20
	maxJarDirectory = 16 << 20  // bytes of one archive's table of contents
	maxJarInflated  = 512 << 20 // bytes inflated in all
	maxJarPassed    = 1 << 30   // bytes inflated in all of what is not wanted, where nothing says how long it is
	maxJarHeld      = 48 << 20  // bytes of inner archives in memory at a time
	maxJarText      = 1 << 20   // bytes of a manifest or a pom.properties
	maxJarName      = 4096      // bytes of an inner archive's name
	maxJarPackages  = 50_000
)

// extractJar reads the Maven artifacts in a Java archive and in the archives in it.
func extractJar(f *FileContent) ([]Package, error) {
	var magic [len(rarMagic)]byte
	if n, _ := f.ReadAt(magic[:], 0); notJar(f.Path, magic[:n]) {
		return nil, nil
	}
	r := jarReader{seen: map[[2]string]bool{}}
	r.archive(f, f.Size, f.Path, 1)
	return r.found(f.Path)
}

func (r *jarReader) found(file string) ([]Package, error) {
	for i := range r.packages {
		r.packages[i].Files = []string{file}
	}
	return r.packages, r.problem
}

// jarReader counts what reading one archive costs.
type jarReader struct {
	packages       []Package
	seen           map[[2]string]bool
	versionless    map[string][2]string // group and artifact that an archive states without a version, by place
	problem        error                // the first one
	jars, entries  int
	inflated, held int64
	passed         int64 // bytes inflated only to get past them
}

func (r *jarReader) fail(place string, err error) {
	if r.problem != nil {
		return
	}
	if r.problem = err; strings.Contains(place, "!/") { // of the file itself, whoever tells it names it
		r.problem = fmt.Errorf("%s: %w", place, err)
	}
}

// archive reads one archive. place is its path, with !/ between an archive and
// what is in it.
func (r *jarReader) archive(at io.ReaderAt, size int64, place string, depth int) {
	if !r.admit(place, depth) {
		return
	}
	limited := &tableReader{at: at, left: maxJarDirectory}
	z, err := zip.NewReader(limited, size)
	if err != nil {
		r.fail(place, err)
		return
	}
	limited.left = -1
	if r.entries += len(z.File); r.entries > maxJarEntries {
		r.fail(place, fmt.Errorf("more than %d entries", maxJarEntries))
		return
	}
	var manifest *zip.File
	var xmls []*zip.File
	poms := jarPoms{}
	for _, f := range z.File {
		switch {
		case f.Name == jarManifest:
			manifest = f
		case isPomProperties(f.Name):
			poms[path.Dir(f.Name)] = r.pom(r.text(f, place), place)
		case isPomXML(f.Name):
			xmls = append(xmls, f)
		case len(f.Name) > maxJarName && isArchive(f.Name):
			r.fail(place, fmt.Errorf("a name of %d bytes", len(f.Name)))
		case isArchive(f.Name) && !f.FileInfo().IsDir():
			r.inner(limited, f, place+"!/"+f.Name, depth)
		case describesPackage(f.Name):
			r.described(r.text(f, place), place+"!/"+f.Name)
		}
	}
	for _, f := range xmls {
		if dir := path.Dir(f.Name); !poms[dir] {
			poms[dir] = r.pomXML(dir, pomVersion(r.text(f, place)), place)
		}
	}
	r.rest(poms, place, func() []byte {
		if manifest == nil {
			return nil
		}
		return r.text(manifest, place)
	})
}

// jarPoms are the directories of an archive in which Maven's build told of an artifact,
// and whether all that is wanted of it is known by that.
type jarPoms map[string]bool

// rest names what is in an archive besides artifacts that are wholly stated.
func (r *jarReader) rest(poms jarPoms, place string, manifest func() []byte) {
	known := false
	for _, whole := range poms {
		known = known || whole
	}
	stated, ok := r.versionless[place]
	switch {
	case isJar(place) && (!known || ok && isOf(stated[1], place)):
		r.byManifest(manifest(), place)
	case path.Ext(place) == "" && !known && !ok: // a jar, if it says so
		if m := manifest(); m != nil {
			r.byManifest(m, place)
		}
	case ok:
		r.add(mavenPackage(stated[0], stated[1], "", place))
	}
}

// isOf reports whether the name of an archive is that of an artifact.
func isOf(artifact, place string) bool {
	rest, ok := strings.CutPrefix(path.Base(place), artifact)
	return ok && (rest[:min(len(rest), 1)] == "-" || rest[:min(len(rest), 1)] == "." || rest == "")
}

func isPomXML(name string) bool {
	return strings.HasPrefix(name, "META-INF/maven/") && strings.HasSuffix(name, "/pom.xml") && strings.Count(name, "/") == 4
}

// pomXML adds the artifact of which an archive has the pom.xml alone, by the name of its
// directory, and says whether it did: without a version it is left to [jarReader.rest].
func (r *jarReader) pomXML(dir, version, place string) bool {
	group, artifact := path.Base(path.Dir(dir)), path.Base(dir)
	if version == "" {
		r.withoutVersion(group, artifact, place)
		return false
	}
	if r.versionless[place] == [2]string{group, artifact} { // as pom.properties beside it
		delete(r.versionless, place)
	}
	r.add(mavenPackage(group, artifact, version, place))
	return true
}

// withoutVersion keeps what an archive states without a version: one in mind, for the
// name of the archive or the manifest may have it.
func (r *jarReader) withoutVersion(group, artifact, place string) {
	if r.versionless == nil {
		r.versionless = map[string][2]string{}
	}
	before, ok := r.versionless[place]
	if this := [2]string{group, artifact}; !ok || isOf(artifact, place) && !isOf(before[1], place) {
		r.versionless[place] = this
		if !ok || before == this {
			return
		}
		group, artifact = before[0], before[1]
	} else if before == this {
		return
	}
	r.add(mavenPackage(group, artifact, "", place))
}

// pomVersion reads the version that a pom.xml states, its own or its parent's, "" where
// another file tells it.
func pomVersion(text []byte) string {
	var project struct {
		Version string `xml:"version"`
		Parent  struct {
			Version string `xml:"version"`
		} `xml:"parent"`
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	if d.Decode(&project) != nil {
		return ""
	}
	version := strings.TrimSpace(cmp.Or(project.Version, project.Parent.Version))
	if strings.ContainsAny(version, "${} ") {
		return ""
	}
	return version
}

func isJar(place string) bool { return strings.HasSuffix(strings.ToLower(place), ".jar") }

// admit counts one archive more, and says whether there may be one.
func (r *jarReader) admit(place string, depth int) bool {
	if r.jars++; r.jars > maxJars {
		r.fail(place, fmt.Errorf("more than %d archives in one another", maxJars))
		return false
	}
	if depth > maxJarDepth {
		r.fail(place, fmt.Errorf("more than %d archives deep", maxJarDepth))
		return false
	}
	return true
}

// tableReader fails when a table of contents takes more than it may. It does not
// limit once left is negative.
type tableReader struct {
	at   io.ReaderAt
	left int64
}

func (t *tableReader) ReadAt(p []byte, off int64) (int, error) {
	if t.left >= 0 {
		if t.left -= int64(len(p)); t.left < 0 {
			t.left = 0
			return 0, fmt.Errorf("table of contents of more than %d bytes", maxJarDirectory)
		}
	}
	return t.at.ReadAt(p, off)
}

func isArchive(name string) bool {
	return slices.Contains(javaArchives, strings.ToLower(path.Ext(name)))
}

// javaArchives are the suffixes of archives that hold classes or other archives: of
// applications, of plugins, of resource adapters (rar), and those of JBoss, Liferay and
// Android.
var javaArchives = []string{".jar", ".war", ".ear", ".hpi", ".jpi", ".nar", ".kar", ".rar", ".par", ".sar", ".lpkg", ".aar"}

// rarMagic begins an archive of another kind, whose files have the suffix of resource
// adapters.
const rarMagic = "Rar!"

const jarManifest = "META-INF/MANIFEST.MF"

func isPomProperties(name string) bool {
	return strings.HasPrefix(name, "META-INF/maven/") && strings.HasSuffix(name, "/pom.properties")
}

// inner reads an archive in an archive: in place when it is only stored, which is
// how Spring Boot does it, from memory when it is deflated.
func (r *jarReader) inner(at io.ReaderAt, f *zip.File, place string, depth int) {
	if f.Method == zip.Store && f.CompressedSize64 == f.UncompressedSize64 {
		offset, err := f.DataOffset()
		if err != nil {
			r.fail(place, err)
			return
		}
		size := int64(f.CompressedSize64)
		r.archive(io.NewSectionReader(at, offset, size), size, place, depth+1)
		return
	}
	room := min(maxJarHeld-r.held, maxJarInflated-r.inflated)
	data, err := readEntry(f, room)
	r.inflated += int64(len(data))
	if err != nil {
		r.fail(place, err)
		return
	}
	r.held += int64(len(data))
	r.archive(bytes.NewReader(data), int64(len(data)), place, depth+1)
	r.held -= int64(len(data))
}

// readEntry inflates an entry of at most so many bytes.
func readEntry(f *zip.File, most int64) ([]byte, error) {
	if f.UncompressedSize64 > uint64(most) {
		return nil, fmt.Errorf("%d bytes are more than there is room for", f.UncompressedSize64)
	}
	content, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	var b bytes.Buffer
	b.Grow(int(f.UncompressedSize64) + bytes.MinRead) // so that it is not copied as it grows
	n, err := io.Copy(&b, io.LimitReader(content, most+1))
	if err == nil && n > most {
		err = errors.New("inflates to more than it states")
	}
	return b.Bytes(), err
}

// text reads a small text entry.
func (r *jarReader) text(f *zip.File, place string) []byte {
	data, err := readEntry(f, min(maxJarText, maxJarInflated-r.inflated))
	r.inflated += int64(len(data))
	if err != nil {
		r.fail(place+"!/"+f.Name, err)
		return nil
	}
	return data
}

// pom adds the artifact that Maven's build told of beside the classes, and says whether
// it did.
func (r *jarReader) pom(text []byte, place string) bool {
	var group, artifact, version string
	for line := range bytes.Lines(text) {
		key, value := property(string(line))
		switch key {
		case "groupId":
			group = value
		case "artifactId":
			artifact = value
		case "version":
			version = value
		}
	}
	if group == "" || artifact == "" || strings.Contains(group+artifact, "${") {
		return false
	}
	if version == "" || strings.Contains(version, "${") {
		r.withoutVersion(group, artifact, place)
		return false
	}
	r.add(mavenPackage(group, artifact, version, place))
	return true
}

// property reads a line of a Java property file: name and value, with =, : or a
// blank between them.
func property(line string) (name, value string) {
	line = strings.TrimSpace(line)
	end := strings.IndexAny(line, "=: \t\f")
	if end < 0 {
		return line, ""
	}
	name, value = line[:end], strings.TrimLeft(line[end:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return name, value
}

func mavenPackage(group, artifact, version, place string) Package {
	p := Package{Ecosystem: "Maven", Name: artifact, Version: version, Where: []string{place}}
	if group != "" {
		p.Name = group + ":" + artifact
		p.PURL = purlText("maven", group, artifact, version)
	}
	return p
}

func (r *jarReader) add(p Package) {
	key := [2]string{p.Ecosystem + " " + p.Name, p.Version}
	if len(r.packages) == maxJarPackages {
		r.fail(p.Where[0], fmt.Errorf("more than %d packages", maxJarPackages))
	} else if !r.seen[key] {
		r.seen[key] = true
		r.packages = append(r.packages, p)
	}
}

// versioned takes a file name such as spring-core-6.1.3.jar apart.
var versioned = regexp.MustCompile(`^(.+?)[-_]v?([0-9][0-9A-Za-z.+~_-]*)$`)

// byManifest names an archive that does not say which artifact it is, by its file
// name and manifest. The group is only given where these or the table of well-known
// ones name it: without it the package is in the inventory, but has no PURL. So is
// one of which nothing tells the version.
func (r *jarReader) byManifest(manifest []byte, place string) {
	m := parseManifest(manifest)
	base := path.Base(place)
	artifact, version, evidence := base[:len(base)-len(path.Ext(base))], "", ByFileName
	if parts := versioned.FindStringSubmatch(artifact); parts != nil {
		artifact, version = parts[1], parts[2]
	} else if version = firstOf(m, "Implementation-Version", "Bundle-Version", "Specification-Version"); strings.ContainsAny(version, " ${}") {
		version = ""
	}
	group, said := mavenGroup(artifact, m)
	if said || version != "" && !strings.HasSuffix(base, version+".jar") {
		evidence = ByFileNameAndManifest
	}
	if artifact == "" {
		return
	}
	if stated, ok := r.versionless[place]; ok {
		group, artifact = stated[0], stated[1]
	}
	p := mavenPackage(group, artifact, version, place)
	p.Evidence = evidence
	if license := m["Bundle-License"]; license != "" && len(license) < 100 {
		p.Licenses = []string{license}
	}
	r.add(p)
}

func firstOf(m map[string]string, keys ...string) string {
	for _, key := range keys {
		if m[key] != "" {
			return m[key]
		}
	}
	return ""
}

// mavenGroups are the groups of artifacts that are built without Maven, and so do
// not carry pom.properties, by the start of their name; longer starts first.
var mavenGroups = []struct{ artifact, group string }{
	{"spring-boot", "org.springframework.boot"},
	{"spring-security", "org.springframework.security"},
	{"spring-data", "org.springframework.data"},
	{"spring-cloud", "org.springframework.cloud"},
	{"spring-session", "org.springframework.session"},
	{"spring-kafka", "org.springframework.kafka"},
	{"spring-integration", "org.springframework.integration"},
	{"spring-batch", "org.springframework.batch"},
	{"spring-hateoas", "org.springframework.hateoas"},
	{"spring-ws", "org.springframework.ws"},
	{"spring-plugin", "org.springframework.plugin"},
	{"spring-aop", "org.springframework"},
	{"spring-aspects", "org.springframework"},
	{"spring-beans", "org.springframework"},
	{"spring-context", "org.springframework"},
	{"spring-core", "org.springframework"},
	{"spring-expression", "org.springframework"},
	{"spring-jcl", "org.springframework"},
	{"spring-jdbc", "org.springframework"},
	{"spring-jms", "org.springframework"},
	{"spring-messaging", "org.springframework"},
	{"spring-orm", "org.springframework"},
	{"spring-oxm", "org.springframework"},
	{"spring-r2dbc", "org.springframework"},
	{"spring-tx", "org.springframework"},
	{"spring-web", "org.springframework"},
	{"tomcat-embed", "org.apache.tomcat.embed"},
	{"tomcat-", "org.apache.tomcat"},
	{"kotlin-", "org.jetbrains.kotlin"},
	{"kotlinx-", "org.jetbrains.kotlinx"},
	{"bcprov-", "org.bouncycastle"},
	{"bcpkix-", "org.bouncycastle"},
	{"bcutil-", "org.bouncycastle"},
	{"bctls-", "org.bouncycastle"},
	{"micrometer-", "io.micrometer"},
	{"reactor-core", "io.projectreactor"},
	{"kafka-clients", "org.apache.kafka"},
	{"elasticsearch", "org.elasticsearch"},
	{"lucene-", "org.apache.lucene"},
	{"mockito-", "org.mockito"},
}

// mavenGroup returns the group of an artifact, "" when nothing tells it, and whether
// the manifest does.
func mavenGroup(artifact string, manifest map[string]string) (group string, said bool) {
	if id := manifest["Implementation-Vendor-Id"]; isGroup(id) {
		return id, true
	}
	for _, known := range mavenGroups {
		if strings.HasPrefix(artifact, known.artifact) {
			return known.group, false
		}
	}
	// Some bundles are named GROUP.ARTIFACT, with the artifact's name whole.
	name, _, _ := strings.Cut(manifest["Bundle-SymbolicName"], ";")
	if group, ok := strings.CutSuffix(strings.TrimSpace(name), "."+artifact); ok && isGroup(group) {
		return group, true
	}
	return "", false
}

var groupForm = regexp.MustCompile(`^[a-z]{2,}(\.[A-Za-z0-9_-]+)+$`)

func isGroup(s string) bool { return groupForm.MatchString(s) }

// parseManifest reads the main section of a jar's manifest. A line that begins
// with a space goes on with the one before.
func parseManifest(data []byte) map[string]string {
	m := map[string]string{}
	var whole []byte
	add := func() {
		if key, value, ok := strings.Cut(string(whole), ":"); ok {
			m[key] = strings.TrimSpace(value)
		}
	}
	for line := range bytes.Lines(data) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' {
			whole = append(whole, line[1:]...)
			continue
		}
		add()
		whole = append(whole[:0], line...)
	}
	add()
	return m
}
