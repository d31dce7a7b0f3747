package advisory

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/xi2/xz"

	"ullage.dev/ullage/internal/vuln"
)

// feedUbuntu is Ubuntu's VEX data: what becomes of each vulnerability in each
// release. In which version one is mended is not in it, as the versions that it
// names are the newest ones and not those that brought the fix; that is in the
// records of OSV. So it covers no scope by itself.
const feedUbuntu = "ubuntu"

// ubuntuReleases are the numbers of Ubuntu's code names.
var ubuntuReleases = map[string]string{
	"trusty": "14.04:LTS", "xenial": "16.04:LTS", "bionic": "18.04:LTS", "focal": "20.04:LTS", "jammy": "22.04:LTS", "lunar": "23.04", "mantic": "23.10",
	"noble": "24.04:LTS", "oracular": "24.10", "plucky": "25.04", "questing": "25.10", "resolute": "26.04:LTS",
}

// maxVEX bounds one document of Ubuntu: those on the kernel name each binary
// package of each kernel for each architecture.
const maxVEX = 256 << 20

// maxDictionary bounds what an archive may ask of memory to be unpacked: that of xz
// -9 is 64 MB.
const maxDictionary = 128 << 20

type ubuntuVEX struct {
	Metadata struct {
		Timestamp string `json:"timestamp"`
	} `json:"metadata"`
	Statements []ubuntuStatement `json:"statements"`
}

type ubuntuStatement struct {
	Vulnerability struct {
		Name string `json:"name"`
	} `json:"vulnerability"`
	Products      sourcePackages `json:"products"`
	Status        string         `json:"status"`
	Justification string         `json:"justification"`
	Notes         string         `json:"status_notes"`
	Action        string         `json:"action_statement"`
}

// sourcePackages are the package URLs of source packages in a list of products. The
// list is searched for them, as all but one of a thousand products are binary
// packages, which repeat what is said of their source.
type sourcePackages []string

func (s *sourcePackages) UnmarshalJSON(text []byte) error {
	mark := []byte("arch=source")
	if bytes.IndexByte(text, '\\') >= 0 { // written with escapes, the mark too may be
		var all []struct {
			ID string `json:"@id"`
		}
		if err := json.Unmarshal(text, &all); err != nil {
			return err
		}
		for _, p := range all {
			if strings.Contains(p.ID, string(mark)) {
				*s = append(*s, p.ID)
			}
		}
		return nil
	}
	for {
		i := bytes.Index(text, mark)
		if i < 0 {
			return nil
		}
		start, length := bytes.LastIndexByte(text[:i], '"')+1, bytes.IndexByte(text[i:], '"')
		if length < 0 {
			return nil // no string: the decoder has refused it before
		}
		*s = append(*s, string(text[start:i+length]))
		text = text[i+length:]
	}
}

// ubuntuArchive reads the archive of Ubuntu's VEX documents, one for each CVE.
func ubuntuArchive(r io.Reader, in *intake) error {
	z, err := xz.NewReader(r, maxDictionary)
	if err != nil {
		return fmt.Errorf("it is no xz archive: %w", err)
	}
	var text bytes.Buffer
	return eachMember(z, maxVEX, func(name string, size int64, r io.Reader) error {
		base := path.Base(name)
		if !strings.HasPrefix(base, "CVE-") || !strings.HasSuffix(base, ".json") {
			return nil
		}
		if size > maxVEX {
			in.lose(loss{id: documentID(name)}, name, errTooLarge)
			return nil
		}
		text.Reset()
		if _, err := text.ReadFrom(r); err != nil {
			return err
		}
		return ubuntuOne(text.Bytes(), name, in)
	})
}

// eachMember calls yield with the files of a tar archive. An error of the archive
// ends it.
func eachMember(r io.Reader, most int64, yield func(name string, size int64, r io.Reader) error) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("the archive is damaged: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := yield(h.Name, h.Size, io.LimitReader(t, most)); err != nil {
			return err
		}
	}
}

