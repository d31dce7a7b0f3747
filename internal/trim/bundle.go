package trim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"ullage.dev/ullage/internal/model"
)

// Bundle is the configuration of an OCI bundle (config.json of the OCI runtime
// specification, version 1). What it holds beside the grant stays as it is.
type Bundle struct {
	root, process, linux map[string]any
	config               bundleConfig
}

// bundleConfig is what is read of it.
type bundleConfig struct {
	Version string `json:"ociVersion"`
	Process *struct {
		NoNewPrivileges bool                `json:"noNewPrivileges"`
		Capabilities    map[string][]string `json:"capabilities"`
	} `json:"process"`
	Linux *struct {
		Seccomp *Seccomp `json:"seccomp"`
	} `json:"linux"`
}

// ReadBundle reads a config.json.
func ReadBundle(text []byte) (*Bundle, error) {
	b := &Bundle{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // as they are written
	if err := d.Decode(&b.root); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if err := json.Unmarshal(text, &b.config); err != nil {
		return nil, fmt.Errorf("not the configuration of an OCI bundle: %w", err)
	}
	switch c := &b.config; {
	case c.Version == "":
		return nil, errors.New("not the configuration of an OCI bundle: it has no ociVersion")
	case c.Process == nil:
		return nil, errors.New("the bundle has no process")
	case c.Linux == nil:
		return nil, errors.New("the bundle is not one for Linux")
	}
	b.process, _ = b.root["process"].(map[string]any)
	b.linux, _ = b.root["linux"].(map[string]any)
	if b.process == nil || b.linux == nil { // Go takes keys in any case
		return nil, errors.New("not the configuration of an OCI bundle: its keys are not written as they should be")
	}
	return b, nil
}

// Grant is what the bundle lets its container do.
func (b *Bundle) Grant() Grant {
	g := Grant{NewPrivileges: !b.config.Process.NoNewPrivileges}
	for _, name := range b.config.Process.Capabilities["bounding"] {
		g.Capabilities = append(g.Capabilities, model.Capability(name))
	}
	slices.Sort(g.Capabilities)
	g.Capabilities = slices.Compact(g.Capabilities)
	if s := b.config.Linux.Seccomp; s != nil {
		g.Calls = s.Filter()
	}
	return g
}

// Apply returns the configuration with another grant.
func (b *Bundle) Apply(g *Grant) ([]byte, error) {
	b.process["noNewPrivileges"] = !g.NewPrivileges
	if sets, ok := b.process["capabilities"].(map[string]any); ok {
		for name, list := range b.config.Process.Capabilities {
			kept := []string{}
			for _, capability := range list {
				if g.Has(model.Capability(capability)) {
					kept = append(kept, capability)
				}
			}
			sets[name] = kept
		}
	}
	if g.Calls != nil {
		b.linux["seccomp"] = g.Calls.Seccomp()
	}
	text, err := json.MarshalIndent(b.root, "", "\t")
	return append(text, '\n'), err
}
