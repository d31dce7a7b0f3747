package behavior

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// ProfileVersion is the apiVersion of approved profiles.
const ProfileVersion = "ullage.dev/v1alpha1"

// Approved is what somebody has approved that a container does. It lives in a file
// beside the manifests, one line for each deed, in a stable order. The format is
// described in docs/profile.md.
type Approved struct {
	Subject Subject // without image and epoch
	Images  []string
	Seen    string // how much was seen when it was approved, in words
	Deeds   []Fact
}

// Approve makes what may be approved of a profile: what is expected of the workload,
// and with what is new, that too. What was denied, and what people did, is not in it.
func (p *Profile) Approve(withNew bool) *Approved {
	a := &Approved{Subject: p.Subject, Seen: p.Summary.Words()}
	a.Subject.Epoch = 0
	for _, image := range p.Images {
		if image.Digest != "" {
			a.Images = append(a.Images, image.Digest)
		}
	}
	slices.Sort(a.Images)
	for i := range p.Deeds {
		if d := &p.Deeds[i]; d.Outcome == Allowed && (withNew || d.State != StateNew) {
			a.Deeds = append(a.Deeds, p.Deeds[i].Fact)
		}
	}
	return a
}

// YAML writes an approved profile.
func (a *Approved) YAML() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: %s\nkind: Profile\nnormalizer: %d\n", ProfileVersion, Normalizer)
	workload := fields{}
	workload.add("cluster", a.Subject.Cluster)
	workload.add("namespace", a.Subject.Namespace)
	workload.add("kind", a.Subject.Kind)
	workload.add("name", a.Subject.Name)
	workload.add("container", a.Subject.Container)
	fmt.Fprintf(&b, "workload: %s\n", workload)
	fmt.Fprintf(&b, "seen: %s\n", scalar(a.Seen))
	list(&b, "images", a.Images, scalar)
	list(&b, "deeds", a.Deeds, func(f Fact) string { return deedFields(&f).String() })
	return []byte(b.String())
}

func list[T any](b *strings.Builder, name string, items []T, write func(T) string) {
	if len(items) == 0 {
		fmt.Fprintf(b, "%s: []\n", name)
		return
	}
	fmt.Fprintf(b, "%s:\n", name)
	for _, item := range items {
		fmt.Fprintf(b, "  - %s\n", write(item))
	}
}

// fields are those of a map on one line.
type fields []string

func (f *fields) add(name, value string) {
	if value != "" {
		*f = append(*f, name+": "+scalar(value))
	}
}

func (f fields) String() string { return "{" + strings.Join(f, ", ") + "}" }

func deedFields(d *Fact) fields {
	var f fields
	f.add("kind", string(d.Kind))
	f.add("program", d.Program.Path)
	f.add("layer", string(d.Program.Layer))
	f.add("arguments", d.Program.Arguments)
	f.add("parent", d.Program.Parent)
	f.add("user", string(d.Program.User))
	f.add("file", d.File.Path)
	f.add("fileLayer", string(d.File.Layer))
	f.add("workload", d.Peer.Workload)
	f.add("peer", d.Peer.Name)
	if d.Peer.Address.IsValid() {
		f.add("address", d.Peer.Address.String())
	}
	f.add("protocol", d.Peer.Protocol)
	if d.Peer.Port > 0 {
		f = append(f, "port: "+strconv.Itoa(int(d.Peer.Port)))
	}
	f.add("name", d.Name)
	return f
}

// isBare reports whether a string needs no quotes in YAML, on one line with others.
func isBare(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '/' && s[i] != '_' && (i == 0 || strings.IndexByte(".@+-", s[i]) < 0) {
			return false
		}
	}
	return s != "" && !isDigit(s[0])
}

// scalar writes a string, in quotes where a reader could take it for something else.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
	default:
		if isBare(s) {
			return s
		}
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return `""` // which a string does not come to
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ParseApproved reads the approved profiles of a file, strictly: a field that is not
// known, a value of a wrong type and a deed that cannot be are errors with their
// place.
func ParseApproved(file *tree.File) ([]*Approved, error) {
	var all []*Approved
	for doc := range tree.Parse(file) {
		if doc.Err != nil {
			return nil, doc.Err
		}
		if doc.Root == nil {
			continue
		}
		r := approvedReader{tree.Decoder{File: file}}
		a := r.read(doc.Root)
		if err := r.Err(); err != nil {
			return nil, err
		}
		for _, other := range all {
			if other.Subject == a.Subject {
				r.Fail(doc.Root, "there are two profiles of %s", &a.Subject)
				return nil, r.Err()
			}
		}
		all = append(all, a)
	}
	if len(all) == 0 {
		return nil, errors.New(file.Name + ": it holds no profile")
	}
	return all, nil
}