// ubuntuOne adds one document. An error is of the disk.
func ubuntuOne(text []byte, name string, in *intake) error {
	var doc ubuntuVEX
	if err := json.Unmarshal(text, &doc); err != nil {
		in.lose(loss{id: documentID(name)}, name, fmt.Errorf("it is no VEX document: %w", err))
		return nil
	}
	id := documentID(name)
	if len(doc.Statements) > 0 {
		id = doc.Statements[0].Vulnerability.Name
	}
	if vuln.CVE(id) != id {
		in.lose(loss{id: documentID(name)}, name, fmt.Errorf("%.80q is no CVE", id))
		return nil
	}
	var statements []statement
	for i := range doc.Statements {
		list, err := doc.Statements[i].statements()
		if err != nil {
			in.lose(loss{id: id}, id, err)
			return nil
		}
		statements = append(statements, list...)
	}
	a := &vuln.Advisory{ID: id}
	if at, err := time.Parse("2006-01-02T15:04:05", strings.TrimSuffix(doc.Metadata.Timestamp, "Z")); err == nil {
		a.Modified = at.Unix()
	}
	return in.advisory(a, statements)
}

// statements returns what a statement says of each source package. A fix says
// nothing here, nor that a release does not have a package.
func (s *ubuntuStatement) statements() ([]statement, error) {
	verdict := vuln.NoVerdict
	switch s.Status {
	case "fixed":
		return nil, nil
	case "not_affected":
		if s.Justification == "component_not_present" {
			return nil, nil
		}
		verdict = vuln.NotAffected
	case "affected":
		switch {
		case strings.Contains(s.Action, "decided to not fix"):
			verdict = vuln.WillNotFix
		case strings.Contains(s.Action, "no longer supported"):
			verdict = vuln.EndOfLife
		}
	case "under_investigation":
		verdict = vuln.Investigating
		if strings.Contains(s.Notes, "deferred") {
			verdict = vuln.Deferred
		}
	default:
		return nil, fmt.Errorf("the status %.40q is not known", s.Status)
	}
	var list []statement
	for _, p := range s.Products {
		x, ok := ubuntuProduct(p)
		if !ok {
			continue
		}
		// What subscribers get is another build: that the vulnerability was never in
		// it holds for both, that it is says nothing of what all get.
		if x.Verdict = verdict; verdict != vuln.NotAffected {
			if strings.HasPrefix(x.scope, "Ubuntu:Pro:") {
				continue
			}
			x.Intervals = []vuln.Interval{{}}
		}
		list = append(list, x)
	}
	return list, nil
}

// ubuntuProduct takes the package URL of a source package apart, as
// pkg:deb/ubuntu/openssl@3.0.2-0ubuntu1.18?arch=source&distro=esm-infra/jammy. ok is
// false for builds that are neither what all get nor what subscribers to updates get.
func ubuntuProduct(purl string) (s statement, ok bool) {
	rest, ok := strings.CutPrefix(purl, "pkg:deb/ubuntu/")
	if !ok {
		return s, false
	}
	rest, query, _ := strings.Cut(rest, "?")
	name, _, _ := strings.Cut(rest, "@")
	qualifiers, err := url.ParseQuery(query)
	if err != nil {
		return s, false
	}
	if s.name, err = url.PathUnescape(name); err != nil {
		return s, false
	}
	pocket, codename, both := strings.Cut(qualifiers.Get("distro"), "/")
	switch {
	case !both:
		codename, pocket = pocket, ""
	case codename == "esm": // of the oldest release
		codename, pocket = pocket, "esm-infra"
	}
	release, known := ubuntuReleases[codename]
	switch pocket {
	case "":
		s.scope = "Ubuntu:" + release
	case "esm-infra", "esm-apps", "esm-infra-legacy", "esm-apps-legacy":
		s.scope = "Ubuntu:Pro:" + release
	default:
		return s, false
	}
	return s, known
}
