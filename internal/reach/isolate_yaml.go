package reach

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"ullage.dev/ullage/internal/model"
)

// podSelector is a label selector that is written.
type podSelector struct {
	labels []labelValue
	absent []string // keys that pods must not have
	others string   // workloads that it matches as well
}

// hashLabels are given to pods by controllers, and change.
var hashLabels = func() map[string]bool {
	keys := map[string]bool{}
	for _, list := range automaticLabels {
		for _, key := range list {
			keys[key] = true
		}
	}
	return keys
}()

// stableLabels returns the labels of a pod but for those that controllers give to
// each.
func stableLabels(pod model.PodTemplate) []labelValue {
	var labels []labelValue
	for i := range pod.Labels().Children() {
		if l := &pod.Labels().Children()[i]; !hashLabels[l.Key()] {
			labels = append(labels, labelValue{l.Key(), l.Str()})
		}
	}
	slices.SortFunc(labels, func(a, b labelValue) int { return strings.Compare(a.key, b.key) })
	return labels
}

func labelsText(labels []labelValue) string {
	var text strings.Builder
	for _, l := range labels {
		fmt.Fprintf(&text, "%q=%q,", l.key, l.value)
	}
	return text.String()
}

func (s podSelector) matches(labels []labelValue) bool {
	for _, l := range s.labels {
		if !slices.Contains(labels, l) {
			return false
		}
	}
	return !slices.ContainsFunc(labels, func(l labelValue) bool { return slices.Contains(s.absent, l.key) })
}

// selectorOf returns a selector that matches the pods of a workload and of no
// other in its namespace, as far as labels tell them apart. It prefers what the
// controller selects by.
func (b *isolator) selectorOf(w model.Workload) podSelector {
	own, here := stableLabels(w.Pod), b.space(w.Object.Key.Namespace)
	var first podSelector
	match := w.Object.Root.Dig("spec", "selector", "matchLabels")
	for i := range match.Children() {
		if l := (labelValue{match.Children()[i].Key(), match.Children()[i].Str()}); slices.Contains(own, l) {
			first.labels = append(first.labels, l)
		}
	}
	if len(first.labels) > 0 && here.only(w, first) {
		return first
	}
	s := podSelector{labels: own}
	for i := range here.others(w, s) { // they have these labels and more
		for _, l := range here.labels[i] {
			if !slices.ContainsFunc(own, func(mine labelValue) bool { return mine.key == l.key }) {
				if !slices.Contains(s.absent, l.key) {
					s.absent = append(s.absent, l.key)
				}
				break
			}
		}
	}
	slices.Sort(s.absent)
	var others []model.Workload
	for i := range here.others(w, s) {
		others = append(others, here.workloads[i])
	}
	if len(others) > 0 {
		s.others = keysOf(others)
	}
	return s
}

