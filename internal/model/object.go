package model

import (
	"fmt"

	"ullage.dev/ullage/internal/tree"
)

// Object is one Kubernetes object: its parsed tree, completed with what the
// API server would default and with secret values taken out.
type Object struct {
	Key        Key
	APIVersion string
	Root       *tree.Node
	Source     *Source
	// Resource is the plural that a custom kind is served under, as the cluster or a
	// CustomResourceDefinition says. It is "" for a built-in kind, and where neither
	// was read.
	Resource string
	// Credentials are the places that held what looks like a secret value.
	Credentials []Credential
	// UnknownFields lead to fields that the kind does not have: the API server
	// drops or refuses them, so what they say does not hold.
	UnknownFields []tree.Path
	// System marks objects of the platform itself (network and storage
	// drivers, kube-system), which need rights that applications do not.
	System bool

	pods       []PodTemplate
	opaquePods bool
}

// Source says where an object was read. Objects of one file share it.
type Source struct {
	File     *tree.File // what the tree's offsets refer to; rendered text if Origin is set
	Document int        // index in File, from 0
	Origin   *Origin    // nil when File is the file on disk
	// Live names an object that was read from a cluster, for people. File is then
	// empty, and nodes have no position.
	Live string
}

// Origin leads from rendered text back to what a person edits.
type Origin struct {
	Renderer string // "helm" or "kustomize"
	Root     string // the chart or the overlay, as the user named it
	// Lines holds, for each line of the rendered file (the first at index 0),
	// the file and line that produced it, or the nearest one that did.
	Lines []OriginLine
}

// OriginLine is a line of a template, a patch or a base. Line 0 stands for the
// file as a whole.
type OriginLine struct {
	File string
	Line int
}

// Place is a position that a person can open, or an object of a cluster.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`   // from 1; 0 when only the file is known
	Column int    `json:"column,omitempty"` // from 1, in characters; 0 when only the line is known
	// Rendered names the renderer when File is a template or overlay, whose
	// output was checked.
	Rendered string `json:"rendered,omitempty"`
	// Live names an object of a cluster; there is no File then. Reports for
	// machines name the object itself.
	Live string `json:"-"`
}

func (p Place) String() string {
	if p.File == "" {
		return p.Live
	}
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
		if p.Column > 0 {
			s += fmt.Sprintf(":%d", p.Column)
		}
	}
	return s
}

// Place returns the position of a node of the source's tree. For a map entry
// that is its key.
func (s *Source) Place(n *tree.Node) Place {
	if s.Live != "" {
		return Place{Live: s.Live}
	}
	line, column := s.File.Position(n.KeyStart())
	if s.Origin == nil {
		return Place{File: s.File.Name, Line: line, Column: column}
	}
	p := Place{File: s.Origin.Root, Rendered: s.Origin.Renderer}
	if line <= len(s.Origin.Lines) {
		if o := s.Origin.Lines[line-1]; o.File != "" {
			p.File, p.Line = o.File, o.Line
		}
	}
	return p
}

// NewObject makes an object of a parsed document. It takes secret
// values out of the tree, completes it with defaults and seals it, so root must not be shared.
// namespace is used where a namespaced object names none.
//
// It returns nil without an error when the document is not a Kubernetes
// object at all, and an error when it claims to be one and cannot be: when it has
// values of wrong types or, of some kinds, that the API server would refuse.
func NewObject(root *tree.Node, source *Source, cluster, namespace string) (*Object, error) {
	o, err := identify(root, source, cluster, namespace)
	if o == nil || err != nil {
		return nil, err
	}
	if err := validate(o); err != nil {
		return nil, err
	}
	redact(o) // before values are copied as defaults of others
	o.complete(nil)
	return o, nil
}

