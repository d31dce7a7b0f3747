// Package image reads container images: what packages, files and programs they
// hold, layer by layer, in one pass over each layer and with nothing unpacked to
// disk.
//
// An image comes from a [Source]: a registry, an archive, a layout, a directory.
// Each layer is decompressed, hashed and walked once; the results
// are laid over one another by the rules of the OCI image specification, and what
// is there in the end is read for packages.
package image

import (
	"strings"
	"time"

	"ullage.dev/ullage/internal/model"
)

// Image is what one platform's image holds. Facts are about the files that a
// container sees, unless they say otherwise.
type Image struct {
	Reference string // as it was asked for
	Identity
	Config   Config  // says something only where the image is [Image.Configured]
	Layers   []Layer // from the lowest
	Base     Base
	Distro   Distro
	Packages []Package
	Programs []Program
	Writable []Writable // at most 10,000
	Secrets  []Secret   // the worst first, what is in doubt last
	Search   SecretSearch
	// Bill is set when the image was read from a bill of materials: then its
	// configuration, programs and files are not known, only its packages.
	Bill bool
	// Problems are parts that could not be read. An image with problems is
	// incomplete: what is not in it may be in them.
	Problems []model.Problem
	// Mismatched is set when a layer is another than the image names: what is told is of
	// what lies there, and not of the image that has these digests.
	Mismatched bool
}

// Configured reports whether the image has a configuration that was read. Of a root
// file system, which has none, and of a bill of materials it is not known what runs,
// as whom, or by which steps it was made.
func (img *Image) Configured() bool { return img.Identity.Config != "" && !img.Bill }

// Identity holds the digests by which an image is known, as algorithm:hex. Each
// is "" where the source does not have it.
type Identity struct {
	Index    string // of the multi-platform index, which is what a tag mostly leads to
	Manifest string // of the platform's manifest, which is what runtimes report as imageID
	Config   string // of the configuration, which Docker calls the image ID
	Platform string // os/architecture[/variant]
	// Repository is the host and path in a registry that the image came from, "" when
	// it came from elsewhere.
	Repository string
	// Name is the reference in full where an image has one that means the same
	// everywhere: index.docker.io/library/web:1 for web:1. Two builds of an image are
	// known by it to be of one.
	Name string
}

// Config is the part of the image configuration that matters for security.
type Config struct {
	Created time.Time
	User    string
	// UID is the number of User, by /etc/passwd where it is a name; -1 when it is
	// not known, as where there is no configuration.
	UID        int64
	Entrypoint []string
	Command    []string
	WorkingDir string
	Env        []Variable
	Ports      []string // such as 8080/tcp
	Volumes    []string
	Labels     map[string]string
	StopSignal string
	Health     []string // test of the health check; empty when there is none
	History    []Step
}

// Variable is an environment variable. Values that are or look like secrets are
// replaced at ingestion, as they are in manifests.
type Variable struct{ Name, Value string }

// Step is one line of the history.
type Step struct {
	CreatedBy string
	Created   time.Time
	Layer     int // index into Layers, -1 when it made none
}

// Layer is one layer of an image.
type Layer struct {
	DiffID    string // digest of the uncompressed tar, as the configuration says; see [Options] for when it is checked
	Blob      string // digest of what is stored, "" where nothing is compressed
	MediaType string
	Size      int64 // of the blob in bytes, 0 when not known
	Files     int   // entries in it
	CreatedBy string
}

// Distro is the distribution by /etc/os-release.
type Distro struct {
	ID      string // debian, alpine, rhel
	Version string // VERSION_ID: 12, 3.20, 9.4
	Name    string // PRETTY_NAME
}

// Package is one installed package.
type Package struct {
	Ecosystem     string // as OSV spells it: Debian, Alpine, Red Hat, npm, PyPI, Maven, Go, crates.io, RubyGems, Packagist, NuGet
	Name          string
	Version       string // in the ecosystem's own form, epoch and release included; "" when it is not known
	Arch          string
	Source        string // source package, for distributions; "" when it is Name
	SourceVersion string // "" when it is Version
	Module        string // module and stream of an rpm, as nodejs:18; "" when it is of none
	// Distro is whose it is where that is not the image's distribution, as in a bill of
	// materials that was merged of several; nil otherwise.
	Distro   *Distro `json:",omitempty"`
	Licenses []string
	PURL     string   // "" for a jar that does not say its group, and for an npm project that is never published
	Layer    int      // index into Layers of the layer that brought it
	Where    []string // files that say so: the package database, METADATA, the jar, the binary
	// Files are the regular files and links that the package owns, by their path
	// in the image, sorted. Nil means not known, which a package without files is not.
	Files []string
	// OwnedBy is the name of the distribution's package that brought this one, a
	// language's, and so answers for its flaws. "" when none did.
	OwnedBy string
	// Main is set for the module that a Go or Rust program is itself, and for the
	// application into which npm installed others; the other packages are what it
	// was built from.
	Main bool
	// Evidence says what the name and version were concluded from where the package
	// itself does not state them: then it may be another one. "" when it does.
	Evidence Evidence
}

// Identified reports whether enough is known of the package for advisories to speak
// of it: its version, of a jar the group, and of an npm project that it may be in the
// registry.
func (p *Package) Identified() bool {
	switch {
	case p.Version == "", p.Ecosystem == "npm" && p.Main && p.PURL == "":
		return false
	}
	return p.Ecosystem != "Maven" || strings.Contains(p.Name, ":")
}

// Evidence is what the identity of a package was concluded from.
type Evidence string

// The kinds of evidence.
const (
	Stated                Evidence = "" // the package's own metadata, or the package manager's
	ByFileName            Evidence = "file name"
	ByFileNameAndManifest Evidence = "file name and manifest"
	ByBill                Evidence = "bill of materials in the image"
)

// Program is an executable file in the image, native or a script, or a symbolic
// link to one under which it has a class.
type Program struct {
	Path    string
	Target  string // for a symbolic link what it leads to in the end; else ""
	Layer   int
	Class   ProgramClass
	Script  bool // begins with #!; else it is an ELF file
	Setuid  bool
	Setgid  bool
	Capable bool   // has file capabilities
	Package string // name of the package that owns it, "" when none does
}

// Writable is a file that anybody may write to, or a directory, not sticky, in
// which anybody may replace what others put there.
type Writable struct {
	Path      string
	Layer     int
	Directory bool
}

// ProgramClass says what a program is good for, to an intruder too.
type ProgramClass string

// The classes.
const (
	Shell          ProgramClass = "shell"
	PackageManager ProgramClass = "package manager"
	NetworkTool    ProgramClass = "network tool"
	Compiler       ProgramClass = "compiler"
	Interpreter    ProgramClass = "interpreter"
	OtherProgram   ProgramClass = ""
)
