package advisory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/vuln"
)

// debianReleases are the numbers of Debian's code names. A release that is not
// here is passed over, as no installed system says that it is it.
var debianReleases = map[string]string{
	"stretch": "9", "buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "duke": "15",
}

type debianCVE struct {
	Description string                   `json:"description"`
	Releases    map[string]debianRelease `json:"releases"`
}

type debianRelease struct {
	Status       string `json:"status"`
	FixedVersion string `json:"fixed_version"`
	Urgency      string `json:"urgency"`
	NoDSAReason  string `json:"nodsa_reason"`
}

// debianTracker reads the JSON of the Debian security tracker: for each source
// package its CVEs, for each of these the releases. It is read record by record.
func debianTracker(r io.Reader, in *intake) error {
	m := &meter{r: r}
	m.renew()
	d := json.NewDecoder(m)
	return eachField(d, m, func(name string) error {
		return eachField(d, m, func(id string) error {
			var cve debianCVE
			if err := d.Decode(&cve); err != nil {
				var typed *json.UnmarshalTypeError
				if errors.As(err, &typed) {
					in.lose(loss{id, name}, name+" "+id, err)
					return nil
				}
				return err
			}
			return in.advisory(&vuln.Advisory{ID: id, Summary: cve.Description}, cve.statements(name, id, in))
		})
	})
}

// eachItem calls yield with each item of one list of an object, which yield decodes,
// and its number from 1. What else the object has is passed over.
func eachItem(r io.Reader, list string, yield func(d *json.Decoder, n int) error) error {
	m := &meter{r: r}
	m.renew()
	d := json.NewDecoder(m)
	return eachField(d, m, func(key string) error {
		if key != list {
			var skipped json.RawMessage
			return d.Decode(&skipped)
		}
		if err := delimiter(d, '['); err != nil {
			return err
		}
		for n := 1; d.More(); n++ {
			m.renew()
			if err := yield(d, n); err != nil {
				return err
			}
		}
		return delimiter(d, ']')
	})
}

// eachField calls yield with each key of an object; yield reads the value.
func eachField(d *json.Decoder, m *meter, yield func(key string) error) error {
	if err := delimiter(d, '{'); err != nil {
		return err
	}
	for d.More() {
		m.renew()
		token, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if err := yield(key); err != nil {
			return err
		}
	}
	return delimiter(d, '}')
}

func delimiter(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err == nil && token != want {
		err = fmt.Errorf("at byte %d there is no %q", d.InputOffset(), want.String())
	}
	return err
}

func (c *debianCVE) statements(name, id string, in *intake) []statement {
	var list []statement
	for _, codename := range slices.Sorted(maps.Keys(c.Releases)) {
		number, known := debianReleases[codename]
		if !known {
			continue
		}
		r := c.Releases[codename]
		s := statement{scope: "Debian:" + number, name: name}
		switch r.Urgency {
		case "unimportant", "low", "medium", "high":
			s.Urgency = r.Urgency
		}
		switch {
		case r.Status == "resolved" && r.FixedVersion == "0":
			s.Verdict = vuln.NotAffected
		case r.Status == "resolved" && vuln.Dpkg.Valid(r.FixedVersion):
			s.Intervals = []vuln.Interval{{To: r.FixedVersion}}
		case r.Status == "open" || r.Status == "undetermined":
			s.Intervals = []vuln.Interval{{}}
			s.Verdict = r.verdict()
		default:
			in.lose(loss{id, name}, name+" "+id, fmt.Errorf("status %.40q with version %.80q in %s is not understood", r.Status, r.FixedVersion, codename))
			continue
		}
		list = append(list, s)
	}
	return list
}

func (r *debianRelease) verdict() vuln.Verdict {
	switch {
	case r.Status == "undetermined":
		return vuln.Investigating
	case strings.HasPrefix(r.Urgency, "end-of-life"):
		return vuln.EndOfLife
	case r.NoDSAReason == "ignored":
		return vuln.WillNotFix
	case r.NoDSAReason == "postponed":
		return vuln.Deferred
	}
	return vuln.NoVerdict
}

type alpineDatabase struct {
	Version  string `json:"distroversion"`
	Packages []struct {
		Package struct {
			Name  string              `json:"name"`
			Fixes map[string][]string `json:"secfixes"`
		} `json:"pkg"`
	} `json:"packages"`
}

// maxAlpine bounds a secdb, which is read whole: the largest are about 1 MB.
const maxAlpine = 64 << 20

// alpineSecdb reads a secdb of Alpine: for each source package and version the
// vulnerabilities that the version fixes. Version 0 says that it never had them.
func alpineSecdb(r io.Reader, in *intake) error {
	var db alpineDatabase
	text, err := io.ReadAll(io.LimitReader(r, maxAlpine+1))
	if err != nil {
		return err
	}
	if len(text) > maxAlpine {
		return fmt.Errorf("it is larger than %d MB", maxAlpine>>20)
	}
	if err := json.Unmarshal(text, &db); err != nil {
		return err
	}
	if !strings.HasPrefix(db.Version, "v") {
		return fmt.Errorf("distroversion %.40q is no release of Alpine", db.Version)
	}
	for _, p := range db.Packages {
		byID := map[string][]statement{}
		aliases := map[string][]string{}
		for _, version := range slices.Sorted(maps.Keys(p.Package.Fixes)) {
			s := statement{scope: "Alpine:" + db.Version, name: p.Package.Name}
			switch {
			case version == "0":
				s.Verdict = vuln.NotAffected
			case vuln.Apk.Valid(version):
				s.Intervals = []vuln.Interval{{To: version}}
			default:
				in.fail(p.Package.Name, fmt.Errorf("%.80q is no version of Alpine", version))
				for _, names := range p.Package.Fixes[version] {
					for id := range secdbNames(names) {
						in.keep(loss{id, p.Package.Name})
					}
				}
				continue
			}
			for _, names := range p.Package.Fixes[version] {
				for id, others := range secdbNames(names) {
					byID[id] = append(byID[id], s)
					aliases[id] = append(aliases[id], others...)
				}
			}
		}
		for _, id := range slices.Sorted(maps.Keys(byID)) {
			slices.Sort(aliases[id])
			if err := in.advisory(&vuln.Advisory{ID: id, Aliases: slices.Compact(aliases[id])}, byID[id]); err != nil {
				return err
			}
		}
	}
	return nil
}

// secdbNames reads an entry of a secdb: the ids in it, each with its other names. Beside
// one CVE all else is another name of it; without one, behind the first.
func secdbNames(entry string) map[string][]string {
	ids := map[string][]string{}
	var others []string
	for _, name := range strings.Fields(entry) {
		if vuln.CVE(name) != "" {
			ids[name] = nil
		} else if fits(name) && strings.Contains(name, "-") {
			others = append(others, name)
		}
	}
	switch {
	case len(ids) == 0 && len(others) > 0:
		ids[others[0]] = others[1:]
	case len(ids) == 1:
		for id := range ids {
			ids[id] = others
		}
	default: // whose they are is not said
		for _, id := range others {
			ids[id] = nil
		}
	}
	return ids
}
