package policy

import (
	"errors"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// maxText is the longest text, in bytes, that replace and join make for a rule
// of users. CEL notices what a call cost after it was made; these two can fill
// the memory before.
const maxText = 1 << 20

var errText = errors.New("an expression makes a text of more than 1 MiB")

// bounded plans replace and join such that they measure their result first.
func bounded(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok {
		return i, nil
	}
	switch call.Function() {
	case "replace":
		return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), replaceText), nil
	case "join":
		return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), joinTexts), nil
	}
	return i, nil
}

// replaceText is TEXT.replace(OLD, NEW) and TEXT.replace(OLD, NEW, LIMIT).
func replaceText(args ...ref.Val) ref.Val {
	text, ok := args[0].(types.String)
	old, okOld := args[1].(types.String)
	replacement, okNew := args[2].(types.String)
	limit := types.Int(-1)
	okLimit := true
	if len(args) > 3 {
		limit, okLimit = args[3].(types.Int)
	}
	if !ok || !okOld || !okNew || !okLimit {
		return types.NoSuchOverloadErr()
	}
	count := int64(strings.Count(string(text), string(old)))
	if limit >= 0 {
		count = min(count, int64(limit))
	}
	if int64(len(text))+count*int64(len(replacement)) > maxText {
		return types.WrapErr(errText)
	}
	return types.String(strings.Replace(string(text), string(old), string(replacement), int(count)))
}

// joinTexts is LIST.join() and LIST.join(SEPARATOR).
func joinTexts(args ...ref.Val) ref.Val {
	list, ok := args[0].(traits.Lister)
	separator, okSeparator := types.String(""), true
	if len(args) > 1 {
		separator, okSeparator = args[1].(types.String)
	}
	if !ok || !okSeparator {
		return types.NoSuchOverloadErr()
	}
	var b strings.Builder
	for it := list.Iterator(); it.HasNext() == types.True; {
		item := it.Next()
		if types.IsUnknown(item) {
			return item
		}
		s, ok := item.(types.String)
		if !ok {
			return types.NoSuchOverloadErr()
		}
		if b.Len()+len(separator)+len(s) > maxText {
			return types.WrapErr(errText)
		}
		b.WriteString(string(s))
		if it.HasNext() == types.True {
			b.WriteString(string(separator))
		}
	}
	return types.String(b.String())
}
