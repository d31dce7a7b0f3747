package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/secrets"
)

func secretsCommand(p *Program) *cobra.Command {
	f := inventory{kinds: []model.GroupKind{model.SecretKind}}
	cmd := &cobra.Command{
		Use:   "secrets [PATH...] | --cluster | --from FILE",
		Short: "Who consumes each Secret, and who may read it?",
		Long: `List the Secrets of manifests (default the working directory) or of a cluster,
worst first: who consumes each and how, who may read it by RBAC, and which secret
manager makes it. Values are neither kept nor shown; of a cluster only the
metadata of Secrets are read.

Exit code: 0 told, 2 usage or internal error, 3 something could not be read.`,
		Example: `  ullage secrets deploy/
  ullage secrets -n shop --cluster
  ullage secrets -o json deploy/ | jq '.secrets[] | select(.consumers == [])'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, p, args, func(j judgements) judgedList {
				view := secrets.New(f.world, check.SecretReaders(access.New(f.world)))
				view.Secrets = slices.DeleteFunc(view.Secrets, func(s *secrets.Secret) bool {
					namespaces := []string{s.Namespace}
					for i := range s.Consumers {
						namespaces = append(namespaces, s.Consumers[i].Object.Key.Namespace)
					}
					return !f.wants(namespaces...)
				})
				return newSecretsListing(f.world, view, j)
			})
		},
	}
	f.flags(cmd)
	return cmd
}

// secretsListing is the Secrets with what the rules say of them, worst first.
type secretsListing struct {
	*secrets.View
	secrets  []listedSecret
	readings []reading
}

type listedSecret struct {
	*secrets.Secret
	verdict
}

func newSecretsListing(world *model.Snapshot, view *secrets.View, j judgements) *secretsListing {
	l := &secretsListing{View: view}
	for _, s := range view.Secrets {
		spots := []spot{{object: s.Object}}
		for i := range s.Consumers {
			c := &s.Consumers[i]
			at := c.Path
			if (c.How == secrets.Mount || c.How == secrets.Env) && at[len(at)-2].Key != "annotations" { // the keys stand beside the name
				at = at[:len(at)-1]
			}
			spots = append(spots, spot{c.Object, at})
		}
		v := j.of(spots...)
		if s.State == secrets.Unread {
			v.unknowns = append([]string{"it is not among what was read, and may live elsewhere"}, v.unknowns...)
		}
		l.secrets = append(l.secrets, listedSecret{s, v})
	}
	slices.SortStableFunc(l.secrets, func(a, b listedSecret) int { return b.worst() - a.worst() })
	l.readings = readingsOf(l.secrets)
	for i := range l.readings {
		binding := world.Get(l.readings[i].binding)
		l.readings[i].verdict = j.of(spot{object: binding}, spot{object: roleOf(world, binding)})
	}
	return l
}

func (l *secretsListing) text(p *inventoryPrinter) error {
	quiet := 0
	for i := range l.secrets {
		s := &l.secrets[i]
		if !s.bad() && !p.verbose && s.State == secrets.Present && (len(s.unknowns) == 0 || !p.closed) {
			quiet++
			continue
		}
		p.secret(s)
	}
	p.rest()
	p.readersOfAll(l)
	if len(l.Managers) > 0 {
		p.line(0, bold, "Secret managers in use")
		for _, m := range l.Managers {
			name := m.Name
			if len(m.Backends) > 0 {
				name += " (" + strings.Join(m.Backends, ", ") + ")"
			}
			p.wrapped(2, "", fmt.Sprintf("%s, in %s: %s", name, counted(len(m.Objects), "object"), m.Effect))
		}
		fmt.Fprintln(p.w)
	}
	if quiet > 0 {
		p.wrapped(0, dim, fmt.Sprintf("Nothing to say of %s; --verbose lists them.", counted(quiet, "Secret")))
	}
	for _, reason := range l.Unknowns {
		p.wrapped(0, dim, "Not known: "+reason+".")
	}
	t := &tally{seen: map[*model.Finding]bool{}}
	for i := range l.secrets {
		t.add(&l.secrets[i].verdict)
	}
	p.summary(counted(len(l.secrets), "Secret"), t)
	return p.w.Flush()
}

func (p *inventoryPrinter) secret(s *listedSecret) {
	severity, style := s.word()
	if !p.room(severity) {
		return
	}
	more := s.Type
	switch s.State {
	case secrets.Made:
		more = "made by " + s.MadeBy[0].Key.String()
	case secrets.Absent:
		more = "does not exist"
	case secrets.Unread:
		more = "not among what was read"
	}
	p.head(severity, style, "Secret "+s.Name.String(), more)
	p.findings(&s.verdict)
	if s.KeysKnown && len(s.Keys) > 0 {
		p.label("keys", strings.Join(s.Keys, ", "))
	}
	p.consumers(s.Secret)
	p.readers(s.Secret)
	p.unknowns(&s.verdict)
	fmt.Fprintln(p.w)
}

var howWords = map[secrets.How]string{
	secrets.Mount: "as files", secrets.Env: "in the environment", secrets.EnvFrom: "all of it in the environment", secrets.ImagePull: "to pull images",
	secrets.Account: "as its token", secrets.TLS: "as its certificate", secrets.Ingress: "for its controller", secrets.Driver: "for its storage driver", secrets.Manager: "for the secret manager",
	secrets.Custom: "named by it",
}

func (p *inventoryPrinter) consumers(s *secrets.Secret) {
	if len(s.Consumers) == 0 {
		p.label("consumed by", "nothing that was read")
		return
	}
	for i, c := range s.Consumers {
		if i == shownUsers && !p.verbose {
			p.label("", fmt.Sprintf("and %d more; --verbose lists them", len(s.Consumers)-i))
			break
		}
		name := "consumed by"
		if i > 0 {
			name = ""
		}
		text := c.Object.Key.String()
		if len(c.Object.Pods()) > 0 {
			text += " (service account " + c.Account + ")" + hasEnded(c.Object)
		}
		text += ", " + howWords[c.How]
		if len(c.Containers) > 0 {
			text += " of " + strings.Join(c.Containers, ", ")
		}
		if len(c.Keys) > 0 {
			text += " (" + strings.Join(c.Keys, ", ") + ")"
		}
		p.label(name, text)
	}
}

// readers names who may read a Secret; readersOfAll says by what.
func (p *inventoryPrinter) readers(s *secrets.Secret) {
	var names []string
	for _, r := range s.Readers {
		if !r.System || p.verbose {
			names = append(names, r.Subject)
		}
	}
	switch {
	case s.State == secrets.Absent:
	case len(names) > shownUsers && !p.verbose:
		p.label("readable by", fmt.Sprintf("%s and %d more; --verbose lists them", strings.Join(names[:shownUsers], ", "), len(names)-shownUsers))
	case len(names) > 0:
		p.label("readable by", strings.Join(names, ", "))
	case len(s.Readers) > 0:
		p.label("readable by", "parts of Kubernetes itself")
	default:
		p.label("readable by", "nobody by what was read")
	}
}

// reading is what one subject may read by one binding.
type reading struct {
	by      readingKey
	binding model.Key
	secrets int
	verdict // of the binding and its role
}

type readingKey struct {
	subject, verbs, everybody, binding string
	system                             bool
}

// readingsOf gathers the readers of all Secrets, those who read most first.
func readingsOf(all []listedSecret) []reading {
	var list []reading
	at := map[readingKey]int{}
	for i := range all {
		for _, r := range all[i].Readers {
			key := readingKey{r.Subject, strings.Join(r.Verbs, ", "), r.Everybody, r.Binding.String(), r.System}
			i, ok := at[key]
			if !ok {
				i = len(list)
				at[key] = i
				list = append(list, reading{by: key, binding: r.Binding})
			}
			list[i].secrets++
		}
	}
	slices.SortStableFunc(list, func(a, b reading) int { return b.secrets - a.secrets })
	return list
}

// roleOf returns the role that a binding gives, if it was read.
func roleOf(world *model.Snapshot, binding *model.Object) *model.Object {
	if binding == nil {
		return nil
	}
	ref := binding.Root.Get("roleRef")
	key := model.Key{Cluster: binding.Key.Cluster, GroupKind: model.GroupKind{Group: ref.Get("apiGroup").Str(), Kind: ref.Get("kind").Str()}, Name: ref.Get("name").Str()}
	if key.GroupKind == model.RoleKind {
		key.Namespace = binding.Key.Namespace
	}
	return world.Get(key)
}

// readersOfAll writes once by what each subject may read, and what the rules say of
// that.
func (p *inventoryPrinter) readersOfAll(l *secretsListing) {
	list := slices.DeleteFunc(slices.Clone(l.readings), func(r reading) bool { return r.by.system && !p.verbose })
	if len(list) == 0 {
		return
	}
	p.line(0, bold, "Who may read them")
	for i := range list {
		r := &list[i]
		if i == shownUsers && !p.verbose {
			p.line(2, dim, fmt.Sprintf("and %d more; --verbose lists them", len(list)-i))
			break
		}
		text := fmt.Sprintf("%s: %d of %s (%s, by %s)", r.by.subject, r.secrets, counted(len(l.secrets), "Secret"), r.by.verbs, r.by.binding)
		if r.by.everybody != "" {
			text += "; that is " + r.by.everybody
		}
		p.wrapped(2, "", text)
		var ids []string
		for _, f := range r.findings {
			if id := severityOf(f).String() + " " + f.Rule.ID; severityOf(f) > model.Info && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			p.wrapped(4, dim, "found of the binding and its role: "+strings.Join(ids, ", "))
		}
	}
	p.wrapped(2, dim, "Whoever may make pods in a namespace may have them mount its Secrets: ullage access who-can create pods -n NAMESPACE lists them, and ullage attack-paths --to secret/NAMESPACE/NAME all ways.")
	fmt.Fprintln(p.w)
}
