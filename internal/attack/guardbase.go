package attack

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// base is what an attacker chooses of a pod besides the danger, as policies may
// ask for it: labels, annotations, the image, and what a pod should have.
type base struct {
	labels []tree.Node // entries; annotations are the same
	image  string
	whole  bool // with resources, probes and the settings of the pod
}

// plain is a pod with nothing that somebody asks for.
var plain = base{image: "registry.example/tool:1"}

// Bounds of what is tried, as each base costs an evaluation.
const (
	mostKeys   = 24 // labels that are set at once
	mostValues = 6
	mostImages = 8
	mostBases  = 40
	mostPods   = 3 // workloads of a namespace whose labels and images are taken
)

// wordsOf are what policies and their parameters say, of which labels and images
// can be made.
type wordsOf struct{ all, keys []string }

var (
	quoted  = regexp.MustCompile(`'([^'\\\n]*)'|"([^"\\\n]*)"`)
	labeled = regexp.MustCompile(`(?:labels|annotations)\.\??([A-Za-z_]\w*)`)
)

func (w *wordsOf) add(text string) {
	if text != "" && !slices.Contains(w.all, text) {
		w.all = append(w.all, text)
	}
}

// read takes the words of a policy, a binding or parameters: literals of its
// expressions, and all texts elsewhere below some fields.
func (w *wordsOf) read(n *tree.Node, inside bool) {
	switch {
	case n.Key() == "expression":
		for _, found := range quoted.FindAllStringSubmatch(n.Str(), -1) {
			w.add(found[1] + found[2])
		}
		for _, found := range labeled.FindAllStringSubmatch(n.Str(), -1) {
			w.keys = append(w.keys, found[1])
		}
	case n.Is(tree.String) && inside:
		w.add(n.Str())
	case n.Is(tree.Map) || n.Is(tree.List):
		inside = inside || n.Key() == "objectSelector"
		for i := range n.Children() {
			kid := &n.Children()[i]
			if inside && n.Is(tree.Map) {
				w.add(kid.Key())
			}
			w.read(kid, inside)
		}
	}
}

// readParams takes the words of parameters, which are not their names.
func (w *wordsOf) readParams(params *tree.Node) {
	for i := range params.Children() {
		if kid := &params.Children()[i]; kid.Key() != "metadata" && kid.Key() != "apiVersion" && kid.Key() != "kind" {
			w.read(kid, true)
		}
	}
}

// bases returns what is tried in a namespace, the plain one first.
func (g *guards) bases(namespace string) []base {
	labels := g.labelChoices(namespace)
	images := g.imageChoices(namespace)
	all := []base{plain}
	for _, image := range images {
		for _, set := range labels {
			if len(all) == mostBases {
				return all
			}
			all = append(all, base{set, image, true})
		}
	}
	return all
}

