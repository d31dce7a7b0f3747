package access

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Narrowed is what to put in the place of a role: rules that allow all that was used
// of it by everybody who holds it, and what of it is not known to be unused.
//
// Of a role that is Kubernetes' own and given by a binding that is not, it is a role
// of that binding's own, since the other must stay as it is.
type Narrowed struct {
	Role    *Role
	Binding *Binding // that gets a role of its own; nil where the role itself changes
	Rules   []NarrowRule
	Gone    int // rights, of those that it had, that it has no more or only in part
	Had     int
}

// NarrowRule is a PolicyRule that is to be written.
type NarrowRule struct {
	Groups, Resources, Names, URLs, Verbs []string
}

// Narrow returns the roles that can be narrowed, of which something was not used: of
// those that one of the wanted grants gives, for all who hold them. keep says of a
// right that was not used, or only in part, whether it stays.
func Narrow(grants []GrantUse, wanted func(*GrantUse) bool, keep func(*GrantUse, *RightUse) bool) []Narrowed {
	found := map[narrowed]*narrower{}
	var order []narrowed
	for i := range grants {
		g := &grants[i]
		for j := range g.Rights {
			r := &g.Rights[j]
			at := narrowed{role: r.Source}
			if g.Binding.Role().ofKubernetes() {
				if at = (narrowed{g.Binding.Role(), g.Binding}); g.Binding.ofKubernetes() {
					continue
				}
			} else if r.Source.ofKubernetes() {
				continue
			}
			n := found[at]
			if n == nil {
				n = &narrower{kept: map[narrowKey]map[string]bool{}, cells: map[cell]bool{}}
				found[at] = n
				order = append(order, at)
			}
			n.wanted = n.wanted || wanted(g)
			n.add(r, keep(g, r))
		}
	}
	var all []Narrowed
	for _, at := range order {
		if n := found[at].narrowed(at); n.Gone > 0 && found[at].wanted {
			all = append(all, n)
		}
	}
	slices.SortStableFunc(all, func(a, b Narrowed) int { return compareRoles(a.Role, b.Role) })
	return all
}

// narrowed is a role that changes, or the binding that gets another.
type narrowed struct {
	role    *Role
	binding Binding
}

// ofKubernetes reports whether the API server makes the role, and makes it anew.
func (r *Role) ofKubernetes() bool {
	if r.Object == nil {
		return true
	}
	own := func(b builtin) bool { return b.name == r.Name }
	return r.Namespace == "" && slices.ContainsFunc(builtins, own) || bootstrapped(r.Object)
}

// ofKubernetes reports whether the API server makes the binding, and makes it anew.
func (b Binding) ofKubernetes() bool { return b.Assumed() || bootstrapped(b.Object()) }

// bootstrapped reports whether the API server made the object when it began.
func bootstrapped(o *model.Object) bool {
	return o.Labels().Get("kubernetes.io/bootstrapping").Str() == "rbac-defaults"
}

// narrower gathers what of one role is kept.
type narrower struct {
	kept  map[narrowKey]map[string]bool // verbs
	cells map[cell]bool                 // the rights, and whether all of each is kept

	wanted bool
}

// cell is one right of a rule.
type cell struct {
	rule                       *tree.Node
	verb, group, resource, url string
}

// narrowKey is what verbs are for.
type narrowKey struct{ group, resource, names, url string }

func (n *narrower) add(r *RightUse, keep bool) {
	at := cell{r.Rule.Node, r.Verb, r.Group, r.Resource, r.URL}
	n.cells[at] = n.cells[at] || keep || len(r.Used) > 0 && !r.Wide()
	names := ""
	for _, name := range r.Names {
		names += name + "\x00" // a rule may name "", which is not no name
	}
	if keep {
		n.keep(narrowKey{r.Group, r.Resource, names, r.URL}, r.Verb)
		return
	}
	for _, used := range r.Used {
		q := &used.Request
		key, verb := narrowKey{r.Group, r.Resource, names, r.URL}, r.Verb
		if verb == "*" {
			verb = q.Verb
		}
		if r.Group == "*" {
			key.group = q.Group
		}
		if strings.Contains(r.Resource, "*") {
			key.resource = q.Resource
			if q.Subresource != "" {
				key.resource += "/" + q.Subresource
			}
		}
		if strings.HasSuffix(r.URL, "*") {
			key.url = q.URL
		}
		n.keep(key, verb)
	}
}

