package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

func (f *netFlags) netCanCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "can SRC DST[:PORT[/PROTOCOL]]", Short: "May one connect to the other?",
		Long: `Say whether some pod of SRC may connect to some pod of DST; without a port, on
any. The port is that of the pods, or of the Service when DST is one.

Exit code: 0 yes, 1 no, 2 usage or internal error, 3 unknown.`,
		Example: `  ullage net can storefront data/postgres:5432 -f deploy/
  ullage net can internet deploy/shop/web:https --cluster
  ullage net can shop/web api.example.com:443 -f deploy/`,
		Args: exactly("SRC DST", 2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.can(cmd, p, args, false) },
	}
	f.formats(cmd, "text", "json")
	return cmd
}

func (f *netFlags) netWhyCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "why SRC DST:PORT[/PROTOCOL]", Short: "Which policies and rules decide?",
		Long: `Say which policies and rules decide whether some pod of SRC may connect to some
pod of DST, each with file and line.

Exit code: as of can.`,
		Example: `  ullage net why checkout/checkout data/postgres:5432 -f deploy/`,
		Args:    exactly("SRC DST:PORT", 2),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.can(cmd, p, args, true) },
	}
	f.formats(cmd, "text", "json")
	return cmd
}

// netPair is the answer for one source and one destination.
type netPair struct {
	From, To reach.Endpoint
	Verdict  reach.Verdict // of what was asked about
	Read     reach.Answer  // by what was read
	Answer   reach.Answer  // in the world as it is: open or closed
	Why      []string      // when Answer is Maybe
	Port     reach.Port    // that Explained is about
	Explain  reach.Explanation
}

// netAnswer is that of can.
type netAnswer struct {
	from, to *netEnd
	answer   reach.Answer
	pairs    []netPair // one of each way to decide, those that count first
	counts   [3]int    // of all pairs, by answer
	read     [3]int    // by what was read
}

const manyPairs = 2000

func (f *netFlags) can(cmd *cobra.Command, p *Program, args []string, why bool) error {
	n, err := f.network(cmd, p)
	if err != nil {
		return err
	}
	from, err := n.end(args[0], false)
	if err != nil {
		return err
	}
	to, err := n.destination(args[1])
	if err != nil {
		return err
	}
	if why && to.port == "" && to.service == nil {
		return errors.New("which port? write DST:PORT, such as " + args[1] + ":443")
	}
	n.noteRanges(from, to)
	a, err := n.ask(from, to)
	if err != nil {
		return err
	}
	if f.output == "json" {
		err = writeJSON(p.Stdout, n.answerJSON(a, why))
	} else {
		err = n.writeAnswer(f.printer(p), a, why)
	}
	switch a.answer {
	case reach.No:
		return errors.Join(err, &codeError{code: exitFindings})
	case reach.Maybe:
		return errors.Join(err, &codeError{code: exitIncomplete})
	}
	return err
}

// noteRanges tells that a load balancer lets in some only, which is not asked.
func (n *network) noteRanges(from, to *netEnd) {
	outside := slices.ContainsFunc(from.ids, func(id reach.ID) bool {
		e := n.Endpoint(id)
		return e.Outside()
	})
	if !outside || to.service == nil || to.service.Root.Dig("spec", "type").Str() != "LoadBalancer" {
		return
	}
	spec := to.service.Root.Get("spec")
	var ranges []string
	for _, r := range spec.Get("loadBalancerSourceRanges").Children() {
		ranges = append(ranges, r.Str())
	}
	if len(ranges) == 0 {
		return
	}
	note := "the load balancer of " + to.service.Key.String() + " lets in " + strings.Join(ranges, ", ") + " only"
	if spec.Get("allocateLoadBalancerNodePorts").False() {
		note += "; the answer leaves that aside, and is that of network policies"
	} else {
		note += ", and its node ports let in everybody; the answer leaves that aside, and is that of network policies"
	}
	to.note = strings.TrimPrefix(to.note+"; "+note, "; ")
}

