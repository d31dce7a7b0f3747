package behavior

import (
	"encoding/json"
	"fmt"
	"slices"
)

// KindSet is a set of kinds. The zero value says that it is not known which: nobody
// looks for none.
type KindSet uint32

// KindsOf is the set of some kinds.
func KindsOf(kinds ...Kind) (s KindSet) {
	for _, k := range kinds {
		if i := slices.Index(Kinds, k); i >= 0 {
			s |= 1 << i
		}
	}
	return s
}

// Has reports whether a kind is in the set.
func (s KindSet) Has(k Kind) bool { return s&KindsOf(k) != 0 }

// List gives the kinds of the set in their order.
func (s KindSet) List() []Kind {
	return slices.DeleteFunc(slices.Clone(Kinds), func(k Kind) bool { return !s.Has(k) })
}

// Missing gives the kinds that are not in the set; none when it is not known.
func (s KindSet) Missing() []Kind {
	if s == 0 {
		return nil
	}
	return (^s).List()
}

// MarshalJSON writes the kinds as a list.
func (s KindSet) MarshalJSON() ([]byte, error) { return json.Marshal(s.List()) }

// UnmarshalJSON reads what MarshalJSON wrote, strictly.
func (s *KindSet) UnmarshalJSON(text []byte) error {
	var kinds []Kind
	if err := strictly(text, &kinds); err != nil {
		return err
	}
	for _, k := range kinds {
		if !slices.Contains(Kinds, k) {
			return fmt.Errorf("kind %q is not known", k)
		}
	}
	*s = KindsOf(kinds...)
	return nil
}
