package check

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/signature"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/internal/vuln"
)

// ImageInput is what is known of an image.
type ImageInput struct {
	Image *image.Image
	// Vulnerabilities say which packages advisories are on; nil when there is no
	// database of advisories.
	Vulnerabilities *vuln.Result
	Feeds           []advisory.Provenance // of the database
	Signatures      signature.Result
	Now             time.Time // by which ages are counted
}

// ImageFacts makes what rules see of an image as the variable `image`: the table
// of docs/rules.md. It keeps nothing of the image but texts. What could not be
// read is an unknown item of the lists that it may belong to.
func ImageFacts(in ImageInput) *tree.Node {
	b := imageBuilder{ImageInput: in}
	if problems := in.Image.Problems; len(problems) > 0 {
		b.incomplete = "a part of the image could not be read: " + problems[0].String()
	}
	n := tree.MapOf(
		tree.Entry("digest", in.Image.Manifest), tree.Entry("complete", b.incomplete == ""),
		tree.Entry("platform", b.platform()), tree.Entry("multiPlatform", in.Image.Index != ""),
		tree.Entry("created", b.created()), tree.Entry("age", b.age(in.Image.Config.Created, "the image does not say when it was made")),
		tree.Entry("distro", b.distro()), tree.Entry("user", b.user()), tree.Entry("config", b.config()),
		tree.Entry("history", b.history()), tree.Entry("layers", b.layers()), tree.Entry("base", b.base()),
		tree.Entry("packages", b.packages()), tree.Entry("programs", b.programs()), tree.Entry("writable", b.writable()),
		tree.Entry("credentials", b.credentials()), tree.Entry("signatures", b.signatures()),
		tree.Entry("searched", in.Image.Search.Done), tree.Entry("secrets", b.secrets()),
		tree.Entry("vulnerabilities", b.vulnerabilities()), tree.Entry("advisories", b.advisories()),
	)
	if why := b.untold(); why != "" {
		for _, name := range ofConfig {
			n.Get(name).Replace(tree.UnknownBecause(why))
		}
	}
	if in.Image.Bill {
		for _, name := range ofFiles {
			n.Get(name).Replace(tree.UnknownBecause(b.untold()))
		}
	}
	return n.Seal()
}

// The facts that what an image was read from may not tell: a root file system has no
// configuration, a bill of materials neither that nor files.
var (
	ofConfig = []string{"user", "config", "history", "credentials"}
	ofFiles  = []string{"programs", "writable"}
)

// untold says why the configuration is not known, "" when it is.
func (b *imageBuilder) untold() string {
	switch {
	case b.Image.Bill:
		return "a bill of materials tells of the packages of an image only"
	case !b.Image.Configured():
		return "a root file system has no configuration, which says what runs, as whom, and how the image was made"
	}
	return ""
}

// UnreadImage stands for the facts about an image that could not be read.
func UnreadImage(reason string) *tree.Node {
	n := unknown(reason)
	return &n
}

// Image returns the facts about the image that a container names.
func (f *Facts) Image(container *tree.Node) *tree.Node {
	reference := container.Get("image").Str()
	if reference == "" || f.images == nil {
		return nil
	}
	if n := f.images[reference]; n != nil {
		return n
	}
	return UnreadImage("image " + reference + " was not read")
}

// imageBuilder makes the facts about one image.
type imageBuilder struct {
	ImageInput
	incomplete string // why something may be missing, "" when nothing is
}

// listed is a list, with an unknown item where something may be missing.
func (b *imageBuilder) listed(items []tree.Node) tree.Node {
	if b.incomplete != "" {
		items = append(items, tree.UnknownBecause(b.incomplete))
	}
	return tree.Of(items)
}

func (b *imageBuilder) platform() tree.Node {
	parts := append(strings.SplitN(b.Image.Platform, "/", 3), "", "", "")
	return entries("os", parts[0], "architecture", parts[1], "variant", parts[2])
}

func (b *imageBuilder) created() tree.Node {
	if at := b.Image.Config.Created; dated(at) {
		return tree.Of(at.UTC().Format(time.RFC3339))
	}
	return tree.UnknownBecause("the image does not say when it was made")
}

// dated reports whether a time is one: builds that are to be reproducible state
// the beginning of 1970 or 1980.
func dated(at time.Time) bool { return at.Year() > 1980 }

