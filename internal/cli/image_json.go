package cli

import (
	"time"

	"ullage.dev/ullage/internal/image"
)

// imageJSON is what `ullage image -o json` writes; docs/image.md describes it.
type imageJSON struct {
	Version   int           `json:"version"`
	Reference string        `json:"reference"`
	Name      string        `json:"name,omitempty"` // the reference in full, as a registry or the archive has it
	Platform  string        `json:"platform,omitempty"`
	Index     string        `json:"index,omitempty"`
	Manifest  string        `json:"manifest,omitempty"`
	ConfigID  string        `json:"config,omitempty"`
	System    *systemJSON   `json:"system"`   // null when there is no os-release
	Settings  *settingsJSON `json:"settings"` // null when there is no configuration: of a root file system, and of a bill of materials, of which programs and writable are null too
	Base      baseJSON      `json:"base"`
	Layers    []layerJSON   `json:"layers"`
	Packages  []packageJSON `json:"packages"`
	Programs  []programJSON `json:"programs"`
	Writable  []string      `json:"writable"`
	// Secrets is null when the image is known from a bill of materials.
	Secrets *imageSecretsJSON `json:"secrets"`
	// Vulnerabilities is null when there is no database of advisories.
	Vulnerabilities *vulnerabilitiesJSON `json:"vulnerabilities"`
	Signatures      *signaturesJSON      `json:"signatures"`
	Complete        bool                 `json:"complete"`
	Problems        []string             `json:"problems"`
}

type systemJSON struct {
	ID           string `json:"id"`
	Version      string `json:"version,omitempty"`
	Name         string `json:"name,omitempty"`
	EndOfSupport string `json:"endOfSupport,omitempty"` // a date; absent when not known
}

type settingsJSON struct {
	Created     *time.Time        `json:"created,omitempty"`
	User        string            `json:"user"`
	UserID      *int64            `json:"userID,omitempty"` // by /etc/passwd of the image for a name; absent when not known
	Entrypoint  []string          `json:"entrypoint"`
	Command     []string          `json:"command"`
	WorkingDir  string            `json:"workingDir,omitempty"`
	Environment []variableJSON    `json:"environment"`
	Ports       []string          `json:"ports"`
	Volumes     []string          `json:"volumes"`
	Labels      map[string]string `json:"labels,omitempty"`
	Health      []string          `json:"healthCheck,omitempty"`
}

type variableJSON struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type layerJSON struct {
	DiffID    string `json:"diffID"`
	Blob      string `json:"blob,omitempty"`
	Size      int64  `json:"size,omitempty"`
	Files     int    `json:"files"`
	CreatedBy string `json:"createdBy,omitempty"`
	Base      *bool  `json:"base"` // of the base image; null when that is not known
}

type packageJSON struct {
	Ecosystem     string   `json:"ecosystem"`
	Name          string   `json:"name"`
	Version       string   `json:"version"`
	Arch          string   `json:"arch,omitempty"`
	Source        string   `json:"source,omitempty"`
	SourceVersion string   `json:"sourceVersion,omitempty"`
	Module        string   `json:"module,omitempty"`
	Licenses      []string `json:"licenses,omitempty"`
	PURL          string   `json:"purl"`
	Layer         int      `json:"layer"` // from 1
	Base          *bool    `json:"base"`  // brought by the base image; null when that is not known
	Where         []string `json:"where"`
	OwnedBy       string   `json:"ownedBy,omitempty"`
	Main          bool     `json:"main,omitempty"`
	Evidence      string   `json:"identityFrom,omitempty"` // absent where the package states name and version itself
	Files         []string `json:"files"`                  // null when not known
}

type programJSON struct {
	Path    string `json:"path"`
	Target  string `json:"target,omitempty"`
	Layer   int    `json:"layer"`
	Class   string `json:"class,omitempty"`
	Script  bool   `json:"script,omitempty"`
	Setuid  bool   `json:"setuid,omitempty"`
	Setgid  bool   `json:"setgid,omitempty"`
	Capable bool   `json:"fileCapabilities,omitempty"`
	Package string `json:"package,omitempty"`
}

func newImageJSON(r *imageAnswer) *imageJSON {
	img := r.Image
	j := &imageJSON{
		Version: 1, Reference: img.Reference, Name: img.Name, Platform: img.Platform, Index: img.Index, Manifest: img.Manifest, ConfigID: img.Identity.Config,
		Base:   newBaseJSON(&img.Base),
		Layers: []layerJSON{}, Packages: []packageJSON{}, Problems: []string{}, Complete: len(img.Problems) == 0, Signatures: newSignaturesJSON(&r.Signatures), Vulnerabilities: newVulnerabilitiesJSON(r),
	}
	if d := img.Distro; d.ID != "" {
		j.System = &systemJSON{ID: d.ID, Version: d.Version, Name: d.Name}
		if end, known := d.EndOfSupport(); known {
			j.System.EndOfSupport = end.Format(time.DateOnly)
		}
	}
	for i := range img.Layers {
		l := &img.Layers[i]
		j.Layers = append(j.Layers, layerJSON{l.DiffID, l.Blob, l.Size, l.Files, l.CreatedBy, inBase(&img.Base, i)})
	}
	for i := range img.Packages {
		p := &img.Packages[i]
		j.Packages = append(j.Packages, packageJSON{
			p.Ecosystem, p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, p.Module, p.Licenses, p.PURL, p.Layer + 1, inBase(&img.Base, p.Layer), listOf(p.Where), p.OwnedBy, p.Main, string(p.Evidence), p.Files,
		})
	}
	if !img.Bill {
		j.holds(img)
	}
	for _, p := range img.Problems {
		j.Problems = append(j.Problems, p.String())
	}
	return j
}

// holds adds what a bill of materials does not say.
func (j *imageJSON) holds(img *image.Image) {
	j.Secrets = newImageSecretsJSON(img)
	j.Programs, j.Writable = []programJSON{}, []string{}
	for i := range img.Programs {
		j.Programs = append(j.Programs, *newProgramJSON(&img.Programs[i]))
	}
	for _, w := range img.Writable {
		j.Writable = append(j.Writable, w.Path)
	}
	if img.Configured() {
		j.configured(&img.Config)
	}
}

// configured adds what the configuration says.
func (j *imageJSON) configured(c *image.Config) {
	j.Settings = &settingsJSON{
		User: c.User, Entrypoint: listOf(c.Entrypoint), Command: listOf(c.Command), WorkingDir: c.WorkingDir, Environment: []variableJSON{},
		Ports: listOf(c.Ports), Volumes: listOf(c.Volumes), Labels: c.Labels, Health: c.Health,
	}
	if c.UID >= 0 {
		j.Settings.UserID = &c.UID
	}
	if !c.Created.IsZero() {
		j.Settings.Created = &c.Created
	}
	for _, v := range c.Env {
		j.Settings.Environment = append(j.Settings.Environment, variableJSON(v))
	}
}

// listOf is a list in JSON, and never null.
func listOf(all []string) []string {
	if all == nil {
		return []string{}
	}
	return all
}
