package cli

import (
	"fmt"
	"strings"

	"ullage.dev/ullage/internal/behavior"
)

// profilePrinter writes profiles for people.
type profilePrinter struct {
	imagePrinter
	flags *profileFlags
}

func (p *profilePrinter) title(s *behavior.Subject) {
	title := s.Workload()
	if s.Container != "" && s.Kind != behavior.KindContainer {
		title += "  container " + s.Container
	}
	if s.Cluster != "" {
		title += "  cluster " + s.Cluster
	}
	p.line(0, bold, title)
}

// listed writes a profile in a few lines.
func (p *profilePrinter) listed(profile *behavior.Profile) {
	p.title(&profile.Subject)
	text := profile.Summary.Words()
	if profile.Subject.Kind != behavior.KindHost {
		text += "; " + counted(len(profile.Images), "image")
	}
	p.wrapped(2, "", text)
	if profile.Lacking != "" {
		p.wrapped(2, yellow, "nothing is expected yet: "+profile.Lacking)
		return
	}
	counts := countStates(profile)
	var style string
	text, style = counted(counts[behavior.StateExpected], "deed")+" expected, ", ""
	switch {
	case counts[behavior.StateNew] > 0:
		text, style = text+fmt.Sprintf("%d new", counts[behavior.StateNew]), red
	case counts[behavior.StateUnclear] > 0:
		style = yellow
		fallthrough
	default:
		text += "none new"
	}
	if n := counts[behavior.StateUnclear]; n > 0 {
		text += fmt.Sprintf("; of %d it is not known", n)
	}
	p.wrapped(2, style, text)
}

func kindNames(kinds []behavior.Kind) (names []string) {
	for _, k := range kinds {
		names = append(names, strings.ToLower(titles[k]))
	}
	return names
}

// head writes what is known of a profile as a whole.
func (p *profilePrinter) head(profile *behavior.Profile) {
	p.title(&profile.Subject)
	style := ""
	if profile.Summary.Lost > 0 || profile.Summary.Folded > 0 {
		style = yellow
	}
	p.painted("seen", profile.Summary.Words(), style)
	if missing := profile.Summary.Kinds.Missing(); len(missing) > 0 {
		p.entry("not watched", strings.Join(kindNames(missing), ", "))
	}
	switch {
	case profile.Lacking != "":
		p.painted("expected", "nothing yet: "+profile.Lacking, yellow)
	case profile.Approved != nil:
		p.entry("expected", fmt.Sprintf("what %s approves, %s", p.flags.approved, counted(len(profile.Approved.Deeds), "deed")))
	default:
		p.entry("expected", "what was seen until "+day(profile.Learned.Time()))
	}
	for i := range profile.Images {
		if profile.Subject.Kind == behavior.KindHost { // which has none
			break
		}
		x := &profile.Images[i]
		digest := shortDigest(x.Digest)
		if digest == "" {
			digest = "digest not known"
		}
		text := digest + ", never watched"
		if !x.Summary.Days.Empty() {
			text = digest + ", watched " + span(x.Summary.From.Time(), x.Summary.To.Time())
		}
		if i == profile.Latest() && len(profile.Images) > 1 {
			text += ", the latest"
		}
		p.entry("image", text)
	}
}

// titles are those of the parts that a profile is shown in.
var titles = map[behavior.Kind]string{
	behavior.Execute: "Programs", behavior.Connect: "Connections out", behavior.Accept: "Connections in", behavior.Listen: "Listens at", behavior.Resolve: "Names asked for",
	behavior.Write: "Files written", behavior.Open: "Files read", behavior.Map: "Libraries", behavior.Capability: "Capabilities", behavior.Privilege: "Changes of privilege",
	behavior.Ptrace: "Processes traced", behavior.Mount: "Mounts", behavior.Load: "Loaded into the kernel", behavior.Namespace: "Namespaces", behavior.Sensitive: "Sensitive calls", behavior.Syscall: "System calls",
}

// shownDeeds is how many deeds of one kind are shown where not all are asked for.
const shownDeeds = 20

// shown writes all of a profile.
func (p *profilePrinter) shown(profile *behavior.Profile, more *beside) {
	p.head(profile)
	byKind := map[behavior.Kind][]*behavior.Deed{}
	for i := range profile.Deeds {
		d := &profile.Deeds[i]
		byKind[d.Kind] = append(byKind[d.Kind], d)
	}
	if len(profile.Deeds) == 0 {
		p.section("Deeds")
		p.line(2, yellow, "none was seen")
	}
	for _, kind := range behavior.Kinds {
		deeds := byKind[kind]
		if len(deeds) == 0 {
			continue
		}
		p.section(titles[kind])
		for i, d := range deeds {
			if i >= shownDeeds && !p.verbose && d.State != behavior.StateNew {
				p.line(4, dim, fmt.Sprintf("and %d more; --verbose lists them", len(deeds)-i))
				break
			}
			p.deed(profile, d)
		}
	}
	p.people(profile)
	p.unused(profile, more)
	if unseen := profile.Unseen(); len(unseen) > 0 && len(profile.Images) > 1 {
		p.section("Not seen in the latest image so far")
		for i := range unseen {
			if i == shownDeeds && !p.verbose {
				p.line(4, dim, fmt.Sprintf("and %d more; --verbose lists them", len(unseen)-i))
				break
			}
			p.wrapped(4, dim, unseen[i].String())
		}
	}
}

