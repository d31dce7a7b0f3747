package advisory

// slabSize is how many elements share their memory at least.
const slabSize = 128

// slab gives out short lists that share memory: a lookup makes thousands of them.
type slab[T any] struct{ rest []T }

func (s *slab[T]) take(n int) []T {
	if n == 0 {
		return nil
	}
	if len(s.rest) < n {
		s.rest = make([]T, max(n, slabSize))
	}
	list := s.rest[:n:n]
	s.rest = s.rest[n:]
	return list
}
