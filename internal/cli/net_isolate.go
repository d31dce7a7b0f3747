package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

func (f *netFlags) netIsolateCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "isolate NAMESPACE", Short: "Write policies that close a namespace and keep what is declared",
		Long: `Write NetworkPolicies for a namespace that deny by default and keep what is
declared: peers in ullage.yaml, ways in from outside, and looking up names. What
settings hint at and nobody declares is listed as a question, and not allowed.
The network is computed again with the policies, and what they close, what stays
open and what is not known stands in front of them as comments.

Exit code: 0 all that is declared stays open for certain, 1 something declared
does not, 2 usage or internal error, 3 that is not certain of something, an object
that was read needs what is closed, or something could not be read.`,
		Example: `  ullage net isolate shop -f deploy/ > shop-policies.yaml
  ullage net isolate shop --cluster --declarations deploy/ | kubectl apply --dry-run=server -f -`,
		Args: exactly("NAMESPACE", 1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.isolate(cmd, p, args[0]) },
	}
	cmd.Flags().StringArrayVar(&f.declared, "declarations", nil, "file or directory with ullage.yaml files, beside those among what is read; may be repeated")
	f.formats(cmd, "yaml", "json")
	return cmd
}

// allDeclarations returns what was read with the network, and what --declarations
// names.
func (f *netFlags) allDeclarations(cmd *cobra.Command, p *Program) ([]*model.Declaration, error) {
	if len(f.declared) == 0 {
		return f.input.declarations, nil
	}
	read, err := manifest.Load(cmd.Context(), f.declared, manifest.Options{Namespace: f.settings.namespace.text, Stdin: p.Stdin, Exclude: texts(f.settings.exclude)})
	if err != nil {
		return nil, fmt.Errorf("--declarations: %w", interrupted(cmd.Context(), err))
	}
	tellProblems(p, read.Problems)
	f.problems = append(f.problems, read.Problems...)
	if len(read.Declarations)+len(read.Problems) == 0 {
		return nil, fmt.Errorf("--declarations: no declaration in %s: each is a document of kind Declaration, usually in a file ullage.yaml", strings.Join(f.declared, ", "))
	}
	return append(slices.Clip(f.input.declarations), read.Declarations...), nil
}

func (f *netFlags) isolate(cmd *cobra.Command, p *Program, namespace string) error {
	n, err := f.network(cmd, p)
	if err != nil {
		return err
	}
	if !slices.Contains(n.Namespaces(), namespace) {
		return n.noNamespace(namespace)
	}
	declared, err := f.allDeclarations(cmd, p)
	if err != nil {
		return err
	}
	i := reach.Isolate(n.Snapshot, n.Graph, n.exposure, declared, namespace, access.New(n.Snapshot).Named)
	if len(i.Policies) == 0 {
		return fmt.Errorf("namespace %s has no pods that policies hold for", namespace)
	}
	if f.output == "json" {
		err = writeJSON(p.Stdout, isolationJSON(i))
	} else {
		err = n.writeIsolation(f.printer(p), i)
	}
	if slices.ContainsFunc(i.Kept, func(k reach.Kept) bool { return k.Answer == reach.No }) {
		return errors.Join(err, &codeError{code: exitFindings})
	}
	needed := slices.ContainsFunc(i.Questions, func(q reach.Question) bool { return q.Needed })
	if needed || len(n.Others(namespace)) > 0 || slices.ContainsFunc(i.Kept, func(k reach.Kept) bool { return k.Answer == reach.Maybe }) {
		return errors.Join(err, &codeError{code: exitIncomplete})
	}
	return errors.Join(err, f.incomplete())
}

// writeIsolation writes the proof as comments, and then the policies.
func (n *network) writeIsolation(w *accessPrinter, i *reach.Isolation) error {
	w.colored = false // it is to be applied
	w.width = min(w.width, 110)
	c := &commenter{w}
	c.line("NetworkPolicies that isolate namespace " + i.Namespace + ".")
	c.line("")
	c.openness(i.Proof.Before, i.Proof.After)
	if len(i.Proof.Unknown.Texts()) > 0 {
		c.list("Not certain, because:", i.Proof.Unknown.Texts())
	}
	if len(i.Proof.Others) > 0 {
		c.others(i)
	}
	var unclear []string
	for _, o := range n.Others(i.Namespace) {
		unclear = append(unclear, fmt.Sprintf("%s (%s)", o.Key, o.Place()))
	}
	c.list("Not understood, so what these allow and close is not known:", unclear)
	if opens := len(i.Proof.Opens); opens > 0 {
		c.list("What is declared and was closed before opens:", changeTexts(n, i.Proof.Opens))
	}
	c.kept(i.Kept)
	c.list("Assumed:", i.Notes)
	var questions []string
	for _, q := range i.Questions {
		questions = append(questions, q.Workload.Key.String()+": "+q.Text)
	}
	c.list("To answer before applying; what is asked about is closed:", questions)
	if !n.closed {
		c.line("")
		c.line("By what was read; policies and workloads may live elsewhere. " + n.hint + ".")
	}
	for _, p := range i.Policies {
		fmt.Fprintln(w.w, "---")
		fmt.Fprint(w.w, p.Text)
	}
	return w.w.Flush()
}

// commenter writes comments of YAML.
type commenter struct{ *accessPrinter }

func (c *commenter) line(text string) {
	if text == "" {
		fmt.Fprintln(c.w, "#")
		return
	}
	for i, line := range strings.Split(hang(printable(text), 0, c.width-6), "\n") {
		if i > 0 {
			line = "  " + line
		}
		fmt.Fprintln(c.w, "# "+line)
	}
}

// mostItems is how many entries of a list are told.
const mostItems = 100

