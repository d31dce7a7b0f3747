package cli

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// Words of a question that name nothing there is are refused: the answer would be
// no, as if it were known that nobody may.

// knownVerbs are the verbs that the API server asks for: those of HTTP requests for
// objects and for URL paths, and those that single checks have.
var knownVerbs = strings.Fields(`get list watch create update patch delete deletecollection
	impersonate impersonate:user-info impersonate:serviceaccount impersonate:arbitrary-node impersonate:associated-node
	bind escalate approve sign attest use post put head options
	request-serviceaccounts-token-audience unsafe-delete-ignore-read-errors`)

// checkVerb refuses a verb that neither the API server asks for nor a rule names.
func checkVerb(a *access.Analysis, verb string) error {
	asked := verb
	if mode, on, ok := strings.Cut(strings.TrimPrefix(verb, "impersonate-on:"), ":"); ok && strings.HasPrefix(verb, "impersonate-on:") && slices.Contains(knownVerbs, "impersonate:"+mode) {
		asked = on // a request that is made as somebody else
	}
	if verb == "*" || slices.Contains(knownVerbs, asked) || a.NamesVerb(verb) {
		return nil
	}
	return fmt.Errorf("verb %q is none that is asked for, and no rule names it%s", verb, meant(verb, knownVerbs))
}

// meant proposes what is spelt most like a text, or names some of what there is.
func meant(text string, there []string) string {
	const most = 12
	best, distance := "", max(2, len(text)/3)+1
	for _, word := range there {
		if d := editDistance(text, word); d < distance {
			best, distance = word, d
		}
	}
	switch {
	case best != "":
		return printable("; did you mean " + best + "?")
	case len(there) == 0:
		return ""
	case len(there) > most:
		return printable("; there are " + strings.Join(there[:most], ", ") + ", ...")
	}
	return printable("; there are " + strings.Join(there, ", "))
}

// checkPlaces refuses a namespace and a service account that are not there, where
// all that there is was read.
func (f *accessFlags) checkPlaces(s *model.Snapshot, a *access.Analysis, subject access.Subject) error {
	if f.namespace != "" && s.Complete("", model.NamespaceKind) {
		if known := namespacesRead(s, a); !slices.Contains(known, f.namespace) {
			return fmt.Errorf("-n %q is no namespace that was read%s", f.namespace, meant(f.namespace, known))
		}
	}
	if subject.Kind != access.ServiceAccount("", "").Kind || subject.Name == "default" || !s.Complete(subject.Namespace, model.ServiceAccountKind) {
		return nil
	}
	known := accountsRead(s, a)
	if name := subject.Namespace + "/" + subject.Name; !slices.Contains(known, name) {
		return noAccountError{fmt.Errorf("there is no service account %s, and no binding or workload names it%s", name, meant(name, known))}
	}
	return nil
}

// noAccountError says that a service account is not there. Groups may give rights to
// whoever makes it.
type noAccountError struct{ error }

// namespacesRead returns the namespaces that hold or are an object, that a binding
// names, or that every cluster has.
func namespacesRead(s *model.Snapshot, a *access.Analysis) []string {
	known := []string{"default", "kube-node-lease", "kube-public", "kube-system"}
	for _, o := range s.All() {
		known = append(known, o.Key.Namespace)
		if o.Key.GroupKind == model.NamespaceKind {
			known = append(known, o.Key.Name)
		}
	}
	for subject := range a.Subjects() {
		known = append(known, subject.Namespace)
	}
	return withoutEmpty(known)
}

// accountsRead returns the service accounts that are there, and those that bindings
// and workloads name, as NAMESPACE/NAME.
func accountsRead(s *model.Snapshot, a *access.Analysis) []string {
	var known []string
	for o := range s.Kind(model.ServiceAccountKind) {
		known = append(known, o.Key.Namespace+"/"+o.Key.Name)
	}
	for subject := range a.Subjects() {
		if subject.Namespace != "" {
			known = append(known, subject.Namespace+"/"+subject.Name)
		}
	}
	for o, template := range s.PodTemplates() {
		if name := template.ServiceAccount(); name != "" {
			known = append(known, o.Key.Namespace+"/"+name)
		}
	}
	return withoutEmpty(known)
}

// withoutEmpty returns the other words in order, each once.
func withoutEmpty(words []string) []string {
	slices.Sort(words)
	words = slices.Compact(words)
	if len(words) > 0 && words[0] == "" {
		return words[1:]
	}
	return words
}
