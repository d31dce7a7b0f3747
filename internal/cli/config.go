package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// configName is the project configuration; see [findConfig] for where.
const configName = ".ullage.yaml"

// maxConfig bounds configuration, rule and exception files.
const maxConfig = 16 << 20

// config is what a project's configuration or the flags say. Flags win.
type config struct {
	path string // of the file; "" when there is none

	profile, failOn, severity, namespace, kubeVersion, world, baseline, annotations word
	rules, skip, frameworks, policies, exceptions, exclude, values, set             []word
	params                                                                          []params
	life                                                                            lifePolicy
}

// params are the parameters that the configuration gives to a rule, named by id or
// alias.
type params struct {
	rule   word
	values *tree.Node
	place  func(*tree.Node) string // of a node below values
}

// findConfig returns the path of the configuration that holds in the working
// directory: the nearest one in it or above it, up to the root of the git work
// tree. Outside of a work tree nothing above the working directory is looked at,
// nor are the home directory and what is above it: it may be another project's,
// or a stranger's.
func findConfig(home string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}
	if real, err := filepath.EvalSymlinks(home); err == nil {
		home = real
	}
	root := workTree(dir, home)
	for path := configName; ; path = filepath.Join("..", path) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil // what cannot be read is an error, later
		}
		if dir == root {
			return "", nil
		}
		dir = filepath.Dir(dir)
	}
}