// unused writes which peers are granted and were not connected to.
func (p *profilePrinter) unused(profile *behavior.Profile, more *beside) {
	if more.grants == nil {
		return
	}
	names, why := more.grants.unusedPeers(profile)
	p.section("Peers that are granted and not used")
	switch {
	case why != "":
		p.wrapped(4, dim, why)
	case len(names) == 0:
		p.wrapped(4, dim, "none")
	default:
		p.wrapped(4, dim, "in "+profile.Summary.Words()+":")
	}
	for i, name := range names {
		if i == shownDeeds && !p.verbose {
			p.line(4, dim, fmt.Sprintf("and %d more; --verbose lists them", len(names)-i))
			break
		}
		p.wrapped(4, "", name)
	}
}

// marks stand before deeds.
var marks = map[behavior.State]struct{ mark, style string }{
	behavior.StateNew: {"+", red}, behavior.StateUnclear: {"?", yellow}, behavior.StateExpected: {" ", ""}, behavior.StateLearning: {" ", ""},
}

func (p *profilePrinter) deed(profile *behavior.Profile, d *behavior.Deed) {
	m := marks[d.State]
	text := d.String()
	if d.State == behavior.StateNew {
		text += ": new, " + p.when(d)
	} else if p.verbose {
		text += ": " + p.when(d)
	}
	if d.Only != "" {
		text += ", by replica " + d.Only + " alone"
	}
	for i, line := range strings.Split(hang(printable(text), 0, p.width-4), "\n") {
		if i > 0 {
			m.mark = " "
		}
		fmt.Fprintf(p.w, "  %s %s\n", p.paintUnless(m.style, m.mark), p.paintUnless(m.style, line))
	}
}

// when says when and where a deed was seen.
func (p *profilePrinter) when(d *behavior.Deed) string {
	text := "seen " + span(d.Seen.First.Time(), d.Seen.Last.Time())
	if n, exact := d.Seen.Runs.Len(); n > 0 {
		return text + ", in " + atLeast(n, exact, "run")
	}
	n, exact := d.Seen.Replicas.Len()
	return text + ", in " + atLeast(n, exact, "replica")
}

func atLeast(n int, exact bool, noun string) string {
	if !exact {
		return "at least " + counted(n, noun)
	}
	return counted(n, noun)
}

// people writes what people did, which is not the workload's.
func (p *profilePrinter) people(profile *behavior.Profile) {
	if len(profile.People) == 0 {
		return
	}
	p.section("Done by people, and never expected")
	for i := range profile.People {
		d := &profile.People[i]
		p.wrapped(4, "", d.String()+": "+p.when(d))
	}
}

// different writes what is new of a profile.
func (p *profilePrinter) different(profile *behavior.Profile, more *beside) {
	p.head(profile)
	counts := countStates(profile)
	switch {
	case profile.Lacking != "":
		p.painted("new", "not known, as nothing is expected yet", yellow)
		return
	case counts[behavior.StateNew] > 0:
		p.painted("new", counted(counts[behavior.StateNew], "deed"), red)
	default:
		p.painted("new", "none that was seen", green)
	}
	for _, d := range profile.Differences() {
		fmt.Fprintln(p.w)
		if d.State == behavior.StateUnclear {
			p.wrapped(2, yellow, "not known  "+d.String())
			p.wrapped(4, dim, "it stands for many, and went on: whether there is something new among them is not known")
			continue
		}
		p.wrapped(2, red, "new  "+d.String())
		for _, line := range p.story(profile, &d, more) {
			p.wrapped(4, dim, line)
		}
	}
	p.people(profile)
}

// story says what is known of something new.
func (p *profilePrinter) story(profile *behavior.Profile, d *behavior.Deed, more *beside) []string {
	lines := []string{p.when(d)}
	if image := profile.Images[d.Images[0]]; image.Digest != "" {
		if d.WithImage {
			lines[0] += "; it came with image " + shortDigest(image.Digest)
		} else if before := d.Seen.First - image.Summary.From; before > 0 {
			lines[0] += "; image " + shortDigest(image.Digest) + " ran " + behavior.Duration(before) + " without it"
		}
	}
	if story := d.Story(); story != "" {
		lines = append(lines, story)
	}
	if d.Only != "" {
		lines = append(lines, "replica "+d.Only+" alone did it")
	}
	if d.Unsure {
		lines = append(lines, "whether a person did it is not known")
	}
	if owner := more.owned.told(profile, d); owner != "" {
		lines = append(lines, owner)
	}
	if more.need == nil {
		return lines
	}
	declared, by := more.declared(d.Fact)
	granted, grantedBy := more.granted(d.Fact)
	if declared == behavior.Unknown && granted == behavior.Unknown {
		return append(lines, "whether it is declared and granted is not known")
	}
	return append(lines, answerText("declared", declared, by), answerText("granted", granted, grantedBy))
}

func answerText(what string, answer behavior.Answer, by string) string {
	switch {
	case answer == behavior.Unknown:
		return what + ": not known"
	case by == "":
		return what + ": " + string(answer)
	}
	return what + ": " + string(answer) + ", by " + by
}
