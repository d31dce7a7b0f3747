package secrets

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const (
	tokenType         = "kubernetes.io/service-account-token"
	accountAnnotation = "kubernetes.io/service-account.name"
	// The API server writes these labels to token Secrets: the day of the last use,
	// and the day since which one is refused because nobody used it.
	lastUsedLabel     = "kubernetes.io/legacy-token-last-used"
	invalidSinceLabel = "kubernetes.io/legacy-token-invalid-since"
)

func (s *Secret) find(id string, severity model.Severity, o *model.Object, at tree.Path, format string, args ...any) {
	s.Findings = append(s.Findings, Finding{ID: id, Severity: severity, Text: fmt.Sprintf(format, args...), Object: o, Path: at})
}

// judge looks for what is wrong with a Secret.
func (b *builder) judge(s *Secret) {
	s.judgeReaders()
	s.judgeToken()
	b.judgeSharing(s)
	s.judgeConsumers()
	b.judgeUse(s)
	if s.Object != nil && slices.ContainsFunc(s.Object.Credentials, func(c model.Credential) bool { return c.Type == model.SecretValue }) && s.Object.Source.Live == "" {
		s.find("written-in-file", model.Medium, s.Object, nil, "its values are written in the file, for everybody who reads the repository")
	}
	if s.Object != nil && s.KeysKnown && !s.Immutable && len(s.MadeBy) == 0 && s.Type != tokenType {
		s.find("mutable", model.Info, s.Object, nil, "immutable is not set, so that whoever may update it can replace what its consumers trust")
	}
	slices.SortStableFunc(s.Findings, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) })
}

// judgeReaders looks for those who may read a Secret and need not: a pod that
// mounts or names one needs no right.
func (s *Secret) judgeReaders() {
	var names distinct
	severity := model.Low
	for _, r := range s.Readers {
		switch {
		case r.Everybody != "":
			everybody := model.High
			if r.Anonymous {
				everybody = model.Critical
			}
			s.find("read-by-everybody", everybody, nil, nil, "%s may read it (%s, by %s)", r.Everybody, strings.Join(r.Verbs, ", "), r.By)
		case r.System || r.ByName:
		default:
			names.add(r.Subject)
			if r.ServiceAccount {
				severity = model.Medium
			}
		}
	}
	if len(names.list) == 0 {
		return
	}
	users := "nothing here consumes it"
	switch n := len(s.workloads()); {
	case n == 1:
		users = "the workload that consumes it needs no such right"
	case n > 1:
		users = fmt.Sprintf("the %s that consume it need no such right", counted(n, "workload"))
	case len(s.Consumers) > 0:
		users = "no workload consumes it by such a right"
	}
	s.find("excess-readers", severity, nil, nil, "%s may read it by RBAC, and %s", listed(names.list), users)
}

// workloads returns the consumers that are pods, each once.
func (s *Secret) workloads() []*model.Object {
	var found []*model.Object
	for _, c := range s.Consumers {
		if len(c.Object.Pods()) > 0 {
			found = append(found, c.Object)
		}
	}
	return slices.Compact(found) // consumers are in the order of objects
}

// judgeToken looks at a token of a service account that does not expire.
func (s *Secret) judgeToken() {
	if s.Type != tokenType || s.Object == nil {
		return
	}
	account := s.Namespace + "/" + s.Object.Annotation(accountAnnotation)
	used, invalid := s.Object.Labels().Get(lastUsedLabel).Str(), s.Object.Labels().Get(invalidSinceLabel).Str()
	switch {
	case invalid != "":
		s.find("token-invalid", model.Low, s.Object, nil, "it holds a token of service account %s that the API server refuses since %s, as nobody used it", account, invalid)
	case used != "":
		s.find("long-lived-token", model.High, s.Object, nil, "it holds a token of service account %s that never expires; last used on %s", account, used)
	case s.Object.Source.Live != "":
		s.find("long-lived-token", model.High, s.Object, nil, "it holds a token of service account %s that never expires, and no use of it was recorded", account)
	default:
		s.find("long-lived-token", model.High, s.Object, nil, "it holds a token of service account %s that never expires", account)
	}
}

// judgeSharing looks at who has the same credential. Certificates and
// credentials for registries are shared by their nature.
func (b *builder) judgeSharing(s *Secret) {
	switch s.Type {
	case "", "Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth":
	default:
		return
	}
	var accounts, workloads distinct
	for _, c := range s.Consumers {
		switch c.How {
		case Mount, Env, EnvFrom:
			if c.Account != "" {
				accounts.add(c.Account)
				workloads.add(b.s.Controller(c.Object).Key.String())
			}
		}
	}
	switch {
	case len(accounts.list) > 1:
		s.find("shared-across-accounts", model.Medium, nil, nil, "%s have it under the service accounts %s: who gets into one has the credential of all", listed(workloads.list), listed(accounts.list))
	case len(workloads.list) > 1:
		s.find("shared-across-workloads", model.Low, nil, nil, "%s have it: who gets into one has the credential of all", listed(workloads.list))
	}
}

