package advisory

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"ullage.dev/ullage/internal/vuln"
)

type kevEntry struct {
	ID         string `json:"cveID"`
	Added      string `json:"dateAdded"`
	Due        string `json:"dueDate"`
	Ransomware string `json:"knownRansomwareCampaignUse"`
}

// kevCatalog reads CISA's catalogue of known exploited vulnerabilities.
func kevCatalog(r io.Reader, in *intake) error {
	return eachItem(r, "vulnerabilities", func(d *json.Decoder, n int) error {
		var e kevEntry
		if err := d.Decode(&e); err != nil {
			return err
		}
		return in.exploited(&e, n)
	})
}

func (in *intake) exploited(e *kevEntry, n int) error {
	added, err := time.Parse(time.DateOnly, e.Added)
	if vuln.CVE(e.ID) != e.ID || e.ID == "" || err != nil {
		in.lose(loss{id: e.ID}, fmt.Sprintf("entry %d", n), fmt.Errorf("cveID %.40q, dateAdded %.40q: it is no entry", e.ID, e.Added))
		return nil
	}
	if _, err := time.Parse(time.DateOnly, e.Due); err != nil {
		e.Due = ""
	}
	in.from.Records++
	if added.After(in.from.Newest) {
		in.from.Newest = added
	}
	known := vuln.Exploited{Added: e.Added, Due: e.Due, Ransomware: e.Ransomware == "Known"}
	return in.row(idGroup(e.ID), e.ID, appendExploited(in.buf[:0], &known))
}

// maxScores bounds the lines of EPSS: there are about 300,000 CVEs.
const maxScores = 5_000_000

// epssScores reads the CSV of EPSS scores.
func epssScores(r io.Reader, in *intake) error {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if n > maxScores {
			return fmt.Errorf("it has more than %d lines", maxScores)
		}
		line := lines.Text()
		if date, ok := strings.CutPrefix(line, "#"); ok {
			_, date, _ = strings.Cut(date, "score_date:")
			if at := seconds(strings.Replace(date, "+0000", "Z", 1)); at > 0 {
				in.from.Newest = time.Unix(at, 0).UTC()
			}
			continue
		}
		if strings.HasPrefix(line, "cve,") {
			continue
		}
		if err := in.score(line, n); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return errors.New("a line of it is too long")
	}
	return lines.Err()
}

func (in *intake) score(line string, n int) error {
	id, rest, _ := strings.Cut(line, ",")
	probability, percentile, _ := strings.Cut(rest, ",")
	p, err1 := strconv.ParseFloat(probability, 64)
	q, err2 := strconv.ParseFloat(percentile, 64)
	if id == "" || vuln.CVE(id) != id || err1 != nil || err2 != nil || !(p >= 0 && p <= 1) || !(q >= 0 && q <= 1) {
		in.lose(loss{id: id}, fmt.Sprintf("line %d", n), fmt.Errorf("%.80q is no score", line))
		return nil
	}
	in.from.Records++
	return in.row(idGroup(id), id, appendEPSS(in.buf[:0], &vuln.EPSS{Probability: p, Percentile: q}))
}
