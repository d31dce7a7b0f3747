package advisory

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"ullage.dev/ullage/internal/csaf"
	"ullage.dev/ullage/internal/vuln"
)

// feedRedHat is Red Hat's VEX data, a CSAF document for each CVE.
const feedRedHat = "redhat"

// redHatArchive reads the archive of Red Hat's VEX documents.
func redHatArchive(r io.Reader, in *intake) error {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<28))
	if err != nil {
		return fmt.Errorf("it is no zstd archive: %w", err)
	}
	defer z.Close()
	return eachMember(z, csaf.MaxBytes+1, func(name string, _ int64, r io.Reader) error {
		if !strings.HasSuffix(name, ".json") || !strings.HasPrefix(path.Base(name), "cve-") {
			return nil
		}
		return redHatOne(r, name, in)
	})
}

// redHatOne adds one document. An error is of the disk.
func redHatOne(r io.Reader, name string, in *intake) error {
	doc, err := csaf.Parse(r)
	if err != nil {
		in.lose(loss{id: documentID(name)}, name, err)
		return nil
	}
	for i := range doc.Vulnerabilities {
		v := &doc.Vulnerabilities[i]
		id := cmp.Or(v.CVE, doc.ID)
		if vuln.CVE(id) != id {
			in.lose(loss{id: documentID(name)}, name, fmt.Errorf("%.80q is no CVE", id))
			continue
		}
		a := &vuln.Advisory{ID: id, Severity: doc.Severity, Summary: cmp.Or(v.Title, doc.Title), Published: max(v.Published.Unix(), 0), Modified: max(doc.Released.Unix(), 0)}
		b := redHatBuilder{advisory: a, said: map[redHatKey]*redHatSaid{}}
		for k := range v.Statements {
			b.add(&v.Statements[k])
		}
		if err := in.advisory(a, b.statements()); err != nil {
			return err
		}
	}
	if len(doc.Vulnerabilities) == 0 {
		in.lose(loss{id: documentID(name)}, name, fmt.Errorf("it speaks of no vulnerability"))
	}
	return nil
}

// documentID is the id that the file of a record is named after.
func documentID(name string) string {
	return strings.ToUpper(strings.TrimSuffix(path.Base(name), ".json"))
}

// redHatKey is what rows of Red Hat are about: a package in a release, in a stream
// of a module or in none.
type redHatKey struct {
	major, module, name string
	source              bool
}

// redHatSaid is what is said of it.
type redHatSaid struct {
	fixed   string // the earliest version that mends it
	verdict vuln.Verdict
	open    bool // affected, or not decided
	never   bool // not affected
	urgency string
}

// redHatBuilder makes rows of the statements of one vulnerability.
type redHatBuilder struct {
	advisory *vuln.Advisory
	said     map[redHatKey]*redHatSaid
}

func (b *redHatBuilder) add(s *csaf.Statement) {
	key, version, ok := redHatProduct(s.Product)
	if !ok {
		return
	}
	for _, vector := range s.Vectors {
		if len(vector) < 300 && !slices.Contains(b.advisory.Vectors, vector) {
			b.advisory.Vectors = append(b.advisory.Vectors, vector)
		}
	}
	if (s.Status == csaf.Fixed) != (version != "") {
		return // of a build that is affected or not, nothing follows for others
	}
	x := b.said[key]
	if x == nil {
		x = &redHatSaid{}
		b.said[key] = x
	}
	if x.urgency == "" && len(s.Impact) < 20 {
		x.urgency = s.Impact
	}
	switch s.Status {
	case csaf.Fixed:
		// One that is mended twice within a release was mended in an older minor
		// release first: whoever has that is served.
		if x.fixed == "" || vuln.Rpm.Compare(version, x.fixed) < 0 {
			x.fixed = version
		}
	case csaf.Affected:
		x.open, x.verdict = true, redHatVerdict(s)
	case csaf.UnderInvestigation:
		x.open, x.verdict = true, vuln.Investigating
	case csaf.NotAffected:
		x.never = true
	}
}

