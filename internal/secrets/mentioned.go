package secrets

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Mentions are the places of a snapshot that give the name of a Secret without it
// being known that the Secret is taken: settings of programs, annotations, and
// fields of custom resources.
type Mentions struct {
	at map[Name]mention
}

// mention is the first place that names a Secret; the namespace of a Secret that an
// object of no namespace names is "".
type mention struct {
	object *model.Object
	place  string // such as spec.auth.existing, or an argument of container "web"
}

// maxMention bounds the text that is searched for names.
const maxMention = 4096

// MentionsIn finds the mentions of the Secrets of a snapshot.
func MentionsIn(s *model.Snapshot) *Mentions {
	f := mentionFinder{names: map[string]bool{}, at: map[Name]mention{}}
	for o := range s.Kind(model.SecretKind) {
		f.names[o.Key.Name] = true
	}
	if len(f.names) == 0 {
		return &Mentions{}
	}
	for _, o := range s.All() {
		if !s.Made(o) {
			f.object(o)
		}
	}
	return &Mentions{at: f.at}
}

// InUse says why a Secret that nothing is known to consume may be in use all the
// same: something has its name, or a controller finds it by a convention. It is ""
// where nothing says so.
func (m *Mentions) InUse(o *model.Object) string {
	if by := chosenBy(o); by != "" {
		return by
	}
	for _, name := range []Name{{o.Key.Namespace, o.Key.Name}, {"", o.Key.Name}} {
		if at, ok := m.at[name]; ok {
			return fmt.Sprintf("%s names it in %s; whether it takes the Secret is not known", at.object.Key, at.place)
		}
	}
	return ""
}

// conventions are the labels by which controllers choose Secrets, a prefix where they
// end with a slash, and what chooses so.
var conventions = []struct{ label, who string }{
	{"argocd.argoproj.io/secret-type", "Argo CD"},
	{"sealedsecrets.bitnami.com/sealed-secrets-key", "Sealed Secrets"},
	{"istio/multiCluster", "Istio"},
	{"konghq.com/credential", "Kong"},
	{"jenkins.io/credentials-type", "Jenkins"},
	{"cluster.x-k8s.io/cluster-name", "Cluster API"},
	{"controller.cert-manager.io/fao", "cert-manager"},
	{"cnpg.io/", "CloudNativePG"},
	{"strimzi.io/", "Strimzi"},
	{"postgres-operator.crunchydata.com/", "Crunchy Postgres"},
	{"common.k8s.elastic.co/", "Elastic Cloud on Kubernetes"},
	{"grafana_datasource", "the sidecar of Grafana"},
	{"grafana_dashboard", "the sidecar of Grafana"},
}

// conventionalNames are Secrets that a program asks the API for by a fixed name.
var conventionalNames = map[string]string{
	"argocd-secret": "Argo CD", "argocd-initial-admin-secret": "Argo CD", "velero-repo-credentials": "Velero", "velero-restic-credentials": "Velero",
	"istio-ca-secret": "Istio", "cacerts": "Istio", "kubernetes-dashboard-key-holder": "Kubernetes Dashboard", "kubernetes-dashboard-csrf": "Kubernetes Dashboard",
}

// chosenBy says which controller may find a Secret by its name, labels or owner.
func chosenBy(o *model.Object) string {
	labels := o.Root.Dig("metadata", "labels").Children()
	for i := range labels {
		key := labels[i].Key()
		for _, c := range conventions {
			if key == c.label || strings.HasSuffix(c.label, "/") && strings.HasPrefix(key, c.label) {
				return fmt.Sprintf("%s may choose it by the label %s", c.who, key)
			}
		}
	}
	if who := conventionalNames[o.Key.Name]; who != "" {
		return who + " may take it by its name"
	}
	owners := o.Root.Dig("metadata", "ownerReferences")
	for i := range owners.Children() {
		if kind, name := owners.At(i).Get("kind").Str(), owners.At(i).Get("name").Str(); kind != "" {
			return fmt.Sprintf("it belongs to %s/%s, whose controller may use it", kind, name)
		}
	}
	return ""
}

type mentionFinder struct {
	names map[string]bool
	at    map[Name]mention
}

