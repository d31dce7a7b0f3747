package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// accessFlags are the flags of the access commands.
type accessFlags struct {
	input
	namespace, output, color string
	groups                   []string
	system, verbose          bool
	more                     []string // output formats beside text and json
}

func accessCommand(p *Program) *cobra.Command {
	var f accessFlags
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Who may do what, by RBAC, and which of it is dangerous",
		Long: `Answer questions about RBAC: of manifests (-f PATH, default the working
directory) or of a cluster (--cluster).

SUBJECT is sa:NAMESPACE/NAME, user:NAME or group:NAME. RESOURCE is written as
for kubectl: pods, pods/exec, secrets/NAME, deployments.apps, pods/exec/NAME, or
a URL path such as /metrics.

Files rarely hold every binding of a cluster. So what nothing in them allows is
unknown, and no only with --closed-world.`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f.input.flags(cmd)
	flags := cmd.PersistentFlags()
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")

	cmd.AddCommand(f.whoCanCommand(p), f.canCommand(p), f.listCommand(p), f.dangersCommand(p), f.unusedCommand(p))
	return cmd
}

func (f *accessFlags) whoCanCommand(p *Program) *cobra.Command {
	whoCan := &cobra.Command{
		Use: "who-can VERB RESOURCE", Short: "Who may make a request?",
		Long: `List who may make a request, and by which binding, role and rule.

Exit code: 0 somebody may who is not a part of Kubernetes itself, 1 nobody, 2
usage or internal error, 3 nobody that is known, but not all is known.`,
		Example: `  ullage access who-can get secrets -f deploy/
  ullage access who-can create pods/exec -n shop -f deploy/
  ullage access who-can get /metrics --cluster`,
		Args: exactly("VERB RESOURCE", 2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.whoCan(cmd, p, args) },
	}
	whoCan.Flags().StringVarP(&f.namespace, "namespace", "n", "", "in this namespace (default in any, or in the whole cluster)")
	whoCan.Flags().BoolVar(&f.system, "system", false, "list the parts of Kubernetes itself too")
	return whoCan
}

func (f *accessFlags) canCommand(p *Program) *cobra.Command {
	can := &cobra.Command{
		Use: "can SUBJECT VERB RESOURCE", Short: "May a subject make a request, and by what?",
		Long: `Answer whether a subject may make a request, with the binding, the role and the
rule that allow it. Without -n the request is for all namespaces at once; where
it is allowed in single ones only, these are named. The groups that Kubernetes
itself puts a subject into count; give others with --group.

Exit code: 0 yes, 1 no, 2 usage or internal error, 3 unknown.`,
		Example: `  ullage access can sa:shop/web list secrets -n shop -f deploy/
  ullage access can user:jo delete nodes --group ops --cluster`,
		Args: exactly("SUBJECT VERB RESOURCE", 3),
		RunE: func(cmd *cobra.Command, args []string) error { return f.can(cmd, p, args) },
	}
	can.Flags().StringVarP(&f.namespace, "namespace", "n", "", "in this namespace (default across all namespaces)")
	can.Flags().StringArrayVar(&f.groups, "group", nil, "the subject is in this group too; may be repeated")
	return can
}

func (f *accessFlags) listCommand(p *Program) *cobra.Command {
	list := &cobra.Command{
		Use: "list SUBJECT", Short: "What may a subject do, where, and by what?",
		Long: `List the bindings that hold for a subject, or for a group that Kubernetes puts it
into, each with its role and rules.

Exit code: 0 listed, also where there is nothing, 2 usage or internal error.`,
		Example: `  ullage access list sa:shop/web -f deploy/`,
		Args:    exactly("SUBJECT", 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.list(cmd, p, args) },
	}
	list.Flags().StringVarP(&f.namespace, "namespace", "n", "", "only what holds in this namespace")
	list.Flags().BoolVar(&f.system, "system", false, "list too what every cluster gives everybody with a login")
	list.Flags().StringArrayVar(&f.groups, "group", nil, "the subject is in this group too; may be repeated")
	return list
}

