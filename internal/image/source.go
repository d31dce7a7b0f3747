package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Options say how an image is found and read. The zero value reads the image for
// linux and this machine's architecture.
type Options struct {
	// Platform is os/architecture[/variant]. An image for another platform alone is
	// an error when one was asked for.
	Platform string
	Registry Registry
	Stores   Stores
	// Limits bound the cost; nil means [DefaultLimits].
	Limits *Limits
	// DiffIDs lets layers be hashed a second time where they are compressed and
	// known by the digest of the compressed form, to hold their content against the
	// diffID in the configuration too. Layers without a known digest are always held
	// against it.
	DiffIDs bool
	// Secrets lets the files of all layers be searched for secrets. The configuration
	// always is.
	Secrets bool
	// Cache, when set, is asked for what was made of this image or its layers before,
	// and gets what is made now. With DiffIDs it is not asked. It answers for files of
	// this machine that were read and found to have the bytes that their digests name,
	// and were not written to since; and for what a registry has by its digest.
	Cache Cache
	// Progress, when set, is called when a layer was read: its index, and how many
	// there are. Calls come one at a time, in order.
	Progress func(index, layers int, layer *Layer)
	// Reading, when set, is called while layers are read, by several goroutines at a
	// time: the index of one and how many there are, how much of it was read so far in
	// bytes, and how large it is, 0 where that is not known.
	Reading func(index, layers int, read, size int64)
}

func (o *Options) limits() Limits {
	if o.Limits == nil {
		return DefaultLimits
	}
	return *o.Limits
}

// Source is an image that was found: its manifest and configuration were read,
// its layers mostly not yet.
type Source struct {
	Reference string
	Identity

	config      []byte
	layers      []layerSource
	annotations map[string]string // of the manifest
	problems    problems
	closer      io.Closer
	beside      attached // nil where the source holds the image alone
}

// layerSource is a layer that can be read.
type layerSource struct {
	Layer
	name string // of the file or blob, for problems
	// checked is true where reading to the end fails unless the digest is right.
	checked bool
	// absent is true where the source names a file that it does not have: no cache may
	// answer for it.
	absent bool
	open   func(ctx context.Context) (io.ReadCloser, error)
	// stamp tells the file of this machine that the layer is in; nil where the layer is
	// fetched by its digest.
	stamp func() stamp
	// read is set when the layer was read as the archive passed by.
	read *layerRead
	// walk is set for a directory, which is no archive.
	walk func(ctx context.Context, p *layerPass, index int) (*layerRead, error)
}

// Close lets go of the files behind the source.
func (s *Source) Close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}

// The forms of a reference, before a colon. Without one [Open] looks what there is.
const (
	dockerArchive = "docker-archive"
	ociArchive    = "oci-archive"
	ociLayout     = "oci"
	directory     = "dir"
	registry      = "registry"
	containerd    = "containerd"
	docker        = "docker"
)

// Open finds an image. A reference is
//
//	docker-archive:FILE[:NAME]  what docker save writes
//	oci-archive:FILE[:NAME]     a tar of an OCI layout
//	oci:DIR[:NAME]              an OCI layout
//	dir:DIR                     a root file system
//	registry:REFERENCE          an image in a registry; docker://REFERENCE is the same
//	containerd:REFERENCE|DIGEST an image in the store of containerd on this machine
//	docker:REFERENCE|ID         an image in that of Docker
//
// or without the word before the colon any of the first five: a file or directory of
// that name is looked at first. The stores of this machine are read only when they are
// named, so that a reference means the same on every machine. NAME chooses one of several images. Archives may be
// compressed by gzip or zstd; these, and pipes, are read here at once.
func Open(ctx context.Context, ref string, o Options) (*Source, error) {
	source, err := open(ctx, ref, o)
	if p, ok := err.(*fs.PathError); ok && strings.HasSuffix(ref, p.Path) { // which says the path again
		err = p.Err
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	source.Reference = ref
	return source, nil
}

// IsLocal reports whether what is before the first colon of a reference says that the image
// is on this machine.
func IsLocal(form string) bool {
	switch form {
	case dockerArchive, ociArchive, ociLayout, directory, containerd, docker:
		return true
	}
	return false
}

func open(ctx context.Context, ref string, o Options) (*Source, error) {
	if rest, ok := strings.CutPrefix(ref, "docker://"); ok {
		return openRegistry(ctx, rest, o)
	}
	form, rest, ok := strings.Cut(ref, ":")
	if ok {
		switch form {
		case dockerArchive, ociArchive:
			path, name := splitName(rest)
			return openArchive(ctx, path, name, form, o)
		case ociLayout:
			path, name := splitName(rest)
			return openLayout(ctx, dirFiles(path), name, o)
		case directory:
			return openRoot(rest)
		case registry:
			return openRegistry(ctx, rest, o)
		case containerd:
			return openContainerd(ctx, rest, o)
		case docker:
			return openDocker(ctx, rest, o)
		}
	}
	path, name := splitName(ref)
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return openArchive(ctx, path, name, "", o)
	case err == nil && isLayout(path):
		return openLayout(ctx, dirFiles(path), name, o)
	case err == nil && path == ref && isRoot(path):
		return openRoot(path)
	case err == nil && isPath(ref):
		return nil, fmt.Errorf("%s is a directory with neither an OCI layout nor a root file system in it: write %s:%s to read it as a root file system", path, directory, path)
	case err == nil: // not asked of a registry, which would tell others what is here
		return nil, fmt.Errorf("%s is a directory with neither an OCI layout nor a root file system in it: write %s:%s to read it as one, or %s:%s for the image in a registry", path, directory, path, registry, ref)
	case err != nil && isPath(ref):
		return nil, err
	}
	return openRegistry(ctx, ref, o)
}

