package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/audit"
	"ullage.dev/ullage/internal/model"
)

// unusedFlags are those of ullage access unused.
type unusedFlags struct {
	*accessFlags
	logs   []string
	policy string
	days   int
}

func (f *accessFlags) unusedCommand(p *Program) *cobra.Command {
	u := unusedFlags{accessFlags: f}
	cmd := &cobra.Command{
		Use: "unused [SUBJECT]", Short: "Which rights does nobody use, by the cluster's audit log?",
		Long: `Compare what RBAC grants with what was used of it, as the audit logs of the API
servers tell: which bindings and which rights of their roles were used, in part or
not at all. Rights whose use a log does not show are unknown, and so is everything
that was watched for less than --days. -o yaml writes the roles with what was used;
that all requests of the log are still allowed with them is tried out before.

A cluster has as many logs as API servers: give all, and the rotated ones.

Exit code: 0 all that is granted was used, 1 something was not, 2 usage or internal
error, 3 nothing unused is known, but not all is known.`,
		Example: `  ullage access unused --cluster --audit audit.log
  ullage access unused sa:shop/web -f deploy/ --audit audit.log --audit audit-2.log.gz
  ullage access unused --cluster --audit audit.log --audit-policy policy.yaml -o yaml > roles.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%q is one argument too many: name files with -f %s", args[1], args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return u.unused(cmd, p, args) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&u.logs, "audit", nil, "audit log of an API server, - for standard input; may be repeated")
	flags.StringVar(&u.policy, "audit-policy", "", "the cluster's audit policy: what it leaves out of the log is unknown, not unused")
	flags.IntVar(&u.days, "days", 7, "how many days the log must hold before what it does not show counts as unused")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "only what holds in this namespace")
	flags.BoolVar(&f.system, "system", false, "list the parts of Kubernetes itself too")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "list all subjects, and all that was refused")
	return cmd
}

// usageReport is what a log says of what was granted.
type usageReport struct {
	policy   bool // the audit policy was read
	coverage audit.Coverage
	usage    *access.Usage
	grants   []grantReport
	narrowed []access.Narrowed
	refused  []refusal
	more     int // refusals that are not kept
	trial    trial
}

// grantReport is a binding for a subject, with the states of its rights.
type grantReport struct {
	access.GrantUse
	States []rightState
}

// rightState says whether a right was used.
type rightState struct {
	State usedState
	Why   string // it is unknown
}

type usedState string

// The states of a right.
const (
	stateUsed    usedState = "used"
	stateInPart  usedState = "in part"
	stateUnused  usedState = "unused"
	stateUnknown usedState = "unknown"
)

// refusal is a request that was not allowed.
type refusal struct {
	By      access.Subject
	Request access.Request
}

// trial is what was found by trying narrowed roles out.
type trial struct {
	requests      int // different ones, that were allowed and are
	lost          []refusal
	before, after int // dangerous rights
	had, gone     int // rights of the narrowed roles
	narrowed, own int // roles, and those of them that a binding gets in place of one of Kubernetes' own
	objects       []*model.Object
	idle          []*model.Object // bindings of which nothing was used
}

const keptRefusals = 1000

func (f *unusedFlags) unused(cmd *cobra.Command, p *Program, args []string) error {
	var only access.Subject
	if len(args) > 0 {
		var err error
		if only, err = access.ParseSubject(args[0]); err != nil {
			return err
		}
	}
	f.more = []string{"yaml"}
	policy, err := f.check()
	if err != nil {
		return err
	}
	s, a, err := f.analysis(cmd, p, only)
	if err != nil {
		return err
	}
	r := &usageReport{policy: policy != nil, usage: access.NewUsage(a)}
	if err := f.read(cmd.Context(), p, r); err != nil {
		return err
	}
	judge := usageJudge{report: r, policy: policy, days: f.days}
	asked := func(g *access.GrantUse) bool {
		if only != (access.Subject{}) {
			return f.holds(g.Binding.Namespace()) && g.Subject == only
		}
		return f.holds(g.Binding.Namespace()) && (f.system || !g.Subject.System() && !g.Binding.Assumed())
	}
	grants := r.usage.Grants()
	r.narrowed = access.Narrow(grants, asked, func(g *access.GrantUse, right *access.RightUse) bool {
		return (len(right.Used) == 0 || right.Wide()) && judge.why(g, right) != ""
	})
	if err := r.try(s, a); err != nil {
		return err
	}
	for i := range grants {
		g := &grants[i]
		if !asked(g) {
			continue
		}
		report := grantReport{GrantUse: *g}
		for j := range g.Rights {
			report.States = append(report.States, judge.state(g, &g.Rights[j]))
		}
		r.grants = append(r.grants, report)
	}
	return errors.Join(f.write(p, r), r.verdict(a))
}

// check refuses what cannot be meant, and reads the audit policy.
func (f *unusedFlags) check() (*audit.Policy, error) {
	switch {
	case len(f.logs) == 0:
		return nil, errors.New("name the audit log with --audit FILE: it is what --audit-log-path of the API server says")
	case f.days < 1:
		return nil, fmt.Errorf("--days %d is not positive", f.days)
	case f.policy == "":
		return nil, nil
	}
	text, err := os.ReadFile(f.policy)
	if err != nil {
		return nil, fmt.Errorf("--audit-policy: %w", err)
	}
	policy, err := audit.ParsePolicy(f.policy, string(text))
	if err != nil {
		return nil, fmt.Errorf("--audit-policy %w", err)
	}
	return policy, nil
}

// read reads the logs.
func (f *unusedFlags) read(ctx context.Context, p *Program, r *usageReport) error {
	refused := map[refusal]bool{}
	take := func(e *audit.Entry) {
		if e.Allowed {
			r.usage.Add(e.By, e.Groups, e.Request, e.At)
			return
		}
		no := refusal{e.By, e.Request}
		switch {
		case refused[no]:
		case len(refused) >= keptRefusals:
			r.more++
		default:
			refused[no] = true
			r.refused = append(r.refused, no)
		}
	}
	for _, name := range f.logs {
		if err := readLog(ctx, p, name, &r.coverage, take); err != nil {
			return fmt.Errorf("--audit %w", interrupted(ctx, err))
		}
	}
	for _, problem := range r.coverage.Problems {
		fmt.Fprintf(p.Stderr, "ullage: %s\n", printable(problem.Error()))
	}
	if more := r.coverage.Unread - len(r.coverage.Problems); more > 0 {
		fmt.Fprintf(p.Stderr, "ullage: %s more could not be read\n", counted(more, "event"))
	}
	return nil
}

func readLog(ctx context.Context, p *Program, name string, c *audit.Coverage, take func(*audit.Entry)) error {
	in := p.Stdin
	if name == "-" {
		name = "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	return c.Read(ctx, name, in, take)
}

// usageJudge says what is known of the use of rights.
type usageJudge struct {
	report *usageReport
	policy *audit.Policy
	days   int
}

func (j *usageJudge) state(g *access.GrantUse, r *access.RightUse) rightState {
	switch {
	case len(r.Used) > 0 && !r.Wide():
		return rightState{State: stateUsed}
	case len(r.Used) > 0:
		return rightState{State: stateInPart, Why: j.why(g, r)}
	}
	if why := j.why(g, r); why != "" {
		return rightState{stateUnknown, why}
	}
	return rightState{State: stateUnused}
}

// why says why it is not known that a right, or the rest of it, was not used; "" where
// it is.
func (j *usageJudge) why(g *access.GrantUse, r *access.RightUse) string {
	c := &j.report.coverage
	switch seen := c.Days.Len(); {
	case j.report.usage.Over() > 0:
		return "the log holds more different requests than are kept"
	case c.Unread > 0:
		return "not all of the log could be read"
	case seen < j.days:
		return fmt.Sprintf("too little seen: the log holds %s, and %d are needed (--days)", counted(seen, "day"), j.days)
	case r.Blind == access.BlindElsewhere && c.Reviews > 0 && c.Hidden == 0:
	case r.Blind != "":
		return string(r.Blind)
	}
	if j.policy != nil && !j.policy.Logs(g.Subject, &r.Requests) {
		return "the audit policy leaves it out of the log, or some of it"
	}
	return ""
}

// try tries the narrowed roles out: all requests of the log are asked for once more.
func (r *usageReport) try(s *model.Snapshot, a *access.Analysis) error {
	t := &r.trial
	var changes []model.Change
	for i := range r.narrowed {
		n := &r.narrowed[i]
		t.had, t.gone = t.had+n.Had, t.gone+n.Gone
		if n.Binding != nil && len(n.Rules) == 0 {
			o := n.Binding.Object()
			t.idle = append(t.idle, o)
			changes = append(changes, model.Change{Key: o.Key})
			continue
		}
		objects, err := n.Objects()
		if err != nil {
			return err
		}
		for _, o := range objects {
			t.objects = append(t.objects, o)
			changes = append(changes, model.Change{Key: o.Key, Object: o})
		}
		if t.narrowed++; n.Binding != nil {
			t.own++
		}
	}
	after := access.New(s.With(changes...))
	for used, who := range r.usage.All() {
		subject, groups := who()
		if t.requests++; after.Can(subject, &used.Request, groups...).Verdict != access.Yes {
			t.lost = append(t.lost, refusal{subject, used.Request})
		}
	}
	t.before, t.after = dangerousRights(a), dangerousRights(after)
	if len(t.lost) > 0 {
		return fmt.Errorf("the narrowed roles would refuse %s of %s, such as %s: please report this", asked(&t.lost[0].Request), t.lost[0].By, counted(len(t.lost), "request"))
	}
	return nil
}

// dangerousRights counts what subjects hold that are no parts of Kubernetes.
func dangerousRights(a *access.Analysis) int {
	n := 0
	for s, held := range a.Subjects() {
		if s.System() {
			continue
		}
		n += len((held.Cluster & access.Reported).All())
		for _, in := range held.Namespaces {
			n += len((in.Rights & access.Reported &^ held.Cluster).All())
		}
	}
	return n
}

// verdict is the exit code.
func (r *usageReport) verdict(a *access.Analysis) error {
	unknown := a.Unread() != ""
	for _, g := range r.grants {
		for _, s := range g.States {
			switch {
			case s.State == stateUnused, s.State == stateInPart && s.Why == "":
				return &codeError{code: exitFindings}
			case s.Why != "":
				unknown = true
			}
		}
	}
	if unknown {
		return &codeError{code: exitIncomplete}
	}
	return nil
}
