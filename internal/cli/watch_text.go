package cli

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/sensor"
)

// watchPrinter writes what happens for people: a block for each container that
// something new is seen of, a line for each thing.
type watchPrinter struct {
	accessPrinter
	last *sensor.Container // that the last line was about
}

func (p *watchPrinter) begin(tiers []sensor.TierState) error {
	for _, t := range tiers {
		if t.Active {
			p.wrapped(0, dim, fmt.Sprintf("watching the containers of this machine by %s; Ctrl-C ends it", tierName(t.Tier)))
			if strings.HasPrefix(t.Reason, "not seen") {
				p.wrapped(0, yellow, t.Reason)
			}
		}
	}
	return p.w.Flush()
}

func tierName(t behavior.Tier) string {
	switch t {
	case behavior.TierLSM:
		return "security hooks"
	case behavior.TierTracing:
		return "BTF tracepoints and cgroup programs"
	case behavior.TierTracepoint:
		return "tracepoints"
	}
	return "means that are not known"
}

func (p *watchPrinter) tiers(tiers []sensor.TierState) error {
	for _, t := range tiers {
		style, word := dim, "no "
		if t.Active {
			style, word = green, "yes"
		}
		fmt.Fprintln(p.w, p.paint(style, word)+"  "+p.paint(bold, tierName(t.Tier)))
		p.wrapped(5, "", t.Reason)
	}
	return p.w.Flush()
}

func (p *watchPrinter) event(e *sensor.Event) error {
	if p.last != e.Container && e.Fact.Kind != behavior.Syscall && e.Fact.Kind != behavior.Map {
		p.last = e.Container
		p.head(e.Container)
	}
	at := e.At.Local().Format(time.TimeOnly)
	switch e.Kind {
	case sensor.Began:
		if e.Container.Created.IsZero() {
			p.entry(at, "running", "since before the watch", dim)
		} else {
			p.entry(at, "began", "", dim)
		}
	case sensor.Did:
		if e.Fact.Kind == behavior.Syscall || e.Fact.Kind == behavior.Map { // too many to read; the summary counts them
			break
		}
		verb, object := deed(&e.Fact)
		p.entry(at, verb, object, "")
	case sensor.Ended:
		text := "after " + e.Container.Removed.Sub(e.Container.Created).Round(time.Second).String()
		if e.Container.Created.IsZero() {
			text = ""
		}
		p.entry(at, "ended", text, dim)
		if n := e.Lost.Total(); n > 0 {
			p.entry("", "lost", lossText(&e.Lost), yellow)
		}
	}
	return p.w.Flush()
}