func (f *accessFlags) dangersCommand(p *Program) *cobra.Command {
	dangers := &cobra.Command{
		Use: "dangers [PATH...]", Short: "Who holds dangerous rights, and what untidy bindings are there?",
		Long: `List who holds which dangerous right, through which binding and rule, and what
an attacker does with it; then untidy bindings. docs/access.md lists the rights.

Exit code: 0 nothing found, 1 something found, 2 usage or internal error, 3
nothing found, but not all is known.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.paths = append(f.paths, args...)
			return f.dangers(cmd, p)
		},
	}
	dangers.Flags().StringVarP(&f.namespace, "namespace", "n", "", "only what holds in this namespace")
	dangers.Flags().BoolVar(&f.system, "system", false, "list the parts of Kubernetes itself too")
	dangers.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list every holder")
	return dangers
}

// exactly refuses any other number of arguments, and says where paths belong.
func exactly(names string, count int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < count:
			return fmt.Errorf("name %s", names)
		case len(args) > count && cmd.Flags().ShorthandLookup("f") == nil:
			return fmt.Errorf("%q is one argument too many", args[count])
		case len(args) > count:
			return fmt.Errorf("%q is one argument too many: name files with -f %s", args[count], args[count])
		}
		return nil
	}
}

// analysis reads what a question is about: a subject, if there is one.
func (f *accessFlags) analysis(cmd *cobra.Command, p *Program, subject access.Subject) (*model.Snapshot, *access.Analysis, error) {
	if formats := append([]string{"text", "json"}, f.more...); !slices.Contains(formats, f.output) {
		return nil, nil, fmt.Errorf("output format %q is none of %s", f.output, strings.Join(formats, ", "))
	}
	if !slices.Contains([]string{"auto", "always", "never"}, f.color) {
		return nil, nil, fmt.Errorf("--color %q is none of auto, always, never", f.color)
	}
	if f.namespace != "" && len(validation.IsDNS1123Label(f.namespace)) > 0 {
		return nil, nil, fmt.Errorf("-n %q cannot be the name of a namespace: leave -n out for all of them", f.namespace)
	}
	s, err := f.snapshot(cmd, p, f.namespace, subject.Namespace)
	if err != nil {
		return nil, nil, err
	}
	a := access.New(s)
	return s, a, f.checkPlaces(s, a, subject)
}

// request reads VERB RESOURCE, and puts it into the namespace asked for. scoped
// reports whether requests for it are made in namespaces.
func (f *accessFlags) request(s *model.Snapshot, a *access.Analysis, verb, text, namespace string) (q *access.Request, scoped bool, err error) {
	q, scoped, err = parseRequest(s, verb, text)
	switch {
	case err != nil:
		return nil, false, err
	case verb != strings.ToLower(verb):
		return nil, false, fmt.Errorf("verb %q: verbs are written in lower case: %s", verb, strings.ToLower(verb))
	case q.Verb == "create" && q.Name != "" && q.Subresource == "":
		return nil, false, fmt.Errorf("what is created has no name yet when it is authorized: ask for create %s", strings.TrimSuffix(text, "/"+q.Name))
	}
	if err := checkVerb(a, verb); err != nil {
		return nil, false, err
	}
	scoped = scoped || q.AskedInNamespaces()
	itself := q.Resource == "namespaces" && q.Group == "" && q.Name != "" && !ofAll(q)
	switch {
	case itself && f.namespace != "" && f.namespace != q.Name:
		return nil, false, fmt.Errorf("a request for %s is made in namespace %s: leave -n out", text, q.Name)
	case itself:
		q.Namespace = q.Name // as the API server takes it
	case f.namespace != "" && !scoped:
		return nil, false, fmt.Errorf("%s is in no namespace: leave -n out", text)
	case f.namespace != "":
		q.Namespace = f.namespace
	case scoped:
		q.Namespace = namespace
	}
	return q, scoped, nil
}

// ofAll reports whether a request is for a collection, of which a field selector
// names one: its path names no object. A watch of one may be written as a path.
func ofAll(q *access.Request) bool {
	return q.Subresource == "" && (q.Verb == "list" || q.Verb == "deletecollection")
}

func (f *accessFlags) can(cmd *cobra.Command, p *Program, args []string) error {
	subject, err := access.ParseSubject(args[0])
	if err != nil {
		return err
	}
	s, a, err := f.analysis(cmd, p, subject)
	missing, isMissing := errors.AsType[noAccountError](err)
	if err != nil && !isMissing {
		return err
	}
	q, scoped, err := f.request(s, a, args[1], args[2], "")
	if err != nil {
		return err
	}
	answer := a.Can(subject, q, f.groups...)
	switch {
	case isMissing && answer.Verdict != access.Yes:
		return missing
	case isMissing:
		fmt.Fprintln(p.Stderr, "ullage: "+printable(missing.Error())+": the answer is that for whoever makes it")
	}
	if !scoped { // no request for it names a namespace: what a RoleBinding gives helps nowhere
		answer.Elsewhere = nil
	}
	if f.output == "json" {
		err = writeJSON(p.Stdout, canJSON(subject, f.groups, q, answer))
	} else {
		err = f.printer(p).can(subject, q, answer, answer.Open && f.mayClose())
	}
	return errors.Join(err, verdictCode(answer.Verdict))
}

// verdictCode ends the program with the exit code of a verdict.
func verdictCode(v access.Verdict) error {
	switch v {
	case access.No:
		return &codeError{code: exitFindings}
	case access.Unknown:
		return &codeError{code: exitIncomplete}
	}
	return nil
}

func (f *accessFlags) whoCan(cmd *cobra.Command, p *Program, args []string) error {
	s, a, err := f.analysis(cmd, p, access.Subject{})
	if err != nil {
		return err
	}
	q, _, err := f.request(s, a, args[0], args[1], access.AnyNamespace)
	if err != nil {
		return err
	}
	proofs, reasons := a.WhoCan(q)
	verdict := access.No
	switch {
	case slices.ContainsFunc(proofs, func(proof access.Proof) bool { return !proof.Subject.System() }):
		verdict = access.Yes
	case len(reasons) > 0:
		verdict = access.Unknown
	}
	if f.output == "json" {
		err = writeJSON(p.Stdout, whoCanJSON(q, proofs, a.WhoCanByName(q), reasons))
	} else {
		err = f.printer(p).whoCan(q, proofs, a.WhoCanByName(q), reasons, f.system)
	}
	return errors.Join(err, verdictCode(verdict))
}

func (f *accessFlags) list(cmd *cobra.Command, p *Program, args []string) error {
	subject, err := access.ParseSubject(args[0])
	if err != nil {
		return err
	}
	s, a, err := f.analysis(cmd, p, subject)
	if err != nil {
		return err
	}
	bindings := slices.DeleteFunc(slices.Collect(a.Bindings(subject, f.groups...)), func(b access.Binding) bool { return !f.holds(b.Namespace()) })
	if f.output == "json" {
		return writeJSON(p.Stdout, listJSON(subject, f.groups, bindings, a.Unread(), clusterScoped(s)))
	}
	return f.printer(p).list(subject, f.groups, bindings, a.Unread(), f.system, clusterScoped(s))
}

// holds reports whether what is given in a namespace, "" for all, is asked for.
func (f *accessFlags) holds(namespace string) bool {
	return f.namespace == "" || namespace == "" || namespace == f.namespace
}

// here returns the dangers and the notes of the namespace asked for.
func (f *accessFlags) here(a *access.Analysis) ([]access.Danger, []access.Note) {
	dangers := a.Dangers()
	for i, d := range dangers {
		dangers[i].Holders = slices.DeleteFunc(d.Holders, func(h access.Holder) bool { return !f.holds(h.Namespace) })
	}
	dangers = slices.DeleteFunc(dangers, func(d access.Danger) bool { return len(d.Holders) == 0 })
	return dangers, slices.DeleteFunc(a.Notes(), func(n access.Note) bool {
		if n.Binding == (access.Binding{}) {
			return !f.holds(n.Role.Namespace)
		}
		return !f.holds(n.Binding.Namespace())
	})
}

func (f *accessFlags) dangers(cmd *cobra.Command, p *Program) error {
	_, a, err := f.analysis(cmd, p, access.Subject{})
	if err != nil {
		return err
	}
	dangers, notes := f.here(a)
	var unread []access.Binding
	for b := range a.All() {
		if b.Role() == nil {
			unread = append(unread, b)
		}
	}
	if f.output == "json" {
		err = writeDangersJSON(p.Stdout, dangers, notes, a.Unread())
	} else {
		err = f.printer(p).dangers(dangers, notes, a.Unread(), f.system, f.verbose)
	}
	found := len(notes) > 0
	for _, d := range dangers {
		found = found || slices.ContainsFunc(d.Holders, func(h access.Holder) bool { return !h.System })
	}
	switch {
	case found:
		return errors.Join(err, &codeError{code: exitFindings})
	case len(unread) > 0 || a.Unread() != "":
		return errors.Join(err, &codeError{code: exitIncomplete})
	}
	return err
}