// age is in whole days, 0 for what is yet to come.
func (b *imageBuilder) age(of time.Time, otherwise string) tree.Node {
	if !dated(of) {
		return tree.UnknownBecause(otherwise)
	}
	return tree.Of(int(max(b.Now.Sub(of), 0) / (24 * time.Hour)))
}

// rolling are distributions without releases: they are supported while they are
// updated.
var rolling = []string{"arch", "chainguard", "gentoo", "opensuse-tumbleweed", "wolfi"}

func (b *imageBuilder) distro() tree.Node {
	d := b.Image.Distro
	supported, end := tree.Of(true), ""
	if day, known := d.EndOfSupport(); known {
		end = day.Format(time.DateOnly)
		supported = tree.Of(!b.Now.After(day.AddDate(0, 0, 1)))
	} else if d.ID != "" && !slices.Contains(rolling, d.ID) {
		supported = tree.UnknownBecause("until when " + cmp.Or(d.Name, d.ID+" "+d.Version) + " is supported is not known")
	}
	switch {
	case d.ID != "":
	case b.incomplete != "":
		supported = tree.UnknownBecause(b.incomplete)
	case b.Image.Bill:
		supported = tree.UnknownBecause("the bill of materials does not name the one distribution of the image")
	}
	return entries("id", d.ID, "version", d.Version, "name", d.Name, "endOfSupport", end, "supported", supported)
}

func (b *imageBuilder) user() tree.Node {
	c := &b.Image.Config
	name, group, _ := strings.Cut(c.User, ":")
	_, err := strconv.ParseUint(name, 10, 32)
	root, id, numeric := tree.Of(c.UID == 0), tree.Of(c.UID), tree.Of(name == "" || err == nil)
	if c.UID < 0 {
		why := "which number the user " + name + " has is not known: /etc/passwd of the image does not say"
		root, id = tree.UnknownBecause(why), tree.UnknownBecause(why)
	}
	return entries("name", name, "group", group, "numeric", numeric, "id", id, "root", root)
}

func (b *imageBuilder) config() tree.Node {
	c := &b.Image.Config
	var env []tree.Node
	for _, v := range c.Env {
		env = append(env, entries("name", v.Name, "value", v.Value))
	}
	var ports []tree.Node
	for _, p := range c.Ports {
		number, protocol, _ := strings.Cut(p, "/")
		if n, err := strconv.Atoi(number); err == nil {
			ports = append(ports, entries("port", n, "protocol", strings.ToUpper(cmp.Or(protocol, "tcp"))))
		}
	}
	labels := tree.MapOf()
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		labels.Add(name, tree.Of(c.Labels[name]))
	}
	return entries(
		"entrypoint", texts(c.Entrypoint), "command", texts(c.Command), "workingDir", c.WorkingDir, "env", tree.Of(env), "ports", tree.Of(ports),
		"volumes", texts(c.Volumes), "labels", labels, "healthCheck", texts(c.Health), "stopSignal", c.StopSignal,
	)
}

func (b *imageBuilder) layers() tree.Node {
	var items []tree.Node
	for i := range b.Image.Layers {
		l := &b.Image.Layers[i]
		items = append(items, entries("digest", l.DiffID, "size", l.Size, "base", b.ofBase(i)))
	}
	return tree.Of(items)
}

// base says what the image was built on, as far as that is known.
func (b *imageBuilder) base() tree.Node {
	of := &b.Image.Base
	return entries("name", of.Name, "digest", of.Digest, "layers", of.Layers, "how", string(of.How))
}

// ofBase reports whether a layer is one of the base image.
func (b *imageBuilder) ofBase(layer int) tree.Node {
	if b.Image.Base.Layers == 0 {
		return tree.UnknownBecause("which layers are of the base image is not known: " + b.Image.Base.Why)
	}
	return tree.Of(layer < b.Image.Base.Layers)
}

func (b *imageBuilder) packages() tree.Node {
	items := make([]tree.Node, 0, len(b.Image.Packages)+1)
	for i := range b.Image.Packages {
		p := &b.Image.Packages[i]
		items = append(items, entries(
			"ecosystem", p.Ecosystem, "name", p.Name, "version", p.Version, "source", cmp.Or(p.Source, p.Name), "ownedBy", p.OwnedBy, "layer", p.Layer+1,
		))
	}
	return b.listed(items)
}