func (n *narrower) keep(key narrowKey, verb string) {
	if n.kept[key] == nil {
		n.kept[key] = map[string]bool{}
	}
	n.kept[key][verb] = true
}

func (n *narrower) narrowed(at narrowed) Narrowed {
	all := Narrowed{Role: at.role, Had: len(n.cells)}
	if at.binding != (Binding{}) {
		all.Binding = &at.binding
	}
	for _, whole := range n.cells {
		if !whole {
			all.Gone++
		}
	}
	// Resources with the same verbs share a rule.
	together := map[narrowKey]*NarrowRule{}
	for key, verbs := range n.kept {
		list := slices.Sorted(maps.Keys(verbs))
		if verbs["*"] {
			list = []string{"*"}
		}
		shared := narrowKey{key.group, strings.Join(list, "\x00"), key.names, ""}
		if key.url != "" {
			shared.url = "/"
		}
		rule := together[shared]
		if rule == nil {
			rule = &NarrowRule{Verbs: list}
			together[shared] = rule
		}
		if key.url != "" {
			rule.URLs = append(rule.URLs, key.url)
			continue
		}
		rule.Groups, rule.Resources = []string{key.group}, append(rule.Resources, key.resource)
		if key.names != "" {
			rule.Names = strings.Split(strings.TrimSuffix(key.names, "\x00"), "\x00")
		}
	}
	for _, rule := range together {
		slices.Sort(rule.Resources)
		slices.Sort(rule.URLs)
		all.Rules = append(all.Rules, *rule)
	}
	slices.SortFunc(all.Rules, func(a, b NarrowRule) int {
		return cmp.Or(slices.Compare(a.URLs, b.URLs), slices.Compare(a.Groups, b.Groups), slices.Compare(a.Resources, b.Resources), slices.Compare(a.Names, b.Names), slices.Compare(a.Verbs, b.Verbs))
	})
	return all
}

// Key is the role that is written.
func (n *Narrowed) Key() model.Key {
	if n.Binding == nil {
		return n.Role.Object.Key
	}
	key := n.Binding.Object().Key
	key.Kind, key.Name = strings.TrimSuffix(key.Kind, "Binding"), key.Name+"-used"
	return key
}

// Objects returns the role with its new rules and, of a binding that gets a role of
// its own, the binding with it.
func (n *Narrowed) Objects() ([]*model.Object, error) {
	rules := make([]tree.Node, len(n.Rules))
	for i := range n.Rules {
		rules[i] = n.Rules[i].node()
	}
	list := tree.Of(rules)
	if n.Binding == nil {
		o, err := withField(n.Role.Object, "rules", list)
		return []*model.Object{o}, err
	}
	key, binding := n.Key(), n.Binding.Object()
	metadata := []tree.Node{tree.Entry("name", key.Name)}
	if key.Namespace != "" {
		metadata = append(metadata, tree.Entry("namespace", key.Namespace))
	}
	root := tree.MapOf(tree.Entry("apiVersion", rbacGroup+"/v1"), tree.Entry("kind", key.Kind), tree.Entry("metadata", tree.MapOf(metadata...)), tree.Entry("rules", list))
	role, err := model.NewObject(&root, binding.Source, key.Cluster, key.Namespace)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	ref := tree.MapOf(tree.Entry("apiGroup", rbacGroup), tree.Entry("kind", key.Kind), tree.Entry("name", key.Name))
	bound, err := withField(binding, "roleRef", ref)
	return []*model.Object{role, bound}, err
}

// withField returns an object with another value of a field.
func withField(o *model.Object, key string, value tree.Node) (*model.Object, error) {
	root, err := tree.Apply(o.Root, tree.Path{{Key: key}}, &value, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Key, err)
	}
	return model.NewObject(root, o.Source, o.Key.Cluster, o.Key.Namespace)
}

func (r *NarrowRule) node() tree.Node {
	var fields []tree.Node
	for _, f := range []struct {
		key  string
		list []string
	}{{"apiGroups", r.Groups}, {"resources", r.Resources}, {"resourceNames", r.Names}, {"nonResourceURLs", r.URLs}, {"verbs", r.Verbs}} {
		if len(f.list) > 0 {
			fields = append(fields, tree.Entry(f.key, f.list))
		}
	}
	return tree.MapOf(fields...)
}