// ask answers for all pairs, of which it keeps one for each way to decide.
func (n *network) ask(from, to *netEnd) (*netAnswer, error) {
	for _, e := range []*netEnd{from, to} {
		switch {
		case len(e.ids) > 0:
			continue
		case e.unread:
			return &netAnswer{from: from, to: to, answer: reach.Maybe}, nil
		case e.service == nil:
			return nil, errors.New("nothing lies in the range: it is empty")
		}
		return &netAnswer{from: from, to: to, answer: e.missing}, nil
	}
	a := &netAnswer{from: from, to: to}
	outside := func(e reach.Endpoint) bool { return e.Outside() }
	if outside(n.Endpoint(from.ids[0])) && outside(n.Endpoint(to.ids[0])) {
		return nil, errors.New("both ends are outside the cluster: no policy is about them")
	}
	seen := map[string]int{}
	add := func(x, y reach.ID, count int) {
		pair := n.pair(x, y, to)
		a.counts[pair.Answer] += count
		a.read[pair.Read] += count
		a.answer = max(a.answer, pair.Answer)
		key := pair.key()
		if i, ok := seen[key]; ok {
			a.pairs[i].widen(&pair)
		} else if len(a.pairs) < manyPairs {
			seen[key] = len(a.pairs)
			a.pairs = append(a.pairs, pair)
		}
	}
	sources, destinations := n.alike(from.ids, nil), n.alike(to.ids, to)
	for _, some := range sources {
		for _, others := range destinations {
			n.pairsOf(some, others, add)
		}
	}
	slices.SortStableFunc(a.pairs, func(x, y netPair) int { return int(y.Answer) - int(x.Answer) })
	return a, nil
}

// alike groups endpoints that no policy tells apart and of which the same ports are
// asked about.
func (n *network) alike(ids []reach.ID, end *netEnd) [][]reach.ID {
	type kind struct {
		class int
		asked string
	}
	var groups [][]reach.ID
	at := map[kind]int{}
	for _, id := range ids {
		k := kind{class: n.Class(id)}
		if end != nil {
			if asked, limited := end.portsAt(n, id); limited {
				k.asked = asked.String()
			}
		}
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], id)
	}
	return groups
}

// pairsOf calls add for a pair that stands for all of two groups, and for each end
// with itself.
func (n *network) pairsOf(some, others []reach.ID, add func(x, y reach.ID, count int)) {
	both := map[reach.ID]bool{}
	for _, id := range others {
		both[id] = true
	}
	selves := 0
	for _, id := range some {
		if both[id] {
			add(id, id, 1)
			selves++
		}
	}
	if count := len(some)*len(others) - selves; count > 0 {
		x, y := some[0], others[0]
		if x == y && len(others) > 1 {
			y = others[1]
		} else if x == y {
			x = some[1]
		}
		add(x, y, count)
	}
}

// widen takes in the addresses of a pair that the same decides and that differs in
// them only.
func (x *netPair) widen(more *netPair) {
	switch from, to := x.From.ID == more.From.ID, x.To.ID == more.To.ID; {
	case to && !from && x.From.Kind == reach.Addresses && more.From.Kind == reach.Addresses:
		x.From.Prefixes = slices.Concat(x.From.Prefixes, more.From.Prefixes)
	case from && !to && x.To.Kind == reach.Addresses && more.To.Kind == reach.Addresses:
		x.To.Prefixes = slices.Concat(x.To.Prefixes, more.To.Prefixes)
	}
}

// key is equal for pairs that the same decides.
func (x *netPair) key() string {
	key := fmt.Sprint(x.Answer, x.Port, x.Verdict.May, x.Verdict.Must, x.Explain.Egress.Cause, x.Explain.Ingress.Cause, x.Why)
	for _, d := range []reach.Decision{x.Explain.Egress, x.Explain.Ingress} {
		key += fmt.Sprintf(" %p", d.Rule.Rule)
		for _, p := range d.Selecting {
			key += fmt.Sprintf(" %p", p)
		}
	}
	return key
}

