package reach

import (
	"hash/maphash"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

const nameLabel = "kubernetes.io/metadata.name"

// selector selects pods by labels of their namespace and their own.
type selector struct {
	within     string // the only namespace, if not ""
	namespaces terms
	pods       terms
	why        Reasons // it asks for more, which is not decided
}

// terms are requirements that labels must all meet.
type terms struct {
	id    uint64 // equal for equal terms; 0 for none
	list  []requirement
	never bool // what the API server would refuse
}

type requirement struct {
	key    string
	op     labelOp
	values []string
}

type labelOp uint8

const (
	opIn labelOp = iota
	opNotIn
	opExists
	opDoesNotExist
)

var labelOps = map[string]labelOp{"In": opIn, "NotIn": opNotIn, "Exists": opExists, "DoesNotExist": opDoesNotExist}

// readTerms reads a LabelSelector.
func readTerms(n *tree.Node) terms {
	var t terms
	for i := range n.Get("matchLabels").Children() {
		l := n.Get("matchLabels").Children()[i]
		t.list = append(t.list, requirement{key: l.Key(), values: []string{l.Str()}})
	}
	expressions := n.Get("matchExpressions")
	for i := range expressions.Children() {
		r, ok := readRequirement(expressions.At(i))
		t.never = t.never || !ok
		t.list = append(t.list, r)
	}
	if len(t.list) > 0 {
		t.id = n.Hash() | 1
	}
	return t
}

func readRequirement(n *tree.Node) (requirement, bool) {
	op, ok := labelOps[n.Get("operator").Str()]
	r := requirement{key: n.Get("key").Str(), op: op}
	for i := range n.Get("values").Children() {
		r.values = append(r.values, n.Get("values").At(i).Str())
	}
	return r, ok && (op == opIn || op == opNotIn) == (len(r.values) > 0)
}

var termSeed = maphash.MakeSeed()

// termsOf makes terms of requirements.
func termsOf(list []requirement) terms {
	if len(list) == 0 {
		return terms{}
	}
	var text strings.Builder
	for _, r := range list {
		text.WriteString(r.key)
		text.WriteByte(byte(r.op))
		for _, v := range r.values {
			text.WriteString(v)
			text.WriteByte(0)
		}
		text.WriteByte(1)
	}
	return terms{id: maphash.String(termSeed, text.String()) | 1, list: list}
}

// labelled says which of the numbered things, pods or namespaces, have a label.
type labelled struct {
	n       int
	all     bitset
	has     map[string]bitset // by key
	value   map[[2]string]bitset
	unknown map[string]bitset // by key: whether and with which value is not known
	opaque  bitset            // of these no label is known but those in has
	why     Reasons           // of unknown labels
	memo    map[uint64]*labelMatch
}

// labelMatch is what terms match for certain, and what they may match.
type labelMatch struct {
	must, may bitset
	why       Reasons
}

func newLabelled(n, bits int, why Reasons) *labelled {
	l := &labelled{
		n: n, all: newBits(bits), has: map[string]bitset{}, value: map[[2]string]bitset{}, unknown: map[string]bitset{}, opaque: newBits(bits),
		why: why, memo: map[uint64]*labelMatch{},
	}
	l.all.fill(0, int32(n))
	return l
}

func (l *labelled) add(i int32, key, value string) {
	mark(l.has, key, i, len(l.all))
	mark(l.value, [2]string{key, value}, i, len(l.all))
}

func (l *labelled) doubt(i int32, key string) { mark(l.unknown, key, i, len(l.all)) }

func mark[K comparable](m map[K]bitset, key K, i int32, words int) {
	s := m[key]
	if s == nil {
		s = make(bitset, words)
		m[key] = s
	}
	s.add(i)
}

func (l *labelled) match(t terms) *labelMatch {
	if known := l.memo[t.id]; known != nil {
		return known
	}
	m := &labelMatch{must: slices.Clone(l.all), may: slices.Clone(l.all)}
	if t.never {
		clear(m.must)
		clear(m.may)
	}
	for _, r := range t.list {
		l.narrow(m, r)
	}
	if !slices.Equal(m.must, m.may) {
		m.why = l.why
	}
	l.memo[t.id] = m
	return m
}

// narrow applies one requirement.
func (l *labelled) narrow(m *labelMatch, r requirement) {
	unknown := l.opaque
	if len(l.has[r.key]) > 0 {
		unknown = unknown.without(l.has[r.key])
	}
	if s := l.unknown[r.key]; s != nil {
		unknown = slices.Clone(unknown)
		unknown.or(s)
	}
	met := make(bitset, len(l.all)) // by those that have the label
	switch r.op {
	case opIn, opNotIn:
		for _, v := range r.values {
			met.or(l.value[[2]string{r.key, v}])
		}
	default:
		met.or(l.has[r.key])
	}
	if r.op == opNotIn || r.op == opDoesNotExist {
		met = l.all.without(met)
	}
	met.andNot(unknown)
	m.must.and(met)
	met.or(unknown)
	m.may.and(met)
}
