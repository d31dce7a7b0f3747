package attack

import (
	"errors"
	"slices"
)

// Query asks for paths between places, named as [Graph.Source] and [Graph.Target]
// take them. Namespaces, when there are any, leave out what starts elsewhere.
type Query struct {
	From, To   string
	Namespaces []string
}

// Ends are the vertices that a query names.
type Ends struct {
	From    []ID // where paths begin
	Entries []ID // where they begin for counting, see [Graph.Entries]
	To      []ID // reaching one of them is enough

	within bool // of the internet's steps, only those to Entries
}

// EndError says which end of a query is wrong.
type EndError struct {
	Target bool
	Err    error
}

func (e *EndError) Error() string { return e.Err.Error() }
func (e *EndError) Unwrap() error { return e.Err }

// Ends finds the places of a query; every error is an [EndError].
func (g *Graph) Ends(q Query) (Ends, error) {
	var e Ends
	var err error
	if e.To, err = g.Target(q.To); err != nil {
		return e, &EndError{true, err}
	}
	if e.From, err = g.Source(q.From); err != nil {
		return e, &EndError{false, err}
	}
	e.Entries = g.Entries(e.From)
	if len(q.Namespaces) == 0 {
		return e, nil
	}
	e.within = true
	e.Entries = slices.DeleteFunc(e.Entries, func(v ID) bool { return !slices.Contains(q.Namespaces, g.Vertex(v).Namespace) })
	if !slices.Contains(e.From, g.internet) {
		e.From = e.Entries
	}
	return e, nil
}

// identity names a vertex across graphs.
type identity struct {
	kind                       VertexKind
	namespace, name, container string
}

// reaching returns the entries that have a path, with the weight of the shortest.
func (g *Graph) reaching(d *Distances, e Ends) map[identity]int32 {
	all := map[identity]int32{}
	for _, v := range e.Entries {
		if d.of[v] != unreachable {
			x := g.Vertex(v)
			all[identity{x.Kind, x.Namespace, x.Name, x.Container}] = d.of[v]
		}
	}
	return all
}

// reachingAfter does so in the graph after a change, which may take the source
// away. That it takes the target away is an error.
func (g *Graph) reachingAfter(q Query) (map[identity]int32, error) {
	e, err := g.Ends(q)
	if wrong, ok := errors.AsType[*EndError](err); ok && !wrong.Target && errors.Is(err, ErrUnknownPlace) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return g.reaching(g.Distances(e.To...), e), nil
}
