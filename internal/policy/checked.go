package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	exprpb "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
	"google.golang.org/protobuf/proto"
)

// checkedExpressions are expressions of the rule library that were parsed and
// type-checked before the program was built: to read one costs a fifth of making
// it. The key is made of the text and the variables of the subject, so that an
// expression which has changed since is not found, and is compiled. What changes
// in the environment of all rules needs a new file; a test tells.
type checkedExpressions map[string]string

func (c checkedExpressions) get(names []string, text string) string {
	if len(c) == 0 {
		return ""
	}
	return c[checkedKey(names, text)]
}

// checkedKey identifies an expression in which the named variables exist.
func checkedKey(names []string, text string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, ",") + "\n" + text))
	return hex.EncodeToString(sum[:16])
}

// CheckExpressions type-checks all expressions of rules and returns them as
// text: a line for each, of its key and CEL's own serialized form. The result
// depends on the rules and the versions of CEL and protobuf alone.
func CheckExpressions(rules []*Rule) ([]byte, error) {
	var envs environments
	lines := map[string]string{}
	for _, r := range rules {
		plain := *r
		plain.stored = nil
		c := &compiled{Rule: &plain}
		c.expressions(&envs)
		for _, x := range slices.Concat(c.variables, c.conditions, c.validation, c.messages, c.whens) {
			if x == nil {
				continue
			}
			if _, err := x.check(); err != nil {
				return nil, err
			}
			form, err := encodeChecked(x.ast)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", x.what, err)
			}
			lines[checkedKey(r.Subject.variables(), x.text)] = form
		}
	}
	var out bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&out, "%s %s\n", key, lines[key])
	}
	return out.Bytes(), nil
}

// parseChecked reads what [CheckExpressions] wrote.
func parseChecked(text string) checkedExpressions {
	all := make(checkedExpressions, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		key, form, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		all[key] = form
	}
	return all
}

// encodeChecked leaves out what evaluation does not ask for: positions, and all
// types but that of the whole, of messages and of types.
func encodeChecked(a *cel.Ast) (string, error) {
	p, err := cel.AstToCheckedExpr(a)
	if err != nil {
		return "", err
	}
	p.SourceInfo = nil
	maps.DeleteFunc(p.TypeMap, func(id int64, t *exprpb.Type) bool {
		return id != p.Expr.Id && t.GetMessageType() == "" && t.GetType() == nil
	})
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	return base64.StdEncoding.EncodeToString(raw), err
}

func decodeChecked(form string) (*cel.Ast, error) {
	raw, err := base64.StdEncoding.DecodeString(form)
	if err != nil {
		return nil, fmt.Errorf("checked form: %w", err)
	}
	var p exprpb.CheckedExpr
	if err := proto.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("checked form: %w", err)
	}
	return cel.CheckedExprToAstWithSource(&p, nil)
}
