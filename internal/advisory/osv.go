package advisory

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/purl"
	"ullage.dev/ullage/internal/vuln"
)

// osvRecord is what is read of a record of the OSV schema.
type osvRecord struct {
	ID        string        `json:"id"`
	Modified  string        `json:"modified"`
	Published string        `json:"published"`
	Withdrawn string        `json:"withdrawn"`
	Aliases   []string      `json:"aliases"`
	Upstream  []string      `json:"upstream"`
	Related   []string      `json:"related"`
	Summary   string        `json:"summary"`
	Details   string        `json:"details"`
	Severity  []osvSeverity `json:"severity"`
	Affected  []osvAffected `json:"affected"`
	Database  osvDatabase   `json:"database_specific"`
}

type osvSeverity struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

// osvDatabase holds what sources add; as each adds what it likes, what is of
// another kind is passed over.
type osvDatabase struct {
	Severity, Urgency string
	// elsewhere says that the code in question is built for other systems than Linux
	// only, as records of Go tell of each import.
	elsewhere bool
}

func (d *osvDatabase) UnmarshalJSON(text []byte) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return nil
	}
	for name, to := range map[string]*string{"severity": &d.Severity, "urgency": &d.Urgency} {
		var word string
		if json.Unmarshal(fields[name], &word) == nil {
			*to = cut(word, 40)
		}
	}
	var imports []struct {
		Systems []string `json:"goos"`
	}
	if json.Unmarshal(fields["imports"], &imports) == nil && len(imports) > 0 {
		d.elsewhere = true
		for _, i := range imports {
			d.elsewhere = d.elsewhere && len(i.Systems) > 0 && !slices.Contains(i.Systems, "linux")
		}
	}
	return nil
}

type osvAffected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
		PURL      string `json:"purl"`
	} `json:"package"`
	Ranges []struct {
		Type   string              `json:"type"`
		Events []map[string]string `json:"events"`
	} `json:"ranges"`
	Versions  []string      `json:"versions"`
	Severity  []osvSeverity `json:"severity"`
	Ecosystem osvDatabase   `json:"ecosystem_specific"`
}

// osvZip reads an archive of one record a file, which is how OSV serves an
// ecosystem. An error is of the archive or of the disk.
func osvZip(r io.ReaderAt, size int64, in *intake) error {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return fmt.Errorf("it is no zip archive: %w", err)
	}
	for _, file := range archive.File {
		if !strings.HasSuffix(file.Name, ".json") {
			continue
		}
		text, err := zipped(file)
		if err != nil {
			in.lose(loss{id: recordID(file.Name)}, file.Name, err)
			continue
		}
		if err := osvOne(text, file.Name, in); err != nil {
			return err
		}
	}
	return nil
}

// recordID is the id of a record by the name of its file.
func recordID(name string) string { return strings.TrimSuffix(path.Base(name), ".json") }

func zipped(file *zip.File) ([]byte, error) {
	if file.UncompressedSize64 > maxRecord {
		return nil, errTooLarge
	}
	f, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err == nil && len(text) > maxRecord {
		err = errTooLarge
	}
	return text, err
}

// osvOne adds one record. An error is of the disk.
func osvOne(text []byte, name string, in *intake) error {
	var rec osvRecord
	if err := json.Unmarshal(text, &rec); err != nil {
		in.lose(loss{id: recordID(name)}, name, fmt.Errorf("it is no OSV record: %w", err))
		return nil
	}
	if rec.ID == "" {
		in.lose(loss{id: recordID(name)}, name, errors.New("it is no OSV record: it has no id"))
		return nil
	}
	a := &vuln.Advisory{
		ID: rec.ID, Aliases: rec.names(), Summary: rec.Summary, Withdrawn: rec.isWithdrawn(in.from.Fetched),
		Published: seconds(rec.Published), Modified: seconds(rec.Modified), Severity: rec.Database.Severity,
	}
	if strings.TrimSpace(a.Summary) == "" {
		a.Summary = rec.Details
	}
	for _, s := range rec.Severity {
		grade(a, s)
	}
	var statements []statement
	for i := range rec.Affected {
		if base, _, _ := strings.Cut(rec.Affected[i].Package.Ecosystem, ":"); "osv/"+base != in.feed {
			continue // a record on several ecosystems is in the feed of each
		}
		s, err := rec.Affected[i].statement(a)
		if err != nil {
			in.lose(loss{id: rec.ID}, rec.ID, err)
			return nil
		}
		if s != nil {
			statements = append(statements, *s)
		}
	}
	mutual := slices.DeleteFunc(a.Mutual(), func(name string) bool { return !slices.Contains(rec.Aliases, name) })
	return in.advisory(a, statements, mutual...)
}

// isWithdrawn says whether a record is withdrawn by a time. A word that is no time counts.
func (rec *osvRecord) isWithdrawn(now time.Time) bool {
	at, err := time.Parse(time.RFC3339, rec.Withdrawn)
	return rec.Withdrawn != "" && (err != nil || now.IsZero() || !at.After(now))
}