// programs are those that somebody may want to know of: those of a class, those
// that change who runs them, and those that no package owns.
func (b *imageBuilder) programs() tree.Node {
	var items []tree.Node
	for i := range b.Image.Programs {
		p := &b.Image.Programs[i]
		if p.Class == image.OtherProgram && p.Package != "" && !p.Setuid && !p.Setgid && !p.Capable {
			continue
		}
		name := p.Path[strings.LastIndexByte(p.Path, '/')+1:]
		items = append(items, entries(
			"path", p.Path, "name", name, "target", p.Target, "class", string(p.Class), "script", p.Script, "setuid", p.Setuid, "setgid", p.Setgid,
			"capabilities", p.Capable, "package", p.Package, "layer", p.Layer+1,
		))
	}
	return b.listed(items)
}

func (b *imageBuilder) writable() tree.Node {
	var items []tree.Node
	for _, w := range b.Image.Writable {
		items = append(items, entries("path", w.Path, "directory", w.Directory, "layer", w.Layer+1))
	}
	return b.listed(items)
}

func (b *imageBuilder) credentials() tree.Node {
	var items []tree.Node
	for _, s := range b.Image.Secrets {
		if s.Where != "" && s.Doubt == "" { // in the configuration; files are not always searched
			items = append(items, entries("place", s.Where, "type", s.Kind))
		}
	}
	return tree.Of(items)
}

// secrets are those in files of all layers, without what is in doubt. Where files
// were not searched nothing is known of them.
func (b *imageBuilder) secrets() tree.Node {
	if !b.Image.Search.Done {
		return tree.UnknownBecause("the files of the image were not searched for secrets")
	}
	var items []tree.Node
	for i := range b.Image.Secrets {
		s := &b.Image.Secrets[i]
		if s.Where != "" || s.Doubt != "" {
			continue
		}
		items = append(items, entries("type", s.Kind, "severity", s.Severity.String(), "path", s.Path, "line", s.Line, "layer", s.Layer+1, "deleted", s.Gone >= 0 && !s.Replaced))
	}
	return b.listed(items)
}

// What begins the reason why nothing is known of vulnerabilities where what should have
// been asked is missing. That is a problem, unlike an answer that is not in it.
const (
	noDatabase   = "there is no database of advisories"
	noAdvisories = "the database has no advisories on "
	noFeed       = "the database lacks the feed "
	noPackages   = "no package was identified in the image"
)

// missingInput are the problems of questions that are open for want of what should have
// been asked, each once.
func missingInput(open []model.Unknown) []model.Problem {
	const fetch = "ullage db update fetches "
	var list []model.Problem
	told := map[string]bool{}
	var reasons []string
	for _, u := range open { // that of an expression has those of all that is open in it
		reasons = append(reasons, strings.Split(u.Reason, "; ")...)
	}
	for _, reason := range reasons {
		if told[reason] {
			continue
		}
		told[reason] = true
		p := model.Problem{Reason: reason}
		switch {
		case reason == noDatabase:
			p = model.Problem{Reason: "no image was held against advisories: " + noDatabase, Hint: fetch + "one; --db names one that is elsewhere"}
		case strings.HasPrefix(reason, noAdvisories):
			p.Reason = "what an image has of them was not judged: " + reason
			p.Hint = "ullage db update --feed NAME fetches a feed that is missing; an exception for the rule, or --rule, leaves out what there are none for"
		case strings.HasPrefix(reason, noFeed):
			p.Hint = fetch + "it with --feed, beside the others"
		case strings.HasPrefix(reason, noPackages):
			p.Reason = "what an image is made of was not judged: " + reason
			p.Hint = "check --image-from NAME=SBOM reads a bill of materials in place of the image"
		default:
			continue
		}
		list = append(list, p)
	}
	return list
}

func (b *imageBuilder) vulnerabilities() tree.Node {
	v := b.Vulnerabilities
	if v == nil {
		return tree.UnknownBecause(noDatabase)
	}
	items := make([]tree.Node, 0, len(v.Matches)+2)
	for i := range v.Matches {
		if v.Matches[i].Exception == nil { // which lets it pass
			items = append(items, b.vulnerability(&v.Matches[i]))
		}
	}
	if len(b.Image.Packages) == 0 {
		items = append(items, tree.UnknownBecause(noPackages+": nothing in it was held against advisories"))
	}
	if len(v.NoData) > 0 {
		items = append(items, tree.UnknownBecause(noAdvisories+advisory.Lacking(v.NoData, b.Feeds)))
	}
	if len(v.Undecided) > 0 {
		items = append(items, tree.UnknownBecause(v.Undecided[0].ID+" is not decided: "+v.Undecided[0].Why))
	}
	return b.listed(items)
}

