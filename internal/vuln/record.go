package vuln

import (
	"slices"
)

// Record is what is known of one id, folded over all feeds.
type Record struct {
	// Names are the other names that advisories of the id have, and the ids of those that
	// name it as the same vulnerability; sorted.
	Names []string
	// Aliases are those of Names that stand for the same vulnerability: of advisories that
	// are on one alone, and are not withdrawn.
	Aliases   []string
	Summary   string
	Published int64 // the first time, seconds since 1970, 0 when not known
	Rating    Rating
	Exploited *Exploited
	EPSS      *EPSS
}

// Rating is how severe advisories say that a vulnerability is.
type Rating struct {
	Score  float64 // of Vector
	Vector string  // of the newest version of CVSS, and of these the worst; "" when there is none
	By     string  // the advisory that it is from
	Word   string  // the first that says a level; "" when none does
	WordBy string
}

// add weighs another rating in, which comes after.
func (r *Rating) add(other *Rating) {
	if other.Vector != "" && (r.Vector == "" || newer(other.Vector) > newer(r.Vector) || newer(other.Vector) == newer(r.Vector) && other.Score > r.Score) {
		r.Score, r.Vector, r.By = other.Score, other.Vector, other.By
	}
	if r.Word == "" {
		r.Word, r.WordBy = other.Word, other.WordBy
	}
}

// Folder makes records of advisories. It remembers scores; it is for one goroutine.
type Folder struct{ scores map[string]float64 }

// mostScores bounds the scores that are remembered: real advisories have a few thousand
// vectors.
const mostScores = 1 << 16

// Fold makes the record of an id from the advisories that bear it, in the order in which
// they count, and the ids of others that name it as an alias of theirs.
func (f *Folder) Fold(id string, advisories []Advisory, namedBy []string) Record {
	r := Record{Names: slices.Clone(namedBy), Aliases: slices.Clone(namedBy)}
	for i := range advisories {
		a := &advisories[i]
		r.Names = append(r.Names, a.Aliases...)
		if a.Withdrawn {
			continue
		}
		if a.IsOnOne() {
			r.Aliases = append(r.Aliases, a.Aliases...)
		}
		if r.Summary == "" {
			r.Summary = a.Summary
		}
		if a.Published != 0 && (r.Published == 0 || a.Published < r.Published) {
			r.Published = a.Published
		}
		rating := f.rating(a)
		r.Rating.add(&rating)
	}
	r.Names, r.Aliases = set(r.Names, id), set(r.Aliases, id)
	return r
}

// set sorts a list and takes out what is there twice, and one more.
func set(list []string, without string) []string {
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == without })
}

func (f *Folder) rating(a *Advisory) (r Rating) {
	for _, vector := range a.Vectors {
		if score, ok := f.score(vector); ok {
			r.add(&Rating{Score: score, Vector: vector, By: a.ID})
		}
	}
	if levelOfWord(a.Severity) != UnknownLevel {
		r.Word, r.WordBy = a.Severity, a.ID
	}
	return r
}

// score is the score of a vector, of which few are given to many vulnerabilities.
func (f *Folder) score(vector string) (score float64, ok bool) {
	score, known := f.scores[vector]
	if !known {
		if score, ok = Score(vector); !ok {
			score = -1
		}
		if f.scores == nil || len(f.scores) >= mostScores {
			f.scores = map[string]float64{}
		}
		f.scores[vector] = score
	}
	return score, score >= 0
}

// Mutual returns the aliases that are to know of the advisory in turn: an alias holds both
// ways, and many are given on one side only. A CVE needs none, as all lead to it.
func (a *Advisory) Mutual() (names []string) {
	if a.Withdrawn || !a.IsOnOne() {
		return nil
	}
	for _, name := range a.Aliases {
		if CVE(name) == "" {
			names = append(names, name)
		}
	}
	return names
}

// IsOnOne says whether an advisory names one CVE at most. One that names several is on
// more than one vulnerability, so its other names are not those of each.
func (a *Advisory) IsOnOne() bool {
	cves := 0
	if a.ID != "" && CVE(a.ID) == a.ID {
		cves++
	}
	for _, alias := range a.Aliases {
		if alias != "" && CVE(alias) == alias {
			cves++
		}
	}
	return cves <= 1
}
