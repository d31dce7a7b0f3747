package vuln

import "fmt"

// word is what a distribution says of one of its packages, which holds for the
// language packages inside of it too: distributions mend without changing upstream
// version numbers.
type word struct {
	owner   *Package
	version string
	states  map[string]string // by id: what the distribution says
}

// of returns the reason, and whether the distribution's word takes the place of
// what upstream says. Where the distribution is silent upstream's stands.
func (w *word) of(id string) (why string, stands bool) {
	if says, ok := w.states[id]; ok {
		return fmt.Sprintf("its files are of the package %s %s, of which the distribution says: %s", w.owner.Name, w.owner.Version, says), true
	}
	return fmt.Sprintf("its files are of the package %s %s, and the distribution says nothing of it there", w.owner.Name, w.owner.Version), false
}

// ownersWord returns what the distribution says of the package that owns another
// one, nil when none does or there is no data on it.
func (m *matcher) ownersWord(i int) (*word, error) {
	k := m.packages[i].Owner
	if k < 0 || k >= len(m.packages) || k == i || isDistribution(m.packages[i].Ecosystem) || !isDistribution(m.packages[k].Ecosystem) {
		return nil, nil
	}
	owner := &m.packages[k]
	scope := Scope(owner.Ecosystem, m.release)
	if scope == "" || !m.source.Covers(scope) {
		return nil, nil
	}
	list, version, err := m.statements(k, scope)
	if err != nil {
		return nil, err
	}
	w := &word{owner: owner, version: version, states: map[string]string{}}
	own, o := native(list), OrderOf(owner.Ecosystem)
	for _, a := range list {
		names, err := m.names(a.ID)
		if err != nil {
			return nil, err
		}
		for _, id := range names {
			if n := own[id]; n != nil && n != a {
				continue // the distribution's own feed says it
			}
			standing, fix := a.stands(o, version)
			switch {
			case a.Verdict == NotAffected:
				w.states[id] = "not affected"
			case standing == outside && w.states[id] == "":
				w.states[id] = "not in this version"
			case standing == inside && fix != "":
				w.states[id] = "affected, and reported there, fixed in " + fix
			case standing == inside:
				w.states[id] = "affected, and reported there"
			}
		}
	}
	return w, nil
}