func (b *imageBuilder) vulnerability(m *vuln.Match) tree.Node {
	p := &b.Image.Packages[m.Package]
	age := tree.UnknownBecause("when " + m.ID + " was published is not known")
	if m.Published != 0 {
		age = b.age(time.Unix(m.Published, 0), "")
	}
	return entries(
		"id", m.ID, "severity", m.Severity.Level.String(), "score", m.Severity.Score, "fixable", m.State == vuln.FixAvailable, "fixed", m.Fixed,
		"malicious", m.Malicious() != "", "exploited", b.catalogued(m, m.Exploited != nil), "ransomware", b.catalogued(m, m.Exploited != nil && m.Exploited.Ransomware), "catalogued", m.Exploited != nil,
		"probability", b.probability(m), "age", age,
		"priority", m.Priority, "base", b.ofBase(p.Layer), "package", p.Name, "version", p.Version, "ownedBy", p.OwnedBy, "ecosystem", p.Ecosystem, "layer", p.Layer+1,
	)
}

// catalogued is what CISA's catalogue says of a vulnerability, which is nothing where it
// is not at hand.
func (b *imageBuilder) catalogued(m *vuln.Match, says bool) tree.Node {
	if m.Exploited == nil && !b.hasFeed(advisory.KEV) {
		return tree.UnknownBecause(noFeed + advisory.KEV + ": which vulnerabilities are known to be exploited is not known")
	}
	return tree.Of(says)
}

func (b *imageBuilder) probability(m *vuln.Match) tree.Node {
	switch {
	case m.EPSS != nil:
		return tree.Of(m.EPSS.Probability)
	case !b.hasFeed(advisory.EPSS):
		return tree.UnknownBecause(noFeed + advisory.EPSS + ": how likely vulnerabilities are to be exploited is not known")
	}
	return tree.UnknownBecause("EPSS does not say how likely " + m.ID + " is to be exploited")
}

func (b *imageBuilder) hasFeed(name string) bool {
	return slices.ContainsFunc(b.Feeds, func(p advisory.Provenance) bool { return p.Feed == name })
}

// signatures say who vouches for the image. That nobody looked is no state like
// the others: rules about signers are then not about the image.
func (b *imageBuilder) signatures() tree.Node {
	s := &b.Signatures
	state := tree.Of(string(cmp.Or(s.State, signature.NotLookedFor)))
	if s.State == signature.Unknown {
		state = tree.UnknownBecause("who signed the image could not be found out: " + s.Why)
	}
	var items []tree.Node
	for i := range s.Signatures {
		one := &s.Signatures[i]
		items = append(items, entries(
			"kind", string(one.Kind), "verified", one.Verified, "identity", one.Identity, "issuer", one.Issuer, "key", one.Key, "predicate", one.Predicate,
			"builder", one.Builder,
		))
	}
	return entries("state", state, "why", s.Why, "found", tree.Of(items))
}

// advisories say what the vulnerabilities were found by: the age in days of the
// feed that was not looked at for longest, and what there are none on.
func (b *imageBuilder) advisories() tree.Node {
	if b.Vulnerabilities == nil || len(b.Feeds) == 0 {
		return tree.UnknownBecause(noDatabase)
	}
	oldest := slices.MinFunc(b.Feeds, func(x, y advisory.Provenance) int { return x.Fetched.Compare(y.Fetched) })
	return entries("age", b.age(oldest.Fetched, "when the advisories were fetched is not known"), "feed", oldest.Feed, "missing", texts(b.Vulnerabilities.NoData))
}

// References yields the images that containers of the objects name, each once,
// with the first container that does: the object, and the node of the reference.
func References(objects []*model.Object) iter.Seq2[string, ImageUse] {
	return func(yield func(string, ImageUse) bool) {
		seen := map[string]bool{}
		for _, o := range objects {
			for _, pod := range o.Pods() {
				for _, list := range model.ContainerLists {
					for _, c := range items(pod.Spec, tree.Keys(list)) {
						n := c.Get("image")
						reference := n.Str()
						if reference == "" || seen[reference] {
							continue
						}
						seen[reference] = true
						if !yield(reference, ImageUse{o, n}) {
							return
						}
					}
				}
			}
		}
	}
}

// ImageUse is where a container names an image.
type ImageUse struct {
	Object *model.Object
	Node   *tree.Node
}
