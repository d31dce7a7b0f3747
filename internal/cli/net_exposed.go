package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

func (f *netFlags) netExposedCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "exposed [PATH...]", Short: "What is reachable from outside the cluster, and by what way?",
		Long: `List the workloads that Services, Ingresses, routes, host ports and the host
network open to the outside, and what network policies leave of it.

Exit code: 0 nothing is exposed, 1 something is, 2 usage or internal error, 3
nothing for sure, but something perhaps or not all is known.`,
		Example: `  ullage net exposed deploy/
  ullage net exposed -n shop --cluster -o json`,
		Args: onlyPaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.paths = append(f.paths, args...)
			return f.exposed(cmd, p)
		},
	}
	f.namespaceFlag(cmd)
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list ways too that network policies close, and each of many that are alike")
	f.formats(cmd, "text", "json", "csv")
	return cmd
}

func (f *netFlags) exposed(cmd *cobra.Command, p *Program) error {
	n, err := f.network(cmd, p)
	if err != nil {
		return err
	}
	if err := f.checkNamespaces(cmd, n); err != nil {
		return err
	}
	var ways []reach.Exposed
	found := reach.No
	for id, all := range n.Graph.Exposed(n.exposure) {
		if len(f.namespaces) > 0 && !slices.Contains(f.namespaces, n.Endpoint(id).Workload.Object.Key.Namespace) {
			continue
		}
		for i := range all {
			found = max(found, all[i].State())
		}
		ways = append(ways, all...)
	}
	handmade := slices.DeleteFunc(n.exposure.Handmade(), func(h reach.Handmade) bool {
		return len(f.namespaces) > 0 && !slices.Contains(f.namespaces, h.Service.Key.Namespace)
	})
	switch f.output {
	case "json":
		err = writeJSON(p.Stdout, n.exposedJSON(ways, handmade))
	case "csv":
		err = n.exposedCSV(p.Stdout, ways, handmade)
	default:
		err = n.writeExposed(f.printer(p), ways, handmade, f.verbose)
	}
	if slices.ContainsFunc(handmade, func(h reach.Handmade) bool { return len(h.To) > 0 }) {
		found = reach.Yes
	}
	switch {
	case found == reach.Yes:
		return errors.Join(err, &codeError{code: exitFindings})
	case found == reach.Maybe || !n.closed || !n.exposure.Complete() || slices.ContainsFunc(handmade, func(h reach.Handmade) bool { return !h.Known }):
		return errors.Join(err, &codeError{code: exitIncomplete})
	}
	return err
}

// audiences says who may come in, most first.
var audiences = [...]string{
	reach.Internet: "from the internet",
	reach.Nodes:    "for whoever reaches a node",
	reach.Private:  "from the network around the cluster",
}

func (n *network) writeExposed(w *accessPrinter, ways []reach.Exposed, handmade []reach.Handmade, verbose bool) error {
	shut := 0
	for audience, title := range audiences {
		var here []reach.Exposed
		for _, way := range ways {
			switch {
			case way.Audience != reach.Audience(audience):
			case way.State() == reach.No && !verbose:
				shut++
			default:
				here = append(here, way)
			}
		}
		if len(here) == 0 {
			continue
		}
		w.line(0, bold, howMany(here, title))
		for len(here) > 0 {
			e := n.Endpoint(here[0].Endpoint)
			own := slices.IndexFunc(here, func(way reach.Exposed) bool { return way.Endpoint != e.ID })
			if own < 0 {
				own = len(here)
			}
			w.line(2, "", endText(&e))
			writeWays(w, here[:own], verbose)
			here = here[own:]
		}
		fmt.Fprintln(w.w)
	}
	if len(ways) == shut {
		w.line(0, bold, "No workload that was read is reachable from outside the cluster.")
	}
	if shut > 0 {
		w.wrapped(0, dim, counted(shut, "way")+" in that "+closedBy(ways, shut == 1)+"; -v lists them")
	}
	for _, h := range handmade {
		if !h.Known {
			w.wrapped(0, yellow, h.Service.Key.String()+" is open to the outside and selects no pods, and no EndpointSlice of it was read: where it leads to is not known.")
		}
		if len(h.To) == 0 {
			continue
		}
		w.wrapped(0, red, h.Service.Key.String()+" is open to the outside and leads to what is no pod:")
		for _, to := range h.To {
			w.entry(2, "", to.Address.String(), handmadeText(to), placeIn(to.Object, to.Node))
		}
	}
	n.openWorld(w)
	return w.w.Flush()
}

