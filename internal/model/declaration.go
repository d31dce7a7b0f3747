package model

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"ullage.dev/ullage/internal/tree"
)

// DeclarationVersion is the apiVersion of declarations.
const DeclarationVersion = "ullage.dev/v1alpha1"

// Declaration is what the author of workloads says that they need: the file
// ullage.yaml beside the manifests. Of every list, nil says nothing and empty
// says that nothing is needed. The format is described in docs/declaration.md.
type Declaration struct {
	Workloads    []WorkloadRef `json:"workloads"`
	Owner        string        `json:"owner"`
	Peers        Peers         `json:"peers"`
	Files        []string      `json:"files"`        // absolute paths that are written, with all below them
	Capabilities []string      `json:"capabilities"` // Linux capabilities, without CAP_
	API          []APIRule     `json:"api"`
	Secrets      []string      `json:"secrets"` // names of Secrets in the workload's namespace
	Runs         string        `json:"runs"`    // how often a job runs, one of the keys of Periods; "" when not said

	Source *Source `json:"-"`
	root   *tree.Node
}

// WorkloadRef names a workload.
type WorkloadRef struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"` // "" for any
}

// Peers are the ends of connections that a workload accepts and makes.
type Peers struct {
	In  []Peer `json:"in"`
	Out []Peer `json:"out"`
}

// Peer is one other end. One of Workload, Service, CIDR and DNS is set, or none
// and Namespace stands for all pods of that namespace.
type Peer struct {
	Workload  string               `json:"workload"`
	Service   string               `json:"service"`
	CIDR      string               `json:"cidr"`
	DNS       string               `json:"dns"`
	Namespace string               `json:"namespace"` // of Workload or Service; "" for the workload's own
	Ports     []intstr.IntOrString `json:"ports"`     // a number, or number/protocol; nil for all
}

// APIRule is a right to use the Kubernetes API, as in a Role.
type APIRule struct {
	APIGroups     []string `json:"apiGroups"`
	Resources     []string `json:"resources"`
	ResourceNames []string `json:"resourceNames"`
	Verbs         []string `json:"verbs"`
}

// Periods are the longest times between two runs of a job.
var Periods = map[string]time.Duration{
	"hourly": time.Hour, "daily": 24 * time.Hour, "weekly": 7 * 24 * time.Hour,
	"monthly": 31 * 24 * time.Hour, "quarterly": 92 * 24 * time.Hour, "yearly": 366 * 24 * time.Hour,
}

// IsDeclaration reports whether a document claims to be a declaration.
func IsDeclaration(root *tree.Node) bool {
	return GroupOf(root.Get("apiVersion").Str()) == "ullage.dev" && root.Get("kind").Str() == "Declaration"
}

// declarationFile is the document as a whole.
type declarationFile struct {
	APIVersion  string `json:"apiVersion"`
	Kind        string `json:"kind"`
	Declaration `json:",inline"`
}

var declarationType = sync.OnceValue(func() *typeInfo {
	builtin.mu.Lock()
	defer builtin.mu.Unlock()
	return builtin.describe(reflect.TypeFor[declarationFile]())
})

// ParseDeclaration reads a declaration. Fields that are not known and values
// of a wrong type or form are errors, with their place. It seals the tree.
func ParseDeclaration(root *tree.Node, source *Source) (*Declaration, error) {
	v := validator{root: root, source: source}
	if version := root.Get("apiVersion"); version.Str() != DeclarationVersion {
		return nil, v.fail(tree.Keys("apiVersion"), "is not "+DeclarationVersion)
	}
	c := checker{}
	if !c.check(root, declarationType()) {
		return nil, v.fail(pathsTo(root, c.wrong)[0], c.reason)
	}
	if len(c.unknown) > 0 {
		return nil, v.fail(pathsTo(root, c.unknown[0])[0], "is not a field of a declaration")
	}
	text, err := json.Marshal(root.Native())
	if err != nil {
		return nil, v.fail(nil, "cannot be read")
	}
	var file declarationFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, v.fail(nil, "cannot be read")
	}
	d := &file.Declaration
	d.Source, d.root = source, root.Seal()
	return d, v.declaration(d)
}

