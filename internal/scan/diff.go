package scan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/signature"
	"ullage.dev/ullage/internal/vuln"
)

// Diff is what changed from one image to another. Lists are sorted, and empty where
// nothing changed.
type Diff struct {
	Packages []PackageChange
	// Came and Went are vulnerabilities of packages in one of the images only. Both
	// are empty when Unmatched says why nothing is known of them.
	Came, Went []Vulnerable
	// Open are vulnerabilities of the first image on which the second was not judged,
	// such as those of a distribution in the place of which is one without data.
	Open      []Vulnerable
	Unmatched string
	// Unjudged are ecosystems on which there are no advisories in the second image,
	// and are in the first.
	Unjudged []string
	// Unidentified says of each image that no package was identified in it.
	Unidentified [2]bool
	NoData       []string // ecosystems on which there are no advisories in one of the images
	// Unread says why programs, configuration and size were not compared, "" when
	// they were.
	Unread   string
	Programs []ProgramChange
	Writable []string // paths that anybody may write to now, and could not before
	// Unconfigured says why nothing of the configuration but the system was compared,
	// "" when it was.
	Unconfigured string
	Config       []Setting
	BecameRoot   bool     // what the second image starts runs as root, and the first image's did not
	Size         [2]int64 // of all layers, 0 when not known
	Secrets      []SecretChange
	// Unsearched says that files were not searched for secrets in one of the images;
	// then Secrets are those of the configuration.
	Unsearched bool
	Base       [2]*image.Base // of the images; nil when it was not compared
	Signed     [2]signature.State
}

// Kind is how something changed.
type Kind string

// The kinds.
const (
	Added      Kind = "added"
	Removed    Kind = "removed"
	Upgraded   Kind = "upgraded"
	Downgraded Kind = "downgraded"
	Changed    Kind = "changed" // of versions that have no order, or privilege
)

// PackageChange is a package of which other versions are there.
type PackageChange struct {
	Kind      Kind
	Ecosystem string
	Name      string
	Old, New  string // versions, "" where it is not there
}

// Vulnerable is a vulnerability of a package.
type Vulnerable struct {
	Match   *vuln.Match
	Package *image.Package
}

// ProgramChange is a program that is new, gone, or has other rights.
type ProgramChange struct {
	Kind     Kind
	Old, New *image.Program // nil where it is not there
}

// Helps says whether the change gives an intruder something: a program of a class,
// or one that raises privilege.
func (c *ProgramChange) Helps() bool {
	return c.New != nil && (c.Old == nil && c.New.Class != image.OtherProgram || raises(c.New) && (c.Old == nil || !raises(c.Old)))
}

func raises(p *image.Program) bool { return p.Setuid || p.Setgid || p.Capable }

// Setting is something of the configuration that is another one. Values that are or
// look like secrets were taken out when images were read.
type Setting struct{ Name, Old, New string }

// Worse says whether the second image is worse than the first in what is compared:
// with vulnerabilities, programs that help an intruder, writable paths or secrets that
// were not there, running as root when it did not, or not signed as the first one is.
// Accepted vulnerabilities do not make it worse, and neither do secrets in doubt. That
// it is not worse says nothing of vulnerabilities unless they are [Diff.Known].
func (d *Diff) Worse() bool {
	return slices.ContainsFunc(d.Came, func(v Vulnerable) bool { return v.Match.Exception == nil }) ||
		slices.ContainsFunc(d.Programs, func(c ProgramChange) bool { return c.Helps() }) || len(d.Writable) > 0 || lessTrusted(d.Signed) ||
		slices.ContainsFunc(d.Secrets, func(c SecretChange) bool { return c.Kind == Added && c.Secret.Doubt == "" }) ||
		d.BecameRoot
}

