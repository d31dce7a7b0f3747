package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// identifying are the fields by which Kubernetes merges list items, in order of
// preference: an item keeps its identity when the list is reordered.
var identifying = []string{"mountPath", "devicePath", "name", "containerPort", "port", "ip", "topologyKey", "host", "key"}

// fingerprint identifies the finding of a rule for the element that the frame is
// bound to.
func (f *frame) fingerprint(rule *Rule) model.Fingerprint {
	if len(f.identity) == 0 {
		f.identify()
	}
	f.text = append(model.AppendIdentity(f.text[:0], rule.ID), f.identity...)
	return model.FingerprintOf(f.text)
}

// identify writes what identifies the element that the frame is bound to, the
// same for all rules.
func (f *frame) identify() {
	k := f.object.Key
	text := model.AppendIdentity(f.identity, k.Cluster, k.Namespace, k.Group, k.Kind, k.Name)
	if f.pod != nil && len(f.object.Pods()) > 1 {
		text = model.AppendIdentity(text, f.pod.SpecPath.String())
	}
	for i := range f.bound {
		b := &f.bound[i]
		if b.level == nil {
			text = model.AppendIdentity(text, stable(f.object.Root, b.path)...)
			for _, key := range []string{"kind", "namespace", "name", "type"} { // not its path, which has indexes
				text = model.AppendIdentity(text, b.node.Get(key).Str())
			}
			continue
		}
		if b.level.As == "container" && b.node.Get("name").Str() == "" {
			text = model.AppendIdentity(text, b.list.String(), strconv.Itoa(b.index)) // its content is what findings want changed
			continue
		}
		text = model.AppendIdentity(text, b.list.String(), identity(b.node))
	}
	f.identity = text
}

// stable writes a path with the identities of list items for their indexes.
func stable(root *tree.Node, path tree.Path) []string {
	var parts []string
	for i, step := range path {
		if step.Key == "" {
			parts = append(parts, identity(root.Follow(path[:i+1])))
		} else {
			parts = append(parts, step.Key)
		}
	}
	return parts
}

// identity names a list item independently of its place: by its identifying
// field where it has one, else by its content, in which the order of lists does
// not count.
func identity(n *tree.Node) string {
	for _, key := range identifying {
		if v := n.Get(key); v != nil && v.Text() != "" {
			id := key + "=" + v.Text()
			for _, more := range []string{"protocol", "namespace", "kind"} {
				if m := n.Get(more); m != nil {
					id += "," + more + "=" + m.Text()
				}
			}
			return id
		}
	}
	content, err := unordered(n.Native())
	if err != nil {
		return "" // a number that JSON cannot write: all such items are one
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// unordered writes a native value as JSON, with the keys of maps and the items of
// lists sorted: those who write a role or a policy mean sets by them.
func unordered(v any) (json.RawMessage, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		fields := make(map[string]json.RawMessage, len(v))
		for key, value := range v {
			if fields[key], err = unordered(value); err != nil {
				return nil, err
			}
		}
		return json.Marshal(fields)
	case []any:
		items := make([]json.RawMessage, len(v))
		for i, item := range v {
			if items[i], err = unordered(item); err != nil {
				return nil, err
			}
		}
		slices.SortFunc(items, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
		return json.Marshal(items)
	}
	return json.Marshal(v)
}