// judgeConsumers looks at how each consumer takes a Secret.
func (s *Secret) judgeConsumers() {
	var env, whole, narrow, keys distinct
	var first, firstWhole *Consumer
	for i := range s.Consumers {
		c := &s.Consumers[i]
		name := c.Object.Key.String()
		if c.How == Env || c.How == EnvFrom {
			env.add(name)
			if first == nil {
				first = c
			}
		}
		switch {
		case c.How != Mount && c.How != Env && c.How != EnvFrom:
		case len(c.Keys) > 0:
			narrow.add(name)
			for _, key := range c.Keys {
				keys.add(key)
			}
		default:
			whole.add(name)
			if firstWhole == nil {
				firstWhole = c
			}
		}
	}
	if len(env.list) > 0 {
		s.find("in-environment", model.Low, first.Object, first.Path, "%s it in the environment, which child processes inherit and error reports print; a file is read by those who need it", verb(env.list, "has", "have"))
	}
	narrow.list = slices.DeleteFunc(narrow.list, func(n string) bool { return whole.has[n] })
	if len(whole.list) > 0 && len(narrow.list) > 0 {
		s.find("whole-secret", model.Low, firstWhole.Object, firstWhole.Path, "%s all of its keys, while %s no more than %s", verb(whole.list, "takes", "take"), verb(narrow.list, "takes", "take"), listed(keys.list))
	}
}

// verb joins names with the verb's form for their number.
func verb(names []string, one, many string) string {
	if len(names) == 1 {
		return names[0] + " " + one
	}
	return listed(names) + " " + many
}

// judgeUse looks for Secrets that nobody uses, and for uses of what there is not.
func (b *builder) judgeUse(s *Secret) {
	if len(s.Keys) > 0 && len(s.MadeBy) == 0 { // an empty one is filled by somebody
		s.judgeKeys()
	}
	switch s.State {
	case Present:
		b.judgeUnused(s)
	case Absent:
		s.judgeAbsent()
	case Unread:
		s.Unknowns = append(s.Unknowns, "it was not read, and may live elsewhere")
	}
}

// foundByLabel are labels of Secrets that controllers find by them.
var foundByLabel = []string{"owner", "argocd.argoproj.io/secret-type", "sealedsecrets.bitnami.com/sealed-secrets-key"}

func (b *builder) judgeUnused(s *Secret) {
	switch s.Type {
	case "", "Opaque", "kubernetes.io/tls", "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth":
	default:
		return
	}
	if len(s.Consumers) > 0 || slices.ContainsFunc(foundByLabel, func(l string) bool { return s.Object.Labels().Get(l) != nil }) {
		return
	}
	var byName distinct
	for _, r := range s.Readers {
		if r.ByName {
			byName.add(r.Subject)
		}
	}
	switch {
	case len(byName.list) > 0:
		s.Unknowns = append(s.Unknowns, fmt.Sprintf("nothing here names it, but %s may read it by name, and may use it so", listed(byName.list)))
	case b.loose[s.Name.Name] != nil:
		s.Unknowns = append(s.Unknowns, fmt.Sprintf("%s names a Secret of this name and not its namespace", b.loose[s.Name.Name].Key))
	case !b.s.Closed:
		s.Unknowns = append(s.Unknowns, "nothing here consumes it, and what does may live elsewhere")
	case b.gap(s.Namespace) != nil:
		s.Unknowns = append(s.Unknowns, "nothing that was read consumes it, and something else may: "+b.gap(s.Namespace).Reason)
	default:
		s.find("unused", model.Low, s.Object, nil, "nothing that was read consumes it")
	}
}

func (s *Secret) judgeAbsent() {
	for _, c := range s.Consumers {
		if c.Optional {
			continue
		}
		switch c.How {
		case Mount, Env, EnvFrom:
			s.find("missing", model.Medium, c.Object, c.Path, "it does not exist, so the pods of %s cannot start", c.Object.Key)
			return
		case ImagePull, TLS:
			s.find("missing", model.Low, c.Object, c.Path, "it does not exist, and %s names it", c.Object.Key)
			return
		}
	}
}

// judgeKeys looks for keys that a consumer names and the Secret does not have.
func (s *Secret) judgeKeys() {
	for _, c := range s.Consumers {
		for _, key := range c.Keys {
			if _, has := slices.BinarySearch(s.Keys, key); len(c.Object.Pods()) > 0 && !c.Optional && !has {
				s.find("missing-key", model.Medium, c.Object, c.Path, "it has no key %s, which %s takes", key, c.Object.Key)
			}
		}
	}
}

// distinct is a list without duplicates, in the order of the first ones.
type distinct struct {
	list []string
	has  map[string]bool
}

func (d *distinct) add(s string) {
	if d.has == nil {
		d.has = map[string]bool{}
	}
	if !d.has[s] {
		d.has[s] = true
		d.list = append(d.list, s)
	}
}

// listed names the first of a list and counts the rest.
func listed(list []string) string {
	const most = 4
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	if len(list) > 1 {
		return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
	}
	return strings.Join(list, "")
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
