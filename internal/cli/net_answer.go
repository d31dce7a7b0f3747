package cli

import (
	"fmt"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

var (
	answerWords  = [...]string{reach.No: "no", reach.Maybe: "unknown", reach.Yes: "yes"}
	answerStyles = [...]string{reach.No: red, reach.Maybe: yellow, reach.Yes: green}
)

func (n *network) writeAnswer(w *accessPrinter, a *netAnswer, why bool) error {
	title := fmt.Sprintf("%s -> %s%s", a.from.text, a.to.text, a.to.portText())
	w.entry(0, bold+";"+answerStyles[a.answer], answerWords[a.answer], title, nil)
	for _, note := range []string{a.from.note, a.to.note} {
		if note != "" {
			w.wrapped(4, "", note)
		}
	}
	total := a.counts[0] + a.counts[1] + a.counts[2]
	if total > 1 {
		w.wrapped(4, "", fmt.Sprintf("of %d pairs: %d yes, %d unknown, %d no", total, a.counts[reach.Yes], a.counts[reach.Maybe], a.counts[reach.No]))
	}
	if a.answer == reach.Maybe && a.read[reach.Maybe] < total {
		w.line(4, "", fmt.Sprintf("by what was read: %s", byRead(a, total)))
	}
	shown := a.pairs
	if !why {
		shown = shown[:min(1, len(shown))]
	} else if len(shown) > manyWays {
		shown = shown[:manyWays]
	}
	for i := range shown {
		if x := &shown[i]; total > 1 || why {
			fmt.Fprintln(w.w)
			n.writePair(w, x, why, a)
		} else {
			n.writeReasons(w, x)
			n.writeDecisions(w, x)
		}
	}
	if left := len(a.pairs) - len(shown); why && left > 0 {
		w.wrapped(0, dim, fmt.Sprintf("%s decided in other ways; -o json has them all, and a narrower question fewer", counted(left, "more pair")))
	}
	if a.answer == reach.Maybe && !n.closed && a.byRead() != reach.Maybe {
		w.wrapped(4, dim, n.hint)
	}
	return w.w.Flush()
}

// manyWays is how many ways to decide text shows.
const manyWays = 12

// byRead is the answer if what was read were all there is.
func (a *netAnswer) byRead() reach.Answer {
	for _, answer := range []reach.Answer{reach.Yes, reach.Maybe} {
		if a.read[answer] > 0 {
			return answer
		}
	}
	return reach.No
}

func byRead(a *netAnswer, total int) string {
	if total == 1 {
		for i, count := range a.read {
			if count > 0 {
				return answerWords[i]
			}
		}
	}
	return fmt.Sprintf("%d yes, %d unknown, %d no", a.read[reach.Yes], a.read[reach.Maybe], a.read[reach.No])
}

func (n *network) writePair(w *accessPrinter, x *netPair, why bool, a *netAnswer) {
	on := ""
	if a.to.port == "" && a.to.service == nil && !x.Verdict.May.Empty() {
		on = " on " + onPorts(x.Verdict.May)
	} else if x.Port.Number > 0 && (a.to.port != "" || a.to.service != nil) {
		on = " on " + x.Port.String()
	}
	w.entry(2, answerStyles[x.Answer], fmt.Sprintf("%-7s", answerWords[x.Answer]), endText(&x.From)+" -> "+endText(&x.To)+on, nil)
	n.writeReasons(w, x)
	if why {
		n.writeDecisions(w, x)
	}
}

func (n *network) writeReasons(w *accessPrinter, x *netPair) {
	for _, reason := range x.Why {
		w.wrapped(4, "", reason)
	}
}

func (n *network) writeDecisions(w *accessPrinter, x *netPair) {
	if x.Port.Number == 0 {
		return
	}
	n.writeDecision(w, "leaves", x.Explain.Egress, &x.From)
	n.writeDecision(w, "enters", x.Explain.Ingress, &x.To)
}

// writeDecision says what decides on one side.
func (n *network) writeDecision(w *accessPrinter, word string, d reach.Decision, end *reach.Endpoint) {
	label := fmt.Sprintf("%-7s", word)
	switch d.Cause {
	case reach.ByRule:
		step(w, label, d.Rule)
	case reach.ByIsolation:
		for _, p := range d.Isolating {
			w.entry(4, "", label, "no rule allows it, and "+p.Object.Key.String()+" isolates "+endText(end), policyPlace(p, nil))
			label = strings.Repeat(" ", len(label))
		}
	case reach.ByDefault:
		w.entry(4, "", label, "no policy isolates "+endText(end), nil)
	}
	for _, s := range d.Passed {
		step(w, "passed ", s)
	}
	for _, s := range d.Doubts {
		step(w, "perhaps", s)
		w.wrapped(13, dim, strings.Join(s.Why.Texts(), "; "))
	}
}

func step(w *accessPrinter, label string, s reach.Step) {
	if s.Rule == nil {
		w.entry(4, "", label, s.Policy.Object.Key.String(), policyPlace(s.Policy, nil))
		return
	}
	text := fmt.Sprintf("%s %s by %s[%d]", s.Policy.Object.Key, map[reach.Action]string{reach.Allow: "allows", reach.Deny: "denies", reach.Pass: "passes on"}[s.Action], s.List, s.Index)
	if s.Requests {
		text += ", for some requests only"
	}
	w.entry(4, "", label, text, policyPlace(s.Policy, s.Rule))
}

func policyPlace(p *reach.Policy, rule *tree.Node) *model.Place {
	place := p.Object.Place()
	if rule != nil {
		place = p.Object.Source.Place(rule)
	}
	return &place
}

// The JSON forms.

var kindWords = [...]string{reach.Pods: "pods", reach.Node: "node", reach.APIServer: "api-server", reach.Addresses: "addresses", reach.Name: "name"}

type endJSON struct {
	Kind      string   `json:"kind"` // pods, node, api-server, addresses, name
	Workload  string   `json:"workload,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	Host      bool     `json:"hostNetwork,omitempty"`
	Ranges    []string `json:"ranges,omitempty"`
	Name      string   `json:"name,omitempty"`
}

func asEnd(e *reach.Endpoint) endJSON {
	j := endJSON{Kind: kindWords[e.Kind], Host: e.HostNetwork, Name: e.Name}
	if e.Kind == reach.Pods {
		j.Workload, j.Namespace = e.Workload.Object.Key.String(), e.Workload.Object.Key.Namespace
	}
	for _, p := range e.Prefixes {
		j.Ranges = append(j.Ranges, p.String())
	}
	return j
}

type verdictJSON struct {
	Certain  string   `json:"certain"`  // ports that are open in every case
	Possible string   `json:"possible"` // ports that are open in some case
	Why      []string `json:"why,omitempty"`
}

func asVerdict(v reach.Verdict) verdictJSON {
	j := verdictJSON{Certain: v.Must.String(), Possible: v.May.String()}
	if !v.Must.Equal(v.May) {
		j.Why = v.Why.Texts()
	}
	return j
}

type stepJSON struct {
	Policy string       `json:"policy"`
	Action string       `json:"action,omitempty"`
	List   string       `json:"list,omitempty"` // of the policy that the rule stands in, such as ingressDeny
	Rule   *int         `json:"rule,omitempty"` // its index there
	Place  *model.Place `json:"place"`
	Why    []string     `json:"why,omitempty"`
}

func asStep(s reach.Step) stepJSON {
	j := stepJSON{Policy: s.Policy.Object.Key.String(), Place: policyPlace(s.Policy, s.Rule), Why: s.Why.Texts()}
	if s.Rule != nil {
		j.Action, j.List, j.Rule = s.Action.String(), s.List, &s.Index
	}
	return j
}

type decisionJSON struct {
	Answer    string     `json:"answer"`
	Cause     string     `json:"cause"` // default, rule, isolation, nobody
	Rule      *stepJSON  `json:"rule,omitempty"`
	Isolating []stepJSON `json:"isolating,omitempty"`
	Doubts    []stepJSON `json:"doubts,omitempty"`
	Passed    []stepJSON `json:"passed,omitempty"`
}

func asDecision(d reach.Decision) *decisionJSON {
	j := &decisionJSON{Answer: answerWords[d.Answer], Cause: d.Cause.String()}
	if d.Cause == reach.ByRule {
		s := asStep(d.Rule)
		j.Rule = &s
	}
	for _, p := range d.Isolating {
		j.Isolating = append(j.Isolating, stepJSON{Policy: p.Object.Key.String(), Place: policyPlace(p, nil)})
	}
	for _, s := range d.Doubts {
		j.Doubts = append(j.Doubts, asStep(s))
	}
	for _, s := range d.Passed {
		j.Passed = append(j.Passed, asStep(s))
	}
	return j
}

type pairJSON struct {
	From    endJSON       `json:"from"`
	To      endJSON       `json:"to"`
	Answer  string        `json:"answer"`
	Read    string        `json:"byWhatWasRead"`
	Ports   verdictJSON   `json:"ports"`
	Why     []string      `json:"why,omitempty"`
	Port    string        `json:"explained,omitempty"` // the port that egress and ingress are about
	Egress  *decisionJSON `json:"egress,omitempty"`
	Ingress *decisionJSON `json:"ingress,omitempty"`
}

type answerJSON struct {
	Source      string         `json:"source"`
	Destination string         `json:"destination"`
	Answer      string         `json:"answer"`
	Pairs       map[string]int `json:"pairs"`
	Notes       []string       `json:"notes,omitempty"`
	Decided     []pairJSON     `json:"decided"` // one pair of each way to decide
}

func (n *network) answerJSON(a *netAnswer, why bool) answerJSON {
	j := answerJSON{Source: a.from.text, Destination: a.to.text + a.to.portText(), Answer: answerWords[a.answer], Pairs: map[string]int{}, Decided: []pairJSON{}}
	for i, count := range a.counts {
		j.Pairs[answerWords[i]] = count
	}
	for _, note := range []string{a.from.note, a.to.note} {
		if note != "" {
			j.Notes = append(j.Notes, note)
		}
	}
	for i := range a.pairs {
		x := &a.pairs[i]
		one := pairJSON{From: asEnd(&x.From), To: asEnd(&x.To), Answer: answerWords[x.Answer], Read: answerWords[x.Read], Ports: asVerdict(x.Verdict), Why: x.Why}
		if x.Port.Number > 0 && why {
			one.Port, one.Egress, one.Ingress = x.Port.String(), asDecision(x.Explain.Egress), asDecision(x.Explain.Ingress)
		}
		j.Decided = append(j.Decided, one)
	}
	return j
}