// grade adds a severity: a CVSS vector, or a word.
func grade(a *vuln.Advisory, s osvSeverity) {
	switch {
	case len(s.Score) > 300:
	case strings.HasPrefix(s.Type, "CVSS"):
		if !slices.Contains(a.Vectors, s.Score) {
			a.Vectors = append(a.Vectors, s.Score)
		}
	case a.Severity == "":
		a.Severity = cut(s.Score, 40)
	}
}

// names returns the other names of what a record is about: its aliases, and for a
// distribution's record what it was derived from.
func (rec *osvRecord) names() []string {
	list := append(slices.Clone(rec.Aliases), rec.Upstream...)
	if len(list) == 0 && !strings.HasPrefix(rec.ID, "GHSA-") && isBulletin(rec.ID) {
		list = append(list, rec.Related...)
	}
	list = slices.DeleteFunc(list, func(id string) bool { return !fits(id) || id == rec.ID })
	slices.Sort(list)
	return slices.Compact(list)
}

// isBulletin says whether an id is a distribution's announcement of fixes, whose
// related ids are what it fixes.
func isBulletin(id string) bool {
	for _, prefix := range []string{"DSA-", "DLA-", "DTSA-", "USN-", "RHSA-", "RHBA-", "RHEA-", "RLSA-", "RXSA-", "ALSA-", "ALBA-", "ALEA-", "SUSE-", "openSUSE-", "MGASA-"} {
		if strings.HasPrefix(id, prefix) {
			return true
		}
	}
	return false
}

// statement turns what a record says of a package into a statement, nil when it
// says nothing that installed versions can be held against.
func (f *osvAffected) statement(a *vuln.Advisory) (*statement, error) {
	if f.Package.Name == "" || f.Package.Ecosystem == "" {
		return nil, nil
	}
	scope := vuln.ScopeOf(f.Package.Ecosystem)
	s := &statement{scope: scope, name: vuln.NormalName(scope, f.Package.Name)}
	s.Versions, s.Urgency = f.Versions, f.Ecosystem.Urgency
	if s.Urgency == "" {
		s.Urgency = f.Ecosystem.Severity
	}
	for _, sev := range f.Severity {
		grade(a, sev)
	}
	order, commits := vuln.OrderOf(scope), false
	for _, r := range f.Ranges {
		if r.Type == "GIT" {
			commits = true
			continue
		}
		events, err := osvEvents(r.Events)
		if err != nil {
			return nil, err
		}
		if order == vuln.Rpm {
			f.addEpoch(events)
		}
		if slices.ContainsFunc(events, func(e vuln.Event) bool { return !order.Placed(e) }) {
			s.Verdict = vuln.Undecided
			continue
		}
		s.Intervals = append(s.Intervals, vuln.Intervals(order, events)...)
	}
	switch {
	case len(s.Intervals) > 0 || len(s.Versions) > 0 || s.Verdict == vuln.Undecided:
	case commits: // which installed versions do not tell
		s.Verdict = vuln.Undecided
	default:
		return nil, nil
	}
	if f.Ecosystem.elsewhere {
		s.Intervals, s.Versions, s.Verdict = nil, nil, vuln.NotAffected
	}
	return s, nil
}

// addEpoch adds the epoch to versions of rpm that lack it: records of Rocky Linux had it
// in the package URL alone.
func (f *osvAffected) addEpoch(events []vuln.Event) {
	u, err := purl.Parse(f.Package.PURL)
	epoch := u.Get("epoch")
	if err != nil || epoch == "" || epoch == "0" || strings.Trim(epoch, "0123456789") != "" {
		return
	}
	for i := range events {
		if e := &events[i]; e.Version != "0" && !strings.Contains(e.Version, ":") {
			e.Version = epoch + ":" + e.Version
		}
	}
}

func osvEvents(list []map[string]string) ([]vuln.Event, error) {
	kinds := map[string]vuln.EventKind{"introduced": vuln.Introduced, "fixed": vuln.Fixed, "last_affected": vuln.LastAffected, "limit": vuln.Limit}
	var events []vuln.Event
	for _, e := range list {
		for name, version := range e {
			kind, known := kinds[name]
			switch {
			case !known:
				return nil, fmt.Errorf("an event of a range is %.40q, which is not known", name)
			case !fits(version):
				return nil, fmt.Errorf("%.80q in a range is no version", version)
			default:
				events = append(events, vuln.Event{Kind: kind, Version: version})
			}
		}
	}
	slices.SortStableFunc(events, func(a, b vuln.Event) int { return int(a.Kind) - int(b.Kind) })
	return events, nil
}

// seconds reads a time, 0 when it is none.
func seconds(text string) int64 {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0
	}
	return max(t.Unix(), 0)
}
