package model

import (
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// Credential is a place that held what looks like a secret value. The value
// itself is nowhere kept.
type Credential struct {
	Path tree.Path // from the object's root
	Type string    // what it looks like, such as "AWS access key"
}

// The types of credentials that are known by where they stand. Those known by
// how they look are in credential.go.
const (
	SecretValue     = "Secret value"     // an entry of data or stringData of a Secret
	NamedCredential = "named credential" // a literal whose key, variable or flag names a secret
)

const (
	redacted    = "[redacted]"
	lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
)

// redact takes secret values out of the tree and records where they were. What
// looks like a reference, a placeholder or an encrypted value stays.
func redact(o *Object) {
	var steps [16]tree.Step
	r := redactor{object: o, path: steps[:0]}
	r.secret = o.Key.GroupKind == GroupKind{"", "Secret"}
	keys := plainKeys
	if !o.Key.Builtin() {
		keys = fieldKeys
	}
	kids := o.Root.Children()
	for i := range kids {
		kid := &kids[i]
		switch key := kid.Key(); {
		case key == "apiVersion", key == "kind", key == "status":
		case key == "metadata":
			r.metadata(kid)
		case r.secret && (key == "data" || key == "stringData"):
			r.secretData(kid)
		case key == "data" && o.Key.Kind == "ConfigMap":
			r.enter(kid, 0, nameKeys)
		default:
			r.enter(kid, 0, keys)
		}
	}
}

// keyUse says what the keys of a map tell about its values.
type keyUse uint8

const (
	plainKeys keyUse = iota // nothing: they are fields of a built-in type
	nameKeys                // they are names chosen by people
	fieldKeys               // they are fields of a type that is not known
)

type redactor struct {
	object *Object
	secret bool      // the object is a Secret
	path   tree.Path // of the node in hand
}

// hide redacts the node in hand, and records it when credential is not "".
func (r *redactor) hide(n *tree.Node, credential string) {
	n.Redact(redacted)
	if credential != "" {
		r.object.Credentials = append(r.object.Credentials, Credential{Path: r.path.Join(), Type: credential})
	}
}

func (r *redactor) metadata(metadata *tree.Node) {
	r.path = append(r.path, tree.Step{Key: "metadata"})
	kids := metadata.Children()
	for i := range kids {
		switch kid := &kids[i]; kid.Key() {
		case "annotations":
			r.annotations(kid)
		case "labels":
			r.enter(kid, i, nameKeys)
		case "managedFields", "ownerReferences":
		default:
			r.enter(kid, i, plainKeys)
		}
	}
	r.path = r.path[:len(r.path)-1]
}

// annotations hides the whole last applied configuration, for it repeats the
// object.
func (r *redactor) annotations(annotations *tree.Node) {
	r.path = append(r.path, tree.Step{Key: "annotations"})
	kids := annotations.Children()
	for i := range kids {
		kid := &kids[i]
		if kid.Key() != lastApplied {
			r.entry(annotations, kid, nameKeys)
			continue
		}
		found := credentialIn(kid.Str())
		if r.secret && found == "" {
			found = SecretValue
		}
		r.path = append(r.path, tree.Step{Key: lastApplied})
		r.hide(kid, found)
		r.path = r.path[:len(r.path)-1]
	}
	r.path = r.path[:len(r.path)-1]
}

func (r *redactor) secretData(data *tree.Node) {
	r.path = append(r.path, tree.Step{Key: data.Key()})
	kids := data.Children()
	for i := range kids {
		kid := &kids[i]
		if kid.Text() == "" || kid.Is(tree.Null) {
			continue
		}
		found := SecretValue
		if isReference(kid.Text()) {
			found = ""
		}
		r.path = append(r.path, tree.Step{Key: kid.Key()})
		r.hide(kid, found)
		r.path = r.path[:len(r.path)-1]
	}
	r.path = r.path[:len(r.path)-1]
}

// enter walks a child of the node in hand, at index i.
func (r *redactor) enter(n *tree.Node, i int, keys keyUse) {
	r.path = append(r.path, tree.Step{Key: n.Key(), Index: i})
	if n.Key() != "" {
		r.path[len(r.path)-1].Index = 0
	}
	switch n.Kind() {
	case tree.Map:
		kids := n.Children()
		for i := range kids {
			r.entry(n, &kids[i], keys)
		}
	case tree.List:
		if key := n.Key(); key == "args" || key == "command" {
			r.arguments(n)
			break
		}
		kids := n.Children()
		for i := range kids {
			r.enter(&kids[i], i, keys)
		}
	case tree.String:
		r.text(n)
	}
	r.path = r.path[:len(r.path)-1]
}

// entry walks an entry of a map, whose key may name a secret.
func (r *redactor) entry(parent, kid *tree.Node, keys keyUse) {
	if !kid.Is(tree.String) {
		switch key := kid.Key(); {
		case key == "encryptedData": // a SealedSecret: only its controller can read it
			return
		case (key == "labels" || key == "annotations") && parent.Key() == "metadata": // of a pod template
			keys = nameKeys
		}
		r.enter(kid, 0, keys)
		return
	}
	if kid.Key() == "value" {
		if name := parent.Get("name").Str(); name != "" && namesCredential(name, kid.Str()) {
			r.hideEntry(kid)
			return
		}
	}
	if named := keys == nameKeys || keys == fieldKeys && !isSelector(parent); named && namesCredential(kid.Key(), kid.Str()) {
		r.hideEntry(kid)
		return
	}
	r.enter(kid, 0, keys)
}

func (r *redactor) hideEntry(kid *tree.Node) {
	found := credentialIn(kid.Str())
	if found == "" {
		found = NamedCredential
	}
	r.path = append(r.path, tree.Step{Key: kid.Key()})
	r.hide(kid, found)
	r.path = r.path[:len(r.path)-1]
}

// isSelector reports whether a map of a custom resource says where a secret is
// kept, so that a field such as password names a key in it.
func isSelector(n *tree.Node) bool {
	for i := range n.Children() {
		switch n.Children()[i].Key() {
		case "name", "key", "secretName", "secretRef", "secretKeyRef", "remoteRef", "property", "valueFrom":
			return true
		}
	}
	return false
}

// text looks at a string of which the place says nothing.
func (r *redactor) text(n *tree.Node) {
	text := n.Str()
	if len(text) < shortestCredential {
		return
	}
	found := credentialIn(text)
	if found == "" && n.Key() != "description" && (assignsCredential(text) || strings.Contains(text, " -") && shellPassword(text)) {
		found = NamedCredential
	}
	if found != "" {
		r.hide(n, found)
	}
}

// arguments walks a command line, where a flag may name the next argument.
func (r *redactor) arguments(list *tree.Node) {
	items := list.Children()
	program := ""
	for i := range items {
		item := &items[i]
		if !item.Is(tree.String) {
			continue
		}
		arg := item.Str()
		if i == 0 {
			program = arg
		}
		r.path = append(r.path, tree.Step{Index: i})
		switch {
		case i > 0 && flagTakes(items[i-1].Str(), program, arg):
			r.hide(item, NamedCredential)
		case shortFlagHolds(arg, program):
			r.hide(item, NamedCredential)
		case strings.IndexByte(arg, '=') >= 0 && argumentAssigns(arg):
			r.hide(item, NamedCredential)
		default:
			r.text(item)
		}
		r.path = r.path[:len(r.path)-1]
	}
}