func (p *watchPrinter) head(c *sensor.Container) {
	parts := []string{c.Image}
	if c.Runtime != "" {
		parts = append(parts, c.Runtime)
	}
	if label := c.Label(); c.ID != "" && label != c.ID && !strings.HasPrefix(c.ID, label) {
		parts = append(parts, shortContainer(c.ID))
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	text := printable(c.Label())
	about := printable(strings.Join(parts, ", "))
	if about == "" {
		fmt.Fprintln(p.w, p.paint(bold, text))
	} else if utf8.RuneCountInString(text)+2+utf8.RuneCountInString(about) <= p.width {
		fmt.Fprintln(p.w, p.paint(bold, text)+"  "+p.paint(dim, about))
	} else {
		fmt.Fprintln(p.w, p.paint(bold, text))
		p.wrapped(2, dim, about)
	}
}

func shortContainer(id string) string {
	if len(id) == 64 {
		return id[:12]
	}
	return id
}

// entry writes when, what and on what, the last in as many lines as it takes.
func (p *watchPrinter) entry(at, verb, object, style string) {
	const column = 2 + 8 + 2 + 9
	lead := fmt.Sprintf("  %-8s  %-9s", at, verb)
	text := hang(printable(object), column, p.width)
	fmt.Fprintln(p.w, strings.TrimRight(p.paint(dim, lead[:10])+p.paint(style, lead[10:])+p.paint(style, text), " "))
}

// deed says a fact in words.
func deed(f *behavior.Fact) (verb, object string) {
	program := f.Program.Path
	switch f.Kind {
	case behavior.Execute:
		object = commandText(&f.Program)
		var more []string
		switch f.Program.Layer {
		case behavior.Added:
			more = append(more, "not in the image")
		case behavior.Modified:
			more = append(more, "modified")
		case behavior.Fileless:
			more = append(more, "in memory")
		case behavior.OtherMount:
			more = append(more, "of a mount")
		}
		if f.Origin == behavior.Exec {
			more = append(more, "by an exec")
		}
		if len(more) > 0 {
			object += " (" + strings.Join(more, ", ") + ")"
		}
		return "runs", object
	case behavior.Listen:
		port := strconv.Itoa(int(f.Peer.Port))
		if f.Peer.Port == 0 {
			port = "any port"
		}
		return "listens", f.Peer.Protocol + " " + port + " by " + program
	case behavior.Accept:
		return "accepts", f.Peer.Protocol + " " + strconv.Itoa(int(f.Peer.Port)) + " from " + f.Peer.Address.String() + " by " + program
	case behavior.Connect:
		return "connects", f.Peer.Protocol + " " + netip.AddrPortFrom(f.Peer.Address, f.Peer.Port).String() + " by " + program
	}
	if f.Kind == behavior.Capability {
		return "uses", "capability " + f.Name + " by " + program
	}
	switch f.Kind {
	case behavior.Resolve:
		return "asks", "for " + f.Name + " by " + program
	case behavior.Write, behavior.Open:
		verb = map[behavior.Kind]string{behavior.Write: "writes", behavior.Open: "reads"}[f.Kind]
		object = f.File.Path + " by " + program
		if f.File.Layer == behavior.OtherMount {
			object = f.File.Path + " (of a mount) by " + program
		}
		if f.Outcome == behavior.Denied {
			object += ", and was denied"
		}
		return verb, object
	}
	return "does", f.String()
}

// commandText is a program with the class of its arguments.
func commandText(p *behavior.Program) string { return strings.TrimSpace(p.Path + " " + p.Arguments) }

func lossText(l *sensor.Losses) string {
	var parts []string
	for _, n := range []struct {
		n    uint64
		what string
	}{
		{l.Executions, "execution"}, {l.Outgoing, "outgoing connection"}, {l.Incoming, "incoming connection"},
		{l.Listening, "listening socket"}, {l.SystemCalls, "system call"}, {l.Capabilities, "capability use"}, {l.Acts, "other act"}, {l.Files, "file use"}, {l.Questions, "DNS question"}, {l.Elsewhere, "observation that no container is known of"},
	} {
		if n.n > 0 {
			parts = append(parts, counted(int(n.n), n.what))
		}
	}
	return strings.Join(parts, ", ") + " found no room: what they were is not known"
}

// end writes what was seen in all.
func (p *watchPrinter) end(w *machineWatcher, c *sensor.Coverage) error {
	if p.last != nil {
		fmt.Fprintln(p.w)
	}
	p.summary(w)
	took := c.To.Sub(c.From).Round(time.Second)
	line := fmt.Sprintf("watched for %s by %s", took, tierName(c.Tier))
	if c.Lost.Total() == 0 {
		line += "; nothing was lost"
	}
	p.wrapped(0, "", line)
	if c.Lost.Total() > 0 {
		p.wrapped(0, yellow, "lost: "+lossText(&c.Lost))
	}
	if c.Lost.Alerts > 0 {
		p.wrapped(0, yellow, fmt.Sprintf("%s not told: there were too many at once", counted(int(c.Lost.Alerts), "alert")))
	}
	for _, why := range w.alarm.undecided {
		p.wrapped(0, yellow, "not judged: "+why)
	}
	if c.Unnamed > 0 {
		p.wrapped(0, yellow, fmt.Sprintf("%s of programs that are not known: too many were running", counted(int(c.Unnamed), "start")))
	}
	return p.w.Flush()
}

// summary is a table of the containers, with how many different things each did.
func (p *watchPrinter) summary(w *machineWatcher) {
	columns := []struct {
		name string
		kind behavior.Kind
	}{{"runs", behavior.Execute}, {"connects", behavior.Connect}, {"accepts", behavior.Accept}, {"listens", behavior.Listen},
		{"writes", behavior.Write}, {"calls", behavior.Syscall}}
	containers := slices.DeleteFunc(slices.Clone(w.order), func(c *sensor.Container) bool { return c.Host })
	if len(containers) == 0 {
		p.line(0, "", "no container did anything that is new")
	}
	rows := containers
	if slices.ContainsFunc(w.order, func(c *sensor.Container) bool { return c.Host }) {
		rows = append(rows, w.order[slices.IndexFunc(w.order, func(c *sensor.Container) bool { return c.Host })])
	}
	if len(rows) == 0 {
		return
	}
	name := 9
	for _, c := range rows {
		name = max(name, utf8.RuneCountInString(c.Label()))
	}
	widths := 8
	for _, c := range columns {
		widths += len(c.name) + 2
	}
	name = max(12, min(name, p.width-widths))
	head := fmt.Sprintf("%-*s", name, "container")
	for _, c := range columns {
		head += "  " + c.name
	}
	fmt.Fprintln(p.w, p.paint(dim, head+fmt.Sprintf("%8s", "alerts")))
	for _, c := range rows {
		sum := w.sums[c]
		line := fmt.Sprintf("%-*s", name, shortened(printable(c.Label()), name))
		for _, column := range columns {
			count := strconv.Itoa(sum.facts[column.kind])
			if c.Host && !sensor.OfHost.Has(column.kind) {
				count = "-" // which nobody looked for
			}
			line += fmt.Sprintf("%*s", len(column.name)+2, count)
		}
		fmt.Fprint(p.w, line)
		style := ""
		if sum.alerts > 0 {
			style = red
		}
		fmt.Fprintln(p.w, p.paint(style, fmt.Sprintf("%8d", sum.alerts)))
	}
}