func (f *mentionFinder) object(o *model.Object) {
	f.annotations(o, o.Root.Get("metadata"))
	pods := o.Pods()
	for i := range pods {
		if pods[i].Metadata != o.Root.Get("metadata") {
			f.annotations(o, pods[i].Metadata)
		}
		for _, list := range model.ContainerLists {
			containers := pods[i].Spec.Get(list)
			for j := range containers.Children() {
				f.container(o, containers.At(j))
			}
		}
	}
	if !o.Key.Builtin() {
		f.fields(o, o.Root.Get("spec"), tree.Keys("spec"), false)
	}
}

func (f *mentionFinder) annotations(o *model.Object, metadata *tree.Node) {
	annotations := metadata.Get("annotations").Children()
	for i := range annotations {
		if a := &annotations[i]; speaksOfSecrets(a.Key()) {
			f.text(o, o.Key.Namespace, a.Str(), func() string { return "the annotation " + a.Key() })
		}
	}
}

// container searches what a container's program is told.
func (f *mentionFinder) container(o *model.Object, c *tree.Node) {
	place := func(of string) func() string {
		return func() string { return fmt.Sprintf("%s of container %q", of, c.Get("name").Str()) }
	}
	for _, list := range []string{"command", "args"} {
		option := ""
		words := c.Get(list)
		for i := range words.Children() {
			word := words.At(i).Str()
			name, value, has := strings.Cut(word, "=")
			switch {
			case strings.HasPrefix(word, "-") && !has:
				option = word
				continue
			case strings.HasPrefix(word, "-"):
			case option != "":
				name, value = option+" "+word, word // -c "kubectl get secret web"
			default: // a script
				name, value = word, word
			}
			if option = ""; speaksOfSecrets(name) {
				f.text(o, o.Key.Namespace, value, place("an argument"))
			}
		}
	}
	env := c.Get("env")
	for i := range env.Children() {
		if name := env.At(i).Get("name").Str(); speaksOfSecrets(name) {
			f.text(o, o.Key.Namespace, env.At(i).Get("value").Str(), place("variable "+name))
		}
	}
}

// fields searches a custom resource: the strings below a key that speaks of secrets.
func (f *mentionFinder) fields(o *model.Object, n *tree.Node, path tree.Path, speaks bool) {
	namespace := namespaceOr(n, o)
	for i := range n.Children() {
		kid := &n.Children()[i]
		step, speaks := tree.Step{Key: kid.Key()}, speaks || n.Is(tree.Map) && speaksOfSecrets(kid.Key())
		if n.Is(tree.List) {
			step = tree.Step{Index: i}
		}
		switch {
		case kid.Is(tree.Map) || kid.Is(tree.List):
			f.fields(o, kid, path.Join(step), speaks)
		case speaks && kid.Is(tree.String):
			f.text(o, namespace, kid.Str(), func() string { return path.Join(step).String() })
		}
	}
}

// text adds the names in a text: NAME, in the namespace given, or NAMESPACE/NAME.
func (f *mentionFinder) text(o *model.Object, namespace, text string, place func() string) {
	if len(text) > maxMention {
		return
	}
	for word := range strings.FieldsFuncSeq(text, func(c rune) bool {
		return !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '/')
	}) {
		of := Name{namespace, strings.Trim(word, "-./")}
		if at := strings.LastIndexByte(of.Name, '/'); at >= 0 {
			of.Namespace, of.Name = of.Name[:at], of.Name[at+1:]
			of.Namespace = of.Namespace[strings.LastIndexByte(of.Namespace, '/')+1:]
		}
		if !f.names[of.Name] {
			continue
		}
		if _, known := f.at[of]; !known && (o.Key != model.Key{Cluster: o.Key.Cluster, GroupKind: model.SecretKind, Namespace: of.Namespace, Name: of.Name}) {
			f.at[of] = mention{o, place()}
		}
	}
}

// speaksOfSecrets reports whether a name of a setting lets expect the name of a Secret.
func speaksOfSecrets(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"secret", "cred", "cert", "tls", "auth", "token", "passw", "key"}, func(word string) bool { return strings.Contains(name, word) })
}