// Compare says what changed from one image to another.
func Compare(from, to *Result) *Diff {
	d := &Diff{Packages: comparePackages(from.Image.Packages, to.Image.Packages), Signed: [2]signature.State{from.Signatures.State, to.Signatures.State}}
	if from.Vulnerabilities == nil || to.Vulnerabilities == nil {
		d.Unmatched = "there is no database of advisories"
	} else {
		d.Unidentified = [2]bool{len(from.Image.Packages) == 0, len(to.Image.Packages) == 0}
		d.Came = onlyIn(to, from)
		d.left(from, to)
		d.NoData = slices.Concat(from.Vulnerabilities.NoData, to.Vulnerabilities.NoData)
		slices.Sort(d.NoData)
		d.NoData = slices.Compact(d.NoData)
	}
	if from.Image.Bill || to.Image.Bill {
		d.Unread = "a bill of materials tells packages only"
		return d
	}
	if !from.Image.Configured() || !to.Image.Configured() {
		d.Unconfigured = "a root file system has no configuration"
	}
	d.Programs = comparePrograms(from.Image.Programs, to.Image.Programs)
	d.Writable = newlyWritable(from.Image.Writable, to.Image.Writable)
	d.Unsearched = !from.Image.Search.Done || !to.Image.Search.Done
	d.Secrets = compareSecrets(from.Image, to.Image, !d.Unsearched)
	if d.Unconfigured == "" {
		d.Base = [2]*image.Base{&from.Image.Base, &to.Image.Base}
	}
	d.Config = compareConfig(from.Image, to.Image, d.Unconfigured == "")
	d.BecameRoot = d.Unconfigured == "" && to.Image.Config.AsRoot() && !from.Image.Config.AsRoot()
	for i, img := range []*image.Image{from.Image, to.Image} {
		for k := range img.Layers {
			d.Size[i] += img.Layers[k].Size
		}
	}
	return d
}

// left tells what the second image does not have any more from what is not known.
func (d *Diff) left(from, to *Result) {
	j := judged(to, len(to.Image.Problems) == 0)
	proves := j.Proves()
	for _, v := range onlyIn(from, to) {
		if key := KeyOf(from.Image, v.Match); proves(&key) {
			d.Went = append(d.Went, v)
		} else {
			d.Open = append(d.Open, v)
		}
	}
	for _, scope := range to.Vulnerabilities.NoData {
		if !slices.Contains(from.Vulnerabilities.NoData, scope) {
			d.Unjudged = append(d.Unjudged, scope)
		}
	}
}

// Known says whether it is known of the vulnerabilities of the first image, and of
// what was judged in it, what became of them.
func (d *Diff) Known() bool {
	return d.Unmatched == "" && len(d.Open)+len(d.Unjudged) == 0 && (!d.Unidentified[1] || d.Unidentified[0])
}

// comparePackages pairs the versions of a name that are in one image only, in their
// order: what is left over was added or removed.
func comparePackages(from, to []image.Package) []PackageChange {
	type key struct{ ecosystem, name string }
	versions, names := map[key]*[2]map[string]bool{}, map[key]string{}
	for side, list := range [][]image.Package{from, to} {
		for i := range list {
			k := key{list[i].Ecosystem, vuln.NormalName(list[i].Ecosystem, list[i].Name)}
			names[k] = list[i].Name
			if versions[k] == nil {
				versions[k] = &[2]map[string]bool{{}, {}}
			}
			versions[k][side][list[i].Version] = true
		}
	}
	var all []PackageChange
	for k, sides := range versions {
		o := vuln.OrderOf(k.ecosystem)
		var only [2][]string
		for side := range sides {
			for version := range sides[side] {
				if !sides[1-side][version] {
					only[side] = append(only[side], version)
				}
			}
			slices.SortFunc(only[side], func(a, b string) int { return cmp.Or(order(o, a, b), strings.Compare(a, b)) })
		}
		for i := range max(len(only[0]), len(only[1])) {
			c := PackageChange{Ecosystem: k.ecosystem, Name: names[k]}
			if i < len(only[0]) {
				c.Old = only[0][i]
			}
			if i < len(only[1]) {
				c.New = only[1][i]
			}
			c.Kind = kindOf(o, c.Old, c.New, i < len(only[0]), i < len(only[1]))
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b PackageChange) int {
		return cmp.Or(strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Name, b.Name), strings.Compare(a.Old, b.Old), strings.Compare(a.New, b.New))
	})
	return all
}

// order compares versions where the ecosystem has an order for both, else 0.
func order(o vuln.Order, a, b string) int {
	if o == vuln.NoOrder || !o.Valid(a) || !o.Valid(b) {
		return 0
	}
	return o.Compare(a, b)
}