// howMany counts the workloads to which ways of one audience lead: for sure, perhaps,
// and not, as policies close them.
func howMany(ways []reach.Exposed, title string) string {
	state := map[reach.ID]reach.Answer{}
	for i := range ways {
		state[ways[i].Endpoint] = max(state[ways[i].Endpoint], ways[i].State())
	}
	var counts [reach.Yes + 1]int
	for _, s := range state {
		counts[s]++
	}
	text := counted(counts[reach.Yes], "workload") + " " + title
	switch sure, perhaps := counts[reach.Yes], counts[reach.Maybe]; {
	case sure > 0 && perhaps > 0:
		text += fmt.Sprintf(", %d more perhaps", perhaps)
	case perhaps > 0:
		text = counted(perhaps, "workload") + " perhaps " + title
	case sure == 0:
		return counted(counts[reach.No], "workload") + " " + title + ", but for what closes the ways"
	}
	if counts[reach.No] > 0 {
		text += fmt.Sprintf(", %d behind closed ways", counts[reach.No])
	}
	return text
}

// closedBy says what closes ways: network policies, or that no port leads to one of
// the pods.
func closedBy(ways []reach.Exposed, one bool) string {
	policies, ports := false, false
	for i := range ways {
		if way := &ways[i]; way.State() == reach.No {
			dead := way.Ports.Empty() && !way.AnyPort
			policies, ports = policies || !dead, ports || dead
		}
	}
	switch {
	case policies && ports:
		return "network policies close or that lead to no port of the pods"
	case ports && one:
		return "leads to no port of the pods"
	case ports:
		return "lead to no port of the pods"
	}
	return "network policies close"
}

// sameWays is how many ways that differ in nothing but their routes are shown.
const sameWays = 4

// writeWays writes the ways to one workload. Of routes to the same Service that are
// open alike there may be thousands.
func writeWays(w *accessPrinter, ways []reach.Exposed, verbose bool) {
	type likeness struct {
		via              reach.Via
		service, gateway *model.Object
		ports            string
	}
	counts := map[likeness]int{}
	like := func(way *reach.Exposed) likeness {
		return likeness{way.Via, way.Service, way.Gateway, fmt.Sprint(way.Must, way.May, way.Why, way.AnyPort, way.From)}
	}
	for i := range ways {
		counts[like(&ways[i])]++
	}
	shown := map[likeness]int{}
	for i := range ways {
		kind := like(&ways[i])
		switch shown[kind]++; {
		case verbose || counts[kind] <= sameWays+1 || shown[kind] <= sameWays:
			writeWay(w, &ways[i])
		case shown[kind] == sameWays+1:
			w.wrapped(6, dim, fmt.Sprintf("and %s like it of kind %s; -v lists them", counted(counts[kind]-sameWays, "more way"), ways[i].Object.Key.Kind))
		}
	}
}

func writeWay(w *accessPrinter, way *reach.Exposed) {
	ports, style := way.Must.String(), red
	switch way.State() {
	case reach.No:
		ports, style = "closed by policies", green
		if way.Ports.Empty() && !way.AnyPort {
			ports = "leads to no port"
		}
	case reach.Maybe:
		ports, style = way.May.String()+" perhaps", yellow
	}
	text := fmt.Sprintf("%s %s", way.Via, way.Object.Key)
	if way.Via == reach.ViaNodePort {
		text = string(way.Via) + nodePorts(way.Object) + " " + way.Object.Key.String()
	}
	if way.Via == reach.ViaHostNetwork || way.Via == reach.ViaHostPort {
		text = string(way.Via)
		if way.Via == reach.ViaHostPort {
			text += " " + way.Node.Text()
		}
	}
	if way.Service != nil && way.Service != way.Object {
		text += " by " + way.Service.Key.String()
	}
	if way.Gateway != nil {
		text += " at " + way.Gateway.Key.String()
	}
	place := way.Object.Source.Place(way.Node)
	w.entry(4, style, ports, text, &place)
	if from := onlyFrom(way); from != "" {
		w.wrapped(6, "", from)
	}
	for _, reason := range way.Why {
		w.wrapped(6, dim, reason)
	}
}