// workTree returns the root of the git work tree around a directory or, where
// there is none below home, the directory.
func workTree(dir, home string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if d != dir && d == home {
			return dir
		}
		if _, err := os.Lstat(filepath.Join(d, ".git")); err == nil {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}

// loadConfig reads the file at path, or the one that holds in the working
// directory when path is empty; without one it is empty. Paths in it are relative
// to it.
func loadConfig(path, home string) (*config, error) {
	if path == "" {
		var err error
		if path, err = findConfig(home); err != nil || path == "" {
			return &config{}, err
		}
	}
	f, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c := &config{path: f.Name}
	if err := eachDocument(f, "Config", c.read); err != nil {
		return nil, err
	}
	c.relativeTo(filepath.Dir(path))
	return c, nil
}

func (c *config) read(decoder *tree.Decoder, root *tree.Node) {
	d := wordDecoder{Decoder: decoder}
	helm := wordDecoder{decoder, "helm."}
	d.Fields(root, map[string]func(*tree.Node){
		"apiVersion": d.Ignore, "kind": d.Ignore,
		"profile": d.word(&c.profile), "failOn": d.word(&c.failOn), "severity": d.word(&c.severity),
		"namespace": d.word(&c.namespace), "kubeVersion": d.word(&c.kubeVersion), "world": d.word(&c.world),
		"baseline": d.word(&c.baseline), "annotations": d.word(&c.annotations),
		"rules": d.words(&c.rules), "skip": d.words(&c.skip), "frameworks": d.words(&c.frameworks),
		"policies": d.words(&c.policies), "exceptions": d.words(&c.exceptions), "exclude": d.words(&c.exclude),
		"helm": func(n *tree.Node) {
			d.Fields(n, map[string]func(*tree.Node){"values": helm.words(&c.values), "set": helm.words(&c.set)})
		},
		"vulnerabilities": c.life.read(decoder),
		"params": func(n *tree.Node) {
			if !n.Is(tree.Map) {
				d.Fail(n, "params is %s, not a map of rules", n.Kind().Noun())
			}
			for i := range n.Seal().Children() {
				rule := &n.Children()[i]
				c.params = append(c.params, params{word{rule.Key(), d.Place(rule) + ": params"}, rule, d.Place})
			}
		},
	})
}

// merge fills what no flag says from the configuration, and the rest with
// defaults.
func (f *checkFlags) merge(home string) error {
	c, err := loadConfig(f.configPath, home)
	if err != nil {
		return err
	}
	f.path, f.params = c.path, c.params
	if f.closed {
		f.world = word{text: "closed", from: "--closed-world"}
	}
	f.fillReading(c)
	fillWord(&f.profile, c.profile, "recommended")
	fillWord(&f.failOn, c.failOn, "high")
	fillWord(&f.severity, c.severity, "info")
	fillWord(&f.baseline, c.baseline, "")
	fillWord(&f.annotations, c.annotations, "all")
	if len(c.rules) > 0 && len(c.frameworks) > 0 {
		return c.frameworks[0].wrong(errExclusive)
	}
	if len(f.rules) > 0 && len(f.frameworks) > 0 {
		return errExclusive
	}
	if len(f.rules) > 0 || len(f.frameworks) > 0 { // one of them chooses the rules
		c.rules, c.frameworks = nil, nil
	}
	for _, s := range []struct{ flag, config *[]word }{
		{&f.rules, &c.rules}, {&f.skip, &c.skip}, {&f.frameworks, &c.frameworks}, {&f.policies, &c.policies}, {&f.exceptions, &c.exceptions},
	} {
		fillWords(s.flag, *s.config)
	}
	return nil
}

// fillReading fills what no flag says about the reading of files from the
// configuration, and the rest with defaults. Every command that reads files does
// it, so that all of them judge the same input.
func (c *config) fillReading(from *config) {
	fillWord(&c.namespace, from.namespace, "default")
	fillWord(&c.kubeVersion, from.kubeVersion, fmt.Sprintf("1.%d", LatestMinor))
	fillWord(&c.world, from.world, "open")
	fillWords(&c.exclude, from.exclude)
	fillWords(&c.values, from.values)
	fillWords(&c.set, from.set)
}

func fillWord(flag *word, config word, default_ string) {
	if flag.text == "" {
		*flag = config
	}
	if flag.text == "" {
		*flag = word{text: default_}
	}
}

func fillWords(flag *[]word, config []word) {
	if len(*flag) == 0 {
		*flag = config
	}
}

// checkReading refuses what [config.fillReading] filled where it cannot be.
func (c *config) checkReading(ctx context.Context) error {
	errs := []error{c.world.oneOf("open", "closed"), aNamespace(c.namespace)}
	for _, list := range []struct {
		words []word
		apply func(*manifest.Options, []string)
	}{
		{c.exclude, func(o *manifest.Options, s []string) { o.Exclude = s }},
		{c.values, func(o *manifest.Options, s []string) { o.HelmValues = s }},
		{c.set, func(o *manifest.Options, s []string) { o.HelmSet = s }},
		{[]word{c.kubeVersion}, func(o *manifest.Options, s []string) { o.KubeVersion = s[0] }},
	} {
		for _, w := range list.words {
			var o manifest.Options
			list.apply(&o, []string{w.text})
			if err := o.Check(ctx); err != nil {
				errs = append(errs, w.wrong(err))
			}
		}
	}
	return errors.Join(errs...)
}

// aNamespace refuses what cannot be the name of a namespace; "" is none.
func aNamespace(w word) error {
	if w.text == "" || len(validation.IsDNS1123Label(w.text)) == 0 {
		return nil
	}
	return w.wrong(fmt.Errorf("%q is no name of a namespace", w.text))
}

// loadOptions say how files are read.
func (c *config) loadOptions(p *Program, bar *progress) manifest.Options {
	return manifest.Options{
		Namespace: c.namespace.text, Stdin: p.Stdin, HelmValues: texts(c.values), HelmSet: texts(c.set), KubeVersion: c.kubeVersion.text,
		Exclude: texts(c.exclude), Progress: bar.read,
	}
}

var errExclusive = errors.New("rules and frameworks exclude each other")

// minor returns the minor version of Kubernetes to assume.
func (c *config) minor() (int, error) {
	minor, err := policy.ParseMinor(c.kubeVersion.text)
	switch {
	case err != nil:
	case minor > LatestMinor:
		err = fmt.Errorf("1.%d is newer than 1.%d, the newest that the rules know", minor, LatestMinor)
	case minor < OldestMinor: // such as 1.3, which may stand for 1.30
		err = fmt.Errorf("1.%d is older than 1.%d, the oldest that the rules know", minor, OldestMinor)
	}
	if err != nil {
		return 0, c.kubeVersion.wrong(err)
	}
	return minor, nil
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
	join := func(w *word) {
		if w.text != "" && !filepath.IsAbs(w.text) {
			w.text = filepath.Join(dir, w.text)
		}
	}
	join(&c.baseline)
	for _, list := range [][]word{c.policies, c.exceptions, c.values} {
		for i := range list {
			join(&list[i])
		}
	}
	if strings.ContainsAny(c.profile.text, "./") && !filepath.IsAbs(c.profile.text) {
		c.profile.text = dir + string(filepath.Separator) + filepath.Clean(c.profile.text) // not joined: it must stay a path
	}
}

// readFile reads a small file of ours.
func readFile(path string) (*tree.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, plainly(path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfig {
		return nil, fmt.Errorf("%s is not a regular file of at most %d MiB", path, maxConfig>>20)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, plainly(path, err)
	}
	return &tree.File{Name: filepath.ToSlash(path), Text: string(text)}, nil
}

// plainly says why a file cannot be used, without the name of the system call.
func plainly(path string, err error) error {
	var at *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &at):
		err = at.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return fmt.Errorf("%s: %w", filepath.ToSlash(path), err)
}
