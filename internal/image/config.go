package image

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/credential"
)

// configFile is the part of the configuration that is read. Fields of which the
// form does not matter here are decoded as leniently as runtimes do.
type configFile struct {
	Created lenientTime
	Config  struct {
		User         string
		ExposedPorts map[string]json.RawMessage
		Env          []string
		Entrypoint   []string
		Cmd          []string
		Volumes      map[string]json.RawMessage
		WorkingDir   string
		Labels       map[string]string
		StopSignal   string
		Healthcheck  *struct{ Test []string }
	}
	History []struct {
		Created    lenientTime
		CreatedBy  string `json:"created_by"`
		EmptyLayer bool   `json:"empty_layer"`
	}
}

// lenientTime is zero where the text is no time.
type lenientTime struct{ time.Time }

func (t *lenientTime) UnmarshalJSON(b []byte) error {
	if t.Time.UnmarshalJSON(b) != nil {
		t.Time = time.Time{}
	}
	return nil
}

// readConfig reads the configuration without its secrets, and says where they
// stood.
func readConfig(text []byte, layers int) (Config, []Secret, error) {
	var f configFile
	if err := decode(text, "image configuration", &f); err != nil {
		return Config{}, nil, err
	}
	var hidden configSecrets
	c := Config{
		Created: f.Created.Time, User: hidden.text("user", f.Config.User), WorkingDir: hidden.path("working directory", f.Config.WorkingDir),
		StopSignal: hidden.text("stop signal", f.Config.StopSignal),
		Entrypoint: hidden.arguments("entrypoint", f.Config.Entrypoint),
		Command:    hidden.arguments("command", f.Config.Cmd, f.Config.Entrypoint...),
	}
	for _, port := range slices.Sorted(maps.Keys(f.Config.ExposedPorts)) {
		c.Ports = append(c.Ports, hidden.text("port", port))
	}
	for _, volume := range slices.Sorted(maps.Keys(f.Config.Volumes)) {
		c.Volumes = append(c.Volumes, hidden.path("volume", volume))
	}
	for _, assignment := range f.Config.Env {
		name, value, _ := strings.Cut(assignment, "=")
		shown, found := credential.RedactValue(name, value)
		name = hidden.text("name of an environment variable", name)
		hidden.note("environment variable "+name, found, value)
		c.Env = append(c.Env, Variable{name, shown})
	}
	for _, name := range slices.Sorted(maps.Keys(f.Config.Labels)) {
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		redact := credential.RedactValue
		if name == baseName {
			redact = func(_, value string) (string, string) { return credential.RedactReference(value) }
		}
		value := f.Config.Labels[name]
		shown, found := redact(name, value)
		name = hidden.text("name of a label", name)
		hidden.note("label "+name, found, value)
		c.Labels[name] = shown
	}
	if f.Config.Healthcheck != nil && !slices.Equal(f.Config.Healthcheck.Test, []string{"NONE"}) {
		c.Health = hidden.arguments("health check", f.Config.Healthcheck.Test)
	}
	layer := 0
	for i, h := range f.History {
		shown, found := credential.RedactCommand(h.CreatedBy)
		hidden.note(fmt.Sprintf("history, step %d", i+1), found, h.CreatedBy)
		step := Step{CreatedBy: shown, Created: h.Created.Time, Layer: -1}
		if !h.EmptyLayer && layer < layers {
			step.Layer = layer
			layer++
		}
		c.History = append(c.History, step)
	}
	return c, hidden, nil
}

// configSecrets are the secrets that were hidden in a configuration.
type configSecrets []Secret

// note notes a secret of a kind, "" for none, that was hidden in a text. One that is
// known by its form is judged as in a file.
func (c *configSecrets) note(place, kind, text string) {
	if kind == "" {
		return
	}
	s := Secret{Kind: kind, Severity: severityOf(kind), Where: place, Layer: -1, Shown: credential.Mask, Gone: -1}
	if kind != credential.ByName {
		s.Doubt = credential.Doubt(text)
	}
	*c = append(*c, s)
}

// text hides a text that is a word or a name.
func (c *configSecrets) text(place, text string) string {
	shown, found := credential.RedactReference(text)
	c.note(place, found, text)
	return shown
}

func (c *configSecrets) path(place, text string) string {
	shown, found := credential.RedactPath(text)
	c.note(place, found, text)
	return shown
}

func (c *configSecrets) arguments(place string, args []string, entrypoint ...string) []string {
	shown, found := credential.RedactArguments(args, entrypoint...)
	for _, kind := range found {
		c.note(place, kind, strings.Join(args, " "))
	}
	return shown
}

// AsRoot reports whether what the configuration starts runs as root, by the user's
// number, or by the name where the number is not known.
func (c *Config) AsRoot() bool {
	name, _, _ := strings.Cut(c.User, ":")
	return c.UID == 0 || c.UID < 0 && name == "root"
}

// attribute says of each layer which step made it, when the history accounts for
// all of them.
func (c *Config) attribute(layers []Layer) {
	made := 0
	for _, step := range c.History {
		if step.Layer >= 0 {
			made++
		}
	}
	if made != len(layers) {
		for i := range c.History {
			c.History[i].Layer = -1
		}
		return
	}
	for _, step := range c.History {
		if step.Layer >= 0 {
			layers[step.Layer].CreatedBy = step.CreatedBy
		}
	}
}

// codenames are the releases of which some images give the name alone.
var codenames = map[string]string{
	"debian wheezy": "7", "debian jessie": "8", "debian stretch": "9", "debian buster": "10", "debian bullseye": "11", "debian bookworm": "12", "debian trixie": "13", "debian forky": "14",
	"ubuntu trusty": "14.04", "ubuntu xenial": "16.04", "ubuntu bionic": "18.04", "ubuntu focal": "20.04", "ubuntu jammy": "22.04", "ubuntu noble": "24.04",
}

// readDistro reads /etc/os-release, or /usr/lib/os-release where that is missing.
func readDistro(t *Tree) Distro {
	text, ok := t.Content("/etc/os-release")
	if !ok {
		text, _ = t.Content("/usr/lib/os-release")
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			values[name], _ = credential.RedactReference(unquote(value))
		}
	}
	return Distro{ID: values["ID"], Version: cmp.Or(values["VERSION_ID"], codenames[values["ID"]+" "+values["VERSION_CODENAME"]]), Name: cmp.Or(values["PRETTY_NAME"], values["NAME"])}
}

// unquote reads a value as a shell does, which os-release says it is written for.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	quote := s[0]
	s = s[1 : len(s)-1]
	if quote == '\'' || !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