type approvedReader struct{ tree.Decoder }

func (r *approvedReader) read(root *tree.Node) *Approved {
	a := &Approved{}
	if root.Get("apiVersion").Str() != ProfileVersion || root.Get("kind").Str() != "Profile" {
		r.Fail(root, "the document does not begin with apiVersion: %s and kind: Profile", ProfileVersion)
		return a
	}
	if root.Get("normalizer").Text() != strconv.Itoa(Normalizer) {
		r.Fail(root.Get("normalizer"), "its deeds are not written by rules of version %d, which this program knows: approve it anew", Normalizer)
		return a
	}
	r.Fields(root, map[string]func(*tree.Node){
		"apiVersion": r.Ignore, "kind": r.Ignore, "normalizer": r.Ignore,
		"workload": func(n *tree.Node) {
			s := &a.Subject
			r.Fields(n, map[string]func(*tree.Node){"cluster": r.exact(&s.Cluster), "namespace": r.exact(&s.Namespace), "kind": r.exact(&s.Kind),
				"name": r.exact(&s.Name), "container": r.exact(&s.Container)})
		},
		"seen":   r.Text(&a.Seen),
		"images": r.Texts(&a.Images),
		"deeds":  func(n *tree.Node) { r.Each(n, func(n *tree.Node) { a.Deeds = append(a.Deeds, r.deed(n)) }) },
	})
	if err := a.Subject.check(); err != nil && r.Err() == nil {
		r.Fail(root.Get("workload"), "%s", err)
	}
	if root.Get("deeds") == nil {
		r.Fail(root, "deeds are missing (an empty list says that nothing is done)")
	}
	return a
}

func (r *approvedReader) deed(n *tree.Node) Fact {
	f := Fact{Outcome: Allowed}
	before := r.Failures()
	var kind, layer, user, fileLayer, address string
	r.Fields(n, map[string]func(*tree.Node){
		"kind": r.exact(&kind), "program": r.exact(&f.Program.Path), "layer": r.exact(&layer), "arguments": r.exact(&f.Program.Arguments),
		"parent": r.exact(&f.Program.Parent), "user": r.exact(&user), "file": r.exact(&f.File.Path), "fileLayer": r.exact(&fileLayer),
		"workload": r.exact(&f.Peer.Workload), "peer": r.exact(&f.Peer.Name), "address": r.exact(&address),
		"protocol": r.exact(&f.Peer.Protocol), "port": r.port(&f.Peer.Port), "name": r.exact(&f.Name),
	})
	if r.Failures() > before {
		return f
	}
	f.Kind, f.Program.Layer, f.Program.User, f.File.Layer = Kind(kind), Layer(layer), User(user), Layer(fileLayer)
	if address != "" {
		var err error
		if f.Peer.Address, err = netip.ParseAddr(address); err != nil || normalAddress(f.Peer.Address) != f.Peer.Address {
			r.Fail(n.Get("address"), "%q is not an address", address)
			return f
		}
	}
	whole := f
	whole.Phase, whole.Origin = Steady, Entrypoint
	if err := whole.Check(); err != nil {
		r.Fail(n, "%s", err)
	}
	return f
}

// exact reads a string with the white space around it: it may be that of a file's
// name.
func (r *approvedReader) exact(into *string) func(*tree.Node) {
	return func(n *tree.Node) {
		if r.Text(into)(n); n.Is(tree.String) {
			*into = n.Str()
		}
	}
}

func (r *approvedReader) port(into *uint16) func(*tree.Node) {
	return func(n *tree.Node) {
		port, err := strconv.ParseUint(n.Text(), 10, 16)
		if err != nil || !n.Is(tree.Int) || port == 0 {
			r.Fail(n, "port is not a number from 1 to 65535")
		}
		*into = uint16(port)
	}
}
