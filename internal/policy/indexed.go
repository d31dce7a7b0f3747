package policy

import (
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// minIndexed is the length from which lists are indexed.
const minIndexed = 64

// indexed plans LIST.indexOf and LIST.lastIndexOf such that a long list of texts
// is gone through once, and not again for each of its items.
func indexed(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok {
		return i, nil
	}
	switch call.OverloadID() {
	case "", "list_a_index_of_int", "list_a_last_index_of_int": // "" where the receiver may be a text too
	default:
		return i, nil
	}
	last := call.Function() == "lastIndexOf"
	if len(call.Args()) != 2 || !last && call.Function() != "indexOf" {
		return i, nil
	}
	x := &indexer{last: last}
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), x.find), nil
}

// indexer answers where the items of a list are. Evaluations that run at the
// same time each have a position table of their own; an unused one is forgotten.
type indexer struct {
	last   bool
	tables sync.Pool // of *positions
}

// positions are those of the texts of one list.
type positions struct {
	of  traits.Lister
	at  map[types.String]types.Int
	all bool // the list holds nothing but texts
}

func (x *indexer) find(args ...ref.Val) ref.Val {
	if text, ok := args[0].(types.String); ok {
		return x.inText(string(text), args[1])
	}
	list, ok := args[0].(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	size, ok := list.Size().(types.Int)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	text, ok := args[1].(types.String)
	if !ok || size < minIndexed || !reflect.TypeOf(list).Comparable() {
		return x.scan(list, size, args[1])
	}
	p, ok := x.tables.Get().(*positions)
	if !ok || p.of != list {
		p = x.index(list, size)
	}
	defer x.tables.Put(p)
	if !p.all {
		return x.scan(list, size, text)
	}
	if at, ok := p.at[text]; ok {
		return at
	}
	return types.Int(-1)
}

func (x *indexer) index(list traits.Lister, size types.Int) *positions {
	p := &positions{of: list, at: make(map[types.String]types.Int, size), all: true}
	for i := range size {
		text, ok := list.Get(i).(types.String)
		if !ok {
			return &positions{of: list}
		}
		if _, known := p.at[text]; !known || x.last {
			p.at[text] = i
		}
	}
	return p
}

// inText returns the position of a part of a text, in code points.
func (x *indexer) inText(text string, item ref.Val) ref.Val {
	part, ok := item.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(item)
	}
	at := strings.Index(text, string(part))
	if x.last {
		at = strings.LastIndex(text, string(part))
	}
	if at > 0 {
		at = utf8.RuneCountInString(text[:at])
	}
	return types.Int(at)
}

// scan compares item by item.
func (x *indexer) scan(list traits.Lister, size types.Int, item ref.Val) ref.Val {
	for i := range size {
		if x.last {
			i = size - 1 - i
		}
		if list.Get(i).Equal(item) == types.True {
			return i
		}
	}
	return types.Int(-1)
}