// plain is text that needs no quotes in YAML, of what the API server takes.
var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*([-_./][A-Za-z0-9]+)*$`)

func quoted(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
	default:
		if plain.MatchString(s) {
			return s
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(text)
}

func (s podSelector) String() string {
	var parts []string
	if len(s.labels) > 0 {
		var pairs []string
		for _, l := range s.labels {
			pairs = append(pairs, quoted(l.key)+": "+quoted(l.value))
		}
		parts = append(parts, "matchLabels: {"+strings.Join(pairs, ", ")+"}")
	}
	if len(s.absent) > 0 {
		var terms []string
		for _, key := range s.absent {
			terms = append(terms, "{key: "+quoted(key)+", operator: DoesNotExist}")
		}
		parts = append(parts, "matchExpressions: ["+strings.Join(terms, ", ")+"]")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// podPeerText writes a peer. The namespace is named even when it is the policy's
// own, so that the peer means the same in every policy.
func podPeerText(namespace string, s podSelector) string {
	text := "namespaceSelector: {matchLabels: {" + nameLabel + ": " + quoted(namespace) + "}}"
	if len(s.labels) > 0 || len(s.absent) > 0 {
		text += ", podSelector: " + s.String()
	}
	return "{" + text + "}"
}

func blockText(p netip.Prefix, except ...netip.Prefix) string {
	text := "cidr: " + quoted(p.String())
	if len(except) > 0 {
		var list []string
		for _, e := range except {
			list = append(list, quoted(e.String()))
		}
		text += ", except: [" + strings.Join(list, ", ") + "]"
	}
	return "{ipBlock: {" + text + "}}"
}

// blocks writes the peers that hold the addresses of a set: for each family the
// ranges of it, or one without some if that is shorter.
func (s rangeSet) blocks() []string {
	var texts []string
	for _, whole := range everyAddress {
		var own rangeSet
		for _, x := range s {
			if x.first.BitLen() == whole.Addr().BitLen() {
				own = append(own, x)
			}
		}
		if len(own) == 0 {
			continue
		}
		for whole.Bits() < whole.Addr().BitLen() { // the smallest that holds them all
			half := netip.PrefixFrom(own[0].first, whole.Bits()+1).Masked()
			if !half.Contains(own[len(own)-1].last) {
				break
			}
			whole = half
		}
		list, except := own.prefixes(), rangeSet{spanOf(whole)}.without(own).prefixes()
		if len(except) < len(list) {
			texts = append(texts, blockText(whole, except...))
			continue
		}
		for _, p := range list {
			texts = append(texts, blockText(p))
		}
	}
	return texts
}

// publicPeer is the addresses of the internet.
func publicPeer() []string {
	var except [2][]netip.Prefix
	for _, p := range localRanges {
		except[boolToInt(p.Addr().Is6())] = append(except[boolToInt(p.Addr().Is6())], p)
	}
	return []string{blockText(everyAddress[0], except[0]...), blockText(everyAddress[1], except[1]...)}
}

func portsText(s PortSet) string {
	if s.All() {
		return ""
	}
	var list []string
	for _, r := range s.Ranges() {
		switch {
		case r.First <= 1 && r.Last == maxPort:
			list = append(list, fmt.Sprintf("{protocol: %s}", r.Protocol))
		case r.First == r.Last:
			list = append(list, fmt.Sprintf("{protocol: %s, port: %d}", r.Protocol, r.First))
		default:
			list = append(list, fmt.Sprintf("{protocol: %s, port: %d, endPort: %d}", r.Protocol, max(r.First, 1), r.Last))
		}
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// comment makes text fit for a comment of one line.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return '\uFFFD'
		}
		return r
	}, text)
}

// write writes the policies: one that closes, one for names, and one for each
// group that something is allowed to.
func (b *isolator) write() {
	in, out := b.graph.DefaultDeny(b.Namespace, Ingress), b.graph.DefaultDeny(b.Namespace, Egress)
	if in == nil || out == nil || in.Tier != TierNetwork || out.Tier != TierNetwork {
		b.policy("default-deny", "Nothing is allowed but what other policies allow.", podSelector{}, [2][]allowance{}, true)
	}
	r := resolverOf(b.snapshot)
	if r.assumed {
		b.note(assumedResolver)
	}
	dns := [2][]allowance{Egress: {{r.peers, r.ports, []string{r.because}}}}
	b.policy("allow-dns", "Names can be looked up.", podSelector{}, dns, false)
	for _, gr := range b.groups {
		if len(gr.allows[Ingress])+len(gr.allows[Egress]) > 0 {
			b.policy("allow-"+gr.members[0].Object.Key.Name, "What "+keysOf(gr.members)+" needs.", gr.selector, gr.allows, false)
		}
	}
}

// mostReasons is how many reasons of one rule are told, as thousands of routes may
// lead to one Service.
const mostReasons = 6

// policy writes one policy.
func (b *isolator) policy(name, about string, subject podSelector, allows [2][]allowance, both bool) {
	var types []string
	for _, d := range directions {
		if both || len(allows[d]) > 0 {
			types = append(types, d.String())
		}
	}
	var t strings.Builder
	fmt.Fprintf(&t, "# %s\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: %s\n  namespace: %s\nspec:\n  podSelector: %s\n  policyTypes: [%s]\n",
		comment(about), quoted(b.unused(name)), quoted(b.Namespace), subject, strings.Join(types, ", "))
	for d, key := range [...]string{Ingress: "ingress", Egress: "egress"} {
		if len(allows[d]) == 0 {
			continue
		}
		fmt.Fprintf(&t, "  %s:\n", key)
		for _, a := range allows[d] {
			told := a.because
			if len(told) > mostReasons+1 {
				told = append(told[:mostReasons:mostReasons], fmt.Sprintf("and %d more reasons", len(a.because)-mostReasons))
			}
			for _, because := range told {
				fmt.Fprintf(&t, "    # %s\n", comment(because))
			}
			writeRule(&t, [...]string{Ingress: "from", Egress: "to"}[d], a)
		}
	}
	if o := parsePolicy(t.String(), b.groups[0].members[0].Object.Key.Cluster, b.Namespace); o != nil {
		b.Policies = append(b.Policies, Generated{o, t.String()})
	}
}

func writeRule(t *strings.Builder, key string, a allowance) {
	mark := "- "
	if len(a.peer) > 0 {
		fmt.Fprintf(t, "    - %s:\n", key)
		for _, p := range a.peer {
			fmt.Fprintf(t, "        - %s\n", p)
		}
		mark = "  "
	}
	if ports := portsText(a.ports); ports != "" {
		fmt.Fprintf(t, "    %sports: %s\n", mark, ports)
	} else if len(a.peer) == 0 {
		t.WriteString("    - {}\n")
	}
}

// unused returns a name that no policy of the namespace has yet.
func (b *isolator) unused(name string) string {
	const longest = 253
	name = strings.Trim(name[:min(len(name), longest-4)], "-.*")
	taken := func(name string) bool {
		key := model.Key{Cluster: b.groups[0].members[0].Object.Key.Cluster, Namespace: b.Namespace, GroupKind: apis[0].kind, Name: name}
		return b.snapshot.Get(key) != nil || slices.ContainsFunc(b.Policies, func(p Generated) bool { return p.Object.Key == key })
	}
	next := name
	for i := 2; taken(next); i++ {
		next = fmt.Sprintf("%s-%d", name, i)
	}
	return next
}
