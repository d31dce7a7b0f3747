package model

import (
	"strings"

	"ullage.dev/ullage/internal/credential"
	"ullage.dev/ullage/internal/tree"
)

// Credential is a place that held what looks like a secret value. The value
// itself is nowhere kept.
type Credential struct {
	Path tree.Path // from the object's root
	Type string    // what it looks like, such as "AWS access key"
}

// SecretValue is the type of a credential that is an entry of data or stringData
// of a Secret. The other types are those of package credential.
const SecretValue = "Secret value"

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// redact takes secret values out of the tree and records where they were. What
// looks like a reference, a placeholder or an encrypted value stays.
func redact(o *Object) {
	r := redactor{secret: o.Key.GroupKind == SecretKind}
	keys := plainKeys
	if !o.Key.Builtin() {
		keys = fieldKeys
	}
	kids := o.Root.Children()
	for i := range kids {
		kid := &kids[i]
		switch key := kid.Key(); {
		case key == "apiVersion", key == "kind":
		case key == "metadata":
			r.metadata(kid)
		case r.secret && (key == "data" || key == "stringData"):
			r.secretData(kid)
		case key == "data" && o.Key.Kind == "ConfigMap":
			r.value(kid, nameKeys)
		default:
			r.entry(o.Root, kid, keys)
		}
	}
	for i, path := range pathsTo(o.Root, r.hidden...) {
		o.Credentials = append(o.Credentials, Credential{Path: path, Type: r.types[i]})
	}
}

// keyUse says what the keys of a map tell about its values.
type keyUse uint8

const (
	plainKeys keyUse = iota // nothing: they are fields of a built-in type
	nameKeys                // they are names chosen by people
	fieldKeys               // they are fields of a type that is not known
)

// chosenKeys are the fields of built-in types, besides those of metadata, that
// hold a map for a driver, which may take a password there: parameters of
// classes, what a CSI or flexVolume driver mounts with, and what it answered.
var chosenKeys = map[string]bool{"parameters": true, "volumeAttributes": true, "options": true, "attachmentMetadata": true}

type redactor struct {
	secret bool // the object is a Secret

	// The credentials found, and their types.
	hidden []*tree.Node
	types  []string
}

// hide redacts a node, and records it when kind is not "".
func (r *redactor) hide(n *tree.Node, kind string) {
	n.Redact(credential.Mask)
	if kind != "" {
		r.hidden, r.types = append(r.hidden, n), append(r.types, kind)
	}
}

func (r *redactor) metadata(metadata *tree.Node) {
	kids := metadata.Children()
	for i := range kids {
		switch kid := &kids[i]; kid.Key() {
		case "annotations":
			r.annotations(kid)
		case "managedFields", "ownerReferences":
		default:
			r.entry(metadata, kid, plainKeys)
		}
	}
}

// annotations hides the whole last applied configuration, for it repeats the
// object.
func (r *redactor) annotations(annotations *tree.Node) {
	kids := annotations.Children()
	for i := range kids {
		kid := &kids[i]
		if kid.Key() != lastApplied {
			r.entry(annotations, kid, nameKeys)
			continue
		}
		found := credential.In(kid.Str())
		if r.secret && found == "" {
			found = SecretValue
		}
		r.hide(kid, found)
	}
}

func (r *redactor) secretData(data *tree.Node) {
	kids := data.Children()
	for i := range kids {
		switch kid := &kids[i]; {
		case kid.Text() == "" || kid.Is(tree.Null):
		case credential.IsReference(kid.Text()):
			r.hide(kid, "")
		default:
			r.hide(kid, SecretValue)
		}
	}
}

// value walks a value of which the key says nothing.
func (r *redactor) value(n *tree.Node, keys keyUse) {
	switch n.Kind() {
	case tree.Map:
		kids := n.Children()
		for i := range kids {
			r.entry(n, &kids[i], keys)
		}
	case tree.List:
		kids := n.Children()
		for i := range kids {
			r.value(&kids[i], keys)
		}
	case tree.String:
		r.text(n)
	}
}

// entry walks an entry of a map, whose key may name a secret.
func (r *redactor) entry(parent, kid *tree.Node, keys keyUse) {
	key := kid.Key()
	switch kid.Kind() {
	case tree.String:
		if r.named(parent, kid, keys) {
			found := credential.In(kid.Str())
			if found == "" {
				found = credential.ByName
			}
			r.hide(kid, found)
			return
		}
	case tree.List:
		if key == "args" || key == "command" {
			r.arguments(kid)
			return
		}
	case tree.Map:
		switch {
		case key == "encryptedData": // a SealedSecret: only its controller can read it
			return
		case (key == "labels" || key == "annotations") && parent.Key() == "metadata", keys == plainKeys && chosenKeys[key]:
			keys = nameKeys
		}
	}
	r.value(kid, keys)
}

// named reports whether the name of a string says that it is a credential: its
// key, or the name beside a value.
func (r *redactor) named(parent, kid *tree.Node, keys keyUse) bool {
	// A misspelt value (valeu, val) is as secret as one that works.
	if key := kid.Key(); len(key) <= len("value")+1 && (key[:min(len(key), 1)] == "v" || key[:min(len(key), 1)] == "V") {
		if name := parent.Get("name").Str(); name != "" && credential.Named(name, kid.Str()) {
			return true
		}
	}
	return keys != plainKeys && credential.Named(kid.Key(), kid.Str()) && (keys == nameKeys || !isSelector(parent))
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
	found := credential.In(text)
	if found == "" && n.Key() != "description" && (credential.Assigned(text) || strings.Contains(text, " -") && credential.InShell(text)) {
		found = credential.ByName
	}
	if found != "" {
		r.hide(n, found)
	}
}

// arguments walks a command line, where a flag may name the next argument.
func (r *redactor) arguments(list *tree.Node) {
	items := list.Children()
	before := ""
	for i := range items {
		item := &items[i]
		arg, program := item.Str(), items[0].Str()
		switch {
		case !item.Is(tree.String):
		case credential.InArgument(program, before, arg):
			r.hide(item, credential.ByName)
		default:
			r.text(item)
		}
		before = arg
	}
}
