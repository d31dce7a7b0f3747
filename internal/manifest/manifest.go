// Package manifest turns paths into Kubernetes objects: plain YAML and JSON
// files, directories, standard input, Helm charts and Kustomize overlays.
//
// What is promised: a path that cannot be read, a document that cannot be
// parsed and a chart or overlay that cannot be rendered cost one
// [model.Problem] each and change nothing for the others. Results do not depend
// on the number of processors. Nothing is read outside the given paths, except
// for the bases of overlays (see [Load]), and nothing over the network. Problems
// never quote what stands in a document, as that may be secret.
package manifest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// DefaultMaxFileBytes is the default of [Options.MaxFileBytes].
const DefaultMaxFileBytes = 64 << 20

// Options say how to load. The zero value holds the defaults.
type Options struct {
	// Namespace is that of namespaced objects which name none, and the one that
	// charts are rendered for. Default: "default".
	Namespace string
	// Stdin is read for the path "-".
	Stdin io.Reader
	// HelmValues are values files, the later ones winning, and HelmSet are
	// key=value settings that win over them, in the syntax of helm --set. They
	// hold for every chart.
	HelmValues []string
	HelmSet    []string
	// KubeVersion is the version of Kubernetes that charts are told, such as
	// "1.37". Default: DefaultKubeVersion.
	KubeVersion string
	// MaxFileBytes bounds a single file. Larger ones are problems and are not
	// read. Default: DefaultMaxFileBytes.
	MaxFileBytes int64
	// Exclude holds patterns of what to leave out, relative to each given path,
	// in the syntax of path.Match with ** for any number of directories. A
	// pattern without a slash matches names at any depth.
	Exclude []string
	// Definitions are searched for CustomResourceDefinitions by [Objects]. [Load]
	// finds those among what it reads.
	Definitions []*model.Object
	// Progress, when set, is called by one goroutine at a time, each time that a
	// source is done.
	Progress func(Progress)
}

// Progress says how far a load is.
type Progress struct {
	Done, Total int // files, charts and overlays
}

// Input is what was loaded. All slices are in the order of the given paths,
// within a directory by name, and within a file by position.
type Input struct {
	// Objects holds all objects, several of one key included.
	Objects []*model.Object
	// Declarations say what workloads need. Own are the other documents of the
	// API group ullage.dev, such as exceptions; nobody has read them yet. Both
	// count as passed over.
	Declarations []*model.Declaration
	Own          []tree.Document
	Problems     []model.Problem
	// Empty are the given paths in which there was no object and no problem, as the
	// user would write them: standard input first of all. A path beside others is
	// left out that holds something else which Ullage reads (declarations, documents
	// of its own, library charts, components) or what another path or an overlay holds.
	Empty []string
	// Counts has Files, Documents, Read, Objects, Workloads, PassedOver, Failed and
	// System. Documents that hold nothing are not counted; a list counts as its
	// items. Failed counts what Problems lists: documents, and files, charts and
	// overlays as a whole.
	Counts model.Counts
	// Digest identifies the input: a SHA-256 over the names and contents of all
	// files read, in order, and the contents of the values files and settings
	// for charts, written as sha256:HEX.
	Digest string
}

// Load reads the paths. "-" is standard input, a directory is searched, and a
// path to a Chart.yaml or a kustomization file means the chart or overlay.
//
// The search of a directory takes files ending in .yaml, .yml or .json, charts
// (directories with a Chart.yaml, and .tgz archives) and overlays (directories
// with a kustomization file). It passes over hidden files and directories, and
// node_modules. It follows symbolic links that stay within the given path; a
// file or directory that is reached twice is read once.
//
//   - In a chart only the chart is read: its subcharts and values belong to it.
//   - A base that an overlay found in the same search refers to is not checked
//     by itself, and the resources and patches of an overlay are not read as
//     plain files. Where an overlay cannot be built, its bases are built by
//     themselves, and its resources are read as plain files.
//   - An overlay may refer to files and directories in the git tree that holds
//     the given path; without one, in the working directory when that holds the
//     path, and else in the path itself.
//
// The error is for wrong use alone, such as settings that cannot be read, and
// for a context that ended. A path that does not exist is a problem.
func Load(ctx context.Context, paths []string, o Options) (*Input, error) {
	l, err := newLoader(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, errors.New("no paths given")
	}
	for _, p := range paths {
		if p == "-" && o.Stdin == nil {
			return nil, errors.New("standard input cannot be read here")
		}
		from := len(l.units)
		l.again = false
		l.discover(p)
		l.given = append(l.given, given{shownPath(p), from, len(l.units), l.again})
	}
	l.run()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return l.collect(), nil
}

// loader holds the state of one Load.
type loader struct {
	ctx     context.Context
	options Options
	exclude []pattern
	values  map[string]any // of all charts, from the options
	// settings are digests of the values files' contents and of the settings.
	settings []fileDigest

	units []*unit
	seen  map[string]*unit // by real path: what was found already
	dirs  map[string]bool  // by real path: directories that were searched
	given []given
	again bool // something was found that an earlier path holds

	overlays map[string]*overlay       // by real path of the directory
	parsed   map[string]*kustomization // by real path of the directory
	covered  map[string]bool           // directories that a built overlay holds
	claims   map[string]bool           // files that overlays read, by real path
}

// Check reports what is wrong with the options; [Load] does so, too.
func (o Options) Check(ctx context.Context) error {
	_, err := newLoader(ctx, o)
	return err
}

func newLoader(ctx context.Context, o Options) (*loader, error) {
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	if o.KubeVersion == "" {
		o.KubeVersion = DefaultKubeVersion
	}
	if o.MaxFileBytes <= 0 {
		o.MaxFileBytes = DefaultMaxFileBytes
	}
	o.MaxFileBytes = min(o.MaxFileBytes, math.MaxInt32) // positions are 32 bits wide
	l := &loader{ctx: ctx, options: o, seen: map[string]*unit{}, dirs: map[string]bool{}, overlays: map[string]*overlay{},
		parsed: map[string]*kustomization{}, claims: map[string]bool{}}
	for _, e := range o.Exclude {
		p, err := parsePattern(e)
		if err != nil {
			return nil, fmt.Errorf("exclude %q: %w", e, err)
		}
		l.exclude = append(l.exclude, p)
	}
	if err := l.readValues(); err != nil {
		return nil, err
	}
	return l, nil
}
