package vuln

import "fmt"

// word is what a distribution says of one of its packages, which holds for the
// language packages inside of it too: distributions mend without changing upstream
// version numbers.
type word struct {
	owner  *Package
	states map[string]string // by id: what the distribution says
}

// of returns the reason, and whether the distribution's word takes the place of
// what upstream says. Where the distribution is silent upstream's stands.
func (w *word) of(id string) (why string, stands bool) {
	if says, ok := w.states[id]; ok {
		return fmt.Sprintf("its files are of the package %s %s, of which the distribution says: %s", w.owner.Name, w.owner.Version, says), true
	}
	return fmt.Sprintf("its files are of the package %s %s, and the distribution says nothing of it there", w.owner.Name, w.owner.Version), false
}

// ownerOf returns the index of the distribution's package that brings a language's, -1
// when none does.
func ownerOf(packages []Package, i int) int {
	k := packages[i].Owner
	if k < 0 || k >= len(packages) || k == i || IsDistribution(packages[i].Ecosystem) || !IsDistribution(packages[k].Ecosystem) {
		return -1
	}
	return k
}

// ownersWord returns what the distribution says of the package that owns another
// one, nil when none does or there is no data on it.
func (m *matcher) ownersWord(i int) (*word, error) {
	k := ownerOf(m.packages, i)
	if k < 0 {
		return nil, nil
	}
	owner := &m.packages[k]
	scope := Scope(owner.Ecosystem, owner.of(m.release))
	if scope == "" || !m.source.Covers(scope) {
		return nil, nil
	}
	said, err := m.wordOf(k, scope)
	if err != nil {
		return nil, err
	}
	w := &word{owner: owner, states: map[string]string{}}
	own := map[string]bool{} // ids on which the distribution's own feed speaks
	for i := range said {
		if s := &said[i]; s.ranges() || s.isNative() && s.Verdict == NotAffected {
			own[CVE(s.ID)] = true
		}
	}
	for i := range said {
		s := &said[i]
		names, err := m.names(s.ID)
		if err != nil {
			return nil, err
		}
		for _, id := range names {
			if own[id] && !s.isNative() {
				continue
			}
			w.add(id, s)
		}
	}
	return w, nil
}

// wordOf returns what sources say of the owner of a package.
func (m *matcher) wordOf(k int, scope string) ([]said, error) {
	mine := m.said // those of the package itself are still in use
	m.said = m.word
	list, err := m.statements(k, scope)
	m.word, m.said = m.said, mine
	return list, err
}

// add notes what a statement says of a vulnerability. That it is there outweighs
// that it is not in this version, and that the package never was affected all.
func (w *word) add(id string, s *said) {
	before := w.states[id]
	switch {
	case s.Verdict == NotAffected || before == notAffected:
		w.states[id] = notAffected
	case s.standing == outside && before == "":
		w.states[id] = "not in this version"
	case s.standing == inside && s.fix != "":
		w.states[id] = "affected, and reported there, fixed in " + s.fix
	case s.standing == inside:
		w.states[id] = "affected, and reported there"
	}
}

const notAffected = "not affected"
