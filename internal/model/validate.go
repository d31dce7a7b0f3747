package model

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"ullage.dev/ullage/internal/tree"
)

// validations are the checks of values beyond their types, by kind. They refuse
// what the API server refuses to create, in every version that serves the kind
// unless said otherwise there. What they let pass may still be refused.
var validations = map[GroupKind]func(*Object) *refusal{
	NetworkPolicyKind: refuseNetworkPolicy,
	{Group: "extensions", Kind: "NetworkPolicy"}:                            refuseNetworkPolicy,
	{Group: "policy.networking.k8s.io", Kind: "AdminNetworkPolicy"}:         refuseAdminPolicy,
	{Group: "policy.networking.k8s.io", Kind: "BaselineAdminNetworkPolicy"}: refuseAdminPolicy,
	{Group: "policy.networking.k8s.io", Kind: "ClusterNetworkPolicy"}:       refuseAdminPolicy,
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}:                      refuseEndpointSlice,
}

// refusal is a value that the API server refuses, and why.
type refusal struct {
	node *tree.Node
	why  string
}

// validate returns an error that says which value of an object the API server
// would refuse. The text of the value is in it: none of these kinds holds secrets.
func validate(o *Object) error {
	check := validations[o.Key.GroupKind]
	if check == nil {
		return nil
	}
	r := check(o)
	if r == nil {
		return nil
	}
	why := strings.TrimSpace(pathsTo(o.Root, r.node)[0].String() + " " + r.why)
	return fmt.Errorf("%s: %s/%s: the API server would refuse it: %s", o.Source.Place(r.node), o.Key.GroupKind, o.Key.Name, why)
}

func refuse(n *tree.Node, format string, args ...any) *refusal {
	return &refusal{n, fmt.Sprintf(format, args...)}
}

// quoted returns what is written in a scalar, shortened.
func quoted(n *tree.Node) string {
	text := n.Text()
	if runes := []rune(text); len(runes) > 70 {
		text = string(runes[:70]) + "..."
	}
	if n.Is(tree.String) {
		return fmt.Sprintf("%q", text)
	}
	return text
}

// absent reports whether there is no value, or one that is not known.
func absent(n *tree.Node) bool { return n.Kind() == tree.Null || n.Is(tree.Unknown) }

// eachOf returns the first refusal of an item of a list.
func eachOf(list *tree.Node, check func(*tree.Node) *refusal) *refusal {
	for i := range list.Children() {
		if item := list.At(i); !item.Is(tree.Unknown) {
			if r := check(item); r != nil {
				return r
			}
		}
	}
	return nil
}

// oneOf refuses a text that is none of those allowed. Absent ones pass.
func oneOf(n *tree.Node, allowed ...string) *refusal {
	if absent(n) || n.Is(tree.String) && slices.Contains(allowed, n.Str()) {
		return nil
	}
	return refuse(n, "is %s, not %s", quoted(n), strings.Join(allowed, " or "))
}

// intWithin refuses what is no integer of a range. Absent ones pass.
func intWithin(n *tree.Node, first, last int64) *refusal {
	if absent(n) {
		return nil
	}
	if v, ok := n.Int(); !ok || v < first || v > last {
		return refuse(n, "is %s, not an integer from %d to %d", quoted(n), first, last)
	}
	return nil
}

// ValidSelector reports whether a LabelSelector, which may be absent, is one that can
// be evaluated. The schemas of custom kinds let others pass.
func ValidSelector(n *tree.Node) bool { return refuseSelector(n) == nil }

// refuseSelector checks a LabelSelector. An absent one passes.
func refuseSelector(n *tree.Node) *refusal {
	labels := n.Get("matchLabels")
	for i := range labels.Children() {
		l := &labels.Children()[i]
		if !labelKey(l.Key()) {
			return refuse(l, "has the key %q, which is not that of a label", l.Key())
		}
		if !absent(l) && !labelValue(l.Str()) {
			return refuse(l, "is %s, which is not the value of a label", quoted(l))
		}
	}
	return eachOf(n.Get("matchExpressions"), refuseExpression)
}

func refuseExpression(n *tree.Node) *refusal {
	key, op, values := n.Get("key"), n.Get("operator"), n.Get("values")
	if key.Is(tree.Unknown) || op.Is(tree.Unknown) || values.Is(tree.Unknown) {
		return nil
	}
	switch op.Str() {
	case "In", "NotIn":
		if values.Len() == 0 {
			return refuse(n, "has no values, which %s needs", op.Str())
		}
	case "Exists", "DoesNotExist":
		if values.Len() > 0 {
			return refuse(values, "may not be given with %s", op.Str())
		}
	default:
		if op == nil {
			return refuse(n, "has no operator")
		}
		return refuse(op, "is %s, not In, NotIn, Exists or DoesNotExist", quoted(op))
	}
	switch {
	case key == nil:
		return refuse(n, "has no key")
	case !labelKey(key.Str()):
		return refuse(key, "is %s, which is not the key of a label", quoted(key))
	}
	return eachOf(values, func(v *tree.Node) *refusal {
		if labelValue(v.Str()) {
			return nil
		}
		return refuse(v, "is %s, which is not the value of a label", quoted(v))
	})
}

func labelKey(s string) bool {
	return s != "" && labelText(s) || len(validation.IsQualifiedName(s)) == 0
}

func labelValue(s string) bool { return labelText(s) || len(validation.IsValidLabelValue(s)) == 0 }

// labelText reports whether s is of the form of a label's value, which is also that
// of a key without a prefix; it may be empty. It spares most labels the regular
// expressions.
func labelText(s string) bool {
	if s == "" {
		return true
	}
	for i := range len(s) {
		c := s[i]
		if !alphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return len(s) <= validation.LabelValueMaxLength && alphanumeric(s[0]) && alphanumeric(s[len(s)-1])
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