// identify makes an object of which only the name and the types are looked at.
func identify(root *tree.Node, source *Source, cluster, namespace string) (*Object, error) {
	apiVersion, kind, metadata := root.Get("apiVersion"), root.Get("kind"), root.Get("metadata")
	if apiVersion.Str() == "" || kind.Str() == "" || noObject(root, apiVersion.Str(), kind.Str()) {
		return nil, nil
	}
	fail := func(n *tree.Node, format string, args ...any) error {
		if n == nil {
			n = root
		}
		return fmt.Errorf("%s: %s: %s", source.Place(n), kind.Str(), fmt.Sprintf(format, args...))
	}
	if !metadata.Is(tree.Map) {
		return nil, fail(metadata, "metadata is missing or not a map")
	}
	name, ns := metadata.Get("name"), metadata.Get("namespace")
	for _, n := range []*tree.Node{name, ns, metadata.Get("generateName")} {
		if n != nil && !n.Is(tree.String) && !n.Is(tree.Null) {
			return nil, fail(n, "metadata.%s is %s, not a string (quote it)", n.Key(), n.Kind().Noun())
		}
	}
	for _, key := range []string{"labels", "annotations"} {
		if err := stringMap(metadata.Get(key)); err != nil {
			return nil, fail(metadata.Get(key), "metadata.%s%s", key, err)
		}
	}
	o := &Object{APIVersion: apiVersion.Str(), Root: root, Source: source}
	o.Key = Key{Cluster: cluster, GroupKind: GroupKind{GroupOf(o.APIVersion), kind.Str()}, Name: name.Str()}
	if o.Key.Name == "" {
		if o.Key.Name = metadata.Get("generateName").Str(); o.Key.Name != "" {
			o.Key.Name += "*"
		}
	}
	if o.Key.Name == "" && o.Key.Kind != "Kustomization" {
		return nil, fail(metadata, "metadata has neither name nor generateName")
	}
	if !o.Key.ClusterScoped() {
		if o.Key.Namespace = ns.Str(); o.Key.Namespace == "" {
			o.Key.Namespace = namespace
		}
	}
	unknownFields, err := checkTypes(o)
	if err != nil {
		return nil, err
	}
	o.UnknownFields = unknownFields
	return o, nil
}

// complete adds defaults, seals the tree and finds what is in it. share, when
// set, may exchange the nodes of the sealed tree for equal ones.
func (o *Object) complete(share *tree.Interner) {
	applyDefaults(o)
	o.Root.Seal()
	if share != nil {
		share.Share(o.Root)
	}
	o.pods = findPodTemplates(o)
	o.opaquePods = len(o.pods) == 0 && !o.Key.Builtin() && !policyGroup(o.Key.Group) && namesContainers(o.Root)
	o.System = isSystem(o)
}

func stringMap(n *tree.Node) error {
	if n == nil || n.Is(tree.Null) {
		return nil
	}
	if !n.Is(tree.Map) {
		return fmt.Errorf(" is %s, not a map", n.Kind().Noun())
	}
	for i := range n.Children() {
		if kid := &n.Children()[i]; !kid.Is(tree.String) && !kid.Is(tree.Null) {
			return fmt.Errorf("[%q] is %s, not a string (quote it)", kid.Key(), kid.Kind().Noun())
		}
	}
	return nil
}

// Labels returns the object's labels, a map node or nil.
func (o *Object) Labels() *tree.Node { return o.Root.Dig("metadata", "labels") }

// Annotation returns the value of an annotation, or "".
func (o *Object) Annotation(key string) string {
	return o.Root.Dig("metadata", "annotations", key).Str()
}

// Pods returns the object's pod templates: one for the usual workloads, none
// for most objects, several for some custom resources.
func (o *Object) Pods() []PodTemplate { return o.pods }

// PodsNotUnderstood reports whether the object is of a custom kind that names
// images or security contexts but no pod template: it may well make pods, and
// what they are like is not known.
func (o *Object) PodsNotUnderstood() bool { return o.opaquePods }

// Place returns the position of the object itself.
func (o *Object) Place() Place { return o.Source.Place(o.Name()) }

// Name returns the node that holds the object's name, or its root.
func (o *Object) Name() *tree.Node {
	if n := o.Root.Dig("metadata", "name"); n != nil {
		return n
	}
	return o.Root
}

// ownerLabels are the label and annotation keys by which teams say who owns an
// object, in order of preference.
var ownerLabels = []string{"ullage.dev/owner", "owner", "team", "app.kubernetes.io/owner", "app.kubernetes.io/team", "contact"}

// Owner returns the team that the object names as its owner, or "".
func (o *Object) Owner() string {
	annotations := o.Root.Dig("metadata", "annotations")
	for _, key := range ownerLabels {
		if v := o.Labels().Get(key).Str(); v != "" {
			return v
		}
		if v := annotations.Get(key).Str(); v != "" {
			return v
		}
	}
	return ""
}