// pair answers for one source and one destination.
func (n *network) pair(from, to reach.ID, end *netEnd) netPair {
	x := netPair{From: n.Endpoint(from), To: n.Endpoint(to)}
	v := n.Ports(from, to)
	asked, limited := end.portsAt(n, to)
	if limited {
		v.Must, v.May = v.Must.Intersect(asked), v.May.Intersect(asked)
	}
	x.Verdict, x.Read = v, v.Answer()
	port, ok := aPort(v.Must, v.May, asked)
	if !ok && !limited {
		port = reach.Port{Number: 80}
	}
	if limited && asked.Empty() {
		x.Why = []string{cmp.Or(end.dead, "the pods declare no port "+end.port)}
		x.Answer = reach.No
		return x
	}
	x.Port, x.Explain = port, n.Graph.Why(from, to, port)
	if x.Read == reach.No && x.Explain.Ingress.Answer != reach.No && n.coversService(from, end) {
		x.Read, x.Answer, x.Why = reach.Maybe, reach.Maybe, []string{beforeTranslation}
		return x
	}
	x.Answer, x.Why = n.inWorld(&x)
	return x
}

const beforeTranslation = "a range of addresses lets them out to the address of the Service, and network plugins differ in whether they match it before or after its translation to pods"

// coversService reports whether policies let pods out to the address of a Service
// itself, on a port that is asked about.
func (n *network) coversService(from reach.ID, end *netEnd) bool {
	if end.service == nil || n.Endpoint(from).Kind != reach.Pods {
		return false
	}
	var asked reach.PortSet
	for _, p := range end.service.Root.Dig("spec", "ports").Children() {
		number, ok := p.Get("port").Int()
		if !ok || number < 1 || number > 65535 || end.port != "" && end.port != p.Get("port").Text() && end.port != p.Get("name").Str() {
			continue
		}
		if protocol, ok := reach.ParseProtocol(cmp.Or(p.Get("protocol").Str(), "TCP")); ok {
			asked = asked.Union(reach.PortsOf(reach.Port{Protocol: protocol, Number: uint16(number)}))
		}
	}
	return slices.ContainsFunc(model.ServiceAddresses(end.service), func(a netip.Addr) bool {
		return !n.Ports(from, n.Address(a)).May.Intersect(asked).Empty()
	})
}

// aPort returns a port of the first set that has one.
func aPort(sets ...reach.PortSet) (reach.Port, bool) {
	for _, s := range sets {
		for _, r := range s.Ranges() {
			return reach.Port{Protocol: r.Protocol, Number: max(r.First, min(r.Last, 1))}, true
		}
	}
	return reach.Port{}, false
}

// inWorld takes into account that an open world may hold more policies.
func (n *network) inWorld(x *netPair) (reach.Answer, []string) {
	if x.Read == reach.Maybe {
		return reach.Maybe, x.Verdict.Why.Texts()
	}
	if n.closed {
		return x.Read, nil
	}
	if x.Read == reach.No {
		return reach.Maybe, []string{"policies that allow it may live elsewhere"}
	}
	var why []string
	for _, side := range []struct {
		d    reach.Decision
		end  *reach.Endpoint
		word string
	}{{x.Explain.Egress, &x.From, "leave"}, {x.Explain.Ingress, &x.To, "enter"}} {
		if side.d.Cause == reach.ByDefault && side.end.Kind == reach.Pods {
			why = append(why, fmt.Sprintf("no policy was read that isolates %s for what may %s it, and one may live elsewhere", side.end.String(), side.word))
		}
	}
	if len(why) > 0 {
		return reach.Maybe, why
	}
	return reach.Yes, nil
}
