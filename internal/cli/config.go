package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// configName is the project configuration, looked for in the working directory.
const configName = ".ullage.yaml"

// maxConfig bounds configuration, rule and exception files.
const maxConfig = 16 << 20

// config is a project's configuration: what flags say, written down. Flags win.
type config struct {
	Profile, FailOn, Severity, Namespace, KubeVersion, World, Baseline, Annotations string
	Rules, Skip, Frameworks, Policies, Exceptions, Exclude, Values, Set             []string
	Settings                                                                        map[string]*tree.Node
}

// loadConfig reads the file at path, or the one in the working directory when
// path is empty; without one it is empty. Paths in it are relative to it.
func loadConfig(path string) (*config, error) {
	c := &config{Settings: map[string]*tree.Node{}}
	explicit := path != ""
	if !explicit {
		path = configName
	}
	f, err := readFile(path)
	if !explicit && errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if err := eachDocument(f, "Config", c.read); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c.relativeTo(filepath.Dir(path))
	return c, nil
}

func (c *config) read(d *tree.Decoder, root *tree.Node) {
	d.Fields(root, map[string]func(*tree.Node){
		"apiVersion": d.Ignore, "kind": d.Ignore,
		"profile": d.Text(&c.Profile), "failOn": d.Text(&c.FailOn), "severity": d.Text(&c.Severity),
		"namespace": d.Text(&c.Namespace), "kubeVersion": d.Text(&c.KubeVersion), "world": d.Text(&c.World),
		"baseline": d.Text(&c.Baseline), "annotations": d.Text(&c.Annotations),
		"rules": d.Texts(&c.Rules), "skip": d.Texts(&c.Skip), "frameworks": d.Texts(&c.Frameworks),
		"policies": d.Texts(&c.Policies), "exceptions": d.Texts(&c.Exceptions), "exclude": d.Texts(&c.Exclude),
		"helm": func(n *tree.Node) {
			d.Fields(n, map[string]func(*tree.Node){"values": d.Texts(&c.Values), "set": d.Texts(&c.Set)})
		},
		"params": func(n *tree.Node) {
			for i := range n.Seal().Children() {
				rule := &n.Children()[i]
				c.Settings[rule.Key()] = rule
			}
		},
	})
}

// eachDocument decodes the documents of a file that must all be of one kind of
// ours.
func eachDocument(f *tree.File, kind string, decode func(*tree.Decoder, *tree.Node)) error {
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			return doc.Err
		}
		if doc.Root == nil {
			continue
		}
		d := &tree.Decoder{File: f}
		if doc.Root.Get("apiVersion").Str() != policy.APIVersion || doc.Root.Get("kind").Str() != kind {
			d.Fail(doc.Root, "the document does not begin with apiVersion: %s and kind: %s", policy.APIVersion, kind)
		} else {
			decode(d, doc.Root)
		}
		if err := d.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) relativeTo(dir string) {
	join := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	c.Baseline = join(c.Baseline)
	for _, list := range [][]string{c.Policies, c.Exceptions, c.Values} {
		for i := range list {
			list[i] = join(list[i])
		}
	}
	if strings.ContainsAny(c.Profile, "./") && !filepath.IsAbs(c.Profile) {
		c.Profile = dir + string(filepath.Separator) + c.Profile // not joined: it must stay a path
	}
}

// readFile reads a small file of ours.
func readFile(path string) (*tree.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfig {
		return nil, fmt.Errorf("%s is not a regular file of at most %d MiB", path, maxConfig>>20)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return &tree.File{Name: filepath.ToSlash(path), Text: string(text)}, nil
}
