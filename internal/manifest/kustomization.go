package manifest

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"ullage.dev/ullage/internal/tree"
)

// use says what a kustomization does with what it refers to.
type use uint8

const (
	useResource use = iota
	useBase         // a directory: a base or a component
	usePatch
	useData   // content for generators, schemas, configuration
	usePlugin // configuration of a plugin
)

// reference is a path in a kustomization.
type reference struct {
	use          use
	real         string // the file or directory on disk; "" with a problem
	line, column int    // where the kustomization names it
	problem      string // why it is not followed
	hint         string
}

// kustomization is a parsed kustomization file.
type kustomization struct {
	file    string // on disk
	text    string
	sum     checksum
	root    *tree.Node
	tree    *tree.File
	content types.Kustomization // with all references made safe
	refs    []reference
	err     error
	foreign bool // not a file of kustomize
}

// kustomization parses the kustomization file of a directory, once.
func (l *loader) kustomization(dir string, p place) *kustomization {
	if k := l.parsed[dir]; k != nil {
		return k
	}
	k := &kustomization{file: filepath.Join(dir, "kustomization.yaml")}
	l.parsed[dir] = k
	found := 0
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			k.file = filepath.Join(dir, name)
			found++
		}
	}
	if found > 1 {
		k.err = errors.New("there are several kustomization files in one directory")
		return k
	}
	k.parse(dir, l.options.MaxFileBytes, p)
	return k
}

func (k *kustomization) parse(dir string, limit int64, p place) {
	real, err := realPath(k.file)
	if err == nil && real != k.file && !within(dir, real) {
		err = errors.New("the symbolic link leads out of the directory and was not followed")
	}
	if err == nil {
		k.text, k.sum, err = readRegular(k.file, limit)
	}
	if err != nil {
		k.err = errors.New(reason(err))
		return
	}
	k.tree = &tree.File{Name: p.shown(k.file), Text: k.text}
	for doc := range tree.Parse(k.tree) {
		if doc.Err != nil {
			k.err = doc.Err
			return
		}
		if k.root == nil {
			k.root = doc.Root
		}
	}
	group, _, _ := strings.Cut(k.root.Get("apiVersion").Str(), "/")
	if group != "" && group != "kustomize.config.k8s.io" && k.root.Get("kind").Str() != "" {
		k.foreign = true
		return
	}
	if k.err = k.unknownField(); k.err != nil {
		return
	}
	if err := k.content.Unmarshal([]byte(k.text)); err != nil {
		k.err = errors.New("a field of the kustomization has the wrong type")
		return
	}
	k.content.FixKustomization()
	if k.content.CheckEmpty() != nil {
		k.err = errors.New("the kustomization is empty")
		return
	}
	k.resolve(dir)
}

// unknownField returns an error for a field that kustomize does not know.
func (k *kustomization) unknownField() error {
	known := map[string]bool{}
	for field := range reflect.TypeFor[types.Kustomization]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[strings.ToLower(name)] = true
	}
	for i := range k.root.Children() {
		n := &k.root.Children()[i]
		if key := n.Key(); !known[strings.ToLower(key)] && key != "apiVersion" && key != "kind" {
			line, column := k.tree.Position(n.KeyStart())
			return &tree.SyntaxError{File: k.tree, Line: line, Column: column, Reason: "a field that kustomizations do not have"}
		}
	}
	return nil
}

// resolve finds all that the kustomization refers to, and puts safe relative
// paths in its place.
func (k *kustomization) resolve(dir string) {
	c := &k.content
	for _, entries := range []struct {
		list []string
		use  use
	}{{c.Resources, useResource}, {c.Components, useBase}, {c.Crds, useData}, {c.Configurations, useData}} {
		for i := range entries.list {
			k.refer(dir, &entries.list[i], entries.use)
		}
	}
	//lint:ignore SA1019 overlays still use the old fields
	old, merge := c.PatchesJson6902, c.PatchesStrategicMerge
	for _, patches := range [][]types.Patch{c.Patches, old} {
		for i := range patches {
			k.refer(dir, &patches[i].Path, usePatch)
		}
	}
	for i := range merge {
		if p := string(merge[i]); !strings.Contains(p, "\n") {
			k.refer(dir, &p, usePatch)
			merge[i] = types.PatchStrategicMerge(p)
		}
	}
	for i := range c.Replacements {
		k.refer(dir, &c.Replacements[i].Path, useData)
	}
	if p, ok := c.OpenAPI["path"]; ok {
		k.refer(dir, &p, useData)
		c.OpenAPI["path"] = p
	}
	for i := range c.ConfigMapGenerator {
		k.sources(dir, &c.ConfigMapGenerator[i].KvPairSources)
	}
	for i := range c.SecretGenerator {
		k.sources(dir, &c.SecretGenerator[i].KvPairSources)
	}
	for _, plugins := range [][]string{c.Generators, c.Transformers, c.Validators} {
		for i := range plugins {
			k.plugin(dir, &plugins[i])
		}
	}
	if len(c.HelmCharts) > 0 || c.HelmGlobals != nil {
		k.refuse(k.root.Get("helmCharts"), "charts within a kustomization are not rendered", "check the chart by itself")
	}
}