func (c *commenter) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	c.line("")
	c.line(title)
	if extra := len(items) - mostItems; extra > 1 {
		items = append(items[:mostItems:mostItems], fmt.Sprintf("and %d more; -o json has them", extra))
	}
	for _, item := range items {
		for i, line := range strings.Split(hang(printable(item), 0, c.width-8), "\n") {
			fmt.Fprintln(c.w, "# "+[]string{"- ", "  "}[min(i, 1)]+line)
		}
	}
}

func (c *commenter) openness(before, after reach.Openness) {
	rows := [][3]string{{"", "before", "after"}}
	row := func(name string, a, b reach.Extent) { rows = append(rows, [3]string{name, extent(a), extent(b)}) }
	row("open pairs of workloads within it", before.Within, after.Within)
	row("open pairs from other namespaces", before.From, after.From)
	row("open pairs to other namespaces", before.To, after.To)
	row("workloads reached from outside", before.FromOutside, after.FromOutside)
	row("workloads that reach outside", before.ToOutside, after.ToOutside)
	for _, r := range rows {
		fmt.Fprintf(c.w, "# %-36s %10s %10s\n", r[0], r[1], r[2])
	}
}

// extent writes a number that may not be known exactly.
func extent(e reach.Extent) string {
	if e.Known() {
		return fmt.Sprint(e.Most)
	}
	return fmt.Sprintf("%d to %d", e.Least, e.Most)
}

func (c *commenter) others(i *reach.Isolation) {
	var names []string
	for _, o := range i.Proof.Others {
		names = append(names, fmt.Sprintf("%s (%s)", o.Key, o.Place()))
	}
	c.list("Policies of the namespace stay, and go on allowing what they allow:", names)
	c.line("Without them the counts would be:")
	a := i.Proof.Alone
	c.line(fmt.Sprintf("%s within, %s from and %s to other namespaces, %s from and %s to outside.",
		extent(a.Within), extent(a.From), extent(a.To), extent(a.FromOutside), extent(a.ToOutside)))
}

func (c *commenter) kept(all []reach.Kept) {
	counts := [3]int{}
	var bad []string
	for _, k := range all {
		counts[k.Answer]++
		if k.Answer != reach.Yes {
			bad = append(bad, fmt.Sprintf("%s: %s -> %s on %s (%s): %s", answerWords[k.Answer], k.From, k.To, k.Ports, k.Because, strings.Join(k.Why, "; ")))
		}
	}
	c.line("")
	c.line(fmt.Sprintf("Declared connections: %d, of which %d stay open for certain.", len(all), counts[reach.Yes]))
	if len(bad) > 0 {
		c.list("The others:", bad)
	}
}

func changeTexts(n *network, changes []reach.Change) []string {
	names := n.sizes()
	var texts []string
	for i := range changes {
		texts = append(texts, fmt.Sprintf("%s -> %s on %s", names.ends(changes[i].From), names.ends(changes[i].To), onPorts(changes[i].Opens())))
	}
	if len(texts) > longest {
		texts = append(texts[:longest], fmt.Sprintf("and %d more", len(texts)-longest))
	}
	return texts
}

type extentJSON struct {
	Least int `json:"least"`
	Most  int `json:"most"`
}

type opennessJSON struct {
	Within      extentJSON `json:"within"`
	From        extentJSON `json:"fromOthers"`
	To          extentJSON `json:"toOthers"`
	FromOutside extentJSON `json:"fromOutside"`
	ToOutside   extentJSON `json:"toOutside"`
}

func asOpenness(o reach.Openness) opennessJSON {
	return opennessJSON{extentJSON(o.Within), extentJSON(o.From), extentJSON(o.To), extentJSON(o.FromOutside), extentJSON(o.ToOutside)}
}

type keptJSON struct {
	From    string   `json:"from"`
	To      string   `json:"to"`
	Ports   string   `json:"ports"`
	Because string   `json:"because"`
	Open    string   `json:"open"`
	Why     []string `json:"why,omitempty"`
}

type questionJSON struct {
	Workload string       `json:"workload"`
	Place    *model.Place `json:"place"`
	Text     string       `json:"text"`
	Needed   bool         `json:"needed,omitempty"`
}

func isolationJSON(i *reach.Isolation) any {
	j := struct {
		Namespace string         `json:"namespace"`
		Before    opennessJSON   `json:"before"`
		After     opennessJSON   `json:"after"`
		Alone     opennessJSON   `json:"withoutOtherPolicies"`
		Others    []string       `json:"otherPolicies,omitempty"`
		Unknown   []string       `json:"unknown,omitempty"`
		Declared  []keptJSON     `json:"declared"`
		Questions []questionJSON `json:"questions"`
		Notes     []string       `json:"notes,omitempty"`
		Policies  []any          `json:"policies"`
	}{Namespace: i.Namespace, Before: asOpenness(i.Proof.Before), After: asOpenness(i.Proof.After), Alone: asOpenness(i.Proof.Alone),
		Unknown: i.Proof.Unknown.Texts(), Declared: []keptJSON{}, Questions: []questionJSON{}, Notes: i.Notes, Policies: []any{}}
	for _, o := range i.Proof.Others {
		j.Others = append(j.Others, o.Key.String())
	}
	for _, k := range i.Kept {
		j.Declared = append(j.Declared, keptJSON{k.From, k.To, k.Ports.String(), k.Because, answerWords[k.Answer], k.Why})
	}
	for _, q := range i.Questions {
		j.Questions = append(j.Questions, questionJSON{q.Workload.Key.String(), placeOf(q.Workload), q.Text, q.Needed})
	}
	for _, p := range i.Policies {
		j.Policies = append(j.Policies, p.Object.Root.Native())
	}
	return j
}