// Covers reports whether the declaration is about an object.
func (d *Declaration) Covers(o *Object) bool {
	for _, w := range d.Workloads {
		if w.Kind == o.Key.Kind && w.Name == o.Key.Name && (w.Namespace == "" || w.Namespace == o.Key.Namespace) {
			return true
		}
	}
	return false
}

// Period returns the longest time between two runs; 0 when it was not said.
func (d *Declaration) Period() time.Duration { return Periods[d.Runs] }

// Node returns the declaration as it was written, for policies to read.
func (d *Declaration) Node() *tree.Node { return d.root }

// validator checks the values of a declaration and points at their places.
type validator struct {
	root   *tree.Node
	source *Source
}

func (v validator) fail(path tree.Path, reason string) error {
	subject := path.String()
	if subject == "" {
		subject = "the document"
	}
	return fmt.Errorf("%s: declaration: %s %s", v.source.Place(v.root.Nearest(path)), subject, reason)
}

var (
	dnsName        = regexp.MustCompile(`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	capabilityName = regexp.MustCompile(`^[A-Z][A-Z_]+$`)
)

func (v validator) declaration(d *Declaration) error {
	if len(d.Workloads) == 0 {
		return v.fail(tree.Keys("workloads"), "names no workload")
	}
	for i, w := range d.Workloads {
		if path := item("workloads", i); w.Kind == "" || w.Name == "" {
			return v.fail(path, "has no kind or no name")
		}
	}
	if _, ok := Periods[d.Runs]; !ok && d.Runs != "" {
		return v.fail(tree.Keys("runs"), "is none of hourly, daily, weekly, monthly, quarterly, yearly")
	}
	for i, file := range d.Files {
		if !strings.HasPrefix(file, "/") {
			return v.fail(item("files", i), "is not an absolute path")
		}
	}
	for i, name := range d.Capabilities {
		if !capabilityName.MatchString(name) || strings.HasPrefix(name, "CAP_") {
			return v.fail(item("capabilities", i), "is not a capability such as NET_BIND_SERVICE (without CAP_)")
		}
	}
	for i, rule := range d.API {
		if len(rule.Resources) == 0 || len(rule.Verbs) == 0 {
			return v.fail(item("api", i), "has no resources or no verbs")
		}
	}
	for i, name := range d.Secrets {
		if name == "" {
			return v.fail(item("secrets", i), "is empty")
		}
	}
	if err := v.peers("in", d.Peers.In); err != nil {
		return err
	}
	return v.peers("out", d.Peers.Out)
}

func item(list string, i int) tree.Path { return tree.Keys(list).Join(tree.Step{Index: i}) }

func (v validator) peers(direction string, peers []Peer) error {
	for i, p := range peers {
		path := tree.Keys("peers", direction).Join(tree.Step{Index: i})
		named := 0
		for _, s := range []string{p.Workload, p.Service, p.CIDR, p.DNS} {
			if s != "" {
				named++
			}
		}
		if named > 1 || named == 0 && p.Namespace == "" {
			return v.fail(path, "needs one of workload, service, cidr and dns, or a namespace alone")
		}
		if p.Namespace != "" && (p.CIDR != "" || p.DNS != "") {
			return v.fail(path, "has a namespace, which an address or a DNS name does not")
		}
		if p.CIDR != "" {
			if _, err := netip.ParsePrefix(p.CIDR); err != nil {
				return v.fail(path.Join(tree.Step{Key: "cidr"}), "is not a network such as 10.0.0.0/8")
			}
		}
		if p.DNS != "" && !dnsName.MatchString(p.DNS) {
			return v.fail(path.Join(tree.Step{Key: "dns"}), "is not a DNS name")
		}
		for j, port := range p.Ports {
			if _, _, ok := SplitPort(port); !ok {
				return v.fail(path.Join(tree.Step{Key: "ports"}, tree.Step{Index: j}), "is not a port such as 8080 or 53/UDP")
			}
		}
	}
	return nil
}

// SplitPort reads a port of a peer: its number, and its protocol, TCP when it
// names none.
func SplitPort(port intstr.IntOrString) (number int, protocol string, ok bool) {
	digits, protocol, named := strings.Cut(port.String(), "/")
	if !named {
		protocol = "TCP"
	}
	number, err := strconv.Atoi(digits)
	ok = err == nil && number >= 1 && number <= 65535 && (protocol == "TCP" || protocol == "UDP" || protocol == "SCTP")
	return number, protocol, ok
}
