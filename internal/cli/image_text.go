package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/signature"
)

// imagePrinter writes an image for people.
type imagePrinter struct {
	accessPrinter
	verbose bool
}

// shownOfImage is how many programs, variables and the like are named where not
// all are asked for.
const shownOfImage = 12

func (p *imagePrinter) image(r *imageAnswer, now time.Time) error {
	img := r.Image
	p.line(0, bold, strings.TrimSpace(img.Reference+"  "+img.Platform))
	if name := familiar(img.Name); name != "" && !strings.Contains(img.Reference, name) && img.Name != image.FullName(strings.TrimPrefix(img.Reference, "registry:")) {
		p.entry("name", name)
	}
	for _, d := range []struct{ name, digest string }{{"index", img.Index}, {"manifest", img.Manifest}, {"config", img.Identity.Config}} {
		if d.digest != "" {
			p.entry(d.name, d.digest)
		}
	}
	if img.Bill && img.Distro.ID == "" {
		p.entry("system", cmp.Or(img.Distro.Name, "not known: the bill names none"))
	} else {
		p.entry("system", system(img.Distro, now))
	}
	if img.Bill {
		p.painted("known from", "a bill of materials: packages only. Its configuration, programs, files and secrets are not known.", yellow)
	} else {
		p.entry("made of", madeOf(img))
		if img.Configured() { // a root file system says nothing of where it is from
			p.base(img)
		}
		if img.Configured() || r.Signatures.State != signature.NotLookedFor {
			p.signed(&r.Signatures)
		}
		p.config(img)
	}
	p.packages(img.Packages)
	if !img.Bill {
		p.programs(img)
		p.secrets(img)
		p.signatures(&r.Signatures)
	}
	p.vulnerabilities(r, now)
	if img.Configured() {
		p.layers(img)
	}
	p.problems(img)
	p.verdict(r)
	return p.w.Flush()
}

// madeOf says in one line what an image is made of.
func madeOf(img *image.Image) string {
	files, size := 0, int64(0)
	for i := range img.Layers {
		files, size = files+img.Layers[i].Files, size+img.Layers[i].Size
	}
	made := counted(len(img.Layers), "layer")
	if !img.Configured() {
		made = "a root file system"
	}
	made += ", " + counted(files, "entry")
	if made = strings.Replace(made, "entrys", "entries", 1); size > 0 {
		made += ", " + bytesText(size)
	}
	if !img.Config.Created.IsZero() {
		made += ", made " + img.Config.Created.UTC().Format(time.DateOnly)
	}
	return made
}

// section starts a part of the output.
func (p *imagePrinter) section(title string) {
	p.line(0, "", "")
	p.line(0, bold, title)
}

// entry writes a name and what belongs to it, wrapped behind the name.
func (p *imagePrinter) entry(name, text string) { p.painted(name, text, "") }

func (p *imagePrinter) painted(name, text, style string) { p.columns(18, name, dim, text, style) }

// columns writes a name in a column of some width, and what belongs to it behind it.
// A name that fills its column has a line of its own.
func (p *imagePrinter) columns(column int, name, nameStyle, text, style string) {
	if name = printable(name); utf8.RuneCountInString(name) >= column {
		fmt.Fprintf(p.w, "  %s\n", p.paintUnless(nameStyle, name))
		name = ""
	}
	for line := range strings.SplitSeq(hang(printable(text), 0, p.width-column-2), "\n") {
		fmt.Fprintf(p.w, "  %s%s\n", p.paintUnless(nameStyle, fmt.Sprintf("%-*s", column, name)), p.paintUnless(style, line))
		name = ""
	}
}

func (p *imagePrinter) paintUnless(style, text string) string {
	if style == "" {
		return text
	}
	return p.paint(style, text)
}

func system(d image.Distro, now time.Time) string {
	if d.ID == "" {
		return "not known: it holds no os-release"
	}
	name := cmp.Or(d.Name, strings.TrimSpace(d.ID+" "+d.Version))
	end, known := d.EndOfSupport()
	switch {
	case !known:
		return name + ", end of security updates not known"
	case now.After(end.AddDate(0, 0, 1)):
		return name + ", WITHOUT security updates since " + end.Format(time.DateOnly)
	}
	return name + ", security updates until " + end.Format(time.DateOnly)
}

func (p *imagePrinter) config(img *image.Image) {
	p.section("What runs")
	if !img.Configured() {
		p.painted("not known", "a root file system has no configuration, which names user, entrypoint, command and environment, and no layers to tell a base image from", yellow)
		return
	}
	c := &img.Config
	p.user(c)
	p.entry("entrypoint", argv(c.Entrypoint))
	p.entry("command", argv(c.Command))
	if len(c.Ports) > 0 {
		p.entry("ports", strings.Join(c.Ports, ", "))
	}
	if len(c.Volumes) > 0 {
		p.entry("volumes", strings.Join(c.Volumes, ", "))
	}
	var env []string
	for _, v := range c.Env {
		env = append(env, v.Name+"="+v.Value)
	}
	p.some("environment", env, "")
	if len(c.Health) > 0 {
		p.entry("health check", argv(c.Health))
	}
}