// splitName cuts the name of an image off a path, unless all of it is a path.
func splitName(s string) (path, name string) {
	if _, err := os.Stat(s); err == nil {
		return s, ""
	}
	for i := range len(s) {
		if s[i] != ':' {
			continue
		}
		if _, err := os.Stat(s[:i]); err == nil {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// isPath reports whether a reference can only be meant as a path.
func isPath(ref string) bool {
	if filepath.IsAbs(ref) || strings.HasPrefix(ref, ".") {
		return true
	}
	for _, ending := range []string{".tar", ".tar.gz", ".tgz", ".tar.zst"} {
		if strings.HasSuffix(ref, ending) {
			return true
		}
	}
	return false
}

func isLayout(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "index.json"))
	return err == nil
}

// isRoot reports whether a directory looks like a root file system: it says of
// which distribution, or has two directories that projects rarely have.
func isRoot(dir string) bool {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		if info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name))); err == nil && !info.IsDir() {
			return true
		}
	}
	found := 0
	for _, name := range []string{"dev", "etc", "proc", "sbin", "sys", "usr"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.IsDir() {
			found++
		}
	}
	return found >= 2
}

// files are the files of an archive or layout, by their slash-separated names.
type files interface {
	// open returns a file and its size. A file that is not there is fs.ErrNotExist.
	open(name string) (io.ReadCloser, int64, error)
	has(name string) bool
	// stamp tells the file, as it is now, from what it was or will be.
	stamp(name string) stamp
	// layer returns what came of a file that was read as a layer already, or nil.
	layer(name string) *layerRead
}

// dirFiles are those of a directory.
type dirFiles string

func (d dirFiles) open(name string) (io.ReadCloser, int64, error) {
	f, err := os.Open(filepath.Join(string(d), filepath.FromSlash(name)))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", name)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (d dirFiles) has(name string) bool {
	_, err := os.Stat(filepath.Join(string(d), filepath.FromSlash(name)))
	return err == nil
}

func (d dirFiles) stamp(name string) stamp {
	info, err := os.Stat(filepath.Join(string(d), filepath.FromSlash(name)))
	if err != nil {
		return stamp{}
	}
	return stampOf(info)
}

func (d dirFiles) layer(string) *layerRead { return nil }

// mostJSON bounds manifests and configurations, in bytes. Registries refuse
// manifests above 4 MB.
const mostJSON = 16 << 20

func readFile(f files, name string) ([]byte, error) {
	r, _, err := f.open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = r.Close() }()
	return readLimited(r, name)
}

func readLimited(r io.Reader, name string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, mostJSON+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(b) > mostJSON {
		return nil, fmt.Errorf("%s: more than %d bytes", name, mostJSON)
	}
	return b, nil
}

func decode(b []byte, name string, to any) error {
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// setConfig takes the configuration and what it says of the layers.
func (s *Source) setConfig(config []byte) error {
	s.config = config
	var c struct {
		OS, Architecture, Variant string
		RootFS                    struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := decode(config, "image configuration", &c); err != nil {
		return err
	}
	if s.Platform == "" {
		s.Platform = v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}.String()
	}
	if n := len(c.RootFS.DiffIDs); n != len(s.layers) {
		s.problems.add("the number of layers is %d by the manifest, by the configuration %d", len(s.layers), n)
	}
	for i := range s.layers {
		if i < len(c.RootFS.DiffIDs) {
			s.layers[i].DiffID = c.RootFS.DiffIDs[i]
		}
	}
	return nil
}

// checkPlatform fails when another platform was asked for than the image is for.
func (s *Source) checkPlatform(wanted string) error {
	if wanted == "" {
		return nil
	}
	want, err := parsePlatform(wanted)
	if err != nil {
		return err
	}
	if have, err := parsePlatform(s.Platform); err != nil || !satisfies(*have, *want) {
		return fmt.Errorf("it is for %s, not for %s: ask for that, or for none", s.Platform, wanted)
	}
	return nil
}

func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