func kindOf(o vuln.Order, from, to string, was, is bool) Kind {
	switch c := order(o, from, to); {
	case !was:
		return Added
	case !is:
		return Removed
	case c < 0:
		return Upgraded
	case c > 0:
		return Downgraded
	}
	return Changed
}

// onlyIn returns the vulnerabilities of packages in a that b does not have in
// packages of that name, the most urgent first.
func onlyIn(a, b *Result) []Vulnerable {
	name := func(r *Result, m *vuln.Match) string {
		p := &r.Image.Packages[m.Package]
		return m.ID + "\x00" + p.Ecosystem + "\x00" + vuln.NormalName(p.Ecosystem, p.Name)
	}
	known := map[string]bool{}
	for i := range b.Vulnerabilities.Matches {
		known[name(b, &b.Vulnerabilities.Matches[i])] = true
	}
	var list []Vulnerable
	for i := range a.Vulnerabilities.Matches {
		m := &a.Vulnerabilities.Matches[i]
		if k := name(a, m); !known[k] {
			known[k] = true
			list = append(list, Vulnerable{m, &a.Image.Packages[m.Package]})
		}
	}
	slices.SortStableFunc(list, func(x, y Vulnerable) int {
		return cmp.Or(y.Match.Priority-x.Match.Priority, strings.Compare(x.Match.ID, y.Match.ID), strings.Compare(x.Package.Name, y.Package.Name))
	})
	return list
}

func comparePrograms(from, to []image.Program) []ProgramChange {
	old := map[string]*image.Program{}
	for i := range from {
		old[from[i].Path] = &from[i]
	}
	var all []ProgramChange
	for i := range to {
		p := &to[i]
		was := old[p.Path]
		delete(old, p.Path)
		switch {
		case was == nil:
			all = append(all, ProgramChange{Added, nil, p})
		case was.Setuid != p.Setuid || was.Setgid != p.Setgid || was.Capable != p.Capable || was.Target != p.Target:
			all = append(all, ProgramChange{Changed, was, p})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(old)) {
		all = append(all, ProgramChange{Removed, old[path], nil})
	}
	slices.SortStableFunc(all, func(a, b ProgramChange) int { return strings.Compare(a.path(), b.path()) })
	return all
}

func (c *ProgramChange) path() string {
	if c.New != nil {
		return c.New.Path
	}
	return c.Old.Path
}

func newlyWritable(from, to []image.Writable) []string {
	old := map[string]bool{}
	for _, w := range from {
		old[w.Path] = true
	}
	var list []string
	for _, w := range to {
		if !old[w.Path] {
			list = append(list, w.Path)
		}
	}
	return list
}

// settings of an image, by name, in the order in which they are told; only what
// does not stand in the configuration where that is not to be compared.
func settings(img *image.Image, configured bool) (names []string, values map[string]string) {
	c := &img.Config
	values = map[string]string{}
	add := func(name, value string) {
		if _, twice := values[name]; !twice {
			names = append(names, name)
		}
		values[name] = value
	}
	add("system", cmp.Or(img.Distro.Name, strings.TrimSpace(img.Distro.ID+" "+img.Distro.Version)))
	if !configured {
		return names, values
	}
	add("platform", img.Platform)
	add("user", c.User)
	if c.UID >= 0 {
		add("user id", strconv.FormatInt(c.UID, 10))
	}
	add("entrypoint", fmt.Sprintf("%q", c.Entrypoint))
	add("command", fmt.Sprintf("%q", c.Command))
	add("working directory", c.WorkingDir)
	add("ports", strings.Join(c.Ports, ", "))
	add("volumes", strings.Join(c.Volumes, ", "))
	add("health check", fmt.Sprintf("%q", c.Health))
	add("stop signal", c.StopSignal)
	for _, v := range c.Env {
		add("environment "+v.Name, v.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		add("label "+name, c.Labels[name])
	}
	return names, values
}

func compareConfig(from, to *image.Image, configured bool) []Setting {
	names, old := settings(from, configured)
	more, now := settings(to, configured)
	for _, name := range more {
		if _, known := old[name]; !known {
			names = append(names, name)
		}
	}
	var all []Setting
	for _, name := range names {
		if old[name] != now[name] {
			all = append(all, Setting{name, old[name], now[name]})
		}
	}
	return all
}