// labelChoices returns sets of labels: all that policies name, with one of the
// values that they name, and those of workloads with these.
func (g *guards) labelChoices(namespace string) [][]tree.Node {
	keys, values := slices.Clone(g.words.keys), []string{"web"}
	for _, word := range g.words.all {
		if len(validation.IsQualifiedName(word)) == 0 {
			keys = append(keys, word)
		}
		if len(validation.IsValidLabelValue(word)) == 0 && len(values) < mostValues {
			values = append(values, word)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	keys = keys[:min(len(keys), mostKeys)]
	choice := func(value string, of *tree.Node) []tree.Node {
		var set []tree.Node
		for i := range of.Children() {
			set = append(set, tree.Entry(of.Children()[i].Key(), of.Children()[i].Str()))
		}
		for _, key := range keys {
			if of.Get(key) == nil {
				set = append(set, tree.Entry(key, value))
			}
		}
		return set
	}
	var all [][]tree.Node
	for _, w := range g.workloadsOf(namespace) {
		all = append(all, choice(values[0], w.Pod.Labels()), choice(values[len(values)-1], w.Pod.Labels()))
	}
	for _, value := range values {
		all = append(all, choice(value, nil))
	}
	return append(all, nil)
}

// imageChoices returns images that policies may ask for.
func (g *guards) imageChoices(namespace string) []string {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	all := []string{plain.image, "registry.example/tool" + digest}
	for _, w := range g.workloadsOf(namespace) {
		if image := w.Pod.Spec.Get("containers").At(0).Get("image").Str(); image != "" {
			all = append(all, image)
		}
	}
	for _, word := range g.words.all {
		if !strings.ContainsAny(word, "./") || strings.ContainsAny(word, " ^$*\\") {
			continue
		}
		if repository := strings.Trim(word, "/"); repository != "" && !strings.Contains(repository, ":") {
			all = append(all, repository+"/tool:1", repository+"/tool"+digest)
		}
	}
	var images []string
	for _, image := range all {
		if !slices.Contains(images, image) && len(images) < mostImages {
			images = append(images, image)
		}
	}
	return images
}

// workloadsOf returns some workloads of a namespace.
func (g *guards) workloadsOf(namespace string) []workload {
	ns, ok := g.namespaceIDs[namespace]
	if !ok {
		return nil
	}
	in := g.inNamespace[ns]
	return g.workloads[in.first:min(in.last, in.first+mostPods)]
}

// put gives a pod what a base has.
func (b base) put(spec tree.Node) tree.Node {
	if !b.whole && b.image == plain.image {
		return spec
	}
	entries := []tree.Node{}
	for _, kid := range spec.Children() {
		if slices.Contains(model.ContainerLists, kid.Key()) {
			list := make([]tree.Node, 0, kid.Len())
			for i := range kid.Children() {
				list = append(list, b.container(kid.At(i), kid.Key()))
			}
			kid = tree.Entry(kid.Key(), list)
		}
		entries = append(entries, kid)
	}
	return tree.MapOf(append(entries, ofPod(spec)...)...)
}

// container gives a container the image, and what it should have.
func (b base) container(c *tree.Node, list string) tree.Node {
	var fields []tree.Node
	for _, kid := range c.Children() {
		switch uid, isSet := kid.Get("runAsUser").Int(); {
		case kid.Key() == "image":
			kid = tree.Entry("image", b.image)
		case kid.Key() == "securityContext" && isSet && uid == 0: // against what the pod says
			kid = tree.Entry("securityContext", tree.MapOf(append(slices.Clone(kid.Children()), tree.Entry("runAsNonRoot", false))...))
		}
		fields = append(fields, kid)
	}
	fields = append(fields, tree.Entry("imagePullPolicy", "Always"))
	if list == "ephemeralContainers" { // these have none of what follows
		return tree.MapOf(fields...)
	}
	amounts := tree.MapOf(tree.Entry("cpu", "100m"), tree.Entry("memory", "64Mi"), tree.Entry("ephemeral-storage", "64Mi"))
	fields = append(fields, tree.Entry("resources", tree.MapOf(tree.Entry("requests", amounts), tree.Entry("limits", amounts))))
	if list == "containers" {
		probe := tree.MapOf(tree.Entry("exec", tree.MapOf(tree.Entry("command", []string{"true"}))))
		fields = append(fields, tree.Entry("livenessProbe", probe), tree.Entry("readinessProbe", probe))
	}
	return tree.MapOf(fields...)
}

// ofPod returns the settings that a pod should have and that its containers
// override.
func ofPod(spec tree.Node) []tree.Node {
	var all []tree.Node
	for _, entry := range []tree.Node{
		tree.Entry("securityContext", tree.MapOf(tree.Entry("runAsNonRoot", true), tree.Entry("runAsUser", 10001), tree.Entry("runAsGroup", 10001),
			tree.Entry("fsGroup", 10001), tree.Entry("seccompProfile", tree.MapOf(tree.Entry("type", "RuntimeDefault"))))),
		tree.Entry("automountServiceAccountToken", false),
	} {
		if spec.Get(entry.Key()) == nil {
			all = append(all, entry)
		}
	}
	return all
}

// steadfast reports whether a rule says the same of a pod whatever its labels and
// images are.
func steadfast(r *policy.Rule) bool {
	return !selectsObjects(r) && !says(r, func(text string) bool {
		return strings.Contains(text, "labels") || strings.Contains(text, "annotations") || strings.Contains(text, "image")
	})
}
