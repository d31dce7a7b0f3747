package model

import "strings"

// How the API server names service accounts, and nodes.
const (
	accountPrefix = "system:serviceaccount:"
	nodePrefix    = "system:node:"
)

// CutPlace cuts what people write for a place, such as sa/NAMESPACE/NAME,
// sa:NAMESPACE/NAME or deploy/NAMESPACE/NAME, into its word in lower case and the
// rest. A colon ends the words sa, user and group alone. The names by which the API
// server knows service accounts and nodes have words too: sa, and user. The word is ""
// where there is none, as in a name.
func CutPlace(text string) (word, rest string) {
	if account, ok := strings.CutPrefix(text, accountPrefix); ok {
		return "sa", strings.Replace(account, ":", "/", 1)
	}
	if strings.HasPrefix(text, nodePrefix) {
		return "user", text
	}
	i := strings.IndexAny(text, ":/")
	if i < 0 {
		return strings.ToLower(text), ""
	}
	word, rest = strings.ToLower(text[:i]), text[i+1:]
	if word == "serviceaccount" || word == "serviceaccounts" {
		word = "sa"
	}
	if text[i] == ':' && word != "sa" && word != "user" && word != "group" {
		return "", text
	}
	return word, rest
}

// WorkloadCalled returns the built-in kind with pods that has a name in any case: its
// own, its plural or a short one, as kubectl takes them.
func WorkloadCalled(name string) (gk GroupKind, ok bool) {
	name = strings.ToLower(name)
	for r := range Resources() {
		gk := GroupKind{r.Group, r.Kind}
		if podSpecPaths[gk] != nil && r.Called(name) {
			return gk, true
		}
	}
	return GroupKind{}, false
}
