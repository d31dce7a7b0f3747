package policy

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// kept is what outlives the evaluation of an object, as findings hold it. Equal
// paths and labels are kept once; findings and elements come from memory for
// many, as most objects have dozens.
type kept struct {
	paths  map[uint64]tree.Path
	labels map[string]string

	findings []model.Finding // in whose capacity the next ones go
	elements []model.Element

	way  tree.Path // memory of a path
	name []byte    // and of a label
}

// slab is how many findings or elements share their memory. What is small wastes
// little where few are kept.
const slab = 32

func (k *kept) finding(f model.Finding) *model.Finding {
	if len(k.findings) == cap(k.findings) {
		k.findings = make([]model.Finding, 0, slab)
	}
	k.findings = append(k.findings, f)
	return &k.findings[len(k.findings)-1]
}

func (k *kept) element(o *model.Object, subject string, path tree.Path) *model.Element {
	if len(k.elements) == cap(k.elements) {
		k.elements = make([]model.Element, 0, slab)
	}
	k.elements = append(k.elements, model.Element{Object: o, Subject: subject, Path: path})
	return &k.elements[len(k.elements)-1]
}

// path returns the path of what is bound below root.
func (k *kept) path(root tree.Path, bound []binding) tree.Path {
	p := append(k.way[:0], root...)
	for i := range bound {
		b := &bound[i]
		if b.level == nil {
			p = append(p[:0], b.path...)
			break
		}
		p = append(append(p, b.list...), tree.Step{Index: b.index})
	}
	k.way = p
	h := uint64(len(p))
	for i := range p {
		h = tree.Mix(tree.Mix(h, maphash.String(pathSeed, p[i].Key)), uint64(p[i].Index))
	}
	known, ok := k.paths[h]
	if ok && slices.Equal(known, p) {
		return known
	}
	known = slices.Clone(p)
	if k.paths == nil || len(k.paths) >= maxCached {
		k.paths = map[uint64]tree.Path{}
	}
	k.paths[h] = known
	return known
}

var pathSeed = maphash.MakeSeed()

// label returns the text in name.
func (k *kept) label() string {
	known, ok := k.labels[string(k.name)]
	if ok {
		return known
	}
	known = string(k.name)
	if k.labels == nil || len(k.labels) >= maxCached {
		k.labels = map[string]string{}
	}
	k.labels[known] = known
	return known
}

// label names the element for people; it is empty for the object and its only
// pod.
func (f *frame) label() string {
	text := f.kept.name[:0]
	if f.pod != nil && len(f.object.Pods()) > 1 {
		text = append(append(text, "pod at "...), f.pod.SpecPath.String()...)
	}
	for i := range f.bound {
		if b := &f.bound[i]; b.found != "container" { // there, the object is the image
			if len(text) > 0 {
				text = append(text, ", "...)
			}
			text = b.appendLabel(text)
		}
	}
	f.kept.name = text
	return f.kept.label()
}

// referenceLabel names what an object refers to: another object, or a part of one.
func referenceLabel(kind, name string) string {
	switch kind {
	case "":
		return fmt.Sprintf(`"%s"`, name)
	case "ContainerPort":
		return fmt.Sprintf(`container port "%s"`, name)
	case "SecretKey", "ConfigMapKey":
		of, part, _ := strings.Cut(name, "/")
		return fmt.Sprintf(`entry "%s" of %s "%s"`, part, strings.TrimSuffix(kind, "Key"), of)
	case "ServicePort":
		of, part, _ := strings.Cut(name, ":")
		return fmt.Sprintf(`port "%s" of Service "%s"`, part, of)
	}
	return fmt.Sprintf(`%s "%s"`, kind, name)
}

// appendLabel names a binding for people: by what is written in it, if anything
// there tells it from its neighbours, else by its place.
func (b *binding) appendLabel(text []byte) []byte {
	switch b.found {
	case "reference":
		return append(text, referenceLabel(b.node.Get("kind").Str(), b.node.Get("name").Str())...)
	case "credential", "unknownField":
		return append(text, b.path.String()...)
	}
	as := b.level.As
	if as == "container" && len(b.list) > 0 {
		switch b.list[0].Key {
		case "initContainers":
			as = "init container"
		case "ephemeralContainers":
			as = "ephemeral container"
		}
	}
	text = append(append(text, as...), ' ')
	for _, key := range []string{"name", "mountPath", "host", "key"} {
		if s := b.node.Get(key).Str(); s != "" {
			return strconv.AppendQuote(text, s)
		}
	}
	for _, key := range []string{"containerPort", "port"} {
		if v := b.node.Get(key); v != nil {
			return append(text, v.Text()...)
		}
	}
	return strconv.AppendInt(text, int64(b.index)+1, 10)
}
