package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/tree"
)

// userConfig is what the configuration of the user says. It is not that of a
// project: who wrote a repository may not say where this machine's advisories come
// from.
type userConfig struct {
	directory, mirror word
	feeds             []word
	sources           []feedSource
}

// feedSource says where a feed is.
type feedSource struct{ feed, at word }

// userConfigPath is ullage/config.yaml in the configuration directory of the user,
// "" where there is none.
func userConfigPath(p *Program) string {
	dir := p.Getenv("XDG_CONFIG_HOME")
	if dir == "" && p.Getenv("HOME") != "" {
		dir = filepath.Join(p.Getenv("HOME"), ".config")
	}
	if !filepath.IsAbs(dir) {
		return ""
	}
	return filepath.Join(dir, "ullage", "config.yaml")
}

// loadUserConfig reads the configuration of the user; without one it is empty.
func loadUserConfig(p *Program) (*userConfig, error) {
	c := &userConfig{}
	path := userConfigPath(p)
	if path == "" {
		return c, nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	f, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration of the user: %w", err)
	}
	if err := eachDocument(f, "UserConfig", c.read); err != nil {
		return nil, err
	}
	if d := &c.directory; d.text != "" && !filepath.IsAbs(d.text) {
		d.text = filepath.Join(filepath.Dir(path), d.text)
	}
	return c, c.check()
}

func (c *userConfig) read(decoder *tree.Decoder, root *tree.Node) {
	d := wordDecoder{Decoder: decoder}
	db := wordDecoder{decoder, "advisories."}
	d.Fields(root, map[string]func(*tree.Node){
		"apiVersion": d.Ignore, "kind": d.Ignore,
		"advisories": func(n *tree.Node) {
			d.Fields(n, map[string]func(*tree.Node){
				"directory": db.word(&c.directory), "mirror": db.word(&c.mirror), "feeds": db.words(&c.feeds),
				"sources": func(n *tree.Node) { c.readSources(d.Decoder, n) },
			})
		},
	})
}

func (c *userConfig) readSources(d *tree.Decoder, n *tree.Node) {
	if !n.Is(tree.Map) {
		d.Fail(n, "sources is %s, not a map of feeds", n.Kind().Noun())
		return
	}
	for i := range n.Children() {
		kid := &n.Children()[i]
		from := d.Place(kid) + ": advisories.sources"
		var at string
		d.Text(&at)(kid)
		c.sources = append(c.sources, feedSource{word{kid.Key(), from}, word{at, from}})
	}
}

// check refuses feeds that there are not and URLs that are none, each at its place.
func (c *userConfig) check() error {
	var errs []error
	for _, w := range c.feeds {
		if _, err := advisory.Feeds([]string{w.text}, "", nil); err != nil {
			errs = append(errs, w.wrong(err))
		}
	}
	for _, s := range c.sources {
		if _, err := advisory.Feeds([]string{s.feed.text}, "", map[string]string{s.feed.text: s.at.text}); err != nil {
			errs = append(errs, s.feed.wrong(err))
		}
	}
	if c.mirror.text != "" {
		if _, err := advisory.Feeds([]string{"kev"}, c.mirror.text, nil); err != nil {
			errs = append(errs, c.mirror.wrong(errors.New("the mirror is no http or https URL")))
		}
	}
	return errors.Join(errs...)
}

// overrides are the places of feeds: those of the configuration, and over them those
// of --source FEED=URL.
func (c *userConfig) overrides(flags []string) (map[string]string, error) {
	all := map[string]string{}
	for _, s := range c.sources {
		all[s.feed.text] = s.at.text
	}
	for _, s := range flags {
		name, at, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("--source %q is not FEED=URL", s)
		}
		all[name] = at
	}
	return all, nil
}
