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
	var f inventory
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
			s, err := f.read(cmd, p, args)
			if err != nil {
				return err
			}
			view := secrets.New(s, check.SecretReaders(access.New(s)))
			view.Secrets = slices.DeleteFunc(view.Secrets, func(s *secrets.Secret) bool {
				namespaces := []string{s.Namespace}
				for i := range s.Consumers {
					namespaces = append(namespaces, s.Consumers[i].Object.Key.Namespace)
				}
				return !f.wants(namespaces...)
			})
			if f.output == "json" {
				err = writeJSON(p.Stdout, secretsJSON(view))
			} else {
				err = f.printer(p).secrets(view)
			}
			if err != nil {
				return err
			}
			return f.end()
		},
	}
	f.flags(cmd)
	return cmd
}

func secretFindings(all []secrets.Finding) []found {
	var list []found
	for _, f := range all {
		list = append(list, found(f))
	}
	return list
}

func (p *inventoryPrinter) secrets(view *secrets.View) error {
	var all []found
	quiet := 0
	for _, s := range view.Secrets {
		findings := secretFindings(s.Findings)
		all = append(all, findings...)
		if !p.verbose && (len(findings) == 0 || findings[0].Severity == model.Info) && s.State == secrets.Present && len(s.Unknowns) == 0 {
			quiet++
			continue
		}
		p.secret(s)
	}
	p.rest()
	p.readersOfAll(view.Secrets)
	if len(view.Managers) > 0 {
		p.line(0, bold, "Secret managers in use")
		for _, m := range view.Managers {
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
	for _, reason := range view.Unknowns {
		p.wrapped(0, dim, "Not known: "+reason+".")
	}
	p.summary(counted(len(view.Secrets), "Secret"), all)
	return p.w.Flush()
}

func (p *inventoryPrinter) secret(s *secrets.Secret) {
	severity, style := verdict(secretFindings(s.Findings), len(s.Unknowns) > 0)
	if !p.room(severity) {
		return
	}
	more := s.Type
	switch s.State {
	case secrets.Made:
		more = "made by " + s.MadeBy[0].Key.String()
	case secrets.Absent:
		more = "does not exist"
	}
	p.head(severity, style, "Secret "+s.Name.String(), more)
	findings := secretFindings(s.Findings)
	if !p.verbose {
		findings = slices.DeleteFunc(findings, func(f found) bool { return f.Severity == model.Info })
	}
	p.findings(findings)
	if s.KeysKnown && len(s.Keys) > 0 {
		p.label("keys", strings.Join(s.Keys, ", "))
	}
	p.consumers(s)
	p.readers(s)
	for _, reason := range s.Unknowns {
		p.label("not known", reason)
	}
	fmt.Fprintln(p.w)
}

var howWords = map[secrets.How]string{
	secrets.Mount: "as files", secrets.Env: "in the environment", secrets.EnvFrom: "all of it in the environment", secrets.ImagePull: "to pull images",
	secrets.Account: "as its token", secrets.TLS: "as its certificate", secrets.Driver: "for its storage driver", secrets.Manager: "for the secret manager",
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
			text += " (service account " + c.Account + ")"
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

// reading is what one subject may read.
type reading struct {
	subject, how string
	count        int
}

// readersOfAll writes once by what each subject may read, with those who read
// most first.
func (p *inventoryPrinter) readersOfAll(all []*secrets.Secret) {
	var list []reading
	at := map[[2]string]int{}
	for _, s := range all {
		for _, r := range s.Readers {
			if r.System && !p.verbose {
				continue
			}
			key := [2]string{r.Subject, fmt.Sprintf("%s, by %s", strings.Join(r.Verbs, ", "), r.By)}
			i, ok := at[key]
			if !ok {
				i = len(list)
				at[key] = i
				list = append(list, reading{key[0], key[1], 0})
			}
			list[i].count++
		}
	}
	if len(list) == 0 {
		return
	}
	slices.SortStableFunc(list, func(a, b reading) int { return b.count - a.count })
	p.line(0, bold, "Who may read them")
	for i, r := range list {
		if i == shownUsers && !p.verbose {
			p.line(2, dim, fmt.Sprintf("and %d more; --verbose lists them", len(list)-i))
			break
		}
		p.wrapped(2, "", fmt.Sprintf("%s: %d of %s (%s)", r.subject, r.count, counted(len(all), "Secret"), r.how))
	}
	fmt.Fprintln(p.w)
}