// nodePorts lists the ports on nodes that a Service names, after a space; what it
// leaves out is chosen by the API server.
func nodePorts(o *model.Object) string {
	var list []string
	for _, p := range o.Root.Dig("spec", "ports").Children() {
		if number, ok := p.Get("nodePort").Int(); ok && number > 0 {
			list = append(list, strconv.FormatInt(number, 10))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return " " + strings.Join(list, ",")
}

// onlyFrom says from which addresses only the way is open.
func onlyFrom(way *reach.Exposed) string {
	ranges := way.Sources
	if way.From != nil {
		ranges = way.From
	}
	if len(ranges) == 0 {
		return ""
	}
	return "only from " + rangesText(ranges)
}

func rangeTexts(ranges []netip.Prefix) []string {
	list := []string{}
	for _, p := range ranges {
		list = append(list, p.String())
	}
	return list
}

type wayJSON struct {
	Workload string       `json:"workload"`
	Via      reach.Via    `json:"via"`
	Audience string       `json:"audience"` // internet, nodes, private
	State    string       `json:"state"`    // yes, unknown, no: closed by policies
	Certain  string       `json:"certain"`  // ports of the pods
	Possible string       `json:"possible"`
	AnyPort  bool         `json:"anyPort,omitempty"`
	From     []string     `json:"from,omitempty"` // the only addresses
	Object   string       `json:"object"`
	Service  string       `json:"service,omitempty"`
	Gateway  string       `json:"gateway,omitempty"`
	Place    *model.Place `json:"place"`
	Why      []string     `json:"why,omitempty"`
}

func (n *network) wayJSON(way *reach.Exposed) wayJSON {
	e := n.Endpoint(way.Endpoint)
	place := way.Object.Source.Place(way.Node)
	j := wayJSON{Workload: endText(&e), Via: way.Via, Audience: way.Audience.String(), State: answerWords[way.State()], Certain: way.Must.String(), Possible: way.May.String(),
		AnyPort: way.AnyPort, From: rangeTexts(way.Sources), Object: way.Object.Key.String(), Place: &place, Why: way.Why}
	if way.From != nil {
		j.From = rangeTexts(way.From)
	}
	if way.Service != nil {
		j.Service = way.Service.Key.String()
	}
	if way.Gateway != nil {
		j.Gateway = way.Gateway.Key.String()
	}
	return j
}

// handmadeText says to what a Service without a selector leads.
func handmadeText(to reach.HandmadeEnd) string {
	text := to.Ports.String()
	switch to.Kind {
	case reach.Node:
		return text + ", the address of a node"
	case reach.APIServer:
		return text + ", the API server"
	}
	return text + ", outside the cluster"
}

func placeIn(o *model.Object, n *tree.Node) *model.Place {
	place := o.Source.Place(n)
	return &place
}

type handmadeJSON struct {
	Service string          `json:"service"`
	To      []handmadeEndAt `json:"to"`
}

type handmadeEndAt struct {
	Kind    string       `json:"kind"` // node, api-server, addresses
	Address string       `json:"address"`
	Ports   string       `json:"ports"`
	Object  string       `json:"object"`
	Place   *model.Place `json:"place"`
}

func asHandmade(h reach.Handmade) handmadeJSON {
	j := handmadeJSON{Service: h.Service.Key.String(), To: []handmadeEndAt{}}
	for _, to := range h.To {
		j.To = append(j.To, handmadeEndAt{kindWords[to.Kind], to.Address.String(), to.Ports.String(), to.Object.Key.String(), placeIn(to.Object, to.Node)})
	}
	return j
}

func (n *network) exposedJSON(ways []reach.Exposed, handmade []reach.Handmade) any {
	j := struct {
		Closed   bool           `json:"closedWorld"`
		Ways     []wayJSON      `json:"ways"`
		Handmade []handmadeJSON `json:"toOthers,omitempty"`      // Services that lead to what is no pod
		Unknown  []string       `json:"leadSomewhere,omitempty"` // Services of which that is not known
	}{n.closed, []wayJSON{}, nil, nil}
	for i := range ways {
		j.Ways = append(j.Ways, n.wayJSON(&ways[i]))
	}
	for _, h := range handmade {
		if len(h.To) > 0 {
			j.Handmade = append(j.Handmade, asHandmade(h))
		}
		if !h.Known {
			j.Unknown = append(j.Unknown, h.Service.Key.String())
		}
	}
	return j
}

func (n *network) exposedCSV(out io.Writer, ways []reach.Exposed, handmade []reach.Handmade) error {
	w := csv.NewWriter(out)
	if err := w.Write([]string{"workload", "audience", "state", "via", "object", "service", "certain", "possible", "from", "place", "why"}); err != nil {
		return err
	}
	var rows [][]string
	for i := range ways {
		j := n.wayJSON(&ways[i])
		rows = append(rows, []string{j.Workload, j.Audience, j.State, string(j.Via), j.Object, j.Service, j.Certain, j.Possible, strings.Join(j.From, " "), j.Place.String(), n.whyCell(j.Why)})
	}
	for _, h := range handmade {
		key, via := h.Service.Key.String(), h.Service.Root.Dig("spec", "type").Str()
		if !h.Known {
			rows = append(rows, []string{"", "", answerWords[reach.Maybe], via, key, key, "", "", "", placeOf(h.Service).String(), n.whyCell([]string{"no EndpointSlice of it was read"})})
		}
		for _, to := range h.To {
			rows = append(rows, []string{to.Address.String(), "", answerWords[reach.Yes], via, key, key, to.Ports.String(), to.Ports.String(), "", placeIn(to.Object, to.Node).String(), n.whyCell(nil)})
		}
	}
	for _, row := range rows {
		for k := range row {
			row[k] = cell(row[k])
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