// redHatVerdict reads what is planned.
func redHatVerdict(s *csaf.Statement) vuln.Verdict {
	for _, r := range s.Remediations {
		details := strings.ToLower(r.Details)
		switch {
		case r.Category == csaf.NoFixPlanned && strings.Contains(details, "out of support"):
			return vuln.EndOfLife
		case r.Category == csaf.NoFixPlanned:
			return vuln.WillNotFix
		case r.Category == csaf.NoneAvailable && strings.Contains(details, "deferred"):
			return vuln.Deferred
		}
	}
	return vuln.NoVerdict
}

// statements makes rows. What is said of a source package holds for what is built
// of it, so that built packages have rows only where nothing is said of any source.
func (b *redHatBuilder) statements() []statement {
	type place struct{ major, module string }
	bySource := map[place]bool{}
	for key := range b.said {
		if key.source {
			bySource[place{key.major, key.module}] = true
		}
	}
	var list []statement
	for key, x := range b.said {
		name := vuln.ModularName(key.module, key.name)
		switch {
		case key.source:
			name = vuln.SourceName(name)
		case bySource[place{key.major, key.module}]:
			continue
		}
		s := statement{scope: "Red Hat:" + key.major, name: name}
		s.Urgency = x.urgency
		switch {
		case x.fixed != "":
			s.Intervals = []vuln.Interval{{To: x.fixed}}
		case x.open:
			s.Intervals, s.Verdict = []vuln.Interval{{}}, x.verdict
		case x.never:
			s.Verdict = vuln.NotAffected
		}
		list = append(list, s)
	}
	return list
}

// redHatProduct says what a product is: an rpm in Red Hat Enterprise Linux, with
// its version where it has one. ok is false for other products, and for the update
// streams of older minor releases, which say nothing of the newest one.
func redHatProduct(p *csaf.Product) (key redHatKey, version string, ok bool) {
	for q := range p.Each {
		if q.CPE != "" && key.major == "" {
			key.major = redHatMajor(q.CPE)
		}
		if key.module == "" {
			if rest, ok := strings.CutPrefix(q.PURL, "pkg:rpmmod/redhat/"); ok {
				rest, _, _ = strings.Cut(rest, "?")
				key.module = moduleStream(strings.Replace(rest, "@", ":", 1))
			}
		}
	}
	if key.major == "" {
		return key, "", false
	}
	c := p.Component()
	if c.PURL == "" { // the name of a source package, after that of a module
		key.source, key.name = true, c.ID
		if module, name, ok := strings.Cut(c.ID, "/"); ok {
			key.module, key.name = moduleStream(module), name
			return key, "", key.module != ""
		}
		return key, "", true
	}
	rest, ok := strings.CutPrefix(c.PURL, "pkg:rpm/redhat/")
	if !ok {
		return key, "", false
	}
	rest, query, _ := strings.Cut(rest, "?")
	name, version, _ := strings.Cut(rest, "@")
	q, err := url.ParseQuery(query)
	if err != nil {
		return key, "", false
	}
	if module := q.Get("rpmmod"); module != "" {
		if key.module = moduleStream(module); key.module == "" {
			return key, "", false // such as a Flatpak, which is no rpm of the system
		}
	}
	name, err1 := url.PathUnescape(name)
	version, err2 := url.PathUnescape(version)
	if err1 != nil || err2 != nil || name == "" {
		return key, "", false
	}
	if epoch := q.Get("epoch"); epoch != "" && version != "" {
		version = epoch + ":" + version
	}
	arch := q.Get("arch")
	key.name, key.source = name, arch == "src" || arch == ""
	return key, version, true
}

// redHatMajor returns the release of a CPE such as
// cpe:/a:redhat:enterprise_linux:9::appstream, "" when it is of another product.
func redHatMajor(cpe string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(cpe, "cpe:/o:"), "cpe:/a:")
	rest, ok := strings.CutPrefix(rest, "redhat:enterprise_linux:")
	if !ok {
		return ""
	}
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	if n < len(rest) && rest[n] != ':' && rest[n] != '.' {
		return ""
	}
	return rest[:n]
}

// moduleStream returns name and stream of a module such as
// nodejs:18:8100020240613122040:25e700aa, "" when it has none.
func moduleStream(module string) string {
	parts := strings.SplitN(module, ":", 3)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return ""
	}
	return parts[0] + ":" + parts[1]
}