// user says as whom the image starts, with the number that its /etc/passwd gives a
// name: any name may be root's.
func (p *imagePrinter) user(c *image.Config) {
	name, _, _ := strings.Cut(c.User, ":")
	text, style := c.User, ""
	switch _, err := strconv.ParseUint(name, 10, 32); {
	case name == "" || err == nil:
	case c.UID >= 0 && name != "root":
		text += fmt.Sprintf(", %d by /etc/passwd of the image", c.UID)
	case c.UID < 0:
		text, style = text+", which /etc/passwd of the image does not have: its number is not known", yellow
	}
	if c.AsRoot() {
		text, style = cmp.Or(text, "none set")+": runs as root unless the pod says otherwise", yellow
	}
	p.painted("user", text, style)
}

// argv writes a command as it was given, in quotes where a part needs them.
func argv(parts []string) string {
	if len(parts) == 0 {
		return "none"
	}
	quoted := make([]string, len(parts))
	for i, part := range parts {
		if quoted[i] = part; part == "" || strings.ContainsAny(part, " \t\n\"'") {
			quoted[i] = strconv.Quote(part)
		}
	}
	return strings.Join(quoted, " ")
}

// some lists names, the first ones where not all are asked for.
func (p *imagePrinter) some(name string, all []string, style string) {
	if len(all) == 0 {
		return
	}
	shown := all
	if len(all) > shownOfImage && !p.verbose {
		shown = append(slices.Clip(all[:shownOfImage]), fmt.Sprintf("and %d more (--verbose)", len(all)-shownOfImage))
	}
	p.painted(name, strings.Join(shown, ", "), style)
}

func (p *imagePrinter) packages(all []image.Package) {
	p.section("What is in it")
	counts := map[string]int{}
	owned, named := 0, 0
	for i := range all {
		counts[all[i].Ecosystem]++
		if all[i].OwnedBy != "" {
			owned++
		}
		if all[i].Evidence != image.Stated {
			named++
		}
	}
	if len(all) == 0 {
		p.entry("packages", "none that any package manager or program tells of")
		return
	}
	ecosystems := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	var parts []string
	for _, e := range ecosystems {
		parts = append(parts, fmt.Sprintf("%d %s", counts[e], e))
	}
	text := fmt.Sprintf("%d: %s", len(all), strings.Join(parts, ", "))
	if owned > 0 {
		text += fmt.Sprintf("; %d of them brought by packages of the distribution", owned)
	}
	if named > 0 {
		text += fmt.Sprintf("; %d known by the name of their file only", named)
	}
	p.entry("packages", text)
	if p.verbose {
		for i := range all {
			p.line(4, "", packageText(&all[i]))
		}
	}
}

// packageText is a line on a package, with what its name was concluded from where it
// does not state it, as it then may be another.
func packageText(pkg *image.Package) string {
	text := pkg.Ecosystem + "  " + pkg.Name + " " + cmp.Or(pkg.Version, "(version not known)")
	if pkg.Evidence != image.Stated {
		text += "  (identity from the " + string(pkg.Evidence) + ": " + pkg.Where[0] + ")"
	}
	return text
}

func (p *imagePrinter) programs(img *image.Image) {
	classes := map[image.ProgramClass][]string{}
	var raised, loose []string
	for i := range img.Programs {
		g := &img.Programs[i]
		if g.Class != image.OtherProgram {
			classes[g.Class] = append(classes[g.Class], g.Path)
		}
		if g.Setuid || g.Setgid || g.Capable {
			raised = append(raised, g.Path)
		}
		if g.Package == "" && g.Target == "" && !strings.HasPrefix(g.Path, "/var/lib/dpkg/info/") { // the scripts of packages
			loose = append(loose, g.Path)
		}
	}
	p.entry("programs", strconv.Itoa(len(img.Programs)))
	for _, c := range []struct {
		class image.ProgramClass
		name  string
	}{
		{image.Shell, "shells"}, {image.PackageManager, "package managers"}, {image.NetworkTool, "network tools"},
		{image.Compiler, "compilers"}, {image.Interpreter, "interpreters"},
	} {
		p.some(c.name, classes[c.class], yellow)
	}
	p.some("raise privilege", raised, yellow)
	p.some("of no package", loose, "")
	var writable []string
	for _, w := range img.Writable {
		writable = append(writable, w.Path)
	}
	p.some("writable by all", writable, yellow)
}

func (p *imagePrinter) layers(img *image.Image) {
	p.section("Layers")
	for i := range img.Layers {
		l := &img.Layers[i]
		size := "-"
		if l.Size > 0 {
			size = bytesText(l.Size)
		}
		line := fmt.Sprintf("%3d %9s %7d  %s", i+1, size, l.Files, whose(&img.Base, i))
		by := []rune(strings.Join(strings.Fields(l.CreatedBy), " "))
		if room := p.width - len(line) - 2; len(by) > room && !p.verbose {
			by = append(by[:max(room-1, 0)], '…')
		}
		p.line(2, "", line+string(by))
	}
}

func (p *imagePrinter) problems(img *image.Image) {
	if len(img.Problems) == 0 {
		return
	}
	p.section("Not read")
	for _, problem := range img.Problems {
		p.wrapped(2, red, problem.String())
		if problem.Hint != "" {
			p.wrapped(4, dim, problem.Hint)
		}
	}
}

// bytesText writes a size in the units of disks.
func bytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	value, unit := float64(n), 0
	for value >= 999.5 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if value < 10 && unit > 0 {
		return fmt.Sprintf("%.1f %s", value, units[unit])
	}
	return fmt.Sprintf("%.0f %s", value, units[unit])
}