// sources resolves the files of a generator. A file without a key gets its own
// name as the key, which must not change with a symbolic link.
func (k *kustomization) sources(dir string, s *types.KvPairSources) {
	for i, source := range s.FileSources {
		key, file, ok := strings.Cut(source, "=")
		if !ok {
			key, file = path.Base(filepath.ToSlash(source)), source
		}
		k.refer(dir, &file, useData)
		s.FileSources[i] = key + "=" + file
	}
	for i := range s.EnvSources {
		k.refer(dir, &s.EnvSources[i], useData)
	}
}

// builtinPlugins are transformers that read no files and run nothing.
var builtinPlugins = []string{
	"AnnotationsTransformer", "ImageTagTransformer", "LabelTransformer", "NamespaceTransformer", "PrefixTransformer", "ReplicaCountTransformer",
	"SuffixTransformer",
}

const (
	pluginProblem = "plugins are not run"
	pluginHint    = "only transformers that are built into kustomize and read no files are supported"
)

// plugin resolves a generator, transformer or validator: a path, or the
// configuration itself.
func (k *kustomization) plugin(dir string, p *string) {
	if !strings.Contains(*p, "\n") {
		k.refer(dir, p, usePlugin)
	} else if !harmlessPlugin(*p) {
		k.refuse(findScalar(k.root, *p), pluginProblem, pluginHint)
	}
}

// harmlessPlugin reports whether a configuration is of transformers that are
// built in and read no files.
func harmlessPlugin(text string) bool {
	for doc := range tree.Parse(&tree.File{Text: text}) {
		if doc.Err != nil || doc.Root != nil && (doc.Root.Get("apiVersion").Str() != "builtin" ||
			!slices.Contains(builtinPlugins, doc.Root.Get("kind").Str()) || doc.Root.Dig("metadata", "annotations") != nil) {
			return false
		}
	}
	return true
}

// refuse notes something that is not done.
func (k *kustomization) refuse(n *tree.Node, problem, hint string) {
	r := reference{problem: problem, hint: hint}
	if n != nil {
		r.line, r.column = k.tree.Position(n.KeyStart())
	}
	k.refs = append(k.refs, r)
}

// refer resolves one path and replaces it by a safe form.
func (k *kustomization) refer(dir string, p *string, u use) {
	if *p == "" {
		return
	}
	r := reference{use: u}
	if n := findScalar(k.root, *p); n != nil {
		r.line, r.column = k.tree.Position(n.Start())
	}
	real, isDir, err := lookup(dir, *p)
	switch {
	case remote(*p):
		r.problem, r.hint = "a remote reference, which is not followed", "fetch it into the tree, or check the output of kustomize build"
	case filepath.IsAbs(*p):
		r.problem = "an absolute path, which is not followed"
	case err != nil:
		r.problem = "refers to a path that cannot be read: " + reason(err)
	case isDir && u == useResource:
		r.use = useBase
		fallthrough
	case isDir && u == useBase:
		if !hasKustomization(real) {
			r.problem = "refers to a directory without a kustomization file"
		}
	case isDir || u == useBase:
		r.problem = "refers to a directory where a file is needed, or the other way round"
	}
	if r.problem == "" {
		rel, err := filepath.Rel(dir, real)
		if err != nil {
			r.problem = "refers to a path that cannot be reached"
		}
		r.real, *p = real, "./"+filepath.ToSlash(rel)
	}
	k.refs = append(k.refs, r)
}

// lookup returns the real path of a reference.
func lookup(dir, p string) (real string, isDir bool, err error) {
	if filepath.IsAbs(p) || remote(p) {
		return "", false, fs.ErrNotExist
	}
	joined := filepath.Join(dir, filepath.FromSlash(p))
	info, err := os.Stat(joined)
	if err != nil {
		return "", false, err
	}
	real, err = realPath(joined)
	return real, info.IsDir(), err
}

// remote reports whether kustomize might take a reference for a URL or a git
// repository. It takes more than kustomize does: a scheme, a user, a query, or a
// first element that is a host of GitHub.
func remote(p string) bool {
	lower := strings.ToLower(p)
	if u, err := url.Parse(p); err == nil && u.Scheme != "" {
		return true
	}
	return strings.Contains(lower, "://") || strings.Contains(lower, "git::") || strings.Contains(p, "?") || scp(p) ||
		strings.HasPrefix(lower, "github.com/") || strings.HasPrefix(lower, "github.com:") || strings.HasPrefix(lower, "www.github.com")
}

// scp reports whether a reference has the form user@host:path.
func scp(p string) bool {
	user, rest, ok := strings.Cut(p, "@")
	return ok && !strings.Contains(user, "/") && strings.Contains(rest, ":")
}

func hasKustomization(dir string) bool {
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}

// findScalar returns the first string below n that holds the text, or nil.
func findScalar(n *tree.Node, text string) *tree.Node {
	if n.Is(tree.String) && (n.Text() == text || strings.HasSuffix(n.Text(), "="+text)) {
		return n
	}
	for i := range n.Children() {
		if found := findScalar(&n.Children()[i], text); found != nil {
			return found
		}
	}
	return nil
}
