package vuln

import (
	"strings"

	cvss2 "github.com/pandatix/go-cvss/20"
	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss4 "github.com/pandatix/go-cvss/40"
)

// Level is a severity in one word.
type Level uint8

// The levels, from the least. UnknownLevel stands apart: nobody has said.
const (
	UnknownLevel Level = iota
	Negligible
	Low
	Medium
	High
	Critical
)

var levelNames = [...]string{"unknown", "negligible", "low", "medium", "high", "critical"}

func (l Level) String() string { return levelNames[min(int(l), len(levelNames)-1)] }

// Severity is how bad a vulnerability is, and by whose word.
type Severity struct {
	Level  Level
	Score  float64 // CVSS base score, 0 when there is no vector
	Vector string  // that the score is of
	Word   string  // the source's own word, "" when it has none
	From   string  // the advisory or the feed that the level is from
	ByWord bool    // the level is the word, not the score
}

// Score returns the base score of a CVSS vector of version 2, 3.0, 3.1 or 4.0,
// and whether it is one.
func Score(vector string) (score float64, ok bool) {
	var err error
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		var v *cvss4.CVSS40
		if v, err = cvss4.ParseVector(vector); err == nil {
			return v.Score(), true
		}
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		var v *cvss31.CVSS31
		if v, err = cvss31.ParseVector(vector); err == nil {
			return v.BaseScore(), true
		}
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		var v *cvss30.CVSS30
		if v, err = cvss30.ParseVector(vector); err == nil {
			return v.BaseScore(), true
		}
	case strings.HasPrefix(vector, "AV:"):
		var v *cvss2.CVSS20
		if v, err = cvss2.ParseVector(vector); err == nil {
			return v.BaseScore(), true
		}
	}
	return 0, false
}

// newer ranks CVSS versions: where there are several, the newest counts.
func newer(vector string) int {
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		return 4
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		return 3
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		return 2
	}
	return 1
}

// LevelOf is the level of a score by the rating scale of CVSS 3 and 4.
func LevelOf(score float64) Level {
	switch {
	case score >= 9:
		return Critical
	case score >= 7:
		return High
	case score >= 4:
		return Medium
	case score > 0:
		return Low
	}
	return Negligible
}

// levelOfWord reads the words that sources use.
func levelOfWord(word string) Level {
	switch strings.ToLower(word) {
	case "critical":
		return Critical
	case "high", "important":
		return High
	case "medium", "moderate":
		return Medium
	case "low":
		return Low
	case "unimportant", "negligible", "none":
		return Negligible
	}
	return UnknownLevel
}

// severityOf weighs what advisories of a vulnerability say. For a package of a
// distribution the distribution's word counts, as it knows how it builds; then the
// newest CVSS vector; then any other word.
func severityOf(urgency, urgencyFrom string, r *Rating) Severity {
	s := Severity{Score: r.Score, Vector: r.Vector, Word: r.Word}
	switch {
	case levelOfWord(urgency) != UnknownLevel:
		s.Word, s.Level, s.From, s.ByWord = urgency, levelOfWord(urgency), urgencyFrom, true
	case r.Vector != "":
		s.Level, s.From = LevelOf(r.Score), r.By
	default:
		s.Level, s.From, s.ByWord = levelOfWord(r.Word), r.WordBy, true
	}
	return s
}
